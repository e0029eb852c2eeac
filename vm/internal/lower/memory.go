package lower

import (
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/ir"
	"github.com/tandemvm/tandem/vm/internal/layout"
)

// addr is where something stands in memory, or in the frame.
type addr struct {
	kind addrKind
	base ir.Loc // addrPtr: the pointer; addrIndex: the slice or string; addrScaled: the pointer
	idx  ir.Loc // addrIndex, addrScaled
	off  int64  // addrPtr, addrGlobal, addrLocal: bytes beyond
	at   uint64 // addrGlobal: provisional address of the variable
	loc  *local // addrLocal
}

type addrKind uint8

const (
	addrPtr    addrKind = iota // base + off
	addrGlobal                 // at + off
	addrLocal                  // variable of the frame + off
	addrIndex                  // element idx of slice base, checked by the access itself
	addrScaled                 // element idx from pointer base, known to be in range
)

// local is a variable that lives in the frame.
type local struct {
	reg  ir.Reg
	size int64
	typ  types.Type
	// captured: a closure reads and writes it as memory
	captured bool
}

// asMemory says whether numbers stand in the local's slots as in memory, rather than sign-extended.
func (l *local) asMemory() bool { return l.captured || aggregate(l.typ) }

// wholeSlots says whether size bytes at a, in a local, can be read and written as slots.
func (a addr) wholeSlots(size int64) bool {
	return a.off%8 == 0 && (size%8 == 0 || a.off == 0 && size == a.loc.size || alone(a.loc.typ, a.off, size))
}

func aggregate(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Struct, *types.Array:
		return true
	}
	return false
}

// framed is the largest variable in bytes that is kept in the frame.
const framed = 1024

// pointer is a register holding the address a.
func (s *sel) pointer(a addr) ir.Loc {
	switch a.kind {
	case addrGlobal:
		return s.ref(a.at + uint64(a.off))
	case addrLocal:
		p := s.frameAddr(a.loc)
		return s.offset(p, a.off)
	case addrPtr:
		return s.offset(a.base, a.off)
	}
	panic("BUG: lower: an element folded into its accesses is needed as a pointer")
}

func (s *sel) frameAddr(l *local) ir.Loc {
	s.f.Pinned[l.reg] = true
	return s.cached(constKey{kind: 'l', val: uint64(l.reg)})
}

// offset is p + off.
func (s *sel) offset(p ir.Loc, off int64) ir.Loc {
	if off == 0 {
		return p
	}
	d := s.new1()
	s.addImm(d, p, off)
	return d
}

func (s *sel) addImm(d, p ir.Loc, v int64) {
	if v == int64(int16(v)) {
		s.opI(code.AddI, d, p, v)
	} else {
		s.op3(code.Add, d, p, s.word(uint64(v)))
	}
}

// reach brings a into a form that load and store ops take: a pointer and an offset of 16 bits.
func (s *sel) reachable(a addr, size int64) (ir.Loc, int64) {
	switch {
	case a.kind == addrPtr && a.off+size <= 1<<16 && a.off >= 0:
		return a.base, a.off
	case a.kind == addrLocal:
		return s.frameAddr(a.loc), a.off
	}
	return s.pointer(a), 0
}

// addrOf is the address that the pointer value v stands for.
func (s *sel) addrOf(v ssa.Value) addr {
	if a, ok := s.addrs[v]; ok {
		return a
	}
	switch v := v.(type) {
	case *ssa.Global:
		return addr{kind: addrGlobal, at: s.u.Global(v)}
	case *ssa.Alloc:
		if l := s.locals[v]; l != nil {
			return addr{kind: addrLocal, loc: l}
		}
	}
	return addr{kind: addrPtr, base: s.val(v)}
}

// signed says whether values of t are kept sign-extended.
func signed(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsInteger != 0 && b.Info()&types.IsUnsigned == 0
}

// load writes the value of type t at a to dst.
func (s *sel) load(dst ir.Loc, a addr, t types.Type) {
	x := s.u.Trait(t)
	switch {
	case x.Slots == 0:
		if a.kind == addrPtr {
			s.check(a.base)
		}
		return
	case x.Boxed:
		src := s.pointer(a)
		s.opX(code.New, 1, dst, ir.NoLoc, ir.NoLoc, s.u.TypeAddr(t))
		s.opX(code.CopyM, 1, dst, src, ir.NoLoc, uint64(x.Size))
		return
	}
	switch a.kind {
	case addrIndex, addrScaled:
		s.loadElem(dst, a, x.Size, signed(t))
		return
	case addrGlobal:
		if s.loadGlobal(dst, a, x.Size, signed(t)) {
			return
		}
	case addrLocal:
		if a.wholeSlots(x.Size) {
			src := ir.At(a.loc.reg, int32(a.off/8))
			if x.Size < 8 && signed(t) && a.loc.asMemory() {
				s.extend(dst, src, t)
				return
			}
			s.copy(dst, src, x.Slots)
			return
		}
	}
	p, off := s.reachable(a, x.Size)
	if x.Size <= 4 && signed(t) {
		s.opI(map[int64]code.Op{1: code.LdS8, 2: code.LdS16, 4: code.LdS32}[x.Size], dst, p, off)
		return
	}
	s.loadBytes(dst, p, off, x.Size)
}

// check faults when the pointer is nil.
func (s *sel) check(p ir.Loc) {
	i := blank(code.NilChk)
	i.A = p
	s.put(i)
}

// loadBytes reads size bytes at p+off as they stand in memory.
func (s *sel) loadBytes(dst, p ir.Loc, off, size int64) {
	switch size {
	case 1:
		s.opI(code.LdU8, dst, p, off)
	case 2:
		s.opI(code.LdU16, dst, p, off)
	case 4:
		s.opI(code.LdU32, dst, p, off)
	case 8:
		s.opI(code.Ld64, dst, p, off)
	case 16:
		s.opI(code.Ld128, dst, p, off).Wide(2)
	case 24:
		s.opI(code.Ld192, dst, p, off).Wide(3)
	default:
		i := s.opX(code.LdN, (size+7)/8, dst, p, ir.NoLoc, uint64(size))
		i.Imm = off
	}
}

func (s *sel) loadElem(dst ir.Loc, a addr, size int64, signed bool) {
	var op code.Op
	if a.kind == addrIndex {
		op = map[int64]code.Op{1: code.LdXU8, 2: code.LdXU16, 4: code.LdXU32, 8: code.LdX64, 16: code.LdX128, 24: code.LdX192}[size]
	} else {
		op = map[int64]code.Op{1: code.LdPU8, 2: code.LdPU16, 4: code.LdPU32, 8: code.LdP64}[size]
	}
	if signed && size < 8 {
		op++ // the table has the signed form after the unsigned one
	}
	s.op3(op, dst, a.base, a.idx).Wide((size + 7) / 8)
}

func (s *sel) loadGlobal(dst ir.Loc, a addr, size int64, signed bool) bool {
	var op code.Op
	switch {
	case size == 1 && !signed:
		op = code.LdGU8
	case size == 4 && signed:
		op = code.LdGS32
	case size == 4:
		op = code.LdGU32
	case size == 8:
		op = code.LdG64
	case size == 16:
		op = code.LdG128
	case size == 24:
		op = code.LdG192
	default:
		return false
	}
	s.opI(op, dst, ir.NoLoc, s.globalOffset(a)).Wide((size + 7) / 8).Ref = true
	return true
}

// globalOffset is the immediate of an LdG or StG op.
func (s *sel) globalOffset(a addr) int64 {
	return int64(int32(uint32(a.at + uint64(a.off) - code.Base)))
}

// store writes v to a.
func (s *sel) store(a addr, v ssa.Value) {
	t := v.Type()
	x := s.u.Trait(t)
	if x.Slots == 0 {
		if a.kind == addrPtr {
			s.check(a.base)
		}
		return
	}
	if c, ok := v.(*ssa.Const); ok && c.Value == nil && (x.Slots > 3 || x.Boxed) && !(a.kind == addrLocal && a.wholeSlots(x.Size)) {
		s.opX(code.ZeroM, 1, s.pointer(a), ir.NoLoc, ir.NoLoc, uint64(x.Size))
		return
	}
	if a.kind == addrLocal && !x.Boxed && a.wholeSlots(x.Size) {
		dst := ir.At(a.loc.reg, int32(a.off/8))
		if x.Size < 8 && signed(t) && a.loc.asMemory() {
			s.opI(zeroExtend(x.Size), dst, s.val(v), 0)
			return
		}
		s.into(dst, v)
		return
	}
	s.storeLoc(a, s.val(v), t)
}

// storeLoc writes the value of type t in slots at src to a.
func (s *sel) storeLoc(a addr, src ir.Loc, t types.Type) {
	x := s.u.Trait(t)
	switch {
	case x.Slots == 0:
		return
	case x.Boxed:
		s.opX(code.CopyM, 1, s.pointer(a), src, ir.NoLoc, uint64(x.Size))
		return
	}
	switch a.kind {
	case addrIndex, addrScaled:
		var op code.Op
		if a.kind == addrIndex {
			op = map[int64]code.Op{1: code.StX8, 2: code.StX16, 4: code.StX32, 8: code.StX64, 16: code.StX128, 24: code.StX192}[x.Size]
		} else {
			op = map[int64]code.Op{1: code.StP8, 2: code.StP16, 4: code.StP32, 8: code.StP64}[x.Size]
		}
		s.op3(op, a.base, src, a.idx)
		return
	case addrGlobal:
		op := map[int64]code.Op{1: code.StG8, 4: code.StG32, 8: code.StG64, 16: code.StG128, 24: code.StG192}[x.Size]
		if op != 0 {
			s.opI(op, src, ir.NoLoc, s.globalOffset(a)).Ref = true
			return
		}
	case addrLocal:
		if a.wholeSlots(x.Size) && !(x.Size < 8 && signed(t)) {
			s.copy(ir.At(a.loc.reg, int32(a.off/8)), src, x.Slots)
			return
		}
	}
	p, off := s.reachable(a, x.Size)
	s.storeBytes(p, off, src, x.Size)
}

func (s *sel) storeBytes(p ir.Loc, off int64, src ir.Loc, size int64) {
	op := map[int64]code.Op{1: code.St8, 2: code.St16, 4: code.St32, 8: code.St64, 16: code.St128, 24: code.St192}[size]
	if op != 0 {
		s.opI(op, p, src, off)
		return
	}
	i := s.opX(code.StN, 1, p, src, ir.NoLoc, uint64(size))
	i.Imm = off
}

func zeroExtend(size int64) code.Op {
	return map[int64]code.Op{1: code.ZX8, 2: code.ZX16, 4: code.ZX32}[size]
}

func signExtend(size int64) code.Op {
	return map[int64]code.Op{1: code.SX8, 2: code.SX16, 4: code.SX32}[size]
}

// extend writes the low bytes of src, as many as t has, to dst as a value of integer type t.
func (s *sel) extend(dst, src ir.Loc, t types.Type) {
	size := s.u.Size(t)
	switch {
	case size >= 8:
		s.copy(dst, src, 1)
	case signed(t):
		s.opI(signExtend(size), dst, src, 0)
	default:
		s.opI(zeroExtend(size), dst, src, 0)
	}
}

// extract writes size bytes from byte off of the value in slots at src to dst, as they would stand in slots of their own.
func (s *sel) extract(dst, src ir.Loc, off, size int64, t types.Type) {
	slot, shift := off/8, off%8*8
	n := (size + 7) / 8
	if shift == 0 && size%8 == 0 {
		s.copy(dst, src.Plus(slot), n)
		return
	}
	if n > 1 {
		s.opI(code.Zero, dst, ir.NoLoc, n).Wide(n)
	}
	for k := int64(0); k < n; k++ {
		rest := min(size-8*k, 8) // bytes of this slot
		from, to := src.Plus(slot+k), dst.Plus(k)
		if shift > 0 && shift+8*rest > 64 { // two slots share it
			lo, hi := s.new1(), s.new1()
			s.opI(code.ShrUI, lo, from, shift)
			s.opI(code.ShlI, hi, from.Plus(1), 64-shift)
			w := s.new1()
			s.op3(code.Or, w, lo, hi)
			from = w
		} else if shift > 0 {
			if shift+8*rest == 64 && !(n == 1 && signed(t)) {
				s.opI(code.ShrUI, to, from, shift)
				continue
			}
			w := s.new1()
			s.opI(code.ShrUI, w, from, shift)
			from = w
		}
		s.lowBytes(to, from, rest, n == 1 && signed(t))
	}
}

// lowBytes keeps the low bytes of a slot.
func (s *sel) lowBytes(dst, src ir.Loc, bytes int64, signed bool) {
	switch {
	case bytes == 8:
		s.copy(dst, src, 1)
	case bytes == 1 || bytes == 2 || bytes == 4:
		op := zeroExtend(bytes)
		if signed {
			op = signExtend(bytes)
		}
		s.opI(op, dst, src, 0)
	default:
		w := s.new1()
		s.opI(code.ShlI, w, src, 64-8*bytes)
		s.opI(code.ShrUI, dst, w, 64-8*bytes)
	}
}

// alone says whether the bytes [off, off+size) of a value of type t share their slot with no other field, so that
// the slot may hold the field's value.
func alone(t types.Type, off, size int64) bool {
	if off%8 != 0 {
		return false
	}
	count := 0
	eachLeaf(t, 0, func(o, n int64) {
		if o < off/8*8+8 && o+n > off {
			count++
		}
	})
	return count == 1
}

// eachLeaf calls f for every scalar part of a value of type t at offset off.
func eachLeaf(t types.Type, off int64, f func(off, size int64)) {
	switch u := t.Underlying().(type) {
	case *types.Struct:
		for i, o := range layout.Offsets(u) {
			eachLeaf(u.Field(i).Type(), off+o, f)
		}
	case *types.Array:
		n := layout.Size(u.Elem())
		for i := range u.Len() {
			eachLeaf(u.Elem(), off+i*n, f)
		}
	default:
		f(off, layout.Size(t))
	}
}

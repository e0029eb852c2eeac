package lower

import (
	"fmt"
	"go/token"
	"go/types"
	"math"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/flow"
	"github.com/tandemvm/tandem/vm/internal/ir"
	"github.com/tandemvm/tandem/vm/internal/layout"
)

// instr selects one instruction of the current scope.
func (s *sel) instr(i ssa.Instruction) {
	if s.skip[i] {
		return
	}
	if v, ok := i.(ssa.Value); ok && s.fused[v] {
		if x, ok := i.(*ssa.IndexAddr); ok {
			s.foldIndex(x)
		}
		return
	}
	if p, ok := s.inPlaces[i]; ok {
		s.updateInPlace(i, p)
		return
	}
	switch i := i.(type) {
	case *ssa.Phi, *ssa.DebugRef:
	case *ssa.Alloc:
		s.alloc(i)
	case *ssa.BinOp:
		s.binOp(i)
	case *ssa.UnOp:
		s.unOp(i)
	case *ssa.ChangeType:
		s.vals[i] = s.val(i.X)
	case *ssa.Convert:
		s.convert(i, i.X, i.Type())
	case *ssa.MultiConvert:
		s.convert(i, i.X, i.Type())
	case *ssa.ChangeInterface:
		s.changeInterface(i)
	case *ssa.SliceToArrayPointer:
		s.opX(code.SliceToArr, 1, s.define(i), s.val(i.X), ir.NoLoc, uint64(layout.ArrayOf(layout.Pointee(i.Type())).Len()))
	case *ssa.MakeInterface:
		s.makeInterface(s.define(i), i.Type(), i.X)
	case *ssa.MakeClosure:
		s.makeClosure(i)
	case *ssa.MakeMap:
		n := ir.Loc{}
		if i.Reserve != nil {
			n = s.val(i.Reserve)
		} else {
			n = s.word(0)
		}
		s.opX(code.MapNew, 1, s.define(i), n, ir.NoLoc, s.u.TypeAddr(i.Type()))
	case *ssa.MakeChan:
		s.opX(code.ChanNew, 1, s.define(i), s.val(i.Size), ir.NoLoc, s.u.TypeAddr(i.Type()))
	case *ssa.MakeSlice:
		elem := i.Type().Underlying().(*types.Slice).Elem()
		n := s.val(i.Len)
		c := n
		if i.Cap != i.Len {
			c = s.val(i.Cap)
		} else if onlyAppended(i) {
			s.checkExtension(n, elem)
		}
		s.opX(code.MakeSlice, 3, s.define(i), n, c, s.u.TypeAddr(elem))
	case *ssa.Slice:
		s.slice(i)
	case *ssa.FieldAddr:
		s.fieldAddr(i)
	case *ssa.IndexAddr:
		s.indexAddr(i)
	case *ssa.Field:
		s.field(i)
	case *ssa.Index:
		s.indexValue(i)
	case *ssa.Lookup:
		s.lookup(i)
	case *ssa.Select:
		s.selectStmt(i)
	case *ssa.Range:
		s.rangeOver(i)
	case *ssa.Next:
		s.next(i)
	case *ssa.TypeAssert:
		s.typeAssert(i)
	case *ssa.Extract:
		s.vals[i] = s.tuples[i.Tuple][i.Index]
	case *ssa.Call:
		s.call(i)
	case *ssa.Go:
		s.spawn(code.Go, &i.Call, ir.NoLoc)
	case *ssa.Defer:
		s.deferCall(i)
	case *ssa.RunDefers:
		s.runDefers()
	case *ssa.Panic:
		if s.rangeMisuse(i) {
			return
		}
		in := blank(code.Panic)
		in.A = s.val(i.X)
		s.end(in)
	case *ssa.Send:
		elem := i.Chan.Type().Underlying().(*types.Chan).Elem()
		s.opX(code.Send, 1, s.val(i.Chan), s.val(i.X), ir.NoLoc, s.u.TypeAddr(elem))
	case *ssa.Store:
		if flow.IsGuard(i.Addr) || flow.InBlankField(i.Addr) {
			return
		}
		s.store(s.addrOf(i.Addr), i.Val)
	case *ssa.MapUpdate:
		s.opX(code.MapSet, 1, s.val(i.Map), s.val(i.Key), s.val(i.Value), s.u.TypeAddr(i.Map.Type()))
	case *ssa.Return:
		s.ret(i.Results)
	case *ssa.Jump:
		s.jumpTo(s.heads[i.Block().Succs[0]])
	case *ssa.If:
		s.ifInstr(i)
	default:
		panic(fmt.Sprintf("BUG: lower: %s: unknown instruction %T", s.fn, i))
	}
}

func (s *sel) alloc(i *ssa.Alloc) {
	t := layout.Pointee(i.Type())
	if l := s.locals[i]; l != nil {
		if n := s.f.Slots[l.reg]; n == 1 {
			s.opI(code.LdI, ir.At(l.reg, 0), ir.NoLoc, 0)
		} else if n > 1 {
			s.opI(code.Zero, ir.At(l.reg, 0), ir.NoLoc, int64(n)).Wide(int64(n))
		}
		return
	}
	if unmakeable(i) {
		return
	}
	s.opX(code.New, 1, s.define(i), ir.NoLoc, ir.NoLoc, s.u.TypeAddr(t))
}

// unmakeable says whether a is the array that go/ssa makes of make([]T, n, constant) and no memory has room for it.
func unmakeable(a *ssa.Alloc) bool {
	if a.Comment != "makeslice" {
		return false
	}
	arr := layout.ArrayOf(layout.Pointee(a.Type()))
	return arr.Len() > unmakeableBytes/max(layout.Size(arr.Elem()), 1)
}

// unmakeableBytes is more than any memory has.
const unmakeableBytes = 1 << 48

func (s *sel) unOp(i *ssa.UnOp) {
	switch i.Op {
	case token.MUL:
		s.loadInstr(i)
	case token.NOT:
		s.opI(code.Not, s.define(i), s.val(i.X), 0)
	case token.SUB:
		s.negate(i)
	case token.XOR:
		d := s.define(i)
		if size := s.u.Size(i.Type()); !signed(i.Type()) && size < 8 {
			w := s.new1()
			s.opI(code.Com, w, s.val(i.X), 0)
			s.opI(zeroExtend(size), d, w, 0)
			return
		}
		s.opI(code.Com, d, s.val(i.X), 0)
	case token.ARROW:
		elem := i.X.Type().Underlying().(*types.Chan).Elem()
		n := s.u.Slots(elem)
		in := blank(code.Recv)
		in.B, in.Ext = s.val(i.X), s.u.TypeAddr(elem)
		if i.CommaOk {
			d := s.f.NewLoc(n + 1)
			s.tuples[i] = []ir.Loc{part(d, 0, n), d.Plus(n)}
			in.A, in.N, in.Imm = d, int32(n+1), 1
		} else {
			in.N = int32(n)
			if in.A = s.define(i); n == 0 {
				in.A = s.new1() // nothing is written there
			}
		}
		s.put(in)
	default:
		panic(fmt.Sprintf("BUG: lower: unary %s", i.Op))
	}
}

// part is the n slots of d from slot off on.
func part(d ir.Loc, off, n int64) ir.Loc {
	if n == 0 {
		return ir.NoLoc
	}
	return d.Plus(off)
}

// loadInstr is *p. What is read from a variable of the frame that is not written again in the block needs no copy.
func (s *sel) loadInstr(i *ssa.UnOp) {
	if flow.IsGuard(i.X) {
		return
	}
	a := s.addrOf(i.X)
	x := s.u.Trait(i.Type())
	if a.kind == addrLocal && a.wholeSlots(x.Size) && !x.Boxed && !(x.Size < 8 && signed(i.Type()) && a.loc.asMemory()) && s.settled(i) {
		s.vals[i] = ir.At(a.loc.reg, int32(a.off/8))
		s.aliased[i] = true
		return
	}
	if x.Slots == 0 {
		s.vals[i] = ir.NoLoc
		s.load(ir.NoLoc, a, i.Type())
		return
	}
	s.load(s.define(i), a, i.Type())
}

// settled says whether all users of the load i, the instruction being selected, come in its block before the variable it reads can change.
func (s *sel) settled(i *ssa.UnOp) bool {
	b := i.Block()
	for _, r := range *i.Referrers() {
		if r.Block() != b {
			return false
		}
		switch r := r.(type) {
		case *ssa.BinOp, *ssa.Store, *ssa.Return, *ssa.DebugRef, *ssa.MapUpdate:
		case *ssa.Call:
			if _, ok := r.Call.Value.(*ssa.Builtin); ok {
				return false
			}
		default:
			return false
		}
	}
	return s.writes[flow.RootAlloc(i.X)] <= s.here
}

// enter makes b the block being selected.
func (s *sel) enter(b *ssa.BasicBlock) {
	if s.scope.names != nil && s.outer == nil {
		s.scope.names.Enter(b)
	}
	s.writes = map[*ssa.Alloc]int{}
	for k, i := range b.Instrs {
		switch i := i.(type) {
		case *ssa.Store:
			if a := flow.RootAlloc(i.Addr); a != nil {
				s.writes[a] = k + 1
			}
		case *ssa.Alloc:
			s.writes[i] = k + 1
		case *ssa.RunDefers:
			for a, l := range s.locals {
				if l.captured {
					s.writes[a] = k + 1
				}
			}
		}
	}
}

// --- addresses

func (s *sel) fieldAddr(i *ssa.FieldAddr) {
	st := layout.StructOf(layout.Pointee(i.X.Type()))
	a := s.addrOf(i.X)
	a.off += layout.Offsets(st)[i.Field]
	s.addrs[i] = a
	if a.kind != addrPtr || flow.NonNil(i.X) || flow.AccessedIn(i, i.Block()) {
		return
	}
	s.check(a.base)
}

func (s *sel) foldIndex(i *ssa.IndexAddr) {
	a := addr{kind: addrIndex}
	if _, ok := i.X.Type().Underlying().(*types.Slice); ok {
		a.base = s.val(i.X)
		a.idx = s.index(i.Index, func() ir.Loc { return a.base.Plus(1) })
	} else {
		arr := layout.ArrayOf(layout.Pointee(i.X.Type()))
		a.idx = s.index(i.Index, func() ir.Loc { return s.word(uint64(arr.Len())) })
		s.bound(i.Index, a.idx, arr.Len(), i.Block())
		a.kind, a.base = addrScaled, s.pointer(s.addrOf(i.X))
	}
	s.addrs[i] = a
}

// bound panics unless v, which stands at idx and is used in b, is below n.
func (s *sel) bound(v ssa.Value, idx ir.Loc, n int64, b *ssa.BasicBlock) {
	if flow.Below(v, n, b) {
		return
	}
	if n > 1<<31-1 {
		s.op3(code.BoundR, idx, s.word(uint64(n)), ir.NoLoc)
		return
	}
	s.opI(code.Bound, idx, ir.NoLoc, n)
}

func (s *sel) indexAddr(i *ssa.IndexAddr) {
	if sl, ok := i.X.Type().Underlying().(*types.Slice); ok {
		x := s.val(i.X)
		idx := s.index(i.Index, func() ir.Loc { return x.Plus(1) })
		s.opX(code.LeaX, 1, s.define(i), x, idx, uint64(layout.Size(sl.Elem())))
		return
	}
	arr := layout.ArrayOf(layout.Pointee(i.X.Type()))
	size := layout.Size(arr.Elem())
	a := s.addrOf(i.X)
	if c, ok := i.Index.(*ssa.Const); ok {
		if k, ok := s.u.ConstWord(c); ok && k < uint64(arr.Len()) {
			a.off += int64(k) * size
			s.addrs[i] = a
			if a.kind == addrPtr && !flow.NonNil(i.X) && !flow.AccessedIn(i, i.Block()) {
				s.check(a.base)
			}
			return
		}
	}
	idx := s.index(i.Index, func() ir.Loc { return s.word(uint64(arr.Len())) })
	if a.kind == addrPtr && !flow.NonNil(i.X) {
		s.check(a.base)
	}
	s.bound(i.Index, idx, arr.Len(), i.Block())
	s.opX(code.LeaP, 1, s.define(i), s.pointer(a), idx, uint64(size))
}

// --- parts of values

func (s *sel) field(i *ssa.Field) {
	st := layout.StructOf(i.X.Type())
	off, t := layout.Offsets(st)[i.Field], st.Field(i.Field).Type()
	s.partOf(i, s.val(i.X), s.u.Trait(i.X.Type()).Boxed, off, t)
}

// partOf defines v as the part of type t at byte off of the value at src.
func (s *sel) partOf(v ssa.Value, src ir.Loc, boxed bool, off int64, t types.Type) {
	x := s.u.Trait(t)
	switch {
	case x.Slots == 0:
		s.vals[v] = ir.NoLoc
	case boxed && x.Boxed:
		s.vals[v] = s.offset(src, off) // part of an immutable copy
	case boxed:
		s.load(s.define(v), addr{kind: addrPtr, base: src, off: off}, t)
	case off%8 == 0 && x.Size%8 == 0:
		s.vals[v] = src.Plus(off / 8)
	default:
		s.extract(s.define(v), src, off, x.Size, t)
	}
}

// indexValue is an element of an array value or a byte of a string.
func (s *sel) indexValue(i *ssa.Index) {
	if layout.IsString(i.X.Type()) {
		x := s.val(i.X)
		idx := s.index(i.Index, func() ir.Loc { return x.Plus(1) })
		s.op3(code.LdXU8, s.define(i), x, idx)
		return
	}
	arr := layout.ArrayOf(i.X.Type())
	size, x := layout.Size(arr.Elem()), s.u.Trait(i.X.Type())
	if c, ok := i.Index.(*ssa.Const); ok {
		if k, ok := s.u.ConstWord(c); ok && k < uint64(arr.Len()) {
			s.partOf(i, s.val(i.X), x.Boxed, int64(k)*size, arr.Elem())
			return
		}
	}
	idx := s.index(i.Index, func() ir.Loc { return s.word(uint64(arr.Len())) })
	s.bound(i.Index, idx, arr.Len(), i.Block())
	p := s.val(i.X)
	if !x.Boxed {
		p = s.spill(p, x.Slots)
	}
	e := s.new1()
	s.opX(code.LeaP, 1, e, p, idx, uint64(size))
	if s.u.Slots(arr.Elem()) == 0 {
		s.vals[i] = ir.NoLoc
		return
	}
	s.load(s.define(i), addr{kind: addrPtr, base: e}, arr.Elem())
}

// spill copies a value to memory of the frame and returns its address.
func (s *sel) spill(src ir.Loc, slots int64) ir.Loc {
	if slots == 0 {
		return s.frameAddr(&local{reg: s.f.NewReg(1)})
	}
	r := s.f.NewReg(slots)
	s.f.Pinned[r] = true
	s.copy(ir.At(r, 0), src, slots)
	return s.frameAddr(&local{reg: r})
}

func (s *sel) slice(i *ssa.Slice) {
	if a, ok := i.X.(*ssa.Alloc); ok && unmakeable(a) {
		arr := layout.ArrayOf(layout.Pointee(a.Type()))
		if onlyAppended(i) {
			s.checkExtension(s.val(i.High), arr.Elem())
		}
		s.opX(code.MakeSlice, 3, s.define(i), s.val(i.High), s.word(uint64(arr.Len())), s.u.TypeAddr(arr.Elem()))
		return
	}
	in := blank(code.Slice)
	in.N = 3
	var size, length int64 // of an element; of the array
	switch t := i.X.Type().Underlying().(type) {
	case *types.Basic:
		in.Op, in.N, in.B, size = code.SliceStr, 2, s.val(i.X), 1
	case *types.Slice:
		in.B, size = s.val(i.X), layout.Size(t.Elem())
	case *types.Pointer:
		arr := layout.ArrayOf(t.Elem())
		size = layout.Size(arr.Elem())
		in.Op, in.B, length = code.SliceArr, s.val(i.X), arr.Len()
		if i.Low == nil && i.High == nil && i.Max == nil && flow.NonNil(i.X) {
			d := s.define(i) // the whole array: no check
			s.copy(d, in.B, 1)
			s.last().Fresh = true
			s.loadWord(d.Plus(1), uint64(length))
			s.loadWord(d.Plus(2), uint64(length))
			return
		}
	}
	if a, ok := i.X.(*ssa.Alloc); ok && a.Comment == "makeslice" && i.High != nil {
		if c, known := i.High.(*ssa.Const); !known || c.Int64() < 0 || c.Int64() > length {
			s.checkMake(i.High, length)
		}
	}
	if length > math.MaxUint32 { // of values of no size: SliceArr has no room for so many
		s.check(in.B)
		whole := s.f.NewLoc(3)
		s.copy(whole, in.B, 1)
		s.loadWord(whole.Plus(1), uint64(length))
		s.loadWord(whole.Plus(2), uint64(length))
		in.Op, in.B, length = code.Slice, whole, 0
	}
	in.Ext = uint64(length)<<32 | uint64(uint32(size))
	for k, v := range []ssa.Value{i.Low, i.High, i.Max} {
		if v != nil {
			in.X[k] = s.val(v)
		}
	}
	s.sliceBounds(i, in)
	in.A = s.define(i)
	s.put(in)
}

// onlyAppended says whether v is the second operand of an append and nothing else, which gc never makes: it grows the first and clears the rest.
func onlyAppended(v ssa.Value) bool {
	refs := *v.Referrers()
	if len(refs) != 1 {
		return false
	}
	call, ok := refs[0].(*ssa.Call)
	if !ok || len(call.Call.Args) != 2 || call.Call.Args[1] != v {
		return false
	}
	b, ok := call.Call.Value.(*ssa.Builtin)
	return ok && b.Name() == "append"
}

// checkExtension panics as append(s, make([]elem, n)...) does when no memory has room for n elements.
func (s *sel) checkExtension(n ir.Loc, elem types.Type) {
	f := s.u.Prog.Body("runtime.panicextension")
	if f == nil {
		return // make will panic in other words
	}
	most := uint64(math.MaxInt64) // of elements that take no room
	if size := layout.Size(elem); size > 0 {
		most = unmakeableBytes / uint64(size)
	}
	bad, good := s.newBlock(), s.newBlock()
	s.branch(code.JLtU, s.word(most), n, 0, bad, good)
	s.begin(bad)
	in := blank(code.Call)
	in.Imm = int64(s.u.FuncIndex(f))
	s.callWith(in, nil, []arg{{l: n, n: 1}})
	s.end(blank(code.Trap))
	s.begin(good)
}

// checkMake panics as make does when its length v is negative (an unsigned one never is) or beyond the constant capacity; go/ssa makes such a slice of a new array.
func (s *sel) checkMake(v ssa.Value, capacity int64) {
	n := s.val(v)
	fail := func(when code.Op, a, b ir.Loc, sym string) {
		f := s.u.Prog.Body(sym)
		if f == nil {
			return // slicing the array will panic in other words
		}
		bad, good := s.newBlock(), s.newBlock()
		s.branch(when, a, b, 0, bad, good)
		s.begin(bad)
		in := blank(code.Call)
		in.Imm = int64(s.u.FuncIndex(f))
		s.callWith(in, nil, nil)
		s.end(blank(code.Trap))
		s.begin(good)
	}
	if b, ok := v.Type().Underlying().(*types.Basic); ok && b.Info()&types.IsUnsigned == 0 {
		fail(code.JLtS, n, s.word(0), "runtime.panicmakeslicelen")
	}
	fail(code.JLtU, s.word(uint64(capacity)), n, "runtime.panicmakeslicecap")
}

// --- maps

func (s *sel) lookup(i *ssa.Lookup) {
	if layout.IsString(i.X.Type()) {
		x := s.val(i.X)
		idx := s.index(i.Index, func() ir.Loc { return x.Plus(1) })
		s.op3(code.LdXU8, s.define(i), x, idx)
		return
	}
	m := i.X.Type().Underlying().(*types.Map)
	n := s.u.Slots(m.Elem())
	typ := s.u.TypeAddr(i.X.Type())
	if i.CommaOk {
		d := s.f.NewLoc(n + 1)
		s.tuples[i] = []ir.Loc{part(d, 0, n), d.Plus(n)}
		s.opX(code.MapGet2, n+1, d, s.val(i.X), s.val(i.Index), typ)
		return
	}
	d := s.define(i)
	if n == 0 {
		d = s.new1()
	}
	s.opX(code.MapGet, n, d, s.val(i.X), s.val(i.Index), typ)
}

func (s *sel) rangeOver(i *ssa.Range) {
	if layout.IsString(i.X.Type()) {
		d := s.f.NewLoc(3)
		s.vals[i] = d
		s.opI(code.LdI, d.Plus(2), ir.NoLoc, 0).Fresh = true
		s.copy(d, s.val(i.X), 2)
		return
	}
	d := s.new1()
	s.vals[i] = d
	s.opX(code.MapIter, 1, d, s.val(i.X), ir.NoLoc, s.u.TypeAddr(i.X.Type()))
}

func (s *sel) next(i *ssa.Next) {
	it := s.val(i.Iter)
	if i.IsString {
		d := s.f.NewLoc(3)
		s.opI(code.NextStr, d, it, 0).Wide(3)
		s.tuples[i] = []ir.Loc{d, d.Plus(1), d.Plus(2)}
		return
	}
	t := i.Iter.(*ssa.Range).X.Type()
	m := t.Underlying().(*types.Map)
	k, v := s.u.Slots(m.Key()), s.u.Slots(m.Elem())
	d := s.f.NewLoc(1 + k + v)
	s.opX(code.MapNext, 1+k+v, d, it, ir.NoLoc, s.u.TypeAddr(t))
	s.tuples[i] = []ir.Loc{d, part(d, 1, k), part(d, 1+k, v)}
}

// --- ends of blocks

func (s *sel) ret(results []ssa.Value) {
	if s.outer != nil {
		for k, v := range results {
			if s.results[k] != ir.NoLoc {
				s.into(s.results[k], v)
			}
		}
		s.jumpTo(s.exit)
		s.begin(s.newBlock())
		return
	}
	if len(s.res) == 1 && s.f.ResSlots == 1 {
		in := blank(code.Ret1)
		in.A = s.val(results[0])
		s.end(in)
		return
	}
	in := blank(code.Ret)
	// Results may be read from result slots still to be written, so all are named first.
	for k, v := range results {
		if s.res[k] != ir.NoReg {
			s.into(ir.At(s.res[k], 0), v)
			in.Reads = append(in.Reads, s.res[k])
		}
	}
	s.end(in)
}

func (s *sel) ifInstr(i *ssa.If) {
	yes, no := s.heads[i.Block().Succs[0]], s.heads[i.Block().Succs[1]]
	if u, ok := i.Cond.(*ssa.UnOp); ok && flow.IsGuard(u.X) {
		s.jumpTo(no) // each initialiser is called once
		return
	}
	s.condition(i.Cond, yes, no)
}

// condition ends the block with a jump to yes or no by the bool v.
func (s *sel) condition(v ssa.Value, yes, no *ir.Block) {
	if s.fused[v] {
		switch x := v.(type) {
		case *ssa.UnOp:
			// Successor 0 must stay the first one: the block's phis know their edges by block, not by order.
			s.condition(x.X, no, yes)
			return
		case *ssa.BinOp:
			s.compareJump(x, yes, no)
			return
		}
	}
	s.branch(code.JT, s.val(v), ir.NoLoc, 0, yes, no)
}

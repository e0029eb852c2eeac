package exec

import (
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

func (m *Machine) sliceAt(i uint16) heap.Slice {
	return heap.Slice{Ptr: *m.reg(i), Len: *m.regN(i, 1), Cap: *m.regN(i, 2)}
}

func (m *Machine) stringAt(i uint16) heap.String {
	return heap.String{Ptr: *m.reg(i), Len: *m.regN(i, 1)}
}

func (m *Machine) setSlice(i uint16, s heap.Slice) {
	*m.reg(i), *m.regN(i, 1), *m.regN(i, 2) = s.Ptr, s.Len, s.Cap
}

func (m *Machine) setString(i uint16, s heap.String) {
	*m.reg(i), *m.regN(i, 1) = s.Ptr, s.Len
}

// workBytes is how many bytes of memory an instruction that takes any number of them handles for one word of gas: about what a word costs.
const workBytes = 256

// work notes what an instruction does beyond its words, so that gas and slices bound time whatever the program asks of one instruction.
func (m *Machine) work(bytes uint64) { m.heap.Handle(bytes) }

// pay counts as gas what the instruction just carried out handled. Less than a word's worth is nothing: the loop, which carries out many ops while they are
// small, counts nothing either.
func (m *Machine) pay() {
	if n := m.heap.Handled(); n >= workBytes {
		m.s.Left -= int64(n / workBytes)
	}
}

func (m *Machine) workIf(err error, bytes uint64) {
	if err == nil {
		m.work(bytes)
	}
}

// heapOp is the groups allocation, strings and slices, and maps. It is where collections happen: all live references are in
// frames then.
func (m *Machine) heapOp(in code.Instr) error {
	// The loop does an append with room, unless the page happens to be clean: no collection then here either, since when one happens must
	// follow from the run alone.
	if m.heap.CollectDue() && (in.Op != code.Append1 || *m.regN(in.B, 1) >= *m.regN(in.B, 2)) {
		m.collect()
	}
	var err error
	if in.Op >= code.MapNew {
		err = m.mapOp(in)
	} else if in.Op >= code.Slice && in.Op <= code.SliceToArr {
		err = m.sliceOp(in)
	} else {
		err = m.allocOp(in)
	}
	if err == nil {
		m.advance(code.Table[in.Op].Form.Words())
	}
	return err
}

func (m *Machine) allocOp(in code.Instr) error {
	var (
		v   uint64
		s   heap.Slice
		str heap.String
		err error
	)
	switch in.Op {
	case code.New:
		if v, err = m.heap.NewObject(m.extAt(0)); err == nil {
			*m.reg(in.A) = v
		}
	case code.MkClo:
		n := uint64(in.C)
		if v, err = m.heap.AllocKind(heap.KindClosure, 8+n*8, 0); err == nil {
			m.store(v, m.extAt(0))
			m.mem.Copy(v+8, m.slotAddr(in.B), n*8)
			*m.reg(in.A) = v
			m.work(n * 8)
		}
	case code.MakeSlice:
		s, err = m.heap.MakeSlice(m.extAt(0), int64(*m.reg(in.B)), int64(*m.reg(in.C)))
		return m.sliceResult(in.A, s, err)
	case code.Append:
		s, err = m.heap.Append(m.extAt(0), m.sliceAt(in.B), m.sliceAt(in.C))
		m.workIf(err, *m.regN(in.C, 1)*m.heap.TypeSize(m.extAt(0)))
		return m.sliceResult(in.A, s, growError(err))
	case code.AppendStr:
		t := m.stringAt(in.C)
		s, err = m.heap.Append(m.prog.Image.Known[code.KnownTypeUint8], m.sliceAt(in.B), heap.Slice{Ptr: t.Ptr, Len: t.Len, Cap: t.Len})
		m.workIf(err, t.Len)
		return m.sliceResult(in.A, s, growError(err))
	case code.Append1:
		t := m.info(m.extAt(0))
		s, err = m.appendOne(t, m.sliceAt(in.B), in.C)
		return m.sliceResult(in.A, s, growError(err))
	case code.Copy:
		t := heap.Slice{Ptr: *m.reg(in.C), Len: *m.regN(in.C, 1)}
		if v, err = m.heap.CopySlice(m.sliceAt(in.B), t, m.extAt(0)); err == nil {
			*m.reg(in.A) = v
			m.work(v * m.extAt(0))
		}
	case code.StrToBytes:
		s, err = m.heap.StringToBytes(m.stringAt(in.B))
		m.workIf(err, s.Len)
		return m.sliceResult(in.A, s, err)
	case code.StrToRunes:
		s, err = m.heap.StringToRunes(m.stringAt(in.B))
		m.workIf(err, 4*s.Len)
		return m.sliceResult(in.A, s, err)
	case code.Concat, code.BytesToStr, code.RunesToStr, code.RuneToStr:
		switch in.Op {
		case code.Concat:
			str, err = m.heap.Concat(m.slotAddr(in.B), int(in.C))
		case code.BytesToStr:
			str, err = m.heap.BytesToString(heap.Slice{Ptr: *m.reg(in.B), Len: *m.regN(in.B, 1)})
		case code.RunesToStr:
			str, err = m.heap.RunesToString(heap.Slice{Ptr: *m.reg(in.B), Len: *m.regN(in.B, 1)})
		default:
			str, err = m.heap.RuneToString(int64(*m.reg(in.B)))
		}
		if err == nil {
			m.setString(in.A, str)
			m.work(str.Len)
			if in.Op == code.Concat {
				m.heap.Operands(uint64(in.C))
			}
		}
	case code.NextStr:
		return m.nextRune(in)
	default:
		return m.damaged("code word")
	}
	return err
}

func (m *Machine) sliceResult(a uint16, s heap.Slice, err error) error {
	if err == nil {
		m.setSlice(a, s)
	}
	return err
}

// growError gives an append that grows too large its own text.
func growError(err error) error {
	if err == heap.ErrLen {
		return &textError{"runtime error: growslice: len out of range"}
	}
	return err
}

// textError asks check to panic with a runtime error of this text.
type textError struct{ text string }

func (e *textError) Error() string { return "exec: guest panic: " + e.text }

// appendOne is Append1: the plain case, room for one more, is done here.
func (m *Machine) appendOne(t typeInfo, s heap.Slice, c uint16) (heap.Slice, error) {
	from := m.valueAt(t, m.slotAddr(c))
	if s.Len < s.Cap {
		if t.bytes > 0 && !m.mem.Copy(s.Ptr+s.Len*t.bytes, from, t.bytes) {
			return s, heap.ErrFault
		}
		m.work(t.bytes)
		s.Len++
		return s, nil
	}
	return m.heap.AppendValue(t.typ, s, from)
}

func (m *Machine) nextRune(in code.Instr) error {
	s, pos := m.stringAt(in.B), *m.regN(in.B, 2)
	if pos < s.Len && m.mem.InRange(s.Ptr+pos, 1) {
		if c := m.mem.Load8(s.Ptr + pos); c < 0x80 {
			*m.regN(in.B, 2) = pos + 1
			*m.reg(in.A), *m.regN(in.A, 1), *m.regN(in.A, 2) = 1, pos, uint64(c)
			return nil
		}
	}
	r, width, ok, err := m.heap.NextRune(s, pos)
	if err != nil {
		return err
	}
	if !ok {
		*m.reg(in.A), *m.regN(in.A, 1), *m.regN(in.A, 2) = 0, 0, 0
		return nil
	}
	*m.regN(in.B, 2) = pos + width
	*m.reg(in.A), *m.regN(in.A, 1), *m.regN(in.A, 2) = 1, pos, uint64(int64(r))
	return nil
}

// sliceOp is slicing; bounds are checked in the order of gc, each with its own text.
func (m *Machine) sliceOp(in code.Instr) error {
	if in.Op == code.SliceToArr {
		want := m.extAt(0)
		if n := *m.regN(in.B, 1); n < want {
			return raiseBy(code.KnownPanicSliceConv, n, want)
		}
		*m.reg(in.A) = *m.reg(in.B)
		return nil
	}
	regs, ext2 := m.extAt(0), m.extAt(1)
	get := func(shift uint, otherwise uint64) (uint64, bool) {
		if i := uint16(regs >> shift); i != 0xFFFF {
			return *m.reg(i), true
		}
		return otherwise, false
	}
	ptr, elem := *m.reg(in.B), ext2&0xFFFFFFFF
	var length, capacity uint64
	switch in.Op {
	case code.Slice:
		length, capacity = *m.regN(in.B, 1), *m.regN(in.B, 2)
	case code.SliceStr:
		length = *m.regN(in.B, 1)
		capacity, elem = length, 1
	case code.SliceArr:
		length = ext2 >> 32
		capacity = length
		if ptr == 0 {
			return heap.ErrFault
		}
	}
	lo, _ := get(0, 0)
	hi, _ := get(16, length)
	top, full := get(32, capacity)
	if full {
		if top > capacity {
			if in.Op == code.SliceArr {
				return raiseBy(code.KnownPanicSlice3Alen, top, capacity)
			}
			return raiseBy(code.KnownPanicSlice3Acap, top, capacity)
		}
		if hi > top {
			return raiseBy(code.KnownPanicSlice3B, hi, top)
		}
		if lo > hi {
			return raiseBy(code.KnownPanicSlice3C, lo, hi)
		}
	} else {
		if hi > capacity {
			if in.Op == code.Slice {
				return raiseBy(code.KnownPanicSliceAcap, hi, capacity)
			}
			return raiseBy(code.KnownPanicSliceAlen, hi, capacity)
		}
		if lo > hi {
			return raiseBy(code.KnownPanicSliceB, lo, hi)
		}
	}
	// As gc does, an empty rest keeps the old pointer rather than pointing past the array.
	if top-lo > 0 && !(in.Op == code.SliceStr && hi == lo) {
		ptr += lo * elem
	}
	*m.reg(in.A), *m.regN(in.A, 1) = ptr, hi-lo
	if in.Op != code.SliceStr {
		*m.regN(in.A, 2) = top - lo
	}
	return nil
}

// mapOp is the map group.
func (m *Machine) mapOp(in code.Instr) error {
	switch in.Op {
	case code.MapNew:
		v, err := m.heap.NewMap(m.extAt(0), int64(*m.reg(in.B)))
		if err != nil {
			return err
		}
		*m.reg(in.A) = v
	case code.MapGet, code.MapGet2:
		typ := m.extAt(0)
		key, val := m.mapTypes(typ)
		v, err := m.heap.MapGet(typ, *m.reg(in.B), m.valueAt(key, m.slotAddr(in.C)))
		if err != nil {
			return err
		}
		if err := m.toSlots(val, m.slotAddr(in.A), v); err != nil {
			return err
		}
		if in.Op == code.MapGet2 {
			*m.regN(in.A, val.slots) = boolWord(v != 0)
		}
	case code.MapSet:
		typ := m.extAt(0)
		key, val := m.mapTypes(typ)
		v, err := m.heap.MapSet(typ, *m.reg(in.A), m.valueAt(key, m.slotAddr(in.B)))
		if err != nil {
			return err
		}
		return m.fromSlots(val, v, m.slotAddr(in.C))
	case code.MapPut:
		typ := m.extAt(0)
		v, err := m.heap.MapSet(typ, *m.reg(in.B), m.valueAt(m.info(m.heap.TypeKey(typ)), m.slotAddr(in.C)))
		if err != nil {
			return err
		}
		*m.reg(in.A) = v
	case code.MapDel:
		typ := m.extAt(0)
		return m.heap.MapDelete(typ, *m.reg(in.A), m.valueAt(m.info(m.heap.TypeKey(typ)), m.slotAddr(in.B)))
	case code.MapLen:
		*m.reg(in.A) = m.heap.MapLen(*m.reg(in.B))
	case code.MapClear:
		return m.heap.MapClear(m.extAt(0), *m.reg(in.A))
	case code.MapIter:
		v, err := m.heap.NewMapIter(m.extAt(0), *m.reg(in.B))
		if err != nil {
			return err
		}
		*m.reg(in.A) = v
	case code.MapNext:
		return m.mapNext(in)
	}
	return nil
}

func (m *Machine) mapTypes(typ uint64) (key, val typeInfo) {
	return m.info(m.heap.TypeKey(typ)), m.info(m.heap.TypeElem(typ))
}

// mapNext makes the copies of boxed keys and values before it moves the iterator, so that lack of room leaves it where it was.
func (m *Machine) mapNext(in code.Instr) error {
	key, val := m.mapTypes(m.extAt(0))
	var boxes [2]uint64
	for i, t := range [2]typeInfo{key, val} {
		if t.form == formBoxed {
			b, err := m.heap.NewObject(t.typ)
			if err != nil {
				return err
			}
			boxes[i] = b
		}
	}
	iter, at := *m.reg(in.B), m.slotAddr(in.A)
	k, v, err := m.heap.MapNext(iter)
	if err != nil {
		return err
	}
	*m.reg(in.A) = boolWord(k != 0)
	at += 8
	for i, p := range [2]struct {
		t    typeInfo
		from uint64
	}{{key, k}, {val, v}} {
		if p.t.form == formBoxed {
			if p.from != 0 {
				m.mem.Copy(boxes[i], p.from, p.t.bytes)
			}
			m.work(p.t.bytes)
			m.store(at, boxes[i])
		} else if err := m.toSlots(p.t, at, p.from); err != nil {
			return err
		}
		at += uint64(p.t.slots) * 8
	}
	return nil
}

func boolWord(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

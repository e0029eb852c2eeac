package exec

import (
	"reflect"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

// form says how a value of a type stands in slots (code.Op tells the rule).
type form uint8

const (
	formWords form = iota // memory layout, tail bytes zero
	formS8
	formS16
	formS32
	formBoxed // the address of an immutable copy
)

// typeInfo is what moving values between memory and slots needs of a type.
type typeInfo struct {
	typ   uint64
	bytes uint64
	slots int
	form  form
}

// info is the typeInfo of typ. Types of the image never change, so those are kept.
func (m *Machine) info(typ uint64) typeInfo {
	e := &m.types[typ>>3&255]
	if e.typ == typ && typ != 0 {
		return *e
	}
	t := typeInfo{typ: typ, bytes: m.heap.TypeSize(typ)}
	t.slots = int((t.bytes + 7) / 8)
	switch reflect.Kind(m.heap.TypeKind(typ)) {
	case reflect.Int8:
		t.form = formS8
	case reflect.Int16:
		t.form = formS16
	case reflect.Int32:
		t.form = formS32
	case reflect.Array, reflect.Struct:
		if t.bytes >= code.BoxedBytes {
			t.form, t.slots = formBoxed, 1
		}
	}
	if t.form != formBoxed {
		// Greater only where the descriptor in memory is damaged: what is written to slots must stay near the frame.
		t.bytes, t.slots = min(t.bytes, code.BoxedBytes), min(t.slots, code.BoxedBytes/8)
	}
	if typ < m.prog.DataEnd {
		*e = t
	}
	return t
}

// valueAt is the address of the memory form of the value that stands in slots at address at.
func (m *Machine) valueAt(t typeInfo, at uint64) uint64 {
	if t.form == formBoxed {
		return m.load(at)
	}
	return at
}

// toSlots writes the value at address from into the slots at address to, which may be any goroutine's. Only a boxed value
// allocates, before anything is written. from 0 stands for the zero value.
func (m *Machine) toSlots(t typeInfo, to, from uint64) error {
	if t.form == formBoxed {
		box, err := m.heap.NewObject(t.typ)
		if err != nil {
			return err
		}
		if from != 0 {
			m.mem.Copy(box, from, t.bytes)
		}
		m.store(to, box)
		return nil
	}
	n := uint64(t.slots) * 8
	if !m.mem.Touch(to, n) && n > 0 {
		return heap.ErrFault
	}
	if from == 0 {
		clear(m.host8(to, n))
		return nil
	}
	src, dst := m.host8(from, t.bytes), m.host8(to, n)
	if src == nil && t.bytes > 0 {
		return heap.ErrFault
	}
	switch t.form {
	case formS8:
		m.store(to, uint64(int64(int8(m.mem.Load8(from)))))
	case formS16:
		m.store(to, uint64(int64(int16(m.mem.Load16(from)))))
	case formS32:
		m.store(to, uint64(int64(int32(m.mem.Load32(from)))))
	default:
		if k := copy(dst, src); k < len(dst) {
			clear(dst[k:])
		}
	}
	return nil
}

// fromSlots writes the value in the slots at address from to memory at to.
func (m *Machine) fromSlots(t typeInfo, to, from uint64) error {
	if t.bytes > 0 && !m.mem.Copy(to, m.valueAt(t, from), t.bytes) {
		return heap.ErrFault
	}
	return nil
}

// compareOp is equality and order of strings, interfaces and values by type.
func (m *Machine) compareOp(in code.Instr) error {
	r := func(i uint16, n int) uint64 { return *m.regN(i, n) }
	var (
		v   uint64
		eq  bool
		err error
	)
	switch in.Op {
	case code.EqStr:
		eq, err = m.heap.EqualString(heap.String{Ptr: r(in.B, 0), Len: r(in.B, 1)}, heap.String{Ptr: r(in.C, 0), Len: r(in.C, 1)})
	case code.CmpStr:
		var c int
		c, err = m.heap.CompareString(heap.String{Ptr: r(in.B, 0), Len: r(in.B, 1)}, heap.String{Ptr: r(in.C, 0), Len: r(in.C, 1)})
		v = uint64(int64(c))
	case code.EqEface:
		eq, err = m.heap.EqualEface(r(in.B, 0), r(in.B, 1), r(in.C, 0), r(in.C, 1))
	case code.EqIface:
		eq, err = m.heap.EqualIface(r(in.B, 0), r(in.B, 1), r(in.C, 0), r(in.C, 1))
	case code.EqVal:
		t := m.info(m.extAt(0))
		eq, err = m.heap.Equal(t.typ, m.valueAt(t, m.slotAddr(in.B)), m.valueAt(t, m.slotAddr(in.C)))
	case code.EqMem:
		eq, err = m.heap.Equal(m.extAt(0), r(in.B, 0), r(in.C, 0))
	default:
		return m.damaged("code word")
	}
	if err != nil {
		return err
	}
	if in.Op == code.CmpStr {
		m.work(min(r(in.B, 1), r(in.C, 1)))
	}
	if eq {
		v = 1
	}
	*m.reg(in.A) = v
	m.advance(code.Table[in.Op].Form.Words())
	return nil
}

package exec

import (
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/loop"
)

// interfaceOp makes, converts and asserts interfaces.
func (m *Machine) interfaceOp(in code.Instr) error {
	var err error
	switch in.Op {
	case code.MkIB, code.MkIM:
		err = m.box(in)
	case code.AssertT:
		err = m.assertType(in)
	case code.AssertI, code.ConvI:
		err = m.assertIface(in)
	case code.IToE, code.TypeW:
		err = heap.ErrFault // an itab outside memory; the rest is done by the loop
	default:
		return m.damaged("code word")
	}
	if err == nil {
		m.advance(code.Table[in.Op].Form.Words())
	}
	return err
}

// box is MkIB and MkIM: the value moves into an object of its own.
func (m *Machine) box(in code.Instr) error {
	if m.heap.CollectDue() {
		m.collect()
	}
	word := m.extAt(0)
	typ := word
	if in.C != 0 {
		typ = m.heap.ItabType(word)
	}
	t := m.info(typ)
	data := uint64(heap.ZeroBase)
	if in.Op == code.MkIM && !m.mem.InRange(*m.reg(in.B), t.bytes) {
		return heap.ErrFault
	}
	if t.bytes > 0 {
		if in.Op == code.MkIB && t.form == formBoxed {
			data = *m.reg(in.B) // immutable already
		} else {
			var err error
			if data, err = m.heap.NewObject(typ); err != nil {
				return err
			}
			from := m.slotAddr(in.B)
			if in.Op == code.MkIM {
				from = *m.reg(in.B)
			}
			m.mem.Copy(data, from, t.bytes)
		}
	}
	*m.reg(in.A), *m.regN(in.A, 1) = word, data
	return nil
}

// dynamic is the dynamic type of an interface's first word, 0 for nil.
func (m *Machine) dynamic(word uint64, isItab bool) uint64 {
	if isItab && word != 0 {
		return m.heap.ItabType(word)
	}
	return word
}

func (m *Machine) assertType(in code.Instr) error {
	want := m.extAt(0)
	word, data := *m.reg(in.B), *m.regN(in.B, 1)
	commaOK, isItab, leave := in.C&1 != 0, in.C&2 != 0, in.C&4 != 0
	have := m.dynamic(word, isItab)
	t := m.info(want)
	slots := t.slots
	if leave {
		slots = 1
	}
	if have != want {
		if !commaOK {
			return m.typePanic(have, want, word, isItab)
		}
		if t.form == formBoxed && !leave {
			if err := m.toSlots(t, m.slotAddr(in.A), 0); err != nil {
				return err
			}
		} else {
			clear(m.host8(m.slotAddr(in.A), uint64(slots)*8))
		}
		*m.regN(in.A, slots) = 0
		return nil
	}
	switch {
	case leave, m.heap.TypeDirect(want), t.form == formBoxed:
		*m.reg(in.A) = data // boxed copies are immutable: the address serves
	default:
		if err := m.toSlots(t, m.slotAddr(in.A), data); err != nil {
			return err
		}
	}
	if commaOK {
		*m.regN(in.A, slots) = 1
	}
	return nil
}

// typePanic is the error of a failed x.(T). The interface's own type is that of its itab, any for an empty interface, and not known (0) for
// a nil interface with methods.
func (m *Machine) typePanic(have, want, word uint64, isItab bool) error {
	iface := uint64(0)
	if !isItab {
		iface = m.prog.Image.Known[code.KnownTypeAny]
	} else if word != 0 {
		iface = m.load(word + loop.ITabInter)
	}
	return raiseBy(code.KnownPanicDottypeE, have, want, iface)
}

func (m *Machine) assertIface(in code.Instr) error {
	inter := m.extAt(0)
	word, data := *m.reg(in.B), *m.regN(in.B, 1)
	conv := in.Op == code.ConvI
	commaOK, isItab := !conv && in.C&1 != 0, !conv && in.C&2 != 0
	have := m.dynamic(word, isItab)
	if have == 0 {
		if !conv && !commaOK {
			return raiseBy(code.KnownPanicAssertI, 0, inter)
		}
		*m.reg(in.A), *m.regN(in.A, 1) = 0, 0
		if commaOK {
			*m.regN(in.A, 2) = 0
		}
		return nil
	}
	first, ok, err := m.convert(inter, have)
	if err != nil {
		return err
	}
	if !ok {
		if !commaOK {
			return raiseBy(code.KnownPanicAssertI, have, inter)
		}
		first, data = 0, 0
	}
	*m.reg(in.A), *m.regN(in.A, 1) = first, data
	if commaOK {
		*m.regN(in.A, 2) = boolWord(ok)
	}
	return nil
}

// convert is the first word of an interface of type inter holding dynamic type have: have itself for an interface without methods.
func (m *Machine) convert(inter, have uint64) (word uint64, ok bool, err error) {
	if !m.heap.TypeHasMethods(inter) {
		return have, true, nil
	}
	tab, err := m.Itab(inter, have)
	return tab, tab != 0, err
}

// Itab is the itab for dynamic type typ as interface type inter, 0 if typ does not implement it: the image's, or one made at run time.
func (m *Machine) Itab(inter, typ uint64) (uint64, error) {
	if t, ok := m.prog.Itabs[[2]uint64{inter, typ}]; ok {
		return t, nil
	}
	return m.itabs.Find(inter, typ)
}

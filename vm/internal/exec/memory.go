package exec

import (
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

// operand is where an op of the table above reads or writes memory, and the first slot that takes or gives the value. The error is an index
// out of range.
func (m *Machine) operand(in code.Instr, a code.Access) (addr uint64, slot uint16, err error) {
	pointer, slot := in.B, in.A
	if a.Store {
		pointer, slot = in.A, in.B
	}
	switch op := in.Op; {
	case op >= code.LdG64:
		return code.Base + uint64(uint32(in.Imm32())), in.A, nil
	case op >= code.LdPU8:
		return *m.reg(pointer) + *m.reg(in.C)*a.Bytes, slot, nil
	case op >= code.LdXU8:
		i, n := *m.reg(in.C), *m.regN(pointer, 1)
		if i >= n {
			return 0, 0, raiseBy(code.KnownPanicIndex, i, n)
		}
		return *m.reg(pointer) + i*a.Bytes, slot, nil
	}
	return *m.reg(pointer) + uint64(in.C), slot, nil
}

// memoryOp is every op of the groups loads, stores, by index, by pointer and globals, done with all checks.
func (m *Machine) memoryOp(in code.Instr) error {
	if a := code.Accesses[in.Op]; a.Bytes != 0 {
		addr, slot, err := m.operand(in, a)
		if err != nil {
			return err
		}
		if !m.mem.InRange(addr, a.Bytes) {
			return heap.ErrFault
		}
		if a.Store {
			m.mem.Copy(addr, m.slotAddr(slot), a.Bytes)
		} else {
			m.loadSlots(slot, addr, a)
		}
		m.advance(1)
		return nil
	}
	switch in.Op {
	case code.LdN:
		n := m.extAt(0)
		src := m.host8(*m.reg(in.B)+uint64(in.C), n)
		if src == nil && n > 0 {
			return heap.ErrFault
		}
		m.work(n)
		dst := m.host8(m.slotAddr(in.A), (n+7)&^7)
		if k := copy(dst, src); k < len(dst) {
			clear(dst[k:])
		}
	case code.StN:
		if n := m.extAt(0); n > 0 && !m.mem.Copy(*m.reg(in.A)+uint64(in.C), m.slotAddr(in.B), n) {
			return heap.ErrFault
		}
		m.work(m.extAt(0))
	case code.CopyM:
		if !m.mem.Copy(*m.reg(in.A), *m.reg(in.B), m.extAt(0)) {
			return heap.ErrFault
		}
		m.work(m.extAt(0))
	case code.ZeroM:
		if !m.mem.Zero(*m.reg(in.A), m.extAt(0)) {
			return heap.ErrFault
		}
		m.work(m.extAt(0))
	case code.AddM64:
		addr := *m.reg(in.A) + uint64(in.C)
		if !m.mem.Touch(addr, 8) { // before it is read: one fault of the host where it has not given the page memory
			return heap.ErrFault
		}
		m.store(addr, m.load(addr)+*m.reg(in.B))
	case code.LeaX:
		return raiseBy(code.KnownPanicIndex, *m.reg(in.C), *m.regN(in.B, 1))
	case code.Bound:
		return raiseBy(code.KnownPanicIndex, *m.reg(in.A), uint64(int64(in.Imm32())))
	case code.BoundR:
		return raiseBy(code.KnownPanicIndex, *m.reg(in.A), *m.reg(in.B))
	case code.NilChk:
		if *m.reg(in.A) == 0 || !m.mem.InRange(*m.reg(in.A), 0) {
			return heap.ErrFault
		}
	default:
		return m.damaged("code word")
	}
	m.advance(code.Table[in.Op].Form.Words())
	return nil
}

// loadSlots loads what a says from addr into the slots from slot.
func (m *Machine) loadSlots(slot uint16, addr uint64, a code.Access) {
	switch a.Bytes {
	case 1:
		*m.reg(slot) = uint64(m.mem.Load8(addr))
	case 2:
		*m.reg(slot) = uint64(m.mem.Load16(addr))
	case 4:
		*m.reg(slot) = uint64(m.mem.Load32(addr))
	default:
		copy(m.host8(m.slotAddr(slot), a.Bytes), m.host8(addr, a.Bytes))
		return
	}
	if a.Signed {
		shift := 64 - a.Bytes*8
		*m.reg(slot) = uint64(int64(*m.reg(slot)<<shift) >> shift)
	}
}

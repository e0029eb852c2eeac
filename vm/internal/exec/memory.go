package exec

import (
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

// access is how an op of the load and store groups touches memory.
type access struct {
	bytes  uint64
	signed bool
	store  bool
}

var accesses = [code.OpCount]access{
	code.LdU8: {bytes: 1}, code.LdS8: {bytes: 1, signed: true}, code.LdU16: {bytes: 2}, code.LdS16: {bytes: 2, signed: true},
	code.LdU32: {bytes: 4}, code.LdS32: {bytes: 4, signed: true}, code.Ld64: {bytes: 8}, code.Ld128: {bytes: 16}, code.Ld192: {bytes: 24},
	code.St8: {bytes: 1, store: true}, code.St16: {bytes: 2, store: true}, code.St32: {bytes: 4, store: true},
	code.St64: {bytes: 8, store: true}, code.St128: {bytes: 16, store: true}, code.St192: {bytes: 24, store: true},
	code.LdXU8: {bytes: 1}, code.LdXS8: {bytes: 1, signed: true}, code.LdXU16: {bytes: 2}, code.LdXS16: {bytes: 2, signed: true},
	code.LdXU32: {bytes: 4}, code.LdXS32: {bytes: 4, signed: true}, code.LdX64: {bytes: 8}, code.LdX128: {bytes: 16}, code.LdX192: {bytes: 24},
	code.StX8: {bytes: 1, store: true}, code.StX16: {bytes: 2, store: true}, code.StX32: {bytes: 4, store: true},
	code.StX64: {bytes: 8, store: true}, code.StX128: {bytes: 16, store: true}, code.StX192: {bytes: 24, store: true},
	code.LdPU8: {bytes: 1}, code.LdPS8: {bytes: 1, signed: true}, code.LdPU16: {bytes: 2}, code.LdPS16: {bytes: 2, signed: true},
	code.LdPU32: {bytes: 4}, code.LdPS32: {bytes: 4, signed: true}, code.LdP64: {bytes: 8},
	code.StP8: {bytes: 1, store: true}, code.StP16: {bytes: 2, store: true}, code.StP32: {bytes: 4, store: true}, code.StP64: {bytes: 8, store: true},
	code.LdG64: {bytes: 8}, code.LdGU32: {bytes: 4}, code.LdGS32: {bytes: 4, signed: true}, code.LdGU8: {bytes: 1},
	code.LdG128: {bytes: 16}, code.LdG192: {bytes: 24},
	code.StG64: {bytes: 8, store: true}, code.StG32: {bytes: 4, store: true}, code.StG8: {bytes: 1, store: true},
	code.StG128: {bytes: 16, store: true}, code.StG192: {bytes: 24, store: true},
}

// operand is where an op of the table above reads or writes memory, and the first slot that takes or gives the value. The error is an index
// out of range.
func (m *Machine) operand(in code.Instr, a access) (addr uint64, slot uint16, err error) {
	pointer, slot := in.B, in.A
	if a.store {
		pointer, slot = in.A, in.B
	}
	switch op := in.Op; {
	case op >= code.LdG64:
		return code.Base + uint64(uint32(in.Imm32())), in.A, nil
	case op >= code.LdPU8:
		return *m.reg(pointer) + *m.reg(in.C)*a.bytes, slot, nil
	case op >= code.LdXU8:
		i, n := *m.reg(in.C), *m.regN(pointer, 1)
		if i >= n {
			return 0, 0, raiseBy(KnownPanicIndex, i, n)
		}
		return *m.reg(pointer) + i*a.bytes, slot, nil
	}
	return *m.reg(pointer) + uint64(in.C), slot, nil
}

// memoryOp is every op of the groups loads, stores, by index, by pointer and globals, done with all checks.
func (m *Machine) memoryOp(in code.Instr) error {
	if a := accesses[in.Op]; a.bytes != 0 {
		addr, slot, err := m.operand(in, a)
		if err != nil {
			return err
		}
		if !m.mem.InRange(addr, a.bytes) {
			return heap.ErrFault
		}
		if a.store {
			m.mem.Copy(addr, m.slotAddr(slot), a.bytes)
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
		if !m.mem.InRange(addr, 8) {
			return heap.ErrFault
		}
		m.store(addr, m.load(addr)+*m.reg(in.B))
	case code.LeaX:
		return raiseBy(KnownPanicIndex, *m.reg(in.C), *m.regN(in.B, 1))
	case code.Bound:
		return raiseBy(KnownPanicIndex, *m.reg(in.A), uint64(int64(in.Imm32())))
	case code.BoundR:
		return raiseBy(KnownPanicIndex, *m.reg(in.A), *m.reg(in.B))
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
func (m *Machine) loadSlots(slot uint16, addr uint64, a access) {
	switch a.bytes {
	case 1:
		*m.reg(slot) = uint64(m.mem.Load8(addr))
	case 2:
		*m.reg(slot) = uint64(m.mem.Load16(addr))
	case 4:
		*m.reg(slot) = uint64(m.mem.Load32(addr))
	default:
		copy(m.host8(m.slotAddr(slot), a.bytes), m.host8(addr, a.bytes))
		return
	}
	if a.signed {
		shift := 64 - a.bytes*8
		*m.reg(slot) = uint64(int64(*m.reg(slot)<<shift) >> shift)
	}
}

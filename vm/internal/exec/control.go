package exec

import (
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

// controlOp is the group calls.
func (m *Machine) controlOp(in code.Instr) error {
	switch in.Op {
	case code.Call, code.CallC, code.CallI:
		return m.callOp(in)
	case code.Native:
		return m.callNative(in)
	case code.Ret1:
		*m.reg(header) = *m.reg(in.A)
		return m.ret()
	case code.Ret:
		return m.ret()
	case code.FnC:
		c := *m.reg(in.B)
		fn := uint64(0)
		if c != 0 {
			if !m.mem.InRange(c, 8) {
				return heap.ErrFault
			}
			fn = m.load(c)
		}
		*m.reg(in.A), *m.regN(in.A, 1) = fn, c
		m.advance(1)
	case code.FnI:
		fn, err := m.method(*m.reg(in.B), in.C)
		if err != nil {
			return err
		}
		*m.reg(in.A), *m.regN(in.A, 1) = fn, 0
		m.advance(1)
	case code.Go:
		return m.goOp(in)
	case code.Defer, code.DeferF, code.DeferC:
		return m.deferOp(in)
	case code.DeferL:
		m.deferLocal(in)
	case code.RunDefers:
		return m.runDefers(in)
	case code.Panic:
		m.s.Left--
		m.raise(*m.reg(in.A), *m.regN(in.A, 1), false)
	case code.Recover:
		*m.reg(in.A), *m.regN(in.A, 1) = m.recover()
		m.advance(1)
	case code.CallR:
		return m.callReflect(in)
	case code.CallRFin:
		return m.finishReflect(in)
	case code.PanicNext:
		m.s.Left--
		m.deferredReturned()
	case code.GoExit:
		m.s.Left--
		m.exitG()
	case code.Halt:
		m.s.Left--
		m.exit(0)
	case code.Trap:
		m.throw("unreachable code")
	default:
		return m.damaged("code word")
	}
	return nil
}

// reference is the function of a reference in two slots; 0 for nil.
func (m *Machine) reference(i uint16) (fn, closure uint64, err error) {
	fn, closure = *m.reg(i), *m.regN(i, 1)
	if fn > m.s.FuncsLess1 {
		return 0, 0, heap.ErrFault
	}
	return fn, closure, nil
}

// argAt is the address of the first argument slot of window a for function fn.
func (m *Machine) argAt(a uint16, fn uint64) uint64 {
	return m.slotAddr(a) + uint64(header+int(m.prog.Entries[fn].Res))*8
}

// goOp starts a goroutine.
func (m *Machine) goOp(in code.Instr) error {
	fn, closure, err := m.reference(in.B)
	if err != nil {
		return err
	}
	if fn == 0 {
		m.throw("go of nil func value")
		return nil
	}
	if m.heap.CollectDue() {
		m.collect()
	}
	args := make([]uint64, in.C)
	at := m.argAt(in.A, fn)
	for i := range args {
		args[i] = m.load(at + uint64(i)*8)
	}
	m.heap.Operands(uint64(in.C))
	if m.newG(fn, closure, args, false) == 0 {
		return errStopped
	}
	if bytes := 2 * uint64(m.prog.Entries[fn].FrameBytes); bytes > firstChunkBytes {
		m.work(bytes) // which were cleared
	}
	m.advance(1)
	return nil
}

// callReflect is CallR: the window's arguments come from memory. The number of slots is not known to the frame, so the results of a function whose window
// does not fit in the chunk stay in the spare chunk, where finishReflect finds them.
func (m *Machine) callReflect(in code.Instr) error {
	fn, closure, err := m.reference(in.B)
	if err != nil {
		return err
	}
	from, n := *m.regN(in.B, 2), *m.regN(in.B, 3)
	if fn == 0 || n != uint64(m.prog.Entries[fn].Args) || !m.mem.InRange(from, n*8) && n > 0 {
		return heap.ErrFault
	}
	ret, w := uint64(m.s.PC)+1, m.slotAddr(in.A)
	if !m.enter(fn, closure, w, ret, false) {
		return nil
	}
	m.s.Left--
	m.heap.Operands(n)
	f := m.at(m.s.FP)
	for i := range n {
		*slot(f, header+int(m.prog.Entries[fn].Res)+int(i)) = m.load(from + i*8)
	}
	m.callPoint()
	return nil
}

// finishReflect is CallRFin.
func (m *Machine) finishReflect(in code.Instr) error {
	to, n := *m.regN(in.B, 4), *m.regN(in.B, 5)
	from := m.slotAddr(in.A) + header*8
	if from+n*8 > m.chunkEnd {
		from = m.load(m.chunk+chunkSpare) + chunkHead + header*8
	}
	if n > 0 && !m.mem.Copy(to, from, n*8) {
		return heap.ErrFault
	}
	m.advance(1)
	return nil
}

// callNative is Native.
func (m *Machine) callNative(in code.Instr) error {
	i := uint32(in.Imm32())
	if int(i) >= len(m.natives) || m.natives[i].Call == nil {
		sym := "?"
		if int(i) < len(m.natives) {
			sym = m.prog.Image.Natives[i]
		}
		s, err := m.heap.NewString(sym)
		if err != nil {
			return err
		}
		return raiseBy(code.KnownUnsupported, s.Ptr, s.Len)
	}
	if m.heap.CollectDue() {
		m.collect()
	}
	n := &m.natives[i]
	m.nativeWindow = in.A
	g := m.g
	act := n.Call(&m.thread, Window{m.at(m.slotAddr(in.A)), n.Res})
	if m.mem.Epoch() != m.s.Epoch && m.g != 0 && act != moved {
		m.settle()
	}
	switch act {
	case Next:
		m.advance(1)
	case parked:
		m.advance(1)
		m.store(g+gPC, uint64(m.s.PC))
		m.schedule()
	case yielded:
		m.advance(1)
		m.leave(StatusRunnable)
		m.enqueue(g)
		m.schedule()
	case again:
		m.leave(StatusHost)
		m.store(rootHostWait, m.load(rootHostWait)+1)
		m.schedule()
	}
	if m.pauseAsked {
		m.pauseAsked = false
		m.end(Stop{Reason: Paused})
	}
	return nil
}

// window is the address of a native's window.
func (m *Machine) window(w uint16) uint64 { return m.slotAddr(w) }

// afterMove is the action of a native that set the position.
func (m *Machine) afterMove() Action {
	if m.halt {
		return ended
	}
	return moved
}

package exec

import (
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// Observer is told of each instruction before it is carried out: for debuggers, tracers and external trackers. It
// must not change the run.
type Observer interface {
	Step(s *Step)
}

// Step is one instruction about to be carried out; it is valid during the call.
type Step struct {
	Goid  uint64
	Func  int32  // index in Image.Funcs
	PC    uint64 // code word
	Instr code.Instr
	Ext   [2]uint64 // the words that follow it, as many as its form has
	Frame uint64    // guest address of the frame
	Count uint64    // instruction words carried out before it

	m *Machine
}

// Span is a stretch of guest memory.
type Span struct {
	Addr, Bytes uint64
}

// observe reports the instruction at pc and puts its op into the code, so that the loop carries it out when it comes by here again. The op is taken out
// when the next one is reported. A jump or call of the instruction to itself passes none in between: it goes by safePoint, because no words are left.
func (m *Machine) observe() {
	m.forget()
	m.reported = m.word()
	m.reported.Op = m.prog.Code[m.s.PC].Op
	m.reportedAt = m.Count()
	m.setStop(m.Count())
	s := Step{PC: uint64(m.s.PC), Instr: m.instr(), Frame: m.s.FP, Func: m.prog.FuncAt(uint64(m.s.PC)), Count: m.Count(), m: m}
	if m.g != 0 {
		s.Goid = m.load(m.g + gID)
	}
	for i := range m.words() - 1 {
		s.Ext[i] = m.extAt(i)
	}
	m.observer.Step(&s)
}

// told says whether the instruction at pc was reported and is yet to be carried out.
func (m *Machine) told() bool {
	return m.s.PC >= uintptr(len(m.prog.Image.Code)) || m.reported == m.word() && m.reportedAt == m.Count()
}

// word is the code word at pc.
func (m *Machine) word() *code.Instr { return (*code.Instr)(unsafe.Add(m.s.Code, m.s.PC*8)) }

// forget takes the op of the instruction reported last out of the code.
func (m *Machine) forget() {
	if m.reported != nil {
		m.reported.Op = 0
		m.reported = nil
	}
}

// Slot is the content of a slot of the frame.
func (s *Step) Slot(i uint16) uint64 { return s.m.load(s.Frame + uint64(i)*8) }

// Access is the memory the instruction reads and writes besides frame slots: for the groups loads, stores, by index, by pointer and globals exactly;
// ok is false for other ops, whose work on the heap the tracking of package mem sees.
func (s *Step) Access() (reads, writes Span, ok bool) {
	in := s.Instr
	if in.Op < code.LdU8 || in.Op > code.StG192 {
		return reads, writes, false
	}
	if a := code.Accesses[in.Op]; a.Bytes != 0 {
		addr, _, err := s.m.operand(in, a)
		if err != nil {
			return reads, writes, true // it panics
		}
		if a.Store {
			return reads, Span{addr, a.Bytes}, true
		}
		return Span{addr, a.Bytes}, writes, true
	}
	switch in.Op {
	case code.LdN:
		reads = Span{s.Slot(in.B) + uint64(in.C), s.Ext[0]}
	case code.StN:
		writes = Span{s.Slot(in.A) + uint64(in.C), s.Ext[0]}
	case code.CopyM:
		reads, writes = Span{s.Slot(in.B), s.Ext[0]}, Span{s.Slot(in.A), s.Ext[0]}
	case code.ZeroM:
		writes = Span{s.Slot(in.A), s.Ext[0]}
	case code.AddM64:
		reads = Span{s.Slot(in.A) + uint64(in.C), 8}
		writes = reads
	}
	return reads, writes, true
}

// Operands are the slots the instruction names (code.Operands).
func (s *Step) Operands() []code.Operand { return code.Operands(s.Instr) }

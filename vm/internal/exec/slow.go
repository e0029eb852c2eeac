package exec

import (
	"errors"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// slow carries out the whole instruction at pc: those the loop does not have, and the rare cases of those it has
// (faults, clean pages, numbers across pages).
//
// An op either does all of its work and passes its words (advance, or by setting pc), or it changes nothing the guest can see
// and returns an error, which check turns into a panic of the guest, a collection after which the same instruction is carried out
// anew, or the end of the run.
func (m *Machine) slow() {
	in := m.instr()
	var err error
	switch op := in.Op; {
	case op < code.AddC:
		err = m.slowNumber(in)
	case op <= code.C128ToC64:
		m.complexOp(in)
	case op <= code.EqMem:
		err = m.compareOp(in)
	case op >= code.LdU8 && op <= code.StG192:
		err = m.memoryOp(in)
	case op >= code.New && op <= code.NextStr, op >= code.MapNew && op <= code.MapNext, op == code.MapPut:
		err = m.heapOp(in)
	case op >= code.ChanNew && op <= code.Select:
		err = m.channelOp(in)
	case op >= code.MkIP && op <= code.TypeW:
		err = m.interfaceOp(in)
	case op >= code.Call && op <= code.PanicNext:
		err = m.controlOp(in)
	default:
		err = m.damaged("code word")
	}
	if err != nil {
		m.check(err)
	}
	m.pay()
	if s := m.mem.Size(); s != m.s.Size {
		m.sync()
	}
}

// check acts on the error of an operation; pc stands at the instruction.
func (m *Machine) check(err error) {
	var te *heap.TypeError
	var ge *guestError
	var txt *textError
	switch {
	case errors.As(err, &txt):
		s, err := m.heap.NewString(txt.text)
		if err != nil {
			m.check(err)
			return
		}
		m.panicKnown(code.KnownPanicText, s.Ptr, s.Len)
	case err == heap.ErrFault:
		m.panicKnown(code.KnownPanicMem)
	case errors.As(err, &ge):
		m.panicKnown(ge.sym, ge.args[:ge.n]...)
	case errors.As(err, &te):
		switch {
		case te.NoEntries && m.prog.Image.Known[code.KnownPanicMapKey] != 0: // older images have it not
			m.panicKnown(code.KnownPanicMapKey, te.Type)
		case te.Hash:
			m.panicKnown(code.KnownPanicUnhashable, te.Type)
		default:
			m.panicKnown(code.KnownPanicUncomparable, te.Type)
		}
	case errors.Is(err, heap.ErrNoSpace), errors.Is(err, mem.ErrLimit):
		m.heap.Handled() // it is done again, or not at all
		if m.load(rootCollected) == m.Count()+1 {
			m.fail(&LimitError{"memory", m.mem.Limit()})
			return
		}
		m.store(rootCollected, m.Count()+1)
		m.collect()
	case errors.Is(err, heap.ErrNilMap):
		m.panicKnown(code.KnownPanicNilMapWrite)
	case errors.Is(err, heap.ErrLen):
		m.panicKnown(code.KnownPanicMakeLen)
	case errors.Is(err, heap.ErrCap):
		m.panicKnown(code.KnownPanicMakeCap)
	case errors.Is(err, heap.ErrFault):
		m.panicKnown(code.KnownPanicMem)
	case errors.Is(err, heap.ErrMapSize):
		m.throw("map of more than 2^31 entries")
	case err == errStack:
		m.stackOverflow()
	case err == errStopped:
	default:
		m.fail(err)
	}
}

// errStopped says that the run was stopped already.
var errStopped = errors.New("exec: stopped")

// guestError asks check to panic by calling a Known guest function.
type guestError struct {
	sym  string
	n    int
	args [3]uint64
}

func (e *guestError) Error() string { return "exec: guest panic " + e.sym }

// raiseBy is the error that calls sym with args.
func raiseBy(sym string, args ...uint64) error {
	e := &guestError{sym: sym, n: len(args)}
	copy(e.args[:], args)
	return e
}

// panicKnown calls the Known guest function sym, which panics, on top of the running frame; pc stands at the instruction at fault.
func (m *Machine) panicKnown(sym string, args ...uint64) bool {
	fn := m.prog.Image.Known[sym]
	if fn == 0 || fn > m.s.FuncsLess1 {
		m.throw("machine needs " + sym + ", which the image lacks")
		return false
	}
	if !m.callFrom(m.s.FP+m.frameBytes(uint64(m.s.PC)), fn, 0, args) {
		return false
	}
	m.s.Left-- // the instruction counts, once it is not carried out anew
	return true
}

// callFrom begins a call of fn with args, its frame at w or in a new chunk, which returns to the word after pc.
func (m *Machine) callFrom(w, fn, closure uint64, args []uint64) bool {
	ret := uint64(m.s.PC) + uint64(m.words())
	return m.callTo(w, fn, closure, ret, args)
}

// callTo is callFrom with the word to return to.
func (m *Machine) callTo(w, fn, closure, ret uint64, args []uint64) bool {
	if fn == 0 || fn > m.s.FuncsLess1 {
		m.throw("call of function that the image lacks")
		return false
	}
	e := &m.prog.Entries[fn]
	if !m.enter(fn, closure, w, ret, false) {
		return false
	}
	f := m.at(m.s.FP)
	for i := 0; i < min(len(args), int(e.Args)); i++ {
		*slot(f, header+int(e.Res)+i) = args[i]
	}
	return true
}

// words is the length of the instruction at pc.
func (m *Machine) words() int {
	op := m.instr().Op
	if int(op) >= len(code.Table) {
		return 1
	}
	return code.Table[op].Form.Words()
}

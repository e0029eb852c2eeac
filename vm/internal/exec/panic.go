package exec

import (
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/text"
)

// How panics run. A panic record says which frame panicked. Deferred calls of the goroutine are run newest first, each on top of that frame,
// returning to the trampoline PanicNext. If one has called recover, the rest of its owner frame's deferred calls are run the same way, then the stack is unwound to the owner, which goes on at
// Func.Recover. A panic in a deferred call makes a new record before the old one; when it takes a deferred call that
// the old one would have taken, the old one is aborted, and forgotten when the new one is recovered. Goexit is a panic that cannot be recovered
// and outlives being aborted.

// deferOp pushes a deferred call: Defer for the running frame, DeferF for the frame whose address is in the third slot of the reference, DeferC for that
// too, with the closure behind the arguments in the record.
func (m *Machine) deferOp(in code.Instr) error {
	own := in.Op == code.DeferC
	fn, closure := *m.reg(in.B), *m.regN(in.B, 1)
	if fn > m.s.FuncsLess1 {
		return heap.ErrFault
	}
	if m.heap.CollectDue() {
		m.collect()
	}
	n := uint64(in.C)
	argc, bytes := n, dArgs+n*8
	if own {
		argc, bytes = n-min(closure, n), bytes+8
	}
	d, err := m.heap.AllocKind(heap.KindDefer, bytes, 0)
	if err != nil {
		return err
	}
	if !m.mem.Touch(d, bytes) {
		return m.damaged("heap")
	}
	m.heap.Operands(n)
	p := m.at(d) // the record's words, ready to be written
	from := m.argAt(in.A, fn)
	copy(m.host8(d+dArgs, argc*8), m.host8(from, argc*8))
	if own {
		closure = d + dArgs + argc*8
		*slot(m.at(closure), 0) = fn
		copy(m.host8(closure+8, (n-argc)*8), m.host8(from+argc*8, (n-argc)*8))
	}
	*slot(p, dFunc/8), *slot(p, dClosure/8), *slot(p, dArgc/8) = fn, closure, argc
	if owner := *m.regN(in.B, 2); (in.Op == code.DeferF || own && owner != 0) && owner != m.s.FP {
		return m.deferFor(owner, d)
	}
	*slot(p, dLink/8), *slot(p, dFP/8) = m.load(m.g+gDefer), m.s.FP
	*slot(p, dOwner/8) = uint64(m.prog.FuncAt(uint64(m.s.PC)))
	m.store(m.g+gDefer, d)
	m.advance(1)
	return nil
}

// deferLocal is DeferL: the record stands in the running frame, with its reference and arguments.
func (m *Machine) deferLocal(in code.Instr) {
	p, ext := m.at(m.slotAddr(in.A)), m.extAt(0)
	*slot(p, dLink/8), *slot(p, dFP/8), *slot(p, dOwner/8), *slot(p, dArgc/8) = m.load(m.g+gDefer), m.s.FP, uint64(uint32(ext)), ext>>32
	m.store(m.g+gDefer, m.slotAddr(in.A))
	m.advance(2)
}

const frameWork = 256 // what walking over a frame or a panic counts as, in bytes

// deferFor puts deferred call d where it belongs: after those of all frames between the running one and its owner.
func (m *Machine) deferFor(owner, d uint64) error {
	younger := map[uint64]bool{}
	function := int32(0)
	m.Callers(m.g, func(f CallerFrame) bool {
		if f.Frame == owner && f.Func != 0 {
			function = f.Func
		} else if f.Func != 0 {
			younger[f.Frame] = true
		}
		return function == 0
	})
	m.work(uint64(len(younger)) * frameWork)
	if function == 0 {
		m.throw("defer for a function that has returned")
		return nil
	}
	at := m.g + gDefer
	for n := m.chain(); younger[m.load(m.load(at)+dFP)] && n > 0; n-- {
		at = m.load(at) + dLink
	}
	m.store(d+dLink, m.load(at))
	m.store(d+dFP, owner)
	m.store(d+dOwner, uint64(function))
	m.store(at, d)
	m.advance(1)
	return nil
}

// runDefers runs the newest deferred call of the running frame, to come back to this very instruction until it was the last.
func (m *Machine) runDefers(in code.Instr) error {
	d := m.load(m.g + gDefer)
	if d == 0 || m.load(d+dFP) != m.s.FP {
		m.advance(1)
		return nil
	}
	fn := m.load(d + dFunc)
	if fn == 0 {
		m.store(m.g+gDefer, m.load(d+dLink))
		return heap.ErrFault
	}
	older, ret := m.load(d+dLink), uint64(m.s.PC)
	if older == 0 || m.load(older+dFP) != m.s.FP {
		ret++
	}
	if !m.callDeferred(d, m.slotAddr(in.A), ret) {
		return nil
	}
	m.store(m.g+gDefer, older)
	m.s.Left--
	m.callPoint()
	return nil
}

// callDeferred begins deferred call d, which has a function, its frame at w or in a new chunk. False: as for enter.
func (m *Machine) callDeferred(d, w, ret uint64) bool {
	fn, n := m.load(d+dFunc), m.load(d+dArgc)
	if fn > m.s.FuncsLess1 {
		m.check(m.damaged("deferred call"))
		return false
	}
	if !m.enter(fn, m.load(d+dClosure), w, ret, false) {
		return false
	}
	e := &m.prog.Entries[fn]
	at := m.s.FP + uint64(header+int(e.Res))*8
	m.heap.Operands(min(n, uint64(e.Args)))
	for i := range min(n, uint64(e.Args)) {
		*slot(m.at(at), int(i)) = m.load(d + dArgs + i*8)
	}
	return true
}

// raise begins a panic with the empty interface (typ, data), or Goexit, in the running frame.
func (m *Machine) raise(typ, data uint64, goexit bool) {
	if typ == 0 && !goexit {
		m.s.Left++ // panicKnown counts the instruction
		m.panicKnown(code.KnownPanicNil)
		return
	}
	m.beginPanic(typ, data, goexit)
}

// beginPanic is raise without asking about nil.
func (m *Machine) beginPanic(typ, data uint64, goexit bool) {
	p, err := m.heap.AllocKind(heap.KindPanic, pBytes, 0)
	if err != nil {
		m.s.Left++
		m.check(err)
		return
	}
	prev := m.load(m.g + gPanic)
	m.store(p+panicArg, typ)
	m.store(p+panicArg+8, data)
	m.store(p+pPrev, prev)
	link, n := prev, uint64(0)
	for ; link != 0 && m.load(link+pState)&pDone != 0 && n < m.chain(); n++ {
		link = m.load(link + pPrev)
	}
	m.work(n * frameWork)
	m.store(p+panicLink, link)
	m.mem.Store8(p+panicGoexit, uint8(boolWord(goexit)))
	m.store(p+pFP, m.s.FP)
	m.store(p+pPC, uint64(m.s.PC))
	m.store(m.g+gPanic, p)
	m.nextDeferred(p)
}

// top is the address after the running frame: that which panicked, where deferred calls' frames go.
func (m *Machine) top() uint64 { return m.s.FP + m.frameBytes(uint64(m.s.PC)) }

// stand puts the goroutine back to the frame that panicked; false: there is none, and the run ended.
func (m *Machine) stand(p uint64) bool {
	fp, pc := m.load(p+pFP), m.load(p+pPC)
	if !m.goOn(pc, fp, m.chunkOf(fp), m.frameBytes(pc)) {
		m.check(m.damaged("panic"))
		return false
	}
	return true
}

// nextDeferred runs the goroutine's next deferred call for panic p; without one, the program or (Goexit) the goroutine ends.
func (m *Machine) nextDeferred(p uint64) {
	if !m.stand(p) {
		return
	}
	d := m.load(m.g + gDefer)
	if m.load(p+pState)&pDone != 0 && (d == 0 || m.load(d+dFP) != m.load(p+pOwnerFP)) {
		m.recovered(p)
		return
	}
	if d == 0 {
		if m.mem.Load8(p+panicGoexit) != 0 {
			m.exitG()
			return
		}
		fn := m.prog.Image.Known[code.KnownFatalPanic]
		if fn == 0 {
			m.throw("panic, and the image lacks " + code.KnownFatalPanic)
			return
		}
		for !m.callTo(m.top(), fn, 0, m.prog.Tramp(text.TrampTrap), []uint64{p}) && !m.halt {
		}
		return
	}
	// Lack of room makes callTo collect, which needs d to be in the list still, and fail once: then it is done again.
	fn := m.load(d + dFunc)
	for fn != 0 && !m.callDeferred(d, m.top(), m.prog.Tramp(text.TrampPanicNext)) {
		if m.halt {
			return
		}
	}
	n := uint64(0)
	for q := m.load(p + pPrev); q != 0 && n < m.chain(); n, q = n+1, m.load(q+pPrev) {
		if m.load(q+pMark) == d {
			m.store(q+pState, m.load(q+pState)|pAborted)
		}
	}
	m.work(n * frameWork)
	m.store(m.g+gDefer, m.load(d+dLink))
	m.store(p+pOwnerFP, m.load(d+dFP))
	m.store(p+pOwner, m.load(d+dOwner))
	m.store(p+pMark, m.load(d+dLink))
	m.store(p+pCallFP, m.s.FP)
	if fn == 0 {
		m.store(p+pCallFP, 0)
		for !m.panicKnown(code.KnownPanicMem) && !m.halt { // it could not be done anew by carrying out the instruction again
		}
	}
	m.callPoint() // deferred calls that panic, each in the one before, may never come to another
}

// deferredReturned is PanicNext: a deferred call that nextDeferred began has returned.
func (m *Machine) deferredReturned() {
	p := m.load(m.g + gPanic)
	if p == 0 {
		m.check(m.damaged("panic record"))
		return
	}
	m.store(p+pCallFP, 0)
	if m.mem.Load8(p+panicRecovered) != 0 {
		m.store(p+pState, m.load(p+pState)|pDone)
	}
	m.nextDeferred(p)
}

// recovered ends panic p: the goroutine goes on in the frame that owned the deferred call that recovered, unless a Goexit was under way.
func (m *Machine) recovered(p uint64) {
	q := m.load(p + pPrev)
	for n := m.chain(); q != 0 && m.load(q+pState)&pAborted != 0 && n > 0; n-- {
		if m.mem.Load8(q+panicGoexit) != 0 {
			m.store(q+pState, m.load(q+pState)&^pAborted)
			m.store(m.g+gPanic, q)
			m.nextDeferred(q)
			return
		}
		q = m.load(q + pPrev)
	}
	m.store(m.g+gPanic, q)
	owner := m.load(p + pOwner)
	if owner == 0 || owner > m.s.FuncsLess1 {
		m.check(m.damaged("deferred call"))
		return
	}
	e, fp, pc := &m.prog.Entries[owner], m.load(p+pOwnerFP), m.prog.Image.Funcs[owner].Recover
	if !m.goOn(uint64(or(uint64(pc), uint64(e.Start))), fp, m.chunkOf(fp), uint64(e.FrameBytes)) {
		m.check(m.damaged("deferred call"))
		return
	}
	if pc == 0 {
		clear(m.host8(m.slotAddr(header), uint64(e.Res)*8))
		if err := m.ret(); err != nil {
			m.check(err)
			return
		}
	}
	m.callPoint() // damaged panics may lead back to this one
}

// recover is the builtin, called in the running frame: the panic's value if this frame is the deferred call that the newest panic
// runs, or was called by it through wrappers. A wrapper that runs the builtin itself is a deferred recover(): it stands
// for its caller, and for nobody when the panic itself runs it. Package reflect's frames are looked through when the deferred call
// is a function made by reflect.
func (m *Machine) recover() (typ, data uint64) {
	p := m.load(m.g + gPanic)
	n := uint64(0)
	for ; p != 0 && m.load(p+pState)&pDone != 0 && n < m.chain(); n++ {
		p = m.load(p + pPrev)
	}
	m.heap.Walked(n)
	if p == 0 || m.mem.Load8(p+panicGoexit) != 0 || m.mem.Load8(p+panicRecovered) != 0 {
		return 0, 0
	}
	call, fp := m.load(p+pCallFP), m.s.FP
	flags := m.prog.Entries[m.prog.FuncAt(uint64(m.s.PC))].Flags
	if flags&code.FuncWrapper != 0 {
		if fp == call {
			return 0, 0
		}
		fp, flags = m.caller(fp)
	}
	byReflect := false
	for n := 0; fp != call; n++ {
		if fp, flags = m.caller(fp); n > 64 || flags&(code.FuncWrapper|text.FuncReflect) == 0 {
			return 0, 0
		}
		byReflect = byReflect || flags&text.FuncReflect != 0
	}
	if byReflect && flags&code.FuncWrapper == 0 {
		return 0, 0
	}
	m.mem.Store8(p+panicRecovered, 1)
	return m.load(p + panicArg), m.load(p + panicArg + 8)
}

// caller is the frame that called the one at fp, and its function's flags. A deferred call run for a frame that is being left after a recovered panic
// counts as called by that frame; one run by a panic has no caller: 0.
func (m *Machine) caller(fp uint64) (uint64, code.FuncFlag) {
	ret := m.load(fp + 8)
	if ret != m.prog.Tramp(text.TrampPanicNext) {
		return m.load(fp), m.prog.Entries[m.prog.FuncAt(ret)].Flags
	}
	n := uint64(0)
	defer func() { m.heap.Walked(n) }()
	for p := m.load(m.g + gPanic); p != 0 && n < m.chain(); p, n = m.load(p+pPrev), n+1 {
		if m.load(p+pCallFP) == fp && m.load(p+pState)&pDone != 0 {
			return m.load(p + pOwnerFP), m.prog.Entries[min(m.load(p+pOwner), m.s.FuncsLess1)].Flags
		}
	}
	return 0, 0
}

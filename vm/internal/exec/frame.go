package exec

import (
	"errors"
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/loop"
	"github.com/tandemvm/tandem/vm/internal/mem"
	"github.com/tandemvm/tandem/vm/internal/text"
)

const pageMask = 4095

// room is the size of the stack chunk at an address, 0 when memory holds none there.
func (m *Machine) room(chunk uint64) uint64 {
	bytes := m.load(chunk + chunkBytes)
	if chunk&7 != 0 || chunk < m.prog.DataEnd || !m.mem.InRange(chunk, bytes) {
		return 0
	}
	return bytes
}

// goOn makes the frame at fp in a stack chunk, size bytes long, the running one, which goes on at code word pc. Memory may hold anything: false, and nothing
// is changed, when no instruction begins there or the frame is not within the chunk, and that within memory. What is in the frame does not matter: every op is
// safe with any content of its slots.
func (m *Machine) goOn(pc, fp, chunk, size uint64) bool {
	size = max(size, header*8)
	room, off := m.room(chunk), fp-chunk
	if pc >= m.s.CodeLen || m.prog.Frames[pc] == 0 || fp&7 != 0 || off < chunkHead || off > room || size > room-off {
		return false
	}
	m.s.PC, m.s.FP = uintptr(pc), fp
	m.chunk, m.chunkEnd = chunk, chunk+room
	m.land(size)
	return true
}

// frameBytes is the size of a frame that stands at code word pc.
func (m *Machine) frameBytes(pc uint64) uint64 {
	return uint64(m.prog.Entries[m.prog.FuncAt(pc)].FrameBytes)
}

// settle makes the running frame, and only it, ready to be written without tracking: after a switch of goroutines and when an epoch began.
func (m *Machine) settle() {
	m.sync()
	m.land(m.frameBytes(uint64(m.s.PC)))
}

// land touches the pages of the frame at fp, size bytes long, and makes them the whole settled range.
func (m *Machine) land(size uint64) {
	size = max(size, header*8)
	m.mem.Touch(m.s.FP, size)
	m.s.Lo = m.s.FP - code.Base
	m.setHigh(m.s.FP + size)
}

// setHigh extends the settled range to the end of the page that holds the byte before end, within the chunk; without tracking it is the chunk.
func (m *Machine) setHigh(end uint64) {
	top := min((end-code.Base+pageMask)&^pageMask+code.Base, m.chunkEnd)
	if !mem.Tracked {
		m.s.Lo, top = m.chunk+chunkHead-code.Base, m.chunkEnd
	}
	m.s.Span = top - code.Base - m.s.Lo
	m.s.Hi = uintptr(m.s.Base) + uintptr(top-code.Base)
}

// settledEnd is the end of the settled range.
func (m *Machine) settledEnd() uint64 { return code.Base + m.s.Lo + m.s.Span }

// enter begins a call of function fn: its frame is at w, an address at or after the end of the running frame's live slots,
// or, if it does not fit there, in a new chunk. When copyArgs is set the argument slots stand in the window at w. After it pc and fp are the callee's. The words of the call instruction are not counted here.
// False: the run stopped, nothing has changed.
func (m *Machine) enter(fn, closure, w, ret uint64, copyArgs bool) bool {
	e := &m.prog.Entries[fn]
	fp := w
	if w < m.chunk || w >= m.chunkEnd || w+uint64(e.FrameBytes) > m.chunkEnd {
		if fp = m.pushChunk(e, w); fp == 0 {
			return false
		}
		if copyArgs {
			o := uint64(header+int(e.Res)) * 8
			copy(m.host8(fp+o, uint64(e.Args)*8), m.host8(w+o, uint64(e.Args)*8))
		}
	} else if end := w + uint64(e.FrameBytes); end > m.settledEnd() {
		from := m.settledEnd()
		m.mem.Touch(from, end-from)
		m.setHigh(end)
	}
	f := m.at(fp)
	*slot(f, 0), *slot(f, 1), *slot(f, 2) = m.s.FP, ret, closure
	m.s.FP, m.s.PC = fp, uintptr(e.Start)
	return true
}

// host8 is n bytes of memory at addr, which must be settled or touched when they are written.
func (m *Machine) host8(addr, n uint64) []byte {
	if !m.mem.InRange(addr, n) {
		return nil
	}
	return unsafe.Slice((*byte)(m.at(addr)), n)
}

// errStack says that a goroutine's stack is at its limit.
var errStack = errors.New("exec: stack overflow")

// pushChunk makes room for a frame of function e that does not fit at w, and returns its address, 0 when the run stopped.
func (m *Machine) pushChunk(e *loop.Entry, w uint64) uint64 {
	old := m.chunk
	need := chunkHead + uint64(e.FrameBytes)
	chunk := m.load(old + chunkSpare)
	if m.room(chunk) < need {
		if chunk != 0 {
			m.dropSpare(old)
		}
		var err error
		if chunk, err = m.newChunk(max(2*m.room(old), 2*need), need); err != nil {
			m.stackError(err)
			return 0
		}
		m.store(chunk+chunkPrev, old)
		m.store(old+chunkSpare, chunk)
	}
	m.store(chunk+chunkWin, w)
	res := uint64(e.Res)
	if e.Flags&code.FuncAnySignature != 0 {
		res = uint64(e.Args) // which of them are results only its caller knows
	}
	m.store(chunk+chunkRes, res)
	m.store(old+chunkTop, min(max(w, m.s.FP+m.frameBytes(uint64(m.s.PC))), m.chunkEnd))
	m.chunk, m.chunkEnd = chunk, chunk+m.room(chunk)
	fp := chunk + chunkHead
	m.s.Lo = fp - code.Base
	m.mem.Touch(fp, uint64(e.FrameBytes))
	m.setHigh(fp + uint64(e.FrameBytes))
	return fp
}

// newChunk is a stack chunk for the running goroutine, of the size given or, if the limit allows no more, of at least need bytes.
func (m *Machine) newChunk(bytes, need uint64) (uint64, error) {
	total := m.load(m.g + gStack)
	if limit := m.limits.StackBytes; total+bytes > limit {
		if bytes = limit - min(limit, total); bytes < max(need, firstChunkBytes) {
			return 0, errStack
		}
	}
	chunk, err := m.heap.AllocKind(heap.KindStack, bytes, 0)
	if err != nil {
		return 0, err
	}
	m.sync()
	m.work(bytes)
	m.store(chunk+chunkBytes, bytes)
	m.store(m.g+gStack, total+bytes)
	if m.room(chunk) != bytes {
		return 0, m.damaged("heap")
	}
	return chunk, nil
}

// dropSpare gives the spare chunk of chunk back, and its spares.
func (m *Machine) dropSpare(chunk uint64) {
	spare := m.load(chunk + chunkSpare)
	m.store(chunk+chunkSpare, 0)
	for n := 0; spare != 0 && n < 64; n++ {
		next := m.load(spare + chunkSpare)
		m.store(m.g+gStack, m.load(m.g+gStack)-m.load(spare+chunkBytes))
		m.heap.Free(spare)
		spare = next
	}
}

// stackError ends the run, or collects and has the operation repeated, when a chunk could not be had.
func (m *Machine) stackError(err error) {
	if err == errStack {
		m.stackOverflow()
		return
	}
	m.check(err)
}

// chunkOf is the chunk that holds frame fp of the running goroutine, in damaged memory any.
func (m *Machine) chunkOf(fp uint64) uint64 {
	chunk := m.chunk
	for n := 0; fp-chunk >= m.room(chunk) && n < 64; n++ {
		chunk = m.load(chunk + chunkPrev)
	}
	return chunk
}

// callOp is Call, CallC and CallI in the cases the loop leaves to it.
func (m *Machine) callOp(in code.Instr) error {
	var fn, closure uint64
	switch in.Op {
	case code.Call:
		fn = uint64(in.Imm32())
	case code.CallC:
		closure = *m.reg(in.B)
		if !m.mem.InRange(closure, 8) {
			return heap.ErrFault
		}
		fn = m.load(closure)
	case code.CallI:
		var err error
		if fn, err = m.method(*m.reg(in.B), in.C); err != nil {
			return err
		}
	}
	if fn == 0 || fn > m.s.FuncsLess1 {
		return heap.ErrFault
	}
	if in.Op == code.Call {
		closure = *m.regN(in.A, 2)
	}
	ret := uint64(m.s.PC) + 1
	if m.enter(fn, closure, m.slotAddr(in.A), ret, true) {
		m.s.Left--
		m.callPoint()
	}
	return nil
}

// method is the function of method i of an itab.
func (m *Machine) method(tab uint64, i uint16) (uint64, error) {
	at := tab + loop.ITabFun + uint64(i)*8
	if !m.mem.InRange(tab, 1) || !m.mem.InRange(at, 8) {
		return 0, heap.ErrFault
	}
	return m.load(at), nil
}

// callPoint is the safe point at the entry of a function called outside the loop.
func (m *Machine) callPoint() {
	if m.s.Left <= 0 && !m.halt {
		m.safePoint()
	}
}

// ret is Ret in the cases the loop leaves to it: the caller's frame is outside the settled range. Ret1 has stored its result.
func (m *Machine) ret() error {
	callee := m.at(m.s.FP)
	fp, pc := *slot(callee, 0), *slot(callee, 1)
	m.s.Left--
	if pc >= m.s.CodeLen || m.prog.Frames[pc] == 0 || fp&7 != 0 {
		return m.damaged("return address")
	}
	if pc == m.prog.Tramp(text.TrampGoExit) {
		m.s.PC = uintptr(pc)
		return nil
	}
	if fp < m.chunk || fp >= m.chunkEnd {
		chunk, from := m.chunk, m.s.FP
		if !m.goOn(pc, fp, m.load(chunk+chunkPrev), m.callerBytes(pc)) {
			return m.damaged("caller's frame")
		}
		if n := m.load(chunk + chunkRes); n > 0 && from == chunk+chunkHead {
			if to := m.load(chunk+chunkWin) + header*8; to < m.chunkEnd {
				m.mem.Copy(to, from+header*8, min(n*8, m.chunkEnd-to))
			}
		}
		m.callPoint() // damaged chunks may lead back to this one
		return nil
	}
	size := m.callerBytes(pc)
	if fp >= m.s.FP || size > m.chunkEnd-fp { // a return is no safe point, so frames must not lead in a circle
		return m.damaged("caller's frame")
	}
	m.s.PC = uintptr(pc)
	if fp < code.Base+m.s.Lo {
		end := max(m.settledEnd(), fp+size)
		m.s.FP = fp
		m.mem.Touch(fp, size)
		m.s.Lo = fp - code.Base
		m.setHigh(min(end, m.chunkEnd))
		return nil
	}
	m.s.FP = fp
	m.land(size)
	return nil
}

// callerBytes is the frame size of the function that a return to pc goes to.
func (m *Machine) callerBytes(pc uint64) uint64 {
	if pc == m.prog.Tramp(text.TrampPanicNext) {
		return header * 8
	}
	return m.frameBytes(pc)
}

// damagedError says that memory does not hold what the machine put there.
type damagedError struct{ what string }

func (e *damagedError) Error() string {
	return "exec: a " + e.what + " in memory is damaged: the run cannot go on"
}

func (m *Machine) damaged(what string) error { return &damagedError{what} }

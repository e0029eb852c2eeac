package exec

import (
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/text"
)

// newG starts a goroutine running function fn, last in the run queue, and returns its record's address. 0: the run stopped or collected; nothing was
// changed and the instruction is carried out anew when it goes on.
func (m *Machine) newG(fn, closure uint64, args []uint64, system bool) uint64 {
	if limit := m.limits.Goroutines; m.live >= limit {
		m.fail(&LimitError{"goroutines", limit})
		return 0
	}
	e := &m.prog.Entries[fn]
	g, err := m.heap.AllocKind(heap.KindGoroutine, gBytes, 0)
	if err != nil {
		m.check(err)
		return 0
	}
	first := uint64(firstChunkBytes)
	if m.load(rootNextID) == 1 {
		first = mainChunkBytes
	}
	size := max(first, chunkHead+2*uint64(e.FrameBytes))
	chunk, err := m.heap.AllocKind(heap.KindStack, size, 0)
	if err != nil {
		m.check(err)
		return 0
	}
	m.store(chunk+chunkBytes, size)
	fp := chunk + chunkHead
	m.store(fp+8, m.prog.Tramp(text.TrampGoExit))
	m.store(fp+16, closure)
	for i := 0; i < min(len(args), int(e.Args)); i++ {
		m.store(fp+uint64(header+int(e.Res)+i)*8, args[i])
	}
	id := m.load(rootNextID)
	m.store(rootNextID, id+1)
	m.store(g+gID, id)
	m.store(g+gPC, uint64(e.Start))
	m.store(g+gFP, fp)
	m.store(g+gChunk, chunk)
	m.store(g+gStack, size)
	m.store(g+gFunc, fn)
	if m.g != 0 {
		m.store(g+gParent, m.load(m.g+gID))
		m.store(g+gParentPC, uint64(m.s.PC))
	}
	if system {
		m.store(g+gFlags, gSystem)
	} else {
		m.live++
		m.store(rootLive, m.live)
		m.join(g, m.load(m.g+gBubble))
	}
	last := m.load(rootAllLast)
	m.store(g+gPrev, last)
	if last == 0 {
		m.store(rootAll, g)
	} else {
		m.store(last+gNext, g)
	}
	m.store(rootAllLast, g)
	m.enqueue(g)
	return g
}

// exitG ends the running goroutine: its function returned or Goexit ran its deferred calls.
func (m *Machine) exitG() {
	g := m.g
	m.store(g+gStatus, uint64(StatusDead))
	m.part(g)
	if m.load(g+gID) == 1 {
		m.store(rootMainGone, 1)
	}
	prev, next := m.load(g+gPrev), m.load(g+gNext)
	if prev == 0 {
		m.store(rootAll, next)
	} else {
		m.store(prev+gNext, next)
	}
	if next == 0 {
		m.store(rootAllLast, prev)
	} else {
		m.store(next+gPrev, prev)
	}
	if m.load(g+gFlags)&gSystem == 0 {
		m.live--
		m.store(rootLive, m.live)
	}
	chunk := m.chunk
	for n := 0; chunk != 0 && n < 64; n++ {
		m.dropSpare(chunk)
		prev := m.load(chunk + chunkPrev)
		m.heap.Free(chunk)
		chunk = prev
	}
	for _, f := range []uint64{gChunk, gDefer, gPanic, gFP} {
		m.store(g+f, 0)
	}
	m.g, m.chunk = 0, 0
	m.schedule()
}

// enqueue puts a goroutine at the end of the run queue.
func (m *Machine) enqueue(g uint64) {
	m.store(g+gStatus, uint64(StatusRunnable))
	m.store(g+gLink, 0)
	if last := m.load(rootQueueLast); last != 0 {
		m.store(last+gLink, g)
	} else {
		m.store(rootQueue, g)
	}
	m.store(rootQueueLast, g)
}

// ready makes a waiting goroutine run again.
func (m *Machine) ready(g uint64) {
	if b := m.load(g + gBubble); b != 0 && Status(m.load(g+gStatus)).durable() {
		m.store(b+bRunning, m.load(b+bRunning)+1)
	}
	m.store(g+gWaiting, 0)
	m.enqueue(g)
}

// leave writes the running goroutine's position to its record, with what it is doing from now on. pc stands where it is to go on.
func (m *Machine) leave(why Status) {
	g := m.g
	if b := m.load(g + gBubble); b != 0 {
		if why = m.within(why); why.durable() {
			m.store(b+bRunning, m.load(b+bRunning)-1)
		}
	}
	m.store(g+gStatus, uint64(why))
	m.store(g+gPC, uint64(m.s.PC))
	m.store(g+gFP, m.s.FP)
	m.store(g+gChunk, m.chunk)
}

// schedule makes the next goroutine of the run queue the running one. Without one the loop ends: timers or the host must go on, or all goroutines are asleep.
func (m *Machine) schedule() {
	m.g = 0
	m.fireTimers()
	if m.load(rootBubbles) != 0 {
		m.wakeBubbles()
	}
	g := m.load(rootQueue)
	if g == 0 {
		m.idle()
		return
	}
	m.sync()
	pc := m.load(g + gPC)
	if !m.goOn(pc, m.load(g+gFP), m.load(g+gChunk), m.frameBytes(pc)) {
		m.check(m.damaged("goroutine"))
		return
	}
	next := m.load(g + gLink)
	m.store(rootQueue, next)
	if next == 0 {
		m.store(rootQueueLast, 0)
	}
	m.runs(g)
	m.store(g+gStatus, uint64(StatusRunning))
	m.sliceEnd = m.Count() + m.limits.SliceWords
	m.limit()
}

// idle ends Run when nothing can run.
func (m *Machine) idle() {
	wake := m.timersOf(0).Next()
	switch {
	case m.load(rootHostWait) != 0:
		m.end(Stop{Reason: HostCall, Wake: wake})
	case wake != 0 && m.awaited():
		m.end(Stop{Reason: Idle, Wake: wake})
	case m.load(rootMainGone) != 0 && m.live == 0:
		m.fatal("no goroutines (main called runtime.Goexit) - deadlock!")
	default:
		m.fatal("all goroutines are asleep - deadlock!")
	}
}

// wakeHostWaiters readies, in order of creation, the goroutines whose natives wait for the host.
func (m *Machine) wakeHostWaiters() {
	if m.load(rootHostWait) == 0 {
		return
	}
	m.store(rootHostWait, 0)
	for g, n := m.load(rootAll), m.chain(); g != 0 && n > 0; g, n = m.load(g+gNext), n-1 {
		if Status(m.load(g+gStatus)) == StatusHost {
			m.enqueue(g)
		}
	}
}

// Goroutines calls fn for each goroutine in order of creation, until it returns false.
func (m *Machine) Goroutines(fn func(g GoroutineInfo) bool) {
	for g, n := m.load(rootAll), m.mem.Size()/gBytes; g != 0 && n > 0; g, n = m.load(g+gNext), n-1 {
		i := GoroutineInfo{Record: g, ID: m.load(g + gID), Status: Status(m.load(g + gStatus)), PC: m.load(g + gPC), Frame: m.load(g + gFP),
			System: m.load(g+gFlags)&gSystem != 0}
		if g == m.g {
			i.PC, i.Frame = uint64(m.s.PC), m.s.FP
		}
		if !fn(i) {
			return
		}
	}
}

// GoroutineInfo describes one goroutine.
type GoroutineInfo struct {
	Record uint64 // guest address of its record
	ID     uint64
	Status Status
	PC     uint64 // code word it stands at
	Frame  uint64 // its innermost frame
	System bool
}

// Live is the number of goroutines, system ones not counted.
func (m *Machine) Live() uint64 { return m.live }

// collect runs a garbage collection. Every live reference must be in memory.
func (m *Machine) collect() {
	m.Collect()
	m.sync()
	if m.g != 0 {
		m.settle()
	}
}

// Collect runs a garbage collection between Runs.
func (m *Machine) Collect() {
	if m.g != 0 {
		m.leave(StatusRunning) // the record does not say where a running goroutine stands
	}
	m.heap.Collect(m.roots)
	if g := m.load(rootFinalizer); g != 0 && m.heap.Queued() {
		m.store(rootFinalizer, 0)
		m.ready(g)
	}
}

// Collect is runtime.GC.
func (t *Thread) Collect() {
	t.m.work(t.m.heap.Stats().AllocBytes)
	t.m.collect()
}

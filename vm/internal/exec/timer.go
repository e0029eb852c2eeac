package exec

import (
	"errors"

	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/timers"
)

// Timers stand in queues in memory, one for the world's time and one for each bubble. The machine looks at the clock only when it
// chooses a goroutine, and only if there are timers.

// timersOf is the queue that timers of a bubble, or of none, stand in.
func (m *Machine) timersOf(bubble uint64) timers.Queue {
	if bubble == 0 {
		return timers.Queue{Mem: m.mem, At: rootTimers}
	}
	return timers.Queue{Mem: m.mem, At: bubble + bTimers}
}

// Timers is the number of timers of the world's time that are set.
func (m *Machine) Timers() uint64 { return m.timersOf(0).Len() }

// AddTimer arranges that at Nanotime when the closure f, a func(arg any, seq uintptr, delta int64), is called in a goroutine of its own, which
// no traceback shows; delta is by how much it is late. The result is the timer's guest address: keep it in guest memory
// where the collector sees it if the timer is to be stopped or set anew.
//
// With a channel ch (not 0) the timer is the channel's: it is held by it, so that it goes when nobody has the channel any more. Without one it is held
// until it is due or stopped.
func (t *Thread) AddTimer(when int64, f, argType, argData, seq, ch uint64) (uint64, error) {
	typ := uint64(0)
	if ch != 0 {
		o, ok := t.m.heap.Find(ch)
		if !ok || o.Addr != ch || o.Kind != heap.KindChan {
			return 0, heap.ErrFault
		}
		typ = o.Type
	}
	r, err := t.m.heap.AllocKind(heap.KindTimer, tBytes, typ)
	if err != nil {
		return 0, err
	}
	t.m.store(r+tBubble, t.m.load(t.m.g+gBubble))
	for i, v := range []uint64{f, argType, argData, seq} {
		t.m.store(r+tClosure+uint64(i)*8, v)
	}
	if err := t.m.startTimer(r, when); err != nil {
		return 0, err
	}
	if ch != 0 {
		t.m.store(ch+cClosed, r|chanTimer)
	}
	return r, nil
}

// StopTimer takes a timer back; false: it had fired or was stopped.
func (t *Thread) StopTimer(timer uint64) bool { return t.m.stopTimer(timer) }

// ResetTimer sets a timer, running or not, to a new time and argument number; true: it was running.
func (t *Thread) ResetTimer(timer uint64, when int64, seq uint64) (bool, error) {
	was := t.m.stopTimer(timer)
	t.m.store(timer+tArgSeq, seq)
	return was, t.m.startTimer(timer, when)
}

// Sleep makes the goroutine wait for ns nanoseconds.
func (t *Thread) Sleep(ns int64) Action {
	if ns <= 0 {
		return t.Gosched()
	}
	m := t.m
	bubble := m.load(m.g + gBubble)
	when := m.nanotime(bubble) + ns
	if when < 0 {
		when = 1<<63 - 1
	}
	r, err := m.heap.AllocKind(heap.KindTimer, tBytes, 0)
	if err == nil {
		m.store(r+tG, m.g)
		m.store(r+tBubble, bubble)
		err = m.startTimer(r, when)
	}
	if err != nil {
		return t.Retry(err)
	}
	m.store(m.g+gWaiting, r)
	return t.Park(StatusSleep)
}

// startTimer puts timer r into its queue.
func (m *Machine) startTimer(r uint64, when int64) error {
	number := m.load(rootTimerSeq)
	err := m.timersOf(m.load(r+tBubble)).Add(m.heap, r, when, number)
	if err == nil {
		m.store(rootTimerSeq, number+1)
	}
	return err
}

// stopTimer takes timer r out of its queue if it is there.
func (m *Machine) stopTimer(r uint64) bool { return m.timersOf(m.load(r + tBubble)).Remove(r) }

// errTimers ends a run whose timer heap is none: only memory from elsewhere, or an image that writes where it may not, can make one.
var errTimers = errors.New("exec: the run's timers are damaged: load another snapshot")

// fireTimers does what timers of the world's time ask that are due.
func (m *Machine) fireTimers() {
	if m.load(rootTimerLen) != 0 {
		m.fire(m.timersOf(0), m.host.Nanotime())
	}
}

// fire does what timers ask that are due now.
func (m *Machine) fire(q timers.Queue, now int64) {
	for n := m.chain(); q.Len() > 0; n-- {
		r, when := q.First(), q.Next()
		if when > now {
			return
		}
		if !q.Sound() || n == 0 {
			m.fail(errTimers)
			return
		}
		if g := m.load(r + tG); g != 0 {
			q.Remove(r)
			m.store(r+tG, 0)
			m.ready(g)
			continue
		}
		f := m.load(r + tClosure)
		args := []uint64{m.load(r + tArg), m.load(r + tArg1), m.load(r + tArgSeq), uint64(now - when)}
		fn := m.load(f)
		// Lack of room makes newG collect, which needs r to be in the heap still, and fail once.
		for fn != 0 && fn <= m.s.FuncsLess1 {
			if g := m.newG(fn, f, args, true); g != 0 {
				m.join(g, m.load(r+tBubble))
				break
			}
			if m.halt {
				return
			}
		}
		q.Remove(r)
	}
}

// awaitedMax is how many timers and goroutines awaited looks at each time that nothing can run. With more of them all goroutines are asleep only when no timer is left.
const awaitedMax = 4096

// awaited says whether a timer of the world's time would change anything, when nothing can run: one with a channel does if a goroutine waits for that. So has gc
// only such timers in its heap, and finds all goroutines asleep without waiting for the others.
func (m *Machine) awaited() bool {
	q := m.timersOf(0)
	if q.Len() > awaitedMax {
		return true
	}
	for i := range q.Len() {
		if o, ok := m.heap.Find(q.Timer(i)); !ok || o.Type == 0 {
			return true // it wakes a goroutine, or calls a function
		}
	}
	n, found := 0, false
	m.Goroutines(func(g GoroutineInfo) bool {
		for s := m.load(g.Record + gSudog); s != 0 && n < awaitedMax && !found; s = m.load(s + sMore) {
			if g.Status == StatusChanReceive || g.Status == StatusSelect {
				held := m.load(m.load(s+sChan) + cClosed)
				found = held&chanTimer != 0 && held > chanTimer && timers.Set(m.mem, held&^7)
			}
			n++
		}
		n++
		return n < awaitedMax && !found
	})
	return found || n >= awaitedMax
}

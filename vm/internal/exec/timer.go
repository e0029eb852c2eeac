package exec

import (
	"errors"

	"github.com/tandemvm/tandem/vm/internal/heap"
)

// Timers stand in arrays in memory that are binary heaps ordered by time, then by number: one for the world's time and one for each bubble. The
// machine looks at the clock only when it chooses a goroutine, and only if there are timers.

// timerHeap is the address of three words: array, timers in it, room in it.
type timerHeap uint64

const (
	timerArray = 8 * iota
	timerLen
	timerCap
)

// timersOf is the heap that timers of a bubble, or of none, stand in.
func timersOf(bubble uint64) timerHeap {
	if bubble == 0 {
		return rootTimers
	}
	return timerHeap(bubble + bTimers)
}

// AddTimer arranges that at Nanotime when the closure f, a func(arg any, seq uintptr, delta int64), is called in a goroutine of its own, which
// no traceback shows; delta is by how much it is late. The result is the timer's guest address: keep it in guest memory
// where the collector sees it if the timer is to be stopped or set anew.
func (t *Thread) AddTimer(when int64, f, argType, argData, seq uint64) (uint64, error) {
	r, err := t.m.newTimer(when)
	if err != nil {
		return 0, err
	}
	t.m.store(r+tBubble, t.m.load(t.m.g+gBubble))
	for i, v := range []uint64{f, argType, argData, seq} {
		t.m.store(r+tClosure+uint64(i)*8, v)
	}
	return r, t.m.startTimer(r, when)
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
	r, err := m.newTimer(when)
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

func (m *Machine) newTimer(when int64) (uint64, error) {
	r, err := m.heap.AllocKind(heap.KindTimer, tBytes, 0)
	if err == nil {
		m.store(r+tWhen, uint64(when))
	}
	return r, err
}

// startTimer puts timer r into the heap.
func (m *Machine) startTimer(r uint64, when int64) error {
	h := timersOf(m.load(r + tBubble))
	n, room := m.length(h), m.load(uint64(h)+timerCap)
	if n == room {
		grown, err := m.heap.AllocKind(heap.KindWords, max(2*room, 16)*8, 0)
		if err != nil {
			return err
		}
		m.mem.Copy(grown, m.load(uint64(h)), n*8)
		m.store(uint64(h), grown)
		m.store(uint64(h)+timerCap, max(2*room, 16))
	}
	seq := m.load(rootTimerSeq)
	m.store(rootTimerSeq, seq+1)
	m.store(r+tWhen, uint64(max(when, 1)))
	m.store(r+tSeq, seq)
	m.store(uint64(h)+timerLen, n+1)
	m.setTimer(h, n, r)
	m.siftUp(h, n)
	return nil
}

// stopTimer takes timer r out of the heap if it is there.
func (m *Machine) stopTimer(r uint64) bool {
	h := timersOf(m.load(r + tBubble))
	i := m.load(r+tIndex) - 1
	n := m.length(h)
	if i >= n || m.timer(h, i) != r {
		return false
	}
	m.store(r+tIndex, 0)
	m.store(uint64(h)+timerLen, n-1)
	last := m.timer(h, n-1)
	m.store(m.load(uint64(h))+(n-1)*8, 0)
	if last != r {
		m.setTimer(h, i, last)
		m.siftDown(h, i)
		m.siftUp(h, i)
	}
	return true
}

func (m *Machine) length(h timerHeap) uint64 { return m.load(uint64(h) + timerLen) }

func (m *Machine) timer(h timerHeap, i uint64) uint64 { return m.load(m.load(uint64(h)) + i*8) }

func (m *Machine) setTimer(h timerHeap, i, r uint64) {
	m.store(m.load(uint64(h))+i*8, r)
	m.store(r+tIndex, i+1)
}

// before reports whether timer a is due before timer b.
func (m *Machine) before(a, b uint64) bool {
	x, y := int64(m.load(a+tWhen)), int64(m.load(b+tWhen))
	return x < y || x == y && m.load(a+tSeq) < m.load(b+tSeq)
}

func (m *Machine) siftUp(h timerHeap, i uint64) {
	for i > 0 {
		up := (i - 1) / 2
		a, b := m.timer(h, i), m.timer(h, up)
		if !m.before(a, b) {
			return
		}
		m.setTimer(h, up, a)
		m.setTimer(h, i, b)
		i = up
	}
}

func (m *Machine) siftDown(h timerHeap, i uint64) {
	n := min(m.length(h), m.load(uint64(h)+timerCap))
	for {
		least := 2*i + 1
		if least >= n {
			return
		}
		if r := least + 1; r < n && m.before(m.timer(h, r), m.timer(h, least)) {
			least = r
		}
		a, b := m.timer(h, i), m.timer(h, least)
		if !m.before(b, a) {
			return
		}
		m.setTimer(h, i, b)
		m.setTimer(h, least, a)
		i = least
	}
}

// nextTimer is the time of the earliest timer, 0 if there is none.
func (m *Machine) nextTimer(h timerHeap) int64 {
	if m.length(h) == 0 {
		return 0
	}
	return int64(m.load(m.timer(h, 0) + tWhen))
}

// errTimers ends a run whose timer heap is none: only memory from elsewhere, or an image that writes where it may not, can make one.
var errTimers = errors.New("exec: the run's timers are damaged: load another snapshot")

// fireTimers does what timers of the world's time ask that are due.
func (m *Machine) fireTimers() {
	if m.load(rootTimerLen) != 0 {
		m.fire(rootTimers, m.host.Nanotime())
	}
}

// fire does what timers ask that are due now.
func (m *Machine) fire(h timerHeap, now int64) {
	for m.length(h) > 0 {
		r := m.timer(h, 0)
		when := int64(m.load(r + tWhen))
		if when > now {
			return
		}
		if m.load(r+tIndex) != 1 {
			m.fail(errTimers)
			return
		}
		if g := m.load(r + tG); g != 0 {
			m.stopTimer(r)
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
		m.stopTimer(r)
	}
}

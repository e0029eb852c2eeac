package exec

import (
	"fmt"

	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/timers"
)

// A bubble is what testing/synctest isolates: the goroutines that one goroutine, its root, started through synctest.Run, with a time of
// their own that goes on only while all of them are durably blocked, that is, wait for one another. A bubble is a record in memory
// (heap.KindWords), and what happens in it follows from the run alone.
const (
	bNext = 8 * iota // list of bubbles
	bID
	bNow     // its time, nanoseconds since 1970
	bTotal   // goroutines in it, the root too
	bRunning // those that are not durably blocked, and holds of Acquire
	bRoot    // goroutine in Run
	bMain    // the first one it started, 1: that is over
	bWaiter  // goroutine in Wait
	bTimers  // a timers.Queue
	bBytes   = bTimers + timers.Bytes
)

// bubbleEpoch is midnight UTC, 2000-01-01.
const bubbleEpoch = 946684800000000000

// durable reports whether only goroutines of the same bubble, or its time, can end a wait.
func (s Status) durable() bool {
	switch s {
	case StatusChanReceiveNil, StatusChanSendNil, StatusSelectNone, StatusSleep, StatusCondWait, StatusCoroutine, StatusBubbleRun, StatusBubbleWait,
		StatusChanReceiveIn, StatusChanSendIn, StatusSelectIn, StatusWaitGroupIn:
		return true
	}
	return false
}

// within is what the running goroutine, which is in a bubble, waits for: channels of the bubble are waited for durably.
func (m *Machine) within(why Status) Status {
	in, ok := map[Status]Status{StatusChanReceive: StatusChanReceiveIn, StatusChanSend: StatusChanSendIn, StatusSelect: StatusSelectIn}[why]
	if !ok {
		return why
	}
	n := uint64(0)
	defer func() { m.heap.Walked(n) }()
	for s := m.load(m.g + gSudog); s != 0 && n < m.chain(); s, n = m.load(s+sMore), n+1 {
		if m.load(m.load(s+sChan)+cBubble) == 0 {
			return why
		}
	}
	return in
}

// join makes goroutine g one of a bubble, if there is one. The first is the bubble's main goroutine.
func (m *Machine) join(g, bubble uint64) {
	if bubble == 0 {
		return
	}
	m.store(g+gBubble, bubble)
	m.store(bubble+bTotal, m.load(bubble+bTotal)+1)
	m.store(bubble+bRunning, m.load(bubble+bRunning)+1)
	if m.load(bubble+bMain) == 0 && g != m.load(bubble+bRoot) {
		m.store(bubble+bMain, g)
	}
}

// part takes goroutine g, which runs, out of its bubble.
func (m *Machine) part(g uint64) {
	bubble := m.load(g + gBubble)
	if bubble == 0 {
		return
	}
	m.store(g+gBubble, 0)
	m.store(bubble+bTotal, m.load(bubble+bTotal)-1)
	m.store(bubble+bRunning, m.load(bubble+bRunning)-1)
	if m.load(bubble+bMain) == g {
		m.store(bubble+bMain, 1)
	}
}

// outside reports whether channel c belongs to a bubble that the running goroutine is not in.
func (m *Machine) outside(c uint64) bool {
	if c == 0 {
		return false
	}
	b := m.load(c + cBubble)
	return b != 0 && b != m.load(m.g+gBubble)
}

func (m *Machine) fatalOutside(what string) error {
	m.throw(what + " from outside bubble")
	return errStopped
}

// nanotime is the time that timers of a bubble, or of none, follow.
func (m *Machine) nanotime(bubble uint64) int64 {
	if bubble == 0 {
		return m.host.Nanotime()
	}
	return int64(m.load(bubble + bNow))
}

// wakeBubbles goes on with each bubble all of whose goroutines are durably blocked: with timers that are due, else with the
// goroutine in Wait, else by putting the time forward to the next timer, else with the root.
func (m *Machine) wakeBubbles() {
	n := uint64(0)
	defer func() { m.heap.Walked(n) }()
	for b := m.load(rootBubbles); b != 0 && n < m.chain() && !m.halt; b, n = m.load(b+bNext), n+1 {
		if m.load(b+bRunning) != 0 {
			continue
		}
		q := m.timersOf(b)
		now, next := m.nanotime(b), q.Next()
		waiter, root := m.load(b+bWaiter), m.load(b+bRoot)
		switch {
		case next != 0 && next <= now:
			m.fire(q, now)
		case waiter != 0:
			m.store(b+bWaiter, 0)
			m.ready(waiter)
		case next != 0 && m.load(b+bMain) != 1:
			m.store(b+bNow, uint64(next))
			m.fire(q, next)
		case Status(m.load(root+gStatus)) == StatusBubbleRun:
			m.ready(root)
		}
	}
}

// enterBubble makes the running goroutine the root of a new bubble.
func (m *Machine) enterBubble() error {
	b, err := m.heap.AllocKind(heap.KindWords, bBytes, 0)
	if err != nil {
		return err
	}
	id := m.load(rootBubbleID) + 1
	m.store(rootBubbleID, id)
	m.store(b+bID, id)
	m.store(b+bNow, bubbleEpoch)
	m.store(b+bRoot, m.g)
	m.store(b+bNext, m.load(rootBubbles))
	m.store(rootBubbles, b)
	m.join(m.g, b)
	return nil
}

// leaveBubble ends the bubble whose root is the running goroutine. Those who are left in it wait for ever.
func (m *Machine) leaveBubble() {
	b := m.load(m.g + gBubble)
	m.part(m.g)
	n := uint64(0)
	defer func() { m.heap.Walked(n) }()
	for at := uint64(rootBubbles); at != 0 && n < m.chain(); at, n = m.load(at)+bNext, n+1 {
		if m.load(at) == b {
			m.store(at, m.load(b+bNext))
			return
		}
	}
}

// bubbleText is what a traceback's header says of goroutine g's bubble.
func (m *Machine) bubbleText(g uint64, status Status) string {
	b := m.load(g + gBubble)
	if b == 0 {
		return ""
	}
	text := fmt.Sprintf(", synctest bubble %d", m.load(b+bID))
	if status.durable() {
		text = " (durable)" + text
	}
	return text
}

// addBubbles adds what internal/synctest and package time ask of bubbles; package runtime reads the record's words itself.
func addBubbles(n map[string]Native) {
	// func bubbleOf() *bubble: the running goroutine's, or nil
	n["runtime.bubbleOf"] = Native{Res: 1, Call: func(t *Thread, w Window) Action {
		w.Set(0, t.m.load(t.m.g+gBubble))
		return Next
	}}
	n["runtime.bubbleEnter"] = Native{Call: func(t *Thread, w Window) Action {
		if err := t.m.enterBubble(); err != nil {
			return t.Retry(err)
		}
		return Next
	}}
	plain := func(args int, f func(t *Thread, w Window)) Native {
		return Native{Args: args, Call: func(t *Thread, w Window) Action { f(t, w); return Next }}
	}
	n["runtime.bubbleLeave"] = plain(0, func(t *Thread, w Window) { t.m.leaveBubble() })
	n["runtime.bubbleJoin"] = plain(1, func(t *Thread, w Window) { t.m.join(t.m.g, w.Arg(0)) })
	n["runtime.bubblePart"] = plain(0, func(t *Thread, w Window) { t.m.part(t.m.g) })
	// func bubbleRun(): until all in the bubble are blocked, and its main goroutine is over or no timer is left
	n["runtime.bubbleRun"] = Native{Call: func(t *Thread, w Window) Action { return t.Park(StatusBubbleRun) }}
	// func bubbleWait() bool: until all others in the bubble are blocked; false: another goroutine waits so
	n["runtime.bubbleWait"] = Native{Res: 1, Call: func(t *Thread, w Window) Action {
		b := t.m.load(t.m.g + gBubble)
		free := t.m.load(b+bWaiter) == 0
		if w.SetBool(0, free); !free {
			return Next
		}
		t.m.store(b+bWaiter, t.m.g)
		return t.Park(StatusBubbleWait)
	}}
}

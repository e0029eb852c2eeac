package exec

import "github.com/tandemvm/tandem/vm/internal/code"

// Semaphores are found by the address of their word, as package sync needs: waiters stand in a table of queues in memory.

const semaBuckets = 256

// semaQueue is the address of the queue that waiters on addr stand in, among those on other addresses.
func (m *Machine) semaQueue(addr uint64) uint64 {
	return m.load(rootSema) + (addr>>3*0x9E3779B97F4A7C15>>56)*16
}

// Acquire waits until the uint32 at addr is positive and takes one off it. A waiter is given its one by Release directly; lifo puts it first in the queue.
func (t *Thread) Acquire(addr uint64, lifo bool, why Status) Action {
	m := t.m
	if !m.mem.InRange(addr, 4) {
		return t.Panic(code.KnownPanicMem)
	}
	if v := m.mem.Load32(addr); v > 0 {
		m.mem.Store32(addr, v-1)
		return Next
	}
	s, err := m.newSudog(addr, 0, 0)
	if err != nil {
		return t.Retry(err)
	}
	m.store(m.g+gSudog, 0) // not in a channel's queue
	q := m.semaQueue(addr)
	if first := m.load(q); lifo && first != 0 {
		m.store(s+sNext, first)
		m.store(first+sPrev, s)
		m.store(q, s)
	} else {
		m.push(q, s)
	}
	return t.Park(why)
}

// Release adds one to the uint32 at addr, or gives it to the first waiter.
func (t *Thread) Release(addr uint64) Action {
	m := t.m
	if !m.mem.InRange(addr, 4) {
		return t.Panic(code.KnownPanicMem)
	}
	q := m.semaQueue(addr)
	n := uint64(0)
	defer func() { m.heap.Walked(n) }()
	for s := m.load(q); s != 0 && n < m.chain(); s, n = m.load(s+sNext), n+1 {
		if m.load(s+sChan) != addr {
			continue
		}
		m.unlink(q, s)
		g := m.load(s + sG)
		m.heap.Free(s)
		m.ready(g)
		return Next
	}
	m.mem.Store32(addr, m.mem.Load32(addr)+1)
	return Next
}

// The layout of sync.notifyList: wait, notify uint32; lock uintptr; head, tail unsafe.Pointer.
const (
	notifyWait = 0
	notifyDone = 4
	notifyHead = 16
)

// NotifyAdd is runtime_notifyListAdd: the ticket of a caller that is going to wait on the list at l.
func (t *Thread) NotifyAdd(l uint64) uint32 {
	v := t.m.mem.Load32(l + notifyWait)
	t.m.mem.Store32(l+notifyWait, v+1)
	return v
}

// NotifyWait waits until the ticket is notified.
func (t *Thread) NotifyWait(l uint64, ticket uint32) Action {
	m := t.m
	if int32(ticket-m.mem.Load32(l+notifyDone)) < 0 {
		return Next
	}
	s, err := m.newSudog(l, 0, 0)
	if err != nil {
		return t.Retry(err)
	}
	m.store(m.g+gSudog, 0)
	m.store(s+sCase, uint64(ticket))
	m.push(l+notifyHead, s)
	return t.Park(StatusCondWait)
}

// NotifyAll readies all that wait on the list.
func (t *Thread) NotifyAll(l uint64) Action {
	m := t.m
	n := uint64(0)
	defer func() { m.heap.Walked(n) }()
	for ; n < m.chain(); n++ {
		s := m.load(l + notifyHead)
		if s == 0 {
			break
		}
		if how := m.notify(l, s); how != Next {
			return how
		}
	}
	m.mem.Store32(l+notifyDone, m.mem.Load32(l+notifyWait))
	return Next
}

// NotifyOne readies the one with the oldest ticket.
func (t *Thread) NotifyOne(l uint64) Action {
	m := t.m
	ticket := m.mem.Load32(l + notifyDone)
	if ticket == m.mem.Load32(l+notifyWait) {
		return Next
	}
	m.mem.Store32(l+notifyDone, ticket+1)
	n := uint64(0)
	defer func() { m.heap.Walked(n) }()
	for s := m.load(l + notifyHead); s != 0 && n < m.chain(); s, n = m.load(s+sNext), n+1 {
		if uint32(m.load(s+sCase)) == ticket {
			return m.notify(l, s)
		}
	}
	return Next
}

func (m *Machine) notify(l, s uint64) Action {
	m.unlink(l+notifyHead, s)
	g := m.load(s + sG)
	m.heap.Free(s)
	if b := m.load(g + gBubble); b != 0 && b != m.load(m.g+gBubble) {
		return m.thread.Throw("semaphore wake of synctest goroutine from outside bubble")
	}
	m.ready(g)
	return Next
}

// Package timers is a queue of timers in guest memory: a binary heap ordered by time, then by number. It is not a clock and calls nothing:
// package exec decides when what is first is due, and for whom. Adding and removing cost the logarithm of the length.
package timers

import (
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// The words of a timer's record that are the queue's; the caller's begin at Own. Offsets in bytes.
const (
	when  = 8 * iota // nanoseconds, at least 1
	seq              // order of timers of one moment
	index            // position in the queue plus 1, 0: not in it
	Own
)

// The three words that a queue is, at Queue.At.
const (
	array  = 8 * iota // addresses of records
	length            // timers in it
	room              // in the array
	Bytes
)

// Queue is the queue whose words are at At.
type Queue struct {
	Mem *mem.Memory
	At  uint64
}

// Len is the number of timers.
func (q Queue) Len() uint64 { return q.Mem.Load64(q.At + length) }

// First is the record of the earliest timer, 0 without one.
func (q Queue) First() uint64 {
	if q.Len() == 0 {
		return 0
	}
	return q.timer(0)
}

// Next is the time of the earliest timer, 0 without one.
func (q Queue) Next() int64 {
	if q.Len() == 0 {
		return 0
	}
	return int64(q.Mem.Load64(q.timer(0) + when))
}

// Timer is the record of timer i of Len, in no order.
func (q Queue) Timer(i uint64) uint64 { return q.timer(i) }

// Set says whether timer r is in a queue.
func Set(m *mem.Memory, r uint64) bool { return m.Load64(r+index) != 0 }

// Roots names the timers to a collection, but for those that a channel holds (heap.KindTimer): they leave the queue if their channel is not in reach. It
// is to come before all other roots.
func (q Queue) Roots(k *heap.Marker) {
	at := q.Mem.Load64(q.At)
	n := min(q.Len(), q.Mem.Load64(q.At+room), q.Mem.Size()/8)
	k.Hold(at)
	if k.Timers(at, at+n*8) {
		k.Settle(func() { q.keep(n, k.Reached) })
	}
}

// keep leaves those of the n timers in the queue that are wanted. It costs the length, and writes nothing if all stay.
func (q Queue) keep(n uint64, wanted func(r uint64) bool) {
	kept := uint64(0)
	for i := range n {
		r := q.timer(i)
		if !wanted(r) {
			continue
		}
		if kept != i {
			q.set(kept, r)
		}
		kept++
	}
	if kept == n {
		return
	}
	q.Mem.Zero(q.Mem.Load64(q.At)+kept*8, (n-kept)*8)
	q.Mem.Store64(q.At+length, kept)
	for i := kept / 2; i > 0; i-- {
		q.down(i - 1)
	}
}

// Sound says whether the earliest timer knows that it is that: memory from elsewhere may hold anything.
func (q Queue) Sound() bool { return q.Mem.Load64(q.timer(0)+index) == 1 }

// Add puts timer r into the queue; number orders timers of one moment. The error is heap.ErrNoSpace, and nothing was changed then.
func (q Queue) Add(h *heap.Heap, r uint64, due int64, number uint64) error {
	n, size := q.Len(), q.Mem.Load64(q.At+room)
	if n == size {
		size = max(2*size, 16)
		grown, err := h.AllocKind(heap.KindWords, size*8, 0)
		if err != nil {
			return err
		}
		q.Mem.Copy(grown, q.Mem.Load64(q.At), n*8)
		q.Mem.Store64(q.At, grown)
		q.Mem.Store64(q.At+room, size)
	}
	q.Mem.Store64(r+when, uint64(max(due, 1)))
	q.Mem.Store64(r+seq, number)
	q.Mem.Store64(q.At+length, n+1)
	q.set(n, r)
	q.up(n)
	return nil
}

// Remove takes timer r out of the queue; false: it was not in it.
func (q Queue) Remove(r uint64) bool {
	i, n := q.Mem.Load64(r+index)-1, q.Len()
	if i >= n || q.timer(i) != r {
		return false
	}
	q.Mem.Store64(r+index, 0)
	q.Mem.Store64(q.At+length, n-1)
	last := q.timer(n - 1)
	q.Mem.Store64(q.Mem.Load64(q.At)+(n-1)*8, 0)
	if last != r {
		q.set(i, last)
		q.down(i)
		q.up(i)
	}
	return true
}

func (q Queue) timer(i uint64) uint64 { return q.Mem.Load64(q.Mem.Load64(q.At) + i*8) }

func (q Queue) set(i, r uint64) {
	q.Mem.Store64(q.Mem.Load64(q.At)+i*8, r)
	q.Mem.Store64(r+index, i+1)
}

// before reports whether timer a is due before timer b.
func (q Queue) before(a, b uint64) bool {
	x, y := int64(q.Mem.Load64(a+when)), int64(q.Mem.Load64(b+when))
	return x < y || x == y && q.Mem.Load64(a+seq) < q.Mem.Load64(b+seq)
}

func (q Queue) up(i uint64) {
	for i > 0 {
		parent := (i - 1) / 2
		a, b := q.timer(i), q.timer(parent)
		if !q.before(a, b) {
			return
		}
		q.set(parent, a)
		q.set(i, b)
		i = parent
	}
}

func (q Queue) down(i uint64) {
	n := min(q.Len(), q.Mem.Load64(q.At+room))
	for {
		least := 2*i + 1
		if least >= n {
			return
		}
		if r := least + 1; r < n && q.before(q.timer(r), q.timer(least)) {
			least = r
		}
		a, b := q.timer(i), q.timer(least)
		if !q.before(b, a) {
			return
		}
		q.set(i, b)
		q.set(least, a)
		i = least
	}
}

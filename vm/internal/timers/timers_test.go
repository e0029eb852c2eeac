package timers

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// TestQueue compares the queue with a sorted list.
func TestQueue(t *testing.T) {
	m, err := mem.New(16 << 20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	h, err := heap.New(m, code.Base+code.DataStart, 1)
	if err != nil {
		t.Fatal(err)
	}
	alloc := func(n uint64) uint64 {
		p, err := h.AllocKind(heap.KindWords, n, 0)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	type timer struct {
		at, number uint64
		when       int64
	}
	q := Queue{m, alloc(Bytes)}
	var model []timer
	for number := range uint64(5000) {
		switch {
		case r.IntN(5) < 3 || len(model) == 0:
			x := timer{alloc(Own), number, 1 + r.Int64N(50)}
			if err := q.Add(h, x.at, x.when, number); err != nil {
				t.Fatal(err)
			}
			model = append(model, x)
		default:
			i := r.IntN(len(model))
			if !q.Remove(model[i].at) || q.Remove(model[i].at) {
				t.Fatalf("timer %+v is not in the queue once", model[i])
			}
			model = slices.Delete(model, i, i+1)
		}
		slices.SortFunc(model, func(a, b timer) int { return cmp.Or(cmp.Compare(a.when, b.when), cmp.Compare(a.number, b.number)) })
		first, next := uint64(0), int64(0)
		if len(model) > 0 {
			first, next = model[0].at, model[0].when
		}
		if q.First() != first || q.Next() != next || q.Len() != uint64(len(model)) || first != 0 && !q.Sound() {
			t.Fatalf("first is %#x at %d of %d, want %#x at %d of %d", q.First(), q.Next(), q.Len(), first, next, len(model))
		}
	}
}

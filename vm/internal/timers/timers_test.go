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

// TestQueue compares the queue with a sorted list, also when collections take timers out of it that only a channel held.
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
	alloc := func(kind heap.Kind, n, typ uint64) uint64 {
		p, err := h.AllocKind(kind, n, typ)
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
		weak       bool
	}
	q := Queue{m, alloc(heap.KindRaw, Bytes, 0)}
	var model []timer
	for number := range uint64(5000) {
		switch {
		case r.IntN(5) < 3 || len(model) == 0:
			x := timer{0, number, 1 + r.Int64N(50), r.IntN(2) == 0}
			typ := uint64(0)
			if x.weak {
				typ = code.Base + code.DataStart
			}
			x.at = alloc(heap.KindTimer, Own, typ)
			if err := q.Add(h, x.at, x.when, number); err != nil {
				t.Fatal(err)
			}
			model = append(model, x)
		case r.IntN(100) == 0:
			lost := map[uint64]bool{}
			h.Collect(func(k *heap.Marker) {
				q.Roots(k)
				k.Pointer(q.At)
				for _, x := range model {
					if lost[x.at] = x.weak && r.IntN(4) == 0; !lost[x.at] && x.weak {
						k.Pointer(x.at)
					}
				}
			})
			model = slices.DeleteFunc(model, func(x timer) bool { return lost[x.at] })
			for at, gone := range lost {
				if o, ok := h.Find(at); (ok && o.Addr == at) == gone {
					t.Fatalf("timer %#x is there: %v, lost: %v", at, ok, gone)
				}
			}
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

package block

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/store"
)

func newTestStore(t *testing.T) *Store {
	s, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	n, g := prometheus.NewCounter(prometheus.CounterOpts{Name: "n"}), prometheus.NewGauge(prometheus.GaugeOpts{Name: "g"})
	return New(s, nil, n, g, n)
}

// TestRenewAgainstManifest changes pages and sizes of states at random and compares with the manifest that the owner keeps.
func TestRenewAgainstManifest(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 5))
	b := newTestStore(t)
	renewed := 0
	for range 40 {
		most := []uint64{100, 3000, 40000}[rnd.IntN(3)]
		size := 1 + rnd.Uint64N(most)
		m := NewManifest(size * changes.PageBytes)
		var root changes.Hash
		old := uint64(1)
		for step := range 6 {
			set := map[uint64]changes.Hash{}
			if step > 0 && rnd.IntN(3) == 0 {
				size = 1 + rnd.Uint64N(most)
				m.Resize(size * changes.PageBytes)
			}
			for range rnd.IntN(30) {
				i, h := rnd.Uint64N(size), changes.Hash{byte(rnd.IntN(3))}
				m.Set(i, h)
				set[i] = h
			}
			want, nodes := m.Seal()
			if step > 0 && Depth(size) == Depth(old) {
				var list []Leaf
				for i := range size {
					if h, ok := set[i]; ok {
						list = append(list, Leaf{i, h})
					}
				}
				got, made, err := b.Base(root, old*changes.PageBytes).Renew(size*changes.PageBytes, list)
				if err != nil || got != want {
					t.Fatalf("from %d pages to %d with %d changed: another root, %v", old, size, len(list), err)
				}
				if err := b.Put(made); err != nil {
					t.Fatal(err)
				}
				for _, n := range nodes {
					if !b.Has(n.ID) {
						t.Fatalf("a node of %d pages was not made", size)
					}
				}
				renewed++
			} else if err := b.Put(nodes); err != nil {
				t.Fatal(err)
			}
			root, old = want, size
		}
	}
	if renewed < 50 {
		t.Errorf("only %d were renewed", renewed)
	}
	x := b.Base(changes.Hash{1, 2}, 500*changes.PageBytes)
	if _, _, err := x.Renew(500*changes.PageBytes, []Leaf{{3, changes.Hash{1}}}); !errors.Is(err, store.ErrAbsent) {
		t.Errorf("nodes that are not here: %v", err)
	}
	if _, _, err := x.Renew(500*changes.PageBytes, []Leaf{{500, changes.Hash{1}}}); !errors.Is(err, ErrFormat) {
		t.Errorf("a page beyond the end: %v", err)
	}
	if _, _, err := x.Renew(50*changes.PageBytes, nil); !errors.Is(err, ErrFormat) {
		t.Errorf("another depth: %v", err)
	}
}

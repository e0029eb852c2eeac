package mem

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// TestForks loads memories from takes of one another, which makes them stand on one ground, and drives each at random against full copies.
func TestForks(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	r := rand.New(rand.NewPCG(seed, 9))
	first := newMachine(t, 2*groundPagesMin)
	if err := first.grow(groundPagesMin); err != nil {
		t.Fatal(err)
	}
	for i := range len(first.o.now) / 100 {
		first.write(i*100, byte(r.Uint32()))
	}
	all := []*machine{first}
	for n := range 400 {
		x := all[r.IntN(len(all))]
		switch k := r.IntN(12); {
		case k == 0 && len(all) < 6:
			if err := x.take(); err != nil {
				t.Fatal(err)
			}
			y := newMachine(t, 2*groundPagesMin)
			y.o.now = clone(x.o.now)
			if err := y.m.Load(x.takes[len(x.takes)-1]); err != nil {
				t.Fatal(err)
			}
			all = append(all, y)
		case k == 1:
			x.m.Share()
		default:
			if err := x.randomStep(r); err != nil {
				t.Fatalf("step %d: %v", n, err)
			}
		}
		if n%4 == 0 {
			if err := x.check(); err != nil {
				t.Fatalf("step %d: %v", n, err)
			}
		}
	}
	for i, x := range all {
		if err := x.unwind(); err != nil {
			t.Fatalf("memory %d: %v", i, err)
		}
	}
	for i, x := range all { // what they loaded of one another outlives those who lent it
		if err := x.close(); err != nil {
			t.Fatalf("memory %d: %v", i, err)
		}
		for k, y := range all[i+1:] {
			if err := y.check(); err != nil {
				t.Fatalf("memory %d when %d is closed: %v", i+1+k, i, err)
			}
		}
	}
}

// BenchmarkFork loads a memory from a take of a 10 MiB one: the first makes the ground, others stand on it. The naive arm copies every page.
func BenchmarkFork(b *testing.B) {
	for _, size := range []uint64{groundPagesMin * PageBytes, 10 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			m := filled(b, size)
			p, err := m.Take()
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				f, err := New(size)
				if err != nil {
					b.Fatal(err)
				}
				if err := f.Load(p); err != nil || f.Load64(code.Base) != 1 {
					b.Fatal(err)
				}
				f.Close()
			}
		})
	}
}

package replication

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/store"
)

func (r *Replica) countBlocks(kind block.Kind) (n int) {
	low := []byte{'b', byte(kind)}
	r.store.Scan(low, store.After(low), func(_, _ []byte) bool { n++; return true })
	return n
}

// TestSweepKeepsWhatHeadsNeed writes many states, sweeps, and finds the newest whole and the old ones gone.
func TestSweepKeepsWhatHeadsNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pages, steps = 130, 6 // less than sweepBytesMin in all, so that nobody else sweeps
		c := newCluster(t, seedOf(t))
		a := c.create("a")
		b := c.join("b")
		p := start(t, a, pages)
		for range steps {
			p.step(t)
		}
		c.converge()
		warm(t, b)
		for _, r := range []*Replica{a, b} {
			before := r.countBlocks(block.PageKind)
			_, suspects, err := r.sweep(nil)
			if err != nil || r.countBlocks(block.PageKind) != before {
				t.Fatalf("the first sweep removes %d blocks, %v", before-r.countBlocks(block.PageKind), err)
			}
			if _, _, err := r.sweep(suspects); err != nil {
				t.Fatal(err)
			}
			r.sweep(nil) // spares what is young, forgets that it is
			_, suspects, _ = r.sweep(nil)
			if _, _, err := r.sweep(suspects); err != nil {
				t.Fatal(err)
			}
			if n, nodes := r.countBlocks(block.PageKind), r.countBlocks(block.NodeKind); n != pages || nodes != 3 {
				t.Errorf("%s keeps %d pages and %d nodes, %d and 3 are live", r.Self(), n, nodes, pages)
			}
			s, err := r.LoadState(context.Background(), p.run)
			if err != nil {
				t.Fatal(err)
			}
			checkState(t, s)
		}
		p.step(t)
		c.converge()
		s, err := b.LoadState(context.Background(), p.run)
		if err != nil || checkState(t, s) != 0 || s.Head.Turn != steps+1 {
			t.Errorf("turn %d, %v", s.Head.Turn, err)
		}
	})
}

// TestTurnsWaitForLateSweeps: nothing but a turn that has to wait wakes the sweeper here, and what is written between two sweeps stays bounded all the same.
func TestTurnsWaitForLateSweeps(t *testing.T) {
	if testing.Short() {
		t.Skip("many pages: under the race detector it takes half a minute, and nothing else goes on beside it")
	}
	synctest.Test(t, func(t *testing.T) {
		const pages = 2048
		c := newCluster(t, seedOf(t))
		c.config = func(cfg *Config) { cfg.BeatInterval, cfg.Lease = 24*time.Hour, 72*time.Hour }
		a := c.create("a")
		p := start(t, a, pages)
		most := int64(0)
		for range 8 {
			p.step(t)
			most = max(most, a.blocks.Written())
		}
		if bound := a.sweepDue() + sweepSlack + 2*pages*changes.PageBytes; most > bound {
			t.Errorf("%d MB were written since a sweep, more than %d", most>>20, bound>>20)
		} else if most < sweepSlack {
			t.Errorf("turns waited though only %d MB were written since a sweep", most>>20)
		}
	})
}

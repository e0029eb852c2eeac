package replication

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandemvm/tandem/replication/internal/block"
)

// TestTakeOverFromOlderHead: the newest head's pages can be had nowhere, so the run is continued from an older one that is complete, with
// the cells and lines of that turn, at both levels, though what came before it was compacted; the newest turns become void. With -short, as under the race detector, at one level: many pages take it long.
func TestTakeOverFromOlderHead(t *testing.T) {
	levels := []Level{Local, Majority}
	if testing.Short() {
		levels = levels[:1]
	}
	for _, level := range levels {
		t.Run(level.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { takeOverFromOlderHead(t, level) })
		})
	}
}

func takeOverFromOlderHead(t *testing.T, level Level) {
	c := newCluster(t, seedOf(t))
	c.config = func(cfg *Config) { cfg.Retain = 1 << 10 } // compactions must leave what the older head needs
	a := c.create("a")
	b := c.join("b")
	d := c.join("d")
	run, epoch, err := a.StartRun(within(t, 5*time.Second), RunStart{Name: "toy", Durable: level})
	if err != nil {
		t.Fatal(err)
	}
	p := &program{r: a, run: run, epoch: epoch, pages: 1600} // more than travels inside a message
	// At majority all three are to be voters: of a and one other, a's end leaves no majority.
	whole := uint64(0)
	for voters := 0; whole < 5 || level == Majority && voters < 3; {
		p.step(t)
		warm(t, b, d) // turns of that size come faster than they are fetched
		whole++
		h, err := a.Head(run)
		if err != nil {
			t.Fatal(err)
		}
		voters = len(h.Voters)
	}
	c.converge()
	warm(t, b, d)
	for _, r := range []*Replica{a, b, d} { // the deltas of earlier turns go, and what counts in a's is said again
		compactNow(t, r)
		c.converge()
	}
	c.ports["a"].Handle(block.Protocol, func(context.Context, string, []byte, func([]byte) error) error {
		return errors.New("a gives no pages")
	})
	// However long the standbys stay behind, they hold what the older head needs, and beside it no more than the owner.
	turns := uint64(18)
	if testing.Short() {
		turns = 3
	}
	for n := range turns {
		turn := p.next()
		if _, err := a.SubmitTurn(turn); err != nil {
			t.Fatal(err)
		}
		p.advance(turn)
		time.Sleep(10 * time.Millisecond)
		if n%3 != 2 {
			continue
		}
		if _, _, err := a.compactAll(nil); err != nil { // says what counts of many again in one
			t.Fatal(err)
		}
		for _, r := range []*Replica{b, d} {
			eventually(t, "the newest head", func() bool { h, err := r.Head(run); return err == nil && h.Turn == p.turn })
			if _, _, err := r.compactAll(nil); err != nil {
				t.Fatal(err)
			}
			own, _ := a.deltaStore()
			if deltas, _ := r.deltaStore(); deltas > own+2 {
				t.Fatalf("%s has %d deltas at turn %d, of which it cannot have the state, and the owner %d", r.Self(), deltas, p.turn, own)
			}
		}
	}
	c.ports["a"].Close()
	s, err := b.TakeOver(within(t, 20*time.Second), run)
	if err != nil {
		t.Fatal(err)
	}
	if checkState(t, s); s.Head.Turn != whole || s.Head.Lines != whole {
		t.Fatalf("taken over at turn %d with %d lines", s.Head.Turn, s.Head.Lines)
	}
	q := continueFrom(t, b, s)
	if q.hits != int64(whole) {
		t.Errorf("the program sees %d hits at turn %d", q.hits, whole)
	}
	q.step(t)
	c.stop("a")
	c.converge()
	for _, r := range []*Replica{b, d} {
		if got := hits(t, r); got != int64(whole)+1 {
			t.Errorf("%s sees %d hits", r.Self(), got)
		}
		h, _ := r.Head(run)
		checkLines(t, r, h)
	}
}

// TestStateThatWentIsNotWarm: a state that was complete and whose blocks went since is told as what it is, whatever the store says of the block.
func TestStateThatWentIsNotWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		a := c.create("a")
		b := c.join("b")
		p := start(t, a, 100)
		p.step(t)
		c.converge()
		warm(t, b)
		h, err := b.Head(p.run)
		if err != nil {
			t.Fatal(err)
		}
		root := block.ID{Kind: block.NodeKind, Hash: h.Manifest}
		n := 0
		for range 2 { // a block that came since the last time is spared once
			if n, err = b.blocks.Remove([]block.ID{root}, func(block.ID) bool { return false }); err != nil {
				t.Fatal(err)
			}
		}
		if n != 1 {
			t.Fatalf("%d blocks were removed", n)
		}
		if _, err := b.LoadState(within(t, 5*time.Second), p.run); !errors.Is(err, ErrNotWarm) {
			t.Errorf("its state: %v", err)
		}
	})
}

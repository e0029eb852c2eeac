package replication

import (
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
)

// TestVoidedTurnSupersedesNothing: another run sees a value that a turn wrote, and writes its own over it; that turn is voided, and executed again by a
// new owner, which sees the other's value and writes over that. Both superseding each other would leave neither.
func TestVoidedTurnSupersedesNothing(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	b := c.join("b")
	title := func(p *program, from, to string) {
		t.Helper()
		turn := p.next()
		turn.Changes = []changes.Change{{Path: changes.VarPath("main.Title"), Kind: changes.LWW, Old: changes.StringValue(from), New: changes.StringValue(to)}}
		if _, err := p.r.Pull(p.run); err != nil {
			t.Fatal(err)
		}
		if err := p.r.CommitTurn(within(t, 5*time.Second), turn); err != nil {
			t.Fatal(err)
		}
		p.advance(turn)
	}
	p, q := start(t, a, 1), start(t, b, 1)
	p.step(t)
	q.step(t)
	c.converge()
	d := c.join("d")
	w := start(t, d, 1)
	w.step(t)
	c.converge()
	c.net.Split([]string{"b"}, []string{"a", "d"})
	title(p, "start", "of p, voided")
	eventually(t, "d sees it", func() bool { h, err := d.Head(p.run); return err == nil && h.Turn == 2 })
	title(w, "of p, voided", "of w")
	b.leaseMu.Lock()
	b.lease = newLease(b) // b believes that it may take p over
	b.leaseMu.Unlock()
	s, err := b.TakeOver(within(t, 5*time.Second), p.run)
	if err != nil || s.Head.Turn != 1 {
		t.Fatalf("turn %d, %v", s.Head.Turn, err)
	}
	c.net.Heal()
	c.converge()
	again := continueFrom(t, b, s)
	title(again, "of w", "of p")
	c.converge()
	for n, r := range c.r {
		if v, _, _ := r.Merged("main.Title"); v.Text() != "of p" {
			t.Errorf("%s has the title %q", n, v.Text())
		}
	}
}

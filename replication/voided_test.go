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
	warm(t, b)
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

// TestRemovalTakesNoVoidedSum: another run removes a key whose count it saw with increments that are voided later. They count no more, so what the new owner
// adds is not less by them, and what was there before them and seen stays removed.
func TestRemovalTakesNoVoidedSum(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	b := c.join("b")
	d := c.join("d")
	key := changes.VarPath("main.Counts").Key(changes.StringValue("k"))
	count := func(p *program, from, to changes.Value) {
		t.Helper()
		if _, err := p.r.Pull(p.run); err != nil {
			t.Fatal(err)
		}
		turn := p.next()
		turn.Changes = []changes.Change{{Path: key, Kind: changes.Counter, Old: from, New: to}}
		if err := p.r.CommitTurn(within(t, 5*time.Second), turn); err != nil {
			t.Fatal(err)
		}
		p.turn, p.lines = turn.Number, p.lines+1
	}
	n := func(i int64) changes.Value { return changes.IntValue(changes.Int, i) }
	at := func(r *Replica) changes.Value {
		m, _, _ := r.Merged("main.Counts")
		v, _ := m.Lookup(changes.StringValue("k"))
		return v
	}
	p, w := start(t, a, 1), start(t, d, 1)
	p.step(t)
	w.step(t)
	count(p, changes.Value{}, n(5))
	c.converge()
	warm(t, b)
	c.net.Split([]string{"b"}, []string{"a", "d"})
	count(p, n(5), n(8)) // is voided
	eventually(t, "d sees it", func() bool { return at(d).Equal(n(8)) })
	count(w, n(8), changes.Value{})
	b.leaseMu.Lock()
	b.lease = newLease(b) // b believes that it may take p over
	b.leaseMu.Unlock()
	s, err := b.TakeOver(within(t, 5*time.Second), p.run)
	if err != nil || s.Head.Turn != 2 {
		t.Fatalf("turn %d, %v", s.Head.Turn, err)
	}
	again := continueFrom(t, b, s)
	count(again, n(5), n(9))
	c.net.Heal()
	c.converge()
	for name, r := range c.r {
		if v := at(r); !v.Equal(n(4)) {
			t.Errorf("%s counts %v; 5 were seen and removed, 3 are void, 4 stand", name, v)
		}
	}
	count(w, n(4), changes.Value{})
	c.converge()
	count(again, changes.Value{}, n(2))
	c.converge()
	for name, r := range c.r {
		if v := at(r); !v.Equal(n(2)) {
			t.Errorf("%s counts %v of 2 after the second removal", name, v)
		}
	}
}

package replication

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestTakeOverAfterMembersLeft: of five members three go, one by leaving and two taken out; the two left are a majority of themselves and take over, at
// majority too. Who was taken out and comes back is a member again.
func TestTakeOverAfterMembersLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		a := c.create("a")
		for _, n := range []string{"b", "d", "e", "f"} {
			c.join(n)
		}
		c.converge()
		eventually(t, "five members", func() bool { return len(a.Status().Members) == 5 })
		run, epoch, err := a.StartRun(within(t, 5*time.Second), RunStart{Name: "toy", Durable: Majority})
		if err != nil {
			t.Fatal(err)
		}
		p := &program{r: a, run: run, epoch: epoch, pages: 3}
		p.step(t)
		if err := a.Leave(within(t, 5*time.Second)); !errors.Is(err, ErrOwner) {
			t.Errorf("an owner leaves: %v", err)
		}
		var h Head
		settle := func(n int) { // each turn takes one voter out, when the last step is durable
			t.Helper()
			eventually(t, "members", func() bool { return len(a.Status().Members) == n && len(c.r["b"].Status().Members) == n })
			for range 3 {
				p.step(t)
			}
			if h, _ = a.Head(run); len(h.Voters) != n {
				t.Fatalf("voters %v", h.Voters)
			}
		}
		if err := c.r["d"].Leave(within(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
		settle(4)
		c.stop("d")
		for i, n := range []string{"e", "f"} {
			c.stop(n)
			if err := a.Expel(within(t, 5*time.Second), n); err != nil {
				t.Fatal(err)
			}
			settle(3 - i)
		}
		if err := a.Expel(within(t, 5*time.Second), "nobody"); !errors.Is(err, ErrUnknownPeer) {
			t.Errorf("%v", err)
		}
		g := c.join("g") // so that a majority is left when a goes
		eventually(t, "three members", func() bool { return len(g.Status().Members) == 3 })
		warm(t, g)
		for len(h.Voters) < 3 {
			p.step(t)
			h, _ = a.Head(run)
		}
		turn := p.turn
		warm(t, c.r["b"], g)
		c.stop("a")
		ev := waitEvent(t, OwnerGone, c.r["b"], g)
		s, err := c.r[ev.peer].TakeOver(within(t, 10*time.Second), run)
		if err != nil || s.Head.Turn != turn {
			t.Fatalf("%v, %v", s, err)
		}
		e := c.join("e")
		eventually(t, "e is back", func() bool { return len(e.Status().Members) == 4 && len(g.Status().Members) == 4 })
		c.converge()
	})
}

// TestExpiry: a member that is silent for longer than the expiry is taken out by the others.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		c.config = func(cfg *Config) { cfg.Expiry = 700 * time.Millisecond }
		a := c.create("a")
		b, d := c.join("b"), c.join("d")
		eventually(t, "three members", func() bool { // at each: of two that it knows, d alone would be enough to take the other out
			return len(a.Status().Members) == 3 && len(b.Status().Members) == 3 && len(d.Status().Members) == 3
		})
		c.net.Split([]string{"d"})
		eventually(t, "d is out", func() bool { return len(a.Status().Members) == 2 && len(b.Status().Members) == 2 })
		if n := len(d.Status().Members); n != 3 {
			t.Errorf("d alone took somebody out: %d members", n)
		}
		c.net.Heal()
		eventually(t, "d is back", func() bool { return len(a.Status().Members) == 3 && len(d.Status().Members) == 3 })
	})
}

// TestLeaveFirstThing: a member that has opened the sandbox again and leaves before it wrote anything has left, although its first delta makes it a member.
func TestLeaveFirstThing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		a := c.create("a")
		c.join("b")
		c.converge()
		eventually(t, "two members", func() bool { return len(a.Status().Members) == 2 })
		c.stop("b")
		b := c.join("b")
		if err := b.Leave(within(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "b has left", func() bool { return len(a.Status().Members) == 1 && len(b.Status().Members) == 1 })
		c.converge()
		if n := len(a.Status().Members); n != 1 {
			t.Errorf("%d members", n)
		}
	})
}

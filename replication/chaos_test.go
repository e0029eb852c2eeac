package replication

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/memnet"
)

// TestChaos lets three peers run, lose each other, die, come back and take runs over in a random order,
// over a bad network. Each turn of a run adds one hit and one line and writes every page, so at rest the
// hits are the sum of the winning heads' turns, the lines are counted through, and each state is of one execution.
func TestChaos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := seedOf(t)
		rnd := rand.New(rand.NewPCG(seed, 3))
		c := newCluster(t, seed)
		names := []string{"a", "b", "c"}
		c.create("a")
		c.join("b")
		c.join("c")
		programs := map[*program]string{}
		tag := byte(0)
		for _, n := range names {
			p := start(t, c.r[n], 1+rnd.Uint64N(40))
			tag++
			p.tag = tag
			programs[p] = n
		}
		c.converge()
		c.net.SetFaults(memnet.Faults{Loss: 0.2, Duplicate: 0.2, DelayMax: 10 * time.Millisecond})
		kill := func(n string) {
			if rnd.IntN(2) == 0 {
				c.ports[n].Close() // its last turns reach nobody until it is back
				for p, at := range programs {
					if at == n {
						p.step(t)
					}
				}
			}
			c.stop(n)
			for p, at := range programs {
				if at == n {
					delete(programs, p)
				}
			}
		}
		adopt := func(n string, run changes.RunID) {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			defer cancel()
			s, err := c.r[n].TakeOver(ctx, run)
			if err != nil {
				return // too late, cut off, or owned already
			}
			tag++
			p := continueFrom(t, c.r[n], s)
			p.tag = tag
			programs[p] = n
		}
		down := ""
		for range 120 {
			switch x := rnd.IntN(25); {
			case x == 0:
				c.net.Split([]string{names[rnd.IntN(3)]})
			case x == 1:
				c.net.Heal()
			case x == 2 && down == "":
				down = names[rnd.IntN(3)]
				kill(down)
			case x == 3 && down != "":
				c.join(down)
				down = ""
			}
			for p, n := range programs {
				turn := p.next()
				switch err := p.r.CommitTurn(within(t, 10*time.Second), turn); {
				case err == nil:
					p.advance(turn)
				case errors.Is(err, ErrSuperseded):
					delete(programs, p)
				default:
					t.Fatalf("%s: %v", n, err)
				}
			}
			for n, r := range c.r {
				for more := true; more; {
					select {
					case e := <-r.Events():
						if e.Kind == OwnerGone {
							adopt(n, e.Run)
						}
					default:
						more = false
					}
				}
			}
		}
		if down != "" {
			c.join(down)
		}
		c.net.SetFaults(memnet.Faults{})
		c.net.Heal()
		c.converge()
		want := int64(0)
		epochs := uint64(0)
		for _, s := range c.r["a"].Runs() {
			want += int64(s.Head.Turn)
			epochs += s.Head.Epoch.Number
		}
		t.Logf("%d turns, %d epochs of %d runs", want, epochs, len(c.r["a"].Runs()))
		for n, r := range c.r {
			if got := hits(t, r); got != want {
				t.Errorf("%s sees %d hits, want %d", n, got, want)
			}
			for _, s := range r.Runs() {
				state, err := r.LoadState(within(t, 10*time.Second), s.Head.Run)
				if err != nil {
					t.Fatal(err)
				}
				checkState(t, state)
				checkLines(t, r, s.Head)
			}
			if s := r.Status(); s.Failed != nil || s.Pending != 0 {
				t.Errorf("%s: %+v", n, s)
			}
		}
	})
}

// checkLines reads the lines of a run that does not end, once each and in order.
func checkLines(t *testing.T, r *Replica, h Head) {
	t.Helper()
	n := uint64(0)
	stop := errors.New("enough")
	err := r.Lines(within(t, 10*time.Second), h.Run, 1, func(l changes.Line) error {
		if n++; l.Number != n || string(l.Text) != fmt.Sprintf("line %d", n) {
			return fmt.Errorf("line %d is %d %q", n, l.Number, l.Text)
		}
		if n == h.Lines {
			return stop
		}
		return nil
	})
	if err != stop {
		t.Error(err)
	}
}

// TestTwoOwnersNeverMix is the trap of merging execution state: two owners of one epoch number, one longer
// and one that started later. Whatever a third peer sees in between, pages, cells and lines are of one
// of them; and one of the owners stands down.
func TestTwoOwnersNeverMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		a := c.create("a")
		b, d := c.join("b"), c.join("d")
		p := start(t, d, 30)
		p.tag = 1
		for range 3 {
			p.step(t)
		}
		c.converge()
		warm(t, a, b)
		c.stop("d")
		c.net.Split([]string{"a"}, []string{"b"})
		a.leaseMu.Lock() // both believe that they may: a wrong view of who is a member
		a.lease = newLease(a)
		a.leaseMu.Unlock()
		b.leaseMu.Lock()
		b.lease = newLease(b)
		b.leaseMu.Unlock()
		both := map[*Replica]*program{}
		for i, r := range []*Replica{a, b} {
			s, err := r.TakeOver(within(t, 5*time.Second), p.run)
			if err != nil {
				t.Fatal(err)
			}
			q := continueFrom(t, r, s)
			q.tag = byte(2 + i)
			both[r] = q
			for range 4 + 3*i {
				q.step(t)
			}
		}
		c.net.Heal()
		e := c.join("e")
		downs := 0
		for end := time.Now().Add(10 * time.Second); downs == 0 && time.Now().Before(end); {
			for r, q := range both {
				turn := q.next()
				if err := r.CommitTurn(within(t, 5*time.Second), turn); errors.Is(err, ErrSuperseded) {
					downs++
					delete(both, r)
				} else if err != nil {
					t.Fatal(err)
				} else {
					q.advance(turn)
				}
			}
			for _, r := range []*Replica{a, b, e} {
				if s, err := r.LoadState(within(t, 5*time.Second), p.run); err == nil {
					checkState(t, s)
				}
			}
		}
		if downs != 1 {
			t.Fatalf("%d owners stood down", downs)
		}
		c.converge()
		for _, r := range []*Replica{a, b, e} {
			h, _ := r.Head(p.run)
			s, err := r.LoadState(within(t, 5*time.Second), p.run)
			if err != nil {
				t.Fatal(err)
			}
			var winner *program
			for _, q := range both {
				winner = q
			}
			if tag := checkState(t, s); tag != winner.tag || h.Turn != winner.turn || hits(t, r) != int64(h.Turn) {
				t.Errorf("%s: execution %d turn %d with %d hits; the owner left is %d at turn %d", r.Self(), tag, h.Turn, hits(t, r), winner.tag, winner.turn)
			}
			checkLines(t, r, h)
		}
	})
}

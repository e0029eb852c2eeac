package replication

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/memnet"
)

func TestTurnsReachEveryPeer(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	b := c.join("b")
	p := start(t, a, 5)
	for range 20 {
		p.step(t)
	}
	c.converge()
	if got := hits(t, b); got != 20 {
		t.Errorf("b sees %d hits, want 20", got)
	}
	s, err := b.LoadState(context.Background(), p.run)
	if err != nil {
		t.Fatal(err)
	}
	if checkState(t, s); s.Head.Turn != 20 || s.Head.Name != "toy" || string(s.Head.Meta) != "args" {
		t.Errorf("head %+v", s.Head)
	}
	if image, err := b.Program(context.Background()); err != nil || string(image) != "the image" {
		t.Errorf("image %q, %v", image, err)
	}
}

func TestConvergesUnderFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := seedOf(t)
		c := newCluster(t, seed)
		names := []string{"a", "b", "c"}
		c.create("a")
		c.net.SetFaults(memnet.Faults{Loss: 0.3, Duplicate: 0.3, DelayMax: 20 * time.Millisecond})
		c.join("b")
		c.join("c")
		var ps []*program
		for _, n := range names {
			ps = append(ps, start(t, c.r[n], 2))
		}
		for round := range 30 {
			switch round {
			case 10:
				c.net.Split([]string{"a"}, []string{"b", "c"})
			case 20:
				c.net.Heal()
			}
			for _, p := range ps {
				p.step(t)
			}
		}
		c.net.SetFaults(memnet.Faults{})
		begin := time.Now()
		c.converge()
		t.Logf("converged %v after the last turn", time.Since(begin))
		for _, n := range names {
			if got := hits(t, c.r[n]); got != 90 {
				t.Errorf("%s sees %d hits, want 90", n, got)
			}
		}
	})
}

func TestLateJoinerAndRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		p := start(t, c.create("a"), 3)
		for range 200 {
			p.step(t)
		}
		b := c.join("b")
		c.converge()
		if hits(t, b) != 200 {
			t.Errorf("late joiner sees %d", hits(t, b))
		}
		before := b.Digest()
		c.stop("b")
		b = c.join("b")
		if b.Digest() != before {
			t.Error("digest changed over a restart")
		}
		c.converge()
	})
}

func TestTakeOverVoidsStaleTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		a := c.create("a")
		b := c.join("b")
		c.join("c")
		p := start(t, a, 4)
		p.tag = 1
		for range 10 {
			p.step(t)
		}
		c.converge()
		warm(t, b, c.r["c"])
		c.net.Split([]string{"a"}, []string{"b", "c"})
		for range 7 { // these happen nowhere but at a
			p.step(t)
		}
		ev := waitEvent(t, OwnerGone, c.r["b"], c.r["c"])
		taker := c.r[ev.peer]
		s, err := taker.TakeOver(within(t, 5*time.Second), p.run)
		if err != nil {
			t.Fatal(err)
		}
		if s.Head.Turn != 10 || s.Head.Epoch.Number != 2 {
			t.Fatalf("taken over at turn %d epoch %d", s.Head.Turn, s.Head.Epoch.Number)
		}
		q := continueFrom(t, taker, s)
		q.tag = 2
		for range 3 {
			q.step(t)
		}
		c.net.Heal()
		eventually(t, "a stands down", func() bool {
			err := a.CommitTurn(context.Background(), p.next())
			if err == nil {
				p.advance(p.next())
				time.Sleep(5 * time.Millisecond)
			} else if !errors.Is(err, ErrSuperseded) {
				t.Fatal(err)
			}
			return err != nil
		})
		c.converge()
		for n, r := range c.r {
			if got := hits(t, r); got != 13 {
				t.Errorf("%s sees %d hits, want 13: the voided turns left a trace", n, got)
			}
			s, err := r.LoadState(context.Background(), p.run)
			if err != nil {
				t.Fatal(err)
			}
			if tag := checkState(t, s); tag != 2 || s.Head.Turn != 13 {
				t.Errorf("%s has execution %d at turn %d", n, tag, s.Head.Turn)
			}
			st := r.Runs()
			if len(st) != 1 || len(st[0].Forks) != 1 || st[0].Forks[0].Turn < 17 {
				t.Errorf("%s: the fork is not kept: %+v", n, st)
			}
		}
		if b.Status().Failed != nil {
			t.Error(b.Status().Failed)
		}
	})
}

type peerEvent struct {
	Event
	peer string
}

// waitEvent waits for an event of a kind at any of the replicas.
func waitEvent(t testing.TB, k EventKind, rs ...*Replica) peerEvent {
	t.Helper()
	got := make(chan peerEvent, 64)
	ctx := within(t, 20*time.Second)
	for _, r := range rs {
		go func() {
			for {
				select {
				case e, ok := <-r.Events():
					if !ok {
						return
					}
					if e.Kind == k {
						got <- peerEvent{e, r.Self()}
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	select {
	case e := <-got:
		return e
	case <-ctx.Done():
		t.Fatalf("no event %q", k)
		panic("unreachable")
	}
}

func TestLinesWithoutGapOrRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		a := c.create("a")
		b := c.join("b")
		p := start(t, a, 2)
		p.step(t)
		eventually(t, "b knows the run", func() bool { _, err := b.Head(p.run); return err == nil })
		var got []string
		done := make(chan error, 1)
		go func() {
			done <- b.Lines(within(t, 20*time.Second), p.run, 1, func(l changes.Line) error {
				got = append(got, fmt.Sprintf("%d %s", l.Number, l.Text))
				return nil
			})
		}()
		for range 20 {
			p.step(t)
		}
		c.converge()
		warm(t, b)
		c.stop("a")
		s, err := b.TakeOver(within(t, 5*time.Second), p.run)
		if err != nil {
			t.Fatal(err)
		}
		q := continueFrom(t, b, s)
		for range 20 {
			q.step(t)
		}
		last := q.next()
		last.Done, last.Exit = true, 3
		if err := b.CommitTurn(within(t, 5*time.Second), last); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if len(got) != 42 {
			t.Errorf("%d lines, want 42", len(got))
		}
		for i, l := range got {
			if want := fmt.Sprintf("%d line %d", i+1, i+1); l != want {
				t.Fatalf("line %d is %q", i+1, l)
			}
		}
		if h, _ := b.Head(p.run); !h.Done || h.Exit != 3 {
			t.Errorf("head %+v", h)
		}
		if _, err := b.TakeOver(within(t, 5*time.Second), p.run); !errors.Is(err, ErrDone) {
			t.Errorf("taking over an ended run: %v", err)
		}
	})
}

// TestLargeTurnIsAtomic commits turns with more cells than a delta holds keys and looks at every moment
// whether another peer sees a part of one.
func TestLargeTurnIsAtomic(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	b := c.join("b")
	p := start(t, a, 1)
	const words, turns = 1500, 6
	word := func(i int) changes.Path {
		return changes.VarPath("main.Counts").Key(changes.StringValue(fmt.Sprint("w", i)))
	}
	torn := make(chan string, 1)
	stop := make(chan struct{})
	go func() {
		defer close(torn)
		for {
			select {
			case <-stop:
				return
			default:
			}
			v, _, err := b.Merged("main.Counts")
			if err != nil || v.Len() == 0 {
				continue
			}
			first := v.Entry(0).Value.Int()
			for i := range v.Len() {
				if n := v.Entry(i).Value.Int(); n != first || v.Len() != words {
					torn <- fmt.Sprintf("%d words, counts %d and %d", v.Len(), first, n)
					return
				}
			}
		}
	}()
	for n := range turns {
		turn := p.next()
		turn.Changes = nil
		for i := range words {
			ch := counterChange(word(i), int64(n), int64(n+1))
			if n == 0 {
				ch.Old = changes.Value{}
			}
			turn.Changes = append(turn.Changes, ch)
		}
		if err := a.CommitTurn(within(t, 10*time.Second), turn); err != nil {
			t.Fatal(err)
		}
		p.advance(turn)
	}
	c.converge()
	close(stop)
	if s, bad := <-torn; bad {
		t.Errorf("torn turn seen: %s", s)
	}
	v, _, err := b.Merged("main.Counts")
	if err != nil || v.Len() != words || v.Entry(7).Value.Int() != turns {
		t.Errorf("%d words, %v", v.Len(), err)
	}
	c.stop("b")
	if d := c.join("b").Digest(); d != a.Digest() {
		t.Error("packs are read differently after a restart")
	}
	warm(t, c.r["b"])
	c.stop("a")
	s, err := c.r["b"].TakeOver(within(t, 5*time.Second), p.run)
	if err != nil {
		t.Fatal(err)
	}
	if v, _, _ := c.r["b"].Merged("main.Counts"); v.Len() != words || v.Entry(7).Value.Int() != turns || s.Head.Turn != turns {
		t.Errorf("after a takeover %d words, turn %d", v.Len(), s.Head.Turn)
	}
}

// TestNoTakeoverOfWhatWentOn lets a run advance, and end, between the moment a takeover looked at it and the moment it opens the
// next epoch: both are refused, and the run's owner goes on.
func TestNoTakeoverOfWhatWentOn(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	b := c.join("b")
	p := start(t, a, 2)
	p.step(t)
	c.converge()
	late := func() error {
		t.Helper()
		s, err := b.LoadState(within(t, 5*time.Second), p.run)
		if err != nil {
			t.Fatal(err)
		}
		cells, err := b.cellsAt(&s.Head)
		if err != nil {
			t.Fatal(err)
		}
		looked := s.Head.Hash()
		p.step(t)
		c.converge()
		_, err = b.openEpoch(s, cells, s.Head.Epoch.Number, 0, looked)
		return err
	}
	if err := late(); !errors.Is(err, ErrSuperseded) {
		t.Errorf("taking over a run that went on: %v", err)
	}
	s, err := b.LoadState(within(t, 5*time.Second), p.run)
	if err != nil {
		t.Fatal(err)
	}
	last := p.next()
	last.Done = true
	if err := a.CommitTurn(within(t, 5*time.Second), last); err != nil {
		t.Fatal(err)
	}
	c.converge()
	if _, err := b.openEpoch(s, nil, s.Head.Epoch.Number, 0, s.Head.Hash()); !errors.Is(err, ErrDone) {
		t.Errorf("taking over a run that ended: %v", err)
	}
	if h, _ := b.Head(p.run); h.Owner != a.Self() || !h.Done {
		t.Errorf("head %+v", h)
	}
}

package replication

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/memnet"
)

// backUp stops a replica, copies its store as a backup would, and opens it again.
func (c *cluster) backUp(name string) (r *Replica, dir string) {
	c.t.Helper()
	c.stop(name)
	dir = c.dirs[name] + ".old"
	copyDir(c.t, c.dirs[name], dir)
	return c.join(name), dir
}

// putBack is a, closed, and b: a made so many turns of a run and, after a copy of its store was taken, took the run over and made five more, which b has.
// The copy stands in the place of a's store.
func putBack(t *testing.T, turns int) (c *cluster, run changes.RunID) {
	t.Helper()
	c = newCluster(t, seedOf(t))
	a := c.create("a")
	c.join("b")
	p := start(t, a, 2)
	for range turns {
		p.step(t)
	}
	c.converge()
	a, old := c.backUp("a")
	s, err := a.TakeOver(within(t, 5*time.Second), p.run)
	if err != nil {
		t.Fatal(err)
	}
	q := continueFrom(t, a, s)
	for range 5 {
		q.step(t)
	}
	c.converge()
	c.stop("a")
	c.dirs["a"] = old
	return c, p.run
}

// forgetful checks that a peer has noticed that its store was an older copy, and that nobody else says so of its own.
func (c *cluster) forgetful(name string) {
	c.t.Helper()
	for n, r := range c.r {
		if got := r.Status().Past > 0; got != (n == name) {
			c.t.Errorf("%s: %d deltas of its past came", n, r.Status().Past)
		}
	}
	eventually(c.t, name+" has learned what it said", func() bool { return !c.r[name].Status().Forgot })
}

// TestBackupAdoptsItsPast: a store is put back from a copy while the others, who have more of the peer, are in reach. It takes that over before it goes on with
// its run, which loses nothing.
func TestBackupAdoptsItsPast(t *testing.T) {
	c, run := putBack(t, 1)
	a := c.join("a")
	for e := range a.Events() {
		if e.Kind == OwnerGone {
			break
		}
	}
	s, err := a.TakeOver(within(t, 5*time.Second), run)
	if err != nil {
		t.Fatal(err)
	}
	if s.Head.Turn != 6 || s.Head.Epoch.Number != 3 {
		t.Fatalf("goes on from turn %d in epoch %d", s.Head.Turn, s.Head.Epoch.Number)
	}
	continueFrom(t, a, s).step(t)
	c.converge()
	c.forgetful("a")
	if f := a.Runs()[0].Forks; len(f) != 0 || hits(t, a) != 7 {
		t.Fatalf("%d hits, forks %v", hits(t, a), f)
	}
}

// TestBackupThatWentOnIsAFork: a store that was put back goes on alone, with the run that the others know more of. Both say what they have when they meet: what
// counts is the same everywhere, what does not is a fork, and the peer knows why.
func TestBackupThatWentOnIsAFork(t *testing.T) {
	c, run := putBack(t, 1)
	c.net.Split([]string{"a"})
	a := c.join("a")
	s, err := a.TakeOver(within(t, 5*time.Second), run)
	if err != nil {
		t.Fatal(err)
	}
	q := continueFrom(t, a, s)
	q.tag = 9
	q.step(t)
	if a.Status().Past != 0 {
		t.Fatal("nobody can have told it")
	}
	c.net.Heal()
	c.converge()
	c.forgetful("a")
	for n, r := range c.r {
		if s := r.Runs()[0]; s.Head.Turn != 6 || len(s.Forks) != 1 || s.Forks[0].Turn != 2 || s.Forks[0].Owner != "a" || hits(t, r) != 6 {
			t.Errorf("%s: turn %d with %d hits, forks %v", n, s.Head.Turn, hits(t, r), s.Forks)
		}
	}
}

// TestBackupDoesNotVote: c acknowledges a turn at majority, and its store is put back to before. It must not promise b an epoch as if it had not: with a gone,
// which alone has the turn, nobody goes on until a is back.
func TestBackupDoesNotVote(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	b := c.join("b")
	c.join("c")
	eventually(t, "all are members", func() bool { return len(a.Status().Members) == 3 })
	run, epoch, err := a.StartRun(within(t, 10*time.Second), RunStart{Name: "toy", Durable: Majority})
	if err != nil {
		t.Fatal(err)
	}
	p := &program{r: a, run: run, epoch: epoch, pages: 1}
	p.step(t)
	c.converge()
	eventually(t, "all hold turn 1", func() bool {
		s := a.Runs()[0]
		return s.Held["b"] == 1 && s.Held["c"] == 1
	})
	x, old := c.backUp("c")
	c.converge()
	// Something that c writes after the copy: by it b, who does not see the turn, sees that c is not what it was.
	if err := x.Send(within(t, 5*time.Second), run, "id", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	c.converge()
	c.net.Split([]string{"b"})
	p.step(t)
	c.stop("a")
	c.stop("c")
	c.dirs["c"] = old
	c.net.Heal()
	x = c.join("c")
	eventually(t, "c has its message again", func() bool { return x.Status().Past > 0 })
	if _, err := b.TakeOver(within(t, 3*time.Second), run); !errors.Is(err, ErrNoMajority) {
		t.Fatalf("b took the run over: %v", err)
	}
	if !x.Status().Forgot {
		t.Fatal("c knows all that it said")
	}
	c.join("a")
	eventually(t, "the run goes on from turn 2", func() bool {
		s, err := b.TakeOver(within(t, 5*time.Second), run)
		if err == nil && s.Head.Turn != 2 {
			t.Fatalf("goes on from turn %d", s.Head.Turn)
		}
		return err == nil
	})
	c.converge()
	c.forgetful("c")
}

// twin is a process with the identity of another.
type twin struct {
	*memnet.Port // its place in the network
	as           *memnet.Port
}

func (t twin) Self() string                     { return t.as.Self() }
func (t twin) Sign(data []byte) ([]byte, error) { return t.as.Sign(data) }

// TestCopyInUseIsFound: a copy of a's store is opened while a is open, somewhere else. As soon as one of them writes, having seen the other, that one stops, and
// says what to do. The other members go on.
func TestCopyInUseIsFound(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	b := c.join("b")
	p := start(t, a, 1)
	p.step(t)
	c.converge()
	a, old := c.backUp("a")
	if err := a.Send(within(t, 5*time.Second), p.run, "first", nil); err != nil {
		t.Fatal(err)
	}
	c.converge()
	cfg := Config{Dir: old, Sandbox: c.sandbox, Transport: twin{c.net.Join("a'"), c.ports["a"]}, Secret: []byte(secret),
		FlushInterval: 2 * time.Millisecond, BeatInterval: 20 * time.Millisecond, Lease: 200 * time.Millisecond}
	copied, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	eventually(t, "the copy has what a wrote", func() bool { return copied.Digest() == a.Digest() && copied.Status().Past > 0 })
	if a.Status().Failed != nil || copied.Status().Failed != nil {
		t.Fatalf("stopped: %v, %v", a.Status().Failed, copied.Status().Failed)
	}
	if err := copied.Send(within(t, 5*time.Second), p.run, "second", nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a stops", func() bool { return a.Status().Failed != nil })
	if err := a.Send(within(t, 5*time.Second), p.run, "third", nil); !errors.Is(err, ErrCopied) || errors.Is(err, ErrFailed) {
		t.Fatalf("a: %v", err)
	}
	if err := copied.Status().Failed; err != nil {
		t.Fatalf("the copy, which nobody writes beside any more: %v", err)
	}
	if err := b.Send(within(t, 5*time.Second), p.run, "fourth", nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the others are one", func() bool { return copied.Digest() == b.Digest() })
	c.r["a"].Close() // says why it failed
	c.ports["a"].Close()
	delete(c.r, "a")
}

package replication

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/feed"
	"github.com/tandemvm/tandem/replication/internal/record"
)

// TestEpochsOfOneNumberAreAcknowledged: a run at 2 is taken over on both sides of a split, in epochs of one number at one turn. When the sides meet
// one wins, and everybody holds it and says so, also who had said the same of the other: a peer that comes back learns from nobody
// else that the lines are released.
func TestEpochsOfOneNumberAreAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		c.config = func(cfg *Config) { cfg.Lease = time.Minute }
		a := c.create("a")
		b := c.join("b")
		c.join("c")
		c.converge()
		run, epoch, err := a.StartRun(within(t, 10*time.Second), RunStart{Name: "toy", Durable: 2})
		if err != nil {
			t.Fatal(err)
		}
		p := &program{r: a, run: run, epoch: epoch, pages: 1}
		p.step(t)
		c.converge()
		for _, r := range c.r {
			warm(t, r)
		}
		a.Release(run)
		c.net.Split([]string{"a"})
		ctx, cancel := context.WithCancel(context.Background())
		alone := make(chan error, 1)
		go func() { _, err := a.TakeOver(ctx, run); alone <- err }()
		if _, err := b.TakeOver(within(t, 10*time.Second), run); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a is in the next epoch, alone", func() bool { h, err := a.Head(run); return err == nil && h.Epoch.Number == 2 })
		cancel()
		<-alone
		c.net.Heal()
		c.converge()
		for n, r := range c.r {
			if s := r.Runs()[0]; len(s.Forks) != 1 || s.Forks[0].Epoch.Number != 2 || s.Forks[0].Turn != s.Head.Turn {
				t.Fatalf("%s: no tie: %+v", n, s)
			}
			eventually(t, n+" knows that all hold the winner", func() bool { return len(r.Runs()[0].Held) == 3 })
		}
		c.stop("c")
		back := c.join("c")
		eventually(t, "lines are released at who comes back", func() bool { return back.Runs()[0].Lines == 1 })
	})
}

// TestBeatIsOfOneMoment listens to the beats of a peer that writes all the time: the same heads are never said with two digests. They were, and
// such a beat, given twice by the network, told others of a divergence that there was not.
func TestBeatIsOfOneMoment(t *testing.T) {
	c := newCluster(t, seedOf(t))
	c.config = func(cfg *Config) { cfg.BeatInterval, cfg.FlushInterval = 100*time.Microsecond, time.Nanosecond }
	a := c.create("a")
	digests := map[changes.Hash]changes.Hash{}
	torn := 0
	defer c.net.Join("listener").Subscribe(func(_ string, data []byte) {
		var b beat
		if len(data) < 2 || data[1] != messageBeat || record.Decode(data[2:], &b) != nil {
			return
		}
		var heads []record.BlockHash
		for _, h := range b.Heads {
			heads = append(heads, record.BlockHash(h))
		}
		k, d := feed.HeadsHash(heads), changes.Hash(b.Digest)
		if old, heard := digests[k]; heard && old != d {
			torn++
		}
		digests[k] = d
	})()
	p := start(t, a, 1)
	for range 300 {
		p.step(t)
	}
	c.stop("a")
	if torn > 0 || len(digests) < 2 {
		t.Errorf("%d of the beats about %d sets of heads contradict another", torn, len(digests))
	}
}

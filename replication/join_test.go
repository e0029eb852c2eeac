package replication

import (
	"context"
	"errors"
	"flag"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/memnet"
)

var joinTurns = flag.Int("join.turns", 5_000, "turns before the later join of TestJoinFollowsWhatIsLive; the long run is 1000000")

// metered counts what a peer receives, and cuts its link after so many bytes.
type metered struct {
	Transport
	bytes atomic.Int64
	left  atomic.Int64 // until the next cut, when positive
	cut   atomic.Bool
}

var errCut = errors.New("the link was cut")

func (m *metered) take(n int) bool {
	if m.cut.Load() {
		return false
	}
	m.bytes.Add(int64(n))
	if m.left.Load() > 0 && m.left.Add(-int64(n)) <= 0 {
		m.cut.Store(true)
	}
	return true
}

func (m *metered) Subscribe(f func(from string, data []byte)) (cancel func()) {
	return m.Transport.Subscribe(func(from string, data []byte) {
		if m.take(len(data)) {
			f(from, data)
		}
	})
}

func (m *metered) Request(ctx context.Context, peer, name string, req []byte, recv func([]byte) error) error {
	return m.Transport.Request(ctx, peer, name, req, func(frame []byte) error {
		if !m.take(len(frame)) {
			return errCut
		}
		return recv(frame)
	})
}

// joinMetered opens a peer that is warm when it has everything, and says what that took. every: its link is cut after so many bytes, its process stopped in
// every second cut, and it goes on; 0: never.
func joinMetered(t *testing.T, c *cluster, name string, g *grower, every int64) (took time.Duration, bytes int64, cuts int) {
	t.Helper()
	m := &metered{}
	before := c.config
	c.config = func(cfg *Config) {
		before(cfg)
		m.Transport, cfg.Transport = cfg.Transport, m
	}
	defer func() { c.config = before }()
	m.left.Store(every)
	begin := time.Now()
	r := c.join(name)
	for r.Digest() != g.r.Digest() || len(r.Runs()) == 0 || !r.Runs()[0].Warm {
		if m.cut.Load() {
			cuts++
			if cuts%2 == 0 {
				c.stop(name)
				r = c.join(name)
			}
			m.left.Store(every)
			m.cut.Store(false)
		}
		if time.Since(begin) > 10*time.Minute {
			t.Fatalf("%s has not joined: %+v", name, r.Status())
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(begin), m.bytes.Load(), cuts
}

// TestJoinFollowsWhatIsLive: an empty peer joins a sandbox after many turns for at most 1.2 times what it takes after a thousand, and when its link is cut some
// twenty times for at most 1.1 times of that. Bytes are compared, since they are what follows from the design; times are logged. The long run is
// go test ./replication -run TestJoinFollowsWhatIsLive -join.turns=1000000 -timeout 0 -v.
func TestJoinFollowsWhatIsLive(t *testing.T) {
	c := newCluster(t, seedOf(t))
	c.config = func(cfg *Config) { cfg.Retain, cfg.RetainOutput = 64<<10, 32<<10 }
	a := c.create("a")
	c.join("b")
	g := newGrower(t, a, 2560) // 10 MiB
	turns := func(n int) {
		g.grow(t, n, 64)
		g.settle(t)
		c.converge()
	}
	turns(1000)
	early, earlyBytes, _ := joinMetered(t, c, "early", g, 0)
	t.Logf("after %d turns: %v, %d kB", g.turn, early.Round(time.Millisecond), earlyBytes>>10)
	c.stop("early")
	turns(*joinTurns - 1000)
	late, lateBytes, _ := joinMetered(t, c, "late", g, 0)
	t.Logf("after %d turns: %v, %d kB: %.2f times the time, %.2f times the bytes", g.turn, late.Round(time.Millisecond), lateBytes>>10,
		late.Seconds()/early.Seconds(), float64(lateBytes)/float64(earlyBytes))
	c.stop("late")
	cutTook, cutBytes, cuts := joinMetered(t, c, "cut", g, lateBytes/30) // frames are large: some twenty cuts
	t.Logf("cut %d times: %v, %d kB: %.2f times the bytes", cuts, cutTook.Round(time.Millisecond), cutBytes>>10, float64(cutBytes)/float64(lateBytes))
	if float64(lateBytes) > 1.2*float64(earlyBytes) {
		t.Errorf("a join after %d turns takes %d bytes, after 1000 turns %d", g.turn, lateBytes, earlyBytes)
	}
	if cuts < 12 || float64(cutBytes) > 1.1*float64(lateBytes) {
		t.Errorf("a join that is cut %d times takes %d bytes, without cuts %d", cuts, cutBytes, lateBytes)
	}
}

// TestJoinTellsHowFarItIs joins over a network on which each frame takes a second of virtual time, and looks all the time.
func TestJoinTellsHowFarItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pages = 1000
		c := newCluster(t, 1)
		c.config = func(cfg *Config) { cfg.BeatInterval, cfg.Lease = 100*time.Millisecond, 10*time.Second }
		a := c.create("a")
		g := newGrower(t, a, pages)
		g.grow(t, 300, 1)
		g.settle(t)
		time.Sleep(time.Second)
		if s := a.Status().Join; s != (Join{Done: true}) {
			t.Errorf("who made the sandbox and is alone has to fetch %+v", s)
		}
		c.net.SetFaults(memnet.Faults{DelayMin: time.Second, DelayMax: time.Second + time.Millisecond})
		b := c.join("b")
		var last Join
		seen := map[string]bool{}
		for begin := time.Now(); !last.Done; time.Sleep(50 * time.Millisecond) {
			if time.Since(begin) > 10*time.Minute {
				t.Fatalf("not done: %+v", last)
			}
			s := b.Status().Join
			if s.Deltas < last.Deltas || s.Blocks < last.Blocks || s.Bytes < last.Bytes || s.Deltas > s.DeltasWanted || s.Blocks > s.BlocksWanted {
				t.Fatalf("%+v after %+v", s, last)
			}
			seen["nothing heard"] = seen["nothing heard"] || s == Join{}
			seen["deltas on their way"] = seen["deltas on their way"] || s.Behind > 0 && s.DeltasWanted > 0
			seen["all pages known, some here"] = seen["all pages known, some here"] || s.BlocksWanted > pages/2 && 0 < s.Blocks && s.Blocks < s.BlocksWanted
			if warm := len(b.Runs()) > 0 && b.Runs()[0].Warm; s.Done && !warm {
				t.Fatalf("done, and the state is not here: %+v", s)
			}
			last = s
		}
		if len(seen) != 3 || !seen["nothing heard"] || !seen["deltas on their way"] || !seen["all pages known, some here"] {
			t.Errorf("of the stages %v were seen", seen)
		}
		if last.Behind != 0 || last.Deltas != last.DeltasWanted || last.Blocks != last.BlocksWanted || last.Blocks < pages/2 || last.Bytes < pages/2*changes.PageBytes {
			t.Errorf("at the end %+v", last)
		}
		if n := valueOf(t, b.m.DeltasBehind) + valueOf(t, b.m.BlocksMissing); n != 0 {
			t.Errorf("the metrics say that %v are missing", n)
		}
		c.stop("b")
		c.stop("a")
	})
}

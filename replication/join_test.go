package replication

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/memnet"
)

var joinTurns = flag.Int("join.turns", 5_000, "turns before the later join of TestJoinFollowsWhatIsLive; the long run is 1000000; with -short half")

// metered counts what a peer asks for and receives, and cuts its link after so many bytes.
type metered struct {
	Transport
	bytes, requests atomic.Int64
	left            atomic.Int64 // until the next cut, when positive
	cut             atomic.Bool
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
	m.requests.Add(1)
	return m.Transport.Request(ctx, peer, name, req, func(frame []byte) error {
		if !m.take(len(frame)) {
			return errCut
		}
		return recv(frame)
	})
}

// effort is what a join takes, whatever the machine does beside it.
type effort struct {
	took     time.Duration // virtual: hops of joinHop one after another, and what is waited for; computing takes none
	bytes    int64         // received
	requests int64         // made
	deltas   int64         // worked off
	blocks   int64         // fetched
	cuts     int
}

// joinHop is what a message takes to the other side.
const joinHop = 10 * time.Millisecond

// joinMetered opens a peer that is warm when it has everything, and says what that took. every: its link is cut after so many bytes, its process stopped in
// every second cut, and it goes on; 0: never.
func joinMetered(t *testing.T, c *cluster, name string, g *grower, every int64) (e effort) {
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
	count := func() {
		e.deltas += int64(valueOf(t, r.m.DeltasRemote))
		e.blocks += int64(valueOf(t, r.m.BlocksFetched))
	}
	for r.Digest() != g.r.Digest() || len(r.Runs()) == 0 || !r.Runs()[0].Warm {
		if m.cut.Load() {
			e.cuts++
			if e.cuts%2 == 0 {
				count()
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
	count()
	e.took, e.bytes, e.requests = time.Since(begin), m.bytes.Load(), m.requests.Load()
	return e
}

// atMost fails where the effort is more than factor times that of another.
func (e effort) atMost(t *testing.T, factor float64, of effort) {
	t.Helper()
	for what, n := range map[string][2]int64{"virtual time": {int64(e.took), int64(of.took)}, "bytes": {e.bytes, of.bytes}, "requests": {e.requests, of.requests},
		"deltas": {e.deltas, of.deltas}, "blocks": {e.blocks, of.blocks}} {
		if float64(n[0]) > factor*float64(n[1]) {
			t.Errorf("%s: %d, %.2f times %d", what, n[0], float64(n[0])/float64(n[1]), n[1])
		}
	}
}

// TestJoinFollowsWhatIsLive: an empty peer joins a sandbox after many turns for at most 1.2 times what it takes after a thousand, by whatever that is measured, and
// when its link is cut some twenty times for at most 1.1 times the bytes. It runs in virtual time, so that the measures follow from the design and not
// from the machine. The joins are compared right after compactions: between two of them up to a window more is on its way, early as late. The long run is
// go test ./replication -run TestJoinFollowsWhatIsLive -join.turns=1000000 -timeout 0 -v.
func TestJoinFollowsWhatIsLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		c.config = func(cfg *Config) {
			cfg.Retain, cfg.RetainOutput = 64<<10, 32<<10
			cfg.BeatInterval, cfg.Lease = 100*time.Millisecond, 10*time.Second
		}
		a := c.create("a")
		b := c.join("b")
		g := newGrower(t, a, 2560) // 10 MiB
		turns := func(n int) {
			c.net.SetFaults(memnet.Faults{})
			g.grow(t, n, 16)
			g.settle(t)
			c.converge()
			for range 3 { // what is issued again the first time makes others dead
				for _, r := range []*Replica{a, b} {
					if _, _, err := r.compact(r.judge()); err != nil {
						t.Fatal(err)
					}
				}
				c.converge()
			}
			c.net.SetFaults(memnet.Faults{DelayMin: joinHop, DelayMax: joinHop + 1})
		}
		turns(1000)
		early := joinMetered(t, c, "early", g, 0)
		t.Logf("after %d turns: %+v", g.turn, early)
		if err := c.r["early"].Leave(within(t, time.Minute)); err != nil { // a member that is away holds messages back
			t.Fatal(err)
		}
		c.stop("early")
		later := *joinTurns
		if testing.Short() {
			later /= 2
		}
		turns(later - 1000)
		late := joinMetered(t, c, "late", g, 0)
		t.Logf("after %d turns: %+v", g.turn, late)
		c.stop("late")
		late.atMost(t, 1.2, early)
		cut := joinMetered(t, c, "cut", g, late.bytes/30) // frames are large: some twenty cuts
		t.Logf("cut: %+v", cut)
		if cut.cuts < 12 || float64(cut.bytes) > 1.1*float64(late.bytes) {
			t.Errorf("a join that is cut %d times takes %d bytes, without cuts %d", cut.cuts, cut.bytes, late.bytes)
		}
		c.stopAll()
	})
}

// TestSmallJoinFollowsWhatIsLive: with a state of 1 MiB and the settings that peers have, at whatever moment between two compactions, a join after many turns takes little more than one
// after a thousand: the window is a part of what is live, or most of what a joining peer is sent would say nothing.
func TestSmallJoinFollowsWhatIsLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		c.config = func(cfg *Config) {
			cfg.RetainOutput = 32 << 10
			cfg.BeatInterval, cfg.Lease = 100*time.Millisecond, 10*time.Second
		}
		a := c.create("a")
		c.join("b")
		g := newGrower(t, a, 256) // 1 MiB
		join := func(name string, turns int) effort {
			c.net.SetFaults(memnet.Faults{})
			g.grow(t, turns, 16)
			g.settle(t)
			c.converge()
			c.net.SetFaults(memnet.Faults{DelayMin: joinHop, DelayMax: joinHop + 1})
			e := joinMetered(t, c, name, g, 0)
			t.Logf("after %d turns: %+v", g.turn, e)
			if err := c.r[name].Leave(within(t, time.Minute)); err != nil { // a member that is away holds messages back
				t.Fatal(err)
			}
			c.stop(name)
			return e
		}
		early := join("early", 1000)
		for i := range 5 {
			late := join(fmt.Sprint("late ", i), 1300)
			if float64(late.bytes) > 1.4*float64(early.bytes) || float64(late.took) > 1.2*float64(early.took) {
				t.Errorf("%d bytes and %v, after a thousand turns %d and %v", late.bytes, late.took, early.bytes, early.took)
			}
		}
		c.stopAll()
	})
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

package replication

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/feed"
)

// muffled is a transport that loses gossip while deaf, and answers the next requests for deltas with nothing, as a peer did that had nothing more then.
type muffled struct {
	Transport
	deaf  atomic.Bool
	empty atomic.Int32
}

func (m *muffled) Subscribe(f func(from string, data []byte)) (cancel func()) {
	return m.Transport.Subscribe(func(from string, data []byte) {
		if !m.deaf.Load() {
			f(from, data)
		}
	})
}

func (m *muffled) Request(ctx context.Context, peer, name string, req []byte, recv func([]byte) error) error {
	if name == feed.Protocol && m.empty.Add(-1) >= 0 {
		return nil
	}
	return m.Transport.Request(ctx, peer, name, req, recv)
}

// muffledPeer joins as "m".
func muffledPeer(c *cluster) (*Replica, *muffled) {
	m := &muffled{}
	before := c.config
	c.config = func(cfg *Config) {
		before(cfg)
		m.Transport = cfg.Transport
		cfg.Transport = m
	}
	defer func() { c.config = before }()
	return c.join("m"), m
}

// TestAlarmComparesVectorsFirst: two peers whose DAGs have the same heads and whose digests differ are no alarm while one has deltas that the other lacks, or is
// catching up, nor when nothing differs by the time both have the same; they are when it still does.
func TestAlarmComparesVectorsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		c.config = func(*Config) {}
		a := c.create("a")
		b, m := muffledPeer(c)
		p := start(t, a, 1)
		p.step(t)
		c.converge()
		m.deaf.Store(true)
		// What b has is wrong, or only seems to be for a moment.
		alarm := func(wrong bool) bool {
			before := valueOf(t, b.m.Diverged)
			b.mu.Lock()
			if wrong {
				b.table.Digest.SetHash("run of nobody", changes.Hash{1})
				defer func() {
					b.mu.Lock()
					defer b.mu.Unlock()
					b.table.Digest.SetHash("run of nobody", changes.Hash{})
				}()
			}
			s := said{heads: feed.HeadsHash(b.tips), digest: changes.Hash{7}}
			old := said{sight: sight{s.heads, s.digest, s.heads, b.table.Digest.Root()}}
			b.mu.Unlock()
			b.suspect("a", &s, old)
			if !s.alarmed {
				t.Fatal("nothing is suspected")
			}
			for range 100 {
				if valueOf(t, b.m.Diverged) > before {
					return true
				}
				time.Sleep(2 * time.Millisecond)
			}
			return false
		}
		if !alarm(true) {
			t.Error("no alarm though both have the same deltas")
		}
		if alarm(false) {
			t.Error("an alarm though nothing differs any more")
		}
		p.step(t) // which b does not hear of
		if alarm(true) {
			t.Error("an alarm though a has a delta that b lacks")
		}
		m.deaf.Store(false)
		c.converge()
		if !alarm(true) {
			t.Error("no alarm after b has caught up")
		}
	})
}

// TestWhatIsLeftOutWaitsForTheRest: a delta that came early waits for a parent. An answer that says that the parent is left out brings deltas from before it, of
// the same author too; the early one must come after them, or they are taken for ones that were left out.
func TestWhatIsLeftOutWaitsForTheRest(t *testing.T) {
	c := newCluster(t, seedOf(t))
	c.config = func(cfg *Config) { cfg.Retain, cfg.FlushInterval = 1, time.Nanosecond }
	a := c.create("a")
	b, m := muffledPeer(c)
	p := start(t, a, 1)
	p.step(t)
	c.converge()
	m.deaf.Store(true)
	counts := map[string]int64{}
	word := func(words int) {
		turn := wordTurn(p, words, counts)
		if err := a.CommitTurn(within(t, 10*time.Second), turn); err != nil {
			t.Fatal(err)
		}
		p.turn, p.hits = turn.Number, p.hits+1
	}
	word(1 << 30) // its word is written once: it counts for ever
	for range 30 {
		word(1)
	}
	for n, left := -1, 0; n != left; { // dead deltas go until none is left
		n = left
		if _, _, err := a.compactAll(nil); err != nil {
			t.Fatal(err)
		}
		left, _ = a.deltaStore()
	}
	tip := a.engine.Heads()[0]
	raw, err := a.store.Get(tip.StoreKey())
	if err != nil {
		t.Fatal(err)
	}
	d, err := b.feed.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !b.feed.Offer(d) {
		t.Fatal("the newest delta waits for nothing: the test does not hit")
	}
	if _, err := a.store.Get(d.Parents[0].StoreKey()); err == nil {
		t.Fatal("its parent is not left out: the test does not hit")
	}
	m.empty.Store(1) // the first answer is one of before these turns
	if err := b.feed.Pull(within(t, 20*time.Second), "a", nil); err != nil {
		t.Fatal(err)
	}
	m.deaf.Store(false)
	c.converge()
	if got, want := b.Digest(), a.Digest(); got != want {
		names, _ := b.Differ(context.Background(), "a")
		t.Errorf("they differ in %v", names)
	}
}

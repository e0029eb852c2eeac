package replication

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	dshelp "github.com/ipfs/boxo/datastore/dshelp"
	ds "github.com/ipfs/go-datastore"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/feed"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
)

// deltaStore is the number of deltas in the store, and the bytes of all keys and values but pages and nodes.
func (r *Replica) deltaStore() (deltas int, bytes int64) {
	r.store.Scan([]byte{0}, []byte{0xff}, func(k, v []byte) bool {
		if k[0] == 'd' {
			deltas++
		}
		if k[0] != 'b' {
			bytes += int64(len(k) + len(v))
		}
		return true
	})
	return deltas, bytes
}

// wordTurn counts a word of a bounded vocabulary, without a line.
func wordTurn(p *program, words int, counts map[string]int64) Turn {
	t := p.next()
	t.Lines = nil
	w := fmt.Sprint("w", p.turn%uint64(words))
	ch := counterChange(changes.VarPath("main.Counts").Key(changes.StringValue(w)), counts[w], counts[w]+1)
	if counts[w] == 0 {
		ch.Old = changes.Value{}
	}
	counts[w]++
	t.Changes = append(t.Changes, ch)
	return t
}

// compactNow runs compactions until one removes nothing more.
func compactNow(t testing.TB, r *Replica) {
	t.Helper()
	var blobs map[blockID]bool
	before := -1
	for n, _ := r.deltaStore(); n != before; n, _ = r.deltaStore() {
		before = n
		var err error
		if _, blobs, err = r.compactAll(blobs); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCompactionKeepsWhatCounts writes many turns, compacts everywhere, and finds the same digest with a fraction of the deltas, also after a
// restart, at a peer that joins afterwards and at one that was away all the time, with a turn that nobody knew.
func TestCompactionKeepsWhatCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		c.config = func(cfg *Config) { cfg.Retain, cfg.FlushInterval = 4<<10, time.Nanosecond }
		a := c.create("a")
		b := c.join("b")
		c.join("away")
		mine := start(t, c.r["away"], 1)
		mine.step(t)
		c.converge()
		c.net.Split([]string{"away"})
		mine.step(t) // known at away only
		p := start(t, a, 2)
		counts := map[string]int64{}
		for range 300 {
			turn := wordTurn(p, 20, counts)
			if err := a.CommitTurn(within(t, 10*time.Second), turn); err != nil {
				t.Fatal(err)
			}
			p.turn, p.hits = turn.Number, p.hits+1
		}
		eventually(t, "b has all", func() bool { h, err := b.Head(p.run); return err == nil && h.Turn == 300 })
		before := a.Digest()
		made := int(a.Status().Deltas) // one a turn; b, when it was slow, has heard of only those that were left
		if made < 300 {
			t.Fatalf("a made %d deltas", made)
		}
		for _, r := range []*Replica{a, b} {
			compactNow(t, r)
			left, _ := r.deltaStore()
			t.Logf("%s: %d deltas of %d left", r.Self(), left, made)
			if left > made/3 {
				t.Errorf("%s keeps %d deltas of %d", r.Self(), left, made)
			}
			if r.Digest() != before {
				t.Errorf("%s has another digest after compaction", r.Self())
			}
		}
		c.stop("b")
		b = c.join("b")
		if b.Digest() != before {
			t.Error("b has another digest after a restart")
		}
		j := c.join("joiner")
		eventually(t, "the joiner has all", func() bool { return j.Digest() == before })
		c.net.Heal()
		c.converge()
		for n, r := range c.r {
			if got := hits(t, r); got != 302 {
				t.Errorf("%s sees %d hits", n, got)
			}
			if h, err := r.Head(mine.run); err != nil || h.Turn != 2 {
				t.Errorf("%s has the run of who was away at %+v, %v", n, h.Turn, err)
			}
			if got := valueOf(t, r.m.Equivocations) + valueOf(t, r.m.Rejected) + valueOf(t, r.m.Forged) + valueOf(t, r.m.Malformed); got != 0 {
				t.Errorf("%s counts %v refusals", n, got)
			}
			if st := r.Status(); st.Failed != nil || st.Heads > 4 {
				t.Errorf("%s: %+v", n, st)
			}
		}
		p.step(t)
		mine.step(t)
		c.converge()
	})
}

// TestFalseHeadIsTakenAway: a peer stopped in the middle of a catch-up that left deltas out has heads of the DAG that are none. When it comes back it
// finds that out by what the others say, without writing anything itself.
func TestFalseHeadIsTakenAway(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	b := c.join("b")
	p := start(t, a, 1)
	for range 5 {
		p.step(t)
	}
	c.converge()
	v, err := b.store.Get(feed.IndexKey(a.feed.Writer(), 2))
	if err != nil {
		t.Fatal(err)
	}
	old := record.BlockHash(v[:32])
	low, _ := store.EngineRange(ds.NewKey(feed.Era).ChildString("h").Child(dshelp.MultihashToDsKey(old.Cid().Hash())).String())
	if err := b.store.Write(true, func(w store.Batch) { w.Put(low, []byte{2}) }); err != nil {
		t.Fatal(err)
	}
	c.stop("b")
	b = c.join("b")
	c.converge()
	eventually(t, "one head", func() bool { return b.Status().Heads == 1 })
	p.step(t)
	c.converge()
}

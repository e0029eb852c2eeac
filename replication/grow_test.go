package replication

import (
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/feed"
	"github.com/tandemvm/tandem/replication/internal/store"
)

var (
	growTurns = flag.Int("grow.turns", 10_000, "turns of TestStoreStaysBounded; the long run is 1000000; with -short a third")
	growPages = flag.Uint64("grow.pages", 256, "pages of its state; the long run has 2560, that is 10 MiB")
)

// footprint is what a replica's store holds.
type footprint struct {
	live   int64 // values that count, and the pages and nodes of the newest head
	all    int64 // keys and values of everything
	blocks int64 // of these, pages and nodes
	disk   int64 // files
	deltas int
}

func (f footprint) String() string {
	return fmt.Sprintf("%d kB live, %d kB in the store (%d kB of pages, %d deltas), %d kB of files", f.live>>10, f.all>>10, f.blocks>>10, f.deltas, f.disk>>10)
}

func footprintOf(t testing.TB, r *Replica, dir string) (f footprint) {
	t.Helper()
	needed := map[block.ID]bool{}
	if err := r.markNeeded(needed); err != nil {
		t.Fatal(err)
	}
	low, high := store.EngineRange(feed.ValuePrefix)
	r.store.Scan(low, high, func(k, v []byte) bool { f.live += int64(len(k) + len(v)); return true })
	r.store.Scan([]byte{0}, []byte{0xff}, func(k, v []byte) bool {
		n := int64(len(k) + len(v))
		f.all += n
		switch k[0] {
		case 'd':
			f.deltas++
		case 'b':
			f.blocks += n
			if needed[block.ID{Kind: block.Kind(k[1]), Hash: changes.Hash(k[2:])}] {
				f.live += n
			}
		}
		return true
	})
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if i, err := d.Info(); err == nil {
				f.disk += i.Size()
			}
		}
		return nil
	})
	return f
}

// logBytes is what pebble keeps of its logs beside its tables.
const logBytes = 16 << 20

// grower is a run that writes for ever over a state of constant size: a page, a word, a line a turn, and a message now and then.
type grower struct {
	*program
	first  Turn
	counts map[string]int64
	rnd    *rand.Rand
	flight []<-chan error
	next   int // place of messages
	pause  time.Duration
}

func newGrower(t testing.TB, r *Replica, pages uint64) *grower {
	g := &grower{program: start(t, r, pages), counts: map[string]int64{}, rnd: rand.New(rand.NewPCG(1, 1))}
	g.first = g.program.next()
	g.pages = 0 // the pages of a turn are chosen here
	return g
}

// grow makes turns, at most `most` of them not yet durable.
func (g *grower) grow(t testing.TB, turns, most int) {
	t.Helper()
	for range turns {
		turn := wordTurn(g.program, 1000, g.counts)
		turn.MemoryBytes, turn.Pages = g.first.MemoryBytes, g.first.Pages
		turn.Lines = []changes.Line{{Number: g.lines + 1, Stream: 1, Text: fmt.Appendf(nil, "turn %d", turn.Number)}}
		if n := g.rnd.Uint64N(uint64(len(g.first.Pages))); turn.Number > 1 {
			turn.Pages = []changes.Page{{Index: n, Data: pageOf(0, turn.Number, n)}}
		}
		if turn.Number%1000 == 0 {
			if err := g.r.Send(within(t, time.Minute), g.run, fmt.Sprint(turn.Number), make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			ms, next, err := g.r.Messages(g.run, g.next)
			if err != nil || len(ms) == 0 {
				t.Fatalf("%d messages, %v", len(ms), err)
			}
			turn.Taken, g.next = next, next
		}
		done, err := g.r.SubmitTurn(turn)
		if err != nil {
			t.Fatal(err)
		}
		g.turn, g.lines, g.hits = turn.Number, turn.Lines[0].Number, g.hits+1
		if g.flight = append(g.flight, done); len(g.flight) >= most {
			g.settle(t)
		}
	}
}

func (g *grower) settle(t testing.TB) {
	t.Helper()
	for _, done := range g.flight {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	g.flight = nil
	time.Sleep(g.pause)
}

// TestStoreStaysBounded makes many turns over a state of constant size, and finds every peer's store at any time within three times what is live and the
// windows: of deltas, of output, and of pages not swept yet. The long run, of 10 MiB, is
// go test ./replication -run TestStoreStaysBounded -grow.turns=1000000 -grow.pages=2560 -timeout 0 -v.
func TestStoreStaysBounded(t *testing.T) {
	if *growTurns > 10_000 {
		storeStaysBounded(t, 0)
		return
	}
	synctest.Test(t, func(t *testing.T) { storeStaysBounded(t, time.Millisecond) })
}

// storeStaysBounded lets the writer pause after each turns in flight. A pause in virtual time is as long as what goes on in the background takes: on one
// processor, shared with others or watched by the race detector, sweeping falls behind a writer who never pauses otherwise, by as much as sweepSlack before he waits.
func storeStaysBounded(t *testing.T, pause time.Duration) {
	c := newCluster(t, seedOf(t))
	const retain, output, rounds = 256 << 10, 128 << 10, 20
	c.config = func(cfg *Config) { cfg.Retain, cfg.RetainOutput = retain, output }
	a := c.create("a")
	c.join("b")
	defer c.stopAll()
	g := newGrower(t, a, *growPages)
	g.pause = pause
	most := map[string]footprint{}
	begin := time.Now()
	turns := *growTurns
	if testing.Short() {
		turns /= 3
	}
	for range rounds {
		g.grow(t, turns/rounds, 64)
		g.settle(t)
		for n, r := range c.r {
			f := footprintOf(t, r, c.dirs[n])
			x := most[n]
			x.live, x.all, x.blocks = max(x.live, f.live), max(x.all, f.all), max(x.blocks, f.blocks)
			x.disk, x.deltas = max(x.disk, f.disk), max(x.deltas, f.deltas)
			most[n] = x
			t.Logf("turn %d after %v, %s: %v", g.turn, time.Since(begin).Round(time.Second), n, f)
		}
	}
	c.converge()
	for n, r := range c.r {
		f := most[n]
		t.Logf("%s: %d turns, %d deltas made; the most in between: %v", n, g.turn, r.Status().Deltas, f)
		if bound := 3*f.live + 3*retain + 2*output + 2*sweepBytesMin; f.all > bound {
			t.Errorf("%s: the store held %d kB, %d kB live: more than %d kB", n, f.all>>10, f.live>>10, bound>>10)
		} else if f.disk > bound+logBytes {
			t.Errorf("%s: the store has files of %d kB, %d kB live: more than %d kB", n, f.disk>>10, f.live>>10, (bound+logBytes)>>10)
		}
		if list, _, err := r.Messages(g.run, 0); err != nil || len(list) > turns/1000 {
			t.Errorf("%s has %d messages, %v", n, len(list), err)
		}
		if got := valueOf(t, r.m.Equivocations) + valueOf(t, r.m.Rejected); got != 0 {
			t.Errorf("%s counts %v refusals", n, got)
		}
	}
}

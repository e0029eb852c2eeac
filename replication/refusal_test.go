package replication

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/feed"
	"github.com/tandemvm/tandem/replication/internal/record"
)

func valueOf(t *testing.T, c prometheus.Metric) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue() + m.GetGauge().GetValue()
}

func TestStoreRefusals(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	oneLine := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %v in one line", err, want)
		}
	}
	cfg := c.configOf("a2")
	cfg.Dir = c.dirs["a"]
	_, err := Open(context.Background(), cfg)
	oneLine(err, ErrLocked)
	_, err = Create(context.Background(), cfg, testGenesis(), nil)
	oneLine(err, ErrExists)
	if a.Status().Failed != nil {
		t.Error("the first daemon was disturbed")
	}
	c.stop("a")
	cfg.Sandbox = SandboxID{7}
	_, err = Open(context.Background(), cfg)
	oneLine(err, ErrOtherSandbox)
	cfg.Sandbox = SandboxID{}
	_, err = Open(context.Background(), cfg)
	oneLine(err, ErrOtherSandbox) // another peer's
	cfg.Dir = filepath.Join(c.base, "nothing")
	_, err = Open(context.Background(), cfg)
	oneLine(err, ErrNoStore)
	g := testGenesis()
	g.Variables[0].Rule = "sum"
	_, err = Create(context.Background(), cfg, g, nil)
	oneLine(err, ErrGenesis)
	if id, err := StoreSandbox(c.dirs["a"]); err != nil || id != c.sandbox {
		t.Errorf("store says %x, %v", id, err)
	}
}

// TestFlippedByteInTable damages each of the store's tables in several places: what is read is right or an error.
func TestFlippedByteInTable(t *testing.T) {
	c := newCluster(t, seedOf(t))
	p := start(t, c.create("a"), 4)
	for range 50 {
		p.step(t)
	}
	want := c.r["a"].Digest()
	c.stop("a")
	c.join("a")
	c.stop("a") // the log of the first opening is a table now
	tables, _ := filepath.Glob(filepath.Join(c.dirs["a"], "pebble", "*.sst"))
	found := 0
	for _, name := range tables {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{len(b) / 10, len(b) / 3, len(b) / 2, len(b) - 200} {
			b[at] ^= 0x40
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := Open(context.Background(), c.configOf("a"))
			if err == nil {
				var s *State
				if s, err = r.LoadState(within(t, 5*time.Second), p.run); err == nil {
					err = storeError("", s.Each(func(uint64, *[changes.PageBytes]byte) error { return nil })) // it may be a page's byte
				}
				if err == nil {
					checkState(t, s)
					if r.Digest() != want || s.Head.Turn != 50 {
						t.Errorf("%s damaged at %d: another state is read", filepath.Base(name), at)
					}
				}
				r.Close()
			}
			if err != nil {
				found++
				if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNotWarm) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s damaged at %d: %v", filepath.Base(name), at, err)
				}
			}
			b[at] ^= 0x40
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if found == 0 {
		t.Error("no damage was noticed")
	}
	r := c.join("a")
	if s, err := r.LoadState(context.Background(), p.run); err != nil || s.Head.Turn != 50 {
		t.Errorf("after the repair: %v", err)
	}
}

func TestFullDisk(t *testing.T) {
	c := newCluster(t, seedOf(t))
	p := start(t, c.create("a"), 2)
	p.step(t)
	c.stop("a")
	cfg := c.configOf("a")
	cfg.DiskFreeMin = 1 << 60
	if _, err := Open(context.Background(), cfg); !errors.Is(err, ErrDiskFull) {
		t.Errorf("open on a full disk: %v", err)
	}
	r := c.join("a")
	s, err := r.TakeOver(within(t, 5*time.Second), p.run)
	if err != nil {
		t.Fatal(err)
	}
	q := continueFrom(t, r, s)
	r.store.SetFreeMin(1 << 60) // the disk fills up
	if err := r.CommitTurn(within(t, 5*time.Second), q.next()); !errors.Is(err, ErrDiskFull) || !errors.Is(err, ErrFailed) {
		t.Errorf("commit on a full disk: %v", err)
	}
	waitEvent(t, Failed, r)
	if err := r.CommitTurn(within(t, 5*time.Second), q.next()); !errors.Is(err, ErrFailed) {
		t.Errorf("commit after the failure: %v", err)
	}
	if err := r.Close(); !errors.Is(err, ErrDiskFull) {
		t.Errorf("close: %v", err)
	}
	delete(c.r, "a")
	r = c.join("a")
	if s, err := r.LoadState(context.Background(), p.run); err != nil || s.Head.Turn != 1 {
		t.Errorf("the store is not sound after a full disk: %v", err)
	}
}

func TestTurnsAgainstTheRules(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	p := start(t, a, 2)
	p.step(t)
	for name, spoil := range map[string]func(*Turn){
		"number":       func(x *Turn) { x.Number++ },
		"repeated":     func(x *Turn) { x.Number-- },
		"instructions": func(x *Turn) { x.Instructions = 1 },
		"page":         func(x *Turn) { x.Pages[0].Index = 99 },
		"no data":      func(x *Turn) { x.Pages[0].Data = nil },
		"zeros":        func(x *Turn) { x.Zeros = []changes.PageRange{{First: 1, Count: 9}} },
		"line":         func(x *Turn) { x.Lines[0].Number = 7 },
		"variable":     func(x *Turn) { x.Changes[0].Path = changes.VarPath("main.Nothing") },
		"kind":         func(x *Turn) { x.Changes[0].Path = changes.VarPath("main.Title") },
	} {
		x := p.next()
		spoil(&x)
		if err := a.CommitTurn(within(t, 5*time.Second), x); !errors.Is(err, ErrTurn) {
			t.Errorf("%s: %v", name, err)
		}
	}
	x := p.next()
	x.Epoch.Number = 2
	if err := a.CommitTurn(within(t, 5*time.Second), x); !errors.Is(err, ErrNotOwner) {
		t.Errorf("foreign epoch: %v", err)
	}
	p.step(t)
	x = p.next()
	x.Root = changes.Hash{1}
	if err := a.CommitTurn(within(t, 5*time.Second), x); !errors.Is(err, ErrTurn) {
		t.Errorf("wrong state hash: %v", err)
	}
	if h, _ := a.Head(p.run); h.Turn != 2 || hits(t, a) != 2 {
		t.Errorf("turn %d, %d hits", h.Turn, hits(t, a))
	}
}

// TestForeignDeltasChangeNothing gives a replica deltas that it must refuse, as gossip.
func TestForeignDeltasChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		reg := prometheus.NewRegistry()
		c.config = func(cfg *Config) { cfg.Metrics = reg }
		a := c.create("a")
		c.config = func(cfg *Config) { cfg.Secret = []byte("another key") }
		p := start(t, a, 2)
		p.step(t)
		before, deltas := a.Digest(), a.Status().Deltas

		// a peer that knows everything but the key: its deltas are refused, its store gets nothing into ours
		cfg := c.configOf("m")
		cfg.Sandbox = c.sandbox
		m, err := Open(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		c.r["m"] = m
		m.commitRecords(context.Background(), []record.Record{}, nil)
		eventually(t, "the non-member is refused", func() bool { return valueOf(t, a.m.Forged) > 0 })

		good, err := a.store.Get(a.engine.Heads()[0].StoreKey())
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(good); i += 1 + len(good)/400 {
			bad := append([]byte(nil), good...)
			bad[i] ^= 1
			if d, err := a.feed.Decode(bad); err == nil && d.Hash != a.engine.Heads()[0] {
				t.Errorf("byte %d flipped: accepted", i)
			}
		}
		// the author's block in another's envelope, in another incarnation, at another place of the chain
		d, err := record.LoadDelta(good)
		if err != nil {
			t.Fatal(err)
		}
		for name, spoil := range map[string]func(*record.Envelope){
			"author":      func(e *record.Envelope) { e.Peer = "m" },
			"incarnation": func(e *record.Envelope) { e.Incarnation++ },
			"sequence":    func(e *record.Envelope) { e.Seq++ },
		} {
			e := d.Envelope
			spoil(&e)
			e.Signature, _ = c.ports["m"].Sign(record.SignedBytes(c.sandbox, d.Hash, e.Incarnation, e.Seq))
			if _, err := a.feed.Decode(record.Encode(e)); err == nil {
				t.Errorf("another %s: accepted", name)
			}
		}
		for _, msg := range [][]byte{nil, {1}, {2, 'd', 1}, {1, 'd', 1, 2, 3}, {1, 'b', 9}, {1, 'x', 1}} {
			a.receive("m", msg)
		}
		if a.Digest() != before || a.Status().Deltas != deltas || a.Status().Failed != nil {
			t.Error("a refused delta changed something")
		}
		if valueOf(t, a.m.Malformed) < 6 {
			t.Errorf("%v malformed messages counted", valueOf(t, a.m.Malformed))
		}
		p.step(t)
	})
}

// TestAnswerWithTwoHeaders: who announces twice holds nothing up, neither the fetching of states nor what is said about the join.
func TestAnswerWithTwoHeaders(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	p := start(t, a, 4)
	p.step(t)
	header := record.Encode(struct {
		Floors [][]byte `cbor:"1,keyasint"`
		Gone   [][]byte `cbor:"2,keyasint"`
		Heads  [][]byte `cbor:"3,keyasint"`
		Vector [][]byte `cbor:"4,keyasint"`
		Deltas uint64   `cbor:"6,keyasint"`
	}{Deltas: 5})
	frame := append(binary.BigEndian.AppendUint32([]byte{255, 255, 255, 255}, uint32(len(header))), header...)
	var asked atomic.Int64
	x := c.net.Join("x")
	defer x.Close()
	x.Handle(feed.Protocol, func(_ context.Context, _ string, _ []byte, send func([]byte) error) error {
		asked.Add(1)
		return errors.Join(send(frame), send(frame))
	})
	b := c.join("b")
	eventually(t, "both are asked, and the state is here", func() bool {
		return asked.Load() > 0 && len(b.Runs()) == 1 && b.Runs()[0].Warm && b.Status().Join.Done
	})
	if j := b.Status().Join; j.Behind != 0 || j.Deltas != j.DeltasWanted || b.feed.CatchingUp() || valueOf(t, b.m.Malformed) == 0 {
		t.Errorf("%+v, catching up %v, %v malformed", j, b.feed.CatchingUp(), valueOf(t, b.m.Malformed))
	}
}

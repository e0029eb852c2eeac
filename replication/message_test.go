package replication

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/memnet"
)

// TestMessagesReachEveryPeer: messages of any size are at all peers, of each sender in the order they were sent, also after restarts and for
// peers that come later; every list only grows.
func TestMessagesReachEveryPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		c.config = func(cfg *Config) { cfg.Retain = 4 << 10 }
		a := c.create("a")
		c.net.SetFaults(memnet.Faults{Loss: 0.2, Duplicate: 0.3, DelayMax: 10 * time.Millisecond})
		b := c.join("b")
		p := start(t, a, 1)
		p.step(t)
		eventually(t, "b knows the run", func() bool { _, err := b.Head(p.run); return err == nil })
		ctx := within(t, 20*time.Second)
		var want []string
		for i := range 12 {
			for _, r := range []*Replica{a, b} {
				body := bytes.Repeat([]byte{byte(i)}, i*i*i*100)
				if err := r.Send(ctx, p.run, fmt.Sprintf("%s %02d", r.Self(), i), body); err != nil {
					t.Fatal(err)
				}
				want = append(want, fmt.Sprintf("%s %02d: %d of %d", r.Self(), i, len(body), i))
			}
		}
		c.net.SetFaults(memnet.Faults{})
		c.join("late")
		c.converge()
		c.stop("b")
		c.join("b")
		c.converge()
		for _, r := range c.r { // compaction keeps messages, the long ones too
			for range 3 {
				compactNow(t, r)
			}
		}
		slices.Sort(want)
		for name, r := range c.r {
			var got []string
			last := map[string]string{}
			for skip := 0; ; skip += 5 {
				ms, _, err := r.Messages(p.run, skip)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range ms[:min(5, len(ms))] {
					if m.ID <= last[m.From] || !strings.HasPrefix(m.ID, m.From) {
						t.Errorf("%s: %s after %s", name, m.ID, last[m.From])
					}
					last[m.From] = m.ID
					n := byte(0)
					if len(m.Body) > 0 {
						n = m.Body[len(m.Body)-1]
					}
					got = append(got, fmt.Sprintf("%s: %d of %d", m.ID, len(m.Body), n))
				}
				if len(ms) < 5 {
					break
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s has %q, want %q", name, got, want)
			}
		}
	})
}

func TestSendRefuses(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	p := start(t, a, 1)
	ctx := context.Background()
	if err := a.Send(ctx, changes.RunID{1}, "x", nil); !errors.Is(err, ErrUnknownRun) {
		t.Errorf("to a run that nobody knows: %v", err)
	}
	p.step(t)
	if err := a.Send(ctx, p.run, "", nil); !errors.Is(err, ErrTurn) {
		t.Errorf("without an id: %v", err)
	}
	if err := a.Send(ctx, p.run, "x", make([]byte, MessageBytesMax+1)); !errors.Is(err, ErrTurn) {
		t.Errorf("too large: %v", err)
	}
	last := p.next()
	last.Done = true
	if err := a.CommitTurn(ctx, last); err != nil {
		t.Fatal(err)
	}
	if err := a.Send(ctx, p.run, "x", nil); !errors.Is(err, ErrDone) {
		t.Errorf("to a run that has ended: %v", err)
	}
	// In another's name, or malformed: the delta is refused as a whole.
	b := c.join("b")
	key := record.Key{Kind: record.MessageRecord, Run: p.run, Lineage: record.Lineage{Actor: b.feed.Writer()}, Number: 1}
	for _, m := range []record.Message{{ID: "x", From: "a"}, {From: "b"}, {ID: strings.Repeat("x", MessageIDMax+1), From: "b"}} {
		d := &record.Delta{Envelope: record.Envelope{Peer: "b"}, Actor: b.feed.Writer()}
		if err := d.CheckElement(record.Element{Key: key, Value: record.Encode(m)}, c.sandbox, nil, nil); err == nil {
			t.Errorf("%+v was accepted", m)
		}
	}
}

// TestMetaTravels: what the embedder keeps with a run can be replaced between turns, also before others have the turn, and is there after a
// takeover.
func TestMetaTravels(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	b := c.join("b")
	p := start(t, a, 2)
	p.step(t)
	ctx := within(t, 20*time.Second)
	if err := a.SetMeta(ctx, p.run, p.epoch, []byte("paused")); err != nil {
		t.Fatal(err)
	}
	c.converge()
	for _, r := range []*Replica{a, b} {
		if h, err := r.Head(p.run); err != nil || string(h.Meta) != "paused" || h.Turn != 1 {
			t.Errorf("%s: %+v, %v", r.Self(), h, err)
		}
	}
	p.step(t)
	if err := a.SetMeta(ctx, p.run, p.epoch, make([]byte, record.MetaBytesMax+1)); !errors.Is(err, ErrTurn) {
		t.Errorf("too long: %v", err)
	}
	c.converge()
	s, err := b.LoadState(ctx, p.run)
	if err != nil || s.Head.Turn != 2 || string(s.Head.Meta) != "paused" {
		t.Fatalf("%+v, %v", s, err)
	}
	checkState(t, s)
	a.Release(p.run)
	if err := a.SetMeta(ctx, p.run, p.epoch, nil); !errors.Is(err, ErrNotOwner) {
		t.Errorf("of a run that is not owned: %v", err)
	}
}

// TestMessagesAreNumberedAsTheyAreWritten: of messages sent at one time none has a number above one that is written later. A process that is killed between
// the two would leave a gap that all later messages wait behind.
func TestMessagesAreNumberedAsTheyAreWritten(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	p := start(t, a, 1)
	p.step(t)
	ctx := within(t, 20*time.Second)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			if err := a.Send(ctx, p.run, fmt.Sprint(i), nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var numbers []uint64
	err := a.feed.Authored(a.feed.Writer(), func(d *record.Delta) bool {
		for _, e := range d.Elements {
			if e.Key.Kind == record.MessageRecord {
				numbers = append(numbers, e.Key.Number)
			}
		}
		return true
	})
	if err != nil || len(numbers) != 40 || !slices.IsSorted(numbers) {
		t.Errorf("written in the order %v, %v", numbers, err)
	}
}

// TestSendBeforeTheFirstTurn: a run that was started here and has ended no turn yet can be sent to; it takes as long as that turn.
func TestSendBeforeTheFirstTurn(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a := c.create("a")
	p := start(t, a, 1)
	sent := make(chan error, 1)
	go func() { sent <- a.Send(within(t, 20*time.Second), p.run, "one", []byte("hello")) }()
	p.step(t)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if list, _, err := a.Messages(p.run, 0); err != nil || len(list) != 1 || list[0].ID != "one" {
		t.Errorf("%v, %v", list, err)
	}
	other := start(t, a, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := a.Send(ctx, other.run, "one", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a turn: %v", err)
	}
	if err := a.Send(within(t, time.Second), changes.RunID{9}, "one", nil); !errors.Is(err, ErrUnknownRun) {
		t.Errorf("to no run: %v", err)
	}
}

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

// TestDroppedMessageStaysAway: what was dropped is offered to nobody, also by a peer that takes the run over between the drop and going on, that comes later, or
// that was closed meanwhile; each peer says who dropped it and what it was, also when the message itself is compacted away.
func TestDroppedMessageStaysAway(t *testing.T) {
	c := newCluster(t, seedOf(t))
	c.config = func(cfg *Config) { cfg.Retain = 4 << 10 }
	a, b := c.create("a"), c.join("b")
	p := start(t, a, 1)
	p.step(t)
	eventually(t, "b knows the run", func() bool { _, err := b.Head(p.run); return err == nil })
	ctx := within(t, 60*time.Second)
	long := bytes.Repeat([]byte("poison"), 20000)
	for _, m := range []struct {
		r    *Replica
		id   string
		body []byte
	}{{a, "one", nil}, {b, "bad", long}, {a, "bad", long}, {a, "two", []byte("x")}} {
		if err := m.r.Send(ctx, p.run, m.id, m.body); err != nil {
			t.Fatal(err)
		}
	}
	c.converge()
	waiting := func(r *Replica) (ids []string) {
		ms, _, err := r.Messages(p.run, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ms {
			ids = append(ids, m.ID)
		}
		slices.Sort(ids)
		return slices.Compact(ids)
	}
	check := func(want ...string) {
		t.Helper()
		c.converge()
		for name, r := range c.r {
			if got := waiting(r); !slices.Equal(got, want) {
				t.Errorf("at %s wait %q, want %q", name, got, want)
			}
			ds, err := r.Dropped(p.run)
			if err != nil || len(ds) == 0 || ds[0].ID != "bad" || !bytes.Equal(ds[0].Body, long) || ds[0].By != "b" {
				t.Fatalf("%s: %d dropped, %v", name, len(ds), err)
			}
		}
	}
	if err := b.Drop(ctx, p.run, "nobody's"); !errors.Is(err, ErrUnknownMessage) {
		t.Errorf("what nobody sent: %v", err)
	}
	if err := b.Drop(ctx, p.run, "bad"); err != nil {
		t.Fatal(err)
	}
	check("one", "two")
	// The owner goes before it went on; who takes over is offered the rest, each with its place: one was taken is no word on two.
	warm(t, b)
	c.stop("a")
	s, err := b.TakeOver(ctx, p.run)
	if err != nil {
		t.Fatal(err)
	}
	p = continueFrom(t, b, s)
	ms, _, err := b.Messages(p.run, 0)
	if err != nil || len(ms) != 2 {
		t.Fatalf("%+v, %v", ms, err)
	}
	turn := p.next()
	turn.Taken = ms[0].Next
	if err := b.CommitTurn(ctx, turn); err != nil {
		t.Fatal(err)
	}
	p.advance(turn)
	a = c.join("a")
	check("two")
	if err := a.Send(ctx, p.run, "bad", []byte("again")); err != nil {
		t.Fatal(err)
	}
	check("two")
	ms, _, err = b.Messages(p.run, 0)
	if err != nil || len(ms) != 1 {
		t.Fatalf("%+v, %v", ms, err)
	}
	turn = p.next()
	turn.Taken = ms[0].Next
	if err := b.CommitTurn(ctx, turn); err != nil {
		t.Fatal(err)
	}
	p.advance(turn)
	for range 8 {
		p.step(t)
	}
	check()
	for _, r := range c.r {
		for range 3 {
			compactNow(t, r)
		}
	}
	c.join("late")
	check()
	last := p.next()
	last.Done = true
	if err := b.CommitTurn(ctx, last); err != nil {
		t.Fatal(err)
	}
	check()
	if err := b.Drop(ctx, p.run, "two"); !errors.Is(err, ErrDone) {
		t.Errorf("of a run that has ended: %v", err)
	}
}

// TestOldDropsGo: a message that two peers drop at once was dropped once; of those that the run has passed the newest are kept, and all that it has not.
func TestOldDropsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const retain, size, n = 4 << 10, 500, 30
		c := newCluster(t, seedOf(t))
		c.config = func(cfg *Config) { cfg.Retain = retain }
		a, b := c.create("a"), c.join("b")
		p := start(t, a, 1)
		p.step(t)
		eventually(t, "b knows the run", func() bool { _, err := b.Head(p.run); return err == nil })
		ctx := within(t, 60*time.Second)
		send := func(id string) {
			t.Helper()
			if err := b.Send(ctx, p.run, id, make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			c.converge()
		}
		drop := func(r *Replica, id string) {
			t.Helper()
			if err := r.Drop(ctx, p.run, id); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		dropped := func(r *Replica) (ids []string) {
			t.Helper()
			ds, err := r.Dropped(p.run)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range ds {
				if ids = append(ids, d.ID); len(d.Body) != size || d.By != "a" {
					t.Errorf("%s: %q of %d bytes was dropped by %s", r.Self(), d.ID, len(d.Body), d.By)
				}
			}
			slices.Sort(ids)
			return ids
		}
		send("twice")
		c.net.Split([]string{"a"})
		drop(a, "twice")
		drop(b, "twice")
		c.net.Heal()
		c.converge()
		for _, r := range c.r {
			if ids := dropped(r); !slices.Equal(ids, []string{"twice"}) {
				t.Errorf("%s: dropped are %q", r.Self(), ids)
			}
		}
		for i := range n {
			send(fmt.Sprintf("bad %02d", i))
			drop(a, fmt.Sprintf("bad %02d", i))
		}
		settle := func() {
			t.Helper()
			c.converge()
			for _, r := range c.r {
				warm(t, r)
			}
			for range 3 {
				for _, r := range c.r {
					compactNow(t, r)
				}
				c.converge()
			}
		}
		settle()
		for _, r := range c.r {
			if ids := dropped(r); len(ids) != n+1 {
				t.Errorf("%s: the run has passed none, dropped are %q", r.Self(), ids)
			}
		}
		send("good")
		ms, _, err := a.Messages(p.run, 0)
		if err != nil || len(ms) != 1 {
			t.Fatalf("%d messages, %v", len(ms), err)
		}
		turn := p.next()
		turn.Taken = ms[0].Next
		if err := a.CommitTurn(ctx, turn); err != nil {
			t.Fatal(err)
		}
		p.advance(turn)
		settle()
		c.join("joiner")
		c.converge()
		want := dropped(a)
		if len(want)*size > retain || len(want)*(size+500) < retain || want[len(want)-1] != fmt.Sprintf("bad %02d", n-1) {
			t.Errorf("dropped are %q", want)
		}
		for name, r := range c.r {
			if ids := dropped(r); !slices.Equal(ids, want) {
				t.Errorf("%s: dropped are %q, at a %q", name, ids, want)
			}
			records := 0
			values, err := r.engine.Values()
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range values {
				if strings.HasPrefix(x.Key, "/x/") {
					records++
				}
			}
			if records != len(want) {
				t.Errorf("%s has %d records of drops, %d were dropped", name, records, len(want))
			}
		}
	})
}

// TestSkippedPlacesAreNotTaken: messages that another epoch took stand between those that wait, elsewhere than where that epoch had them. What the run says it
// has taken is what it was given, and no more: the rest is offered to who goes on with it.
func TestSkippedPlacesAreNotTaken(t *testing.T) {
	c := newCluster(t, seedOf(t))
	a, b := c.create("a"), c.join("b")
	p := start(t, a, 1)
	p.step(t)
	eventually(t, "b knows the run", func() bool { _, err := b.Head(p.run); return err == nil })
	ctx := within(t, 60*time.Second)
	send := func(r *Replica, id string) {
		t.Helper()
		if err := r.Send(ctx, p.run, id, nil); err != nil {
			t.Fatal(err)
		}
	}
	// At b its own come first; a takes what it sent itself, and knows of no other.
	c.net.Split([]string{"a"})
	send(a, "a1")
	send(a, "a2")
	turn := p.next()
	turn.Taken = 2
	if err := a.CommitTurn(ctx, turn); err != nil {
		t.Fatal(err)
	}
	p.advance(turn)
	send(b, "b1")
	send(b, "b2")
	c.net.Heal()
	c.converge()
	warm(t, b)
	c.stop("a")
	for _, want := range []string{"b1 b2", "b2"} {
		s, err := b.TakeOver(ctx, p.run)
		if err != nil {
			t.Fatal(err)
		}
		p = continueFrom(t, b, s)
		ms, _, err := b.Messages(p.run, 0)
		var got []string
		for _, m := range ms {
			got = append(got, m.ID)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Fatalf("offered %q, %v, want %q", got, err, want)
		}
		turn := p.next()
		turn.Taken = ms[0].Next
		if err := b.CommitTurn(ctx, turn); err != nil {
			t.Fatal(err)
		}
		b.Release(p.run)
	}
	if ms, _, err := b.Messages(p.run, 0); err != nil || len(ms) != 0 {
		t.Errorf("%+v, %v", ms, err)
	}
}

package replication

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/table"
)

// linesOf reads lines until the run's newest.
func linesOf(t testing.TB, r *Replica, run changes.RunID, from uint64) (got []changes.Line, err error) {
	t.Helper()
	h, err := r.Head(run)
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	err = r.Lines(within(t, 20*time.Second), run, from, func(l changes.Line) error {
		got = append(got, l)
		if l.Number == h.Lines {
			return enough
		}
		return nil
	})
	if errors.Is(err, enough) {
		err = nil
	}
	return got, err
}

// checkKept reads a run's lines from the first that is kept: without gap, each the one that was written, and not more than are to be kept.
func checkKept(t *testing.T, r *Replica, run changes.RunID, retain int) (first uint64) {
	t.Helper()
	lines, err := linesOf(t, r, run, 0)
	if err != nil {
		t.Fatalf("%s: %v", r.Self(), err)
	}
	size := 0
	for i, l := range lines {
		if l.Number != lines[0].Number+uint64(i) || !strings.HasPrefix(string(l.Text), fmt.Sprintf("line %d ", l.Number)) {
			t.Fatalf("%s: line %d is numbered %d and reads %.20q", r.Self(), lines[0].Number+uint64(i), l.Number, l.Text)
		}
		size += len(l.Text)
	}
	first = lines[0].Number
	if first < 2 || size > retain*9/8 || size < retain/4 {
		t.Errorf("%s keeps %d bytes of lines from %d on, %d are to be kept", r.Self(), size, first, retain)
	}
	_, err = linesOf(t, r, run, 1)
	if !errors.Is(err, ErrLinesGone) || !strings.Contains(err.Error(), fmt.Sprintf("lines 1 to %d of run", first-1)) || !strings.Contains(err.Error(), "RetainOutput") {
		t.Errorf("%s: a reader of line 1 is told %v", r.Self(), err)
	}
	if _, err = linesOf(t, r, run, first); err != nil {
		t.Errorf("%s: a reader of line %d is told %v", r.Self(), first, err)
	}
	return first
}

// TestOldLinesGo: of a run's output every peer keeps the newest lines and the same ones, through restarts, takeovers and joins, and whoever asks for older
// ones is told which are gone; the records of those are gone too.
func TestOldLinesGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const retain = 64 << 10
		c := newCluster(t, seedOf(t))
		c.config = func(cfg *Config) { cfg.Retain, cfg.RetainOutput = 4<<10, retain }
		a := c.create("a")
		b := c.join("b")
		p := start(t, a, 1)
		write := func(turns int) {
			for i := range turns {
				turn := p.next()
				text := fmt.Appendf(nil, "line %d ", p.lines+1)
				turn.Lines[0].Text = append(text, bytes.Repeat([]byte{'x'}, 100+i*37%3000)...)
				if i%50 == 49 {
					turn.Lines[0].Text = append(turn.Lines[0].Text, make([]byte, 40<<10)...) // in a blob
				}
				if err := p.r.CommitTurn(within(t, 10*time.Second), turn); err != nil {
					t.Fatal(err)
				}
				p.advance(turn)
			}
		}
		write(120)
		c.converge()
		for range 3 { // a compaction issues again what the next one can then remove
			compactNow(t, a)
			compactNow(t, b)
			c.converge()
		}
		first := checkKept(t, a, p.run, retain)
		if f := checkKept(t, b, p.run, retain); f != first {
			t.Errorf("a keeps lines from %d on, b from %d on", first, f)
		}
		low := 0
		records, err := b.engine.Values()
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range records {
			if strings.HasPrefix(x.Key, "/l/") {
				low++
			}
		}
		if kept := int(p.lines - first + 1); low > kept {
			t.Errorf("b has %d records of lines, %d lines are kept", low, kept)
		}
		c.stop("b")
		b = c.join("b")
		j := c.join("joiner")
		c.converge()
		for _, r := range []*Replica{b, j} {
			if f := checkKept(t, r, p.run, retain); f != first {
				t.Errorf("%s keeps lines from %d on, a from %d on", r.Self(), f, first)
			}
		}
		warm(t, b)
		a.Release(p.run)
		s, err := b.TakeOver(within(t, 20*time.Second), p.run)
		if err != nil {
			t.Fatal(err)
		}
		p.r, p.epoch, p.turn = b, s.Head.Epoch, s.Head.Turn
		if _, err := b.Pull(p.run); err != nil {
			t.Fatal(err)
		}
		write(120)
		c.converge()
		for _, r := range c.r {
			compactNow(t, r)
		}
		for _, r := range c.r {
			if f := checkKept(t, r, p.run, retain); f <= first {
				t.Errorf("%s keeps lines from %d on after 120 more", r.Self(), f)
			}
		}
	})
}

// TestSlowReaderIsTold: a reader that is overtaken by the retention is told so, and is never given a line out of its place.
func TestSlowReaderIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		c.config = func(cfg *Config) { cfg.Retain, cfg.RetainOutput = 4<<10, 8<<10 }
		a := c.create("a")
		p := start(t, a, 1)
		p.step(t)
		go1, last := make(chan bool), uint64(0)
		told := make(chan error, 1)
		go func() {
			told <- a.Lines(context.Background(), p.run, 1, func(l changes.Line) error {
				if l.Number != last+1 {
					return fmt.Errorf("line %d after %d", l.Number, last)
				}
				last = l.Number
				<-go1
				return nil
			})
		}()
		for range 100 {
			p.step(t)
		}
		compactNow(t, a)
		close(go1)
		if err := <-told; !errors.Is(err, ErrLinesGone) {
			t.Errorf("the slow reader was told %v after line %d", err, last)
		}
	})
}

// TestTakenMessagesGo: what a run has taken is kept nowhere, what it has not taken everywhere; a peer that joins afterwards gets just those, and a
// taker-over is given none of the taken and all of the others, in order.
func TestTakenMessagesGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		c.config = func(cfg *Config) { cfg.Retain = 1 << 10 }
		a := c.create("a")
		b := c.join("b")
		p := start(t, a, 1)
		p.step(t)
		eventually(t, "b knows the run", func() bool { _, err := b.Head(p.run); return err == nil })
		ctx := within(t, 60*time.Second)
		const each, takes = 40, 50
		for i := range each {
			for _, r := range []*Replica{a, b} {
				if err := r.Send(ctx, p.run, fmt.Sprintf("%s%02d", r.Self(), i), make([]byte, i*1000)); err != nil {
					t.Fatal(err)
				}
			}
		}
		c.converge()
		list, next, err := a.Messages(p.run, 0)
		if err != nil || len(list) != 2*each || next != 2*each {
			t.Fatalf("%d messages, %d, %v", len(list), next, err)
		}
		taken := map[string]bool{}
		for _, m := range list[:takes] {
			taken[m.ID] = true
		}
		turn := p.next()
		turn.Taken = takes
		if err := a.CommitTurn(ctx, turn); err != nil {
			t.Fatal(err)
		}
		p.advance(turn)
		check := func(r *Replica) {
			t.Helper()
			list, _, err := r.Messages(p.run, 0)
			if err != nil {
				t.Fatal(err)
			}
			left, last := 0, map[string]string{}
			for _, m := range list {
				if taken[m.ID] {
					t.Errorf("%s still gives %s", r.Self(), m.ID)
				}
				if m.ID <= last[m.From] {
					t.Errorf("%s gives %s after %s", r.Self(), m.ID, last[m.From])
				}
				last[m.From] = m.ID
				left++
			}
			if left != 2*each-takes {
				t.Errorf("%s gives %d messages, %d were not taken", r.Self(), left, 2*each-takes)
			}
		}
		settle := func() {
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
		check(a)
		check(b)
		if _, next, _ := a.Messages(p.run, takes); next != 2*each {
			t.Errorf("places are counted anew after messages went: the next is %d", next)
		}
		c.stop("b")
		b = c.join("b")
		j := c.join("joiner")
		c.converge()
		check(b)
		check(j)
		warm(t, j)
		a.Release(p.run)
		s, err := j.TakeOver(ctx, p.run)
		if err != nil {
			t.Fatal(err)
		}
		p.r, p.epoch = j, s.Head.Epoch
		if _, err := j.Pull(p.run); err != nil {
			t.Fatal(err)
		}
		if err := b.Send(ctx, p.run, "c", nil); err != nil {
			t.Fatal(err)
		}
		c.converge()
		rest, next, err := j.Messages(p.run, 0)
		if err != nil || len(rest) != 2*each-takes+1 {
			t.Fatalf("the taker-over has %d messages to take, %v", len(rest), err)
		}
		last := p.next()
		last.Taken, last.Done = next, true
		if err := j.CommitTurn(ctx, last); err != nil {
			t.Fatal(err)
		}
		settle()
		for _, r := range c.r {
			if list, _, err := r.Messages(p.run, 0); err != nil || len(list) != 0 {
				t.Errorf("%s keeps %d messages of a run that has ended, %v", r.Self(), len(list), err)
			}
		}
	})
}

// TestForksAreBounded: of many takeovers of one run the newest forks are kept by name, and no more.
func TestForksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		const lines = 5 // kept, about: an epoch that wrote one of them is not forgotten
		c.config = func(cfg *Config) { cfg.Retain, cfg.RetainOutput = 1<<10, lines*table.SegmentBytes }
		a := c.create("a")
		b := c.join("b")
		p := start(t, a, 1)
		p.step(t)
		for range 3 * forksMax { // each takes over from a state that the other goes on from without its knowing
			c.converge()
			other := map[*Replica]*Replica{a: b, b: a}[p.r]
			warm(t, other)
			c.net.Split([]string{"a"})
			p.step(t) // will be void
			c.net.Heal()
			p.r.Release(p.run)
			var s *State
			eventually(t, "taken over", func() (ok bool) {
				var err error
				s, err = other.TakeOver(within(t, 5*time.Second), p.run)
				return err == nil
			})
			p.r, p.epoch, p.turn, p.lines, p.hits = other, s.Head.Epoch, s.Head.Turn, s.Head.Lines, int64(s.Head.Turn)
			if _, err := other.Pull(p.run); err != nil {
				t.Fatal(err)
			}
			p.step(t)
		}
		c.converge()
		want := a.Digest()
		for _, r := range c.r {
			for range 3 {
				compactNow(t, r)
			}
			heads := 0
			records, err := r.engine.Values()
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range records {
				if strings.HasPrefix(x.Key, "/h/") {
					heads++
				}
			}
			if forks := len(r.Runs()[0].Forks); forks > forksMax+lines+1 || heads > forksMax+lines+2 {
				t.Errorf("%s keeps %d forks and %d heads", r.Self(), forks, heads)
			}
			if r.Digest() != want {
				t.Errorf("%s has another digest", r.Self())
			}
		}
	})
}

// TestWinnerGoesOnFromFork: lines of a fork are still there when an epoch that went on from it wins later, though who knew the fork as such has compacted since.
func TestWinnerGoesOnFromFork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, seedOf(t))
		c.config = func(cfg *Config) { cfg.Retain = 1 << 10 }
		a := c.create("a")
		b, d, e := c.join("b"), c.join("d"), c.join("e")
		has := func(r *Replica, p *program) func() bool {
			return func() bool { h, err := r.Head(p.run); return err == nil && h.Epoch == p.epoch && h.Turn == p.turn }
		}
		take := func(r *Replica, run changes.RunID) (q *program) {
			eventually(t, r.Self()+" takes over", func() bool {
				s, err := r.TakeOver(within(t, 5*time.Second), run)
				if err == nil {
					q = continueFrom(t, r, s)
				}
				return err == nil
			})
			return q
		}
		p := start(t, a, 1)
		for range 3 {
			p.step(t)
		}
		c.converge()
		warm(t, b, d, e)

		c.net.Split([]string{"a"}, []string{"b", "d"}, []string{"e"})
		fork := take(b, p.run)
		for range 3 {
			fork.step(t)
		}
		eventually(t, "d has the fork", has(d, fork))
		warm(t, d)
		first := take(e, p.run)
		first.step(t)
		c.net.Split([]string{"a", "e"}, []string{"b"}, []string{"d"})
		eventually(t, "a has e's turn", has(a, first))
		warm(t, a)
		c.net.Split([]string{"a"}, []string{"b"}, []string{"d"}, []string{"e"})
		second := take(a, p.run)
		second.step(t)
		c.net.Split([]string{"a", "b", "e"}, []string{"d"}) // d alone knows nothing of what wins now
		for _, r := range []*Replica{a, b, e} {
			eventually(t, r.Self()+" has a's turn", has(r, second))
			eventually(t, r.Self()+" knows the fork", func() bool { return len(r.Runs()[0].Forks) == 1 })
			compactNow(t, r)
		}

		third := take(d, p.run)
		third.step(t)
		c.net.Heal()
		c.converge()
		for n, r := range c.r {
			h, err := r.Head(p.run)
			if err != nil || h.Epoch != third.epoch || h.Lines != 7 {
				t.Fatalf("%s: %v, %d lines, %v", n, h.Epoch, h.Lines, err)
			}
			checkLines(t, r, h)
		}
	})
}

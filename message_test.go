package tandem

import (
	"errors"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
)

// A program that cannot take some messages. It takes its time with each, so that the next one comes to its memory meanwhile.
const picky = `package main

import (
	"fmt"
	"time"

	"github.com/tandemvm/tandem/vm/turn"
)

func main() {
	for m := range turn.Inbox() {
		if string(m.Body) == "poison" {
			panic("cannot take " + m.ID)
		}
		time.Sleep(20 * time.Millisecond)
		fmt.Println(m.ID)
		if m.ID == "last" {
			return
		}
	}
}
`

// TestDroppedMessageIsReceivedNowhere: a message with which each turn fails is named in why the run is paused, can be taken away at any peer, and the run
// goes on by itself: where it is, or at a peer that takes it over since its owner is gone. It is not received later, whoever has the run and however often
// the same message is sent, and stays readable.
func TestDroppedMessageIsReceivedNowhere(t *testing.T) {
	ctx := patient(t)
	prog := compileText(t, picky)
	dirA := t.TempDir()
	a := must[*Sandbox](t)(Create(ctx, Config{Dir: dirA, Listen: loopback, Standby: true}, prog, "picky"))
	b := must[*Sandbox](t)(Join(ctx, Config{Dir: t.TempDir(), Listen: loopback, Standby: true}, must[string](t)(a.Ticket())))
	r := must[*Run](t)(a.Start(ctx, RunOptions{Name: "x", Args: []string{"picky"}}))
	send := func(s *Sandbox, id, body string) {
		t.Helper()
		must[string](t)(s.Send(ctx, r.ID(), id, []byte(body)))
	}
	paused := func(s *Sandbox, id string) {
		t.Helper()
		eventually(t, "paused by "+id, func() bool {
			p := s.pauseOf(r.ID())
			return p != nil && len(p.Messages) > 0 && p.Messages[len(p.Messages)-1] == id && p.Reason == "panic: cannot take "+id
		})
	}
	printed := func(s *Sandbox, want string) {
		t.Helper()
		eventually(t, want, func() bool {
			var n uint64
			for _, st := range s.Runs() {
				n = st.Head.Lines
			}
			return n == uint64(len(strings.Fields(want)))
		})
		if got := strings.Join(strings.Fields(allLines(t, s, r.ID())), " "); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	send(a, "one", "")
	send(a, "bad", "poison")
	send(a, "two", "")
	paused(a, "bad")
	paused(b, "bad")
	if ms := must[[]replication.Message](t)(b.Messages(r.ID())); len(ms) != 2 || ms[0].ID != "bad" || string(ms[0].Body) != "poison" {
		t.Errorf("waiting are %+v", ms)
	}
	if err := b.Drop(ctx, r.ID(), "one"); !errors.Is(err, replication.ErrUnknownMessage) {
		t.Errorf("dropped what was received: %v", err)
	}
	for range 2 { // the second time it is gone already
		if err := b.Drop(ctx, r.ID(), "bad"); err != nil {
			t.Fatal(err)
		}
	}
	printed(a, "one two")
	// The same id again is the same message.
	send(a, "bad", "poison")
	send(b, "bad", "poison")
	send(a, "three", "")
	printed(a, "one two three")

	// Now the run is paused and its owner goes: who drops the message goes on.
	send(a, "four", "")
	send(b, "worse", "poison")
	paused(b, "worse")
	end(t, a)
	if err := b.Drop(ctx, r.ID(), "worse"); err != nil {
		t.Fatal(err)
	}
	send(b, "five", "")
	printed(b, "one two three four five")
	a = must[*Sandbox](t)(Open(ctx, Config{Dir: dirA, Listen: loopback, Standby: true}))
	defer end(t, a)
	if err := a.Converged(ctx, 1); err != nil {
		t.Fatal(err)
	}
	end(t, b)
	eventually(t, "a goes on", func() bool { return a.Run(r.ID()) != nil })
	send(a, "worse", "poison")
	send(a, "last", "")
	printed(a, "one two three four five last")
	ds := must[[]replication.Dropped](t)(a.Dropped(r.ID()))
	if len(ds) != 2 || ds[0].ID != "bad" || string(ds[0].Body) != "poison" || ds[0].By != b.Self() || ds[0].AtMs == 0 || ds[1].ID != "worse" || ds[1].From != b.Self() {
		t.Errorf("dropped are %+v", ds)
	}
}

// allLines is a run's output so far.
func allLines(t *testing.T, s *Sandbox, run changes.RunID) string {
	t.Helper()
	var out strings.Builder
	var n uint64
	for _, st := range s.Runs() {
		if st.Head.Run == run {
			n = st.Head.Lines
		}
	}
	enough := errors.New("enough")
	err := s.Lines(patient(t), run, 1, func(l changes.Line) error {
		out.Write(l.Text)
		if l.Number == n {
			return enough
		}
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		t.Fatal(err)
	}
	return out.String()
}

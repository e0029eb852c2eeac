package tandem

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
)

// endless counts one turn after another, or waits for a message that does not come.
const endless = `package main

import (
	"fmt"
	"os"

	"github.com/tandemvm/tandem/vm/turn"
)

//tandem:shared counter
var Hits int

func main() {
	defer fmt.Println("a deferred function")
	switch os.Args[1] {
	case "counts":
		for {
			Hits++
			fmt.Println(Hits)
			turn.Commit()
		}
	case "computes":
		for i := 0; ; i++ {
		}
	case "waits":
		<-turn.Inbox()
	case "panics":
		panic("no")
	}
}
`

// TestEndByRequest: a run ends wherever it stands, at every peer alike, with all that it had printed before; whoever asks again is told.
func TestEndByRequest(t *testing.T) {
	ctx := patient(t)
	prog := compileText(t, endless)
	a := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback, Lease: slowLease}, prog, "endless"))
	defer end(t, a)
	b := must[*Sandbox](t)(Join(ctx, Config{Dir: t.TempDir(), Listen: loopback, Lease: slowLease}, must[string](t)(a.Ticket())))
	defer end(t, b)
	for _, does := range []string{"counts", "computes", "waits", "panics", "paused"} {
		arg := does
		if does == "paused" {
			arg = "counts"
		}
		r := must[*Run](t)(a.Start(ctx, RunOptions{Name: does, Args: []string{"endless", arg}}))
		switch does {
		case "counts":
			eventually(t, "it counts", func() bool { h, err := b.replica.Head(r.ID()); return err == nil && h.Lines > 5 })
			if err := b.End(ctx, r.ID()); !errors.Is(err, ErrMoved) {
				t.Errorf("ended at a peer that does not have it: %v", err)
			}
		case "panics":
			eventually(t, "it waits", func() bool { return status(t, a, r.ID()) != nil })
		case "paused":
			if err := a.Pause(ctx, r.ID()); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.End(ctx, r.ID()); err != nil {
			t.Fatalf("%s: %v", does, err)
		}
		if exit, err := r.Wait(ctx); exit != ExitEnded || err != nil {
			t.Errorf("%s: it ends with %d, %v", does, exit, err)
		}
		endedByUs(t, b, r.ID())
		if err := a.End(ctx, r.ID()); !errors.Is(err, replication.ErrDone) {
			t.Errorf("%s: ended twice: %v", does, err)
		}
	}
	if err := a.End(ctx, changes.RunID{1}); err == nil {
		t.Error("a run that is none was ended")
	}
}

// endedByUs waits until a peer has the end of a run by request, and checks what it printed.
func endedByUs(t *testing.T, s *Sandbox, run changes.RunID) {
	t.Helper()
	eventually(t, "it is known here", func() bool { _, err := s.replica.Head(run); return err == nil })
	got := lines(t, s, run)
	if !strings.HasSuffix(got, "ended by request\n") || strings.Contains(got, "deferred") {
		t.Errorf("it printed %q", got)
	}
	h, err := s.replica.Head(run)
	if err != nil || !h.Done || h.Exit != ExitEnded || PauseOf(h) != nil {
		t.Errorf("its head is %+v, %v", h, err)
	}
}

// TestEndOfOrphan: a run whose owner is gone, or that is paused in a store that was closed, is ended by whoever has it.
func TestEndOfOrphan(t *testing.T) {
	ctx, dir := patient(t), t.TempDir()
	prog := compileText(t, endless)
	a := must[*Sandbox](t)(Create(ctx, Config{Dir: dir, Listen: loopback}, prog, "endless"))
	b := must[*Sandbox](t)(Join(ctx, Config{Dir: t.TempDir(), Listen: loopback, Standby: true}, must[string](t)(a.Ticket())))
	defer end(t, b)
	waits := must[*Run](t)(a.Start(ctx, RunOptions{Name: "waits", Args: []string{"endless", "waits"}})).ID()
	paused := must[*Run](t)(a.Start(ctx, RunOptions{Name: "panics", Args: []string{"endless", "panics"}})).ID()
	eventually(t, "b could go on with both", func() bool {
		warm := 0
		for _, st := range b.Runs() {
			if st.Warm {
				warm++
			}
		}
		return warm == 2 && status(t, b, paused) != nil
	})
	end(t, a)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := b.End(gone, waits); !errors.Is(err, context.Canceled) && !errors.Is(err, ErrMoved) {
		t.Errorf("ended by who does not wait: %v", err)
	}
	eventually(t, "they are nobody else's", func() bool { return (!b.alive(waits) || b.Run(waits) != nil) && !b.alive(paused) })
	if err := b.End(ctx, waits); err != nil {
		t.Fatal(err)
	}
	endedByUs(t, b, waits)
	a = must[*Sandbox](t)(Open(ctx, Config{Dir: dir, Listen: loopback}))
	defer end(t, a)
	if err := a.End(ctx, paused); err != nil {
		t.Fatal(err)
	}
	endedByUs(t, b, paused)
}

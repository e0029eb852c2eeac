package tandem

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestMove moves a run to another member and back while it executes: it goes on in the next turn, nothing is printed twice or lost. A move to
// somebody who is not there leaves it where it is.
func TestMove(t *testing.T) {
	ctx := patient(t)
	a := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback, Lease: 10 * time.Second}, compileText(t, ticks), "ticks"))
	defer end(t, a)
	b := must[*Sandbox](t)(Join(ctx, Config{Dir: t.TempDir(), Listen: loopback, Lease: 10 * time.Second}, must[string](t)(a.Ticket())))
	defer end(t, b)
	r := must[*Run](t)(a.Start(ctx, RunOptions{Name: "a", Args: []string{"ticks"}}))
	eventually(t, "the run is under way", func() bool { return len(b.Runs()) == 1 && b.Runs()[0].Head.Turn > 3 })
	if err := a.Move(ctx, r.ID(), "nobody"); err == nil || a.Run(r.ID()) == nil {
		t.Errorf("moved to nobody: %v", err)
	}
	begun := time.Now()
	if err := a.Move(ctx, r.ID(), b.Self()); err != nil {
		t.Fatal(err)
	}
	t.Logf("moved in %v", time.Since(begun))
	eventually(t, "it executes at b", func() bool { return b.Run(r.ID()) != nil })
	if err := b.Move(ctx, r.ID(), a.Self()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it executes at a", func() bool { return a.Run(r.ID()) != nil })
	n := ticked(t, b, r.ID())
	eventually(t, "both know its end", func() bool { return ended(a) == 1 && ended(b) == 1 })
	if h := a.Runs()[0].Head; h.Epoch.Number != 3 || h.Owner != a.Self() {
		t.Errorf("it ended in epoch %d of %s", h.Epoch.Number, h.Owner)
	}
	if got := strings.Count(lines(t, a, r.ID()), "\n"); got != n {
		t.Errorf("%d lines at a, %d at b", got, n)
	}
	if v, _, _ := a.Value("main.Hits"); v.Int() != int64(n) {
		t.Errorf("%v hits at a, %d at b", v, n)
	}
}

// TestMoveNotTaken: a run that is let go of and not taken goes on where it was, and who waits for it goes on waiting.
func TestMoveNotTaken(t *testing.T) {
	ctx := patient(t)
	cfg := func() Config { return Config{Dir: t.TempDir(), Listen: loopback, Lease: 10 * time.Second} }
	a := must[*Sandbox](t)(Create(ctx, cfg(), compileText(t, ticks), "ticks"))
	defer end(t, a)
	b := must[*Sandbox](t)(Join(ctx, cfg(), must[string](t)(a.Ticket())))
	defer end(t, b)
	r := must[*Run](t)(a.Start(ctx, RunOptions{Name: "a", Args: []string{"ticks"}}))
	waited := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := r.Wait(ctx)
			waited <- err
		}()
	}
	eventually(t, "the run is under way", func() bool { return len(b.Runs()) == 1 && b.Runs()[0].Head.Turn > 3 })
	short, cancel := context.WithCancel(ctx)
	go func() {
		<-r.done // it was let go of
		cancel()
	}()
	if err := a.Move(short, r.ID(), b.Self()); err == nil {
		t.Skip("it was taken before the context ended")
	}
	if a.Run(r.ID()) == nil {
		t.Error("it does not go on")
	}
	ticked(t, b, r.ID())
	for range 2 {
		if err := <-waited; err != nil {
			t.Errorf("waited: %v", err)
		}
	}
}

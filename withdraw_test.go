package tandem

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tandemvm/tandem/replication"
)

// TestWithdrawnEndNeverHappens: who takes back that a paused run is to end has left it as it was, paused; or is told that it has ended.
func TestWithdrawnEndNeverHappens(t *testing.T) {
	ctx := patient(t)
	prog := compileText(t, endless)
	a := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback}, prog, "endless"))
	defer end(t, a)
	withdrawn, ended := 0, 0
	for i := 0; i < 40 || withdrawn == 0 && i < 1000; i++ {
		r := must[*Run](t)(a.Start(ctx, RunOptions{Name: "counts", Args: []string{"endless", "counts"}}))
		if err := a.Pause(ctx, r.ID()); err != nil {
			t.Fatal(err)
		}
		before := must[replication.Head](t)(a.replica.Head(r.ID()))
		hasty, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(2)*rand.IntN(300))*time.Microsecond)
		err := a.End(hasty, r.ID())
		cancel()
		switch {
		case err == nil:
			ended++
			if h := must[replication.Head](t)(a.replica.Head(r.ID())); !h.Done {
				t.Fatal("it has not ended, and End says that it has")
			}
			continue
		case !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnderWay):
			t.Fatal(err)
		}
		withdrawn++
		r.wake() // whatever it was about to do, it does now
		if err := a.Pause(ctx, r.ID()); err != nil {
			t.Fatal(err)
		}
		if h := must[replication.Head](t)(a.replica.Head(r.ID())); h.Done || PauseOf(h) == nil || h.Turn != before.Turn {
			t.Fatalf("it went on from turn %d to %d, ended %v, paused %v", before.Turn, h.Turn, h.Done, PauseOf(h))
		}
		if err := a.End(ctx, r.ID()); err != nil {
			t.Fatal(err)
		}
		if h := must[replication.Head](t)(a.replica.Head(r.ID())); !h.Done || h.Turn != before.Turn+1 {
			t.Fatalf("from turn %d it ended at %d", before.Turn, h.Turn)
		}
	}
	t.Logf("%d were taken back, %d had ended", withdrawn, ended)
}

// TestWithdrawnPauseNeverHappens: a run whose turns nobody else can hold has not begun to pause when who asked gives up, and does not when they are held.
func TestWithdrawnPauseNeverHappens(t *testing.T) {
	ctx := patient(t)
	prog := compileText(t, endless)
	a := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback, Lease: slowLease}, prog, "endless"))
	defer end(t, a)
	r := must[*Run](t)(a.Start(ctx, RunOptions{Name: "counts", Args: []string{"endless", "counts"}, Durable: 2}))
	eventually(t, "it waits for another member", func() bool { h, err := a.replica.Head(r.ID()); return err == nil && h.Turn > 3 })
	hasty, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := a.Pause(hasty, r.ID()); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnderWay) {
		t.Fatal(err)
	}
	b := must[*Sandbox](t)(Join(ctx, Config{Dir: t.TempDir(), Listen: loopback, Lease: slowLease}, must[string](t)(a.Ticket())))
	defer end(t, b)
	eventually(t, "it goes on", func() bool { return len(b.Runs()) == 1 && b.Runs()[0].Lines > 2*turnsInFlight })
	if h := must[replication.Head](t)(a.replica.Head(r.ID())); PauseOf(h) != nil {
		t.Error("it is paused")
	}
}

// TestWhoGivesUpIsToldWhatBecomesOfIt looks at the answer alone: to a word that was not begun, one that is being done, and one that was done at the same moment.
func TestWhoGivesUpIsToldWhatBecomesOfIt(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for range 100 { // a select with both ready draws
		r, a := &Run{done: make(chan struct{})}, &ask{want: toPause, done: make(chan struct{})}
		r.asked = []*ask{a}
		r.begins(toPause)
		r.answer(toPause)
		if err := r.heard(over, a); err != nil {
			t.Fatalf("it was done: %v", err)
		}
	}
	r, a := &Run{done: make(chan struct{})}, &ask{want: toPause, done: make(chan struct{})}
	r.asked = []*ask{a}
	if err := r.heard(over, a); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnderWay) || r.begins(toPause) {
		t.Errorf("nobody had begun: %v", err)
	}
	r.asked = []*ask{a}
	r.begins(toPause)
	if err := r.heard(over, a); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrUnderWay) || !r.begins(toPause) {
		t.Errorf("it is being done: %v", err)
	}
	time.AfterFunc(underWayLimit/10, func() { r.answer(toPause) })
	if err := r.heard(over, a); err != nil {
		t.Errorf("it was done soon: %v", err)
	}
}

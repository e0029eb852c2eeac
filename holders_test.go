package tandem

import (
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/replication"
)

// TestShortageIsTold: a run whose turns two members must hold says once what it waits for while only one is in reach, names who is, and says when it goes on.
func TestShortageIsTold(t *testing.T) {
	ctx := patient(t)
	for _, level := range []replication.Level{2, replication.Majority} {
		told := make(chan Event, 256)
		prog := compileText(t, endless)
		a := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback, Lease: 500 * time.Millisecond, Notify: func(e Event) {
			if e.Kind == RunWaits || e.Kind == RunHeld {
				told <- e
			}
		}}, prog, "endless"))
		defer end(t, a)
		join := func() *Sandbox {
			return must[*Sandbox](t)(Join(ctx, Config{Dir: t.TempDir(), Listen: loopback, Lease: slowLease}, must[string](t)(a.Ticket())))
		}
		if level == replication.Majority {
			b := join()
			eventually(t, "both are members", func() bool { return len(a.Status().Members) == 2 })
			end(t, b)
			eventually(t, "one is in reach", func() bool { return len(a.Peers()) == 0 })
		}
		r := must[*Run](t)(a.Start(ctx, RunOptions{Name: "counts", Args: []string{"endless", "counts"}, Durable: level}))
		e := <-told
		if e.Kind != RunWaits || e.Run != r.ID() || !strings.HasPrefix(e.Err.Error(), "waiting for 1 more of 2 peers to hold turn ") ||
			!strings.HasSuffix(e.Err.Error(), "; in reach: 1 ("+a.Self()[len(a.Self())-8:]+")") {
			t.Fatalf("%v: %v: %v", level, e.Kind, e.Err)
		}
		if x := a.Shortage(a.Runs()[0]); x == nil || x.Need != 2 || x.Held != 1 {
			t.Errorf("%v: %+v", level, x)
		}
		if level == replication.Majority {
			continue // the other, with its store, is gone for good
		}
		b := join()
		defer end(t, b)
		if e := <-told; e.Kind != RunHeld || e.Run != r.ID() {
			t.Fatalf("%v: %v", e.Kind, e.Err)
		}
		eventually(t, "what it prints is shown", func() bool { return b.Runs()[0].Lines > 5 })
		if x := a.Shortage(a.Runs()[0]); x != nil {
			t.Errorf("still waits: %v", x)
		}
	}
}

package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
	"github.com/tandemvm/tandem/vm"
)

// TestJoinIsShown looks at what a peer says while it joins, by a clock of its own.
func TestJoinIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		c := &command{stderr: &out}
		begin := time.Now()
		stages := []api.Joining{ // by seconds
			{},
			{},
			{},
			{Peers: 1, Deltas: 3, DeltasWanted: 12, Behind: 9, Blocks: 0, BlocksWanted: 0, Bytes: 900},
			{Peers: 1, Deltas: 12, DeltasWanted: 12, Behind: 2, Blocks: 16, BlocksWanted: 2560, Bytes: 64 << 10},
			{Peers: 1, Deltas: 12, DeltasWanted: 12, Blocks: 16, BlocksWanted: 2560, Bytes: 64 << 10},
			{Done: true, Peers: 1, Deltas: 12, DeltasWanted: 12, Blocks: 2560, BlocksWanted: 2560, Bytes: 10 << 20},
		}
		asked := 0
		ask := func(ctx context.Context) ([]api.Sandbox, error) {
			asked++
			if asked == 5 {
				return nil, context.DeadlineExceeded // once the daemon is too busy to answer
			}
			at := int(time.Since(begin) / time.Second)
			box := api.Sandbox{ID: "box", Joining: stages[min(at, len(stages)-1)]}
			if at >= 2 {
				box.Foreign = []string{"peer a speaks version 3: update that one"}
			}
			return []api.Sandbox{{ID: "other", Foreign: []string{"peer b speaks version 4"}}, box}, nil
		}
		enough := c.showJoin(t.Context(), "box", ask)
		time.Sleep(20 * time.Second)
		enough()
		want := `peer: joining: no member has answered yet
peer: peer a speaks version 3: update that one
peer: joining: 3 of 12 deltas, 0 of 0 blocks, 900; 9 deltas behind
peer: joining: 12 of 12 deltas, 16 of 2560 blocks, 64K; 2 deltas behind
peer: everything is here: 12 of 12 deltas, 2560 of 2560 blocks, 10M
`
		if out.String() != want || asked != 6 {
			t.Errorf("asked %d times, said:\n%swant:\n%s", asked, out.String(), want)
		}

		// An interrupt ends it at once, also while the daemon does not answer, and then nothing more is said.
		out.Reset()
		ctx, interrupt := context.WithCancel(t.Context())
		enough = c.showJoin(ctx, "box", func(ctx context.Context) ([]api.Sandbox, error) {
			<-ctx.Done()
			return []api.Sandbox{{ID: "box"}}, nil
		})
		time.Sleep(10 * time.Second)
		before := time.Now()
		interrupt()
		enough()
		if out.Len() > 0 || time.Since(before) > 0 {
			t.Errorf("said %q and took %v after the interrupt", out.String(), time.Since(before))
		}
	})
}

// TestBusyIsShown: what takes longer than a moment is said, on a terminal only.
func TestBusyIsShown(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var out strings.Builder
			c := &command{stderr: &out, terminal: terminal}
			c.busy("short")()
			time.Sleep(2 * progressEvery)
			done := c.busy("long")
			time.Sleep(3 * progressEvery)
			done()
			if want := map[bool]string{true: "peer: long\n"}[terminal]; out.String() != want {
				t.Errorf("on a terminal (%v) it says %q, want %q", terminal, out.String(), want)
			}
		})
	}
}

// TestLawsAreInterrupted: Ctrl-C does not wait for the rest of the cases.
func TestLawsAreInterrupted(t *testing.T) {
	spec, err := changes.ParseSpec("counter", &changes.Type{Form: changes.Int})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := checkLaws(ctx, vm.Declared{Name: "main.N", Spec: spec}, 1, 1<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

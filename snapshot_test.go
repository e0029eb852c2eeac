package tandem

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/vm"
)

type printed struct{ strings.Builder }

func (p *printed) WriteOutput(_ uint8, b []byte) error { _, err := p.Write(b); return err }

// TestSnapshotGoesOnAlone: a snapshot taken at a peer where the run does not execute goes on in a machine of its own, with the very next line, and the run
// loses none.
func TestSnapshotGoesOnAlone(t *testing.T) {
	ctx := patient(t)
	one := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback}, compileText(t, hits), "hits"))
	defer end(t, one)
	two := must[*Sandbox](t)(Join(ctx, Config{Dir: t.TempDir(), Listen: loopback}, must[string](t)(one.Ticket())))
	defer end(t, two)
	if _, _, err := two.Snapshot(ctx, changes.RunID{1}); !errors.Is(err, replication.ErrUnknownRun) {
		t.Errorf("the snapshot of no run gives %v", err)
	}
	const all = 100
	run := must[*Run](t)(one.Start(ctx, RunOptions{Args: []string{"hits", strings.Repeat("x", all)}}))
	eventually(t, "the run is known at the other peer", func() bool {
		runs := two.Runs()
		return len(runs) == 1 && runs[0].Head.Turn > 0
	})
	snap, args, err := two.Snapshot(ctx, run.ID())
	if err != nil || len(args) != 2 || len(args[1]) != all {
		t.Fatalf("a snapshot with the arguments %q, %v", args, err)
	}
	var out printed
	clock := &vm.VirtualClock{T: time.Now()}
	m := must[*vm.Machine](t)(vm.Resume(ctx, two.Program(), vm.Config{Args: args, Clock: clock, Output: &out}, snap))
	defer m.Close()
	for stop := (vm.Stop{}); stop.End != vm.EndExit; {
		if stop = must[vm.Stop](t)(m.Run(ctx, 1<<20)); stop.End == vm.EndIdle {
			clock.T = clock.T.Add(time.Hour)
		}
	}
	var want strings.Builder
	for i := int(snap.Lines); i < all; i++ {
		fmt.Fprintln(&want, "line", i+1)
	}
	if out.String() != want.String() {
		t.Errorf("after %d lines it went on with\n%swant\n%s", snap.Lines, out.String(), want.String())
	}
	if got := strings.Count(lines(t, one, run.ID()), "\n"); got != all {
		t.Errorf("the run printed %d lines, want %d", got, all)
	}
}

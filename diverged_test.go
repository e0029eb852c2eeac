package tandem

import (
	"errors"
	"testing"

	"github.com/tandemvm/tandem/replication"
)

// TestDivergenceIsTold: what the replica finds to differ from another reaches who embeds the sandbox, with all that it names. (That it names the variable, the run
// and the turn: TestMutationsAreNoticed in replication.)
func TestDivergenceIsTold(t *testing.T) {
	ctx := patient(t)
	told := make(chan Event, 256)
	a := must[*Sandbox](t)(Create(ctx, Config{Dir: t.TempDir(), Listen: loopback, Notify: func(e Event) {
		if e.Kind == Diverged {
			told <- e
		}
	}}, compileText(t, hits), "hits"))
	defer end(t, a)
	differ := errors.New("this replica and b have the same deltas and differ in var main.Hits: run 3f from turn 5 on")
	a.heed(replication.Event{Kind: replication.Diverged, Err: differ})
	select {
	case e := <-told:
		if !errors.Is(e.Err, differ) {
			t.Errorf("told of %v", e.Err)
		}
	case <-ctx.Done():
		t.Fatal("nobody was told")
	}
}

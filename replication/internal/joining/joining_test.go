package joining

import (
	"testing"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/lease"
)

func TestDoneWhenAllThatWasThereIsHere(t *testing.T) {
	a, b := changes.RunID{1}, changes.RunID{2}
	at := func(turn uint64) lease.Rank { return lease.Rank{Epoch: 1, Turn: turn} }
	here := func(turn uint64) *lease.Rank { r := at(turn); return &r }
	var c Core
	for i, step := range []struct {
		deltas bool
		states []State
		now    bool
	}{
		{false, nil, false},
		{false, []State{{a, at(5), here(5)}}, false},
		{true, []State{{a, at(7), here(5)}}, false},                    // now it is known what is due: turn 7 of a
		{false, []State{{a, at(9), here(6)}}, false},                   // new deltas are on their way; 6 is not 7
		{true, []State{{a, at(9), here(8)}, {b, at(1), nil}}, true},    // b was not there then
		{false, []State{{a, at(20), here(8)}, {b, at(1), nil}}, false}, // said once
	} {
		if now := c.Look(step.deltas, step.states); now != step.now || c.Done() != (i >= 4) {
			t.Errorf("step %d: now %v, done %v", i, now, c.Done())
		}
	}
	var ended Core
	if ended.Look(true, []State{{a, at(7), nil}}) || !ended.Look(true, nil) {
		t.Error("a run that has ended meanwhile needs no state")
	}
}

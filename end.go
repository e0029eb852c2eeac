package tandem

import (
	"context"
	"fmt"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/vm"
)

// ExitEnded is the status of a run that End has ended: that of a process that SIGTERM has ended, as shells say it.
const ExitEnded = 128 + 15

// endedByRequest stands in the place of the failure that would end a run.
var endedByRequest = &vm.Failure{Reason: "ended by request", Exit: ExitEnded}

// End makes the run end after the turn it is in, paused or not: deferred functions are not called, its last output says on standard error that it
// was ended, and its status is ExitEnded. What it has shared stays. It is for the peer that has the run, or for any when that one is gone, and returns when the end is durable; a run
// that has ended before is replication.ErrDone. When ctx ends before, the error says what becomes of it: ctx's alone, the run goes
// on; ErrUnderWay with it, it ends as soon as that can be durable.
func (s *Sandbox) End(ctx context.Context, run changes.RunID) error {
	if err := s.isOpen(); err != nil {
		return err
	}
	h, err := s.replica.Head(run)
	if r := s.running(run); r != nil { // its first turn may still be under way
		return r.ask(ctx, &ask{want: toEnd})
	}
	switch {
	case err != nil:
		return err
	case h.Done:
		return fmt.Errorf("%w: run %s", replication.ErrDone, run)
	}
	if err := s.orphaned(ctx, h); err != nil {
		return err
	}
	a := &ask{want: toEnd, done: make(chan struct{}), begun: true} // the run is taken over for nothing else
	r, _, err := s.takeOver(ctx, run, continuation{resume: true, asked: []*ask{a}})
	if err != nil {
		return err
	}
	return r.heard(ctx, a)
}

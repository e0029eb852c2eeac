package tandem

import (
	"context"
	"fmt"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
)

// Move has another member go on with a run that executes here. It fetches the state while the run still goes on; then the run stops after
// its turn, and the member continues from there. If it does not, the run goes on here, and the error says why.
func (s *Sandbox) Move(ctx context.Context, run changes.RunID, peer string) error {
	r := s.running(run)
	if r == nil {
		return s.notHere(run)
	}
	if peer == s.Self() {
		return fmt.Errorf("tandem: run %s executes at %s already", run, peer)
	}
	if err := s.replica.Prepare(ctx, run, peer); err != nil {
		return err
	}
	r.stand(ErrMoved)
	<-r.done
	h, err := s.replica.Head(run)
	if err != nil {
		return err
	}
	if h.Done {
		return fmt.Errorf("%w: run %s", replication.ErrDone, run)
	}
	s.replica.Release(run)
	epoch, err := s.replica.Hand(ctx, run, peer)
	if err != nil {
		if _, _, back := s.takeOver(s.ctx, run, continuation{resume: true, handed: true}); back != nil {
			return fmt.Errorf("%w; and it does not go on here: %w", err, back)
		}
		return err
	}
	s.tell(Event{Kind: RunMoved, Run: run, Name: r.name, Epoch: epoch, Turn: h.Turn})
	return nil
}

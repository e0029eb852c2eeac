package tandem

import (
	"context"
	"fmt"
	"slices"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
)

// Move has another member go on with a run that executes here. It fetches the state while the run still goes on; then the run stops after
// its turn, and the member continues from there. If it does not, the run goes on here, and the error says why.
func (s *Sandbox) Move(ctx context.Context, run changes.RunID, peer string) error {
	if err := s.isOpen(); err != nil {
		return err
	}
	r := s.running(run)
	if r == nil {
		return s.notHere(run)
	}
	if peer == s.Self() {
		return fmt.Errorf("tandem: run %s executes at %s already", run, peer)
	}
	if err := s.takeable(run); err != nil {
		return err
	}
	if err := s.replica.Prepare(ctx, run, peer); err != nil {
		return s.ours(err)
	}
	back := make(chan *Run, 1)
	r.mu.Lock()
	if r.back != nil {
		r.mu.Unlock()
		return fmt.Errorf("tandem: run %s is being moved already", run)
	}
	r.back = back
	r.mu.Unlock()
	var again *Run
	defer func() { back <- again }()
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
		var failed error
		if again, _, failed = s.takeOver(s.ctx, run, continuation{resume: true, handed: true}); failed != nil {
			return fmt.Errorf("%w; and it does not go on here: %w", s.ours(err), s.ours(failed))
		}
		return s.ours(err)
	}
	s.tell(Event{Kind: RunMoved, Run: run, Name: r.name, Epoch: epoch, Turn: h.Turn})
	return nil
}

// takeable is an error when too few members are reached for anybody to go on with a run that is let go of here, this peer included.
func (s *Sandbox) takeable(run changes.RunID) error {
	st := s.replica.Status()
	reached := 1
	for _, p := range st.Peers {
		if p.Reachable && slices.Contains(st.Members, p.Peer) {
			reached++
		}
	}
	if n := len(st.Members); n > 2 && 2*reached <= n {
		return fmt.Errorf("%w: run %s stays here: %d of %d members are reached: take out those that are gone for good", replication.ErrNoMajority, run, reached, n)
	}
	return nil
}

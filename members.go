package tandem

import (
	"context"

	"github.com/tandemvm/tandem/replication"
)

// Diverge names what differs between this peer's merged state and a connected member's, and from which turn of which run on.
func (s *Sandbox) Diverge(ctx context.Context, peer string) ([]replication.Divergence, error) {
	list, err := s.replica.Diverge(ctx, peer)
	return list, s.ours(err)
}

// Leave makes this peer no member of the sandbox any more: majorities are of those who stay. Runs that execute here must be moved first.
// Opening the sandbox again makes it a member again.
func (s *Sandbox) Leave(ctx context.Context) error { return s.Expel(ctx, s.Self()) }

// Expel takes out a member that is gone for good; should it come back after all, it is a member again.
func (s *Sandbox) Expel(ctx context.Context, peer string) error {
	if err := s.isOpen(); err != nil {
		return err
	}
	return s.ours(s.replica.Expel(ctx, peer))
}

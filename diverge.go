package tandem

import (
	"context"

	"github.com/tandemvm/tandem/replication"
)

// Diverge names what differs between this peer's merged state and a connected member's, and from which turn of which run on.
func (s *Sandbox) Diverge(ctx context.Context, peer string) ([]replication.Divergence, error) {
	return s.replica.Diverge(ctx, peer)
}

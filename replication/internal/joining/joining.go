// Package joining says how far a peer is that has just been opened: when it has all that the members had when it asked them, and the states that it is to
// hold. It reads no clock and asks nobody; whoever has the pieces shows them to it from time to time.
package joining

import (
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/lease"
)

// Progress is how far a peer is since it was opened. What is wanted is what is known to be: it grows when an answer begins, and when the nodes of a
// manifest say which pages there are.
type Progress struct {
	Done bool // everything that members had when they were asked is here; it stays so, whatever comes later

	Deltas, DeltasWanted uint64 // received of those that answers announced
	Behind               int    // deltas that were announced and are not applied yet
	Blocks, BlocksWanted uint64 // pages, nodes of manifests and parts of blobs that were fetched, of those asked for
	Bytes                uint64 // of both
}

// State is a run whose state is to be held, as the winning head has it or as it is here.
type State struct {
	Run  changes.RunID
	Rank lease.Rank
	Here *lease.Rank // the newest state that is completely here; nil: none
}

// Core remembers what has to be here.
type Core struct {
	due  map[changes.RunID]lease.Rank // nil until all deltas are here
	done bool
}

// Done says whether all was there once.
func (c *Core) Done() bool { return c.done }

// Look is shown the peer as it is. deltas: all that members had when they were asked have been applied. It says whether that makes it done, once.
func (c *Core) Look(deltas bool, states []State) (now bool) {
	if c.done || c.due == nil && !deltas {
		return false
	}
	if c.due == nil {
		c.due = map[changes.RunID]lease.Rank{}
		for _, s := range states {
			c.due[s.Run] = s.Rank
		}
	}
	for _, s := range states {
		if due, wanted := c.due[s.Run]; wanted && (s.Here == nil || s.Here.Compare(due) < 0) {
			return false
		}
	}
	c.done = true
	return true
}

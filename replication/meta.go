package replication

import (
	"context"
	"fmt"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/record"
)

// SetMeta replaces what the embedder keeps with a run owned here, and returns when that is durable: by a head of the newest turn with another
// Meta, since a head is what travels with a run. ErrSuperseded, ErrNotOwner, ErrTurn.
func (r *Replica) SetMeta(ctx context.Context, run changes.RunID, e changes.Epoch, meta []byte) error {
	done, err := r.submitMeta(run, e, meta)
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Replica) submitMeta(run changes.RunID, e changes.Epoch, meta []byte) (<-chan error, error) {
	if len(meta) > record.MetaBytesMax {
		return nil, fmt.Errorf("%w: meta of %d bytes, at most %d", ErrTurn, len(meta), record.MetaBytesMax)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	o, err := r.ownedHere(run, e)
	if err != nil {
		return nil, err
	}
	if o.pending == nil {
		o.pending = newPending()
	}
	o.head.Meta = meta
	o.pending.head, o.pending.memory = o.head, o.head.MemoryBytes
	done := make(chan error, 1)
	o.pending.waiters = append(o.pending.waiters, waiter{o.head.Turn, done})
	wake(r.commitWake)
	return done, nil
}

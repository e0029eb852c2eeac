package replication

import (
	"errors"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
)

// sweepBytesMin is how many bytes of pages and nodes are written between two sweeps at least; with more live
// bytes than that it is as many as live. So the store holds at most about three times what is live, and the cost
// of sweeping is a constant factor on writing.
const sweepBytesMin = 4 << 20

// sweepSlack is how many bytes of deltas, and of pages and nodes, may be written beyond those at which a compaction or a sweep is due. Then turns wait: the store
// of a program that never pauses would grow for as long as it runs.
const sweepSlack = 32 << 20

// sweepDue and compactionDue are the bytes after which the next one is.
func (r *Replica) sweepDue() int64      { return max(sweepBytesMin, r.swept.Load()) }
func (r *Replica) compactionDue() int64 { return max(r.window(), r.compacted.Load()) }

// late says whether sweeping is so far behind that no turn is to be taken.
func (r *Replica) late() bool {
	return r.blocks.Written() >= r.sweepDue()+sweepSlack || r.feed.Grown() >= r.compactionDue()+sweepSlack
}

// goOn lets turns look again whether they may be taken.
func (r *Replica) goOn() {
	r.mu.Lock()
	r.flushed.Broadcast()
	r.mu.Unlock()
}

// sweeper removes deltas in which nothing counts any more, the blobs that only they needed, and pages and manifest nodes that no head
// needs any more.
func (r *Replica) sweeper() {
	defer r.wg.Done()
	var suspects, blobs map[block.ID]bool
	for {
		select {
		case <-r.sweepWake:
		case <-r.ctx.Done():
			return
		}
		if r.feed.Grown() >= r.compactionDue() {
			left, next, err := r.compactAll(blobs)
			if err != nil && r.ctx.Err() == nil {
				r.log.Warn("compaction", "err", err)
			}
			r.compacted.Store(left)
			blobs = next
			r.goOn()
		}
		if r.blocks.Written() < r.sweepDue() {
			continue
		}
		r.blocks.Restart()
		r.goOn()
		live, next, err := r.sweep(suspects)
		if err != nil {
			if r.ctx.Err() == nil {
				r.log.Warn("sweep", "err", err)
			}
			continue
		}
		suspects = next
		r.swept.Store(live)
	}
}

// sweep deletes the suspects that are still not needed, and returns those that were not needed this time. A block goes
// only when two sweeps in a row find it unneeded, so that whoever reads a state or is about to fetch
// one has time. It goes with the window held, when no head can come up, after a last look at the heads.
func (r *Replica) sweep(suspects map[block.ID]bool) (liveBytes int64, next map[block.ID]bool, err error) {
	needed := map[block.ID]bool{}
	if err := r.markNeeded(needed); err != nil {
		return 0, nil, err
	}
	next = map[block.ID]bool{}
	for _, kind := range []block.Kind{block.PageKind, block.NodeKind} {
		low := []byte{'b', byte(kind)}
		err := r.store.Scan(low, store.After(low), func(k, _ []byte) bool {
			if id := (block.ID{Kind: kind, Hash: changes.Hash(k[2:])}); !needed[id] {
				next[id] = true
			}
			return r.ctx.Err() == nil
		})
		if err != nil {
			return 0, nil, err
		}
	}
	var gone []block.ID
	for id := range suspects {
		if next[id] {
			gone = append(gone, id)
			delete(next, id)
		}
	}
	return int64(len(needed)) * changes.PageBytes, next, r.remove(gone, needed)
}

func (r *Replica) remove(gone []block.ID, needed map[block.ID]bool) error {
	return r.engine.Hold(func() error {
		if err := r.markNeeded(needed); err != nil {
			return err
		}
		n, err := r.blocks.Remove(gone, func(id block.ID) bool { return needed[id] })
		r.m.SweptBlocks.Add(float64(n))
		return err
	})
}

// markNeeded adds the closure of every epoch's newest head, and of the heads that are complete here, as far as
// it is here.
func (r *Replica) markNeeded(needed map[block.ID]bool) error {
	r.mu.Lock()
	var heads []*Head
	for _, rt := range r.table.Runs {
		past := map[record.Lineage]bool{} // continued by the winner: only needed when its own state cannot be had
		if w := rt.Winner; w != nil && r.warm[w.Run.ID] != nil && r.warm[w.Run.ID].Manifest == w.Head.Manifest {
			for _, p := range rt.Chain()[1:] {
				past[p.Lineage.ID] = p.Turn == 0 || p.Lineage.Head.Turn <= p.Turn
			}
		}
		for id, l := range rt.Lineages {
			if l.Head != nil && !past[id] {
				heads = append(heads, l.Head)
			}
		}
	}
	for _, h := range r.warm {
		heads = append(heads, h)
	}
	r.mu.Unlock()
	for _, h := range heads {
		err := r.blocks.Walk(h.Manifest, h.MemoryBytes, func(level []block.Placed) ([]block.Placed, error) {
			var fresh []block.Placed
			for _, x := range level {
				if !needed[x.ID] {
					needed[x.ID] = true
					if x.Kind == block.PageKind || r.blocks.Has(x.ID) {
						fresh = append(fresh, x)
					} else {
						delete(needed, x.ID) // looked at again when it has come
					}
				}
			}
			return fresh, r.ctx.Err()
		})
		if err != nil && !errors.Is(err, store.ErrAbsent) {
			return err
		}
	}
	return nil
}

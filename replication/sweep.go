package replication

import (
	"errors"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/store"
)

// sweepBytesMin is how many bytes of pages and nodes are written between two sweeps at least; with more live
// bytes than that it is as many as live. So the store holds at most about three times what is live, and the cost
// of sweeping is a constant factor on writing.
const sweepBytesMin = 64 << 20

// sweeper removes pages and manifest nodes that no head needs any more. Blobs are parts of deltas and stay.
func (r *Replica) sweeper() {
	defer r.wg.Done()
	threshold := int64(sweepBytesMin)
	var suspects map[blockID]bool
	for {
		select {
		case <-r.sweepWake:
		case <-r.ctx.Done():
			return
		}
		if r.blocks.written.Load() < threshold {
			continue
		}
		r.blocks.written.Store(0)
		live, next, err := r.sweep(suspects)
		if err != nil {
			if r.ctx.Err() == nil {
				r.log.Warn("sweep", "err", err)
			}
			continue
		}
		suspects = next
		threshold = max(sweepBytesMin, live)
	}
}

// sweep deletes the suspects that are still not needed, and returns those that were not needed this time. A block goes
// only when two sweeps in a row find it unneeded, so that whoever reads a state or is about to fetch
// one has time. It goes with the window held, when no head can come up, after a last look at the heads.
func (r *Replica) sweep(suspects map[blockID]bool) (liveBytes int64, next map[blockID]bool, err error) {
	needed := map[blockID]bool{}
	if err := r.markNeeded(needed); err != nil {
		return 0, nil, err
	}
	next = map[blockID]bool{}
	for _, kind := range []blockKind{pageBlock, nodeBlock} {
		low := []byte{'b', byte(kind)}
		err := r.store.Scan(low, store.After(low), func(k, _ []byte) bool {
			if id := (blockID{kind, changes.Hash(k[2:])}); !needed[id] {
				next[id] = true
			}
			return r.ctx.Err() == nil
		})
		if err != nil {
			return 0, nil, err
		}
	}
	var gone []blockID
	for id := range suspects {
		if next[id] {
			gone = append(gone, id)
			delete(next, id)
		}
	}
	return int64(len(needed)) * changes.PageBytes, next, r.remove(gone, needed)
}

func (r *Replica) remove(gone []blockID, needed map[blockID]bool) error {
	r.engine.w.Begin()
	defer r.engine.w.End()
	if err := r.markNeeded(needed); err != nil {
		return err
	}
	r.blocks.mu.Lock()
	defer r.blocks.mu.Unlock()
	n := 0
	err := r.store.Write(false, func(b store.Batch) {
		for _, id := range gone {
			if !needed[id] && !r.blocks.young[id] {
				b.Delete(id.key())
				n++
			}
		}
	})
	clear(r.blocks.young)
	r.m.sweptBlocks.Add(float64(n))
	return err
}

// markNeeded adds the closure of every epoch's newest head, and of the heads that are complete here, as far as
// it is here.
func (r *Replica) markNeeded(needed map[blockID]bool) error {
	r.mu.Lock()
	var heads []*Head
	for _, rt := range r.table.runs {
		for _, l := range rt.lineages {
			if l.head != nil {
				heads = append(heads, l.head)
			}
		}
	}
	for _, h := range r.warm {
		heads = append(heads, h)
	}
	r.mu.Unlock()
	for _, h := range heads {
		err := r.blocks.walk(h.Manifest, h.MemoryBytes, func(level []placed) ([]placed, error) {
			var fresh []placed
			for _, x := range level {
				if !needed[x.blockID] {
					needed[x.blockID] = true
					if x.kind == pageBlock || r.blocks.has(x.blockID) {
						fresh = append(fresh, x)
					} else {
						delete(needed, x.blockID) // looked at again when it has come
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

package replication

import (
	"bytes"
	"errors"
	"slices"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/feed"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
	"github.com/tandemvm/tandem/replication/internal/verdict"
)

// stored is a delta in the store, as a compaction sees it.
type stored struct {
	feed.Place
	height uint64
	bytes  int64
	live   int64    // bytes of records that still count
	keys   []string // those, when it is our own
	blobs  []blockID
}

type blockID = block.ID

// The window: newest deltas that are kept though nothing in them counts any more, for peers that were away for a moment. It is a part of what is live, or a peer that joins a small sandbox after
// years would be sent mostly what says nothing.
const (
	windowBytesMin = 256 << 10
	windowShare    = 16
)

// window is how many bytes of deltas that is, by what was live at the last compaction.
func (r *Replica) window() int64 {
	return min(r.cfg.Retain, max(windowBytesMin, r.live.Load()/windowShare))
}

// weigh notes how much is live: records in deltas, and the states of runs.
func (r *Replica) weigh(all []*stored) {
	live := int64(0)
	for _, d := range all {
		live += d.live
	}
	r.mu.Lock()
	for _, h := range r.warm {
		live += int64(h.MemoryBytes)
	}
	r.mu.Unlock()
	r.live.Store(live)
}

// pruneMax is how many deltas are removed in one batch.
const pruneMax = 512

// compact removes deltas in which nothing counts any more, beyond the window, and issues again what counts in own deltas that
// are mostly dead, so that they can go the next time. Nobody is asked: a delta in which nothing counts says nothing to anybody, and who lacks
// it is told that it is left out. An actor's first delta says that it is a member, and stays. It returns the bytes left, and the blobs that they need.
func (r *Replica) compact(v verdict.Verdict) (left int64, needed map[blockID]bool, err error) {
	all, err := r.survey(v)
	if err != nil {
		return 0, nil, err
	}
	slices.SortFunc(all, func(a, b *stored) int { // newest first
		if a.height != b.height {
			return int(int64(b.height - a.height))
		}
		return bytes.Compare(a.Hash[:], b.Hash[:])
	})
	r.weigh(all)
	window := r.window()
	if err := r.forgetStale(); err != nil {
		return 0, nil, err
	}
	stays, behind, err := r.stays()
	if err != nil {
		return 0, nil, err
	}
	if behind {
		r.feed.Postpone(window)
	}
	needed = map[blockID]bool{}
	var gone []feed.Place
	var again []string
	newest := int64(0)
	for _, d := range all {
		newest += d.bytes
		switch {
		case newest <= window || stays(d):
		case d.live == 0:
			gone = append(gone, d.Place)
			continue
		case d.Actor == r.feed.Writer() && d.live < d.bytes/2:
			again = append(again, d.keys...)
		}
		left += d.bytes
		for _, b := range d.blobs {
			needed[b] = true
		}
	}
	for chunk := range slices.Chunk(gone, pruneMax) {
		n, err := r.engine.Prune(chunk)
		r.m.PrunedDeltas.Add(float64(n))
		if err != nil {
			return left, needed, err
		}
	}
	return left, needed, r.issueAgain(again)
}

// survey reads all deltas and weighs what counts in them.
func (r *Replica) survey(v verdict.Verdict) (all []*stored, err error) {
	err = r.feed.Stored(func(d *record.Delta, bytes int64) bool {
		s := &stored{Place: feed.Place{Hash: d.Hash, Actor: d.Actor, Seq: d.Seq}, height: d.Height, bytes: bytes}
		for _, e := range d.Elements {
			if b := e.Blob(); b != nil {
				root := b.Root()
				s.blobs = append(s.blobs, root)
				if parts, err := r.blocks.Parts(root); err == nil {
					s.blobs = append(s.blobs, parts...)
				}
			}
			if key := e.Key.String(); v.Counts(e.Key) && r.engine.ValueHeight(key) == d.Height {
				s.live += int64(len(key) + len(e.Value))
				if d.Actor == r.feed.Writer() {
					s.keys = append(s.keys, key)
				}
			}
		}
		all = append(all, s)
		return r.ctx.Err() == nil
	})
	if err == nil {
		err = r.ctx.Err()
	}
	return all, err
}

// stays gives what says of a delta whether it stays whatever counts in it, and whether there are such because a state is behind. It is asked after the survey: what a
// state needs of which nothing was known before counted when the survey was made.
func (r *Replica) stays() (stays func(*stored) bool, behind bool, err error) {
	spared, bases := r.engine.Spared(), r.bases()
	for _, h := range bases {
		_, holders, err := r.readBack(h)
		if err != nil {
			return nil, true, err
		}
		for d := range holders {
			spared[d] = true
		}
	}
	return func(d *stored) bool { return spared[d.Hash] || d.Seq == 1 }, len(bases) > 0, nil
}

// bases are heads that are not the newest of their runs and from which these may have to go on, since the newest one's state is not here and might be had nowhere: those whose
// states are here or being fetched.
func (r *Replica) bases() (out []*Head) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, rt := range r.table.Runs {
		if rt.Winner == nil || r.owned[id] != nil {
			continue
		}
		for _, h := range []*Head{r.warm[id], r.warming[id]} {
			if h != nil && h.Hash() != rt.Winner.Hash {
				out = append(out, h)
			}
		}
	}
	return out
}

// forgetStale forgets that states are complete here which are not the newest of their runs and which nobody keeps up: nothing is to be left
// alone for them.
func (r *Replica) forgetStale() error {
	var stale []changes.RunID
	r.mu.Lock()
	for id, h := range r.warm {
		if rt := r.table.Runs[id]; rt != nil && rt.Winner != nil && r.owned[id] == nil && !r.wanted(rt.Winner.Head) && h.Hash() != rt.Winner.Hash {
			delete(r.warm, id)
			stale = append(stale, id)
		}
	}
	r.mu.Unlock()
	if len(stale) == 0 {
		return nil
	}
	return r.store.Write(false, func(b store.Batch) {
		for _, id := range stale {
			b.Delete(warmKey(id))
		}
	})
}

// issueAgain writes own records that count under a new delta, as they are when it is made.
func (r *Replica) issueAgain(keys []string) error {
	slices.Sort(keys)
	for chunk := range slices.Chunk(slices.Compact(keys), deltaKeysMax/2) {
		x := &extra{done: make(chan error, 1)}
		x.now = func() (records []record.Record) {
			size := 0
			for _, k := range chunk {
				if v, err := r.engine.Value(k); err == nil && size < deltaValuesMax {
					records = append(records, record.Record{Key: k, Value: v})
					size += len(k) + len(v)
				}
			}
			return records
		}
		if err := r.commitExtra(r.ctx, x); err != nil {
			return err
		}
	}
	return nil
}

// compactAll compacts and removes blobs that two compactions in a row found unneeded.
func (r *Replica) compactAll(suspects map[blockID]bool) (left int64, next map[blockID]bool, err error) {
	r.feed.Restart()
	v := r.judge()
	if err := r.drop(v); err != nil {
		return 0, suspects, err
	}
	left, needed, err := r.compact(v)
	if err != nil {
		return left, suspects, err
	}
	next = map[blockID]bool{}
	var gone []blockID
	for _, kind := range []block.Kind{block.DataKind, block.IndexKind} {
		low := []byte{'b', byte(kind)}
		err = errors.Join(err, r.store.Scan(low, store.After(low), func(k, _ []byte) bool {
			id := blockID{Kind: kind, Hash: changes.Hash(k[2:])}
			switch {
			case needed[id]:
			case suspects[id]:
				gone = append(gone, id)
			default:
				next[id] = true
			}
			return r.ctx.Err() == nil
		}))
	}
	if err != nil || r.ctx.Err() != nil {
		return left, nil, err
	}
	n, err := r.blocks.Remove(gone, func(id blockID) bool { return needed[id] })
	r.m.SweptBlocks.Add(float64(n))
	return left, next, err
}

package replication

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/feed"
	"github.com/tandemvm/tandem/replication/internal/quorum"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
)

// memory is what a peer knows of its own words. Guarded by Replica.mu.
type memory struct {
	past    uint64                 // deltas of earlier openings that others had and the store did not
	lost    bool                   // the store does not hold all that this peer has said
	spoke   map[string]bool        // peers whose word about all runs came since the opening
	learned map[changes.RunID]*ack // of runs of which enough of them did: the newest turn that they hold
}

type ack = quorum.Ack

func (r *Replica) loadMemory() (err error) {
	r.memory.spoke, r.memory.learned = map[string]bool{}, map[changes.RunID]*ack{}
	r.memory.lost, err = r.store.Has(feed.PastKey)
	return err
}

// reflect looks at what came of this peer's past with deltas that were just applied.
func (r *Replica) reflect() {
	p := r.feed.Past()
	r.mu.Lock()
	news := p.Deltas > r.memory.past
	first := news && r.memory.past == 0
	if r.memory.past = p.Deltas; news {
		r.memory.lost = true
		clear(r.memory.learned)
	}
	r.mu.Unlock()
	if first {
		r.log.Warn("the store does not hold what this peer wrote before; it is fetched from the others", "dir", r.cfg.Dir)
		r.emit(Event{Kind: OldCopy})
	}
	if p.Beside != (record.BlockHash{}) {
		r.fail(r.copied(p))
	}
}

func (r *Replica) copied(p feed.Past) error {
	return fmt.Errorf("%w: peer %s: delta %x is of another process than this one and was written after it saw this one's, of which the newest is %x: a copy of the store or of the identity is in use. "+
		"End that process, or this one, for good; whoever is to go on beside the other joins anew with a ticket, in another directory, and so as another peer", ErrCopied, r.self, p.Beside[:8], p.Own[:8])
}

// recalls says whether this peer may acknowledge turns of a run, and promise epochs of it. One whose store is an older copy has forgotten what it promised and
// acknowledged at majority. Called with mu held.
func (r *Replica) recalls(run changes.RunID) (acks, promises bool) {
	if !r.memory.lost {
		return true, true
	}
	rt := r.table.Runs[run]
	if rt == nil || rt.Winner == nil {
		return false, false
	}
	newest := r.memory.learned[run]
	if rt.Winner.Head.Durable != Majority {
		return true, true
	}
	return newest != nil, newest != nil && !r.durabilityOf(run).said.Less(*newest)
}

// spoken takes note that a peer has said what it holds and has promised of every run. When so many voters of a run did that every majority this peer can have
// been part of has one among them, they know together what it may have promised, and what it may have acknowledged: it promises the same, and goes on.
func (r *Replica) spoken(from string) {
	r.mu.Lock()
	if !r.memory.lost {
		r.mu.Unlock()
		return
	}
	r.memory.spoke[from] = true
	var learned []changes.RunID
	all := true
	for id, rt := range r.table.Runs {
		if rt.Winner == nil || rt.Winner.Head.Durable != Majority || rt.Winner.Head.Done && r.sealed(rt.Winner.Head) {
			continue
		}
		if r.memory.learned[id] == nil && r.learn(id, rt.Winner.Head.Voters) {
			learned = append(learned, id)
		}
		_, promises := r.recalls(id)
		all = all && promises
	}
	all = all && r.joined.Done()
	r.memory.lost = !all
	promises := map[changes.RunID][]byte{}
	var held []*Head
	slices.SortFunc(learned, changes.RunID.Compare)
	for _, id := range learned {
		d := r.durabilityOf(id)
		promises[id] = record.Encode(promiseRecord{Epoch: d.promise.Epoch, Peer: d.promise.Peer, Ack: d.wire(id)})
		if h := r.warm[id]; h != nil && r.owned[id] == nil {
			held = append(held, h)
		}
	}
	r.mu.Unlock()
	if !all && len(learned) == 0 {
		return
	}
	err := r.store.Write(true, func(b store.Batch) {
		for _, id := range slices.SortedFunc(maps.Keys(promises), changes.RunID.Compare) {
			b.Put(promiseKey(id), promises[id])
		}
		if all {
			b.Delete(feed.PastKey)
		}
	})
	r.mu.Lock()
	again := all && r.memory.lost // more came meanwhile, and the mark with it
	r.mu.Unlock()
	if err == nil && again {
		err = r.store.Write(true, func(b store.Batch) { b.Put(feed.PastKey, []byte{}) })
	}
	if err != nil {
		r.fail(err)
		return
	}
	for _, h := range held {
		r.acknowledge(h)
	}
}

// learn takes the promises of the others for this peer's, if enough voters of a run have said theirs. Called with mu held.
func (r *Replica) learn(run changes.RunID, voters []string) bool {
	d := r.durabilityOf(run)
	n, others, newest, promised := 0, 0, ack{}, uint64(0)
	for _, v := range voters {
		if v == r.self {
			continue
		}
		others++
		if !r.memory.spoke[v] {
			continue
		}
		n++
		if a := d.tally.Of(v); newest.Less(a) {
			newest = a
		}
		promised = max(promised, d.elsewhere[v])
	}
	if n < min(quorum.Meeting(len(voters)), others) {
		return false
	}
	if promised > d.promise.Epoch {
		d.promise = quorum.Promise{Epoch: promised, Peer: quorum.Whoever}
	}
	r.memory.learned[run] = &newest
	return true
}

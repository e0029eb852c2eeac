package replication

import (
	"maps"
	"slices"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/inbox"
	"github.com/tandemvm/tandem/replication/internal/record"
)

// forksMax is how many forks of a run are kept by name, with their state: the best.
const forksMax = 8

// verdict says of records whether they can still mean anything, as of one moment. What it does not know came later, and counts.
type verdict map[changes.RunID]*runVerdict

type runVerdict struct {
	epoch    uint64                    // the winner's
	chain    map[record.Lineage]bool   // epochs whose lines may count
	heads    map[record.Lineage]bool   // epochs below the winner's whose heads are kept, and cells with them
	kept     uint64                    // first line that is kept
	straddle map[record.Lineage]uint64 // first line of the segment that holds that one
	done     bool                      // nothing is received any more
	taken    func(record.Actor) uint64 // how far messages were taken
}

// judge looks at every run with a winner.
func (r *Replica) judge() verdict {
	r.agree()
	v := verdict{}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, rt := range r.table.runs {
		if rt.winner == nil {
			continue
		}
		w := rt.winner.head
		x := &runVerdict{epoch: rt.winner.id.Number, kept: w.Kept, chain: map[record.Lineage]bool{}, heads: map[record.Lineage]bool{},
			straddle: map[record.Lineage]uint64{}, done: w.Done && r.sealed(w), taken: r.takenHere(rt)}
		v[id] = x
		for i, p := range rt.chain() {
			if i > 1 && p.to < x.kept {
				break // i == 1: the base of the winner, so that it is no fork
			}
			x.chain[p.l.id], x.heads[p.l.id] = true, true
			for _, s := range p.l.segments {
				if s.first < x.kept && s.first+s.count > x.kept {
					x.straddle[p.l.id] = s.first
				}
			}
		}
		forks := rt.forks()
		for _, h := range forks[:min(len(forks), forksMax)] {
			x.heads[h.Lineage()] = true
		}
		if h := r.warm[id]; h != nil {
			x.heads[h.Lineage()] = true
		}
	}
	return v
}

// agree notes the heads that every member has, which all have said our digest: nobody goes on with a run from before them.
func (r *Replica) agree() {
	r.leaseMu.Lock()
	said := maps.Clone(r.said)
	r.leaseMu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	root := r.table.digest.Root()
	for _, p := range r.table.peers() {
		if s, ok := said[p]; p != r.self && (!ok || s.digest != root) {
			return
		}
	}
	for _, rt := range r.table.runs {
		if rt.winner != nil {
			rt.agreed = rt.winner.head
		}
	}
}

// takenHere is how far a run's messages can be forgotten here: whoever goes on with it does so from a state that has taken them, this peer
// from its own or a later one. Called with mu held.
func (r *Replica) takenHere(rt *runTable) func(record.Actor) uint64 {
	w, warm, agreed := rt.winner.head, r.warm[rt.id], rt.agreed
	return func(a record.Actor) uint64 {
		if agreed == nil || r.wanted(w) && warm == nil {
			return 0
		}
		n := min(w.TakenOf(a), agreed.TakenOf(a))
		if r.wanted(w) {
			n = min(n, warm.TakenOf(a))
		}
		return n
	}
}

// counts says whether a record can still mean anything: cells of an epoch below the winner's while its head is kept, since a taker-over that
// falls back begins from both, lines on the winning chain from the first that is kept on, messages until they are taken. Of void heads the best are kept, as names of forks.
func (v verdict) counts(k record.Key) bool {
	x := v[k.Run]
	if x == nil {
		return true
	}
	low := k.Lineage.Number < x.epoch
	switch k.Kind {
	case record.CellRecord, record.PackRecord:
		return !low || x.heads[k.Lineage]
	case record.LinesRecord:
		if low && !x.chain[k.Lineage] {
			return false
		}
		first, found := x.straddle[k.Lineage]
		return k.Number >= x.kept || found && k.Number == first || !x.chain[k.Lineage]
	case record.HeadRecord:
		return !low || x.heads[k.Lineage]
	case record.MessageRecord:
		return !x.done && k.Number > x.taken(k.Lineage.Actor)
	}
	return true
}

// drop forgets, in memory and among the engine's values, what counts no more.
func (r *Replica) drop(v verdict) error {
	r.mu.Lock()
	for id, x := range v {
		rt := r.table.runs[id]
		for l, y := range rt.lineages {
			if l.Number >= x.epoch {
				y.cut(x)
				continue
			}
			switch {
			case !x.heads[l]:
				delete(rt.lineages, l)
				delete(r.table.tagged, y.tag())
			case !x.chain[l]:
				y.segments = nil
			default:
				y.cut(x)
			}
		}
		rt.inbox.Forget(func(it inbox.Item[record.Actor]) bool { return x.done || it.Number <= x.taken(it.Sender) })
	}
	r.mu.Unlock()
	return r.engine.Forget(r.ctx, func(k record.Key) bool { return !v.counts(k) })
}

// cut takes the segments of lines away that are not kept.
func (l *lineage) cut(x *runVerdict) {
	if !x.chain[l.id] {
		return
	}
	n := 0
	for n < len(l.segments) && l.segments[n].first+l.segments[n].count <= x.kept {
		n++
	}
	l.segments = slices.Delete(l.segments, 0, n)
}

package replication

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tandemvm/tandem/replication/internal/inbox"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/table"
	"github.com/tandemvm/tandem/replication/internal/verdict"
)

// forksMax is how many forks of a run are kept by name, with their state: the best.
const forksMax = 8

// judge looks at every run with a winner.
func (r *Replica) judge() verdict.Verdict {
	r.agree()
	v := verdict.Verdict{}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, rt := range r.table.Runs {
		if rt.Winner == nil {
			continue
		}
		w := rt.Winner.Head
		x := &verdict.Run{Epoch: rt.Winner.ID.Number, Kept: w.Kept, Chain: map[record.Lineage]bool{}, Heads: map[record.Lineage]bool{},
			Straddle: map[record.Lineage]uint64{}, Done: w.Done && r.sealed(w), Taken: r.takenHere(rt)}
		v[id] = x
		for i, p := range rt.Chain() {
			if i > 1 && p.To < x.Kept {
				break // i == 1: the base of the winner, so that it is no fork
			}
			x.Chain[p.Lineage.ID], x.Heads[p.Lineage.ID] = true, true
			for _, s := range p.Lineage.Segments {
				if s.First < x.Kept && s.First+s.Count > x.Kept {
					x.Straddle[p.Lineage.ID] = s.First
				}
			}
		}
		x.Idle = r.idleDrops(rt, x)
		forks := rt.Forks()
		for _, h := range forks[:min(len(forks), forksMax)] {
			x.Heads[h.Lineage()] = true
		}
		if h := r.warm[id]; h != nil {
			x.Heads[h.Lineage()] = true
		}
	}
	return v
}

// idleDrops are the drops of a run's messages that need not be kept: those that say again what another says, and those that newer ones which fill
// the window come after, once the run has passed the message. Called with mu held.
func (r *Replica) idleDrops(rt *table.Run, x *verdict.Run) map[string]bool {
	idle := map[string]bool{}
	for _, k := range rt.Inbox.Idle() {
		idle[k] = true
	}
	list, _ := rt.Inbox.Dropped(0)
	slices.SortFunc(list, func(a, b inbox.Drop) int { return cmp.Or(cmp.Compare(b.AtMs, a.AtMs), cmp.Compare(b.Key, a.Key)) })
	room, old := r.cfg.Retain, len(list)
	for i, d := range list {
		if room -= d.Bytes; room < 0 {
			old = i
			break
		}
	}
	if old == len(list) {
		return idle
	}
	waits := rt.Waiting(x, r.engine.Value)
	for _, d := range list[old:] {
		if !waits[d.ID] {
			idle[d.Key] = true
		}
	}
	return idle
}

// agree notes the heads that every member has, which all have said our digest: nobody goes on with a run from before them.
func (r *Replica) agree() {
	r.leaseMu.Lock()
	said := maps.Clone(r.said)
	r.leaseMu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	root := r.table.Digest.Root()
	for _, p := range r.table.Peers() {
		if s, ok := said[p]; p != r.self && (!ok || s.digest != root) {
			return
		}
	}
	for _, rt := range r.table.Runs {
		if rt.Winner != nil {
			rt.Agreed = rt.Winner.Head
		}
	}
}

// takenHere is how far a run's messages can be forgotten here: whoever goes on with it does so from a state that has taken them, this peer
// from its own or a later one. Called with mu held.
func (r *Replica) takenHere(rt *table.Run) func(record.Actor) uint64 {
	w, warm, agreed := rt.Winner.Head, r.warm[rt.ID], rt.Agreed
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

// drop forgets, in memory and among the engine's values, what counts no more.
func (r *Replica) drop(v verdict.Verdict) error {
	r.mu.Lock()
	r.table.Forget(v)
	r.mu.Unlock()
	return r.engine.Forget(r.ctx, func(k record.Key) bool { return !v.Counts(k) })
}

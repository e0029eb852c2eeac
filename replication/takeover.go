package replication

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
	"github.com/tandemvm/tandem/replication/internal/table"
)

// RunStart describes a new run. Everything in it travels in each head, so a taker-over can go on.
type RunStart struct {
	Name string // for people, at most 128 bytes
	Meta []byte // the embedder's (arguments, grants), at most 16 KiB

	Durable Level // when a turn is durable: CommitTurn returns, its lines are given to readers
}

// StartRun opens epoch 1 of a new run owned here. Others see the run when its first turn is committed.
func (r *Replica) StartRun(ctx context.Context, s RunStart) (changes.RunID, changes.Epoch, error) {
	var id changes.RunID
	if len(s.Name) > record.NameBytesMax || len(s.Meta) > record.MetaBytesMax {
		return id, changes.Epoch{}, fmt.Errorf("%w: name over %d or meta over %d bytes", ErrTurn, record.NameBytesMax, record.MetaBytesMax)
	}
	g, err := r.Genesis(ctx)
	if err != nil {
		return id, changes.Epoch{}, err
	}
	if _, err := io.ReadFull(r.cfg.Random, id[:]); err != nil {
		return id, changes.Epoch{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.usable(); err != nil {
		return id, changes.Epoch{}, err
	}
	h := Head{Run: id, Owner: r.self, Name: s.Name, Meta: s.Meta, Program: g.Program, Durable: s.Durable}
	if s.Durable == Majority {
		h.Voters = r.table.Peers()
		if !slices.Contains(h.Voters, r.self) {
			h.Voters = append(h.Voters, r.self)
			slices.Sort(h.Voters)
		}
	}
	o := r.own(h, 1)
	o.tree, o.manifest = changes.NewTree(0), block.NewManifest(0)
	return id, o.lineage.Epoch(), nil
}

// own makes this peer the owner of a run in a new epoch. Called with mu held and the genesis here.
func (r *Replica) own(h Head, number uint64) *ownedRun {
	l := record.Lineage{Number: number, Actor: r.feed.Writer()}
	h.Epoch, h.Owner = l.Epoch(), r.self
	o := &ownedRun{id: h.Run, lineage: l, head: h, dirty: map[string]changes.Path{},
		renewed: map[changes.RunID]bool{}, cells: map[string]changes.PathCell{}}
	o.voters = h.Voters
	o.seen = table.NewView(r.table.Genesis)
	for id, rt := range r.table.Runs {
		if id != h.Run && rt.Winner != nil {
			o.renewed[id] = true
		}
	}
	r.owned[h.Run] = o
	wake(r.beatWake)
	return o
}

// Release ends this peer's ownership of a run without ending the run: beats stop listing it, a standby may take
// it over.
func (r *Replica) Release(run changes.RunID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.owned[run]; o != nil {
		r.standDown(o, fmt.Errorf("%w: run %s was released", ErrNotOwner, run))
		r.released[run] = true
	}
}

// standDown ends an ownership at once: what waits is refused, what is being written is dropped by
// commitGroup. Called with mu held.
func (r *Replica) standDown(o *ownedRun, why error) {
	o.ended = why
	r.forget(o)
	for _, w := range o.waiting {
		w.done <- why
	}
	o.waiting = nil
	if o.pending != nil {
		for _, w := range o.pending.waiters {
			w.done <- why
		}
		o.pending = nil
	}
	r.flushed.Broadcast()
}

// pastOwnership says why an epoch takes no more turns here.
type pastOwnership struct {
	lineage record.Lineage
	why     error
}

// forget drops an ended ownership but for its reason. Called with mu held.
func (r *Replica) forget(o *ownedRun) {
	delete(r.owned, o.id)
	r.past[o.id] = pastOwnership{o.lineage, o.ended}
}

// State is the memory of a run at a head: its Page and Each read it.
type State struct {
	Head Head
	*block.Memory
}

// fetchTimeout bounds the search for a state's missing blocks before an older head is settled for.
const fetchTimeout = 5 * time.Second

// LoadState gives the newest state of the run that can be had: missing blocks of the winning head
// are fetched from peers first, an older complete head is the second choice, ErrNotWarm the last.
func (r *Replica) LoadState(ctx context.Context, run changes.RunID) (*State, error) {
	r.mu.Lock()
	var h, old *Head
	if rt := r.table.Runs[run]; rt != nil && rt.Winner != nil {
		h, old = rt.Winner.Head, r.warm[run]
	}
	r.mu.Unlock()
	if h == nil {
		return nil, fmt.Errorf("%w: %s", ErrUnknownRun, run)
	}
	bounded, cancel := context.WithTimeout(ctx, fetchTimeout)
	err := r.warmUp(bounded, h, old)
	cancel()
	if err == nil && r.feed.Partial()[h.Lineage().Actor] {
		err = errors.New("deltas that it builds on are still to come")
		if r.feed.CatchingUp() { // they do: what it has come to is not given up
			old = nil
		}
	}
	if err != nil && old != nil && ctx.Err() == nil {
		r.log.Warn("state of the newest head cannot be had, an older one is used", "run", run.String(), "turn", h.Turn, "older", old.Turn, "err", err)
		h, err = old, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: run %s turn %d: %v", ErrNotWarm, run, h.Turn, err)
	}
	memory, err := r.blocks.Memory(h.Manifest, h.Root, h.MemoryBytes)
	if errors.Is(err, store.ErrAbsent) { // removed since, when a newer one was complete
		return nil, fmt.Errorf("%w: run %s turn %d: its state went meanwhile: ask again", ErrNotWarm, run, h.Turn)
	}
	if err != nil {
		return nil, err
	}
	return &State{*h, memory}, nil
}

// warmUp brings the closure of a head here. Subtrees it has in common with a head that is known to be
// complete are not looked at.
func (r *Replica) warmUp(ctx context.Context, h, complete *Head) error {
	if complete != nil && complete.Manifest == h.Manifest {
		return nil
	}
	have := map[block.ID]bool{}
	if complete != nil && block.Depth(block.Pages(complete.MemoryBytes)) == block.Depth(block.Pages(h.MemoryBytes)) {
		err := r.blocks.Walk(complete.Manifest, complete.MemoryBytes, func(level []block.Placed) ([]block.Placed, error) {
			for _, x := range level {
				have[x.ID] = true
			}
			return level, nil
		})
		if err != nil && !errors.Is(err, store.ErrAbsent) {
			return err
		}
	}
	return r.blocks.Walk(h.Manifest, h.MemoryBytes, func(level []block.Placed) ([]block.Placed, error) {
		var fresh []block.Placed
		var ids []block.ID
		for _, x := range level {
			if !have[x.ID] {
				fresh = append(fresh, x)
				ids = append(ids, x.ID)
			}
		}
		missing, err := r.blocks.Fetch(ctx, ids, h.Owner)
		if err == nil && missing > 0 {
			err = fmt.Errorf("%d blocks are at no connected peer", missing)
		}
		return fresh, err
	})
}

// warmer keeps the states of other peers' runs complete on a standby, the newest head of each.
func (r *Replica) warmer() {
	defer r.wg.Done()
	for {
		select {
		case <-r.warmWake:
		case <-r.ctx.Done():
			return
		}
		if r.feed.CatchingUp() {
			continue // the heads of now are soon old; a beat wakes again
		}
		for _, h := range r.coldHeads() {
			r.mu.Lock()
			old := r.warm[h.Run]
			r.mu.Unlock()
			ctx, cancel := context.WithTimeout(r.ctx, fetchTimeout)
			err := r.warmUp(ctx, h, old)
			cancel()
			if err == nil {
				r.setWarm(h)
			}
			r.mu.Lock()
			delete(r.warming, h.Run)
			r.mu.Unlock()
			if err == nil {
				r.look()
			} else if r.ctx.Err() == nil {
				r.log.Debug("standby is behind", "run", h.Run.String(), "turn", h.Turn, "err", err)
			}
		}
	}
}

// coldHeads notes as being fetched the newest heads whose states are wanted and not known to be complete, of authors whose deltas are all here: with the cells of
// one whose deltas still come in nobody could go on.
func (r *Replica) coldHeads() (out []*Head) {
	r.mu.Lock()
	defer r.mu.Unlock()
	partial := r.feed.Partial()
	for id, rt := range r.table.Runs {
		if rt.Winner != nil && r.wanted(rt.Winner.Head) && r.warm[id] != rt.Winner.Head && r.owned[id] == nil && !partial[rt.Winner.ID.Actor] {
			out = append(out, rt.Winner.Head)
			r.warming[id] = rt.Winner.Head
		}
	}
	slices.SortFunc(out, func(a, b *Head) int { return a.Run.Compare(b.Run) })
	return out
}

// wanted says whether this peer is to hold the state of a head: to take the run over, or because others count on it.
func (r *Replica) wanted(h *Head) bool { return r.cfg.Standby && !h.Done || h.Durable != Local }

func warmKey(run changes.RunID) []byte { return append([]byte{'w'}, run[:]...) }

// setWarm notes a head whose state is complete here, also for after a restart.
func (r *Replica) setWarm(h *Head) {
	r.mu.Lock()
	r.warm[h.Run] = h
	r.mu.Unlock()
	// Synced for a run that others count on: the head and its pages lie before it in the same log.
	if err := r.store.Write(h.Durable != Local, func(b store.Batch) { b.Put(warmKey(h.Run), h.Encode()) }); err != nil {
		r.fail(err)
		return
	}
	r.acknowledge(h)
	if err := r.keep(r.post.Complete(h.Hash())); err != nil {
		r.log.Debug("pages that waited do not fit", "run", h.Run.String(), "err", err)
	}
}

// TakeOver opens the next epoch of a run for this peer (also: of its own run after a restart), re-issues
// the run's cells under it, and returns the state to continue from, durable and published. The next turn
// is Head.Turn+1. ErrNoMajority, ErrDone, ErrNotWarm, ErrUnknownRun. It does not ask whether the
// owner is gone: OwnerGone events do.
func (r *Replica) TakeOver(ctx context.Context, run changes.RunID) (*State, error) {
	if _, err := r.Genesis(ctx); err != nil {
		return nil, err
	}
	before, err := r.Head(run)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	ended := before.Done && r.sealed(&before)
	r.mu.Unlock()
	if ended {
		return nil, fmt.Errorf("%w: run %s", ErrDone, run)
	}
	var s *State
	number := uint64(0) // majority: the epoch that was promised
	if before.Durable == Majority {
		s, number, err = r.promisedState(ctx, run)
	} else {
		s, err = r.LoadState(ctx, run)
	}
	if err != nil {
		return nil, err
	}
	r.leaseMu.Lock()
	majority, claimed := r.lease.Majority(r.now()), r.lease.Epoch(run)
	r.leaseMu.Unlock()
	if !majority && number == 0 {
		return nil, fmt.Errorf("%w: run %s", ErrNoMajority, run)
	}
	if s.Head.Done && number == 0 {
		return nil, fmt.Errorf("%w: run %s", ErrDone, run)
	}
	cells, err := r.cellsAt(&s.Head)
	if err != nil {
		return nil, err
	}
	done, err := r.openEpoch(s, cells, claimed, number, before.Hash())
	if err != nil {
		return nil, err
	}
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	if s.Head.Done {
		return nil, fmt.Errorf("%w: run %s", ErrDone, run) // only its last turn had to become durable
	}
	r.m.Takeovers.Inc()
	r.log.Info("took a run over", "run", run.String(), "epoch", s.Head.Epoch.Number, "turn", s.Head.Turn)
	return s, nil
}

// openEpoch makes the epoch's first head pending: the state of the base, all of its cells, no new turn. winner is the hash of the head that
// had won when the takeover began: fetching its state takes time, and a run that ended, went on or was taken over meanwhile has an owner.
func (r *Replica) openEpoch(s *State, cells map[string]changes.PathCell, claimed, promised uint64, winner changes.Hash) (<-chan error, error) {
	tree, man := changes.NewTree(s.Head.MemoryBytes), block.NewManifest(s.Head.MemoryBytes)
	for i, h := range s.Hashes() {
		if h != (changes.Hash{}) {
			tree.Set(uint64(i), h)
			man.Set(uint64(i), h)
		}
	}
	man.Seal()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.usable(); err != nil {
		return nil, err
	}
	rt := r.table.Runs[s.Head.Run]
	switch now := rt.Winner.Head; {
	case now.Done && promised == 0:
		return nil, fmt.Errorf("%w: run %s", ErrDone, now.Run)
	case now.Hash() != winner:
		return nil, fmt.Errorf("%w: run %s went on, in epoch %d at turn %d, while its state was fetched: nothing is to be taken over", ErrSuperseded, now.Run, now.Epoch.Number, now.Turn)
	}
	number := max(claimed, rt.Winner.ID.Number)
	for id := range rt.Lineages {
		number = max(number, id.Number)
	}
	if promised > 0 && promised <= number {
		return nil, fmt.Errorf("%w: run %s is in epoch %d already, %d was promised", ErrSuperseded, s.Head.Run, number, promised)
	}
	number = max(number+1, promised)
	if o := r.owned[s.Head.Run]; o != nil {
		return nil, fmt.Errorf("%w: run %s is owned here already", ErrTurn, o.id)
	}
	base := s.Head
	h := base
	h.Base = &Base{Epoch: base.Epoch, Turn: base.Turn, Lines: base.Lines, Head: base.Hash()}
	delete(r.released, h.Run)
	o := r.own(h, number)
	o.tree, o.manifest = tree, man
	for _, c := range cells {
		r.see(o, c)
	}
	p := newPending()
	maps.Copy(p.cells, cells)
	p.head, p.memory = o.head, o.head.MemoryBytes
	done := make(chan error, 1)
	p.waiters = append(p.waiters, waiter{o.head.Turn, done})
	o.pending = p
	if h.Done {
		o.ended = fmt.Errorf("%w: run %s", ErrDone, o.id)
	}
	s.Head = o.head
	wake(r.commitWake)
	return done, nil
}

// cellsAt gives the cells of a run as its head h has them. The table holds those of the newest head of the epoch. For the older one whose state is
// complete here they are read again from the author's deltas. All of them are there, since compaction leaves those that hold them (stays).
func (r *Replica) cellsAt(h *Head) (map[string]changes.PathCell, error) {
	id, want := h.Lineage(), h.Hash()
	r.mu.Lock()
	l := r.table.Run(h.Run).Lineage(id)
	if l.Head != nil && l.Hash == want && !r.feed.Partial()[id.Actor] {
		cells := maps.Clone(l.Cells)
		r.mu.Unlock()
		return cells, nil
	}
	r.mu.Unlock()
	cells, holders, err := r.readBack(h)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	warm := r.warm[h.Run]
	r.mu.Unlock()
	if len(holders) == 0 || warm == nil || warm.Hash() != want { // after reading: none of it was removed meanwhile
		return nil, fmt.Errorf("%w: deltas of run %s up to turn %d are not here", ErrNotWarm, h.Run, h.Turn)
	}
	return cells, nil
}

// readBack reads the cells of a run at a head, and which deltas hold them (table.ReadBack).
func (r *Replica) readBack(h *Head) (map[string]changes.PathCell, map[record.BlockHash]bool, error) {
	return table.ReadBack(r.ctx, h, r.blocks, r.m, func(do func(*record.Delta) bool) error { return r.feed.Authored(h.Lineage().Actor, do) })
}

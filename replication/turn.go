package replication

import (
	"context"
	"fmt"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/table"
)

// Turn is what a run did between two commit points. Pages, Changes and Lines are not modified by the
// caller afterwards.
type Turn struct {
	Run          changes.RunID
	Epoch        changes.Epoch       // from StartRun or TakeOver
	Number       uint64              // the previous turn's + 1; the first turn of a run is 1
	Instructions uint64              // executed by the run so far, in all epochs
	Root         changes.Hash        // state hash after the turn; zero: not given, replication computes it
	MemoryBytes  uint64              // size of memory after the turn
	Pages        []changes.Page      // pages written by the turn, whole; turn 1: every page that is not all zero
	Zeros        []changes.PageRange // pages that are all zero afterwards
	Changes      []changes.Change    // net changes of shared variables against what the run last saw (Pull)
	Lines        []changes.Line      // numbers go on from the head's Lines without gap
	Limits       []changes.Limit
	Taken        int   // messages in the run's memory: the place after the last one, as Messages counts; 0: none since this peer owns it
	Done         bool  // the run ended with this turn
	Exit         int32 // exit status when Done
}

const (
	memoryBytesMax  = 64 << 30
	turnLinesMax    = 1 << 16
	turnOutputMax   = 16 << 20 // bytes of lines in one turn
	pendingBytesMax = 64 << 20 // waiting to be written; SubmitTurn blocks above it
	driftMaxMs      = 10 * 60 * 1000
)

// ownedRun is a run that this peer writes for. Guarded by Replica.mu, except tree, manifest and
// cells, which belong to the committer.
type ownedRun struct {
	id      changes.RunID
	lineage record.Lineage
	head    Head          // after the newest submitted turn; Root, Manifest, Prev and Signature are settled by the flush
	last    *Head         // newest durable head of this epoch
	seen    *changes.View // the cells as the program saw them
	dirty   map[string]changes.Path
	renewed map[changes.RunID]bool // other runs that count from another epoch since the last Pull
	slots   record.Slots
	pending *pending
	ended   error // why no turn is accepted any more

	waiting  []waiter // turns that are durable here only, oldest first
	taken    int      // places of messages that heads speak of
	unmarked int64    // bytes of lines since head.Kept was looked at
	voters   []string // at Majority: as in the last head
	votersAt uint64   // turn since which they are the same in this epoch

	tree     *changes.Tree
	manifest *block.Manifest
	cells    map[string]changes.PathCell // everything written in this epoch
}

// pending is what was submitted and not yet written: the later turn replaces the earlier, cell by cell and
// page by page.
type pending struct {
	cells   map[string]changes.PathCell
	pages   map[uint64]*[changes.PageBytes]byte // nil: all zero
	zeros   []changes.PageRange
	memory  uint64
	lines   []changes.Line
	root    changes.Hash
	head    Head
	turns   int
	bytes   int
	waiters []waiter
}

func newPending() *pending {
	return &pending{cells: map[string]changes.PathCell{}, pages: map[uint64]*[changes.PageBytes]byte{}}
}

// CommitTurn hands in a turn and returns when it is durable at the run's level (ErrSuperseded, ErrNotOwner, ErrTurn,
// ErrDiskFull, ErrFailed otherwise). Output of the turn may be released after it returns nil.
func (r *Replica) CommitTurn(ctx context.Context, t Turn) error {
	done, err := r.SubmitTurn(t)
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

// SubmitTurn hands in a turn without waiting; the channel receives nil when it is durable, or the error.
// Rule violations are found at once. It blocks only when too much is waiting to be written, or to be swept.
func (r *Replica) SubmitTurn(t Turn) (<-chan error, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		o, err := r.ownedHere(t.Run, t.Epoch)
		if err != nil {
			return nil, err
		}
		late := r.late()
		if !late && (o.pending == nil || o.pending.bytes < pendingBytesMax) {
			return r.submit(o, t)
		}
		if late {
			wake(r.sweepWake)
		}
		r.flushed.Wait()
	}
}

// ownedHere finds a run that may take turns.
func (r *Replica) ownedHere(run changes.RunID, e changes.Epoch) (*ownedRun, error) {
	o := r.owned[run]
	switch {
	case r.failure != nil:
		return nil, r.failure
	case r.closing:
		return nil, ErrClosed
	case o == nil || o.lineage.Epoch() != e:
		if p, ok := r.past[run]; ok && p.lineage.Epoch() == e {
			return nil, p.why
		}
		return nil, fmt.Errorf("%w: run %s", ErrNotOwner, run)
	case o.ended != nil:
		return nil, o.ended
	}
	return o, nil
}

func (r *Replica) submit(o *ownedRun, t Turn) (<-chan error, error) {
	if err := checkTurn(o, &t); err != nil {
		return nil, err
	}
	folded, err := r.fold(o, &t)
	if err != nil {
		return nil, err
	}
	if o.pending == nil {
		o.pending = newPending()
	}
	p := o.pending
	for _, c := range folded {
		p.cells[string(c.Path.Encode())] = c
		p.bytes += 128
	}
	if now, before := block.Pages(t.MemoryBytes), block.Pages(o.head.MemoryBytes); now < before {
		p.zeros = append(p.zeros, changes.PageRange{First: now, Count: before - now}) // gone, should memory grow again
	}
	p.takeMemory(&t)
	for _, l := range t.Lines {
		p.bytes += len(l.Text) + 16
	}
	p.lines = append(p.lines, t.Lines...)
	h := &o.head
	h.Turn, h.Instructions, h.MemoryBytes = t.Number, t.Instructions, t.MemoryBytes
	h.Lines += uint64(len(t.Lines))
	h.Limits, h.Done, h.Exit = t.Limits, t.Done, t.Exit
	if rt := r.table.Runs[t.Run]; rt != nil && t.Taken > o.taken {
		rt.Take(h, o.taken, t.Taken)
		o.taken = t.Taken
	}
	r.keepLines(o, &t)
	p.head, p.root, p.memory = *h, t.Root, t.MemoryBytes
	p.turns++
	if t.Done {
		o.ended = fmt.Errorf("%w: run %s", ErrDone, o.id)
	}
	done := make(chan error, 1)
	p.waiters = append(p.waiters, waiter{t.Number, done})
	wake(r.commitWake)
	return done, nil
}

// keepLines says which lines are kept, when enough of them were written since it was last looked at.
func (r *Replica) keepLines(o *ownedRun, t *Turn) {
	if len(t.Lines) == 0 {
		return
	}
	o.unmarked += table.SegmentBytes
	for _, l := range t.Lines {
		o.unmarked += int64(len(l.Text))
	}
	if rt := r.table.Runs[t.Run]; rt != nil && o.unmarked > r.cfg.RetainOutput/16 {
		o.head.Kept = max(o.head.Kept, rt.Keep(r.cfg.RetainOutput))
		o.unmarked = 0
	}
}

func checkTurn(o *ownedRun, t *Turn) error {
	bad := func(f string, a ...any) error {
		return fmt.Errorf("%w: turn %d of run %s: %s", ErrTurn, t.Number, t.Run, fmt.Sprintf(f, a...))
	}
	pages := block.Pages(t.MemoryBytes)
	outputBytes := 0
	switch {
	case t.Number != o.head.Turn+1:
		return bad("the next turn is %d", o.head.Turn+1)
	case t.Instructions < o.head.Instructions:
		return bad("instructions go back from %d to %d", o.head.Instructions, t.Instructions)
	case t.MemoryBytes > memoryBytesMax:
		return bad("memory of %d bytes", t.MemoryBytes)
	case len(t.Lines) > turnLinesMax || len(t.Limits) > record.LimitsMax:
		return bad("%d lines, %d limits", len(t.Lines), len(t.Limits))
	}
	for i, l := range t.Lines {
		outputBytes += len(l.Text)
		if l.Number != o.head.Lines+uint64(i)+1 {
			return bad("line %d where %d follows", l.Number, o.head.Lines+uint64(i)+1)
		}
	}
	if outputBytes > turnOutputMax {
		return bad("%d bytes of output", outputBytes)
	}
	for _, p := range t.Pages {
		if p.Index >= pages || p.Data == nil {
			return bad("page %d of %d", p.Index, pages)
		}
	}
	for _, z := range t.Zeros {
		if z.First > pages || z.Count > pages-z.First {
			return bad("zero pages %d to %d of %d", z.First, z.First+z.Count, pages)
		}
	}
	return nil
}

// fold brings the run's cells to the end of the turn, as far as the program saw the others'.
func (r *Replica) fold(o *ownedRun, t *Turn) ([]changes.PathCell, error) {
	if len(t.Changes) == 0 {
		return nil, nil
	}
	at := changes.Stamp{Time: r.hlc.Next(uint64(r.clock.Now().UnixMilli())), Run: t.Run, Turn: table.StampTurn(o.lineage.Number, t.Number)}
	cells, err := o.seen.Fold(t.Changes, at, t.Epoch)
	if err != nil {
		return nil, fmt.Errorf("%w: turn %d of run %s: %w", ErrTurn, t.Number, t.Run, err)
	}
	return cells, nil
}

// takeMemory lays the turn's pages over those of the turns before it.
func (p *pending) takeMemory(t *Turn) {
	for i := range p.pages {
		if i >= block.Pages(t.MemoryBytes) {
			delete(p.pages, i)
		}
	}
	for _, z := range t.Zeros {
		for i := range p.pages {
			if i >= z.First && i-z.First < z.Count {
				delete(p.pages, i)
			}
		}
		p.zeros = append(p.zeros, z)
	}
	for _, x := range t.Pages {
		if _, again := p.pages[x.Index]; !again {
			p.bytes += changes.PageBytes
		}
		p.pages[x.Index] = x.Data
	}
}

// Pull returns the merged values of the leaf paths that changed since the last Pull of this run
// owned here (by remote turns and its own), to be written into the run between turns. What Pull has
// returned is what the run has seen: later changes are folded against it. The first Pull after
// StartRun or TakeOver returns every path that differs from the initial values.
func (r *Replica) Pull(run changes.RunID) ([]changes.Assignment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.owned[run]
	if o == nil {
		return nil, fmt.Errorf("%w: run %s", ErrNotOwner, run)
	}
	for id := range o.renewed {
		o.seen.Drop(id)
		if rt := r.table.Runs[id]; rt != nil && rt.Winner != nil {
			for _, c := range rt.Winner.Cells {
				r.see(o, c)
			}
		}
	}
	for _, p := range o.dirty {
		for _, c := range r.table.View.Cells(p) {
			if c.Stamp.Run != run {
				r.see(o, changes.PathCell{Path: p, Cell: c})
			}
		}
	}
	clear(o.renewed)
	clear(o.dirty)
	return o.seen.Assignments(), nil
}

func (r *Replica) see(o *ownedRun, c changes.PathCell) {
	if c.Cell.Stamp.Run == (changes.RunID{}) {
		return // initial values are in every view from the start
	}
	if _, err := o.seen.Put(c.Path, c.Cell); err != nil {
		r.m.Rejected.Inc()
	}
	if err := r.hlc.Observe(c.Cell.Stamp.Time, uint64(r.clock.Now().UnixMilli()), driftMaxMs); err != nil {
		r.m.Skewed.Inc()
	}
}

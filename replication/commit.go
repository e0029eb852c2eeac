package replication

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/sequel"
)

const (
	deltaKeysMax   = 200       // the engine's cost of a batch is quadratic in its keys
	deltaValuesMax = 192 << 10 // bytes of records in one delta
	cellKeysMax    = 96        // more cells of one run in a flush go into a pack
	cellBytesMax   = 48 << 10
)

// committer is the only goroutine that writes deltas. Turns that arrive while one flush is on, or within
// FlushInterval of the last, share the next.
func (r *Replica) committer() {
	defer r.wg.Done()
	var last time.Time
	for {
		select {
		case <-r.commitWake:
		case <-r.ctx.Done():
			r.flush()
			return
		}
		if d := r.cfg.FlushInterval - time.Since(last); d > 0 {
			t := time.NewTimer(d)
			select {
			case <-t.C:
			case <-r.ctx.Done():
				t.Stop()
			}
		}
		r.feed.AwaitImport(r.ctx)
		r.flush()
		last = time.Now()
	}
}

// entry is one run's share of a flush.
type entry struct {
	o       *ownedRun
	p       *pending
	head    *Head
	records []record.Record
	state   sequel.State
	blobs   []block.Block
	slots   record.Slots
	err     error
}

// flush writes all pending turns. A run's head, cells and lines always stand in one delta.
func (r *Replica) flush() {
	r.mu.Lock()
	var all []*entry
	for _, o := range r.owned {
		if o.pending != nil {
			all = append(all, &entry{o: o, p: o.pending})
			o.pending = nil
		}
	}
	extra := r.extra
	r.extra = nil
	failure := r.failure
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b *entry) int { return slices.Compare(a.o.id[:], b.o.id[:]) })
	if failure == nil {
		if extra != nil {
			extra.done <- r.commitGroup(nil, extra)
		}
		for _, e := range all {
			if e.err = e.build(r); e.err != nil {
				r.end(e.o, e.err)
			}
		}
		for group := range groups(all) {
			r.commitGroup(group, nil)
		}
	} else if extra != nil {
		extra.done <- failure
	}
	r.mu.Lock()
	for _, e := range all {
		r.tell(e, cmp.Or(failure, e.err))
	}
	r.flushed.Broadcast()
	r.mu.Unlock()
}

// tell answers those who wait for an entry, now or when others hold it too. A takeover waits for this peer only: it has no effects. Called
// with mu held.
func (r *Replica) tell(e *entry, err error) {
	o := e.o
	if err == nil && e.head.Durable != Local && r.owned[o.id] == o {
		if e.p.turns > 0 {
			o.waiting = append(o.waiting, e.p.waiters...)
			e.p.waiters = nil
		}
		r.heard(o.id, r.self, ackOf(e.head))
		r.release(o.id)
	} else if err == nil && e.head.Done && r.owned[o.id] == o {
		r.forget(o)
	}
	for _, w := range e.p.waiters {
		w.done <- err
	}
}

// groups cuts the entries into deltas by size.
func groups(all []*entry) func(func([]*entry) bool) {
	return func(yield func([]*entry) bool) {
		var group []*entry
		keys, size := 0, 0
		for _, e := range all {
			if e.err != nil {
				continue
			}
			n := 0
			for _, rec := range e.records {
				n += len(rec.Key) + len(rec.Value)
			}
			if len(group) > 0 && (keys+len(e.records) > deltaKeysMax || size+n > deltaValuesMax) {
				if !yield(group) {
					return
				}
				group, keys, size = nil, 0, 0
			}
			group = append(group, e)
			keys += len(e.records)
			size += n
		}
		if len(group) > 0 {
			yield(group)
		}
	}
}

// extra is a commit of records that belong to no run.
type extra struct {
	records []record.Record
	now     func() []record.Record // more of them, asked for when nothing can change any more
	blocks  []block.Block
	done    chan error
}

// commitGroup makes one delta. Whether a run is still ours is asked inside the window: what is applied
// after that can only come later, at every peer.
func (r *Replica) commitGroup(group []*entry, x *extra) error {
	var states []sequel.State
	var blobs []block.Block
	d, err := r.engine.Commit(func() (records []record.Record, blocks []block.Block, notes []record.Record) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, e := range group {
			if p := r.durabilityOf(e.o.id).promise; e.head.Durable != Local && !p.Allows(e.o.lineage.Number, r.self) && e.o.ended == nil {
				r.standDown(e.o, fmt.Errorf("%w: epoch %d was promised to %s", ErrSuperseded, p.Epoch, p.Peer))
			}
			if e.o.ended != nil && !errors.Is(e.o.ended, ErrDone) {
				e.err = e.o.ended
				continue
			}
			records = append(records, e.records...)
			blocks = append(append(blocks, e.state.Blocks...), e.blobs...)
			states, blobs = append(states, e.state), append(blobs, e.blobs...)
			notes = append(notes, record.Record{Key: string(warmKey(e.o.id)), Value: e.head.Encode()})
		}
		if x != nil {
			records, blocks, blobs = append(records, x.records...), append(blocks, x.blocks...), append(blobs, x.blocks...)
			if x.now != nil {
				records = append(records, x.now()...)
			}
		}
		if len(records) > 0 || x != nil && x.now == nil {
			records = append(records, r.introduction()...)
		}
		return records, blocks, notes
	})
	r.mu.Lock()
	for _, e := range group {
		switch {
		case err != nil:
			e.err = r.failure
		case e.err == nil:
			e.o.last, e.o.slots = e.head, e.slots
			r.m.Turns.Add(float64(e.p.turns))
			r.m.Cells.Add(float64(len(e.p.cells)))
			r.warm[e.o.id] = e.head
			if e.head.Durable != Local {
				r.durabilityOf(e.o.id).said = ackOf(e.head)
			}
		}
	}
	r.mu.Unlock()
	if err == nil && d != nil {
		r.publish(append([]byte{messageVersion}, r.post.Pack(d, states, blobs)...), publishTimeout)
	}
	return err
}

// introduction is the member record, which stands in an actor's first delta. Called with mu held.
func (r *Replica) introduction() []record.Record {
	if _, known := r.table.Members[r.feed.Writer()]; known {
		return nil
	}
	return []record.Record{r.memberRecord()}
}

// memberRecord makes this peer a member by its present actor. Called with mu held.
func (r *Replica) memberRecord() record.Record {
	k := record.Key{Kind: record.MemberRecord, Lineage: record.Lineage{Actor: r.feed.Writer()}}
	return record.Record{Key: k.String(), Value: record.Encode(record.Member{Peer: r.self, Incarnation: r.feed.Incarnation(),
		Proof: record.MemberProof(r.cfg.Secret, r.sandbox, r.feed.Writer()), Opening: r.table.Opening(r.self)})}
}

// end stops a run's ownership with a reason; later turns get it, and the run may be taken over again.
func (r *Replica) end(o *ownedRun, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owned[o.id] == o {
		r.standDown(o, why)
	}
}

// build makes the records and blocks of one run's share.
func (e *entry) build(r *Replica) error {
	o, p := e.o, e.p
	h := p.head
	if err := e.sealMemory(&h); err != nil {
		r.m.RootMismatches.Inc()
		return err
	}
	if o.last != nil {
		h.Prev = o.last.Hash()
	} else if h.Base != nil {
		h.Prev = h.Base.Head
	}
	r.mu.Lock()
	r.settleVoters(o, &h)
	r.mu.Unlock()
	e.head = &h
	key := record.Key{Kind: record.HeadRecord, Run: o.id, Lineage: o.lineage}
	e.records = append(e.records, record.Record{Key: key.String(), Value: h.Encode()})
	e.addLines()
	e.addCells()
	return nil
}

// sealMemory brings tree and manifest up to the pending pages and names the state.
func (e *entry) sealMemory(h *Head) error {
	o, p := e.o, e.p
	e.state.Run, e.state.Epoch, e.state.Turn = o.id, o.lineage.Number, h.Turn
	if p.turns > 0 {
		o.tree.Resize(p.memory)
		o.manifest.Resize(p.memory)
		before := map[uint64]changes.Hash{}
		pages := block.Pages(p.memory)
		for _, z := range p.zeros {
			for i := z.First; i < min(z.First+z.Count, pages); i++ {
				e.setPage(before, i, changes.Hash{})
			}
			if z.First < pages {
				o.tree.Clear(z.First, min(z.Count, pages-z.First)) // gives back what holds only zeros
			}
		}
		for _, i := range slices.Sorted(maps.Keys(p.pages)) {
			data := p.pages[i]
			hash := changes.PageHash(data)
			if hash != (changes.Hash{}) && hash != o.tree.Get(i) {
				e.state.Blocks = append(e.state.Blocks, block.Block{ID: block.ID{Kind: block.PageKind, Hash: hash}, Data: data[:]})
			}
			e.setPage(before, i, hash)
		}
		for _, i := range slices.Sorted(maps.Keys(before)) {
			page := sequel.Page{Index: i, Old: before[i]}
			switch now := o.tree.Get(i); now {
			case before[i]:
				continue
			case changes.Hash{}:
			default:
				page.Data = p.pages[i]
			}
			e.state.Pages = append(e.state.Pages, page)
		}
	}
	h.Root = o.tree.Root()
	if p.root != (changes.Hash{}) && p.root != h.Root {
		return fmt.Errorf("%w: turn %d of run %s: the pages do not hash to the state given", ErrTurn, h.Turn, o.id)
	}
	var nodes []block.Block
	h.Manifest, nodes = o.manifest.Seal()
	e.state.Blocks = append(e.state.Blocks, nodes...)
	return nil
}

// setPage gives a page its hash; before keeps the ones that were there first.
func (e *entry) setPage(before map[uint64]changes.Hash, i uint64, h changes.Hash) {
	old := e.o.tree.Get(i)
	if old == h {
		return
	}
	if _, again := before[i]; !again {
		before[i] = old
	}
	e.o.tree.Set(i, h)
	e.o.manifest.Set(i, h)
}

func (e *entry) addLines() {
	if len(e.p.lines) == 0 {
		return
	}
	s := record.Segment{First: e.p.lines[0].Number}
	for _, l := range e.p.lines {
		s.Lines = append(s.Lines, record.Line{Stream: l.Stream, Text: l.Text})
	}
	key := record.Key{Kind: record.LinesRecord, Run: e.o.id, Lineage: e.o.lineage, Number: s.First}
	value, made := record.EncodeContent(record.Encode(s), uint64(len(s.Lines)))
	e.records = append(e.records, record.Record{Key: key.String(), Value: value})
	e.blobs = append(e.blobs, made...)
}

// addCells writes each changed cell under its own key, or all of them in packs when they are many or long.
func (e *entry) addCells() {
	e.slots = e.o.slots
	maps.Copy(e.o.cells, e.p.cells)
	size, long := 0, false
	var list []record.Record
	for _, c := range e.p.cells {
		key := record.Key{Kind: record.CellRecord, Run: e.o.id, Lineage: e.o.lineage, Path: c.Path}.String()
		value := c.Cell.Encode()
		size += len(key) + len(value)
		long = long || len(key) > record.KeyBytesMax/2
		list = append(list, record.Record{Key: key, Value: value})
	}
	if len(list) <= cellKeysMax && size <= cellBytesMax && !long {
		slices.SortFunc(list, func(a, b record.Record) int { return cmp.Compare(a.Key, b.Key) })
		e.records = append(e.records, list...)
		return
	}
	e.addPack()
}

// addPack files the changed cells in the slots of the epoch's packs.
func (e *entry) addPack() {
	set := map[string]bool{}
	for code := range e.p.cells {
		set[code] = true
	}
	slots, changed := e.o.slots.Add(set)
	e.slots = slots
	for _, i := range changed {
		e.packRecord(i, slots[i])
	}
}

func (e *entry) packRecord(slot int, set map[string]bool) {
	p := record.Pack{}
	for code := range set {
		p.Cells = append(p.Cells, record.PackCell{Path: []byte(code), Cell: e.o.cells[code].Cell.Encode()})
	}
	slices.SortFunc(p.Cells, func(a, b record.PackCell) int { return slices.Compare(a.Path, b.Path) })
	key := record.Key{Kind: record.PackRecord, Run: e.o.id, Lineage: e.o.lineage, Number: uint64(slot)}
	value, made := record.EncodeContent(record.Encode(p), 0)
	e.records = append(e.records, record.Record{Key: key.String(), Value: value})
	e.blobs = append(e.blobs, made...)
}

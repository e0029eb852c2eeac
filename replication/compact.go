package replication

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/store"
)

// stored is a delta in the store, as a compaction sees it.
type stored struct {
	hash   blockHash
	actor  actorID
	seq    uint64
	height uint64
	bytes  int64
	live   int64    // bytes of records that still count
	keys   []string // those, when it is our own
	blobs  []blockID
}

type blockID = block.ID

// pruneMax is how many deltas are removed in one batch.
const pruneMax = 512

// compact removes deltas in which nothing counts any more, beyond the newest Config.Retain bytes, and issues again what counts in own deltas that
// are mostly dead, so that they can go the next time. Nobody is asked: a delta in which nothing counts says nothing to anybody, and who lacks
// it is told that it is left out. An actor's first delta says that it is a member, and stays. It returns the bytes left, and the blobs that they need.
func (r *Replica) compact() (left int64, needed map[blockID]bool, err error) {
	all, err := r.survey()
	if err != nil {
		return 0, nil, err
	}
	slices.SortFunc(all, func(a, b *stored) int { // newest first
		if a.height != b.height {
			return int(int64(b.height - a.height))
		}
		return bytes.Compare(a.hash[:], b.hash[:])
	})
	spared, busy := r.spared(), r.busyActors()
	if len(busy) > 0 {
		r.feed.postpone(r.cfg.Retain)
	}
	needed = map[blockID]bool{}
	var gone []*stored
	var again []string
	newest := int64(0)
	for _, d := range all {
		newest += d.bytes
		switch {
		case newest <= r.cfg.Retain || spared[d.hash] || busy[d.actor] || d.seq == 1:
		case d.live == 0:
			gone = append(gone, d)
			continue
		case d.actor == r.feed.actor && d.live < d.bytes/2:
			again = append(again, d.keys...)
		}
		left += d.bytes
		for _, b := range d.blobs {
			needed[b] = true
		}
	}
	for chunk := range slices.Chunk(gone, pruneMax) {
		if err := r.pruneDeltas(chunk); err != nil {
			return left, needed, err
		}
	}
	return left, needed, r.issueAgain(again)
}

// survey reads all deltas and weighs what counts in them.
func (r *Replica) survey() (all []*stored, err error) {
	var failed error
	err = r.store.Scan([]byte{'d'}, []byte{'e'}, func(_, v []byte) bool {
		d, err := loadDelta(slices.Clone(v))
		if err != nil {
			failed = err
			return false
		}
		s := &stored{hash: d.hash, actor: d.actor, seq: d.Seq, height: d.height, bytes: int64(len(v))}
		for _, e := range d.elements {
			if root, ok := blobOf(e); ok {
				s.blobs = append(s.blobs, root)
				if parts, err := r.blocks.Parts(root); err == nil {
					s.blobs = append(s.blobs, parts...)
				}
			}
			if key := e.key.String(); r.counts(e.key) && r.height(key) == d.height {
				s.live += int64(len(key) + len(e.value))
				if d.actor == r.feed.actor {
					s.keys = append(s.keys, key)
				}
			}
		}
		all = append(all, s)
		return r.ctx.Err() == nil
	})
	if err == nil {
		err = failed
	}
	if err == nil {
		err = r.ctx.Err()
	}
	return all, err
}

// blobOf is the root of the blob that an element stands in.
func blobOf(e element) (blockID, bool) {
	switch e.key.kind {
	case genesisRecord:
		if g, err := decodeGenesis(e.value); err == nil {
			return block.Ref{Bytes: g.ImageBytes, Hash: g.Image[:]}.Root(), true
		}
	case linesRecord, packRecord:
		if c, err := decodeContent(e.value); err == nil && c.Blob != nil {
			return c.Blob.Root(), true
		}
	case messageRecord:
		if m, err := decodeMessage(e.value); err == nil && m.Blob != nil {
			return m.Blob.Root(), true
		}
	}
	return blockID{}, false
}

// height is that of the delta whose value of a key the engine keeps; 0 when there is none.
func (r *Replica) height(key string) uint64 {
	low, _ := store.EngineRange(valuePrefix + key + prioritySuffix)
	b, err := r.store.Get(low)
	if err != nil {
		return 0
	}
	n, _ := binary.Uvarint(b)
	return n - 1
}

// counts says whether a record can still mean anything: cells of an epoch below the winner's never will, lines only on the
// winning chain. Heads are kept, a void one is the name of its fork.
func (r *Replica) counts(k recordKey) bool {
	switch k.kind {
	case cellRecord, packRecord, linesRecord:
	default:
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rt := r.table.runs[k.run]
	if rt == nil || k.kind != linesRecord && (rt.winner == nil || k.lineage.number >= rt.winner.id.number) {
		return true
	}
	return k.kind == linesRecord && r.alive(rt, k.lineage)
}

// alive says whether an epoch may still win, or is part of the winning chain. Called with mu held.
func (r *Replica) alive(rt *runTable, id lineageID) bool {
	return rt.winner == nil || id.number >= rt.winner.id.number || slices.ContainsFunc(rt.chain(), func(p part) bool { return p.l.id == id })
}

// busyActors are those of runs whose newest state is not here: should it be had nowhere, an older one is continued, and its cells are then
// read again from all of the actor's deltas.
func (r *Replica) busyActors() map[actorID]bool {
	m := map[actorID]bool{}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, rt := range r.table.runs {
		if w := rt.winner; w != nil && r.wanted(w.head) && r.owned[id] == nil && (r.warm[id] == nil || r.warm[id].Manifest != w.head.Manifest) {
			m[w.id.actor] = true
		}
	}
	return m
}

// spared are deltas that stay whatever is in them: the DAG's heads, and each actor's newest, which says how far it is known here.
func (r *Replica) spared() map[blockHash]bool {
	m := map[blockHash]bool{}
	for _, h := range r.engine.heads() {
		m[h] = true
	}
	r.feed.mu.Lock()
	defer r.feed.mu.Unlock()
	for a, seq := range r.feed.vector {
		if v, err := r.store.Get(indexKey(a, seq)); err == nil && len(v) >= 32 {
			m[blockHash(v[:32])] = true
		}
	}
	return m
}

// pruneDeltas removes deltas with the window held, so that nothing is merged meanwhile.
func (r *Replica) pruneDeltas(list []*stored) error {
	r.engine.w.Begin()
	defer r.engine.w.End()
	spared := r.spared()
	floors := map[actorID]uint64{}
	w := r.engine.w
	var removed []*stored
	for _, d := range list {
		if spared[d.hash] {
			continue
		}
		floors[d.actor] = max(floors[d.actor], d.seq)
		removed = append(removed, d)
		w.Remove(d.hash.storeKey())
		w.Remove(processedKey(d.hash))
		if v, err := w.GetRaw(indexKey(d.actor, d.seq)); err == nil && len(v) >= 32 && blockHash(v[:32]) == d.hash {
			w.Remove(indexKey(d.actor, d.seq))
		}
	}
	r.feed.mu.Lock()
	defer r.feed.mu.Unlock()
	for a, n := range floors {
		if n > r.feed.floor[a] {
			w.Add(floorKey(a), be64(n))
		}
	}
	if _, err := w.Write(false); err != nil {
		r.feed.mu.Unlock()
		r.fail(err)
		r.feed.mu.Lock()
		return err
	}
	for a, n := range floors {
		r.feed.floor[a] = max(r.feed.floor[a], n)
	}
	for _, d := range removed {
		delete(r.feed.heights, d.hash)
		r.feed.prune(d.hash)
	}
	r.m.prunedDeltas.Add(float64(len(removed)))
	return nil
}

func floorKey(a actorID) []byte { return append([]byte{'f'}, a[:]...) }

// issueAgain writes own records that count under a new delta, as they are when it is made.
func (r *Replica) issueAgain(keys []string) error {
	slices.Sort(keys)
	for chunk := range slices.Chunk(slices.Compact(keys), deltaKeysMax/2) {
		x := &extra{done: make(chan error, 1)}
		x.now = func() (records []record) {
			size := 0
			for _, k := range chunk {
				if v, err := r.readValue(k); err == nil && size < deltaValuesMax {
					records = append(records, record{k, v})
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

// dropVoid forgets what epochs that can never win again have written, but for their heads.
func (r *Replica) dropVoid() error {
	var keys [][]byte
	low, high := store.EngineRange(valuePrefix + "/")
	err := r.store.Scan(low, high, func(k, _ []byte) bool {
		key, ok := strings.CutSuffix(string(k[1+len(valuePrefix):]), valueSuffix)
		if !ok {
			key = strings.TrimSuffix(key, prioritySuffix)
		}
		if p, err := parseKey(key); err == nil && !r.counts(p) {
			keys = append(keys, slices.Clone(k))
		}
		return r.ctx.Err() == nil
	})
	if err != nil || len(keys) == 0 {
		return err
	}
	r.mu.Lock()
	for _, rt := range r.table.runs {
		for id, l := range rt.lineages {
			if !r.alive(rt, id) {
				l.cells, l.segments = map[string]changes.PathCell{}, nil
			}
		}
	}
	r.mu.Unlock()
	return r.store.Write(false, func(b store.Batch) {
		for _, k := range keys {
			b.Delete(k)
		}
	})
}

// compactAll compacts and removes blobs that two compactions in a row found unneeded.
func (r *Replica) compactAll(suspects map[blockID]bool) (left int64, next map[blockID]bool, err error) {
	r.feed.restart()
	if err := r.dropVoid(); err != nil {
		return 0, suspects, err
	}
	left, needed, err := r.compact()
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
	r.m.sweptBlocks.Add(float64(n))
	return left, next, err
}

// grown is how many bytes of deltas were written since the last restart of the count.
func (f *feed) grown() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.written
}

// postpone makes the next compaction due soon: this one had to leave something.
func (f *feed) postpone(bytes int64) {
	f.mu.Lock()
	f.written += bytes * 3 / 4
	f.mu.Unlock()
}

func (f *feed) restart() {
	f.mu.Lock()
	f.written = 0
	f.mu.Unlock()
}

// imported follows an answer that left deltas out: what it left out is left out here too, and what looks like a head of the DAG only because
// the deltas after it are not here is none.
func (r *Replica) imported(ctx context.Context, h *pullHeader) error {
	for r.feed.busy() {
		if err := r.pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	r.feed.mu.Lock()
	floors := map[actorID]uint64{}
	for _, v := range h.Floors {
		if a := actorID(v.Actor); len(v.Actor) == 16 && r.feed.vector[a] >= v.Seq && v.Seq > r.feed.floor[a] {
			floors[a], r.feed.floor[a] = v.Seq, v.Seq
		}
	}
	r.feed.mu.Unlock()
	err := r.store.Write(false, func(b store.Batch) {
		for a, n := range floors {
			b.Put(floorKey(a), be64(n))
		}
	})
	if err != nil {
		r.fail(err)
		return err
	}
	reached := map[actorID]uint64{}
	for _, v := range h.Vector {
		if len(v.Actor) == 16 {
			reached[actorID(v.Actor)] = v.Seq
		}
	}
	var extra []blockHash
	for _, x := range r.engine.heads() {
		if slices.ContainsFunc(h.Heads, func(y []byte) bool { return bytes.Equal(x[:], y) }) {
			continue
		}
		b, err := r.store.Get(x.storeKey())
		if err != nil {
			continue
		}
		if d, err := loadDelta(b); err == nil && d.Seq <= reached[d.actor] {
			extra = append(extra, x)
		}
	}
	if len(extra) == 0 {
		return nil
	}
	return r.engine.trim(ctx, extra)
}

// busy says whether deltas are ready or being applied.
func (f *feed) busy() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.ready) > 0 || len(f.queued) > 0
}

// importMax bounds how long own deltas wait for a catch-up: what is written during one would link to every delta that looks like a head.
const importMax = 10 * time.Second

func (r *Replica) afterImport() {
	for end := time.Now().Add(importMax); time.Now().Before(end) && r.ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		r.feed.mu.Lock()
		on := r.feed.importing > 0
		r.feed.mu.Unlock()
		if !on {
			return
		}
	}
}

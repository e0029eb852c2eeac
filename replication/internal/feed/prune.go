package feed

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
)

// Place names a delta in the store.
type Place struct {
	Hash  record.BlockHash
	Actor record.Actor
	Seq   uint64
}

func floorKey(a record.Actor) []byte { return append([]byte{'f'}, a[:]...) }

// gapKey is where the store has the number of an actor's delta that waits while later ones are applied, or 0, up to which number deltas were left out that
// the floor does not say yet, and with which number what is applied is whole (record.Gap). The process may end before the one is applied and the answer that leaves the others out is whole: the next one asks again for the
// one, and knows about the others.
func gapKey(a record.Actor) []byte { return append([]byte{'h'}, a[:]...) }

// Spared are deltas that stay whatever is in them: the DAG's heads, and each actor's newest, which says how far it is known here.
func (e *Engine) Spared() map[record.BlockHash]bool {
	m := map[record.BlockHash]bool{}
	for _, h := range e.Heads() {
		m[h] = true
	}
	f := e.f
	f.mu.Lock()
	defer f.mu.Unlock()
	for a, seq := range f.top {
		if h, ok := f.at(a, seq); ok {
			m[h] = true
		}
	}
	return m
}

// at is the delta that has a number of an actor.
func (f *Feed) at(a record.Actor, seq uint64) (h record.BlockHash, ok bool) {
	v, err := f.s.Get(IndexKey(a, seq))
	if err != nil || len(v) < 32 {
		return h, false
	}
	return record.BlockHash(v[:32]), true
}

// Prune removes deltas with the window held, so that nothing is merged meanwhile, and returns how many went.
func (e *Engine) Prune(list []Place) (n int, err error) {
	w, f := e.w, e.f
	w.Begin()
	defer w.End()
	spared := e.Spared()
	f.mu.Lock()
	reached := f.reached()
	f.mu.Unlock()
	floors := map[record.Actor]uint64{}
	var removed []Place
	for _, d := range list {
		if spared[d.Hash] || d.Seq > reached[d.Actor] { // the floor would say that what waits was removed
			continue
		}
		floors[d.Actor] = max(floors[d.Actor], d.Seq)
		removed = append(removed, d)
		w.Remove(d.Hash.StoreKey())
		w.Remove(processedKey(d.Hash))
		if h, ok := f.at(d.Actor, d.Seq); ok && h == d.Hash {
			w.Remove(IndexKey(d.Actor, d.Seq))
		}
	}
	f.mu.Lock()
	for a, n := range floors {
		if n > f.floor[a] {
			w.Add(floorKey(a), be64(n))
		}
	}
	_, err = w.Write(false)
	if err == nil {
		for a, n := range floors {
			f.floor[a] = max(f.floor[a], n)
		}
		for _, d := range removed {
			delete(f.heights, d.Hash)
			f.prune(d.Hash)
		}
	}
	f.mu.Unlock()
	if err != nil {
		e.failed(err)
	}
	return len(removed), err
}

// imported follows an answer that left deltas out: what it left out is left out here too, and what looks like a head of the DAG only because
// the deltas after it are not here is none.
func (e *Engine) imported(ctx context.Context, h *pullHeader) error {
	f := e.f
	for f.busy() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	floors := map[record.Actor]uint64{}
	for _, v := range h.Floors {
		if a := record.Actor(v.Actor); len(v.Actor) == 16 && f.vector[a] >= v.Seq && v.Seq > f.floor[a] {
			floors[a], f.floor[a] = v.Seq, v.Seq
		}
	}
	for a, n := range f.left { // answers that were cut left those out
		if f.vector[a] >= n && n > f.floor[a] {
			floors[a], f.floor[a] = n, n
		}
		if f.floor[a] >= n {
			delete(f.left, a)
		}
	}
	f.mu.Unlock()
	err := e.s.Write(false, func(b store.Batch) {
		for a, n := range floors {
			b.Put(floorKey(a), be64(n))
		}
	})
	if err != nil {
		e.failed(err)
		return err
	}
	reached := map[record.Actor]uint64{}
	for _, v := range h.Vector {
		if len(v.Actor) == 16 {
			reached[record.Actor(v.Actor)] = v.Seq
		}
	}
	var extra []record.BlockHash
	for _, x := range e.Heads() {
		if slices.ContainsFunc(h.Heads, func(y []byte) bool { return bytes.Equal(x[:], y) }) {
			continue
		}
		b, err := e.s.Get(x.StoreKey())
		if err != nil {
			continue
		}
		if d, err := record.LoadDelta(b); err == nil && d.Seq <= reached[d.Actor] {
			extra = append(extra, x)
		}
	}
	if len(extra) == 0 {
		return nil
	}
	return e.trim(ctx, extra)
}

// busy says whether deltas are ready or being applied.
func (f *Feed) busy() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.ready) > 0 || len(f.queued) > 0
}

// importMax bounds how long own deltas wait for a catch-up: what is written during one would link to every delta that looks like a head.
const importMax = 10 * time.Second

// AwaitImport waits while answers come in that leave deltas out.
func (f *Feed) AwaitImport(ctx context.Context) {
	for end := time.Now().Add(importMax); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		f.mu.Lock()
		on := f.importing > 0
		f.mu.Unlock()
		if !on {
			return
		}
	}
}

// Grown is how many bytes of deltas were written since the last restart of the count.
func (f *Feed) Grown() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.written
}

// Postpone makes the next compaction due soon: this one had to leave something.
func (f *Feed) Postpone(bytes int64) {
	f.mu.Lock()
	f.written += bytes * 3 / 4
	f.mu.Unlock()
}

// Restart begins the count of grown anew.
func (f *Feed) Restart() {
	f.mu.Lock()
	f.written = 0
	f.mu.Unlock()
}

// Stats are the deltas applied, their bytes, and the deltas that are here and not applied yet.
func (f *Feed) Stats() (deltas, bytes uint64, pending int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.deltas, f.bytes, len(f.waiting) + len(f.queued)
}

// Admit says that an actor is a member.
func (f *Feed) Admit(a record.Actor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members[a] = true
}

// Stored calls do for each delta in the store, in no order of meaning, with its size there, until it returns false.
func (f *Feed) Stored(do func(d *record.Delta, bytes int64) bool) error {
	var failed error
	err := f.s.Scan([]byte{'d'}, []byte{'e'}, func(_, v []byte) bool {
		d, err := record.LoadDelta(slices.Clone(v))
		if err != nil {
			failed = err
			return false
		}
		return do(d, int64(len(v)))
	})
	if err == nil {
		err = failed
	}
	return err
}

// Authored calls do for an actor's deltas in the order of their numbers, until it returns false: those of one moment.
func (f *Feed) Authored(a record.Actor, do func(d *record.Delta) bool) error {
	now, err := f.s.Snapshot()
	if err != nil {
		return err
	}
	defer now.Close()
	var failed error
	err = now.Scan(IndexKey(a, 0), store.After(IndexKey(a, ^uint64(0)>>1)), func(_, v []byte) bool {
		var d *record.Delta
		b, err := now.Get(record.BlockHash(v[:32]).StoreKey())
		if err == nil {
			d, err = record.LoadDelta(b)
		}
		if err != nil {
			failed = err
			return false
		}
		return do(d)
	})
	if err == nil {
		err = failed
	}
	return err
}

// Value is the settled value of a record's key.
func (e *Engine) Value(key string) ([]byte, error) {
	low, _ := store.EngineRange(ValuePrefix + key + ValueSuffix)
	return e.s.Get(low)
}

// ValueHeight is the height of the delta whose value of a key is kept; 0 when there is none.
func (e *Engine) ValueHeight(key string) uint64 {
	low, _ := store.EngineRange(ValuePrefix + key + prioritySuffix)
	b, err := e.s.Get(low)
	if err != nil {
		return 0
	}
	n, _ := binary.Uvarint(b)
	return n - 1
}

// Values lists all settled records.
func (e *Engine) Values() (list []record.Record, err error) {
	low, high := store.EngineRange(ValuePrefix + "/")
	err = e.s.Scan(low, high, func(k, v []byte) bool {
		if key, ok := strings.CutSuffix(string(k[1+len(ValuePrefix):]), ValueSuffix); ok {
			list = append(list, record.Record{Key: key, Value: slices.Clone(v)})
		}
		return true
	})
	return list, err
}

// Forget drops the values of keys that are dead, before and after which nobody asks for them, until ctx ends.
func (e *Engine) Forget(ctx context.Context, dead func(record.Key) bool) error {
	var keys [][]byte
	low, high := store.EngineRange(ValuePrefix + "/")
	err := e.s.Scan(low, high, func(k, _ []byte) bool {
		key, ok := strings.CutSuffix(string(k[1+len(ValuePrefix):]), ValueSuffix)
		if !ok {
			key = strings.TrimSuffix(key, prioritySuffix)
		}
		if p, err := record.ParseKey(key); err == nil && dead(p) {
			keys = append(keys, slices.Clone(k))
		}
		return ctx.Err() == nil
	})
	if err != nil || len(keys) == 0 {
		return err
	}
	return e.s.Write(false, func(b store.Batch) {
		for _, k := range keys {
			b.Delete(k)
		}
	})
}

// Hold runs do while no delta can be applied.
func (e *Engine) Hold(do func() error) error {
	e.w.Begin()
	defer e.w.End()
	return do()
}

package store

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// Window is the datastore the CRDT engine is given. The engine applies a delta in several writes
// (elements, a processed mark, heads); a crash between them would leave a delta that is applied but
// never linked to. Between Begin and Commit all of them, and whatever the caller adds, go to one
// batch that becomes durable whole. Reads see it. Outside, writes are made at once.
type Window struct {
	s *Store

	mu      sync.Mutex
	batch   *pebble.Batch // nil outside Begin and Commit
	watched []Entry
	prefix  string
	suffix  string
	unread  string
}

// Entry is a watched key and its new value.
type Entry struct {
	Key   string // between prefix and suffix
	Value []byte
}

var _ ds.Batching = (*Window)(nil)

const engineSpace = 'c'

// Window returns the engine's datastore; Commit lists the puts of keys that have this prefix and suffix, and drops those whose key begins with
// unread: what the engine writes down only for the day when something is deleted, which it never is.
func (s *Store) Window(prefix, suffix, unread string) *Window {
	s.window.prefix, s.window.suffix, s.window.unread = prefix, suffix, unread
	return &s.window
}

// Begin opens the window; one at a time, a second caller waits.
func (w *Window) Begin() {
	w.s.turnstile.Lock()
	w.mu.Lock()
	w.batch, w.watched = w.s.db.NewIndexedBatch(), nil
	w.mu.Unlock()
}

// Remove deletes the caller's own key in the open window.
func (w *Window) Remove(key []byte) {
	w.mu.Lock()
	w.batch.Delete(key, nil)
	w.mu.Unlock()
}

// Add puts the caller's own key into the open window.
func (w *Window) Add(key, value []byte) {
	w.mu.Lock()
	w.batch.Set(key, value, nil)
	w.mu.Unlock()
}

// GetRaw reads the caller's own key through the open window.
func (w *Window) GetRaw(key []byte) ([]byte, error) {
	if err := w.s.enter(); err != nil {
		return nil, err
	}
	defer w.s.leave()
	w.mu.Lock()
	defer w.mu.Unlock()
	return get(w.reader(), key)
}

// Write commits what the window holds, durable if sync, and returns the watched puts in order. The
// window stays held, writes after it are refused until End.
func (w *Window) Write(sync bool) ([]Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, entries := w.batch, w.watched
	w.batch, w.watched = nil, nil
	return entries, w.s.commit(b, sync)
}

// End releases the window, forgetting what was not written.
func (w *Window) End() {
	w.mu.Lock()
	if w.batch != nil {
		w.batch.Close()
	}
	w.batch, w.watched = nil, nil
	w.mu.Unlock()
	w.s.turnstile.Unlock()
}

func (w *Window) reader() pebble.Reader {
	if w.batch != nil {
		return w.batch
	}
	return w.s.db
}

func engineKey(k ds.Key) []byte {
	return append([]byte{engineSpace}, k.String()...)
}

// EngineRange bounds the engine's keys that begin with prefix, for Scan; the key's text follows its first byte.
func EngineRange(prefix string) (low, high []byte) {
	low = append([]byte{engineSpace}, prefix...)
	return low, After(low)
}

// After is the least key greater than all keys that begin with prefix (which must not be all 0xff).
func After(prefix []byte) []byte {
	h := append([]byte(nil), prefix...)
	for i := len(h) - 1; ; i-- {
		if h[i] != 0xff {
			h[i]++
			return h[:i+1]
		}
	}
}

func (w *Window) Get(_ context.Context, k ds.Key) ([]byte, error) {
	v, err := w.GetRaw(engineKey(k))
	if errors.Is(err, ErrAbsent) {
		return nil, ds.ErrNotFound
	}
	return v, err
}

func (w *Window) Has(ctx context.Context, k ds.Key) (bool, error) {
	return ds.GetBackedHas(ctx, w, k)
}

func (w *Window) GetSize(ctx context.Context, k ds.Key) (int, error) {
	return ds.GetBackedSize(ctx, w, k)
}

func (w *Window) Put(_ context.Context, k ds.Key, v []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.batch != nil {
		w.put(k, v)
		return nil
	}
	return w.s.Write(false, func(b Batch) { b.Put(engineKey(k), v) })
}

func (w *Window) put(k ds.Key, v []byte) {
	if w.unread != "" && strings.HasPrefix(k.String(), w.unread) {
		return
	}
	w.batch.Set(engineKey(k), v, nil)
	if t, ok := strings.CutPrefix(k.String(), w.prefix); ok {
		if t, ok = strings.CutSuffix(t, w.suffix); ok {
			w.watched = append(w.watched, Entry{t, append([]byte(nil), v...)})
		}
	}
}

func (w *Window) Delete(_ context.Context, k ds.Key) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.batch != nil {
		return w.batch.Delete(engineKey(k), nil)
	}
	return w.s.Write(false, func(b Batch) { b.Delete(engineKey(k)) })
}

// Query serves the engine's few scans (heads at start, migrations); it reads all results into memory.
func (w *Window) Query(_ context.Context, q query.Query) (query.Results, error) {
	if err := w.s.enter(); err != nil {
		return nil, err
	}
	defer w.s.leave()
	prefix := ds.NewKey(q.Prefix).String()
	if prefix != "/" {
		prefix += "/"
	}
	low, high := EngineRange(prefix)
	var out []query.Entry
	w.mu.Lock()
	err := scan(w.reader(), low, high, func(k, v []byte) bool {
		e := query.Entry{Key: string(k[1:]), Size: len(v)}
		if !q.KeysOnly {
			e.Value = append([]byte(nil), v...)
		}
		out = append(out, e)
		return true
	})
	w.mu.Unlock()
	if err != nil {
		return nil, err
	}
	q.Prefix = ""
	return query.NaiveQueryApply(q, query.ResultsWithEntries(q, out)), nil
}

// Sync does nothing: the owner of the window decides at Write.
func (w *Window) Sync(context.Context, ds.Key) error { return nil }

// Close does nothing: the store is closed by its owner.
func (w *Window) Close() error { return nil }

// Batch collects the engine's writes of one delta.
func (w *Window) Batch(context.Context) (ds.Batch, error) { return &engineBatch{w: w}, nil }

type engineBatch struct {
	w   *Window
	ops []engineOp
}

type engineOp struct {
	key    ds.Key
	value  []byte
	delete bool
}

func (b *engineBatch) Put(_ context.Context, k ds.Key, v []byte) error {
	b.ops = append(b.ops, engineOp{key: k, value: v})
	return nil
}

func (b *engineBatch) Delete(_ context.Context, k ds.Key) error {
	b.ops = append(b.ops, engineOp{key: k, delete: true})
	return nil
}

func (b *engineBatch) Commit(context.Context) error {
	w := b.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.batch == nil {
		return w.s.Write(false, func(x Batch) {
			for _, o := range b.ops {
				if o.delete {
					x.Delete(engineKey(o.key))
				} else {
					x.Put(engineKey(o.key), o.value)
				}
			}
		})
	}
	for _, o := range b.ops {
		if o.delete {
			w.batch.Delete(engineKey(o.key), nil)
		} else {
			w.put(o.key, o.value)
		}
	}
	return nil
}

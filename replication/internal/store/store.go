// Package store keeps everything a replica knows in one pebble database, so that after a crash
// all of it is a prefix of what was written, together.
//
// It offers three things over that database: plain reads and batches; a marker that says whose store this is; and the Window, a go-datastore for the CRDT engine whose writes
// between Begin and Commit become one atomic batch. It knows nothing of records or peers.
//
// Costs: a synced commit is one fsync of the log; a read outside the cache is one table lookup.
package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Errors that callers branch on.
var (
	ErrLocked  = errors.New("store: in use by another process")
	ErrFull    = errors.New("store: disk is full")
	ErrCorrupt = errors.New("store: corrupt")
	ErrFailed  = errors.New("store: an earlier write failed")
	ErrAbsent  = errors.New("store: not here")
	ErrVersion = errors.New("store: written by another version")
	ErrClosed  = errors.New("store: closed")
)

// Options of Open.
type Options struct {
	FS          vfs.FS // nil: the disk
	Logger      *slog.Logger
	FreeMin     int64 // bytes that must stay free on the disk
	CreateOnly  bool  // fail with fs.ErrExist when a store is there
	MustExist   bool  // fail with ErrAbsent when none is there
	MemoryBytes int   // cache, and four times the memtable, which also bounds the logs that are kept; 0: 16 MiB
}

// Store is an open database. Safe for concurrent use.
type Store struct {
	dir    string
	db     *pebble.DB
	lock   *pebble.Lock
	fs     vfs.FS
	cache  *pebble.Cache
	free   atomic.Int64
	failed atomic.Pointer[error] // first write failure; the store takes no write after it
	stop   sync.Once
	dead   chan struct{} // closed when pebble gave up in the middle of something; it cannot even be closed

	users  sync.WaitGroup // operations on db
	gate   sync.Mutex     // guards closed against a new user
	closed bool

	turnstile sync.Mutex // held from Begin to End
	window    Window
}

const databaseDir = "pebble"

// Present says whether dir holds a store.
func Present(dir string) bool { return present(vfs.Default, dir) }

func present(fs vfs.FS, dir string) bool {
	names, err := fs.List(filepath.Join(dir, databaseDir))
	return err == nil && slices.ContainsFunc(names, func(n string) bool { return n == "CURRENT" || strings.HasPrefix(n, "marker.") })
}

// Open opens or makes the store in dir.
func Open(dir string, o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = 16 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	path := filepath.Join(dir, databaseDir)
	if o.CreateOnly && present(o.FS, dir) {
		return nil, fs.ErrExist
	}
	if o.MustExist && !present(o.FS, dir) {
		return nil, ErrAbsent
	}
	if err := makeDir(o.FS, path); err != nil {
		return nil, explain(err)
	}
	lock, err := pebble.LockDirectory(path, o.FS)
	if err != nil {
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) || strings.Contains(err.Error(), "held by") {
			return nil, fmt.Errorf("%w: %s", ErrLocked, dir)
		}
		return nil, explain(err)
	}
	s := &Store{dir: path, fs: o.FS, lock: lock, cache: pebble.NewCache(int64(o.MemoryBytes)), dead: make(chan struct{})}
	s.window.s = s
	s.free.Store(o.FreeMin)
	if err := s.room(0); err != nil {
		s.release()
		return nil, err
	}
	if s.db, err = openDatabase(path, s, o); err != nil {
		return nil, explain(err)
	}
	return s, nil
}

// makeDir makes the missing directories of path and syncs the one above each, or a crash could lose the
// whole store with its name.
func makeDir(fs vfs.FS, path string) error {
	var above []string
	for p := path; p != filepath.Dir(p); p = filepath.Dir(p) {
		if _, err := fs.Stat(p); err == nil {
			break
		}
		above = append(above, filepath.Dir(p))
	}
	if err := fs.MkdirAll(path, 0o700); err != nil {
		return err
	}
	for _, p := range above {
		d, err := fs.OpenDir(p)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
	}
	return nil
}

// openDatabase opens the database, or releases s. Pebble, opening, tries again for ever when it cannot write what it found in its log: the first
// failure is the answer here, and the attempt is left to end when the disk recovers or the process does.
func openDatabase(path string, s *Store, o Options) (*pebble.DB, error) {
	type outcome struct {
		db  *pebble.DB
		err error
	}
	failed, opened := make(chan error, 1), make(chan outcome, 1)
	background := func(err error) {
		o.Logger.Warn("store: " + err.Error())
		s.fail(explain(err)) // pebble tries again, and nobody would know why writes wait
		select {
		case failed <- err:
		default:
		}
	}
	go func() {
		r := outcome{err: errGaveUp}
		defer func() { opened <- r }()
		r.db, r.err = openPebble(path, s, o, background)
	}()
	select {
	case r := <-opened:
		if r.err == errGaveUp {
			r.err = s.Failed()
		}
		if r.err != nil {
			s.release()
		}
		return r.db, r.err
	case <-s.dead:
		return nil, s.Failed()
	case err := <-failed:
		go func() {
			if r := <-opened; r.db != nil {
				r.db.Close()
			}
			s.release()
		}()
		return nil, fmt.Errorf("%w: what the store's log holds cannot be written where it belongs: %w", ErrFailed, err)
	}
}

// openPebble turns a panic of pebble while it replays a damaged log into an error.
func openPebble(path string, s *Store, o Options, background func(error)) (db *pebble.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
	}()
	return pebble.Open(path, &pebble.Options{
		FS: guarded{o.FS, s}, Lock: s.lock, Cache: s.cache, Logger: logger{o.Logger, s},
		MemTableSize: uint64(o.MemoryBytes) / 4,
		EventListener: &pebble.EventListener{ // the default ends the process
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				s.fail(fmt.Errorf("%w: %s: move the store away and join again", ErrCorrupt, i.Path))
			},
			BackgroundError: background,
		},
		FormatMajorVersion: pebble.FormatNewest,
	})
}

func (s *Store) release() {
	s.lock.Close()
	s.cache.Unref()
}

// enter admits an operation while the database is open; leave ends it.
func (s *Store) enter() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.users.Add(1)
	return nil
}

func (s *Store) leave() { s.users.Done() }

// Close waits for the operations that are on and closes the database; those that come later get ErrClosed. A store whose commit failed in the middle is only abandoned (the lock stays until the process ends).
func (s *Store) Close() error {
	s.gate.Lock()
	was := s.closed
	s.closed = true
	s.gate.Unlock()
	if was {
		return nil
	}
	s.users.Wait()
	select {
	case <-s.dead:
		return s.Failed()
	default:
	}
	closed := make(chan error, 1)
	go func() {
		err := errGaveUp
		defer func() { closed <- err }()
		err = s.db.Close()
	}()
	select {
	case <-s.dead:
		return s.Failed()
	case err := <-closed:
		if err == errGaveUp {
			return s.Failed()
		}
		s.release()
		return explain(err)
	}
}

// Failed is the write failure that stopped the store, or nil.
func (s *Store) Failed() error {
	if p := s.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// Get returns a copy of the value, ErrAbsent if there is none.
func (s *Store) Get(key []byte) ([]byte, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	return get(s.db, key)
}

// Has says whether key is present.
func (s *Store) Has(key []byte) (bool, error) {
	if err := s.enter(); err != nil {
		return false, err
	}
	defer s.leave()
	_, c, err := s.db.Get(key)
	if err == pebble.ErrNotFound {
		return false, nil
	}
	if err != nil {
		return false, explain(err)
	}
	return true, c.Close()
}

func get(r pebble.Reader, key []byte) ([]byte, error) {
	v, c, err := r.Get(key)
	if err == pebble.ErrNotFound {
		return nil, ErrAbsent
	}
	if err != nil {
		return nil, explain(err)
	}
	out := bytes.Clone(v)
	if out == nil {
		out = []byte{}
	}
	return out, c.Close()
}

// Scan calls f for keys from low to below high, in order, until f returns false. f must not keep the slices.
func (s *Store) Scan(low, high []byte, f func(key, value []byte) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return scan(s.db, low, high, f)
}

// Snapshot is the store as of one moment. The store cannot be closed while there is one.
type Snapshot struct {
	s  *Store
	at *pebble.Snapshot
}

// Snapshot takes one; whoever asks closes it.
func (s *Store) Snapshot() (*Snapshot, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	return &Snapshot{s, s.db.NewSnapshot()}, nil
}

// Get and Scan are those of the store.
func (x *Snapshot) Get(key []byte) ([]byte, error) { return get(x.at, key) }
func (x *Snapshot) Scan(low, high []byte, f func(key, value []byte) bool) error {
	return scan(x.at, low, high, f)
}

// Close lets go of it.
func (x *Snapshot) Close() error {
	defer x.s.leave()
	return explain(x.at.Close())
}

func scan(r pebble.Reader, low, high []byte, f func(key, value []byte) bool) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: low, UpperBound: high})
	if err != nil {
		return explain(err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		if !f(it.Key(), it.Value()) {
			break
		}
	}
	err = it.Error()
	if cerr := it.Close(); err == nil {
		err = cerr
	}
	return explain(err)
}

// Batch collects writes that are made together or not at all.
type Batch struct{ b *pebble.Batch }

// Put and Delete add to the batch.
func (b Batch) Put(key, value []byte) { b.b.Set(key, value, nil) }
func (b Batch) Delete(key []byte)     { b.b.Delete(key, nil) }

// Write makes the writes of fill in one batch, durable on return if sync.
func (s *Store) Write(sync bool, fill func(Batch)) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	b := s.db.NewBatch()
	fill(Batch{b})
	return s.commit(b, sync)
}

// commit writes b and closes it. It does not wait for a pebble that gave up elsewhere meanwhile: it may be waiting for the goroutine that did.
func (s *Store) commit(b *pebble.Batch, sync bool) error {
	if err := s.Failed(); err != nil {
		b.Close()
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	if err := s.room(int64(b.Len())); err != nil {
		b.Close()
		return s.fail(err)
	}
	o := pebble.NoSync
	if sync {
		o = pebble.Sync
	}
	done := make(chan error, 1)
	go func() {
		err := errGaveUp // unless pebble ends this goroutine
		defer func() { done <- err }()
		err = b.Commit(o)
		b.Close()
	}()
	var err error
	select {
	case err = <-done:
	case <-s.dead:
		err = errGaveUp
	}
	if err == errGaveUp {
		return s.Failed()
	}
	if err != nil {
		return s.fail(explain(err))
	}
	return nil
}

var errGaveUp = errors.New("store: pebble gave up")

// fail records the first write failure: what is in memory is ahead of the disk from then on.
func (s *Store) fail(err error) error {
	s.failed.CompareAndSwap(nil, &err)
	return err
}

// room refuses a write before it is begun when the disk is nearly full, because a database that runs
// out of space in the middle of its log cannot go on.
func (s *Store) room(bytes int64) error {
	u, err := s.fs.GetDiskUsage(s.dir)
	if err != nil {
		if errors.Is(err, vfs.ErrUnsupported) {
			return nil
		}
		return explain(err)
	}
	need := bytes + s.free.Load()
	if u.AvailBytes < uint64(need) {
		return fmt.Errorf("%w: %d MiB free in %s, %d MiB needed: make room and start again",
			ErrFull, u.AvailBytes>>20, s.dir, need>>20+1)
	}
	return nil
}

func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: make room and start again (%v)", ErrFull, err)
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("%w: %s: move the store away and join again", ErrCorrupt, strings.Join(strings.Fields(err.Error()), " "))
	}
	return err
}

// Marker says whose store this is.
type Marker struct {
	Sandbox [32]byte
	Peer    string
}

var markerKey = []byte("m")

const markerVersion = 1

// ReadMarker returns the marker; ErrAbsent in a new store, ErrVersion in one of another format.
func (s *Store) ReadMarker() (Marker, error) {
	b, err := s.Get(markerKey)
	if err != nil {
		return Marker{}, err
	}
	if len(b) == 0 || b[0] != markerVersion {
		return Marker{}, ErrVersion
	}
	if len(b) < 33 {
		return Marker{}, fmt.Errorf("%w: marker of %d bytes", ErrCorrupt, len(b))
	}
	return Marker{Sandbox: [32]byte(b[1:33]), Peer: string(b[33:])}, nil
}

// WriteMarker makes the marker durable.
func (s *Store) WriteMarker(m Marker) error {
	b := append([]byte{markerVersion}, m.Sandbox[:]...)
	return s.Write(true, func(w Batch) { w.Put(markerKey, append(b, m.Peer...)) })
}

// SetFreeMin changes how many bytes must stay free on the disk.
func (s *Store) SetFreeMin(bytes int64) { s.free.Store(bytes) }

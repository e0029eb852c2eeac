package store

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble ends the process when it cannot go on, on goroutines of its own where nothing can recover; a library must not. So what it calls in
// such a case, its logger and a directory's Sync, ends the goroutine instead, and the store is dead: it takes no write, cannot be closed,
// and is found sound by the next process that opens it.
//
// Until the process ends the store's lock stays, and so do pebble's goroutines: pebble has no way to stop them but Close, which waits for
// the goroutine that was ended and for locks that it held. Some of them may still write, so the lock must not be given to anybody. A store that
// pebble refuses to open for damage is let go at once (TestDamagedStoreIsLetGo).

// giveUp is the end of a goroutine of pebble's.
func (s *Store) giveUp(err error) {
	s.fail(explain(fmt.Errorf("database stopped: %w", err)))
	s.stop.Do(func() { close(s.dead) })
	runtime.Goexit()
}

// logger passes pebble's complaints on. Fatalf must not return.
type logger struct {
	l *slog.Logger
	s *Store
}

func (l logger) Infof(f string, a ...any)  { l.l.Debug(fmt.Sprintf(f, a...)) }
func (l logger) Errorf(f string, a ...any) { l.l.Warn(fmt.Sprintf(f, a...)) }
func (l logger) Fatalf(f string, a ...any) {
	for _, x := range a {
		if cause, ok := x.(error); ok {
			l.s.giveUp(cause)
		}
	}
	l.s.giveUp(fmt.Errorf(f, a...))
}

// guarded is a file system whose directories are synced or the store is dead: pebble panics when they are not. A manifest's name is synced before
// pebble writes which manifest counts: it leaves both to one sync later, and where names do not become durable in order, a power loss
// between would leave a store that names a manifest that is not there (TestFailingDisk).
type guarded struct {
	vfs.FS
	s *Store
}

func (g guarded) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.Create(name, category)
	if err != nil || !strings.HasPrefix(g.PathBase(name), "MANIFEST-") {
		return f, err
	}
	d, err := g.FS.OpenDir(g.PathDir(name))
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (g guarded) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return directory{f, g.s}, nil
}

type directory struct {
	vfs.File
	s *Store
}

func (d directory) Sync() error {
	if err := d.File.Sync(); err != nil {
		d.s.giveUp(err)
	}
	return nil
}

package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

func TestWindowIsWrittenWholeOrNotAtAll(t *testing.T) {
	ctx := context.Background()
	mem := vfs.NewCrashableMem()
	s, err := Open("/a/db", Options{FS: mem})
	if err != nil {
		t.Fatal(err)
	}
	w := s.Window("/v/", "/x", "/unread/")
	fill := func(n int) {
		w.Begin()
		w.Add([]byte(fmt.Sprint("own", n)), []byte("1"))
		b, _ := w.Batch(ctx)
		b.Put(ctx, ds.NewKey(fmt.Sprintf("/v/%d/x", n)), []byte("2"))
		b.Commit(ctx)
		w.Put(ctx, ds.NewKey(fmt.Sprint("/other/", n)), nil)
		if ok, err := w.Has(ctx, ds.NewKey(fmt.Sprintf("/v/%d/x", n))); !ok || err != nil {
			t.Fatalf("the window does not see its own write: %v", err)
		}
		if ok, _ := s.Has([]byte(fmt.Sprint("own", n))); ok {
			t.Fatal("the store sees an open window")
		}
	}
	fill(1)
	entries, err := w.Write(true)
	w.End()
	if err != nil || len(entries) != 1 || entries[0].Key != "1" || string(entries[0].Value) != "2" {
		t.Fatalf("watched %v, %v", entries, err)
	}
	fill(2)
	w.End() // dropped
	fill(3)
	if _, err := w.Write(false); err != nil {
		t.Fatal(err)
	}
	w.End()
	r, err := w.Query(ctx, query.Query{Prefix: "/v", KeysOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if all, _ := r.Rest(); len(all) != 2 || all[0].Key != "/v/1/x" {
		t.Errorf("query gives %v", all)
	}
	after, err := Open("/a/db", Options{FS: mem.CrashClone(vfs.CrashCloneCfg{})})
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]bool{1: true, 2: false} {
		for _, k := range []string{fmt.Sprint("own", n), fmt.Sprintf("c/v/%d/x", n), fmt.Sprint("c/other/", n)} {
			if ok, _ := after.Has([]byte(k)); ok != want {
				t.Errorf("after a crash %s is there: %v", k, ok)
			}
		}
	}
	after.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get([]byte("own1")); !errors.Is(err, ErrClosed) {
		t.Errorf("get after close: %v", err)
	}
}

// TestDiskFullInTheMiddle lets the log's write fail: the commit gives one clear error, later ones the same.
func TestDiskFullInTheMiddle(t *testing.T) {
	full := false
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasSuffix(op.Path, ".log") {
			return syscall.ENOSPC
		}
		return nil
	}))
	s, err := Open("/a/db", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	put := func(k string) error { return s.Write(true, func(b Batch) { b.Put([]byte(k), []byte("v")) }) }
	if err := put("a"); err != nil {
		t.Fatal(err)
	}
	full = true
	if err := put("b"); !errors.Is(err, ErrFull) || strings.Contains(err.Error(), "\n") {
		t.Errorf("write on a full disk: %v", err)
	}
	if err := put("c"); !errors.Is(err, ErrFailed) || !errors.Is(err, ErrFull) {
		t.Errorf("write after it: %v", err)
	}
	s.Close()
}

func TestMarkerAndLock(t *testing.T) {
	dir := t.TempDir()
	if Present(dir) {
		t.Error("an empty directory holds a store")
	}
	if _, err := Open(dir, Options{MustExist: true}); !errors.Is(err, ErrAbsent) {
		t.Errorf("%v", err)
	}
	s, err := Open(dir, Options{CreateOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadMarker(); !errors.Is(err, ErrAbsent) {
		t.Errorf("marker of a new store: %v", err)
	}
	m := Marker{Sandbox: [32]byte{1}, Peer: "p"}
	if err := s.WriteMarker(m); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ReadMarker(); err != nil || got != m {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("second opening: %v", err)
	}
	s.Write(true, func(b Batch) { b.Put(markerKey, []byte{9, 9}) })
	if _, err := s.ReadMarker(); !errors.Is(err, ErrVersion) {
		t.Errorf("marker of another version: %v", err)
	}
	s.Close()
	if !Present(dir) {
		t.Error("a closed store is not present")
	}
	if _, err := os.Stat(filepath.Join(dir, databaseDir)); err != nil {
		t.Error(err)
	}
}

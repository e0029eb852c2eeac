package inputs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// place is a directory whose files can be changed and put back.
type place struct {
	*testing.T
	dir string
}

func (t place) path(name string) string { return filepath.Join(t.dir, name) }

func (t place) write(name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(t.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(t.path(name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// old gives everything in the tree a time long before any record, the same for all.
func (t place) old() {
	t.Helper()
	at := time.Now().Add(-time.Hour).Truncate(time.Hour)
	err := filepath.Walk(t.dir, func(p string, _ os.FileInfo, err error) error { return errors.Join(err, os.Chtimes(p, at, at)) })
	if err != nil {
		t.Fatal(err)
	}
}

// record asks for a bit of everything.
func (t place) record() []byte {
	t.Helper()
	var d Disk
	for _, name := range []string{"a.go", "sub/b.go", "go.mod"} {
		d.ReadFile(t.path(name))
	}
	for _, name := range []string{".", "sub", "gone"} {
		d.ReadDir(t.path(name))
	}
	if !d.IsDir(t.path("sub")) || d.IsDir(t.path("vendor")) {
		t.Fatal("IsDir is wrong")
	}
	b, err := d.Record()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestUnchanged(t *testing.T) {
	fresh := func(t *testing.T) place {
		x := place{t, t.TempDir()}
		x.write("a.go", "package a")
		x.write("sub/b.go", "package b")
		x.old()
		return x
	}
	changes := map[string]func(t place){
		"a file is edited":                 func(t place) { t.write("a.go", "package A") },
		"an edit keeps the time":           func(t place) { t.write("a.go", "package A"); t.old() },
		"a file below is edited":           func(t place) { t.write("sub/b.go", "package b ") },
		"a file is new":                    func(t place) { t.write("sub/c.go", "package b") },
		"a file is gone":                   func(t place) { os.Remove(t.path("a.go")) },
		"what was missing is there":        func(t place) { t.write("go.mod", "module m") },
		"a missing directory is there":     func(t place) { t.write("vendor/x", "") },
		"a directory that failed is there": func(t place) { t.write("gone/x", "") },
		"a file is a directory now":        func(t place) { os.Remove(t.path("a.go")); t.write("a.go/x", "") },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			x := fresh(t)
			record := x.record()
			if !Unchanged(record) || !Unchanged(record, x.dir) {
				t.Fatal("nothing changed, but Unchanged says so")
			}
			change(x)
			if Unchanged(record) {
				t.Error("the change is not seen")
			}
			if Unchanged(record, x.dir) && name != "an edit keeps the time" {
				t.Error("the change is not seen in an installation")
			}
		})
	}
}

// TestJustWritten edits a file without changing its size or time, which can happen within one tick of a file system's clock.
func TestJustWritten(t *testing.T) {
	x := place{t, t.TempDir()}
	x.write("a.go", "package a")
	x.write("sub/b.go", "package b")
	now := time.Now()
	os.Chtimes(x.path("a.go"), now, now)
	record := x.record()
	x.write("a.go", "package b")
	os.Chtimes(x.path("a.go"), now, now)
	if Unchanged(record, x.dir) {
		t.Error("the time of a file written just before its record was trusted")
	}
}

func TestTorn(t *testing.T) {
	x := place{t, t.TempDir()}
	x.write("a.go", "package a")
	var d Disk
	d.ReadFile(x.path("a.go"))
	x.write("a.go", "package b")
	d.ReadFile(x.path("a.go"))
	if _, err := d.Record(); !errors.Is(err, ErrTorn) {
		t.Errorf("a file that changed between two readings: %v, want ErrTorn", err)
	}
}

// TestDamagedRecord cuts and flips a record everywhere: it never vouches for a tree it does not describe, and nothing panics.
func TestDamagedRecord(t *testing.T) {
	x := place{t, t.TempDir()}
	x.write("a.go", "package a")
	x.write("sub/b.go", "package b")
	x.old()
	record := x.record()
	x.write("a.go", "package changed")
	for i := range record {
		Unchanged(record[:i])
		b := append([]byte(nil), record...)
		b[i] ^= 1
		Unchanged(b)
	}
	if Unchanged(nil) || Unchanged([]byte("x\n")) {
		t.Error("a record that is none vouches")
	}
}

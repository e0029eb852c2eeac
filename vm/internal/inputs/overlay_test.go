package inputs

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What is laid over a directory hides what the disk has of the same names, and is nothing to be compared later.
func TestOverlay(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("disk"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := &Disk{Overlay: LayOver(dir, map[string][]byte{"b": []byte("laid"), "sub/deep/c": []byte("laid"), filepath.Join(dir, "d"): []byte("laid")})}
	for name, want := range map[string]string{"a": "disk", "b": "laid", "d": "laid", "sub/deep/c": "laid"} {
		if b, err := d.ReadFile(filepath.Join(dir, name)); string(b) != want || err != nil {
			t.Errorf("%s holds %q, %v, want %q", name, b, err, want)
		}
		if fi, err := d.Stat(filepath.Join(dir, name)); err != nil || fi.IsDir() || fi.Size() != 4 {
			t.Errorf("%s is %v, %v", name, fi, err)
		}
	}
	for name, want := range map[string][]string{"": {"a", "b", "d", "sub"}, "sub": {"deep"}, "sub/deep": {"c"}} {
		list, err := d.ReadDir(filepath.Join(dir, name))
		var names []string
		for _, e := range list {
			names = append(names, e.Name())
		}
		if err != nil || !slices.Equal(names, want) {
			t.Errorf("%q lists %q, %v, want %q", name, names, err, want)
		}
		if !d.IsDir(filepath.Join(dir, name)) {
			t.Errorf("%q is no directory", name)
		}
	}
	if names, err := fs.Glob(d.FS(dir), "*/*/c"); err != nil || !slices.Equal(names, []string{"sub/deep/c"}) {
		t.Errorf("found %q, %v", names, err)
	}
	if _, err := d.ReadDir(filepath.Join(dir, "none")); err == nil {
		t.Error("a directory is there that is not")
	}
	record, err := d.Record()
	if err != nil || !Unchanged(record) {
		t.Errorf("what was recorded is another now: %v\n%s", err, record)
	}
}

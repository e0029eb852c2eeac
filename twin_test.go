package tandem

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCopyInUse: a directory is copied and opened beside the one it was copied from. Members say so, and one of the two is told.
func TestCopyInUse(t *testing.T) {
	ctx := patient(t)
	prog := compileText(t, endless)
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	a := must[*Sandbox](t)(Create(ctx, Config{Dir: dir, Listen: loopback, Lease: slowLease}, prog, "endless"))
	b := must[*Sandbox](t)(Join(ctx, Config{Dir: t.TempDir(), Listen: loopback, Lease: slowLease}, must[string](t)(a.Ticket())))
	defer end(t, b)
	eventually(t, "they meet", func() bool { return len(a.Peers()) == 1 && len(b.Peers()) == 1 })
	end(t, a)
	if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(other, identityFile), 0o600); err != nil {
		t.Fatal(err)
	}
	told := make(chan Event, 256)
	for _, d := range []string{dir, other} {
		s := must[*Sandbox](t)(Open(ctx, Config{Dir: d, Listen: loopback, Lease: slowLease, Notify: func(e Event) {
			if e.Kind == Doubled {
				told <- e
			}
		}}))
		defer end(t, s)
		eventually(t, "it meets the member", func() bool { return len(s.Peers()) == 1 })
		if d == dir && len(told)+len(b.peer.Twins()) != 0 {
			t.Fatal("there is one process with that identity")
		}
	}
	select {
	case <-told:
	case <-ctx.Done():
		t.Fatalf("nobody was told; the member says %v", b.peer.Twins())
	}
	if twins := b.peer.Twins(); len(twins) != 1 || twins[0] != a.Self() {
		t.Errorf("the member says %v", twins)
	}
}

package tandem

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/net/ticket"
)

// TestCopyInUse: a directory is copied and opened beside the one it was copied from. Members say so, and one of the two is told.
func TestCopyInUse(t *testing.T) {
	ctx := patient(t)
	prog := compileText(t, endless)
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	a := must[*Sandbox](t)(Create(ctx, Config{Dir: dir, Listen: loopback, Lease: slowLease}, prog, "endless"))
	b := must[*Sandbox](t)(Join(ctx, Config{Dir: t.TempDir(), Listen: loopback, Lease: slowLease}, must[string](t)(a.Ticket())))
	defer end(t, b)
	eventually(t, "they meet, and the one that was found knows where the other is", func() bool {
		return len(a.Peers()) == 1 && len(b.Peers()) == 1 && len(a.room.Known()) == 1
	})
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

// TestClosingKeepsWhereMembersAre: what a peer has learned of where the others are is in its directory when it has closed, also when nothing happened after it
// learned it, so that it finds them from there.
func TestClosingKeepsWhereMembersAre(t *testing.T) {
	ctx := patient(t)
	dir := t.TempDir()
	a := must[*Sandbox](t)(Create(ctx, Config{Dir: dir, Listen: loopback, Lease: slowLease}, compileText(t, endless), "endless"))
	b := must[*Sandbox](t)(Join(ctx, Config{Dir: t.TempDir(), Listen: loopback, Lease: slowLease}, must[string](t)(a.Ticket())))
	defer end(t, b)
	eventually(t, "the one that was found knows where the other is", func() bool { return len(a.room.Known()) == 1 })
	eventually(t, "nothing happens", func() bool { return a.replica.Status().Digest == b.replica.Status().Digest })
	a.ticketMu.Lock()
	a.ticket.Members = nil // as if nothing had happened since it learned it
	a.ticketMu.Unlock()
	file := filepath.Join(dir, ticketFile)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	end(t, a)
	text := must[[]byte](t)(os.ReadFile(file))
	kept := must[*ticket.Ticket](t)(ticket.Parse(strings.TrimSpace(string(text))))
	if len(kept.Members) != 1 || kept.Members[0].Peer != b.Self() {
		t.Errorf("the directory knows of %v", kept.Members)
	}
}

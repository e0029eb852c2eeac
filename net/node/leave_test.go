package node

import (
	"context"
	"errors"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/net/ticket"
)

// Who left one of two sandboxes does not go on asking its members for a proof, which they could only refuse.
func TestMembersOfASandboxThatWasLeftAreLeftAlone(t *testing.T) {
	peers := cluster(t, 2)
	a, b := peers[0], peers[1]
	other, err := b.node.Join(&ticket.Ticket{Sandbox: [32]byte{9}, Key: [32]byte{9}})
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, identity(t)).join(other.Ticket())
	eventually(t, "members of the other", func() bool { return len(other.Peers()) == 1 && len(c.room.Peers()) == 1 })
	b.room.Close()
	if b.node.book.Addrs(a.node.host.ID()) != nil {
		t.Error("a member of the sandbox that was left is still looked for")
	}
	if b.node.book.Addrs(c.node.host.ID()) == nil {
		t.Error("a member of the other sandbox was forgotten")
	}
}

// Connect waits for a member of its room: when the room is closed there is nothing to wait for.
func TestConnectEndsWithTheRoom(t *testing.T) {
	a := open(t, identity(t)).join(newTicket(t))
	nobody := "/ip4/127.0.0.1/udp/9/quic-v1/p2p/" + identity(t).Peer()
	done := make(chan error, 1)
	go func() { done <- a.room.Connect(context.Background(), []string{nobody}) }()
	eventually(t, "it waits", func() bool { return len(a.node.book.Addrs(a.node.host.ID())) == 0 && a.seeks() })
	a.room.Close()
	select {
	case err := <-done:
		if !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("Connect outlived its room")
	}
}

func (p *peerUnderTest) seeks() bool {
	p.node.mu.Lock()
	defer p.node.mu.Unlock()
	return len(p.room.sought) > 0
}

// What is done with a room that was left is an error, and nothing waits.
func TestUseAfterClose(t *testing.T) {
	peers := cluster(t, 2)
	a, b := peers[0], peers[1]
	a.room.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := a.room.Publish(ctx, []byte("late")); err == nil || ctx.Err() != nil {
		t.Errorf("publish: %v", err)
	}
	if err := a.room.Request(ctx, b.id.Peer(), "x", nil, nil); !errors.Is(err, ErrNotConnected) {
		t.Errorf("request: %v", err)
	}
	if err := a.room.Connect(ctx, b.node.Addrs()); !errors.Is(err, ErrClosed) {
		t.Errorf("connect: %v", err)
	}
	if a.node.book.Addrs(b.node.host.ID()) != nil {
		t.Error("a room that was left looks for peers")
	}
	a.room.Subscribe(func(string, []byte) {})()
	a.room.OnPeers(func([]string) {})()
	if len(a.room.Peers()) != 0 {
		t.Errorf("peers: %v", a.room.Peers())
	}
	if err := a.room.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

// A node that is closed, and a room that is left, leave nothing behind.
func TestNothingIsLeftBehind(t *testing.T) {
	peers := cluster(t, 2) // what libp2p keeps for the process is there from now on
	before := runtime.NumGoroutine()
	for range 10 {
		for _, p := range cluster(t, 2) {
			p.publish("hello")
			p.node.Close()
		}
		room, err := peers[0].node.Join(&ticket.Ticket{Sandbox: [32]byte{9}, Key: [32]byte{9}})
		if err != nil {
			t.Fatal(err)
		}
		room.Close()
	}
	end := time.Now().Add(20 * time.Second)
	for runtime.NumGoroutine() > before+5 {
		if time.Now().After(end) {
			var b strings.Builder
			pprof.Lookup("goroutine").WriteTo(&b, 1)
			t.Fatalf("%d goroutines, then %d:\n%s", before, runtime.NumGoroutine(), b.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

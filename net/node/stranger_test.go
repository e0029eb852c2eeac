package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/tandemvm/tandem/net/gossip"
	"github.com/tandemvm/tandem/net/proof"
	"github.com/tandemvm/tandem/net/ticket"
)

// wrongKey is the ticket with another key: everything else about the sandbox is known.
func wrongKey(t *testing.T, r *Room) *ticket.Ticket {
	t.Helper()
	tk := r.Ticket()
	tk.Key[31] ^= 1
	return tk
}

func TestWrongKeyIsRefused(t *testing.T) {
	t.Parallel()
	a := open(t, identity(t)).join(newTicket(t))
	x := open(t, identity(t)).join(wrongKey(t, a.room))
	eventually(t, "the proof fails on both sides", func() bool {
		return a.bad()[eventProofFailed] >= 1 && x.bad()[eventProofFailed] >= 1
	})
	eventually(t, "disconnected", func() bool { return len(a.node.host.Network().Peers()) == 0 })
	tries := a.bad()[eventProofFailed]
	a.publish("secret")
	x.publish("forged")
	err := x.room.Request(context.Background(), a.id.Peer(), "blocks", nil, nil)
	if !errors.Is(err, ErrNotConnected) {
		t.Errorf("request: %v", err)
	}
	// A member that joins now is served as if nothing had happened.
	b := open(t, identity(t)).join(a.room.Ticket())
	eventually(t, "a member joins", func() bool { return a.sees(b) && b.sees(a) })
	b.publish("hello")
	eventually(t, "members talk", func() bool { return a.received(b, "hello") })
	if len(a.got) != 1 || len(x.got) != 0 || !x.sees() {
		t.Errorf("the stranger took part: %q, %q", a.got, x.got)
	}
	// Who was told that it is a stranger does not keep knocking. (One more knock may have been on its way.)
	if again := a.bad()[eventProofFailed]; again > tries+1 {
		t.Errorf("%v proofs failed, then %v", tries, again)
	}
}

// stranger is a plain libp2p host that speaks our protocols without holding the key.
func stranger(t *testing.T, a *peerUnderTest) host.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.NoListenAddrs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	dial(t, h, a)
	return h
}

func dial(t *testing.T, h host.Host, a *peerUnderTest) {
	t.Helper()
	info, err := peer.AddrInfoFromString(a.node.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Connect(context.Background(), *info); err != nil {
		t.Fatal(err)
	}
}

// ended waits until the other side resets or closes s without having sent a byte.
func ended(t *testing.T, what string, s network.Stream) {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, 1)
	n, err := s.Read(b)
	if n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: %d bytes, %v", what, n, err)
	}
}

func TestStrangersStreamsAreRefused(t *testing.T) {
	t.Parallel()
	a := open(t, identity(t)).join(newTicket(t))
	called := make(chan string, 8)
	a.room.Handle("blocks", func(_ context.Context, from string, _ []byte, _ func([]byte) error) error {
		called <- from
		return nil
	})
	h := stranger(t, a)
	// Knowing even the tag, which is derived from the key, does not help: the proof is asked for.
	for _, kind := range []byte{kindGossip, kindRequest, 'x'} {
		s, err := h.NewStream(context.Background(), a.node.host.ID(), roomProtocol)
		if err != nil {
			t.Fatal(err)
		}
		s.Write(append(append(a.room.tag[:], kind), "\x06blocks\x00\x00\x00\x00"...))
		ended(t, fmt.Sprintf("stream of kind %c", kind), s)
	}
	eventually(t, "disconnected", func() bool { return len(a.node.host.Network().Peers()) == 0 })
	select {
	case from := <-called:
		t.Fatalf("handler ran for stranger %s", from)
	default:
	}
	if bad := a.bad(); bad[eventStreamRefused]+bad[eventProofTimeout] == 0 {
		t.Errorf("nothing was counted: %v", bad)
	}
}

// A plain gossipsub peer that even knows the topic's name finds no gossip protocol to speak.
func TestStrangersGossipIsRefused(t *testing.T) {
	t.Parallel()
	a := open(t, identity(t)).join(newTicket(t))
	h := stranger(t, a)
	ctx := t.Context()
	ps, err := pubsub.NewGossipSub(ctx, h)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("%x", a.room.ticket.Subkey("topic"))
	topic, err := ps.Join(name)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := topic.Subscribe()
	if err != nil {
		t.Fatal(err)
	}
	if err := topic.Publish(ctx, []byte("forged")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.NewStream(ctx, a.node.host.ID(), gossip.Protocol); err == nil {
		t.Error("a gossip stream was opened")
	}
	a.publish("secret")
	eventually(t, "disconnected", func() bool { return len(h.Network().Peers()) == 0 })
	if len(topic.ListPeers()) != 0 || len(a.got) != 0 {
		t.Errorf("the stranger took part: %v, %q", topic.ListPeers(), a.got)
	}
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	for {
		m, err := sub.Next(short)
		if err != nil {
			break
		}
		if m.ReceivedFrom != h.ID() {
			t.Errorf("the stranger received %q", m.Data)
		}
	}
}

// A stranger that answers the proof with rubbish, or with nothing, is disconnected; a mirror as well.
func TestBrokenProofs(t *testing.T) {
	t.Parallel()
	for what, talk := range map[string]func(s network.Stream){
		"rubbish": func(s network.Stream) { io.Copy(s, strings.NewReader(strings.Repeat("rubbish", 1000))) },
		"mirror":  func(s network.Stream) { io.Copy(s, s) },
		"silence": func(s network.Stream) {},
	} {
		a := open(t, identity(t)).join(newTicket(t))
		h := stranger(t, a)
		s, err := h.NewStream(context.Background(), a.node.host.ID(), proofProtocol)
		if err != nil {
			t.Fatal(err)
		}
		go talk(s)
		eventually(t, what+": disconnected", func() bool { return len(a.node.host.Network().Peers()) == 0 })
		if bad := a.bad(); bad[eventProofFailed]+bad[eventProofTimeout] == 0 {
			t.Errorf("%s: nothing was counted: %v", what, bad)
		}
		a.node.Close()
	}
}

// What a stranger can see of a node names no sandbox: the same protocols whatever was joined.
func TestIdentifyTellsNothing(t *testing.T) {
	a, b := open(t, identity(t)).join(newTicket(t)), open(t, identity(t)).join(newTicket(t))
	b.join(&ticket.Ticket{Sandbox: [32]byte{9}, Key: [32]byte{9}})
	var seen [][]protocol.ID
	for _, p := range []*peerUnderTest{a, b} {
		h := stranger(t, p)
		protos, err := h.Peerstore().GetProtocols(p.node.host.ID())
		if err != nil || len(protos) == 0 {
			t.Fatal(protos, err)
		}
		slices.Sort(protos)
		seen = append(seen, protos)
	}
	if !slices.Equal(seen[0], seen[1]) {
		t.Errorf("%v\n%v", seen[0], seen[1])
	}
}

// A member of one sandbox is a stranger in another of the same node.
func TestMembersOfOneRoomAreStrangersInAnother(t *testing.T) {
	t.Parallel()
	a := open(t, identity(t)).join(newTicket(t))
	other, err := a.node.Join(&ticket.Ticket{Sandbox: [32]byte{9}, Key: [32]byte{9}})
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, identity(t)).join(a.room.Ticket())
	eventually(t, "members of the first", func() bool { return a.sees(b) && b.sees(a) })
	if len(other.Peers()) != 0 {
		t.Fatalf("peers of the other room: %v", other.Peers())
	}
	s, err := b.node.host.NewStream(context.Background(), a.node.host.ID(), roomProtocol)
	if err != nil {
		t.Fatal(err)
	}
	s.Write(append(other.tag[:], kindRequest))
	ended(t, "stream into the other room", s)

	// Joining it later over the same connection makes b a member there too.
	room, err := b.node.Join(&other.ticket)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "members of both", func() bool { return len(other.Peers()) == 1 && len(room.Peers()) == 1 })
	// Leaving one keeps the other.
	room.Close()
	eventually(t, "left", func() bool { return len(other.Peers()) == 0 && a.sees(b) && b.sees(a) })
}

// A member whose process hangs is given up after beatLimit, though its connection stays open.
func TestSilentMemberIsGivenUp(t *testing.T) {
	t.Parallel()
	a := open(t, identity(t)).join(newTicket(t))
	h := stranger(t, a)
	s, err := h.NewStream(context.Background(), a.node.host.ID(), proofProtocol)
	if err != nil {
		t.Fatal(err)
	}
	key := proof.Key(a.room.ticket.Subkey("proof"))
	if _, err := proof.Dial(s, h.ID().String(), a.id.Peer(), proof.Boot{}, []proof.Key{key}); err != nil {
		t.Fatal(err)
	}
	m := a.room.membership()
	eventually(t, "a member", func() bool { return m.Member(h.ID()) })
	eventually(t, "given up", func() bool { return !m.Member(h.ID()) && len(a.node.host.Network().Peers()) == 0 })
}

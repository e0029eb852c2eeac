package node

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
)

// Two members that cannot reach each other talk through a third that offers to relay. (That a node finds out that it is
// behind a NAT, and then asks for a place at its relays, is libp2p's; the test asks for it.)
func TestRelay(t *testing.T) {
	t.Parallel()
	tk := newTicket(t)
	relay := openAs(t, Config{Identity: identity(t), Listen: []string{quicLoopback}, RelayService: true}).join(tk)
	hidden := func() *peerUnderTest {
		p := openAs(t, Config{Identity: identity(t), Listen: []string{tcpLoopback}, Relays: relay.node.Addrs(), Announce: []string{"/ip4/127.0.0.1/tcp/9"}}).join(tk)
		if err := p.room.Connect(t.Context(), relay.node.Addrs()); err != nil {
			t.Fatal(err)
		}
		return p
	}
	a, b := hidden(), hidden()
	at, err := peer.AddrInfoFromString(relay.node.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a has a place at the relay", func() bool {
		_, err := client.Reserve(t.Context(), a.node.host, *at)
		return err == nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := b.room.Connect(ctx, []string{relay.node.Addrs()[0] + "/p2p-circuit/p2p/" + a.id.Peer()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all see one another", func() bool { return a.sees(relay, b) && b.sees(relay, a) })
	a.room.Handle("ping", func(_ context.Context, _ string, req []byte, send func([]byte) error) error { return send(req) })
	var echo string
	if err := b.room.Request(ctx, a.id.Peer(), "ping", []byte("hello"), func(f []byte) error { echo = string(f); return nil }); err != nil || echo != "hello" {
		t.Errorf("%q, %v", echo, err)
	}
	b.publish("hello")
	eventually(t, "gossip", func() bool { return a.received(b, "hello") })
	for _, c := range b.node.host.Network().ConnsToPeer(a.node.host.ID()) {
		if !strings.Contains(c.RemoteMultiaddr().String(), "/p2p-circuit") {
			t.Errorf("they are connected at %v", c.RemoteMultiaddr())
		}
	}
}

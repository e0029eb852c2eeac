package gossip

import (
	"context"
	"errors"
	"slices"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
)

// Membership is what a topic needs of the node: who has proven the sandbox key and is connected, and streams to them.
type Membership interface {
	Members() []peer.ID
	Member(peer.ID) bool
	// Cut reports whether nothing from the peer may be taken, not even what has already arrived.
	Cut(peer.ID) bool
	// Open opens a gossip stream to a member; the other side gives it to its Topic's Serve.
	Open(ctx context.Context, p peer.ID) (network.Stream, error)
}

// view is the host as gossipsub is allowed to see it: only members exist, it can neither dial nor learn addresses, and
// its streams go through the node's door. What is not a member cannot be sent to, whatever gossipsub decides.
type view struct {
	host.Host
	members Membership
	bus     event.Bus
	press   pressure
	gate    gate
	sent    func(int)
	handler network.StreamHandler // of gossipsub; set once while it starts
}

func newView(h host.Host, m Membership, sent func(int)) *view {
	v := &view{Host: h, members: m, bus: eventbus.NewBus(), sent: sent}
	v.gate.open.L = &v.gate.mu
	return v
}

func (v *view) EventBus() event.Bus { return v.bus }

func (v *view) Network() network.Network { return memberNetwork{v.Host.Network(), v.members} }

func (v *view) SetStreamHandler(_ protocol.ID, h network.StreamHandler) { v.handler = h }

func (v *view) SetStreamHandlerMatch(id protocol.ID, _ func(protocol.ID) bool, h network.StreamHandler) {
	v.SetStreamHandler(id, h)
}

func (v *view) RemoveStreamHandler(protocol.ID) {}

func (v *view) Connect(context.Context, peer.AddrInfo) error {
	return errors.New("gossip: dialing is the node's")
}

func (v *view) Close() error { return nil }

func (v *view) NewStream(ctx context.Context, p peer.ID, _ ...protocol.ID) (network.Stream, error) {
	s, err := v.members.Open(ctx, p)
	if err != nil {
		return nil, err
	}
	return newOutbox(s, Protocol, &v.press, v.sent), nil
}

type memberNetwork struct {
	network.Network
	members Membership
}

func (n memberNetwork) Peers() []peer.ID { return n.members.Members() }

func (n memberNetwork) Connectedness(p peer.ID) network.Connectedness {
	if n.members.Member(p) {
		return network.Connected
	}
	return network.NotConnected
}

func (n memberNetwork) Conns() []network.Conn {
	return slices.DeleteFunc(n.Network.Conns(), func(c network.Conn) bool { return !n.members.Member(c.RemotePeer()) })
}

func (n memberNetwork) ConnsToPeer(p peer.ID) []network.Conn {
	if !n.members.Member(p) {
		return nil
	}
	return n.Network.ConnsToPeer(p)
}

package node

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/multiformats/go-multiaddr"

	"github.com/tandemvm/tandem/net/ticket"
)

// Members behind one router come from one address; a stranger there must not take all connections. What runs on this
// machine is not limited by its address.
func TestConnectionsOfOneAddress(t *testing.T) {
	for addr, limited := range map[string]bool{
		"/ip4/203.0.113.7/udp/4001/quic-v1":     true,
		"/ip6/2001:db8:0:1::7/udp/4001/quic-v1": true,
		"/ip4/127.0.0.1/udp/4001/quic-v1":       false,
		"/ip6/::1/udp/4001/quic-v1":             false,
	} {
		m, err := resources()
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		opened := 0
		for range connectionsPerAddress + 4 {
			c, err := m.OpenConnection(network.DirInbound, false, multiaddr.StringCast(addr))
			if err != nil {
				break
			}
			if err := c.SetPeer(identity(t).ID()); err != nil {
				t.Fatal(err)
			}
			opened++
		}
		if want := map[bool]int{true: connectionsPerAddress, false: connectionsPerAddress + 4}[limited]; opened != want {
			t.Errorf("%s: %d connections, want %d", addr, opened, want)
		}
	}
}

// A member that introduces itself again and again is passed on once.
func TestIntroductionIsPassedOnOnce(t *testing.T) {
	a := open(t, identity(t)).join(newTicket(t))
	talker := &link{peer: identity(t).ID(), rooms: []*Room{a.room}}
	other := &link{peer: identity(t).ID(), rooms: []*Room{a.room}, intros: make(chan []ticket.Member, introsWaiting)}
	a.node.mu.Lock()
	a.node.members[other.peer] = &member{links: map[*link]bool{other: true}}
	a.node.mu.Unlock()
	for range 10 {
		a.node.introduced(talker, []ticket.Member{{Peer: talker.peer.String(), Addrs: []string{"/ip4/127.0.0.1/tcp/1"}}})
	}
	if n := len(other.intros); n != 1 {
		t.Errorf("passed on %d times", n)
	}
	a.node.mu.Lock()
	delete(a.node.members, other.peer)
	a.node.mu.Unlock()
}

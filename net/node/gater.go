package node

import (
	"sync"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// gater is the node's rule for connections, asked by libp2p at each step of each connection: peers that were cut are
// neither dialed nor let in. Whether a peer holds a sandbox key cannot be asked this early, because it needs a stream;
// see link.go for that.
type gater struct {
	mu  sync.Mutex
	cut map[peer.ID]bool
}

func (g *gater) set(p peer.ID, cut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if cut {
		g.cut[p] = true
	} else {
		delete(g.cut, p)
	}
}

func (g *gater) clear() []peer.ID {
	g.mu.Lock()
	defer g.mu.Unlock()
	var were []peer.ID
	for p := range g.cut {
		were = append(were, p)
	}
	clear(g.cut)
	return were
}

func (g *gater) isCut(p peer.ID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cut[p]
}

func (g *gater) InterceptPeerDial(p peer.ID) bool                        { return !g.isCut(p) }
func (g *gater) InterceptAddrDial(p peer.ID, _ multiaddr.Multiaddr) bool { return !g.isCut(p) }
func (g *gater) InterceptAccept(network.ConnMultiaddrs) bool             { return true }
func (g *gater) InterceptUpgraded(c network.Conn) (bool, control.DisconnectReason) {
	return !g.isCut(c.RemotePeer()), 0
}

func (g *gater) InterceptSecured(_ network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	return !g.isCut(p)
}

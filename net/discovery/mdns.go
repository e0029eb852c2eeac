package discovery

import (
	"encoding/hex"
	"io"
	"log/slog"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
)

// Announce tells the local network by multicast DNS that h is here for the sandbox of key, and calls found for others
// that do. The service name follows from the key, so only members look for one another; a listener on the same
// network sees the addresses and a stable pseudonym.
//
// A network without multicast is normal: a failure is logged, nothing is returned as an error, and the closer does
// nothing.
func Announce(h host.Host, key [32]byte, found func(peer.AddrInfo), log *slog.Logger) io.Closer {
	name := "_tandem-" + hex.EncodeToString(key[:4]) + "._udp" // a DNS-SD service name has at most 15 characters
	s := mdns.NewMdnsService(h, name, notifee(func(info peer.AddrInfo) {
		if info.ID != h.ID() {
			found(info)
		}
	}))
	if err := s.Start(); err != nil {
		log.Info("no discovery on the local network; give addresses instead", "err", err)
		s.Close()
		return io.NopCloser(nil)
	}
	return s
}

type notifee func(peer.AddrInfo)

func (f notifee) HandlePeerFound(info peer.AddrInfo) { f(info) }

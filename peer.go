package tandem

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tandemvm/tandem/net/ident"
	"github.com/tandemvm/tandem/net/node"
)

// Files in PeerConfig.Dir.
const (
	identityFile = "identity"
	listenFile   = "listen"
)

// ErrPortInUse is wrapped by Listen when another process listens on a given address.
var ErrPortInUse = node.ErrPortInUse

// PeerConfig is how a process takes part in the network. Only Dir is needed.
type PeerConfig struct {
	Dir    string   // holds the identity; made if missing, readable by its owner only
	Listen []string // multiaddrs; default: those of the last time, else QUIC and TCP on free ports of all IPv4 interfaces
	// Announce holds the multiaddrs at which others reach this peer, when they are not those it listens on; default: those.
	Announce []string
	MDNS     bool // find members on the local network

	Logger  *slog.Logger          // default: discard
	Metrics prometheus.Registerer // default: none
}

// Peer is a process on the network: an identity and a libp2p host, shared by any number of sandboxes. Safe for concurrent use.
type Peer struct {
	id   *ident.Identity
	node *node.Node
}

// Listen starts a peer. Addresses chosen by the system are kept and used again the next time if they are free,
// because the other members know them.
func Listen(c PeerConfig) (*Peer, error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("tandem: %w", err)
	}
	id, err := ident.Open(filepath.Join(c.Dir, identityFile))
	if err != nil {
		return nil, err
	}
	last, err := lastAddrs(c)
	if err != nil {
		return nil, err
	}
	open := func(listen []string) (*node.Node, error) {
		return node.Open(node.Config{Identity: id, Listen: listen, Announce: c.Announce, MDNS: c.MDNS, Logger: c.Logger, Metrics: c.Metrics})
	}
	n, err := open(last)
	if errors.Is(err, node.ErrPortInUse) && len(last) > 0 {
		n, err = open(c.Listen)
	}
	if err != nil {
		return nil, err
	}
	if err := keepAddrs(c, n.Listening()); err != nil {
		n.Close()
		return nil, err
	}
	return &Peer{id, n}, nil
}

// listened is the content of the listen file: what was asked for, and the same with the ports that the system chose.
type listened struct {
	Asked []string `json:"asked"`
	Given []string `json:"given"`
	Sum   string   `json:"sum"` // of the others, so that damage is noticed
}

func (l listened) encode() []byte {
	b, err := json.Marshal(l)
	if err != nil {
		panic("BUG: tandem: " + err.Error())
	}
	return b
}

// sum is the checksum of l.
func (l listened) sum() string {
	l.Sum = ""
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE(l.encode()))
}

// lastAddrs are the addresses given the last time for what c asks for, else what c asks for.
func lastAddrs(c PeerConfig) ([]string, error) {
	b, err := os.ReadFile(filepath.Join(c.Dir, listenFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c.Listen, nil
	}
	if err != nil {
		return nil, fmt.Errorf("tandem: %w", err)
	}
	var l listened
	if json.Unmarshal(b, &l) != nil || l.Sum != l.sum() {
		return nil, fmt.Errorf("tandem: file is damaged: %s: restore it from a copy, or remove it to listen on other ports", filepath.Join(c.Dir, listenFile))
	}
	if len(c.Listen) > 0 && !slices.Equal(c.Listen, l.Asked) {
		return c.Listen, nil
	}
	return l.Given, nil
}

// keepAddrs writes the listen file. addrs are what the node listens on.
func keepAddrs(c PeerConfig, addrs []string) error {
	l := listened{Asked: c.Listen}
	if len(l.Asked) == 0 {
		l.Asked = node.ListenDefault
	}
	for _, asked := range l.Asked {
		for _, protocol := range []string{"/tcp/", "/udp/"} {
			before, after, found := strings.Cut(asked, protocol+"0")
			if found && (after == "" || after[0] == '/') {
				asked = before + protocol + portOf(addrs, protocol) + after
			}
		}
		l.Given = append(l.Given, asked)
	}
	l.Sum = l.sum()
	return writeFile(filepath.Join(c.Dir, listenFile), string(l.encode())+"\n")
}

// portOf is the one port of protocol in addrs, "0" when there are several or none.
func portOf(addrs []string, protocol string) string {
	one := "0"
	for _, a := range addrs {
		_, rest, found := strings.Cut(a, protocol)
		if !found {
			continue
		}
		port, _, _ := strings.Cut(rest, "/")
		if one != "0" && one != port {
			return "0"
		}
		one = port
	}
	return one
}

// ID is the peer's id.
func (p *Peer) ID() string { return p.id.Peer() }

// Addrs are the addresses the peer can be reached at, each with /p2p/ID at its end.
func (p *Peer) Addrs() []string { return p.node.Addrs() }

// Cut refuses all traffic with the named peers until Heal: for trying out what a partition does.
func (p *Peer) Cut(peers ...string) error { return p.node.Cut(peers...) }

// Heal ends Cut, for all peers if none is named.
func (p *Peer) Heal(peers ...string) error { return p.node.Heal(peers...) }

// Twins are the peers, this one among them, of which two processes with one identity were met within a minute: a directory was copied, and both are in use.
func (p *Peer) Twins() []string { return p.node.Twins() }

// Close leaves the network. Close the sandboxes first.
func (p *Peer) Close() error { return p.node.Close() }

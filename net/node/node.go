// Package node is a peer on the network: one libp2p host that belongs to any number of sandboxes.
//
// Open starts the host (QUIC and TCP, limits on connections and resources), Join makes it a member of a ticket's
// sandbox and returns the Room, which is all the layers above need: members, publish and subscribe, requests, signatures.
// Only peers that prove the ticket's key are members; no other peer gets anything but the question for the proof.
//
// A node costs about 10 MB and 20 goroutines, a room 12, a connected member as many and one byte a second each
// way while nothing happens. It keeps no file: the identity is the caller's.
package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-libp2p/x/rate"
	"github.com/multiformats/go-multiaddr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tandemvm/tandem/net/discovery"
	"github.com/tandemvm/tandem/net/ident"
	"github.com/tandemvm/tandem/net/proof"
)

var (
	// ErrPortInUse is wrapped by Open when another process listens on an address.
	ErrPortInUse = errors.New("port is in use")
	// ErrNotConnected is wrapped by requests to a peer that is no member or not connected now.
	ErrNotConnected = errors.New("node: peer is not connected")
	// ErrJoined is returned by Join for a sandbox that the node is a member of already.
	ErrJoined = errors.New("node: already a member of this sandbox")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("node: closed")
)

// Config of a node. Only Identity is needed.
type Config struct {
	Identity *ident.Identity

	// Listen holds multiaddrs, such as /ip4/0.0.0.0/udp/4001/quic-v1. Default: QUIC and TCP on free ports of all
	// IPv4 interfaces.
	Listen []string

	// Announce holds the multiaddrs at which others reach this node, instead of those it listens on: for a node behind a forwarded port.
	Announce []string

	// MDNS announces joined sandboxes on the local network, under a name that only members can derive.
	MDNS bool

	// Relays are addresses (with /p2p/ID) of peers that forward connections for a node behind a NAT; the node then
	// also tries to punch holes. They must be members of its sandboxes: no connection with a stranger is kept. RelayService
	// offers that to others. MapPorts asks the router for a port.
	Relays       []string
	RelayService bool
	MapPorts     bool

	Logger  *slog.Logger          // default: none
	Metrics prometheus.Registerer // default: none

	proofDue time.Duration // age at which a connection is proven or never will be; default: both sides have had their time
}

// ListenDefault is what a node listens on that is told nothing: free ports of all IPv4 interfaces.
var ListenDefault = []string{"/ip4/0.0.0.0/udp/0/quic-v1", "/ip4/0.0.0.0/tcp/0"}

// Node is a running peer. Its methods are safe for concurrent use.
type Node struct {
	cfg     Config
	log     *slog.Logger
	host    host.Host
	book    *discovery.Book
	gater   *gater
	metrics *metrics
	boot    proof.Boot
	ctx     context.Context
	cancel  context.CancelFunc
	work    sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	rooms   map[tag]*Room
	members map[peer.ID]*member
	changed chan struct{} // closed and replaced when rooms or members change

	processes map[peer.ID]*processes
	twinTold  time.Time // when a member last said that another process has this node's identity
}

// Open starts a node. It listens on every address of cfg.Listen or returns an error that names the one that failed.
func Open(cfg Config) (*Node, error) {
	if cfg.Identity == nil {
		return nil, errors.New("node: Config.Identity is missing")
	}
	n := &Node{cfg: cfg, log: cfg.Logger, gater: &gater{cut: map[peer.ID]bool{}}, metrics: newMetrics(cfg.Metrics),
		rooms: map[tag]*Room{}, members: map[peer.ID]*member{}, processes: map[peer.ID]*processes{}, changed: make(chan struct{})}
	if n.cfg.proofDue == 0 {
		n.cfg.proofDue = 2 * proofLimit
	}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	n.log = n.log.With("peer", short(cfg.Identity.ID()))
	if _, err := rand.Read(n.boot[:]); err != nil {
		return nil, fmt.Errorf("node: cannot read randomness: %w", err)
	}
	options, err := n.options()
	if err != nil {
		return nil, err
	}
	if n.host, err = libp2p.New(options...); err != nil {
		return nil, fmt.Errorf("node: cannot start: %w", err)
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.host.SetStreamHandler(proofProtocol, n.answer)
	n.host.SetStreamHandler(roomProtocol, n.door)
	n.host.Network().Notify(&network.NotifyBundle{ConnectedF: n.connected})
	n.book = discovery.NewBook(dialer{n})
	if err := n.listen(); err != nil {
		n.Close()
		return nil, err
	}
	n.log.Info("listening", "addrs", n.Addrs())
	return n, nil
}

func (n *Node) options() ([]libp2p.Option, error) {
	resources, err := resources()
	if err != nil {
		return nil, fmt.Errorf("node: resource limits: %w", err)
	}
	connections, err := connmgr.NewConnManager(32, 96, connmgr.WithGracePeriod(20*time.Second))
	if err != nil {
		return nil, fmt.Errorf("node: connection limits: %w", err)
	}
	o := []libp2p.Option{
		libp2p.Identity(n.cfg.Identity.Key()),
		libp2p.NoListenAddrs, // see listen
		libp2p.Transport(quic.NewTransport),
		// With SO_REUSEPORT a second process would share our TCP port without an error and take half of the connections.
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()),
		libp2p.ResourceManager(resources),
		libp2p.ConnectionManager(connections),
		libp2p.ConnectionGater(n.gater),
		libp2p.UserAgent("tandem"),
		libp2p.Ping(false),
		libp2p.DisableMetrics(),
	}
	if len(n.cfg.Announce) > 0 {
		announced, err := announced(n.cfg.Announce)
		if err != nil {
			return nil, err
		}
		o = append(o, libp2p.AddrsFactory(func([]multiaddr.Multiaddr) []multiaddr.Multiaddr { return announced }))
	}
	if n.cfg.MapPorts {
		o = append(o, libp2p.NATPortMap())
	}
	if n.cfg.RelayService {
		// The default limits (2 minutes, 128 KiB) would make every connection through the relay too short to sync over.
		o = append(o, libp2p.EnableRelayService(relay.WithInfiniteLimits()), libp2p.ForceReachabilityPublic())
	}
	if len(n.cfg.Relays) == 0 {
		return o, nil
	}
	var relays []peer.AddrInfo
	for _, s := range n.cfg.Relays {
		info, err := peer.AddrInfoFromString(s)
		if err != nil {
			return nil, fmt.Errorf("node: %q is not a relay address: give it as /ip4/.../p2p/ID: %w", s, err)
		}
		relays = append(relays, *info)
	}
	return append(o, libp2p.EnableRelay(), libp2p.EnableHolePunching(),
		libp2p.EnableAutoRelayWithStaticRelays(relays)), nil
}

// connectionsPerAddress is how many connections one IPv4 address, or one IPv6 site (/56), may have with us at once, and
// how many it may open before it is held to one a second. libp2p's own 8 is too few for members behind one router; all
// of the 100 or so that libp2p allows in total on a small machine would let one stranger keep the others out.
const connectionsPerAddress = 32

// resources are libp2p's default limits, which follow the memory of the machine, but for the connections of one address.
func resources() (network.ResourceManager, error) {
	limits := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&limits)
	v4 := rcmgr.ConnLimitPerSubnet{PrefixLength: 32, ConnCount: connectionsPerAddress}
	v6 := rcmgr.ConnLimitPerSubnet{PrefixLength: 56, ConnCount: connectionsPerAddress}
	pace := rate.Limit{RPS: 1, Burst: connectionsPerAddress}
	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.AutoScale()), rcmgr.WithMetricsDisabled(),
		rcmgr.WithLimitPerSubnet([]rcmgr.ConnLimitPerSubnet{v4}, []rcmgr.ConnLimitPerSubnet{v6}),
		rcmgr.WithConnRateLimiters(&rate.Limiter{
			NetworkPrefixLimits: []rate.PrefixLimit{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")}},
			SubnetRateLimiter: rate.SubnetLimiter{
				IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: v4.PrefixLength, Limit: pace}},
				IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: v6.PrefixLength, Limit: pace}},
				GracePeriod:      time.Minute,
			},
		}))
}

func announced(addrs []string) (out []multiaddr.Multiaddr, err error) {
	for _, s := range addrs {
		a, err := multiaddr.NewMultiaddr(s)
		if err != nil {
			return nil, fmt.Errorf("net: cannot announce %s: not an address like /ip4/203.0.113.7/udp/4001/quic-v1", s)
		}
		out = append(out, a)
	}
	return out, nil
}

// listen takes one address at a time, because libp2p given many is content when one of them works.
func (n *Node) listen() error {
	addrs := n.cfg.Listen
	if len(addrs) == 0 {
		addrs = ListenDefault
	}
	for _, s := range addrs {
		a, err := multiaddr.NewMultiaddr(s)
		if err != nil {
			return fmt.Errorf("net: cannot listen on %s: not an address like /ip4/0.0.0.0/udp/4001/quic-v1", s)
		}
		err = n.host.Network().Listen(a)
		switch {
		case err == nil:
		// libp2p joins the causes of Listen as text, so the errno is not always to be had.
		case errors.Is(err, syscall.EADDRINUSE) || strings.Contains(err.Error(), syscall.EADDRINUSE.Error()):
			return fmt.Errorf("net: cannot listen on %s: %w; choose another with --listen or stop the other process",
				s, ErrPortInUse)
		default:
			return fmt.Errorf("net: cannot listen on %s: %s", s, oneLine(err))
		}
	}
	return nil
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func short(p peer.ID) string {
	s := p.String()
	return s[max(0, len(s)-6):]
}

// Peer returns the node's own peer id.
func (n *Node) Peer() string { return n.host.ID().String() }

// Listening returns the addresses the node listens on, those of all interfaces resolved.
func (n *Node) Listening() []string {
	var out []string
	addrs, err := n.host.Network().InterfaceListenAddresses()
	if err != nil {
		addrs = n.host.Network().ListenAddresses()
	}
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}

// Addrs returns the addresses the node can be reached at, each with /p2p/ID at its end.
func (n *Node) Addrs() []string {
	self := "/p2p/" + n.Peer()
	var out []string
	for _, a := range n.host.Addrs() {
		out = append(out, a.String()+self)
	}
	slices.Sort(out)
	return out
}

// Cut closes the connections with the named peers and refuses every new one, both ways, until Heal. What these
// peers say reaches this node only if a third peer passes it on, as with a cut cable. It is how a partition is shown and
// tested. Unknown ids are refused as well, should they come.
func (n *Node) Cut(peers ...string) error {
	ids, err := decodePeers(peers)
	if err != nil {
		return err
	}
	for _, p := range ids {
		n.gater.set(p, true)
		n.host.Network().ClosePeer(p)
		n.expel(p)
	}
	return nil
}

// Heal undoes Cut for the named peers, or for all if none is named, and dials them at once.
func (n *Node) Heal(peers ...string) error {
	ids, err := decodePeers(peers)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		ids = n.gater.clear()
	}
	for _, p := range ids {
		n.gater.set(p, false)
	}
	if len(ids) > 0 {
		n.book.Retry(ids...)
	}
	return nil
}

func decodePeers(peers []string) ([]peer.ID, error) {
	var out []peer.ID
	for _, s := range peers {
		p, err := peer.Decode(s)
		if err != nil {
			return nil, fmt.Errorf("node: %q is not a peer id", s)
		}
		out = append(out, p)
	}
	return out, nil
}

// Close leaves all rooms and stops the node.
func (n *Node) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	rooms := make([]*Room, 0, len(n.rooms))
	for _, r := range n.rooms {
		rooms = append(rooms, r)
	}
	n.mu.Unlock()
	n.book.Close() // first, so that nobody is dialed again
	for _, r := range rooms {
		r.Close()
	}
	n.cancel()
	err := n.host.Close()
	n.work.Wait()
	return err
}

// broadcast wakes whoever waits for a change of rooms or members; n.mu is held.
func (n *Node) broadcast() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// within waits until ok, called with n.mu held, is true, for limit at most.
func (n *Node) within(limit time.Duration, ok func() bool) bool {
	ctx, cancel := context.WithTimeout(n.ctx, limit)
	defer cancel()
	return n.await(ctx, ok)
}

// await waits until ok, called with n.mu held, is true.
func (n *Node) await(ctx context.Context, ok func() bool) bool {
	for {
		n.mu.Lock()
		done, changed := ok(), n.changed
		n.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		case <-n.ctx.Done():
			return false
		}
	}
}

// dialer is the node as its book sees it.
type dialer struct{ n *Node }

func (d dialer) Connect(ctx context.Context, info peer.AddrInfo) error {
	d.n.closeUnproven(info.ID)
	// libp2p refuses to dial an address again for 5 s and more after a failure; the book has its own, shorter, patience.
	if s, ok := d.n.host.Network().(*swarm.Swarm); ok {
		s.Backoff().Clear(info.ID)
	}
	return d.n.host.Connect(ctx, info)
}

func (d dialer) Wanted(p peer.ID) bool {
	if p == d.n.host.ID() || d.n.gater.isCut(p) {
		return false
	}
	d.n.mu.Lock()
	defer d.n.mu.Unlock()
	return len(d.n.rooms) > 0 && d.n.members[p] == nil
}

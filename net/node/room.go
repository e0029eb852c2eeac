package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/tandemvm/tandem/net/discovery"
	"github.com/tandemvm/tandem/net/gossip"
	"github.com/tandemvm/tandem/net/ident"
	"github.com/tandemvm/tandem/net/proof"
	"github.com/tandemvm/tandem/net/stream"
	"github.com/tandemvm/tandem/net/ticket"
)

// Every stream of a sandbox comes through one door: it begins with the room's tag and what it is for, and only a peer
// that has proven that room's key gets any further.
//
//	tag(16) kind(1): 'g' gossip, 'r' one request
const (
	roomProtocol = protocol.ID("/tandem/room/1")
	kindGossip   = 'g'
	kindRequest  = 'r'
	doorLimit    = 5 * time.Second // to say which room, and for a proof under way to end
	openLimit    = 10 * time.Second
)

// tag names a room on streams between its members; it is derived from the key and means nothing to others.
type tag [16]byte

// Room is this node's membership of one sandbox. Its methods are safe for concurrent use.
type Room struct {
	node     *Node
	ticket   ticket.Ticket
	tag      tag
	proofKey proof.Key
	topic    *gossip.Topic
	registry stream.Registry
	ctx      context.Context
	cancel   context.CancelFunc
	kicked   chan struct{}
	done     sync.WaitGroup

	known  map[peer.ID]bool // peers that ever proved the key to us; guarded by node.mu
	sought map[peer.ID]bool // peers that the ticket or a caller named; guarded by node.mu
	left   bool             // nobody is a member of it any more, though links end a moment later; guarded by node.mu

	mu       sync.Mutex
	closed   bool
	watchers []*watcher
}

type watcher struct{ f func(peers []string) }

// Join makes the node a member of the ticket's sandbox and begins to reach the members that the ticket names. It does
// not wait for them: see OnPeers.
func (n *Node) Join(t *ticket.Ticket) (*Room, error) {
	r := &Room{node: n, ticket: *t, proofKey: proof.Key(t.Subkey("proof")), kicked: make(chan struct{}, 1),
		known: map[peer.ID]bool{}, sought: map[peer.ID]bool{}}
	door, name := t.Subkey("door"), t.Subkey("topic")
	copy(r.tag[:], door[:])
	if err := n.reserve(r); err != nil {
		return nil, err
	}
	r.ctx, r.cancel = context.WithCancel(n.ctx)
	var err error
	r.topic, err = gossip.Join(gossip.Config{Host: n.host, Members: r.membership(), Name: hex.EncodeToString(name[:]),
		Key: t.Subkey("gossip"), Counters: gossipCounters{n.metrics}, Logger: n.log}, r.kick)
	if err != nil {
		r.cancel()
		return nil, err
	}
	r.done.Go(r.watch)
	n.mu.Lock()
	if err := n.vacant(r); err != nil { // somebody else joined meanwhile, or the node was closed
		n.mu.Unlock()
		r.stop()
		return nil, err
	}
	n.rooms[r.tag] = r
	n.broadcast()
	n.mu.Unlock()
	r.meet()
	return r, nil
}

func (n *Node) reserve(r *Room) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.vacant(r)
}

func (n *Node) vacant(r *Room) error {
	switch {
	case n.closed:
		return ErrClosed
	case n.rooms[r.tag] != nil:
		return ErrJoined
	case len(n.rooms) >= proof.KeysMax:
		return fmt.Errorf("node: already a member of %d sandboxes: leave one first", len(n.rooms))
	}
	return nil
}

// meet looks for members: those in the ticket, those on the local network, and those connected for another sandbox.
func (r *Room) meet() {
	n := r.node
	for _, m := range r.ticket.Members {
		if info, ok := n.other(m); ok {
			r.seek(info)
		}
	}
	if n.cfg.MDNS {
		r.done.Go(r.announce)
	}
	for _, p := range n.host.Network().Peers() {
		n.spawn(func() { n.prove(p) })
	}
}

// seek has a peer tried for as long as the room is open.
func (r *Room) seek(info peer.AddrInfo) {
	r.node.mu.Lock()
	r.sought[info.ID] = true
	r.node.mu.Unlock()
	r.node.book.Add(info, discovery.Given)
	r.node.mu.Lock()
	left := r.left
	r.node.mu.Unlock()
	if left { // maybe since the first line
		r.node.book.Forget(r.leaves)
	}
}

// announce runs beside Join, because the network's part of it can take long.
func (r *Room) announce() {
	n := r.node
	service := discovery.Announce(n.host, r.ticket.Subkey("mdns"),
		func(i peer.AddrInfo) { n.book.Add(i, discovery.Told) }, n.log)
	<-r.ctx.Done()
	service.Close()
}

// Connect adds addresses (each with /p2p/ID) of members to reach, and waits until one of them is a member here or
// ctx ends. They are tried until the room is closed either way.
func (r *Room) Connect(ctx context.Context, addrs []string) error {
	var peers []peer.ID
	for _, s := range addrs {
		info, err := peer.AddrInfoFromString(s)
		if err != nil {
			return fmt.Errorf("node: %q is not a peer's address: give it as /ip4/.../p2p/ID", s)
		}
		if info.ID == r.node.host.ID() {
			continue
		}
		peers = append(peers, info.ID)
		r.seek(*info)
	}
	if len(peers) == 0 {
		return nil
	}
	met := false
	r.node.await(ctx, func() bool {
		met = slices.ContainsFunc(peers, func(p peer.ID) bool { return r.node.members[p].in(r) })
		return met || r.left
	})
	switch {
	case met:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("node: no member answers at %v: %w", addrs, ctx.Err())
	}
	return ErrClosed
}

// Ticket returns an invitation to this sandbox that names this peer first and then members connected now.
func (r *Room) Ticket() *ticket.Ticket {
	t := r.ticket
	t.Members = []ticket.Member{record(r.node.host.ID(), r.node.host.Addrs())}
	connected := r.Peers()
	for _, m := range r.Known() {
		if len(t.Members) < 4 && slices.Contains(connected, m.Peer) {
			t.Members = append(t.Members, m)
		}
	}
	return &t
}

// Known returns every peer that proved the key to this node since Join, with the addresses known of it: what to keep in
// order to find the sandbox again after a restart.
func (r *Room) Known() []ticket.Member {
	r.node.mu.Lock()
	var peers []peer.ID
	for p := range r.known {
		peers = append(peers, p)
	}
	r.node.mu.Unlock()
	slices.Sort(peers)
	var out []ticket.Member
	for _, p := range peers {
		if m := record(p, r.node.book.Addrs(p)); len(m.Addrs) > 0 {
			out = append(out, m)
		}
	}
	return out
}

// Self returns this peer's id.
func (r *Room) Self() string { return r.node.Peer() }

// Peers returns the members connected now that receive what is published now, sorted.
func (r *Room) Peers() []string {
	m := r.membership()
	var out []string
	for _, p := range r.topic.Peers() {
		if m.Member(p) {
			out = append(out, p.String())
		}
	}
	slices.Sort(out)
	return out
}

// OnPeers has f called with the new Peers each time they change, until cancel; never twice at once. It is not called
// for the peers there are already.
func (r *Room) OnPeers(f func(peers []string)) (cancel func()) {
	w := &watcher{f}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchers = append(slices.Clone(r.watchers), w)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.watchers = slices.DeleteFunc(slices.Clone(r.watchers), func(o *watcher) bool { return o == w })
	}
}

func (r *Room) kick() {
	select {
	case r.kicked <- struct{}{}:
	default:
	}
}

func (r *Room) watch() {
	var last []string
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-r.kicked:
		}
		now := r.Peers()
		if slices.Equal(now, last) {
			continue
		}
		last = now
		r.mu.Lock()
		watchers := r.watchers
		r.mu.Unlock()
		for _, w := range watchers {
			w.f(slices.Clone(now))
		}
	}
}

// Publish sends data, at most gossip.DataMax bytes, to all members. It waits while members fall behind; see gossip.
func (r *Room) Publish(ctx context.Context, data []byte) error {
	err := r.topic.Publish(ctx, data)
	if errors.Is(err, gossip.ErrTooLarge) {
		r.node.metrics.bad(eventMessageOversize)
	}
	return err
}

// Subscribe has f called for each message of another member, in the order of arrival, on one goroutine.
func (r *Room) Subscribe(f func(from string, data []byte)) (cancel func()) {
	return r.topic.Subscribe(f)
}

// Validate sets the check a message must pass before it is delivered or passed on to others.
func (r *Room) Validate(f func(from string, data []byte) error) { r.topic.Validate(f) }

// Handle answers the requests of members by that name; a nil handler removes it. See stream.Handler.
func (r *Room) Handle(name string, h func(ctx context.Context, from string, req []byte, send func(frame []byte) error) error) {
	r.registry.Handle(name, h)
}

// Request asks a connected member and gives each frame of its reply to recv. See stream.Call.
func (r *Room) Request(ctx context.Context, peerID, name string, req []byte, recv func(frame []byte) error) error {
	p, err := peer.Decode(peerID)
	if err != nil {
		return fmt.Errorf("node: %q is not a peer id", peerID)
	}
	s, err := r.openStream(ctx, p, kindRequest)
	if err != nil {
		return err
	}
	r.node.metrics.requests.WithLabelValues("made").Inc()
	err = stream.Call(ctx, s, name, req, recv)
	if errors.Is(err, stream.ErrTooLarge) {
		r.node.metrics.bad(eventMessageOversize)
	}
	return err
}

// Sign signs data with this peer's identity.
func (r *Room) Sign(data []byte) ([]byte, error) { return r.node.cfg.Identity.Sign(data) }

// Verify checks a signature of Sign by the named peer, who need not be connected.
func (r *Room) Verify(peerID string, data, sig []byte) error { return ident.Verify(peerID, data, sig) }

// Close leaves the sandbox. Connections with its members are closed; those shared with another sandbox come back.
func (r *Room) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	r.mu.Unlock()
	n := r.node
	n.mu.Lock()
	delete(n.rooms, r.tag)
	var members []peer.ID
	for p, m := range n.members {
		if m.in(r) {
			members = append(members, p)
		}
	}
	r.left = true
	n.broadcast()
	n.mu.Unlock()
	n.book.Forget(r.leaves)
	r.stop()
	for _, p := range members {
		n.host.Network().ClosePeer(p)
	}
	return nil
}

// leaves reports whether no room that is open has to do with a peer of r, which was left: it would be a stranger who is
// asked for a proof again and again.
func (r *Room) leaves(p peer.ID) bool {
	r.node.mu.Lock()
	defer r.node.mu.Unlock()
	for _, o := range r.node.rooms {
		if o.known[p] || o.sought[p] {
			return false
		}
	}
	return r.known[p] || r.sought[p]
}

func (r *Room) stop() {
	r.cancel()
	r.topic.Close()
	r.done.Wait()
}

// membership is the room as its topic sees it.
type membership struct{ *Room }

func (r *Room) membership() membership { return membership{r} }

func (m membership) Members() []peer.ID {
	m.node.mu.Lock()
	defer m.node.mu.Unlock()
	var out []peer.ID
	for p, member := range m.node.members {
		if member.in(m.Room) {
			out = append(out, p)
		}
	}
	return out
}

func (m membership) Member(p peer.ID) bool {
	m.node.mu.Lock()
	defer m.node.mu.Unlock()
	return m.node.members[p].in(m.Room)
}

func (m membership) Cut(p peer.ID) bool { return m.node.gater.isCut(p) }

func (m membership) Open(ctx context.Context, p peer.ID) (network.Stream, error) {
	return m.openStream(ctx, p, kindGossip)
}

// openStream opens a stream through the member's door. It never dials: members are connected.
func (r *Room) openStream(ctx context.Context, p peer.ID, kind byte) (network.Stream, error) {
	if !r.membership().Member(p) {
		return nil, fmt.Errorf("%w: %s", ErrNotConnected, p)
	}
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	ctx = network.WithAllowLimitedConn(network.WithNoDial(ctx, "members are connected"), "room")
	s, err := r.node.host.NewStream(ctx, p, roomProtocol)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrNotConnected, p, err)
	}
	s.SetWriteDeadline(time.Now().Add(openLimit))
	if _, err := s.Write(append(r.tag[:], kind)); err != nil {
		s.Reset()
		return nil, fmt.Errorf("%w: %s: %w", ErrNotConnected, p, err)
	}
	s.SetWriteDeadline(time.Time{})
	return s, nil
}

// door takes every stream that another peer opens for a room.
func (n *Node) door(s network.Stream) {
	p := s.Conn().RemotePeer()
	s.SetReadDeadline(time.Now().Add(doorLimit))
	var head [len(tag{}) + 1]byte
	if _, err := io.ReadFull(s, head[:]); err != nil {
		s.Reset()
		return
	}
	s.SetReadDeadline(time.Time{})
	r := n.enter(p, tag(head[:]))
	if r == nil {
		s.Reset()
		return
	}
	switch head[len(tag{})] {
	case kindGossip:
		r.topic.Serve(s)
	case kindRequest:
		n.metrics.requests.WithLabelValues("served").Inc()
		if err := r.registry.Serve(r.ctx, s, p.String()); err != nil {
			n.metrics.bad(eventRequestRefused)
			n.log.Debug("request refused", "from", short(p), "err", err)
		}
	default:
		s.Reset()
		n.metrics.bad(eventStreamRefused)
	}
}

// enter returns the room of that tag if p has proven its key. The dialer of a connection knows that the proof has
// succeeded a moment after the listener, so streams can come early and wait. A peer that is no member at all by then
// is a stranger, which counts; one that is a member elsewhere may simply not know yet that we left.
func (n *Node) enter(p peer.ID, t tag) *Room {
	var room *Room
	n.within(doorLimit, func() bool {
		if r := n.rooms[t]; r != nil && n.members[p].in(r) {
			room = r
		}
		return room != nil
	})
	if room == nil {
		n.mu.Lock()
		stranger := n.members[p] == nil
		n.mu.Unlock()
		if stranger && n.ctx.Err() == nil {
			n.metrics.bad(eventStreamRefused)
		}
	}
	return room
}

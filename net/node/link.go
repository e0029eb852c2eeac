package node

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"

	"github.com/tandemvm/tandem/net/discovery"
	"github.com/tandemvm/tandem/net/proof"
	"github.com/tandemvm/tandem/net/ticket"
)

// The dialer of a connection opens one stream of proofProtocol and runs the proof. If the two share a sandbox the stream
// stays open as their link: a beat each second, so that a peer that vanished without a word is noticed, and
// introductions, so that members who joined by one ticket find one another. A connection without a link is closed.
//
//	after the proof, both ways: 'b'                           a beat
//	                            't'                           not admitted: see twin.go
//	                            'i' len(4) JSON [{peer,addrs}] an introduction: the sender first, then other members
const (
	proofProtocol = protocol.ID("/tandem/member/1")

	proofLimit   = 5 * time.Second        // for the whole proof, and for a connection to begin one
	refuseLinger = 300 * time.Millisecond // between a refusal and closing the connection
	beatEvery    = time.Second
	beatLimit    = 6 * time.Second // silence after which a link is dead

	introMax      = 64 << 10 // bytes of one introduction
	introPeers    = 64
	introAddrs    = 16
	introsWaiting = 64

	protectTag = "tandem member"
)

// member is a peer with at least one link.
type member struct{ links map[*link]bool }

// in reports whether the peer has proven the key of a room that is open; node.mu is held.
func (m *member) in(r *Room) bool {
	if m != nil && !r.left {
		for l := range m.links {
			if slices.Contains(l.rooms, r) {
				return true
			}
		}
	}
	return false
}

type link struct {
	peer   peer.ID
	stream network.Stream
	boot   proof.Boot
	began  time.Time // the proof
	rooms  []*Room   // that both are members of
	intros chan []ticket.Member
	named  bool // the peer has introduced itself; only the goroutine that hears the link looks
}

// connected is called by libp2p for every new connection.
func (n *Node) connected(_ network.Network, c network.Conn) {
	n.spawn(func() {
		limit, declined := proofLimit, false
		if c.Stat().Direction == network.DirOutbound {
			err := n.prove(c.RemotePeer())
			if err != nil && !isVerdict(err) { // nothing more will come of this connection: it is dialed anew
				limit, declined = 0, errors.Is(err, network.ErrReset)
			}
		}
		if n.within(limit, func() bool { return n.members[c.RemotePeer()] != nil }) || c.IsClosed() || n.ctx.Err() != nil {
			return
		}
		if !declined && !n.idle() {
			n.metrics.bad(eventProofTimeout)
		}
		c.Close()
	})
}

// isVerdict reports whether a proof ended with the finding that the peer is no member.
func isVerdict(err error) bool {
	return errors.Is(err, proof.ErrStranger) || errors.Is(err, proof.ErrForged)
}

// spawn runs f unless the node is closing; Close waits for it.
func (n *Node) spawn(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed {
		n.work.Go(f)
	}
}

// prove runs the dialer's side with a connected peer. network.ErrReset: the peer has nothing to say yet, or no more.
func (n *Node) prove(p peer.ID) error {
	ctx, cancel := context.WithTimeout(n.ctx, proofLimit)
	defer cancel()
	s, err := n.host.NewStream(network.WithAllowLimitedConn(network.WithNoDial(ctx, "proof"), "proof"), p, proofProtocol)
	if err != nil {
		n.log.Debug("no proof stream", "with", short(p), "err", err)
		return err
	}
	rooms, keys := n.keys()
	if len(keys) == 0 {
		s.Reset()
		return network.ErrReset
	}
	began := time.Now()
	s.SetDeadline(began.Add(proofLimit))
	shared, err := proof.Dial(s, n.host.ID().String(), p.String(), n.boot, keys)
	n.settle(s, began, rooms, shared, err)
	return err
}

// answer runs the listener's side. A node that was just opened has no room yet, and its peers are already calling:
// they are kept waiting for the first one rather than turned away. They come again soon if there is none, or if the node is closing: to tell them then that
// they are no members would keep them away for long.
func (n *Node) answer(s network.Stream) {
	n.within(proofLimit/2, func() bool { return len(n.rooms) > 0 })
	rooms, keys := n.keys()
	if len(keys) == 0 {
		s.Reset()
		return
	}
	began := time.Now()
	s.SetDeadline(began.Add(proofLimit))
	shared, err := proof.Answer(s, n.host.ID().String(), s.Conn().RemotePeer().String(), n.boot, keys)
	n.settle(s, began, rooms, shared, err)
}

// idle reports whether the node takes part in nothing: it cannot prove anything.
func (n *Node) idle() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.rooms) == 0
}

// keys are those of the open rooms; none when the node is closing.
func (n *Node) keys() ([]*Room, []proof.Key) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var rooms []*Room
	var keys []proof.Key
	if n.closed {
		return nil, nil
	}
	for _, r := range n.rooms {
		rooms = append(rooms, r)
		keys = append(keys, r.proofKey)
	}
	return rooms, keys
}

func (n *Node) settle(s network.Stream, began time.Time, rooms []*Room, shared proof.Shared, err error) {
	p := s.Conn().RemotePeer()
	if err != nil {
		if !isVerdict(err) {
			s.Reset()
			return
		}
		n.metrics.bad(eventProofFailed)
		n.log.Debug("refused", "peer", short(p), "err", err)
		n.book.Refused(p, n.knew(p))
		// The answer that tells the dialer not to try again at once may be on its way still; nothing else is served.
		s.Close()
		time.AfterFunc(refuseLinger, func() { n.dropStranger(p) })
		return
	}
	l := &link{peer: p, stream: s, boot: shared.Boot, began: began, intros: make(chan []ticket.Member, introsWaiting)}
	for _, k := range shared.Keys {
		l.rooms = append(l.rooms, rooms[k])
	}
	s.SetDeadline(time.Time{})
	switch n.admit(l) {
	case late:
		s.Reset()
		s.Conn().Close()
		return
	case twin:
		n.refuseTwin(l)
		return
	}
	n.spawn(func() { n.runLink(l) })
}

// knew reports whether the peer has ever proven the key of a room that is open.
func (n *Node) knew(p peer.ID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.rooms {
		if r.known[p] {
			return true
		}
	}
	return false
}

func (n *Node) dropStranger(p peer.ID) {
	n.mu.Lock()
	known := n.members[p] != nil
	n.mu.Unlock()
	if !known {
		n.host.Network().ClosePeer(p)
	}
}

// admit makes l count. A peer that was restarted is met anew: connections to its former process are closed, for
// nothing sent over them will arrive.
func (n *Node) admit(l *link) admission {
	n.mu.Lock()
	l.rooms = slices.DeleteFunc(l.rooms, func(r *Room) bool { return n.rooms[r.tag] != r })
	if n.closed || n.gater.isCut(l.peer) || len(l.rooms) == 0 {
		n.mu.Unlock()
		return late
	}
	if a := n.meet(l); a != welcome {
		n.mu.Unlock()
		return a
	}
	m := n.members[l.peer]
	restarted := false
	if m == nil {
		m = &member{links: map[*link]bool{}}
		n.members[l.peer] = m
		n.metrics.members.Inc()
	}
	for old := range m.links {
		if old.boot != l.boot {
			restarted = true
			delete(m.links, old)
		}
	}
	m.links[l] = true
	for _, r := range l.rooms {
		r.known[l.peer] = true
	}
	n.broadcast()
	n.mu.Unlock()

	n.metrics.connected.Inc()
	n.host.ConnManager().Protect(l.peer, protectTag)
	n.book.Met(l.peer)
	if restarted {
		n.closeOlder(l.stream.Conn())
	}
	n.log.Info("member connected", "member", short(l.peer), "restarted", restarted, "via", l.stream.Conn().RemoteMultiaddr())
	for _, r := range l.rooms {
		r.topic.Joined(l.peer)
		r.kick()
	}
	l.introduce(n.introduction(l))
	return welcome
}

func (n *Node) closeOlder(than network.Conn) {
	for _, c := range n.host.Network().ConnsToPeer(than.RemotePeer()) {
		if c.ID() != than.ID() && c.Stat().Opened.Before(than.Stat().Opened) {
			c.Close()
		}
	}
}

// closeUnproven closes connections with a peer that is no member, so that it can be dialed: two that dialed each other at once have two connections and
// their links on one of them, and when that one ends nobody proves anything over the other, which libp2p counts as being connected.
func (n *Node) closeUnproven(p peer.ID) {
	n.mu.Lock()
	known := n.members[p] != nil
	n.mu.Unlock()
	for _, c := range n.host.Network().ConnsToPeer(p) {
		if !known && time.Since(c.Stat().Opened) > n.cfg.proofDue {
			c.Close()
		}
	}
}

// runLink beats and listens until the link ends.
func (n *Node) runLink(l *link) {
	stop := make(chan struct{})
	n.spawn(func() {
		defer l.stream.Reset()
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		for {
			var frame []byte
			select {
			case <-stop:
				return
			case <-n.ctx.Done():
				return
			case <-tick.C:
				frame = []byte{'b'}
			case intro := <-l.intros:
				frame = introFrame(intro)
			}
			l.stream.SetWriteDeadline(time.Now().Add(beatLimit))
			if _, err := l.stream.Write(frame); err != nil {
				return
			}
		}
	})
	err := n.hear(l)
	if errors.Is(err, errTwin) {
		n.refusedAsTwin(l) // before the peers are told that the link has ended
	}
	close(stop)
	l.stream.Reset()
	n.release(l)
	if !n.linked(l.stream.Conn()) {
		l.stream.Conn().Close()
	}
	if errors.Is(err, errTwin) {
		n.book.Refused(l.peer, false)
	}
	n.log.Debug("link ended", "member", short(l.peer), "err", err)
}

// linked reports whether a link runs over the connection.
func (n *Node) linked(c network.Conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if m := n.members[c.RemotePeer()]; m != nil {
		for l := range m.links {
			if l.stream.Conn().ID() == c.ID() {
				return true
			}
		}
	}
	return false
}

// supersede ends the links that say no more than l does: each proof over a connection that already has a link, as after
// joining a second sandbox, adds one. It is called when l is heard, for then the other side counts it too; and the peer
// with the smaller id does it alone, lest each ends the other's choice.
func (n *Node) supersede(l *link) {
	if n.host.ID() > l.peer {
		return
	}
	var old []*link
	n.mu.Lock()
	if m := n.members[l.peer]; m != nil && m.links[l] {
		more := func(r *Room) bool { return n.rooms[r.tag] == r && !slices.Contains(l.rooms, r) }
		for o := range m.links {
			if o != l && o.stream.Conn().ID() == l.stream.Conn().ID() && !slices.ContainsFunc(o.rooms, more) {
				delete(m.links, o)
				old = append(old, o)
			}
		}
	}
	n.mu.Unlock()
	for _, o := range old {
		o.stream.Reset()
	}
}

func (n *Node) hear(l *link) error {
	in := bufio.NewReader(l.stream)
	for heard := false; ; heard = true {
		l.stream.SetReadDeadline(time.Now().Add(beatLimit))
		kind, err := in.ReadByte()
		if err != nil {
			return err
		}
		if !heard {
			n.supersede(l)
		}
		switch kind {
		case 'b':
		case 't':
			return errTwin
		case 'i':
			intro, err := readIntro(in)
			if err != nil {
				return err
			}
			n.introduced(l, intro)
		default:
			return fmt.Errorf("node: link frame of kind %q", kind)
		}
	}
}

// release forgets a link; the last one of a peer takes the membership with it.
func (n *Node) release(l *link) {
	n.mu.Lock()
	m := n.members[l.peer]
	if m == nil || !m.links[l] {
		n.mu.Unlock()
		return
	}
	delete(m.links, l)
	gone := len(m.links) == 0
	if gone {
		n.forget(l.peer)
	}
	n.broadcast()
	n.mu.Unlock()
	for _, r := range l.rooms {
		r.kick()
	}
	if gone {
		n.host.ConnManager().Unprotect(l.peer, protectTag)
		n.log.Info("member gone", "member", short(l.peer))
		n.book.Retry(l.peer)
	}
}

// forget removes a member; n.mu is held.
func (n *Node) forget(p peer.ID) {
	delete(n.members, p)
	n.metrics.members.Dec()
}

// expel ends a membership at once, without waiting for the streams to notice that the connection is closed.
func (n *Node) expel(p peer.ID) {
	n.mu.Lock()
	m := n.members[p]
	var links []*link
	if m != nil {
		for l := range m.links {
			links = append(links, l)
		}
	}
	n.mu.Unlock()
	for _, l := range links {
		n.release(l)
	}
}

// introduction is what the peer of l should know: this node's addresses, and the other members of their rooms.
func (n *Node) introduction(l *link) []ticket.Member {
	out := []ticket.Member{record(n.host.ID(), n.host.Addrs())}
	n.mu.Lock()
	var others []peer.ID
	for p, m := range n.members {
		if p != l.peer && slices.ContainsFunc(l.rooms, m.in) && len(others) < introPeers-1 {
			others = append(others, p)
		}
	}
	n.mu.Unlock()
	for _, p := range others {
		if addrs := n.book.Addrs(p); len(addrs) > 0 {
			out = append(out, record(p, addrs))
		}
	}
	return out
}

// introduced takes over what a member tells, and passes on what it says of itself to those it shares a room with: once
// a link, as it is said once, for one frame from a peer becomes as many as there are members.
func (n *Node) introduced(l *link, intro []ticket.Member) {
	for k, r := range intro {
		info, ok := n.other(r)
		if !ok {
			continue
		}
		n.book.Add(info, discovery.Told)
		if k == 0 && info.ID == l.peer && !l.named {
			l.named = true
			n.passOn(l, record(info.ID, info.Addrs))
		}
	}
}

// other reads the record of a peer, which somebody else wrote; false: it is none, or this node's own.
func (n *Node) other(r ticket.Member) (info peer.AddrInfo, ok bool) {
	p, err := peer.Decode(r.Peer)
	if err != nil || p == n.host.ID() {
		return info, false
	}
	info.ID = p
	for _, s := range r.Addrs[:min(len(r.Addrs), introAddrs)] {
		if a, err := multiaddr.NewMultiaddr(s); err == nil {
			info.Addrs = append(info.Addrs, a)
		}
	}
	return info, true
}

func (n *Node) passOn(about *link, r ticket.Member) {
	n.mu.Lock()
	var to []*link
	for p, m := range n.members {
		if p == about.peer || !slices.ContainsFunc(about.rooms, m.in) {
			continue
		}
		for l := range m.links {
			to = append(to, l)
			break
		}
	}
	n.mu.Unlock()
	for _, l := range to {
		l.introduce([]ticket.Member{r})
	}
}

// introduce queues an introduction; when the queue is full the peer is far behind and will hear from others.
func (l *link) introduce(intro []ticket.Member) {
	select {
	case l.intros <- intro:
	default:
	}
}

func record(p peer.ID, addrs []multiaddr.Multiaddr) ticket.Member {
	r := ticket.Member{Peer: p.String()}
	for _, a := range addrs[:min(len(addrs), introAddrs)] {
		r.Addrs = append(r.Addrs, a.String())
	}
	return r
}

func introFrame(intro []ticket.Member) []byte {
	body, err := json.Marshal(intro)
	for err == nil && len(body) > introMax {
		intro = intro[:len(intro)/2]
		body, err = json.Marshal(intro)
	}
	if err != nil {
		panic("BUG: node: introduction: " + err.Error())
	}
	return append(binary.BigEndian.AppendUint32([]byte{'i'}, uint32(len(body))), body...)
}

func readIntro(in io.Reader) ([]ticket.Member, error) {
	var size [4]byte
	if _, err := io.ReadFull(in, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > introMax {
		return nil, fmt.Errorf("node: introduction of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(in, body); err != nil {
		return nil, err
	}
	var intro []ticket.Member
	if err := json.Unmarshal(body, &intro); err != nil {
		return nil, fmt.Errorf("node: introduction: %w", err)
	}
	return intro[:min(len(intro), introPeers)], nil
}

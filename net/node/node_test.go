package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/tandemvm/tandem/net/gossip"
	"github.com/tandemvm/tandem/net/ident"
	"github.com/tandemvm/tandem/net/stream"
	"github.com/tandemvm/tandem/net/ticket"
)

// Transport is what the replication layer asks for; a Room is one by shape.
type Transport interface {
	Self() string
	Peers() []string
	Publish(ctx context.Context, data []byte) error
	Subscribe(func(from string, data []byte)) (cancel func())
	Handle(name string, h func(ctx context.Context, from string, req []byte, send func(frame []byte) error) error)
	Request(ctx context.Context, peer, name string, req []byte, recv func(frame []byte) error) error
	OnPeers(func(peers []string)) (cancel func())
	Sign(data []byte) ([]byte, error)
	Verify(peer string, data, sig []byte) error
	Close() error
}

var _ Transport = (*Room)(nil)

const quicLoopback, tcpLoopback = "/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"

// peerUnderTest is one node with its room and everything it has received.
type peerUnderTest struct {
	t    *testing.T
	id   *ident.Identity
	node *Node
	room *Room
	reg  *prometheus.Registry

	mu  sync.Mutex
	got []string // "from data", in order
}

func identity(t *testing.T) *ident.Identity {
	t.Helper()
	i, err := ident.New()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func open(t *testing.T, id *ident.Identity, listen ...string) *peerUnderTest {
	t.Helper()
	if len(listen) == 0 {
		listen = []string{quicLoopback}
	}
	return openAs(t, Config{Identity: id, Listen: listen})
}

func openAs(t *testing.T, c Config) *peerUnderTest {
	t.Helper()
	p := &peerUnderTest{t: t, id: c.Identity, reg: prometheus.NewRegistry()}
	c.Metrics = p.reg
	var err error
	if p.node, err = Open(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.node.Close() })
	return p
}

func (p *peerUnderTest) join(tk *ticket.Ticket) *peerUnderTest {
	p.t.Helper()
	var err error
	if p.room, err = p.node.Join(tk); err != nil {
		p.t.Fatal(err)
	}
	p.room.Subscribe(func(from string, data []byte) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.got = append(p.got, from+" "+string(data))
	})
	return p
}

func (p *peerUnderTest) received(from *peerUnderTest, data string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.got, from.id.Peer()+" "+data)
}

func (p *peerUnderTest) publish(data string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := p.room.Publish(ctx, []byte(data)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peerUnderTest) sees(others ...*peerUnderTest) bool {
	var want []string
	for _, o := range others {
		want = append(want, o.id.Peer())
	}
	slices.Sort(want)
	return slices.Equal(p.room.Peers(), want)
}

// bad returns the counters of the group that should be zero.
func (p *peerUnderTest) bad() map[string]float64 {
	p.t.Helper()
	families, err := p.reg.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "tandem_net_should_be_zero_total" {
			continue
		}
		f.Metric = slices.DeleteFunc(f.Metric, func(m *dto.Metric) bool { return m.GetCounter().GetValue() == 0 })
		for _, m := range f.Metric {
			out[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
	}
	return out
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func newTicket(t *testing.T) *ticket.Ticket {
	t.Helper()
	tk, err := ticket.New([32]byte{1}, [32]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

// cluster opens n peers; all but the first join by the first one's ticket, sent as text.
func cluster(t *testing.T, n int, listen ...string) []*peerUnderTest {
	t.Helper()
	peers := []*peerUnderTest{open(t, identity(t), listen...).join(newTicket(t))}
	text, err := peers[0].room.Ticket().Text()
	if err != nil {
		t.Fatal(err)
	}
	for range n - 1 {
		tk, err := ticket.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		peers = append(peers, open(t, identity(t), listen...).join(tk))
	}
	for i, p := range peers {
		eventually(t, fmt.Sprintf("peer %d sees all", i), func() bool { return p.sees(without(peers, i)...) })
	}
	return peers
}

func without(peers []*peerUnderTest, i int) []*peerUnderTest {
	return append(slices.Clone(peers[:i]), peers[i+1:]...)
}

func healthy(t *testing.T, peers ...*peerUnderTest) {
	t.Helper()
	for i, p := range peers {
		if bad := p.bad(); len(bad) != 0 {
			t.Errorf("peer %d: counters that should be zero: %v", i, bad)
		}
	}
}

// Members that joined by one peer's ticket find one another, over QUIC and over TCP, and talk.
func TestJoinPublishSubscribe(t *testing.T) {
	for _, listen := range []string{quicLoopback, tcpLoopback} {
		peers := cluster(t, 3, listen)
		for i, p := range peers {
			p.publish(fmt.Sprint("hello ", i))
		}
		for i, p := range peers {
			for j, q := range without(peers, i) {
				_ = j
				k := slices.Index(peers, q)
				eventually(t, "message arrives", func() bool { return p.received(q, fmt.Sprint("hello ", k)) })
			}
			if p.received(p, fmt.Sprint("hello ", i)) {
				t.Error("a peer got its own message")
			}
		}
		healthy(t, peers...)
		for _, p := range peers {
			p.node.Close()
		}
	}
}

func TestOnPeersFollowsTheMembers(t *testing.T) {
	a := open(t, identity(t)).join(newTicket(t))
	var mu sync.Mutex
	var seen []int
	cancel := a.room.OnPeers(func(peers []string) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, len(peers))
	})
	b := open(t, identity(t)).join(a.room.Ticket())
	eventually(t, "connected", func() bool { return a.sees(b) && b.sees(a) })
	b.room.Close()
	eventually(t, "gone", func() bool { return a.sees() })
	eventually(t, "both changes reported", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Equal(seen, []int{1, 0})
	})
	cancel()
	b.join(a.room.Ticket())
	eventually(t, "connected again", func() bool { return a.sees(b) })
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 2 {
		t.Errorf("called after cancel: %v", seen)
	}
	healthy(t, a, b)
}

func TestRequestStreams(t *testing.T) {
	peers := cluster(t, 2)
	a, b := peers[0], peers[1]
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	b.room.Handle("blocks", func(_ context.Context, from string, req []byte, send func([]byte) error) error {
		if from != a.id.Peer() {
			return errors.New("wrong caller")
		}
		for n := range 20 {
			if err := send(bytes.Repeat([]byte{byte(n)}, 300<<10)); err != nil {
				return err
			}
		}
		if string(req) == "fail" {
			return errors.New("store: block is missing")
		}
		return nil
	})
	frames := 0
	count := func(f []byte) error {
		if len(f) != 300<<10 || f[0] != byte(frames) {
			return fmt.Errorf("frame %d is wrong", frames)
		}
		frames++
		return nil
	}
	if err := a.room.Request(ctx, b.id.Peer(), "blocks", []byte("ok"), count); err != nil || frames != 20 {
		t.Fatalf("%d frames, %v", frames, err)
	}
	frames = 0
	if err := a.room.Request(ctx, b.id.Peer(), "blocks", []byte("fail"), count); err == nil || err.Error() != "store: block is missing" {
		t.Fatalf("remote error: %v", err)
	}
	healthy(t, a, b)
	if err := a.room.Request(ctx, b.id.Peer(), "nothing", nil, count); !errors.Is(err, stream.ErrNoHandler) {
		t.Errorf("no handler: %v", err)
	}
	if err := a.room.Request(ctx, identity(t).Peer(), "blocks", nil, count); !errors.Is(err, ErrNotConnected) {
		t.Errorf("unknown peer: %v", err)
	}
	if err := a.room.Request(ctx, b.id.Peer(), "blocks", make([]byte, stream.RequestMax+1), count); !errors.Is(err, stream.ErrTooLarge) {
		t.Errorf("large request: %v", err)
	}
	short, cancelShort := context.WithCancel(ctx)
	b.room.Handle("hang", func(ctx context.Context, _ string, _ []byte, _ func([]byte) error) error {
		cancelShort()
		<-ctx.Done()
		return ctx.Err()
	})
	if err := a.room.Request(short, b.id.Peer(), "hang", nil, count); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestOversizeAndLargestMessage(t *testing.T) {
	peers := cluster(t, 2)
	large := strings.Repeat("x", gossip.DataMax)
	peers[0].publish(large)
	eventually(t, "the largest message arrives", func() bool { return peers[1].received(peers[0], large) })
	healthy(t, peers...)
	if err := peers[0].room.Publish(context.Background(), []byte(large+"x")); !errors.Is(err, gossip.ErrTooLarge) {
		t.Errorf("oversize: %v", err)
	}
	if n := peers[0].bad()[eventMessageOversize]; n != 1 {
		t.Errorf("counted %v", n)
	}
}

func TestSignatures(t *testing.T) {
	a := open(t, identity(t)).join(newTicket(t))
	sig, err := a.room.Sign([]byte("head"))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.room.Verify(a.room.Self(), []byte("head"), sig); err != nil {
		t.Fatal(err)
	}
	if err := a.room.Verify(identity(t).Peer(), []byte("head"), sig); !errors.Is(err, ident.ErrSignature) {
		t.Fatalf("other signer: %v", err)
	}
}

// Thousands of small messages, three writers at once and one slow reader: none is lost and none comes twice. (The order
// of one author is usual, not promised: a copy that was passed on can overtake.)
func TestManySmallMessagesAreNotDropped(t *testing.T) {
	peers := cluster(t, 3)
	const each = 2000
	slow := peers[2]
	slow.room.Subscribe(func(string, []byte) { time.Sleep(100 * time.Microsecond) })
	var wg sync.WaitGroup
	for _, p := range peers {
		wg.Go(func() {
			for n := range each {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				if err := p.room.Publish(ctx, fmt.Appendf(nil, "%05d", n)); err != nil {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	t.Cleanup(func() {
		for i, p := range peers {
			p.mu.Lock()
			t.Logf("peer %d: %d of %d messages, counters %v", i, len(p.got), 2*each, p.bad())
			p.mu.Unlock()
		}
	})
	for i, p := range peers {
		eventually(t, fmt.Sprintf("peer %d has all", i), func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.got) >= 2*each
		})
		p.mu.Lock()
		once := slices.Clone(p.got)
		p.mu.Unlock()
		slices.Sort(once)
		if n := len(slices.Compact(once)); n != 2*each || len(once) != n {
			t.Errorf("peer %d: %d messages, %d different ones, want %d", i, len(once), n, 2*each)
		}
	}
	healthy(t, peers...)
}

// A stuck subscriber holds back those who publish for a while only; after that they go on without it.
func TestStuckSubscriberDoesNotStopTheOthers(t *testing.T) {
	peers := cluster(t, 3)
	release := make(chan struct{})
	peers[2].room.Subscribe(func(string, []byte) { <-release })
	defer close(release)
	const each = 6000
	for n := range each {
		peers[0].publish(fmt.Sprint(n))
	}
	eventually(t, "the others get everything", func() bool { return peers[1].received(peers[0], fmt.Sprint(each-1)) })
	if peers[2].received(peers[0], fmt.Sprint(each-1)) {
		t.Error("the stuck peer was not stuck")
	}
}

func TestCutAndHeal(t *testing.T) {
	for _, listen := range []string{quicLoopback, tcpLoopback} {
		peers := cluster(t, 3, listen)
		a, b, c := peers[0], peers[1], peers[2]
		if err := c.node.Cut(a.id.Peer(), b.id.Peer()); err != nil {
			t.Fatal(err)
		}
		if !c.sees() {
			t.Error("peers remain after Cut")
		}
		eventually(t, "both sides see the cut", func() bool { return a.sees(b) && b.sees(a) && c.sees() })
		a.publish("during")
		eventually(t, "the others still talk", func() bool { return b.received(a, "during") })
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		if err := a.room.Connect(ctx, c.node.Addrs()); err == nil {
			t.Error("connected through the cut")
		}
		if err := c.room.Request(ctx, a.id.Peer(), "x", nil, nil); !errors.Is(err, ErrNotConnected) {
			t.Errorf("request through the cut: %v", err)
		}
		cancel()
		if c.received(a, "during") {
			t.Error("a message crossed the cut")
		}
		start := time.Now()
		if err := c.node.Heal(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "healed", func() bool { return c.sees(a, b) && a.sees(b, c) && b.sees(a, c) })
		a.publish("after a")
		c.publish("after c")
		eventually(t, "gossip flows again", func() bool {
			return c.received(a, "after a") && a.received(c, "after c") && b.received(c, "after c")
		})
		t.Logf("%s: healed and talking after %v", listen, time.Since(start))
		healthy(t, peers...)
		for _, p := range peers {
			p.node.Close()
		}
	}
}

// TestSecondConnectionIsNoMember: a connection that stays when the one with the link has ended does not keep the two from meeting again.
func TestSecondConnectionIsNoMember(t *testing.T) {
	tk := newTicket(t)
	a, b := openAs(t, Config{Identity: identity(t), Listen: []string{tcpLoopback}, proofDue: 1}).join(tk), open(t, identity(t), tcpLoopback).join(tk)
	if err := b.room.Connect(t.Context(), a.node.Addrs()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "they meet", func() bool { return a.sees(b) && b.sees(a) })
	eventually(t, "a knows where b is", func() bool { return len(a.node.book.Addrs(b.node.host.ID())) > 0 })
	linked := a.node.host.Network().ConnsToPeer(b.node.host.ID())
	addr := a.node.host.Network().ListenAddresses()[0]
	second, err := b.node.host.Network().(*swarm.Swarm).TransportForDialing(addr).Dial(t.Context(), addr, a.node.host.ID())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	eventually(t, "two connections", func() bool { return len(a.node.host.Network().ConnsToPeer(b.node.host.ID())) == len(linked)+1 })
	b.node.book.Close() // it is a who has to dial
	var were []string
	for _, c := range b.node.host.Network().ConnsToPeer(a.node.host.ID()) {
		were = append(were, c.ID())
	}
	for _, c := range linked {
		c.Close()
	}
	eventually(t, "a meets b again", func() bool {
		fresh := slices.DeleteFunc(b.node.host.Network().ConnsToPeer(a.node.host.ID()), func(c network.Conn) bool { return slices.Contains(were, c.ID()) })
		return a.sees(b) && b.sees(a) && len(fresh) > 0
	})
}

func TestPortInUse(t *testing.T) {
	a := open(t, identity(t), quicLoopback, tcpLoopback)
	for _, s := range a.node.Addrs() {
		addr, _, _ := strings.Cut(s, "/p2p/")
		_, err := Open(Config{Identity: identity(t), Listen: []string{quicLoopback, addr}})
		want := "net: cannot listen on " + addr + ": port is in use; choose another with --listen or stop the other process"
		if !errors.Is(err, ErrPortInUse) || err.Error() != want {
			t.Errorf("%v", err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr := fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", l.Addr().(*net.TCPAddr).Port)
	if _, err := Open(Config{Identity: identity(t), Listen: []string{addr}}); !errors.Is(err, ErrPortInUse) {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"localhost:4001", "/ip4/127.0.0.1", "/ip4/203.0.113.7/tcp/0"} {
		_, err := Open(Config{Identity: identity(t), Listen: []string{bad}})
		if err == nil || errors.Is(err, ErrPortInUse) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestJoinTwiceAndAfterClose(t *testing.T) {
	a := open(t, identity(t)).join(newTicket(t))
	if _, err := a.node.Join(&a.room.ticket); !errors.Is(err, ErrJoined) {
		t.Errorf("second join: %v", err)
	}
	a.node.Close()
	if _, err := a.node.Join(newTicket(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("join after close: %v", err)
	}
	if err := a.node.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

// With multicast or without, a node that announces itself works and closes. (TestMDNS has a network with it.)
func TestMDNSIsNeverFatal(t *testing.T) {
	n, err := Open(Config{Identity: identity(t), Listen: []string{quicLoopback}, MDNS: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Join(newTicket(t)); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

// Two nodes of one process may share a registry.
func TestSharedRegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	for range 2 {
		n, err := Open(Config{Identity: identity(t), Listen: []string{quicLoopback}, Metrics: reg})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		n.metrics.bad(eventProofFailed)
	}
	p := &peerUnderTest{t: t, reg: reg}
	if n := p.bad()[eventProofFailed]; n != 2 {
		t.Errorf("counted %v of 2", n)
	}
}

// What a subscriber is given is its own: the next one does not see what it wrote there.
func TestSubscribersShareNoData(t *testing.T) {
	peers := cluster(t, 2)
	a, b := peers[0], peers[1]
	got := make(chan string, 2)
	for range 2 {
		b.room.Subscribe(func(_ string, data []byte) {
			got <- string(data)
			clear(data)
		})
	}
	a.publish("hello")
	for range 2 {
		if s := <-got; s != "hello" {
			t.Errorf("%q", s)
		}
	}
}

// A message that fails the validator is neither delivered nor passed on.
func TestValidator(t *testing.T) {
	peers := cluster(t, 2)
	a, b := peers[0], peers[1]
	b.room.Validate(func(from string, data []byte) error {
		if from != a.id.Peer() || string(data) == "bad" {
			return errors.New("not allowed")
		}
		return nil
	})
	a.publish("bad")
	a.publish("good")
	eventually(t, "the good one arrives", func() bool { return b.received(a, "good") })
	if b.received(a, "bad") || b.bad()[eventGossipRejected] != 1 {
		t.Errorf("delivered %q, counted %v", b.got, b.bad())
	}
}

// TestAnnounce: others are told the announced addresses and no others, and so are those who are invited.
func TestAnnounce(t *testing.T) {
	const announced = "/ip4/203.0.113.7/tcp/4001"
	n, err := Open(Config{Identity: identity(t), Listen: []string{tcpLoopback}, Announce: []string{announced}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if got, want := n.Addrs(), []string{announced + "/p2p/" + n.Peer()}; !slices.Equal(got, want) {
		t.Errorf("announces %v, want %v", got, want)
	}
	if got := n.Listening(); len(got) != 1 || !strings.HasPrefix(got[0], "/ip4/127.0.0.1/tcp/") || strings.HasSuffix(got[0], "/0") {
		t.Errorf("listens on %v", got)
	}
	tk, err := ticket.New([32]byte{1}, [32]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	room, err := n.Join(tk)
	if err != nil {
		t.Fatal(err)
	}
	if m := room.Ticket().Members; len(m) != 1 || !slices.Equal(m[0].Addrs, []string{announced}) {
		t.Errorf("the ticket names %v", m)
	}
	if _, err := Open(Config{Identity: identity(t), Announce: []string{"nonsense"}}); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("announcing nonsense: %v", err)
	}
}

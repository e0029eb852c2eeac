// Package memnet is a network of peers inside one process, for tests: it loses, delays, repeats and
// reorders messages and splits into parts. A Port satisfies replication.Transport. The fate of a message follows from the seed, its
// link and how many went over that link before it, so it does not depend on what happens elsewhere at the same moment.
//
// It is not fast and not fair; gossip may arrive in any order, streams arrive in order or break.
package memnet

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Faults are applied to every gossip message; delays, evenly drawn from DelayMin to DelayMax, also to each stream frame.
type Faults struct {
	Loss, Duplicate    float64 // probabilities
	DelayMin, DelayMax time.Duration
}

// Network connects ports. Safe for concurrent use.
type Network struct {
	mu     sync.Mutex
	seed   uint64
	sent   map[link]uint64
	faults Faults
	ports  map[string]*Port
	part   map[string]int // partition a peer is in; absent: 0
	bytes  int64
	cheap  bool
	begun  time.Time
	trace  hash.Hash
	log    io.Writer
}

// link is one direction of traffic between two peers, gossip apart from streams.
type link struct {
	from, to string
	stream   bool
}

// New makes a network whose faults are drawn from seed.
func New(seed uint64) *Network {
	return &Network{seed: seed, sent: map[link]uint64{}, ports: map[string]*Port{}, part: map[string]int{}, begun: time.Now(), trace: sha256.New()}
}

// CheapSignatures makes signatures hashes that anybody could forge: for simulations, where signing would be most of the work.
func (n *Network) CheapSignatures() { n.cheap = true }

// draw gives the randomness of the next message of a link. Called with mu held.
func (n *Network) draw(l link) *rand.Rand {
	n.sent[l]++
	h := fnv.New64a()
	fmt.Fprint(h, l.from, "\x00", l.to, "\x00", l.stream)
	return rand.New(rand.NewPCG(n.seed^h.Sum64(), n.sent[l]))
}

// Trace is a hash over everything that was sent and noted, with its time, in order: equal for two runs that did the same.
func (n *Network) Trace() [32]byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	return [32]byte(n.trace.Sum(nil))
}

// Note adds something to the trace that happened elsewhere than in the network.
func (n *Network) Note(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.note(link{}, []byte(text))
}

// Log writes what goes into the trace to w as well, in a line each.
func (n *Network) Log(w io.Writer) { n.log = w }

// note adds a message to the trace. Called with mu held.
func (n *Network) note(l link, data []byte) {
	if n.log != nil {
		what := fmt.Sprintf("%d bytes, crc %08x", len(data), crc32.ChecksumIEEE(data))
		if l == (link{}) {
			what = string(data)
		}
		fmt.Fprintf(n.log, "%v %s>%s stream=%v %s\n", time.Since(n.begun), l.from, l.to, l.stream, what)
	}
	fmt.Fprint(n.trace, time.Since(n.begun), l.from, "\x00", l.to, "\x00", l.stream, len(data), "\x00")
	n.trace.Write(data)
}

// SetFaults changes the faults from now on.
func (n *Network) SetFaults(f Faults) {
	n.mu.Lock()
	n.faults = f
	n.mu.Unlock()
}

// Faults are the present ones.
func (n *Network) Faults() Faults {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.faults
}

// Split puts each group in a partition of its own; peers not named stay together in another. Heal ends it.
func (n *Network) Split(groups ...[]string) {
	n.mu.Lock()
	clear(n.part)
	for i, g := range groups {
		for _, p := range g {
			n.part[p] = i + 1
		}
	}
	n.mu.Unlock()
	n.announce()
}

// Heal joins all partitions.
func (n *Network) Heal() { n.Split() }

// Bytes is what was published and requested so far.
func (n *Network) Bytes() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.bytes
}

func key(peer string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("memnet " + peer))
	return ed25519.NewKeyFromSeed(seed[:])
}

// Join connects a peer, replacing an earlier port of that name.
func (n *Network) Join(peer string) *Port {
	p := &Port{n: n, self: peer, key: key(peer), handlers: map[string]Handler{}, wake: make(chan struct{}, 1),
		subs: map[int]func(string, []byte){}, watch: map[int]func([]string){}, done: make(chan struct{})}
	n.mu.Lock()
	old := n.ports[peer]
	n.ports[peer] = p
	n.mu.Unlock()
	if old != nil {
		old.Close()
	}
	go p.deliver()
	n.announce()
	return p
}

// announce tells every port who it is connected to: at once, or, with delays, each at a moment of its own.
func (n *Network) announce() {
	n.mu.Lock()
	var now []*Port
	for _, name := range slices.Sorted(maps.Keys(n.ports)) {
		p := n.ports[name]
		if n.faults.DelayMax == 0 {
			now = append(now, p)
		} else {
			time.AfterFunc(n.delay(n.draw(link{to: name})), p.tell)
		}
	}
	n.mu.Unlock()
	for _, p := range now {
		p.tell()
	}
}

// tell tells the port's watchers who it is connected to.
func (p *Port) tell() {
	p.mu.Lock()
	var fs []func([]string)
	for _, id := range slices.Sorted(maps.Keys(p.watch)) {
		fs = append(fs, p.watch[id])
	}
	gone := p.closed
	p.mu.Unlock()
	if gone {
		return
	}
	peers := p.Peers()
	for _, f := range fs {
		f(peers)
	}
}

// reach returns the port of a peer, nil if it cannot be reached. Called with mu held.
func (n *Network) reach(from, to string) *Port {
	if from == to || n.part[from] != n.part[to] {
		return nil
	}
	return n.ports[to]
}

// Handler serves a request.
type Handler = func(ctx context.Context, from string, req []byte, send func(frame []byte) error) error

// Port is one peer's place in the network.
type Port struct {
	n    *Network
	self string
	key  ed25519.PrivateKey

	mu       sync.Mutex
	inbox    []message
	wake     chan struct{}
	subs     map[int]func(string, []byte)
	watch    map[int]func([]string)
	next     int
	handlers map[string]Handler
	done     chan struct{}
	closed   bool
}

type message struct {
	from string
	data []byte
}

var errGone = errors.New("memnet: peer is not connected")

func (p *Port) Self() string { return p.self }

func (p *Port) Peers() (out []string) {
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	if p.n.ports[p.self] != p {
		return nil
	}
	for name := range p.n.ports {
		if p.n.reach(p.self, name) != nil {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (p *Port) Publish(_ context.Context, data []byte) error {
	if len(data) > 1<<20 {
		return fmt.Errorf("memnet: message of %d bytes", len(data))
	}
	n := p.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ports[p.self] != p {
		return errGone
	}
	for _, name := range slices.Sorted(maps.Keys(n.ports)) {
		q := n.reach(p.self, name)
		if q == nil {
			continue
		}
		l := link{p.self, name, false}
		rnd := n.draw(l)
		if rnd.Float64() < n.faults.Loss {
			continue
		}
		copies := 1
		if rnd.Float64() < n.faults.Duplicate {
			copies = 2
		}
		n.bytes += int64(len(data))
		for range copies {
			m := message{p.self, slices.Clone(data)}
			n.note(l, data)
			if n.faults.DelayMax == 0 {
				q.put(m)
				continue
			}
			time.AfterFunc(n.delay(rnd), func() { q.put(m) })
		}
	}
	return nil
}

func (n *Network) delay(rnd *rand.Rand) time.Duration {
	if n.faults.DelayMin >= n.faults.DelayMax {
		return n.faults.DelayMin
	}
	return n.faults.DelayMin + time.Duration(rnd.Int64N(int64(n.faults.DelayMax-n.faults.DelayMin)))
}

func (p *Port) put(m message) {
	p.mu.Lock()
	if !p.closed {
		p.inbox = append(p.inbox, m)
	}
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *Port) deliver() {
	for {
		select {
		case <-p.wake:
		case <-p.done:
			return
		}
		for {
			p.mu.Lock()
			if len(p.inbox) == 0 || p.closed {
				p.mu.Unlock()
				break
			}
			m := p.inbox[0]
			p.inbox = p.inbox[1:]
			var fs []func(string, []byte)
			for _, f := range p.subs {
				fs = append(fs, f)
			}
			p.mu.Unlock()
			for _, f := range fs {
				f(m.from, m.data)
			}
		}
	}
}

func (p *Port) Subscribe(f func(from string, data []byte)) (cancel func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	id := p.next
	p.subs[id] = f
	return func() { p.mu.Lock(); delete(p.subs, id); p.mu.Unlock() }
}

func (p *Port) OnPeers(f func(peers []string)) (cancel func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	id := p.next
	p.watch[id] = f
	return func() { p.mu.Lock(); delete(p.watch, id); p.mu.Unlock() }
}

func (p *Port) Handle(name string, h func(ctx context.Context, from string, req []byte, send func(frame []byte) error) error) {
	p.mu.Lock()
	p.handlers[name] = h
	p.mu.Unlock()
}

func (p *Port) Request(ctx context.Context, peer, name string, req []byte, recv func(frame []byte) error) error {
	hop := func() (*Port, time.Duration) {
		p.n.mu.Lock()
		defer p.n.mu.Unlock()
		d := p.n.delay(p.n.draw(link{p.self, peer, true}))
		if p.n.ports[p.self] != p {
			return nil, 0
		}
		return p.n.reach(p.self, peer), d
	}
	q, d := hop()
	if q == nil {
		return errGone
	}
	time.Sleep(d)
	q.mu.Lock()
	h := q.handlers[name]
	q.mu.Unlock()
	if h == nil {
		return fmt.Errorf("memnet: %s: %w %s", peer, noHandler{}, name)
	}
	return h(ctx, p.self, slices.Clone(req), func(frame []byte) error {
		now, d := hop()
		if now != q {
			return errGone
		}
		time.Sleep(d)
		if err := ctx.Err(); err != nil {
			return err
		}
		p.n.mu.Lock()
		p.n.bytes += int64(len(frame))
		p.n.note(link{peer, p.self, true}, frame)
		p.n.mu.Unlock()
		return recv(slices.Clone(frame))
	})
}

func (p *Port) Sign(data []byte) ([]byte, error) {
	if p.n.cheap {
		return cheapSignature(p.self, data), nil
	}
	return ed25519.Sign(p.key, data), nil
}

func cheapSignature(peer string, data []byte) []byte {
	h := sha256.New()
	fmt.Fprint(h, peer, "\x00")
	h.Write(data)
	return h.Sum(nil)
}

func (p *Port) Verify(peer string, data, sig []byte) error {
	if p.n.cheap {
		if !bytes.Equal(sig, cheapSignature(peer, data)) {
			return errors.New("memnet: wrong signature")
		}
		return nil
	}
	if !ed25519.Verify(key(peer).Public().(ed25519.PublicKey), data, sig) {
		return errors.New("memnet: wrong signature")
	}
	return nil
}

// Close disconnects the peer, as when its process dies.
func (p *Port) Close() error {
	p.mu.Lock()
	was := p.closed
	p.closed = true
	p.mu.Unlock()
	if was {
		return nil
	}
	close(p.done)
	p.n.mu.Lock()
	if p.n.ports[p.self] == p {
		delete(p.n.ports, p.self)
	}
	p.n.mu.Unlock()
	p.n.announce()
	return nil
}

// noHandler is a request that the peer asked knows nothing of.
type noHandler struct{}

func (noHandler) Error() string   { return "it does not serve" }
func (noHandler) NoHandler() bool { return true }

// Package memnet is a network of peers inside one process, for tests: it loses, delays, repeats and
// reorders messages and splits into parts, all drawn from one seed. A Port satisfies replication.Transport.
//
// It is not fast and not fair; gossip may arrive in any order, streams arrive in order or break.
package memnet

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Faults are applied to every gossip message; DelayMax also to each stream frame.
type Faults struct {
	Loss, Duplicate float64 // probabilities
	DelayMax        time.Duration
}

// Network connects ports. Safe for concurrent use.
type Network struct {
	mu     sync.Mutex
	rnd    *rand.Rand
	faults Faults
	ports  map[string]*Port
	part   map[string]int // partition a peer is in; absent: 0
	bytes  int64
}

// New makes a network whose faults are drawn from seed.
func New(seed uint64) *Network {
	return &Network{rnd: rand.New(rand.NewPCG(seed, 1)), ports: map[string]*Port{}, part: map[string]int{}}
}

// SetFaults changes the faults from now on.
func (n *Network) SetFaults(f Faults) {
	n.mu.Lock()
	n.faults = f
	n.mu.Unlock()
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

// announce tells every port who it is connected to.
func (n *Network) announce() {
	n.mu.Lock()
	var all []*Port
	for _, p := range n.ports {
		all = append(all, p)
	}
	n.mu.Unlock()
	for _, p := range all {
		peers := p.Peers()
		p.mu.Lock()
		var fs []func([]string)
		for _, f := range p.watch {
			fs = append(fs, f)
		}
		p.mu.Unlock()
		for _, f := range fs {
			f(peers)
		}
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
	for name := range n.ports {
		q := n.reach(p.self, name)
		if q == nil || n.rnd.Float64() < n.faults.Loss {
			continue
		}
		copies := 1
		if n.rnd.Float64() < n.faults.Duplicate {
			copies = 2
		}
		n.bytes += int64(len(data))
		for range copies {
			m := message{p.self, slices.Clone(data)}
			if n.faults.DelayMax == 0 {
				q.put(m)
				continue
			}
			time.AfterFunc(time.Duration(n.rnd.Int64N(int64(n.faults.DelayMax))), func() { q.put(m) })
		}
	}
	return nil
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
	link := func() (*Port, time.Duration) {
		p.n.mu.Lock()
		defer p.n.mu.Unlock()
		var d time.Duration
		if m := p.n.faults.DelayMax; m > 0 {
			d = time.Duration(p.n.rnd.Int64N(int64(m)))
		}
		if p.n.ports[p.self] != p {
			return nil, 0
		}
		return p.n.reach(p.self, peer), d
	}
	q, d := link()
	if q == nil {
		return errGone
	}
	time.Sleep(d)
	q.mu.Lock()
	h := q.handlers[name]
	q.mu.Unlock()
	if h == nil {
		return fmt.Errorf("memnet: %s does not serve %s", peer, name)
	}
	return h(ctx, p.self, slices.Clone(req), func(frame []byte) error {
		now, d := link()
		if now != q {
			return errGone
		}
		time.Sleep(d)
		if err := ctx.Err(); err != nil {
			return err
		}
		p.n.mu.Lock()
		p.n.bytes += int64(len(frame))
		p.n.mu.Unlock()
		return recv(slices.Clone(frame))
	})
}

func (p *Port) Sign(data []byte) ([]byte, error) { return ed25519.Sign(p.key, data), nil }

func (p *Port) Verify(peer string, data, sig []byte) error {
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

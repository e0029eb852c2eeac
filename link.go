package tandem

import (
	"context"
	"sync"

	"github.com/tandemvm/tandem/net/ident"
	"github.com/tandemvm/tandem/net/node"
	"github.com/tandemvm/tandem/replication"
)

// link is the replica's transport. A replica needs one before its sandbox has an id, and a room needs the id: until a room is
// attached the peer is simply alone.
type link struct {
	id *ident.Identity

	mu      sync.Mutex
	room    *node.Room
	pending []func(r *node.Room) // registrations to repeat on the room
}

var (
	_ replication.Transport = (*link)(nil)
	_ replication.Transport = (*node.Room)(nil)
)

func (l *link) attach(r *node.Room) {
	l.mu.Lock()
	l.room = r
	todo := l.pending
	l.pending = nil
	l.mu.Unlock()
	for _, f := range todo {
		f(r)
	}
}

func (l *link) now() *node.Room {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.room
}

// register applies f to the room, at once or when there is one.
func (l *link) register(f func(r *node.Room)) {
	l.mu.Lock()
	r := l.room
	if r == nil {
		l.pending = append(l.pending, f)
	}
	l.mu.Unlock()
	if r != nil {
		f(r)
	}
}

func (l *link) Self() string { return l.id.Peer() }

func (l *link) Peers() []string {
	if r := l.now(); r != nil {
		return r.Peers()
	}
	return nil
}

func (l *link) Publish(ctx context.Context, data []byte) error {
	if r := l.now(); r != nil {
		return r.Publish(ctx, data)
	}
	return nil
}

func (l *link) Subscribe(f func(from string, data []byte)) (cancel func()) {
	return l.subscription(func(r *node.Room) func() { return r.Subscribe(f) })
}

func (l *link) OnPeers(f func(peers []string)) (cancel func()) {
	return l.subscription(func(r *node.Room) func() { return r.OnPeers(f) })
}

// subscription is a registration that can be cancelled before and after it took place.
func (l *link) subscription(begin func(r *node.Room) func()) (cancel func()) {
	var mu sync.Mutex
	var end func()
	cancelled := false
	l.register(func(r *node.Room) {
		mu.Lock()
		defer mu.Unlock()
		if !cancelled {
			end = begin(r)
		}
	})
	return func() {
		mu.Lock()
		f := end
		cancelled, end = true, nil
		mu.Unlock()
		if f != nil {
			f()
		}
	}
}

func (l *link) Handle(name string, h func(ctx context.Context, from string, req []byte, send func(frame []byte) error) error) {
	l.register(func(r *node.Room) { r.Handle(name, h) })
}

func (l *link) Request(ctx context.Context, peer, name string, req []byte, recv func(frame []byte) error) error {
	if r := l.now(); r != nil {
		return r.Request(ctx, peer, name, req, recv)
	}
	return node.ErrNotConnected
}

func (l *link) Sign(data []byte) ([]byte, error)           { return l.id.Sign(data) }
func (l *link) Verify(peer string, data, sig []byte) error { return ident.Verify(peer, data, sig) }

// Close leaves the room open: the sandbox closes it.
func (l *link) Close() error { return nil }

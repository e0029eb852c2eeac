// Package mailbox delivers what happens to a reader who may be slow: while nobody reads, what happens under one key becomes one, so that waiting costs no
// memory beyond one of each key. It knows nothing of what happens.
package mailbox

import "sync"

// Box holds what was put in until it is read. Safe for concurrent use.
type Box[K comparable, E any] struct {
	mu    sync.Mutex
	order []K
	held  map[K]E
	wake  chan struct{}
	out   chan E
	join  func(held, late E) E
}

// New makes a Box in which join makes one of two that happened under one key.
func New[K comparable, E any](join func(held, late E) E) *Box[K, E] {
	return &Box[K, E]{held: map[K]E{}, wake: make(chan struct{}, 1), out: make(chan E), join: join}
}

// Put never waits.
func (b *Box[K, E]) Put(k K, e E) {
	b.mu.Lock()
	if held, again := b.held[k]; again {
		e = b.join(held, e)
	} else {
		b.order = append(b.order, k)
	}
	b.held[k] = e
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *Box[K, E]) take() (e E, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.order) == 0 {
		return e, false
	}
	k := b.order[0]
	b.order = b.order[1:]
	e = b.held[k]
	delete(b.held, k)
	return e, true
}

// Out is where it is read, in the order in which keys were first put in; Run closes it.
func (b *Box[K, E]) Out() <-chan E { return b.out }

// Run delivers, each after ready has seen to it, until stop is closed.
func (b *Box[K, E]) Run(stop <-chan struct{}, ready func(E) E) {
	defer close(b.out)
	for {
		e, ok := b.take()
		if !ok {
			select {
			case <-b.wake:
			case <-stop:
				return
			}
			continue
		}
		select {
		case b.out <- ready(e):
		case <-stop:
			return
		}
	}
}

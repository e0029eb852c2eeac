package replication

import (
	"sync"

	"github.com/tandemvm/tandem/changes"
)

// EventKind says what happened.
type EventKind uint8

const (
	TouchedPaths EventKind = iota + 1 // merged values changed: Pull the owned runs
	HeadAdvanced                      // Run has a new winning head
	OwnerGone                         // Run's owner is gone and it is this peer's turn to TakeOver
	LeaseLost                         // Run is owned here, but a majority of members has not been heard for a lease
	LeaseHeld                         // ... is heard again
	Superseded                        // Run was owned here and another epoch won: stop executing it
	PeersChanged                      // a peer came, went, or changed its digest
	Diverged                          // a peer with the same deltas says another digest: Err names what differs
	Handed                            // the owner of Run let go of it and asks this peer to TakeOver at once
	Failed                            // a write failed (Err): the replica takes no more turns
	Messaged                          // messages to Run arrived: Messages
)

func (k EventKind) String() string {
	names := [...]string{"?", "touched paths", "head advanced", "owner gone", "lease lost", "lease held", "superseded", "peers changed", "diverged", "handed", "failed", "messaged"}
	if int(k) >= len(names) {
		k = 0
	}
	return names[k]
}

// Event is sent on Events. While nobody reads, events of one kind and run become one: the paths of all, the
// rest of the newest.
type Event struct {
	Kind  EventKind
	Run   changes.RunID
	Paths []changes.Path // TouchedPaths: leaf paths, each once
	Head  Head           // HeadAdvanced, OwnerGone, Superseded: the winner
	Err   error          // Failed
}

type eventKey struct {
	kind EventKind
	run  changes.RunID
}

// mailbox coalesces events so that a slow reader costs no memory beyond one event a kind and run.
type mailbox struct {
	mu    sync.Mutex
	order []eventKey
	held  map[eventKey]*Event
	paths map[string]changes.Path // of the held TouchedPaths event
	wake  chan struct{}
	out   chan Event
}

func newMailbox() *mailbox {
	return &mailbox{held: map[eventKey]*Event{}, paths: map[string]changes.Path{}, wake: make(chan struct{}, 1), out: make(chan Event)}
}

func (m *mailbox) put(e Event, paths map[string]changes.Path) {
	m.mu.Lock()
	k := eventKey{e.Kind, e.Run}
	if m.held[k] == nil {
		m.order = append(m.order, k)
	}
	m.held[k] = &e
	for code, p := range paths {
		m.paths[code] = p
	}
	m.mu.Unlock()
	wake(m.wake)
}

func (m *mailbox) take() (e Event, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.order) == 0 {
		return e, false
	}
	k := m.order[0]
	m.order = m.order[1:]
	e = *m.held[k]
	delete(m.held, k)
	if k.kind == TouchedPaths {
		for _, p := range m.paths {
			e.Paths = append(e.Paths, p)
		}
		clear(m.paths)
	}
	return e, true
}

// run delivers until stop is closed, then closes the channel.
func (m *mailbox) run(stop <-chan struct{}) {
	defer close(m.out)
	for {
		e, ok := m.take()
		if !ok {
			select {
			case <-m.wake:
			case <-stop:
				return
			}
			continue
		}
		select {
		case m.out <- e:
		case <-stop:
			return
		}
	}
}

// Events delivers what happens; it is closed by Close.
func (r *Replica) Events() <-chan Event { return r.mail.out }

func (r *Replica) emit(e Event) { r.mail.put(e, nil) }

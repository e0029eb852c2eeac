package replication

import (
	"maps"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/mailbox"
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
	OldCopy                           // others had deltas that this peer wrote and its store did not hold: Status.Past
)

func (k EventKind) String() string {
	names := [...]string{"?", "touched paths", "head advanced", "owner gone", "lease lost", "lease held", "superseded", "peers changed", "diverged", "handed", "failed", "messaged", "old copy"}
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
	Err   error          // Failed, Diverged

	touched map[string]changes.Path // Paths until it is delivered, by encoding
}

type eventKey struct {
	kind EventKind
	run  changes.RunID
}

func newMailbox() *mailbox.Box[eventKey, Event] {
	return mailbox.New[eventKey](func(held, late Event) Event {
		if held.touched != nil {
			maps.Copy(held.touched, late.touched)
			late.touched = held.touched
		}
		return late
	})
}

// listed is e as it is delivered.
func (e Event) listed() Event {
	for _, p := range e.touched {
		e.Paths = append(e.Paths, p)
	}
	e.touched = nil
	return e
}

// Events delivers what happens; it is closed by Close.
func (r *Replica) Events() <-chan Event { return r.mail.Out() }

func (r *Replica) emit(e Event) { r.mail.Put(eventKey{e.Kind, e.Run}, e) }

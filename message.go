package tandem

import (
	"context"
	"crypto/rand"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
	"github.com/tandemvm/tandem/vm"
)

// Send sends a message to a run of the sandbox, wherever it executes; the program receives it from turn.Inbox. It returns when the message is
// durable here. A run receives one message of an id, however often and from whomever it is sent; an empty id becomes a new one, which is returned.
// replication.ErrUnknownRun: this peer has not heard of the run, as of one that another peer started a moment ago.
func (s *Sandbox) Send(ctx context.Context, run changes.RunID, id string, body []byte) (string, error) {
	if id == "" {
		id = rand.Text()
	}
	return id, s.ours(s.replica.Send(ctx, run, id, body))
}

// Drop takes a message away from a run of the sandbox, wherever it executes and whoever goes on with it later: the program does not receive it any more,
// unless it has by then. It returns when that is durable here. A run that is paused because a turn failed in which it had received the message goes on by
// itself. replication.ErrUnknownMessage: no such message waits.
func (s *Sandbox) Drop(ctx context.Context, run changes.RunID, id string) error {
	if err := s.isOpen(); err != nil {
		return err
	}
	return s.ours(s.replica.Drop(ctx, run, id))
}

// Messages are the messages to a run that are known here and that it has not received; Dropped those that were taken away.
func (s *Sandbox) Messages(run changes.RunID) ([]replication.Message, error) {
	ms, _, err := s.replica.Messages(run, 0)
	return ms, err
}

// Dropped are the messages that were taken away from a run, in the order in which that became known here.
func (s *Sandbox) Dropped(run changes.RunID) ([]replication.Dropped, error) {
	return s.replica.Dropped(run)
}

// mail is what the run's machine was offered.
type mail struct {
	given   int   // place after the last message that was looked at
	places  []int // after each message offered, in order
	dropped int   // how many drops the machine knows
}

// deliver offers the run the messages that arrived since the last time, and takes away what was dropped.
func (r *Run) deliver() error {
	ms, next, err := r.s.replica.Messages(r.id, r.mail.given)
	if err != nil {
		return err
	}
	ids, drops := r.s.replica.DroppedIDs(r.id, r.mail.dropped)
	if len(ids) > 0 {
		if err := r.machine.Drop(ids); err != nil {
			return err
		}
		r.mail.dropped = drops
	}
	r.mail.given = next
	if len(ms) == 0 {
		return nil
	}
	offered := make([]vm.Message, len(ms))
	for i, m := range ms {
		offered[i] = vm.Message{ID: m.ID, From: m.From, Body: m.Body}
		r.mail.places = append(r.mail.places, m.Next)
	}
	return r.machine.Deliver(offered)
}

// taken is the place after the last message that the program has received; 0: none that this machine was offered.
func (r *Run) taken() int {
	if n := r.machine.Received(); n > 0 {
		return r.mail.places[n-1]
	}
	return 0
}

package tandem

import (
	"context"
	"crypto/rand"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm"
)

// Send sends a message to a run of the sandbox, wherever it executes; the program receives it from turn.Inbox. It returns when the message is
// durable here. A run receives one message of an id, however often and from whomever it is sent; an empty id becomes a new one, which is returned.
func (s *Sandbox) Send(ctx context.Context, run changes.RunID, id string, body []byte) (string, error) {
	if id == "" {
		id = rand.Text()
	}
	return id, s.replica.Send(ctx, run, id, body)
}

// deliver offers the run the messages that arrived since the last time.
func (r *Run) deliver() error {
	ms, next, err := r.s.replica.Messages(r.id, r.given)
	if err != nil || len(ms) == 0 {
		return err
	}
	offered := make([]vm.Message, len(ms))
	for i, m := range ms {
		offered[i] = vm.Message{ID: m.ID, From: m.From, Body: m.Body}
	}
	if !r.offered {
		r.offered, r.first = true, next-len(ms)
	}
	r.given = next
	return r.machine.Deliver(offered)
}

// taken is the place after the last message that is in the run's memory; 0 when this machine was offered none.
func (r *Run) taken() int {
	if !r.offered {
		return 0
	}
	return r.first + r.machine.Received()
}

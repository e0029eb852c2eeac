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
	ms, err := r.s.replica.Messages(r.id, r.given)
	if err != nil || len(ms) == 0 {
		return err
	}
	offered := make([]vm.Message, len(ms))
	for i, m := range ms {
		offered[i] = vm.Message{ID: m.ID, From: m.From, Body: m.Body}
	}
	r.given += len(ms)
	return r.machine.Deliver(offered)
}

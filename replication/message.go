package replication

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/record"
)

// Message is bytes that a peer sends to a run. Every peer has all messages; which of them the run has consumed is in the run's own memory.
type Message struct {
	ID     string // what makes it one message, however often it was sent; at most MessageIDMax bytes
	From   string // peer id
	SentMs int64  // by the sender's clock, ms since 1970
	Body   []byte
}

// inbox is what is here of the messages of one sender to a run. Deltas come in any order that causes permit, and compaction moves
// records to later ones; so a message waits here until all that its sender sent before are here.
type inbox struct {
	next  uint64            // number of the next message to file
	early map[uint64]string // keys of those that wait, by number
}

// addMessage files a message, once and in its sender's order.
func (r *runTable) addMessage(k record.Key, rec string, e *effect) {
	if r.inboxes == nil {
		r.inboxes = map[record.Actor]*inbox{}
	}
	in := r.inboxes[k.Lineage.Actor]
	if in == nil {
		in = &inbox{next: 1, early: map[uint64]string{}}
		r.inboxes[k.Lineage.Actor] = in
	}
	if k.Number < in.next {
		return
	}
	in.early[k.Number] = rec
	for key, ok := in.early[in.next]; ok; key, ok = in.early[in.next] {
		r.messages = append(r.messages, key)
		delete(in.early, in.next)
		in.next++
		e.messaged[r.id] = true
	}
}

// Send delivers a message to a run, wherever it executes, and returns when that is durable here. The run consumes it once, also if a message
// of the same id was or will be sent by anybody. ErrUnknownRun, ErrDone, ErrTurn (too large).
func (r *Replica) Send(ctx context.Context, run changes.RunID, id string, body []byte) error {
	if len(id) == 0 || len(id) > MessageIDMax || len(body) > MessageBytesMax {
		return fmt.Errorf("%w: message with an id of %d bytes (1 to %d) and %d bytes (at most %d)", ErrTurn, len(id), MessageIDMax, len(body), MessageBytesMax)
	}
	h, err := r.Head(run)
	if err == nil && h.Done {
		err = fmt.Errorf("%w: run %s", ErrDone, run)
	}
	if err != nil {
		return err
	}
	m := record.Message{ID: id, From: r.self, SentMs: r.clock.Now().UnixMilli(), Inline: body}
	var made []block.Block
	if len(body) > record.InlineBytesMax {
		ref, blocks := block.Split(body)
		m.Inline, m.Blob, made = nil, &ref, blocks
	}
	// It is numbered in the window of its commit: a number given before could be lost, when the process is killed, after a later one was written, and all
	// that came later would wait for it for ever.
	x := &extra{blocks: made, done: make(chan error, 1)}
	x.now = func() []record.Record {
		r.sent[run]++
		key := record.Key{Kind: record.MessageRecord, Run: run, Lineage: record.Lineage{Actor: r.feed.Writer()}, Number: r.sent[run]}
		return []record.Record{{Key: key.String(), Value: record.Encode(m)}}
	}
	return r.commitExtra(ctx, x)
}

// Messages gives the messages to a run that are here, from the skip-th on, those that one opening of a peer sent in the order it sent them. The list
// only grows while the replica is open; its order otherwise differs from peer to peer and from opening to opening.
func (r *Replica) Messages(run changes.RunID, skip int) ([]Message, error) {
	r.mu.Lock()
	var keys []string
	if rt := r.table.runs[run]; rt != nil && skip < len(rt.messages) {
		keys = slices.Clone(rt.messages[skip:])
	}
	r.mu.Unlock()
	var out []Message
	for _, key := range keys {
		value, err := r.engine.Value(key)
		if err != nil {
			return nil, err
		}
		m, err := record.DecodeMessage(value)
		if err != nil {
			return nil, err
		}
		x := Message{ID: m.ID, From: m.From, SentMs: m.SentMs, Body: m.Inline}
		if m.Blob != nil {
			if x.Body, err = r.blocks.ReadBlob(*m.Blob); err != nil {
				return nil, err
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// Sent is when the sender's clock says the message was sent.
func (m Message) Sent() time.Time { return time.UnixMilli(m.SentMs) }

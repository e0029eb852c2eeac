package replication

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
)

// Message is bytes that a peer sends to a run. Every peer has all messages; which of them the run has consumed is in the run's own memory.
type Message struct {
	ID     string // what makes it one message, however often it was sent; at most MessageIDMax bytes
	From   string // peer id
	SentMs int64  // by the sender's clock, ms since 1970
	Body   []byte
}

// Bounds of messages.
const (
	MessageIDMax    = 128
	MessageBytesMax = 16 << 20
)

// messageWire is the record of a message under its sender's key; a message of no bytes has neither Inline nor Blob.
type messageWire struct {
	ID     string     `cbor:"1,keyasint"`
	From   string     `cbor:"2,keyasint"`
	SentMs int64      `cbor:"3,keyasint"`
	Inline []byte     `cbor:"4,keyasint,omitempty"`
	Blob   *block.Ref `cbor:"5,keyasint,omitempty"`
}

func decodeMessage(b []byte) (*messageWire, error) {
	m := new(messageWire)
	if err := decodeRecord(b, m); err != nil {
		return nil, err
	}
	if len(m.ID) == 0 || len(m.ID) > MessageIDMax || len(m.Inline) > inlineBytesMax ||
		m.Blob != nil && (len(m.Inline) > 0 || !m.Blob.Valid() || m.Blob.Bytes > MessageBytesMax) {
		return nil, fmt.Errorf("%w: malformed message", ErrFormat)
	}
	return m, nil
}

// inbox is what is here of the messages of one sender to a run. Deltas come in any order that causes permit, and compaction moves
// records to later ones; so a message waits here until all that its sender sent before are here.
type inbox struct {
	next  uint64            // number of the next message to file
	early map[uint64]string // keys of those that wait, by number
}

// addMessage files a message, once and in its sender's order.
func (r *runTable) addMessage(k recordKey, rec string, e *effect) {
	if r.inboxes == nil {
		r.inboxes = map[actorID]*inbox{}
	}
	in := r.inboxes[k.lineage.actor]
	if in == nil {
		in = &inbox{next: 1, early: map[uint64]string{}}
		r.inboxes[k.lineage.actor] = in
	}
	if k.number < in.next {
		return
	}
	in.early[k.number] = rec
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
		err = fmt.Errorf("%w: run %s", ErrDone, runText(run))
	}
	if err != nil {
		return err
	}
	m := messageWire{ID: id, From: r.self, SentMs: r.clock.Now().UnixMilli(), Inline: body}
	var made []block.Block
	if len(body) > inlineBytesMax {
		ref, blocks := block.Split(body)
		m.Inline, m.Blob, made = nil, &ref, blocks
	}
	r.mu.Lock()
	r.sent[run]++
	key := recordKey{kind: messageRecord, run: run, lineage: lineageID{actor: r.feed.actor}, number: r.sent[run]}
	r.mu.Unlock()
	return r.commitRecords(ctx, []record{{key.String(), encodeRecord(m)}}, made)
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
		value, err := r.table.value(key)
		if err != nil {
			return nil, err
		}
		m, err := decodeMessage(value)
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

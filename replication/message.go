package replication

import (
	"cmp"
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

// messagePlace is where a message stands; bodies are not kept in memory.
type messagePlace struct {
	actor  actorID
	number uint64
	key    string
}

// addMessage files a message, once; those that come together are put in order by settleMessages.
func (r *runTable) addMessage(k recordKey, rec string, e *effect) {
	if r.filed[rec] {
		return
	}
	if r.filed == nil {
		r.filed = map[string]bool{}
	}
	r.filed[rec] = true
	if _, ok := e.messaged[r.id]; !ok {
		e.messaged[r.id] = len(r.messages)
	}
	r.messages = append(r.messages, messagePlace{k.lineage.actor, k.number, rec})
}

// settleMessages orders new messages by sender, and those of one as they were sent.
func (t *table) settleMessages(e *effect) {
	for id, from := range e.messaged {
		slices.SortFunc(t.runs[id].messages[from:], func(a, b messagePlace) int {
			return cmp.Or(slices.Compare(a.actor[:], b.actor[:]), cmp.Compare(a.number, b.number))
		})
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
	r.sent++
	key := recordKey{kind: messageRecord, run: run, lineage: lineageID{actor: r.feed.actor}, number: r.sent}
	r.mu.Unlock()
	return r.commitRecords(ctx, []record{{key.String(), encodeRecord(m)}}, made)
}

// Messages gives the messages to a run that are here, from the skip-th on. The list only grows while the replica is open; its order differs
// from peer to peer and from opening to opening.
func (r *Replica) Messages(run changes.RunID, skip int) ([]Message, error) {
	r.mu.Lock()
	var places []messagePlace
	if rt := r.table.runs[run]; rt != nil && skip < len(rt.messages) {
		places = slices.Clone(rt.messages[skip:])
	}
	r.mu.Unlock()
	var out []Message
	for _, p := range places {
		value, err := r.table.value(p.key)
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

package replication

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
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

// filed is a message in its place.
type filed struct {
	key    string
	actor  record.Actor
	number uint64
}

// addMessage files a message, once and in its sender's order.
func (r *runTable) addMessage(k record.Key, rec string, e *effect) {
	if r.inboxes == nil {
		r.inboxes = map[record.Actor]*inbox{}
	}
	in := r.inboxes[k.Lineage.Actor]
	if in == nil {
		in = &inbox{next: r.takenOf(k.Lineage.Actor) + 1, early: map[uint64]string{}}
		r.inboxes[k.Lineage.Actor] = in
	}
	if k.Number < in.next {
		return
	}
	in.early[k.Number] = rec
	r.file(k.Lineage.Actor, in, e)
}

// file files what waited and is next.
func (r *runTable) file(a record.Actor, in *inbox, e *effect) {
	for key, ok := in.early[in.next]; ok; key, ok = in.early[in.next] {
		r.messages = append(r.messages, filed{key, a, in.next})
		delete(in.early, in.next)
		in.next++
		e.messaged[r.id] = true
	}
}

// openInboxes goes on after the messages that the run has taken: they may be kept nowhere any more.
func (r *runTable) openInboxes(e *effect) {
	for a, in := range r.inboxes {
		taken := r.takenOf(a)
		if in.next > taken {
			continue
		}
		for _, n := range slices.Sorted(maps.Keys(in.early)) {
			if n <= taken {
				r.messages = append(r.messages, filed{in.early[n], a, n})
				delete(in.early, n)
				e.messaged[r.id] = true
			}
		}
		in.next = taken + 1
		r.file(a, in, e)
	}
}

// takenOf is how far any head says that messages of an actor were taken: nobody need have those before.
func (r *runTable) takenOf(a record.Actor) (n uint64) {
	for _, l := range r.lineages {
		if l.head != nil {
			n = max(n, l.head.TakenOf(a))
		}
	}
	return n
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

// Messages gives the messages to a run that are here, from a place of the list on (0: the first), with the place after them. Those that one opening of
// a peer sent are in the order it sent them; the order otherwise differs from peer to peer and from opening to opening. The list only grows
// while the replica is open, and loses from its beginning what the run has taken (Turn.Taken): places count on over those.
func (r *Replica) Messages(run changes.RunID, from int) (out []Message, next int, err error) {
	r.mu.Lock()
	var list []filed
	next = from
	if rt := r.table.runs[run]; rt != nil {
		next = max(from, rt.folded)
		if i := next - rt.folded; i < len(rt.messages) {
			list = slices.Clone(rt.messages[i:])
		}
	}
	r.mu.Unlock()
	next += len(list)
	for _, f := range list {
		value, err := r.engine.Value(f.key)
		if errors.Is(err, store.ErrAbsent) {
			continue // folded meanwhile
		}
		if err != nil {
			return nil, 0, err
		}
		m, err := record.DecodeMessage(value)
		if err != nil {
			return nil, 0, err
		}
		x := Message{ID: m.ID, From: m.From, SentMs: m.SentMs, Body: m.Inline}
		if m.Blob != nil {
			if x.Body, err = r.blocks.ReadBlob(*m.Blob); err != nil {
				return nil, 0, err
			}
		}
		out = append(out, x)
	}
	return out, next, nil
}

// taken notes in a head which messages a run has taken: those in the first n places.
func (r *runTable) taken(h *Head, from, n int) {
	for _, f := range r.messages[min(max(from-r.folded, 0), len(r.messages)):min(max(n-r.folded, 0), len(r.messages))] {
		h.Take(f.actor, f.number)
	}
}

// Sent is when the sender's clock says the message was sent.
func (m Message) Sent() time.Time { return time.UnixMilli(m.SentMs) }

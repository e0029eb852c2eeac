package replication

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/block"
	"github.com/tandemvm/tandem/replication/internal/inbox"
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

// addMessage files a message, once and in its sender's order.
func (r *runTable) addMessage(k record.Key, rec string, e *effect) {
	if r.inbox.Add(k.Lineage.Actor, k.Number, rec, r.takenOf(k.Lineage.Actor)) {
		e.messaged[r.id] = true
	}
}

// takenOf is how far any head says that messages of an actor were taken: those before may be kept nowhere, and are not waited for.
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
	h, err := r.begun(ctx, run)
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

// begun is the head of a run. For one that was started here it waits for the first turn.
func (r *Replica) begun(ctx context.Context, run changes.RunID) (Head, error) {
	for {
		r.mu.Lock()
		changed, starting, broken := r.changed, r.owned[run] != nil, r.usable()
		r.mu.Unlock()
		h, err := r.Head(run)
		if err == nil || !starting {
			return h, err
		}
		if broken != nil {
			return h, broken
		}
		select {
		case <-changed:
		case <-r.ctx.Done():
			return h, ErrClosed
		case <-ctx.Done():
			return h, ctx.Err()
		}
	}
}

// Messages gives the messages to a run that are here, from a place of the list on (0: the first), with the place after them. Those that one opening of
// a peer sent are in the order it sent them; the order otherwise differs from peer to peer and from opening to opening. The list only grows
// while the replica is open, and loses from its beginning what the run has taken (Turn.Taken): places count on over those.
func (r *Replica) Messages(run changes.RunID, from int) (out []Message, next int, err error) {
	r.mu.Lock()
	var list []inbox.Item[record.Actor]
	next = from
	if rt := r.table.runs[run]; rt != nil {
		list, next = rt.inbox.Between(from, math.MaxInt)
		if rt.winner != nil {
			list = slices.DeleteFunc(list, func(it inbox.Item[record.Actor]) bool { return it.Number <= rt.winner.head.TakenOf(it.Sender) })
		}
	}
	r.mu.Unlock()
	for _, it := range list {
		value, err := r.engine.Value(it.Key)
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

// taken notes in a head which messages a run has taken: those in the places from to below n. Of a sender's only up to the first that it has not
// taken, which may still come: a head of an epoch that lost can have taken it.
func (r *runTable) taken(h *Head, from, n int) {
	items, _ := r.inbox.Between(from, n)
	for _, it := range items {
		if it.Number == h.TakenOf(it.Sender)+1 {
			h.Take(it.Sender, it.Number)
		}
	}
}

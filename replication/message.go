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
	Next   int // the place after it in the list that Messages gives; 0 in Dropped
}

// Dropped is a message that was taken away from a run.
type Dropped struct {
	Message
	By   string // peer id
	AtMs int64  // by that peer's clock, ms since 1970
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
// while the replica is open, and loses what the run has taken (Turn.Taken) and what was dropped: places count on over those.
func (r *Replica) Messages(run changes.RunID, from int) (out []Message, next int, err error) {
	next, err = r.waiting(run, from, func(m *record.Message, next int) error {
		x, err := r.message(m)
		x.Next = next
		out = append(out, x)
		return err
	})
	return out, next, err
}

// waiting calls f for the records of messages that a run has not taken, in the places from `from` on, with the place after each.
func (r *Replica) waiting(run changes.RunID, from int, f func(m *record.Message, next int) error) (next int, err error) {
	r.mu.Lock()
	var list []inbox.Item[record.Actor]
	var dropped []inbox.Drop
	var head Head
	next = from
	if rt := r.table.Runs[run]; rt != nil {
		list, next = rt.Inbox.Between(from, math.MaxInt)
		dropped, _ = rt.Inbox.Dropped(0)
		if rt.Winner != nil {
			head = *rt.Winner.Head
		}
	}
	r.mu.Unlock()
	for i, it := range list {
		if it.Number <= head.TakenOf(it.Sender) {
			continue
		}
		value, err := r.engine.Value(it.Key)
		if errors.Is(err, store.ErrAbsent) {
			continue // folded meanwhile
		}
		if err != nil {
			return 0, err
		}
		m, err := record.DecodeMessage(value)
		if err != nil {
			return 0, err
		}
		if slices.ContainsFunc(dropped, func(d inbox.Drop) bool { return d.ID == m.ID }) {
			continue
		}
		if err := f(m, next-len(list)+i+1); err != nil {
			return 0, err
		}
	}
	return next, nil
}

// message is what a record says, with its body.
func (r *Replica) message(m *record.Message) (x Message, err error) {
	x = Message{ID: m.ID, From: m.From, SentMs: m.SentMs, Body: m.Inline}
	if m.Blob != nil {
		x.Body, err = r.blocks.ReadBlob(*m.Blob)
	}
	return x, err
}

// Drop takes a message away from a run, wherever it executes, and returns when that is durable here: whoever executes the run, now or later, does
// not give it the message any more. What it receives before it hears of that, it has received. Dropped again it stays as it is. ErrUnknownRun, ErrDone, ErrUnknownMessage.
func (r *Replica) Drop(ctx context.Context, run changes.RunID, id string) error {
	h, err := r.begun(ctx, run)
	if err == nil && h.Done {
		err = fmt.Errorf("%w: run %s", ErrDone, run)
	}
	if err != nil {
		return err
	}
	if ids, _ := r.DroppedIDs(run, 0); slices.Contains(ids, id) {
		return nil
	}
	var found *record.Message
	_, err = r.waiting(run, 0, func(m *record.Message, _ int) error {
		if m.ID == id {
			found = m
		}
		return nil
	})
	if err == nil && found == nil {
		err = fmt.Errorf("%w: run %s has received %q, or nobody sent it", ErrUnknownMessage, run, id)
	}
	if err != nil {
		return err
	}
	key := record.Key{Kind: record.DropRecord, Run: run, Lineage: record.Lineage{Actor: r.feed.Writer()}, Number: record.DropNumber(id)}
	value := record.Encode(record.Drop{Message: *found, By: r.self, AtMs: r.clock.Now().UnixMilli()})
	return r.commitRecords(ctx, []record.Record{{Key: key.String(), Value: value}}, nil)
}

// DroppedIDs names the messages that were taken away from a run, in the order in which that became known here, from a place of that list on, with
// the place after them. It loses those that were forgotten (Dropped): places count on over them.
func (r *Replica) DroppedIDs(run changes.RunID, from int) (ids []string, next int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rt := r.table.Runs[run]; rt != nil {
		var list []inbox.Drop
		list, next = rt.Inbox.Dropped(from)
		for _, d := range list {
			ids = append(ids, d.ID)
		}
	}
	return ids, max(from, next)
}

// Dropped gives the messages that were taken away from a run, each once, in the order in which that became known here: the newest, up to Config.Retain bytes of them, and
// all that the run has not passed yet.
func (r *Replica) Dropped(run changes.RunID) (out []Dropped, err error) {
	r.mu.Lock()
	var list []inbox.Drop
	if rt := r.table.Runs[run]; rt != nil {
		list, _ = rt.Inbox.Dropped(0)
	}
	r.mu.Unlock()
	for _, x := range list {
		value, err := r.engine.Value(x.Key)
		if errors.Is(err, store.ErrAbsent) {
			continue // forgotten meanwhile
		}
		if err != nil {
			return nil, err
		}
		var d record.Drop
		if err := record.Decode(value, &d); err != nil {
			return nil, err
		}
		m, err := r.message(&d.Message)
		if err != nil {
			return nil, err
		}
		out = append(out, Dropped{m, d.By, d.AtMs})
	}
	return out, nil
}

package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/quorum"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
)

// Level says when a turn is durable, and so when its effects may leave.
type Level = quorum.Level

const (
	Local    = quorum.Local    // at the owner
	Majority = quorum.Majority // at more than half of the run's voters
)

// ParseLevel reads "local", "majority" or the number of members that must hold a turn, the owner among them.
func ParseLevel(text string) (Level, error) { return quorum.ParseLevel(text) }

// durability is what this peer knows and has said about who holds a run's turns. Guarded by Replica.mu.
type durability struct {
	tally     quorum.Tally
	said      quorum.Ack        // this peer's word
	promise   quorum.Promise    // this peer's
	elsewhere map[string]uint64 // epochs that other members have promised
	lines     uint64            // released: durable at the run's level once
}

func (r *Replica) durabilityOf(run changes.RunID) *durability {
	d := r.durable[run]
	if d == nil {
		d = &durability{}
		r.durable[run] = d
	}
	return d
}

func ackOf(h *Head) quorum.Ack {
	l := h.Lineage()
	return quorum.Ack{Epoch: quorum.Epoch{Number: l.Number, Actor: l.Actor}, Turn: h.Turn, Lines: h.Lines}
}

// need is how many of voters must hold a turn of h. At a number the voters are all members.
func (r *Replica) need(h *Head) (n int, voters []string) {
	if h.Durable == Majority {
		return quorum.More(len(h.Voters)), h.Voters
	}
	return int(h.Durable), r.table.Peers()
}

// durableTurn is the newest turn of the winning epoch that is durable at its level, with the lines up to it. Called with mu held.
func (r *Replica) durableTurn(h *Head) (turn, lines uint64) {
	if h.Durable == Local {
		return h.Turn, h.Lines
	}
	n, voters := r.need(h)
	return r.durabilityOf(h.Run).tally.Durable(ackOf(h).Epoch, n, voters)
}

// holders says who holds which turn of the epoch of h, and how many lines are released. Called with mu held.
func (r *Replica) holders(h *Head) (held map[string]uint64, lines uint64) {
	if h.Durable == Local {
		return nil, h.Lines
	}
	d := r.durabilityOf(h.Run)
	_, voters := r.need(h)
	held = map[string]uint64{}
	for _, v := range voters {
		if a := d.tally.Of(v); a.Epoch == ackOf(h).Epoch {
			held[v] = a.Turn
		}
	}
	return held, d.lines
}

// heard takes a member's word about a run and releases what became durable by it. Called with mu held.
func (r *Replica) heard(run changes.RunID, member string, a quorum.Ack) (news bool) {
	r.durabilityOf(run).tally.Heard(member, a)
	return r.release(run) // also when it is no news: the head it speaks of may have come since
}

// release lets go what is durable now: lines for every reader here, waiting turns of the owner. Called with mu held.
func (r *Replica) release(run changes.RunID) (news bool) {
	rt := r.table.Runs[run]
	if rt == nil || rt.Winner == nil {
		return false
	}
	turn, lines := r.durableTurn(rt.Winner.Head)
	if d := r.durabilityOf(run); lines > d.lines {
		d.lines, news = lines, true
	}
	o := r.owned[run]
	if o == nil || o.lineage != rt.Winner.ID {
		return news
	}
	for len(o.waiting) > 0 && o.waiting[0].turn <= turn {
		o.waiting[0].done <- nil
		o.waiting = o.waiting[1:]
	}
	if o.last != nil && o.last.Done && turn >= o.last.Turn && errors.Is(o.ended, ErrDone) {
		r.forget(o)
	}
	return news
}

// sealed says whether the last turn of a run that ended is durable. Until then somebody must see to it: a taker-over opens an
// epoch that has nothing left to execute. Called with mu held.
func (r *Replica) sealed(h *Head) bool {
	turn, _ := r.durableTurn(h)
	return h.Durable != Majority || turn >= h.Turn
}

// waiter is a turn that is durable here and not yet at the run's level.
type waiter struct {
	turn uint64
	done chan error
}

// settleVoters moves the run's voters one step towards the present members, once the last step is durable in this epoch. Called with mu
// held, for the head about to be signed.
func (r *Replica) settleVoters(o *ownedRun, h *Head) {
	if h.Durable != Majority {
		return
	}
	h.Voters = o.voters
	if o.last == nil {
		o.votersAt = h.Turn
		return
	}
	turn, _ := r.durableTurn(o.last)
	if turn < o.votersAt || turn == 0 {
		return
	}
	tally := &r.durabilityOf(o.id).tally
	epoch := ackOf(o.last).Epoch
	next, same := quorum.Change(o.voters, r.table.Peers(), func(m string) bool {
		a := tally.Of(m)
		return a.Epoch == epoch && a.Turn >= o.votersAt
	})
	if !same {
		o.voters, h.Voters, o.votersAt = next, next, h.Turn
	}
}

// acknowledge says that a head and its state are durable here, if that keeps this peer's promise. The caller has synced them.
func (r *Replica) acknowledge(h *Head) {
	if h.Durable == Local {
		return
	}
	r.mu.Lock()
	d := r.durabilityOf(h.Run)
	acks, _ := r.recalls(h.Run)
	ok := acks && d.promise.Allows(h.Epoch.Number, h.Owner) && (d.said.Less(ackOf(h)) || ackOf(h).After(d.said) && r.wins(h))
	named := d.said.Epoch == ackOf(h).Epoch
	if ok {
		d.said = ackOf(h)
		r.heard(h.Run, r.self, d.said)
	}
	say := r.word(h.Run, d)
	r.mu.Unlock()
	if !ok {
		return
	}
	r.m.Acks.Inc()
	r.notify()
	msg := append([]byte{messageVersion, messageAck}, record.Encode(ackMessage{Acks: []ackWire{say}})...)
	if named {
		a := say.ack()
		msg = quorum.Brief{Tag: a.Epoch.Tag(h.Run), Turn: a.Turn, Lines: a.Lines, Promised: say.Promised}.Append([]byte{messageVersion, messageBrief})
	}
	r.publish(msg, publishTimeout)
}

// receiveBrief takes a word about an epoch that was named in full before. Who does not know the epoch hears of it again by a beat.
func (r *Replica) receiveBrief(from string, body []byte) error {
	w, err := quorum.ReadBrief(body)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrFormat, err)
	}
	r.mu.Lock()
	l := r.table.Tagged[w.Tag]
	r.mu.Unlock()
	if l == nil {
		return nil
	}
	return r.receiveAcks(from, []ackWire{{Run: l.Run.ID[:], Epoch: l.ID.Number, Actor: l.ID.Actor[:], Turn: w.Turn, Lines: w.Lines, Promised: w.Promised}})
}

// wins says whether h is of the run's winning lineage. Called with mu held.
func (r *Replica) wins(h *Head) bool {
	rt := r.table.Runs[h.Run]
	return rt != nil && rt.Winner != nil && rt.Winner.ID == h.Lineage()
}

// ackMessage is gossip: what a member holds, said when it is new. Beats say it again.
type ackMessage struct {
	Acks []ackWire `cbor:"1,keyasint"`
}

type ackWire struct {
	_     struct{} `cbor:",toarray"`
	Run   []byte
	Epoch uint64
	Actor []byte
	Turn  uint64
	Lines uint64

	Promised uint64 // nothing below this epoch is acknowledged
}

func (w ackWire) ack() quorum.Ack {
	return quorum.Ack{Epoch: quorum.Epoch{Number: w.Epoch, Actor: [16]byte(w.Actor)}, Turn: w.Turn, Lines: w.Lines}
}

func (d *durability) wire(run changes.RunID) ackWire {
	a := d.said
	return ackWire{Run: run[:], Epoch: a.Epoch.Number, Actor: a.Epoch.Actor[:], Turn: a.Turn, Lines: a.Lines, Promised: d.promise.Epoch}
}

// word is what this peer says of a run: its wire, but a promise of the winner's epoch to another than its owner refuses that epoch too, and its owner must
// hear of it: with one promised higher elsewhere nothing of it could become durable, and nobody else would take the run from an owner that is well. Called with
// mu held.
func (r *Replica) word(run changes.RunID, d *durability) ackWire {
	w := d.wire(run)
	if rt := r.table.Runs[run]; rt != nil && rt.Winner != nil {
		if h := rt.Winner.Head; h.Epoch.Number == w.Promised && !d.promise.Allows(h.Epoch.Number, h.Owner) {
			w.Promised++
		}
	}
	return w
}

const acksMax = 4096

func (r *Replica) receiveAcks(from string, list []ackWire) error {
	if len(list) > acksMax {
		return fmt.Errorf("%w: %d acknowledgements", ErrFormat, len(list))
	}
	news := false
	var gone []Event
	r.mu.Lock()
	for _, w := range list {
		if len(w.Run) != 16 || len(w.Actor) != 16 {
			r.mu.Unlock()
			return fmt.Errorf("%w: acknowledgement", ErrFormat)
		}
		run := changes.RunID(w.Run)
		news = r.heard(run, from, w.ack()) || news
		gone = r.promisedElsewhere(run, from, w.Promised, gone)
	}
	r.mu.Unlock()
	for _, e := range gone {
		r.emit(e)
	}
	if news {
		r.notify()
	}
	return nil
}

// promisedElsewhere stands an owner down when so many voters have promised a higher epoch that nothing of this one can become durable
// any more. Whoever they promised may have given up; then the run is taken over again, in an epoch above the promised. Called with mu held.
func (r *Replica) promisedElsewhere(run changes.RunID, member string, epoch uint64, events []Event) []Event {
	d := r.durabilityOf(run)
	if d.elsewhere == nil {
		d.elsewhere = map[string]uint64{}
	}
	d.elsewhere[member] = max(d.elsewhere[member], epoch)
	o := r.owned[run]
	if o == nil || o.head.Durable != Majority {
		return events
	}
	n := 0
	for _, v := range o.voters {
		if d.elsewhere[v] > o.lineage.Number {
			n++
		}
	}
	if n <= len(o.voters)-quorum.More(len(o.voters)) {
		return events
	}
	r.standDown(o, fmt.Errorf("%w: a majority has promised a higher epoch than %d", ErrSuperseded, o.lineage.Number))
	return append(events, Event{Kind: Superseded, Run: run, Head: o.head})
}

// acksToSay lists this peer's words for its beat. Called with mu held.
func (r *Replica) acksToSay() (list []ackWire) {
	for id, d := range r.durable {
		if (d.said.Turn > 0 || d.promise.Epoch > 0) && len(list) < acksMax {
			list = append(list, r.word(id, d))
		}
	}
	slices.SortFunc(list, func(a, b ackWire) int { return slices.Compare(a.Run, b.Run) })
	return list
}

const promiseProtocol = "tandem/promise/1"

// promiseRequest asks a member not to acknowledge epochs of the run below Epoch any more, nor Epoch for another than the asker.
type promiseRequest struct {
	Run   []byte `cbor:"1,keyasint"`
	Epoch uint64 `cbor:"2,keyasint"`
}

// promiseReply says whether it was given, the epoch promised now, and the newest turn this member has acknowledged.
type promiseReply struct {
	Given bool    `cbor:"1,keyasint"`
	Epoch uint64  `cbor:"2,keyasint"`
	Ack   ackWire `cbor:"3,keyasint"`
}

func promiseKey(run changes.RunID) []byte { return append([]byte{'q'}, run[:]...) }

// promiseRecord is a promise in the store, with what had been acknowledged before it: that stays true.
type promiseRecord struct {
	Epoch uint64  `cbor:"1,keyasint"`
	Peer  string  `cbor:"2,keyasint"`
	Ack   ackWire `cbor:"3,keyasint"`
}

func (r *Replica) loadPromises() error {
	return r.store.Scan([]byte{'q'}, []byte{'r'}, func(k, v []byte) bool {
		var p promiseRecord
		if len(k) == 17 && record.Decode(v, &p) == nil && len(p.Ack.Actor) == 16 {
			d := r.durabilityOf(changes.RunID(k[1:]))
			d.promise, d.said = quorum.Promise{Epoch: p.Epoch, Peer: p.Peer}, p.Ack.ack()
			d.tally.Heard(r.self, d.said)
		}
		return true
	})
}

func (r *Replica) servePromise(_ context.Context, from string, req []byte, send func([]byte) error) error {
	var q promiseRequest
	if err := record.Decode(req, &q); err != nil || len(q.Run) != 16 {
		r.m.Malformed.Inc()
		return fmt.Errorf("promise request: %w", errors.Join(err, ErrFormat))
	}
	reply, err := r.givePromise(changes.RunID(q.Run), q.Epoch, from)
	if err != nil {
		return err
	}
	return send(record.Encode(reply))
}

// givePromise promises, durably, unless this peer has promised as much to another or owns the run. In memory the promise holds
// before it is written: what is acknowledged between is less, never more.
func (r *Replica) givePromise(run changes.RunID, epoch uint64, peer string) (reply promiseReply, err error) {
	r.mu.Lock()
	d := r.durabilityOf(run)
	o := r.owned[run]
	given := epoch > d.promise.Epoch || epoch == d.promise.Epoch && peer == d.promise.Peer
	_, recalls := r.recalls(run)
	if !recalls || o != nil && o.ended == nil && peer != r.self || d.said.Epoch.Number >= epoch {
		given = false
	}
	if given {
		d.promise = quorum.Promise{Epoch: epoch, Peer: peer}
	}
	reply = promiseReply{Given: given, Epoch: max(d.promise.Epoch, d.said.Epoch.Number), Ack: d.wire(run)}
	r.mu.Unlock()
	if given {
		err = r.store.Write(true, func(b store.Batch) {
			b.Put(promiseKey(run), record.Encode(promiseRecord{Epoch: epoch, Peer: peer, Ack: reply.Ack}))
		})
		if err != nil {
			r.fail(err)
		}
	}
	return reply, err
}

// seekPromises asks the voters of h to promise the epoch to this peer. It returns the newest turn that those who did have acknowledged; or an
// error, with the epoch that somebody has promised instead.
func (r *Replica) seekPromises(ctx context.Context, h *Head, epoch uint64) (newest quorum.Ack, promised uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, max(r.cfg.Lease, 4*r.cfg.BeatInterval))
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	given := 0
	take := func(p promiseReply) {
		mu.Lock()
		defer mu.Unlock()
		promised = max(promised, p.Epoch)
		if a := p.Ack.ack(); p.Given {
			given++
			if newest.Less(a) {
				newest = a
			}
		}
	}
	req := record.Encode(promiseRequest{Run: h.Run[:], Epoch: epoch})
	for _, v := range h.Voters {
		if v == r.self {
			p, err := r.givePromise(h.Run, epoch, r.self)
			if err != nil {
				return newest, 0, err
			}
			take(p)
			continue
		}
		wg.Go(func() {
			r.t.Request(ctx, v, promiseProtocol, req, func(frame []byte) error {
				var p promiseReply
				if err := record.Decode(frame, &p); err != nil || len(p.Ack.Actor) != 16 {
					r.m.Malformed.Inc()
					return ErrFormat
				}
				take(p)
				return nil
			})
		})
	}
	wg.Wait()
	if given < quorum.More(len(h.Voters)) {
		return newest, promised, fmt.Errorf("%w: %d of %d voters of run %s promise epoch %d", ErrNoMajority, given, len(h.Voters), h.Run, epoch)
	}
	return newest, promised, nil
}

// promisedState finds a state of a run at majority that may be continued, and the epoch that a majority has promised for it: the state is
// at or after all that the majority has acknowledged.
func (r *Replica) promisedState(ctx context.Context, run changes.RunID) (*State, uint64, error) {
	epoch := uint64(0)
	for {
		s, err := r.LoadState(ctx, run)
		if err != nil {
			return nil, 0, err
		}
		epoch = max(epoch, r.epochAbove(run))
		newest, promised, err := r.seekPromises(ctx, &s.Head, epoch)
		switch {
		case err != nil && promised > epoch:
			epoch = promised + 1
		case err != nil:
			return nil, 0, err // or promised to another just now: it will go on with the run, or OwnerGone comes again
		case !ackOf(&s.Head).Less(newest):
			return s, epoch, nil
		}
		if err := r.pause(ctx, r.cfg.BeatInterval); err != nil {
			return nil, 0, fmt.Errorf("%w: run %s: turn %d was acknowledged and is not here: %v", ErrNotWarm, run, newest.Turn, err)
		}
	}
}

// epochAbove is one above every epoch of the run known here.
func (r *Replica) epochAbove(run changes.RunID) uint64 {
	r.leaseMu.Lock()
	top := r.lease.Epoch(run)
	r.leaseMu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.durabilityOf(run)
	top = max(top, d.promise.Epoch, d.said.Epoch.Number)
	for _, e := range d.elsewhere {
		top = max(top, e)
	}
	if rt := r.table.Runs[run]; rt != nil {
		for id := range rt.Lineages {
			top = max(top, id.Number)
		}
	}
	return top + 1
}

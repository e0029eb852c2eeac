package replication

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/record"
)

const moveProtocol = "tandem/move/1"

// moveRequest asks a member to hold the state of a run at a head, or, with Take, to go on with it from there: its owner has let go.
type moveRequest struct {
	Run  []byte `cbor:"1,keyasint"`
	Head []byte `cbor:"2,keyasint"`
	Take bool   `cbor:"3,keyasint"`
}

// moveReply says at which turn, and in which epoch, the member has the run.
type moveReply struct {
	Turn  uint64 `cbor:"1,keyasint"`
	Epoch uint64 `cbor:"2,keyasint"`
}

// moveTimeout bounds how long a member is waited for at each step of a move.
const moveTimeout = 30 * time.Second

// behindMax is how many turns the member may be behind when the run is stopped for the move.
const behindMax = 64

// Prepare has a member fetch the state of a run owned here while it goes on, until it is few turns behind: what is left to
// fetch when the run stops is little. ErrNotOwner, or what the member said.
func (r *Replica) Prepare(ctx context.Context, run changes.RunID, peer string) error {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	for {
		r.mu.Lock()
		o := r.owned[run]
		r.mu.Unlock()
		if o == nil {
			return fmt.Errorf("%w: run %s", ErrNotOwner, run)
		}
		h, err := r.Head(run)
		if err != nil {
			return err
		}
		got, err := r.askMove(ctx, peer, moveRequest{Run: run[:], Head: hashBytes(h.Hash())})
		if err != nil {
			return fmt.Errorf("run %s cannot move to %s: %w", run, peer, err)
		}
		if h, err = r.Head(run); err != nil {
			return err
		}
		if got.Turn+behindMax >= h.Turn {
			return nil
		}
	}
}

// Hand has a member go on with a run that was released here, and returns the epoch that it opened.
func (r *Replica) Hand(ctx context.Context, run changes.RunID, peer string) (epoch uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	h, err := r.Head(run)
	if err != nil {
		return 0, err
	}
	got, err := r.askMove(ctx, peer, moveRequest{Run: run[:], Head: hashBytes(h.Hash()), Take: true})
	if err != nil {
		return 0, fmt.Errorf("run %s was not taken by %s: %w", run, peer, err)
	}
	return got.Epoch, nil
}

func hashBytes(h changes.Hash) []byte { return h[:] }

func (r *Replica) askMove(ctx context.Context, peer string, q moveRequest) (got moveReply, err error) {
	answered := false
	err = r.t.Request(ctx, peer, moveProtocol, record.Encode(q), func(frame []byte) error {
		answered = true
		return record.Decode(frame, &got)
	})
	if err == nil && !answered {
		err = errors.New("it did not answer")
	}
	return got, err
}

func (r *Replica) serveMove(ctx context.Context, _ string, req []byte, send func([]byte) error) error {
	var q moveRequest
	if err := record.Decode(req, &q); err != nil || len(q.Run) != 16 || len(q.Head) != 32 {
		r.m.Malformed.Inc()
		return fmt.Errorf("move request: %w", errors.Join(err, ErrFormat))
	}
	run, head := changes.RunID(q.Run), changes.Hash(q.Head)
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	var at Head
	err := r.wait(ctx, func() (bool, error) { // the head, or a later one
		rt := r.table.Runs[run]
		if rt == nil || rt.Winner == nil {
			return false, nil
		}
		at = *rt.Winner.Head
		return rt.Winner.Hash == head || !q.Take && at.Turn > 0, nil
	})
	if err != nil {
		return err
	}
	s, err := r.LoadState(ctx, run)
	if err != nil {
		return err
	}
	if !q.Take {
		return send(record.Encode(moveReply{Turn: s.Head.Turn, Epoch: s.Head.Epoch.Number}))
	}
	r.emit(Event{Kind: Handed, Run: run, Head: at})
	err = r.wait(ctx, func() (bool, error) {
		at = *r.table.Runs[run].Winner.Head
		return at.Owner == r.self && at.Epoch.Number > s.Head.Epoch.Number, nil
	})
	if err != nil {
		return fmt.Errorf("nobody here went on with it: %w", err)
	}
	return send(record.Encode(moveReply{Turn: at.Turn, Epoch: at.Epoch.Number}))
}

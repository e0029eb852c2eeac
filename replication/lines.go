package replication

import (
	"context"
	"errors"
	"fmt"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/record"
	"github.com/tandemvm/tandem/replication/internal/store"
	"github.com/tandemvm/tandem/replication/internal/table"
)

// Lines calls f for each line of a run, numbered from `from` (1: the first; 0: the first that is kept), each number once and in
// order, and goes on as new lines arrive until the run is done, ctx ends or f returns an error. After a
// takeover the numbers go on in the new epoch; a number already given is not given again. ErrLinesGone when line `from`, or one
// that a slow reader has not come to, is not kept any more.
func (r *Replica) Lines(ctx context.Context, run changes.RunID, from uint64, f func(changes.Line) error) error {
	next, any := max(from, 1), from == 0
	for {
		if kept := r.linesKept(run); next < kept {
			if !any {
				return fmt.Errorf("%w: lines %d to %d of run %s: read from line %d on, and give its owner a larger RetainOutput to keep more", ErrLinesGone, next, kept-1, run, kept)
			}
			next = kept
		}
		place, to, done, changed, err := r.linePlace(run, next)
		if err != nil {
			return err
		}
		if place.Count == 0 {
			if done {
				return nil
			}
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		s, err := r.readSegment(place)
		if errors.Is(err, store.ErrAbsent) && next < r.linesKept(run) {
			continue // dropped just now
		}
		if err != nil {
			return err
		}
		any = false
		for last := min(place.First+place.Count-1, to); next <= last; next++ {
			l := s.Lines[next-place.First]
			if err := f(changes.Line{Number: next, Stream: l.Stream, Text: l.Text}); err != nil {
				return err
			}
		}
	}
}

// linesKept is the first line that is kept, 0 or 1 when all are.
func (r *Replica) linesKept(run changes.RunID) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rt := r.table.Runs[run]; rt != nil {
		return rt.Kept()
	}
	return 0
}

// linePlace finds line n on the winning chain. Without it: whether none will come, and what to wait for.
func (r *Replica) linePlace(run changes.RunID, n uint64) (p table.Segment, to uint64, done bool, changed <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed = r.changed
	if r.closing {
		return p, 0, false, nil, ErrClosed
	}
	rt := r.table.Runs[run]
	if rt == nil || rt.Winner == nil {
		if r.owned[run] == nil {
			return p, 0, false, nil, fmt.Errorf("%w: %s", ErrUnknownRun, run)
		}
		return p, 0, false, changed, nil
	}
	if rt.Winner.Head.Durable != Local && n > r.durabilityOf(run).lines {
		return p, 0, rt.Winner.Head.Done && n > rt.Winner.Head.Lines, changed, nil // not released yet
	}
	p, to, _ = rt.Line(n)
	if rt.Winner.Head.Durable != Local {
		to = min(to, r.durabilityOf(run).lines)
	}
	return p, to, rt.Winner.Head.Done && n > rt.Winner.Head.Lines, changed, nil
}

func (r *Replica) readSegment(p table.Segment) (*record.Segment, error) {
	value, err := r.engine.Value(p.Key)
	if err != nil {
		return nil, err
	}
	data, err := record.ReadContent(r.blocks, value)
	if err != nil {
		return nil, err
	}
	s, err := record.DecodeSegment(data)
	if err != nil {
		return nil, err
	}
	if s.First != p.First || uint64(len(s.Lines)) != p.Count {
		return nil, fmt.Errorf("%w: segment of lines %d to %d under the key of %d", ErrFormat, s.First, s.First+uint64(len(s.Lines))-1, p.First)
	}
	return s, nil
}

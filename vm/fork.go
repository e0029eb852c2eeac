package vm

import (
	"context"
	"fmt"
)

// Fork is a run at rest: it stands where a machine stood and holds nothing but what it does not share with that machine and its other forks. Resume
// executes it. Any number may be made of one machine.
type Fork struct {
	prog   *Program
	state  *state
	origin *state // that many forks were made of; state is held as what it changes of it, while that is little
}

// Fork is another run that goes on from where m stands. Cost: as Take; the machine goes on as if nothing had happened. Give the new run an
// id of its own with SetRun once it is resumed.
func (m *Machine) Fork(ctx context.Context) (*Fork, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if m.inTurn || m.out.pending() {
		return nil, fmt.Errorf("%w: fork between turns, when their output is released", ErrTurn)
	}
	now, err := m.take()
	if err != nil {
		return nil, err
	}
	m.mem.Share()
	if m.origin == nil {
		return &Fork{m.prog, now, now}, nil
	}
	return &Fork{m.prog, now, m.origin}, nil
}

// Sleep is Fork and Close: the run at rest, without a machine. Saves that are open are forgotten.
func (m *Machine) Sleep(ctx context.Context) (*Fork, error) {
	f, err := m.Fork(ctx)
	if err != nil {
		return nil, err
	}
	if f.state == f.origin {
		return f, m.Close()
	}
	if over := f.state.pages.Over(f.origin.pages); over.Changes() <= overMax {
		f.state = &state{pages: over, base: f.origin}
	} else {
		f.origin = f.state
	}
	return f, m.Close()
}

// overMax is the number of pages up to which a run at rest is held as what it changes of its origin.
const overMax = 1024

// Resume is a machine that executes the run. The pages that it does not write stay shared with the other machines made of the same run.
func (f *Fork) Resume(ctx context.Context, c Config) (*Machine, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, err := resume(f.prog, c, f.state)
	if err != nil {
		return nil, err
	}
	m.origin = f.origin
	return m, nil
}

func resume(p *Program, c Config, s *state) (*Machine, error) {
	m, err := attached(p, c, s.pages)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	m.taken, m.turned = s, s
	return m, nil
}

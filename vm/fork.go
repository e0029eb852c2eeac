package vm

import (
	"context"
	"fmt"
)

// Fork is a run at rest: it stands where a machine stood and holds nothing but what it does not share with that machine and its other forks. Resume
// executes it. Any number may be made of one machine.
type Fork struct {
	prog  *Program
	state *state
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
	return &Fork{m.prog, now}, nil
}

// Sleep is Fork and Close: the run at rest, without a machine. Saves that are open are forgotten.
func (m *Machine) Sleep(ctx context.Context) (*Fork, error) {
	f, err := m.Fork(ctx)
	if err != nil {
		return nil, err
	}
	return f, m.Close()
}

// Resume is a machine that executes the run. The pages that it does not write stay shared with the other machines made of the same run.
func (f *Fork) Resume(ctx context.Context, c Config) (*Machine, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return resume(f.prog, c, f.state)
}

func resume(p *Program, c Config, s *state) (*Machine, error) {
	m, err := attached(p, c, s.pages)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	m.taken, m.turned = s, s
	return m, nil
}

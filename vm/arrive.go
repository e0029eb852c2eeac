package vm

import (
	"errors"
	"fmt"

	"github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// A run may begin before the pages of its memory are read (OpenSnapshot): those it meets are read then, the others bit by bit between stretches of
// its execution. A stretch that meets a page which is not there is taken back, by a save as every other, and executed again.

const (
	arrivingWords  = 4000 // of a stretch while pages are away: what is executed again is at most that
	arrivingGroups = 4    // brought after each of so many words, fewer after a shorter one
)

// ErrDamaged says that a page of a snapshot's file is not what its index says, or could not be read. Nothing that came of it leaves the machine.
var ErrDamaged = errors.New("vm: snapshot file is damaged: fetch it again")

func damaged(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mem.ErrStray):
		return fmt.Errorf("vm: %w", err)
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// whole calls fn, which only reads memory or may be done twice, until it meets no page that is away.
func (m *Machine) whole(fn func()) error {
	for !m.mem.Try(fn) {
	}
	return damaged(m.mem.Err())
}

// execute is the core's Run.
func (m *Machine) execute(words uint64) (stop exec.Stop, err error) {
	if m.cfg.Observer != nil {
		m.mem.BringAll() // it is told of no instruction twice
	}
	for m.mem.Away() {
		before := m.Instructions()
		stop, err := m.stretch(min(words, arrivingWords))
		done := m.Instructions() - before
		m.mem.Bring(int(max(1, min(done, arrivingWords)*arrivingGroups/arrivingWords)))
		if err == nil {
			err = damaged(m.mem.Err())
		}
		words -= min(words, done)
		if err != nil || stop.Reason != exec.Budget || words == 0 {
			return stop, err
		}
	}
	if err := damaged(m.mem.Err()); err != nil {
		return exec.Stop{}, err
	}
	m.mem.Try(func() { stop = m.core.Run(words) })
	return stop, damaged(m.mem.Err())
}

// stretch executes a few words while pages are away.
func (m *Machine) stretch(words uint64) (stop exec.Stop, err error) {
	for {
		if err := m.save(); err != nil {
			return stop, err
		}
		if m.mem.Try(func() { stop = m.core.Run(words) }) {
			return stop, m.commit()
		}
		if err := m.undo(); err != nil {
			return stop, err
		}
	}
}

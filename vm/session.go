package vm

import (
	"fmt"

	"github.com/tandemvm/tandem/vm/internal/mem"
)

// Session is one session over all stages of a run, after the session-continuation paper: Save marks a point, Undo returns to the newest one and consumes it, Reset
// returns and keeps it, Commit keeps what was done since and forgets the mark. Nesting is unlimited; nothing is serialized between
// stages, and only pages that are written are copied. It covers all of a run: memory, and what is outside it, by one VersionController.
//
// Save costs the same whatever the size of memory; Undo and Commit cost the pages touched since the mark.
type Session struct{ m *Machine }

// ErrRoot is returned by Undo, Reset and Commit when no Save is open.
var ErrRoot = mem.ErrRoot

// Session is the machine's session. Turns are stages of it: a Save made inside a turn is to be closed before the turn ends.
func (m *Machine) Session() *Session { return &Session{m} }

// Depth is the number of open saves, an open turn's included.
func (s *Session) Depth() int { return s.m.mem.Depth() }

// Save opens a stage.
func (s *Session) Save() error { return s.m.save() }

// Undo takes back everything since the newest Save and closes it.
func (s *Session) Undo() error {
	if s.m.inTurn && s.m.mem.Depth() == 1 {
		return fmt.Errorf("%w: the open save is the turn's; FailTurn takes it back", ErrTurn)
	}
	return s.m.undo()
}

// Commit closes the newest Save and keeps what was done since.
func (s *Session) Commit() error {
	if s.m.inTurn && s.m.mem.Depth() == 1 {
		return fmt.Errorf("%w: the open save is the turn's; EndTurn closes it", ErrTurn)
	}
	return s.m.commit()
}

// Reset is Undo, then Save.
func (s *Session) Reset() error {
	if err := s.Undo(); err != nil {
		return err
	}
	return s.Save()
}

func (m *Machine) save() error {
	if err := m.mem.Save(); err != nil {
		return err
	}
	m.outside.Save()
	return nil
}

func (m *Machine) undo() error {
	if err := m.mem.Undo(); err != nil {
		return err
	}
	if err := m.outside.Undo(); err != nil {
		return fmt.Errorf("BUG: memory and host values have different saves: %w", err)
	}
	return m.reattach()
}

func (m *Machine) commit() error {
	if err := m.mem.Commit(); err != nil {
		return err
	}
	if err := m.outside.Commit(); err != nil {
		return fmt.Errorf("BUG: memory and host values have different saves: %w", err)
	}
	return nil
}

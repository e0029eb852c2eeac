package vm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/exec"
)

// End says why a turn can end.
type End int

const (
	// EndSlice: the instruction words of the turn are used up.
	EndSlice End = iota
	// EndCommit: the program called turn.Commit.
	EndCommit
	// EndIdle: every goroutine waits; Stop.Wake says until when, zero when only the host can help.
	EndIdle
	// EndExit: the program ended.
	EndExit
)

var endText = [...]string{"slice", "commit", "idle", "exit"}

func (e End) String() string { return endText[e] }

// Stop is how a stretch of execution ended.
type Stop struct {
	End  End
	Exit int       // status, for EndExit
	Wake time.Time // when the earliest timer is due, for EndIdle; zero: none
}

// ErrTurn is wrapped by errors about turns begun or ended out of order.
var ErrTurn = errors.New("vm: turn out of order")

// ErrAtomic is the failure of a turn that could not end because Atomic held it beyond the bound.
var ErrAtomic = errors.New("vm: turn.Atomic ran beyond the turn's bound: do less in it, or raise the turn's instruction bound")

// atomicFactor bounds how many slices a turn may grow by while Atomic holds it.
const atomicFactor = 64

// Turn is what a run did between two commit points, ready to be published.
type Turn struct {
	Number       uint64 // from 1
	Instructions uint64 // words executed by the run so far
	Root         changes.Hash
	MemoryBytes  uint64
	Pages        []changes.Page
	Zeros        []changes.PageRange
	Changes      []changes.Change
	Lines        []changes.Line
	Stop         Stop
}

// BeginTurn opens a turn: what follows becomes visible by EndTurn, or is taken back by FailTurn.
func (m *Machine) BeginTurn() error {
	if m.inTurn {
		return fmt.Errorf("%w: the turn before has not ended", ErrTurn)
	}
	if err := m.save(); err != nil {
		return err
	}
	m.inTurn = true
	return nil
}

// Assign writes merged values of shared variables into memory, between turns. They are not changes of the run's own.
func (m *Machine) Assign(as []changes.Assignment) error {
	if m.inTurn {
		return fmt.Errorf("%w: merged values are applied between turns", ErrTurn)
	}
	if len(as) == 0 {
		return nil
	}
	return m.shared.assign(as, func() { m.heap.Collect(m.core.Roots) })
}

// RunTurn executes until the turn can end: at a commit, when every goroutine waits, when the program ended, or when words
// instruction words are used up and nothing forbids to end there. ctx ends it early, at a safe point, as if the slice
// were used up. An error fails the turn: call FailTurn.
func (m *Machine) RunTurn(ctx context.Context, words uint64) (Stop, error) {
	if !m.inTurn {
		return Stop{}, fmt.Errorf("%w: no turn has begun", ErrTurn)
	}
	bound := words * atomicFactor
	for used := uint64(0); ; {
		from := m.Instructions()
		stop, err := m.Run(ctx, words)
		if err != nil {
			return stop, err
		}
		used += m.Instructions() - from
		if stop.End == EndExit || !m.atomic() {
			m.stop = stop
			return stop, nil
		}
		if stop.End == EndIdle {
			// Inside Atomic waiting is no end: the timers go on in this turn.
			if err := m.clock.wait(ctx, stop.Wake); err != nil {
				return stop, err
			}
		}
		if used > bound {
			return stop, ErrAtomic
		}
	}
}

// EndTurn closes the turn and says what it changed. Output that is not returned by an earlier turn is in Lines.
func (m *Machine) EndTurn() (*Turn, error) {
	if !m.inTurn {
		return nil, fmt.Errorf("%w: no turn has begun", ErrTurn)
	}
	var cs []changes.Change
	if m.begun() {
		var err error
		if cs, err = m.shared.changed(); err != nil {
			return nil, err
		}
	}
	t := &Turn{Number: m.mem.Load64(rootTurns) + 1, Changes: cs, Stop: m.stop}
	t.Lines = m.out.lines(m.mem.Load64(rootLines))
	m.mem.Store64(rootTurns, t.Number)
	m.mem.Store64(rootLines, m.mem.Load64(rootLines)+uint64(len(t.Lines)))
	if err := m.commit(); err != nil {
		return nil, err
	}
	m.inTurn = false
	m.out.clear()
	if err := m.capture(t); err != nil {
		return nil, err
	}
	t.Instructions = m.Instructions()
	return t, nil
}

// FailTurn takes the turn back whole: memory, changes of shared variables and output.
func (m *Machine) FailTurn() error {
	if !m.inTurn {
		return fmt.Errorf("%w: no turn has begun", ErrTurn)
	}
	m.inTurn = false
	return m.undo()
}

// capture fills in the pages written since the capture before, and the state hash.
func (m *Machine) capture(t *Turn) error {
	now, err := m.mem.Take()
	if err != nil {
		return err
	}
	m.tree.Resize(now.Size())
	now.Changed(m.taken, func(page uint64, data []byte) bool {
		if data == nil {
			m.tree.Clear(page, 1)
			if n := len(t.Zeros); n > 0 && t.Zeros[n-1].First+t.Zeros[n-1].Count == page {
				t.Zeros[n-1].Count++
			} else {
				t.Zeros = append(t.Zeros, changes.PageRange{First: page, Count: 1})
			}
			return true
		}
		p := (*[changes.PageBytes]byte)(data)
		m.tree.Set(page, changes.PageHash(p))
		t.Pages = append(t.Pages, changes.Page{Index: page, Data: p})
		return true
	})
	m.taken = now
	t.MemoryBytes = now.Size()
	t.Root = m.tree.Root()
	return nil
}

// Memory of the machine that belongs to this package, guest addresses in the root page (vm/DESIGN.md).
const (
	rootLines  = code.Base + 3072 + iota*8 // output chunks numbered so far
	rootTurns                              // turns ended
	rootAtomic                             // depth of turn.Atomic
	rootMono                               // greatest monotonic time the program has seen
	rootRun                                // 16 bytes: run id
	_
	rootBegun // 1: packages are initialised, main.main was called
)

// begun reports whether main.main was called. What package initialisation gives shared variables is their initial value, no change.
func (m *Machine) begun() bool { return m.mem.Load64(rootBegun) != 0 }

// begin is the native that the image calls between initialisation and main.main.
func begin(t *exec.Thread, w exec.Window) exec.Action {
	t.Mem().Store64(rootBegun, 1)
	t.PauseAfter()
	return exec.Next
}

// atomic reports whether the program is inside turn.Atomic.
func (m *Machine) atomic() bool { return m.mem.Load64(rootAtomic) != 0 }

package vm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/mem"
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
	Exit int // status, for EndExit
	// Fatal, for EndExit: by a panic that nothing recovered, or a fatal error. In a turn that is a failure of the turn.
	Fatal bool
	Wake  time.Time // when the earliest timer is due, for EndIdle; zero: none
}

// ErrTurn is wrapped by errors about turns begun or ended out of order.
var ErrTurn = errors.New("vm: turn out of order")

// ErrAtomic is the failure of a turn that could not end, because Atomic or a locked mutex held it beyond the bound.
var ErrAtomic = errors.New("vm: the turn could not end within its bound")

// atomicFactor bounds by how many slices a turn may grow while something forbids it to end, graceWords how far one goes on before it looks again.
const (
	atomicFactor = 64
	graceWords   = 20000
)

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
	m.lookAtMail()
	return m.setBase()
}

// setBase makes the present what the changes of the open turn are found against.
func (m *Machine) setBase() error {
	if !m.inTurn || len(m.shared.vars) == 0 {
		return nil
	}
	var err error
	m.base, err = m.mem.Take()
	return err
}

// Assign writes merged values of shared variables into memory, between turns. They are not changes of the run's own. A program that is still
// initialising its packages finds them when main.main is called, in place of what initialisation gave the variables.
func (m *Machine) Assign(as []changes.Assignment) error {
	if m.inTurn {
		return fmt.Errorf("%w: merged values are applied between turns", ErrTurn)
	}
	if len(as) == 0 {
		return nil
	}
	if !m.begun() {
		m.early = append(m.early, as)
		return nil
	}
	return m.assign(as, true)
}

// begin applies what was merged before main.main was called. The program is not told: it has not seen anything else.
func (m *Machine) begin() error {
	for _, as := range m.early {
		if err := m.assign(as, false); err != nil {
			return err
		}
	}
	return m.setBase()
}

func (m *Machine) assign(as []changes.Assignment, tell bool) error {
	m.mem.BringAll()
	if err := damaged(m.mem.Err()); err != nil {
		return err
	}
	var err error
	m.mem.Try(func() { // all pages are there, so this is not done twice
		if err = m.shared.assign(as, m.core.Collect); err == nil && tell {
			m.touch(as)
		}
	})
	if damage := damaged(m.mem.Err()); damage != nil {
		return damage
	}
	return err
}

// RunTurn executes until the turn can end: at a commit, when every goroutine waits, when the program ended, or when words
// instruction words are used up and nothing forbids to end there. ctx ends it early, at a safe point, as if the slice
// were used up. An error fails the turn: call FailTurn. It is a *Failure when the program is to blame: nothing recovered a panic, it met a
// fatal error or a limit, or did not let the turn end.
func (m *Machine) RunTurn(ctx context.Context, words uint64) (Stop, error) {
	if !m.inTurn {
		return Stop{}, fmt.Errorf("%w: no turn has begun", ErrTurn)
	}
	stop, err := m.runTurn(ctx, words)
	if f, ok := err.(*Failure); ok {
		f.Messages = m.receivedNow()
	}
	return stop, err
}

func (m *Machine) runTurn(ctx context.Context, words uint64) (Stop, error) {
	end := m.Instructions() + words
	bound := m.Instructions() + words*atomicFactor
	for slice, asked := words, false; ; slice = graceWords {
		stop, err := m.Run(ctx, slice)
		if err != nil {
			return stop, &Failure{Reason: firstLine(err.Error()), Exit: exitFailed, Err: err}
		}
		asked = asked || stop.End == EndCommit
		why := m.holding()
		switch {
		case stop.End == EndExit && stop.Fatal:
			return stop, m.failure(stop)
		case stop.End == EndExit:
		case why != "" && m.Instructions() > bound:
			err := fmt.Errorf("%w: %s held it over %d instructions: hold it for less, or raise the turn's instruction bound", ErrAtomic, why, words*atomicFactor)
			return stop, &Failure{Reason: err.Error(), Exit: exitFailed, Err: err}
		case why != "" && stop.End == EndIdle:
			// Waiting inside is no end of the turn: its timers go on in it.
			if err := m.clock.wait(ctx, stop.Wake); err != nil {
				return stop, err
			}
			continue
		case why != "":
			continue
		case stop.End == EndSlice && asked:
			stop.End = EndCommit
		case stop.End == EndSlice && ctx.Err() == nil && m.Instructions() < end:
			continue
		}
		m.stop = stop
		return stop, nil
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
		if damage := m.whole(func() { cs, err = m.shared.changed(m.base) }); damage != nil {
			return nil, damage
		}
		if err != nil {
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
	m.inTurn, m.base = false, nil
	if m.begun() {
		m.early = nil // no turn that can be taken back initialises packages any more
	}
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
	m.inTurn, m.base = false, nil
	return m.undo()
}

// take is the state of now.
func (m *Machine) take() (*state, error) {
	if err := damaged(m.mem.Err()); err != nil {
		return nil, err
	}
	now, err := m.mem.Take()
	if err != nil {
		return nil, err
	}
	m.taken = m.taken.following(now)
	return m.taken, nil
}

// capture fills in the pages written since the turn before, and the state hash.
func (m *Machine) capture(t *Turn) error {
	now, err := m.take()
	if err != nil {
		return err
	}
	var from *mem.Pages
	if m.turned != nil {
		from = m.turned.pages
	}
	now.pages.Changed(from, func(page uint64, data []byte) bool {
		if data != nil {
			t.Pages = append(t.Pages, changes.Page{Index: page, Data: (*[changes.PageBytes]byte)(data)})
		} else if n := len(t.Zeros); n > 0 && t.Zeros[n-1].First+t.Zeros[n-1].Count == page {
			t.Zeros[n-1].Count++
		} else {
			t.Zeros = append(t.Zeros, changes.PageRange{First: page, Count: 1})
		}
		return true
	})
	m.turned = now
	t.MemoryBytes = now.pages.Size()
	t.Root = now.root()
	return nil
}

// Memory of the machine that belongs to this package, guest addresses in the root page (vm/DESIGN.md).
const (
	rootLines = code.Base + 3072 + iota*8 // output chunks numbered so far
	rootTurns                             // turns ended
	rootMono                              // greatest monotonic time the program has seen
	rootRun                               // 16 bytes: run id
	_
	rootBegun    // 1: packages are initialised, main.main was called
	rootDying    // 1: nothing recovered a panic, and its text is being printed
	rootMessages // messages looked at since the run came to this machine
	rootFork     // 16 bytes: the run's id if it is a clone
	_
	rootOutputMax  // bytes of output the run may write, 0: any number
	rootOutputUsed // bytes it has written
	rootFetched    // 1: the guest got a message and has not come back for the next

	rootTouched = code.Base + 3584 // touchedWords words: shared variables that merges touched and the program has not been told of
)

// begun reports whether main.main was called. What package initialisation gives shared variables is their initial value, no change.
func (m *Machine) begun() bool { return m.mem.Load64(rootBegun) != 0 }

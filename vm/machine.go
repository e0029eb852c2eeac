package vm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// Limits bound a run. They are written into its memory and travel with it; of MemoryBytes each machine that executes the run may allow less. Zero values
// are the defaults in the comments.
type Limits struct {
	Gas         uint64 // instruction words in all; unlimited
	MemoryBytes uint64 // linear memory; 1 GiB
	Goroutines  uint64 // living at once; 1<<20
	StackBytes  uint64 // of one goroutine; 1000000000
	OutputBytes uint64 // written to standard output and error in all; unlimited
}

const memoryBytesDefault = 1 << 30

// Grants are what a program may use of the machine it runs on. The zero value grants nothing but output.
type Grants struct {
	Read []string // files, and directories with all below them, that may be read
	Env  []string // environment, KEY=VALUE
}

// Observer is the step observer of the state-interface paper: it is told of every instruction before it is carried out, with what it
// reads and writes. See Step.
type Observer = exec.Observer

// Step is one instruction about to be carried out.
type Step = exec.Step

// Config is what a machine is given. The zero value runs a program with no arguments, no authority and the real clock.
type Config struct {
	Args   []string // os.Args, the program's name first
	Dir    string   // working directory the program sees, default /; relative paths are looked up there
	Grants Grants
	Limits Limits
	Clock  Clock        // default: WallClock
	Seed   uint64       // of the run's random state; read by New only. 0: one seed for all, so a run can be repeated
	Stdin  StdinReader  // default: empty
	Output OutputWriter // takes output at once when no turn is open; nil: it stays in the machine until EndTurn

	Observer Observer // nil costs nothing
}

// StdinReader is the program's standard input.
type StdinReader interface{ Read(p []byte) (int, error) }

// OutputWriter takes what the program writes; stream is Stdout or Stderr.
type OutputWriter interface {
	WriteOutput(stream uint8, p []byte) error
}

// Machine is one run of a program. It is one thread of control: no two methods at once, but for Pause.
type Machine struct {
	prog    *Program
	cfg     Config
	clock   *runClock
	mem     *mem.Memory
	heap    *heap.Heap
	core    *exec.Machine
	shared  *shared
	out     *output
	world   *world
	outside VersionController // saves of what is not in memory: output

	mail mail

	outputMax, outputUsed uint64 // bytes, as the root page says

	inTurn bool
	stop   Stop
	taken  *state                 // the take before, nil: none
	turned *state                 // what the turn before ended with, or what was loaded
	origin *state                 // of the fork that was resumed, nil: none
	base   *mem.Pages             // what the open turn's changes are found against
	early  [][]changes.Assignment // merged before main.main was called; initialisation would overwrite them
}

// New is a machine for a new run of p, standing before its first instruction.
func New(p *Program, c Config) (*Machine, error) {
	m, err := bare(p, c)
	if err != nil {
		return nil, err
	}
	img := p.img
	dataEnd := uint64(code.Base + code.DataStart + len(img.Data))
	if err := m.mem.Grow(dataEnd - code.Base); err != nil {
		m.Close()
		return nil, fmt.Errorf("vm: the program's data does not fit: %w", err)
	}
	copy(m.mem.Writable(code.Base+code.DataStart, uint64(len(img.Data))), img.Data)
	if m.heap, err = heap.New(m.mem, dataEnd, c.Seed); err != nil {
		m.Close()
		return nil, err
	}
	m.core, err = exec.New(m.execConfig())
	if err != nil {
		m.Close()
		return nil, err
	}
	m.outputMax = c.Limits.OutputBytes
	m.keepLimits()
	if m.shared, err = newShared(m.heap, img.Globals); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Resume is a machine that continues the run of a snapshot of p.
func Resume(ctx context.Context, p *Program, c Config, s *Snapshot) (*Machine, error) {
	if err := s.check(p); err != nil {
		return nil, err
	}
	return resume(p, c, s.state)
}

// attached is a machine on a copy of pages.
func attached(p *Program, c Config, pages *mem.Pages) (*Machine, error) {
	m, err := bare(p, c)
	if err != nil {
		return nil, err
	}
	if err = m.mem.Begin(pages); err == nil {
		err = m.reattach()
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// bare is a machine with empty memory.
func bare(p *Program, c Config) (*Machine, error) {
	if c.Clock == nil {
		c.Clock = WallClock{}
	}
	if c.Limits.MemoryBytes == 0 {
		c.Limits.MemoryBytes = memoryBytesDefault
	}
	memory, err := mem.New(c.Limits.MemoryBytes)
	if err != nil {
		return nil, err
	}
	m := &Machine{prog: p, cfg: c, mem: memory}
	m.clock = &runClock{m.mem, c.Clock}
	m.out = newOutput(&m.outside)
	if m.world, err = newWorld(m, c); err != nil {
		m.mem.Close()
		return nil, err
	}
	return m, nil
}

func (m *Machine) execConfig() exec.Config {
	return exec.Config{Program: m.prog.text, Mem: m.mem, Heap: m.heap, Host: m.world, Natives: natives,
		Limits:   exec.Limits{Gas: m.cfg.Limits.Gas, Goroutines: m.cfg.Limits.Goroutines, StackBytes: m.cfg.Limits.StackBytes},
		Observer: m.cfg.Observer}
}

// reattach makes everything beside memory follow it, after it was loaded or undone.
func (m *Machine) reattach() error {
	var err error
	if damage := m.whole(func() { err = m.attach() }); damage != nil {
		return damage
	}
	return err
}

func (m *Machine) attach() error {
	var err error
	if m.heap == nil {
		m.heap, err = heap.Attach(m.mem)
	} else {
		err = m.heap.Sound()
	}
	if err != nil {
		return err
	}
	if m.core == nil {
		m.core, err = exec.Attach(m.execConfig())
	} else {
		err = m.core.Reload()
	}
	if err != nil {
		return err
	}
	m.holding() // the variables it looks at are in memory from now on
	m.outputMax, m.outputUsed = m.mem.Load64(rootOutputMax), m.mem.Load64(rootOutputUsed)
	if m.shared == nil {
		m.shared, err = newShared(m.heap, m.prog.img.Globals)
	}
	return err
}

// keepLimits writes the limits that stand in memory again: a program made by hand can write to the root page, so the machine goes by its own.
func (m *Machine) keepLimits() {
	m.heap.KeepLimit()
	for _, w := range [...]struct{ at, v uint64 }{{rootOutputMax, m.outputMax}, {rootOutputUsed, m.outputUsed}} {
		if m.mem.Load64(w.at) != w.v {
			m.mem.Store64(w.at, w.v)
		}
	}
}

// Close gives the memory back. The machine is dead afterwards; its snapshots live on.
func (m *Machine) Close() error { return errors.Join(m.world.folder.Close(), m.mem.Close()) }

// MemoryLimitBytes is what the run's memory may grow to.
func (m *Machine) MemoryLimitBytes() uint64 { return m.heap.LimitBytes() }

// Limit replaces the limits of the run by those of l that are not zero. It is part of the turn it is called in. Memory can only be raised, to what the
// machine's Config allows.
func (m *Machine) Limit(l Limits) error {
	if !m.inTurn {
		return fmt.Errorf("%w: begin a turn before limits are changed", ErrTurn)
	}
	if used := m.Instructions(); l.Gas != 0 && l.Gas <= used {
		return fmt.Errorf("vm: the run has used %d instruction words: a gas limit of %d would stop it at once, give it a higher one", used, l.Gas)
	}
	if l.MemoryBytes != 0 {
		if err := m.heap.Raise(l.MemoryBytes); err != nil {
			return err
		}
	}
	m.core.Limit(exec.Limits{Gas: l.Gas, Goroutines: l.Goroutines, StackBytes: l.StackBytes})
	if l.OutputBytes != 0 {
		m.mem.Store64(rootOutputMax, l.OutputBytes)
	}
	return nil
}

// Program is what the machine runs.
func (m *Machine) Program() *Program { return m.prog }

// Instructions is the number of instruction words executed since the run began.
func (m *Machine) Instructions() uint64 { return m.core.Count() }

// MemoryBytes is the size of the run's memory.
func (m *Machine) MemoryBytes() uint64 { return m.mem.Size() }

// Value is a shared variable as the program sees it now.
func (m *Machine) Value(name string) (v changes.Value, err error) {
	if damage := m.whole(func() { v, err = m.shared.valueOf(name) }); damage != nil {
		return changes.Value{}, damage
	}
	return v, err
}

// Pause makes Run return at the next safe point. It may be called from any goroutine.
func (m *Machine) Pause() { m.core.Pause() }

// Run executes until words instruction words are used up, the program pauses itself (turn.Commit), nothing can run, the
// program ended, or ctx ended (then like a slice used up, at a safe point). An error is a limit exceeded, naming it, or a host failure.
func (m *Machine) Run(ctx context.Context, words uint64) (Stop, error) {
	if ctx.Err() != nil {
		return Stop{End: EndSlice}, nil
	}
	if ctx.Done() != nil { // one that cannot end costs nothing
		defer context.AfterFunc(ctx, m.core.Pause)()
	}
	defer m.keepLimits()
	begun := m.begun()
	s, err := m.execute(words)
	if err != nil {
		return Stop{}, err
	}
	if !begun && m.begun() {
		// Package initialisation is over: what it made of shared variables is what they begin with, but for what was merged already.
		if err := m.begin(); err != nil {
			return Stop{}, err
		}
		if s.Reason == exec.Paused && ctx.Err() == nil {
			if s, err = m.execute(words); err != nil {
				return Stop{}, err
			}
		}
	}
	if s.Reason == exec.Failed {
		return Stop{}, fmt.Errorf("vm: %w", s.Err)
	}
	if !m.inTurn && m.cfg.Output != nil {
		if err := m.flush(); err != nil {
			return Stop{}, err
		}
	}
	switch s.Reason {
	case exec.Exited:
		return Stop{End: EndExit, Exit: s.Status, Fatal: s.Fatal || m.mem.Load64(rootDying) != 0}, nil
	case exec.Idle, exec.HostCall:
		stop := Stop{End: EndIdle}
		if s.Wake != 0 {
			stop.Wake = time.Unix(0, s.Wake)
		}
		return stop, nil
	case exec.Paused:
		if ctx.Err() != nil {
			return Stop{End: EndSlice}, nil
		}
		return Stop{End: EndCommit}, nil
	}
	return Stop{End: EndSlice}, nil
}

// flush hands the output to the Config's writer.
func (m *Machine) flush() error {
	for _, c := range m.out.joined() {
		if err := m.cfg.Output.WriteOutput(c.stream, c.text); err != nil {
			return fmt.Errorf("vm: output: %w", err)
		}
	}
	m.out.clear()
	return nil
}

// runClock is the machine's clock as the program sees it: monotonic time goes on where it was, also on another peer whose clock is behind.
type runClock struct {
	mem   *mem.Memory
	clock Clock
}

func (c *runClock) monotonic() int64 {
	now := c.clock.Now().UnixNano()
	if last := int64(c.mem.Load64(rootMono)); now <= last {
		return last
	}
	c.mem.Store64(rootMono, uint64(now))
	return now
}

// wait sleeps until a timer is due; without one it waits for ctx.
func (c *runClock) wait(ctx context.Context, wake time.Time) error {
	if wake.IsZero() {
		<-ctx.Done()
		return ctx.Err()
	}
	return c.clock.Sleep(ctx, time.Duration(wake.UnixNano()-c.monotonic()))
}

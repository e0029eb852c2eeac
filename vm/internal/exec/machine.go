// Package exec runs images: frames, goroutines, channels, select, timers, panics, and every instruction that package loop, which carries out
// the plain ones, leaves to it. It is not the memory (package mem), the object heap and its types (package heap), nor the
// functions of the outside world (package host).
// Everything a run is stands in guest memory whenever Run has returned, so another Machine can Attach to a copy of the
// memory and continue. A word of straight-line code costs a few nanoseconds; a call about ten.
package exec

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/loop"
	"github.com/tandemvm/tandem/vm/internal/mem"
	"github.com/tandemvm/tandem/vm/internal/text"
)

// Limits bound a run; they are written into memory by New and travel with it. 0 means the default in the comment.
type Limits struct {
	Gas        uint64 // instruction words, unlimited
	Goroutines uint64 // goroutines that are not dead, 1<<20
	StackBytes uint64 // bytes of one goroutine's stack, 1000000000
	SliceWords uint64 // instruction words a goroutine runs before another one has its turn, 20000
}

// LimitError is the error of a run that used up a limit.
type LimitError struct {
	Limit string // gas, memory, goroutines, output
	Max   uint64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("exec: %s limit of %d exceeded: give the run a higher one", e.Limit, e.Max)
}

// Config is what a machine is made of.
type Config struct {
	Program *text.Program
	Mem     *mem.Memory
	Heap    *heap.Heap
	Host    Host
	Natives map[string]Native // by symbol; those of Builtins are always there
	Limits  Limits            // read by New only: they stand in memory then

	// Observer is told of each instruction before it is carried out; nil costs nothing.
	Observer Observer
}

// Reason says why Run returned.
type Reason int

const (
	// Budget: the instruction words asked for are used up; the run is at a safe point.
	Budget Reason = iota
	// Idle: every goroutine waits, at least one for a timer: Wake says until when.
	Idle
	// HostCall: every goroutine waits, at least one for the host, which may call Run when it has an answer.
	// Wake is set too when a timer runs.
	HostCall
	// Exited: the program ended with Status.
	Exited
	// Failed: Err says which limit was exceeded or what broke.
	Failed
	// Paused: a native or Machine.Pause asked for a stop at the next safe point.
	Paused
)

// Stop says why and how a call of Run ended.
type Stop struct {
	Reason Reason
	Status int   // exit status when Exited
	Wake   int64 // Nanotime of the earliest timer when Idle or HostCall, 0 if none
	Err    error // when Failed
	Fatal  bool  // Exited by a fatal error (throw, deadlock, stack overflow)
}

const exitedFatal = 2

// Machine carries out one run. It is one thread of control: no two methods at once, but for Pause.
type Machine struct {
	s loop.State

	stopAt    uint64 // instruction count at which safePoint has something to do
	sliceEnd  uint64
	budgetEnd uint64
	limits    Limits
	live      uint64 // goroutines, system ones not counted

	g        uint64 // running goroutine, 0 none
	chunk    uint64 // its stack chunk
	chunkEnd uint64

	stop         Stop
	nativeWindow uint16 // window base of the native being called
	pauseAsked   bool   // by a native: stop after it
	pauseFlag    atomic.Bool

	prog       *text.Program
	mem        *mem.Memory
	heap       *heap.Heap
	host       Host
	natives    []Native   // by index in Image.Natives; Call nil: missing
	stood      standingAt // by the collection
	observer   Observer
	halt       bool        // Run is to return
	reported   *code.Instr // the instruction that was told to the observer and is to be carried out; nil: none
	reportedAt uint64      // the count then
	types      [256]typeInfo
	itabs      heap.Itabs // made at run time
	thread     Thread
}

var errNoRun = errors.New("exec: memory holds no run of this version: make one with New")

// New starts a run of the program in memory whose data and heap are in place (heap.New was called, data was copied):
// the main goroutine stands before the image's entry function.
func New(c Config) (*Machine, error) {
	m, err := prepare(c)
	if err != nil {
		return nil, err
	}
	l := c.Limits
	m.limits = Limits{l.Gas, or(l.Goroutines, 1<<20), or(l.StackBytes, 1000000000), or(l.SliceWords, 20000)}
	m.storeLimits()
	m.store(rootNextID, 1)
	sema, err := m.heap.AllocKind(heap.KindWords, semaBuckets*16, 0)
	if err != nil {
		return nil, err
	}
	m.store(rootSema, sema)
	m.sync()
	if m.newG(uint64(c.Program.Image.Entry), 0, nil, false) == 0 {
		return nil, fmt.Errorf("exec: no room for the main goroutine: raise the memory limit of the run")
	}
	m.store(rootVersion, layoutVersion)
	return m, nil
}

// Limit replaces the run's limits by those of l that are not 0. Call it between Runs.
func (m *Machine) Limit(l Limits) {
	old := m.limits
	m.limits = Limits{or(l.Gas, old.Gas), or(l.Goroutines, old.Goroutines), or(l.StackBytes, old.StackBytes), or(l.SliceWords, old.SliceWords)}
	m.storeLimits()
}

// Attach is a machine for the run that is in memory, at the point where Run returned.
func Attach(c Config) (*Machine, error) {
	m, err := prepare(c)
	if err != nil {
		return nil, err
	}
	if m.load(rootVersion) != layoutVersion {
		return nil, errNoRun
	}
	return m, m.Reload()
}

func prepare(c Config) (*Machine, error) {
	p := c.Program
	m := &Machine{prog: p, mem: c.Mem, heap: c.Heap, host: c.Host, observer: c.Observer}
	m.itabs = c.Heap.Itabs(rootItabs, p.DataEnd)
	m.thread.m = m
	words := p.Code
	if c.Observer != nil {
		words = p.ObservedCode()
	}
	m.s.Bind(c.Mem, words, p.Frames, p.Entries)
	m.natives = make([]Native, len(p.Image.Natives))
	own := Builtins()
	for i, sym := range p.Image.Natives {
		n, ok := c.Natives[sym]
		if !ok {
			n = own[sym]
		}
		m.natives[i] = n
	}
	return m, nil
}

func or(v, otherwise uint64) uint64 {
	if v == 0 {
		return otherwise
	}
	return v
}

// storeLimits writes the limits to memory, where they travel, and what is used of them. The machine goes by its own: a program made by hand can write
// to the root page.
func (m *Machine) storeLimits() {
	l := &m.limits
	m.store(rootGas, l.Gas)
	m.store(rootGoroutineMax, l.Goroutines)
	m.store(rootStackMax, l.StackBytes)
	m.store(rootSliceWords, l.SliceWords)
	m.store(rootLive, m.live)
}

// loadLimits reads what storeLimits wrote. Memory that came from elsewhere cannot put off for long that goroutines take turns, which is when a Pause is seen.
func (m *Machine) loadLimits() {
	m.limits = Limits{m.load(rootGas), m.load(rootGoroutineMax), m.load(rootStackMax), max(min(m.load(rootSliceWords), sliceWordsMax), 1)}
	m.live = m.load(rootLive)
	m.stopAt, m.s.Left = min(m.load(rootCount), countMax), 0
	m.sliceEnd = min(m.load(rootSliceEnd), m.stopAt+sliceWordsMax)
}

const (
	sliceWordsMax = 1 << 24
	countMax      = 1 << 62 // more than any run counts to, and a budget more is a number still
)

// sync refreshes the host-side copies of what the memory says of itself.
func (m *Machine) sync() { m.s.Sync(m.mem) }

// Reload must be called when memory was changed from outside (an undo, a load): it forgets every host-side copy. The error
// says that memory holds no position to go on from.
func (m *Machine) Reload() error {
	m.sync()
	m.itabs.Forget()
	m.types = [256]typeInfo{}
	m.runs(m.load(rootG))
	m.loadLimits()
	m.chunk, m.chunkEnd = 0, 0
	m.s.PC, m.s.FP = 0, 0
	if m.g == 0 {
		return nil
	}
	if pc, fp := m.load(rootPC), m.load(rootFP); !m.goOn(pc, fp, m.load(m.g+gChunk), m.frameBytes(pc)) {
		return fmt.Errorf("exec: memory holds no valid position (code word %d, frame %#x): it is damaged or of another program", pc, fp)
	}
	return nil
}

// runs makes g the running goroutine.
func (m *Machine) runs(g uint64) { m.g, m.s.Defers = g, g+gDefer-code.Base }

// load and store are a word of a record; they are total.
func (m *Machine) load(addr uint64) uint64       { return m.mem.Load64(addr) }
func (m *Machine) store(addr, v uint64)          { m.mem.Store64(addr, v) }
func (m *Machine) view(addr, n uint64) []byte    { return m.mem.Bytes(addr, n) }
func (m *Machine) at(addr uint64) unsafe.Pointer { return unsafe.Add(m.s.Base, addr-code.Base) }

// slotAddr is the guest address of slot i of the running frame, reg its content.
func (m *Machine) slotAddr(i uint16) uint64 { return m.s.FP + uint64(i)*8 }
func (m *Machine) reg(i uint16) *uint64 {
	return (*uint64)(unsafe.Add(m.s.Base, m.s.FP-code.Base+uint64(i)*8))
}
func (m *Machine) regN(i uint16, n int) *uint64 {
	return (*uint64)(unsafe.Add(m.s.Base, m.s.FP-code.Base+uint64(i)*8+uint64(n)*8))
}

// instr is the instruction at pc.
func (m *Machine) instr() code.Instr { return m.prog.Instr(uint64(m.s.PC)) }

// extAt is ext word i of the instruction at pc.
func (m *Machine) extAt(i int) uint64 {
	return *(*uint64)(unsafe.Add(m.s.Code, m.s.PC*8+uintptr(1+i)*8))
}

// advance passes n words.
func (m *Machine) advance(n int) {
	m.s.PC += uintptr(n)
	m.s.Left -= int64(n)
}

// Count is the number of instruction words carried out since the run began.
func (m *Machine) Count() uint64 { return m.stopAt - uint64(m.s.Left) }

// Position is the running goroutine's number, code word and frame address; goid 0 when none runs.
func (m *Machine) Position() (goid, pc, frame uint64) {
	if m.g == 0 {
		return 0, 0, 0
	}
	return m.load(m.g + gID), uint64(m.s.PC), m.s.FP
}

// Mem, Heap and Program are what the machine was made of.
func (m *Machine) Mem() *mem.Memory       { return m.mem }
func (m *Machine) Heap() *heap.Heap       { return m.heap }
func (m *Machine) Program() *text.Program { return m.prog }

// Pause makes Run return Paused at the next safe point at which goroutines take turns. It may be called from any goroutine of the host.
func (m *Machine) Pause() { m.pauseFlag.Store(true) }

// PauseAfter makes Run return Paused right after the native being called.
func (t *Thread) PauseAfter() { t.m.pauseAsked = true }

// Run carries out at least budget instruction words, to the next safe point after them, unless something else ends it
// before. Everything is in memory when it returns. Call Reload first if memory was changed from outside by other
// means than Store methods; Save, Take and Commit need no Reload.
func (m *Machine) Run(budget uint64) Stop {
	m.sync()
	if m.load(rootExited) != 0 {
		return Stop{Reason: Exited, Status: int(int64(m.load(rootStatus))), Fatal: m.load(rootExited) == exitedFatal}
	}
	m.stop, m.halt, m.pauseAsked = Stop{}, false, false
	m.heap.Handled() // between runs, by others
	m.budgetEnd = m.Count() + min(budget, 1<<62)
	m.wakeHostWaiters()
	switch pc := uint64(m.s.PC); {
	case m.g == 0:
		m.schedule()
	case m.goOn(pc, m.s.FP, m.chunk, m.frameBytes(pc)):
		m.limit()
	default: // memory was damaged and Reload refused it
		m.fail(m.damaged("goroutine"))
	}
	if gas := m.limits.Gas; gas != 0 && m.Count() >= gas {
		m.fail(&LimitError{"gas", gas})
	}
	for !m.halt {
		switch m.s.Run() {
		case loop.Slow:
			if m.observer == nil || m.told() {
				m.slow()
			} else {
				m.observe()
			}
		case loop.Pause:
			m.safePoint()
		}
	}
	m.flush()
	return m.stop
}

// flush writes the position to the root page.
func (m *Machine) flush() {
	m.store(rootG, m.g)
	m.store(rootPC, uint64(m.s.PC))
	m.store(rootFP, m.s.FP)
	m.store(rootCount, m.Count())
	m.store(rootSliceEnd, m.sliceEnd)
	m.storeLimits()
	if m.g != 0 {
		m.store(m.g+gChunk, m.chunk)
	}
}

// end makes the loop return.
func (m *Machine) end(s Stop) {
	if !m.halt {
		m.stop, m.halt = s, true
	}
}

// exit ends the run.
func (m *Machine) exit(status int) {
	m.store(rootExited, 1)
	m.store(rootStatus, uint64(int64(status)))
	m.end(Stop{Reason: Exited, Status: status})
}

// End makes the run one that ended with a status, whatever it was doing. Call it between Runs.
func (m *Machine) End(status int) {
	m.exit(status)
	m.flush()
}

// fail ends Run, not the run: calling Run again repeats what failed.
func (m *Machine) fail(err error) { m.end(Stop{Reason: Failed, Err: err}) }

// limit sets the count at which safePoint is called.
func (m *Machine) limit() {
	at := min(m.sliceEnd, m.budgetEnd)
	if gas := m.limits.Gas; gas != 0 {
		at = min(at, gas)
	}
	m.setStop(at)
}

func (m *Machine) setStop(at uint64) {
	c := m.Count()
	at = max(min(at, c+1<<40), c)
	m.stopAt, m.s.Left = at, int64(at-c)
}

// safePoint is called by the loop at a backward jump or call when no words are left; with an observer at each of them.
func (m *Machine) safePoint() {
	m.forget()
	c := m.Count()
	if gas := m.limits.Gas; gas != 0 && c >= gas {
		m.fail(&LimitError{"gas", gas})
		return
	}
	if c >= m.sliceEnd {
		m.fireTimers()
		if m.load(rootQueue) != 0 {
			m.leave(StatusRunnable)
			m.enqueue(m.g)
			m.schedule()
			m.pay() // here, for it must not depend on when Run returns
		} else {
			m.sliceEnd = c + m.limits.SliceWords
		}
		if m.pauseFlag.Load() {
			m.pauseFlag.Store(false)
			m.end(Stop{Reason: Paused})
		}
	}
	if c >= m.budgetEnd {
		m.end(Stop{Reason: Budget})
	}
	m.limit()
}

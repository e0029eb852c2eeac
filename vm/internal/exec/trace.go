package exec

import (
	"fmt"
	"strings"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/text"
)

// framesMax bounds a traceback as Go's does: the innermost 50 and outermost 50 frames.
const framesMax = 100

// CallerFrame is one frame of a goroutine's stack.
type CallerFrame struct {
	Func  int32  // index in Image.Funcs, 0: a panic running deferred calls
	PC    uint64 // code word the frame stands at or will return to
	Frame uint64
	Call  bool // PC is a return address: the word after the call
}

// Callers calls fn for the frames of goroutine record g, innermost first, until it returns false.
func (m *Machine) Callers(g uint64, fn func(f CallerFrame) bool) {
	pc, fp := m.load(g+gPC), m.load(g+gFP)
	if g == m.g {
		pc, fp = uint64(m.s.PC), m.s.FP
	}
	p := m.load(g + gPanic)
	// A goroutine that waits stands after its operation, so all but the running one's innermost are return addresses.
	call := g != m.g
	n := uint64(0)
	defer func() { m.heap.Walked(n) }()
	for ; fp != 0 && n < m.chain(); n++ {
		switch pc {
		case m.prog.Tramp(text.TrampGoExit), m.prog.Tramp(text.TrampTrap):
			if pc == m.prog.Tramp(text.TrampGoExit) {
				return
			}
			pc = m.load(p + pPC) // fatalpanic's caller is the frame that panicked
			call = false
		case m.prog.Tramp(text.TrampPanicNext):
			for ; p != 0 && m.load(p+pFP) != fp && n < m.chain(); n++ {
				p = m.load(p + pPrev)
			}
			if p == 0 || !fn(CallerFrame{Frame: fp}) {
				return
			}
			pc, call = m.load(p+pPC), false
		}
		if f := m.prog.FuncAt(lineWord(pc, call)); !fn(CallerFrame{f, pc, fp, call}) {
			return
		}
		if !m.mem.InRange(fp, header*8) {
			return
		}
		pc, fp, call = m.load(fp+8), m.load(fp), true
	}
}

// lineWord is the word whose line a frame at pc stands in.
func lineWord(pc uint64, call bool) uint64 {
	if call && pc > 0 {
		return pc - 1
	}
	return pc
}

// Traceback is the text Go prints for goroutine record g: its header line and frames.
func (m *Machine) Traceback(g uint64) string {
	left := m.chain()
	return m.traceback(g, &left)
}

// traceback looks at left frames at most: stacks lie beside one another, unless memory is damaged.
func (m *Machine) traceback(g uint64, left *uint64) string {
	var b strings.Builder
	status := Status(m.load(g + gStatus))
	if g == m.g {
		status = StatusRunning
	}
	fmt.Fprintf(&b, "goroutine %d [%s%s]:\n", m.load(g+gID), status, m.bubbleText(g, status))
	var shown []CallerFrame
	first, wrapped := true, false
	m.Callers(g, func(f CallerFrame) bool {
		if !m.hidden(f, first, wrapped) {
			shown = append(shown, f)
		}
		first = first && f.Func != 0 && strings.HasPrefix(m.prog.Image.Funcs[f.Func].Name, "runtime.")
		wrapped = f.Func == 0
		*left -= min(*left, 1)
		return *left > 0
	})
	for i, n := 0, len(shown); i < n; i++ {
		if i == framesMax/2 && n > framesMax {
			fmt.Fprintf(&b, "...%d frames elided...\n", n-framesMax)
			i = n - framesMax/2
		}
		b.WriteString(m.prog.FrameText(shown[i].Func, shown[i].PC, lineWord(shown[i].PC, shown[i].Call)))
	}
	if pc := m.load(g + gParentPC); pc != 0 {
		b.WriteString(m.prog.CreatorText(pc, m.load(g+gParent)))
	}
	return b.String()
}

// hidden reports whether Go leaves a frame out: the runtime's own functions unless exported, wrappers, and the panic that began everything.
func (m *Machine) hidden(f CallerFrame, first, afterPanic bool) bool {
	if f.Func == 0 {
		return first
	}
	fn := &m.prog.Image.Funcs[f.Func]
	return fn.Flags&code.FuncWrapper != 0 && !afterPanic || text.Hidden(fn.Name)
}

// TracebackAll is the running goroutine's traceback, then all others', as Go prints them after a fatal error.
func (m *Machine) TracebackAll() string {
	var b strings.Builder
	left := m.chain()
	if m.g != 0 {
		b.WriteString(m.traceback(m.g, &left))
	}
	m.Goroutines(func(g GoroutineInfo) bool {
		if g.Record != m.g && !g.System {
			if b.Len() > 0 {
				b.WriteString("\n")
			}
			b.WriteString(m.traceback(g.Record, &left))
		}
		return true
	})
	return b.String()
}

// throw is the end of a run by a fatal error of the running goroutine.
func (m *Machine) throw(text string) { m.fatal(text) }

// fatal prints a fatal error with the tracebacks of all goroutines and ends the run with status 2.
func (m *Machine) fatal(text string) {
	m.dieWith(strings.TrimRight("fatal error: "+text+"\n\n"+m.TracebackAll(), "\n") + "\n") // without goroutines there is no trace
}

// stackOverflow is the end of a run whose goroutine's stack is at its limit.
func (m *Machine) stackOverflow() {
	m.dieWith(fmt.Sprintf("runtime: goroutine stack exceeds %d-byte limit\nfatal error: stack overflow\n\n%s", m.limits.StackBytes, m.Traceback(m.g)))
}

func (m *Machine) dieWith(text string) {
	if err := m.host.Stderr([]byte(text)); err != nil {
		m.fail(err)
		return
	}
	m.exit(2)
	m.store(rootExited, exitedFatal)
	m.stop.Fatal = true
}

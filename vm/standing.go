package vm

import (
	"fmt"
	"reflect"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/values"
)

// Goroutine is one goroutine of a snapshot.
type Goroutine struct {
	ID     uint64   `json:"id"`
	Status string   `json:"status"`          // as Go's tracebacks say it: running, chan receive, select ...
	Waits  []string `json:"waits,omitempty"` // what it waits for, in words that go after "waits"; of a select, each case
	Frames []Frame  `json:"frames"`
}

// Frame is one call of a goroutine, innermost first.
type Frame struct {
	Function string         `json:"function"`
	File     string         `json:"file"`
	Line     int            `json:"line"`
	PC       uint64         `json:"pc"`               // code word
	FP       uint64         `json:"fp"`               // guest address of the frame
	Locals   []VariableText `json:"locals,omitempty"` // variables of the program's own functions that still matter there
}

// Goroutines are those of the run, oldest first, with their frames. The cost is that of resuming the snapshot and reading what is told.
func (s *Snapshot) Goroutines() ([]Goroutine, error) {
	return look(s, func(m *Machine) ([]Goroutine, error) {
		var gs []Goroutine
		m.core.Goroutines(func(g exec.GoroutineInfo) bool {
			o := Goroutine{ID: g.ID, Status: g.Status.String()}
			for _, w := range m.core.Waits(g.Record) {
				o.Waits = append(o.Waits, m.waitText(w))
			}
			m.core.Callers(g.Record, func(f exec.CallerFrame) bool {
				if f.Func != 0 {
					at := f.PC
					if f.Call && at > 0 {
						at-- // the call, not what follows it
					}
					file, line := m.prog.text.LineAt(at)
					o.Frames = append(o.Frames, Frame{Function: m.prog.img.Funcs[f.Func].Name, File: file, Line: line, PC: f.PC, FP: f.Frame,
						Locals: m.locals(f.Frame, standsBefore(f, g, at))})
				}
				return true
			})
			gs = append(gs, o)
			return true
		})
		return gs, nil
	})
}

// standsBefore is the code word that frame f of g is at: that of a call or of an operation it waits in, else the next one. at is the word whose
// line is told.
func standsBefore(f exec.CallerFrame, g exec.GoroutineInfo, at uint64) uint64 {
	if f.Frame == g.Frame && (g.Status == exec.StatusRunnable || g.Status == exec.StatusRunning) {
		return f.PC
	}
	return at
}

// locals are the variables of a frame that stands at code word pc, innermost declared last.
func (m *Machine) locals(fp, pc uint64) (list []VariableText) {
	for _, l := range m.prog.text.LocalsAt(pc) {
		list = append(list, VariableText{l.Name, m.heap.TypeString(l.Type), values.Text(m.heap, m.prog.img.Funcs, l.Type, m.localAddr(l, fp))})
	}
	return list
}

// localAddr is the address in memory of a variable of the frame at fp.
func (m *Machine) localAddr(l code.Local, fp uint64) uint64 {
	slot := fp + 8*uint64(l.At)
	switch l.Place {
	case code.PlaceFrame:
		if kind := reflect.Kind(m.heap.TypeKind(l.Type)); (kind == reflect.Struct || kind == reflect.Array) && m.heap.TypeSize(l.Type) >= code.BoxedBytes {
			return m.mem.Load64(slot)
		}
		return slot
	case code.PlacePointer:
		return m.mem.Load64(slot)
	case code.PlaceClosure:
		return m.mem.Load64(m.mem.Load64(fp+16) + uint64(l.At))
	}
	return code.Base + uint64(l.At)
}

// waitText says what w is.
func (m *Machine) waitText(w exec.Wait) string {
	if !w.Chan {
		if o, ok := m.heap.Find(w.Addr); ok && o.Kind == heap.KindTimer {
			return "for a timer"
		}
		return "for " + m.whereIs(w.Addr)
	}
	if w.Addr == 0 {
		return "a nil channel"
	}
	verb := "to receive"
	if w.Send {
		verb = "to send"
	}
	return fmt.Sprintf("%s %s on <chan %#x>, which holds %d of %d", verb, m.heap.TypeString(w.Type), w.Addr, w.Len, w.Cap)
}

// whereIs names what stands at addr: a variable, or an object by its type.
func (m *Machine) whereIs(addr uint64) string {
	for _, g := range m.prog.img.Globals {
		if g.Name != "" && addr-g.Addr < m.heap.TypeSize(g.Type) {
			return g.Name
		}
	}
	if o, ok := m.heap.Find(addr); ok && o.Type != 0 {
		return fmt.Sprintf("a %s at %#x", m.heap.TypeString(o.Type), o.Addr)
	}
	return fmt.Sprintf("%#x", addr)
}

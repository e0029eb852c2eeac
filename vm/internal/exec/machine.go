// Package exec runs images: frames, dispatch, goroutines, channels, select, timers, panics. It is not the memory
// (package mem), the object heap and its types (package heap), nor the functions of the outside world (package host).
// Everything a run is stands in guest memory whenever Run has returned, so another Machine can Attach to a copy of the
// memory and continue. A word of straight-line code costs a few nanoseconds; a call about ten.
package exec

import (
	"fmt"
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/mem"
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
	return fmt.Sprintf("exec: %s limit of %d exceeded: start the run with a higher one", e.Limit, e.Max)
}

// Config is what a machine is made of.
type Config struct {
	Program *Program
	Mem     *mem.Memory
	Heap    *heap.Heap
	Host    Host
	Natives map[string]Native // by symbol; those of Builtins are always there
	Limits  Limits            // read by New only
	Seed    [4]uint64         // random state of select, map iteration and runtime.rand; read by New only

	// Untracked leaves out the store barrier: memory's epochs are not kept. For benchmarks only.
	Untracked bool
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
}

// slot is slot i of the frame at p.
func slot(p unsafe.Pointer, i int) *uint64 { return (*uint64)(unsafe.Add(p, uintptr(i)*8)) }

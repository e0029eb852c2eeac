// Package loop is the dispatch loop: it carries out instructions in their plain cases, on registers and memory alone. What can fault, crosses
// a page, touches a clean page, allocates, waits or calls into the host it leaves to its caller, package exec, with the position at the
// instruction. It trusts the code, which package check has verified, and nothing that is in memory.
//
// A word of straight-line code costs one to three nanoseconds, a call with its return about ten; leaving the loop and coming back about five.
package loop

import (
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// Why says why Run returned. The position is at the instruction, which is not carried out, but for Pause.
type Why int

const (
	// Slow: the instruction is the caller's to carry out: always, or in this case.
	Slow Why = iota
	// Pause: no words are left after a backward jump or a call, which is done.
	Pause
)

// left is the op of an instruction that the loop leaves to its caller without looking at it.
const left code.Op = 0

// Dispatch turns a verified op into what the loop goes by, which is one byte: ops beyond it are left to the caller.
func Dispatch(op code.Op) code.Op {
	if op > 254 {
		return left
	}
	return op
}

// State is the position of a run and what the loop reads of its program and memory.
type State struct {
	Base       unsafe.Pointer // host address of guest address code.Base
	Code       unsafe.Pointer // code word 0
	entries    unsafe.Pointer // entry of function 0
	marks      unsafe.Pointer // page epochs
	Size       uint64         // bytes of memory in use
	size8      uint64         // size / 8, 4, 2 (see turned)
	size4      uint64
	size2      uint64
	end2       uint64 // offset from which on a number of so many bytes does not fit
	end4       uint64
	end8       uint64
	end16      uint64
	end24      uint64
	FuncsLess1 uint64         // functions, less 1
	CodeLen    uint64         // code words
	frames     unsafe.Pointer // the last slot of a frame that goes on at each of them, 0: no instruction begins there
	Epoch      uint32         // memory's, at the last Sync
	Defers     uint64         // offset of the address of the running goroutine's newest deferred call

	// Frames may be entered and returned to without further ado from Lo (an offset) over Span bytes; Hi is the end as a host address.
	Lo, Span uint64
	Hi       uintptr

	PC   uintptr // code word
	FP   uint64  // guest address of the frame
	Left int64   // words until Pause
}

// Entry is what a call needs of a function.
type Entry struct {
	Start      uint32 // code word
	FrameBytes uint32
	Res, Args  uint16 // slots
	Flags      code.FuncFlag
}

// Offsets in abi.ITab.
const (
	ITabInter = 0
	ITabType  = 8
	ITabFun   = 24
)

// Bind makes s the state of a run in m: its code, its ops made by Dispatch or 0, the last slot of a frame that goes on at each word, 0 where no instruction begins, and its functions by index. Each slice
// is read as long as s is used; that of the words may be longer than frames.
func (s *State) Bind(m *mem.Memory, words []code.Instr, frames []uint16, entries []Entry) {
	*s = State{
		Base: m.Base(), marks: unsafe.Pointer(unsafe.SliceData(m.PageEpochs())),
		Code: unsafe.Pointer(unsafe.SliceData(words)), CodeLen: uint64(len(frames)), frames: unsafe.Pointer(unsafe.SliceData(frames)),
		entries: unsafe.Pointer(unsafe.SliceData(entries)), FuncsLess1: uint64(len(entries)) - 1,
	}
	s.Sync(m)
}

// Sync refreshes what s knows of memory's size and epoch.
func (s *State) Sync(m *mem.Memory) {
	s.Size = m.Size()
	s.end2, s.end4, s.end8, s.end16, s.end24 = s.Size-1, s.Size-3, s.Size-7, s.Size-15, s.Size-23
	s.size8, s.size4, s.size2 = s.Size/8, s.Size/4, s.Size/2
	if !mem.Tracked {
		s.size8, s.size4, s.size2 = s.end8, s.end4, s.end2
	}
	s.Epoch = m.Epoch()
}

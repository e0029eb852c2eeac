package exec

import "github.com/tandemvm/tandem/vm/internal/code"

// Observer is told of each instruction before it is carried out: for debuggers, tracers and external trackers. It
// must not change the run.
type Observer interface {
	Step(s *Step)
}

// Step is one instruction about to be carried out.
type Step struct {
	Goid   uint64
	Func   int32      // index in Image.Funcs
	PC     int32      // code word
	Instr  code.Instr // without code.Observed
	Ext    [2]uint64  // the words that follow it, as many as its form has
	Frame  uint64     // guest address of the frame
	Reads  []Span     // memory read, frame slots included; valid during the call of Step
	Writes []Span     // memory written, frame slots included; what runs inside heap operations and calls is not listed
}

// Span is a stretch of guest memory.
type Span struct {
	Addr, Bytes uint64
}

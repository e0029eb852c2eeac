package lower

import (
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/flow"
	"github.com/tandemvm/tandem/vm/internal/ir"
)

// What go/ssa keeps in a loop's state variable: 0 when the next iteration may begin, a positive number when the body left
// the loop by the exit of that number, and these.
const (
	rangeBusy = -1 // the body runs, or ended in a panic
	rangeDone = -2 // the iterator returned
)

// missingPanic is abi.RF_MISSING_PANIC: the iterator returned although the body panicked.
const missingPanic = 4

// rangeMisuse selects the panic of a loop over a function whose iterator misbehaves. go/ssa has texts of its own there; gc tells four
// cases apart, and so does the overlay's runtime.panicrange from the state. As in gc the misuse leaves the state busy, so that it is
// noticed behind an iterator that recovers from it. It reports whether i is such a panic.
func (s *sel) rangeMisuse(i *ssa.Panic) bool {
	var sym string
	var state ir.Loc
	switch b := i.Block(); b.Comment {
	case "yield-invalid":
		sym, state = "runtime.panicrange", s.val(flow.RangeState(b))
		s.setRangeState(b, rangeBusy)
	case "rangefunc.resume.busy":
		sym, state = "runtime.panicrangestate", s.word(missingPanic)
	default:
		return false
	}
	in := blank(code.Call)
	in.Imm = int64(s.u.FuncIndex(s.u.Prog.Body(sym)))
	s.callWith(in, nil, []arg{{l: state, n: 1}})
	s.end(blank(code.Trap))
	return true
}

// leaveRange marks a loop over a function as done where b begins the choice of its exit: go/ssa leaves the exit's number in the
// state, which is also there while the iterator still runs.
func (s *sel) leaveRange(b *ssa.BasicBlock) {
	if b.Comment == "rangefunc.resume.exits" {
		s.setRangeState(b, rangeDone)
	}
}

// setRangeState stores into the state that was compared on the one way into b.
func (s *sel) setRangeState(b *ssa.BasicBlock, state int64) {
	s.storeLoc(s.addrOf(flow.RangeState(b).X), s.word(uint64(state)), types.Typ[types.Int])
}

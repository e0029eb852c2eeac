package lower

import (
	"golang.org/x/tools/go/ssa"
)

// inlinable says whether a call of fn is replaced by its body.
func (s *sel) inlinable(fn *ssa.Function) bool { return false }

func (s *sel) inline(fn *ssa.Function, res []int64, args []arg) []loc {
	panic("BUG: lower: not inlinable")
}

package lower

import (
	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// classOf is where changes of the variable g go, and the merge kind of a shared one.
func (u *unit) classOf(g *ssa.Global) (code.Class, string) { return code.ClassRun, "" }

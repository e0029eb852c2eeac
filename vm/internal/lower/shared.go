package lower

import (
	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// classOf is where changes of the variable g go, and the merge kind of a shared one as its directive says it.
func (u *unit) classOf(g *ssa.Global) (code.Class, string) {
	for _, v := range u.prog.Variables {
		switch {
		case v.Global != g:
		case v.Local:
			return code.ClassLocal, ""
		default:
			return code.ClassShared, v.Text
		}
	}
	return code.ClassRun, ""
}

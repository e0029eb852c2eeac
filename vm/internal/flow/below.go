package flow

import (
	"go/constant"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/layout"
)

// Below says whether integer v, used in block at, is known to be in [0, n): by its type, by the operation that makes it, or because it counts
// up from a constant that is not negative and was compared with one that is at most n on every way from there.
func Below(v ssa.Value, n int64, at *ssa.BasicBlock) bool {
	return byShape(v, n) || byLoop(v, n, at)
}

// byShape is Below for what a value's type and operation say.
func byShape(v ssa.Value, n int64) bool {
	b, ok := v.Type().Underlying().(*types.Basic)
	if !ok || b.Info()&types.IsInteger == 0 {
		return false
	}
	unsigned := b.Info()&types.IsUnsigned != 0
	if unsigned && layout.Size(b) < 8 && n >= 1<<(8*layout.Size(b)) {
		return true
	}
	switch x := v.(type) {
	case *ssa.Const:
		k, ok := constInt(x)
		return ok && 0 <= k && k < n
	case *ssa.Convert:
		from, ok := x.X.Type().Underlying().(*types.Basic)
		if !ok || from.Info()&types.IsInteger == 0 {
			return false
		}
		// A number from 0 to below n keeps its value in a type that holds the numbers below n.
		bits := 8 * layout.Size(b)
		if !unsigned {
			bits--
		}
		return (bits >= 63 || n <= 1<<bits) && byShape(x.X, n)
	case *ssa.BinOp:
		switch x.Op {
		case token.AND:
			return masks(x.X, n) || masks(x.Y, n)
		case token.REM:
			k, ok := constInt(x.Y)
			return ok && unsigned && 0 < k && k <= n
		case token.SHR:
			k, ok := constInt(x.Y)
			bits := 8 * layout.Size(b)
			return ok && unsigned && 0 < k && k < bits && bits-k < 63 && 1<<(bits-k) <= n
		}
	}
	return false
}

// masks says whether v is a constant in [0, n): so is then what it is combined with by and.
func masks(v ssa.Value, n int64) bool {
	k, ok := constInt(v)
	return ok && 0 <= k && k < n
}

// constInt is the value of an integer constant that fits.
func constInt(v ssa.Value) (int64, bool) {
	c, ok := v.(*ssa.Const)
	if !ok || c.Value == nil || c.Value.Kind() != constant.Int {
		return 0, false
	}
	return constant.Int64Val(c.Value)
}

// stepMax bounds what a counter is raised by, and starts and ends with, so that 64 bits cannot overflow.
const stepMax = 1 << 31

// byLoop is Below for a counter: v is a phi, or one plus a constant; the phi's values from outside the loop are constants from which v is not
// negative, and those from within add to it. Somewhere v was compared with a constant, and the comparison's outcome decides about all ways to at and to
// those additions. A phi's value is compared anew each time it changes: its block comes before the one the comparison leads to, so no way leads from
// there to at around that.
func byLoop(v ssa.Value, n int64, at *ssa.BasicBlock) bool {
	phi, plus := counter(v)
	if phi == nil || plus < 0 || layout.Size(v.Type()) != 8 {
		return false
	}
	below := checked(v, n, at)
	if below == nil {
		return plus == 0 && byEdges(phi, n)
	}
	for k, e := range phi.Edges {
		if c, ok := constInt(e); ok {
			if c+plus < 0 || c < -stepMax || c > stepMax {
				return false
			}
			continue
		}
		p, step := counter(e)
		if p != phi || step <= 0 || !below.Dominates(phi.Block().Preds[k]) {
			return false
		}
	}
	return true
}

// byEdges is Below for a phi all of whose values are in range: constants, and what was added to it and compared at the end of the very way in, as a range
// over a number does it.
func byEdges(phi *ssa.Phi, n int64) bool {
	for k, e := range phi.Edges {
		if masks(e, n) {
			continue
		}
		pred := phi.Block().Preds[k]
		end, ok := pred.Instrs[len(pred.Instrs)-1].(*ssa.If)
		if !ok || pred.Succs[0] != phi.Block() || pred.Succs[1] == phi.Block() {
			return false
		}
		p, step := counter(e)
		limit, ok := lessThan(end.Cond, e)
		if p != phi || step <= 0 || !ok || limit > n {
			return false
		}
	}
	return true
}

// lessThan is the constant that v is less than if cond is true.
func lessThan(cond, v ssa.Value) (int64, bool) {
	c, ok := cond.(*ssa.BinOp)
	if !ok || c.X != v {
		return 0, false
	}
	limit, ok := constInt(c.Y)
	if !ok || limit > stepMax || limit < -stepMax {
		return 0, false
	}
	switch c.Op {
	case token.LSS:
		return limit, true
	case token.LEQ:
		return limit + 1, true
	}
	return 0, false
}

// counter takes v apart as a phi and what is added to it; the phi is nil when it is something else.
func counter(v ssa.Value) (phi *ssa.Phi, plus int64) {
	if b, ok := v.(*ssa.BinOp); ok && b.Op == token.ADD {
		k, ok := constInt(b.Y)
		if !ok || k < 0 || k > stepMax {
			return nil, 0
		}
		v, plus = b.X, k
	}
	phi, _ = v.(*ssa.Phi)
	return phi, plus
}

// checked is the block that is entered only when v turned out to be below n, or a smaller constant, and that dominates at; nil if there is none.
func checked(v ssa.Value, n int64, at *ssa.BasicBlock) *ssa.BasicBlock {
	for _, r := range *v.Referrers() {
		c, ok := r.(*ssa.BinOp)
		if !ok {
			continue
		}
		if limit, ok := lessThan(c, v); !ok || limit > n {
			continue
		}
		for _, u := range *c.Referrers() {
			if i, ok := u.(*ssa.If); ok {
				if yes := i.Block().Succs[0]; len(yes.Preds) == 1 && yes.Dominates(at) {
					return yes
				}
			}
		}
	}
	return nil
}

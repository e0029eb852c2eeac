package flow

import (
	"go/constant"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/layout"
)

// InBlankField says whether the address v is in a field named _: composite literals name such places, and gc leaves them zero.
func InBlankField(v ssa.Value) bool {
	for {
		switch x := v.(type) {
		case *ssa.FieldAddr:
			if layout.StructOf(layout.Pointee(x.X.Type())).Field(x.Field).Name() == "_" {
				return true
			}
			v = x.X
		case *ssa.IndexAddr:
			v = x.X
		default:
			return false
		}
	}
}

// RootAlloc is the variable that the address v is in, nil if none is known.
func RootAlloc(v ssa.Value) *ssa.Alloc {
	for {
		switch x := v.(type) {
		case *ssa.Alloc:
			return x
		case *ssa.FieldAddr:
			v = x.X
		case *ssa.IndexAddr:
			v = x.X
		default:
			return nil
		}
	}
}

// NonNil says whether pointer v cannot be nil.
func NonNil(v ssa.Value) bool {
	switch v := v.(type) {
	case *ssa.Alloc, *ssa.Global, *ssa.IndexAddr, *ssa.FieldAddr:
		return true
	case *ssa.FreeVar:
		return v.Parent().Parent() != nil // a captured variable, not the receiver of a method value
	}
	return false
}

// MayBeHuge says whether v can be beyond the greatest int as an unsigned number, as far as the instruction that makes it tells.
func MayBeHuge(v ssa.Value) bool {
	b, ok := v.Type().Underlying().(*types.Basic)
	if !ok || b.Info()&types.IsUnsigned == 0 || layout.Size(b) < 8 {
		return false
	}
	switch x := v.(type) {
	case *ssa.Const:
		return constant.Sign(constant.ToInt(x.Value)) < 0 || constant.BitLen(x.Value) > 63
	case *ssa.Convert:
		from, ok := x.X.Type().Underlying().(*types.Basic)
		return !ok || from.Info()&types.IsUnsigned == 0 || MayBeHuge(x.X)
	case *ssa.ChangeType:
		return MayBeHuge(x.X)
	case *ssa.BinOp:
		switch x.Op {
		case token.AND:
			return MayBeHuge(x.X) && MayBeHuge(x.Y)
		case token.REM:
			return MayBeHuge(x.Y)
		case token.SHR, token.QUO:
			c, ok := x.Y.(*ssa.Const)
			return MayBeHuge(x.X) && !(ok && constant.Sign(c.Value) > 0 && (x.Op == token.SHR || constant.BitLen(c.Value) > 1))
		}
	}
	return true
}

// IsGuard says whether v is go/ssa's flag of a package that has been initialised.
func IsGuard(v ssa.Value) bool {
	g, ok := v.(*ssa.Global)
	return ok && g.Name() == "init$guard"
}

// IsWrapper says whether fn is code between a caller and the function written.
func IsWrapper(fn *ssa.Function) bool {
	for _, p := range []string{"wrapper ", "bound ", "thunk ", "instantiation "} {
		if strings.HasPrefix(fn.Synthetic, p) {
			return true
		}
	}
	return false
}

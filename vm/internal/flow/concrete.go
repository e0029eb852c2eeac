package flow

import (
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/ssa"
)

// Concrete is the one type that the interface value v holds unless it is nil, where gc sees it as well and calls its methods directly: all that is assigned to
// a local variable is of that type. Else it is nil. Results of calls and parameters are not followed, though gc does where it inlines.
func Concrete(v ssa.Value) types.Type {
	c := concrete{seen: map[ssa.Value]bool{}}
	if !c.add(v) {
		return nil
	}
	return c.is
}

// concrete is what was found so far.
type concrete struct {
	seen map[ssa.Value]bool
	is   types.Type
}

// add reports whether v has no other type than those before.
func (c *concrete) add(v ssa.Value) bool {
	if c.seen[v] {
		return true
	}
	c.seen[v] = true
	switch v := v.(type) {
	case *ssa.Const:
		return v.Value == nil
	case *ssa.MakeInterface:
		t := v.X.Type()
		if c.is != nil && !types.Identical(c.is, t) {
			return false
		}
		c.is = t
		return true
	case *ssa.ChangeInterface:
		return c.add(v.X)
	case *ssa.TypeAssert:
		return types.IsInterface(v.AssertedType) && c.add(v.X)
	case *ssa.Extract:
		a, ok := v.Tuple.(*ssa.TypeAssert)
		return ok && v.Index == 0 && c.add(a)
	case *ssa.Phi:
		return !slices.ContainsFunc(v.Edges, func(e ssa.Value) bool { return !c.add(e) })
	case *ssa.UnOp:
		if v.Op != token.MUL {
			return false
		}
		a := declaration(v.X)
		return a != nil && c.stores(a)
	}
	return false
}

// stores adds what is stored to a variable, which is an Alloc or a FreeVar, here and in the closures that capture it.
func (c *concrete) stores(variable ssa.Value) bool {
	for _, i := range *variable.Referrers() {
		switch i := i.(type) {
		case *ssa.UnOp, *ssa.DebugRef:
		case *ssa.Store:
			if i.Addr != variable || !c.add(i.Val) {
				return false
			}
		case *ssa.MakeClosure:
			at := slices.Index(i.Bindings, variable)
			if at < 0 || !c.stores(i.Fn.(*ssa.Function).FreeVars[at]) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// declaration is the variable that v is or captures, nil if v is none.
func declaration(v ssa.Value) *ssa.Alloc {
	for {
		switch x := v.(type) {
		case *ssa.Alloc:
			return x
		case *ssa.FreeVar:
			if v = binding(x); v == nil {
				return nil
			}
		default:
			return nil
		}
	}
}

// binding is what the closure that v belongs to was made with for it, nil if it is made in several places or is no function literal.
func binding(v *ssa.FreeVar) ssa.Value {
	fn := v.Parent()
	if fn.Parent() == nil {
		return nil
	}
	var found ssa.Value
	for _, b := range fn.Parent().Blocks {
		for _, i := range b.Instrs {
			if m, ok := i.(*ssa.MakeClosure); ok && m.Fn == fn {
				if found != nil {
					return nil
				}
				found = m.Bindings[slices.Index(fn.FreeVars, v)]
			}
		}
	}
	return found
}

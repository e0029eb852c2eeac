package link

import (
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/layout"
)

// Instance tells package layout of which instance the types are that fn, if it is one of a generic function, declares: go/ssa makes them anew for each instance, by the
// same name. It has to come before anything asks for the names of types in fn. What it finds in fn and nobody told of is fn's own: the types of another
// instance get here only as arguments of calls within that, which was asked for before.
func (u *Unit) Instance(fn *ssa.Function) {
	for fn.Parent() != nil {
		fn = fn.Parent()
	}
	if u.instances[fn] || len(fn.TypeArgs()) == 0 || fn.Origin() == nil {
		return
	}
	u.instances[fn] = true
	origin, ok := fn.Origin().Object().(*types.Func)
	if !ok || origin.Scope() == nil || !declaresTypes(origin.Scope()) {
		return
	}
	f := finder{scope: origin.Scope(), args: fn.TypeArgs(), seen: map[types.Type]bool{}}
	f.function(fn)
}

// declaresTypes says whether types are declared in s or within.
func declaresTypes(s *types.Scope) bool {
	for _, name := range s.Names() {
		if tn, ok := s.Lookup(name).(*types.TypeName); ok && !tn.IsAlias() {
			if _, parameter := tn.Type().(*types.TypeParam); !parameter {
				return true
			}
		}
	}
	for i := range s.NumChildren() {
		if declaresTypes(s.Child(i)) {
			return true
		}
	}
	return false
}

// finder looks for the types that an instance declares.
type finder struct {
	scope *types.Scope
	args  []types.Type
	seen  map[types.Type]bool
}

func (f *finder) function(fn *ssa.Function) {
	for _, p := range fn.Params {
		f.typ(p.Type())
	}
	var operands []*ssa.Value
	for _, b := range fn.Blocks {
		for _, i := range b.Instrs {
			if v, ok := i.(ssa.Value); ok {
				f.typ(v.Type())
			}
			if a, ok := i.(*ssa.TypeAssert); ok {
				f.typ(a.AssertedType)
			}
			operands = i.Operands(operands[:0])
			for _, o := range operands {
				if *o != nil {
					f.typ((*o).Type())
				}
			}
		}
	}
	for _, a := range fn.AnonFuncs {
		f.function(a)
	}
}

// typ looks in t.
func (f *finder) typ(t types.Type) {
	t = types.Unalias(t)
	if t == nil || f.seen[t] {
		return
	}
	f.seen[t] = true
	switch t := t.(type) {
	case *types.Named:
		f.named(t)
	case *types.Map:
		f.typ(t.Key())
		f.typ(t.Elem())
	case *types.Tuple:
		for v := range t.Variables() {
			f.typ(v.Type())
		}
	case *types.Signature:
		f.typ(t.Params())
		f.typ(t.Results())
	case *types.Struct:
		for v := range t.Fields() {
			f.typ(v.Type())
		}
	case *types.Interface:
		for m := range t.Methods() {
			f.typ(m.Type())
		}
	case interface{ Elem() types.Type }:
		f.typ(t.Elem())
	}
}

func (f *finder) named(t *types.Named) {
	for a := range t.TypeArgs().Types() {
		f.typ(a)
	}
	if obj := t.Obj(); obj.Parent() == nil && f.scope.Contains(obj.Pos()) {
		layout.DeclareIn(obj, f.args)
		f.typ(t.Underlying())
	}
}

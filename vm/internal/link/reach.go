package link

import (
	"go/types"
	"iter"
	"slices"

	"github.com/tandemvm/tandem/vm/internal/layout"
)

// Reach follows which methods can be called through interfaces, as Go's linker does: a method of a type that can be in an
// interface is needed when an interface method of its name is called somewhere, or, once reflection can call
// methods by name or number, when it is exported.
type Reach struct {
	types   layout.TypeMap[bool] // types of values in interfaces and what reflection reaches from them
	seen    map[types.Type]bool
	called  map[string]bool
	dynamic bool // reflection may call any exported method
	changed bool
}

// methodKey tells methods apart as interfaces do.
func methodKey(m *types.Func) string {
	return m.Id() + layout.LinkString(types.NewSignatureType(nil, nil, nil, m.Signature().Params(), m.Signature().Results(), m.Signature().Variadic()))
}

// Calls notes a call of interface method m.
func (r *Reach) Calls(m *types.Func) {
	if isMethodQuery(m) && !r.dynamic {
		r.dynamic, r.changed = true, true
	}
	if k := methodKey(m); !r.called[k] {
		r.called[k], r.changed = true, true
	}
}

// isMethodQuery says whether m can be reflect.Type's Method or MethodByName, called through whatever interface.
func isMethodQuery(m *types.Func) bool {
	if m.Name() != "Method" && m.Name() != "MethodByName" || m.Signature().Results().Len() == 0 {
		return false
	}
	n, ok := types.Unalias(m.Signature().Results().At(0).Type()).(*types.Named)
	return ok && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == "reflect"
}

// Function notes that the function with symbol sym is called.
func (r *Reach) Function(sym string) {
	if r.dynamic {
		return
	}
	switch sym {
	case "reflect.Value.Method", "reflect.Value.MethodByName", "reflect.(*rtype).Method", "reflect.(*rtype).MethodByName":
		r.dynamic, r.changed = true, true
	}
}

// Converted notes that values of type t get into interfaces.
func (r *Reach) Converted(t types.Type) {
	if r.seen[t] {
		return
	}
	r.seen[t] = true
	if _, ok := r.types.Get(t); ok {
		return
	}
	r.types.Set(t, true)
	r.changed = true
	// What reflection reaches from a value of type t.
	switch x := types.Unalias(t).Underlying().(type) {
	case *types.Pointer:
		r.Converted(x.Elem())
	case *types.Slice:
		r.Converted(x.Elem())
	case *types.Array:
		r.Converted(x.Elem())
	case *types.Chan:
		r.Converted(x.Elem())
	case *types.Map:
		r.Converted(x.Key())
		r.Converted(x.Elem())
	case *types.Struct:
		for f := range x.Fields() {
			r.Converted(f.Type())
		}
	case *types.Signature:
		for v := range x.Params().Variables() {
			r.Converted(v.Type())
		}
		for v := range x.Results().Variables() {
			r.Converted(v.Type())
		}
	}
	if _, ok := types.Unalias(t).(*types.Named); ok && !types.IsInterface(t) {
		r.Converted(types.NewPointer(t)) // Value.Addr
	}
}

// Methods are the methods that can be called through interfaces as far as is known now, each with its type; none when
// nothing was noted since the call before.
func (u *Unit) Methods() iter.Seq2[types.Type, *types.Selection] {
	return func(yield func(types.Type, *types.Selection) bool) {
		r := &u.Reach
		if !r.changed {
			return
		}
		r.changed = false
		for _, t := range slices.Clone(r.types.Keys()) {
			if types.IsInterface(t) {
				continue
			}
			for _, m := range u.Data.MethodSet(t) {
				if r.wants(m) && !yield(t, m) {
					return
				}
			}
		}
	}
}

func (r *Reach) wants(m *types.Selection) bool {
	f := m.Obj().(*types.Func)
	return r.dynamic && f.Exported() || r.called[methodKey(f)]
}

// Wants says whether method m of type t can be called through interfaces.
func (r *Reach) Wants(t types.Type, m *types.Selection) bool {
	_, ok := r.types.Get(t)
	return ok && r.wants(m)
}

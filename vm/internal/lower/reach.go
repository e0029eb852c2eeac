package lower

import (
	"go/types"
	"slices"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/ir"
	"github.com/tandemvm/tandem/vm/internal/layout"
)

// reach follows which methods can be called through interfaces, as Go's linker does: a method of a type that can be in an
// interface is needed when an interface method of its name is called somewhere, or, once reflection can call
// methods by name or number, when it is exported.
type reach struct {
	types   layout.TypeMap[bool] // types of values in interfaces and what reflection reaches from them
	seen    map[types.Type]bool
	fresh   []types.Type // not yet looked at by methods
	called  map[string]bool
	dynamic bool // reflection may call any exported method
	changed bool
}

func newReach() reach {
	return reach{called: map[string]bool{}, seen: map[types.Type]bool{}}
}

// methodKey tells methods apart as interfaces do.
func methodKey(m *types.Func) string {
	return m.Id() + layout.LinkString(types.NewSignatureType(nil, nil, nil, m.Signature().Params(), m.Signature().Results(), m.Signature().Variadic()))
}

// calls notes a call of interface method m.
func (r *reach) calls(m *types.Func) {
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

// function notes that the function with symbol sym is called.
func (r *reach) function(u *unit, sym string) {
	if r.dynamic {
		return
	}
	switch sym {
	case "reflect.Value.Method", "reflect.Value.MethodByName", "reflect.(*rtype).Method", "reflect.(*rtype).MethodByName":
		r.dynamic, r.changed = true, true
	}
}

// converted notes that values of type t get into interfaces.
func (r *reach) converted(u *unit, t types.Type) {
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
		r.converted(u, x.Elem())
	case *types.Slice:
		r.converted(u, x.Elem())
	case *types.Array:
		r.converted(u, x.Elem())
	case *types.Chan:
		r.converted(u, x.Elem())
	case *types.Map:
		r.converted(u, x.Key())
		r.converted(u, x.Elem())
	case *types.Struct:
		for f := range x.Fields() {
			r.converted(u, f.Type())
		}
	case *types.Signature:
		for v := range x.Params().Variables() {
			r.converted(u, v.Type())
		}
		for v := range x.Results().Variables() {
			r.converted(u, v.Type())
		}
	}
	if _, ok := types.Unalias(t).(*types.Named); ok && !types.IsInterface(t) {
		r.converted(u, types.NewPointer(t)) // Value.Addr
	}
}

// methods adds the functions that became reachable through interfaces to the work; it reports whether there were any.
func (r *reach) methods(u *unit) bool {
	if !r.changed {
		return false
	}
	r.changed = false
	before := len(u.funcs)
	for _, t := range slices.Clone(r.types.Keys()) {
		if types.IsInterface(t) {
			continue
		}
		for _, sel := range u.data.MethodSet(t) {
			if r.wants(sel) {
				u.methodFuncs(t, sel)
			}
		}
	}
	return len(u.funcs) > before
}

func (r *reach) wants(sel *types.Selection) bool {
	m := sel.Obj().(*types.Func)
	return r.dynamic && m.Exported() || r.called[methodKey(m)]
}

// methodFuncs are the functions for method sel of type t: with the interface's data word as receiver, and with the receiver's
// own slots.
func (u *unit) methodFuncs(t types.Type, sel *types.Selection) (ifn, tfn int32) {
	fn := u.methodValue(sel)
	if fn == nil {
		return 0, 0
	}
	tfn = u.funcIndex(fn)
	if tr := u.trait(t); tr.ptr || tr.boxed {
		return tfn, tfn
	}
	sh := u.shapeOf(fn.Signature)
	recv := u.slots(t)
	inner := shape{res: sh.res, args: append([]int64{1}, sh.args[1:]...)}
	key := "unbox:" + layout.LinkString(t) + "." + sel.Obj().Id()
	ifn = u.synthetic(key, u.pointerName(t, sel), inner, func(s *sel_) { s.unboxed(fn, t, recv, inner) })
	return ifn, tfn
}

// pointerName is the name gc gives the wrapper of a value method that takes a pointer.
func (u *unit) pointerName(t types.Type, sel *types.Selection) string {
	name := "(*" + layout.TypeString(t) + ")." + sel.Obj().Name()
	if n, ok := types.Unalias(t).(*types.Named); ok && n.Obj().Pkg() != nil {
		base := n.Obj().Name()
		if n.TypeArgs().Len() > 0 {
			base += "[...]"
		}
		name = layout.PackagePath(n.Obj().Pkg()) + ".(*" + base + ")." + sel.Obj().Name()
	}
	return name
}

func (u *unit) methodValue(sel *types.Selection) (fn *ssa.Function) {
	fn = u.prog.SSA.MethodValue(sel)
	return fn
}

// sel_ is sel; the parameter name sel of this file is go/types' word for a method of a type.
type sel_ = sel

// unboxed calls fn with the receiver that the data word points to.
func (s *sel) unboxed(fn *ssa.Function, t types.Type, recv int64, sh shape) {
	args := []arg{{l: ir.NoLoc, n: recv, t: t}}
	if recv > 0 {
		args[0].l = s.f.NewLoc(recv)
		s.load(args[0].l, addr{kind: addrPtr, base: ir.At(s.params[0], 0)}, t)
	}
	for k, n := range sh.args[1:] {
		a := arg{n: n, l: ir.NoLoc}
		if s.params[k+1] != ir.NoReg {
			a.l = ir.At(s.params[k+1], 0)
		}
		args = append(args, a)
	}
	s.returnLocs(s.callFunction(fn, sh.res, args), sh.res)
}

package link

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/layout"
)

// NameOf is fn's name as Go's tracebacks print it.
func (u *Unit) NameOf(fn *ssa.Function) string {
	if fn.Parent() != nil {
		return u.closureName(fn)
	}
	name := fn.Name()
	obj, _ := fn.Object().(*types.Func)
	if o := fn.Origin(); o != nil && o != fn {
		name = o.Name()
		obj, _ = o.Object().(*types.Func)
	}
	pkg := u.packageOf(fn)
	prefix := ""
	if pkg != nil {
		prefix = layout.PackagePath(pkg) + "."
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			prefix = prefix[:i] + strings.ReplaceAll(prefix[i:len(prefix)-1], ".", "%2e") + "."
		}
	}
	if rest, ok := strings.CutPrefix(name, "init#"); ok {
		n := 0
		fmt.Sscan(rest, &n)
		return fmt.Sprintf("%sinit.%d", prefix, n-1)
	}
	bound := false
	if n, ok := strings.CutSuffix(name, "$bound"); ok {
		name, bound = n, true
	}
	if n, ok := strings.CutSuffix(name, "$thunk"); ok {
		name = n
	}
	generic := ""
	if fn.TypeArgs() != nil && len(fn.TypeArgs()) > 0 {
		generic = "[...]"
		if i := strings.IndexByte(name, '['); i >= 0 {
			name = name[:i]
		}
	}
	recv := fn.Signature.Recv()
	if recv == nil && obj != nil && strings.HasPrefix(fn.Synthetic, "bound ") {
		recv = obj.Signature().Recv()
	}
	if recv == nil && strings.HasPrefix(fn.Synthetic, "thunk ") && fn.Signature.Params().Len() > 0 {
		recv = fn.Signature.Params().At(0)
	}
	if recv == nil {
		return prefix + name + generic
	}
	t := types.Unalias(recv.Type())
	star := false
	if p, ok := t.(*types.Pointer); ok {
		t, star = types.Unalias(p.Elem()), true
	}
	base := layout.TypeString(t)
	if n, ok := t.(*types.Named); ok {
		base = n.Obj().Name()
		if n.TypeArgs().Len() > 0 {
			base += "[...]"
		}
	} else if pkg == nil {
		prefix = ""
	}
	if star {
		base = "(*" + base + ")"
	}
	name = prefix + base + "." + name
	if bound {
		name += "-fm"
	}
	return name
}

// packageOf is the package fn belongs to; for wrappers that of the receiver's type or the method.
func (u *Unit) packageOf(fn *ssa.Function) *types.Package {
	if fn.Pkg != nil {
		return fn.Pkg.Pkg
	}
	if o := fn.Origin(); o != nil && o.Pkg != nil {
		return o.Pkg.Pkg
	}
	if r := fn.Signature.Recv(); r != nil {
		t := types.Unalias(r.Type())
		if p, ok := t.(*types.Pointer); ok {
			t = types.Unalias(p.Elem())
		}
		if n, ok := t.(*types.Named); ok && n.Obj().Pkg() != nil {
			return n.Obj().Pkg()
		}
	}
	if o := fn.Object(); o != nil {
		return o.Pkg()
	}
	if p := fn.Parent(); p != nil {
		return u.packageOf(p)
	}
	return nil
}

// closureName follows gc: f.func1, a closure within it f.func1.1, the body of a range over a function f-range1.
func (u *Unit) closureName(fn *ssa.Function) string {
	isRange := func(f *ssa.Function) bool {
		_, ok := f.Syntax().(*ast.RangeStmt)
		return ok
	}
	outer := fn.Parent()
	if isRange(fn) {
		for isRange(outer) { // nested bodies are numbered in the function written
			outer = outer.Parent()
		}
		return fmt.Sprintf("%s-range%d", u.NameOf(outer), u.ordinal(fn, outer, isRange, true))
	}
	for isRange(outer) {
		outer = outer.Parent()
	}
	n := u.ordinal(fn, outer, isRange, false)
	if outer.Parent() != nil {
		return fmt.Sprintf("%s.%d", u.NameOf(outer), n)
	}
	return fmt.Sprintf("%s.func%d", u.NameOf(outer), n)
}

// ordinal numbers fn from 1 among the closures (or range bodies) written in outer, not counting those within other closures.
func (u *Unit) ordinal(fn, outer *ssa.Function, isRange func(*ssa.Function) bool, ranges bool) int {
	n, found := 0, 0
	var walk func(f *ssa.Function)
	walk = func(f *ssa.Function) {
		for _, a := range f.AnonFuncs {
			if found > 0 {
				return
			}
			r := isRange(a)
			if r == ranges {
				n++
				if a == fn {
					found = n
					return
				}
			}
			if r {
				walk(a)
			}
		}
	}
	walk(outer)
	return max(found, 1)
}

func (u *Unit) isStd(fn *ssa.Function) bool {
	p := u.packageOf(fn)
	return p != nil && u.Prog.IsStd(p)
}

// declaredAt is where fn is declared.
func (u *Unit) declaredAt(fn *ssa.Function) (file string, line int32) {
	p := fn.Pos()
	if s := fn.Syntax(); s != nil {
		p = s.Pos()
	}
	if p == token.NoPos {
		return "", 0
	}
	x := u.Prog.Fset.Position(p)
	return x.Filename, int32(x.Line)
}

// PointerName is the name gc gives the wrapper of the value method m of t that takes a pointer.
func PointerName(t types.Type, m *types.Selection) string {
	if n, ok := types.Unalias(t).(*types.Named); ok && n.Obj().Pkg() != nil {
		base := n.Obj().Name()
		if n.TypeArgs().Len() > 0 {
			base += "[...]"
		}
		return layout.PackagePath(n.Obj().Pkg()) + ".(*" + base + ")." + m.Obj().Name()
	}
	return "(*" + layout.TypeString(t) + ")." + m.Obj().Name()
}

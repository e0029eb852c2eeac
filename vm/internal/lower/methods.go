package lower

import (
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/ir"
	"github.com/tandemvm/tandem/vm/internal/layout"
	"github.com/tandemvm/tandem/vm/internal/link"
)

// methodFuncs are the functions for method m of type t: with the interface's data word as receiver, and with the receiver's
// own slots.
func (u *unit) methodFuncs(t types.Type, m *types.Selection) (ifn, tfn int32) {
	fn := u.Prog.SSA.MethodValue(m)
	if fn == nil {
		return 0, 0
	}
	tfn = u.FuncIndex(fn)
	if tr := u.Trait(t); tr.Ptr || tr.Boxed {
		return tfn, tfn
	}
	sh := u.ShapeOf(fn.Signature)
	recv := u.Slots(t)
	inner := link.Shape{Res: sh.Res, Args: append([]int64{1}, sh.Args[1:]...)}
	key := "unbox:" + layout.LinkString(t) + "." + m.Obj().Id()
	ifn = u.synthetic(key, link.PointerName(t, m), inner, func(s *sel) { s.unboxed(fn, t, recv, inner) })
	return ifn, tfn
}

// method is layout.Funcs.Method.
func (u *unit) method(recv types.Type, m *types.Selection) (ifn, tfn int32) {
	if !u.Reach.Wants(recv, m) {
		return 0, 0
	}
	return u.methodFuncs(recv, m)
}

// unboxed calls fn with the receiver that the data word points to.
func (s *sel) unboxed(fn *ssa.Function, t types.Type, recv int64, sh link.Shape) {
	args := []arg{{l: ir.NoLoc, n: recv, t: t}}
	if recv > 0 {
		args[0].l = s.f.NewLoc(recv)
		s.load(args[0].l, addr{kind: addrPtr, base: ir.At(s.params[0], 0)}, t)
	}
	for k, n := range sh.Args[1:] {
		a := arg{n: n, l: ir.NoLoc}
		if s.params[k+1] != ir.NoReg {
			a.l = ir.At(s.params[k+1], 0)
		}
		args = append(args, a)
	}
	s.returnLocs(s.callFunction(fn, sh.Res, args), sh.Res)
}

package lower

import (
	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/flow"
	"github.com/tandemvm/tandem/vm/internal/ir"
)

// Ops take indexes as signed; both kinds out of range are one unsigned comparison. Only the text of the panic differs for an
// unsigned index beyond the greatest int, so such an index is looked at before the op, unless its text shows that it is small.

// index is the value of index v; a panic tells its bound, n.
func (s *sel) index(v ssa.Value, n func() ir.Loc) ir.Loc {
	l := s.val(v)
	if flow.MayBeHuge(v) {
		s.notHuge(l, "runtime.panicIndexU", n)
	}
	return l
}

// sliceBounds looks at the operands of a slice expression, the last first: each is compared with the next, the last with the limit.
func (s *sel) sliceBounds(i *ssa.Slice, in ir.Inst) {
	limit := func() ir.Loc {
		switch in.Op {
		case code.SliceStr:
			return in.B.Plus(1)
		case code.SliceArr:
			return s.word(in.Ext >> 32)
		}
		return in.B.Plus(2)
	}
	whole := "Acap"
	if in.Op != code.Slice {
		whole = "Alen"
	}
	names := [3]string{"B", whole, ""}
	if i.Max != nil {
		names = [3]string{"3C", "3B", "3" + whole}
	}
	for k, v := range []ssa.Value{i.Low, i.High, i.Max} {
		if v == nil || !flow.MayBeHuge(v) {
			continue
		}
		next := []func() ir.Loc{} // the operands after v, then the limit
		for _, x := range in.X[k+1:] {
			if x != ir.NoLoc {
				next = append(next, func() ir.Loc { return x })
			}
		}
		if k == 0 && i.High == nil && in.Op == code.Slice {
			next = append(next, func() ir.Loc { return in.B.Plus(1) })
		}
		s.notHuge(in.X[k], "runtime.panicSlice"+names[k]+"U", append(next, limit)...)
	}
}

// notHuge calls guest function sym with l and next[0] when l is beyond the greatest int, unless next is not in order: the op
// complains about that first.
func (s *sel) notHuge(l ir.Loc, sym string, next ...func() ir.Loc) {
	f := s.u.Prog.Body(sym)
	if f == nil {
		return
	}
	bad, good := s.newBlock(), s.newBlock()
	s.branch(code.JLtSI, l, ir.NoLoc, 0, bad, good)
	s.begin(bad)
	for k := len(next) - 1; k > 0; k-- {
		ordered := s.newBlock()
		s.branch(code.JLeU, next[k-1](), next[k](), 0, ordered, good)
		s.begin(ordered)
	}
	in := blank(code.Call)
	in.Imm = int64(s.u.FuncIndex(f))
	s.callWith(in, nil, []arg{{l: l, n: 1}, {l: next[0](), n: 1}})
	s.end(blank(code.Trap))
	s.begin(good)
}

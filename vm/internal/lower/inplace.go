package lower

import (
	"go/token"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/flow"
	"github.com/tandemvm/tandem/vm/internal/ir"
	"github.com/tandemvm/tandem/vm/internal/layout"
)

// inPlace is m[k] op= v, or m[k] = append(m[k], v): gc asks the map once, for the place of an assignment, with what an assignment says of the map and the key, and
// works on what stands there.
type inPlace struct {
	was    *ssa.Lookup
	update *ssa.MapUpdate
}

// inPlace recognises it by its end, the k'th instruction of b: what go/ssa looks up and updates for one expression has one position. Divisions are left
// out: they may panic when the key is not to be in the map yet, so gc looks up first.
func (s *sel) inPlace(up *ssa.MapUpdate, b *ssa.BasicBlock, k int) {
	x, ok := up.Value.(ssa.Instruction)
	if !ok || k == 0 || b.Instrs[k-1] != x || !up.Pos().IsValid() || flow.Only(up.Value) != up {
		return
	}
	var old ssa.Value
	switch x := x.(type) {
	case *ssa.BinOp:
		if x.Op == token.QUO || x.Op == token.REM {
			return
		}
		old = x.X
	case *ssa.Call:
		if f, ok := x.Call.Value.(*ssa.Builtin); !ok || f.Name() != "append" {
			return
		}
		old = x.Call.Args[0]
	}
	was, ok := old.(*ssa.Lookup)
	if !ok || was.Pos() != up.Pos() || flow.Only(was) != x || was.Block() != b || s.u.Trait(was.Type()).Boxed {
		return
	}
	s.skip[was], s.skip[up] = true, true
	s.inPlaces[x] = inPlace{was, up}
}

// updateInPlace selects x, which computes what is to stand there.
func (s *sel) updateInPlace(x ssa.Instruction, i inPlace) {
	p, up := s.new1(), i.update
	s.opX(code.MapPut, 1, p, s.val(up.Map), s.val(up.Key), s.u.TypeAddr(up.Map.Type()))
	a := addr{kind: addrPtr, base: p}
	if b, ok := x.(*ssa.BinOp); ok && b.Op == token.ADD && s.u.Size(b.Type()) == 8 && layout.IsInteger(b.Type()) {
		s.op3(code.AddM64, p, s.val(b.Y), ir.NoLoc)
		return
	}
	s.load(s.define(i.was), a, i.was.Type())
	delete(s.inPlaces, x)
	s.instr(x)
	s.store(a, up.Value)
}

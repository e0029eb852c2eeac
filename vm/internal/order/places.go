package order

import (
	"go/ast"
	"go/token"
	"go/types"
)

// In an assignment gc evaluates what is read late of the value, and then of the place. go/ssa finds the place first, but for the last step, which panics with the
// store. Which of the two is named when both panic is the only difference.

// valueFirst says whether value has to be taken out before place is found.
func (s *Sequencer) valueFirst(place, value ast.Expr, plain bool) bool {
	return s.faults(value) && (s.lateKey(place) || plain && s.lost(place))
}

// lateKey says whether e is in a map, at a key that may panic and is not looked at before the value is there.
func (s *Sequencer) lateKey(e ast.Expr) bool {
	x, ok := ast.Unparen(e).(*ast.IndexExpr)
	if !ok {
		return false
	}
	m, ok := s.info.TypeOf(x.X).Underlying().(*types.Map)
	return ok && (s.fast(m) || s.addressable(x.Index)) && s.faults(x.Index)
}

// lost says whether the place e may panic before something is stored there.
func (s *Sequencer) lost(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return s.lost(e.X)
	case *ast.StarExpr:
		return s.faults(e.X)
	case *ast.SelectorExpr:
		sel := s.info.Selections[e]
		return sel != nil && (s.faults(e.X) || sel.Indirect() && len(sel.Index()) > 1)
	case *ast.IndexExpr:
		t := s.info.TypeOf(e.X)
		if _, ok := t.Underlying().(*types.Map); ok {
			return false
		}
		if s.faults(e.X) || s.faults(e.Index) || parametric(s.info.TypeOf(e)) {
			return true
		}
		switch s.sizes.Sizeof(s.info.TypeOf(e)) {
		case 1, 2, 4, 8:
			return false
		}
		_, array := t.Underlying().(*types.Array)
		return !array || s.info.Types[e.Index].Value == nil
	}
	return false
}

// takeValue takes value out, and before it what of place gc copies (safeExpr of cmd/compile/internal/walk).
func (s *Sequencer) takeValue(place, value *ast.Expr) {
	s.settle(place)
	s.takeOut(value)
}

// settle takes out of a place what is more than variables, fields, elements and what pointers point to.
func (s *Sequencer) settle(e *ast.Expr) {
	if tv := s.info.Types[*e]; tv.Value != nil || tv.IsNil() {
		return
	}
	switch x := (*e).(type) {
	case *ast.Ident:
	case *ast.ParenExpr:
		s.settle(&x.X)
	case *ast.StarExpr:
		s.settle(&x.X)
	case *ast.SelectorExpr:
		if s.info.Selections[x] != nil {
			s.settle(&x.X)
		}
	case *ast.IndexExpr:
		s.settle(&x.X)
		s.settle(&x.Index)
	default:
		if s.faults(*e) {
			s.takeOut(e)
		}
	}
}

// several says whether more than one part of an assignment of several values may panic.
func (s *Sequencer) several(x *ast.AssignStmt) bool {
	n := 0
	for _, list := range [][]ast.Expr{x.Lhs, x.Rhs} {
		for _, e := range list {
			if s.faults(e) {
				n++
			}
		}
	}
	return n > 1
}

// oneByOne makes of x what gc does: what an assignment before may change is read before all of them, and then each is done, its value before its place
// (cmd/compile/internal/walk, ascompatee).
func (s *Sequencer) oneByOne(x *ast.AssignStmt) {
	a := assigned{s: s, names: map[types.Object]bool{}}
	for i := range x.Lhs {
		a.place(&x.Lhs[i])
		a.save(&x.Rhs[i])
		a.wrote(x.Lhs[i])
	}
	last := len(x.Lhs) - 1
	for i := range x.Lhs {
		if s.valueFirst(x.Lhs[i], x.Rhs[i], true) {
			s.takeValue(&x.Lhs[i], &x.Rhs[i])
		}
		if i < last {
			s.out = append(s.out, &ast.AssignStmt{Lhs: x.Lhs[i : i+1 : i+1], TokPos: x.TokPos, Tok: token.ASSIGN, Rhs: x.Rhs[i : i+1 : i+1]})
		}
	}
	x.Lhs, x.Rhs = x.Lhs[last:], x.Rhs[last:]
}

// assigned is what the assignments looked at so far may change.
type assigned struct {
	s      *Sequencer
	names  map[types.Object]bool // variables that only their function's statements change
	memory bool
}

// save takes e out if its value may be another after the assignments so far.
func (a *assigned) save(e *ast.Expr) {
	if id, ok := (*e).(*ast.Ident); ok && id.Name == "_" {
		return
	}
	if tv := a.s.info.Types[*e]; tv.Value == nil && !tv.IsNil() && a.affects(*e) {
		a.s.takeOut(e)
	}
}

func (a *assigned) affects(e ast.Expr) (yes bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			if v, ok := a.s.info.Uses[n].(*types.Var); ok && !v.IsField() {
				yes = yes || a.names[v] || a.memory && a.s.inMemory(v)
			}
		case *ast.SelectorExpr:
			sel := a.s.info.Selections[n]
			yes = yes || a.memory && sel != nil && sel.Indirect()
		case *ast.IndexExpr, *ast.StarExpr, *ast.SliceExpr, *ast.CompositeLit, *ast.FuncLit:
			yes = yes || a.memory && !a.s.info.Types[n.(ast.Expr)].IsType()
		case *ast.UnaryExpr:
			yes = yes || a.memory && n.Op == token.AND
		case *ast.CallExpr:
			yes = yes || a.memory && !a.s.info.Types[n.Fun].IsType()
		}
		return !yes
	})
	return yes
}

// inMemory says whether v is changed by more than the statements of its function.
func (s *Sequencer) inMemory(v *types.Var) bool {
	return s.shared[v] || v.Pkg() != nil && v.Parent() == v.Pkg().Scope()
}

// place saves what is needed to find e.
func (a *assigned) place(e *ast.Expr) {
	switch x := (*e).(type) {
	case *ast.ParenExpr:
		a.place(&x.X)
	case *ast.StarExpr:
		a.save(&x.X)
	case *ast.SelectorExpr:
		switch sel := a.s.info.Selections[x]; {
		case sel == nil:
		case sel.Indirect():
			a.save(&x.X)
		default:
			a.place(&x.X)
		}
	case *ast.IndexExpr:
		if _, ok := a.s.info.TypeOf(x.X).Underlying().(*types.Array); ok {
			a.save(&x.Index)
			a.place(&x.X)
			return
		}
		a.save(&x.X)
		a.save(&x.Index)
	}
}

// wrote notes an assignment to e.
func (a *assigned) wrote(e ast.Expr) {
	if id, ok := ast.Unparen(e).(*ast.Ident); ok {
		if v, ok := a.s.info.Uses[id].(*types.Var); ok && !a.s.inMemory(v) {
			a.names[v] = true
			return
		}
		if id.Name == "_" {
			return
		}
	}
	a.memory = true
}

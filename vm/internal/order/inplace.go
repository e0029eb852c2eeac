package order

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
)

// appends finds m[k] = append(m[k], ...), which gc evaluates as m[k] op= ...: the map is asked once, for the place.
func (s *Sequencer) appends(x *ast.AssignStmt) (at *ast.IndexExpr, call *ast.CallExpr) {
	if x.Tok != token.ASSIGN || len(x.Lhs) != 1 || len(x.Rhs) != 1 {
		return nil, nil
	}
	at, ok := ast.Unparen(x.Lhs[0]).(*ast.IndexExpr)
	if !ok {
		return nil, nil
	}
	if _, ok := s.info.TypeOf(at.X).Underlying().(*types.Map); !ok {
		return nil, nil
	}
	call, ok = ast.Unparen(x.Rhs[0]).(*ast.CallExpr)
	if !ok || !s.info.Types[call.Fun].IsBuiltin() || !s.same(at, call.Args[0]) {
		return nil, nil
	}
	if name, ok := ast.Unparen(call.Fun).(*ast.Ident); !ok || name.Name != "append" {
		return nil, nil
	}
	return at, call
}

// appendInPlace visits the parts of what appends finds: the map and the key are known before what is appended, unless they are variables. That it is one
// place shows by its being one expression: go/ssa gives both uses the same position, and package lower looks for that.
func (s *Sequencer) appendInPlace(at *ast.IndexExpr, call *ast.CallExpr) {
	call.Args[0] = at
	m := s.info.TypeOf(at.X).Underlying().(*types.Map)
	before := s.late
	if s.visit(&at.X, nil); !s.variableAlone(at.X) {
		s.early(&at.X, before)
	}
	before = s.late
	s.visit(&at.Index, m.Key())
	if s.info.Types[at.Index].Value == nil && (!s.variableAlone(at.Index) || s.fast(m) && !asked(m.Key())) {
		s.early(&at.Index, before)
	}
	to := s.appended(call)
	for i := range call.Args[1:] {
		s.visit(&call.Args[i+1], to)
	}
}

// variableAlone says whether e is a variable and nothing more.
func (s *Sequencer) variableAlone(e ast.Expr) bool {
	switch x := ast.Unparen(e).(type) {
	case *ast.Ident:
		return true
	case *ast.SelectorExpr:
		return s.info.Selections[x] == nil
	}
	return false
}

// asked says whether gc asks maps for keys of type t as they are; others of a few bytes are converted, which copies them where they stand.
func asked(t types.Type) bool {
	b, ok := types.Unalias(t).(*types.Basic)
	return ok && (b.Kind() == types.String || b.Kind() == types.Uint32 || b.Kind() == types.Uint64 || b.Kind() == types.UnsafePointer)
}

// same says whether x and y are the same expression without calls, in gc's words (SameSafeExpr of cmd/compile/internal/ir).
func (s *Sequencer) same(x, y ast.Expr) bool {
	x, y = ast.Unparen(x), ast.Unparen(y)
	tx, ty := s.info.Types[x], s.info.Types[y]
	if tx.Value != nil || ty.Value != nil {
		return tx.Value != nil && ty.Value != nil && types.Identical(tx.Type, ty.Type) && constant.Compare(tx.Value, token.EQL, ty.Value)
	}
	switch x := x.(type) {
	case *ast.Ident:
		y, ok := y.(*ast.Ident)
		return ok && s.info.ObjectOf(x) == s.info.ObjectOf(y)
	case *ast.SelectorExpr:
		y, ok := y.(*ast.SelectorExpr)
		if !ok || s.info.Uses[x.Sel] != s.info.Uses[y.Sel] {
			return false
		}
		sel := s.info.Selections[x]
		return sel == nil || sel.Kind() == types.FieldVal && s.same(x.X, y.X)
	case *ast.StarExpr:
		y, ok := y.(*ast.StarExpr)
		return ok && s.same(x.X, y.X)
	case *ast.UnaryExpr:
		y, ok := y.(*ast.UnaryExpr)
		return ok && x.Op == y.Op && x.Op != token.AND && x.Op != token.ARROW && s.same(x.X, y.X)
	case *ast.BinaryExpr:
		y, ok := y.(*ast.BinaryExpr)
		return ok && x.Op == y.Op && tx.Type != nil && !comparison(x.Op) && !isString(tx.Type) && s.same(x.X, y.X) && s.same(x.Y, y.Y)
	case *ast.IndexExpr:
		y, ok := y.(*ast.IndexExpr)
		if m, isMap := s.info.TypeOf(x.X).Underlying().(*types.Map); isMap && types.IsInterface(m.Key()) && !types.IsInterface(s.info.TypeOf(x.Index)) {
			return false // there is a conversion
		}
		return ok && s.same(x.X, y.X) && s.same(x.Index, y.Index)
	case *ast.CallExpr: // of numbers
		y, ok := y.(*ast.CallExpr)
		return ok && tx.IsValue() && s.info.Types[x.Fun].IsType() && s.info.Types[y.Fun].IsType() && types.Identical(tx.Type, ty.Type) && isNumber(tx.Type) &&
			len(x.Args) == 1 && isNumber(s.info.TypeOf(x.Args[0])) && s.same(x.Args[0], y.Args[0])
	}
	return false
}

func comparison(op token.Token) bool {
	switch op {
	case token.LAND, token.LOR, token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
		return true
	}
	return false
}

func isNumber(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsNumeric != 0
}

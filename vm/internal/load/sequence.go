package load

import (
	"go/ast"
	"go/token"
	"go/types"
)

// The language leaves open whether `return v, v.read()` reads v before or after the call, and programs depend on what gc does: of the
// expressions of one list, those that call, receive, assert or look into a map are evaluated in order, and then the rest. go/ssa
// goes from left to right, so such lists have the former taken out, into new variables before the statement.

// sequence does that to the statements of a block.
func sequence(list []ast.Stmt, pkg *types.Package, info *types.Info) []ast.Stmt {
	var out []ast.Stmt
	for i, s := range list {
		exprs := expressions(s, info)
		if last := lastEffect(exprs, info); reads(exprs[:last], info) {
			if out == nil {
				out = append(make([]ast.Stmt, 0, len(list)+1), list[:i]...)
			}
			for k, e := range exprs[:last+1] {
				if effect(e, info) {
					out = append(out, takeOut(&exprs[k], pkg, info))
				}
			}
		}
		if out != nil {
			out = append(out, s)
		}
	}
	if out == nil {
		return list
	}
	return out
}

// expressions are those of a statement that are evaluated as one list, nothing before them.
func expressions(s ast.Stmt, info *types.Info) []ast.Expr {
	switch s := s.(type) {
	case *ast.ReturnStmt:
		if len(s.Results) == 1 {
			return arguments(s.Results[0], info)
		}
		return s.Results
	case *ast.AssignStmt:
		if len(s.Rhs) == 1 {
			return nil
		}
		for _, e := range s.Lhs {
			if effect(e, info) {
				return nil
			}
		}
		return s.Rhs
	case *ast.ExprStmt:
		return arguments(s.X, info)
	}
	return nil
}

// arguments are those of a call of a declared function, or the elements of a list of values.
func arguments(e ast.Expr, info *types.Info) []ast.Expr {
	switch e := ast.Unparen(e).(type) {
	case *ast.CallExpr:
		var name *ast.Ident
		switch f := ast.Unparen(e.Fun).(type) {
		case *ast.Ident:
			name = f
		case *ast.SelectorExpr:
			if x, ok := f.X.(*ast.Ident); ok {
				if _, ok := info.Uses[x].(*types.PkgName); ok {
					name = f.Sel
				}
			}
		}
		if name == nil || len(e.Args) < 2 {
			return nil
		}
		if _, ok := info.Uses[name].(*types.Func); ok {
			return e.Args
		}
	case *ast.CompositeLit:
		if _, ok := info.TypeOf(e).Underlying().(*types.Map); ok {
			return nil
		}
		for _, x := range e.Elts {
			if _, ok := x.(*ast.KeyValueExpr); ok {
				return nil
			}
			if lit, ok := x.(*ast.CompositeLit); ok && lit.Type == nil {
				return nil // its type is that of the list's elements
			}
		}
		return e.Elts
	}
	return nil
}

// lastEffect is the index of the last expression that has an effect, 0 if there is none after the first.
func lastEffect(exprs []ast.Expr, info *types.Info) int {
	for i := len(exprs) - 1; i > 0; i-- {
		if effect(exprs[i], info) {
			return i
		}
	}
	return 0
}

// reads says whether one of the expressions is evaluated after those with effects, and may see them.
func reads(exprs []ast.Expr, info *types.Info) bool {
	for _, e := range exprs {
		if tv := info.Types[e]; tv.Value != nil || tv.IsNil() || effect(e, info) {
			continue
		}
		if _, ok := ast.Unparen(e).(*ast.FuncLit); !ok {
			return true
		}
	}
	return false
}

// effect says whether gc evaluates an expression in its place in a list.
func effect(e ast.Expr, info *types.Info) (yes bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CallExpr:
			switch tv := info.Types[n.Fun]; {
			case tv.IsBuiltin():
				f, ok := ast.Unparen(n.Fun).(*ast.Ident) // else one of package unsafe
				yes = yes || ok && (f.Name == "append" || f.Name == "copy" || f.Name == "recover")
			case !tv.IsType():
				yes = true
			}
		case *ast.UnaryExpr:
			yes = yes || n.Op == token.ARROW
		case *ast.BinaryExpr:
			yes = yes || n.Op == token.LAND || n.Op == token.LOR
		case *ast.TypeAssertExpr:
			yes = true
		case *ast.IndexExpr:
			if t := info.TypeOf(n.X); t != nil {
				_, m := t.Underlying().(*types.Map)
				yes = yes || m
			}
		}
		return !yes
	})
	return yes
}

// takeOut puts a new variable in the place of an expression and returns its definition.
func takeOut(e *ast.Expr, pkg *types.Package, info *types.Info) ast.Stmt {
	pos := (*e).Pos()
	d, u := &ast.Ident{NamePos: pos, Name: "taken"}, &ast.Ident{NamePos: pos, Name: "taken"}
	v := types.NewVar(pos, pkg, d.Name, types.Default(info.TypeOf(*e)))
	info.Defs[d], info.Uses[u] = v, v
	define := &ast.AssignStmt{Lhs: []ast.Expr{d}, TokPos: pos, Tok: token.DEFINE, Rhs: []ast.Expr{*e}}
	*e = u
	return define
}

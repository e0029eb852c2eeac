package load

import (
	"go/ast"
	"go/token"
	"go/types"

	"github.com/tandemvm/tandem/vm/internal/order"
)

// reshape rewrites, in checked files, expressions that gc evaluates in another order (package order), and the two statements that go/ssa evaluates otherwise than the language says, into ones of the same
// meaning that it gets right:
//   - a range over *p without calls, of which no element is used, does not look at *p: it becomes a range over p;
//   - in a select of one case, the places received into are evaluated after the receive: it goes through new variables.
func reshape(files []*ast.File, pkg *types.Package, info *types.Info) {
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool { // before calls are taken out of what is ranged over
			if n, ok := n.(*ast.RangeStmt); ok {
				reshapeRange(n, info)
			}
			return true
		})
		s := order.New(f, info)
		var around []ast.Node
		ast.Inspect(f, func(n ast.Node) bool {
			if n == nil {
				s.Leave(around[len(around)-1])
				around = around[:len(around)-1]
				return false
			}
			around = append(around, n)
			s.Enter(n)
			if n, ok := n.(*ast.SelectStmt); ok && len(n.Body.List) == 1 {
				reshapeReceive(n.Body.List[0].(*ast.CommClause), pkg, info)
			}
			return true
		})
	}
}

func reshapeRange(n *ast.RangeStmt, info *types.Info) {
	star, ok := ast.Unparen(n.X).(*ast.StarExpr)
	if !ok || n.Value != nil { // not even if it is _, which gc takes for an element used
		return
	}
	p, ok := info.TypeOf(star.X).Underlying().(*types.Pointer)
	if !ok {
		return
	}
	if _, ok := p.Elem().Underlying().(*types.Array); !ok || evaluated(star.X, info) {
		return
	}
	n.X = star.X
}

// evaluated says whether the length of array e is no constant: e has a call or a receive in it.
func evaluated(e ast.Expr, info *types.Info) (yes bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CallExpr:
			yes = yes || !info.Types[n.Fun].IsType()
		case *ast.UnaryExpr:
			yes = yes || n.Op == token.ARROW
		}
		return !yes
	})
	return yes
}

func reshapeReceive(c *ast.CommClause, pkg *types.Package, info *types.Info) {
	a, ok := c.Comm.(*ast.AssignStmt)
	if !ok || a.Tok != token.ASSIGN {
		return
	}
	parts := []types.Type{info.TypeOf(a.Rhs[0])}
	if t, ok := parts[0].(*types.Tuple); ok {
		parts = []types.Type{t.At(0).Type(), t.At(1).Type()}
	}
	define := &ast.AssignStmt{TokPos: a.TokPos, Tok: token.DEFINE, Rhs: a.Rhs}
	assign := &ast.AssignStmt{Lhs: a.Lhs, TokPos: a.TokPos, Tok: token.ASSIGN}
	for i, t := range parts {
		d, u := &ast.Ident{NamePos: a.Lhs[i].Pos(), Name: "received"}, &ast.Ident{NamePos: a.TokPos, Name: "received"}
		v := types.NewVar(d.NamePos, pkg, d.Name, t)
		info.Defs[d], info.Uses[u] = v, v
		define.Lhs, assign.Rhs = append(define.Lhs, d), append(assign.Rhs, u)
	}
	c.Comm, c.Body = define, append([]ast.Stmt{assign}, c.Body...)
}

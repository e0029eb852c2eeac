package order

import (
	"go/ast"
	"go/token"
	"go/types"
)

// received makes a statement of its own, in the body, of what a range assigns to places that have something to be taken out. The places are found before the element
// is read: calls among what they are made of may change it.
func (s *Sequencer) received(n *ast.RangeStmt) {
	if n.Tok != token.ASSIGN {
		return
	}
	again := s.reread(n)
	before := s.needed(func() {
		for _, x := range []*ast.Expr{&n.Key, &n.Value} {
			if *x != nil {
				s.place(x)
			}
		}
	})
	if len(before) == 0 && !again {
		return
	}
	assign := &ast.AssignStmt{TokPos: n.TokPos, Tok: token.ASSIGN}
	place := func(x, value ast.Expr) {
		if id, ok := x.(*ast.Ident); !ok || id.Name != "_" {
			assign.Lhs, assign.Rhs = append(assign.Lhs, x), append(assign.Rhs, value)
		}
	}
	key := n.Key
	if id, ok := key.(*ast.Ident); !ok || id.Name != "_" || again {
		t := s.info.TypeOf(key)
		if again {
			t = types.Typ[types.Int]
		}
		use := s.variable(key.Pos(), t)
		n.Key = use.define
		place(key, use.Ident)
		if again {
			at := &ast.IndexExpr{X: n.X, Lbrack: n.Value.Pos(), Index: use.Ident, Rbrack: n.Value.Pos()}
			s.info.Types[at] = types.TypeAndValue{Type: element(s.info.TypeOf(n.X))}
			place(n.Value, at)
			n.Value = nil
		}
	}
	if n.Value != nil {
		use := s.variable(n.Value.Pos(), s.info.TypeOf(n.Value))
		place(n.Value, use.Ident)
		n.Value = use.define
	}
	n.Tok = token.DEFINE
	before = append(before, s.before(assign)...)
	n.Body.List = append(append(before, assign), n.Body.List...)
}

// reread says whether x assigns an element that calls within the places assigned to may change. What it ranges over is a variable then.
func (s *Sequencer) reread(x *ast.RangeStmt) bool {
	if x.Tok != token.ASSIGN || x.Value == nil || element(s.info.TypeOf(x.X)) == nil {
		return false
	}
	if id, ok := x.Value.(*ast.Ident); ok && id.Name == "_" {
		return false
	}
	return s.acting(x.Key) || s.acting(x.Value)
}

// element is that of a slice, an array or a pointer to one.
func element(t types.Type) types.Type {
	switch t := t.Underlying().(type) {
	case *types.Slice:
		return t.Elem()
	case *types.Array:
		return t.Elem()
	case *types.Pointer:
		return element(t.Elem())
	}
	return nil
}

// acting says whether a call or a receive is part of e.
func (s *Sequencer) acting(e ast.Expr) (yes bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CallExpr:
			tv := s.info.Types[n.Fun]
			yes = yes || !tv.IsType() && !tv.IsBuiltin()
		case *ast.UnaryExpr:
			yes = yes || n.Op == token.ARROW
		}
		return !yes
	})
	return yes
}

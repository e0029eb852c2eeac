package order

import (
	"go/ast"
	"go/token"
	"go/types"
)

// What gc evaluates where (cmd/compile/internal/walk, order.go there):
//   - calls, receives and append are done in order (they act);
//   - len, cap, min, max, make, new, real, imag, complex, slicing, assertions to types that are not pointers, && and ||, conversions of strings to slices are
//     evaluated in order with them (early);
//   - all else is evaluated when those of the whole statement are done (late): variables are read, pointers followed, elements and maps looked up, numbers divided, and all
//     that is computed from them. But what is converted to an interface of which it does not become the word itself, compared as a struct or array, or looked up as a
//     key in a map without fast path, is copied where it stands, unless it has an address.

// visit walks an expression that is converted to type to, if that is not nil.
func (s *Sequencer) visit(e *ast.Expr, to types.Type) { s.expression(e, to, false) }

// root walks an expression whose value is the last that its statement needs, so that nothing comes between.
func (s *Sequencer) root(e *ast.Expr, to types.Type) { s.expression(e, to, true) }

func (s *Sequencer) expression(e *ast.Expr, to types.Type, root bool) {
	tv := s.info.Types[*e]
	if tv.Value != nil || tv.IsNil() || tv.IsType() || tv.IsBuiltin() {
		return
	}
	before := s.late
	switch s.operands(*e) {
	case late:
		s.seen.lates++
		s.late = true
	case early:
		s.seen.earlies++
		s.late = before
		if s.rewrite && !(root && !before) {
			s.logical(e)
		}
	case acts:
		s.seen.acts++
		s.need = s.need || before
		s.late = before
		if s.rewrite && !(root && !before) {
			s.takeOut(e)
		}
	}
	if s.rewrite && root && !before {
		s.split(e)
	}
	if to != nil && !root && types.IsInterface(to) && tv.Type != nil && !types.IsInterface(tv.Type) && s.copied(tv.Type) {
		s.copy(e, before)
	}
}

// early takes e out, where it stands, if it is read late; before says whether something before it is.
func (s *Sequencer) early(e *ast.Expr, before bool) {
	if s.late && s.rewrite && !s.elided(*e) {
		s.takeOut(e)
	}
	s.late = before
}

// copy is early for what has no address.
func (s *Sequencer) copy(e *ast.Expr, before bool) {
	if !s.addressable(*e) {
		s.early(e, before)
	}
}

// elided says whether e is a literal of what the elements it is among point to, without a sign of that.
func (s *Sequencer) elided(e ast.Expr) bool {
	lit, ok := e.(*ast.CompositeLit)
	return ok && lit.Type == nil && s.pointer(lit)
}

// moment is when an expression is evaluated, once its operands are.
type moment int

const (
	stays moment = iota // whenever
	late
	early
	acts
)

// moments is how many expressions there are of each.
type moments struct{ lates, earlies, acts int }

func (m moments) since(n moments) moments {
	return moments{m.lates - n.lates, m.earlies - n.earlies, m.acts - n.acts}
}

// operands visits those of e and says when e itself is evaluated.
func (s *Sequencer) operands(e ast.Expr) moment {
	switch e := e.(type) {
	case *ast.Ident:
		v, ok := s.info.Uses[e].(*types.Var)
		if ok && (s.shared[v] || v.Pkg() != nil && v.Parent() == v.Pkg().Scope()) {
			return late
		}
	case *ast.ParenExpr:
		s.visit(&e.X, nil)
	case *ast.CompositeLit:
		s.literal(e)
	case *ast.SelectorExpr:
		return s.selector(e)
	case *ast.IndexExpr:
		return s.index(e)
	case *ast.SliceExpr:
		if _, ok := s.info.TypeOf(e.X).Underlying().(*types.Array); ok {
			s.place(&e.X)
		} else {
			s.visit(&e.X, nil)
		}
		for _, x := range []*ast.Expr{&e.Low, &e.High, &e.Max} {
			if *x != nil {
				s.visit(x, nil)
			}
		}
		return early
	case *ast.StarExpr:
		s.visit(&e.X, nil)
		return late
	case *ast.UnaryExpr:
		return s.unary(e)
	case *ast.BinaryExpr:
		return s.binary(e)
	case *ast.TypeAssertExpr:
		s.visit(&e.X, nil)
		if direct(s.info.TypeOf(e)) {
			return late
		}
		return early
	case *ast.CallExpr:
		return s.call(e)
	}
	return stays
}

func (s *Sequencer) literal(e *ast.CompositeLit) {
	t := s.info.TypeOf(e).Underlying()
	if p, ok := t.(*types.Pointer); ok { // elided &T
		t = p.Elem().Underlying()
	}
	switch t := t.(type) {
	case *types.Map: // entry by entry
		before := s.late
		for _, x := range e.Elts {
			kv := x.(*ast.KeyValueExpr)
			s.visit(&kv.Key, t.Key())
			if !s.fast(t) {
				s.copy(&kv.Key, before)
			}
			s.visit(&kv.Value, t.Elem())
			entry := s.late
			s.early(&kv.Key, entry)
			s.early(&kv.Value, before)
		}
	case *types.Struct:
		for i := range e.Elts {
			if kv, ok := e.Elts[i].(*ast.KeyValueExpr); ok {
				s.visit(&kv.Value, s.info.Uses[kv.Key.(*ast.Ident)].Type())
			} else {
				s.visit(&e.Elts[i], t.Field(i).Type())
			}
		}
	default:
		var elem types.Type
		if t, ok := t.(interface{ Elem() types.Type }); ok {
			elem = t.Elem()
		}
		for i := range e.Elts {
			if kv, ok := e.Elts[i].(*ast.KeyValueExpr); ok {
				s.visit(&kv.Value, elem)
			} else {
				s.visit(&e.Elts[i], elem)
			}
		}
	}
}

func (s *Sequencer) selector(e *ast.SelectorExpr) moment {
	sel := s.info.Selections[e]
	if sel == nil { // of a package
		if _, ok := s.info.Uses[e.Sel].(*types.Var); ok {
			return late
		}
		return stays
	}
	switch sel.Kind() {
	case types.FieldVal:
		s.visit(&e.X, nil)
		if sel.Indirect() {
			return late
		}
	case types.MethodVal:
		if s.byAddress(e) {
			s.place(&e.X)
			return stays
		}
		s.visit(&e.X, nil)
		if sel.Indirect() && !receivesPointer(sel) {
			return late
		}
	}
	return stays
}

// byAddress says whether the method that e selects is given the address of e.X.
func (s *Sequencer) byAddress(e *ast.SelectorExpr) bool {
	return !s.pointer(e.X) && receivesPointer(s.info.Selections[e])
}

func receivesPointer(method *types.Selection) bool {
	_, pointer := method.Obj().Type().(*types.Signature).Recv().Type().(*types.Pointer)
	return pointer
}

func (s *Sequencer) index(e *ast.IndexExpr) moment {
	if s.info.Types[e.Index].IsType() {
		return stays
	}
	if m, ok := s.info.TypeOf(e.X).Underlying().(*types.Map); ok {
		s.visit(&e.X, nil)
		return s.key(e, m)
	}
	var array bool
	switch t := s.info.TypeOf(e.X).Underlying().(type) {
	case *types.Slice, *types.Pointer:
		s.visit(&e.X, nil)
		s.visit(&e.Index, nil)
	default:
		_, array = t.(*types.Array)
		if array && s.addressable(e.X) {
			s.visit(&e.X, nil)
			s.visit(&e.Index, nil)
		} else {
			s.backward(&e.X, &e.Index)
		}
	}
	if array && s.info.Types[e.Index].Value != nil {
		return stays
	}
	return late
}

// backward visits x and then y, where go/ssa evaluates y and then x.
func (s *Sequencer) backward(x, y *ast.Expr) {
	seen := s.seen
	s.visit(x, nil)
	first := s.seen.since(seen)
	seen = s.seen
	s.visit(y, nil)
	second := s.seen.since(seen)
	s.need = s.need || first.acts > 0 && second != (moments{}) || first.earlies > 0 && second.acts > 0
}

// key visits the key looked up in a map.
func (s *Sequencer) key(e *ast.IndexExpr, m *types.Map) moment {
	before := s.late
	s.visit(&e.Index, m.Key())
	if !s.fast(m) {
		s.copy(&e.Index, before)
	}
	if s.fromBytes(e.Index) {
		return early
	}
	return late
}

// fromBytes says whether e is the string of a slice of bytes, which a map is asked for without making the string.
func (s *Sequencer) fromBytes(e ast.Expr) bool {
	c, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok || !s.info.Types[c.Fun].IsType() || !isString(s.info.TypeOf(c)) {
		return false
	}
	sl, ok := s.info.TypeOf(c.Args[0]).Underlying().(*types.Slice)
	if !ok {
		return false
	}
	b, ok := sl.Elem().Underlying().(*types.Basic)
	return ok && b.Kind() == types.Byte
}

func (s *Sequencer) unary(e *ast.UnaryExpr) moment {
	switch e.Op {
	case token.AND:
		s.place(&e.X)
	case token.ARROW:
		s.visit(&e.X, nil)
		return acts
	default:
		s.visit(&e.X, nil)
	}
	return stays
}

func (s *Sequencer) binary(e *ast.BinaryExpr) moment {
	before := s.late
	switch e.Op {
	case token.LAND, token.LOR:
		s.visitLogical(e, before)
		return early
	case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
		x, y := s.info.TypeOf(e.X), s.info.TypeOf(e.Y)
		s.visit(&e.X, y)
		s.visit(&e.Y, x)
		switch x.Underlying().(type) {
		case *types.Struct, *types.Array:
			both := s.late
			s.copy(&e.X, both)
			if s.copy(&e.Y, both); !s.addressable(e.X) && !s.addressable(e.Y) {
				s.late = before
			}
		}
		return stays
	}
	s.visit(&e.X, nil)
	s.visit(&e.Y, nil)
	b, ok := s.info.TypeOf(e.Y).Underlying().(*types.Basic)
	if !ok || s.info.Types[e.Y].Value != nil {
		return stays
	}
	switch { // what may panic
	case (e.Op == token.QUO || e.Op == token.REM) && b.Info()&types.IsInteger != 0:
		return late
	case (e.Op == token.SHL || e.Op == token.SHR) && b.Info()&types.IsUnsigned == 0:
		return late
	}
	return stays
}

// visitLogical walks && and ||: the first operand is evaluated and done with, and the second only if it is wanted. When something is to be taken out, it is
// out of the first only; split and logical see to the second.
func (s *Sequencer) visitLogical(e *ast.BinaryExpr, before bool) {
	s.visit(&e.X, nil)
	if s.late = before; s.rewrite {
		return
	}
	s.visit(&e.Y, nil)
	s.late = before
}

// split makes statements of the second operand of && and || at the root of a statement, if something has to be taken out of it.
func (s *Sequencer) split(e *ast.Expr) {
	b, ok := ast.Unparen(*e).(*ast.BinaryExpr)
	if !ok || b.Op != token.LAND && b.Op != token.LOR {
		return
	}
	inner := *s
	before := inner.needed(func() { inner.root(&b.Y, nil) })
	if len(before) == 0 {
		return
	}
	use := s.variable(b.Pos(), types.Default(s.info.TypeOf(b)))
	then := &ast.BlockStmt{Lbrace: b.Y.Pos(), List: append(before, &ast.AssignStmt{Lhs: []ast.Expr{use.Ident}, TokPos: b.Y.Pos(), Tok: token.ASSIGN, Rhs: []ast.Expr{b.Y}})}
	test := &ast.IfStmt{If: b.OpPos, Cond: use.Ident, Body: then}
	if b.Op == token.LOR {
		test.Body, test.Else = &ast.BlockStmt{Lbrace: b.Y.Pos()}, then
	}
	s.out = append(s.out, &ast.AssignStmt{Lhs: []ast.Expr{use.define}, TokPos: b.Pos(), Tok: token.DEFINE, Rhs: []ast.Expr{b.X}}, test)
	*e = use.Ident
}

// logical takes out what is evaluated early.
func (s *Sequencer) logical(e *ast.Expr) {
	s.split(e)
	if _, done := (*e).(*ast.Ident); !done {
		s.takeOut(e)
	}
}

// place visits what is evaluated to know where e stands, but not what stands there.
func (s *Sequencer) place(e *ast.Expr) {
	switch x := (*e).(type) {
	case *ast.Ident:
	case *ast.ParenExpr:
		s.place(&x.X)
	case *ast.StarExpr:
		s.visit(&x.X, nil)
	case *ast.SelectorExpr:
		sel := s.info.Selections[x]
		if sel == nil {
			return
		}
		if s.pointer(x.X) {
			s.visit(&x.X, nil)
			s.late = s.late || len(sel.Index()) > 1
			return
		}
		s.place(&x.X)
		s.late = s.late || sel.Indirect()
	case *ast.IndexExpr:
		switch t := s.info.TypeOf(x.X).Underlying().(type) {
		case *types.Map:
			s.visit(&x.X, nil)
			s.key(x, t)
			return
		case *types.Array:
			s.place(&x.X)
			if s.visit(&x.Index, nil); s.info.Types[x.Index].Value != nil {
				return
			}
		default:
			s.visit(&x.X, nil)
			s.visit(&x.Index, nil)
		}
		s.late = true // it may panic
	default:
		s.visit(e, nil)
	}
}

// tuple walks the sole expression of a list that has several values.
func (s *Sequencer) tuple(list *[]ast.Expr) {
	before := s.late
	e := (*list)[0]
	acting := true
	switch x := ast.Unparen(e).(type) {
	case *ast.IndexExpr, *ast.TypeAssertExpr:
		acting = false
		s.operands(x)
	default:
		s.operands(x)
	}
	s.late = before
	s.need = s.need || before && acting
	if !s.rewrite || !before {
		return
	}
	define := &ast.AssignStmt{TokPos: e.Pos(), Tok: token.DEFINE, Rhs: []ast.Expr{e}}
	*list = nil
	t := s.info.TypeOf(e).(*types.Tuple)
	for i := range t.Len() {
		v := s.variable(e.Pos(), types.Default(t.At(i).Type()))
		define.Lhs, *list = append(define.Lhs, v.define), append(*list, v.Ident)
	}
	s.out = append(s.out, define)
}

// Package order changes the statements of a checked file so that go/ssa evaluates them in gc's order, where the language leaves the order open.
//
// It does so with `v + f(&v)`, which may read v before or after the call, and programs depend on what gc does: before a statement, it
// evaluates in order what of it calls, receives, asserts, slices or allocates (moments.go says what exactly), and then the rest. go/ssa goes from left to
// right. So statements where that makes a difference have the former taken out, into new variables before the statement; an expression of a case and the initial value
// of a package variable, which have no statement before them, become the body of a function that is called there.
//
// It is not about the order that the language prescribes, which go/ssa keeps but for f()[g()] where f's result is a string or an array: it calls g first. Costs: one walk of each file, and a second one of each statement that is changed.
package order

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
)

// Sequencer changes the bodies of a file's functions.
type Sequencer struct {
	info    *types.Info
	sizes   types.Sizes
	shared  map[types.Object]bool              // local variables that others than their own function's statements may change
	gotos   map[types.Object][]*ast.BranchStmt // by label
	results []*types.Tuple                     // of the functions around, the innermost last

	// Of the statement being walked.
	rewrite bool // take out; else find out whether there is need to
	need    bool
	late    bool       // something before the place reached is read only after all that is taken out
	seen    moments    // of the expressions walked
	out     []ast.Stmt // what was taken out
}

func New(f *ast.File, info *types.Info) *Sequencer {
	s := &Sequencer{info: info, sizes: types.SizesFor("gc", "amd64"), shared: map[types.Object]bool{}, gotos: map[types.Object][]*ast.BranchStmt{}}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			ast.Inspect(n.Body, func(m ast.Node) bool {
				if id, ok := m.(*ast.Ident); ok {
					if v, ok := info.Uses[id].(*types.Var); ok && (v.Pos() < n.Pos() || v.Pos() >= n.End()) {
						s.shared[v] = true
					}
				}
				return true
			})
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				s.share(n.X)
			}
		case *ast.SliceExpr:
			if _, ok := info.TypeOf(n.X).Underlying().(*types.Array); ok {
				s.share(n.X)
			}
		case *ast.SelectorExpr:
			if sel := info.Selections[n]; sel != nil && sel.Kind() == types.MethodVal && s.byAddress(n) {
				s.share(n.X)
			}
		case *ast.BranchStmt:
			if n.Tok == token.GOTO {
				l := info.Uses[n.Label]
				s.gotos[l] = append(s.gotos[l], n)
			}
		}
		return true
	})
	return s
}

// share notes that the variable that e is a part of has its address taken.
func (s *Sequencer) share(e ast.Expr) {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.SelectorExpr:
			if s.pointer(x.X) {
				return
			}
			e = x.X
		case *ast.IndexExpr:
			if _, ok := s.info.TypeOf(x.X).Underlying().(*types.Array); !ok {
				return
			}
			e = x.X
		case *ast.Ident:
			if v, ok := s.info.Uses[x].(*types.Var); ok {
				s.shared[v] = true
			}
			return
		default:
			return
		}
	}
}

// pointer says whether e is one.
func (s *Sequencer) pointer(e ast.Expr) bool {
	_, ok := s.info.TypeOf(e).Underlying().(*types.Pointer)
	return ok
}

// Enter puts in order what node n of the file holds, but for what nodes within it do: it is called for each that ast.Inspect comes to, before those within.
func (s *Sequencer) Enter(n ast.Node) {
	switch n := n.(type) {
	case *ast.FuncDecl:
		s.results = append(s.results, s.info.TypeOf(n.Name).(*types.Signature).Results())
	case *ast.FuncLit:
		s.results = append(s.results, s.info.TypeOf(n).Underlying().(*types.Signature).Results())
	case *ast.BlockStmt:
		n.List = s.list(n.List)
	case *ast.CaseClause:
		for i := range n.List {
			s.within(&n.List[i])
		}
		n.Body = s.list(n.Body)
	case *ast.CommClause:
		n.Body = s.list(n.Body)
	case *ast.ValueSpec:
		if len(s.results) == 0 {
			s.initial(n.Values)
		}
	default:
		s.header(n)
	}
}

// Leave is called when all nodes within n have been entered.
func (s *Sequencer) Leave(n ast.Node) {
	switch n.(type) {
	case *ast.FuncDecl, *ast.FuncLit:
		s.results = s.results[:len(s.results)-1]
	}
}

// list is a list of statements as gc evaluates them.
func (s *Sequencer) list(list []ast.Stmt) []ast.Stmt {
	var out []ast.Stmt
	list = apart(list)
	for i, x := range list {
		x, before := s.statement(x)
		if len(before) > 0 && out == nil {
			out = append(make([]ast.Stmt, 0, len(list)+len(before)), list[:i]...)
		}
		if out != nil {
			out = append(append(out, before...), x)
		} else {
			list[i] = x
		}
	}
	if out == nil {
		return list
	}
	return out
}

// apart makes a statement each of the variables that are declared in one list.
func apart(list []ast.Stmt) []ast.Stmt {
	for i := 0; i < len(list); i++ {
		x, ok := list[i].(*ast.DeclStmt)
		if !ok {
			continue
		}
		d := x.Decl.(*ast.GenDecl)
		if d.Tok != token.VAR || len(d.Specs) < 2 {
			continue
		}
		each := make([]ast.Stmt, len(d.Specs))
		for k := range d.Specs {
			each[k] = &ast.DeclStmt{Decl: &ast.GenDecl{TokPos: d.Specs[k].Pos(), Tok: token.VAR, Specs: d.Specs[k : k+1]}}
		}
		list = slices.Replace(list, i, i+1, each...)
		i += len(each) - 1
	}
	return list
}

// statement is x with what has to come before it.
func (s *Sequencer) statement(x ast.Stmt) (ast.Stmt, []ast.Stmt) {
	l, ok := x.(*ast.LabeledStmt)
	if !ok {
		return x, s.before(x)
	}
	inner, before := s.statement(l.Stmt)
	if l.Stmt = inner; len(before) == 0 {
		return l, nil
	}
	switch inner.(type) {
	case *ast.ForStmt, *ast.RangeStmt, *ast.SelectStmt: // the label has to stay at the statement
		if gotos := s.gotos[s.info.Defs[l.Label]]; len(gotos) > 0 {
			return s.labelled(l, gotos, append(before, l)), nil
		}
		return l, before
	}
	l.Stmt = &ast.BlockStmt{Lbrace: inner.Pos(), List: append(before, inner)}
	return l, nil
}

// labelled gives list a label of its own, for the gotos that lead to l.
func (s *Sequencer) labelled(l *ast.LabeledStmt, gotos []*ast.BranchStmt, list []ast.Stmt) ast.Stmt {
	name := func() *ast.Ident { return &ast.Ident{NamePos: l.Pos(), Name: "before " + l.Label.Name} }
	out := &ast.LabeledStmt{Label: name(), Stmt: &ast.BlockStmt{Lbrace: l.Pos(), List: list}}
	label := types.NewLabel(l.Pos(), s.info.Defs[l.Label].Pkg(), out.Label.Name)
	s.info.Defs[out.Label] = label
	for _, g := range gotos {
		g.Label = name()
		s.info.Uses[g.Label] = label
	}
	return out
}

// block is a simple statement as one.
func (s *Sequencer) block(x ast.Stmt) ast.Stmt {
	if x == nil {
		return nil
	}
	if before := s.before(x); len(before) > 0 {
		return &ast.BlockStmt{Lbrace: x.Pos(), List: append(before, x)}
	}
	return x
}

// before takes out what has to come before x.
func (s *Sequencer) before(x ast.Stmt) []ast.Stmt {
	switch x := x.(type) {
	case *ast.ForStmt:
		if x.Init != nil {
			return s.before(x.Init)
		}
		return nil
	case *ast.DeclStmt:
		return s.needed(func() { s.declaration(x.Decl.(*ast.GenDecl)) })
	}
	return s.needed(func() { s.parts(x) })
}

// needed walks what walk visits, and again to take out if there is need to.
func (s *Sequencer) needed(walk func()) []ast.Stmt {
	outer := *s
	defer func() { s.rewrite, s.need, s.late, s.out = outer.rewrite, outer.need, outer.late, outer.out }()
	s.rewrite, s.need, s.late, s.out = false, false, false, nil
	walk()
	if !s.need {
		return nil
	}
	s.rewrite, s.late = true, false
	walk()
	return s.out
}

// parts visits the expressions of a statement that are evaluated before anything else of it happens.
func (s *Sequencer) parts(x ast.Stmt) {
	switch x := x.(type) {
	case *ast.ExprStmt:
		s.root(&x.X, nil)
	case *ast.SendStmt:
		s.visit(&x.Chan, nil)
		s.visit(&x.Value, nil)
	case *ast.IncDecStmt:
		s.place(&x.X)
	case *ast.AssignStmt:
		s.assign(x)
	case *ast.ReturnStmt:
		s.returns(x)
	case *ast.GoStmt:
		s.operands(x.Call)
	case *ast.DeferStmt:
		s.operands(x.Call)
	case *ast.RangeStmt:
		if s.root(&x.X, nil); s.reread(x) {
			s.need = true
			if s.rewrite {
				s.takeOut(&x.X)
			}
		}
	case *ast.SelectStmt:
		for _, c := range x.Body.List {
			s.communication(c.(*ast.CommClause))
		}
	}
}

func (s *Sequencer) assign(x *ast.AssignStmt) {
	if at, call := s.appends(x); call != nil {
		s.appendInPlace(at, call)
		return
	}
	if x.Tok != token.DEFINE {
		for i := range x.Lhs {
			s.place(&x.Lhs[i])
		}
	}
	switch {
	case len(x.Lhs) != len(x.Rhs):
		s.tuple(&x.Rhs)
	case x.Tok == token.ASSIGN && len(x.Rhs) > 1 && s.several(x):
		s.need = true
		for i := range x.Rhs {
			s.visit(&x.Rhs[i], s.info.TypeOf(x.Lhs[i]))
		}
		if s.rewrite {
			s.oneByOne(x)
		}
	case len(x.Rhs) == 1 && x.Tok != token.DEFINE && s.valueFirst(x.Lhs[0], x.Rhs[0], x.Tok == token.ASSIGN):
		s.need = true
		s.visit(&x.Rhs[0], s.info.TypeOf(x.Lhs[0]))
		if s.rewrite {
			s.takeValue(&x.Lhs[0], &x.Rhs[0])
		}
	case x.Tok != token.DEFINE && x.Tok != token.ASSIGN && s.faults(x.Rhs[0]) && s.faults(x.Lhs[0]):
		s.need = true
		s.visit(&x.Rhs[0], nil)
		if s.rewrite {
			s.spellOut(x)
		}
	case len(x.Rhs) == 1:
		s.root(&x.Rhs[0], s.info.TypeOf(x.Lhs[0]))
	default:
		for i := range x.Rhs {
			s.visit(&x.Rhs[i], s.info.TypeOf(x.Lhs[i]))
		}
	}
}

// spellOut makes x op= y, where go/ssa evaluates y before it reads x, x = x op y.
func (s *Sequencer) spellOut(x *ast.AssignStmt) {
	s.steady(&x.Lhs[0])
	sum := &ast.BinaryExpr{X: x.Lhs[0], OpPos: x.TokPos, Op: x.Tok - token.ADD_ASSIGN + token.ADD, Y: x.Rhs[0]}
	s.info.Types[sum] = types.TypeAndValue{Type: s.info.TypeOf(x.Lhs[0])}
	x.Tok, x.Rhs[0] = token.ASSIGN, sum
}

// steady takes out of e, a place, what would cost to be evaluated twice.
func (s *Sequencer) steady(e *ast.Expr) {
	once := func(e *ast.Expr) {
		if _, ok := (*e).(*ast.Ident); !ok && s.info.Types[*e].Value == nil {
			s.takeOut(e)
		}
	}
	switch x := (*e).(type) {
	case *ast.ParenExpr:
		s.steady(&x.X)
	case *ast.StarExpr:
		once(&x.X)
	case *ast.SelectorExpr:
		switch {
		case s.info.Selections[x] == nil:
		case s.pointer(x.X):
			once(&x.X)
		default:
			s.steady(&x.X)
		}
	case *ast.IndexExpr:
		switch s.info.TypeOf(x.X).Underlying().(type) {
		case *types.Slice, *types.Pointer:
			once(&x.X)
		default: // the array itself, or of a type parameter
			s.steady(&x.X)
		}
		once(&x.Index)
	}
}

func (s *Sequencer) declaration(d *ast.GenDecl) {
	if d.Tok != token.VAR || len(d.Specs) != 1 { // those of several were set apart, unless a label stands before them
		return
	}
	v := d.Specs[0].(*ast.ValueSpec)
	switch {
	case len(v.Values) == 1:
		s.root(&v.Values[0], nil)
	case len(v.Values) == len(v.Names):
		for i := range v.Values {
			s.visit(&v.Values[i], s.info.TypeOf(v.Names[i]))
		}
	}
}

func (s *Sequencer) returns(x *ast.ReturnStmt) {
	if len(x.Results) == 1 {
		s.root(&x.Results[0], nil)
		return
	}
	for i := range x.Results {
		s.visit(&x.Results[i], s.results[len(s.results)-1].At(i).Type())
	}
}

// communication visits the channel, and the value sent, of a case: each is copied.
func (s *Sequencer) communication(c *ast.CommClause) {
	one := func(e *ast.Expr) {
		s.visit(e, nil)
		s.early(e, false)
	}
	switch x := c.Comm.(type) {
	case *ast.SendStmt:
		one(&x.Chan)
		one(&x.Value)
	case *ast.ExprStmt:
		one(&ast.Unparen(x.X).(*ast.UnaryExpr).X)
	case *ast.AssignStmt:
		one(&ast.Unparen(x.Rhs[0]).(*ast.UnaryExpr).X)
	}
}

// header sequences what a statement that holds others evaluates itself.
func (s *Sequencer) header(n ast.Node) {
	condition := func(init *ast.Stmt, walk func()) {
		*init = s.block(*init)
		if before := s.needed(walk); len(before) > 0 {
			if *init != nil {
				before = append([]ast.Stmt{*init}, before...)
			}
			*init = &ast.BlockStmt{Lbrace: n.Pos(), List: before}
		}
	}
	switch n := n.(type) {
	case *ast.IfStmt:
		condition(&n.Init, func() { s.root(&n.Cond, nil) })
	case *ast.SwitchStmt:
		condition(&n.Init, func() {
			if n.Tag != nil {
				s.root(&n.Tag, nil)
			}
		})
	case *ast.TypeSwitchStmt:
		condition(&n.Init, func() {
			switch x := n.Assign.(type) {
			case *ast.ExprStmt:
				s.root(&x.X.(*ast.TypeAssertExpr).X, nil)
			case *ast.AssignStmt:
				s.root(&x.Rhs[0].(*ast.TypeAssertExpr).X, nil)
			}
		})
	case *ast.RangeStmt:
		s.received(n)
	case *ast.ForStmt:
		n.Post = s.block(n.Post)
		if n.Cond == nil {
			return
		}
		if before := s.needed(func() { s.root(&n.Cond, nil) }); len(before) > 0 {
			leave := &ast.BlockStmt{Lbrace: n.Cond.Pos(), List: []ast.Stmt{&ast.BranchStmt{TokPos: n.Cond.Pos(), Tok: token.BREAK}}}
			test := &ast.IfStmt{If: n.Cond.Pos(), Cond: n.Cond, Body: &ast.BlockStmt{Lbrace: n.Cond.Pos()}, Else: leave}
			n.Cond, n.Body.List = nil, append(append(before, test), n.Body.List...)
		}
	}
}

// within puts e in order where no statement comes before: it becomes the call of a function.
func (s *Sequencer) within(e *ast.Expr) {
	before := s.needed(func() { s.root(e, nil) })
	if len(before) == 0 {
		return
	}
	t := s.info.TypeOf(*e)
	results, ok := t.(*types.Tuple)
	if !ok {
		t = types.Default(t)
		results = types.NewTuple(types.NewParam((*e).Pos(), nil, "", t))
	}
	sig := types.NewSignatureType(nil, nil, nil, nil, results, false)
	of := &ast.FuncType{Func: (*e).Pos(), Params: &ast.FieldList{}, Results: &ast.FieldList{}}
	for range results.Len() {
		of.Results.List = append(of.Results.List, &ast.Field{Type: &ast.Ident{NamePos: (*e).Pos(), Name: "_"}})
	}
	list := append(before, &ast.ReturnStmt{Return: (*e).Pos(), Results: []ast.Expr{*e}})
	lit := &ast.FuncLit{Type: of, Body: &ast.BlockStmt{Lbrace: (*e).Pos(), List: list, Rbrace: (*e).Pos()}}
	call := &ast.CallExpr{Fun: lit, Lparen: (*e).Pos(), Rparen: (*e).Pos()}
	s.info.Types[of], s.info.Types[lit], s.info.Types[call] = types.TypeAndValue{Type: sig}, types.TypeAndValue{Type: sig}, types.TypeAndValue{Type: t}
	*e = call
}

// initial puts the initial values of package variables in order.
func (s *Sequencer) initial(values []ast.Expr) {
	for i, was := range values {
		if s.within(&values[i]); values[i] == was {
			continue
		}
		for _, x := range s.info.InitOrder {
			if x.Rhs == was {
				x.Rhs = values[i]
			}
		}
	}
}

// takeOut puts a new variable in the place of an expression, and its definition before the statement.
func (s *Sequencer) takeOut(e *ast.Expr) {
	use := s.variable((*e).Pos(), types.Default(s.info.TypeOf(*e)))
	s.out = append(s.out, &ast.AssignStmt{Lhs: []ast.Expr{use.define}, TokPos: (*e).Pos(), Tok: token.DEFINE, Rhs: []ast.Expr{*e}})
	*e = use.Ident
}

// taken is the use of a new variable, and the identifier that defines it.
type taken struct {
	*ast.Ident
	define *ast.Ident
}

// variable is a new one. It belongs to no package: it is none of the program's.
func (s *Sequencer) variable(pos token.Pos, t types.Type) taken {
	x := taken{&ast.Ident{NamePos: pos, Name: "taken"}, &ast.Ident{NamePos: pos, Name: "taken"}}
	v := types.NewVar(pos, nil, "taken", t)
	s.info.Defs[x.define], s.info.Uses[x.Ident] = v, v
	return x
}

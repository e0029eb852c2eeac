package order

import (
	"go/ast"
	"go/token"
	"go/types"
)

func (s *Sequencer) call(e *ast.CallExpr) moment {
	switch tv := s.info.Types[e.Fun]; {
	case tv.IsType():
		return s.conversion(e, tv.Type)
	case tv.IsBuiltin():
		return s.builtin(e)
	}
	s.visit(&e.Fun, nil)
	if len(e.Args) == 1 {
		if _, ok := s.info.TypeOf(e.Args[0]).(*types.Tuple); ok {
			s.operands(ast.Unparen(e.Args[0]))
			return acts
		}
	}
	sig, _ := s.info.TypeOf(e.Fun).Underlying().(*types.Signature)
	for i := range e.Args {
		s.visit(&e.Args[i], parameter(sig, i, e.Ellipsis.IsValid()))
	}
	return acts
}

// parameter is the type that argument i is converted to, nil if that is not known.
func parameter(sig *types.Signature, i int, spread bool) types.Type {
	if sig == nil {
		return nil
	}
	if last := sig.Params().Len() - 1; sig.Variadic() && i >= last && !spread {
		return sig.Params().At(last).Type().(*types.Slice).Elem()
	}
	return sig.Params().At(i).Type()
}

func (s *Sequencer) conversion(e *ast.CallExpr, to types.Type) moment {
	from := s.info.TypeOf(e.Args[0])
	s.visit(&e.Args[0], to)
	switch from.Underlying().(type) {
	case *types.Slice: // to a string, which looks at its elements, or to an array, which may panic
		if _, ok := to.Underlying().(*types.Slice); !ok {
			return late
		}
	case *types.Basic:
		if _, ok := to.Underlying().(*types.Slice); ok {
			return early
		}
	}
	return stays
}

func (s *Sequencer) builtin(e *ast.CallExpr) moment {
	name, ok := ast.Unparen(e.Fun).(*ast.Ident)
	if !ok { // of package unsafe
		for i := range e.Args {
			s.visit(&e.Args[i], nil)
		}
		return late
	}
	var to types.Type
	if name.Name == "append" {
		to = s.appended(e)
	}
	for i := range e.Args {
		if i == 0 {
			s.visit(&e.Args[i], nil)
		} else {
			s.visit(&e.Args[i], to)
		}
	}
	switch name.Name {
	case "len", "cap", "min", "max", "make", "new", "real", "imag", "complex":
		return early
	}
	return acts
}

// appended is the type that what e appends is converted to, nil if it is a slice or the type is not known.
func (s *Sequencer) appended(e *ast.CallExpr) types.Type {
	if sl, ok := s.info.TypeOf(e).Underlying().(*types.Slice); ok && !e.Ellipsis.IsValid() {
		return sl.Elem()
	}
	return nil
}

func isString(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsString != 0
}

// addressable says whether e stands in memory.
func (s *Sequencer) addressable(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		_, ok := s.info.Uses[e].(*types.Var)
		return ok
	case *ast.ParenExpr:
		return s.addressable(e.X)
	case *ast.StarExpr:
		return true
	case *ast.SelectorExpr:
		sel := s.info.Selections[e]
		if sel == nil {
			_, ok := s.info.Uses[e.Sel].(*types.Var)
			return ok
		}
		return sel.Kind() == types.FieldVal && (sel.Indirect() || s.addressable(e.X))
	case *ast.IndexExpr:
		switch s.info.TypeOf(e.X).Underlying().(type) {
		case *types.Slice, *types.Pointer:
			return true
		case *types.Array:
			return s.addressable(e.X)
		}
	}
	return false
}

// faults says whether e may panic where it is read late, for a pointer, an index, a divisor or a count. Maps are not looked at: what they do is done by calls.
func (s *Sequencer) faults(e ast.Expr) (yes bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit, *ast.SliceExpr, *ast.TypeAssertExpr:
			return false
		case *ast.CallExpr:
			return s.info.Types[n.Fun].IsType()
		case *ast.StarExpr:
			yes = true
		case *ast.SelectorExpr:
			sel := s.info.Selections[n]
			yes = yes || sel != nil && sel.Kind() == types.FieldVal && sel.Indirect()
		case *ast.IndexExpr:
			switch s.info.TypeOf(n.X).Underlying().(type) {
			case *types.Map:
				return false
			case *types.Array:
				yes = yes || s.info.Types[n.Index].Value == nil
			default:
				yes = yes || !s.info.Types[n.Index].IsType()
			}
		case *ast.BinaryExpr:
			b, ok := s.info.TypeOf(n).Underlying().(*types.Basic)
			yes = yes || ok && (n.Op == token.QUO || n.Op == token.REM) && b.Info()&types.IsInteger != 0 && s.info.Types[n.Y].Value == nil
			if n.Op == token.SHL || n.Op == token.SHR {
				b, ok := s.info.TypeOf(n.Y).Underlying().(*types.Basic)
				yes = yes || ok && b.Info()&types.IsUnsigned == 0 && s.info.Types[n.Y].Value == nil
			}
		}
		return !yes
	})
	return yes
}

// direct says whether a value of type t is an interface's word itself, or may be as far as is known.
func direct(t types.Type) bool {
	switch t := t.(type) {
	case *types.TypeParam:
		return true
	case *types.Named, *types.Alias:
		return direct(t.Underlying())
	case *types.Pointer, *types.Map, *types.Chan, *types.Signature:
		return true
	case *types.Basic:
		return t.Kind() == types.UnsafePointer
	case *types.Struct:
		return t.NumFields() == 1 && direct(t.Field(0).Type())
	case *types.Array:
		return t.Len() == 1 && direct(t.Elem())
	}
	return false
}

// copied says whether a value of type t is converted to an interface by its address.
func (s *Sequencer) copied(t types.Type) bool {
	if parametric(t) {
		return false
	}
	switch size, align := s.sizes.Sizeof(t), s.sizes.Alignof(t); {
	case size == 2 && align == 2, (size == 4 || size == 8) && size == align && !pointers(t):
		return false
	}
	for {
		switch u := t.Underlying().(type) {
		case *types.Basic:
			return u.Info()&types.IsString == 0
		case *types.Slice:
			return false
		case *types.Struct:
			if u.NumFields() != 1 {
				return true
			}
			t = u.Field(0).Type()
		case *types.Array:
			if u.Len() != 1 {
				return true
			}
			t = u.Elem()
		default:
			return true
		}
	}
}

// pointers says whether values of type t hold some.
func pointers(t types.Type) bool {
	switch t := t.Underlying().(type) {
	case *types.Basic:
		return t.Kind() == types.UnsafePointer || t.Info()&types.IsString != 0
	case *types.Struct:
		for f := range t.Fields() {
			if pointers(f.Type()) {
				return true
			}
		}
		return false
	case *types.Array:
		return t.Len() > 0 && pointers(t.Elem())
	}
	return true
}

// fast says whether keys of m are passed by value.
func (s *Sequencer) fast(m *types.Map) bool {
	if parametric(m.Key()) || parametric(m.Elem()) || s.sizes.Sizeof(m.Elem()) > 128 {
		return false
	}
	if isString(m.Key()) {
		return true
	}
	size := s.sizes.Sizeof(m.Key())
	return (size == 4 || size == 8) && plain(m.Key())
}

// parametric says whether the size of t depends on type parameters.
func parametric(t types.Type) bool {
	switch t := t.(type) {
	case *types.TypeParam:
		return true
	case *types.Named, *types.Alias:
		return parametric(t.Underlying())
	case *types.Array:
		return parametric(t.Elem())
	case *types.Struct:
		for f := range t.Fields() {
			if parametric(f.Type()) {
				return true
			}
		}
	}
	return false
}

// plain says whether values of type t are equal when their bytes are.
func plain(t types.Type) bool {
	switch t := t.Underlying().(type) {
	case *types.Basic:
		return t.Info()&(types.IsInteger|types.IsBoolean) != 0 || t.Kind() == types.UnsafePointer
	case *types.Pointer, *types.Chan:
		return true
	case *types.Struct:
		for f := range t.Fields() {
			if f.Name() == "_" || !plain(f.Type()) {
				return false
			}
		}
		return true
	case *types.Array:
		return plain(t.Elem())
	}
	return false
}

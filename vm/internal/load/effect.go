package load

import (
	"go/ast"
	"go/token"
)

// A variable that no text names must still be initialised when that does something else too: encoding/gob numbers its
// types in the initialisers of variables it never uses again. What counts is a call of a function of the same package
// that assigns to a package variable, itself or through others it calls; calls of other packages are taken to have no
// effect, which holds for the standard library (errors.New, godebug.New, sync.OnceValue, regexp.MustCompile ...).

// effects enters the variables of s whose initialisers do more than make their values among those that live when s does.
func (p *pruner) effects(s *source) {
	e := effects{vars: map[string]bool{}, funcs: map[string]*ast.FuncDecl{}, known: map[string]bool{}}
	var specs []*decl
	for _, f := range s.files {
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Body != nil {
					e.funcs[d.Name.Name] = d
				}
			case *ast.GenDecl:
				if d.Tok != token.VAR {
					continue
				}
				for _, spec := range d.Specs {
					v := spec.(*ast.ValueSpec)
					for _, n := range v.Names {
						e.vars[n.Name] = true
					}
					if x := p.nodes[spec]; x != nil && len(v.Values) > 0 {
						specs = append(specs, x)
					}
				}
			}
		}
	}
	delete(e.vars, "_")
	for _, x := range specs {
		for _, v := range x.node.(*ast.ValueSpec).Values {
			if e.calls(v) {
				p.loose[s] = append(p.loose[s], x)
				break
			}
		}
	}
}

type effects struct {
	vars  map[string]bool // package variables
	funcs map[string]*ast.FuncDecl
	known map[string]bool // by function: calling it changes a package variable; false while it is being looked at
}

// calls says whether evaluating n calls a function that changes a package variable.
func (e *effects) calls(n ast.Node) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && e.changes(id.Name) {
				found = true
			}
		}
		return !found
	})
	return found
}

// changes says whether calling the function changes a package variable.
func (e *effects) changes(name string) bool {
	d := e.funcs[name]
	if d == nil {
		return false
	}
	if c, ok := e.known[name]; ok {
		return c
	}
	e.known[name] = false
	local := locals(d)
	found := false
	changed := func(x ast.Expr) {
		if id := root(x); id != nil && e.vars[id.Name] && !local[id.Name] {
			found = true
		}
	}
	ast.Inspect(d.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, x := range n.Lhs {
					changed(x)
				}
			}
		case *ast.IncDecStmt:
			changed(n.X)
		}
		return !found
	})
	e.known[name] = found || e.calls(d.Body)
	return e.known[name]
}

// locals are the names that d declares somewhere.
func locals(d *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	add := func(ids []*ast.Ident) {
		for _, id := range ids {
			names[id.Name] = true
		}
	}
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			add(n.Names)
		case *ast.ValueSpec:
			add(n.Names)
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, x := range n.Lhs {
					if id, ok := x.(*ast.Ident); ok {
						names[id.Name] = true
					}
				}
			}
		}
		return true
	})
	return names
}

// root is the variable that x is or is a part of, as far as its text tells.
func root(x ast.Expr) *ast.Ident {
	for {
		switch y := x.(type) {
		case *ast.Ident:
			return y
		case *ast.IndexExpr:
			x = y.X
		case *ast.SelectorExpr:
			x = y.X
		case *ast.StarExpr:
			x = y.X
		case *ast.ParenExpr:
			x = y.X
		default:
			return nil
		}
	}
}

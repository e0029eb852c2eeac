package load

import (
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/changes"
)

// Variable is a package variable marked by //tandem:shared or //tandem:local.
type Variable struct {
	Global   *ssa.Global
	Position token.Position // of the directive
	Local    bool           // marked //tandem:local; else the rest describes how it is shared
	Text     string         // what stands after //tandem:shared
	Spec     *changes.Spec
}

const (
	sharedWord = "//tandem:shared"
	localWord  = "//tandem:local"
)

// directives reads and checks the directives in the program's own packages.
func (l *loader) directives(p *Program, units []*unit) error {
	for _, u := range units {
		if u.std {
			continue
		}
		for _, f := range u.files {
			l.fileDirectives(p, u, f)
		}
		if err := u.failed(); err != nil {
			err.(*Errors).std = true // the whole text would say the same
			return err
		}
	}
	return nil
}

func (l *loader) fileDirectives(p *Program, u *unit, f *file) {
	placed := map[*ast.Comment]bool{}
	for _, d := range f.ast.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			doc := v.Doc
			if !marked(doc) {
				doc = g.Doc
			}
			if !marked(doc) {
				continue
			}
			for _, c := range doc.List {
				if !isDirective(c.Text) {
					continue
				}
				placed[c] = true
				for _, name := range v.Names {
					l.mark(p, u, c, name)
				}
			}
		}
	}
	for _, g := range f.ast.Comments {
		for _, c := range g.List {
			if isDirective(c.Text) && !placed[c] {
				word, _, _ := strings.Cut(strings.TrimPrefix(c.Text, "//"), " ")
				u.fail(l, c.Pos(), "%s stands above no package variable; put it on the line before a package-level var", word)
			} else if name, ok := strings.CutPrefix(c.Text, "//tandem:"); ok && !placed[c] {
				u.fail(l, c.Pos(), "tandem:%s is no directive; there are tandem:shared KIND and tandem:local", strings.TrimSpace(name))
			}
		}
	}
}

func marked(doc *ast.CommentGroup) bool {
	if doc != nil {
		for _, c := range doc.List {
			if isDirective(c.Text) {
				return true
			}
		}
	}
	return false
}

func isDirective(text string) bool {
	for _, word := range []string{sharedWord, localWord} {
		if rest, ok := strings.CutPrefix(text, word); ok && (rest == "" || rest[0] == ' ' || rest[0] == '\t') {
			return true
		}
	}
	return false
}

// mark records one directive for one variable.
func (l *loader) mark(p *Program, u *unit, c *ast.Comment, name *ast.Ident) {
	o, _ := u.info.Defs[name].(*types.Var)
	if o == nil || name.Name == "_" {
		u.fail(l, c.Pos(), "a blank variable cannot be shared or local; give it a name")
		return
	}
	for _, other := range p.Variables {
		if other.Global.Object() == o {
			u.fail(l, c.Pos(), "%s has two tandem directives; keep one", name.Name)
			return
		}
	}
	v := Variable{Global: u.ssa.Var(name.Name), Position: l.position(c.Pos())}
	if text, ok := strings.CutPrefix(c.Text, sharedWord); ok {
		v.Text = strings.TrimSpace(text)
		if v.Spec = l.sharedSpec(u, c, o, v.Text); v.Spec == nil {
			return
		}
	} else {
		v.Local = true
		if rest := strings.TrimSpace(strings.TrimPrefix(c.Text, localWord)); rest != "" {
			u.fail(l, c.Pos(), "tandem:local takes no kind, and here is %q; write tandem:shared %s to share %s", rest, rest, name.Name)
			return
		}
	}
	p.Variables = append(p.Variables, v)
}

// sharedSpec is how o is shared, nil after an error.
func (l *loader) sharedSpec(u *unit, c *ast.Comment, o *types.Var, text string) *changes.Spec {
	if problem := noValue(o.Name(), o.Type(), map[types.Type]bool{}); problem != "" {
		u.fail(l, c.Pos(), "%s cannot be shared: %s; shared variables are numbers, strings, bools, and arrays, structs, slices and maps of those", o.Name(), problem)
		return nil
	}
	if problem := strayTag(o.Name(), o.Type(), strings.Fields(text)); problem != "" {
		u.fail(l, c.Pos(), "%s; tags are read by kind fields only: write tandem:shared fields", problem)
		return nil
	}
	spec, err := changes.ParseSpec(text, ValueType(o.Type()))
	var bad *changes.SpecError
	switch {
	case errors.As(err, &bad):
		u.fail(l, c.Pos(), "%s cannot be shared: %s; %s", o.Name(), bad.Problem, bad.Hint)
		return nil
	case err != nil:
		u.fail(l, c.Pos(), "%s cannot be shared: %v", o.Name(), err)
		return nil
	}
	return spec
}

// noValue names the first part of t that is no value, empty when t is a value tree. at is how the program writes the part.
func noValue(at string, t types.Type, open map[types.Type]bool) string {
	if open[t] {
		return fmt.Sprintf("type %s contains itself", types.TypeString(t, types.RelativeTo(nil)))
	}
	open[t] = true
	defer delete(open, t)
	what := ""
	switch u := t.Underlying().(type) {
	case *types.Basic:
		if u.Kind() == types.UnsafePointer {
			what = "an unsafe.Pointer"
		}
	case *types.Array:
		return noValue(at+"[i]", u.Elem(), open)
	case *types.Slice:
		return noValue(at+"[i]", u.Elem(), open)
	case *types.Map:
		if problem := noValue("a key of "+at, u.Key(), open); problem != "" {
			return problem
		}
		return noValue(at+"[k]", u.Elem(), open)
	case *types.Struct:
		for f := range u.Fields() {
			if problem := noValue(at+"."+f.Name(), f.Type(), open); problem != "" {
				return problem
			}
		}
	case *types.Chan:
		what = "a channel"
	case *types.Signature:
		what = "a function"
	case *types.Interface:
		what = "an interface"
	case *types.Pointer:
		what = "a pointer"
	default:
		what = "a " + t.String()
	}
	if what == "" {
		return ""
	}
	return at + " is " + what
}

// strayTag names a field whose tandem tag the kind, in words, does not read.
func strayTag(at string, t types.Type, words []string) string {
	switch u := t.Underlying().(type) {
	case *types.Map:
		if len(words) > 0 && words[0] == "map" {
			return strayTag(at+"[k]", u.Elem(), words[1:])
		}
		return strayTag(at+"[k]", u.Elem(), nil)
	case *types.Array:
		return strayTag(at+"[i]", u.Elem(), nil)
	case *types.Slice:
		return strayTag(at+"[i]", u.Elem(), nil)
	case *types.Struct:
		fields := len(words) > 0 && words[0] == "fields"
		for i := range u.NumFields() {
			tag, tagged := reflect.StructTag(u.Tag(i)).Lookup("tandem")
			name := at + "." + u.Field(i).Name()
			if tagged && !fields {
				return fmt.Sprintf("field %s has the tag tandem:%q", name, tag)
			}
			if problem := strayTag(name, u.Field(i).Type(), strings.Fields(tag)); problem != "" {
				return problem
			}
		}
	}
	return ""
}

var forms = map[types.BasicKind]changes.Form{
	types.Bool: changes.Bool, types.Int: changes.Int, types.Int8: changes.Int8, types.Int16: changes.Int16, types.Int32: changes.Int32,
	types.Int64: changes.Int64, types.Uint: changes.Uint, types.Uint8: changes.Uint8, types.Uint16: changes.Uint16, types.Uint32: changes.Uint32,
	types.Uint64: changes.Uint64, types.Uintptr: changes.Uintptr, types.Float32: changes.Float32, types.Float64: changes.Float64,
	types.Complex64: changes.Complex64, types.Complex128: changes.Complex128, types.String: changes.String,
}

// ValueType describes the value tree type t; parts that are no values have form Absent, which changes refuses.
func ValueType(t types.Type) *changes.Type {
	r := &changes.Type{}
	if n, ok := types.Unalias(t).(*types.Named); ok {
		r.Name = types.TypeString(n, (*types.Package).Name)
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		r.Form = forms[u.Kind()]
	case *types.Array:
		r.Form, r.Elem, r.Len = changes.Array, ValueType(u.Elem()), int(u.Len())
	case *types.Slice:
		if b, ok := u.Elem().Underlying().(*types.Basic); ok && b.Kind() == types.Uint8 {
			r.Form = changes.Bytes
		} else {
			r.Form, r.Elem = changes.Slice, ValueType(u.Elem())
		}
	case *types.Map:
		r.Form, r.Key, r.Elem = changes.Map, ValueType(u.Key()), ValueType(u.Elem())
	case *types.Struct:
		r.Form = changes.Struct
		for i := range u.NumFields() {
			if f := u.Field(i); f.Name() != "_" {
				r.Fields = append(r.Fields, changes.Field{Name: f.Name(), Tag: u.Tag(i), Type: ValueType(f.Type())})
			}
		}
	}
	return r
}

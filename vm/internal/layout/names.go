package layout

import (
	"fmt"
	"go/token"
	"go/types"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"weak"
)

// TypeString is t as reflect.Type.String prints it. Packages are named by their name, but by their whole path within
// the brackets of an instantiated generic type, as gc spells them. Different types can print alike.
func TypeString(t types.Type) string {
	var w nameWriter
	w.typ(t)
	return w.b.String()
}

// LinkString is t with full package paths everywhere and a number behind function-scope types, as gc names symbols: different
// types have different link strings, if DeclareIn was told of those that instances of generic functions declare.
func LinkString(t types.Type) string {
	w := nameWriter{link: true}
	w.typ(t)
	return w.b.String()
}

// nameWriter prints types as cmd/compile/internal/types.tconv2 does, in mode fmtTypeIDName or (link) fmtTypeID.
type nameWriter struct {
	b    strings.Builder
	link bool
}

func (w *nameWriter) typ(t types.Type) {
	switch t := types.Unalias(t).(type) {
	case *types.Basic:
		w.basic(t)
	case *types.Named:
		w.named(t)
	case *types.Pointer:
		w.b.WriteByte('*')
		w.typ(t.Elem())
	case *types.Array:
		fmt.Fprintf(&w.b, "[%d]", t.Len())
		w.typ(t.Elem())
	case *types.Slice:
		w.b.WriteString("[]")
		w.typ(t.Elem())
	case *types.Map:
		w.b.WriteString("map[")
		w.typ(t.Key())
		w.b.WriteByte(']')
		w.typ(t.Elem())
	case *types.Chan:
		w.channel(t)
	case *types.Signature:
		w.b.WriteString("func")
		w.signature(t)
	case *types.Interface:
		w.iface(t)
	case *types.Struct:
		w.structure(t)
	case *types.TypeParam:
		w.b.WriteString(t.Obj().Name())
	case *types.Tuple:
		w.params(t, false)
	default:
		fmt.Fprintf(&w.b, "%v", t)
	}
}

func (w *nameWriter) basic(t *types.Basic) {
	if t.Kind() == types.UnsafePointer {
		w.b.WriteString("unsafe.Pointer")
		return
	}
	w.b.WriteString(types.Typ[t.Kind()].Name()) // byte and rune print as uint8 and int32
}

func (w *nameWriter) pkg(p *types.Package) {
	if w.link {
		w.b.WriteString(pathPrefix(PackagePath(p)))
	} else {
		w.b.WriteString(p.Name())
	}
	w.b.WriteByte('.')
}

func (w *nameWriter) named(t *types.Named) {
	obj := t.Obj()
	if obj.Pkg() != nil {
		w.pkg(obj.Pkg())
	}
	w.b.WriteString(obj.Name())
	w.arguments(instanceArgs(obj), slices.Collect(t.TypeArgs().Types()))
	if w.link {
		if n := localNumber(obj); n > 0 {
			fmt.Fprintf(&w.b, "·%d", n)
		}
	}
}

// arguments writes the type arguments of the function around a declaration, and of the declaration.
func (w *nameWriter) arguments(outer, own []types.Type) {
	if len(outer)+len(own) == 0 {
		return
	}
	sep := byte('[')
	for i, a := range append(outer, own...) {
		if i > 0 && i == len(outer) {
			sep = ';'
		}
		w.b.WriteByte(sep)
		w.b.WriteString(LinkString(a))
		sep = ','
	}
	w.b.WriteByte(']')
}

func (w *nameWriter) channel(t *types.Chan) {
	switch t.Dir() {
	case types.RecvOnly:
		w.b.WriteString("<-chan ")
	case types.SendOnly:
		w.b.WriteString("chan<- ")
	default:
		w.b.WriteString("chan ")
		if e, ok := types.Unalias(t.Elem()).(*types.Chan); ok && e.Dir() == types.RecvOnly {
			w.b.WriteByte('(')
			w.typ(e)
			w.b.WriteByte(')')
			return
		}
	}
	w.typ(t.Elem())
}

func (w *nameWriter) signature(t *types.Signature) {
	w.params(t.Params(), t.Variadic())
	switch r := t.Results(); r.Len() {
	case 0:
	case 1:
		w.b.WriteByte(' ')
		w.typ(r.At(0).Type())
	default:
		w.b.WriteByte(' ')
		w.params(r, false)
	}
}

func (w *nameWriter) params(t *types.Tuple, variadic bool) {
	w.b.WriteByte('(')
	for i := range t.Len() {
		if i > 0 {
			w.b.WriteString(", ")
		}
		p := t.At(i).Type()
		if variadic && i == t.Len()-1 {
			w.b.WriteString("...")
			if s, ok := p.Underlying().(*types.Slice); ok {
				p = s.Elem()
			}
		}
		w.typ(p)
	}
	w.b.WriteByte(')')
}

func (w *nameWriter) iface(t *types.Interface) {
	methods := InterfaceMethods(t)
	if len(methods) == 0 {
		w.b.WriteString("interface {}")
		return
	}
	w.b.WriteString("interface {")
	for i, m := range methods {
		if i > 0 {
			w.b.WriteByte(';')
		}
		w.b.WriteByte(' ')
		if !m.Exported() {
			w.pkg(m.Pkg())
		}
		w.b.WriteString(m.Name())
		w.signature(m.Signature())
	}
	w.b.WriteString(" }")
}

func (w *nameWriter) structure(t *types.Struct) {
	w.b.WriteString("struct {")
	for i := range t.NumFields() {
		if i > 0 {
			w.b.WriteByte(';')
		}
		w.b.WriteByte(' ')
		w.fieldName(t.Field(i))
		w.typ(t.Field(i).Type())
		if tag := t.Tag(i); tag != "" {
			w.b.WriteString(" " + strconv.Quote(tag))
		}
	}
	if t.NumFields() > 0 {
		w.b.WriteByte(' ')
	}
	w.b.WriteByte('}')
}

func (w *nameWriter) fieldName(f *types.Var) {
	sep := " "
	if f.Embedded() {
		if !w.link || embeddedName(f.Type()) == f.Name() {
			return
		}
		sep = " = " // embedded through an alias: another type than without
	}
	if w.link && !f.Exported() {
		w.pkg(f.Pkg())
	}
	w.b.WriteString(f.Name() + sep)
}

// embeddedName is the field name that embedding t gives when t is not an alias.
func embeddedName(t types.Type) string {
	t = types.Unalias(t)
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	switch t := t.(type) {
	case *types.Named:
		return t.Obj().Name()
	case *types.Basic:
		return t.Name()
	}
	return ""
}

// pathPrefix is an import path as gc writes it in symbols (cmd/internal/objabi.PathToPrefix): dots after the last slash, '%', '"',
// control characters and bytes from 0x7F are escaped.
func pathPrefix(path string) string {
	slash := strings.LastIndexByte(path, '/')
	var b strings.Builder
	for i := range len(path) {
		switch c := path[i]; {
		case c <= ' ' || c == '.' && i > slash || c == '%' || c == '"' || c >= 0x7F:
			fmt.Fprintf(&b, "%%%02x", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// DeclareIn says that obj, which go/ssa made and which is declared nowhere, is the type that an instance of a generic function with those arguments declares.
func DeclareIn(obj *types.TypeName, args []types.Type) {
	s := types.NewScope(nil, obj.Pos(), obj.Pos(), "instance")
	for i, a := range args {
		s.Insert(types.NewTypeName(token.NoPos, nil, argName(i), a))
	}
	s.Insert(obj)
}

// instanceArgs are the arguments that DeclareIn was told of.
func instanceArgs(obj *types.TypeName) (args []types.Type) {
	if obj.Parent() == nil || obj.Parent() == types.Universe || obj.Pkg() != nil && obj.Parent() == obj.Pkg().Scope() {
		return nil
	}
	for {
		a := obj.Parent().Lookup(argName(len(args)))
		if a == nil {
			return args
		}
		args = append(args, a.Type())
	}
}

// argName is no name that a program can declare.
func argName(i int) string { return "[" + strconv.Itoa(i) + "]" }

// localNumber numbers the defined types of function scope in obj's package from 1 in source order; 0 for obj at package scope.
func localNumber(obj *types.TypeName) int {
	if obj.Pkg() == nil || obj.Parent() == nil || obj.Parent() == obj.Pkg().Scope() || obj.Parent() == types.Universe {
		return 0
	}
	locals := lastLocals.Load()
	if locals == nil || locals.pkg.Value() != obj.Pkg() {
		locals = localsOf(obj.Pkg())
		lastLocals.Store(locals)
	}
	return sort.Search(len(locals.at), func(i int) bool { return locals.at[i] >= obj.Pos() }) + 1
}

// locals is where the defined types of function scope of a package stand, in source order.
type locals struct {
	pkg weak.Pointer[types.Package]
	at  []token.Pos
}

// lastLocals is what localNumber wanted last: finding it takes a walk over all scopes of a package, and a package's types come one after another.
var lastLocals atomic.Pointer[locals]

func localsOf(pkg *types.Package) *locals {
	l := &locals{pkg: weak.Make(pkg)}
	var walk func(s *types.Scope)
	walk = func(s *types.Scope) {
		for _, name := range s.Names() {
			if tn, ok := s.Lookup(name).(*types.TypeName); ok && !tn.IsAlias() {
				if _, param := tn.Type().(*types.TypeParam); !param {
					l.at = append(l.at, tn.Pos())
				}
			}
		}
		for i := range s.NumChildren() {
			walk(s.Child(i))
		}
	}
	for i := range pkg.Scope().NumChildren() {
		walk(pkg.Scope().Child(i))
	}
	slices.Sort(l.at)
	return l
}

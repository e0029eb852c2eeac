package load

import (
	"embed"
	"errors"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// overlays is the guest side of the standard library. The directory's name begins with _ so that the go command passes it
// over (its packages compile only inside the VM) while the files stay ordinary Go that gofmt and editors read.
//
//go:embed all:_overlay
var overlays embed.FS

const overlayDir = "_overlay"

// An overlay changes a package of the standard library by comments in its files:
//
//	//tandem:replace               GOROOT's files are left out, but for:
//	//tandem:from FILE [NAME...]   this file of GOROOT, or only these declarations of it (a method's name is T.m)
//	//tandem:without FILE...       these files of GOROOT are left out
//	//tandem:remove NAME...        these declarations of GOROOT are left out, types with their methods
//
// Without any, each declaration stands for the one of the same name in GOROOT's files. What a comment names must be there:
// a Go release that moves it makes the load fail with a message that says so. A //go:build line with release tags (go1.26, !go1.26)
// says which releases the file is for.
type overlay struct {
	texts   []text
	replace bool
	from    map[string][]string // file to names, nil for all
	without map[string]bool     // files
	remove  map[string]bool
}

// readOverlay reads the overlay of a package for the release with these tags, nil when it has none.
func readOverlay(importPath string, releaseTags []string) (*overlay, error) {
	dir := path.Join(overlayDir, importPath)
	entries, err := fs.ReadDir(overlays, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	o := &overlay{from: map[string][]string{}, without: map[string]bool{}, remove: map[string]bool{}}
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		b, err := overlays.ReadFile(path.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		if !built(b, releaseTags) {
			continue
		}
		o.texts = append(o.texts, text{name: path.Join("overlay", importPath, e.Name()), overlay: true, bytes: b})
		o.comments(string(b))
	}
	if len(o.texts) == 0 {
		return nil, nil
	}
	return o, nil
}

// built says whether the //go:build line of an overlay file, if it has one, holds for the release.
func built(file []byte, releaseTags []string) bool {
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSpace(line)
		if x, err := constraint.Parse(line); err == nil && constraint.IsGoBuild(line) {
			return x.Eval(func(tag string) bool { return slices.Contains(releaseTags, tag) })
		}
		if line != "" && !strings.HasPrefix(line, "//") {
			break
		}
	}
	return true
}

func (o *overlay) comments(text string) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "//tandem:replace":
			o.replace = true
		case "//tandem:from":
			o.from[words[1]] = words[2:]
		case "//tandem:without":
			for _, name := range words[1:] {
				o.without[name] = true
			}
		case "//tandem:remove":
			for _, name := range words[1:] {
				o.remove[name] = true
			}
		}
	}
}

// merge lets the overlay's declarations stand for those in GOROOT's files.
func (s *source) merge(o *overlay) error {
	out := maps.Clone(o.remove)
	there := map[string]bool{}
	for _, f := range s.files {
		for _, d := range f.ast.Decls {
			for _, name := range declared(d) {
				if f.overlay && name != "_" && name != "init" {
					out[name] = true
				} else {
					there[name] = true
				}
			}
		}
	}
	for name := range o.remove {
		if !there[name] {
			return fmt.Errorf("the overlay removes %s, which this GOROOT does not declare", name)
		}
	}
	gone := func(name string) bool {
		recv, _, isMethod := strings.Cut(name, ".")
		return out[name] || isMethod && o.remove[recv]
	}
	for _, f := range s.files {
		if f.overlay {
			continue
		}
		if only := o.from[path.Base(filepath.ToSlash(f.name))]; len(only) > 0 {
			keep := map[string]bool{}
			for _, name := range only {
				if keep[name] = true; !there[name] {
					return fmt.Errorf("the overlay wants %s of %s, which this GOROOT does not declare", name, f.name)
				}
			}
			f.filter(func(name string) bool { return keep[name] && !gone(name) })
		} else if len(out) > 0 {
			f.filter(func(name string) bool { return !gone(name) })
		}
		f.dropImports(s)
	}
	return nil
}

// dropImports removes the imports that nothing in f names any more.
func (f *file) dropImports(s *source) {
	used := map[string]bool{}
	for _, d := range f.ast.Decls {
		ast.Inspect(d, func(n ast.Node) bool {
			if x, ok := n.(*ast.SelectorExpr); ok {
				if id, ok := x.X.(*ast.Ident); ok {
					used[id.Name] = true
				}
			}
			return true
		})
	}
	f.keepImports(func(i *ast.ImportSpec, p string) bool {
		if i.Name != nil {
			return i.Name.Name == "_" || i.Name.Name == "." || used[i.Name.Name]
		}
		base := path.Base(p)
		if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
			base = path.Base(path.Dir(p))
		}
		return used[base]
	})
}

// keepImports removes the imports that keep refuses.
func (f *file) keepImports(keep func(i *ast.ImportSpec, path string) bool) {
	ok := func(i *ast.ImportSpec) bool {
		p, _ := strconv.Unquote(i.Path.Value)
		return keep(i, p)
	}
	var decls []ast.Decl
	for _, d := range f.ast.Decls {
		if g, isGen := d.(*ast.GenDecl); isGen && g.Tok == token.IMPORT {
			g.Specs = slices.DeleteFunc(g.Specs, func(s ast.Spec) bool { return !ok(s.(*ast.ImportSpec)) })
			if len(g.Specs) == 0 {
				continue
			}
		}
		decls = append(decls, d)
	}
	f.ast.Decls = decls
	f.ast.Imports = slices.DeleteFunc(f.ast.Imports, func(i *ast.ImportSpec) bool { return !ok(i) })
}

// declared are the names d declares.
func declared(d ast.Decl) []string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return []string{funcName(d)}
	case *ast.GenDecl:
		var names []string
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names = append(names, n.Name)
				}
			}
		}
		return names
	}
	return nil
}

// funcName is f, or T.m for a method.
func funcName(d *ast.FuncDecl) string {
	if r := receiver(d); r != "" {
		return r + "." + d.Name.Name
	}
	return d.Name.Name
}

// receiver is the name of the receiver's base type, empty for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.ParenExpr:
			t = x.X
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// filter takes the declarations that keep refuses out of f. Constants become blank, so that iota counts on.
func (f *file) filter(keep func(name string) bool) {
	var kept []ast.Decl
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if !keep(funcName(d)) {
				continue
			}
		case *ast.GenDecl:
			if d.Tok != token.IMPORT {
				d.Specs = slices.DeleteFunc(d.Specs, func(s ast.Spec) bool { return !keepSpec(s, d.Tok, keep) })
				if len(d.Specs) == 0 || d.Tok == token.CONST && allBlank(d) {
					continue
				}
			}
		}
		kept = append(kept, d)
	}
	f.ast.Decls = kept
	f.links = slices.DeleteFunc(f.links, func(k link) bool { return !keep(k.local) })
}

func allBlank(d *ast.GenDecl) bool {
	for _, name := range declared(d) {
		if name != "_" {
			return false
		}
	}
	return true
}

// keepSpec takes the names that keep refuses out of s; false says that nothing is left.
func keepSpec(spec ast.Spec, tok token.Token, keep func(name string) bool) bool {
	s, ok := spec.(*ast.ValueSpec)
	if !ok {
		return keep(spec.(*ast.TypeSpec).Name.Name)
	}
	paired := len(s.Values) == len(s.Names)
	left := tok == token.CONST
	for i := len(s.Names) - 1; i >= 0; i-- {
		n := s.Names[i]
		switch {
		case keep(n.Name):
			left = true
		case tok == token.CONST || len(s.Values) > 0 && !paired:
			s.Names[i] = &ast.Ident{NamePos: n.NamePos, Name: "_"}
		default:
			s.Names = append(s.Names[:i:i], s.Names[i+1:]...)
			if paired {
				s.Values = append(s.Values[:i:i], s.Values[i+1:]...)
			}
		}
	}
	return left
}

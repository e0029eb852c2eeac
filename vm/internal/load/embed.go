package load

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tandemvm/tandem/vm/internal/inputs"
)

// Embedded files become the initial values of their variables: a string or []byte is a conversion of a string constant, an embed.FS
// is a call of the overlay of package embed with one constant that holds all files. So images hold them, and nothing
// is read when the program runs.

// embedded is a //go:embed comment.
type embedded struct {
	at       *ast.Comment
	patterns []string
}

// embed gives the variables of s below //go:embed comments their values.
func (s *source) embed(l *loader) {
	maker := ""
	for _, f := range s.files {
		list := s.embedComments(l, f)
		if len(list) == 0 {
			continue
		}
		name := ""
		for _, i := range f.ast.Imports {
			if p, _ := strconv.Unquote(i.Path.Value); p == "embed" {
				if name = "embed"; i.Name != nil {
					name = i.Name.Name
				}
			}
		}
		for len(list) > 0 {
			e := list[0]
			spec, n := s.embedTarget(f, list)
			var patterns []string
			for _, x := range list[:n] {
				patterns = append(patterns, x.patterns...)
			}
			list = list[n:]
			switch {
			case name == "":
				s.fail(l, e.at.Pos(), "go:embed only allowed in Go files that import \"embed\"")
			case spec == nil:
				s.fail(l, e.at.Pos(), "misplaced go:embed directive")
			case len(spec.Names) > 1:
				s.fail(l, e.at.Pos(), "go:embed cannot apply to multiple vars")
			case len(spec.Values) > 0:
				s.fail(l, e.at.Pos(), "go:embed cannot apply to var with initializer")
			default:
				maker = s.embedValue(l, f, e, spec, name, patterns, maker)
			}
		}
	}
}

// embedComments are the //go:embed comments of f by position.
func (s *source) embedComments(l *loader, f *file) []embedded {
	var list []embedded
	for _, g := range f.ast.Comments {
		for _, c := range g.List {
			rest, ok := strings.CutPrefix(c.Text, "//go:embed")
			if !ok || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
				continue
			}
			patterns, err := embedPatterns(rest)
			if err != nil {
				s.fail(l, c.Pos(), "%v", err)
				continue
			}
			list = append(list, embedded{c, patterns})
		}
	}
	return list
}

// embedPatterns splits the patterns of a comment; those with spaces are quoted.
func embedPatterns(text string) ([]string, error) {
	var patterns []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		if text[0] != '"' && text[0] != '`' {
			word, rest, _ := strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
			patterns, text = append(patterns, word), rest
			continue
		}
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return nil, fmt.Errorf("invalid quoted string in //go:embed: %s", text)
		}
		word, _ := strconv.Unquote(quoted)
		patterns, text = append(patterns, word), text[len(quoted):]
	}
	return patterns, nil
}

// embedTarget is the variable that the first of list, and n-1 more, stand above.
func (s *source) embedTarget(f *file, list []embedded) (target *ast.ValueSpec, n int) {
	n = 1
	var spec ast.Spec
	var tok token.Token
	at := token.Pos(1 << 60)
	for _, d := range f.ast.Decls {
		start, end := d.Pos(), d.End()
		if g, ok := d.(*ast.GenDecl); ok {
			for i, x := range g.Specs {
				from := x.Pos()
				if i == 0 && !g.Lparen.IsValid() {
					from = start
				}
				if from > list[0].at.Pos() && from < at {
					at, spec, tok = from, x, g.Tok
				}
			}
		} else if start < list[0].at.Pos() && list[0].at.Pos() < end {
			return nil, n // inside a function
		} else if start > list[0].at.Pos() && start < at {
			at, spec = start, nil
		}
	}
	for n < len(list) && list[n].at.Pos() < at {
		n++
	}
	if v, ok := spec.(*ast.ValueSpec); ok && tok == token.VAR {
		return v, n
	}
	return nil, n
}

// embedValue initialises spec with the files that the patterns mean. It returns the name of the function that makes file systems in this package.
func (s *source) embedValue(l *loader, f *file, e embedded, spec *ast.ValueSpec, imported string, patterns []string, maker string) string {
	files, err := embedFiles(l.cfg.Disk, s.dir, patterns)
	if err != nil {
		s.fail(l, e.at.Pos(), "%v", err)
		return maker
	}
	pos := spec.Pos()
	call := func(fun ast.Expr, text string) {
		lit := &ast.BasicLit{ValuePos: pos, Kind: token.STRING, Value: strconv.Quote(text)}
		spec.Values = []ast.Expr{&ast.CallExpr{Fun: fun, Lparen: pos, Args: []ast.Expr{lit}, Rparen: pos}}
	}
	if sel, ok := spec.Type.(*ast.SelectorExpr); ok && isIdent(sel.X, imported) && sel.Sel.Name == "FS" {
		if maker == "" {
			maker = "embed·files" // no program can write that name
			f.ast.Decls = append(f.ast.Decls, &ast.FuncDecl{Name: &ast.Ident{NamePos: pos, Name: maker}, Type: &ast.FuncType{Func: pos,
				Params:  &ast.FieldList{List: []*ast.Field{{Type: &ast.Ident{NamePos: pos, Name: "string"}}}},
				Results: &ast.FieldList{List: []*ast.Field{{Type: &ast.SelectorExpr{X: &ast.Ident{NamePos: pos, Name: imported}, Sel: &ast.Ident{NamePos: pos, Name: "FS"}}}}}}})
			f.links = append(f.links, link{pos, maker, "embed.files"})
		}
		text, err := embedText(l.cfg.Disk, s.dir, files)
		if err != nil {
			s.fail(l, e.at.Pos(), "%v", err)
			return maker
		}
		call(&ast.Ident{NamePos: pos, Name: maker}, text)
		return maker
	}
	if len(files) != 1 {
		s.fail(l, e.at.Pos(), "invalid go:embed: multiple files for type %s", exprText(spec.Type))
		return maker
	}
	b, err := l.cfg.Disk.ReadFile(filepath.Join(s.dir, files[0]))
	if err != nil {
		s.fail(l, e.at.Pos(), "%v", err)
		return maker
	}
	switch t := spec.Type.(type) {
	case *ast.Ident:
		call(&ast.Ident{NamePos: pos, Name: t.Name}, string(b))
	case *ast.ArrayType:
		if id, ok := t.Elt.(*ast.Ident); ok && t.Len == nil {
			call(&ast.ArrayType{Lbrack: pos, Elt: &ast.Ident{NamePos: pos, Name: id.Name}}, string(b))
		}
	}
	if len(spec.Values) == 0 {
		s.fail(l, e.at.Pos(), "go:embed cannot apply to var of type %s", exprText(spec.Type))
	}
	return maker
}

func isIdent(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}

// exprText is a type as an error shows it.
func exprText(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return exprText(x.X) + "." + x.Sel.Name
	case *ast.ArrayType:
		return "[]" + exprText(x.Elt)
	}
	return "this kind"
}

// embedFiles are the files, by slash-separated name below dir, that the patterns mean. Of a directory's files those whose name begins with . or _
// are left out, unless the pattern begins with all: or names them.
func embedFiles(disk *inputs.Disk, dir string, patterns []string) ([]string, error) {
	found := map[string]bool{}
	for _, pattern := range patterns {
		glob, all := strings.CutPrefix(pattern, "all:")
		if _, err := path.Match(glob, ""); err != nil || !fs.ValidPath(glob) {
			return nil, fmt.Errorf("pattern %s: invalid pattern syntax", pattern)
		}
		names, err := fs.Glob(disk.FS(dir), glob)
		if err != nil {
			return nil, fmt.Errorf("pattern %s: %w", pattern, err)
		}
		count := 0
		for _, name := range names {
			n, err := embedName(disk, dir, name, all, found)
			if err != nil {
				return nil, fmt.Errorf("pattern %s: %w", pattern, err)
			}
			count += n
		}
		if count == 0 {
			return nil, fmt.Errorf("pattern %s: no matching files found", pattern)
		}
	}
	files := make([]string, 0, len(found))
	for name := range found {
		files = append(files, name)
	}
	slices.Sort(files)
	return files, nil
}

// embedName enters a file, or all that is to be embedded of a directory, and says how many they are.
func embedName(disk *inputs.Disk, dir, name string, all bool, found map[string]bool) (count int, err error) {
	err = fs.WalkDir(disk.FS(dir), name, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := p != name && !all && (d.Name()[0] == '.' || d.Name()[0] == '_')
		if d.IsDir() {
			_, module := disk.Stat(filepath.Join(dir, p, "go.mod"))
			switch {
			case module == nil && p == name:
				return fmt.Errorf("cannot embed directory %s: in different module", p)
			case hidden || module == nil:
				return fs.SkipDir
			}
			return nil
		}
		switch {
		case hidden:
			return nil
		case !d.Type().IsRegular() && p == name:
			return fmt.Errorf("cannot embed irregular file %s", p)
		case !d.Type().IsRegular():
			return nil
		}
		found[p] = true
		count++
		return nil
	})
	if err == nil && count == 0 {
		if fi, serr := disk.Stat(filepath.Join(dir, name)); serr == nil && fi.IsDir() {
			err = fmt.Errorf("cannot embed directory %s: contains no embeddable files", name)
		}
	}
	return count, err
}

// embedText is the argument of embed.files: for each directory and file, in the order that embed.FS wants, name, a zero byte, the length in
// decimal, a zero byte, the content.
func embedText(disk *inputs.Disk, dir string, files []string) (string, error) {
	names := map[string]bool{}
	for _, name := range files {
		names[name] = true
		for d := path.Dir(name); d != "."; d = path.Dir(d) {
			names[d+"/"] = true
		}
	}
	order := make([]string, 0, len(names))
	for name := range names {
		order = append(order, name)
	}
	slices.SortFunc(order, func(a, b string) int {
		a, b = strings.TrimSuffix(a, "/"), strings.TrimSuffix(b, "/")
		return cmp.Or(cmp.Compare(path.Dir(a), path.Dir(b)), cmp.Compare(path.Base(a), path.Base(b)))
	})
	var b strings.Builder
	for _, name := range order {
		var content []byte
		if !strings.HasSuffix(name, "/") {
			var err error
			if content, err = disk.ReadFile(filepath.Join(dir, name)); err != nil {
				return "", err
			}
		}
		fmt.Fprintf(&b, "%s\x00%d\x00%s", name, len(content), content)
	}
	return b.String(), nil
}

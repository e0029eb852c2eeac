package load

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/scanner"
	"go/token"
	"io"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/tandemvm/tandem/vm/internal/inputs"
)

// guestPath is the import path of the package that programs may import from anywhere.
const guestPath = "github.com/tandemvm/tandem/vm/turn"

// source is the parsed text of one package.
type source struct {
	path    string
	dir     string
	name    string
	std     bool
	command bool // the package being run
	goVer   string
	files   []*file
	imports map[string]string // import path as written to import path as resolved
	errs    []Error
	foreign foreign
}

// file is one parsed file.
type file struct {
	name    string // full path, or overlay path
	overlay bool
	ast     *ast.File
	links   []link
}

// link is a //go:linkname with two names.
type link struct {
	pos           token.Pos
	local, target string
}

// contexts select files: programs as gc on linux/amd64 does, the standard library for an architecture without assembly.
func contexts(root, version string) (user, std build.Context) {
	user = build.Default
	user.GOROOT, user.GOOS, user.GOARCH, user.Compiler = root, "linux", "amd64", "gc"
	user.CgoEnabled, user.BuildTags, user.ToolTags, user.InstallSuffix = false, nil, nil, ""
	user.ReleaseTags = releaseTags(version)
	std = user
	std.GOARCH = "tandem"
	std.BuildTags = []string{"purego", "math_big_pure_go", "tandem"}
	return user, std
}

// releaseTags are go1.1 to the version's own.
func releaseTags(version string) []string {
	minor := len(build.Default.ReleaseTags)
	if parts := strings.SplitN(strings.TrimPrefix(version, "go"), ".", 3); len(parts) > 1 {
		digits := strings.TrimFunc(parts[1], func(r rune) bool { return r < '0' || r > '9' })
		if n, err := strconv.Atoi(digits); err == nil {
			minor = n
		}
	}
	tags := make([]string, minor)
	for i := range tags {
		tags[i] = fmt.Sprintf("go1.%d", i+1)
	}
	return tags
}

// text is a file as read.
type text struct {
	name    string
	overlay bool
	bytes   []byte
}

// readDir reads the files of dir that the context selects, but for tests, sorted by name.
func readDir(disk *inputs.Disk, ctxt build.Context, dir string) ([]text, error) {
	return readFiles(disk, ctxt, dir, func(name string) bool { return !strings.HasSuffix(name, "_test.go") })
}

// readFiles is readDir for the files whose name pleases.
func readFiles(disk *inputs.Disk, ctxt build.Context, dir string, pleases func(name string) bool) ([]text, error) {
	entries, err := disk.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var last []byte
	ctxt.OpenFile = func(name string) (io.ReadCloser, error) {
		b, err := disk.ReadFile(name)
		last = b
		return io.NopCloser(bytes.NewReader(b)), err
	}
	var texts []text
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !strings.HasSuffix(name, ".go") || !pleases(name) || name[0] == '_' || name[0] == '.' {
			continue
		}
		ok, err := ctxt.MatchFile(dir, name)
		if err != nil {
			return nil, err
		}
		if ok {
			texts = append(texts, text{name: filepath.Join(dir, name), bytes: last})
		}
	}
	return texts, nil
}

// parse parses texts into s. Comments are kept only where a directive may stand.
func (s *source) parse(l *loader, texts []text) {
	for _, t := range texts {
		mode := parser.SkipObjectResolution
		if s.std {
			if bytes.Contains(t.bytes, []byte("//go:linkname ")) || bytes.Contains(t.bytes, []byte("//go:embed")) || t.overlay {
				mode |= parser.ParseComments
			}
		} else {
			mode |= parser.ParseComments | parser.AllErrors
		}
		f, err := parser.ParseFile(l.fset, t.name, t.bytes, mode)
		if err != nil {
			s.syntaxErrors(l, err)
			continue
		}
		x := &file{name: t.name, overlay: t.overlay, ast: f}
		if mode&parser.ParseComments != 0 {
			x.links = links(f)
		}
		if s.name == "" {
			s.name = f.Name.Name
		} else if s.name != f.Name.Name {
			s.errs = append(s.errs, Error{Message: fmt.Sprintf("found packages %s (%s) and %s (%s) in %s", s.name, filepath.Base(s.files[0].name), f.Name.Name, filepath.Base(t.name), s.dir)})
		}
		s.files = append(s.files, x)
	}
	s.embed(l)
}

func (s *source) syntaxErrors(l *loader, err error) {
	var list scanner.ErrorList
	if !errors.As(err, &list) {
		s.errs = append(s.errs, Error{Message: err.Error()})
		return
	}
	for _, e := range list {
		p := e.Pos
		p.Filename = shortPath(l.cfg.Dir, p.Filename)
		s.errs = append(s.errs, Error{p, "syntax error: " + e.Msg})
	}
}

func (s *source) fail(l *loader, pos token.Pos, format string, args ...any) {
	s.errs = append(s.errs, Error{l.position(pos), fmt.Sprintf(format, args...)})
}

// links are the two-name //go:linkname directives of f.
func links(f *ast.File) []link {
	var ls []link
	for _, g := range f.Comments {
		for _, c := range g.List {
			words := strings.Fields(c.Text)
			if len(words) == 3 && words[0] == "//go:linkname" {
				ls = append(ls, link{c.Pos(), words[1], words[2]})
			}
		}
	}
	return ls
}

// importPaths are the imports of s, sorted, and the position of the first of each.
func (s *source) importPaths() ([]string, map[string]token.Pos) {
	first := map[string]token.Pos{}
	for _, f := range s.files {
		for _, i := range f.ast.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				continue
			}
			if _, ok := first[p]; !ok {
				first[p] = i.Pos()
			}
		}
	}
	paths := make([]string, 0, len(first))
	for p := range first {
		paths = append(paths, p)
	}
	sort.Strings(paths)
	return paths, first
}

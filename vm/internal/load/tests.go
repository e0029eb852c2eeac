package load

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"go/version"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"text/template"
	"unicode"
	"unicode/utf8"
)

// A test program is what `go test` builds: a package with its _test.go files, the external tests of package P_test, and a
// main that hands their tests to package testing. All of the program that imports P gets the P with the tests in it,
// as with the go command.

// Package is a package found by directory or import path.
type Package struct {
	Path  string // import path
	Dir   string
	Std   bool // of the standard library
	Tests bool // has _test.go files
}

// FindPackage is the package that cfg's only path means: a directory, or an import path of the standard library or of the module around cfg.Dir.
func FindPackage(cfg Config) (Package, error) {
	l, err := open(context.Background(), cfg)
	if err != nil {
		return Package{}, err
	}
	p, err := l.locate()
	if err != nil {
		return Package{}, err
	}
	inside, outside, err := l.readTests(p)
	p.Tests = len(inside)+len(outside) > 0
	if err == nil && !p.Tests {
		ctxt := l.userCtxt
		if p.Std {
			ctxt = l.stdCtxt
		}
		var texts []text
		if texts, err = readDir(l.cfg.Disk, ctxt, p.Dir); err == nil && len(texts) == 0 {
			err = noFiles(p.Dir, p.Dir)
		}
	}
	return p, err
}

// noFiles says that a directory has no Go files, or none for linux/amd64, as the go command does. shown is how the directory is shown.
func noFiles(dir, shown string) error {
	if names, _ := filepath.Glob(filepath.Join(dir, "*.go")); len(names) > 0 {
		return fmt.Errorf("build constraints exclude all Go files in %s (programs are built for linux/amd64 without cgo)", shown)
	}
	return fmt.Errorf("no Go files in %s", shown)
}

// locate finds the directory and the import path of the package to test.
func (l *loader) locate() (Package, error) {
	if len(l.cfg.Paths) != 1 {
		return Package{}, errors.New("load: give one package to test: a directory or an import path")
	}
	name, src := l.cfg.Paths[0], filepath.Join(l.root, "src")
	dir := name
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(l.cfg.Dir, name)
	}
	if !l.cfg.Disk.IsDir(dir) {
		switch first, _, _ := strings.Cut(name, "/"); {
		case build.IsLocalImport(name) || filepath.IsAbs(name):
			return Package{Path: name}, fmt.Errorf("directory %s not found", name)
		case l.cfg.Disk.IsDir(filepath.Join(src, name)):
			dir = filepath.Join(src, name)
		default:
			m, err := findModule(l.cfg.Disk, l.cfg.Dir, l.cfg.Env)
			if err != nil {
				return Package{Path: name}, err
			}
			_, own := "", false
			if m != nil {
				_, own = within(name, m.path)
			}
			if !own && !strings.Contains(first, ".") {
				return Package{Path: name}, fmt.Errorf("package %s is not in std (%s)", name, filepath.Join(src, name))
			}
			if m == nil {
				return Package{Path: name}, fmt.Errorf("no required module provides package %s: go.mod file not found in current directory or any parent directory; see 'go help modules'", name)
			}
			if dir, err = m.directory(name); err != nil {
				return Package{Path: name}, err
			}
			l.module = m // which also says where the package's own dependencies are
			return Package{Path: name, Dir: dir}, nil
		}
	}
	if rel, err := filepath.Rel(src, dir); err == nil && rel != "." && !strings.HasPrefix(rel, "..") {
		return Package{Path: filepath.ToSlash(rel), Dir: dir, Std: true}, nil
	}
	p := Package{Path: "command-line-arguments", Dir: dir}
	m, err := findModule(l.cfg.Disk, dir, l.cfg.Env)
	if err != nil || m == nil {
		return p, err
	}
	p.Path, err = m.importPath(dir)
	return p, err
}

// readTests reads the test files of p: those of the package itself and those of package P_test.
func (l *loader) readTests(p Package) (inside, outside []text, err error) {
	ctxt := l.userCtxt
	if p.Std {
		ctxt = l.stdCtxt
	}
	all, err := readFiles(l.cfg.Disk, ctxt, p.Dir, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	if err != nil {
		return nil, nil, err
	}
	for _, t := range all {
		f, err := parser.ParseFile(token.NewFileSet(), t.name, t.bytes, parser.PackageClauseOnly)
		if err == nil && strings.HasSuffix(f.Name.Name, "_test") {
			outside = append(outside, t)
		} else {
			inside = append(inside, t)
		}
	}
	return inside, outside, nil
}

// readSuite makes the command the test program of the package that the configuration names.
func (l *loader) readSuite() error {
	p, err := l.locate()
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	inside, outside, err := l.readTests(p)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	s := &source{path: p.Path + ".test", dir: p.Dir, command: true, goVer: version.Lang(l.version)}
	l.command = s
	l.tests = map[string][]text{p.Path: inside}
	l.tested = p
	if !p.Std && l.module == nil {
		if l.module, err = findModule(l.cfg.Disk, p.Dir, l.cfg.Env); err != nil {
			return fmt.Errorf("load: %w", err)
		}
	}
	m := suite{ImportPath: p.Path, Name: path.Base(p.Path)}
	if l.module != nil {
		m.ModulePath = l.module.path
	}
	base, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	for _, name := range base {
		m.HasPackage = m.HasPackage || !strings.HasSuffix(name, "_test.go") || len(inside) > 0
	}
	if len(outside) > 0 {
		l.tests[m.External()] = outside
	}
	for _, list := range []struct {
		texts []text
		pkg   string
	}{{inside, "_test"}, {outside, "_xtest"}} {
		for _, t := range list.texts {
			if err := m.collect(l, t, list.pkg); err != nil {
				return err
			}
		}
	}
	s.parse(l, []text{{name: "_testmain.go", bytes: m.main(), overlay: true}})
	if err := s.failed(); err != nil {
		return err
	}
	return l.suiteDefaults(slices.Concat(inside, outside))
}

// suiteDefaults finds GODEBUG's default for the tests in these files: the main module is that of the package, or for a package of the standard
// library that around the working directory.
func (l *loader) suiteDefaults(tests []text) error {
	main, ctxt := l.module, l.userCtxt
	if l.tested.Std {
		var err error
		if main, err = findModule(l.cfg.Disk, l.cfg.Dir, l.cfg.Env); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		ctxt = l.stdCtxt
	}
	own, err := readDir(l.cfg.Disk, ctxt, l.tested.Dir)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	return l.setDefaults(main, append(own, tests...))
}

// external says whether s is the external tests.
func (l *loader) external(s *source) bool { return l.cfg.Test && s.path == l.tested.Path+"_test" }

// suite is what a package's test files hold, as the template of the test main wants it.
type suite struct {
	ImportPath, ModulePath, Name string
	HasPackage                   bool // there is a package besides the external tests
	Uses, UsesExternal           bool // main names something of the package, of the external tests
	HasExternal                  bool
	Tests, Benchmarks, Fuzzes    []testFunc
	Examples                     []testFunc
	Main                         *testFunc
}

// External is the import path of the external tests.
func (m *suite) External() string { return m.ImportPath + "_test" }

// testFunc is a function that main hands to package testing.
type testFunc struct {
	Package, Name, Output string
	Unordered             bool
}

// collect adds the tests of a file. What does not parse is complained about when the package is read.
func (m *suite) collect(l *loader, t text, pkg string) error {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, t.name, t.bytes, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil
	}
	m.HasExternal = m.HasExternal || pkg == "_xtest"
	use := func() {
		if pkg == "_test" {
			m.Uses = true
		} else {
			m.UsesExternal = true
		}
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Recv != nil {
			continue
		}
		name := fn.Name.Name
		wrong := func(kind, arg string) error {
			p := fset.Position(fn.Pos())
			p.Filename = shortPath(l.cfg.Dir, p.Filename)
			return &Errors{Package: m.ImportPath, List: []Error{{p, fmt.Sprintf("wrong signature for %s, must be: func %s(%s *testing.%s)", name, name, strings.ToLower(arg), arg)}}}
		}
		if name == "TestMain" && !takes(fn, "T") {
			if !takes(fn, "M") {
				return wrong("TestMain", "M")
			}
			if m.Main != nil {
				return &Errors{Package: m.ImportPath, List: []Error{{Message: "multiple definitions of TestMain"}}}
			}
			m.Main = &testFunc{Package: pkg, Name: name}
			use()
			continue
		}
		for _, k := range []struct {
			prefix, arg string
			list        *[]testFunc
		}{{"Test", "T", &m.Tests}, {"Benchmark", "B", &m.Benchmarks}, {"Fuzz", "F", &m.Fuzzes}} {
			if !isTest(name, k.prefix) {
				continue
			}
			if !takes(fn, k.arg) {
				return wrong(k.prefix, k.arg)
			}
			*k.list = append(*k.list, testFunc{Package: pkg, Name: name})
			use()
		}
	}
	examples := doc.Examples(f)
	sort.Slice(examples, func(i, j int) bool { return examples[i].Order < examples[j].Order })
	for _, e := range examples {
		if e.Output != "" || e.EmptyOutput {
			m.Examples = append(m.Examples, testFunc{pkg, "Example" + e.Name, e.Output, e.Unordered})
			use()
		}
	}
	return nil
}

// isTest says whether name is prefix, or begins with it and goes on with no lower-case letter.
func isTest(name, prefix string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return false
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return rest == "" || !unicode.IsLower(r)
}

// takes says whether fn is a func(*arg) or func(*testing.arg), by its text.
func takes(fn *ast.FuncDecl, arg string) bool {
	t := fn.Type
	if t.Results.NumFields() != 0 || t.TypeParams.NumFields() != 0 || t.Params.NumFields() != 1 {
		return false
	}
	star, ok := t.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	switch x := star.X.(type) {
	case *ast.Ident:
		return x.Name == arg
	case *ast.SelectorExpr:
		return x.Sel.Name == arg
	}
	return false
}

// main is the text of package main.
func (m *suite) main() []byte {
	var b strings.Builder
	if err := mainText.Execute(&b, m); err != nil {
		panic("BUG: load: the test main: " + err.Error())
	}
	return []byte(b.String())
}

var mainText = template.Must(template.New("main").Parse(`package main

import (
	"os"
{{if .Main}}	"reflect"
{{end}}	"testing"
	"testing/internal/testdeps"
{{if .Fuzzes}}	"internal/fuzz"
{{end}}{{if .HasPackage}}	{{if .Uses}}_test{{else}}_{{end}} {{printf "%q" .ImportPath}}
{{end}}{{if .HasExternal}}	{{if .UsesExternal}}_xtest{{else}}_{{end}} {{printf "%q" .External}}
{{end}})

var tests = []testing.InternalTest{
{{range .Tests}}	{"{{.Name}}", {{.Package}}.{{.Name}}},
{{end}}}

var benchmarks = []testing.InternalBenchmark{
{{range .Benchmarks}}	{"{{.Name}}", {{.Package}}.{{.Name}}},
{{end}}}

var fuzzTargets = []testing.InternalFuzzTarget{
{{range .Fuzzes}}	{"{{.Name}}", {{.Package}}.{{.Name}}},
{{end}}}

var examples = []testing.InternalExample{
{{range .Examples}}	{"{{.Name}}", {{.Package}}.{{.Name}}, {{printf "%q" .Output}}, {{.Unordered}}},
{{end}}}

func main() {
	testdeps.ImportPath, testdeps.ModulePath = {{printf "%q" .ImportPath}}, {{printf "%q" .ModulePath}}
{{if .Fuzzes}}	testdeps.Corpus, testdeps.Check = fuzz.ReadCorpus, fuzz.CheckCorpus
{{end}}	m := testing.MainStart(testdeps.TestDeps{}, tests, benchmarks, fuzzTargets, examples)
{{if .Main}}	{{.Main.Package}}.TestMain(m)
	os.Exit(int(reflect.ValueOf(m).Elem().FieldByName("exitCode").Int()))
{{else}}	os.Exit(m.Run())
{{end}}}
`))

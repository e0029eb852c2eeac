package load

import (
	"context"
	"errors"
	"fmt"
	"go/build"
	"go/token"
	"go/types"
	"go/version"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/inputs"
)

// loader is one load in progress.
type loader struct {
	ctx       context.Context
	cfg       Config
	root      string
	version   string // of root: go1.26.1
	release   release
	fset      *token.FileSet
	module    *module
	userCtxt  build.Context
	stdCtxt   build.Context
	command   *source
	godebug   string            // what GODEBUG says in the program unless it is told otherwise: "name=value,..."
	whole     map[string]bool   // packages that pruning leaves whole
	tested    Package           // with Config.Test: the package whose tests are the program
	tests     map[string][]text // its test files, by the import path of the package they belong to
	phases    []Phase
	phaseFrom time.Time

	mu      sync.Mutex
	sources map[string]*source
	wanted  sync.WaitGroup
	slots   chan struct{} // bounds parallel work
}

func newLoader(ctx context.Context, cfg Config, root string) *loader {
	if cfg.Disk == nil {
		cfg.Disk = &inputs.Disk{}
	}
	goVersion, _ := readVersion(cfg.Disk.ReadFile, root) // FindGOROOT has seen that it can be read
	l := &loader{ctx: ctx, cfg: cfg, root: root, version: goVersion, fset: token.NewFileSet(),
		sources: map[string]*source{}, slots: make(chan struct{}, max(2, runtime.GOMAXPROCS(0))), phaseFrom: time.Now()}
	l.release, _ = releaseOf(l.version)
	l.userCtxt, l.stdCtxt = contexts(root, l.version)
	l.stdCtxt.ToolTags = l.release.tags
	return l
}

// phase notes that a phase ended.
func (l *loader) phase(name string) {
	now := time.Now()
	l.phases = append(l.phases, Phase{name, now.Sub(l.phaseFrom)})
	l.phaseFrom = now
}

// load runs the phases. Pruning leaves out what the program cannot reach by name.
func (l *loader) load(prune bool) (*Program, error) {
	read := l.readCommand
	if l.cfg.Test {
		read = l.readSuite
	}
	if err := read(); err != nil {
		return nil, err
	}
	if err := l.readImports(); err != nil {
		return nil, err
	}
	l.phase("parse")
	if prune {
		l.prune()
		l.phase("prune")
	}
	order, err := l.order()
	if err != nil {
		return nil, err
	}
	units, err := l.check(order)
	if err != nil {
		return nil, err
	}
	l.phase("check")
	p, err := l.build(units)
	if err != nil {
		return nil, err
	}
	l.phase("ssa")
	p.Phases = l.phases
	return p, nil
}

// position is where pos is, as it is shown to the user.
func (l *loader) position(pos token.Pos) token.Position {
	p := l.fset.Position(pos)
	if filepath.IsAbs(p.Filename) {
		p.Filename = shortPath(l.cfg.Dir, p.Filename)
	}
	return p
}

// readCommand reads the package to run.
func (l *loader) readCommand() error {
	if len(l.cfg.Paths) == 0 {
		return errors.New("load: no Go files given; name a .go file or a package directory")
	}
	s := &source{path: "command-line-arguments", command: true, goVer: version.Lang(l.version)}
	var texts []text
	for _, p := range l.cfg.Paths {
		abs := p
		if !filepath.IsAbs(abs) {
			abs = filepath.Join(l.cfg.Dir, p)
		}
		fi, err := l.cfg.Disk.Stat(abs)
		switch {
		case err != nil:
			return fmt.Errorf("load: %w", err)
		case fi.IsDir() && len(l.cfg.Paths) > 1:
			return fmt.Errorf("load: %s is a directory; give one directory, or files of one package", p)
		case fi.IsDir():
			s.dir = abs
			if texts, s.foreign, err = l.chooseUser(abs); err != nil {
				return fmt.Errorf("load: %w", err)
			}
			if len(texts) == 0 {
				return fmt.Errorf("load: %w", s.nothing(p))
			}
		case !strings.HasSuffix(abs, ".go"):
			return fmt.Errorf("load: %s is not a .go file", p)
		default:
			if s.dir != "" && s.dir != filepath.Dir(abs) {
				return fmt.Errorf("load: named files must all be in one directory; have %s and %s", s.dir, filepath.Dir(abs))
			}
			s.dir = filepath.Dir(abs)
			b, err := l.cfg.Disk.ReadFile(abs)
			if err != nil {
				return fmt.Errorf("load: %w", err)
			}
			texts = append(texts, text{name: abs, bytes: b})
		}
	}
	var err error
	if l.module, err = findModule(l.cfg.Disk, s.dir, l.cfg.Env); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if l.module != nil {
		if s.foreign.chosen {
			if s.path, err = l.module.importPath(s.dir); err != nil {
				return fmt.Errorf("load: %w", err)
			}
		}
		if version.Compare(l.module.goVer, l.version) > 0 {
			return fmt.Errorf("load: %s requires go >= %s (running %s of %s): use a newer Go, or lower the line go in it", filepath.Join(l.module.dir, "go.mod"), strings.TrimPrefix(l.module.goVer, "go"), l.version, l.root)
		}
		s.goVer = orOldest(l.module.goVer)
	}
	s.parse(l, texts)
	l.command = s
	if err := l.setDefaults(l.module, texts); err != nil {
		return err
	}
	if len(s.errs) == 0 && s.name != "main" {
		return fmt.Errorf("load: package %s is not a main package: only programs can be run, `peer test` runs a package's tests", s.path)
	}
	return s.failed()
}

// nothing says why there is no Go file of s to compile; dir is how its directory is shown.
func (s *source) nothing(dir string) error {
	if len(s.foreign.cgo) > 0 {
		return errors.New(s.foreign.refusal(s.path, ""))
	}
	return noFiles(s.dir, dir)
}

// failed are the errors of s so far.
func (s *source) failed() error {
	if len(s.errs) == 0 {
		return nil
	}
	sort.SliceStable(s.errs, func(i, j int) bool {
		a, b := s.errs[i].Position, s.errs[j].Position
		if a.Filename != b.Filename {
			return a.Filename < b.Filename
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
	s.errs = slices.CompactFunc(s.errs, func(a, b Error) bool {
		return a.Message == b.Message && a.Position.Filename == b.Position.Filename && a.Position.Line == b.Position.Line
	})
	return &Errors{Package: s.path, List: s.errs}
}

// readImports reads every package the command and package runtime import, in parallel.
func (l *loader) readImports() error {
	l.want("runtime", "runtime", true)
	l.follow(l.command)
	l.wanted.Wait()
	if err := l.ctx.Err(); err != nil {
		return err
	}
	for _, s := range l.everything() {
		if err := s.failed(); err != nil {
			return err
		}
	}
	return nil
}

// everything is each source, the command first, the others by import path.
func (l *loader) everything() []*source {
	all := make([]*source, 0, len(l.sources)+1)
	for _, s := range l.sources {
		all = append(all, s)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].path < all[j].path })
	return append([]*source{l.command}, all...)
}

// follow resolves the imports of s and has them read. Only the goroutine that made s calls it.
func (l *loader) follow(s *source) {
	s.imports = map[string]string{}
	paths, where := s.importPaths()
	for _, p := range paths {
		switch p {
		case "unsafe":
			continue
		case "C":
			s.fail(l, where[p], "unsupported import: C (cgo programs cannot run in the VM)")
			continue
		}
		to, dir, std, err := l.resolve(s, p)
		if err != nil {
			s.fail(l, where[p], "%v", err)
			continue
		}
		s.imports[p] = to
		l.want(to, dir, std)
	}
}

// resolve finds the package that s means by an import path: its own path and directory (unused when an overlay stands alone).
func (l *loader) resolve(s *source, p string) (to, dir string, std bool, err error) {
	switch {
	case p == guestPath:
		return p, "", true, nil
	case l.cfg.Test && (s.command || l.external(s)) && (p == l.tested.Path || p == l.tested.Path+"_test"):
		return p, l.tested.Dir, l.tested.Std, nil
	case l.cfg.Test && s.command:
		return p, p, true, nil
	}
	if build.IsLocalImport(p) {
		return "", "", false, fmt.Errorf("%q is relative, but relative import paths are not supported in module mode", p)
	}
	if err := malformed(p); err != nil {
		return "", "", false, err
	}
	src := filepath.Join(l.root, "src")
	first, _, _ := strings.Cut(p, "/")
	if s.std {
		switch {
		case !strings.Contains(first, "."):
		case strings.HasPrefix(s.path, "cmd/"):
			p = "cmd/vendor/" + p
		default:
			p = "vendor/" + p
		}
		return p, p, true, nil
	}
	if !strings.Contains(first, ".") && l.cfg.Disk.IsDir(filepath.Join(src, p)) {
		if isInternal(p) {
			return "", "", false, fmt.Errorf("use of internal package %s not allowed", p)
		}
		return p, p, true, nil
	}
	if l.module != nil && (l.module.owns(p) || strings.Contains(first, ".")) {
		if parent, ok := internalTo(p); ok {
			if _, in := within(l.importer(s), parent); !in {
				return "", "", false, fmt.Errorf("use of internal package %s not allowed", p)
			}
		}
		dir, err := l.module.directory(p)
		return p, dir, false, err
	}
	if !strings.Contains(first, ".") {
		return "", "", false, fmt.Errorf("package %s is not in std (%s)", p, filepath.Join(src, p))
	}
	return "", "", false, fmt.Errorf("no required module provides package %s: go.mod file not found in the program's directory or any parent; see 'go help modules'", p)
}

// malformed says why p is no import path, in the go command's words. Such a path would leave the directory that it is looked for in.
func malformed(p string) error {
	switch {
	case strings.HasPrefix(p, "/"):
		return fmt.Errorf("%q is not a package path", p)
	case strings.HasSuffix(p, "/"):
		return fmt.Errorf("malformed import path %q: trailing slash", p)
	case strings.Contains(p, "//"):
		return fmt.Errorf("malformed import path %q: double slash", p)
	}
	for element := range strings.SplitSeq(p, "/") {
		if strings.Trim(element, ".") == "" {
			return fmt.Errorf("malformed import path %q: invalid path element %q", p, element)
		}
	}
	return nil
}

func isInternal(p string) bool {
	return p == "internal" || strings.HasPrefix(p, "internal/") || strings.Contains(p, "/internal/") || strings.HasSuffix(p, "/internal") || strings.HasPrefix(p, "vendor/")
}

// internalTo is the path below which packages may import p, if p is internal.
func internalTo(p string) (parent string, ok bool) {
	words := strings.Split(p, "/")
	for i := len(words) - 1; i >= 0; i-- {
		if words[i] == "internal" {
			return strings.Join(words[:i], "/"), true
		}
	}
	return "", false
}

// importer is the import path of s as far as it matters to whom it may import.
func (l *loader) importer(s *source) string {
	switch {
	case l.external(s):
		return l.tested.Path
	case s.command && l.module != nil:
		if p, err := l.module.importPath(s.dir); err == nil {
			return p
		}
	}
	return s.path
}

// want has a package read, once.
func (l *loader) want(path, dir string, std bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sources[path] != nil {
		return
	}
	s := &source{path: path, dir: dir, std: std}
	l.sources[path] = s
	l.wanted.Add(1)
	go func() {
		defer l.wanted.Done()
		l.slots <- struct{}{}
		defer func() { <-l.slots }()
		if l.ctx.Err() != nil {
			return
		}
		l.read(s)
		l.follow(s)
	}()
}

// read reads and parses the files of s.
func (l *loader) read(s *source) {
	if !s.std {
		l.readUser(s)
		return
	}
	s.goVer = version.Lang(l.version)
	if l.external(s) {
		s.parse(l, l.tests[s.path])
		return
	}
	o, err := readOverlay(s.path, l.stdCtxt.ReleaseTags)
	var texts []text
	if err == nil {
		texts, err = l.readStd(s, o)
	}
	if err == nil {
		if o != nil {
			texts = append(texts, o.texts...)
		}
		if s.path == "runtime" {
			texts = append(texts, l.defaultsText())
		}
		s.parse(l, texts)
		if o != nil && len(s.errs) == 0 {
			err = s.merge(o)
		}
	}
	if err != nil {
		s.errs = append(s.errs, Error{Message: fmt.Sprintf("unsupported import: %s: %v", s.path, err)})
	}
}

// readStd reads the files of GOROOT that the overlay leaves.
func (l *loader) readStd(s *source, o *overlay) ([]text, error) {
	s.dir = filepath.Join(l.root, "src", filepath.FromSlash(s.path))
	var texts []text
	if o == nil || !o.replace {
		var err error
		if texts, err = readDir(l.cfg.Disk, l.stdCtxt, s.dir); err != nil {
			return nil, err
		}
		if texts = append(texts, l.tests[s.path]...); len(texts) == 0 {
			return nil, errors.New("no portable Go files")
		}
	}
	if o == nil {
		return texts, nil
	}
	texts = slices.DeleteFunc(texts, func(t text) bool { return o.without[filepath.Base(t.name)] })
	for _, name := range slices.Sorted(maps.Keys(o.from)) {
		b, err := l.cfg.Disk.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			return nil, err
		}
		texts = append(texts, text{name: filepath.Join(s.dir, name), bytes: b})
	}
	return texts, nil
}

func (l *loader) readUser(s *source) {
	var texts []text
	var err error
	if !l.external(s) {
		texts, s.foreign, err = l.chooseUser(s.dir)
	}
	texts = append(texts, l.tests[s.path]...)
	if err == nil && len(texts) == 0 {
		err = s.nothing(s.dir)
	}
	if err != nil {
		if len(s.foreign.cgo) == 0 {
			err = fmt.Errorf("package %s: %w", s.path, err)
		}
		s.errs = append(s.errs, Error{Message: err.Error()})
		return
	}
	if s.goVer = version.Lang(l.version); l.module != nil {
		s.goVer = l.module.language(s.path, s.dir)
	}
	s.parse(l, texts)
	if s.name == "main" && len(s.errs) == 0 && s.path != l.tested.Path {
		s.errs = append(s.errs, Error{Message: fmt.Sprintf("import %q is a program, not an importable package", s.path)})
	}
}

// order is the packages in Go's order of initialisation: always the first by import path whose imports are done, but
// package runtime before whatever it does not import, and the command last.
func (l *loader) order() ([]*source, error) {
	var order []*source
	done := map[*source]bool{}
	ready := func(s *source) bool {
		for _, p := range s.imports {
			if t := l.sources[p]; t != nil && !done[t] {
				return false
			}
		}
		return true
	}
	run := func(list []*source) {
		for again := true; again; {
			again = false
			for _, s := range list {
				if !done[s] && ready(s) {
					done[s], again = true, true
					order = append(order, s)
					break
				}
			}
		}
	}
	all := l.everything()
	if rt := l.sources["runtime"]; rt != nil {
		run(l.closure(rt))
	}
	run(all[1:])
	run(all[:1])
	for _, s := range all {
		if !done[s] {
			return nil, l.cycle(s, done)
		}
	}
	return order, nil
}

// closure is s and all it imports, by import path.
func (l *loader) closure(s *source) []*source {
	seen := map[*source]bool{}
	var list []*source
	var visit func(s *source)
	visit = func(s *source) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		list = append(list, s)
		for _, p := range s.imports {
			visit(l.sources[p])
		}
	}
	visit(s)
	sort.Slice(list, func(i, j int) bool { return list[i].path < list[j].path })
	return list
}

// cycle reports an import cycle that s is on or leads to, in the go command's words.
func (l *loader) cycle(s *source, done map[*source]bool) error {
	first := s.path
	text := "package " + first
	seen := map[*source]bool{}
	for s != nil && !seen[s] {
		seen[s] = true
		var next *source
		paths, where := s.importPaths()
		for _, p := range paths {
			if t := l.sources[s.imports[p]]; t != nil && !done[t] {
				next = t
				text += fmt.Sprintf("\n\timports %s from %s", p, filepath.Base(l.fset.Position(where[p]).Filename))
				break
			}
		}
		s = next
	}
	return &Errors{Package: first, List: []Error{{Message: text + ": import cycle not allowed"}}}
}

// unit is a package that has been checked.
type unit struct {
	*source
	types *types.Package
	info  *types.Info
	ssa   *ssa.Package
}

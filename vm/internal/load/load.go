// Package load turns Go source into checked, built go/ssa: it finds files, GOROOT and modules, selects files by build
// constraints, merges the embedded overlays into the standard library, type-checks and builds. It also reads the directives
// (//go:linkname, //tandem:shared, //tandem:local) that neither go/types nor go/ssa carry. It knows nothing of code,
// memory or how a program is run. Costs: time and memory follow the declarations of the standard library that the
// program's text can reach by name, not the size of the packages it imports.
package load

import (
	"context"
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/inputs"
)

// Config says what to load. The zero value of everything but Paths is useful.
type Config struct {
	Paths  []string // .go files of one package, or one package directory
	Dir    string   // positions in errors are relative to it, and so are Paths; default: the working directory
	GOROOT string   // default: found by FindGOROOT
	Env    func(string) string
	Disk   *inputs.Disk // remembers what is read; default: one that nobody asks
	Names  bool         // have go/ssa note the variables' names in the program's own packages (ssa.DebugRef)
	Test   bool         // the program is the tests of the package in Paths, one directory or import path
}

// Program is a loaded program. It is not changed after Load, but for notes of names, which the lowering takes out.
type Program struct {
	Fset      *token.FileSet
	SSA       *ssa.Program
	Main      *ssa.Package
	Runtime   *ssa.Package
	Packages  []*ssa.Package // each after its imports; package runtime and what it imports first, Main last
	Sizes     types.Sizes
	GoVersion string // of GOROOT: "go1.26.1"
	// DirectKinds says that this Go notes in a type's kind whether it is pointer-shaped, not in its flags as since Go 1.26.
	DirectKinds bool
	GOROOT      string
	Variables   []Variable // marked package variables, in source order

	Phases []Phase // how long each phase of Load took

	position func(token.Pos) token.Position

	symbols map[string]*ssa.Function // bodies that //go:linkname gives another name
	targets map[types.Object]string  // object to the symbol //go:linkname gives it
	std     map[*types.Package]bool
}

// Phase is the duration of one part of Load.
type Phase struct {
	Name string
	Took time.Duration
}

// Load reads, checks and builds the program. The error is *Errors for what the program's source is to blame for.
func Load(cfg Config) (*Program, error) { return LoadContext(context.Background(), cfg) }

// LoadContext is Load that gives up when ctx is done.
func LoadContext(ctx context.Context, cfg Config) (*Program, error) {
	l, err := open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	p, err := l.load(true)
	var bad *Errors
	if errors.As(err, &bad) && !bad.std {
		// The checker's hints name declarations nearby, which pruning may have removed: judge by the whole text.
		var whole *Errors
		l = newLoader(ctx, l.cfg, l.root)
		if _, again := l.load(false); errors.As(again, &whole) && !whole.std {
			return nil, whole
		}
	}
	return p, err
}

// open is a loader for cfg with its defaults filled in.
func open(ctx context.Context, cfg Config) (*loader, error) {
	if cfg.Env == nil {
		cfg.Env = os.Getenv
	}
	if cfg.Dir == "" {
		wd, err := os.Getwd()
		if err != nil {
			return nil, fmt.Errorf("load: the working directory: %w", err)
		}
		cfg.Dir = wd
	}
	root, err := FindGOROOT(cfg.GOROOT, cfg.Env)
	if err != nil {
		return nil, err
	}
	return newLoader(ctx, cfg, root), nil
}

// Error is one complaint about the program's source.
type Error struct {
	Position token.Position // Filename as it is shown
	Message  string
}

func (e Error) Error() string {
	if !e.Position.IsValid() {
		return e.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.Position.Filename, e.Position.Line, e.Position.Column, e.Message)
}

// Errors are the complaints about one package, by position; Error prints them as the go command does.
type Errors struct {
	Package string // import path, "command-line-arguments" for files
	List    []Error
	std     bool // what is wrong is not in the program's text
}

// errorsMax is the number of errors shown, the compiler's own.
const errorsMax = 10

func (e *Errors) Error() string {
	var b strings.Builder
	for i, x := range e.List {
		if i == errorsMax {
			b.WriteString("\ntoo many errors")
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(x.Error())
	}
	return b.String()
}

// shortPath is file as the go command shows it: relative to dir when that is below dir or shorter.
func shortPath(dir, file string) string {
	rel, err := filepath.Rel(dir, file)
	if err != nil || len(rel) >= len(file) {
		return file
	}
	if !strings.HasPrefix(rel, "..") {
		return "." + string(filepath.Separator) + rel
	}
	return rel
}

// Position is a place in the source as messages show it.
func (p *Program) Position(pos token.Pos) token.Position { return p.position(pos) }

// Symbol is the name under which fn's implementation is to be found when it has no body, and by which others find it
// when it has one: its //go:linkname target, else its package path and name ("sync.(*Mutex).Lock" for methods).
func (p *Program) Symbol(fn *ssa.Function) string {
	if o := fn.Object(); o != nil {
		if s, ok := p.targets[o]; ok {
			return s
		}
	}
	if o := fn.Origin(); o != nil {
		fn = o
	}
	return symbolOf(fn)
}

// symbolOf is the linker's name: path.f, path.T.m, path.(*T).m.
func symbolOf(fn *ssa.Function) string {
	o, ok := fn.Object().(*types.Func)
	if !ok || o.Pkg() == nil {
		return fn.String()
	}
	recv := o.Signature().Recv()
	if recv == nil {
		return o.Pkg().Path() + "." + o.Name()
	}
	t := types.Unalias(recv.Type())
	form := "%s.%s.%s"
	if p, ok := t.(*types.Pointer); ok {
		t, form = types.Unalias(p.Elem()), "%s.(*%s).%s"
	}
	if n, ok := t.(*types.Named); ok {
		return fmt.Sprintf(form, o.Pkg().Path(), n.Obj().Name(), o.Name())
	}
	return fn.String()
}

// Body is the Go function that implements symbol, or nil: one that //go:linkname pushes under that name, else the package's own.
func (p *Program) Body(symbol string) *ssa.Function {
	if f := p.symbols[symbol]; f != nil {
		return f
	}
	if f := p.own(symbol); f != nil && len(f.Blocks) > 0 {
		return f
	}
	return nil
}

// own is the function or method named by symbol, with or without a body.
func (p *Program) own(symbol string) *ssa.Function {
	pkg, name := p.split(symbol)
	if pkg == nil {
		return nil
	}
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return pkg.Func(name)
	}
	o, _ := method(pkg.Pkg, name[:i], name[i+1:]).(*types.Func)
	if o == nil {
		return nil
	}
	return p.SSA.FuncValue(o)
}

func (p *Program) split(symbol string) (*ssa.Package, string) {
	i := strings.LastIndexByte(symbol, '/') + 1
	j := strings.IndexByte(symbol[i:], '.')
	if j < 0 {
		return nil, ""
	}
	path, name := symbol[:i+j], symbol[i+j+1:]
	if path == "main" {
		return p.Main, name
	}
	return p.SSA.ImportedPackage(path), name
}

// Global is the variable that g stands for: another package's when //go:linkname says so, else g.
func (p *Program) Global(g *ssa.Global) *ssa.Global {
	s, ok := p.targets[g.Object()]
	if !ok {
		return g
	}
	if pkg, name := p.split(s); pkg != nil {
		if o := pkg.Var(name); o != nil {
			return o
		}
	}
	return g
}

// IsStd says whether pkg is of the standard library (or our part of it).
func (p *Program) IsStd(pkg *types.Package) bool { return p.std[pkg] }

package load

import (
	"errors"
	"fmt"
	"go/ast"
	"go/types"
	"strings"
	"sync"

	"golang.org/x/tools/go/ssa"
)

// check type-checks the packages, each as soon as its imports are done.
func (l *loader) check(order []*source) ([]*unit, error) {
	units := make([]*unit, len(order))
	byPath := map[string]*unit{}
	done := map[*unit]chan struct{}{}
	for i, s := range order {
		u := &unit{source: s}
		units[i] = u
		done[u] = make(chan struct{})
		if !s.command {
			byPath[s.path] = u
		}
	}
	var all sync.WaitGroup
	for _, u := range units {
		all.Go(func() {
			defer close(done[u])
			bad := false
			for _, p := range u.imports {
				if t := byPath[p]; t != nil {
					<-done[t]
					bad = bad || t.types == nil
				}
			}
			l.slots <- struct{}{}
			defer func() { <-l.slots }()
			if !bad && l.ctx.Err() == nil {
				l.checkUnit(u, byPath)
			}
		})
	}
	all.Wait()
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	for _, u := range units {
		if len(u.errs) > 0 && u.std {
			return nil, l.blame(u)
		}
		if err := u.failed(); err != nil {
			return nil, err
		}
	}
	return units, nil
}

type importerFunc func(path string) (*types.Package, error)

func (f importerFunc) Import(path string) (*types.Package, error) { return f(path) }

// checkUnit type-checks one package; u.types stays nil when it has errors.
func (l *loader) checkUnit(u *unit, byPath map[string]*unit) {
	u.info = &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
		Implicits: map[ast.Node]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
		Scopes: map[ast.Node]*types.Scope{}, Instances: map[*ast.Ident]types.Instance{}, FileVersions: map[*ast.File]string{},
	}
	conf := types.Config{
		GoVersion: u.goVer,
		Sizes:     types.SizesFor("gc", "amd64"),
		Importer: importerFunc(func(path string) (*types.Package, error) {
			if path == "unsafe" {
				return types.Unsafe, nil
			}
			if t := byPath[u.imports[path]]; t != nil && t.types != nil {
				return t.types, nil
			}
			return nil, fmt.Errorf("package %s was not loaded", path)
		}),
		Error: func(err error) {
			var e types.Error
			if !errors.As(err, &e) {
				u.errs = append(u.errs, Error{Message: err.Error()})
				return
			}
			if u.std && e.Soft {
				return // imports left over by overlays and pruning
			}
			if strings.HasPrefix(e.Msg, "\t") && len(u.errs) > 0 {
				u.errs[len(u.errs)-1].Message += "\n\t" + l.position(e.Pos).String() + ": " + strings.TrimPrefix(e.Msg, "\t")
				return
			}
			u.errs = append(u.errs, Error{l.position(e.Pos), e.Msg})
		},
	}
	path := u.path
	if u.command {
		path = "main"
	}
	files := make([]*ast.File, len(u.files))
	for i, f := range u.files {
		files[i] = f.ast
	}
	pkg, _ := conf.Check(path, l.fset, files, u.info)
	if !u.std {
		l.refuse(u)
	}
	if u.command && len(u.errs) == 0 && pkg.Scope().Lookup("main") == nil {
		u.errs = append(u.errs, Error{Message: "function main is undeclared in the main package"})
	}
	if len(u.errs) == 0 {
		u.types = pkg
	} else if why := u.foreign.refusal(u.path, u.errs[0].Error()); why != "" {
		u.errs = []Error{{Message: why}}
	}
}

// refuse complains about what go/types takes and the VM cannot run: functions written in assembly.
func (l *loader) refuse(u *unit) {
	for _, f := range u.files {
		linked := map[string]bool{}
		for _, k := range f.links {
			linked[k.local] = true
		}
		for _, d := range f.ast.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Body == nil && !linked[d.Name.Name] {
				u.fail(l, d.Name.Pos(), "missing function body")
			}
		}
	}
}

// blame reports that a package of the standard library does not check in the VM, at the program's import that leads to it.
func (l *loader) blame(u *unit) error {
	first := u.errs[0]
	for _, s := range l.everything() {
		if s.std {
			continue
		}
		paths, where := s.importPaths()
		for _, p := range paths {
			t := l.sources[s.imports[p]]
			if t == nil || !t.std {
				continue
			}
			for _, c := range l.closure(t) {
				if c != u.source {
					continue
				}
				msg := "unsupported import: " + p
				if t != u.source {
					msg += " (it needs " + u.path + ")"
				}
				return &Errors{Package: s.path, List: []Error{{l.position(where[p]), msg + ": " + first.Error()}}, std: true}
			}
		}
	}
	return fmt.Errorf("load: package %s of the standard library at %s does not compile in the VM: %w", u.path, l.root, first)
}

// build makes SSA of the checked packages.
func (l *loader) build(units []*unit) (*Program, error) {
	prog := ssa.NewProgram(l.fset, ssa.InstantiateGenerics)
	prog.CreatePackage(types.Unsafe, nil, nil, true)
	p := &Program{Fset: l.fset, position: l.position, SSA: prog, Sizes: types.SizesFor("gc", "amd64"), GoVersion: l.version, DirectKinds: l.release.directKinds, GOROOT: l.root,
		symbols: map[string]*ssa.Function{}, targets: map[types.Object]string{}, std: map[*types.Package]bool{}}
	for _, u := range units {
		files := make([]*ast.File, len(u.files))
		for i, f := range u.files {
			files[i] = f.ast
		}
		reshape(files, u.types, u.info)
		u.ssa = prog.CreatePackage(u.types, files, u.info, true)
		u.ssa.SetDebugMode(l.cfg.Names && !u.std)
		p.Packages = append(p.Packages, u.ssa)
		p.std[u.types] = u.std
		switch {
		case u.command:
			p.Main = u.ssa
		case u.path == "runtime":
			p.Runtime = u.ssa
		}
	}
	if err := l.directives(p, units); err != nil {
		return nil, err
	}
	l.link(p, units)
	prog.Build()
	return p, nil
}

// link collects the //go:linkname directives.
func (l *loader) link(p *Program, units []*unit) {
	for _, u := range units {
		for _, f := range u.files {
			for _, k := range f.links {
				o := u.types.Scope().Lookup(k.local)
				if i := strings.LastIndexByte(k.local, '.'); i > 0 {
					o = method(u.types, k.local[:i], k.local[i+1:])
				}
				if o == nil {
					continue
				}
				target := k.target
				switch o := o.(type) {
				case *types.Func:
					fn := p.SSA.FuncValue(o)
					if fn == nil {
						continue
					}
					if syntaxHasBody(fn) {
						if _, taken := p.symbols[target]; !taken || f.overlay {
							p.symbols[target] = fn
						}
						continue
					}
					p.targets[o] = target
				case *types.Var:
					p.targets[o] = target
				}
			}
		}
	}
}

func syntaxHasBody(fn *ssa.Function) bool {
	d, ok := fn.Syntax().(*ast.FuncDecl)
	return ok && d.Body != nil
}

// method is the method that an assembler-style name T.m or (*T).m means.
func method(pkg *types.Package, recv, name string) types.Object {
	recv = strings.Trim(recv, "(*)")
	t := pkg.Scope().Lookup(recv)
	if t == nil {
		return nil
	}
	if n, ok := t.Type().(*types.Named); ok {
		for m := range n.Methods() {
			if m.Name() == name {
				return m
			}
		}
		return nil
	}
	return nil
}

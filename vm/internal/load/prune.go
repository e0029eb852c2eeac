package load

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
)

// Pruning: most of a standard library package is not used by a program that imports it, and checking and building what is
// not used is most of the time a cold start takes. Nothing can be used that no reachable text names, so declarations of
// the standard library whose name occurs in no reachable declaration are left out before type checking; likewise
// imports. Names are matched without types: a package-level name by package, a method by its bare name together with its
// receiver's type. All text of the program itself is reachable, and so is package runtime (the machine calls into it).
// Exported methods stay when the program can reach reflect's Method or MethodByName, as the Go linker has it.

// decl is one declaration that may be left out.
type decl struct {
	file *file
	src  *source
	node ast.Node // *ast.FuncDecl, or a spec, or for constants the *ast.GenDecl
	live bool
}

type pruner struct {
	l        *loader
	named    map[[2]string][]*decl // (package path, name) to its declarations
	methods  map[string][]*methodDecl
	typeLive map[[2]string]bool
	nameLive map[string]bool
	imports  map[*file]map[string]string // name in the file to import path as written
	used     map[*file]map[string]bool   // import paths as written
	loaded   map[*source]bool            // sources that are reached
	loose    map[*source][]*decl         // init functions and the like, live when the source is
	work     []*decl
	reflects bool
	nodes    map[ast.Node]*decl
	dots     map[*file][]string // packages whose names f has without a selector
}

type methodDecl struct {
	decl
	recv [2]string
}

// prune removes what the program's text cannot reach.
func (l *loader) prune() {
	p := &pruner{l: l, named: map[[2]string][]*decl{}, methods: map[string][]*methodDecl{}, typeLive: map[[2]string]bool{}, nameLive: map[string]bool{},
		imports: map[*file]map[string]string{}, used: map[*file]map[string]bool{}, loaded: map[*source]bool{}, loose: map[*source][]*decl{},
		nodes: map[ast.Node]*decl{}, dots: map[*file][]string{}}
	for _, s := range l.everything() {
		p.index(s)
	}
	for _, s := range l.everything() {
		if !p.whole(s) {
			p.effects(s)
		}
	}
	for _, s := range l.everything() {
		if p.whole(s) {
			p.reach(s)
		}
	}
	for len(p.work) > 0 {
		d := p.work[len(p.work)-1]
		p.work = p.work[:len(p.work)-1]
		p.scan(d)
	}
	for path, s := range l.sources {
		if !p.loaded[s] {
			delete(l.sources, path)
			continue
		}
		if !p.whole(s) {
			p.cut(s)
		}
	}
}

// whole says that nothing of s is left out.
func (p *pruner) whole(s *source) bool { return !s.std || s.path == "runtime" || p.l.whole[s.path] }

// index enters the declarations of s.
func (p *pruner) index(s *source) {
	for _, f := range s.files {
		names := map[string]string{}
		for _, i := range f.ast.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			name := path // unsafe has no source
			if i.Name != nil {
				name = i.Name.Name
			} else if t := p.l.sources[s.imports[path]]; t != nil {
				name = t.name
			}
			names[name] = path
			if name == "." {
				p.dots[f] = append(p.dots[f], s.imports[path])
			}
		}
		p.imports[f] = names
		p.used[f] = map[string]bool{}
		pushed := map[string][]string{}
		for _, k := range f.links {
			pushed[k.local] = append(pushed[k.local], k.target)
		}
		for _, d := range f.ast.Decls {
			p.indexDecl(s, f, d, pushed)
		}
	}
}

func (p *pruner) indexDecl(s *source, f *file, d ast.Decl, pushed map[string][]string) {
	enter := func(name string, x *decl) {
		if name == "_" {
			return
		}
		p.named[[2]string{s.path, name}] = append(p.named[[2]string{s.path, name}], x)
		for _, target := range pushed[name] {
			if path, sym, ok := splitSymbol(target); ok {
				p.named[[2]string{path, sym}] = append(p.named[[2]string{path, sym}], x)
			}
		}
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		recv := receiver(d)
		if recv != "" {
			m := &methodDecl{decl{file: f, src: s, node: d}, [2]string{s.path, recv}}
			p.nodes[d] = &m.decl
			p.methods[d.Name.Name] = append(p.methods[d.Name.Name], m)
			p.methods["."+s.path+"."+recv] = append(p.methods["."+s.path+"."+recv], m)
			for _, target := range pushed[recv+"."+d.Name.Name] {
				if path, sym, ok := splitSymbol(target); ok {
					p.named[[2]string{path, sym}] = append(p.named[[2]string{path, sym}], &m.decl)
				}
			}
			return
		}
		x := &decl{file: f, src: s, node: d}
		p.nodes[d] = x
		if d.Name.Name == "init" || keep(d.Doc) {
			p.loose[s] = append(p.loose[s], x)
			return
		}
		enter(d.Name.Name, x)
	case *ast.GenDecl:
		if d.Tok == token.IMPORT {
			return
		}
		if keep(d.Doc) {
			p.loose[s] = append(p.loose[s], &decl{file: f, src: s, node: d})
			return
		}
		if d.Tok == token.CONST {
			x := &decl{file: f, src: s, node: d}
			p.nodes[d] = x
			for _, n := range declared(d) {
				enter(n, x)
			}
			return
		}
		for _, spec := range d.Specs {
			x := &decl{file: f, src: s, node: spec}
			p.nodes[spec] = x
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				enter(spec.Name.Name, x)
			case *ast.ValueSpec:
				for _, n := range spec.Names {
					enter(n.Name, x)
				}
			}
		}
	}
}

// keep says that a declaration is reached in ways its name does not show: //tandem:keep.
func keep(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, c := range doc.List {
		if c.Text == "//tandem:keep" {
			return true
		}
	}
	return false
}

// splitSymbol is the package path and name of a symbol.
func splitSymbol(s string) (path, name string, ok bool) {
	i := strings.LastIndexByte(s, '/') + 1
	path, name, ok = strings.Cut(s[i:], ".")
	return s[:i] + path, name, ok
}

// reach marks a source as part of the program.
func (p *pruner) reach(s *source) {
	if s == nil || p.loaded[s] {
		return
	}
	p.loaded[s] = true
	for _, x := range p.loose[s] {
		p.mark(x)
	}
	for _, f := range s.files {
		for _, i := range f.ast.Imports {
			if path, _ := strconv.Unquote(i.Path.Value); p.whole(s) || i.Name != nil && (i.Name.Name == "." || i.Name.Name == "_") {
				p.use(f, s, path)
			}
		}
		if !p.whole(s) {
			continue
		}
		for _, d := range f.ast.Decls {
			p.mark(&decl{file: f, src: s, node: d})
			for _, n := range declared(d) {
				p.name(s.path, n)
			}
		}
	}
}

// use marks an import of f as used.
func (p *pruner) use(f *file, s *source, path string) {
	if !p.used[f][path] {
		p.used[f][path] = true
		p.reach(p.l.sources[s.imports[path]])
	}
}

func (p *pruner) mark(x *decl) {
	if !x.live {
		x.live = true
		p.work = append(p.work, x)
	}
}

// name marks what a package-level name means.
func (p *pruner) name(path, name string) {
	key := [2]string{path, name}
	if p.typeLive[key] {
		return
	}
	p.typeLive[key] = true
	for _, x := range p.named[key] {
		p.reach(x.src)
		p.mark(x)
	}
	for _, m := range p.methods["."+path+"."+name] {
		p.method(m)
	}
}

// selected marks methods of a name.
func (p *pruner) selected(name string) {
	if !p.nameLive[name] {
		p.nameLive[name] = true
		for _, m := range p.methods[name] {
			p.method(m)
		}
	}
}

func (p *pruner) method(m *methodDecl) {
	name := m.node.(*ast.FuncDecl).Name.Name
	if p.typeLive[m.recv] && (p.nameLive[name] || p.reflects && ast.IsExported(name)) {
		p.mark(&m.decl)
	}
}

// allMethods keeps exported methods: reflection may call them.
func (p *pruner) allMethods() {
	if p.reflects {
		return
	}
	p.reflects = true
	for key, list := range p.methods {
		if key[0] != '.' {
			for _, m := range list {
				p.method(m)
			}
		}
	}
}

// scan marks what the text of a live declaration names.
func (p *pruner) scan(x *decl) {
	for _, k := range x.file.links {
		if pulls(x.node, k.local) {
			if path, sym, ok := splitSymbol(k.target); ok {
				p.name(path, sym)
			}
		}
	}
	p.walk(x, x.node)
}

// pulls says whether node declares local without a body or value of its own.
func pulls(node ast.Node, local string) bool {
	switch d := node.(type) {
	case *ast.FuncDecl:
		return d.Body == nil && d.Name.Name == local
	case *ast.ValueSpec:
		return len(d.Values) == 0 && len(d.Names) == 1 && d.Names[0].Name == local
	}
	return false
}

func (p *pruner) walk(x *decl, node ast.Node) {
	ast.Inspect(node, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			p.name(x.src.path, n.Name)
			for _, path := range p.dots[x.file] {
				p.name(path, n.Name)
			}
		case *ast.InterfaceType:
			for _, m := range n.Methods.List {
				for _, id := range m.Names {
					p.selected(id.Name)
				}
			}
		case *ast.SelectorExpr:
			p.selector(x, n)
			p.walk(x, n.X)
			return false
		}
		return true
	})
}

func (p *pruner) selector(x *decl, n *ast.SelectorExpr) {
	name := n.Sel.Name
	if id, ok := n.X.(*ast.Ident); ok {
		if path, ok := p.imports[x.file][id.Name]; ok {
			p.use(x.file, x.src, path)
			p.name(x.src.imports[path], name)
			if p.named[[2]string{x.src.imports[path], name}] != nil {
				p.selected(name) // a variable may have the import's name here
				return
			}
		}
	}
	if (name == "Method" || name == "MethodByName") && x.src.path != "reflect" {
		p.allMethods()
	}
	p.selected(name)
}

// cut removes what is not live from s.
func (p *pruner) cut(s *source) {
	imports := map[string]string{}
	for _, f := range s.files {
		var decls []ast.Decl
		for _, d := range f.ast.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
				decls = append(decls, d)
				continue
			} else if ok && g.Tok != token.CONST {
				g.Specs = p.cutSpecs(g)
				if len(g.Specs) == 0 {
					continue
				}
			} else if x := p.nodes[d]; x != nil && !x.live {
				continue
			}
			decls = append(decls, d)
		}
		f.ast.Decls = decls
		f.keepImports(func(_ *ast.ImportSpec, path string) bool {
			if !p.used[f][path] {
				return false
			}
			if to, ok := s.imports[path]; ok {
				imports[path] = to
			}
			return true
		})
	}
	s.imports = imports
}

func (p *pruner) cutSpecs(g *ast.GenDecl) []ast.Spec {
	var kept []ast.Spec
	for _, spec := range g.Specs {
		if x := p.nodes[spec]; x == nil || x.live {
			kept = append(kept, spec)
		}
	}
	return kept
}

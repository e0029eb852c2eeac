// Package vet looks in a program's source for what is right in a program alone and loses something where its variables are shared: a
// value read, changed and written back where the last writer wins; a variable written because of another that others may change at
// the same time; a slice or map of a shared variable held while a turn may end. It reads go/ssa functions one by one, knows no values, and
// is wrong in both directions now and then: it is a linter, not a proof.
//
// Cost: one walk over each function of the program's own packages and over what each write depends on.
package vet

import (
	"fmt"
	"go/token"
	"slices"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/load"
)

// Finding is one doubtful place.
type Finding struct {
	Position token.Position
	Problem  string
	Hint     string // what to do about it
}

// String is one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d:%d: %s; %s", f.Position.Filename, f.Position.Line, f.Position.Column, f.Problem, f.Hint)
}

const guest = "github.com/tandemvm/tandem/vm/turn"

// checker looks at one program.
type checker struct {
	prog    *load.Program
	shared  map[*ssa.Global]*load.Variable
	own     []*ssa.Function
	atomic  map[*ssa.Function]bool // run inside turn.Atomic only
	commits map[*ssa.Function]bool // a turn may end inside
	written map[*ssa.Global]bool   // by the program, not only by its initialisation
	found   []Finding
}

// Check lists the doubtful places of p, by position.
func Check(p *load.Program) []Finding {
	c := &checker{prog: p, shared: map[*ssa.Global]*load.Variable{}, atomic: map[*ssa.Function]bool{}, commits: map[*ssa.Function]bool{}, written: map[*ssa.Global]bool{}}
	for i := range p.Variables {
		if v := &p.Variables[i]; !v.Local {
			c.shared[v.Global] = v
		}
	}
	for _, pkg := range p.Packages {
		if p.IsStd(pkg.Pkg) || pkg.Pkg.Path() == guest {
			continue
		}
		for _, m := range pkg.Members {
			if f, ok := m.(*ssa.Function); ok {
				c.add(f)
			}
		}
		for _, m := range pkg.Members {
			if t, ok := m.(*ssa.Type); ok {
				for _, f := range methods(p.SSA, t) {
					c.add(f)
				}
			}
		}
	}
	c.findAtomic()
	c.findCommits()
	for _, f := range c.own {
		for _, w := range c.writes(f) {
			c.written[w.at.global] = true
		}
	}
	for _, f := range c.own {
		c.readModifyWrite(f)
		c.writeSkew(f)
		c.aliases(f)
	}
	slices.SortFunc(c.found, func(a, b Finding) int {
		if a.Position.Filename != b.Position.Filename {
			return strings.Compare(a.Position.Filename, b.Position.Filename)
		}
		return (a.Position.Line-b.Position.Line)*1000 + a.Position.Column - b.Position.Column
	})
	return slices.Compact(c.found)
}

// add takes a function and those inside it, initialisation left out: what it gives variables is their initial value.
func (c *checker) add(f *ssa.Function) {
	if f == nil || f.Synthetic != "" || f.Name() == "init" || strings.HasPrefix(f.Name(), "init#") || slices.Contains(c.own, f) {
		return
	}
	c.own = append(c.own, f)
	for _, in := range f.AnonFuncs {
		c.add(in)
	}
}

func methods(prog *ssa.Program, t *ssa.Type) (fs []*ssa.Function) {
	for m := range methodsOf(t) {
		fs = append(fs, prog.FuncValue(m))
	}
	return fs
}

func (c *checker) report(in ssa.Instruction, hint, format string, args ...any) {
	c.found = append(c.found, Finding{c.prog.Position(place(in)), fmt.Sprintf(format, args...), hint})
}

// place is where an instruction stands in the source: its own position, or that of the next one in its block that has one.
func place(in ssa.Instruction) token.Pos {
	if in.Pos().IsValid() {
		return in.Pos()
	}
	seen := false
	for _, x := range in.Block().Instrs {
		if seen = seen || x == in; seen && x.Pos().IsValid() {
			return x.Pos()
		}
	}
	for b := in.Block(); b != nil; b = b.Idom() {
		for _, x := range slices.Backward(b.Instrs) {
			if x.Pos().IsValid() {
				return x.Pos()
			}
		}
	}
	return in.Parent().Pos()
}

// part is a shared variable or a part of one: how it merges there, and whether a step went into a value that merges as a whole.
type part struct {
	global *ssa.Global
	name   string
	spec   *changes.Spec
	inside bool
}

// partAt is the part whose address or value v is.
func (c *checker) partAt(v ssa.Value) (part, bool) { return c.partOf(v, 32) }

func (c *checker) partOf(v ssa.Value, depth int) (p part, ok bool) {
	if depth == 0 {
		return p, false
	}
	switch v := v.(type) {
	case *ssa.Global:
		if s := c.shared[v]; s != nil {
			return part{v, v.Name(), s.Spec, false}, true
		}
	case *ssa.UnOp:
		if v.Op == token.MUL {
			return c.partOf(v.X, depth-1)
		}
	case *ssa.FieldAddr:
		return c.field(v.X, v.Field, depth)
	case *ssa.Field:
		return c.field(v.X, v.Field, depth)
	case *ssa.IndexAddr:
		return c.element(v.X, depth)
	case *ssa.Index:
		return c.element(v.X, depth)
	case *ssa.Lookup:
		return c.element(v.X, depth)
	case *ssa.Extract:
		if l, is := v.Tuple.(*ssa.Lookup); is && v.Index == 0 {
			return c.element(l.X, depth)
		}
	}
	return p, false
}

func (c *checker) field(x ssa.Value, index, depth int) (part, bool) {
	p, ok := c.partOf(x, depth-1)
	if !ok {
		return p, false
	}
	name := fieldName(x.Type(), index)
	p.name += "." + name
	if p.spec.Kind == changes.Fields {
		for i, f := range p.spec.Type.Fields {
			if f.Name == name {
				p.spec = p.spec.Fields[i]
				return p, true
			}
		}
	}
	p.inside = true
	return p, true
}

func (c *checker) element(x ssa.Value, depth int) (part, bool) {
	p, ok := c.partOf(x, depth-1)
	if !ok {
		return p, false
	}
	p.name += "[...]"
	switch p.spec.Kind {
	case changes.MapOf, changes.Set:
		p.spec = p.spec.Elem
	default:
		p.inside = true
	}
	return p, true
}

// write is an instruction that writes a part of a shared variable.
type write struct {
	in    ssa.Instruction
	at    part
	value ssa.Value // nil: a key is deleted
}

func (c *checker) writes(f *ssa.Function) (ws []write) {
	each(f, func(in ssa.Instruction) {
		switch in := in.(type) {
		case *ssa.Store:
			if p, ok := c.partAt(in.Addr); ok {
				ws = append(ws, write{in, p, in.Val})
			}
		case *ssa.MapUpdate:
			if p, ok := c.element(in.Map, 32); ok {
				ws = append(ws, write{in, p, in.Value})
			}
		case *ssa.Call:
			if b, ok := in.Call.Value.(*ssa.Builtin); ok && b.Name() == "delete" {
				if p, ok := c.element(in.Call.Args[0], 32); ok {
					ws = append(ws, write{in, p, nil})
				}
			}
		}
	})
	return ws
}

func each(f *ssa.Function, visit func(in ssa.Instruction)) {
	for _, b := range f.Blocks {
		for _, in := range b.Instrs {
			visit(in)
		}
	}
}

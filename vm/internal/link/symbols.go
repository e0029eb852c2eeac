package link

import (
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/flow"
)

// Resolve looks up what the machine has to find in the image, in Known from then on: functions by symbol, types with "type:" before the
// name. What the program does not have is left out.
func (u *Unit) Resolve(symbols []string) {
	for _, sym := range symbols {
		if name, ok := strings.CutPrefix(sym, "type:"); ok {
			if t := u.namedType(name); t != nil {
				u.Known[sym] = u.TypeAddr(t)
			}
			continue
		}
		if f := u.Prog.Body(sym); f != nil {
			u.Known[sym] = uint64(u.FuncIndex(f))
		}
	}
}

// namedType is the type "pkg.Name", a pointer to it with a star before.
func (u *Unit) namedType(name string) types.Type {
	star := strings.HasPrefix(name, "*")
	name = strings.TrimPrefix(name, "*")
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		if o := types.Universe.Lookup(name); o != nil {
			return o.Type()
		}
		return nil
	}
	p := u.Prog.SSA.ImportedPackage(name[:i])
	if p == nil || p.Type(name[i+1:]) == nil {
		return nil
	}
	t := p.Type(name[i+1:]).Type()
	if star {
		return types.NewPointer(t)
	}
	return t
}

// Initialisers are those of the packages, in order, that do anything of their own.
func (u *Unit) Initialisers() (list []*ssa.Function) {
	for _, p := range u.Prog.Packages {
		if f := p.Func("init"); f != nil && !inert(f) {
			list = append(list, f)
		}
	}
	return list
}

// inert says whether a package initialiser does nothing but call others.
func inert(f *ssa.Function) bool {
	for _, b := range f.Blocks {
		for _, i := range b.Instrs {
			if !plumbing(i) {
				return false
			}
		}
	}
	return true
}

// plumbing says whether i is go/ssa's own part of an initialiser: the guard, and the calls of other packages'
// initialisers.
func plumbing(i ssa.Instruction) bool {
	switch i := i.(type) {
	case *ssa.If, *ssa.Jump, *ssa.Return:
		return true
	case *ssa.UnOp:
		return flow.IsGuard(i.X)
	case *ssa.Store:
		return flow.IsGuard(i.Addr)
	case *ssa.Call:
		f, ok := i.Call.Value.(*ssa.Function)
		return ok && f.Synthetic == "package initializer"
	}
	return false
}

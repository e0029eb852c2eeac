package vet

import (
	"go/token"
	"go/types"
	"iter"

	"golang.org/x/tools/go/ssa"
)

// methodsOf are the methods declared on a named type.
func methodsOf(t *ssa.Type) iter.Seq[*types.Func] {
	return func(yield func(*types.Func) bool) {
		n, ok := types.Unalias(t.Type()).(*types.Named)
		for i := 0; ok && i < n.NumMethods(); i++ {
			if !yield(n.Method(i)) {
				return
			}
		}
	}
}

// fieldName is the name of a field of a struct, or of the struct a pointer points to.
func fieldName(t types.Type, index int) string {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	return t.Underlying().(*types.Struct).Field(index).Name()
}

// reads lists the reads of shared variables that a value depends on within its function.
func (c *checker) reads(v ssa.Value, found func(at part, in ssa.Instruction)) {
	seen := map[ssa.Value]bool{}
	var walk func(v ssa.Value)
	walk = func(v ssa.Value) {
		if v == nil || seen[v] {
			return
		}
		seen[v] = true
		in, ok := v.(ssa.Instruction)
		if !ok {
			return
		}
		switch x := v.(type) {
		case *ssa.UnOp:
			if p, ok := c.partAt(x); ok && x.Op == token.MUL {
				found(p, in)
				return
			}
		case *ssa.Lookup:
			if p, ok := c.partAt(x); ok {
				found(p, in)
			}
		case *ssa.Alloc:
			for _, s := range stored(x) {
				walk(s)
			}
			return
		case *ssa.MakeClosure:
			return
		}
		for _, op := range in.Operands(nil) {
			if *op != nil {
				walk(*op)
			}
		}
	}
	walk(v)
}

// stored are the values stored at an address of a local variable or in parts of it.
func stored(addr ssa.Value) (vs []ssa.Value) {
	for _, r := range *addr.Referrers() {
		switch r := r.(type) {
		case *ssa.Store:
			if r.Addr == addr {
				vs = append(vs, r.Val)
			}
		case *ssa.IndexAddr:
			vs = append(vs, stored(r)...)
		case *ssa.FieldAddr:
			vs = append(vs, stored(r)...)
		}
	}
	return vs
}

// conditions are the values that decide whether a block is reached.
func conditions(b *ssa.BasicBlock) (conds []ssa.Value) {
	for d := b.Idom(); d != nil; d = d.Idom() {
		i, ok := d.Instrs[len(d.Instrs)-1].(*ssa.If)
		if !ok {
			continue
		}
		for _, s := range d.Succs {
			if len(s.Preds) == 1 && s.Dominates(b) {
				conds = append(conds, i.Cond)
			}
		}
	}
	return conds
}

// callee is the function that is called, nil if that is known only at run time.
func callee(in ssa.Instruction) *ssa.Function {
	if call, ok := in.(ssa.CallInstruction); ok {
		return call.Common().StaticCallee()
	}
	return nil
}

// findAtomic finds what is run inside turn.Atomic only: closures given to it, and functions whose every call stands in such.
func (c *checker) findAtomic() {
	callers := map[*ssa.Function][]*ssa.Function{}
	taken := map[*ssa.Function]bool{} // used as values
	for _, f := range c.own {
		each(f, func(in ssa.Instruction) {
			to := callee(in)
			if to != nil {
				callers[to] = append(callers[to], f)
			}
			for _, op := range in.Operands(nil) {
				fn, _ := (*op).(*ssa.Function)
				if m, ok := (*op).(*ssa.MakeClosure); ok {
					fn, _ = m.Fn.(*ssa.Function)
				}
				switch {
				case fn == nil || fn == to:
				case isGuest(to, "Atomic"):
					c.atomic[fn] = true
				default:
					if _, made := in.(*ssa.MakeClosure); !made {
						taken[fn] = true
					}
				}
			}
		})
	}
	for changed := true; changed; {
		changed = false
		for f, from := range callers {
			inside := !c.atomic[f] && !taken[f]
			for _, g := range from {
				inside = inside && c.atomic[g]
			}
			if inside {
				c.atomic[f], changed = true, true
			}
		}
	}
}

func isGuest(f *ssa.Function, name string) bool {
	return f != nil && f.Pkg != nil && f.Pkg.Pkg.Path() == guest && f.Name() == name
}

// waiting are functions of the standard library in which every goroutine may come to wait, so that a turn ends.
var waiting = map[string]bool{"time.Sleep": true, "(*sync.WaitGroup).Wait": true, "(*sync.Cond).Wait": true, "runtime.Gosched": true}

// findCommits finds the functions in which a turn may end by what they do; that it may also end because it is long is left out.
func (c *checker) findCommits() {
	for changed := true; changed; {
		changed = false
		for _, f := range c.own {
			if c.commits[f] || c.atomic[f] {
				continue
			}
			each(f, func(in ssa.Instruction) {
				if c.mayCommit(in) && !c.commits[f] {
					c.commits[f], changed = true, true
				}
			})
		}
	}
}

// mayCommit says whether a turn may end at an instruction.
func (c *checker) mayCommit(in ssa.Instruction) bool {
	switch in := in.(type) {
	case *ssa.Send:
		return true
	case *ssa.Select:
		return in.Blocking
	case *ssa.UnOp:
		return in.Op == token.ARROW
	case *ssa.Call:
		f := callee(in)
		return f != nil && (isGuest(f, "Commit") || waiting[f.String()] || c.commits[f])
	}
	return false
}

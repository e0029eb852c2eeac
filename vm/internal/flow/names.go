package flow

import (
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/ssa"
)

// Names says what the variables of a function's source are at each of its instructions, from the notes (ssa.DebugRef) that go/ssa leaves
// where a package is built with them.
type Names struct {
	Vars  []*types.Var
	index map[token.Pos]int // of Vars, by where they are declared
	named map[string][]int  // of Vars
	begin map[*ssa.BasicBlock][]Binding
	notes map[*ssa.BasicBlock][]note
	inMem []bool // by variable: it stands in memory, whatever the instructions around read and write
	now   []Binding
	left  []note // of the block that was entered
}

// Binding is what a variable is: a value, or an address where it stands. The zero Binding is not known.
type Binding struct {
	Value ssa.Value
	Addr  bool
}

// note is a binding from instruction k on.
type note struct {
	k, of int
	Binding
}

// namesMax bounds variables times blocks of a function whose variables are followed: those beyond were written by programs.
const namesMax = 1 << 20

// TakeNames takes the notes out of fn, so that it is as if it had been built without, and reads them; nil: there are none.
func TakeNames(fn *ssa.Function) *Names {
	n := &Names{index: map[token.Pos]int{}, named: map[string][]int{}, notes: map[*ssa.BasicBlock][]note{}, begin: map[*ssa.BasicBlock][]Binding{}}
	n.collect(fn)
	if len(n.Vars) == 0 || len(n.Vars)*len(fn.Blocks) > namesMax {
		return nil
	}
	for _, f := range fn.FreeVars {
		if v, ok := n.index[f.Pos()]; ok {
			n.inMem[v] = true
		}
	}
	for _, b := range fn.Blocks {
		for k, i := range b.Instrs {
			if a, ok := i.(*ssa.Alloc); ok {
				if v, ok := n.index[a.Pos()]; ok && a.Comment == n.Vars[v].Name() {
					n.inMem[v] = true
					n.notes[b] = append(n.notes[b], note{k + 1, v, Binding{a, true}})
				}
			}
		}
	}
	for _, list := range n.notes {
		slices.SortStableFunc(list, func(a, b note) int { return a.k - b.k })
	}
	n.solve(fn)
	return n
}

// collect finds the variables and takes the notes out.
func (n *Names) collect(fn *ssa.Function) {
	declare := func(o types.Object) (int, bool) {
		v, ok := o.(*types.Var)
		if !ok || v.IsField() || v.Pkg() == nil || v.Parent() == v.Pkg().Scope() || v.Name() == "_" || v.Name() == "" {
			return 0, false
		}
		if _, known := n.index[v.Pos()]; !known {
			n.index[v.Pos()] = len(n.Vars)
			n.named[v.Name()] = append(n.named[v.Name()], len(n.Vars))
			n.Vars, n.inMem = append(n.Vars, v), append(n.inMem, false)
		}
		return n.index[v.Pos()], true
	}
	noted := map[ssa.Value]bool{}
	for _, b := range fn.Blocks {
		kept := b.Instrs[:0]
		for _, i := range b.Instrs {
			d, ok := i.(*ssa.DebugRef)
			if !ok {
				kept = append(kept, i)
				continue
			}
			noted[d.X] = true
			if v, ok := declare(d.Object()); ok {
				n.notes[b] = append(n.notes[b], note{len(kept), v, Binding{d.X, d.IsAddr}})
			}
		}
		clear(b.Instrs[len(kept):])
		b.Instrs = kept
	}
	for x := range noted {
		if refs := x.Referrers(); refs != nil {
			*refs = slices.DeleteFunc(*refs, func(i ssa.Instruction) bool { _, note := i.(*ssa.DebugRef); return note })
		}
	}
	for _, p := range fn.Params {
		if len(noted) > 0 && p.Object() != nil {
			declare(p.Object())
		}
	}
}

// solve finds what each block begins with: what all ways into it agree on.
func (n *Names) solve(fn *ssa.Function) {
	order := DomOrder(fn)
	first := make([]Binding, len(n.Vars))
	for _, p := range fn.Params {
		if v, ok := n.index[p.Pos()]; ok && !n.inMem[v] {
			first[v] = Binding{p, false}
		}
	}
	for _, f := range fn.FreeVars {
		if v, ok := n.index[f.Pos()]; ok {
			first[v] = Binding{f, true}
		}
	}
	end := map[*ssa.BasicBlock][]Binding{}
	for changed := true; changed; {
		changed = false
		for _, b := range order {
			in := first
			if len(b.Preds) > 0 || b != fn.Blocks[0] {
				in = n.meet(b, end)
			}
			out := n.through(b, in)
			if old, ok := end[b]; !ok || !equal(old, out) {
				end[b], changed = out, true
			}
		}
	}
}

// meet is what the ways into b agree on, those that were not walked yet left out.
func (n *Names) meet(b *ssa.BasicBlock, end map[*ssa.BasicBlock][]Binding) []Binding {
	var in []Binding
	for _, p := range b.Preds {
		out, ok := end[p]
		switch {
		case !ok:
		case in == nil:
			in = append(in, out...)
		default:
			for v := range in {
				if in[v] != out[v] {
					in[v] = Binding{}
				}
			}
		}
	}
	if in == nil {
		in = make([]Binding, len(n.Vars))
	}
	return in
}

// through is what stands at the end of b, which begins with in.
func (n *Names) through(b *ssa.BasicBlock, in []Binding) []Binding {
	now := append([]Binding(nil), in...)
	for v, x := range now {
		if p, ok := x.Value.(*ssa.Phi); ok && p.Block() == b {
			now[v] = Binding{} // of the turn of the loop before
		}
	}
	for _, i := range b.Instrs {
		p, ok := i.(*ssa.Phi)
		if !ok {
			break
		}
		if v, ok := n.index[p.Pos()]; ok && !n.inMem[v] && p.Comment == n.Vars[v].Name() {
			now[v] = Binding{p, false}
		}
	}
	n.begin[b] = append([]Binding(nil), now...)
	for _, x := range n.notes[b] {
		n.apply(now, x)
	}
	return now
}

// apply binds what x says. A variable in memory is what stands at its address.
func (n *Names) apply(now []Binding, x note) {
	if x.Addr || !n.inMem[x.of] {
		now[x.of] = x.Binding
	}
}

func equal(a, b []Binding) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// Enter goes to the beginning of b.
func (n *Names) Enter(b *ssa.BasicBlock) {
	n.now = append(n.now[:0], n.begin[b]...)
	n.left = n.notes[b]
}

// At is what each variable is before instruction k of the block that was entered; k never falls.
func (n *Names) At(k int) []Binding {
	for len(n.left) > 0 && n.left[0].k <= k {
		n.apply(n.now, n.left[0])
		n.left = n.left[1:]
	}
	return n.now
}

// Visible says whether the name of variable v means v at p. Where p is not known it does.
func (n *Names) Visible(v int, p token.Pos) bool {
	if !p.IsValid() || n.Vars[v].Parent() == nil {
		return true
	}
	if !n.Vars[v].Parent().Contains(p) {
		return false
	}
	for _, x := range n.named[n.Vars[v].Name()] {
		if x != v && n.Vars[x].Pos() > n.Vars[v].Pos() && n.Vars[x].Pos() < p && n.Vars[x].Parent() != nil && n.Vars[x].Parent().Contains(p) {
			return false // declared within v's scope, before p
		}
	}
	return true
}

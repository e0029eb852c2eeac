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
	begin [][]Binding       // by block
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
	n := &Names{index: map[token.Pos]int{}, named: map[string][]int{}, notes: map[*ssa.BasicBlock][]note{}}
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

// solve finds what each block begins with: what all ways into it agree on. Blocks are walked so that only loops ask for another round.
func (n *Names) solve(fn *ssa.Function) {
	order := reversePostorder(fn)
	store := make([]Binding, 2*len(fn.Blocks)*len(n.Vars))
	cut := func() []Binding { b := store[:len(n.Vars):len(n.Vars)]; store = store[len(n.Vars):]; return b }
	n.begin = make([][]Binding, len(fn.Blocks))
	end := make([][]Binding, len(fn.Blocks))
	now := make([]Binding, len(n.Vars))
	for changed := true; changed; {
		changed = false
		for _, b := range order {
			clear(now)
			if b.Index == 0 {
				n.enterFunction(fn, now)
			}
			n.meet(b, end, now)
			n.pass(b, now)
			if n.begin[b.Index] == nil {
				n.begin[b.Index], end[b.Index] = cut(), cut()
			} else if slices.Equal(n.begin[b.Index], now) {
				continue
			}
			copy(n.begin[b.Index], now)
			for _, x := range n.notes[b] {
				n.apply(now, x)
			}
			copy(end[b.Index], now)
			changed = true
		}
	}
}

// reversePostorder is the blocks of fn so that, but for loops, each comes after those that lead to it.
func reversePostorder(fn *ssa.Function) (order []*ssa.BasicBlock) {
	seen := make([]bool, len(fn.Blocks))
	var visit func(b *ssa.BasicBlock)
	visit = func(b *ssa.BasicBlock) {
		seen[b.Index] = true
		for _, s := range b.Succs {
			if !seen[s.Index] {
				visit(s)
			}
		}
		order = append(order, b)
	}
	if fn.Recover != nil {
		visit(fn.Recover)
	}
	if !seen[0] {
		visit(fn.Blocks[0])
	}
	slices.Reverse(order)
	return order
}

// enterFunction binds what is known when fn is called.
func (n *Names) enterFunction(fn *ssa.Function, now []Binding) {
	for _, p := range fn.Params {
		if v, ok := n.index[p.Pos()]; ok && !n.inMem[v] {
			now[v] = Binding{p, false}
		}
	}
	for _, f := range fn.FreeVars {
		if v, ok := n.index[f.Pos()]; ok {
			now[v] = Binding{f, true}
		}
	}
}

// meet makes now what the ways into b agree on, those that were not walked yet left out.
func (n *Names) meet(b *ssa.BasicBlock, end [][]Binding, now []Binding) {
	first := true
	for _, p := range b.Preds {
		out := end[p.Index]
		switch {
		case out == nil:
		case first:
			copy(now, out)
			first = false
		default:
			for v := range now {
				if now[v] != out[v] {
					now[v] = Binding{}
				}
			}
		}
	}
}

// pass binds the variables that b chooses by the way it was entered.
func (n *Names) pass(b *ssa.BasicBlock, now []Binding) {
	if len(b.Instrs) == 0 {
		return
	}
	if _, ok := b.Instrs[0].(*ssa.Phi); !ok {
		return
	}
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
}

// apply binds what x says. A variable in memory is what stands at its address.
func (n *Names) apply(now []Binding, x note) {
	if x.Addr || !n.inMem[x.of] {
		now[x.of] = x.Binding
	}
}

// Enter goes to the beginning of b.
func (n *Names) Enter(b *ssa.BasicBlock) {
	n.now = append(n.now[:0], n.begin[b.Index]...)
	n.left = n.notes[b]
}

// At is what each variable is before instruction k of the block that was entered; k never falls. fresh says whether that differs from what was
// asked for last.
func (n *Names) At(k int) (now []Binding, fresh bool) {
	for len(n.left) > 0 && n.left[0].k <= k {
		n.apply(n.now, n.left[0])
		n.left = n.left[1:]
		fresh = true
	}
	return n.now, fresh || k == 0
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

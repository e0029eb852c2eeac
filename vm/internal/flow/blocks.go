// Package flow answers questions about a function in go/ssa's form from that form alone: who uses a value and for what, what an address is
// the address of, in which order blocks run. It decides nothing: what follows for code and data is up to its users (packages link and
// lower).
//
// Costs: each question walks what it is about, the users of a value or the blocks of a function; nothing is remembered.
package flow

import (
	"go/token"
	"slices"

	"golang.org/x/tools/go/ssa"
)

// DomOrder is the blocks so that each comes after its dominators.
func DomOrder(fn *ssa.Function) []*ssa.BasicBlock {
	var order []*ssa.BasicBlock
	var visit func(b *ssa.BasicBlock)
	visit = func(b *ssa.BasicBlock) {
		order = append(order, b)
		for _, d := range b.Dominees() {
			visit(d)
		}
	}
	visit(fn.Blocks[0])
	if fn.Recover != nil {
		seen := false
		for _, b := range order {
			seen = seen || b == fn.Recover
		}
		if !seen {
			visit(fn.Recover)
		}
	}
	return order
}

// Position is where instruction k stands; a load that has none belongs to what follows it.
func Position(list []ssa.Instruction, k int) token.Pos {
	p := list[k].Pos()
	if _, load := list[k].(*ssa.UnOp); load {
		for k++; !p.IsValid() && k < len(list); k++ {
			p = list[k].Pos()
		}
	}
	return p
}

// LosesDefers says whether fn keeps a stack of deferred calls that it does not run.
func LosesDefers(fn *ssa.Function) bool {
	stack := false
	for _, b := range fn.Blocks {
		for _, i := range b.Instrs {
			switch i := i.(type) {
			case *ssa.RunDefers:
				return false
			case *ssa.Call:
				x, ok := i.Call.Value.(*ssa.Builtin)
				stack = stack || ok && x.Name() == "ssa:deferstack"
			}
		}
	}
	return stack
}

// LostRunDefers is where in b, of a function that loses its deferred calls, they have to be run although go/ssa has no instruction for it,
// -1 nowhere: it drops RunDefers from functions whose defer statements all are in bodies of ranges over functions. That place is before the
// results are loaded for the return.
func LostRunDefers(b *ssa.BasicBlock) int {
	if b == b.Parent().Recover || len(b.Instrs) == 0 {
		return -1
	}
	k := len(b.Instrs) - 1
	if _, ok := b.Instrs[k].(*ssa.Return); !ok {
		return -1
	}
	for k > 0 {
		if x, ok := b.Instrs[k-1].(*ssa.UnOp); !ok || x.Op != token.MUL {
			break
		}
		k--
	}
	return k
}

// Once is the blocks of a package initialiser that run exactly once on every way to its end, in order.
func Once(fn *ssa.Function) (list []*ssa.BasicBlock) {
	entry := fn.Blocks[0]
	for _, b := range fn.Blocks {
		if _, ok := b.Instrs[len(b.Instrs)-1].(*ssa.Return); !ok {
			continue
		}
		for _, p := range b.Preds {
			for ; p != nil && p != entry; p = p.Idom() {
				list = append(list, p)
			}
		}
	}
	slices.Reverse(list)
	return list
}

// RangeState is the state that was compared on the one way into b.
func RangeState(b *ssa.BasicBlock) *ssa.UnOp {
	from := b.Preds[0]
	return from.Instrs[len(from.Instrs)-1].(*ssa.If).Cond.(*ssa.BinOp).X.(*ssa.UnOp)
}

// InCycle says whether b may run more than once in a call.
func InCycle(b *ssa.BasicBlock) bool {
	seen := make([]bool, len(b.Parent().Blocks))
	todo := slices.Clone(b.Succs)
	for len(todo) > 0 {
		x := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if x == b {
			return true
		}
		if !seen[x.Index] {
			seen[x.Index] = true
			todo = append(todo, x.Succs...)
		}
	}
	return false
}

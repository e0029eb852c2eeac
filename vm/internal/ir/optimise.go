package ir

import (
	"slices"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// Optimise orders the blocks and improves the instructions before placement.
func (f *Func) Optimise() {
	f.merge()
	f.lay()
	f.hoist()
	f.dropZeroes()
	f.retarget()
	f.propagate()
	f.mulAdd()
	f.dropDead()
}

// merge joins blocks to the only block that jumps to them.
func (f *Func) merge() {
	for _, b := range f.blocks {
		for len(b.Succs) == 1 {
			n := b.Succs[0]
			if n == b || len(n.Preds) != 1 || n == f.Entry || n == f.Recover || len(b.Insts) == 0 || b.Insts[len(b.Insts)-1].Op != OpJump {
				break
			}
			b.Insts = append(b.Insts[:len(b.Insts)-1], n.Insts...)
			b.Succs = n.Succs
			for _, s := range n.Succs {
				for k, p := range s.Preds {
					if p == n {
						s.Preds[k] = b
					}
				}
			}
			n.Insts, n.Succs, n.Preds = nil, nil, nil
		}
	}
}

// dropZeroes removes the clearing of registers that are written whole before they are read, as locals of struct type are: the
// clearing costs little, but keeps the register from being one with what is copied to it.
func (f *Func) dropZeroes() {
	if f.Recover != nil {
		return // a panic in between could show the zero
	}
	for _, b := range f.blocks {
		for k := range b.Insts {
			i := &b.Insts[k]
			if i.Op != code.Zero || i.A.Off != 0 || i.N != f.Slots[i.A.R] || i.N > 64 || f.Pinned[i.A.R] {
				continue
			}
			if first := overwritten(b.Insts[k+1:], i.A.R, i.N); first != nil {
				i.dead, first.Fresh = true, true
			}
		}
		b.sweep()
	}
}

// overwritten is the first of the instructions that write to r before one reads it, nil if they do not write all n slots.
func overwritten(insts []Inst, r Reg, n int32) (first *Inst) {
	missing := ^uint64(0) >> (64 - n)
	for k := range insts {
		i := &insts[k]
		reads := i.Op == OpParallel
		i.eachUse(func(u Reg) { reads = reads || u == r })
		if reads {
			return nil
		}
		writes := i.Op == OpCopy || i.Op < OpCopy && roles[i.Op]&writeA != 0
		if !writes || i.A.R != r {
			if slices.Contains(i.Writes, r) {
				return nil
			}
			continue
		}
		if i.Fresh {
			return nil
		}
		if first == nil {
			first = i
		}
		if missing &^= (1<<i.N - 1) << i.A.Off; missing == 0 {
			return first
		}
	}
	return nil
}

// producerReach is how far back a producer is looked for.
const producerReach = 64

// producer is the last of the instructions that writes what c copies, nil when its result cannot be written to c's destination at once: something
// in between uses that, or it stands before a call whose window it may be part of.
func (f *Func) producer(insts []Inst, c *Inst) *Inst {
	for k := len(insts) - 1; k >= max(0, len(insts)-producerReach); k-- {
		i := &insts[k]
		if i.dead {
			continue
		}
		if i.A == c.B && i.Op < OpCopy && roles[i.Op]&writeA != 0 {
			return i
		}
		clash := i.isCall() || i.Op == OpParallel || f.Pinned[c.A.R] || f.Recover != nil
		i.eachUse(func(r Reg) { clash = clash || r == c.A.R || r == c.B.R })
		i.eachDef(f.Slots, func(r Reg, whole bool) {
			apart := !whole && i.A.R == r && (i.A.Off+i.N <= c.A.Off || c.A.Off+c.N <= i.A.Off)
			clash = clash || r == c.B.R || r == c.A.R && !apart
		})
		if clash {
			return nil
		}
	}
	return nil
}

// propagate has what reads a copy read what was copied, where the copy is the only thing ever written to its destination, and what was
// copied is written before it in its block and nowhere else. A copy that nothing reads any more is dropped later.
func (f *Func) propagate() {
	if f.Recover != nil {
		return // what is live there must stand in its place whenever a panic comes
	}
	type count struct {
		defs int32
		in   *Block // of all defs, nil when there are several
	}
	regs := make([]count, len(f.Slots))
	for _, b := range f.blocks {
		for k := range b.Insts {
			b.Insts[k].eachDef(f.Slots, func(r Reg, _ bool) {
				if c := &regs[r]; c.defs == 0 {
					*c = count{1, b}
				} else if c.defs++; c.in != b {
					c.in = nil
				}
			})
		}
	}
	for _, g := range f.Groups {
		for _, m := range g.members {
			regs[m.r].defs = -1
		}
	}
	rename := map[Reg]Loc{}
	firstRead, lastWrite := make([]int32, len(f.Slots)), make([]int32, len(f.Slots)) // in the block, counted from 1
	for _, b := range f.blocks {
		for k := len(b.Insts) - 1; k >= 0; k-- {
			b.Insts[k].eachUse(func(r Reg) { firstRead[r] = int32(k + 1) })
			b.Insts[k].eachDef(f.Slots, func(r Reg, _ bool) { lastWrite[r] = max(lastWrite[r], int32(k+1)) })
		}
		for k := range b.Insts {
			c := &b.Insts[k]
			if c.Op != OpCopy || c.A.Off != 0 || c.N != f.Slots[c.A.R] || f.Pinned[c.A.R] || f.Pinned[c.B.R] {
				continue
			}
			if src := regs[c.B.R]; regs[c.A.R].defs != 1 || src.defs < 1 || src.in != b || lastWrite[c.B.R] > int32(k) {
				continue
			}
			if first := firstRead[c.A.R]; first > 0 && first <= int32(k) {
				continue // of the turn of a loop before
			}
			from := c.B
			if n, ok := rename[from.R]; ok {
				from = n.Plus(int64(from.Off))
			}
			rename[c.A.R] = from
		}
		for k := range b.Insts { // clean for the next block
			b.Insts[k].eachUse(func(r Reg) { firstRead[r] = 0 })
			b.Insts[k].eachDef(f.Slots, func(r Reg, _ bool) { lastWrite[r] = 0 })
		}
	}
	if len(rename) > 0 {
		f.rename(rename)
	}
}

// mulAdd makes one instruction of a multiplication of floats and the sum or difference that alone uses it.
func (f *Func) mulAdd() {
	uses, defs := make([]int32, len(f.Slots)), make([]int32, len(f.Slots))
	for _, b := range f.blocks {
		for k := range b.Insts {
			b.Insts[k].eachUse(func(r Reg) { uses[r]++ })
			b.Insts[k].eachDef(f.Slots, func(r Reg, _ bool) { defs[r]++ })
		}
	}
	for _, b := range f.blocks {
		for k := range b.Insts {
			i := &b.Insts[k]
			if i.Op != code.AddF64 && i.Op != code.SubF64 || i.B == i.C {
				continue
			}
			for _, left := range []bool{false, true} {
				t, other := i.C, i.B
				if left {
					t, other = i.B, i.C
				}
				if uses[t.R] != 1 || defs[t.R] != 1 || f.Slots[t.R] != 1 || f.Pinned[t.R] {
					continue
				}
				m := f.product(b.Insts[:k], t)
				if m == nil {
					continue
				}
				op := code.MulAddF64
				if i.Op == code.SubF64 {
					op = code.SubMulF64
					if left {
						op = code.MulSubF64
					}
				}
				i.Op, i.B, i.C, i.X[0] = op, m.B, m.C, other
				m.dead = true
				break
			}
		}
		b.sweep()
	}
}

// product is the multiplication that makes t, if it could stand behind the instructions as well.
func (f *Func) product(insts []Inst, t Loc) (m *Inst) {
	for k := len(insts) - 1; k >= max(0, len(insts)-producerReach) && m == nil; k-- {
		if i := &insts[k]; i.Op == code.MulF64 && i.A == t && !i.dead {
			m = i
			for j := k + 1; j < len(insts) && m != nil; j++ {
				insts[j].eachDef(f.Slots, func(r Reg, _ bool) {
					if r == i.B.R || r == i.C.R {
						m = nil
					}
				})
				if insts[j].isCall() {
					return nil // what it multiplies may be results in a window
				}
			}
			return m
		}
	}
	return nil
}

// sweep takes out the instructions that are dead.
func (b *Block) sweep() {
	kept := b.Insts[:0]
	for _, i := range b.Insts {
		if !i.dead {
			kept = append(kept, i)
		}
	}
	b.Insts = kept
}

// retarget makes an instruction write where a copy behind it would put its result.
func (f *Func) retarget() {
	uses := make([]int32, len(f.Slots))
	for _, b := range f.blocks {
		for k := range b.Insts {
			b.Insts[k].eachUse(func(r Reg) { uses[r]++ })
		}
	}
	for _, b := range f.blocks {
		for k := 1; k < len(b.Insts); k++ {
			c := &b.Insts[k]
			if c.Op != OpCopy || uses[c.B.R] != 1 || f.Pinned[c.B.R] || c.B.Off != 0 || c.N != f.Slots[c.B.R] {
				continue
			}
			i := f.producer(b.Insts[:k], c)
			if i == nil {
				continue
			}
			if i.dead || i.Op >= OpCopy || i.A != c.B || i.N != c.N || roles[i.Op]&writeA == 0 || i.Fresh {
				continue
			}
			if i.N > 1 && roles[i.Op]&atomicA == 0 {
				clash := false
				i.eachUse(func(r Reg) { clash = clash || r == c.A.R })
				if clash {
					continue
				}
			}
			if uses[c.A.R] == 0 {
				continue
			}
			i.A, i.Fresh = c.A, c.Fresh
			c.dead = true
		}
		b.sweep()
	}
}

// hoist moves constants out of loops: to the end of a block before the outermost one.
func (f *Func) hoist() {
	before := map[*loop]*Block{}
	type key struct {
		b   *Block
		op  code.Op
		imm int64
		ext uint64
		r   Loc
	}
	have := map[key]Loc{}
	rename := map[Reg]Loc{}
	defs := make([]int32, len(f.Slots))
	for _, b := range f.blocks {
		for k := range b.Insts {
			b.Insts[k].eachDef(f.Slots, func(r Reg, _ bool) { defs[r]++ })
		}
	}
	members := make([]bool, len(f.Slots))
	for _, g := range f.Groups {
		for _, m := range g.members {
			members[m.r] = true
		}
	}
	for _, b := range f.blocks {
		if b.loop == nil {
			continue
		}
		l := b.loop
		for l.outer != nil {
			l = l.outer
		}
		kept := b.Insts[:0]
		for _, i := range b.Insts {
			if !f.constant(&i) || members[i.A.R] || f.Pinned[i.A.R] || defs[i.A.R] != 1 || i.A.Off != 0 || i.N != f.Slots[i.A.R] {
				kept = append(kept, i)
				continue
			}
			p, ok := before[l]
			if !ok {
				p = f.preheader(l)
				before[l] = p
			}
			if p == nil {
				kept = append(kept, i)
				continue
			}
			k := key{p, i.Op, i.Imm, i.Ext, i.B}
			if old, ok := have[k]; ok {
				rename[i.A.R] = old
				continue
			}
			have[k] = i.A
			n := len(p.Insts)
			p.Insts = append(p.Insts, i)
			p.Insts[n-1], p.Insts[n] = p.Insts[n], p.Insts[n-1]
			if n > 1 && p.Insts[n-2].Op == OpParallel { // parallel copies come right before the jump
				p.Insts[n-2], p.Insts[n-1] = p.Insts[n-1], p.Insts[n-2]
			}
		}
		b.Insts = kept
	}
	if len(rename) > 0 {
		f.rename(rename)
	}
}

// constant says whether i yields the same each time and only depends on the frame.
func (f *Func) constant(i *Inst) bool {
	switch i.Op {
	case code.LdI, code.LdC, code.LeaF, code.Zero:
		return true
	case code.LdG128:
		return !i.Ref // of the read-only data
	case code.Ld64:
		return i.B.R != NoReg && i.B.R == f.Closure
	}
	return false
}

// preheader is a block that runs just before l is entered and nowhere else, nil when there is none.
func (f *Func) preheader(l *loop) *Block {
	var p *Block
	for _, b := range l.head.Preds {
		if inLoop(b, l) {
			continue
		}
		if p != nil {
			return nil
		}
		p = b
	}
	if p == nil || len(p.Succs) != 1 || p.Insts[len(p.Insts)-1].Op != OpJump {
		return nil
	}
	return p
}

// renameUses replaces registers that are read.
func (i *Inst) renameUses(m map[Reg]Loc) {
	sub := func(l *Loc) {
		if l.R != NoReg {
			if n, ok := m[l.R]; ok {
				*l = n.Plus(int64(l.Off))
			}
		}
	}
	switch i.Op {
	case OpParallel:
		for k := range i.Copies {
			sub(&i.Copies[k].Src)
		}
		return
	case OpCopy:
		sub(&i.B)
		return
	case OpBranch:
		sub(&i.A)
		sub(&i.B)
		return
	case OpJump, opUse:
		return
	}
	t := roles[i.Op]
	if t&readA != 0 {
		sub(&i.A)
	}
	if t&readB != 0 {
		sub(&i.B)
	}
	if t&readC != 0 {
		sub(&i.C)
	}
	for k := range i.X {
		sub(&i.X[k])
	}
}

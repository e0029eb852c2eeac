package lower

import (
	"slices"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// optimise orders the blocks and improves the instructions before placement.
func (f *fn) optimise() {
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
func (f *fn) merge() {
	for _, b := range f.blocks {
		for len(b.succs) == 1 {
			n := b.succs[0]
			if n == b || len(n.preds) != 1 || n == f.entry || n == f.recover || len(b.insts) == 0 || b.insts[len(b.insts)-1].op != opJump {
				break
			}
			b.insts = append(b.insts[:len(b.insts)-1], n.insts...)
			b.succs = n.succs
			for _, s := range n.succs {
				for k, p := range s.preds {
					if p == n {
						s.preds[k] = b
					}
				}
			}
			n.insts, n.succs, n.preds = nil, nil, nil
		}
	}
}

// dropZeroes removes the clearing of registers that are written whole before they are read, as locals of struct type are: the
// clearing costs little, but keeps the register from being one with what is copied to it.
func (f *fn) dropZeroes() {
	if f.recover != nil {
		return // a panic in between could show the zero
	}
	for _, b := range f.blocks {
		for k := range b.insts {
			i := &b.insts[k]
			if i.op != code.Zero || i.a.off != 0 || i.n != f.slots[i.a.r] || i.n > 64 || f.pinned[i.a.r] {
				continue
			}
			if first := overwritten(b.insts[k+1:], i.a.r, i.n); first != nil {
				i.dead, first.fresh = true, true
			}
		}
		b.sweep()
	}
}

// overwritten is the first of the instructions that write to r before one reads it, nil if they do not write all n slots.
func overwritten(insts []inst, r reg, n int32) (first *inst) {
	missing := ^uint64(0) >> (64 - n)
	for k := range insts {
		i := &insts[k]
		reads := i.op == opParallel
		i.eachUse(func(u reg) { reads = reads || u == r })
		if reads {
			return nil
		}
		writes := i.op == opCopy || i.op < opCopy && roles[i.op]&writeA != 0
		if !writes || i.a.r != r {
			if slices.Contains(i.writes, r) {
				return nil
			}
			continue
		}
		if i.fresh {
			return nil
		}
		if first == nil {
			first = i
		}
		if missing &^= (1<<i.n - 1) << i.a.off; missing == 0 {
			return first
		}
	}
	return nil
}

// producerReach is how far back a producer is looked for.
const producerReach = 64

// producer is the last of the instructions that writes what c copies, nil when its result cannot be written to c's destination at once: something
// in between uses that, or it stands before a call whose window it may be part of.
func (f *fn) producer(insts []inst, c *inst) *inst {
	for k := len(insts) - 1; k >= max(0, len(insts)-producerReach); k-- {
		i := &insts[k]
		if i.dead {
			continue
		}
		if i.a == c.b && i.op < opCopy && roles[i.op]&writeA != 0 {
			return i
		}
		clash := i.isCall() || i.op == opParallel || f.pinned[c.a.r] || f.recover != nil
		i.eachUse(func(r reg) { clash = clash || r == c.a.r || r == c.b.r })
		i.eachDef(f.slots, func(r reg, whole bool) {
			apart := !whole && i.a.r == r && (i.a.off+i.n <= c.a.off || c.a.off+c.n <= i.a.off)
			clash = clash || r == c.b.r || r == c.a.r && !apart
		})
		if clash {
			return nil
		}
	}
	return nil
}

// propagate has what reads a copy read what was copied, where the copy is the only thing ever written to its destination, and what was
// copied is written before it in its block and nowhere else. A copy that nothing reads any more is dropped later.
func (f *fn) propagate() {
	if f.recover != nil {
		return // what is live there must stand in its place whenever a panic comes
	}
	type count struct {
		defs int32
		in   *block // of all defs, nil when there are several
	}
	regs := make([]count, len(f.slots))
	for _, b := range f.blocks {
		for k := range b.insts {
			b.insts[k].eachDef(f.slots, func(r reg, _ bool) {
				if c := &regs[r]; c.defs == 0 {
					*c = count{1, b}
				} else if c.defs++; c.in != b {
					c.in = nil
				}
			})
		}
	}
	for _, g := range f.groups {
		for _, m := range g.members {
			regs[m.r].defs = -1
		}
	}
	rename := map[reg]loc{}
	firstRead, lastWrite := make([]int32, len(f.slots)), make([]int32, len(f.slots)) // in the block, counted from 1
	for _, b := range f.blocks {
		for k := len(b.insts) - 1; k >= 0; k-- {
			b.insts[k].eachUse(func(r reg) { firstRead[r] = int32(k + 1) })
			b.insts[k].eachDef(f.slots, func(r reg, _ bool) { lastWrite[r] = max(lastWrite[r], int32(k+1)) })
		}
		for k := range b.insts {
			c := &b.insts[k]
			if c.op != opCopy || c.a.off != 0 || c.n != f.slots[c.a.r] || f.pinned[c.a.r] || f.pinned[c.b.r] {
				continue
			}
			if src := regs[c.b.r]; regs[c.a.r].defs != 1 || src.defs < 1 || src.in != b || lastWrite[c.b.r] > int32(k) {
				continue
			}
			if first := firstRead[c.a.r]; first > 0 && first <= int32(k) {
				continue // of the turn of a loop before
			}
			from := c.b
			if n, ok := rename[from.r]; ok {
				from = n.plus(int64(from.off))
			}
			rename[c.a.r] = from
		}
		for k := range b.insts { // clean for the next block
			b.insts[k].eachUse(func(r reg) { firstRead[r] = 0 })
			b.insts[k].eachDef(f.slots, func(r reg, _ bool) { lastWrite[r] = 0 })
		}
	}
	if len(rename) == 0 {
		return
	}
	for _, b := range f.blocks {
		for k := range b.insts {
			b.insts[k].renameUses(rename)
		}
	}
}

// mulAdd makes one instruction of a multiplication of floats and the sum or difference that alone uses it.
func (f *fn) mulAdd() {
	uses, defs := make([]int32, len(f.slots)), make([]int32, len(f.slots))
	for _, b := range f.blocks {
		for k := range b.insts {
			b.insts[k].eachUse(func(r reg) { uses[r]++ })
			b.insts[k].eachDef(f.slots, func(r reg, _ bool) { defs[r]++ })
		}
	}
	for _, b := range f.blocks {
		for k := range b.insts {
			i := &b.insts[k]
			if i.op != code.AddF64 && i.op != code.SubF64 || i.b == i.c {
				continue
			}
			for _, left := range []bool{false, true} {
				t, other := i.c, i.b
				if left {
					t, other = i.b, i.c
				}
				if uses[t.r] != 1 || defs[t.r] != 1 || f.slots[t.r] != 1 || f.pinned[t.r] {
					continue
				}
				m := f.product(b.insts[:k], t)
				if m == nil {
					continue
				}
				op := code.MulAddF64
				if i.op == code.SubF64 {
					op = code.SubMulF64
					if left {
						op = code.MulSubF64
					}
				}
				i.op, i.b, i.c, i.x[0] = op, m.b, m.c, other
				m.dead = true
				break
			}
		}
		b.sweep()
	}
}

// product is the multiplication that makes t, if it could stand behind the instructions as well.
func (f *fn) product(insts []inst, t loc) (m *inst) {
	for k := len(insts) - 1; k >= max(0, len(insts)-producerReach) && m == nil; k-- {
		if i := &insts[k]; i.op == code.MulF64 && i.a == t && !i.dead {
			m = i
			for j := k + 1; j < len(insts) && m != nil; j++ {
				insts[j].eachDef(f.slots, func(r reg, _ bool) {
					if r == i.b.r || r == i.c.r {
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
func (b *block) sweep() {
	kept := b.insts[:0]
	for _, i := range b.insts {
		if !i.dead {
			kept = append(kept, i)
		}
	}
	b.insts = kept
}

// retarget makes an instruction write where a copy behind it would put its result.
func (f *fn) retarget() {
	uses := make([]int32, len(f.slots))
	for _, b := range f.blocks {
		for k := range b.insts {
			b.insts[k].eachUse(func(r reg) { uses[r]++ })
		}
	}
	for _, b := range f.blocks {
		for k := 1; k < len(b.insts); k++ {
			c := &b.insts[k]
			if c.op != opCopy || uses[c.b.r] != 1 || f.pinned[c.b.r] || c.b.off != 0 || c.n != f.slots[c.b.r] {
				continue
			}
			i := f.producer(b.insts[:k], c)
			if i == nil {
				continue
			}
			if i.dead || i.op >= opCopy || i.a != c.b || i.n != c.n || roles[i.op]&writeA == 0 || i.fresh {
				continue
			}
			if i.n > 1 && roles[i.op]&atomicA == 0 {
				clash := false
				i.eachUse(func(r reg) { clash = clash || r == c.a.r })
				if clash {
					continue
				}
			}
			if uses[c.a.r] == 0 {
				continue
			}
			i.a, i.fresh = c.a, c.fresh
			c.dead = true
		}
		b.sweep()
	}
}

// hoist moves constants out of loops: to the end of a block before the outermost one.
func (f *fn) hoist() {
	before := map[*loop]*block{}
	type key struct {
		b   *block
		op  code.Op
		imm int64
		ext uint64
		r   loc
	}
	have := map[key]loc{}
	rename := map[reg]loc{}
	defs := make([]int32, len(f.slots))
	for _, b := range f.blocks {
		for k := range b.insts {
			b.insts[k].eachDef(f.slots, func(r reg, _ bool) { defs[r]++ })
		}
	}
	members := make([]bool, len(f.slots))
	for _, g := range f.groups {
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
		kept := b.insts[:0]
		for _, i := range b.insts {
			if !f.constant(&i) || members[i.a.r] || f.pinned[i.a.r] || defs[i.a.r] != 1 || i.a.off != 0 || i.n != f.slots[i.a.r] {
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
			k := key{p, i.op, i.imm, i.ext, i.b}
			if old, ok := have[k]; ok {
				rename[i.a.r] = old
				continue
			}
			have[k] = i.a
			n := len(p.insts)
			p.insts = append(p.insts, i)
			p.insts[n-1], p.insts[n] = p.insts[n], p.insts[n-1]
			if n > 1 && p.insts[n-2].op == opParallel { // parallel copies come right before the jump
				p.insts[n-2], p.insts[n-1] = p.insts[n-1], p.insts[n-2]
			}
		}
		b.insts = kept
	}
	if len(rename) > 0 {
		for _, b := range f.blocks {
			for k := range b.insts {
				b.insts[k].renameUses(rename)
			}
		}
	}
}

// constant says whether i yields the same each time and only depends on the frame.
func (f *fn) constant(i *inst) bool {
	switch i.op {
	case code.LdI, code.LdC, code.LeaF, code.Zero:
		return true
	case code.LdG128:
		return !i.ref // of the read-only data
	case code.Ld64:
		return i.b.r != noReg && i.b.r == f.closure
	}
	return false
}

// preheader is a block that runs just before l is entered and nowhere else, nil when there is none.
func (f *fn) preheader(l *loop) *block {
	var p *block
	for _, b := range l.head.preds {
		if inLoop(b, l) {
			continue
		}
		if p != nil {
			return nil
		}
		p = b
	}
	if p == nil || len(p.succs) != 1 || p.insts[len(p.insts)-1].op != opJump {
		return nil
	}
	return p
}

// renameUses replaces registers that are read.
func (i *inst) renameUses(m map[reg]loc) {
	sub := func(l *loc) {
		if l.r != noReg {
			if n, ok := m[l.r]; ok {
				*l = n.plus(int64(l.off))
			}
		}
	}
	switch i.op {
	case opParallel:
		for k := range i.copies {
			sub(&i.copies[k].src)
		}
		return
	case opCopy:
		sub(&i.b)
		return
	case opBranch:
		sub(&i.a)
		sub(&i.b)
		return
	case opJump, opUse:
		return
	}
	t := roles[i.op]
	if t&readA != 0 {
		sub(&i.a)
	}
	if t&readB != 0 {
		sub(&i.b)
	}
	if t&readC != 0 {
		sub(&i.c)
	}
	for k := range i.x {
		sub(&i.x[k])
	}
}

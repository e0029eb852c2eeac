package lower

import (
	"github.com/tandemvm/tandem/vm/internal/code"
)

// optimise orders the blocks and improves the instructions before placement.
func (f *fn) optimise() {
	f.merge()
	f.lay()
	f.hoist()
	f.retarget()
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

// retarget makes an instruction write where a copy right behind it would put its result.
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
			p := k - 1
			for p > 0 && b.insts[p].dead {
				p--
			}
			i := &b.insts[p]
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
		kept := b.insts[:0]
		for _, i := range b.insts {
			if !i.dead {
				kept = append(kept, i)
			}
		}
		b.insts = kept
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

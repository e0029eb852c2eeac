package ir

// loop is a natural loop; loops nest.
type loop struct {
	head   *Block
	outer  *loop
	blocks []*Block // those of inner loops included
	depth  int
}

// Link makes to a successor of from.
func Link(from, to *Block) {
	from.Succs = append(from.Succs, to)
	to.Preds = append(to.Preds, from)
}

// lay finds the loops and orders the blocks: reachable ones only, loops contiguous, the test of a loop at its
// bottom, so that an iteration takes one jump.
func (f *Func) lay() {
	order := f.postorder()
	idom := dominators(order)
	f.findLoops(order, idom)
	f.blocks = f.sequence()
	f.rotate()
}

// postorder numbers the blocks reachable from the entry and the recover block and returns them in postorder.
func (f *Func) postorder() []*Block {
	for _, b := range f.blocks {
		b.id = -1
	}
	var order []*Block
	var visit func(b *Block)
	visit = func(b *Block) {
		b.id = 0
		for _, s := range b.Succs {
			if s.id < 0 {
				visit(s)
			}
		}
		b.id = len(order)
		order = append(order, b)
	}
	if f.Recover != nil {
		visit(f.Recover)
	}
	if f.Entry.id < 0 {
		visit(f.Entry)
	}
	reached := map[*Block]bool{}
	for _, b := range order {
		reached[b] = true
	}
	for _, b := range order {
		kept := b.Preds[:0]
		for _, p := range b.Preds {
			if reached[p] {
				kept = append(kept, p)
			}
		}
		b.Preds = kept
	}
	return order
}

// dominators is the immediate dominator of each block by its postorder number (Cooper, Harvey, Kennedy: A Simple,
// Fast Dominance Algorithm); a root's is itself.
func dominators(order []*Block) []int {
	idom := make([]int, len(order))
	for i := range idom {
		idom[i] = -1
		if len(order[i].Preds) == 0 {
			idom[i] = i
		}
	}
	root := len(order) - 1
	idom[root] = root
	for changed := true; changed; {
		changed = false
		for i := len(order) - 1; i >= 0; i-- {
			if idom[i] == i {
				continue
			}
			d := -1
			for _, p := range order[i].Preds {
				switch {
				case idom[p.id] < 0:
				case d < 0:
					d = p.id
				default:
					d = intersect(idom, d, p.id)
				}
			}
			if d >= 0 && idom[i] != d {
				idom[i], changed = d, true
			}
		}
	}
	return idom
}

func intersect(idom []int, a, b int) int {
	for a != b {
		for a < b {
			if idom[a] == a {
				return b // another root: the recover block shares no dominator with the rest
			}
			a = idom[a]
		}
		for b < a {
			if idom[b] == b {
				return a
			}
			b = idom[b]
		}
	}
	return a
}

func dominates(idom []int, a, b int) bool {
	for b < a && idom[b] != b {
		b = idom[b]
	}
	return a == b
}

// findLoops sets loop and depth of the blocks.
func (f *Func) findLoops(order []*Block, idom []int) {
	for _, b := range order {
		b.loop, b.depth = nil, 0
	}
	// Postorder: heads of inner loops come before those of outer ones.
	for _, h := range order {
		var l *loop
		var work []*Block
		for _, p := range h.Preds {
			if !dominates(idom, h.id, p.id) {
				continue
			}
			if l == nil {
				l = &loop{head: h}
			}
			work = append(work, p)
		}
		if l == nil {
			continue
		}
		seen := map[*Block]bool{h: true}
		l.blocks = append(l.blocks, h)
		for len(work) > 0 {
			b := work[len(work)-1]
			work = work[:len(work)-1]
			if seen[b] {
				continue
			}
			seen[b] = true
			l.blocks = append(l.blocks, b)
			work = append(work, b.Preds...)
		}
		for _, b := range l.blocks {
			in := b.loop
			if in == nil {
				b.loop = l
				continue
			}
			for in.outer != nil {
				in = in.outer
			}
			if in != l {
				in.outer = l
			}
		}
	}
	for _, b := range order {
		for l := b.loop; l != nil; l = l.outer {
			b.depth++
		}
		if b.loop != nil && b.loop.head == b {
			b.loop.depth = b.depth
		}
	}
}

// inLoop says whether b is in l or in a loop within it.
func inLoop(b *Block, l *loop) bool {
	for x := b.loop; x != nil; x = x.outer {
		if x == l {
			return true
		}
	}
	return false
}

// sequence is a reverse postorder in which what leaves a loop comes after the loop.
func (f *Func) sequence() []*Block {
	seen := map[*Block]bool{}
	var rev []*Block
	var visit func(b *Block)
	visit = func(b *Block) {
		seen[b] = true
		first := func(s *Block) bool { return b.loop != nil && !inLoop(s, b.loop) }
		for _, leaving := range []bool{true, false} {
			for i := len(b.Succs) - 1; i >= 0; i-- {
				if s := b.Succs[i]; first(s) == leaving && !seen[s] {
					visit(s)
				}
			}
		}
		rev = append(rev, b)
	}
	if f.Recover != nil {
		visit(f.Recover)
	}
	if !seen[f.Entry] {
		visit(f.Entry)
	}
	for i, j := 0, len(rev)-1; i < j; i, j = i+1, j-1 {
		rev[i], rev[j] = rev[j], rev[i]
	}
	return rev
}

// rotate moves the head of a loop behind its last block when the head decides whether to go on.
func (f *Func) rotate() {
	var heads []*Block
	for _, b := range f.blocks {
		if b.loop != nil && b.loop.head == b && b != f.Entry {
			heads = append(heads, b)
		}
	}
	for i := len(heads) - 1; i >= 0; i-- { // inner loops first
		h := heads[i]
		if len(h.Succs) != 2 || inLoop(h.Succs[0], h.loop) == inLoop(h.Succs[1], h.loop) {
			continue
		}
		at, last := -1, -1
		for k, b := range f.blocks {
			if b == h {
				at = k
			}
			if inLoop(b, h.loop) {
				last = k
			}
		}
		if last <= at || len(f.blocks[last].Succs) != 1 || f.blocks[last].Succs[0] != h {
			continue
		}
		copy(f.blocks[at:], f.blocks[at+1:last+1])
		f.blocks[last] = h
	}
}

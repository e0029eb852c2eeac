package ir

import (
	"math/bits"
	"slices"
	"sort"
)

// Positions: instruction k reads its operands at 4k, lets a callee use its window at 4k+1, writes at 4k+2.
const (
	posRead  = 0
	posCall  = 1
	posWrite = 2
	posStep  = 4
)

// span is a stretch of positions, from inclusive, to exclusive.
type span struct{ from, to int32 }

// spans are sorted and disjoint.
type spans []span

func (s spans) intersects(t spans) bool {
	if len(s) > len(t) {
		s, t = t, s
	}
	for _, x := range s {
		if len(t) == 0 || t[len(t)-1].to <= x.from {
			return false
		}
		if t[len(t)-1].from <= x.from { // asked most: classes are placed in the order they start
			return true
		}
		t = t[t.after(x.from):]
		if t[0].from < x.to {
			return true
		}
	}
	return false
}

// after is the index of the first span that ends after pos, looked for from the front in steps that double.
func (s spans) after(pos int32) int {
	hi := 1
	for hi <= len(s) && s[hi-1].to <= pos {
		hi *= 2
	}
	lo := hi / 2
	return lo + sort.Search(min(hi, len(s))-lo, func(i int) bool { return s[lo+i].to > pos })
}

func (s spans) covers(pos int32) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].to > pos })
	return i < len(s) && s[i].from <= pos
}

// union is the spans of either; s and t are not changed.
func (s spans) union(t spans) spans {
	if len(s) == 0 {
		return t
	}
	if len(t) == 0 {
		return s
	}
	out := make(spans, 0, len(s)+len(t))
	for len(s) > 0 || len(t) > 0 {
		var x span
		if len(t) == 0 || len(s) > 0 && s[0].from <= t[0].from {
			x, s = s[0], s[1:]
		} else {
			x, t = t[0], t[1:]
		}
		if n := len(out); n > 0 && x.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, x.to)
		} else {
			out = append(out, x)
		}
	}
	return out
}

// insert is the spans of either, in the memory of s where that has room.
func (s spans) insert(t spans) spans {
	if len(t) == 0 {
		return s
	}
	from, to := t[0].from, t[len(t)-1].to
	i := sort.Search(len(s), func(i int) bool { return s[i].to >= from })
	if i == len(s) || to < s[i].from {
		return slices.Insert(s, i, t...)
	}
	return append(spans(nil), s.union(t)...)
}

// bitset is a set of registers.
type bitset []uint64

func (b bitset) has(r Reg) bool { return b[r>>6]>>(r&63)&1 != 0 }
func (b bitset) add(r Reg)      { b[r>>6] |= 1 << (r & 63) }

func (b bitset) each(f func(Reg)) {
	for w, x := range b {
		for x != 0 {
			f(Reg(w<<6 + bits.TrailingZeros64(x)))
			x &= x - 1
		}
	}
}

// liveness is where the registers of a function hold values that are needed.
type liveness struct {
	f       *Func
	in, out []bitset // by block layout index
	spans   []spans  // by reg
	calls   []int32  // positions of calls, ascending
	end     int32
}

// number gives the instructions their numbers in layout order.
func (f *Func) number() (count int32) {
	for i, b := range f.blocks {
		b.id = i
		b.first = count
		count += int32(len(b.Insts))
		b.last = count
	}
	return count
}

// live computes the spans of all registers.
func (f *Func) live() *liveness {
	l := &liveness{f: f, end: f.number() * posStep}
	l.flow()
	l.spans = make([]spans, len(f.Slots))
	open := make([]int32, len(f.Slots)) // position from which a register is needed downward, -1 none
	for i := range open {
		open[i] = -1
	}
	// Backward over the layout, spans are collected last first.
	for bi := len(f.blocks) - 1; bi >= 0; bi-- {
		b := f.blocks[bi]
		blockEnd := b.last * posStep
		l.out[bi].each(func(r Reg) { open[r] = blockEnd })
		for k := len(b.Insts) - 1; k >= 0; k-- {
			i := &b.Insts[k]
			at := (b.first + int32(k)) * posStep
			if i.isCall() {
				l.calls = append(l.calls, at)
			}
			write := at + posWrite
			if i.N > 1 && i.Op != OpCopy && i.Op != OpParallel && i.Op < OpCopy && roles[i.Op]&atomicA == 0 {
				write = at // no slot of the result may be one of an operand
			}
			i.eachDef(f.Slots, func(r Reg, whole bool) {
				to := open[r]
				if to < 0 {
					to = at + posWrite + 1
				}
				if whole {
					l.push(r, span{min(write, to), to})
					open[r] = -1
				} else {
					open[r] = to
				}
			})
			i.eachUse(func(r Reg) {
				if open[r] < 0 {
					open[r] = at + posRead + 1
				}
			})
		}
		blockStart := b.first * posStep
		l.in[bi].each(func(r Reg) {
			l.push(r, span{blockStart, max(open[r], blockStart)})
			open[r] = -1
		})
		for r, to := range open {
			if to >= 0 { // partly written only: needed from the block's start
				l.push(Reg(r), span{blockStart, to})
				open[r] = -1
			}
		}
	}
	for i, j := 0, len(l.calls)-1; i < j; i, j = i+1, j-1 {
		l.calls[i], l.calls[j] = l.calls[j], l.calls[i]
	}
	all := func(r Reg) { l.spans[r] = spans{{0, l.end}} }
	for r := range l.spans {
		if f.Pinned[r] {
			all(Reg(r))
			continue
		}
		s := l.spans[r]
		for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
			s[i], s[j] = s[j], s[i]
		}
	}
	if f.Recover != nil {
		l.in[f.Recover.id].each(all) // a panic may come from anywhere
	}
	return l
}

// push adds s, which is not after any span of r pushed so far.
func (l *liveness) push(r Reg, s span) {
	list := l.spans[r]
	if n := len(list); n > 0 && s.to >= list[n-1].from {
		list[n-1].from = min(list[n-1].from, s.from)
		list[n-1].to = max(list[n-1].to, s.to)
		return
	}
	l.spans[r] = append(list, s)
}

// flow computes what is live into and out of each block.
func (l *liveness) flow() {
	f := l.f
	words := (len(f.Slots) + 63) / 64
	n := len(f.blocks)
	store := make(bitset, words*n*4)
	cut := func() bitset { b := store[:words:words]; store = store[words:]; return b }
	l.in, l.out = make([]bitset, n), make([]bitset, n)
	gen, kill := make([]bitset, n), make([]bitset, n)
	for bi, b := range f.blocks {
		l.in[bi], l.out[bi], gen[bi], kill[bi] = cut(), cut(), cut(), cut()
		g, k := gen[bi], kill[bi]
		for ii := range b.Insts {
			i := &b.Insts[ii]
			i.eachUse(func(r Reg) {
				if !k.has(r) {
					g.add(r)
				}
			})
			i.eachDef(f.Slots, func(r Reg, whole bool) {
				if whole {
					k.add(r)
				} else if !k.has(r) {
					g.add(r)
				}
			})
		}
	}
	for changed := true; changed; {
		changed = false
		for bi := n - 1; bi >= 0; bi-- {
			in, out := l.in[bi], l.out[bi]
			for _, s := range f.blocks[bi].Succs {
				for w, x := range l.in[s.id] {
					out[w] |= x
				}
			}
			for w := range in {
				x := gen[bi][w] | out[w]&^kill[bi][w]
				if x != in[w] {
					in[w] = x
					changed = true
				}
			}
		}
	}
}

// dropDead removes pure instructions whose results nothing reads.
func (f *Func) dropDead() {
	count := make([]int32, len(f.Slots))
	for r := range f.Pinned {
		if f.Pinned[r] {
			count[r]++
		}
	}
	for _, b := range f.blocks {
		for k := range b.Insts {
			b.Insts[k].eachUse(func(r Reg) { count[r]++ })
		}
	}
	for changed := true; changed; {
		changed = false
		for _, b := range f.blocks {
			for k := len(b.Insts) - 1; k >= 0; k-- {
				i := &b.Insts[k]
				if i.Op == OpParallel {
					kept := i.Copies[:0]
					for _, c := range i.Copies {
						if count[c.Dst.R] > 0 {
							kept = append(kept, c)
							continue
						}
						if c.Src.R != NoReg {
							count[c.Src.R]--
						}
						changed = true
					}
					i.Copies = kept
					continue
				}
				if i.dead || !i.isPure() {
					continue
				}
				used := false
				i.eachDef(f.Slots, func(r Reg, _ bool) { used = used || count[r] > 0 })
				if !used {
					i.dead, changed = true, true
					i.eachUse(func(r Reg) { count[r]-- })
				}
			}
		}
	}
	for _, b := range f.blocks {
		kept := b.Insts[:0]
		for _, i := range b.Insts {
			if !i.dead && !(i.Op == OpParallel && len(i.Copies) == 0) {
				kept = append(kept, i)
			}
		}
		b.Insts = kept
	}
}

package ir

import (
	"container/heap"
	"fmt"
	"sort"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// class is registers that are placed together, at fixed distances.
type class struct {
	slots  []spans // by slot of the class: when it is occupied
	call   int32   // position of the call whose window it is, -1 none
	base   int32   // slot in the frame, -1 not yet
	fixed  bool    // base is given
	merged *class  // the class this one has become part of
	delta  int32   // at this slot of it
	size   int32   // window: slots up to the end of the arguments
}

// placement decides where in the frame each register stands.
type placement struct {
	f       *Func
	l       *liveness
	of      []*class // by reg
	at      []int32  // by reg: slot of its class
	groups  []*class
	classes []*class
	frame   []spans // occupation of the frame's slots
	size    int32
	copied  map[[2]Reg]bool
}

// place assigns slots to all registers.
func (f *Func) place() *placement {
	p := &placement{f: f, l: f.live(), of: make([]*class, len(f.Slots)), at: make([]int32, len(f.Slots))}
	p.makeClasses()
	p.coalesce()
	p.assign()
	return p
}

// slot is the frame slot of l.
func (p *placement) slot(l Loc) int32 {
	if l.R == NoReg {
		return 0
	}
	c, at := p.find(l.R)
	return c.base + at + l.Off
}

// window is the base slot of a window.
func (p *placement) window(g int32) int32 {
	c, d := p.groups[g], int32(0)
	for c.merged != nil {
		d += c.delta
		c = c.merged
	}
	return c.base + d
}

func (p *placement) find(r Reg) (*class, int32) {
	c, at := p.of[r], p.at[r]
	if c.merged != nil {
		for c.merged != nil {
			at += c.delta
			c = c.merged
		}
		p.of[r], p.at[r] = c, at
	}
	return c, at
}

func (p *placement) newClass(slots int32) *class {
	c := &class{slots: make([]spans, slots), call: -1, base: -1, size: slots}
	p.classes = append(p.classes, c)
	return c
}

func (p *placement) makeClasses() {
	for _, g := range p.f.Groups {
		c := p.newClass(g.Size)
		for _, m := range g.members {
			p.of[m.r], p.at[m.r] = c, m.off
			for i := int32(0); i < p.f.Slots[m.r]; i++ {
				c.slots[m.off+i] = c.slots[m.off+i].union(p.l.spans[m.r])
			}
		}
		p.groups = append(p.groups, c)
	}
	frame := p.groups[GroupFrame]
	frame.fixed, frame.base = true, 0
	for i := int32(0); i < code.FrameHeader && i < int32(len(frame.slots)); i++ {
		frame.slots[i] = spans{{0, p.l.end}}
	}
	for _, b := range p.f.blocks {
		for k := range b.Insts {
			i := &b.Insts[k]
			if !i.isCall() {
				continue
			}
			at := (b.first + int32(k)) * posStep
			c := p.groups[i.Win]
			if c.call < 0 {
				c.call = at // CallRFin, the second one, shares its CallR's window
			}
			for s := range c.slots {
				x := span{at + posCall, at + posWrite}
				if s < code.FrameHeader {
					x.from = at
				}
				c.slots[s] = c.slots[s].union(spans{x})
			}
		}
	}
	for r, n := range p.f.Slots {
		if p.of[r] != nil {
			continue
		}
		c := p.newClass(n)
		p.of[r] = c
		for i := range c.slots {
			c.slots[i] = p.l.spans[r]
		}
	}
}

// coalesce merges the two sides of copies where they can share their slots, innermost loops first.
func (p *placement) coalesce() {
	type move struct {
		dst, src Loc
		depth    int
	}
	var moves []move
	for _, b := range p.f.blocks {
		for k := range b.Insts {
			i := &b.Insts[k]
			switch i.Op {
			case OpCopy:
				moves = append(moves, move{i.A, i.B, b.depth})
			case OpParallel:
				for _, c := range i.Copies {
					if c.Src.R != NoReg {
						moves = append(moves, move{c.Dst, c.Src, b.depth})
					}
				}
			case code.Append, code.Append1, code.AppendStr, code.Slice, code.AddI, code.Add:
				if i.B.R != NoReg && b.depth > 0 {
					// Not a copy, but good when both stand in one place: a hint.
					moves = append(moves, move{i.A, i.B, b.depth - 1})
				}
			}
		}
	}
	sort.SliceStable(moves, func(i, j int) bool { return moves[i].depth > moves[j].depth })
	for _, m := range moves {
		p.join(m.dst, m.src)
	}
}

// join makes a and b one place when that is possible.
func (p *placement) join(a, b Loc) {
	x, ax := p.find(a.R)
	y, ay := p.find(b.R)
	if x == y {
		return
	}
	d := ay + b.Off - (ax + a.Off) // slot s of x is slot s+d of y
	if rank(x) > rank(y) {
		x, y, d = y, x, -d
	}
	// x becomes part of y.
	if rank(x) > 0 {
		return
	}
	if rank(y) > 0 {
		if d < 0 || int(d)+len(x.slots) > len(y.slots) {
			return
		}
		if y.call >= 0 && (d < code.FrameHeader || p.crosses(x, y.call)) {
			return
		}
	}
	for s, t := range x.slots {
		if s := int32(s) + d; s >= 0 && int(s) < len(y.slots) && t.intersects(y.slots[s]) {
			return
		}
	}
	p.merge(x, y, d)
}

// rank orders classes by how bound they are: free, window, frame.
func rank(c *class) int {
	switch {
	case c.fixed:
		return 2
	case c.call >= 0:
		return 1
	}
	return 0
}

// crosses says whether x is needed across a call other than the one at own.
func (p *placement) crosses(x *class, own int32) bool {
	for _, list := range x.slots {
		for _, s := range list {
			i := sort.Search(len(p.l.calls), func(i int) bool { return p.l.calls[i]+posCall >= s.from })
			for ; i < len(p.l.calls) && p.l.calls[i]+posCall < s.to; i++ {
				if p.l.calls[i] != own {
					return true
				}
			}
		}
	}
	return false
}

func (p *placement) merge(x, y *class, d int32) {
	if d < 0 {
		// Only free classes grow downward: shift y's slots up.
		shift := -d
		grown := make([]spans, int(shift)+len(y.slots))
		copy(grown[shift:], y.slots)
		z := p.newClass(0)
		z.slots, z.size = grown, int32(len(grown))
		y.merged, y.delta = z, shift
		y.slots = nil
		y, d = z, 0
	}
	for len(y.slots) < int(d)+len(x.slots) {
		y.slots = append(y.slots, nil)
	}
	for s, t := range x.slots {
		y.slots[s+int(d)] = y.slots[s+int(d)].union(t)
	}
	x.merged, x.delta, x.slots = y, d, nil
}

// assign gives every class its base: the frame's own, then free classes where they fit, then windows above all
// that is needed across their call.
func (p *placement) assign() {
	var free, windows []*class
	for _, c := range p.classes {
		switch {
		case c.merged != nil:
		case c.fixed:
			p.occupy(c, c.base)
		case c.call >= 0:
			windows = append(windows, c)
		default:
			free = append(free, c)
		}
	}
	sort.SliceStable(free, func(i, j int) bool { return start(free[i]) < start(free[j]) })
	var whole []*class
	beyond := map[int]*shelf{}
	for _, c := range free {
		if len(free) > 8*searched && p.always(c) {
			whole = append(whole, c)
			continue
		}
		p.occupy(c, p.shelve(c, beyond))
	}
	for _, c := range whole {
		p.occupy(c, int32(len(p.frame))) // no slot in use can take it
	}
	sort.SliceStable(windows, func(i, j int) bool { return windows[i].call < windows[j].call })
	for _, c := range windows {
		low := int32(len(p.frame))
		for low > code.FrameHeader && !p.frame[low-1].covers(c.call+posCall) {
			low--
		}
		base := p.fit(c, low, maxFrameSlots)
		p.occupy(c, base)
	}
	p.size = max(int32(len(p.frame)), p.f.ResSlots+p.f.ArgSlots+code.FrameHeader)
	if p.size > maxFrameSlots {
		panic(TooBig(fmt.Sprintf("%s needs a frame of %d slots, the limit is %d", p.f.name, p.size, maxFrameSlots)))
	}
}

const maxFrameSlots = 1<<16 - 1

// TooBig is the panic of a function that does not fit the instruction format.
type TooBig string

func start(c *class) int32 {
	at := int32(1 << 30)
	for _, s := range c.slots {
		if len(s) > 0 {
			at = min(at, s[0].from)
		}
	}
	return at
}

// always says whether c holds some slot from entry to end.
func (p *placement) always(c *class) bool {
	for _, list := range c.slots {
		if len(list) == 1 && list[0].from == 0 && list[0].to == p.l.end {
			return true
		}
	}
	return false
}

// searched is how many slots of the frame are searched for a hole that fits. Beyond them, in the frames of very large functions, a place is
// taken again only for as many slots as before and once all that stood there is over, so that the search stays short.
const searched = 160

// shelf is the places beyond the searched slots for classes of one size, a heap whose top is the one that is free first.
type shelf []place

type place struct{ base, until int32 }

func (h shelf) Len() int           { return len(h) }
func (h shelf) Less(i, j int) bool { return h[i].until < h[j].until }
func (h shelf) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *shelf) Push(x any)        { *h = append(*h, x.(place)) }
func (h *shelf) Pop() any {
	x := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return x
}

// shelve is the base for c; classes come by their start.
func (p *placement) shelve(c *class, beyond map[int]*shelf) int32 {
	base := p.fit(c, code.FrameHeader, searched)
	if int(base)+len(c.slots) <= searched || len(p.frame) < searched {
		return base
	}
	h := beyond[len(c.slots)]
	if h == nil {
		h = &shelf{}
		beyond[len(c.slots)] = h
	}
	until := int32(0)
	for _, list := range c.slots {
		if len(list) > 0 {
			until = max(until, list[len(list)-1].to)
		}
	}
	if h.Len() > 0 && (*h)[0].until <= start(c) {
		base = (*h)[0].base
		(*h)[0].until = until
		heap.Fix(h, 0)
		return base
	}
	heap.Push(h, place{int32(len(p.frame)), until})
	return int32(len(p.frame))
}

// fit is the lowest base from low on at which c disturbs nothing, or end.
func (p *placement) fit(c *class, low, end int32) int32 {
next:
	for end = min(end, int32(len(p.frame))); low < end; low++ {
		for s, t := range c.slots {
			if i := int(low) + s; i < len(p.frame) && t.intersects(p.frame[i]) {
				continue next
			}
		}
		return low
	}
	return low
}

func (p *placement) occupy(c *class, base int32) {
	c.base = base
	for len(p.frame) < int(base)+len(c.slots) {
		p.frame = append(p.frame, nil)
	}
	for s, t := range c.slots {
		i := int(base) + s
		p.frame[i] = p.frame[i].insert(t) // the frame's lists are its own
	}
}

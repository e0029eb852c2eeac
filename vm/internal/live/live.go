// Package live says which slots of a frame are still needed where it stands, from the code alone: a collection need not look at the others.
//
// It knows nothing of what runs: a frame whose operation is under way, or in which a panic runs deferred calls, is not what it answers for. Slots whose address is taken, and
// all above them, count as needed, and so do those from a window on whose argument count the code does not tell. Cost: a few passes over a function's
// code when a frame of it is first met, once for all machines that run the program, and a bit a slot for each of its blocks.
package live

import (
	"slices"
	"sync"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// Table has the functions of one image. It is safe for concurrent use.
type Table struct {
	img    *code.Image
	native func(index int) (res, args int)
	funcs  sync.Map // by index: *Func
}

// New is the table of an image that passed the verifier. native gives the slots of results and arguments of a native by its index.
func New(img *code.Image, native func(index int) (res, args int)) *Table {
	return &Table{img: img, native: native}
}

// Func is the function with an index.
func (t *Table) Func(index int32) *Func {
	if f, ok := t.funcs.Load(index); ok {
		return f.(*Func)
	}
	f, _ := t.funcs.LoadOrStore(index, t.analyse(&t.img.Funcs[index]))
	return f.(*Func)
}

// Func is one function.
type Func struct {
	a      *analysis // nil: too large to look at
	always Slots     // needed wherever it stands
	at     sync.Map  // by code word: Slots
}

// Needed are the slots that are needed when a frame goes on with the instruction at code word pc, which may be the word behind a call; false: nothing is known,
// and all have to be looked at.
func (f *Func) Needed(pc uint64) (Slots, bool) {
	if f.a == nil || pc < uint64(f.a.f.Entry) || pc > uint64(f.a.f.End) {
		return nil, false
	}
	if s, ok := f.at.Load(pc); ok {
		return s.(Slots), true
	}
	s := f.a.before(int32(pc))
	if s == nil {
		return nil, false
	}
	s.join(f.always)
	f.at.Store(pc, s)
	return s, true
}

// Slots is a set of slots of a frame.
type Slots []uint64

// Has says whether slot i is one of them.
func (s Slots) Has(i int) bool { return i>>6 < len(s) && s[i>>6]>>(i&63)&1 != 0 }

func (s Slots) add(from, n int) {
	for i := max(from, 0); i < from+n && i>>6 < len(s); i++ {
		s[i>>6] |= 1 << (i & 63)
	}
}

func (s Slots) remove(from, n int) {
	for i := max(from, 0); i < from+n && i>>6 < len(s); i++ {
		s[i>>6] &^= 1 << (i & 63)
	}
}

// join adds those of t; it says whether there were others.
func (s Slots) join(t Slots) (more bool) {
	for i, w := range t {
		more = more || w&^s[i] != 0
		s[i] |= w
	}
	return more
}

// bitsMax bounds what is kept while a function is looked at: of larger ones nothing is known.
const bitsMax = 1 << 24

// block is a stretch of code that is entered at its beginning only.
type block struct {
	from, to int32 // code words
	next     []int32
	in       Slots
}

// analysis is one function being looked at.
type analysis struct {
	*Table
	f      *code.Func
	words  int // of a set of slots
	blocks map[int32]*block
	order  []int32
	fixed  int // slots from here on are always needed
}

func (t *Table) analyse(f *code.Func) *Func {
	a := &analysis{Table: t, f: f, words: (int(f.FrameSlots) + 63) / 64, blocks: map[int32]*block{}, fixed: int(f.FrameSlots)}
	a.cut()
	if len(a.order)*a.words*64 > bitsMax {
		return &Func{}
	}
	a.flow()
	out := &Func{a: a, always: make(Slots, a.words)}
	out.always.add(a.fixed, int(f.FrameSlots)-a.fixed)
	if f.Recover != 0 {
		out.always.join(a.blocks[f.Recover].in)
	}
	return out
}

// cut divides the code into blocks, and finds the slots whose address is taken.
func (a *analysis) cut() {
	starts := map[int32]bool{a.f.Entry: true}
	if a.f.Recover != 0 {
		starts[a.f.Recover] = true
	}
	for pc := a.f.Entry; pc < a.f.End; {
		i := a.img.Code[pc]
		next := pc + int32(code.Table[i.Op].Form.Words())
		if to, ok := target(pc, i); ok {
			starts[to], starts[next] = true, true
		} else if ends(i.Op) {
			starts[next] = true
		}
		switch i.Op {
		case code.LeaF:
			a.fixed = min(a.fixed, int(i.B))
		case code.DeferL:
			a.fixed = min(a.fixed, int(i.A))
		}
		pc = next
	}
	var b *block
	for pc := a.f.Entry; pc < a.f.End; {
		i := a.img.Code[pc]
		if b == nil || starts[pc] {
			if b != nil {
				b.next = append(b.next, pc)
			}
			b = &block{from: pc, in: make(Slots, a.words)}
			a.blocks[pc] = b
			a.order = append(a.order, pc)
		}
		pc += int32(code.Table[i.Op].Form.Words())
		b.to = pc
		to, jumps := target(pc-int32(code.Table[i.Op].Form.Words()), i)
		if jumps {
			b.next = append(b.next, to)
		}
		if ends(i.Op) {
			b = nil
		}
	}
}

// target is where an instruction may jump to.
func target(pc int32, i code.Instr) (int32, bool) {
	switch code.Table[i.Op].Form {
	case code.FormJ, code.FormAJ:
		return pc + i.Imm32(), true
	case code.FormABJ, code.FormAIJ:
		return pc + int32(int16(i.C)), true
	}
	return 0, false
}

// ends says whether nothing goes on behind an instruction.
func ends(op code.Op) bool {
	switch op {
	case code.Jmp, code.Ret, code.Ret1, code.Panic, code.Trap, code.Halt, code.GoExit, code.PanicNext:
		return true
	}
	return false
}

// flow finds what each block needs.
func (a *analysis) flow() {
	s := make(Slots, a.words)
	for more := true; more; {
		more = false
		for k := len(a.order) - 1; k >= 0; k-- {
			b := a.blocks[a.order[k]]
			a.out(b, s)
			a.backward(b, s, nil)
			more = b.in.join(s) || more
		}
	}
}

// out makes s what is needed at the end of b.
func (a *analysis) out(b *block, s Slots) {
	clear(s)
	for _, to := range b.next {
		if n := a.blocks[to]; n != nil {
			s.join(n.in)
		}
	}
}

// backward goes through b from its end, s being what is needed there; at is called with each instruction, when s is what is needed before it.
func (a *analysis) backward(b *block, s Slots, at func(pc int32)) {
	var pcs []int32
	for pc := b.from; pc < b.to; pc += int32(code.Table[a.img.Code[pc].Op].Form.Words()) {
		pcs = append(pcs, pc)
	}
	for k := len(pcs) - 1; k >= 0; k-- {
		i := a.img.Code[pcs[k]]
		u := a.uses(pcs[k], i)
		if u.window >= 0 {
			s.remove(u.window, int(a.f.FrameSlots)-u.window)
		}
		for _, w := range u.writes {
			s.remove(w.from, w.n)
		}
		for _, r := range u.reads {
			s.add(r.from, r.n)
		}
		if at != nil {
			at(pcs[k])
		}
	}
}

// before is what is needed before the instruction at pc; nil: none begins there.
func (a *analysis) before(pc int32) (needed Slots) {
	if pc == a.f.End {
		return make(Slots, a.words) // behind a call that does not return
	}
	k, ok := slices.BinarySearch(a.order, pc)
	if ok {
		return slices.Clone(a.blocks[pc].in)
	}
	if k == 0 {
		return nil
	}
	b, s := a.blocks[a.order[k-1]], make(Slots, a.words)
	a.out(b, s)
	a.backward(b, s, func(at int32) {
		if at == pc {
			needed = slices.Clone(s)
		}
	})
	return needed
}

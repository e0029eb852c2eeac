package lower

import (
	"fmt"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// chunk is the code of one function before it is placed in the image.
type chunk struct {
	words   []code.Instr
	refs    []int32 // words of LdG and StG ops whose offset is provisional
	exts    []int32 // ext words that are provisional addresses
	lines   []chunkLine
	frame   int32
	recover int32 // word, -1 none
}

type chunkLine struct {
	word int32
	pos  int32
}

// emitter encodes placed instructions.
type emitter struct {
	f     *fn
	p     *placement
	out   chunk
	fixes []fix
	far   bool // short jumps may not reach: compare and jump over a long one
	spare int32
	inc   int32 // word of the AddI r r 1 encoded last
}

type fix struct {
	word   int32
	target *block
}

// farWords is the size from which a function is encoded with long jumps only.
const farWords = 30000

// emit encodes f.
func (f *fn) emit() *chunk {
	p := f.place()
	e := &emitter{f: f, p: p, inc: -1}
	e.encode()
	if len(e.out.words) > farWords {
		e = &emitter{f: f, p: p, inc: -1, far: true}
		e.encode()
	}
	e.out.frame = p.size + e.spare
	return &e.out
}

func (e *emitter) encode() {
	e.out.recover = -1
	var blocks []*block
	for _, b := range e.f.blocks {
		if b == e.f.entry || b == e.f.recover || !e.empty(b) || e.empty(e.target(b)) {
			blocks = append(blocks, b) // what jumps to others goes past them
		}
	}
	for bi, b := range blocks {
		b.pc = int32(len(e.out.words))
		var next *block
		if bi+1 < len(blocks) {
			next = blocks[bi+1]
		}
		for k := range b.insts {
			e.inst(b, &b.insts[k], next)
		}
	}
	for _, x := range e.fixes {
		e.patch(x)
	}
	if n := len(e.out.lines); n > 0 && int(e.out.lines[n-1].word) == len(e.out.words) {
		e.out.lines = e.out.lines[:n-1]
	}
	if e.f.recover != nil {
		e.out.recover = e.f.recover.pc
	}
}

func (e *emitter) patch(x fix) {
	w := &e.out.words[x.word]
	off := e.target(x.target).pc - x.word
	switch code.Table[w.Op].Form {
	case code.FormJ, code.FormAJ:
		*w = w.WithImm32(off)
	default:
		if off != int32(int16(off)) {
			panic("BUG: lower: short jump out of reach in " + e.f.name)
		}
		w.C = uint16(off)
	}
}

// target is where a jump to b ends up: b, or past blocks that only jump on.
func (e *emitter) target(b *block) *block {
	for n := 0; n < 8 && e.empty(b) && b.succs[0] != b; n++ {
		b = b.succs[0]
	}
	return b
}

// empty says whether b does nothing but jump on.
func (e *emitter) empty(b *block) bool {
	for k := range b.insts {
		i := &b.insts[k]
		switch i.op {
		case opJump:
		case opUse:
		case opCopy:
			if e.p.slot(i.a) != e.p.slot(i.b) {
				return false
			}
		case opParallel:
			for _, c := range i.copies {
				if c.src.r == noReg || e.p.slot(c.dst) != e.p.slot(c.src) {
					return false
				}
			}
		default:
			return false
		}
	}
	return len(b.succs) == 1
}

func (e *emitter) word(i code.Instr) { e.out.words = append(e.out.words, i) }

func (e *emitter) line(pos int32) {
	if pos == 0 {
		return
	}
	if n := len(e.out.lines); n > 0 && e.out.lines[n-1].pos == pos {
		return
	} else if n > 0 && e.out.lines[n-1].word == int32(len(e.out.words)) {
		e.out.lines[n-1].pos = pos
		return
	}
	e.out.lines = append(e.out.lines, chunkLine{int32(len(e.out.words)), pos})
}

func (e *emitter) slot(l loc) uint16 { return uint16(e.p.slot(l)) }

func (e *emitter) inst(b *block, i *inst, next *block) {
	switch i.op {
	case opUse:
		return
	case opCopy:
		if dst, src := e.p.slot(i.a), e.p.slot(i.b); dst != src {
			e.line(i.pos)
			e.move(dst, src, i.n)
		}
		return
	case opParallel:
		e.parallel(i.copies)
		return
	case opJump:
		e.line(i.pos)
		e.turn(b)
		e.jump(b.succs[0], next)
		return
	case opBranch:
		e.line(i.pos)
		e.branch(b, i, next)
		return
	}
	e.line(i.pos)
	e.plain(i)
}

// plain encodes an instruction that is an op of the table.
func (e *emitter) plain(i *inst) {
	w := code.Instr{Op: i.op, A: e.slot(i.a), B: e.slot(i.b), C: e.slot(i.c)}
	if i.win >= 0 {
		w.A = uint16(e.p.window(i.win))
	}
	if i.ref && (i.op >= code.LdG64 && i.op <= code.StG192) {
		e.out.refs = append(e.out.refs, int32(len(e.out.words)))
	}
	switch form := code.Table[i.op].Form; form {
	case code.FormABI, code.FormABU:
		w.C = uint16(i.imm)
		if w.Op == code.AddI && w.A == w.B && w.C == 1 {
			e.inc = int32(len(e.out.words))
		}
	case code.FormCallB:
		w.C = uint16(i.imm)
	case code.FormABUX:
		w.C = uint16(i.imm)
		e.word(w)
		e.ext(i)
		return
	case code.FormAI, code.FormCall:
		w = w.WithImm32(int32(i.imm))
	case code.FormAX, code.FormABX, code.FormABCX:
		e.word(w)
		if roles[i.op]&readX != 0 {
			e.word(code.ExtWord(uint64(e.slot(i.x[0]))))
			return
		}
		e.ext(i)
		return
	case code.FormABUXX:
		m, shift := code.Reciprocal(i.ext, code.IsSignedDivision(i.op))
		w.C = shift
		e.word(w)
		e.word(code.ExtWord(i.ext))
		e.word(code.ExtWord(m))
		return
	case code.FormSlice:
		e.word(w)
		var s [3]uint64
		for k, x := range i.x {
			s[k] = 0xFFFF
			if x.r != noReg {
				s[k] = uint64(e.slot(x))
			}
		}
		e.word(code.ExtWord(s[0] | s[1]<<16 | s[2]<<32))
		e.word(code.ExtWord(i.ext))
		return
	}
	e.word(w)
}

func (e *emitter) ext(i *inst) {
	if i.ref {
		e.out.exts = append(e.out.exts, int32(len(e.out.words)))
	}
	e.word(code.ExtWord(i.ext))
}

func (e *emitter) move(dst, src, n int32) {
	overlap := dst > src && dst < src+n || src > dst && src < dst+n
	switch {
	case n == 0 || dst == src:
	case n == 1:
		e.word(code.Instr{Op: code.Mov, A: uint16(dst), B: uint16(src)})
	case n == 2 && !overlap:
		e.word(code.Instr{Op: code.Mov2, A: uint16(dst), B: uint16(src)})
	case n == 3 && !overlap:
		e.word(code.Instr{Op: code.Mov3, A: uint16(dst), B: uint16(src)})
	default:
		e.word(code.Instr{Op: code.MovN, A: uint16(dst), B: uint16(src), C: uint16(n)})
	}
}

// constant loads a word into a slot.
func (e *emitter) constant(dst int32, val uint64, ref bool) {
	if !ref && int64(val) == int64(int32(val)) {
		e.word(code.Instr{Op: code.LdI, A: uint16(dst)}.WithImm32(int32(val)))
		return
	}
	e.word(code.Instr{Op: code.LdC, A: uint16(dst)})
	if ref {
		e.out.exts = append(e.out.exts, int32(len(e.out.words)))
	}
	e.word(code.ExtWord(val))
}

// slotMove is a pending copy of one run of slots.
type slotMove struct{ dst, src, n int32 }

func (m slotMove) clobbers(o slotMove) bool { return m.dst < o.src+o.n && o.src < m.dst+m.n }

// parallel orders simultaneous copies so that none overwrites the source of a later one; cycles go through spare slots.
func (e *emitter) parallel(copies []pcopy) {
	var todo []slotMove
	for _, c := range copies {
		if c.src.r == noReg {
			continue
		}
		if m := (slotMove{e.p.slot(c.dst), e.p.slot(c.src), c.n}); m.dst != m.src {
			todo = append(todo, m)
		}
	}
	for len(todo) > 0 {
		done := -1
		for i, m := range todo {
			free := true
			for j, o := range todo {
				if i != j && m.clobbers(o) {
					free = false
					break
				}
			}
			if free {
				done = i
				break
			}
		}
		if done >= 0 {
			e.move(todo[done].dst, todo[done].src, todo[done].n)
			todo = append(todo[:done], todo[done+1:]...)
			continue
		}
		// Every destination is some other copy's source: save one source aside.
		m := &todo[0]
		aside := e.p.size + e.spare
		e.spare += m.n
		if aside+m.n > maxFrameSlots {
			panic(tooBig(e.f.name + " needs too many slots"))
		}
		e.move(aside, m.src, m.n)
		m.src = aside
	}
	for _, c := range copies {
		if c.src.r != noReg {
			continue
		}
		dst := e.p.slot(c.dst)
		if c.n > 1 && c.val == 0 {
			e.word(code.Instr{Op: code.Zero, A: uint16(dst)}.WithImm32(c.n))
			continue
		}
		e.constant(dst, c.val, c.ref)
	}
}

func (e *emitter) jump(to, next *block) {
	to = e.target(to)
	if next != nil && (to == next || e.target(next) == to) {
		return
	}
	e.fixes = append(e.fixes, fix{int32(len(e.out.words)), to})
	e.word(code.Instr{Op: code.Jmp})
}

// inverse is the jump that is taken when op is not; swap says that its operands change places.
func inverse(op code.Op) (inv code.Op, swap bool) {
	switch op {
	case code.JT:
		return code.JF, false
	case code.JF:
		return code.JT, false
	case code.JEq:
		return code.JNe, false
	case code.JNe:
		return code.JEq, false
	case code.JLtS:
		return code.JLeS, true
	case code.JLeS:
		return code.JLtS, true
	case code.JLtU:
		return code.JLeU, true
	case code.JLeU:
		return code.JLtU, true
	case code.JEqI:
		return code.JNeI, false
	case code.JNeI:
		return code.JEqI, false
	case code.JLtSI:
		return code.JGeSI, false
	case code.JGeSI:
		return code.JLtSI, false
	case code.JLeSI:
		return code.JGtSI, false
	case code.JGtSI:
		return code.JLeSI, false
	case code.JEqF64:
		return code.JNeF64, false
	case code.JNeF64:
		return code.JEqF64, false
	case code.JLtF64:
		return code.JNLtF64, false
	case code.JNLtF64:
		return code.JLtF64, false
	case code.JLeF64:
		return code.JNLeF64, false
	case code.JNLeF64:
		return code.JLeF64, false
	}
	panic(fmt.Sprintf("BUG: lower: %v is no branch", op))
}

func (e *emitter) branch(b *block, i *inst, next *block) {
	yes, no := b.succs[0], b.succs[1]
	op, x, y := i.br, i.a, i.b
	invert := func() {
		inv, swap := inverse(op)
		op = inv
		if swap {
			x, y = y, x
		}
		yes, no = no, yes
	}
	if next != nil && e.target(yes) == e.target(next) {
		invert()
	}
	short := code.Table[op].Form != code.FormAJ
	if short && e.far {
		// jump over a long jump to yes
		inv, swap := inverse(op)
		p, q := x, y
		if swap {
			p, q = q, p
		}
		e.word(e.compare(inv, p, q, i.imm, 2))
		e.jump(yes, nil)
		e.jump(no, next)
		return
	}
	if w := e.compare(op, x, y, i.imm, 0); !e.countTo(b, w, yes) {
		e.fixes = append(e.fixes, fix{int32(len(e.out.words)), yes})
		e.word(w)
	}
	e.jump(no, next)
}

// turn ends a block that jumps to another which does nothing but test a counter, as the turns of a for loop end: if the counter has just been
// incremented it is tested here. The test stays where it is too; it is passed when the loop is entered, and once more when it ends.
func (e *emitter) turn(b *block) {
	to := e.target(b.succs[0])
	if len(to.insts) != 1 || to.insts[0].op != opBranch || e.far {
		return
	}
	i := &to.insts[0]
	e.countTo(b, e.compare(i.br, i.a, i.b, i.imm, 0), to.succs[0])
}

// countTo makes the increment just encoded in block b one with the compare and jump w to block yes; false if they cannot be.
func (e *emitter) countTo(b *block, w code.Instr, yes *block) bool {
	last := int32(len(e.out.words)) - 1
	if last < b.pc || e.inc != last || e.far || e.out.words[last].A != w.A {
		return false
	}
	switch w.Op {
	case code.JLtS:
		w.Op = code.IncJLtS
		if w.B == w.A {
			return false
		}
	case code.JLtSI:
		w.Op = code.IncJLtSI
	default:
		return false
	}
	e.out.words[last] = w
	e.inc = -1
	e.fixes = append(e.fixes, fix{last, yes})
	return true
}

// compare is the encoded compare and jump, with offset off for the short forms.
func (e *emitter) compare(op code.Op, x, y loc, imm int64, off int16) code.Instr {
	w := code.Instr{Op: op, A: e.slot(x)}
	switch code.Table[op].Form {
	case code.FormABJ:
		w.B, w.C = e.slot(y), uint16(off)
	case code.FormAIJ:
		w.B, w.C = uint16(imm), uint16(off)
	}
	return w
}

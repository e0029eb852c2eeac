package ir

import (
	"fmt"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// Chunk is the code of one function before it is placed in the image.
type Chunk struct {
	Words   []code.Instr
	Refs    []int32 // words of LdG and StG ops whose offset is provisional
	Exts    []int32 // ext words that are provisional addresses
	Lines   []chunkLine
	Locals  []LocalRange // by From
	Frame   int32
	Recover int32 // word, -1 none
}

type chunkLine struct {
	Word int32
	Pos  int32
}

// emitter encodes placed instructions.
type emitter struct {
	f     *Func
	p     *placement
	out   Chunk
	fixes []fix
	far   bool // short jumps may not reach: compare and jump over a long one
	spare int32
	inc   int32 // word of the AddI r r 1 encoded last

	locals localRanges
}

type fix struct {
	word   int32
	target *Block
}

// farWords is the size from which a function is encoded with long jumps only.
const farWords = 30000

// Emit encodes f.
func (f *Func) Emit() *Chunk {
	p := f.place()
	e := &emitter{f: f, p: p, inc: -1}
	e.encode()
	if len(e.out.Words) > farWords {
		e = &emitter{f: f, p: p, inc: -1, far: true}
		e.encode()
	}
	e.out.Frame = p.size + e.spare
	return &e.out
}

func (e *emitter) encode() {
	e.out.Recover = -1
	var blocks []*Block
	for _, b := range e.f.blocks {
		if b == e.f.Entry || b == e.f.Recover || !e.empty(b) || e.empty(e.target(b)) {
			blocks = append(blocks, b) // what jumps to others goes past them
		}
	}
	for bi, b := range blocks {
		b.pc = int32(len(e.out.Words))
		var next *Block
		if bi+1 < len(blocks) {
			next = blocks[bi+1]
		}
		for k := range b.Insts {
			e.localsAt(&b.Insts[k], b.first+int32(k))
			e.inst(b, &b.Insts[k], next)
		}
	}
	e.endLocals()
	for _, x := range e.fixes {
		e.patch(x)
	}
	if n := len(e.out.Lines); n > 0 && int(e.out.Lines[n-1].Word) == len(e.out.Words) {
		e.out.Lines = e.out.Lines[:n-1]
	}
	if e.f.Recover != nil {
		e.out.Recover = e.f.Recover.pc
	}
}

func (e *emitter) patch(x fix) {
	w := &e.out.Words[x.word]
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
func (e *emitter) target(b *Block) *Block {
	for n := 0; n < 8 && e.empty(b) && b.Succs[0] != b; n++ {
		b = b.Succs[0]
	}
	return b
}

// empty says whether b does nothing but jump on.
func (e *emitter) empty(b *Block) bool {
	for k := range b.Insts {
		i := &b.Insts[k]
		switch i.Op {
		case OpJump:
		case opUse:
		case OpCopy:
			if e.p.slot(i.A) != e.p.slot(i.B) {
				return false
			}
		case OpParallel:
			for _, c := range i.Copies {
				if c.Src.R == NoReg || e.p.slot(c.Dst) != e.p.slot(c.Src) {
					return false
				}
			}
		default:
			return false
		}
	}
	return len(b.Succs) == 1
}

func (e *emitter) word(i code.Instr) { e.out.Words = append(e.out.Words, i) }

func (e *emitter) line(pos int32) {
	if pos == 0 {
		return
	}
	if n := len(e.out.Lines); n > 0 && e.out.Lines[n-1].Pos == pos {
		return
	} else if n > 0 && e.out.Lines[n-1].Word == int32(len(e.out.Words)) {
		e.out.Lines[n-1].Pos = pos
		return
	}
	e.out.Lines = append(e.out.Lines, chunkLine{int32(len(e.out.Words)), pos})
}

func (e *emitter) slot(l Loc) uint16 { return uint16(e.p.slot(l)) }

func (e *emitter) inst(b *Block, i *Inst, next *Block) {
	switch i.Op {
	case opUse:
		return
	case OpCopy:
		if dst, src := e.p.slot(i.A), e.p.slot(i.B); dst != src {
			e.line(i.Pos)
			e.move(dst, src, i.N)
		}
		return
	case OpParallel:
		e.parallel(i.Copies)
		return
	case OpJump:
		e.line(i.Pos)
		e.turn(b)
		e.jump(b.Succs[0], next)
		return
	case OpBranch:
		e.line(i.Pos)
		e.branch(b, i, next)
		return
	}
	e.line(i.Pos)
	e.plain(i)
}

// plain encodes an instruction that is an op of the table.
func (e *emitter) plain(i *Inst) {
	w := code.Instr{Op: i.Op, A: e.slot(i.A), B: e.slot(i.B), C: e.slot(i.C)}
	if i.Win >= 0 {
		w.A = uint16(e.p.window(i.Win))
	}
	if i.Ref && (i.Op >= code.LdG64 && i.Op <= code.StG192) {
		e.out.Refs = append(e.out.Refs, int32(len(e.out.Words)))
	}
	switch form := code.Table[i.Op].Form; form {
	case code.FormABI, code.FormABU:
		w.C = uint16(i.Imm)
		if w.Op == code.AddI && w.A == w.B && w.C == 1 {
			e.inc = int32(len(e.out.Words))
		}
	case code.FormCallB:
		w.C = uint16(i.Imm)
	case code.FormABUX:
		w.C = uint16(i.Imm)
		e.word(w)
		e.ext(i)
		return
	case code.FormAI, code.FormCall:
		w = w.WithImm32(int32(i.Imm))
	case code.FormAX, code.FormABX, code.FormABCX:
		e.word(w)
		if roles[i.Op]&readX != 0 {
			e.word(code.ExtWord(uint64(e.slot(i.X[0]))))
			return
		}
		e.ext(i)
		return
	case code.FormABUXX:
		m, shift := code.Reciprocal(i.Ext, code.IsSignedDivision(i.Op))
		w.C = shift
		e.word(w)
		e.word(code.ExtWord(i.Ext))
		e.word(code.ExtWord(m))
		return
	case code.FormSlice:
		e.word(w)
		var s [3]uint64
		for k, x := range i.X {
			s[k] = 0xFFFF
			if x.R != NoReg {
				s[k] = uint64(e.slot(x))
			}
		}
		e.word(code.ExtWord(s[0] | s[1]<<16 | s[2]<<32))
		e.word(code.ExtWord(i.Ext))
		return
	}
	e.word(w)
}

func (e *emitter) ext(i *Inst) {
	if i.Ref {
		e.out.Exts = append(e.out.Exts, int32(len(e.out.Words)))
	}
	e.word(code.ExtWord(i.Ext))
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
		e.out.Exts = append(e.out.Exts, int32(len(e.out.Words)))
	}
	e.word(code.ExtWord(val))
}

// slotMove is a pending copy of one run of slots.
type slotMove struct{ dst, src, n int32 }

func (m slotMove) clobbers(o slotMove) bool { return m.dst < o.src+o.n && o.src < m.dst+m.n }

// parallel orders simultaneous copies so that none overwrites the source of a later one; cycles go through spare slots.
func (e *emitter) parallel(copies []Move) {
	var todo []slotMove
	for _, c := range copies {
		if c.Src.R == NoReg {
			continue
		}
		if m := (slotMove{e.p.slot(c.Dst), e.p.slot(c.Src), c.N}); m.dst != m.src {
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
			panic(TooBig(e.f.name + " needs too many slots"))
		}
		e.move(aside, m.src, m.n)
		m.src = aside
	}
	for _, c := range copies {
		if c.Src.R != NoReg {
			continue
		}
		dst := e.p.slot(c.Dst)
		if c.N > 1 && c.Val == 0 {
			e.word(code.Instr{Op: code.Zero, A: uint16(dst)}.WithImm32(c.N))
			continue
		}
		e.constant(dst, c.Val, c.ref)
	}
}

func (e *emitter) jump(to, next *Block) {
	to = e.target(to)
	if next != nil && (to == next || e.target(next) == to) {
		return
	}
	e.fixes = append(e.fixes, fix{int32(len(e.out.Words)), to})
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

func (e *emitter) branch(b *Block, i *Inst, next *Block) {
	yes, no := b.Succs[0], b.Succs[1]
	op, x, y := i.Br, i.A, i.B
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
		e.word(e.compare(inv, p, q, i.Imm, 2))
		e.jump(yes, nil)
		e.jump(no, next)
		return
	}
	if w := e.compare(op, x, y, i.Imm, 0); !e.countTo(b, w, yes) {
		e.fixes = append(e.fixes, fix{int32(len(e.out.Words)), yes})
		e.word(w)
	}
	e.jump(no, next)
}

// turn ends a block that jumps to another which does nothing but test a counter, as the turns of a for loop end: if the counter has just been
// incremented it is tested here. The test stays where it is too; it is passed when the loop is entered, and once more when it ends.
func (e *emitter) turn(b *Block) {
	to := e.target(b.Succs[0])
	if len(to.Insts) != 1 || to.Insts[0].Op != OpBranch || e.far {
		return
	}
	i := &to.Insts[0]
	e.countTo(b, e.compare(i.Br, i.A, i.B, i.Imm, 0), to.Succs[0])
}

// countTo makes the increment just encoded in block b one with the compare and jump w to block yes; false if they cannot be.
func (e *emitter) countTo(b *Block, w code.Instr, yes *Block) bool {
	last := int32(len(e.out.Words)) - 1
	if last < b.pc || e.inc != last || e.far || e.out.Words[last].A != w.A {
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
	e.out.Words[last] = w
	e.inc = -1
	e.fixes = append(e.fixes, fix{last, yes})
	return true
}

// compare is the encoded compare and jump, with offset off for the short forms.
func (e *emitter) compare(op code.Op, x, y Loc, imm int64, off int16) code.Instr {
	w := code.Instr{Op: op, A: e.slot(x)}
	switch code.Table[op].Form {
	case code.FormABJ:
		w.B, w.C = e.slot(y), uint16(off)
	case code.FormAIJ:
		w.B, w.C = uint16(imm), uint16(off)
	}
	return w
}

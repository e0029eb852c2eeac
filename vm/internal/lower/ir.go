package lower

import (
	"github.com/tandemvm/tandem/vm/internal/code"
)

// reg is a virtual register: a run of consecutive slots that lives and is placed as one.
type reg int32

// noReg is the absent register.
const noReg reg = -1

// loc is a slot within a register. A value of n slots that stands at a loc occupies it and the n-1 slots after it.
type loc struct {
	r   reg
	off int32
}

var noLoc = loc{noReg, 0}

func (l loc) plus(slots int64) loc { return loc{l.r, l.off + int32(slots)} }

// Pseudo ops, beyond the real ones. They exist between selection and emission only.
const (
	opCopy     code.Op = 0x4000 + iota // a = b, n slots: the only op the coalescing looks at
	opParallel                         // all dst = src at once, at the end of a block before its jump
	opJump                             // jump to block 0 of the block's successors
	opBranch                           // two-way: the comparison in br, successors 0 (true) and 1 (false)
	opUse                              // keeps its operands alive
)

// inst is one machine instruction over registers. Operands follow the form of the op; A's role (read or
// written) follows the op (see roles).
type inst struct {
	op      code.Op
	br      code.Op // opBranch: JT, JEq, JLtS ... to successor 0
	n       int32   // slots written at a (or copied)
	a, b, c loc
	x       [3]loc // Slice: lo, hi, max; Add128, Div128, FmaF64 and the like: x[0] is the ext operand
	imm     int64  // the immediate of the form: imm16, imm32, uint16
	ext     uint64 // ext word (FormSlice: ext2)
	win     int32  // group whose base is operand A of a call, -1 none
	reads   []reg  // further registers read: arguments in a window, members of a pack
	writes  []reg  // further registers written: results in a window
	copies  []pcopy
	pos     int32 // index in fn.lines
	ref     bool  // ext (or imm of LdG, StG) is an address that may be provisional
	fresh   bool  // writes a part of a, whose other slots hold nothing yet
	dead    bool
}

// pcopy is one copy of an opParallel: from src, or of a constant when src.r is noReg.
type pcopy struct {
	dst, src loc
	n        int32
	val      uint64
	ref      bool // val is an address that may be provisional
}

// block is a basic block; its last instruction is opJump, opBranch or a terminator without successors.
type block struct {
	id    int
	insts []inst
	succs []*block
	preds []*block
	depth int // loops around it

	first, last int32 // instruction numbers, set by number
	pc          int32 // code word, set by emission
	loop        *loop
}

// group is a set of registers at fixed distances from one another: an outgoing window, or operands that must be consecutive.
type group struct {
	size    int32
	window  bool
	members []member
}

type member struct {
	r   reg
	off int32
}

// fixed bases of frames.
const (
	groupFrame = 0 // header, results and parameters: base slot 0
)

// fn is a function between go/ssa and code.
type fn struct {
	name   string
	slots  []int32 // by reg: number of slots
	pinned []bool  // by reg: addressed by LeaF, lives from entry to end
	groups []group
	blocks []*block // layout order after lay
	lines  []linePos

	inlined []inlinedCall

	resSlots, argSlots int32
	closure            reg // slot 2, noReg when unused
	recover            *block
	defers             bool // may hold deferred calls
	entry              *block
}

type linePos struct {
	file string
	line int32
	in   int32 // the inlined call: 1 and its index in fn.inlined
}

// inlinedCall is a call that was replaced by the called function's body.
type inlinedCall struct {
	name string
	from linePos
}

func newFn(name string) *fn {
	f := &fn{name: name, closure: noReg}
	f.groups = []group{{}}
	f.lines = []linePos{{}}
	return f
}

func (f *fn) newReg(slots int64) reg {
	f.slots = append(f.slots, int32(slots))
	f.pinned = append(f.pinned, false)
	return reg(len(f.slots) - 1)
}

func (f *fn) newLoc(slots int64) loc { return loc{f.newReg(slots), 0} }

func (f *fn) newBlock() *block {
	b := &block{id: len(f.blocks)}
	f.blocks = append(f.blocks, b)
	return b
}

// frameMember makes a register at a fixed slot of the frame.
func (f *fn) frameMember(slot, slots int64) reg {
	r := f.newReg(slots)
	f.groups[groupFrame].members = append(f.groups[groupFrame].members, member{r, int32(slot)})
	return r
}

// newPack makes a group of consecutive registers of the given sizes in slots; sizes of 0 give noReg.
func (f *fn) newPack(sizes ...int64) []reg {
	g := group{}
	regs := make([]reg, len(sizes))
	for i, n := range sizes {
		if n == 0 {
			regs[i] = noReg
			continue
		}
		regs[i] = f.newReg(n)
		g.members = append(g.members, member{regs[i], g.size})
		g.size += int32(n)
	}
	if g.size > 0 {
		f.groups = append(f.groups, g)
	}
	return regs
}

// newWindow makes an outgoing window for a callee with the given result and argument sizes in slots.
func (f *fn) newWindow(res, args []int64) (win int32, rs, as []reg) {
	g := group{size: code.FrameHeader, window: true}
	add := func(sizes []int64) []reg {
		regs := make([]reg, len(sizes))
		for i, n := range sizes {
			if n == 0 {
				regs[i] = noReg
				continue
			}
			regs[i] = f.newReg(n)
			g.members = append(g.members, member{regs[i], g.size})
			g.size += int32(n)
		}
		return regs
	}
	rs = add(res)
	as = add(args)
	f.groups = append(f.groups, g)
	return int32(len(f.groups) - 1), rs, as
}

// role says what an op does with its operands.
type role uint8

const (
	readA   role = 1 << iota // A is read, not written
	readB                    // B is a slot that is read
	readC                    // C is a slot that is read
	writeA                   // A is written
	writeB                   // B is written as well as read
	readX                    // x[0] is read
	pureOp                   // no effect but writing A: dead when A is
	atomicA                  // reads all its operands before it writes any slot of A
)

// roles is by op, from its form and name.
var roles = makeRoles()

func makeRoles() (t [code.OpCount]role) {
	for op := code.Op(1); op < code.OpCount; op++ {
		switch code.Table[op].Form {
		case code.FormA:
			t[op] = readA
		case code.FormAB, code.FormABI, code.FormABU, code.FormABX, code.FormABUX, code.FormABUXX:
			t[op] = writeA | readB
		case code.FormABC, code.FormABCX:
			t[op] = writeA | readB | readC
		case code.FormAI, code.FormAX:
			t[op] = writeA
		case code.FormAJ, code.FormAIJ:
			t[op] = readA
		case code.FormABJ:
			t[op] = readA | readB
		case code.FormSlice:
			t[op] = writeA | readB | atomicA
		case code.FormCallB:
			t[op] = readB
		}
	}
	// LeaF's operand must stay the register it names, but that one is pinned: no liveness.
	for _, op := range []code.Op{code.LeaF} {
		t[op] = writeA
	}
	for _, op := range []code.Op{code.Bound, code.ZeroM, code.MapClear, code.StG64, code.StG32, code.StG8, code.StG128, code.StG192} {
		t[op] = readA
	}
	for _, op := range []code.Op{code.BoundR, code.St8, code.St16, code.St32, code.St64, code.St128, code.St192, code.StN, code.CopyM, code.AddM64, code.MapDel, code.Send} {
		t[op] = readA | readB
	}
	for _, op := range []code.Op{code.StX8, code.StX16, code.StX32, code.StX64, code.StX128, code.StX192, code.StP8, code.StP16, code.StP32, code.StP64, code.MapSet} {
		t[op] = readA | readB | readC
	}
	t[code.NextStr] = writeA | readB | writeB
	t[code.Recover] = writeA
	for _, op := range []code.Op{code.Add128, code.Sub128, code.Div128, code.FmaF64, code.MulAddF64, code.MulSubF64, code.SubMulF64} {
		t[op] |= readX
	}
	for _, op := range []code.Op{code.RunDefers} { // A is a window base
		t[op] = 0
	}
	for _, op := range []code.Op{code.CallR, code.CallRFin} {
		t[op] = readB
	}
	for _, op := range []code.Op{code.Append, code.Append1, code.AppendStr} {
		t[op] |= atomicA
	}
	for op := code.Mov; op < code.OpCount; op++ {
		switch {
		case op <= code.Com || op == code.Not,
			op >= code.AddS32 && op <= code.Sub128,
			op >= code.AddF64 && op <= code.CmpStr:
			t[op] |= pureOp
		}
	}
	for _, op := range []code.Op{code.DivS, code.DivU, code.RemS, code.RemU} {
		t[op] &^= pureOp
	}
	for _, op := range []code.Op{code.LdG64, code.LdGU32, code.LdGS32, code.LdGU8, code.LdG128, code.LdG192,
		code.MkIP, code.IToE, code.TypeW, code.FnS, code.FnC, code.MapLen, code.ChanLen, code.ChanCap, code.New, code.MkClo} {
		t[op] |= pureOp
	}
	return t
}

// eachUse calls f for every register i reads.
func (i *inst) eachUse(f func(reg)) {
	use := func(l loc) {
		if l.r != noReg {
			f(l.r)
		}
	}
	switch i.op {
	case opCopy:
		use(i.b)
	case opParallel:
		for _, c := range i.copies {
			use(c.src)
		}
	case opBranch:
		use(i.a)
		use(i.b)
	case opUse:
		use(i.a)
	case opJump:
	default:
		t := roles[i.op]
		if t&readA != 0 {
			use(i.a)
		}
		if t&readB != 0 {
			use(i.b)
		}
		if t&readC != 0 {
			use(i.c)
		}
		if t&readX != 0 {
			use(i.x[0])
		}
		if code.Table[i.op].Form == code.FormSlice {
			use(i.x[0])
			use(i.x[1])
			use(i.x[2])
		}
	}
	for _, r := range i.reads {
		if r != noReg {
			f(r)
		}
	}
}

// eachDef calls f for every register i writes; whole says whether all of its slots are.
func (i *inst) eachDef(slots []int32, f func(r reg, whole bool)) {
	switch i.op {
	case opCopy:
		f(i.a.r, i.fresh || i.a.off == 0 && i.n == slots[i.a.r])
	case opParallel:
		for _, c := range i.copies {
			f(c.dst.r, c.dst.off == 0 && c.n == slots[c.dst.r])
		}
	case opBranch, opUse, opJump:
	default:
		t := roles[i.op]
		if t&writeA != 0 && i.a.r != noReg {
			f(i.a.r, i.fresh || i.a.off == 0 && i.n >= slots[i.a.r])
		}
		if t&writeB != 0 {
			f(i.b.r, false)
		}
	}
	for _, r := range i.writes {
		if r != noReg {
			f(r, true)
		}
	}
}

// isCall says whether the slots from the window base on are dead across i.
func (i *inst) isCall() bool { return i.win >= 0 }

// isPure says whether i may be dropped when nothing reads what it writes.
func (i *inst) isPure() bool {
	switch i.op {
	case opCopy:
		return true
	case opParallel, opBranch, opJump, opUse:
		return false
	}
	return roles[i.op]&pureOp != 0
}

// wide says how many slots i writes.
func (i *inst) wide(n int64) *inst { i.n = int32(n); return i }

// Package ir is the form of one function between selection and code: instructions over virtual registers of one or more slots, in
// blocks. It optimises that form, finds what lives where, places the registers in a frame and encodes the result. It knows nothing of Go's types
// or of go/ssa: package lower selects instructions and fills in a Func, then calls Optimise and Emit.
//
// Costs: about linear in the length of a function; placement is quadratic in its registers at worst.
package ir

import (
	"github.com/tandemvm/tandem/vm/internal/code"
)

// Reg is a virtual register: a run of consecutive slots that lives and is placed as one.
type Reg int32

// NoReg is the absent register.
const NoReg Reg = -1

// Loc is a slot within a register. A value of n slots that stands at a loc occupies it and the n-1 slots after it.
type Loc struct {
	R   Reg
	Off int32
}

// NoLoc is the absent operand.
var NoLoc = Loc{NoReg, 0}

// At is the slot of r at off.
func At(r Reg, off int32) Loc { return Loc{r, off} }

// Plus is the slot that many slots after l.
func (l Loc) Plus(slots int64) Loc { return Loc{l.R, l.Off + int32(slots)} }

// Pseudo ops, beyond the real ones. They exist between selection and emission only.
const (
	OpCopy     code.Op = 0x4000 + iota // a = b, n slots: the only op the coalescing looks at
	OpParallel                         // all dst = src at once, at the end of a block before its jump
	OpJump                             // jump to block 0 of the block's successors
	OpBranch                           // two-way: the comparison in br, successors 0 (true) and 1 (false)
	opUse                              // keeps its operands alive
)

// Inst is one machine instruction over registers. Operands follow the form of the op; A's role (read or
// written) follows the op (see roles).
type Inst struct {
	Op      code.Op
	Br      code.Op // OpBranch: JT, JEq, JLtS ... to successor 0
	N       int32   // slots written at a (or copied)
	A, B, C Loc
	X       [3]Loc // Slice: lo, hi, max; Add128, Div128, FmaF64 and the like: x[0] is the ext operand
	Imm     int64  // the immediate of the form: imm16, imm32, uint16
	Ext     uint64 // ext word (FormSlice: ext2)
	Win     int32  // group whose base is operand A of a call, -1 none
	Reads   []Reg  // further registers read: arguments in a window, members of a pack
	Writes  []Reg  // further registers written: results in a window
	Copies  []Move
	Pos     int32 // index in Func.Lines
	Scope   int32 // what Func.Scope returned, 0: nothing is known of variables
	Ref     bool  // ext (or imm of LdG, StG) is an address that may be provisional
	Fresh   bool  // writes a part of a, whose other slots hold nothing yet
	dead    bool
}

// Move is one copy of an OpParallel: from src, or of a constant when Src.R is NoReg.
type Move struct {
	Dst, Src Loc
	N        int32
	Val      uint64
	ref      bool // val is an address that may be provisional
}

// Block is a basic block; its last instruction is OpJump, OpBranch or a terminator without successors.
type Block struct {
	id    int
	Insts []Inst
	Succs []*Block
	Preds []*Block
	depth int // loops around it

	first, last int32 // instruction numbers, set by number
	pc          int32 // code word, set by emission
	loop        *loop
}

// group is a set of registers at fixed distances from one another: an outgoing window, or operands that must be consecutive.
type group struct {
	Size    int32
	window  bool
	members []member
}

type member struct {
	r   Reg
	off int32
}

// fixed bases of frames.
const (
	GroupFrame = 0 // header, results and parameters: base slot 0
)

// Func is a function between go/ssa and code.
type Func struct {
	name   string
	Slots  []int32 // by reg: number of slots
	Pinned []bool  // by reg: addressed by LeaF, lives from entry to end
	Groups []group
	blocks []*Block // layout order after lay
	Lines  []LinePos

	Inlined []InlinedCall
	scopes  [][]Local   // by Inst.Scope - 1
	renames map[Reg]Loc // registers that stand for others now; only where there are scopes

	ResSlots, ArgSlots int32
	Closure            Reg // slot 2, NoReg when unused
	Recover            *Block
	Defers             bool // may hold deferred calls
	Entry              *Block
}

// LinePos is a source line, and the inlined call it is in.
type LinePos struct {
	File string
	Line int32
	In   int32 // the inlined call: 1 and its index in Func.Inlined
}

// InlinedCall is a call that was replaced by the called function's body.
type InlinedCall struct {
	Name string
	From LinePos
}

// New is an empty function; name is for error messages and listings.
func New(name string) *Func {
	f := &Func{name: name, Closure: NoReg}
	f.Groups = []group{{}}
	f.Lines = []LinePos{{}}
	return f
}

// NewReg is a new register of that many slots.
func (f *Func) NewReg(slots int64) Reg {
	f.Slots = append(f.Slots, int32(slots))
	f.Pinned = append(f.Pinned, false)
	return Reg(len(f.Slots) - 1)
}

// NewLoc is the first slot of a new register.
func (f *Func) NewLoc(slots int64) Loc { return Loc{f.NewReg(slots), 0} }

// NewBlock is a new block, in no order yet.
func (f *Func) NewBlock() *Block {
	b := &Block{id: len(f.blocks)}
	f.blocks = append(f.blocks, b)
	return b
}

// FrameMember makes a register at a fixed slot of the frame.
func (f *Func) FrameMember(slot, slots int64) Reg {
	r := f.NewReg(slots)
	f.Groups[GroupFrame].members = append(f.Groups[GroupFrame].members, member{r, int32(slot)})
	return r
}

// NewPack makes a group of consecutive registers of the given sizes in slots; sizes of 0 give NoReg.
func (f *Func) NewPack(sizes ...int64) []Reg {
	g := group{}
	regs := f.extend(&g, sizes)
	if g.Size > 0 {
		f.Groups = append(f.Groups, g)
	}
	return regs
}

// NewWindow makes an outgoing window for a callee with the given result and argument sizes in slots.
func (f *Func) NewWindow(res, args []int64) (win int32, rs, as []Reg) {
	g := group{Size: code.FrameHeader, window: true}
	rs = f.extend(&g, res)
	as = f.extend(&g, args)
	f.Groups = append(f.Groups, g)
	return int32(len(f.Groups) - 1), rs, as
}

// extend puts registers of the given sizes at the end of g.
func (f *Func) extend(g *group, sizes []int64) []Reg {
	regs := make([]Reg, len(sizes))
	for i, n := range sizes {
		if n == 0 {
			regs[i] = NoReg
			continue
		}
		regs[i] = f.NewReg(n)
		g.members = append(g.members, member{regs[i], g.Size})
		g.Size += int32(n)
	}
	return regs
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
func (i *Inst) eachUse(f func(Reg)) {
	use := func(l Loc) {
		if l.R != NoReg {
			f(l.R)
		}
	}
	switch i.Op {
	case OpCopy:
		use(i.B)
	case OpParallel:
		for _, c := range i.Copies {
			use(c.Src)
		}
	case OpBranch:
		use(i.A)
		use(i.B)
	case opUse:
		use(i.A)
	case OpJump:
	default:
		t := roles[i.Op]
		if t&readA != 0 {
			use(i.A)
		}
		if t&readB != 0 {
			use(i.B)
		}
		if t&readC != 0 {
			use(i.C)
		}
		if t&readX != 0 {
			use(i.X[0])
		}
		if code.Table[i.Op].Form == code.FormSlice {
			use(i.X[0])
			use(i.X[1])
			use(i.X[2])
		}
	}
	for _, r := range i.Reads {
		if r != NoReg {
			f(r)
		}
	}
}

// eachDef calls f for every register i writes; whole says whether all of its slots are.
func (i *Inst) eachDef(slots []int32, f func(r Reg, whole bool)) {
	switch i.Op {
	case OpCopy:
		f(i.A.R, i.Fresh || i.A.Off == 0 && i.N == slots[i.A.R])
	case OpParallel:
		for _, c := range i.Copies {
			f(c.Dst.R, c.Dst.Off == 0 && c.N == slots[c.Dst.R])
		}
	case OpBranch, opUse, OpJump:
	default:
		t := roles[i.Op]
		if t&writeA != 0 && i.A.R != NoReg {
			f(i.A.R, i.Fresh || i.A.Off == 0 && i.N >= slots[i.A.R])
		}
		if t&writeB != 0 {
			f(i.B.R, false)
		}
	}
	for _, r := range i.Writes {
		if r != NoReg {
			f(r, true)
		}
	}
}

// isCall says whether the slots from the window base on are dead across i.
func (i *Inst) isCall() bool { return i.Win >= 0 }

// isPure says whether i may be dropped when nothing reads what it writes.
func (i *Inst) isPure() bool {
	switch i.Op {
	case OpCopy:
		return true
	case OpParallel, OpBranch, OpJump, opUse:
		return false
	}
	return roles[i.Op]&pureOp != 0
}

// Wide says how many slots i writes.
func (i *Inst) Wide(n int64) *Inst { i.N = int32(n); return i }

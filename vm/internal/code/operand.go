package code

import "strings"

// NoSlot is an absent register in the ext word of a slicing op.
const NoSlot = 0xFFFF

// What an AssertT's flags, from bit 3 on, say of the value, so that the loop need not read the type: it is the data word, or it stands there with so many
// bytes, a number below 8 bytes zero-extended or (S) sign-extended. 0 says nothing.
const (
	AssertWord = iota + 1
	Assert8
	Assert16
	Assert24
	Assert1
	Assert1S
	Assert2
	Assert2S
	Assert4
	Assert4S
	assertEnd
)

// AssertBytes is the size that flags c of an AssertT promise for its type; known is false when they say nothing of it, ok when there are no such flags.
func AssertBytes(c uint16) (size uint64, known, ok bool) {
	k := c >> 3
	if k >= assertEnd || c&4 != 0 && k > 0 {
		return 0, false, false
	}
	sizes := [assertEnd]uint64{Assert8: 8, Assert16: 16, Assert24: 24, Assert1: 1, Assert1S: 1, Assert2: 2, Assert2S: 2, Assert4: 4, Assert4S: 4}
	return sizes[k], k > AssertWord, true
}

// ExtKind says what the ext word of an op holds.
type ExtKind uint8

const (
	ExtNone       ExtKind = iota // the op has no ext word, or the two of FormABUXX or FormSlice
	ExtNumber                    // a number: constant, size, length, flag
	ExtSlot                      // a slot of the frame
	ExtType                      // address of a type descriptor
	ExtTypeOrItab                // address of a type descriptor or an itab
	ExtFunc                      // function index
	ExtDefer                     // index of the function this is in, and in the upper half a number of argument slots
)

// ExtMeaning says what the ext word of op holds.
func ExtMeaning(op Op) ExtKind {
	switch op {
	case LdC, LdN, StN, CopyM, ZeroM, LeaX, LeaP, SliceToArr, Copy, Select:
		return ExtNumber
	case Add128, Sub128, Div128, FmaF64, MulAddF64, MulSubF64, SubMulF64:
		return ExtSlot
	case MkIP, MkIB, MkIM:
		return ExtTypeOrItab
	case MkClo:
		return ExtFunc
	case DeferL:
		return ExtDefer
	}
	if op > 0 && op < OpCount && Table[op].Form.Words() == 2 {
		return ExtType
	}
	return ExtNone
}

// Operand is one register operand of an instruction.
type Operand struct {
	Slot  uint16
	Write bool // it is the destination; else it is read
}

// Operands are the slots the instruction names, as its form tells. A slot stands for the first of several where the effect
// says so. The destination is A, but for the ops that only read.
func Operands(in Instr) []Operand {
	a := !readsA(in.Op)
	switch Table[in.Op].Form {
	case FormA, FormAI, FormAJ, FormAX, FormAIJ:
		return []Operand{{in.A, a}}
	case FormAB, FormABI, FormABU, FormABJ, FormABX, FormABUX, FormABUXX, FormSlice:
		return []Operand{{in.A, a}, {in.B, false}}
	case FormABC, FormABCX:
		return []Operand{{in.A, a}, {in.B, false}, {in.C, false}}
	case FormCallB:
		return []Operand{{in.A, true}, {in.B, false}}
	case FormCall:
		return []Operand{{in.A, true}}
	}
	return nil
}

// readsA reports whether operand A of an op is read, not written.
func readsA(op Op) bool {
	switch {
	case op >= JT && op <= JNLeF64, op >= St8 && op <= AddM64, op >= StX8 && op <= StX192,
		op >= StP8 && op <= StP64, op >= StG64 && op <= StG192:
		return true
	}
	switch op {
	case ShChk, Bound, BoundR, NilChk, MapSet, MapDel, MapClear, Send, ChanClose, Ret1, Panic:
		return true
	}
	return false
}

// Mentioned are the slots that a text of the specification names from operands A, B and C on: "r[A]" is one slot, "r[A:3]" three, "r[B+1]" two; 0: none.
// It is asked for all ops in each process.
func Mentioned(effect string) (slots [3]int) {
	for {
		_, rest, found := strings.Cut(effect, "r[")
		if !found {
			return slots
		}
		effect = rest
		inside, _, found := strings.Cut(rest, "]")
		if !found || inside == "" || inside[0] < 'A' || inside[0] > 'C' {
			continue
		}
		n := 0
		if len(inside) == 1 {
			n = 1
		} else if len(inside) == 3 && inside[2] >= '0' && inside[2] <= '9' {
			n = int(inside[2] - '0')
			if inside[1] == '+' {
				n++
			}
		}
		of := &slots[inside[0]-'A']
		*of = max(*of, n)
	}
}

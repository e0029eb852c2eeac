package code

// NoSlot is an absent register in the ext word of a slicing op.
const NoSlot = 0xFFFF

// ExtKind says what the ext word of an op holds.
type ExtKind uint8

const (
	ExtNone       ExtKind = iota // the op has no ext word, or the two of FormABUXX or FormSlice
	ExtNumber                    // a number: constant, size, length, flag
	ExtSlot                      // a slot of the frame
	ExtType                      // address of a type descriptor
	ExtTypeOrItab                // address of a type descriptor or an itab
	ExtFunc                      // function index
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
	}
	if op > 0 && op < OpCount && Table[op].Form.Words() == 2 {
		return ExtType
	}
	return ExtNone
}

package loop

import (
	"math"
	"math/bits"
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// Run carries out instructions until one is not to be carried out here; the result says why it stands at it.
//
// The locals pc, regs and lim are the position; they are kept out of the State, so that they live in registers, and written to it at the
// end. lim tells how many words are left: it is the address at which pc would stand when they are used up, if no jump were
// taken, so straight-line code costs no counting; every taken jump moves lim along with pc, less the word of the jump
// itself. It is compared at backward jumps and calls only.
//
// The shape follows what the compiler makes of it: every case ends with its own goto next, and next is a block that nothing else enters
// from outside, so the locals keep their registers from one instruction to the next. A common end of the switch costs a second
// jump and six moves an instruction. Nothing is called, so nothing is spilled. The switch is over all values of a byte, so
// there is no comparison before the jump table, and next is short enough to lie in one line of the cache wherever the function stands: with
// the comparison it did not, and the same code took 10 % longer in one build than in another.
//
// A case has few registers: the compiler gives up those of the locals above, with a store at every instruction, when one case needs more than are left, shifts
// by a variable (which takes a fixed register), or leaves to, from, bytes or off to be read by another. Look at the block of the indirect jump after a
// change: it stores nothing.
//
// It is written, not generated from the table of ops: the plain cases are three lines that a generator would only say otherwise, and what is long here, when to
// leave and what may be kept in a register, is what differs from case to case. That each case does what exec does is TestLoopAgainstSlow there.
func (s *State) Run() Why {
	var (
		off      int
		to, from unsafe.Pointer
		bytes    uintptr
		base     = s.Base
		pc       = (*code.Instr)(unsafe.Add(s.Code, s.PC*8))
		regs     = unsafe.Add(base, s.FP-code.Base)
		lim      = uintptr(unsafe.Pointer(pc)) + uintptr(s.Left*8)
		why      Why
	)
next:
	switch uint8(pc.Op) {
	case 0, 255: // named so that the jump table needs no comparison
		goto slow
	case uint8(code.Nop):
		pc = by(pc, 1)
		goto next
	case uint8(code.Mov):
		*r(regs, pc.A) = *r(regs, pc.B)
		pc = by(pc, 1)
		goto next
	case uint8(code.Mov2):
		x, y := *r(regs, pc.B), *r1(regs, pc.B)
		*r(regs, pc.A), *r1(regs, pc.A) = x, y
		pc = by(pc, 1)
		goto next
	case uint8(code.Mov3):
		x, y, z := *r(regs, pc.B), *r1(regs, pc.B), *r2(regs, pc.B)
		*r(regs, pc.A), *r1(regs, pc.A), *r2(regs, pc.A) = x, y, z
		pc = by(pc, 1)
		goto next
	case uint8(code.MovN):
		n := int(pc.C)
		if n > wordsMax {
			goto slow
		}
		to, from, bytes = unsafe.Pointer(r(regs, pc.A)), unsafe.Pointer(r(regs, pc.B)), uintptr(n)*8
		pc = by(pc, 1)
		goto move
	case uint8(code.Zero):
		n := int(imm(pc))
		if n > wordsMax {
			goto slow
		}
		for i := uint64(0); i < uint64(n)*8; i += 8 {
			*m64(unsafe.Pointer(r(regs, pc.A)), i) = 0
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.LdI):
		*r(regs, pc.A) = uint64(imm(pc))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdC):
		*r(regs, pc.A) = ext(pc)
		pc = by(pc, 2)
		goto next
	case uint8(code.LeaF):
		*r(regs, pc.A) = uint64(uintptr(regs)-uintptr(base)) + uint64(pc.B)*8 + code.Base
		pc = by(pc, 1)
		goto next

	case uint8(code.Add):
		*r(regs, pc.A) = *r(regs, pc.B) + *r(regs, pc.C)
		pc = by(pc, 1)
		goto next
	case uint8(code.Sub):
		*r(regs, pc.A) = *r(regs, pc.B) - *r(regs, pc.C)
		pc = by(pc, 1)
		goto next
	case uint8(code.Mul):
		*r(regs, pc.A) = *r(regs, pc.B) * *r(regs, pc.C)
		pc = by(pc, 1)
		goto next
	case uint8(code.And):
		*r(regs, pc.A) = *r(regs, pc.B) & *r(regs, pc.C)
		pc = by(pc, 1)
		goto next
	case uint8(code.Or):
		*r(regs, pc.A) = *r(regs, pc.B) | *r(regs, pc.C)
		pc = by(pc, 1)
		goto next
	case uint8(code.Xor):
		*r(regs, pc.A) = *r(regs, pc.B) ^ *r(regs, pc.C)
		pc = by(pc, 1)
		goto next
	case uint8(code.AndNot):
		*r(regs, pc.A) = *r(regs, pc.B) &^ *r(regs, pc.C)
		pc = by(pc, 1)
		goto next
	case uint8(code.Shl):
		*r(regs, pc.A) = *r(regs, pc.B) << *r(regs, pc.C)
		pc = by(pc, 1)
		goto next
	case uint8(code.ShrU):
		*r(regs, pc.A) = *r(regs, pc.B) >> *r(regs, pc.C)
		pc = by(pc, 1)
		goto next
	case uint8(code.ShrS):
		*r(regs, pc.A) = uint64(int64(*r(regs, pc.B)) >> *r(regs, pc.C))
		pc = by(pc, 1)
		goto next
	case uint8(code.AddI):
		*r(regs, pc.A) = *r(regs, pc.B) + immC(pc)
		pc = by(pc, 1)
		goto next
	case uint8(code.MulI):
		*r(regs, pc.A) = *r(regs, pc.B) * immC(pc)
		pc = by(pc, 1)
		goto next
	case uint8(code.AndI):
		*r(regs, pc.A) = *r(regs, pc.B) & immC(pc)
		pc = by(pc, 1)
		goto next
	case uint8(code.OrI):
		*r(regs, pc.A) = *r(regs, pc.B) | immC(pc)
		pc = by(pc, 1)
		goto next
	case uint8(code.XorI):
		*r(regs, pc.A) = *r(regs, pc.B) ^ immC(pc)
		pc = by(pc, 1)
		goto next
	case uint8(code.Neg):
		*r(regs, pc.A) = -*r(regs, pc.B)
		pc = by(pc, 1)
		goto next
	case uint8(code.Com):
		*r(regs, pc.A) = ^*r(regs, pc.B)
		pc = by(pc, 1)
		goto next
	case uint8(code.Not):
		*r(regs, pc.A) = *r(regs, pc.B) ^ 1
		pc = by(pc, 1)
		goto next
	case uint8(code.AddS32):
		*r(regs, pc.A) = uint64(int64(int32(*r(regs, pc.B) + *r(regs, pc.C))))
		pc = by(pc, 1)
		goto next
	case uint8(code.SubS32):
		*r(regs, pc.A) = uint64(int64(int32(*r(regs, pc.B) - *r(regs, pc.C))))
		pc = by(pc, 1)
		goto next
	case uint8(code.MulS32):
		*r(regs, pc.A) = uint64(int64(int32(*r(regs, pc.B) * *r(regs, pc.C))))
		pc = by(pc, 1)
		goto next
	case uint8(code.AddU32):
		*r(regs, pc.A) = uint64(uint32(*r(regs, pc.B) + *r(regs, pc.C)))
		pc = by(pc, 1)
		goto next
	case uint8(code.SubU32):
		*r(regs, pc.A) = uint64(uint32(*r(regs, pc.B) - *r(regs, pc.C)))
		pc = by(pc, 1)
		goto next
	case uint8(code.MulU32):
		*r(regs, pc.A) = uint64(uint32(*r(regs, pc.B) * *r(regs, pc.C)))
		pc = by(pc, 1)
		goto next
	case uint8(code.AddS32I):
		*r(regs, pc.A) = uint64(int64(int32(*r(regs, pc.B) + immC(pc))))
		pc = by(pc, 1)
		goto next
	case uint8(code.AddU32I):
		*r(regs, pc.A) = uint64(uint32(*r(regs, pc.B) + immC(pc)))
		pc = by(pc, 1)
		goto next
	case uint8(code.ShlU32):
		*r(regs, pc.A) = uint64(uint32(*r(regs, pc.B) << *r(regs, pc.C)))
		pc = by(pc, 1)
		goto next
	case uint8(code.ShlU32I):
		*r(regs, pc.A) = uint64(uint32(*r(regs, pc.B) << (pc.C & 63)))
		pc = by(pc, 1)
		goto next
	case uint8(code.RotL32I):
		*r(regs, pc.A) = uint64(bits.RotateLeft32(uint32(*r(regs, pc.B)), int(pc.C&31)))
		pc = by(pc, 1)
		goto next
	case uint8(code.SX8):
		*r(regs, pc.A) = uint64(int64(int8(*r(regs, pc.B))))
		pc = by(pc, 1)
		goto next
	case uint8(code.SX16):
		*r(regs, pc.A) = uint64(int64(int16(*r(regs, pc.B))))
		pc = by(pc, 1)
		goto next
	case uint8(code.SX32):
		*r(regs, pc.A) = uint64(int64(int32(*r(regs, pc.B))))
		pc = by(pc, 1)
		goto next
	case uint8(code.ZX8):
		*r(regs, pc.A) = uint64(uint8(*r(regs, pc.B)))
		pc = by(pc, 1)
		goto next
	case uint8(code.ZX16):
		*r(regs, pc.A) = uint64(uint16(*r(regs, pc.B)))
		pc = by(pc, 1)
		goto next
	case uint8(code.ZX32):
		*r(regs, pc.A) = uint64(uint32(*r(regs, pc.B)))
		pc = by(pc, 1)
		goto next
	case uint8(code.Clz64):
		*r(regs, pc.A) = uint64(bits.LeadingZeros64(*r(regs, pc.B)))
		pc = by(pc, 1)
		goto next
	case uint8(code.Ctz64):
		*r(regs, pc.A) = uint64(bits.TrailingZeros64(*r(regs, pc.B)))
		pc = by(pc, 1)
		goto next
	case uint8(code.Bswap64):
		*r(regs, pc.A) = bits.ReverseBytes64(*r(regs, pc.B))
		pc = by(pc, 1)
		goto next
	case uint8(code.Bswap32):
		*r(regs, pc.A) = uint64(bits.ReverseBytes32(uint32(*r(regs, pc.B))))
		pc = by(pc, 1)
		goto next
	case uint8(code.RotL64):
		*r(regs, pc.A) = bits.RotateLeft64(*r(regs, pc.B), int(*r(regs, pc.C)&63))
		pc = by(pc, 1)
		goto next
	case uint8(code.RotL32):
		*r(regs, pc.A) = uint64(bits.RotateLeft32(uint32(*r(regs, pc.B)), int(*r(regs, pc.C)&31)))
		pc = by(pc, 1)
		goto next
	case uint8(code.AddF64):
		*r(regs, pc.A) = u64(f64(*r(regs, pc.B)) + f64(*r(regs, pc.C)))
		pc = by(pc, 1)
		goto next
	case uint8(code.SubF64):
		*r(regs, pc.A) = u64(f64(*r(regs, pc.B)) - f64(*r(regs, pc.C)))
		pc = by(pc, 1)
		goto next
	case uint8(code.MulF64):
		*r(regs, pc.A) = u64(f64(*r(regs, pc.B)) * f64(*r(regs, pc.C)))
		pc = by(pc, 1)
		goto next
	case uint8(code.DivF64):
		*r(regs, pc.A) = u64(f64(*r(regs, pc.B)) / f64(*r(regs, pc.C)))
		pc = by(pc, 1)
		goto next
	case uint8(code.MulAddF64): // the conversions keep a compiler from rounding once only
		*r(regs, pc.A) = u64(float64(f64(*r(regs, pc.B))*f64(*r(regs, pc.C))) + f64(*r(regs, uint16(ext(pc)))))
		pc = by(pc, 2)
		goto next
	case uint8(code.MulSubF64):
		*r(regs, pc.A) = u64(float64(f64(*r(regs, pc.B))*f64(*r(regs, pc.C))) - f64(*r(regs, uint16(ext(pc)))))
		pc = by(pc, 2)
		goto next
	case uint8(code.SubMulF64):
		*r(regs, pc.A) = u64(f64(*r(regs, uint16(ext(pc)))) - float64(f64(*r(regs, pc.B))*f64(*r(regs, pc.C))))
		pc = by(pc, 2)
		goto next
	case uint8(code.NegF64):
		*r(regs, pc.A) = *r(regs, pc.B) ^ 1<<63
		pc = by(pc, 1)
		goto next
	case uint8(code.AddF32):
		*r(regs, pc.A) = u32(f32(*r(regs, pc.B)) + f32(*r(regs, pc.C)))
		pc = by(pc, 1)
		goto next
	case uint8(code.SubF32):
		*r(regs, pc.A) = u32(f32(*r(regs, pc.B)) - f32(*r(regs, pc.C)))
		pc = by(pc, 1)
		goto next
	case uint8(code.MulF32):
		*r(regs, pc.A) = u32(f32(*r(regs, pc.B)) * f32(*r(regs, pc.C)))
		pc = by(pc, 1)
		goto next
	case uint8(code.DivF32):
		*r(regs, pc.A) = u32(f32(*r(regs, pc.B)) / f32(*r(regs, pc.C)))
		pc = by(pc, 1)
		goto next
	case uint8(code.NegF32):
		*r(regs, pc.A) = *r(regs, pc.B) ^ 1<<31
		pc = by(pc, 1)
		goto next
	case uint8(code.SqrtF64):
		*r(regs, pc.A) = u64(math.Sqrt(f64(*r(regs, pc.B))))
		pc = by(pc, 1)
		goto next
	case uint8(code.AbsF64):
		*r(regs, pc.A) = *r(regs, pc.B) &^ (1 << 63)
		pc = by(pc, 1)
		goto next
	case uint8(code.CopysignF64):
		*r(regs, pc.A) = *r(regs, pc.B)&^(1<<63) | *r(regs, pc.C)&(1<<63)
		pc = by(pc, 1)
		goto next
	case uint8(code.S64ToF64):
		*r(regs, pc.A) = u64(float64(int64(*r(regs, pc.B))))
		pc = by(pc, 1)
		goto next
	case uint8(code.U64ToF64):
		*r(regs, pc.A) = u64(float64(*r(regs, pc.B)))
		pc = by(pc, 1)
		goto next
	case uint8(code.S64ToF32):
		*r(regs, pc.A) = u32(float32(int64(*r(regs, pc.B))))
		pc = by(pc, 1)
		goto next
	case uint8(code.U64ToF32):
		*r(regs, pc.A) = u32(float32(*r(regs, pc.B)))
		pc = by(pc, 1)
		goto next
	case uint8(code.F64ToF32):
		*r(regs, pc.A) = u32(float32(f64(*r(regs, pc.B))))
		pc = by(pc, 1)
		goto next
	case uint8(code.F32ToF64):
		*r(regs, pc.A) = u64(float64(f32(*r(regs, pc.B))))
		pc = by(pc, 1)
		goto next
	case uint8(code.ShlI):
		*r(regs, pc.A) = *r(regs, pc.B) << (pc.C & 63)
		pc = by(pc, 1)
		goto next
	case uint8(code.ShrUI):
		*r(regs, pc.A) = *r(regs, pc.B) >> (pc.C & 63)
		pc = by(pc, 1)
		goto next
	case uint8(code.ShrSI):
		*r(regs, pc.A) = uint64(int64(*r(regs, pc.B)) >> (pc.C & 63))
		pc = by(pc, 1)
		goto next
	case uint8(code.DivS):
		x, y := int64(*r(regs, pc.B)), int64(*r(regs, pc.C))
		if y == 0 {
			goto slow
		}
		*r(regs, pc.A) = uint64(x / y)
		pc = by(pc, 1)
		goto next
	case uint8(code.DivU):
		x, y := *r(regs, pc.B), *r(regs, pc.C)
		if y == 0 {
			goto slow
		}
		*r(regs, pc.A) = x / y
		pc = by(pc, 1)
		goto next
	case uint8(code.RemS):
		x, y := int64(*r(regs, pc.B)), int64(*r(regs, pc.C))
		if y == 0 {
			goto slow
		}
		*r(regs, pc.A) = uint64(x % y)
		pc = by(pc, 1)
		goto next
	case uint8(code.RemU):
		x, y := *r(regs, pc.B), *r(regs, pc.C)
		if y == 0 {
			goto slow
		}
		*r(regs, pc.A) = x % y
		pc = by(pc, 1)
		goto next
	case uint8(code.DivSC):
		n := *r(regs, pc.B)
		hi, _ := bits.Mul64(n, ext2(pc))
		sign := uint64(int64(n) >> 63)
		*r(regs, pc.A) = uint64(int64(hi-sign&ext2(pc))>>(pc.C&63)) - sign
		pc = by(pc, 3)
		goto next
	case uint8(code.DivUC):
		n := *r(regs, pc.B)
		hi, _ := bits.Mul64(n, ext2(pc))
		*r(regs, pc.A) = (hi + (n-hi)>>1) >> (pc.C & 63)
		pc = by(pc, 3)
		goto next
	case uint8(code.RemSC):
		n := *r(regs, pc.B)
		hi, _ := bits.Mul64(n, ext2(pc))
		sign := uint64(int64(n) >> 63)
		*r(regs, pc.A) = n - (uint64(int64(hi-sign&ext2(pc))>>(pc.C&63))-sign)*ext(pc)
		pc = by(pc, 3)
		goto next
	case uint8(code.RemUC):
		n := *r(regs, pc.B)
		hi, _ := bits.Mul64(n, ext2(pc))
		*r(regs, pc.A) = n - (hi+(n-hi)>>1)>>(pc.C&63)*ext(pc)
		pc = by(pc, 3)
		goto next
	case uint8(code.ShChk):
		if int64(*r(regs, pc.A)) < 0 {
			goto slow
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.Mul128):
		hi, lo := bits.Mul64(*r(regs, pc.B), *r(regs, pc.C))
		*r(regs, pc.A), *r1(regs, pc.A) = hi, lo
		pc = by(pc, 1)
		goto next
	case uint8(code.Add128):
		s, c := bits.Add64(*r(regs, pc.B), *r(regs, pc.C), *r(regs, uint16(ext(pc))))
		*r(regs, pc.A), *r1(regs, pc.A) = s, c
		pc = by(pc, 2)
		goto next
	case uint8(code.Sub128):
		d, b := bits.Sub64(*r(regs, pc.B), *r(regs, pc.C), *r(regs, uint16(ext(pc))))
		*r(regs, pc.A), *r1(regs, pc.A) = d, b
		pc = by(pc, 2)
		goto next

	case uint8(code.EqI):
		v := uint64(0)
		if *r(regs, pc.B) == *r(regs, pc.C) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.NeI):
		v := uint64(0)
		if *r(regs, pc.B) != *r(regs, pc.C) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.LtS):
		v := uint64(0)
		if int64(*r(regs, pc.B)) < int64(*r(regs, pc.C)) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.LeS):
		v := uint64(0)
		if int64(*r(regs, pc.B)) <= int64(*r(regs, pc.C)) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.LtU):
		v := uint64(0)
		if *r(regs, pc.B) < *r(regs, pc.C) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.LeU):
		v := uint64(0)
		if *r(regs, pc.B) <= *r(regs, pc.C) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.EqII):
		v := uint64(0)
		if *r(regs, pc.B) == immC(pc) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.NeII):
		v := uint64(0)
		if *r(regs, pc.B) != immC(pc) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.LtSI):
		v := uint64(0)
		if int64(*r(regs, pc.B)) < int64(immC(pc)) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.LeSI):
		v := uint64(0)
		if int64(*r(regs, pc.B)) <= int64(immC(pc)) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.GtSI):
		v := uint64(0)
		if int64(*r(regs, pc.B)) > int64(immC(pc)) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.GeSI):
		v := uint64(0)
		if int64(*r(regs, pc.B)) >= int64(immC(pc)) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.EqF64):
		v := uint64(0)
		if f64(*r(regs, pc.B)) == f64(*r(regs, pc.C)) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.NeF64):
		v := uint64(0)
		if f64(*r(regs, pc.B)) != f64(*r(regs, pc.C)) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.LtF64):
		v := uint64(0)
		if f64(*r(regs, pc.B)) < f64(*r(regs, pc.C)) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.LeF64):
		v := uint64(0)
		if f64(*r(regs, pc.B)) <= f64(*r(regs, pc.C)) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.EqF32):
		v := uint64(0)
		if f32(*r(regs, pc.B)) == f32(*r(regs, pc.C)) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.NeF32):
		v := uint64(0)
		if f32(*r(regs, pc.B)) != f32(*r(regs, pc.C)) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.LtF32):
		v := uint64(0)
		if f32(*r(regs, pc.B)) < f32(*r(regs, pc.C)) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.LeF32):
		v := uint64(0)
		if f32(*r(regs, pc.B)) <= f32(*r(regs, pc.C)) {
			v = 1
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.EqStr):
		v := uint64(0)
		if n := *r1(regs, pc.B); n == *r1(regs, pc.C) {
			x, y := *r(regs, pc.B), *r(regs, pc.C)
			if v = 1; n != 0 && x != y {
				// Compared here are 1 to 16 bytes, as two numbers that overlap unless they fit exactly.
				x, y = x-code.Base, y-code.Base
				if n > 16 || max(x, y) >= s.end16 {
					goto slow
				}
				var differ uint64
				switch {
				case n >= 8:
					differ = (*m64(base, x) ^ *m64(base, y)) | (*m64(base, x+n-8) ^ *m64(base, y+n-8))
				case n >= 4:
					differ = uint64((*m32(base, x) ^ *m32(base, y)) | (*m32(base, x+n-4) ^ *m32(base, y+n-4)))
				default:
					differ = uint64((*m8(base, x) ^ *m8(base, y)) | (*m8(base, x+n>>1) ^ *m8(base, y+n>>1)) | (*m8(base, x+n-1) ^ *m8(base, y+n-1)))
				}
				if differ != 0 {
					v = 0
				}
			}
		}
		*r(regs, pc.A) = v
		pc = by(pc, 1)
		goto next
	case uint8(code.CmpStr):
		// Here the first eight bytes decide, or the lengths of strings that have no more.
		n := min(*r1(regs, pc.B), *r1(regs, pc.C))
		x, y := *r(regs, pc.B)-code.Base, *r(regs, pc.C)-code.Base
		if n-1 >= 255 || max(x, y) >= s.end8 || *r1(regs, pc.B) > s.Size-x || *r1(regs, pc.C) > s.Size-y {
			goto slow
		}
		x, y = *m64(base, x), *m64(base, y)
		if n < 8 {
			x, y = x&lowBytes[n], y&lowBytes[n]
		}
		if x == y {
			if n > 8 {
				goto slow
			}
			x, y = *r1(regs, pc.B), *r1(regs, pc.C)
		} else {
			x, y = bits.ReverseBytes64(x), bits.ReverseBytes64(y)
		}
		n = 0
		if x != y {
			if n = 1; x < y {
				n = ^uint64(0)
			}
		}
		*r(regs, pc.A) = n
		pc = by(pc, 1)
		goto next
	case uint8(code.Jmp):
		off = int(imm(pc))
		goto jump
	case uint8(code.JT):
		if *r(regs, pc.A) != 0 {
			off = int(imm(pc))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JF):
		if *r(regs, pc.A) == 0 {
			off = int(imm(pc))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JEq):
		if *r(regs, pc.A) == *r(regs, pc.B) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JNe):
		if *r(regs, pc.A) != *r(regs, pc.B) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JLtS):
		if int64(*r(regs, pc.A)) < int64(*r(regs, pc.B)) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JLeS):
		if int64(*r(regs, pc.A)) <= int64(*r(regs, pc.B)) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JLtU):
		if *r(regs, pc.A) < *r(regs, pc.B) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JLeU):
		if *r(regs, pc.A) <= *r(regs, pc.B) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JEqI):
		if *r(regs, pc.A) == immB(pc) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JNeI):
		if *r(regs, pc.A) != immB(pc) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JLtSI):
		if int64(*r(regs, pc.A)) < int64(immB(pc)) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JLeSI):
		if int64(*r(regs, pc.A)) <= int64(immB(pc)) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JGtSI):
		if int64(*r(regs, pc.A)) > int64(immB(pc)) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JGeSI):
		if int64(*r(regs, pc.A)) >= int64(immB(pc)) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JEqF64):
		if f64(*r(regs, pc.A)) == f64(*r(regs, pc.B)) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JNeF64):
		if f64(*r(regs, pc.A)) != f64(*r(regs, pc.B)) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JLtF64):
		if f64(*r(regs, pc.A)) < f64(*r(regs, pc.B)) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JLeF64):
		if f64(*r(regs, pc.A)) <= f64(*r(regs, pc.B)) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JNLtF64):
		if !(f64(*r(regs, pc.A)) < f64(*r(regs, pc.B))) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.JNLeF64):
		if !(f64(*r(regs, pc.A)) <= f64(*r(regs, pc.B))) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next

	case uint8(code.IncJLtS):
		v := *r(regs, pc.A) + 1
		*r(regs, pc.A) = v
		if int64(v) < int64(*r(regs, pc.B)) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.IncJLtSI):
		v := *r(regs, pc.A) + 1
		*r(regs, pc.A) = v
		if int64(v) < int64(immB(pc)) {
			off = int(int16(pc.C))
			goto jump
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.LdU8):
		o := *r(regs, pc.B) + uint64(pc.C) - code.Base
		if o >= s.Size {
			goto slow
		}
		*r(regs, pc.A) = uint64(*m8(base, o))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdS8):
		o := *r(regs, pc.B) + uint64(pc.C) - code.Base
		if o >= s.Size {
			goto slow
		}
		*r(regs, pc.A) = uint64(int64(int8(*m8(base, o))))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdU16):
		o := *r(regs, pc.B) + uint64(pc.C) - code.Base
		if o >= s.end2 {
			goto slow
		}
		*r(regs, pc.A) = uint64(*m16(base, o))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdS16):
		o := *r(regs, pc.B) + uint64(pc.C) - code.Base
		if o >= s.end2 {
			goto slow
		}
		*r(regs, pc.A) = uint64(int64(int16(*m16(base, o))))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdU32):
		o := *r(regs, pc.B) + uint64(pc.C) - code.Base
		if o >= s.end4 {
			goto slow
		}
		*r(regs, pc.A) = uint64(*m32(base, o))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdS32):
		o := *r(regs, pc.B) + uint64(pc.C) - code.Base
		if o >= s.end4 {
			goto slow
		}
		*r(regs, pc.A) = uint64(int64(int32(*m32(base, o))))
		pc = by(pc, 1)
		goto next
	case uint8(code.Ld64):
		o := *r(regs, pc.B) + uint64(pc.C) - code.Base
		if o >= s.end8 {
			goto slow
		}
		*r(regs, pc.A) = *m64(base, o)
		pc = by(pc, 1)
		goto next
	case uint8(code.Ld128):
		o := *r(regs, pc.B) + uint64(pc.C) - code.Base
		if o >= s.end16 {
			goto slow
		}
		x, y := *m64(base, o), *m64(base, o+8)
		*r(regs, pc.A), *r1(regs, pc.A) = x, y
		pc = by(pc, 1)
		goto next
	case uint8(code.Ld192):
		o := *r(regs, pc.B) + uint64(pc.C) - code.Base
		if o >= s.end24 {
			goto slow
		}
		x, y, z := *m64(base, o), *m64(base, o+8), *m64(base, o+16)
		*r(regs, pc.A), *r1(regs, pc.A), *r2(regs, pc.A) = x, y, z
		pc = by(pc, 1)
		goto next
	case uint8(code.LdN):
		o, n := *r(regs, pc.B)+uint64(pc.C)-code.Base, ext(pc)
		if n > wordsMax*8 || o >= s.Size || n > s.Size-o {
			goto slow
		}
		if n&7 != 0 {
			if o >= s.end8 || n > s.end8-o { // the last word is read whole
				goto slow
			}
			w := *m64(base, o+n&^7) & lowBytes[n&7]
			to, from, bytes = unsafe.Pointer(r(regs, pc.A)), unsafe.Add(base, o), uintptr(n&^7)
			pc = by(pc, 2)
			if uintptr(to) > uintptr(from) {
				*m64(to, n&^7) = w
				goto move
			}
			for i := uint64(0); i < n&^7; i += 8 {
				*m64(to, i) = *m64(from, i)
			}
			*m64(to, n&^7) = w
			goto next
		}
		to, from, bytes = unsafe.Pointer(r(regs, pc.A)), unsafe.Add(base, o), uintptr(n)
		pc = by(pc, 2)
		goto move
	case uint8(code.St8):
		o := *r(regs, pc.A) + uint64(pc.C) - code.Base
		if o >= s.Size || s.clean(o) {
			goto slow
		}
		*m8(base, o) = uint8(*r(regs, pc.B))
		pc = by(pc, 1)
		goto next
	case uint8(code.St16):
		o := *r(regs, pc.A) + uint64(pc.C) - code.Base
		if turned(o, 1) >= s.size2 || s.clean(o) {
			goto slow
		}
		*m16(base, o) = uint16(*r(regs, pc.B))
		pc = by(pc, 1)
		goto next
	case uint8(code.St32):
		o := *r(regs, pc.A) + uint64(pc.C) - code.Base
		if turned(o, 2) >= s.size4 || s.clean(o) {
			goto slow
		}
		*m32(base, o) = uint32(*r(regs, pc.B))
		pc = by(pc, 1)
		goto next
	case uint8(code.St64):
		o := *r(regs, pc.A) + uint64(pc.C) - code.Base
		if turned(o, 3) >= s.size8 || s.clean(o) {
			goto slow
		}
		*m64(base, o) = *r(regs, pc.B)
		pc = by(pc, 1)
		goto next
	case uint8(code.St128):
		o := *r(regs, pc.A) + uint64(pc.C) - code.Base
		if o >= s.end16 || s.clean(o) || s.clean(o+15) {
			goto slow
		}
		*m64(base, o), *m64(base, o+8) = *r(regs, pc.B), *r1(regs, pc.B)
		pc = by(pc, 1)
		goto next
	case uint8(code.St192):
		o := *r(regs, pc.A) + uint64(pc.C) - code.Base
		if o >= s.end24 || s.clean(o) || s.clean(o+23) {
			goto slow
		}
		x, y, z := *r(regs, pc.B), *r1(regs, pc.B), *r2(regs, pc.B)
		*m64(base, o), *m64(base, o+8), *m64(base, o+16) = x, y, z
		pc = by(pc, 1)
		goto next
	case uint8(code.AddM64):
		o := *r(regs, pc.A) + uint64(pc.C) - code.Base
		if turned(o, 3) >= s.size8 || s.clean(o) {
			goto slow
		}
		*m64(base, o) += *r(regs, pc.B)
		pc = by(pc, 1)
		goto next
	case uint8(code.StN):
		o, n := *r(regs, pc.A)+uint64(pc.C)-code.Base, ext(pc)
		if n > wordsMax*8 || n == 0 || o >= s.Size || n > s.Size-o || s.clean(o) || s.clean(o+n-1) {
			goto slow
		}
		to, from, bytes = unsafe.Add(base, o), unsafe.Pointer(r(regs, pc.B)), uintptr(n)
		pc = by(pc, 2)
		if n&7 != 0 {
			goto moveBytes
		}
		goto move
	case uint8(code.Copy):
		// Little is kept in between: a register more here, and the loop's own have to make room at every instruction.
		n := min(*r1(regs, pc.B), *r1(regs, pc.C))
		if n == 0 {
			*r(regs, pc.A) = 0
			pc = by(pc, 2)
			goto next
		}
		if n > wordsMax*8 || ext(pc)-1 >= wordsMax*8 {
			goto slow
		}
		n *= ext(pc)
		o := *r(regs, pc.C) - code.Base
		if n > wordsMax*8 || o >= s.Size || n > s.Size-o {
			goto slow
		}
		from = unsafe.Add(base, o)
		o = *r(regs, pc.B) - code.Base
		if o >= s.Size || n > s.Size-o || s.clean(o) || s.clean(o+n-1) {
			goto slow
		}
		to, bytes = unsafe.Add(base, o), uintptr(n)
		*r(regs, pc.A) = min(*r1(regs, pc.B), *r1(regs, pc.C))
		pc = by(pc, 2)
		goto moveBytes
	case uint8(code.ZeroM):
		o, n := *r(regs, pc.A)-code.Base, ext(pc)
		if n > wordsMax*8 || n&7 != 0 || n == 0 || o >= s.Size || n > s.Size-o || s.clean(o) || s.clean(o+n-1) {
			goto slow
		}
		for i := uint64(0); i < n; i += 8 {
			*m64(base, o+i) = 0
		}
		pc = by(pc, 2)
		goto next
	case uint8(code.LdXU8):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.B) {
			goto slow
		}
		o := *r(regs, pc.B) + i - code.Base
		if o >= s.Size {
			goto slow
		}
		*r(regs, pc.A) = uint64(*m8(base, o))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdXS8):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.B) {
			goto slow
		}
		o := *r(regs, pc.B) + i - code.Base
		if o >= s.Size {
			goto slow
		}
		*r(regs, pc.A) = uint64(int64(int8(*m8(base, o))))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdXU16):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.B) {
			goto slow
		}
		o := *r(regs, pc.B) + i*2 - code.Base
		if o >= s.end2 {
			goto slow
		}
		*r(regs, pc.A) = uint64(*m16(base, o))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdXS16):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.B) {
			goto slow
		}
		o := *r(regs, pc.B) + i*2 - code.Base
		if o >= s.end2 {
			goto slow
		}
		*r(regs, pc.A) = uint64(int64(int16(*m16(base, o))))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdXU32):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.B) {
			goto slow
		}
		o := *r(regs, pc.B) + i*4 - code.Base
		if o >= s.end4 {
			goto slow
		}
		*r(regs, pc.A) = uint64(*m32(base, o))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdXS32):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.B) {
			goto slow
		}
		o := *r(regs, pc.B) + i*4 - code.Base
		if o >= s.end4 {
			goto slow
		}
		*r(regs, pc.A) = uint64(int64(int32(*m32(base, o))))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdX64):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.B) {
			goto slow
		}
		o := *r(regs, pc.B) + i*8 - code.Base
		if o >= s.end8 {
			goto slow
		}
		*r(regs, pc.A) = *m64(base, o)
		pc = by(pc, 1)
		goto next
	case uint8(code.LdX128):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.B) {
			goto slow
		}
		o := *r(regs, pc.B) + i*16 - code.Base
		if o >= s.end16 {
			goto slow
		}
		x, y := *m64(base, o), *m64(base, o+8)
		*r(regs, pc.A), *r1(regs, pc.A) = x, y
		pc = by(pc, 1)
		goto next
	case uint8(code.LdX192):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.B) {
			goto slow
		}
		o := *r(regs, pc.B) + i*24 - code.Base
		if o >= s.end24 {
			goto slow
		}
		x, y, z := *m64(base, o), *m64(base, o+8), *m64(base, o+16)
		*r(regs, pc.A), *r1(regs, pc.A), *r2(regs, pc.A) = x, y, z
		pc = by(pc, 1)
		goto next
	case uint8(code.StX8):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.A) {
			goto slow
		}
		o := *r(regs, pc.A) + i - code.Base
		if o >= s.Size || s.clean(o) {
			goto slow
		}
		*m8(base, o) = uint8(*r(regs, pc.B))
		pc = by(pc, 1)
		goto next
	case uint8(code.StX16):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.A) {
			goto slow
		}
		o := *r(regs, pc.A) + i*2 - code.Base
		if turned(o, 1) >= s.size2 || s.clean(o) {
			goto slow
		}
		*m16(base, o) = uint16(*r(regs, pc.B))
		pc = by(pc, 1)
		goto next
	case uint8(code.StX32):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.A) {
			goto slow
		}
		o := *r(regs, pc.A) + i*4 - code.Base
		if turned(o, 2) >= s.size4 || s.clean(o) {
			goto slow
		}
		*m32(base, o) = uint32(*r(regs, pc.B))
		pc = by(pc, 1)
		goto next
	case uint8(code.StX64):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.A) {
			goto slow
		}
		o := *r(regs, pc.A) + i*8 - code.Base
		if turned(o, 3) >= s.size8 || s.clean(o) {
			goto slow
		}
		*m64(base, o) = *r(regs, pc.B)
		pc = by(pc, 1)
		goto next
	case uint8(code.StX128):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.A) {
			goto slow
		}
		o := *r(regs, pc.A) + i*16 - code.Base
		if o >= s.end16 || s.clean(o) || s.clean(o+15) {
			goto slow
		}
		*m64(base, o), *m64(base, o+8) = *r(regs, pc.B), *r1(regs, pc.B)
		pc = by(pc, 1)
		goto next
	case uint8(code.StX192):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.A) {
			goto slow
		}
		o := *r(regs, pc.A) + i*24 - code.Base
		if o >= s.end24 || s.clean(o) || s.clean(o+23) {
			goto slow
		}
		x, y, z := *r(regs, pc.B), *r1(regs, pc.B), *r2(regs, pc.B)
		*m64(base, o), *m64(base, o+8), *m64(base, o+16) = x, y, z
		pc = by(pc, 1)
		goto next
	case uint8(code.LeaX):
		i := *r(regs, pc.C)
		if i >= *r1(regs, pc.B) {
			goto slow
		}
		*r(regs, pc.A) = *r(regs, pc.B) + i*ext(pc)
		pc = by(pc, 2)
		goto next
	case uint8(code.Bound):
		if *r(regs, pc.A) >= uint64(imm(pc)) {
			goto slow
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.BoundR):
		if *r(regs, pc.A) >= *r(regs, pc.B) {
			goto slow
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.LdPU8):
		o := *r(regs, pc.B) + *r(regs, pc.C) - code.Base
		if o >= s.Size {
			goto slow
		}
		*r(regs, pc.A) = uint64(*m8(base, o))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdPS8):
		o := *r(regs, pc.B) + *r(regs, pc.C) - code.Base
		if o >= s.Size {
			goto slow
		}
		*r(regs, pc.A) = uint64(int64(int8(*m8(base, o))))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdPU16):
		o := *r(regs, pc.B) + *r(regs, pc.C)*2 - code.Base
		if o >= s.end2 {
			goto slow
		}
		*r(regs, pc.A) = uint64(*m16(base, o))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdPS16):
		o := *r(regs, pc.B) + *r(regs, pc.C)*2 - code.Base
		if o >= s.end2 {
			goto slow
		}
		*r(regs, pc.A) = uint64(int64(int16(*m16(base, o))))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdPU32):
		o := *r(regs, pc.B) + *r(regs, pc.C)*4 - code.Base
		if o >= s.end4 {
			goto slow
		}
		*r(regs, pc.A) = uint64(*m32(base, o))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdPS32):
		o := *r(regs, pc.B) + *r(regs, pc.C)*4 - code.Base
		if o >= s.end4 {
			goto slow
		}
		*r(regs, pc.A) = uint64(int64(int32(*m32(base, o))))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdP64):
		o := *r(regs, pc.B) + *r(regs, pc.C)*8 - code.Base
		if o >= s.end8 {
			goto slow
		}
		*r(regs, pc.A) = *m64(base, o)
		pc = by(pc, 1)
		goto next
	case uint8(code.StP8):
		o := *r(regs, pc.A) + *r(regs, pc.C) - code.Base
		if o >= s.Size || s.clean(o) {
			goto slow
		}
		*m8(base, o) = uint8(*r(regs, pc.B))
		pc = by(pc, 1)
		goto next
	case uint8(code.StP16):
		o := *r(regs, pc.A) + *r(regs, pc.C)*2 - code.Base
		if turned(o, 1) >= s.size2 || s.clean(o) {
			goto slow
		}
		*m16(base, o) = uint16(*r(regs, pc.B))
		pc = by(pc, 1)
		goto next
	case uint8(code.StP32):
		o := *r(regs, pc.A) + *r(regs, pc.C)*4 - code.Base
		if turned(o, 2) >= s.size4 || s.clean(o) {
			goto slow
		}
		*m32(base, o) = uint32(*r(regs, pc.B))
		pc = by(pc, 1)
		goto next
	case uint8(code.StP64):
		o := *r(regs, pc.A) + *r(regs, pc.C)*8 - code.Base
		if turned(o, 3) >= s.size8 || s.clean(o) {
			goto slow
		}
		*m64(base, o) = *r(regs, pc.B)
		pc = by(pc, 1)
		goto next
	case uint8(code.LeaP):
		*r(regs, pc.A) = *r(regs, pc.B) + *r(regs, pc.C)*ext(pc)
		pc = by(pc, 2)
		goto next
	case uint8(code.NilChk):
		if *r(regs, pc.A)-code.Base >= s.Size {
			goto slow
		}
		pc = by(pc, 1)
		goto next
	case uint8(code.LdG64):
		o := uint64(uint32(imm(pc)))
		if o >= s.end8 {
			goto slow
		}
		*r(regs, pc.A) = *m64(base, o)
		pc = by(pc, 1)
		goto next
	case uint8(code.LdGU32):
		o := uint64(uint32(imm(pc)))
		if o >= s.end4 {
			goto slow
		}
		*r(regs, pc.A) = uint64(*m32(base, o))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdGS32):
		o := uint64(uint32(imm(pc)))
		if o >= s.end4 {
			goto slow
		}
		*r(regs, pc.A) = uint64(int64(int32(*m32(base, o))))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdGU8):
		o := uint64(uint32(imm(pc)))
		if o >= s.Size {
			goto slow
		}
		*r(regs, pc.A) = uint64(*m8(base, o))
		pc = by(pc, 1)
		goto next
	case uint8(code.LdG128):
		o := uint64(uint32(imm(pc)))
		if o >= s.end16 {
			goto slow
		}
		*r(regs, pc.A), *r1(regs, pc.A) = *m64(base, o), *m64(base, o+8)
		pc = by(pc, 1)
		goto next
	case uint8(code.LdG192):
		o := uint64(uint32(imm(pc)))
		if o >= s.end24 {
			goto slow
		}
		*r(regs, pc.A), *r1(regs, pc.A), *r2(regs, pc.A) = *m64(base, o), *m64(base, o+8), *m64(base, o+16)
		pc = by(pc, 1)
		goto next
	case uint8(code.StG64):
		o := uint64(uint32(imm(pc)))
		if turned(o, 3) >= s.size8 || s.clean(o) {
			goto slow
		}
		*m64(base, o) = *r(regs, pc.A)
		pc = by(pc, 1)
		goto next
	case uint8(code.StG32):
		o := uint64(uint32(imm(pc)))
		if turned(o, 2) >= s.size4 || s.clean(o) {
			goto slow
		}
		*m32(base, o) = uint32(*r(regs, pc.A))
		pc = by(pc, 1)
		goto next
	case uint8(code.StG8):
		o := uint64(uint32(imm(pc)))
		if o >= s.Size || s.clean(o) {
			goto slow
		}
		*m8(base, o) = uint8(*r(regs, pc.A))
		pc = by(pc, 1)
		goto next
	case uint8(code.StG128):
		o := uint64(uint32(imm(pc)))
		if o >= s.end16 || s.clean(o) || s.clean(o+15) {
			goto slow
		}
		*m64(base, o), *m64(base, o+8) = *r(regs, pc.A), *r1(regs, pc.A)
		pc = by(pc, 1)
		goto next
	case uint8(code.StG192):
		o := uint64(uint32(imm(pc)))
		if o >= s.end24 || s.clean(o) || s.clean(o+23) {
			goto slow
		}
		*m64(base, o), *m64(base, o+8), *m64(base, o+16) = *r(regs, pc.A), *r1(regs, pc.A), *r2(regs, pc.A)
		pc = by(pc, 1)
		goto next
	case uint8(code.Slice):
		lo, hi, length, capacity := uint64(0), *r1(regs, pc.B), uint64(0), *r2(regs, pc.B)
		w := by(pc, 1)
		if w.B != code.NoSlot {
			goto slow
		}
		if uint16(w.Op) != code.NoSlot {
			lo = *r(regs, uint16(w.Op))
		}
		if w.A != code.NoSlot {
			hi = *r(regs, w.A)
		}
		if hi > capacity || lo > hi {
			goto slow
		}
		length = hi - lo
		capacity -= lo
		p := *r(regs, pc.B)
		if capacity > 0 {
			p += lo * uint64(uint32(ext(w)))
		}
		*r(regs, pc.A), *r1(regs, pc.A), *r2(regs, pc.A) = p, length, capacity
		pc = by(pc, 3)
		goto next
	case uint8(code.SliceArr):
		w := by(pc, 1)
		p, lo, whole := *r(regs, pc.B), uint64(0), ext(w)>>32
		hi := whole
		if w.B != code.NoSlot || p == 0 {
			goto slow
		}
		if uint16(w.Op) != code.NoSlot {
			lo = *r(regs, uint16(w.Op))
		}
		if w.A != code.NoSlot {
			hi = *r(regs, w.A)
		}
		if hi > whole || lo > hi {
			goto slow
		}
		if whole > lo {
			p += lo * uint64(uint32(ext(w)))
		}
		*r(regs, pc.A), *r1(regs, pc.A), *r2(regs, pc.A) = p, hi-lo, whole-lo
		pc = by(pc, 3)
		goto next
	case uint8(code.SliceStr):
		lo, hi := uint64(0), *r1(regs, pc.B)
		length := hi
		w := by(pc, 1)
		if uint16(w.Op) != code.NoSlot {
			lo = *r(regs, uint16(w.Op))
		}
		if w.A != code.NoSlot {
			hi = *r(regs, w.A)
		}
		if hi > length || lo > hi {
			goto slow
		}
		p := *r(regs, pc.B)
		if lo != hi {
			p += lo
		}
		*r(regs, pc.A), *r1(regs, pc.A) = p, hi-lo
		pc = by(pc, 3)
		goto next
	case uint8(code.Append1):
		n := *r1(regs, pc.B)
		t := ext(pc) - code.Base
		if n >= *r2(regs, pc.B) || t >= s.end8 {
			goto slow
		}
		size := *m64(base, t) // a type begins with its size
		o := *r(regs, pc.B) + n*size - code.Base
		if o >= s.end24 || s.clean(o) || s.clean(o+23) {
			goto slow
		}
		switch size {
		case 1:
			*m8(base, o) = uint8(*r(regs, pc.C))
		case 2:
			*m16(base, o) = uint16(*r(regs, pc.C))
		case 4:
			*m32(base, o) = uint32(*r(regs, pc.C))
		case 8:
			*m64(base, o) = *r(regs, pc.C)
		case 16:
			*m64(base, o), *m64(base, o+8) = *r(regs, pc.C), *r1(regs, pc.C)
		case 24:
			x, y, z := *r(regs, pc.C), *r1(regs, pc.C), *r2(regs, pc.C)
			*m64(base, o), *m64(base, o+8), *m64(base, o+16) = x, y, z
		default:
			goto slow
		}
		p, c := *r(regs, pc.B), *r2(regs, pc.B)
		*r(regs, pc.A), *r1(regs, pc.A), *r2(regs, pc.A) = p, n+1, c
		pc = by(pc, 2)
		goto next
	case uint8(code.NextStr):
		i := *r2(regs, pc.B)
		if i >= *r1(regs, pc.B) {
			*r(regs, pc.A), *r1(regs, pc.A), *r2(regs, pc.A) = 0, 0, 0
			pc = by(pc, 1)
			goto next
		}
		o := *r(regs, pc.B) + i - code.Base
		if o >= s.Size || *m8(base, o) >= 0x80 {
			goto slow
		}
		c := uint64(*m8(base, o))
		*r2(regs, pc.B) = i + 1
		*r(regs, pc.A), *r1(regs, pc.A), *r2(regs, pc.A) = 1, i, c
		pc = by(pc, 1)
		goto next
	case uint8(code.TypeW):
		t := *r(regs, pc.B)
		if pc.C != 0 && t != 0 {
			o := t + ITabType - code.Base
			if o >= s.end8 {
				goto slow
			}
			t = *m64(base, o)
		}
		*r(regs, pc.A) = t
		pc = by(pc, 1)
		goto next
	case uint8(code.IToE):
		t, d := *r(regs, pc.B), *r1(regs, pc.B)
		if t != 0 {
			o := t + ITabType - code.Base
			if o >= s.end8 {
				goto slow
			}
			t = *m64(base, o)
		}
		*r(regs, pc.A), *r1(regs, pc.A) = t, d
		pc = by(pc, 1)
		goto next
	case uint8(code.MkIP):
		d := *r(regs, pc.B)
		*r(regs, pc.A), *r1(regs, pc.A) = ext(pc), d
		pc = by(pc, 2)
		goto next
	case uint8(code.AssertT):
		t := *r(regs, pc.B)
		if pc.C&2 != 0 && t != 0 {
			o := t + ITabType - code.Base
			if o >= s.end8 {
				goto slow
			}
			t = *m64(base, o)
		}
		a := unsafe.Pointer(r(regs, pc.A))
		if t != ext(pc) {
			if pc.C&1 == 0 || pc.C>>2 == 0 {
				goto slow
			}
			*m64(a, 0), *m64(a, 8) = 0, 0
			if k := pc.C >> 3; k == code.Assert16 || k == code.Assert24 {
				*m64(a, 16) = 0
				if k == code.Assert24 {
					*m64(a, 24) = 0
				}
			}
			pc = by(pc, 2)
			goto next
		}
		o := *r1(regs, pc.B)
		if pc.C>>2 > 2 { // what stands at the data word
			o -= code.Base
			if o >= s.end24 {
				goto slow
			}
			switch pc.C >> 3 {
			case code.Assert8:
				*m64(a, 0) = *m64(base, o)
			case code.Assert16:
				v, w := *m64(base, o), *m64(base, o+8)
				*m64(a, 0), *m64(a, 8) = v, w
				a = unsafe.Add(a, 8)
			case code.Assert24:
				v, w, x := *m64(base, o), *m64(base, o+8), *m64(base, o+16)
				*m64(a, 0), *m64(a, 8), *m64(a, 16) = v, w, x
				a = unsafe.Add(a, 16)
			case code.Assert1:
				*m64(a, 0) = uint64(*m8(base, o))
			case code.Assert1S:
				*m64(a, 0) = uint64(int64(int8(*m8(base, o))))
			case code.Assert2:
				*m64(a, 0) = uint64(*m16(base, o))
			case code.Assert2S:
				*m64(a, 0) = uint64(int64(int16(*m16(base, o))))
			case code.Assert4:
				*m64(a, 0) = uint64(*m32(base, o))
			default:
				*m64(a, 0) = uint64(int64(int32(*m32(base, o))))
			}
		} else if pc.C>>2 == 0 {
			goto slow
		} else {
			*m64(a, 0) = o
		}
		if pc.C&1 != 0 {
			*m64(a, 8) = 1
		}
		pc = by(pc, 2)
		goto next
	case uint8(code.FnC):
		o := *r(regs, pc.B)
		*r1(regs, pc.A) = o
		if o != 0 {
			if o -= code.Base; o >= s.end8 {
				goto slow
			}
			o = *m64(base, o)
		}
		*r(regs, pc.A) = o
		pc = by(pc, 1)
		goto next
	case uint8(code.FnS):
		*r(regs, pc.A), *r1(regs, pc.A) = uint64(imm(pc)), 0
		pc = by(pc, 1)
		goto next

	case uint8(code.DeferL):
		o := s.Defers
		if turned(o, 3) >= s.size8 || s.clean(o) {
			goto slow
		}
		d := unsafe.Pointer(r(regs, pc.A))
		*m64(d, 8*code.DeferLink) = *m64(base, o)
		*m64(d, 8*code.DeferFrame) = uint64(uintptr(regs)-uintptr(base)) + code.Base
		*m64(d, 8*code.DeferOwner) = uint64(uint32(ext(pc)))
		*m64(d, 8*code.DeferArgc) = ext(pc) >> 32
		*m64(base, o) = uint64(uintptr(d)-uintptr(base)) + code.Base
		pc = by(pc, 2)
		goto next
	case uint8(code.RunDefers):
		o := s.Defers
		if turned(o, 3) >= s.size8 || s.clean(o) {
			goto slow
		}
		d := *m64(base, o)
		if d == 0 {
			pc = by(pc, 1)
			goto next
		}
		d -= code.Base
		if d >= s.Size-8*recordSlots {
			goto slow
		}
		if *m64(base, d+8*code.DeferFrame) != uint64(uintptr(regs)-uintptr(base))+code.Base {
			pc = by(pc, 1)
			goto next
		}
		i := *m64(base, d+8*code.DeferFunc)
		if i-1 >= s.FuncsLess1 || *m64(base, d+8*code.DeferArgc) > recordSlots-code.DeferHeader {
			goto slow
		}
		f := (*Entry)(unsafe.Add(s.entries, i*uint64(unsafe.Sizeof(Entry{}))))
		w := unsafe.Pointer(r(regs, pc.A))
		if *m64(base, d+8*code.DeferArgc) != uint64(f.Args) || uintptr(w)+uintptr(f.FrameBytes) > s.Hi {
			goto slow
		}
		older := *m64(base, d+8*code.DeferLink)
		i = uint64(uintptr(unsafe.Pointer(pc))-uintptr(s.Code)) >> 3
		if older-code.Base >= s.end16 || *m64(base, older-code.Base+8*code.DeferFrame) != uint64(uintptr(regs)-uintptr(base))+code.Base {
			i++ // this is the last one
		}
		*m64(base, o) = older
		*m64(w, 0), *m64(w, 8), *m64(w, 16) = uint64(uintptr(regs)-uintptr(base))+code.Base, i, *m64(base, d+8*code.DeferClosure)
		for i = 0; i < uint64(f.Args); i++ {
			*m64(w, (code.FrameHeader+uint64(f.Res)+i)*8) = *m64(base, d+(code.DeferHeader+i)*8)
		}
		to, regs = unsafe.Add(s.Code, uintptr(f.Start)*8), w
		goto call
	case uint8(code.Call):
		f := (*Entry)(unsafe.Add(s.entries, imm(pc)*int64(unsafe.Sizeof(Entry{}))))
		w := unsafe.Pointer(r(regs, pc.A))
		if uintptr(w)+uintptr(f.FrameBytes) > s.Hi {
			goto slow
		}
		*m64(w, 0) = uint64(uintptr(regs)-uintptr(base)) + code.Base
		*m64(w, 8) = uint64(uintptr(unsafe.Pointer(pc))-uintptr(s.Code))>>3 + 1
		to, regs = unsafe.Add(s.Code, uintptr(f.Start)*8), w
		goto call
	case uint8(code.CallC):
		o := *r(regs, pc.B) - code.Base
		if o >= s.end8 {
			goto slow
		}
		i := *m64(base, o)
		if i-1 >= s.FuncsLess1 {
			goto slow
		}
		f := (*Entry)(unsafe.Add(s.entries, i*uint64(unsafe.Sizeof(Entry{}))))
		w := unsafe.Pointer(r(regs, pc.A))
		if uintptr(w)+uintptr(f.FrameBytes) > s.Hi {
			goto slow
		}
		*m64(w, 0) = uint64(uintptr(regs)-uintptr(base)) + code.Base
		*m64(w, 8) = uint64(uintptr(unsafe.Pointer(pc))-uintptr(s.Code))>>3 + 1
		*m64(w, 16) = o + code.Base
		to, regs = unsafe.Add(s.Code, uintptr(f.Start)*8), w
		goto call
	case uint8(code.CallI):
		o := *r(regs, pc.B) + ITabFun + uint64(pc.C)*8 - code.Base
		if o >= s.end8 {
			goto slow
		}
		i := *m64(base, o)
		if i-1 >= s.FuncsLess1 {
			goto slow
		}
		f := (*Entry)(unsafe.Add(s.entries, i*uint64(unsafe.Sizeof(Entry{}))))
		w := unsafe.Pointer(r(regs, pc.A))
		if uintptr(w)+uintptr(f.FrameBytes) > s.Hi {
			goto slow
		}
		*m64(w, 0) = uint64(uintptr(regs)-uintptr(base)) + code.Base
		*m64(w, 8) = uint64(uintptr(unsafe.Pointer(pc))-uintptr(s.Code))>>3 + 1
		to, regs = unsafe.Add(s.Code, uintptr(f.Start)*8), w
		goto call
	case uint8(code.Ret1):
		*r(regs, code.FrameHeader) = *r(regs, pc.A)
		fallthrough
	case uint8(code.Ret):
		o := *m64(regs, 0) - code.Base
		if o-s.Lo >= uint64(uintptr(regs)-uintptr(base))-s.Lo { // below: a return is no safe point, so frames must not lead in a circle
			goto slow
		}
		w := *m64(regs, 8)
		if w >= s.CodeLen || o&7 != 0 {
			goto slow
		}
		last := *m16(s.frames, w*2)
		if last == 0 || uintptr(base)+uintptr(o)+uintptr(last)*8 >= s.Hi {
			goto slow
		}
		np := (*code.Instr)(unsafe.Add(s.Code, w*8))
		lim += uintptr(unsafe.Pointer(np)) - uintptr(unsafe.Pointer(pc)) - 8
		pc = np
		regs = unsafe.Add(base, o)
	default:
		goto slow
	}
	goto next
move: // words, overlap allowed
	if uintptr(to) <= uintptr(from) {
		for i := uintptr(0); i < bytes; i += 8 {
			*(*uint64)(unsafe.Add(to, i)) = *(*uint64)(unsafe.Add(from, i))
		}
		goto next
	}
	for bytes > 0 {
		bytes -= 8
		*(*uint64)(unsafe.Add(to, bytes)) = *(*uint64)(unsafe.Add(from, bytes))
	}
	goto next
moveBytes: // any number of them, overlap allowed
	if uintptr(to) <= uintptr(from) {
		i := uintptr(0)
		for ; i+8 <= bytes; i += 8 {
			*(*uint64)(unsafe.Add(to, i)) = *(*uint64)(unsafe.Add(from, i))
		}
		for ; i < bytes; i++ {
			*(*uint8)(unsafe.Add(to, i)) = *(*uint8)(unsafe.Add(from, i))
		}
		goto next
	}
	for bytes&7 != 0 {
		bytes--
		*(*uint8)(unsafe.Add(to, bytes)) = *(*uint8)(unsafe.Add(from, bytes))
	}
	goto move
jump:
	pc = by(pc, off)
	lim += uintptr(off*8) - 8
	if uintptr(unsafe.Pointer(pc)) >= lim && off <= 0 {
		goto pause
	}
	goto next
call:
	lim += uintptr(to) - uintptr(unsafe.Pointer(pc)) - 8
	pc = (*code.Instr)(to)
	if uintptr(to) >= lim {
		goto pause
	}
	goto next
slow:
	why = Slow
	goto leave
pause:
	why = Pause
leave:
	s.PC = (uintptr(unsafe.Pointer(pc)) - uintptr(s.Code)) >> 3
	s.FP = uint64(uintptr(regs)-uintptr(base)) + code.Base
	s.Left = int64(lim-uintptr(unsafe.Pointer(pc))) >> 3
	return why
}

package loop

import (
	"math"
	"math/bits"
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// r is slot i of the frame at regs. The verifier guarantees that the operands of an instruction are slots of its
// function's frame, so there is no bounds check here.
func r(regs unsafe.Pointer, i uint16) *uint64 { return (*uint64)(unsafe.Add(regs, uintptr(i)*8)) }

// r1 and r2 are the slots after slot i, without wrapping at 1<<16.
func r1(regs unsafe.Pointer, i uint16) *uint64 { return (*uint64)(unsafe.Add(regs, uintptr(i)*8+8)) }
func r2(regs unsafe.Pointer, i uint16) *uint64 { return (*uint64)(unsafe.Add(regs, uintptr(i)*8+16)) }

// by is the code word n words after pc.
func by(pc *code.Instr, n int) *code.Instr {
	return (*code.Instr)(unsafe.Add(unsafe.Pointer(pc), n*8))
}

func ext(pc *code.Instr) uint64 { return *(*uint64)(unsafe.Add(unsafe.Pointer(pc), 8)) }

func ext2(pc *code.Instr) uint64 { return *(*uint64)(unsafe.Add(unsafe.Pointer(pc), 16)) }

// imm is the operands B and C together, read as one word.
func imm(pc *code.Instr) int64 { return int64(*(*int32)(unsafe.Add(unsafe.Pointer(pc), 4))) }

func immC(pc *code.Instr) uint64 { return uint64(int64(int16(pc.C))) }
func immB(pc *code.Instr) uint64 { return uint64(int64(int16(pc.B))) }

func f64(v uint64) float64 { return math.Float64frombits(v) }
func f32(v uint64) float32 { return math.Float32frombits(uint32(v)) }
func u64(f float64) uint64 { return math.Float64bits(f) }
func u32(f float32) uint64 { return uint64(math.Float32bits(f)) }

// FloatToS64 is int64(f) of gc on amd64 (cvttsd2sq): what does not fit gives the least number.
func FloatToS64(f float64) uint64 {
	if f >= -1<<63 && f < 1<<63 {
		return uint64(int64(f))
	}
	return 1 << 63
}

// FloatToU64 is uint64(f) of gc on amd64: x or, when its top bit is set, x with the bits of y, for x = int64(f) and y = int64(f - 2^63).
func FloatToU64(f float64) uint64 {
	x, y := FloatToS64(f), FloatToS64(f-1<<63)
	return x | y&uint64(int64(x)>>63)
}

func m8(base unsafe.Pointer, off uint64) *uint8   { return (*uint8)(unsafe.Add(base, off)) }
func m16(base unsafe.Pointer, off uint64) *uint16 { return (*uint16)(unsafe.Add(base, off)) }
func m32(base unsafe.Pointer, off uint64) *uint32 { return (*uint32)(unsafe.Add(base, off)) }
func m64(base unsafe.Pointer, off uint64) *uint64 { return (*uint64)(unsafe.Add(base, off)) }

// clean reports whether a store to offset off has to touch its page first.
func (s *State) clean(off uint64) bool {
	return mem.Tracked && *(*uint32)(unsafe.Add(s.marks, off>>12*4)) != s.Epoch
}

// turned is an offset made ready for one comparison with size8, size4 or size2 (n is 3, 2, 1) that refuses a store that is outside of memory or
// not aligned: the low bits are turned to the top. An aligned number never lies in two pages, so there is one page to look at.
func turned(off uint64, n int) uint64 {
	if !mem.Tracked {
		return off
	}
	return bits.RotateLeft64(off, -n)
}

// lowBytes keeps so many low bytes of a word. A shift by a variable would take the register that pc is in.
var lowBytes = [8]uint64{0, 1<<8 - 1, 1<<16 - 1, 1<<24 - 1, 1<<32 - 1, 1<<40 - 1, 1<<48 - 1, 1<<56 - 1}

// wordsMax is the length, in words, of the longest copy or clearing that is done here: long ones are quicker elsewhere and count as one word
// all the same.
const wordsMax = 16

// recordSlots is the length of the longest record of a deferred call that is read here.
const recordSlots = code.DeferHeader + 8

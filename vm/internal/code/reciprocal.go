package code

import "math/bits"

// Reciprocal is what turns a division by d, at least 2 and when signed less than 1<<63, into a multiplication: the words m and shift of DivSC and
// RemSC (signed), DivUC and RemUC. After Granlund and Montgomery, Division by Invariant Integers using Multiplication (1994), figures 4.2 and 5.2.
//
// With hi the upper word of the 128-bit product of n and m, both unsigned, n / d is
//
//	signed:   int64(hi - m&(n>>63)) >> shift - n>>63, with n>>63 all ones when n is negative
//	unsigned: (hi + (n-hi)>>1) >> shift
func Reciprocal(d uint64, signed bool) (m uint64, shift uint16) {
	l := bits.Len64(d - 1) // 1<<(l-1) < d <= 1<<l
	hi := uint64(1) << (l - 1)
	if !signed {
		hi = 1<<l - d // when l is 64 this wraps to the right number
	}
	m, _ = bits.Div64(hi, 0, d)
	return m + 1, uint16(l - 1)
}

// IsSignedDivision reports whether op, of FormABUXX, takes a signed number.
func IsSignedDivision(op Op) bool { return op == DivSC || op == RemSC }

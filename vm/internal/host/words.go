package host

import (
	"encoding/binary"
	"math/bits"

	"github.com/tandemvm/tandem/vm/internal/exec"
)

// wordNatives are the vectors of math/big, which gc has in assembly. Operands are slices of words as long as the first, which they
// may be.
func wordNatives() map[string]exec.Native {
	const pkg = "math/big."
	return map[string]exec.Native{
		// func addVV(z, x, y []Word) (c Word)
		pkg + "addVV": vector(3, 0, func(w exec.Window, z, x, y []byte) (c uint64) {
			for i := 0; i+8 <= len(z); i += 8 {
				var v uint64
				v, c = bits.Add64(word(x, i), word(y, i), c)
				setWord(z, i, v)
			}
			return c
		}),
		// func subVV(z, x, y []Word) (c Word)
		pkg + "subVV": vector(3, 0, func(w exec.Window, z, x, y []byte) (c uint64) {
			for i := 0; i+8 <= len(z); i += 8 {
				var v uint64
				v, c = bits.Sub64(word(x, i), word(y, i), c)
				setWord(z, i, v)
			}
			return c
		}),
		// func lshVU(z, x []Word, s uint) (c Word)
		pkg + "lshVU": vector(2, 1, lshVU),
		// func rshVU(z, x []Word, s uint) (c Word)
		pkg + "rshVU": vector(2, 1, rshVU),
		// func mulAddVWW(z, x []Word, m, a Word) (c Word)
		pkg + "mulAddVWW": vector(2, 2, func(w exec.Window, z, x, _ []byte) uint64 {
			m, c := w.Arg(6), w.Arg(7)
			for i := 0; i+8 <= len(z); i += 8 {
				hi, lo := bits.Mul64(word(x, i), m)
				lo, carry := bits.Add64(lo, c, 0)
				setWord(z, i, lo)
				c = hi + carry
			}
			return c
		}),
		// func addMulVVWW(z, x, y []Word, m, a Word) (c Word)
		pkg + "addMulVVWW": vector(3, 2, func(w exec.Window, z, x, y []byte) uint64 {
			m, c := w.Arg(9), w.Arg(10)
			for i := 0; i+8 <= len(z); i += 8 {
				hi, lo := bits.Mul64(word(y, i), m)
				lo, carry := bits.Add64(lo, word(x, i), 0)
				hi += carry
				lo, carry = bits.Add64(lo, c, 0)
				setWord(z, i, lo)
				c = hi + carry
			}
			return c
		}),
	}
}

// lshVU goes from the highest word down, rshVU from the lowest up: the result may overlap the operand on that side. Without a shift they copy.
func lshVU(w exec.Window, z, x, _ []byte) (c uint64) {
	s := w.Arg(6) & 63
	if len(z) == 0 || s == 0 {
		copy(z, x)
		return 0
	}
	last := len(z) - 8
	c = word(x, last) >> (64 - s)
	for i := last; i > 0; i -= 8 {
		setWord(z, i, word(x, i)<<s|word(x, i-8)>>(64-s))
	}
	setWord(z, 0, word(x, 0)<<s)
	return c
}

func rshVU(w exec.Window, z, x, _ []byte) (c uint64) {
	s := w.Arg(6) & 63
	if len(z) == 0 || s == 0 {
		copy(z, x)
		return 0
	}
	last := len(z) - 8
	c = word(x, 0) << (64 - s)
	for i := 0; i < last; i += 8 {
		setWord(z, i, word(x, i)>>s|word(x, i+8)<<(64-s))
	}
	setWord(z, last, word(x, last)>>s)
	return c
}

// word is a word of the guest's, i bytes on.
func word(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

func setWord(b []byte, i int, v uint64) { binary.LittleEndian.PutUint64(b[i:], v) }

// vector is a native of so many slices of words and so many more words whose result is f's.
func vector(slices, more int, f func(w exec.Window, z, x, y []byte) uint64) exec.Native {
	return native(3*slices+more, 1, func(t *exec.Thread, w exec.Window) exec.Action {
		n := w.Arg(1)
		var v [3][]byte
		for i := range slices {
			if n == 0 {
				break
			}
			if n > 1<<60 {
				return fault(t)
			}
			if v[i] = t.Mem().Bytes(w.Arg(3*i), 8*n); v[i] == nil {
				return fault(t)
			}
		}
		if n != 0 && !t.Mem().Touch(w.Arg(0), 8*n) {
			return fault(t)
		}
		t.Work(8 * n)
		w.Set(0, f(w, v[0], v[1], v[2]))
		return exec.Next
	})
}

package exec

import (
	"math"
	"math/bits"
	"math/cmplx"
	"math/rand/v2"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// edges are the operand values every number op is tried with, all pairs.
var edges = []uint64{
	0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000,
	0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, 1<<53 + 1, 1<<63 - 1, 1 << 63, 1<<63 + 1,
	^uint64(0), ^uint64(0) - 1, ^uint64(0) - 0x7FFF, ^uint64(0) - 0x7FFFFFFF, 0xFFFFFFFF80000000, 0x0123456789ABCDEF,
	math.Float64bits(1.5), math.Float64bits(-1.5), math.Float64bits(0.1), math.Float64bits(math.Inf(1)), math.Float64bits(math.Inf(-1)),
	math.Float64bits(math.NaN()), math.Float64bits(1e300), math.Float64bits(-1e300), math.Float64bits(9.3e18), math.Float64bits(1.9e19),
	math.Float64bits(-9.3e18), math.Float64bits(5e-324), math.Float64bits(-2.5), math.Float64bits(4e9),
	uint64(math.Float32bits(1.5)), uint64(math.Float32bits(-0.25)), uint64(math.Float32bits(float32(math.Inf(1)))), uint64(math.Float32bits(float32(math.NaN()))),
	uint64(math.Float32bits(3e38)), uint64(math.Float32bits(-1e-45)),
}

func b2u(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

func g64(v uint64) float64 { return math.Float64frombits(v) }
func g32(v uint64) float32 { return math.Float32frombits(uint32(v)) }
func w64(f float64) uint64 { return math.Float64bits(f) }
func w32(f float32) uint64 { return uint64(math.Float32bits(f)) }

// numberModel is what an op computes, written independently of the interpreter. b and c are the operands (c the immediate,
// sign-extended, where the form has one), d the slot named by the ext word.
var numberModel = map[code.Op]func(b, c, d uint64) []uint64{
	code.Mov: func(b, c, d uint64) []uint64 { return []uint64{b} },
	code.Add: one2(func(b, c uint64) uint64 { return b + c }), code.Sub: one2(func(b, c uint64) uint64 { return b - c }),
	code.Mul: one2(func(b, c uint64) uint64 { return b * c }), code.And: one2(func(b, c uint64) uint64 { return b & c }),
	code.Or: one2(func(b, c uint64) uint64 { return b | c }), code.Xor: one2(func(b, c uint64) uint64 { return b ^ c }),
	code.AndNot: one2(func(b, c uint64) uint64 { return b & (c ^ ^uint64(0)) }),
	code.Shl: one2(func(b, c uint64) uint64 {
		if c > 63 {
			return 0
		}
		return b << uint(c)
	}),
	code.ShrU: one2(func(b, c uint64) uint64 {
		if c > 63 {
			return 0
		}
		return b >> uint(c)
	}),
	code.ShrS: one2(func(b, c uint64) uint64 { return uint64(int64(b) >> uint(min(c, 63))) }),
	code.AddI: one2(func(b, c uint64) uint64 { return b + c }), code.MulI: one2(func(b, c uint64) uint64 { return b * c }),
	code.AndI: one2(func(b, c uint64) uint64 { return b & c }), code.OrI: one2(func(b, c uint64) uint64 { return b | c }),
	code.XorI: one2(func(b, c uint64) uint64 { return b ^ c }),
	code.Neg:  one2(func(b, _ uint64) uint64 { return 0 - b }), code.Com: one2(func(b, _ uint64) uint64 { return ^b }),
	code.Not:    one2(func(b, _ uint64) uint64 { return b ^ 1 }),
	code.AddS32: one2(func(b, c uint64) uint64 { return uint64(int64(int32(uint32(b) + uint32(c)))) }),
	code.SubS32: one2(func(b, c uint64) uint64 { return uint64(int64(int32(uint32(b) - uint32(c)))) }),
	code.MulS32: one2(func(b, c uint64) uint64 { return uint64(int64(int32(uint32(b) * uint32(c)))) }),
	code.AddU32: one2(func(b, c uint64) uint64 { return uint64(uint32(b) + uint32(c)) }), code.SubU32: one2(func(b, c uint64) uint64 { return uint64(uint32(b) - uint32(c)) }),
	code.MulU32: one2(func(b, c uint64) uint64 { return uint64(uint32(b) * uint32(c)) }), code.AddS32I: one2(func(b, c uint64) uint64 { return uint64(int64(int32(uint32(b) + uint32(c)))) }),
	code.AddU32I: one2(func(b, c uint64) uint64 { return uint64(uint32(b) + uint32(c)) }),
	code.ShlU32: one2(func(b, c uint64) uint64 {
		if c > 31 {
			return 0
		}
		return uint64(uint32(b) << uint(c))
	}),
	code.SX8: one2(func(b, _ uint64) uint64 { return uint64(int64(b<<56) >> 56) }), code.SX16: one2(func(b, _ uint64) uint64 { return uint64(int64(b<<48) >> 48) }),
	code.SX32: one2(func(b, _ uint64) uint64 { return uint64(int64(b<<32) >> 32) }),
	code.ZX8:  one2(func(b, _ uint64) uint64 { return b & 0xFF }), code.ZX16: one2(func(b, _ uint64) uint64 { return b & 0xFFFF }),
	code.ZX32: one2(func(b, _ uint64) uint64 { return b & 0xFFFFFFFF }),
	code.Clz64: one2(func(b, _ uint64) (n uint64) {
		for ; n < 64 && b>>(63-n) == 0; n++ {
		}
		return n
	}),
	code.Ctz64: one2(func(b, _ uint64) (n uint64) {
		for ; n < 64 && b>>n&1 == 0; n++ {
		}
		return n
	}),
	code.Pop64: one2(func(b, _ uint64) (n uint64) {
		for ; b != 0; b >>= 1 {
			n += b & 1
		}
		return n
	}),
	code.Bswap64: one2(func(b, _ uint64) (v uint64) {
		for range 8 {
			v, b = v<<8|b&255, b>>8
		}
		return v
	}),
	code.Bswap32: one2(func(b, _ uint64) (v uint64) {
		for range 4 {
			v, b = v<<8|b&255, b>>8
		}
		return v
	}),
	code.RotL64: one2(func(b, c uint64) uint64 { return b<<(c&63) | b>>((64-c)&63) }),
	code.RotL32: one2(func(b, c uint64) uint64 { return uint64(uint32(b)<<(c&31) | uint32(b)>>((32-c)&31)) }),
	code.Mul128: func(b, c, _ uint64) []uint64 { h, l := bits.Mul64(b, c); return []uint64{h, l} },
	code.Add128: func(b, c, d uint64) []uint64 { s, k := bits.Add64(b, c, d&1); return []uint64{s, k} },
	code.Sub128: func(b, c, d uint64) []uint64 { s, k := bits.Sub64(b, c, d&1); return []uint64{s, k} },
	code.AddF64: one2(func(b, c uint64) uint64 { return w64(g64(b) + g64(c)) }), code.SubF64: one2(func(b, c uint64) uint64 { return w64(g64(b) - g64(c)) }),
	code.MulF64: one2(func(b, c uint64) uint64 { return w64(g64(b) * g64(c)) }), code.DivF64: one2(func(b, c uint64) uint64 { return w64(g64(b) / g64(c)) }),
	code.NegF64: one2(func(b, _ uint64) uint64 { return b ^ 1<<63 }),
	code.AddF32: one2(func(b, c uint64) uint64 { return w32(g32(b) + g32(c)) }), code.SubF32: one2(func(b, c uint64) uint64 { return w32(g32(b) - g32(c)) }),
	code.MulF32: one2(func(b, c uint64) uint64 { return w32(g32(b) * g32(c)) }), code.DivF32: one2(func(b, c uint64) uint64 { return w32(g32(b) / g32(c)) }),
	code.NegF32:  one2(func(b, _ uint64) uint64 { return b ^ 1<<31 }),
	code.SqrtF64: one2(func(b, _ uint64) uint64 { return w64(math.Sqrt(g64(b))) }), code.AbsF64: one2(func(b, _ uint64) uint64 { return b & (1<<63 - 1) }),
	code.FloorF64: one2(func(b, _ uint64) uint64 { return w64(math.Floor(g64(b))) }), code.CeilF64: one2(func(b, _ uint64) uint64 { return w64(math.Ceil(g64(b))) }),
	code.TruncF64: one2(func(b, _ uint64) uint64 { return w64(math.Trunc(g64(b))) }), code.CopysignF64: one2(func(b, c uint64) uint64 { return w64(math.Copysign(g64(b), g64(c))) }),
	code.MulAddF64: func(b, c, d uint64) []uint64 { p := g64(b) * g64(c); return []uint64{w64(float64(p) + g64(d))} },
	code.MulSubF64: func(b, c, d uint64) []uint64 { p := g64(b) * g64(c); return []uint64{w64(float64(p) - g64(d))} },
	code.SubMulF64: func(b, c, d uint64) []uint64 { p := g64(b) * g64(c); return []uint64{w64(g64(d) - float64(p))} },
	code.FmaF64:    func(b, c, d uint64) []uint64 { return []uint64{w64(math.FMA(g64(b), g64(c), g64(d)))} },
	code.MinF64:    one2(func(b, c uint64) uint64 { return w64(pick(math.Min, g64(b), g64(c))) }), code.MaxF64: one2(func(b, c uint64) uint64 { return w64(pick(math.Max, g64(b), g64(c))) }),
	code.MinF32:   one2(func(b, c uint64) uint64 { return w32(float32(pick(math.Min, float64(g32(b)), float64(g32(c))))) }),
	code.MaxF32:   one2(func(b, c uint64) uint64 { return w32(float32(pick(math.Max, float64(g32(b)), float64(g32(c))))) }),
	code.S64ToF64: one2(func(b, _ uint64) uint64 { return w64(float64(int64(b))) }), code.U64ToF64: one2(func(b, _ uint64) uint64 { return w64(float64(b)) }),
	code.S64ToF32: one2(func(b, _ uint64) uint64 { return w32(float32(int64(b))) }), code.U64ToF32: one2(func(b, _ uint64) uint64 { return w32(float32(b)) }),
	code.F64ToS64: one2(func(b, _ uint64) uint64 { return uint64(int64(g64(b))) }), code.F64ToU64: one2(func(b, _ uint64) uint64 { return uint64(g64(b)) }),
	code.F32ToS64: one2(func(b, _ uint64) uint64 { return uint64(int64(g32(b))) }), code.F32ToU64: one2(func(b, _ uint64) uint64 { return uint64(g32(b)) }),
	code.F64ToF32: one2(func(b, _ uint64) uint64 { return w32(float32(g64(b))) }), code.F32ToF64: one2(func(b, _ uint64) uint64 { return w64(float64(g32(b))) }),
	code.EqI: one2(func(b, c uint64) uint64 { return b2u(b == c) }), code.NeI: one2(func(b, c uint64) uint64 { return b2u(b != c) }),
	code.LtS: one2(func(b, c uint64) uint64 { return b2u(int64(b) < int64(c)) }), code.LeS: one2(func(b, c uint64) uint64 { return b2u(int64(b) <= int64(c)) }),
	code.LtU: one2(func(b, c uint64) uint64 { return b2u(b < c) }), code.LeU: one2(func(b, c uint64) uint64 { return b2u(b <= c) }),
	code.EqII: one2(func(b, c uint64) uint64 { return b2u(b == c) }), code.NeII: one2(func(b, c uint64) uint64 { return b2u(b != c) }),
	code.LtSI: one2(func(b, c uint64) uint64 { return b2u(int64(b) < int64(c)) }), code.LeSI: one2(func(b, c uint64) uint64 { return b2u(int64(b) <= int64(c)) }),
	code.GtSI: one2(func(b, c uint64) uint64 { return b2u(int64(b) > int64(c)) }), code.GeSI: one2(func(b, c uint64) uint64 { return b2u(int64(b) >= int64(c)) }),
	code.EqF64: one2(func(b, c uint64) uint64 { return b2u(g64(b) == g64(c)) }), code.NeF64: one2(func(b, c uint64) uint64 { return b2u(g64(b) != g64(c)) }),
	code.LtF64: one2(func(b, c uint64) uint64 { return b2u(g64(b) < g64(c)) }), code.LeF64: one2(func(b, c uint64) uint64 { return b2u(g64(b) <= g64(c)) }),
	code.EqF32: one2(func(b, c uint64) uint64 { return b2u(g32(b) == g32(c)) }), code.NeF32: one2(func(b, c uint64) uint64 { return b2u(g32(b) != g32(c)) }),
	code.LtF32: one2(func(b, c uint64) uint64 { return b2u(g32(b) < g32(c)) }), code.LeF32: one2(func(b, c uint64) uint64 { return b2u(g32(b) <= g32(c)) }),
	code.LeaF:      one2(func(_, _ uint64) uint64 { return code.Base + 1<<17 + chunkHead + 11*8 }),
	code.C64ToC128: func(b, _, _ uint64) []uint64 { return []uint64{w64(float64(g32(b))), w64(float64(g32(b >> 32)))} },
	code.MkIP:      func(b, _, _ uint64) []uint64 { return []uint64{14, b} }, // the ext word is the type
	code.FnS:       func(_, _, _ uint64) []uint64 { return []uint64{11 | 12<<16, 0} },
	code.LdI:       func(_, _, _ uint64) []uint64 { return []uint64{11 | 12<<16} },
	code.LdC:       func(_, _, _ uint64) []uint64 { return []uint64{14} },
}

// shiftModel are the ops whose immediate is a bit count, so it is tried in range only.
var shiftModel = map[code.Op]func(b uint64, n uint) uint64{
	code.ShlI:    func(b uint64, n uint) uint64 { return b << n },
	code.ShrUI:   func(b uint64, n uint) uint64 { return b >> n },
	code.ShrSI:   func(b uint64, n uint) uint64 { return uint64(int64(b) >> n) },
	code.ShlU32I: func(b uint64, n uint) uint64 { return uint64(uint32(b << n)) },
	code.RotL32I: func(b uint64, n uint) uint64 { return uint64(bits.RotateLeft32(uint32(b), int(n&31))) },
}

// complexModel takes two complex numbers.
var complexModel = map[code.Op]func(x, y complex128) complex128{
	code.AddC: func(x, y complex128) complex128 { return x + y },
	code.SubC: func(x, y complex128) complex128 { return x - y },
	code.MulC: func(x, y complex128) complex128 { return x * y },
	code.DivC: func(x, y complex128) complex128 { return x / y },
}

func one2(f func(b, c uint64) uint64) func(b, c, d uint64) []uint64 {
	return func(b, c, _ uint64) []uint64 { return []uint64{f(b, c)} }
}

// stepper runs one instruction again and again on a machine without heap: code is [instruction, jump back], so that each Run
// of one word ends at the instruction.
func stepper(t testing.TB, op code.Op, x, y, z int, exts ...uint64) *Machine {
	a := newAssembler()
	main := a.Func("main.main", 0, 0, 64)
	a.L("top")
	a.I(op, x, y, z, exts...)
	a.J(code.Jmp, 0, 0, "top")
	m, _ := bare(t, a.finish(main), 1<<16)
	for i := uint64(header); i < 64; i++ {
		m.store(code.Base+1<<17+chunkHead+i*8, 100+i) // the first run is for nothing: it must not fault
	}
	m.Run(1)
	return m
}

// pick is Go's builtin min or max, told by the one of math, which differs for infinities and NaN.
func pick(f func(x, y float64) float64, x, y float64) float64 {
	if x != x || y != y {
		return math.NaN()
	}
	return f(x, y)
}

// same compares words, any NaN equal to any other.
func sameWord(a, b uint64, float bool) bool {
	return a == b || float && (g64(a) != g64(a) && g64(b) != g64(b) || a>>32 == 0 && b>>32 == 0 && g32(a) != g32(a) && g32(b) != g32(b))
}

func TestNumberOps(t *testing.T) {
	for op, model := range numberModel {
		form := code.Table[op].Form
		cs := edges
		if form != code.FormABC && form != code.FormABI && form != code.FormABCX {
			cs = edges[:1]
		}
		for _, c := range cs {
			z, exts := 12, []uint64(nil)
			switch form {
			case code.FormABI:
				z = int(uint16(c))
				c = uint64(int64(int16(c)))
			case code.FormABCX, code.FormABX, code.FormAX:
				exts = []uint64{14}
			}
			m := stepper(t, op, 10, 11, z, exts...)
			for _, b := range edges {
				for _, d := range []uint64{0, 1} {
					*m.reg(11), *m.reg(12), *m.reg(14) = b, c, d
					if form == code.FormABI {
						*m.reg(12) = 99
					}
					if s := m.Run(1); s.Reason != Budget {
						t.Fatalf("%s %#x %#x: stop %+v", op, b, c, s)
					}
					for i, want := range model(b, c, d) {
						if got := *m.regN(10, i); !sameWord(got, want, true) {
							t.Fatalf("%s of %#x, %#x, %#x: result word %d is %#x, want %#x", op, b, c, d, i, got, want)
						}
						if i == 1 {
							*m.reg(11) = b
						}
					}
					if len(exts) == 0 {
						break
					}
				}
			}
			m.mem.Close()
		}
	}
}

func TestShiftOps(t *testing.T) {
	for op, model := range shiftModel {
		for n := range 64 {
			m := stepper(t, op, 10, 11, n)
			for _, b := range edges {
				*m.reg(11) = b
				m.Run(1)
				if got, want := *m.reg(10), model(b, uint(n)); got != want {
					t.Fatalf("%s %#x by %d = %#x, want %#x", op, b, n, got, want)
				}
			}
			m.mem.Close()
		}
	}
}

func TestComplexOps(t *testing.T) {
	nums := []complex128{0, 1, -1, 1i, complex(1.5, -2.5), complex(1e300, 1e-300), cmplx.Inf(), cmplx.NaN(), complex(0, math.Inf(-1)), complex(-0.1, 3)}
	for op, model := range complexModel {
		m := stepper(t, op, 10, 12, 14)
		for _, x := range nums {
			for _, y := range nums {
				*m.reg(12), *m.reg(13), *m.reg(14), *m.reg(15) = w64(real(x)), w64(imag(x)), w64(real(y)), w64(imag(y))
				m.Run(1)
				want := model(x, y)
				if !sameWord(*m.reg(10), w64(real(want)), true) || !sameWord(*m.reg(11), w64(imag(want)), true) {
					t.Fatalf("%s %v, %v: %v %v, want %v", op, x, y, g64(*m.reg(10)), g64(*m.reg(11)), want)
				}
			}
		}
	}
	m := stepper(t, code.C128ToC64, 10, 12, 0)
	*m.reg(12), *m.reg(13) = w64(1.5), w64(-2.25)
	m.Run(1)
	if got := *m.reg(10); g32(got) != 1.5 || g32(got>>32) != -2.25 {
		t.Fatalf("C128ToC64: %#x", got)
	}
}

func TestMoves(t *testing.T) {
	for _, c := range []struct {
		op      code.Op
		a, b, n int
	}{{code.Mov2, 10, 11, 2}, {code.Mov2, 11, 10, 2}, {code.Mov3, 10, 12, 3}, {code.Mov3, 12, 11, 3}, {code.MovN, 10, 13, 7}, {code.MovN, 14, 10, 9}} {
		z := 0
		if c.op == code.MovN {
			z = c.n
		}
		m := stepper(t, c.op, c.a, c.b, z)
		for i := range 40 {
			*m.reg(uint16(5 + i)) = uint64(1000 + i)
		}
		m.Run(1)
		for i := range c.n {
			if got, want := *m.reg(uint16(c.a + i)), uint64(1000-5+c.b+i); got != want {
				t.Fatalf("%s: slot %d is %d, want %d", c.op, c.a+i, got, want)
			}
		}
		if *m.reg(uint16(c.a + c.n)) != uint64(1000-5+c.a+c.n) && c.a+c.n > c.b+c.n {
			t.Fatalf("%s wrote a slot too many", c.op)
		}
	}
	m := stepper(t, code.Zero, 10, 5, 0)
	for i := range 10 {
		*m.reg(uint16(9 + i)) = 7
	}
	m.Run(1)
	for i := range 10 {
		if got, want := *m.reg(uint16(9 + i)), b2u(i == 0 || i > 5)*7; got != want {
			t.Fatalf("Zero: slot %d is %d", 9+i, got)
		}
	}
	m = stepper(t, code.Nop, 0, 0, 0)
	if s := m.Run(1); s.Reason != Budget {
		t.Fatalf("Nop: %+v", s)
	}
}

// TestDivision covers what does not panic; TestFaults has the rest.
func TestDivision(t *testing.T) {
	for _, op := range []code.Op{code.DivS, code.DivU, code.RemS, code.RemU} {
		m := stepper(t, op, 10, 11, 12)
		for _, b := range edges {
			for _, c := range edges {
				if c == 0 {
					continue
				}
				*m.reg(11), *m.reg(12) = b, c
				m.Run(1)
				var want uint64
				x, y := int64(b), int64(c)
				switch {
				case op == code.DivU:
					want = b / c
				case op == code.RemU:
					want = b % c
				case y == -1 && op == code.DivS:
					want = -b
				case y == -1:
					want = 0
				case op == code.DivS:
					want = uint64(x / y)
				default:
					want = uint64(x % y)
				}
				if got := *m.reg(10); got != want {
					t.Fatalf("%s %#x, %#x = %#x, want %#x", op, b, c, got, want)
				}
			}
		}
	}
	m := stepper(t, code.Div128, 10, 12, 13, 14)
	*m.reg(12), *m.reg(13), *m.reg(14) = 5, 77, 9
	m.Run(1)
	if q, r := bits.Div64(5, 77, 9); *m.reg(10) != q || *m.reg(11) != r {
		t.Fatalf("Div128: %d, %d", *m.reg(10), *m.reg(11))
	}
}

// TestDivisionByConstants compares with Go's own division: every edge, every small divisor, random ones, and dividends around their multiples.
func TestDivisionByConstants(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	divisors := append([]uint64{1<<63 - 1, 1<<62 + 1, 1 << 62, 1<<62 - 1}, edges...)
	for d := uint64(2); d < 70; d++ {
		divisors = append(divisors, d)
	}
	for range 100 {
		divisors = append(divisors, rng.Uint64()>>rng.IntN(63))
	}
	for op, model := range map[code.Op]func(n, d uint64) uint64{
		code.DivSC: func(n, d uint64) uint64 { return uint64(int64(n) / int64(d)) }, code.DivUC: func(n, d uint64) uint64 { return n / d },
		code.RemSC: func(n, d uint64) uint64 { return uint64(int64(n) % int64(d)) }, code.RemUC: func(n, d uint64) uint64 { return n % d },
	} {
		for _, d := range divisors {
			if d < 2 || code.IsSignedDivision(op) && d>>63 != 0 {
				continue
			}
			mul, shift := code.Reciprocal(d, code.IsSignedDivision(op))
			m := stepper(t, op, 10, 11, int(shift), d, mul)
			ns := append([]uint64{d, d - 1, d + 1, -d, 1 - d, ^uint64(0) / d * d, ^uint64(0)/d*d - 1, (1<<63 - 1) / d * d, (1<<63-1)/d*d - 1}, edges...)
			for range 20 {
				ns = append(ns, rng.Uint64()>>rng.IntN(64), -(rng.Uint64() >> rng.IntN(64)))
			}
			for _, n := range ns {
				*m.reg(11) = n
				m.Run(1)
				if got, want := *m.reg(10), model(n, d); got != want {
					t.Fatalf("%s %#x by %#x = %#x, want %#x", op, n, d, got, want)
				}
			}
			m.mem.Close()
		}
	}
}

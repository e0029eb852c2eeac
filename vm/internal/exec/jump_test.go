package exec

import (
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// jumpModel says when a jump is taken; b is the immediate, sign-extended, where the form has one.
var jumpModel = map[code.Op]func(a, b uint64) bool{
	code.Jmp: func(a, b uint64) bool { return true },
	code.JT:  func(a, b uint64) bool { return a != 0 }, code.JF: func(a, b uint64) bool { return a == 0 },
	code.JEq: func(a, b uint64) bool { return a == b }, code.JNe: func(a, b uint64) bool { return a != b },
	code.JLtS: func(a, b uint64) bool { return int64(a) < int64(b) }, code.JLeS: func(a, b uint64) bool { return int64(a) <= int64(b) },
	code.JLtU: func(a, b uint64) bool { return a < b }, code.JLeU: func(a, b uint64) bool { return a <= b },
	code.JEqI: func(a, b uint64) bool { return a == b }, code.JNeI: func(a, b uint64) bool { return a != b },
	code.JLtSI: func(a, b uint64) bool { return int64(a) < int64(b) }, code.JLeSI: func(a, b uint64) bool { return int64(a) <= int64(b) },
	code.JGtSI: func(a, b uint64) bool { return int64(a) > int64(b) }, code.JGeSI: func(a, b uint64) bool { return int64(a) >= int64(b) },
	code.IncJLtS: func(a, b uint64) bool { return int64(a+1) < int64(b) }, code.IncJLtSI: func(a, b uint64) bool { return int64(a+1) < int64(b) },
	code.JEqF64: func(a, b uint64) bool { return g64(a) == g64(b) }, code.JNeF64: func(a, b uint64) bool { return !(g64(a) == g64(b)) },
	code.JLtF64: func(a, b uint64) bool { return g64(a) < g64(b) }, code.JLeF64: func(a, b uint64) bool { return g64(a) <= g64(b) },
	code.JNLtF64: func(a, b uint64) bool { return !(g64(a) < g64(b)) }, code.JNLeF64: func(a, b uint64) bool { return !(g64(a) <= g64(b)) },
}

// TestJumps tries every jump forward, and every count of words exactly: a taken jump forward passes 1 + 2 words (jump, LdI,
// Jmp back), one not taken 2 more.
func TestJumps(t *testing.T) {
	for op, taken := range jumpModel {
		bs := edges
		form := code.Table[op].Form
		if form == code.FormJ || form == code.FormAJ {
			bs = edges[:1]
		}
		for _, b := range bs {
			y := 11
			if form == code.FormAIJ {
				y = int(uint16(b))
				b = uint64(int64(int16(b)))
			}
			a := newAssembler()
			main := a.Func("main.main", 0, 0, 64)
			a.L("top")
			a.J(op, 10, y, "there")
			a.II(code.LdI, 20, 1)
			a.J(code.Jmp, 0, 0, "top")
			a.L("there")
			a.II(code.LdI, 20, 2)
			a.J(code.Jmp, 0, 0, "top")
			m, _ := bare(t, a.finish(main), 0)
			m.Run(1)
			for _, x := range edges {
				*m.reg(10), *m.reg(11) = x, b
				before := m.Count()
				m.Run(1)
				want := uint64(1)
				if taken(x, b) {
					want = 2
				}
				if got := *m.reg(20); got != want {
					t.Fatalf("%s %#x, %#x: went to %d, want %d", op, x, b, got, want)
				}
				if n := m.Count() - before; n != 3 {
					t.Fatalf("%s counted %d words, want 3", op, n)
				}
			}
			m.mem.Close()
		}
	}
}

// TestBackwardJumps: each jump op taken backward is a safe point, not taken it is none.
func TestBackwardJumps(t *testing.T) {
	for op, taken := range jumpModel {
		if op == code.Jmp {
			continue
		}
		a := newAssembler()
		main := a.Func("main.main", 0, 0, 64)
		a.L("top")
		a.I(code.AddI, 20, 20, 1)
		y := 11
		if code.Table[op].Form == code.FormAIJ {
			y = 3
		}
		a.J(op, 10, y, "top")
		a.I(code.Halt, 0, 0, 0)
		for _, x := range []uint64{0, 3, ^uint64(0)} {
			m, _ := bare(t, a.finish(main), 0)
			m.mem.Store64(code.Base+1<<17+chunkHead+10*8, x)
			m.mem.Store64(code.Base+1<<17+chunkHead+11*8, 3)
			s := m.Run(1)
			if want := taken(x, 3); (s.Reason == Budget) != want || (s.Reason == Exited) == want {
				t.Fatalf("%s %#x: stop %+v, taken %v", op, x, s, want)
			}
			if m.Count() != 2+b2u(s.Reason == Exited) {
				t.Fatalf("%s: count %d", op, m.Count())
			}
		}
	}
}

package lower

import (
	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/ir"
)

// intrinsic selects ops for a call; false: call the function after all.
type intrinsic func(s *sel, fn *ssa.Function, args []arg) ([]ir.Loc, bool)

// intrinsics are by symbol and come before any body.
var intrinsics map[string]intrinsic

func init() {
	t := map[string]intrinsic{}
	intrinsics = t
	unary := func(op code.Op, names ...string) {
		for _, n := range names {
			t[n] = func(s *sel, _ *ssa.Function, a []arg) ([]ir.Loc, bool) {
				d := s.new1()
				s.opI(op, d, s.argVal(a[0]), 0)
				return []ir.Loc{d}, true
			}
		}
	}
	binary := func(op code.Op, names ...string) {
		for _, n := range names {
			t[n] = func(s *sel, _ *ssa.Function, a []arg) ([]ir.Loc, bool) {
				d := s.new1()
				s.op3(op, d, s.argVal(a[0]), s.argVal(a[1]))
				return []ir.Loc{d}, true
			}
		}
	}
	same := func(names ...string) {
		for _, n := range names {
			t[n] = func(s *sel, _ *ssa.Function, a []arg) ([]ir.Loc, bool) { return []ir.Loc{s.argVal(a[0])}, true }
		}
	}
	unary(code.SqrtF64, "math.Sqrt", "math.sqrt")
	unary(code.AbsF64, "math.Abs")
	unary(code.FloorF64, "math.Floor", "math.floor")
	unary(code.CeilF64, "math.Ceil", "math.ceil")
	unary(code.TruncF64, "math.Trunc", "math.trunc")
	binary(code.CopysignF64, "math.Copysign")
	same("math.Float64bits", "math.Float64frombits", "math.Float32bits", "math.Float32frombits")
	t["math.FMA"] = func(s *sel, _ *ssa.Function, a []arg) ([]ir.Loc, bool) {
		d, x, y, z := s.new1(), s.argVal(a[0]), s.argVal(a[1]), s.argVal(a[2]) // each may append instructions
		s.op3(code.FmaF64, d, x, y).X[0] = z
		return []ir.Loc{d}, true
	}
	for _, p := range []string{"math/bits.", "internal/runtime/sys."} {
		bitOps(t, p)
	}
	unary(code.Bswap64, "math/bits.ReverseBytes64", "math/bits.ReverseBytes", "internal/runtime/sys.Bswap64")
	unary(code.Bswap32, "math/bits.ReverseBytes32", "internal/runtime/sys.Bswap32")
	binary(code.RotL64, "math/bits.RotateLeft64", "math/bits.RotateLeft")
	binary(code.RotL32, "math/bits.RotateLeft32")
	wide(t)

	binary(code.CmpStr, "internal/bytealg.CompareString", "internal/bytealg.Compare") // slices begin as strings do
	t["runtime.memmove"] = memmove

	nothing := func(*sel, *ssa.Function, []arg) ([]ir.Loc, bool) { return nil, true }
	for _, n := range []string{"internal/runtime/sys.Prefetch", "internal/runtime/sys.PrefetchStreamed"} {
		t[n] = nothing
	}
	closure := func(s *sel, _ *ssa.Function, _ []arg) ([]ir.Loc, bool) {
		if s.outer != nil {
			return nil, false
		}
		d := s.new1()
		s.copy(d, ir.At(s.closureReg(), 0), 1)
		return []ir.Loc{d}, true
	}
	t["runtime.getclosureptr"], t["internal/runtime/sys.GetClosurePtr"] = closure, closure
	index := func(s *sel, _ *ssa.Function, a []arg) ([]ir.Loc, bool) {
		d := s.new1()
		s.opI(code.Ld64, d, s.argVal(a[0]).Plus(1), 0)
		return []ir.Loc{d}, true
	}
	t["internal/abi.FuncPCABI0"], t["internal/abi.FuncPCABIInternal"] = index, index
	t["reflect.callSlots"] = callSlots
	t["reflect.makeFuncStub"] = frameStub("reflect.callReflectSlots")
	t["reflect.methodValueCall"] = frameStub("reflect.callMethodSlots")
}

// bitOps are the counting functions of package prefix p.
func bitOps(t map[string]intrinsic, p string) {
	count := func(name string, f func(s *sel, d, x ir.Loc)) {
		t[p+name] = func(s *sel, _ *ssa.Function, a []arg) ([]ir.Loc, bool) {
			d := s.new1()
			f(s, d, s.argVal(a[0]))
			return []ir.Loc{d}, true
		}
	}
	for _, w := range []struct {
		name string
		bits int64
	}{{"", 64}, {"8", 8}, {"16", 16}, {"32", 32}, {"64", 64}} {
		bits := w.bits
		count("OnesCount"+w.name, func(s *sel, d, x ir.Loc) { s.opI(code.Pop64, d, x, 0) })
		count("LeadingZeros"+w.name, func(s *sel, d, x ir.Loc) {
			if bits == 64 {
				s.opI(code.Clz64, d, x, 0)
				return
			}
			n := s.new1()
			s.opI(code.Clz64, n, x, 0)
			s.opI(code.AddI, d, n, bits-64)
		})
		count("Len"+w.name, func(s *sel, d, x ir.Loc) {
			n, m := s.new1(), s.new1()
			s.opI(code.Clz64, n, x, 0)
			s.opI(code.Neg, m, n, 0)
			s.opI(code.AddI, d, m, 64)
		})
		count("TrailingZeros"+w.name, func(s *sel, d, x ir.Loc) {
			if bits < 64 { // a bit above stops the count
				y := s.new1()
				s.op3(code.Or, y, x, s.word(1<<bits))
				x = y
			}
			s.opI(code.Ctz64, d, x, 0)
		})
	}
}

// wide are the 128-bit functions of math/bits.
func wide(t map[string]intrinsic) {
	pair := func(d ir.Loc) []ir.Loc { return []ir.Loc{d, d.Plus(1)} }
	for _, suffix := range []string{"", "64"} {
		t["math/bits.Mul"+suffix] = func(s *sel, _ *ssa.Function, a []arg) ([]ir.Loc, bool) {
			d := s.f.NewLoc(2)
			s.op3(code.Mul128, d, s.argVal(a[0]), s.argVal(a[1])).Wide(2)
			return pair(d), true
		}
		for name, op := range map[string]code.Op{"Add": code.Add128, "Sub": code.Sub128, "Div": code.Div128} {
			t["math/bits."+name+suffix] = func(s *sel, _ *ssa.Function, a []arg) ([]ir.Loc, bool) {
				in := blank(op)
				in.B, in.C, in.X[0] = s.argVal(a[0]), s.argVal(a[1]), s.argVal(a[2])
				in.A, in.N = s.f.NewLoc(2), 2
				s.put(in)
				return pair(in.A), true
			}
		}
	}
}

// memmove is a copy of slices of bytes: the address, the length, and a capacity that nobody reads.
func memmove(s *sel, _ *ssa.Function, args []arg) ([]ir.Loc, bool) {
	to, from := s.f.NewPack(1, 1, 1), s.f.NewPack(1, 1, 1)
	n := s.argVal(args[2])
	for k, pack := range [][]ir.Reg{to, from} {
		s.argInto(ir.At(pack[0], 0), args[k])
		s.copy(ir.At(pack[1], 0), n, 1)
		s.copy(ir.At(pack[2], 0), n, 1)
	}
	in := blank(code.Copy)
	in.A, in.B, in.C, in.Ext, in.N = s.new1(), ir.At(to[0], 0), ir.At(from[0], 0), 1, 1
	in.Reads = append(append(in.Reads, to...), from...)
	s.put(in)
	return nil, true
}

// callSlots is reflect.callSlots(fn, ctx, args, nargs, res, nres).
func callSlots(s *sel, _ *ssa.Function, args []arg) ([]ir.Loc, bool) {
	pack := s.f.NewPack(1, 1, 1, 1, 1, 1)
	for k, a := range args {
		s.argInto(ir.At(pack[k], 0), a)
	}
	in := blank(code.CallR)
	in.B, in.Reads = ir.At(pack[0], 0), pack
	in.Win, _, _ = s.f.NewWindow(nil, nil)
	s.put(in)
	in.Op = code.CallRFin
	s.put(in)
	return nil, true
}

// frameStub is the body of a function of any signature: it hands its closure and the address of its first result slot
// to the guest function sym.
func frameStub(sym string) intrinsic {
	return func(s *sel, _ *ssa.Function, _ []arg) ([]ir.Loc, bool) {
		f := s.u.Prog.Body(sym)
		if f == nil {
			return nil, false
		}
		frame := s.new1()
		s.op3(code.LeaF, frame, ir.At(s.params[0], 0), ir.NoLoc)
		s.f.Pinned[s.params[0]] = true
		in := blank(code.Call)
		in.Imm = int64(s.u.FuncIndex(f))
		s.callWith(in, nil, []arg{{l: ir.At(s.closureReg(), 0), n: 1}, {l: frame, n: 1}})
		return nil, true
	}
}

package lower

import (
	"fmt"
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/ir"
	"github.com/tandemvm/tandem/vm/internal/layout"
	"github.com/tandemvm/tandem/vm/internal/link"
)

// builtin selects a call of a builtin with result type t; ok says that there is a result. i is the call in go/ssa, nil
// when a wrapper for go and defer is being made.
func (s *sel) builtin(name string, args []arg, t types.Type, i *ssa.Call) (l ir.Loc, ok bool) {
	switch name {
	case "append":
		return s.appendTo(args, i), true
	case "cap", "len":
		return s.length(name, args[0]), true
	case "clear":
		s.clearAll(args[0])
	case "close":
		in := blank(code.ChanClose)
		in.A = s.argVal(args[0])
		s.put(in)
	case "complex":
		return s.makeComplex(args, t), true
	case "copy":
		d := s.new1()
		elem := args[0].t.Underlying().(*types.Slice).Elem()
		s.opX(code.Copy, 1, d, s.argVal(args[0]), s.argVal(args[1]), uint64(layout.Size(elem)))
		return d, true
	case "delete":
		s.opX(code.MapDel, 1, s.argVal(args[0]), s.argVal(args[1]), ir.NoLoc, s.u.TypeAddr(args[0].t))
	case "imag", "real":
		return s.complexPart(name, args[0]), true
	case "max", "min":
		return s.extreme(name, args, t), true
	case "panic":
		in := blank(code.Panic)
		in.A = s.argVal(args[0])
		s.put(in)
	case "print", "println":
		s.print(name == "println", args)
	case "recover":
		d := s.f.NewLoc(2)
		in := blank(code.Recover)
		in.A, in.N = d, 2
		s.put(in)
		return d, true
	case "ssa:wrapnilchk":
		return s.wrapNilCheck(args), true
	case "ssa:deferstack":
		d := s.new1()
		s.f.Defers = true
		s.op3(code.LeaF, d, ir.At(s.f.FrameMember(0, 1), 0), ir.NoLoc)
		return d, true
	default:
		return s.unsafeBuiltin(name, args)
	}
	return ir.NoLoc, false
}

func (s *sel) unsafeBuiltin(name string, args []arg) (ir.Loc, bool) {
	switch name {
	case "Add":
		d := s.new1()
		s.op3(code.Add, d, s.argVal(args[0]), s.argVal(args[1]))
		return d, true
	case "Slice", "String":
		p, n := s.argVal(args[0]), s.argVal(args[1])
		s.checkUnsafe(name, p, n, args[0].t)
		slots := int64(2)
		if name == "Slice" {
			slots = 3
		}
		d := s.f.NewLoc(slots)
		s.copy(d, p, 1)
		s.last().Fresh = true
		s.copy(d.Plus(1), n, 1)
		if slots == 3 {
			s.copy(d.Plus(2), n, 1)
		}
		return d, true
	case "Sizeof": // of a type parameter's instance; others are constants
		return s.word(uint64(layout.Size(args[0].t))), true
	case "Alignof":
		return s.word(uint64(layout.Align(args[0].t))), true
	case "Offsetof":
		return s.word(uint64(fieldOffset(args[0].v))), true
	case "SliceData", "StringData":
		return s.argVal(args[0]), true
	}
	panic(fmt.Sprintf("BUG: lower: unknown builtin %s", name))
}

// fieldOffset is the offset of the field that v reads in the struct it is read from.
func fieldOffset(v ssa.Value) int64 {
	switch x := v.(type) {
	case *ssa.Field:
		return layout.Offsets(layout.StructOf(x.X.Type()))[x.Field]
	case *ssa.UnOp:
		if f, ok := x.X.(*ssa.FieldAddr); ok {
			return layout.Offsets(layout.StructOf(layout.Pointee(f.X.Type())))[f.Field]
		}
	}
	panic(fmt.Sprintf("BUG: lower: unsafe.Offsetof of %v", v))
}

// checkUnsafe panics as gc does when a slice or string from pointer p cannot be n long.
func (s *sel) checkUnsafe(name string, p, n ir.Loc, t types.Type) {
	size := int64(1)
	if name == "Slice" {
		size = layout.Size(layout.Pointee(t))
	}
	f := s.u.Prog.Body("runtime.panicText")
	if f == nil || s.u.ShapeOf(f.Signature).Args[0] != 2 {
		return
	}
	long, null, some, rest, good := s.newBlock(), s.newBlock(), s.newBlock(), s.newBlock(), s.newBlock()
	fits := s.newBlock()
	s.branch(code.JLeU, n, s.word(uint64(1<<47/max(size, 1))), 0, fits, long)
	s.begin(fits)
	s.branch(code.JEqI, p, ir.NoLoc, 0, some, rest)
	s.begin(some)
	s.branch(code.JEqI, n, ir.NoLoc, 0, good, null)
	s.begin(rest) // not beyond the end of the address space
	room, bytes := s.new1(), s.new1()
	s.opI(code.Neg, room, p, 0)
	s.op3(code.Mul, bytes, n, s.word(uint64(size)))
	s.branch(code.JLeU, bytes, room, 0, good, long)
	fail := func(b *ir.Block, text string) {
		s.begin(b)
		in := blank(code.Call)
		in.Imm = int64(s.u.FuncIndex(f))
		s.callWith(in, nil, []arg{{l: s.cached(constKey{kind: 's', str: "runtime error: unsafe." + name + ": " + text}), n: 2}})
		s.end(blank(code.Trap))
	}
	fail(long, "len out of range")
	fail(null, "ptr is nil and len is not zero")
	s.begin(good)
}

func (s *sel) appendTo(args []arg, i *ssa.Call) ir.Loc {
	d := s.f.NewLoc(3)
	elem := s.u.TypeAddr(args[0].t.Underlying().(*types.Slice).Elem())
	x := s.argVal(args[0])
	if v, ok := s.appended[i]; ok && i != nil {
		s.opX(code.Append1, 3, d, x, s.val(v), elem)
		return d
	}
	if layout.IsString(args[1].t) {
		s.op3(code.AppendStr, d, x, s.argVal(args[1])).Wide(3)
		return d
	}
	s.opX(code.Append, 3, d, x, s.argVal(args[1]), elem)
	return d
}

func (s *sel) length(name string, a arg) ir.Loc {
	op := map[string]code.Op{"len": code.ChanLen, "cap": code.ChanCap}[name]
	switch t := a.t.Underlying().(type) {
	case *types.Basic:
		return s.argVal(a).Plus(1)
	case *types.Slice:
		if name == "cap" {
			return s.argVal(a).Plus(2)
		}
		return s.argVal(a).Plus(1)
	case *types.Array:
		return s.word(uint64(t.Len()))
	case *types.Pointer:
		return s.word(uint64(layout.ArrayOf(t.Elem()).Len()))
	case *types.Map:
		op = code.MapLen
	}
	d := s.new1()
	s.opI(op, d, s.argVal(a), 0)
	return d
}

func (s *sel) clearAll(a arg) {
	switch t := a.t.Underlying().(type) {
	case *types.Map:
		s.opX(code.MapClear, 1, s.argVal(a), ir.NoLoc, ir.NoLoc, s.u.TypeAddr(a.t))
	case *types.Slice:
		x, n := s.argVal(a), s.new1()
		s.op3(code.Mul, n, x.Plus(1), s.word(uint64(layout.Size(t.Elem()))))
		s.callNative("runtime.memclr", nil, arg{l: x, n: 1}, arg{l: n, n: 1})
	}
}

func (s *sel) makeComplex(args []arg, t types.Type) ir.Loc {
	re, im := s.argVal(args[0]), s.argVal(args[1])
	if s.u.Size(t) == 16 {
		d := s.f.NewLoc(2)
		s.copy(d, re, 1)
		s.last().Fresh = true
		s.copy(d.Plus(1), im, 1)
		return d
	}
	hi, d := s.new1(), s.new1()
	s.opI(code.ShlI, hi, im, 32)
	s.op3(code.Or, d, re, hi)
	return d
}

func (s *sel) complexPart(name string, a arg) ir.Loc {
	x := s.argVal(a)
	if s.u.Size(a.t) == 16 {
		if name == "imag" {
			return x.Plus(1)
		}
		return x
	}
	d := s.new1()
	if name == "imag" {
		s.opI(code.ShrUI, d, x, 32)
	} else {
		s.opI(code.ZX32, d, x, 0)
	}
	return d
}

// extreme is min or max.
func (s *sel) extreme(name string, args []arg, t types.Type) ir.Loc {
	best := s.argVal(args[0])
	n := s.u.Slots(t)
	for _, a := range args[1:] {
		y, d := s.argVal(a), s.f.NewLoc(n)
		if layout.IsFloat(t) {
			op := map[string]code.Op{"min": code.MinF64, "max": code.MaxF64}[name]
			if s.u.Size(t) == 4 {
				op += code.MinF32 - code.MinF64
			}
			s.op3(op, d, best, y)
			best = d
			continue
		}
		// d = best; if y is beyond best, d = y
		take, done := s.newBlock(), s.newBlock()
		s.copy(d, best, n)
		lo, hi := y, best
		if name == "max" {
			lo, hi = best, y
		}
		switch {
		case layout.IsString(t):
			c := s.new1()
			s.op3(code.CmpStr, c, lo, hi)
			s.branch(code.JLtSI, c, ir.NoLoc, 0, take, done)
		case signed(t):
			s.branch(code.JLtS, lo, hi, 0, take, done)
		default:
			s.branch(code.JLtU, lo, hi, 0, take, done)
		}
		s.begin(take)
		s.copy(d, y, n)
		s.jumpTo(done)
		s.begin(done)
		best = d
	}
	return best
}

func (s *sel) print(line bool, args []arg) {
	s.callNative("runtime.printlock", nil)
	for k, a := range args {
		if line && k > 0 {
			s.callNative("runtime.printsp", nil)
		}
		s.printValue(a)
	}
	if line {
		s.callNative("runtime.printnl", nil)
	}
	s.callNative("runtime.printunlock", nil)
}

func (s *sel) printValue(a arg) {
	l := s.argVal(a)
	one := arg{l: l, n: a.n}
	sym := "runtime.printpointer"
	switch u := a.t.Underlying().(type) {
	case *types.Basic:
		switch info := u.Info(); {
		case info&types.IsBoolean != 0:
			sym = "runtime.printbool"
		case isHex(a.t):
			sym = "runtime.printhex"
		case info&types.IsUnsigned != 0:
			sym = "runtime.printuint"
		case info&types.IsInteger != 0:
			sym = "runtime.printint"
		case info&types.IsFloat != 0:
			sym = "runtime.printfloat"
			if s.u.Size(a.t) == 4 {
				sym = "runtime.printfloat32"
			}
		case info&types.IsComplex != 0:
			sym = "runtime.printcomplex"
			if s.u.Size(a.t) == 8 {
				sym = "runtime.printcomplex64"
			}
		case info&types.IsString != 0:
			sym = "runtime.printstring"
		}
	case *types.Slice:
		sym = "runtime.printslice"
	case *types.Interface:
		sym = "runtime.printeface"
	}
	s.callNative(sym, nil, one)
}

// isHex says whether t is package runtime's hex, which print shows in base 16.
func isHex(t types.Type) bool {
	n, ok := t.(*types.Named)
	return ok && n.Obj().Name() == "hex" && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == "runtime"
}

// wrapNilCheck panics when the pointer a value method's wrapper was called with is nil.
func (s *sel) wrapNilCheck(args []arg) ir.Loc {
	p := s.argVal(args[0])
	f := s.u.Prog.Body("runtime.panicwrap")
	if f == nil || len(f.Params) != 2 {
		s.check(p)
		return p
	}
	bad, good := s.newBlock(), s.newBlock()
	s.branch(code.JEqI, p, ir.NoLoc, 0, bad, good)
	s.begin(bad)
	in := blank(code.Call)
	in.Imm = int64(s.u.FuncIndex(f))
	s.callWith(in, nil, args[1:])
	s.put(blank(code.Trap))
	s.begin(good)
	return p
}

// builtinFunc is a function that calls a builtin, for go and defer statements.
func (u *unit) builtinFunc(name string, c *ssa.CallCommon) int32 {
	var sh link.Shape
	var ts []types.Type
	key := "builtin:" + name
	for _, a := range c.Args {
		ts = append(ts, a.Type())
		sh.Args = append(sh.Args, u.Slots(a.Type()))
		key += "|" + types.TypeString(a.Type(), nil)
	}
	result := types.Type(types.NewTuple())
	if sig, ok := c.Value.Type().Underlying().(*types.Signature); ok && sig.Results().Len() == 1 {
		result = sig.Results().At(0).Type()
	}
	return u.synthetic(key, "runtime."+name, sh, func(s *sel) {
		var as []arg
		for k, t := range ts {
			a := arg{n: u.Slots(t), t: t, l: ir.NoLoc}
			if s.params[k] != ir.NoReg {
				a.l = ir.At(s.params[k], 0)
			}
			as = append(as, a)
		}
		s.builtin(name, as, result, nil)
		s.end(blank(code.Ret))
	})
}

package lower

import (
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/ir"
	"github.com/tandemvm/tandem/vm/internal/layout"
)

// convert defines v as x converted to type to.
func (s *sel) convert(v, x ssa.Value, to types.Type) {
	from := x.Type()
	switch {
	case layout.IsString(to) && !layout.IsString(from):
		s.toString(v, x, from)
	case layout.IsString(from) && isSlice(to):
		op := code.StrToBytes
		if s.u.Size(to.Underlying().(*types.Slice).Elem()) == 4 {
			op = code.StrToRunes
		}
		s.opI(op, s.define(v), s.val(x), 0).Wide(3)
	case isSlice(from) && isArray(to):
		// Through the pointer, as go/ssa does; kept for instantiated type parameters.
		p := s.new1()
		s.opX(code.SliceToArr, 1, p, s.val(x), ir.NoLoc, uint64(layout.ArrayOf(to).Len()))
		s.load(s.define(v), addr{kind: addrPtr, base: p}, to)
	case isSlice(from) && isPointer(to):
		s.opX(code.SliceToArr, 1, s.define(v), s.val(x), ir.NoLoc, uint64(layout.ArrayOf(layout.Pointee(to)).Len()))
	case layout.IsInteger(from) && layout.IsInteger(to):
		s.intToInt(v, x, from, to)
	case layout.IsInteger(from) && layout.IsFloat(to):
		s.intToFloat(s.define(v), s.val(x), from, to)
	case layout.IsFloat(from) && layout.IsInteger(to):
		s.floatToInt(s.define(v), s.val(x), from, to)
	case layout.IsFloat(from) && layout.IsFloat(to) && s.u.Size(from) != s.u.Size(to):
		s.opI(pick(s.u.Size(to) == 4, code.F64ToF32, code.F32ToF64), s.define(v), s.val(x), 0)
	case layout.IsComplex(from) && s.u.Size(from) != s.u.Size(to):
		if s.u.Size(to) == 8 {
			s.opI(code.C128ToC64, s.define(v), s.val(x), 0)
		} else {
			s.opI(code.C64ToC128, s.define(v), s.val(x), 0).Wide(2)
		}
	default: // same representation: pointers and uintptr, channel directions, identical underlying types
		s.vals[v] = s.val(x)
	}
}

func isSlice(t types.Type) bool   { _, ok := t.Underlying().(*types.Slice); return ok }
func isArray(t types.Type) bool   { _, ok := t.Underlying().(*types.Array); return ok }
func isPointer(t types.Type) bool { _, ok := t.Underlying().(*types.Pointer); return ok }

func (s *sel) toString(v, x ssa.Value, from types.Type) {
	d := s.define(v)
	switch u := from.Underlying().(type) {
	case *types.Slice:
		op := code.BytesToStr
		if s.u.Size(u.Elem()) == 4 {
			op = code.RunesToStr
		}
		s.opI(op, d, s.val(x), 0).Wide(2)
	default:
		r := s.val(x)
		if s.u.Size(from) == 8 { // beyond 32 bits it is no rune
			r = s.runeOf(r)
		}
		s.opI(code.RuneToStr, d, r, 0).Wide(2)
	}
}

// runeOf is x if it fits a rune, else -1.
func (s *sel) runeOf(x ir.Loc) ir.Loc {
	d := s.new1()
	bad, done := s.newBlock(), s.newBlock()
	low := s.new1()
	s.opI(code.SX32, low, x, 0)
	s.copy(d, low, 1)
	s.branch(code.JEq, low, x, 0, done, bad)
	s.begin(bad)
	s.loadWord(d, ^uint64(0))
	s.jumpTo(done)
	s.begin(done)
	return d
}

// intToInt is free where the slot already holds the result.
func (s *sel) intToInt(v, x ssa.Value, from, to types.Type) {
	a, b := s.u.Size(from), s.u.Size(to)
	switch {
	case b == 8,
		b > a && (signed(to) || !signed(from)),
		b == a && signed(from) == signed(to):
		s.vals[v] = s.val(x)
	default:
		s.extend(s.define(v), s.val(x), to)
	}
}

func (s *sel) intToFloat(d, x ir.Loc, from, to types.Type) {
	wide := s.u.Size(to) == 8
	if signed(from) || s.u.Size(from) < 8 {
		s.opI(pick(wide, code.S64ToF64, code.S64ToF32), d, x, 0)
		return
	}
	s.opI(pick(wide, code.U64ToF64, code.U64ToF32), d, x, 0)
}

// floatToInt follows gc on amd64: types below 32 bits and int32 go through a 32-bit conversion, which yields MinInt32
// for what does not fit, others through a 64-bit one.
func (s *sel) floatToInt(d, x ir.Loc, from, to types.Type) {
	wide, size := s.u.Size(from) == 8, s.u.Size(to)
	if size == 8 && !signed(to) {
		s.opI(pick(wide, code.F64ToU64, code.F32ToU64), d, x, 0)
		return
	}
	op := pick(wide, code.F64ToS64, code.F32ToS64)
	if size == 8 {
		s.opI(op, d, x, 0)
		return
	}
	w := s.new1()
	s.opI(op, w, x, 0)
	if size < 4 || signed(to) {
		w = s.clamp32(w)
	}
	s.extend(d, w, to)
}

// clamp32 is x if it fits 32 bits, else MinInt32.
func (s *sel) clamp32(x ir.Loc) ir.Loc {
	d := s.new1()
	bad, done := s.newBlock(), s.newBlock()
	s.opI(code.SX32, d, x, 0)
	s.branch(code.JEq, d, x, 0, done, bad)
	s.begin(bad)
	s.loadWord(d, 1<<64-1<<31)
	s.jumpTo(done)
	s.begin(done)
	return d
}

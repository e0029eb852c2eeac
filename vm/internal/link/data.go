package link

import (
	"encoding/binary"
	"go/constant"
	"go/types"
	"math"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/layout"
)

// Addresses in the data are provisional, as package layout gives them, until the data is finished.

// Global is the address of g.
func (u *Unit) Global(g *ssa.Global) uint64 {
	if v := u.Prog.Global(g); v != nil {
		g = v
	}
	if a, ok := u.globals[g]; ok {
		return a
	}
	name := g.Name()
	if g.Pkg != nil {
		name = g.Pkg.Pkg.Path() + "." + name
	}
	class, spec := u.classOf(g)
	a := u.Data.Global(name, layout.Pointee(g.Type()), class, spec)
	u.globals[g] = a
	return a
}

// classOf is where changes of the variable g go, and the merge kind of a shared one as its directive says it.
func (u *Unit) classOf(g *ssa.Global) (code.Class, string) {
	for _, v := range u.Prog.Variables {
		switch {
		case v.Global != g:
		case v.Local:
			return code.ClassLocal, ""
		default:
			return code.ClassShared, v.Text
		}
	}
	return code.ClassRun, ""
}

// anonymous is the address of a new variable of type t that only its address names.
func (u *Unit) anonymous(t types.Type) uint64 {
	return u.Data.Global("", t, code.ClassRun, "")
}

// TypeAddr is the address of the descriptor of t.
func (u *Unit) TypeAddr(t types.Type) uint64 { return u.Data.TypeAddr(t) }

// Closure is the address of the static closure of function fn.
func (u *Unit) Closure(fn int32) uint64 { return u.Data.StaticClosure(fn) }

// Zeros is the address of size zero bytes that nothing writes.
func (u *Unit) Zeros(size int64) uint64 { return u.Data.ReadOnly(make([]byte, size), layout.WordBytes) }

// Words is the address of words in the read-only data.
func (u *Unit) Words(ws ...uint64) uint64 { return u.Data.ReadOnly(words(ws...), layout.WordBytes) }

// StringHeader is the address of a string header in the read-only data.
func (u *Unit) StringHeader(s string) uint64 { return u.Words(u.Data.String(s), uint64(len(s))) }

// IfaceWord is the first word of an interface value of type iface with dynamic type t.
func (u *Unit) IfaceWord(iface, t types.Type) (word uint64, isItab bool) {
	u.Reach.Converted(t)
	if layout.IsEmptyInterface(iface) {
		return u.TypeAddr(t), false
	}
	return u.Data.ItabAddr(iface, t), true
}

// ConstWord is the slot contents of a constant of one slot.
func (u *Unit) ConstWord(c *ssa.Const) (uint64, bool) {
	if c.Value == nil {
		return 0, u.Slots(c.Type()) == 1 && !u.Trait(c.Type()).Boxed
	}
	b, ok := c.Type().Underlying().(*types.Basic)
	if !ok {
		return 0, false
	}
	switch info := b.Info(); {
	case info&types.IsBoolean != 0:
		if constant.BoolVal(c.Value) {
			return 1, true
		}
		return 0, true
	case info&types.IsInteger != 0 || b.Kind() == types.UnsafePointer:
		v := constant.ToInt(c.Value)
		if x, exact := constant.Int64Val(v); exact {
			return uint64(x), true
		}
		x, _ := constant.Uint64Val(v)
		return x, true
	case b.Kind() == types.Float32:
		x, _ := constant.Float32Val(c.Value)
		return uint64(math.Float32bits(x)), true
	case info&types.IsFloat != 0:
		x, _ := constant.Float64Val(c.Value)
		return math.Float64bits(x), true
	case b.Kind() == types.Complex64:
		re, _ := constant.Float32Val(constant.Real(c.Value))
		im, _ := constant.Float32Val(constant.Imag(c.Value))
		return uint64(math.Float32bits(re)) | uint64(math.Float32bits(im))<<32, true
	}
	return 0, false
}

// ConstData is the address of the constant as it stands in memory.
func (u *Unit) ConstData(c *ssa.Const) (uint64, bool) {
	size := u.Size(c.Type())
	if c.Value == nil {
		return u.Zeros(size), true
	}
	if w, ok := u.ConstWord(c); ok {
		return u.Data.ReadOnly(words(w)[:size], layout.WordBytes), true
	}
	if c.Value.Kind() == constant.String {
		return u.StringHeader(constant.StringVal(c.Value)), true
	}
	return 0, false
}

func words(ws ...uint64) (b []byte) {
	for _, w := range ws {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

package lower

import (
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/ir"
	"github.com/tandemvm/tandem/vm/internal/layout"
)

// makeInterface writes the interface value of x to d.
func (s *sel) makeInterface(d ir.Loc, iface types.Type, x ssa.Value) {
	t := x.Type()
	word, isItab := s.u.IfaceWord(iface, t)
	tr := s.u.Trait(t)
	if c, ok := x.(*ssa.Const); ok && !tr.Ptr {
		if p, ok := s.u.ConstData(c); ok {
			s.opI(code.LdG128, d, ir.NoLoc, int64(s.u.Words(word, p)-code.Base)).Wide(2)
			return
		}
	}
	switch {
	case tr.Slots == 0:
		s.opI(code.LdG128, d, ir.NoLoc, int64(s.u.Words(word, s.u.Zeros(8))-code.Base)).Wide(2)
	case tr.Ptr || tr.Boxed:
		s.opX(code.MkIP, 2, d, s.val(x), ir.NoLoc, word)
	default:
		in := s.opX(code.MkIB, 2, d, s.val(x), ir.NoLoc, word)
		if isItab {
			in.Imm = 1
		}
	}
}

func (s *sel) changeInterface(i *ssa.ChangeInterface) {
	from, to := i.X.Type(), i.Type()
	switch {
	case layout.IsEmptyInterface(from) && layout.IsEmptyInterface(to), types.Identical(from.Underlying(), to.Underlying()):
		s.vals[i] = s.val(i.X)
	case layout.IsEmptyInterface(to):
		s.opI(code.IToE, s.define(i), s.val(i.X), 0).Wide(2)
	default:
		e := s.val(i.X)
		if !layout.IsEmptyInterface(from) {
			w := s.f.NewLoc(2)
			s.opI(code.IToE, w, e, 0).Wide(2)
			e = w
		}
		s.opX(code.ConvI, 2, s.define(i), e, ir.NoLoc, s.u.TypeAddr(to))
	}
}

// assertShape is what an assertion's flags say of values of so many bytes, 0 for those that the loop leaves.
func assertShape(size int64, signed bool) int64 {
	shape := map[int64]int64{1: code.Assert1, 2: code.Assert2, 4: code.Assert4, 8: code.Assert8, 16: code.Assert16, 24: code.Assert24}[size]
	if signed && size < 8 {
		shape++ // the signed one comes after the unsigned one
	}
	return shape
}

// typeAssert is x.(T). The op cannot know the static type of x, which the panic of a failed assertion to a concrete type names, so
// those ask for ok and panic themselves.
func (s *sel) typeAssert(i *ssa.TypeAssert) {
	if guardsMethodValue(i) {
		s.check(s.val(i.X))
		return
	}
	in := blank(code.AssertT)
	in.B = s.val(i.X)
	if !layout.IsEmptyInterface(i.X.Type()) {
		in.Imm |= 2
	}
	t := i.AssertedType
	n := s.u.Slots(t)
	in.Ext = s.u.TypeAddr(t)
	fails := s.u.Prog.Body("runtime.panicdottypeE")
	explicit := !i.CommaOk && !types.IsInterface(t) && fails != nil
	if types.IsInterface(t) {
		in.Op = code.AssertI
	} else if x := s.u.Trait(t); x.Boxed {
		in.Imm |= 4
	} else if x.Ptr {
		in.Imm |= code.AssertWord << 3
	} else {
		in.Imm |= assertShape(x.Size, signed(t)) << 3
	}
	if i.CommaOk || explicit {
		in.Imm |= 1
		in.A, in.N = s.f.NewLoc(n+1), int32(n+1)
		s.tuples[i] = []ir.Loc{part(in.A, 0, n), in.A.Plus(n)}
	} else {
		in.N = int32(n)
		if in.A = s.define(i); n == 0 {
			in.A = s.new1()
		}
	}
	s.put(in)
	if !explicit {
		return
	}
	s.vals[i] = part(in.A, 0, n)
	bad, good := s.newBlock(), s.newBlock()
	s.branch(code.JT, in.A.Plus(n), ir.NoLoc, 0, good, bad)
	s.begin(bad)
	have := s.new1()
	s.opI(code.TypeW, have, in.B, in.Imm>>1&1)
	call := blank(code.Call)
	call.Imm = int64(s.u.FuncIndex(fails))
	s.callWith(call, nil, []arg{{l: have, n: 1}, {l: s.word(in.Ext), n: 1}, {l: s.word(s.u.TypeAddr(i.X.Type())), n: 1}})
	s.end(blank(code.Trap))
	s.begin(good)
}

// guardsMethodValue recognises the assertion that go/ssa makes before it takes a method value x.M of an interface, whose failure is that of a nil pointer.
func guardsMethodValue(i *ssa.TypeAssert) bool {
	if i.CommaOk || !types.IsInterface(i.AssertedType) || len(*i.Referrers()) != 0 {
		return false
	}
	list := i.Block().Instrs
	at := slices.Index(list, ssa.Instruction(i)) + 1
	if _, ok := list[at].(*ssa.ChangeInterface); ok {
		at++
	}
	next, ok := list[at].(*ssa.MakeClosure)
	return ok && len(next.Bindings) == 1 && strings.HasPrefix(next.Fn.(*ssa.Function).Synthetic, "bound method wrapper") &&
		asserted(next.Bindings[0]) == asserted(i.X)
}

// asserted is what v was before it was changed to another interface.
func asserted(v ssa.Value) ssa.Value {
	if c, ok := v.(*ssa.ChangeInterface); ok {
		return c.X
	}
	return v
}

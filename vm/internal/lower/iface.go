package lower

import (
	"encoding/binary"
	"go/constant"
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/ir"
)

// typeAddr is the address of the descriptor of t.
func (u *unit) typeAddr(t types.Type) uint64 { return u.data.TypeAddr(t) }

// zeros is the address of size zero bytes that nothing writes.
func (u *unit) zeros(size int64) uint64 { return u.data.ReadOnly(make([]byte, size), 8) }

// ifaceWord is the first word of an interface value of type iface with dynamic type t.
func (u *unit) ifaceWord(iface, t types.Type) (word uint64, isItab bool) {
	u.reach.converted(u, t)
	if isEmptyInterface(iface) {
		return u.typeAddr(t), false
	}
	return u.data.ItabAddr(iface, t), true
}

// makeInterface writes the interface value of x to d.
func (s *sel) makeInterface(d ir.Loc, iface types.Type, x ssa.Value) {
	t := x.Type()
	word, isItab := s.u.ifaceWord(iface, t)
	tr := s.u.trait(t)
	if c, ok := x.(*ssa.Const); ok && !tr.ptr {
		if p, ok := s.u.constData(s, c); ok {
			s.opI(code.LdG128, d, ir.NoLoc, int64(s.u.words(word, p)-code.Base)).Wide(2)
			return
		}
	}
	switch {
	case tr.slots == 0:
		s.opI(code.LdG128, d, ir.NoLoc, int64(s.u.words(word, s.u.zeros(8))-code.Base)).Wide(2)
	case tr.ptr || tr.boxed:
		s.opX(code.MkIP, 2, d, s.val(x), ir.NoLoc, word)
	default:
		in := s.opX(code.MkIB, 2, d, s.val(x), ir.NoLoc, word)
		if isItab {
			in.Imm = 1
		}
	}
}

// constData is the address of the constant as it stands in memory.
func (u *unit) constData(s *sel, c *ssa.Const) (uint64, bool) {
	size := u.size(c.Type())
	if c.Value == nil {
		return u.zeros(size), true
	}
	if w, ok := s.constWord(c); ok {
		b := binary.LittleEndian.AppendUint64(nil, w)
		return u.data.ReadOnly(b[:size], 8), true
	}
	if c.Value.Kind() == constant.String {
		return u.stringHeader(constant.StringVal(c.Value)), true
	}
	return 0, false
}

func (s *sel) changeInterface(i *ssa.ChangeInterface) {
	from, to := i.X.Type(), i.Type()
	switch {
	case isEmptyInterface(from) && isEmptyInterface(to), types.Identical(from.Underlying(), to.Underlying()):
		s.vals[i] = s.val(i.X)
	case isEmptyInterface(to):
		s.opI(code.IToE, s.define(i), s.val(i.X), 0).Wide(2)
	default:
		e := s.val(i.X)
		if !isEmptyInterface(from) {
			w := s.f.NewLoc(2)
			s.opI(code.IToE, w, e, 0).Wide(2)
			e = w
		}
		s.opX(code.ConvI, 2, s.define(i), e, ir.NoLoc, s.u.typeAddr(to))
	}
}

// typeAssert is x.(T). The op cannot know the static type of x, which the panic of a failed assertion to a concrete type names, so
// those ask for ok and panic themselves.
func (s *sel) typeAssert(i *ssa.TypeAssert) {
	in := blank(code.AssertT)
	in.B = s.val(i.X)
	if !isEmptyInterface(i.X.Type()) {
		in.Imm |= 2
	}
	t := i.AssertedType
	n := s.u.slots(t)
	in.Ext = s.u.typeAddr(t)
	fails := s.u.prog.Body("runtime.panicdottypeE")
	explicit := !i.CommaOk && !isInterface(t) && fails != nil
	if isInterface(t) {
		in.Op = code.AssertI
	} else if x := s.u.trait(t); x.boxed {
		in.Imm |= 4
	} else if x.ptr {
		in.Imm |= 1 << 3
	} else if x.size == 8 || x.size == 16 {
		in.Imm |= x.size / 8 << 3 // 1 and 2 words
		in.Imm += 1 << 3
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
	call.Imm = int64(s.u.funcIndex(fails))
	s.callWith(call, nil, []arg{{l: have, n: 1}, {l: s.word(in.Ext), n: 1}, {l: s.word(s.u.typeAddr(i.X.Type())), n: 1}})
	s.end(blank(code.Trap))
	s.begin(good)
}

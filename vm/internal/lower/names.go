package lower

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/flow"
	"github.com/tandemvm/tandem/vm/internal/ir"
	"github.com/tandemvm/tandem/vm/internal/layout"
)

// Where the variables of the source stand is noted beside the instructions and changes none of them. Only functions of packages that were built
// with go/ssa's notes have such variables, and only a function's own, not those of bodies that stand in place of calls.

// variable is one of the source as debuggers know it.
type variable struct {
	name string
	typ  types.Type
}

// namesOf takes the notes out of fn, once for all places where its body is selected.
func (u *unit) namesOf(fn *ssa.Function) *flow.Names {
	if fn == nil {
		return nil
	}
	n, ok := u.names[fn]
	if !ok {
		n = flow.TakeNames(fn)
		u.names[fn] = n
	}
	return n
}

// nameAt notes what stands where before instruction k of the block being selected, which stands at p in the source.
func (s *sel) nameAt(k int, p token.Pos) {
	n := s.scope.names
	if n == nil || s.outer != nil {
		return
	}
	now, fresh := n.At(k)
	if !fresh && s.pos == s.namedAt {
		return // the same line sees the same
	}
	s.namedAt = s.pos
	var list []ir.Local
	for v, b := range now {
		if b.Value == nil || !n.Visible(v, p) {
			continue
		}
		l, t, ok := s.placeOf(b)
		if !ok {
			continue
		}
		if s.vars[v].typ == nil {
			s.vars[v] = variable{n.Vars[v].Name(), t}
		}
		l.Var = int32(v)
		list = append(list, l)
	}
	s.visible = s.f.Scope(list)
}

// placeOf is where a variable bound to b stands, and its type.
func (s *sel) placeOf(b flow.Binding) (l ir.Local, t types.Type, ok bool) {
	l.At = ir.NoLoc
	t = b.Value.Type()
	if b.Addr {
		t = layout.Pointee(t)
	}
	if x, basic := t.(*types.Basic); basic && x.Info()&types.IsUntyped != 0 || s.u.Slots(t) == 0 {
		return l, t, false
	}
	switch v := b.Value.(type) {
	case *ssa.Const:
		if s.u.Trait(t).Boxed {
			return l, t, false
		}
		l.Place = code.PlaceData
		l.Addr, ok = s.u.ConstData(v)
		return l, t, ok
	case *ssa.FreeVar:
		l.Place = code.PlaceClosure
		l.Word = int32(8 + 8*s.captured(v))
		return l, t, b.Addr
	case *ssa.Alloc:
		if x := s.locals[v]; x != nil && b.Addr {
			l.Place, l.At = code.PlaceFrame, ir.At(x.reg, 0)
			return l, t, !s.u.Trait(t).Boxed // which would be taken for the address of a copy
		}
	}
	at, ok := s.vals[b.Value]
	if !ok || at == ir.NoLoc || s.aliased[b.Value] {
		return l, t, false
	}
	l.At = at
	if b.Addr {
		l.Place = code.PlacePointer
	}
	return l, t, true
}

// captured is the slot of the closure's variables at which v stands.
func (s *sel) captured(v *ssa.FreeVar) (at int64) {
	for _, x := range s.fn.FreeVars {
		if x == v {
			break
		}
		at += s.u.Slots(x.Type())
	}
	return at
}

// placeLocals appends the variables of a function whose code begins at word at. Addresses are provisional yet.
func (u *unit) placeLocals(m *code.Image, at int32, x made) {
	for _, r := range x.chunk.Locals {
		v := x.vars[int(r.Var)]
		l := code.Local{From: at + r.From, To: at + r.To, Name: v.name, Type: u.TypeAddr(v.typ), Place: r.Place}
		switch r.Place {
		case code.PlaceFrame, code.PlacePointer:
			l.At = r.Slot
		case code.PlaceClosure:
			l.At = r.Word
		case code.PlaceData:
			l.At = int32(r.Addr - code.Base)
		}
		m.Locals = append(m.Locals, l)
	}
}

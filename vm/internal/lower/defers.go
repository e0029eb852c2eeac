package lower

import (
	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/flow"
	"github.com/tandemvm/tandem/vm/internal/ir"
)

// A defer statement that runs at most once in a frame keeps in the frame what it needs: the record of the call, and, where it calls a function literal
// that nothing else does, the closure and the variables that this captures, if all that the literal does is to read and write them. The slots are pinned:
// the frame is there until the call is over, and until then nothing else may stand in them. In a loop, or for another frame, the record is an
// object, and such a closure is part of it.

// once says whether d runs at most once in a frame.
func (s *sel) once(d *ssa.Defer) bool {
	if d.DeferStack != nil {
		return false
	}
	in, ok := s.repeated[d.Block()]
	if !ok {
		in = flow.InCycle(d.Block())
		s.repeated[d.Block()] = in
	}
	return !in
}

// deferredOnly is the defer statement that calls closure c and is all that uses it, nil: there is none.
func deferredOnly(c *ssa.MakeClosure) *ssa.Defer {
	if d, ok := flow.Only(c).(*ssa.Defer); ok && d.Call.Value == c {
		return d
	}
	return nil
}

// framedClosure says whether closure c is called by one deferred call of the frame and used for nothing else.
func (s *sel) framedClosure(c *ssa.MakeClosure) bool {
	d := deferredOnly(c)
	return d != nil && s.once(d)
}

// stays says whether use, an element or slice of a variable or a closure with it, leaves the variable in the frame.
func (s *sel) stays(use ssa.Instruction) bool {
	switch use := use.(type) {
	case *ssa.Slice:
		return flow.AppendedOnly(use)
	case *ssa.MakeClosure:
		return s.framedClosure(use)
	}
	return true
}

// captured says whether a closure has variable a.
func captured(a *ssa.Alloc) bool {
	for _, r := range *a.Referrers() {
		if _, ok := r.(*ssa.MakeClosure); ok {
			return true
		}
	}
	return false
}

// frameClosure makes d a closure of function fn in the frame.
func (s *sel) frameClosure(d ir.Loc, fn int32, bindings []ssa.Value) {
	size := int64(1)
	for _, b := range bindings {
		size += s.u.Slots(b.Type())
	}
	c := s.f.NewLoc(size)
	s.f.Pinned[c.R] = true
	s.opI(code.LdI, c, ir.NoLoc, int64(fn))
	at := c.Plus(1)
	for _, b := range bindings {
		s.into(at, b)
		at = at.Plus(s.u.Slots(b.Type()))
	}
	s.op3(code.LeaF, d, c, ir.NoLoc)
}

// deferCall is a defer statement.
func (s *sel) deferCall(d *ssa.Defer) {
	if !s.once(d) {
		owner := ir.NoLoc
		if d.DeferStack != nil {
			owner = s.val(d.DeferStack)
		}
		if c, ok := d.Call.Value.(*ssa.MakeClosure); ok && deferredOnly(c) != nil {
			s.deferWith(c, s.args(d.Call.Args), owner)
		} else {
			s.spawn(code.Defer, &d.Call, owner)
		}
		return
	}
	n := int64(0)
	if d.Call.IsInvoke() {
		n++ // the receiver
	}
	for _, a := range d.Call.Args {
		n += s.u.Slots(a.Type())
	}
	rec := s.f.NewLoc(code.DeferHeader + n)
	s.f.Pinned[rec.R] = true
	_, args := s.reference(rec.Plus(code.DeferFunc), &d.Call)
	at := rec.Plus(code.DeferHeader)
	for _, a := range args {
		if a.n > 0 {
			s.argInto(at, a)
			at = at.Plus(a.n)
		}
	}
	in := blank(code.DeferL)
	in.A, in.Ext = rec, uint64(n)<<32|uint64(uint32(s.number))
	s.put(in)
}

// deferWith defers a call of closure c, made with the record; owner is as for spawn.
func (s *sel) deferWith(c *ssa.MakeClosure, args []arg, owner ir.Loc) {
	fn := c.Fn.(*ssa.Function)
	captured := s.args(c.Bindings)
	win, _, as := s.window(s.u.ShapeOf(fn.Signature).Res, append(args, captured...))
	ref := s.f.NewLoc(3)
	s.opI(code.LdI, ref, ir.NoLoc, int64(s.u.FuncIndex(fn))).Fresh = true
	s.opI(code.LdI, ref.Plus(1), ir.NoLoc, slotsOf(captured))
	if owner == ir.NoLoc {
		s.opI(code.LdI, ref.Plus(2), ir.NoLoc, 0)
	} else {
		s.copy(ref.Plus(2), owner, 1)
	}
	in := blank(code.DeferC)
	in.B, in.Imm, in.Win, in.Reads = ref, slotsOf(args)+slotsOf(captured), win, as
	s.put(in)
}

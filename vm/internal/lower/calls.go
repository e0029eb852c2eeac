package lower

import (
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/flow"
	"github.com/tandemvm/tandem/vm/internal/ir"
	"github.com/tandemvm/tandem/vm/internal/layout"
	"github.com/tandemvm/tandem/vm/internal/link"
)

// arg is an argument: a value of go/ssa, or one that stands in slots already.
type arg struct {
	v ssa.Value
	l ir.Loc
	n int64 // slots
	t types.Type
}

func (s *sel) args(vs []ssa.Value) []arg {
	as := make([]arg, len(vs))
	for i, v := range vs {
		as[i] = arg{v: v, n: s.u.Slots(v.Type()), t: v.Type()}
	}
	return as
}

func (s *sel) argVal(a arg) ir.Loc {
	if a.v != nil {
		return s.val(a.v)
	}
	return a.l
}

func (s *sel) argInto(dst ir.Loc, a arg) {
	if a.v != nil {
		s.into(dst, a.v)
		return
	}
	s.copy(dst, a.l, a.n)
}

// window makes a window with the arguments in it.
func (s *sel) window(res []int64, args []arg) (win int32, rs, as []ir.Reg) {
	for _, a := range args {
		if a.v != nil {
			if _, ok := s.resolve(a.v).(*ssa.Const); !ok {
				s.val(a.v) // what has to be computed comes before the arguments are put in place
			}
		}
	}
	sizes := make([]int64, len(args))
	for i, a := range args {
		sizes[i] = a.n
	}
	win, rs, as = s.f.NewWindow(res, sizes)
	for i, a := range args {
		if as[i] != ir.NoReg {
			s.argInto(ir.At(as[i], 0), a)
		}
	}
	return win, rs, as
}

// callWith appends a call op and copies the results out of its window.
func (s *sel) callWith(in ir.Inst, res []int64, args []arg) []ir.Loc {
	win, rs, as := s.window(res, args)
	in.Win, in.Reads, in.Writes = win, as, rs
	s.put(in)
	out := make([]ir.Loc, len(rs))
	for i, r := range rs {
		out[i] = ir.NoLoc
		if r != ir.NoReg {
			out[i] = s.f.NewLoc(res[i])
			s.copy(out[i], ir.At(r, 0), res[i])
		}
	}
	return out
}

// setResults makes rs the value of call i.
func (s *sel) setResults(i ssa.Value, rs []ir.Loc) {
	if t, ok := i.Type().(*types.Tuple); ok {
		if t.Len() > 0 {
			s.tuples[i] = rs
		}
		return
	}
	s.vals[i] = rs[0]
}

func (s *sel) call(i *ssa.Call) {
	c := &i.Call
	if b, ok := c.Value.(*ssa.Builtin); ok {
		if l, ok := s.builtin(b.Name(), s.args(c.Args), i.Type(), i); ok {
			s.vals[i] = l
		}
		return
	}
	res := s.u.ShapeOf(c.Signature()).Res
	if c.IsInvoke() {
		if readsReceiver(c) {
			s.check(s.val(c.Value).Plus(1))
		}
		s.setResults(i, s.callMethod(c, res))
		return
	}
	fn, ok := c.Value.(*ssa.Function)
	if !ok {
		in := blank(code.CallC)
		in.B = s.val(c.Value)
		s.setResults(i, s.callWith(in, res, s.args(c.Args)))
		return
	}
	s.setResults(i, s.callFunction(fn, res, s.args(c.Args)))
}

// readsReceiver says whether gc calls a method of the value that the interface points to, where it knows the type, so that a nil pointer is told as such and not by
// the name of the method.
func readsReceiver(c *ssa.CallCommon) bool {
	t, ok := flow.Concrete(c.Value).(*types.Pointer)
	if !ok {
		return false
	}
	m := types.NewMethodSet(t).Lookup(c.Method.Pkg(), c.Method.Name())
	if m == nil || len(m.Index()) != 1 {
		return false
	}
	_, pointer := m.Obj().(*types.Func).Signature().Recv().Type().(*types.Pointer)
	return !pointer
}

// callMethod calls a method of an interface value.
func (s *sel) callMethod(c *ssa.CallCommon, res []int64) []ir.Loc {
	t := c.Value.Type()
	s.u.Reach.Calls(c.Method)
	x := s.val(c.Value)
	in := blank(code.CallI)
	in.B, in.Imm = x, int64(layout.MethodIndex(t.Underlying().(*types.Interface), c.Method))
	args := append([]arg{{l: x.Plus(1), n: 1}}, s.args(c.Args)...)
	return s.callWith(in, res, args)
}

// callFunction calls fn: by ops of its own, by its Go body, by a native.
func (s *sel) callFunction(fn *ssa.Function, res []int64, args []arg) []ir.Loc {
	if fn.Synthetic == "package initializer" {
		return nil // entry calls those in order
	}
	u := s.u
	sym := u.Prog.Symbol(fn)
	if x, ok := intrinsics[sym]; ok {
		if out, ok := x(s, fn, args); ok {
			return out
		}
	}
	u.Reach.Function(sym)
	body := u.Body(fn)
	switch {
	case body != nil:
		if s.inlinable(body) {
			return s.inline(body, res, args)
		}
		in := blank(code.Call)
		in.Imm = int64(u.FuncIndex(body))
		return s.callWith(in, res, args)
	case u.cfg.Native == nil || u.cfg.Native(sym):
		in := blank(code.Native)
		in.Imm = int64(u.Native(sym))
		return s.callWith(in, res, args)
	}
	s.unsupported(sym)
	out := make([]ir.Loc, len(res))
	for i, n := range res {
		out[i] = ir.NoLoc
		if n > 0 {
			out[i] = s.f.NewLoc(n)
			s.opI(code.Zero, out[i], ir.NoLoc, n).Wide(n)
		}
	}
	return out
}

// unsupported panics, naming a symbol that nobody implements.
func (s *sel) unsupported(sym string) {
	f := s.u.Prog.Body("runtime.unsupported")
	if f == nil {
		in := blank(code.Trap)
		s.put(in)
		return
	}
	in := blank(code.Call)
	in.Imm = int64(s.u.FuncIndex(f))
	l := s.cached(constKey{kind: 's', str: sym})
	s.callWith(in, nil, []arg{{l: l, n: 2}})
}

// callNative calls a native by symbol.
func (s *sel) callNative(sym string, res []int64, args ...arg) []ir.Loc {
	in := blank(code.Native)
	in.Imm = int64(s.u.Native(sym))
	return s.callWith(in, res, args)
}

// bodyless is the body of a function that has none in Go: it calls the intrinsic or native with its own parameters.
func (s *sel) bodyless(fn *ssa.Function) {
	if link.IsStub(s.u.Prog.Symbol(fn)) {
		intrinsics[s.u.Prog.Symbol(fn)](s, fn, nil)
		s.end(blank(code.Ret))
		return
	}
	res := s.u.ShapeOf(fn.Signature).Res
	out := s.callFunction(fn, res, s.ownArgs(fn.Signature))
	s.returnLocs(out, res)
}

// ownArgs are the parameters of the function being made, as arguments.
func (s *sel) ownArgs(sig *types.Signature) []arg {
	var as []arg
	add := func(t types.Type) {
		k := len(as)
		a := arg{n: s.u.Slots(t), t: t, l: ir.NoLoc}
		if s.params[k] != ir.NoReg {
			a.l = ir.At(s.params[k], 0)
		}
		as = append(as, a)
	}
	if r := sig.Recv(); r != nil {
		add(r.Type())
	}
	for v := range sig.Params().Variables() {
		add(v.Type())
	}
	return as
}

func (s *sel) returnLocs(out []ir.Loc, res []int64) {
	in := blank(code.Ret)
	for i, l := range out {
		if l != ir.NoLoc && s.res[i] != ir.NoReg {
			s.copy(ir.At(s.res[i], 0), l, res[i])
			in.Reads = append(in.Reads, s.res[i])
		}
	}
	s.end(in)
}

// spawn is a go or defer statement; owner is the frame a defer belongs to when it is not the running one.
func (s *sel) spawn(op code.Op, c *ssa.CallCommon, owner ir.Loc) {
	slots := int64(2)
	if owner != ir.NoLoc {
		op, slots = code.DeferF, 3
	}
	ref := s.f.NewLoc(slots)
	shape, args := s.reference(ref, c)
	if slots == 3 {
		s.last().Fresh = true
		s.copy(ref.Plus(2), owner, 1)
	}
	win, _, as := s.window(shape.Res, args)
	in := blank(op)
	in.B, in.Imm, in.Win, in.Reads = ref, slotsOf(args), win, as
	s.put(in)
}

func slotsOf(args []arg) (n int64) {
	for _, a := range args {
		n += a.n
	}
	return n
}

// reference writes the reference to what c calls to ref, and is what that takes.
func (s *sel) reference(ref ir.Loc, c *ssa.CallCommon) (shape link.Shape, args []arg) {
	args = s.args(c.Args)
	if v, ok := c.Value.(*ssa.Builtin); ok {
		s.opI(code.FnS, ref, ir.NoLoc, int64(s.u.builtinFunc(v.Name(), c))).Wide(2)
		return shape, args
	}
	shape = s.u.ShapeOf(c.Signature())
	if v, ok := c.Value.(*ssa.Function); ok {
		s.opI(code.FnS, ref, ir.NoLoc, int64(s.u.FuncIndex(v))).Wide(2)
		return shape, args
	}
	if !c.IsInvoke() {
		s.opI(code.FnC, ref, s.val(c.Value), 0).Wide(2)
		return shape, args
	}
	t := c.Value.Type()
	s.u.Reach.Calls(c.Method)
	x := s.val(c.Value)
	s.opI(code.FnI, ref, x, int64(layout.MethodIndex(t.Underlying().(*types.Interface), c.Method))).Wide(2)
	return shape, append([]arg{{l: x.Plus(1), n: 1}}, args...)
}

func (s *sel) makeClosure(i *ssa.MakeClosure) {
	fn := i.Fn.(*ssa.Function)
	idx := s.u.FuncIndex(fn)
	if d := deferredOnly(i); d != nil && !s.once(d) {
		return // made by the defer statement
	}
	var sizes []int64
	for _, b := range i.Bindings {
		sizes = append(sizes, s.u.Slots(b.Type()))
		s.val(b)
	}
	d := s.define(i)
	if sum(sizes) == 0 {
		s.makeConst(d, constKey{kind: 'r', val: s.u.Closure(idx)})
		return
	}
	if s.framedClosure(i) {
		s.frameClosure(d, idx, i.Bindings)
		return
	}
	pack := s.f.NewPack(sizes...)
	in := blank(code.MkClo)
	for k, b := range i.Bindings {
		if pack[k] == ir.NoReg {
			continue
		}
		if in.B == ir.NoLoc {
			in.B = ir.At(pack[k], 0)
		}
		s.into(ir.At(pack[k], 0), b)
	}
	in.A, in.Imm, in.Ext, in.Reads = d, sum(sizes), uint64(idx), pack
	s.put(in)
}

// selectStmt: three words a case, values through memory of the frame.
func (s *sel) selectStmt(i *ssa.Select) {
	n := len(i.States)
	in := blank(code.Select)
	in.A, in.N, in.Imm = s.f.NewLoc(2), 2, int64(n)
	if i.Blocking {
		in.Ext = 1
	}
	sizes := make([]int64, 3*n)
	chans, places := make([]ir.Loc, n), make([]ir.Loc, n)
	recv := map[int]*local{}
	for k, st := range i.States {
		sizes[3*k], sizes[3*k+1], sizes[3*k+2] = 1, 1, 1
		chans[k] = s.val(st.Chan)
		elem := st.Chan.Type().Underlying().(*types.Chan).Elem()
		x := s.u.Trait(elem)
		if st.Dir == types.SendOnly {
			v := s.val(st.Send)
			if x.Boxed {
				places[k] = v
			} else {
				places[k] = s.spill(v, x.Slots)
			}
			continue
		}
		l := &local{reg: s.f.NewReg(max((x.Size+7)/8, 1)), size: x.Size, typ: elem}
		s.f.Pinned[l.reg] = true
		recv[k] = l
		places[k] = s.frameAddr(l)
	}
	if n > 0 {
		pack := s.f.NewPack(sizes...)
		for k, st := range i.States {
			s.copy(ir.At(pack[3*k], 0), chans[k], 1)
			dir := uint64(1)
			if st.Dir == types.SendOnly {
				dir = 0
			}
			s.loadWord(ir.At(pack[3*k+1], 0), dir)
			s.copy(ir.At(pack[3*k+2], 0), places[k], 1)
		}
		in.B, in.Reads = ir.At(pack[0], 0), pack
	}
	s.put(in)
	out := []ir.Loc{in.A, in.A.Plus(1)}
	for k, st := range i.States {
		if st.Dir == types.SendOnly {
			continue
		}
		elem := st.Chan.Type().Underlying().(*types.Chan).Elem()
		if s.u.Slots(elem) == 0 {
			out = append(out, ir.NoLoc)
			continue
		}
		d := s.f.NewLoc(s.u.Slots(elem))
		if signed(elem) && s.u.Size(elem) < 8 {
			s.opI(signExtend(s.u.Size(elem)), d, ir.At(recv[k].reg, 0), 0)
		} else if s.u.Trait(elem).Boxed {
			s.load(d, addr{kind: addrPtr, base: places[k]}, elem)
		} else if sz := s.u.Size(elem); sz%8 != 0 { // the tail of the last slot is not written by the receive
			s.extract(d, ir.At(recv[k].reg, 0), 0, sz, elem)
		} else {
			s.copy(d, ir.At(recv[k].reg, 0), s.u.Slots(elem))
		}
		out = append(out, d)
	}
	s.tuples[i] = out
}

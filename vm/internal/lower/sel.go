package lower

import (
	"fmt"
	"go/constant"
	"go/token"
	"math"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/flow"
	"github.com/tandemvm/tandem/vm/internal/ir"
)

// sel selects instructions for one function, go/ssa instruction by instruction. Inlined bodies are selected in scopes of
// their own.
type sel struct {
	*scope
	u   *unit
	f   *ir.Func
	cur *ir.Block
	pos int32

	consts   map[constKey]madeConst // in cur
	res      []ir.Reg               // result slots
	params   []ir.Reg
	pinned   int64 // slots of variables that have their own
	lineAt   map[ir.LinePos]int32
	closure  ir.Reg
	number   int32                    // of the function
	repeated map[*ssa.BasicBlock]bool // whether a block with a defer statement is in a cycle

	vars    map[int]variable   // of the source, by number in names
	visible int32              // ir.Inst.Scope of what is selected next
	namedAt int32              // pos at which visible was found
	aliased map[ssa.Value]bool // values that stand in a variable, until it changes
}

// scope is one body: the function's own or an inlined one.
type scope struct {
	fn     *ssa.Function
	outer  *scope
	names  *flow.Names // nil: none are known
	vals   map[ssa.Value]ir.Loc
	tuples map[ssa.Value][]ir.Loc
	addrs  map[ssa.Value]addr
	locals map[*ssa.Alloc]*local
	fused  map[ssa.Value]bool // selected by their user
	skip   map[ssa.Instruction]bool
	// appends of one element: the element
	appended map[*ssa.Call]ssa.Value
	inPlaces map[ssa.Instruction]inPlace // by what computes the new value
	heads    map[*ssa.BasicBlock]*ir.Block
	tails    map[*ssa.BasicBlock]*ir.Block
	// An inlined body: where its results go and where it continues.
	results []ir.Loc
	exit    *ir.Block
	depth   int
	in      int32                         // linePos.in
	known   map[*ssa.Parameter]*ssa.Const // parameters that are constants
	// The block being selected: the instruction, and the number of instructions up to the last that writes a variable.
	here   int
	writes map[*ssa.Alloc]int
}

// madeConst is a register that holds a constant, and the length of its block when it was last wanted.
type madeConst struct {
	loc  ir.Loc
	last int
}

// constReach is how many instructions after its last use a constant is made again rather than kept: in long blocks, such as those that
// fill tables, every constant would hold a slot to the end.
const constReach = 200

type constKey struct {
	kind byte // 'i' word, 'r' reference, 's' string, 'l' frame address, 'f' captured variable, 'z' zero
	val  uint64
	str  string
}

func (u *unit) newScope(fn *ssa.Function) *scope {
	return &scope{
		fn:       fn,
		names:    u.namesOf(fn),
		vals:     map[ssa.Value]ir.Loc{},
		tuples:   map[ssa.Value][]ir.Loc{},
		addrs:    map[ssa.Value]addr{},
		locals:   map[*ssa.Alloc]*local{},
		fused:    map[ssa.Value]bool{},
		skip:     map[ssa.Instruction]bool{},
		appended: map[*ssa.Call]ssa.Value{},
		inPlaces: map[ssa.Instruction]inPlace{},
		heads:    map[*ssa.BasicBlock]*ir.Block{},
		tails:    map[*ssa.BasicBlock]*ir.Block{},
		known:    map[*ssa.Parameter]*ssa.Const{},
	}
}

// lower makes the code of function n.
func (u *unit) lower(n int32) made {
	x := u.Funcs[n]
	f := ir.New(x.Name)
	s := &sel{u: u, f: f, lineAt: map[ir.LinePos]int32{}, closure: ir.NoReg, scope: u.newScope(x.SSA), number: n, repeated: map[*ssa.BasicBlock]bool{}, vars: map[int]variable{}, aliased: map[ssa.Value]bool{}}
	f.ResSlots, f.ArgSlots = int32(sum(x.Shape.Res)), int32(sum(x.Shape.Args))
	f.Groups[ir.GroupFrame].Size = code.FrameHeader + f.ResSlots + f.ArgSlots
	at := int64(code.FrameHeader)
	frame := func(sizes []int64) (rs []ir.Reg) {
		for _, n := range sizes {
			if n == 0 {
				rs = append(rs, ir.NoReg)
				continue
			}
			rs = append(rs, f.FrameMember(at, n))
			at += n
		}
		return rs
	}
	s.res = frame(x.Shape.Res)
	s.params = frame(x.Shape.Args)
	f.Entry = f.NewBlock()
	s.begin(f.Entry)
	switch body := u.bodies[n]; {
	case body != nil:
		body(s)
	case len(x.SSA.Blocks) == 0:
		s.bodyless(x.SSA)
	default:
		s.function()
	}
	f.Optimise()
	if f.Defers {
		x.Flags |= code.FuncDefers
	}
	return made{f.Emit(), f.Lines, f.Inlined, s.vars}
}

func sum(ns []int64) (n int64) {
	for _, x := range ns {
		n += x
	}
	return n
}

// function selects the body of s.fn as the function itself.
func (s *sel) function() {
	for i, p := range s.fn.Params {
		if s.params[i] != ir.NoReg {
			s.vals[p] = ir.At(s.params[i], 0)
		} else {
			s.vals[p] = ir.NoLoc
		}
	}
	if s.fn.Synthetic == "package initializer" {
		st := s.u.Statics(s.fn)
		s.skip = st.Done
		for v, at := range st.Vars {
			s.addrs[v] = addr{kind: addrGlobal, at: at}
		}
	}
	s.body()
	if s.fn.Recover != nil {
		s.f.Recover = s.heads[s.fn.Recover]
	}
}

// body selects all blocks of the current scope; the current block runs into the first one.
func (s *sel) body() {
	fn := s.fn
	s.analyse()
	for _, b := range fn.Blocks {
		s.heads[b] = s.f.NewBlock()
	}
	s.jumpTo(s.heads[fn.Blocks[0]])
	lost := flow.LosesDefers(fn)
	for _, b := range flow.DomOrder(fn) {
		s.begin(s.heads[b])
		s.declarePhis(b)
		s.enter(b)
		s.leaveRange(b)
		end := -1
		if lost {
			end = flow.LostRunDefers(b)
		}
		for k, i := range b.Instrs {
			s.here = k
			s.at(flow.Position(b.Instrs, k))
			s.nameAt(k, flow.Position(b.Instrs, k))
			if k == end {
				s.runDefers()
			}
			s.instr(i)
		}
		s.tails[b] = s.cur
	}
	if s.outer == nil {
		s.visible = 0 // what is written at the ends of blocks is neither here nor there
	}
	for _, b := range fn.Blocks {
		s.joinPhis(b)
	}
}

func (s *sel) runDefers() {
	in := blank(code.RunDefers)
	in.Win, _, _ = s.f.NewWindow(nil, nil)
	s.put(in)
}

func (s *sel) begin(b *ir.Block) {
	s.cur = b
	s.consts = map[constKey]madeConst{}
}

func (s *sel) newBlock() *ir.Block { return s.f.NewBlock() }

// at sets the source position of what is selected next.
func (s *sel) at(p token.Pos) {
	if !p.IsValid() {
		return
	}
	x := s.u.Prog.Fset.Position(p)
	s.atLine(ir.LinePos{File: x.Filename, Line: int32(x.Line), In: s.in})
}

func (s *sel) atLine(l ir.LinePos) {
	i, ok := s.lineAt[l]
	if !ok {
		i = int32(len(s.f.Lines))
		s.f.Lines = append(s.f.Lines, l)
		s.lineAt[l] = i
	}
	s.pos = i
}

// put appends an instruction.
func (s *sel) put(i ir.Inst) *ir.Inst {
	i.Pos, i.Scope = s.pos, s.visible
	switch i.Op {
	case code.Defer, code.DeferF, code.DeferC, code.DeferL, code.RunDefers:
		s.f.Defers = true
	}
	s.cur.Insts = append(s.cur.Insts, i)
	return &s.cur.Insts[len(s.cur.Insts)-1]
}

func blank(op code.Op) ir.Inst {
	return ir.Inst{Op: op, A: ir.NoLoc, B: ir.NoLoc, C: ir.NoLoc, X: [3]ir.Loc{ir.NoLoc, ir.NoLoc, ir.NoLoc}, Win: -1, N: 1}
}

// op3 appends dst = b op c.
func (s *sel) op3(op code.Op, a, b, c ir.Loc) *ir.Inst {
	i := blank(op)
	i.A, i.B, i.C = a, b, c
	return s.put(i)
}

// opI appends an op with two slots and an immediate, or one slot and a 32-bit immediate.
func (s *sel) opI(op code.Op, a, b ir.Loc, imm int64) *ir.Inst {
	i := blank(op)
	i.A, i.B, i.Imm = a, b, imm
	return s.put(i)
}

// opX appends an op with an ext word.
func (s *sel) opX(op code.Op, n int64, a, b, c ir.Loc, ext uint64) *ir.Inst {
	i := blank(op)
	i.N, i.A, i.B, i.C, i.Ext = int32(n), a, b, c, ext
	return s.put(i)
}

func (s *sel) new1() ir.Loc { return s.f.NewLoc(1) }

// copy appends dst = src, n slots.
func (s *sel) copy(dst, src ir.Loc, n int64) {
	if n == 0 || dst == src {
		return
	}
	i := blank(ir.OpCopy)
	i.A, i.B, i.N = dst, src, int32(n)
	s.put(i)
}

func (s *sel) last() *ir.Inst { return &s.cur.Insts[len(s.cur.Insts)-1] }

// jumpTo ends the block.
func (s *sel) jumpTo(b *ir.Block) {
	s.put(blank(ir.OpJump))
	ir.Link(s.cur, b)
}

// branch ends the block: to yes if the comparison holds, else to no.
func (s *sel) branch(op code.Op, a, b ir.Loc, imm int64, yes, no *ir.Block) {
	i := blank(ir.OpBranch)
	i.Br, i.A, i.B, i.Imm = op, a, b, imm
	s.put(i)
	ir.Link(s.cur, yes)
	ir.Link(s.cur, no)
}

// end ends the block with an op that has no successor.
func (s *sel) end(i ir.Inst) {
	s.put(i)
	s.begin(s.newBlock()) // whatever follows is unreachable
}

// --- constants

// word is a register holding v.
func (s *sel) word(v uint64) ir.Loc { return s.cached(constKey{kind: 'i', val: v}) }

// ref is a register holding an address that may be provisional.
func (s *sel) ref(v uint64) ir.Loc { return s.cached(constKey{kind: 'r', val: v}) }

func (s *sel) cached(k constKey) ir.Loc {
	now := len(s.cur.Insts)
	if c, ok := s.consts[k]; ok && now-c.last < constReach {
		s.consts[k] = madeConst{c.loc, now}
		return c.loc
	}
	n := int64(1)
	if k.kind == 's' {
		n = 2
	}
	l := s.f.NewLoc(n)
	s.makeConst(l, k)
	s.consts[k] = madeConst{l, now}
	return l
}

func (s *sel) makeConst(dst ir.Loc, k constKey) {
	switch k.kind {
	case 'i':
		s.loadWord(dst, k.val)
	case 'r':
		s.opX(code.LdC, 1, dst, ir.NoLoc, ir.NoLoc, k.val).Ref = true
	case 's':
		if k.str == "" {
			s.opI(code.Zero, dst, ir.NoLoc, 2).Wide(2)
			return
		}
		s.opI(code.LdG128, dst, ir.NoLoc, int64(s.u.StringHeader(k.str)-code.Base)).Wide(2)
	case 'l':
		s.op3(code.LeaF, dst, ir.At(ir.Reg(k.val), 0), ir.NoLoc)
	case 'f':
		s.opI(code.Ld64, dst, ir.At(s.closureReg(), 0), int64(8+8*k.val))
	}
}

func (s *sel) loadWord(dst ir.Loc, v uint64) {
	if int64(v) == int64(int32(v)) {
		s.opI(code.LdI, dst, ir.NoLoc, int64(v))
		return
	}
	s.opX(code.LdC, 1, dst, ir.NoLoc, ir.NoLoc, v)
}

// closureReg is slot 2: the closure being run.
func (s *sel) closureReg() ir.Reg {
	if s.closure == ir.NoReg {
		s.closure = s.f.FrameMember(2, 1)
		s.f.Closure = s.closure
	}
	return s.closure
}

// small is the value of v as an immediate of 16 bits.
func (s *sel) small(v ssa.Value) (int64, bool) {
	c, ok := s.resolve(v).(*ssa.Const)
	if !ok {
		return 0, false
	}
	w, ok := s.u.ConstWord(c)
	if !ok || int64(w) != int64(int16(w)) {
		return 0, false
	}
	return int64(w), true
}

// constInto writes a constant.
func (s *sel) constInto(dst ir.Loc, c *ssa.Const) {
	if w, ok := s.u.ConstWord(c); ok {
		s.loadWord(dst, w)
		return
	}
	t := s.u.Trait(c.Type())
	switch {
	case t.Boxed:
		s.opX(code.LdC, 1, dst, ir.NoLoc, ir.NoLoc, s.u.Zeros(t.Size))
	case c.Value == nil:
		s.opI(code.Zero, dst, ir.NoLoc, t.Slots).Wide(t.Slots)
	case c.Value.Kind() == constant.String:
		s.makeConst(dst, constKey{kind: 's', str: constant.StringVal(c.Value)})
	default: // complex128
		re, _ := constant.Float64Val(constant.Real(c.Value))
		im, _ := constant.Float64Val(constant.Imag(c.Value))
		s.opI(code.LdG128, dst, ir.NoLoc, int64(s.u.Words(math.Float64bits(re), math.Float64bits(im))-code.Base)).Wide(2)
	}
}

// --- values

// val is where the value v stands, computed at the current place if it is one that needs no instruction in go/ssa.
func (s *sel) val(v ssa.Value) ir.Loc {
	if l, ok := s.vals[v]; ok {
		return l
	}
	v = s.resolve(v)
	switch v := v.(type) {
	case *ssa.Const:
		if s.u.Slots(v.Type()) == 0 {
			return ir.NoLoc
		}
		if w, ok := s.u.ConstWord(v); ok {
			return s.word(w)
		}
		if v.Value != nil && v.Value.Kind() == constant.String {
			return s.cached(constKey{kind: 's', str: constant.StringVal(v.Value)})
		}
		l := s.f.NewLoc(s.u.Slots(v.Type()))
		s.constInto(l, v)
		return l
	case *ssa.Global:
		return s.ref(s.u.Global(v))
	case *ssa.Function:
		return s.ref(s.u.Closure(s.u.FuncIndex(v)))
	case *ssa.FreeVar:
		return s.freeVar(v)
	}
	if a, ok := s.addrs[v]; ok {
		return s.pointer(a)
	}
	if a, ok := v.(*ssa.Alloc); ok && s.locals[a] != nil {
		return s.pointer(s.addrOf(a))
	}
	panic(fmt.Sprintf("BUG: lower: %s: value %s = %s (%T) is used before it is selected", s.fn, v.Name(), v, v))
}

func (s *sel) freeVar(v *ssa.FreeVar) ir.Loc {
	at := s.captured(v)
	switch n := s.u.Slots(v.Type()); n {
	case 0:
		return ir.NoLoc
	case 1:
		return s.cached(constKey{kind: 'f', val: uint64(at)})
	default:
		l := s.f.NewLoc(n)
		s.loadBytes(l, ir.At(s.closureReg(), 0), 8+8*at, 8*n)
		return l
	}
}

// into writes the value of v to dst.
func (s *sel) into(dst ir.Loc, v ssa.Value) {
	n := s.u.Slots(v.Type())
	if n == 0 {
		return
	}
	v = s.resolve(v)
	switch v := v.(type) {
	case *ssa.Const:
		s.constInto(dst, v)
		return
	case *ssa.Global:
		s.makeConst(dst, constKey{kind: 'r', val: s.u.Global(v)})
		return
	case *ssa.Function:
		s.makeConst(dst, constKey{kind: 'r', val: s.u.Closure(s.u.FuncIndex(v))})
		return
	}
	s.copy(dst, s.val(v), n)
}

// define makes a register for the result of v.
func (s *sel) define(v ssa.Value) ir.Loc {
	n := s.u.Slots(v.Type())
	if n == 0 {
		s.vals[v] = ir.NoLoc
		return ir.NoLoc
	}
	l := s.f.NewLoc(n)
	s.vals[v] = l
	return l
}

// --- phis

func (s *sel) declarePhis(b *ssa.BasicBlock) {
	for _, i := range b.Instrs {
		p, ok := i.(*ssa.Phi)
		if !ok {
			return
		}
		s.define(p)
	}
}

// joinPhis writes the phis of b at the end of each predecessor.
func (s *sel) joinPhis(b *ssa.BasicBlock) {
	var phis []*ssa.Phi
	for _, i := range b.Instrs {
		p, ok := i.(*ssa.Phi)
		if !ok {
			break
		}
		if s.vals[p] != ir.NoLoc {
			phis = append(phis, p)
		}
	}
	if len(phis) == 0 {
		return
	}
	for e, pb := range b.Preds {
		tail := s.tails[pb]
		if tail == nil {
			continue // unreachable
		}
		var jump ir.Inst
		if len(tail.Succs) == 1 {
			s.begin(tail)
			jump = tail.Insts[len(tail.Insts)-1]
			jump.Scope = 0
			tail.Insts = tail.Insts[:len(tail.Insts)-1]
		} else {
			s.splitEdge(tail, s.heads[b])
			jump = blank(ir.OpJump)
		}
		par := blank(ir.OpParallel)
		for _, p := range phis {
			v, n := s.resolve(p.Edges[e]), int32(s.u.Slots(p.Type()))
			c := ir.Move{Dst: s.vals[p], Src: ir.NoLoc, N: n}
			if k, ok := v.(*ssa.Const); ok {
				if w, ok := s.u.ConstWord(k); ok {
					c.Val = w
					par.Copies = append(par.Copies, c)
					continue
				}
				if k.Value == nil && !s.u.Trait(k.Type()).Boxed {
					par.Copies = append(par.Copies, c) // zero
					continue
				}
			}
			c.Src = s.val(v)
			if c.Src != c.Dst {
				par.Copies = append(par.Copies, c)
			}
		}
		s.pos = 0
		s.put(par)
		s.cur.Insts = append(s.cur.Insts, jump)
	}
}

// splitEdge puts a new block between from and to, and makes it the current one.
func (s *sel) splitEdge(from, to *ir.Block) {
	m := s.newBlock()
	for i, x := range from.Succs {
		if x == to {
			from.Succs[i] = m
		}
	}
	for i, x := range to.Preds {
		if x == from {
			to.Preds[i] = m
		}
	}
	m.Preds, m.Succs = []*ir.Block{from}, []*ir.Block{to}
	s.begin(m)
}

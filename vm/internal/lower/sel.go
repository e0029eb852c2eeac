package lower

import (
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"math"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// sel selects instructions for one function, go/ssa instruction by instruction. Inlined bodies are selected in scopes of
// their own.
type sel struct {
	*scope
	u   *unit
	f   *fn
	cur *block
	pos int32

	consts  map[constKey]madeConst // in cur
	res     []reg                  // result slots
	params  []reg
	lineAt  map[linePos]int32
	closure reg
}

// scope is one body: the function's own or an inlined one.
type scope struct {
	fn     *ssa.Function
	outer  *scope
	vals   map[ssa.Value]loc
	tuples map[ssa.Value][]loc
	addrs  map[ssa.Value]addr
	locals map[*ssa.Alloc]*local
	fused  map[ssa.Value]bool // selected by their user
	skip   map[ssa.Instruction]bool
	// appends of one element: the element
	appended map[*ssa.Call]ssa.Value
	heads    map[*ssa.BasicBlock]*block
	tails    map[*ssa.BasicBlock]*block
	// An inlined body: where its results go and where it continues.
	results []loc
	exit    *block
	depth   int
	in      int32                         // linePos.in
	known   map[*ssa.Parameter]*ssa.Const // parameters that are constants
	// The block being selected: the instruction, and the number of instructions up to the last that writes a variable.
	here   int
	writes map[*ssa.Alloc]int
}

// madeConst is a register that holds a constant, and the length of its block when it was last wanted.
type madeConst struct {
	loc  loc
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

func newScope(fn *ssa.Function) *scope {
	return &scope{
		fn:       fn,
		vals:     map[ssa.Value]loc{},
		tuples:   map[ssa.Value][]loc{},
		addrs:    map[ssa.Value]addr{},
		locals:   map[*ssa.Alloc]*local{},
		fused:    map[ssa.Value]bool{},
		skip:     map[ssa.Instruction]bool{},
		appended: map[*ssa.Call]ssa.Value{},
		heads:    map[*ssa.BasicBlock]*block{},
		tails:    map[*ssa.BasicBlock]*block{},
		known:    map[*ssa.Parameter]*ssa.Const{},
	}
}

// lower makes the code of x.
func (u *unit) lower(x *function) {
	f := newFn(x.name)
	s := &sel{u: u, f: f, lineAt: map[linePos]int32{}, closure: noReg, scope: newScope(x.fn)}
	f.resSlots, f.argSlots = int32(sum(x.sig.res)), int32(sum(x.sig.args))
	f.groups[groupFrame].size = code.FrameHeader + f.resSlots + f.argSlots
	at := int64(code.FrameHeader)
	frame := func(sizes []int64) (rs []reg) {
		for _, n := range sizes {
			if n == 0 {
				rs = append(rs, noReg)
				continue
			}
			rs = append(rs, f.frameMember(at, n))
			at += n
		}
		return rs
	}
	s.res = frame(x.sig.res)
	s.params = frame(x.sig.args)
	f.entry = f.newBlock()
	s.begin(f.entry)
	if x.gen != nil {
		x.gen(s)
	} else {
		s.function()
	}
	f.optimise()
	if f.defers {
		x.flags |= code.FuncDefers
	}
	x.chunk = f.emit()
	x.lines, x.inlined = f.lines, f.inlined
}

// function selects the body of s.fn as the function itself.
func (s *sel) function() {
	for i, p := range s.fn.Params {
		if s.params[i] != noReg {
			s.vals[p] = loc{s.params[i], 0}
		} else {
			s.vals[p] = noLoc
		}
	}
	if s.fn.Synthetic == "package initializer" {
		s.statics()
	}
	s.body()
	if s.fn.Recover != nil {
		s.f.recover = s.heads[s.fn.Recover]
	}
}

// body selects all blocks of the current scope; the current block runs into the first one.
func (s *sel) body() {
	fn := s.fn
	s.analyse()
	for _, b := range fn.Blocks {
		s.heads[b] = s.f.newBlock()
	}
	s.jumpTo(s.heads[fn.Blocks[0]])
	lost := losesDefers(fn)
	for _, b := range domOrder(fn) {
		s.begin(s.heads[b])
		s.declarePhis(b)
		s.enter(b)
		s.leaveRange(b)
		end := -1
		if lost {
			end = s.lostRunDefers(b)
		}
		for k, i := range b.Instrs {
			s.here = k
			s.at(position(b.Instrs, k))
			if k == end {
				s.runDefers()
			}
			s.instr(i)
		}
		s.tails[b] = s.cur
	}
	for _, b := range fn.Blocks {
		s.joinPhis(b)
	}
}

// lostRunDefers is where in b, of a function that loses its deferred calls, they have to be run although go/ssa has no instruction for it,
// -1 nowhere: it drops RunDefers from functions whose defer statements all are in bodies of ranges over functions. That place is before the
// results are loaded for the return.
func (s *sel) lostRunDefers(b *ssa.BasicBlock) int {
	if b == s.fn.Recover || len(b.Instrs) == 0 {
		return -1
	}
	k := len(b.Instrs) - 1
	if _, ok := b.Instrs[k].(*ssa.Return); !ok {
		return -1
	}
	for k > 0 {
		if x, ok := b.Instrs[k-1].(*ssa.UnOp); !ok || x.Op != token.MUL {
			break
		}
		k--
	}
	return k
}

// losesDefers says whether fn keeps a stack of deferred calls that it does not run.
func losesDefers(fn *ssa.Function) bool {
	stack := false
	for _, b := range fn.Blocks {
		for _, i := range b.Instrs {
			switch i := i.(type) {
			case *ssa.RunDefers:
				return false
			case *ssa.Call:
				x, ok := i.Call.Value.(*ssa.Builtin)
				stack = stack || ok && x.Name() == "ssa:deferstack"
			}
		}
	}
	return stack
}

func (s *sel) runDefers() {
	in := blank(code.RunDefers)
	in.win, _, _ = s.f.newWindow(nil, nil)
	s.put(in)
}

// domOrder is the blocks so that each comes after its dominators.
func domOrder(fn *ssa.Function) []*ssa.BasicBlock {
	var order []*ssa.BasicBlock
	var visit func(b *ssa.BasicBlock)
	visit = func(b *ssa.BasicBlock) {
		order = append(order, b)
		for _, d := range b.Dominees() {
			visit(d)
		}
	}
	visit(fn.Blocks[0])
	if fn.Recover != nil {
		seen := false
		for _, b := range order {
			seen = seen || b == fn.Recover
		}
		if !seen {
			visit(fn.Recover)
		}
	}
	return order
}

func (s *sel) begin(b *block) {
	s.cur = b
	s.consts = map[constKey]madeConst{}
}

func (s *sel) newBlock() *block { return s.f.newBlock() }

// at sets the source position of what is selected next.
func (s *sel) at(p token.Pos) {
	if !p.IsValid() {
		return
	}
	x := s.u.prog.Fset.Position(p)
	s.atLine(linePos{x.Filename, int32(x.Line), s.in})
}

// position is where instruction k stands; a load that has none belongs to what follows it.
func position(list []ssa.Instruction, k int) token.Pos {
	p := list[k].Pos()
	if _, load := list[k].(*ssa.UnOp); load {
		for k++; !p.IsValid() && k < len(list); k++ {
			p = list[k].Pos()
		}
	}
	return p
}

func (s *sel) atLine(l linePos) {
	i, ok := s.lineAt[l]
	if !ok {
		i = int32(len(s.f.lines))
		s.f.lines = append(s.f.lines, l)
		s.lineAt[l] = i
	}
	s.pos = i
}

// put appends an instruction.
func (s *sel) put(i inst) *inst {
	i.pos = s.pos
	switch i.op {
	case code.Defer, code.DeferF, code.RunDefers:
		s.f.defers = true
	}
	s.cur.insts = append(s.cur.insts, i)
	return &s.cur.insts[len(s.cur.insts)-1]
}

func blank(op code.Op) inst {
	return inst{op: op, a: noLoc, b: noLoc, c: noLoc, x: [3]loc{noLoc, noLoc, noLoc}, win: -1, n: 1}
}

// op3 appends dst = b op c.
func (s *sel) op3(op code.Op, a, b, c loc) *inst {
	i := blank(op)
	i.a, i.b, i.c = a, b, c
	return s.put(i)
}

// opI appends an op with two slots and an immediate, or one slot and a 32-bit immediate.
func (s *sel) opI(op code.Op, a, b loc, imm int64) *inst {
	i := blank(op)
	i.a, i.b, i.imm = a, b, imm
	return s.put(i)
}

// opX appends an op with an ext word.
func (s *sel) opX(op code.Op, n int64, a, b, c loc, ext uint64) *inst {
	i := blank(op)
	i.n, i.a, i.b, i.c, i.ext = int32(n), a, b, c, ext
	return s.put(i)
}

func (s *sel) new1() loc { return s.f.newLoc(1) }

// copy appends dst = src, n slots.
func (s *sel) copy(dst, src loc, n int64) {
	if n == 0 || dst == src {
		return
	}
	i := blank(opCopy)
	i.a, i.b, i.n = dst, src, int32(n)
	s.put(i)
}

func (s *sel) last() *inst { return &s.cur.insts[len(s.cur.insts)-1] }

// jumpTo ends the block.
func (s *sel) jumpTo(b *block) {
	s.put(blank(opJump))
	link(s.cur, b)
}

// branch ends the block: to yes if the comparison holds, else to no.
func (s *sel) branch(op code.Op, a, b loc, imm int64, yes, no *block) {
	i := blank(opBranch)
	i.br, i.a, i.b, i.imm = op, a, b, imm
	s.put(i)
	link(s.cur, yes)
	link(s.cur, no)
}

// end ends the block with an op that has no successor.
func (s *sel) end(i inst) {
	s.put(i)
	s.begin(s.newBlock()) // whatever follows is unreachable
}

// --- constants

// word is a register holding v.
func (s *sel) word(v uint64) loc { return s.cached(constKey{kind: 'i', val: v}) }

// ref is a register holding an address that may be provisional.
func (s *sel) ref(v uint64) loc { return s.cached(constKey{kind: 'r', val: v}) }

func (s *sel) cached(k constKey) loc {
	now := len(s.cur.insts)
	if c, ok := s.consts[k]; ok && now-c.last < constReach {
		s.consts[k] = madeConst{c.loc, now}
		return c.loc
	}
	n := int64(1)
	if k.kind == 's' {
		n = 2
	}
	l := s.f.newLoc(n)
	s.makeConst(l, k)
	s.consts[k] = madeConst{l, now}
	return l
}

func (s *sel) makeConst(dst loc, k constKey) {
	switch k.kind {
	case 'i':
		s.loadWord(dst, k.val)
	case 'r':
		s.opX(code.LdC, 1, dst, noLoc, noLoc, k.val).ref = true
	case 's':
		if k.str == "" {
			s.opI(code.Zero, dst, noLoc, 2).wide(2)
			return
		}
		s.opI(code.LdG128, dst, noLoc, int64(s.u.stringHeader(k.str)-code.Base)).wide(2)
	case 'l':
		s.op3(code.LeaF, dst, loc{reg(k.val), 0}, noLoc)
	case 'f':
		s.opI(code.Ld64, dst, loc{s.closureReg(), 0}, int64(8+8*k.val))
	}
}

func (s *sel) loadWord(dst loc, v uint64) {
	if int64(v) == int64(int32(v)) {
		s.opI(code.LdI, dst, noLoc, int64(v))
		return
	}
	s.opX(code.LdC, 1, dst, noLoc, noLoc, v)
}

// closureReg is slot 2: the closure being run.
func (s *sel) closureReg() reg {
	if s.closure == noReg {
		s.closure = s.f.frameMember(2, 1)
		s.f.closure = s.closure
	}
	return s.closure
}

// constWord is the slot contents of a constant of one slot.
func (s *sel) constWord(c *ssa.Const) (uint64, bool) {
	if c.Value == nil {
		return 0, s.u.slots(c.Type()) == 1 && !s.u.trait(c.Type()).boxed
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

// small is the value of v as an immediate of 16 bits.
func (s *sel) small(v ssa.Value) (int64, bool) {
	c, ok := s.resolve(v).(*ssa.Const)
	if !ok {
		return 0, false
	}
	w, ok := s.constWord(c)
	if !ok || int64(w) != int64(int16(w)) {
		return 0, false
	}
	return int64(w), true
}

// constInto writes a constant.
func (s *sel) constInto(dst loc, c *ssa.Const) {
	if w, ok := s.constWord(c); ok {
		s.loadWord(dst, w)
		return
	}
	t := s.u.trait(c.Type())
	switch {
	case t.boxed:
		s.opX(code.LdC, 1, dst, noLoc, noLoc, s.u.zeros(t.size))
	case c.Value == nil:
		s.opI(code.Zero, dst, noLoc, t.slots).wide(t.slots)
	case c.Value.Kind() == constant.String:
		s.makeConst(dst, constKey{kind: 's', str: constant.StringVal(c.Value)})
	default: // complex128
		re, _ := constant.Float64Val(constant.Real(c.Value))
		im, _ := constant.Float64Val(constant.Imag(c.Value))
		s.opI(code.LdG128, dst, noLoc, int64(s.u.words(math.Float64bits(re), math.Float64bits(im))-code.Base)).wide(2)
	}
}

// --- values

// val is where the value v stands, computed at the current place if it is one that needs no instruction in go/ssa.
func (s *sel) val(v ssa.Value) loc {
	if l, ok := s.vals[v]; ok {
		return l
	}
	v = s.resolve(v)
	switch v := v.(type) {
	case *ssa.Const:
		if s.u.slots(v.Type()) == 0 {
			return noLoc
		}
		if w, ok := s.constWord(v); ok {
			return s.word(w)
		}
		if v.Value != nil && v.Value.Kind() == constant.String {
			return s.cached(constKey{kind: 's', str: constant.StringVal(v.Value)})
		}
		l := s.f.newLoc(s.u.slots(v.Type()))
		s.constInto(l, v)
		return l
	case *ssa.Global:
		return s.ref(s.u.global(v))
	case *ssa.Function:
		return s.ref(s.u.closure(s.u.funcIndex(v)))
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

func (s *sel) freeVar(v *ssa.FreeVar) loc {
	at := int64(0)
	for _, x := range s.fn.FreeVars {
		if x == v {
			break
		}
		at += s.u.slots(x.Type())
	}
	switch n := s.u.slots(v.Type()); n {
	case 0:
		return noLoc
	case 1:
		return s.cached(constKey{kind: 'f', val: uint64(at)})
	default:
		l := s.f.newLoc(n)
		s.loadBytes(l, loc{s.closureReg(), 0}, 8+8*at, 8*n)
		return l
	}
}

// into writes the value of v to dst.
func (s *sel) into(dst loc, v ssa.Value) {
	n := s.u.slots(v.Type())
	if n == 0 {
		return
	}
	v = s.resolve(v)
	switch v := v.(type) {
	case *ssa.Const:
		s.constInto(dst, v)
		return
	case *ssa.Global:
		s.makeConst(dst, constKey{kind: 'r', val: s.u.global(v)})
		return
	case *ssa.Function:
		s.makeConst(dst, constKey{kind: 'r', val: s.u.closure(s.u.funcIndex(v))})
		return
	}
	s.copy(dst, s.val(v), n)
}

// define makes a register for the result of v.
func (s *sel) define(v ssa.Value) loc {
	n := s.u.slots(v.Type())
	if n == 0 {
		s.vals[v] = noLoc
		return noLoc
	}
	l := s.f.newLoc(n)
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
		if s.vals[p] != noLoc {
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
		var jump inst
		if len(tail.succs) == 1 {
			s.begin(tail)
			jump = tail.insts[len(tail.insts)-1]
			tail.insts = tail.insts[:len(tail.insts)-1]
		} else {
			s.splitEdge(tail, s.heads[b])
			jump = blank(opJump)
		}
		par := blank(opParallel)
		for _, p := range phis {
			v, n := s.resolve(p.Edges[e]), int32(s.u.slots(p.Type()))
			c := pcopy{dst: s.vals[p], src: noLoc, n: n}
			if k, ok := v.(*ssa.Const); ok {
				if w, ok := s.constWord(k); ok {
					c.val = w
					par.copies = append(par.copies, c)
					continue
				}
				if k.Value == nil && !s.u.trait(k.Type()).boxed {
					par.copies = append(par.copies, c) // zero
					continue
				}
			}
			c.src = s.val(v)
			if c.src != c.dst {
				par.copies = append(par.copies, c)
			}
		}
		s.pos = 0
		s.put(par)
		s.cur.insts = append(s.cur.insts, jump)
	}
}

// splitEdge puts a new block between from and to, and makes it the current one.
func (s *sel) splitEdge(from, to *block) {
	m := s.newBlock()
	for i, x := range from.succs {
		if x == to {
			from.succs[i] = m
		}
	}
	for i, x := range to.preds {
		if x == from {
			to.preds[i] = m
		}
	}
	m.preds, m.succs = []*block{from}, []*block{to}
	s.begin(m)
}

package lower

import (
	"fmt"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/flow"
	"github.com/tandemvm/tandem/vm/internal/ir"
	"github.com/tandemvm/tandem/vm/internal/layout"
)

// binOp selects arithmetic and comparisons that yield a bool.
func (s *sel) binOp(i *ssa.BinOp) {
	t := i.X.Type()
	switch {
	case flow.IsCompare(i.Op):
		s.compare(s.define(i), i)
	case i.Op == token.SHL || i.Op == token.SHR:
		s.shift(i)
	case layout.IsString(t):
		s.concat(i)
	case layout.IsComplex(t):
		s.complexOp(i)
	case layout.IsFloat(t):
		ops := map[token.Token]code.Op{token.ADD: code.AddF64, token.SUB: code.SubF64, token.MUL: code.MulF64, token.QUO: code.DivF64}
		if s.u.Size(t) == 4 {
			ops = map[token.Token]code.Op{token.ADD: code.AddF32, token.SUB: code.SubF32, token.MUL: code.MulF32, token.QUO: code.DivF32}
		}
		s.op3(ops[i.Op], s.define(i), s.val(i.X), s.val(i.Y))
	default:
		s.intOp(s.define(i), i.Op, t, i.X, i.Y)
	}
}

var intOps = map[token.Token]code.Op{
	token.ADD: code.Add, token.SUB: code.Sub, token.MUL: code.Mul,
	token.AND: code.And, token.OR: code.Or, token.XOR: code.Xor, token.AND_NOT: code.AndNot,
}

// immOps are the ops with an immediate right operand.
var immOps = map[token.Token]code.Op{
	token.ADD: code.AddI, token.SUB: code.AddI, token.MUL: code.MulI,
	token.AND: code.AndI, token.OR: code.OrI, token.XOR: code.XorI, token.AND_NOT: code.AndI,
}

// narrowOps compute and wrap to 32 bits at once: signed, unsigned.
var narrowOps = map[token.Token][2]code.Op{
	token.ADD: {code.AddS32, code.AddU32}, token.SUB: {code.SubS32, code.SubU32}, token.MUL: {code.MulS32, code.MulU32},
}

func (s *sel) intOp(d ir.Loc, op token.Token, t types.Type, x, y ssa.Value) {
	size, sign := s.u.Size(t), signed(t)
	commutes := op == token.ADD || op == token.MUL || op == token.AND || op == token.OR || op == token.XOR
	if _, ok := s.small(x); ok && commutes {
		x, y = y, x
	}
	if op == token.QUO || op == token.REM {
		s.divide(d, op, t, x, y)
		return
	}
	wraps := op == token.ADD || op == token.SUB || op == token.MUL
	imm, isImm := s.small(y)
	switch op {
	case token.SUB:
		imm = -imm
		isImm = isImm && imm == int64(int16(imm))
	case token.AND_NOT:
		imm = ^imm
	}
	if isImm {
		if wraps && size == 4 && op != token.MUL {
			s.opI(pick(sign, code.AddS32I, code.AddU32I), d, s.val(x), imm)
			return
		}
		if op == token.AND && imm < 0 && !sign && size < 8 {
			isImm = false // cannot be: unsigned constants are not negative
		}
	}
	if isImm {
		to := s.narrowing(d, wraps && size < 8)
		s.opI(immOps[op], to, s.val(x), imm)
		s.wrap(d, to, t)
		return
	}
	if n, ok := narrowOps[op]; ok && size == 4 {
		s.op3(pick(sign, n[0], n[1]), d, s.val(x), s.val(y))
		return
	}
	to := s.narrowing(d, wraps && size < 8)
	s.op3(intOps[op], to, s.val(x), s.val(y))
	s.wrap(d, to, t)
}

// narrowing is where a result is computed that may have to be wrapped on its way to d.
func (s *sel) narrowing(d ir.Loc, wraps bool) ir.Loc {
	if wraps {
		return s.new1()
	}
	return d
}

func (s *sel) wrap(d, from ir.Loc, t types.Type) {
	if d != from {
		s.extend(d, from, t)
	}
}

func pick(c bool, a, b code.Op) code.Op {
	if c {
		return a
	}
	return b
}

func (s *sel) divide(d ir.Loc, op token.Token, t types.Type, x, y ssa.Value) {
	sign := signed(t)
	if k, ok := s.small(y); ok && k > 0 && k&(k-1) == 0 && !sign {
		if op == token.REM {
			s.opI(code.AndI, d, s.val(x), k-1)
		} else {
			s.opI(code.ShrUI, d, s.val(x), int64(log2(k)))
		}
		return
	}
	if k, ok := s.divisor(y, sign); ok {
		o := pick(sign, code.DivSC, code.DivUC)
		if op == token.REM {
			o = pick(sign, code.RemSC, code.RemUC)
		}
		s.opX(o, 1, d, s.val(x), ir.NoLoc, k)
		return
	}
	if op == token.REM {
		s.op3(pick(sign, code.RemS, code.RemU), d, s.val(x), s.val(y))
		return
	}
	to := s.narrowing(d, sign && s.u.Size(t) < 8) // MinInt / -1
	s.op3(pick(sign, code.DivS, code.DivU), to, s.val(x), s.val(y))
	s.wrap(d, to, t)
}

// divisor is the constant that v is, if division by it has an op of its own.
func (s *sel) divisor(v ssa.Value, sign bool) (uint64, bool) {
	c, ok := s.resolve(v).(*ssa.Const)
	if !ok {
		return 0, false
	}
	k, ok := s.u.ConstWord(c)
	return k, ok && k >= 2 && (!sign || int64(k) > 0)
}

func log2(k int64) (n int) {
	for ; k > 1; k >>= 1 {
		n++
	}
	return n
}

func (s *sel) shift(i *ssa.BinOp) {
	t := i.Type()
	size, sign := s.u.Size(t), signed(t)
	d, x := s.define(i), s.val(i.X)
	left := i.Op == token.SHL
	if c, ok := i.Y.(*ssa.Const); ok {
		n, _ := s.u.ConstWord(c)
		if signed(i.Y.Type()) && int64(n) < 0 {
			in := blank(code.ShChk)
			in.A = s.word(n)
			s.put(in)
		}
		s.shiftConst(d, x, t, left, n)
		return
	}
	n := s.val(i.Y)
	if signed(i.Y.Type()) {
		in := blank(code.ShChk)
		in.A = n
		s.put(in)
	}
	switch {
	case left && size == 4 && !sign:
		s.op3(code.ShlU32, d, x, n)
	case left:
		to := s.narrowing(d, size < 8)
		s.op3(code.Shl, to, x, n)
		s.wrap(d, to, t)
	default:
		s.op3(pick(sign, code.ShrS, code.ShrU), d, x, n)
	}
}

func (s *sel) shiftConst(d, x ir.Loc, t types.Type, left bool, n uint64) {
	size, sign := s.u.Size(t), signed(t)
	switch {
	case left && n >= 64, !left && !sign && n >= 64:
		s.loadWord(d, 0)
	case left && size == 4 && !sign && n < 32:
		s.opI(code.ShlU32I, d, x, int64(n))
	case left:
		to := s.narrowing(d, size < 8)
		s.opI(code.ShlI, to, x, int64(n))
		s.wrap(d, to, t)
	default:
		s.opI(pick(sign, code.ShrSI, code.ShrUI), d, x, int64(min(n, 63)))
	}
}

func (s *sel) negate(i *ssa.UnOp) {
	t := i.X.Type()
	d, x := s.define(i), s.val(i.X)
	switch {
	case layout.IsComplex(t) && s.u.Size(t) == 16:
		s.opI(code.NegF64, d, x, 0).Fresh = true
		s.opI(code.NegF64, d.Plus(1), x.Plus(1), 0)
	case layout.IsComplex(t):
		// The two sign bits of the packed float32s.
		s.op3(code.Xor, d, x, s.word(1<<63|1<<31))
	case layout.IsFloat(t):
		s.opI(pick(s.u.Size(t) == 4, code.NegF32, code.NegF64), d, x, 0)
	default:
		to := s.narrowing(d, s.u.Size(t) < 8)
		s.opI(code.Neg, to, x, 0)
		s.wrap(d, to, t)
	}
}

func (s *sel) complexOp(i *ssa.BinOp) {
	op := map[token.Token]code.Op{token.ADD: code.AddC, token.SUB: code.SubC, token.MUL: code.MulC, token.QUO: code.DivC}[i.Op]
	d := s.define(i)
	x, y := s.wideComplex(i.X), s.wideComplex(i.Y)
	if s.u.Size(i.Type()) == 16 {
		s.op3(op, d, x, y).Wide(2)
		return
	}
	w := s.f.NewLoc(2)
	s.op3(op, w, x, y).Wide(2)
	s.opI(code.C128ToC64, d, w, 0)
}

// wideComplex is the value of v as a complex128.
func (s *sel) wideComplex(v ssa.Value) ir.Loc {
	x := s.val(v)
	if s.u.Size(v.Type()) == 16 {
		return x
	}
	w := s.f.NewLoc(2)
	s.opI(code.C64ToC128, w, x, 0).Wide(2)
	return w
}

// concat joins the strings of a whole chain of sums at once.
func (s *sel) concat(i *ssa.BinOp) {
	var parts []ssa.Value
	var walk func(v ssa.Value)
	walk = func(v ssa.Value) {
		if b, ok := v.(*ssa.BinOp); ok && s.fused[b] {
			walk(b.X)
			walk(b.Y)
			return
		}
		parts = append(parts, v)
	}
	walk(i.X)
	walk(i.Y)
	sizes := make([]int64, len(parts))
	for k := range sizes {
		sizes[k] = 2
	}
	for _, p := range parts {
		if _, ok := p.(*ssa.Const); !ok {
			s.val(p)
		}
	}
	pack := s.f.NewPack(sizes...)
	for k, p := range parts {
		s.into(ir.At(pack[k], 0), p)
	}
	in := blank(code.Concat)
	in.A, in.N, in.B, in.Imm, in.Reads = s.define(i), 2, ir.At(pack[0], 0), int64(len(parts)), pack
	s.put(in)
}

// --- comparisons

// comparison is how values of one type are compared.
type comparison struct {
	op, jump   code.Op // register with register
	swap, not  bool
	imm, jimm  code.Op // with an immediate, 0 none
	typ        uint64  // EqVal
	x, y       ir.Loc
	immediate  int64
	useImm     bool
	viaCompare bool // x and y are strings to be ordered by CmpStr first
}

// compare writes the bool of comparison i to d.
func (s *sel) compare(d ir.Loc, i *ssa.BinOp) {
	c := s.comparison(i)
	to := d
	if c.not {
		to = s.new1()
	}
	s.compareOp(to, c)
	if c.not {
		s.opI(code.Not, d, to, 0)
	}
}

func (s *sel) compareOp(d ir.Loc, c comparison) {
	switch {
	case c.useImm:
		s.opI(c.imm, d, c.x, c.immediate)
	case c.op == code.EqVal:
		s.opX(code.EqVal, 1, d, c.x, c.y, c.typ)
	default:
		s.op3(c.op, d, c.x, c.y)
	}
}

// compareJump ends the block with a jump by comparison i.
func (s *sel) compareJump(i *ssa.BinOp, yes, no *ir.Block) {
	c := s.comparison(i)
	switch {
	case c.useImm && c.jimm != 0:
		s.branch(c.jimm, c.x, ir.NoLoc, c.immediate, yes, no)
	case !c.useImm && c.jump != 0:
		if c.not {
			yes, no = no, yes
		}
		s.branch(c.jump, c.x, c.y, 0, yes, no)
	default:
		d := s.new1()
		s.compareOp(d, c)
		if c.not {
			yes, no = no, yes
		}
		s.branch(code.JT, d, ir.NoLoc, 0, yes, no)
	}
}

// mirrored is the comparison with its operands exchanged.
func mirrored(op token.Token) token.Token {
	switch op {
	case token.LSS:
		return token.GTR
	case token.GTR:
		return token.LSS
	case token.LEQ:
		return token.GEQ
	case token.GEQ:
		return token.LEQ
	}
	return op
}

func (s *sel) comparison(i *ssa.BinOp) (c comparison) {
	op, x, y := i.Op, i.X, i.Y
	t := x.Type()
	if c, ok := s.nilComparison(op, x, y); ok {
		return c
	}
	switch t.Underlying().(type) {
	case *types.Interface:
		c.op = code.EqIface
		if layout.IsEmptyInterface(t) {
			c.op = code.EqEface
		}
		c.x, c.y, c.not = s.val(x), s.val(y), op == token.NEQ
		return c
	case *types.Struct, *types.Array:
		if s.u.Slots(t) == 0 {
			c.op, c.jump, c.x, c.y, c.not = code.EqI, code.JEq, s.word(0), s.word(0), op == token.NEQ
			return c
		}
		c.op, c.typ, c.not = code.EqVal, s.u.TypeAddr(t), op == token.NEQ
		c.x, c.y = s.val(x), s.val(y)
		return c
	}
	switch {
	case layout.IsString(t):
		return s.stringComparison(op, x, y)
	case layout.IsComplex(t):
		c.op, c.typ, c.not = code.EqVal, s.u.TypeAddr(t), op == token.NEQ
		c.x, c.y = s.val(x), s.val(y)
		return c
	case layout.IsFloat(t):
		return s.floatComparison(op, x, y)
	}
	return s.wordComparison(op, x, y)
}

// wordComparison compares one slot: numbers, bools, pointers, channels.
func (s *sel) wordComparison(op token.Token, x, y ssa.Value) (c comparison) {
	if _, ok := s.small(x); ok {
		x, y, op = y, x, mirrored(op)
	}
	sign := signed(x.Type())
	if k, ok := s.small(y); ok && (sign || op == token.EQL || op == token.NEQ) {
		c.useImm, c.immediate, c.x = true, k, s.val(x)
		switch op {
		case token.EQL:
			c.imm, c.jimm = code.EqII, code.JEqI
		case token.NEQ:
			c.imm, c.jimm = code.NeII, code.JNeI
		case token.LSS:
			c.imm, c.jimm = code.LtSI, code.JLtSI
		case token.LEQ:
			c.imm, c.jimm = code.LeSI, code.JLeSI
		case token.GTR:
			c.imm, c.jimm = code.GtSI, code.JGtSI
		case token.GEQ:
			c.imm, c.jimm = code.GeSI, code.JGeSI
		}
		return c
	}
	c.x, c.y = s.val(x), s.val(y)
	switch op {
	case token.EQL:
		c.op, c.jump = code.EqI, code.JEq
		return c
	case token.NEQ:
		c.op, c.jump = code.NeI, code.JNe
		return c
	case token.GTR:
		c.x, c.y, op = c.y, c.x, token.LSS
	case token.GEQ:
		c.x, c.y, op = c.y, c.x, token.LEQ
	}
	switch {
	case op == token.LSS && sign:
		c.op, c.jump = code.LtS, code.JLtS
	case op == token.LSS:
		c.op, c.jump = code.LtU, code.JLtU
	case sign:
		c.op, c.jump = code.LeS, code.JLeS
	default:
		c.op, c.jump = code.LeU, code.JLeU
	}
	return c
}

func (s *sel) floatComparison(op token.Token, x, y ssa.Value) (c comparison) {
	c.x, c.y = s.val(x), s.val(y)
	narrow := s.u.Size(x.Type()) == 4
	switch op {
	case token.GTR:
		c.x, c.y, op = c.y, c.x, token.LSS
	case token.GEQ:
		c.x, c.y, op = c.y, c.x, token.LEQ
	}
	switch op {
	case token.EQL:
		c.op, c.jump = code.EqF64, code.JEqF64
	case token.NEQ:
		c.op, c.jump = code.NeF64, code.JNeF64
	case token.LSS:
		c.op, c.jump = code.LtF64, code.JLtF64
	case token.LEQ:
		c.op, c.jump = code.LeF64, code.JLeF64
	}
	if narrow {
		c.op += code.EqF32 - code.EqF64
		c.jump = 0
	}
	return c
}

func (s *sel) stringComparison(op token.Token, x, y ssa.Value) (c comparison) {
	if op == token.EQL || op == token.NEQ {
		for k, v := range []ssa.Value{x, y} {
			if isEmptyString(v) {
				other := []ssa.Value{y, x}[k]
				c.x, c.useImm = s.val(other).Plus(1), true
				c.imm, c.jimm = pick(op == token.EQL, code.EqII, code.NeII), pick(op == token.EQL, code.JEqI, code.JNeI)
				return c
			}
		}
		c.op, c.x, c.y, c.not = code.EqStr, s.val(x), s.val(y), op == token.NEQ
		return c
	}
	d := s.new1()
	s.op3(code.CmpStr, d, s.val(x), s.val(y))
	c.x, c.useImm = d, true
	switch op {
	case token.LSS:
		c.imm, c.jimm = code.LtSI, code.JLtSI
	case token.LEQ:
		c.imm, c.jimm = code.LeSI, code.JLeSI
	case token.GTR:
		c.imm, c.jimm = code.GtSI, code.JGtSI
	case token.GEQ:
		c.imm, c.jimm = code.GeSI, code.JGeSI
	}
	return c
}

func isEmptyString(v ssa.Value) bool {
	c, ok := v.(*ssa.Const)
	return ok && c.Value != nil && c.Value.ExactString() == `""`
}

// nilComparison compares with a constant nil: the first slot tells, whatever the type.
func (s *sel) nilComparison(op token.Token, x, y ssa.Value) (c comparison, ok bool) {
	isNil := func(v ssa.Value) bool {
		k, ok := v.(*ssa.Const)
		return ok && k.Value == nil && s.u.Slots(v.Type()) > 0 && !aggregate(v.Type())
	}
	if isNil(x) {
		x, y = y, x
	}
	if !isNil(y) {
		return c, false
	}
	c.useImm, c.x = true, s.val(x)
	switch op {
	case token.EQL:
		c.imm, c.jimm = code.EqII, code.JEqI
	case token.NEQ:
		c.imm, c.jimm = code.NeII, code.JNeI
	default:
		panic(fmt.Sprintf("BUG: lower: comparison with nil by %s", op))
	}
	return c, true
}

package lower

import (
	"go/token"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/flow"
	"github.com/tandemvm/tandem/vm/internal/ir"
	"github.com/tandemvm/tandem/vm/internal/layout"
)

// Small functions that call nothing but other such functions are selected in place of their calls. Only leaves are: a traceback
// or a caller query from within would miss the frame; a panic's traceback knows them from Image.Inlined.

const (
	inlineCost  = 24  // go/ssa instructions that become code, at most
	inlineBytes = 256 // of variables and arrays in the frame: each call of the function has its own in the caller's frame
	inlineDepth = 3
)

// inlinable says whether a call of fn is replaced by its body.
func (s *sel) inlinable(fn *ssa.Function) bool {
	if s.depth >= inlineDepth {
		return false
	}
	return s.u.cost(fn) <= inlineCost
}

// costly is the cost of what is never inlined.
const costly = 1 << 20

// cost is the number of instructions of fn when it can be inlined, inlined calls included.
func (u *unit) cost(fn *ssa.Function) int {
	if c, ok := u.costs[fn]; ok {
		return c
	}
	u.costs[fn] = costly // while it is found out: recursion
	u.costs[fn] = u.measure(fn)
	return u.costs[fn]
}

func (u *unit) measure(fn *ssa.Function) int {
	u.Instance(fn)
	if fn.Recover != nil || len(fn.FreeVars) > 0 || len(fn.Blocks) == 0 || len(fn.Blocks) > 8 || fn.Synthetic == "package initializer" {
		return costly
	}
	n, bytes := 0, int64(0)
	for _, b := range fn.Blocks {
		for _, i := range b.Instrs {
			switch i := i.(type) {
			case *ssa.Phi, *ssa.DebugRef, *ssa.Jump, *ssa.Return, *ssa.Extract, *ssa.FieldAddr, *ssa.Field, *ssa.ChangeType:
				continue
			case *ssa.Defer, *ssa.RunDefers, *ssa.Go, *ssa.Select, *ssa.MakeClosure:
				return costly
			case *ssa.UnOp:
				if i.Op == token.ARROW {
					return costly
				}
			case *ssa.Call:
				n += u.callCost(i)
			}
			bytes += u.framedBytes(i)
			if n++; n > inlineCost || bytes > inlineBytes {
				return costly
			}
		}
	}
	return n
}

// framedBytes is what i takes of the frame for a variable, or for an array that is no variable.
func (u *unit) framedBytes(i ssa.Instruction) int64 {
	switch i := i.(type) {
	case *ssa.Alloc:
		if flow.OnlyAccessed(i, func(ssa.Instruction) bool { return true }) {
			return u.Size(layout.Pointee(i.Type()))
		}
	case *ssa.Index:
		return u.Size(i.X.Type())
	}
	return 0
}

func (u *unit) callCost(i *ssa.Call) int {
	if b, ok := i.Call.Value.(*ssa.Builtin); ok {
		switch b.Name() {
		case "recover", "ssa:deferstack", "print", "println":
			return costly
		}
		return 0
	}
	fn, ok := i.Call.Value.(*ssa.Function)
	if !ok {
		return costly
	}
	sym := u.Prog.Symbol(fn)
	if intrinsics[sym] != nil {
		switch sym {
		case "runtime.getclosureptr", "internal/runtime/sys.GetClosurePtr", "reflect.callSlots":
			return costly
		}
		return 0
	}
	body := u.Body(fn)
	if body == nil {
		return costly
	}
	return u.cost(body)
}

// inline selects the body of fn here and returns its results.
func (s *sel) inline(fn *ssa.Function, res []int64, args []arg) []ir.Loc {
	in := s.u.newScope(fn)
	in.outer, in.depth = s.scope, s.depth+1
	call := s.pos
	if in.in = s.in; fn.Synthetic == "" {
		s.f.Inlined = append(s.f.Inlined, ir.InlinedCall{Name: s.u.NameOf(fn), From: s.f.Lines[call]})
		in.in = int32(len(s.f.Inlined))
	}
	defer func() { s.pos = call }()
	for k, p := range fn.Params {
		a := args[k]
		if c, ok := a.v.(*ssa.Const); ok && a.n > 0 {
			in.known[p] = c
			continue
		}
		if p2, ok := a.v.(*ssa.Parameter); ok && s.known[p2] != nil {
			in.known[p] = s.known[p2]
			continue
		}
		in.vals[p] = s.argVal(a)
	}
	if len(fn.Blocks) == 1 {
		return s.inlineStraight(in, res)
	}
	in.exit = s.newBlock()
	in.results = make([]ir.Loc, len(res))
	for i, n := range res {
		in.results[i] = ir.NoLoc
		if n > 0 {
			in.results[i] = s.f.NewLoc(n)
		}
	}
	s.scope = in
	s.at(fn.Pos())
	s.body()
	s.scope = in.outer
	s.begin(in.exit)
	return in.results
}

// inlineStraight selects a body of one block into the current one.
func (s *sel) inlineStraight(in *scope, res []int64) (out []ir.Loc) {
	s.scope = in
	s.at(in.fn.Pos())
	s.analyse()
	s.enter(in.fn.Blocks[0])
	for k, i := range in.fn.Blocks[0].Instrs {
		s.here = k
		s.at(flow.Position(in.fn.Blocks[0].Instrs, k))
		if r, ok := i.(*ssa.Return); ok {
			for _, v := range r.Results {
				out = append(out, s.val(v))
			}
			break
		}
		s.instr(i)
	}
	s.scope = in.outer
	for k := len(out); k < len(res); k++ { // it panics: what follows is unreachable
		out = append(out, s.f.NewLoc(res[k]))
	}
	return out
}

// resolve is v, or the constant that an inlined body's parameter stands for.
func (s *sel) resolve(v ssa.Value) ssa.Value {
	if p, ok := v.(*ssa.Parameter); ok && s.outer != nil {
		if c := s.known[p]; c != nil {
			return c
		}
	}
	return v
}

package lower

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/layout"
)

func sizeof(t types.Type) int64           { return layout.Size(t) }
func offsets(s *types.Struct) []int64     { return layout.Offsets(s) }
func isInterface(t types.Type) bool       { return types.IsInterface(t) }
func structOf(t types.Type) *types.Struct { return t.Underlying().(*types.Struct) }
func arrayOf(t types.Type) *types.Array   { return t.Underlying().(*types.Array) }
func isString(t types.Type) bool          { return hasInfo(t, types.IsString) }
func isFloat(t types.Type) bool           { return hasInfo(t, types.IsFloat) }
func isComplex(t types.Type) bool         { return hasInfo(t, types.IsComplex) }
func isInteger(t types.Type) bool         { return hasInfo(t, types.IsInteger) }

func hasInfo(t types.Type, info types.BasicInfo) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&info != 0
}

// analyse decides, before selection, which variables live in the frame and which values are selected by their users.
func (s *sel) analyse() {
	for _, b := range s.fn.Blocks {
		for k, i := range b.Instrs {
			switch i := i.(type) {
			case *ssa.Alloc:
				if s.skip[i] || s.oneElement(i) {
					continue
				}
				if t := deref(i.Type()); sizeof(t) <= framed && s.staysHere(i) {
					s.makeLocal(i, t)
				}
			case *ssa.BinOp:
				if isCompare(i.Op) && s.feedsIf(i, b) {
					s.fused[i] = true
				} else if i.Op == token.ADD && isString(i.X.Type()) && s.feedsConcat(i, b) {
					s.fused[i] = true
				}
			case *ssa.UnOp:
				if i.Op == token.NOT && s.feedsIf(i, b) {
					s.fused[i] = true
				}
			case *ssa.IndexAddr:
				if s.foldable(i, b, k) {
					s.fused[i] = true
				}
			}
		}
	}
}

// makeLocal places the variable of a in the frame.
func (s *sel) makeLocal(a *ssa.Alloc, t types.Type) {
	slots := max((sizeof(t)+7)/8, 1)
	r := s.f.NewReg(slots)
	s.locals[a] = &local{reg: r, size: sizeof(t), typ: t}
	if s.needsMemory(a, t, 0, t) {
		s.f.Pinned[r] = true
	}
}

// staysHere says whether the address of a is used for nothing but reading and writing.
func (s *sel) staysHere(a ssa.Value) bool {
	for _, r := range *a.Referrers() {
		switch r := r.(type) {
		case *ssa.Store:
			if r.Val == a {
				return false
			}
		case *ssa.UnOp:
			if r.Op != token.MUL {
				return false
			}
		case *ssa.FieldAddr:
			if !s.staysHere(r) {
				return false
			}
		case *ssa.IndexAddr:
			if r.X != a || !s.staysHere(r) {
				return false
			}
		case *ssa.Slice:
			if !appendedOnly(r) {
				return false
			}
		case *ssa.DebugRef:
		default:
			return false
		}
	}
	return true
}

// appendedOnly says whether slice v is used for nothing but being copied from, by append and copy.
func appendedOnly(v *ssa.Slice) bool {
	for _, r := range *v.Referrers() {
		c, ok := r.(*ssa.Call)
		if !ok {
			return false
		}
		b, ok := c.Call.Value.(*ssa.Builtin)
		if !ok || b.Name() != "append" && b.Name() != "copy" || c.Call.Args[0] == v {
			return false
		}
	}
	return true
}

// oneElement recognises append(s, x) as go/ssa has it, with the array a of one element that is stored once, sliced and
// appended, all in one block. All but the append itself is left out then.
func (s *sel) oneElement(a *ssa.Alloc) bool {
	arr, ok := deref(a.Type()).Underlying().(*types.Array)
	if !ok || arr.Len() != 1 || len(*a.Referrers()) != 2 {
		return false
	}
	at, ok1 := (*a.Referrers())[0].(*ssa.IndexAddr)
	all, ok2 := (*a.Referrers())[1].(*ssa.Slice)
	if !ok1 || !ok2 || all.Low != nil || all.High != nil || all.Max != nil {
		return false
	}
	store, ok := only(at).(*ssa.Store)
	if !ok || store.Addr != at || store.Val == at || store.Block() != a.Block() {
		return false
	}
	call, ok := only(all).(*ssa.Call)
	if !ok || !appendedOnly(all) || call.Block() != a.Block() || call.Call.Args[0] == all || all.Block() != a.Block() {
		return false
	}
	if b := call.Call.Value.(*ssa.Builtin); b.Name() != "append" {
		return false
	}
	for _, i := range []ssa.Instruction{a, at, store, all} {
		s.skip[i] = true
	}
	s.appended[call] = store.Val
	return true
}

// needsMemory says whether some access to the part of a variable that v points to cannot be done on whole slots.
// t is the part's type and off its offset in the variable of type whole.
func (s *sel) needsMemory(v ssa.Value, t types.Type, off int64, whole types.Type) bool {
	for _, r := range *v.Referrers() {
		switch r := r.(type) {
		case *ssa.FieldAddr:
			f := structOf(t)
			if s.needsMemory(r, f.Field(r.Field).Type(), off+offsets(f)[r.Field], whole) {
				return true
			}
		case *ssa.IndexAddr:
			c, ok := r.Index.(*ssa.Const)
			if !ok {
				return true
			}
			e := arrayOf(t).Elem()
			if i, ok := s.constWord(c); !ok || int64(i) < 0 || int64(i) >= arrayOf(t).Len() || s.needsMemory(r, e, off+int64(i)*sizeof(e), whole) {
				return true
			}
		case *ssa.Slice:
			return true
		case *ssa.Store, *ssa.UnOp:
			size := sizeof(t)
			if size > 0 && !(off%8 == 0 && (size%8 == 0 || alone(whole, off, size) || off == 0 && size == sizeof(whole))) {
				return true
			}
		}
	}
	return false
}

func isCompare(op token.Token) bool {
	switch op {
	case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
		return true
	}
	return false
}

// only is v's sole user, nil when there are more or none.
func only(v ssa.Value) ssa.Instruction {
	refs := v.Referrers()
	if refs == nil {
		return nil
	}
	var user ssa.Instruction
	for _, r := range *refs {
		if _, ok := r.(*ssa.DebugRef); ok {
			continue
		}
		if user != nil {
			return nil
		}
		user = r
	}
	return user
}

// feedsIf says whether v is used by nothing but the jump at the end of its block b (or a negation that is).
func (s *sel) feedsIf(v ssa.Value, b *ssa.BasicBlock) bool {
	switch u := only(v).(type) {
	case *ssa.If:
		return u.Block() == b
	case *ssa.UnOp:
		return u.Op == token.NOT && u.Block() == b && s.feedsIf(u, b)
	}
	return false
}

// feedsConcat says whether string sum v is used by nothing but another sum in its block.
func (s *sel) feedsConcat(v ssa.Value, b *ssa.BasicBlock) bool {
	u, ok := only(v).(*ssa.BinOp)
	return ok && u.Op == token.ADD && u.Block() == b
}

// foldable says whether all users of element address i, the k'th instruction of b, are loads and stores of it that can do the
// indexing themselves.
func (s *sel) foldable(i *ssa.IndexAddr, b *ssa.BasicBlock, k int) bool {
	var size int64
	switch t := i.X.Type().Underlying().(type) {
	case *types.Slice:
		size = sizeof(t.Elem())
		switch size {
		case 1, 2, 4, 8, 16, 24:
		default:
			return false
		}
	case *types.Pointer:
		if _, ok := i.Index.(*ssa.Const); ok {
			return false // a plain offset
		}
		size = sizeof(arrayOf(t.Elem()).Elem())
		switch size {
		case 1, 2, 4, 8:
		default:
			return false
		}
	}
	uses := 0
	for _, r := range *i.Referrers() {
		switch r := r.(type) {
		case *ssa.Store:
			if r.Val == i || r.Block() != b {
				return false
			}
		case *ssa.UnOp:
			if r.Op != token.MUL || r.Block() != b {
				return false
			}
			if uses == 0 && !quietUntil(b.Instrs[k+1:], r) {
				return false
			}
		case *ssa.DebugRef:
			continue
		default:
			return false
		}
		uses++
	}
	return uses > 0 && uses <= 2
}

// quietUntil says whether the instructions before end have no effect that a panic at end would come too late for.
func quietUntil(list []ssa.Instruction, end ssa.Instruction) bool {
	for _, i := range list {
		if i == end {
			return true
		}
		switch i := i.(type) {
		case *ssa.BinOp, *ssa.FieldAddr, *ssa.IndexAddr, *ssa.Convert, *ssa.ChangeType, *ssa.Extract, *ssa.Field, *ssa.DebugRef, *ssa.Phi, *ssa.Slice:
		case *ssa.UnOp:
			if i.Op == token.ARROW {
				return false
			}
		case *ssa.Call:
			if b, ok := i.Call.Value.(*ssa.Builtin); !ok || b.Name() != "len" && b.Name() != "cap" {
				return false
			}
		default:
			return false
		}
	}
	return false
}

// nonNil says whether pointer v cannot be nil.
func nonNil(v ssa.Value) bool {
	switch v := v.(type) {
	case *ssa.Alloc, *ssa.Global, *ssa.IndexAddr, *ssa.FieldAddr:
		return true
	case *ssa.FreeVar:
		return v.Parent().Parent() != nil // a captured variable, not the receiver of a method value
	}
	return false
}

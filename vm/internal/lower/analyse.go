package lower

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/vm/internal/flow"
	"github.com/tandemvm/tandem/vm/internal/layout"
)

// analyse decides, before selection, which variables live in the frame and which values are selected by their users.
func (s *sel) analyse() {
	for _, b := range s.fn.Blocks {
		for k, i := range b.Instrs {
			switch i := i.(type) {
			case *ssa.MapUpdate:
				s.inPlace(i, b, k)
			case *ssa.Alloc:
				if s.skip[i] || s.oneElement(i) {
					continue
				}
				if t := layout.Pointee(i.Type()); layout.Size(t) <= framed && flow.OnlyAccessed(i, s.stays) {
					s.makeLocal(i, t)
				}
			case *ssa.BinOp:
				if flow.IsCompare(i.Op) && flow.FeedsIf(i, b) {
					s.fused[i] = true
				} else if i.Op == token.ADD && layout.IsString(i.X.Type()) && flow.FeedsConcat(i, b) {
					s.fused[i] = true
				}
			case *ssa.UnOp:
				if i.Op == token.NOT && flow.FeedsIf(i, b) {
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

// pinnedMax is how many slots of a frame variables that have their own may take. Those that come later, in functions of a size that only programs write, and
// initialisers, are objects on the heap.
const pinnedMax = 1 << 15

// makeLocal places the variable of a in the frame, if there is room.
func (s *sel) makeLocal(a *ssa.Alloc, t types.Type) {
	slots := max((layout.Size(t)+7)/8, 1)
	pinned := s.needsMemory(a, t, 0, t)
	if pinned {
		if s.pinned+slots > pinnedMax {
			return
		}
		s.pinned += slots
	}
	r := s.f.NewReg(slots)
	s.locals[a] = &local{reg: r, size: layout.Size(t), typ: t, captured: captured(a)}
	s.f.Pinned[r] = pinned
}

// oneElement recognises append(s, x) as go/ssa has it, with the array a of one element that is stored once, sliced and
// appended, all in one block. All but the append itself is left out then.
func (s *sel) oneElement(a *ssa.Alloc) bool {
	arr, ok := layout.Pointee(a.Type()).Underlying().(*types.Array)
	if !ok || arr.Len() != 1 || len(*a.Referrers()) != 2 {
		return false
	}
	at, ok1 := (*a.Referrers())[0].(*ssa.IndexAddr)
	all, ok2 := (*a.Referrers())[1].(*ssa.Slice)
	if !ok1 || !ok2 || all.Low != nil || all.High != nil || all.Max != nil {
		return false
	}
	store, ok := flow.Only(at).(*ssa.Store)
	if !ok || store.Addr != at || store.Val == at || store.Block() != a.Block() {
		return false
	}
	call, ok := flow.Only(all).(*ssa.Call)
	if !ok || !flow.AppendedOnly(all) || call.Block() != a.Block() || call.Call.Args[0] == all || all.Block() != a.Block() {
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
			f := layout.StructOf(t)
			if s.needsMemory(r, f.Field(r.Field).Type(), off+layout.Offsets(f)[r.Field], whole) {
				return true
			}
		case *ssa.IndexAddr:
			c, ok := r.Index.(*ssa.Const)
			if !ok {
				return true
			}
			e := layout.ArrayOf(t).Elem()
			if i, ok := s.u.ConstWord(c); !ok || int64(i) < 0 || int64(i) >= layout.ArrayOf(t).Len() || s.needsMemory(r, e, off+int64(i)*layout.Size(e), whole) {
				return true
			}
		case *ssa.Slice, *ssa.MakeClosure:
			return true
		case *ssa.Store, *ssa.UnOp:
			size := layout.Size(t)
			if size > 0 && !(off%8 == 0 && (size%8 == 0 || alone(whole, off, size) || off == 0 && size == layout.Size(whole))) {
				return true
			}
		}
	}
	return false
}

// foldable says whether all users of element address i, the k'th instruction of b, are loads and stores of it that can do the
// indexing themselves.
func (s *sel) foldable(i *ssa.IndexAddr, b *ssa.BasicBlock, k int) bool {
	var size int64
	switch t := i.X.Type().Underlying().(type) {
	case *types.Slice:
		size = layout.Size(t.Elem())
		switch size {
		case 1, 2, 4, 8, 16, 24:
		default:
			return false
		}
	case *types.Pointer:
		if _, ok := i.Index.(*ssa.Const); ok {
			return false // a plain offset
		}
		size = layout.Size(layout.ArrayOf(t.Elem()).Elem())
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
			if uses == 0 && !flow.QuietUntil(b.Instrs[k+1:], r) {
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

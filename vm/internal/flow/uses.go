package flow

import (
	"go/token"

	"golang.org/x/tools/go/ssa"
)

// OnlyAccessed says whether address a is used for nothing but reading and writing what it points to, whole or in parts. Where a is
// indexed, sliced or captured by a closure, within decides whether that is no more.
func OnlyAccessed(a ssa.Value, within func(use ssa.Instruction) bool) bool {
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
			if !OnlyAccessed(r, within) {
				return false
			}
		case *ssa.IndexAddr:
			if r.X != a || !within(r) || !OnlyAccessed(r, within) {
				return false
			}
		case *ssa.Slice:
			if !within(r) {
				return false
			}
		case *ssa.MakeClosure:
			if !within(r) {
				return false
			}
			for k, b := range r.Bindings {
				if b == a && !OnlyAccessed(r.Fn.(*ssa.Function).FreeVars[k], within) {
					return false
				}
			}
		case *ssa.DebugRef:
		default:
			return false
		}
	}
	return true
}

// AppendedOnly says whether slice v is used for nothing but being copied from, by append and copy.
func AppendedOnly(v *ssa.Slice) bool {
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

// Only is v's sole user, nil when there are more or none.
func Only(v ssa.Value) ssa.Instruction {
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

// IsCompare says whether op compares.
func IsCompare(op token.Token) bool {
	switch op {
	case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
		return true
	}
	return false
}

// FeedsIf says whether v is used by nothing but the jump at the end of its block b (or a negation that is).
func FeedsIf(v ssa.Value, b *ssa.BasicBlock) bool {
	switch u := Only(v).(type) {
	case *ssa.If:
		return u.Block() == b
	case *ssa.UnOp:
		return u.Op == token.NOT && u.Block() == b && FeedsIf(u, b)
	}
	return false
}

// FeedsConcat says whether string sum v is used by nothing but another sum in its block.
func FeedsConcat(v ssa.Value, b *ssa.BasicBlock) bool {
	u, ok := Only(v).(*ssa.BinOp)
	return ok && u.Op == token.ADD && u.Block() == b
}

// AccessedIn says whether address v is only read and written, in block b: then the access itself finds nil.
func AccessedIn(v ssa.Value, b *ssa.BasicBlock) bool {
	some := false
	for _, r := range *v.Referrers() {
		switch r := r.(type) {
		case *ssa.Store:
			if r.Val == v || r.Block() != b {
				return false
			}
			some = true
		case *ssa.UnOp:
			if r.Block() != b {
				return false
			}
			some = true
		case *ssa.FieldAddr:
			if r.Block() != b || !AccessedIn(r, b) {
				return false
			}
			some = true
		case *ssa.DebugRef:
		default:
			return false
		}
	}
	return some
}

// QuietUntil says whether the instructions before end have no effect that a panic at end would come too late for.
func QuietUntil(list []ssa.Instruction, end ssa.Instruction) bool {
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

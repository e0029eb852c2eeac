package vet

import (
	"fmt"

	"golang.org/x/tools/go/ssa"
)

// A turn does not end while a mutex is held, so what is read and written between one Lock and its Unlock is read and written in one turn, as in turn.Atomic.

// lockCall says which mutex an instruction locks or unlocks, by what its address comes from. A deferred unlock is none, since it comes last; nor are the
// readers' halves of a sync.RWMutex, which hold no turn together.
func lockCall(in ssa.Instruction) (mutex string, locks, ok bool) {
	call, is := in.(*ssa.Call)
	if !is {
		return "", false, false
	}
	f := call.Call.StaticCallee()
	if f == nil || len(call.Call.Args) == 0 {
		return "", false, false
	}
	switch f.String() {
	case "(*sync.Mutex).Lock", "(*sync.RWMutex).Lock":
		return origin(call.Call.Args[0]), true, true
	case "(*sync.Mutex).Unlock", "(*sync.RWMutex).Unlock":
		return origin(call.Call.Args[0]), false, true
	}
	return "", false, false
}

// origin names where an address comes from: equal for two that are computed alike.
func origin(v ssa.Value) string {
	switch v := v.(type) {
	case *ssa.FieldAddr:
		return fmt.Sprintf("%s.%d", origin(v.X), v.Field)
	case *ssa.UnOp:
		return fmt.Sprintf("%s(%s)", v.Op, origin(v.X))
	}
	return fmt.Sprintf("%p", v)
}

// sections finds the instructions of a function before which a mutex is held whichever way they are reached, with which.
func sections(f *ssa.Function) map[ssa.Instruction]map[string]bool {
	at := map[*ssa.BasicBlock]map[string]bool{} // held at the beginning; absent: not reached yet
	held := map[ssa.Instruction]map[string]bool{}
	if len(f.Blocks) == 0 {
		return held
	}
	at[f.Blocks[0]] = map[string]bool{}
	for todo := []*ssa.BasicBlock{f.Blocks[0]}; len(todo) > 0; {
		b := todo[0]
		todo = todo[1:]
		now := at[b]
		for _, in := range b.Instrs {
			held[in] = now
			if mutex, locks, ok := lockCall(in); ok {
				next := map[string]bool{}
				for m := range now {
					next[m] = true
				}
				if next[mutex] = true; !locks {
					delete(next, mutex)
				}
				now = next
			}
		}
		for _, s := range b.Succs {
			old, reached := at[s]
			both := map[string]bool{}
			for m := range now {
				if !reached || old[m] {
					both[m] = true
				}
			}
			if !reached || len(both) < len(old) {
				at[s] = both
				todo = append(todo, s)
			}
		}
	}
	return held
}

// together says whether a mutex that is held at one instruction is held until another.
func (c *checker) together(held map[ssa.Instruction]map[string]bool, read, write ssa.Instruction) bool {
	for mutex := range held[read] {
		released := func(in ssa.Instruction) bool {
			m, locks, ok := lockCall(in)
			return ok && !locks && m == mutex || c.unlocks(callee(in), mutex)
		}
		if held[write][mutex] && !between(read, write, released) {
			return true
		}
	}
	return false
}

// unlocks says whether a function of the program releases a mutex that it has not locked.
func (c *checker) unlocks(f *ssa.Function, mutex string) bool {
	if f == nil || f.Pkg == nil || c.prog.IsStd(f.Pkg.Pkg) {
		return false
	}
	gives, takes := false, false
	each(f, func(in ssa.Instruction) {
		if m, locks, ok := lockCall(in); ok && m == mutex {
			gives, takes = gives || !locks, takes || locks
		}
	})
	return gives && !takes
}

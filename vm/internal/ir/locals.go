package ir

import (
	"slices"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// Local is a variable of the source and where it stands, as far as a selector knows: it stands there while At holds what it did then.
type Local struct {
	Var   int32 // number of the variable
	Place code.Place
	At    Loc    // PlaceFrame, PlacePointer
	Word  int32  // PlaceClosure: the byte of the closure
	Addr  uint64 // PlaceData: the address, which may be provisional
}

// LocalRange is a Local while code words [From, To) run.
type LocalRange struct {
	Local
	Slot     int32 // of the frame
	From, To int32 // words of the chunk
}

// Scope numbers the variables that stand somewhere from here on: instructions with that number in Inst.Scope can be asked for them.
func (f *Func) Scope(vars []Local) int32 {
	if n := len(f.scopes); n > 0 && slices.Equal(f.scopes[n-1], vars) {
		return int32(n)
	}
	if len(vars) == 0 {
		return 0
	}
	f.scopes = append(f.scopes, vars)
	return int32(len(f.scopes))
}

// localRanges follows the variables through the code as it is encoded.
type localRanges struct {
	open []LocalRange // To is not known yet
	done []LocalRange
}

// at notes what stands where at instruction number k, which begins at a word: what the instruction or one after it reads and, for a
// call, what is not the callee's.
func (e *emitter) localsAt(i *Inst, k int32) {
	if len(e.f.scopes) == 0 || i.Op == OpParallel || i.Op == OpCopy {
		return // nobody stands there
	}
	word := int32(len(e.out.Words))
	var vars []Local
	if i.Scope > 0 {
		vars = e.f.scopes[i.Scope-1]
	}
	kept := e.locals.open[:0]
	for _, r := range e.locals.open {
		if n := slices.IndexFunc(vars, func(l Local) bool { return l == r.Local }); n >= 0 && e.holds(r.At, i, k) {
			kept = append(kept, r)
			continue
		}
		if r.To = word; r.From < r.To {
			e.locals.done = append(e.locals.done, r)
		}
	}
	e.locals.open = kept
	for _, l := range vars {
		if !slices.ContainsFunc(kept, func(r LocalRange) bool { return r.Local == l }) && e.holds(l.At, i, k) {
			r := LocalRange{Local: l, From: word}
			if l.At != NoLoc {
				r.Slot = e.p.slot(e.f.renamed(l.At))
			}
			e.locals.open = append(e.locals.open, r)
		}
	}
}

// holds says whether the register of l holds its value at instruction number k, i.
func (e *emitter) holds(l Loc, i *Inst, k int32) bool {
	if l == NoLoc {
		return true
	}
	l = e.f.renamed(l)
	at := k * posStep
	if i.isCall() {
		at += posCall
	}
	return e.p.l.spans[l.R].covers(at)
}

// renamed is where the value of l stands after registers were renamed.
func (f *Func) renamed(l Loc) Loc {
	for n := 0; n < 8; n++ {
		to, ok := f.renames[l.R]
		if !ok {
			break
		}
		l = to.Plus(int64(l.Off))
	}
	return l
}

// rename has what reads registers read others, which hold the same.
func (f *Func) rename(m map[Reg]Loc) {
	for _, b := range f.blocks {
		for k := range b.Insts {
			b.Insts[k].renameUses(m)
		}
	}
	if len(f.scopes) == 0 {
		return
	}
	if f.renames == nil {
		f.renames = map[Reg]Loc{}
	}
	for r, l := range m {
		f.renames[r] = l
	}
}

// endLocals closes all ranges at the end of the code.
func (e *emitter) endLocals() {
	word := int32(len(e.out.Words))
	for _, r := range e.locals.open {
		if r.To = word; r.From < r.To {
			e.locals.done = append(e.locals.done, r)
		}
	}
	e.out.Locals = e.locals.done
	slices.SortStableFunc(e.out.Locals, func(a, b LocalRange) int { return int(a.From) - int(b.From) })
}

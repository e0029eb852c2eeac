package vet

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/tandemvm/tandem/changes"
)

// readModifyWrite reports writes of parts that merge by lww and whose new value comes from the old one: of two at one time one is lost.
func (c *checker) readModifyWrite(f *ssa.Function) {
	for _, w := range c.writes(f) {
		if w.at.spec.Kind != changes.LWW {
			continue
		}
		if w.at.inside {
			c.report(w.in, "share it as "+wholeHint(w.at.spec.Type), "%s is written, but its variable merges as a whole, by lww: what others write into other parts at the same time is lost, or this is", w.at.name)
			continue
		}
		var how ssa.Value
		if w.value != nil {
			c.reads(w.value, func(at part, in ssa.Instruction) {
				if at.global == w.at.global {
					how = w.value
				}
			})
		}
		if how != nil {
			c.report(w.in, "share it as "+changeHint(w.at.spec.Type, how), "%s is written from its old value, and merges by lww: of two such writes at the same time one is lost", w.at.name)
			continue
		}
		for _, cond := range conditions(w.in.Block()) {
			decided := false
			c.reads(cond, func(at part, in ssa.Instruction) { decided = decided || at.global == w.at.global })
			if decided && isOrder(cond) {
				c.report(w.in, "share it as max or min", "%s is written if it compares with its old value, and merges by lww: the last write wins, not the greatest", w.at.name)
				break
			}
		}
	}
}

// isOrder says whether a condition is a comparison by order.
func isOrder(v ssa.Value) bool {
	b, ok := v.(*ssa.BinOp)
	return ok && (b.Op == token.LSS || b.Op == token.GTR || b.Op == token.LEQ || b.Op == token.GEQ)
}

func wholeHint(t *changes.Type) string {
	switch t.Form {
	case changes.Struct:
		return "fields"
	case changes.Map:
		return "map KIND, or set"
	case changes.Slice, changes.Bytes:
		return "list"
	}
	return "several variables"
}

func changeHint(t *changes.Type, how ssa.Value) string {
	switch t.Form {
	case changes.Slice, changes.Bytes:
		return "log if entries are only appended, list if not"
	case changes.String:
		return "text"
	case changes.Struct, changes.Map:
		return wholeHint(t)
	}
	if b, ok := how.(*ssa.BinOp); ok && (b.Op == token.ADD || b.Op == token.SUB) && t.Form != changes.Bool {
		return "counter"
	}
	return "counter, max or min, or write what does not depend on what was there"
}

// writeSkew reports writes that were decided by another shared variable, which others may change at the same time, unless both happen
// inside turn.Atomic or while one mutex is held.
func (c *checker) writeSkew(f *ssa.Function) {
	if c.atomic[f] {
		return
	}
	held := sections(f)
	for _, w := range c.writes(f) {
		var other *part
		note := func(at part, in ssa.Instruction) {
			if at.global != w.at.global && c.written[at.global] && other == nil && !c.together(held, in, w.in) {
				other = &at
			}
		}
		for _, cond := range conditions(w.in.Block()) {
			c.reads(cond, note)
		}
		if w.value != nil && w.at.spec.Kind == changes.LWW {
			c.reads(w.value, note)
		}
		if other != nil {
			c.report(w.in, "read and write them in one turn.Atomic, and keep what must hold between them in one variable, since another peer may change "+other.name+" in its own turn", "%s is written because of %s: when the write counts, that may have another value", w.at.name, other.name)
		}
	}
}

// aliases reports slices and maps of shared variables, and places in them, that are used after a turn may have ended since they were
// read: then merges may have put another slice or map into the variable.
func (c *checker) aliases(f *ssa.Function) {
	if c.atomic[f] {
		return
	}
	each(f, func(in ssa.Instruction) {
		load, ok := in.(*ssa.UnOp)
		if !ok || load.Op != token.MUL || !refers(load.Type()) {
			return
		}
		p, ok := c.partAt(load)
		if !ok {
			return
		}
		held := map[ssa.Value]bool{}
		c.hold(load, held)
		var first ssa.Instruction // in the source, whatever the order of held
		for v := range held {
			for _, use := range *v.Referrers() {
				if (first == nil || place(use) < place(first)) && c.endsBetween(load, use) {
					first = use
				}
			}
		}
		if first != nil {
			c.report(first, "read "+p.name+" again after it, or copy what is needed before (slices.Clone, maps.Clone)", "%s was read before a turn may have ended, and is used after: the variable may hold something else by then", p.name)
		}
	})
}

func refers(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Slice, *types.Map:
		return true
	}
	return false
}

// hold collects what stands for the same slice or map, or for a place in it.
func (c *checker) hold(v ssa.Value, held map[ssa.Value]bool) {
	if held[v] {
		return
	}
	held[v] = true
	for _, r := range *v.Referrers() {
		switch r := r.(type) {
		case *ssa.Slice, *ssa.ChangeType, *ssa.IndexAddr, *ssa.FieldAddr, *ssa.Range:
			c.hold(r.(ssa.Value), held)
		}
	}
}

// endsBetween says whether a turn may end on a way from def to use that does not come by def again.
func (c *checker) endsBetween(def, use ssa.Instruction) bool { return between(def, use, c.mayCommit) }

// between says whether something that ends is on a way from def to use that does not come by def again.
func between(def, use ssa.Instruction, ends func(ssa.Instruction) bool) bool {
	type state struct {
		b     *ssa.BasicBlock
		ended bool
	}
	seen := map[state]bool{}
	var walk func(b *ssa.BasicBlock, from int, ended bool) bool
	walk = func(b *ssa.BasicBlock, from int, ended bool) bool {
		for _, in := range b.Instrs[from:] {
			switch {
			case in == def:
				return false
			case in == use && ended:
				return true
			}
			ended = ended || ends(in)
		}
		for _, s := range b.Succs {
			if next := (state{s, ended}); !seen[next] {
				seen[next] = true
				if walk(s, 0, ended) {
					return true
				}
			}
		}
		return false
	}
	for i, in := range def.Block().Instrs {
		if in == def {
			return walk(def.Block(), i+1, false)
		}
	}
	return false
}

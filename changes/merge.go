package changes

import (
	"bytes"
	"sort"

	"github.com/tandemvm/tandem/changes/sequence"
)

// Merge is what readers do with the cells of one leaf path of a variable shared as s: a pure fold that
// does not depend on order or repetition. Only cells of each run's winning epoch belong in it. Of
// several cells of one run the latest counts, and cells that do not suit the leaf are left out, by every
// reader alike.
//
// present false: nothing is there, the element or key is not in the map and a field or variable has its
// zero value. A log, list or text merges from the cells at all of its indices, which View does: here it is absent. For a Key leaf this is the presence said by its own cells; the key is also there when any
// leaf below it is (View does this). conflicts counts concurrent lww values that lost to a different one.
func Merge(s *Spec, p Path, cells []Cell) (v Value, present bool, conflicts int) {
	leaf, err := s.Leaf(p)
	if err != nil || leaf.Kind.isSequence() {
		return Value{}, false, 0
	}
	v, conflicts = mergeLeaf(leaf, latest(leaf, cells))
	return v, v.Present(), conflicts
}

// latest is the suitable cells, one a run, sorted by run.
func latest(leaf *Spec, cells []Cell) []Cell {
	kept := make([]Cell, 0, len(cells))
	for _, c := range cells {
		if c.suits(leaf) == nil {
			kept = append(kept, c)
		}
	}
	sort.SliceStable(kept, func(i, j int) bool {
		if a, b := kept[i].Stamp, kept[j].Stamp; a.Run != b.Run {
			return a.Run.Compare(b.Run) < 0
		}
		return newer(kept[j], kept[i])
	})
	n := 0
	for i, c := range kept {
		if i+1 == len(kept) || kept[i+1].Stamp.Run != c.Stamp.Run {
			kept[n] = c
			n++
		}
	}
	return kept[:n]
}

// newer orders the cells of one run: by turn, and where a broken writer made two for one turn, by stamp
// and bytes, so that all readers still agree.
func newer(c, d Cell) bool {
	if c.Stamp.Turn != d.Stamp.Turn {
		return c.Stamp.Turn > d.Stamp.Turn
	}
	return bytes.Compare(c.Encode(), d.Encode()) > 0
}

// superseded is how far the contributions of c were seen by any cell that supersedes them.
func superseded(cells []Cell, c Cell) (top Mark) {
	own := c.history()
	for _, d := range cells {
		first, end := d.of(c.Stamp.Run)
		for _, s := range d.Seen[first:end] {
			if m, _ := own.meet(s.history()); m.Dot > top.Dot || m.Dot == top.Dot && m.Dot > 0 && m.Sum.Compare(top.Sum) > 0 {
				top = m
			}
		}
	}
	return top
}

// mergeLeaf folds cells sorted by run, one a run: floats add up in the same order everywhere.
func mergeLeaf(leaf *Spec, cells []Cell) (v Value, conflicts int) {
	var winner Stamp
	var lost []Value
	for _, c := range cells {
		gone := superseded(cells, c)
		if c.Dot <= gone.Dot {
			continue
		}
		switch leaf.Kind {
		case Counter:
			v = plus(v, minus(c.Value, gone.Sum))
		case Max, Min:
			for _, m := range c.Past {
				if m.Dot > gone.Dot { // removed by turns that are void
					v = join(leaf.Kind, v, m.Sum)
				}
			}
			v = join(leaf.Kind, v, c.Value)
		case LWW:
			if v.form == Absent || c.Stamp.Compare(winner) > 0 {
				v, winner = c.Value, c.Stamp
			}
			lost = append(lost, c.Value)
		default:
			v = c.Value
		}
	}
	for _, l := range lost {
		if !l.Equal(v) {
			conflicts++
		}
	}
	return v, conflicts
}

// Genesis returns the cells of the genesis run (the zero RunID) for a variable's initial value. Every
// reader derives them from the program and nobody publishes them, so that an initial value counts once
// however many runs begin with it.
func Genesis(s *Spec, varName string, initial Value) []PathCell {
	var cells []PathCell
	for _, ch := range Diff(s, VarPath(varName), Value{}, initial) {
		if ch.Kind.isSequence() {
			leaf, err := s.Leaf(ch.Path)
			if err != nil {
				panic("BUG: changes: initial value of " + varName + ": " + err.Error())
			}
			nothing := sequence.New(leaf.elements(), nil)
			written, err := nothing.Edit(sequence.Run{}, map[uint64]*segment{}, map[uint64]int{}, sequence.Content[Value]{}, ch.New.content())
			if err != nil {
				panic("BUG: changes: initial value of " + varName + ": " + err.Error())
			}
			cells = append(cells, segmentCells(ch.Path, leaf, written, nil, Stamp{Turn: 1})...)
			continue
		}
		c, err := Cell{}.Fold(ch, Stamp{Turn: 1}, 0, nil)
		if err != nil {
			panic("BUG: changes: initial value of " + varName + ": " + err.Error())
		}
		cells = append(cells, PathCell{ch.Path, c})
	}
	return cells
}

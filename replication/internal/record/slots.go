package record

import (
	"maps"
	"slices"
)

// Slots are the packs of one epoch: the paths in each. They fill like the digits of a counter: a slot that is taken is merged into the next, twice as
// large. So a cell is rewritten a logarithmic number of times, and the number of pack records stays below twenty.
type Slots []map[string]bool

// slotCells is what the first slot holds.
const slotCells = 256

// Add files paths, and gives the slots after it and those that have to be written; s stays as it was.
func (s Slots) Add(paths map[string]bool) (after Slots, changed []int) {
	set := maps.Clone(paths)
	after = slices.Clone(s)
	for i := 0; ; i++ {
		if i == len(after) {
			after = append(after, nil)
		}
		if len(after[i]) == 0 && len(set) <= slotCells<<i {
			after[i] = set
			return after, append(changed, i)
		}
		if len(after[i]) > 0 {
			maps.Copy(set, after[i])
			after[i] = nil
			changed = append(changed, i)
		}
	}
}

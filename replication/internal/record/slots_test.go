package record

import (
	"fmt"
	"testing"
)

// Whatever is added in whatever portions: each path stands in one slot or, when it was added again, in several, none holds more than it may, few are
// written each time, and those that are emptied are written too.
func TestSlotsFillLikeACounter(t *testing.T) {
	var s Slots
	written := map[int]int{}
	adds, rewritten := 0, 0
	for round := range 500 {
		set := map[string]bool{}
		for i := range 97 + round%200 {
			set[fmt.Sprint(round%7, " ", round, " ", i)] = true
		}
		before := s
		adds += len(set)
		var changed []int
		s, changed = before.Add(set)
		for _, i := range changed {
			written[i] = len(s[i])
			rewritten += len(s[i])
		}
		for i := range s {
			if len(s[i]) > slotCells<<i {
				t.Fatalf("round %d: slot %d holds %d", round, i, len(s[i]))
			}
			if len(s[i]) != written[i] {
				t.Fatalf("round %d: slot %d holds %d, written when it held %d", round, i, len(s[i]), written[i])
			}
		}
		for path := range set {
			found := false
			for i := range s {
				found = found || s[i][path]
			}
			if !found {
				t.Fatalf("round %d: %s is in no slot", round, path)
			}
		}
	}
	if len(s) >= 20 || rewritten > 20*adds {
		t.Errorf("%d slots, %d cells written for %d", len(s), rewritten, adds)
	}
}

package sequel

import (
	"slices"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication/internal/record"
)

const (
	heldMax      = 1024
	heldBytesMax = 4 << 20
)

// waiting is the pages of a head whose state before is not here yet. Were they dropped, a peer that once missed a message would never have a state again while
// turns come faster than it fetches one.
type waiting struct {
	head, old *record.Head
	pages     []change
	bytes     int // of the message they came in
}

// held is those that wait, by the head before; the oldest go first when they become too many.
type held struct {
	by    map[changes.Hash]*waiting
	order []*waiting
	bytes int
}

func (h *held) add(w *waiting) {
	if h.by[w.head.Prev] != nil {
		return // it came twice
	}
	h.by[w.head.Prev] = w
	h.order = append(h.order, w)
	h.bytes += w.bytes
	for len(h.order) > heldMax || h.bytes > heldBytesMax {
		h.take(h.order[0].head.Prev)
	}
}

// take is the one that waits for the head with this hash, nil if none does.
func (h *held) take(prev changes.Hash) *waiting {
	w := h.by[prev]
	if w != nil {
		delete(h.by, prev)
		h.order = slices.Delete(h.order, slices.Index(h.order, w), slices.Index(h.order, w)+1)
		h.bytes -= w.bytes
	}
	return w
}

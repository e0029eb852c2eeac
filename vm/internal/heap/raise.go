package heap

import (
	"fmt"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// LimitBytes is the run's memory limit.
func (h *Heap) LimitBytes() uint64 { return h.limit }

// Raise gives the run a higher memory limit, which this memory must allow. The page table has an entry for every page up to the limit: a longer one takes
// its place, in a span at the heap's end, with a page of descriptors before it. What the former took is a free run, or lost if New made
// it. ErrNoSpace, which also says that the limit is too low, leaves the heap as it was.
func (h *Heap) Raise(limitBytes uint64) error {
	limitBytes &^= mem.PageBytes - 1
	r := h.root()
	pages := pageOf(code.Base + pageUp(limitBytes/mem.PageBytes*4))
	end := r.end + (1+pages)*mem.PageBytes
	if r.end%mem.PageBytes != 0 || r.end < code.Base+mem.PageBytes {
		return errCorrupt
	}
	if limitBytes <= h.limit || limitBytes > h.m.Limit() || end < r.end || end-code.Base > limitBytes {
		return fmt.Errorf("%w: %w", ErrNoSpace, &mem.LimitError{WantBytes: max(end-code.Base, limitBytes), LimitBytes: min(h.m.Limit(), limitBytes)})
	}
	meta, first := r.end, pageOf(r.first)
	table := meta + mem.PageBytes
	old := h.m.Bytes(r.table+first*4, (pageOf(meta)-first)*4)
	if uint64(len(old)) != (pageOf(meta)-first)*4 {
		return errCorrupt
	}
	formerAt, former := h.spanAt(r.table)
	if err := h.m.Grow(end - code.Base); err != nil {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	copy(h.m.Writable(table+first*4, uint64(len(old))), old)
	w := h.rootW()
	w.table, w.end, w.limitBytes = table, end, limitBytes
	h.limit = limitBytes
	for at := meta + mem.PageBytes - spanBytes; at > meta+spanBytes; at -= spanBytes {
		h.dropSpan(at, h.spanW(at))
	}
	h.describe(meta, span{start: uint32(pageOf(meta)), pages: 1, use: useMeta})
	h.describe(meta+spanBytes, span{start: uint32(pageOf(table)), pages: uint32(pages), use: useTable})
	if former != nil && former.use == useTable {
		h.freePages(formerAt, h.spanW(formerAt))
	}
	return nil
}

func (h *Heap) describe(at uint64, s span) {
	*h.spanW(at) = s
	h.setTable(at, &s)
}

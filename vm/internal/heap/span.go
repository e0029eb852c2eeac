package heap

import (
	"fmt"
	"math/bits"
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// A span is a run of pages with one use. Its descriptor says which; the page table leads from a page to it. Descriptors are 128 bytes,
// aligned, in pages of their own, so that the collector's sweep touches only them.

const spanBytes = 128

type spanUse uint8

const (
	useNone  spanUse = iota // unused descriptor
	useFree                 // free page run
	useSmall                // blocks of one class
	useLarge                // one object
	useMeta                 // descriptors; the first describes this page
	useTable                // the page table, after Raise
)

// span is a descriptor in memory.
type span struct {
	start, pages uint32 // page numbers
	use          spanUse
	class        uint8
	elems        uint16
	cursor       uint16 // words of bits before it are full
	stale        bool   // bytes not in use may not be zero
	listed       bool   // in root.open
	next, prev   uint64 // in a list of its kind
	header       uint64 // of a large object
	size         uint64 // bytes of a large object
	_            [2]uint64
	bits         [spanElems / 64]uint64 // blocks in use; those beyond elems are set
}

const _ = uint(unsafe.Sizeof(span{})-spanBytes) + uint(spanBytes-unsafe.Sizeof(span{}))

// span is the descriptor at addr for reading, nil when there can be none.
func (h *Heap) span(addr uint64) *span {
	off := addr - code.Base
	if off >= h.m.Size() || off%spanBytes != 0 || off == 0 {
		return nil
	}
	return (*span)(h.m.Pointer(addr))
}

// spanW is the descriptor at addr ready to be written, nil when there can be none.
func (h *Heap) spanW(addr uint64) *span {
	s := h.span(addr)
	if s != nil {
		h.m.Ready(addr)
	}
	return s
}

// spanAt is the span in use that holds addr.
func (h *Heap) spanAt(addr uint64) (at uint64, s *span) {
	r := h.root()
	if addr < r.first || addr >= r.end {
		return 0, nil
	}
	page := pageOf(addr)
	at = code.Base + uint64(h.m.Load32(r.table+page*4))*spanBytes
	s = h.span(at)
	if s == nil || page-uint64(s.start) >= uint64(s.pages) {
		return 0, nil // an entry left behind within a free run
	}
	return at, s
}

// setTable leads the pages of s to its descriptor, all of them or, for a free run, the first and the last.
func (h *Heap) setTable(at uint64, s *span) {
	table := h.root().table
	entry := uint32((at - code.Base) / spanBytes)
	first, last := uint64(s.start), uint64(s.start)+uint64(s.pages)-1
	if s.use == useFree {
		h.m.Store32(table+first*4, entry)
		h.m.Store32(table+last*4, entry)
		return
	}
	for p := first; p <= last && h.m.Store32(table+p*4, entry); p++ {
	}
}

// bin is the list for free runs of a length: 1 to 16 exactly, then by powers of two.
func bin(pages uint64) int {
	if pages <= 16 {
		return int(max(pages, 1) - 1)
	}
	return min(bits.Len64(pages-1)+11, binCount-1)
}

func (h *Heap) link(at uint64, s *span) {
	r := h.rootW()
	b := bin(uint64(s.pages))
	s.prev, s.next = 0, r.runs[b]
	if n := h.spanW(s.next); n != nil {
		n.prev = at
	}
	r.runs[b] = at
}

func (h *Heap) unlink(at uint64, s *span) {
	if p := h.spanW(s.prev); p != nil {
		p.next = s.next
	} else if r := h.rootW(); r.runs[bin(uint64(s.pages))] == at {
		r.runs[bin(uint64(s.pages))] = s.next
	}
	if n := h.spanW(s.next); n != nil {
		n.prev = s.prev
	}
	s.next, s.prev = 0, 0
}

// newSpan takes an unused descriptor; reserveSpans has made sure that there is one.
func (h *Heap) newSpan() (uint64, *span) {
	r := h.rootW()
	at := r.descriptors
	s := h.spanW(at)
	if s == nil || s.use != useNone {
		return 0, nil
	}
	r.descriptors = s.next
	*s = span{}
	return at, s
}

func (h *Heap) dropSpan(at uint64, s *span) {
	r := h.rootW()
	*s = span{next: r.descriptors}
	r.descriptors = at
}

// reserveSpans makes two descriptors available, which is what one change of the page runs takes.
func (h *Heap) reserveSpans() error {
	if s := h.span(h.root().descriptors); s != nil && h.span(s.next) != nil {
		return nil
	}
	page, err := h.metaPage()
	if err != nil {
		return err
	}
	at := pageAddr(page)
	if at < code.Base+mem.PageBytes || at-code.Base+mem.PageBytes > h.m.Size() {
		return ErrFault // the end of the heap is damaged
	}
	h.m.Zero(at, mem.PageBytes)
	r := h.rootW()
	for i := at + mem.PageBytes - spanBytes; i > at; i -= spanBytes {
		h.span(i).next = r.descriptors
		r.descriptors = i
	}
	s := h.span(at)
	*s = span{start: uint32(page), pages: 1, use: useMeta}
	h.setTable(at, s)
	return nil
}

// metaPage is one page for descriptors: a new one, or the last page of the shortest free run.
func (h *Heap) metaPage() (uint64, error) {
	err := h.grow(1)
	if err == nil {
		return pageOf(h.root().end) - 1, nil
	}
	for _, at := range h.root().runs {
		s := h.spanW(at)
		if s == nil || s.use != useFree || s.pages == 0 || !h.inHeap(s) {
			continue
		}
		page := uint64(s.start) + uint64(s.pages) - 1
		h.unlink(at, s)
		if s.pages--; s.pages == 0 {
			h.dropSpan(at, s)
		} else {
			h.setTable(at, s)
			h.link(at, s)
		}
		return page, nil
	}
	return 0, err
}

// inHeap reports whether the pages of s are the heap's.
func (h *Heap) inHeap(s *span) bool {
	r := h.root()
	return uint64(s.start) >= pageOf(r.first) && uint64(s.start)+uint64(s.pages) <= pageOf(r.end)
}

// grow adds zero pages at the heap's end.
func (h *Heap) grow(pages uint64) error {
	r := h.root()
	end := r.end + pages*mem.PageBytes
	if end < r.end || end-code.Base > h.limit { // the limit is the run's, and may be lower than this memory's
		return fmt.Errorf("%w: %w", ErrNoSpace, &mem.LimitError{WantBytes: end - code.Base, LimitBytes: h.limit})
	}
	if err := h.m.Grow(end - code.Base); err != nil {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	h.rootW().end = end
	return nil
}

// takePages is a new span of n pages, in no list and with use useNone. ErrNoSpace leaves the heap as it was.
func (h *Heap) takePages(n uint64) (uint64, *span, error) {
	if n == 0 || n > mem.LimitMax/mem.PageBytes {
		return 0, nil, fmt.Errorf("%w: %w", ErrNoSpace, &mem.LimitError{WantBytes: n * mem.PageBytes, LimitBytes: h.limit})
	}
	if err := h.reserveSpans(); err != nil {
		return 0, nil, err
	}
	at, s := h.findRun(n)
	if s == nil {
		return h.growRun(n)
	}
	h.unlink(at, s)
	if rest := uint64(s.pages) - n; rest > 0 {
		restAt, r := h.newSpan()
		if r == nil {
			return 0, nil, errCorrupt
		}
		*r = span{start: s.start + uint32(n), pages: uint32(rest), use: useFree, stale: s.stale}
		h.setTable(restAt, r)
		h.link(restAt, r)
		s.pages = uint32(n)
	}
	s.use = useNone
	return at, s, nil
}

const runTriesMax = 64

// findRun is a free run of at least n pages. In the list where some may be too short it looks at the first ones only.
func (h *Heap) findRun(n uint64) (uint64, *span) {
	for b := bin(n); b < binCount; b++ {
		at := h.root().runs[b]
		for range runTriesMax {
			s := h.span(at)
			if s == nil {
				break
			}
			if s.use == useFree && uint64(s.pages) >= n && h.inHeap(s) {
				return at, h.spanW(at)
			}
			at = s.next
		}
	}
	return 0, nil
}

// growRun makes a span of n pages at the heap's end, beginning with the free run that is there, if any.
func (h *Heap) growRun(n uint64) (uint64, *span, error) {
	r := h.root()
	at, s := h.spanAt(r.end - 1)
	if s != nil && s.use == useFree && uint64(s.pages) < n && h.inHeap(s) {
		if err := h.grow(n - uint64(s.pages)); err != nil {
			return 0, nil, err
		}
		s = h.spanW(at)
		h.unlink(at, s)
		s.pages, s.use = uint32(n), useNone
		return at, s, nil
	}
	start := pageOf(r.end)
	if err := h.grow(n); err != nil {
		return 0, nil, err
	}
	at, s = h.newSpan()
	if s == nil {
		return 0, nil, errCorrupt
	}
	s.start, s.pages = uint32(start), uint32(n)
	return at, s, nil
}

// freePages makes a span a free run, joined with those beside it. The result is the run's end page.
func (h *Heap) freePages(at uint64, s *span) uint64 {
	h.m.Ready(at)
	start, pages := uint64(s.start), uint64(s.pages)
	*s = span{start: s.start, pages: s.pages, use: useFree, stale: true}
	if prev, p := h.spanAt(pageAddr(start) - 1); p != nil && p.use == useFree && prev != at && uint64(p.start)+uint64(p.pages) == start {
		p = h.spanW(prev)
		h.unlink(prev, p)
		h.dropSpan(at, s)
		p.pages += uint32(pages)
		p.stale = true
		at, s = prev, p
	}
	end := start + pages
	if next, n := h.spanAt(pageAddr(end)); n != nil && n.use == useFree && next != at && uint64(n.start) == end {
		n = h.spanW(next)
		h.unlink(next, n)
		s.pages += n.pages
		end += uint64(n.pages)
		h.dropSpan(next, n)
	}
	h.setTable(at, s)
	h.link(at, s)
	return end
}

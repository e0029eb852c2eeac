package heap

import (
	"math/bits"

	"github.com/tandemvm/tandem/vm/internal/code"
)

const collectMinBytes = 4 << 20 // threshold of CollectDue at 100 percent when little is live

// CollectDue reports whether enough was allocated since the last collection. It follows from memory alone.
func (h *Heap) CollectDue() bool {
	r := h.root()
	return r.allocBytes >= r.nextCollect
}

// SetPercent is debug.SetGCPercent: the next threshold is live bytes times (100+percent)/100; negative: never. It returns the former value.
func (h *Heap) SetPercent(percent int64) int64 {
	r := h.rootW()
	old := r.percent
	r.percent = max(min(percent, 1<<20), -1)
	h.setThreshold(r, r.allocBytes)
	return old
}

// setThreshold follows from the live bytes after a collection.
func (h *Heap) setThreshold(r *rootPage, live uint64) {
	if r.percent < 0 {
		r.nextCollect = 1<<63 - 1
		return
	}
	p := uint64(min(r.percent, 1<<20))
	live = min(live, 1<<40)
	r.nextCollect = live + max(live/100*p+live%100*p/100, collectMinBytes/100*p)
}

// marks is the host's scratch space of one collection: nothing of it is state, for a collection is never cut.
type marks struct {
	first uint64                   // page of index 0
	page  []uint32                 // by page: index in bits of its span's words, 0 none yet
	bits  [][spanElems / 64]uint64 // by span seen; [0] is nobody's
	stack []uint64                 // objects marked and not yet scanned
	left  int64                    // bytes that may still be looked at
}

// collectLooks is how often a collection may look at each byte of memory. Where objects do not overlap, few times are enough; damaged metadata may say that
// they do.
const collectLooks = 16

// look counts bytes looked at; false: memory is damaged, and the collection frees nothing.
func (k *marks) look(bytes uint64) bool {
	k.left -= int64(min(bytes, 1<<40)) + 16
	return k.left >= 0
}

// Marker is given to Collect's callback to name the roots.
type Marker struct {
	h      *Heap
	settle []func()
}

// Pointer marks the object that holds p, if there is one.
func (k *Marker) Pointer(p uint64) {
	if k.h.marks.look(0) {
		k.h.mark(p)
	}
}

// Hold marks the object that holds p but not what it refers to. It must come before whatever might mark that object otherwise.
func (k *Marker) Hold(p uint64) {
	if n := len(k.h.marks.stack); k.h.marks.look(0) {
		k.h.mark(p)
		k.h.marks.stack = k.h.marks.stack[:n]
	}
}

// Timers marks the timers whose addresses are the words in [lo, hi), but for those with a type: their channels hold them. The result says whether there
// are such.
func (k *Marker) Timers(lo, hi uint64) (others bool) {
	for ; lo < hi && k.h.marks.look(0); lo += 8 {
		r := k.h.m.Load64(lo)
		if p, ok := k.h.locate(r); ok && headerType(k.h.headerOf(&p)) != 0 {
			others = true
		} else {
			k.h.mark(r)
		}
	}
	return others
}

// Settle has fn called when everything in reach is marked, before the rest is freed; not if memory proves damaged.
func (k *Marker) Settle(fn func()) { k.settle = append(k.settle, fn) }

// Reached reports, to what Settle calls, whether the object that holds addr is in reach.
func (k *Marker) Reached(addr uint64) bool { return k.h.marked(addr) }

// Spent reports whether so many roots were named that memory must be damaged: naming more changes nothing.
func (k *Marker) Spent() bool { return k.h.marks.left < 0 }

// Value marks what the value of type typ at addr refers to.
func (k *Marker) Value(addr, typ uint64) {
	if k.h.marks.look(min(k.h.TypeSize(typ), k.h.m.Size())) {
		k.h.scanValues(addr, typ, 1)
	}
}

// Words marks what the aligned words in [lo, hi) may refer to.
func (k *Marker) Words(lo, hi uint64) {
	if hi > lo && k.h.marks.look(min(hi-lo, k.h.m.Size())) {
		k.h.scanWords(lo, hi)
	}
}

// Collect frees every object not reachable from the roots, which the callback names. Exec's own records are roots only if named.
// Cost: the pages of live objects that hold pointers are read, and of metadata those are written where an object was freed.
func (h *Heap) Collect(roots func(k *Marker)) {
	h.m.BringAll()
	r := h.root()
	k := &h.marks
	k.first = pageOf(r.first)
	n := (min(r.end, code.Base+h.m.Size()) - r.first) >> 12
	if r.end < r.first || r.first < code.Base || n > h.m.Size()>>12 {
		return // corrupt
	}
	k.page = append(k.page[:0], make([]uint32, n)...)
	k.bits = append(k.bits[:0], [spanElems / 64]uint64{})
	k.stack, k.left = k.stack[:0], int64(collectLooks*(h.m.Size()+1<<20))
	marker := &Marker{h: h}
	roots(marker)
	h.specialRoots()
	h.drain()
	if k.left >= 0 {
		h.settleSpecials()
	}
	if k.left >= 0 {
		for _, fn := range marker.settle {
			fn()
		}
		h.sweep()
	}
}

// drain scans what was marked and not yet scanned.
func (h *Heap) drain() {
	k := &h.marks
	for len(k.stack) > 0 && k.left >= 0 {
		addr := k.stack[len(k.stack)-1]
		k.stack = k.stack[:len(k.stack)-1]
		h.scan(addr)
	}
}

// mark marks the object that holds addr and puts it on the stack if there is something to scan in it.
func (h *Heap) mark(addr uint64) {
	p, ok := h.locate(addr)
	if !ok {
		return
	}
	k := &h.marks
	page := uint64(p.s.start) - k.first
	if page >= uint64(len(k.page)) {
		return
	}
	i := k.page[page]
	if i == 0 {
		i = uint32(len(k.bits))
		k.page[page] = i
		k.bits = append(k.bits, [spanElems / 64]uint64{})
	}
	word, bit := &k.bits[i][p.index/64], uint64(1)<<(p.index%64)
	if *word&bit != 0 {
		return
	}
	*word |= bit
	w := h.headerOf(&p)
	if w&headerNoScan == 0 || w&headerTypeMask != 0 {
		k.stack = append(k.stack, p.addr)
	}
}

// scan marks what the object at addr refers to.
func (h *Heap) scan(addr uint64) {
	p, ok := h.locate(addr)
	if !ok {
		return
	}
	w := h.headerOf(&p)
	typ := headerType(w)
	if typ >= h.root().first {
		h.mark(typ)
	}
	if w&headerNoScan != 0 || !h.marks.look(p.size) {
		return
	}
	switch headerKind(w) {
	case KindObject:
		h.scanValues(addr, typ, 1)
	case KindArray:
		if size := h.TypeSize(typ); size > 0 {
			h.scanValues(addr, typ, p.size/size)
		}
	case KindMapEntries:
		h.scanEntries(addr, typ, p.size)
	case KindRaw, KindStack, KindMapIndex:
	default:
		h.scanWords(addr, addr+p.size)
	}
}

// scanWords marks conservatively.
func (h *Heap) scanWords(lo, hi uint64) {
	lo = max((lo+7)&^7, code.Base)
	hi = min(hi, code.Base+h.m.Size())
	first, end := h.root().first, h.root().end
	for ; lo+8 <= hi; lo += 8 {
		if p := h.m.Load64(lo); p-first < end-first {
			h.mark(p)
		}
	}
}

// scanValues marks precisely what n values of type typ from addr on refer to.
func (h *Heap) scanValues(addr, typ, n uint64) {
	size, ptrBytes := h.TypeSize(typ), h.TypePtrBytes(typ)
	if ptrBytes == 0 || ptrBytes > size || n == 0 || size > h.m.Size() || !h.m.InRange(addr, size) {
		return
	}
	n = min(n, (code.Base+h.m.Size()-addr)/size)
	mask := h.m.Bytes(h.m.Load64(typ+typeGCData), (ptrBytes/8+7)/8)
	if mask == nil {
		return
	}
	first, end := h.root().first, h.root().end
	for ; n > 0; n-- {
		for i, b := range mask {
			for ; b != 0; b &= b - 1 {
				at := addr + uint64(i)*64 + uint64(bits.TrailingZeros8(b))*8
				if p := h.m.Load64(at); p-first < end-first {
					h.mark(p)
				}
			}
		}
		addr += size
	}
}

// sweep frees what is not marked, by comparing bitmaps; bytes of dead objects are not read.
func (h *Heap) sweep() {
	r := h.rootW()
	k := &h.marks
	var heads, tails [classCount]uint64
	live := uint64(0)
	for page := k.first; page < k.first+uint64(len(k.page)); {
		at, s := h.spanAt(pageAddr(page))
		if s == nil || uint64(s.start) != page || s.pages == 0 {
			return // corrupt: what is allocated stays so
		}
		next := page + uint64(s.pages)
		marked := &k.bits[k.page[page-k.first]]
		switch s.use {
		case useSmall:
			if n := h.sweepSmall(at, s, marked); n > 0 {
				live += n * classes[int(s.class)%classCount].block
				h.relist(at, s, &heads, &tails)
			} else {
				r.heapBytes -= uint64(s.pages) << 12
				next = max(next, h.freePages(at, s))
			}
		case useLarge:
			if n := uint64(s.pages) << 12; marked[0] != 0 {
				live += n
			} else {
				r.frees++
				r.heapBytes -= n
				next = max(next, h.freePages(at, s))
			}
		}
		page = next
	}
	for c, at := range tails {
		if s := h.span(at); s != nil && s.next != 0 {
			h.spanW(at).next = 0
		}
		r.open[c] = heads[c]
	}
	r.allocBytes = live
	r.collections++
	h.setThreshold(r, live)
}

// sweepSmall makes the marked blocks of a span those in use; the result is their number.
func (h *Heap) sweepSmall(at uint64, s *span, marked *[spanElems / 64]uint64) (live uint64) {
	freed := uint64(0)
	for i := range s.bits {
		unused := beyond(s.elems, i)
		live += uint64(bits.OnesCount64(marked[i]))
		if now := marked[i] | unused; now != s.bits[i] {
			h.m.Ready(at)
			freed += uint64(bits.OnesCount64(s.bits[i] &^ now))
			s.bits[i] = now
		}
	}
	if freed > 0 {
		s.cursor, s.stale = 0, true
		h.rootW().frees += freed
	}
	return live
}

// relist puts a span that has free blocks at the end of its class's list, writing only what changes.
func (h *Heap) relist(at uint64, s *span, heads, tails *[classCount]uint64) {
	c := int(s.class) % classCount
	room := false
	for _, w := range s.bits {
		room = room || ^w != 0
	}
	if !room {
		if s.listed {
			h.m.Ready(at)
			s.listed, s.next = false, 0
		}
		return
	}
	if !s.listed {
		h.m.Ready(at)
		s.listed = true
	}
	if tail := h.span(tails[c]); tail == nil {
		heads[c] = at
	} else if tail.next != at {
		h.spanW(tails[c]).next = at
	}
	tails[c] = at
}

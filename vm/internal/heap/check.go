package heap

import (
	"fmt"
	"math/bits"

	"github.com/tandemvm/tandem/vm/internal/mem"
)

// Check verifies the metadata of the heap in m: every span, bitmap, list and counter, and the maps' invariants. It trusts nothing; its cost
// follows the size of the heap.
func Check(m *mem.Memory) error {
	h, err := Attach(m)
	if err != nil {
		return err
	}
	c := checker{h: h, r: h.root(), open: map[uint64]bool{}, runs: map[uint64]bool{}, unused: map[uint64]bool{}}
	for _, step := range []func() error{c.header, c.lists, c.spans, c.counters, c.maps, c.specials} {
		if err := step(); err != nil {
			return fmt.Errorf("heap: check: %w", err)
		}
	}
	return nil
}

type checker struct {
	h *Heap
	r *rootPage

	open, runs, unused map[uint64]bool // members of the lists not yet met as spans
	descriptors        map[uint64]bool // descriptors that some page leads to
	mapList            []uint64
	alloc, heap        uint64
	objects            uint64
}

func (c *checker) header() error {
	r := c.r
	switch {
	case r.zero != 0:
		return fmt.Errorf("the zero object holds %#x", r.zero)
	case r.table%mem.PageBytes != 0, r.first%mem.PageBytes != 0, r.end%mem.PageBytes != 0, r.end < r.first:
		return fmt.Errorf("bounds %#x %#x %#x are out of order", r.table, r.first, r.end)
	case r.end != pageAddr(c.h.m.Size()>>mem.PageShift):
		return fmt.Errorf("heap ends at %#x, memory at %#x", r.end, pageAddr(c.h.m.Size()>>mem.PageShift))
	}
	tableBytes := r.first - r.table
	if r.table >= r.first {
		_, s := c.h.spanAt(r.table)
		if s == nil || s.use != useTable || pageAddr(uint64(s.start)) != r.table {
			return fmt.Errorf("the page table is at %#x, in no span of its own", r.table)
		}
		tableBytes = uint64(s.pages) * mem.PageBytes
	}
	if tableBytes < r.limitBytes/mem.PageBytes*4 {
		return fmt.Errorf("page table of %d bytes is too small", tableBytes)
	}
	return nil
}

// lists walks every list; a member met twice is a cycle or stands in two lists.
func (c *checker) lists() error {
	seen := map[uint64]bool{}
	walk := func(what string, at uint64, visit func(at uint64, s *span) error) error {
		for at != 0 {
			s := c.h.span(at)
			if s == nil || seen[at] {
				return fmt.Errorf("list of %s holds %#x twice or wrongly", what, at)
			}
			seen[at] = true
			if err := visit(at, s); err != nil {
				return fmt.Errorf("list of %s, %#x: %w", what, at, err)
			}
			at = s.next
		}
		return nil
	}
	for class, at := range c.r.open {
		err := walk("open spans", at, func(at uint64, s *span) error {
			c.open[at] = true
			if s.use != useSmall || int(s.class) != class || !s.listed {
				return fmt.Errorf("use %d, class %d, listed %v in the list of class %d", s.use, s.class, s.listed, class)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for b, at := range c.r.runs {
		prev := uint64(0)
		err := walk("free runs", at, func(at uint64, s *span) error {
			c.runs[at] = true
			if s.use != useFree || bin(uint64(s.pages)) != b || s.prev != prev {
				return fmt.Errorf("use %d, %d pages, prev %#x in list %d after %#x", s.use, s.pages, s.prev, b, prev)
			}
			prev = at
			return nil
		})
		if err != nil {
			return err
		}
	}
	return walk("descriptors", c.r.descriptors, func(at uint64, s *span) error {
		c.unused[at] = true
		if s.use != useNone {
			return fmt.Errorf("use %d", s.use)
		}
		return nil
	})
}

// spans walks the pages from first to end: they must be tiled by spans and free runs.
func (c *checker) spans() error {
	c.descriptors = map[uint64]bool{}
	metas := uint64(0)
	before := useNone
	for addr := c.r.first; addr < c.r.end; {
		at, s := c.h.spanAt(addr)
		if s == nil || pageAddr(uint64(s.start)) != addr || s.pages == 0 || !c.h.inHeap(s) || c.descriptors[at] || c.unused[at] {
			return fmt.Errorf("page %#x has no sound span (descriptor %#x)", addr, at)
		}
		c.descriptors[at] = true
		if err := c.span(at, s, before); err != nil {
			return fmt.Errorf("span %#x of page %#x: %w", at, addr, err)
		}
		if s.use == useMeta {
			metas++
		}
		before = s.use
		addr += uint64(s.pages) * mem.PageBytes
	}
	if want := metas * (mem.PageBytes / spanBytes); uint64(len(c.descriptors)+len(c.unused)) != want {
		return fmt.Errorf("%d descriptors in use and %d unused, of %d", len(c.descriptors), len(c.unused), want)
	}
	if len(c.open)+len(c.runs) > 0 {
		return fmt.Errorf("lists hold spans that no page has: %v %v", c.open, c.runs)
	}
	return nil
}

func (c *checker) span(at uint64, s *span, before spanUse) error {
	last, l := c.h.spanAt(pageAddr(uint64(s.start)+uint64(s.pages)) - 1)
	if l == nil || last != at {
		return fmt.Errorf("its last page has descriptor %#x", last)
	}
	switch s.use {
	case useMeta:
		if s.pages != 1 || at != pageAddr(uint64(s.start)) {
			return fmt.Errorf("page of descriptors of %d pages", s.pages)
		}
		return nil
	case useTable:
		if pageAddr(uint64(s.start)) != c.r.table {
			return fmt.Errorf("a page table that is not the heap's")
		}
		return nil
	case useFree:
		if before == useFree || !c.runs[at] {
			return fmt.Errorf("free run beside another, or in no list")
		}
		delete(c.runs, at)
		return c.zero(s.stale, pageAddr(uint64(s.start)), uint64(s.pages)*mem.PageBytes)
	case useLarge:
		if s.size <= smallMax || s.size > uint64(s.pages)*mem.PageBytes || s.size%8 != 0 {
			return fmt.Errorf("large object of %d bytes in %d pages", s.size, s.pages)
		}
		n := uint64(s.pages) * mem.PageBytes
		c.alloc, c.heap, c.objects = c.alloc+n, c.heap+n, c.objects+1
		return c.object(pageAddr(uint64(s.start)), s.header)
	case useSmall:
		return c.small(at, s)
	}
	return fmt.Errorf("use %d", s.use)
}

// zero verifies that bytes not marked stale are zero.
func (c *checker) zero(stale bool, addr, n uint64) error {
	if stale {
		return nil
	}
	for i, b := range c.h.m.Bytes(addr, n) {
		if b != 0 {
			return fmt.Errorf("free byte %#x is not zero and not marked stale", addr+uint64(i))
		}
	}
	return nil
}

func (c *checker) small(at uint64, s *span) error {
	if int(s.class) >= classCount || s.class == 0 {
		return fmt.Errorf("class %d", s.class)
	}
	k := &classes[s.class]
	if s.pages != k.pages || s.elems != k.elems || s.listed != c.open[at] {
		return fmt.Errorf("%d pages, %d blocks, listed %v in class %d", s.pages, s.elems, s.listed, s.class)
	}
	delete(c.open, at)
	used := uint64(0)
	room := false
	for i, w := range s.bits {
		unused := beyond(s.elems, i)
		if w&unused != unused {
			return fmt.Errorf("bits beyond the last block are clear")
		}
		if i < int(s.cursor) && ^w != 0 {
			return fmt.Errorf("free block before the cursor")
		}
		room = room || ^w != 0
		used += uint64(bits.OnesCount64(w &^ unused))
	}
	if room && !s.listed {
		return fmt.Errorf("free blocks in no list")
	}
	c.alloc += used * k.block
	c.heap += uint64(s.pages) * mem.PageBytes
	c.objects += used
	start := pageAddr(uint64(s.start))
	for i := range uint64(s.elems) {
		block := start + i*k.block
		if s.bits[i/64]>>(i%64)&1 == 0 {
			if err := c.zero(s.stale, block, k.block); err != nil {
				return err
			}
		} else if err := c.object(block+headerBytes, c.h.m.Load64(block)); err != nil {
			return err
		}
	}
	return nil
}

// object verifies a header.
func (c *checker) object(addr, w uint64) error {
	kind, typ := headerKind(w), headerType(w)
	if kind == KindFree || kind >= kindCount {
		return fmt.Errorf("object %#x has kind %d", addr, kind)
	}
	if (kind == KindObject || kind == KindArray) && !c.h.m.InRange(typ, typeBytes) {
		return fmt.Errorf("object %#x has type %#x", addr, typ)
	}
	if kind == KindMap {
		c.mapList = append(c.mapList, addr)
	}
	return nil
}

func (c *checker) counters() error {
	r := c.r
	if c.alloc != r.allocBytes || c.heap != r.heapBytes || c.objects != r.mallocs-r.frees {
		return fmt.Errorf("counted %d bytes in %d objects in %d bytes of spans, recorded %d, %d, %d",
			c.alloc, c.objects, c.heap, r.allocBytes, r.mallocs-r.frees, r.heapBytes)
	}
	return nil
}

func (c *checker) maps() error {
	for _, at := range c.mapList {
		if err := c.oneMap(c.h.mapAt(at)); err != nil {
			return fmt.Errorf("map %#x: %w", at, err)
		}
	}
	return nil
}

func (c *checker) oneMap(x *mapHeader) error {
	h := c.h
	valueOff, stride := h.entryLayout(x.typ)
	if h.TypeKind(x.typ) != kindMap || uint64(x.valueOff) != valueOff || uint64(x.stride) != stride {
		return fmt.Errorf("layout %d, %d is not that of its type", x.valueOff, x.stride)
	}
	if x.entries == 0 {
		if x.count != 0 || x.index != 0 {
			return fmt.Errorf("count %d without entries", x.count)
		}
		return nil
	}
	t := h.table(x.entries, stride)
	o, ok := h.Find(x.entries)
	if !ok || o.Addr != x.entries || o.Kind != KindMapEntries || o.Type != x.typ || o.SizeBytes < marksBytes(t.capacity)+t.capacity*stride ||
		uint64(h.m.Load32(x.entries+4)) != t.used {
		return fmt.Errorf("entries %#x are no object of their size", x.entries)
	}
	live := uint64(0)
	for i := range t.capacity {
		if mark := h.m.Load32(t.mark(i)); mark == 0 {
			if err := c.zero(false, t.entry(i), stride); err != nil {
				return fmt.Errorf("dead entry %d: %w", i, err)
			}
			continue
		} else if i >= t.used || mark < markLive {
			return fmt.Errorf("entry %d has mark %#x", i, mark)
		}
		live++
	}
	if live != x.count {
		return fmt.Errorf("%d live entries, count %d", live, x.count)
	}
	return c.index(x, &t)
}

// index verifies that every live entry is found from its mark, and that nothing else is.
func (c *checker) index(x *mapHeader, t *table) error {
	h := c.h
	if x.index == 0 {
		if t.capacity > smallMap {
			return fmt.Errorf("no index for capacity %d", t.capacity)
		}
		return nil
	}
	o, ok := h.Find(x.index)
	if !ok || o.Addr != x.index || o.Kind != KindMapIndex || x.bits > 31 || o.SizeBytes < 4<<x.bits {
		return fmt.Errorf("index %#x is no object of its size", x.index)
	}
	mask := uint32(1)<<x.bits - 1
	filled, full := uint32(0), uint64(0)
	for p := uint32(0); p <= mask; p++ {
		slot := h.m.Load32(x.index + uint64(p)*4)
		if slot != slotEmpty {
			filled++
		}
		if slot <= slotDeleted {
			continue
		}
		full++
		i := uint64(slot&mask) - slotFirst
		mark := h.m.Load32(t.mark(i))
		if i >= t.used || mark == 0 || mark<<1&^mask != slot&^mask {
			return fmt.Errorf("slot %d names entry %d, mark %#x", p, i, mark)
		}
		for q := mark & mask; q != p; q = (q + 1) & mask {
			if h.m.Load32(x.index+uint64(q)*4) == slotEmpty {
				return fmt.Errorf("slot %d of entry %d cannot be reached", p, i)
			}
		}
	}
	if filled != x.filled || full != x.count || filled > mask {
		return fmt.Errorf("%d slots filled, %d recorded, %d entries", filled, x.filled, full)
	}
	return nil
}

// specials verifies that the list of specials is sound, that each is found by its address, and that the queue ends where it should.
func (c *checker) specials() error {
	h, r := c.h, c.r
	prev, n := uint64(0), uint64(0)
	for p := r.specialFirst; p != 0; prev, p = p, h.m.Load64(p+specialNext) {
		s := h.special(p)
		if o, ok := h.Find(p); !ok || o.Addr != p || o.Kind != KindSpecial || h.m.Load64(p+specialPrev) != prev || n >= r.specials {
			return fmt.Errorf("special %#x after %#x is none, or one too many", p, prev)
		}
		if h.findSpecial(s.Kind, s.At, s.ID) != p {
			return fmt.Errorf("special %#x is not found at %#x", p, s.At)
		}
		n++
	}
	if n != r.specials || prev != r.specialLast {
		return fmt.Errorf("%d specials to %#x, recorded %d to %#x", n, prev, r.specials, r.specialLast)
	}
	last := uint64(0)
	for p, left := r.queueFirst, h.m.Size()/specialBytes; p != 0 && left > 0; p, left = h.m.Load64(p+specialNext), left-1 {
		if o, ok := h.Find(p); !ok || o.Addr != p || o.Kind != KindSpecial {
			return fmt.Errorf("queued special %#x is none", p)
		}
		last = p
	}
	if last != r.queueLast {
		return fmt.Errorf("queue of specials ends at %#x, recorded %#x", last, r.queueLast)
	}
	return nil
}

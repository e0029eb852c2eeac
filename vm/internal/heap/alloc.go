package heap

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

var errCorrupt = errors.New("heap: allocator metadata is corrupt: load a sound snapshot")

// The header before each object: kind in the top byte, a bit that says that it holds no pointers, and the offset from code.Base of its type (0: none).
const (
	headerKindShift = 56
	headerNoScan    = 1 << 55
	headerTypeMask  = 1<<40 - 1
)

func header(kind Kind, typ uint64, noscan bool) uint64 {
	w := uint64(kind) << headerKindShift
	if typ != 0 {
		w |= (typ - code.Base) & headerTypeMask
	}
	if noscan {
		w |= headerNoScan
	}
	return w
}

func headerKind(w uint64) Kind { return Kind(w >> headerKindShift) }

func headerType(w uint64) uint64 {
	if off := w & headerTypeMask; off != 0 {
		return code.Base + off
	}
	return 0
}

// NewObject is the address of a new zeroed value of type typ.
func (h *Heap) NewObject(typ uint64) (uint64, error) {
	if !h.m.InRange(typ, typeBytes) {
		return 0, ErrBadType
	}
	size, w := h.m.Load64(typ), header(KindObject, typ, h.m.Load64(typ+typePtrBytes) == 0)
	if size >= handledMin {
		return h.allocCounted(w, size)
	}
	return h.alloc(w, size)
}

// NewArray is the address of n new zeroed values of type elem, contiguous. ErrLen when the size overflows.
func (h *Heap) NewArray(elem, n uint64) (uint64, error) {
	if !h.m.InRange(elem, typeBytes) {
		return 0, ErrBadType
	}
	hi, size := bits.Mul64(h.m.Load64(elem), n)
	if hi != 0 || size > gcAllocMax {
		return 0, ErrLen
	}
	return h.allocCounted(header(KindArray, elem, h.m.Load64(elem+typePtrBytes) == 0), size)
}

// AllocKind is a new zeroed object of sizeBytes of a built-in kind; typ is kept in the header (0: none).
func (h *Heap) AllocKind(kind Kind, sizeBytes, typ uint64) (uint64, error) {
	return h.alloc(header(kind, typ, kind == KindRaw || kind == KindStack || kind == KindMapIndex || kind == KindSpecial), sizeBytes)
}

// allocCounted is alloc of a size that takes time.
func (h *Heap) allocCounted(header, size uint64) (uint64, error) {
	at, err := h.alloc(header, size)
	if err == nil {
		h.Handle(size)
	}
	return at, err
}

// alloc is the address of size zeroed bytes after a header.
func (h *Heap) alloc(header, size uint64) (uint64, error) {
	if size-1 >= smallMax {
		if size == 0 {
			return ZeroBase, nil
		}
		return h.allocLarge(header, size)
	}
	c := classBy[(size+7)/8]
	r := h.rootW()
	for {
		at := r.open[c]
		s := h.span(at)
		if s == nil || s.use != useSmall {
			if err := h.refill(c); err != nil {
				return 0, err
			}
			continue
		}
		h.m.Ready(at)
		for uint64(s.cursor) < uint64(len(s.bits)) {
			free := ^s.bits[s.cursor]
			if free == 0 {
				s.cursor++
				continue
			}
			i := uint64(s.cursor)*64 + uint64(bits.TrailingZeros64(free))
			s.bits[s.cursor] |= free & -free
			block := classes[c].block
			addr := pageAddr(uint64(s.start)) + i*block
			b := h.m.Writable(addr, block)
			if b == nil {
				return 0, errCorrupt
			}
			if s.stale {
				clear(b)
			}
			binary.LittleEndian.PutUint64(b, header)
			r.allocBytes += block
			r.totalBytes += block
			r.mallocs++
			return addr + headerBytes, nil
		}
		r.open[c] = s.next // full
		s.next, s.listed = 0, false
	}
}

// refill gives the class a new span.
func (h *Heap) refill(c uint8) error {
	at, s, err := h.takePages(uint64(classes[c].pages))
	if err != nil {
		return err
	}
	elems := classes[c].elems
	s.use, s.class, s.elems, s.listed = useSmall, c, elems, true
	s.next, s.prev, s.cursor, s.header, s.size = 0, 0, 0, 0, 0
	for i := range s.bits {
		s.bits[i] = beyond(elems, i)
	}
	h.setTable(at, s)
	r := h.rootW()
	r.open[c] = at
	r.heapBytes += uint64(s.pages) * mem.PageBytes
	return nil
}

// beyond has the bits of word i that stand for no block of a span of n.
func beyond(n uint16, i int) uint64 {
	switch left := int(n) - i*64; {
	case left >= 64:
		return 0
	case left <= 0:
		return ^uint64(0)
	default:
		return ^uint64(0) << left
	}
}

func (h *Heap) allocLarge(header, size uint64) (uint64, error) {
	at, s, err := h.takePages(pagesFor(size))
	if err != nil {
		return 0, err
	}
	if !h.m.InRange(pageAddr(uint64(s.start)), uint64(s.pages)*mem.PageBytes) {
		return 0, errCorrupt
	}
	s.use, s.header, s.size = useLarge, header, (size+7)&^7
	h.setTable(at, s)
	addr := pageAddr(uint64(s.start))
	if s.stale {
		h.m.Zero(addr, uint64(s.pages)*mem.PageBytes)
		s.stale = false
	}
	r := h.rootW()
	n := uint64(s.pages) * mem.PageBytes
	r.heapBytes += n
	r.allocBytes += n
	r.totalBytes += n
	r.mallocs++
	return addr, nil
}

// pagesFor is the number of pages for size bytes, without overflow.
func pagesFor(size uint64) uint64 {
	n := size / mem.PageBytes
	if size%mem.PageBytes != 0 {
		n++
	}
	return n
}

// Object describes one object.
type Object struct {
	Addr      uint64 // first byte
	SizeBytes uint64 // bytes usable, at least what was asked for
	Kind      Kind
	Type      uint64 // type of the value, or element type for KindArray; 0 when there is none
}

// place is where an object's metadata is.
type place struct {
	at    uint64 // descriptor
	s     *span
	index uint64 // of the block
	addr  uint64 // of the object
	size  uint64
}

// locate is the place of the object in use that holds addr.
func (h *Heap) locate(addr uint64) (p place, ok bool) {
	at, s := h.spanAt(addr)
	if s == nil {
		return p, false
	}
	start := pageAddr(uint64(s.start))
	switch s.use {
	case useSmall:
		c := &classes[int(s.class)%classCount]
		i := (addr - start) * c.magic >> 32
		block := start + i*c.block
		if i >= uint64(s.elems) || i >= spanElems || s.bits[i/64]>>(i%64)&1 == 0 || addr-block < headerBytes {
			return p, false
		}
		return place{at, s, i, block + headerBytes, c.block - headerBytes}, true
	case useLarge:
		if addr-start >= s.size || !h.m.InRange(start, s.size) {
			return p, false
		}
		return place{at, s, 0, start, s.size}, true
	}
	return p, false
}

func (h *Heap) headerOf(p *place) uint64 {
	if p.s.use == useLarge {
		return p.s.header
	}
	return h.m.Load64(p.addr - headerBytes)
}

// Find is the object that holds addr, which may point into it.
func (h *Heap) Find(addr uint64) (Object, bool) {
	p, ok := h.locate(addr)
	if !ok {
		return Object{}, false
	}
	return h.object(&p), true
}

func (h *Heap) object(p *place) Object {
	w := h.headerOf(p)
	return Object{p.addr, p.size, headerKind(w), headerType(w)}
}

// Objects calls fn for every object that overlaps the n bytes from addr, ascending, until fn returns false. fn must not allocate.
func (h *Heap) Objects(addr, n uint64, fn func(Object) bool) {
	r := h.root()
	lo, hi := max(addr, r.first, code.Base), min(addr+n, r.end, code.Base+h.m.Size())
	for lo < hi {
		at, s := h.spanAt(lo)
		if s == nil {
			lo = pageAddr(pageOf(lo) + 1)
			continue
		}
		end := pageAddr(uint64(s.start) + uint64(s.pages))
		if !h.objectsIn(at, s, lo, min(hi, end), fn) {
			return
		}
		lo = end
	}
}

// objectsIn calls fn for the objects of one span that overlap [lo, hi).
func (h *Heap) objectsIn(at uint64, s *span, lo, hi uint64, fn func(Object) bool) bool {
	switch s.use {
	case useLarge:
		if p, ok := h.locate(lo); ok {
			return fn(h.object(&p))
		}
	case useSmall:
		c := &classes[int(s.class)%classCount]
		start := pageAddr(uint64(s.start))
		for i := (lo - start) * c.magic >> 32; i < uint64(s.elems) && start+i*c.block+headerBytes < hi; i++ {
			p, ok := h.locate(start + i*c.block + headerBytes)
			if ok && !fn(h.object(&p)) {
				return false
			}
		}
	}
	return true
}

// Free gives the object that begins at addr back at once. The caller is its only owner (stack chunks, goroutine records).
// An address that is no object's is ignored.
func (h *Heap) Free(addr uint64) {
	p, ok := h.locate(addr)
	if !ok || p.addr != addr {
		return
	}
	r := h.rootW()
	r.frees++
	if p.s.use == useLarge {
		n := uint64(p.s.pages) * mem.PageBytes
		r.allocBytes -= n
		r.heapBytes -= n
		h.freePages(p.at, p.s)
		return
	}
	s := h.spanW(p.at)
	r.allocBytes -= classes[int(s.class)%classCount].block
	s.bits[p.index/64] &^= 1 << (p.index % 64)
	s.stale = true
	s.cursor = min(s.cursor, uint16(p.index/64))
	if !s.listed {
		s.listed, s.next = true, r.open[int(s.class)%classCount]
		r.open[int(s.class)%classCount] = p.at
	}
}

// Stats are the numbers runtime.MemStats shows.
type Stats struct {
	AllocBytes      uint64 // in live or not yet collected objects
	TotalAllocBytes uint64 // ever allocated
	Mallocs, Frees  uint64 // objects ever allocated, freed
	HeapBytes       uint64 // pages given to objects
	SysBytes        uint64 // memory in use
	NextCollect     uint64 // AllocBytes at which CollectDue turns true
	Collections     uint64
}

// Stats are the current numbers.
func (h *Heap) Stats() Stats {
	r := h.root()
	return Stats{r.allocBytes, r.totalBytes, r.mallocs, r.frees, r.heapBytes, h.m.Size(), r.nextCollect, r.collections}
}

package heap

import "unsafe"

// mapIter lies over an iterator object. It walks the entries that were the map's when it began, as a ring from a random start. While they
// still are the map's, that is all. Once the map has new ones (it grew, or was cleared) the old are left behind unwritten, and each key is looked up
// in the map: deleted ones are passed over, values are current, and entries made since are not in the ring, so none comes twice.
type mapIter struct {
	m       uint64 // map
	entries uint64 // its entries when the iterator was made
	clears  uint64 // its clears then
	start   uint32 // entry the ring starts with
	next    uint32 // entry to look at next
	wrapped bool   // the ring is past its end
	done    bool
}

const mapIterBytes = uint64(unsafe.Sizeof(mapIter{}))

func (h *Heap) iterAt(iter uint64) *mapIter {
	if iter%8 != 0 || !h.m.InRange(iter, mapIterBytes) {
		return nil
	}
	return (*mapIter)(h.m.Pointer(iter))
}

// NewMapIter is a new iterator over m (nil allowed), an object of KindMapIter.
func (h *Heap) NewMapIter(typ, m uint64) (uint64, error) {
	x := h.mapAt(m)
	if x == nil && m != 0 {
		return 0, ErrFault
	}
	at, err := h.AllocKind(KindMapIter, mapIterBytes, 0)
	if err != nil {
		return 0, err
	}
	h.m.Touch(at, mapIterBytes)
	it := h.iterAt(at)
	if m == 0 || x.entries == 0 {
		it.done = true
		return at, nil
	}
	x = h.mapW(m)
	x.iterated = true
	it.m, it.entries, it.clears = m, x.entries, x.clears
	if used := h.table(x.entries, uint64(x.stride)).used; used > 0 {
		it.start = uint32(h.Rand64() % used)
		it.next = it.start
	}
	return at, nil
}

// passed notes that so many dead entries or index slots were looked at on the way to one.
func (h *Heap) passed(n uint64) {
	if n >= handledMin/8 {
		h.Handle(8 * n)
	}
}

// mapNextMax is the bytes that one MapNext may handle.
const mapNextMax = 1 << 33

// MapNext is the next entry's key and value addresses, 0 and 0 at the end. They are valid until the next operation on the heap.
func (h *Heap) MapNext(iter uint64) (key, value uint64, err error) {
	it := h.iterAt(iter)
	if it == nil {
		return 0, 0, ErrFault
	}
	if it.done {
		return 0, 0, nil
	}
	x := h.mapAt(it.m)
	if x == nil {
		return 0, 0, ErrFault
	}
	h.m.Touch(iter, mapIterBytes)
	t := h.table(it.entries, uint64(x.stride))
	passed := uint64(0) // dead entries
	for begun := h.handled; ; {
		if h.handled-begun > mapNextMax { // damaged: each entry is looked for in all of a table
			return 0, 0, ErrFault
		}
		end := t.used
		if it.wrapped {
			end = min(end, uint64(it.start))
		}
		if uint64(it.next) >= end {
			if it.wrapped {
				it.done = true
				h.passed(passed)
				return 0, 0, nil
			}
			it.wrapped, it.next = true, 0
			continue
		}
		i := uint64(it.next)
		it.next++
		if h.m.Load32(t.mark(i)) == 0 {
			passed++
			continue
		}
		if e := h.current(x, it, t.entry(i)); e != 0 {
			h.passed(passed)
			return e, e + uint64(x.valueOff), nil
		}
	}
}

// current is the entry of the map now for the entry e of the iterator, 0 when it was deleted.
func (h *Heap) current(x *mapHeader, it *mapIter, e uint64) uint64 {
	if it.entries == x.entries {
		return e
	}
	if x.mode == modeAny {
		if same, err := h.Equal(x.keyType(h), e, e); err == nil && !same { // NaN: it can be neither found nor deleted, but by clear
			if it.clears == x.clears {
				return e
			}
			return 0
		}
	}
	value, err := h.MapGet(x.typ, it.m, e)
	if err != nil || value == 0 {
		return 0
	}
	return value - uint64(x.valueOff)
}

// MapEntries calls fn for each live entry of m, in order of insertion, until fn returns false.
func (h *Heap) MapEntries(m uint64, fn func(key, value uint64) bool) {
	t, ok := h.MapTable(m)
	for i := uint64(0); ok && i < t.Used; i++ {
		if key, value, live := h.MapEntry(&t, i); live && !fn(key, value) {
			return
		}
	}
}

// MapTable says where the entries of a map stand in memory.
type MapTable struct {
	Capacity, Used uint64 // entries there is room for; entries that may be live
	Marks, First   uint64 // addresses of the first entry's mark, 4 bytes, 0 while it is dead, and of the first entry
	Stride         uint64 // bytes of an entry
	valueOff       uint64
}

// MapTable is the table of m's entries; false when it has none. An entry keeps its place until the map has another table.
func (h *Heap) MapTable(m uint64) (MapTable, bool) {
	x := h.mapAt(m)
	if x == nil || x.entries == 0 || x.stride == 0 {
		return MapTable{}, false
	}
	t := h.table(x.entries, uint64(x.stride))
	return MapTable{t.capacity, t.used, t.mark(0), t.first, t.stride, uint64(x.valueOff)}, true
}

// MapEntry is where entry i of a table is, and whether it is live.
func (h *Heap) MapEntry(t *MapTable, i uint64) (key, value uint64, live bool) {
	key = t.First + i*t.Stride
	return key, key + t.valueOff, i < t.Used && h.m.Load32(t.Marks+4*i) != 0
}

// scanEntries marks what live entries refer to; size is that of the object.
func (h *Heap) scanEntries(addr, typ, size uint64) {
	key, elem := h.m.Load64(typ+typeElem), h.m.Load64(typ+mapElem)
	valueOff, stride := h.entryLayout(typ)
	t := h.table(addr, stride)
	t.used = min(t.used, size/4)
	for i := range t.used {
		if h.m.Load32(t.mark(i)) == 0 {
			continue
		}
		e := t.entry(i) // t.first and stride are the object's and the type's: they may not fit
		if e < addr || e+stride > addr+size {
			return
		}
		h.scanValues(e, key, 1)
		h.scanValues(e+valueOff, elem, 1)
	}
}

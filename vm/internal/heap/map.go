package heap

import (
	"math/bits"
	"unsafe"
)

// Maps. typ is always the map type (abi.MapType), a map is the address of its header, keys and values are passed by address in
// memory layout. Because memory is little-endian, a frame's slots serve as they are: pass the slot's address (for boxed keys the address in the slot).
//
// A map is three objects: the header, the entries in order of insertion, and, from the ninth entry on, an index into them.
//
// Entries: {capacity, used uint32}, a mark for each entry (uint32: mostly its hash, top bit set while it lives, 0 when deleted or not yet used),
// padding to 8, then the entries, each laid out as struct{key K; value V}. Dead entries are zero.
//
// Index: 2^bits uint32 slots, linear probing from the low bits of the hash. 0 is empty, 1 deleted; else the low bits are the entry's number plus 2 and
// the rest are further bits of the hash, so that an entry is rarely looked at in vain. A map of up to 8 has none and is searched in order.

const (
	smallMap     = 8
	entriesFirst = 8 // bytes before the marks
	markLive     = 1 << 31
	slotEmpty    = 0
	slotDeleted  = 1
	slotFirst    = 2
	mapMax       = 1 << 31
)

// mapMode is how keys are hashed and compared.
type mapMode uint8

const (
	modeAny    mapMode = iota // by type
	mode64                    // 8 bytes compared as such
	mode32                    // 4 bytes compared as such
	modeString                // a string
)

// mapHeader lies over a map's header object. Nothing read from it is trusted.
type mapHeader struct {
	count    uint64 // live entries: len(m)
	entries  uint64 // address of the entries, 0 while there are none
	index    uint64 // address of the index, 0 for small maps
	typ      uint64 // map type
	seed     uint64
	clears   uint64 // times cleared
	bits     uint8  // of the index
	mode     mapMode
	rekey    bool   // an update stores the key too: equal keys may differ in their bytes
	iterated bool   // an iterator may hold these entries: they are not written over but left behind
	filled   uint32 // index slots not empty
	stride   uint32 // bytes of an entry
	valueOff uint32 // of the value in an entry
	keyBytes uint32
	hint     uint32 // capacity of the first entries
}

const mapHeaderBytes = uint64(unsafe.Sizeof(mapHeader{}))

// mapAt is the header at m for reading, nil when it is not in memory.
func (h *Heap) mapAt(m uint64) *mapHeader {
	if m%8 != 0 || !h.m.InRange(m, mapHeaderBytes) {
		return nil
	}
	return (*mapHeader)(h.m.Pointer(m))
}

// mapW is the header at m, ready to be written.
func (h *Heap) mapW(m uint64) *mapHeader {
	h.m.Touch(m, mapHeaderBytes)
	return (*mapHeader)(h.m.Pointer(m))
}

func (m *mapHeader) keyType(h *Heap) uint64 { return h.m.Load64(m.typ + typeElem) }

// marksBytes is where the entries begin in their object.
func marksBytes(capacity uint64) uint64 { return (entriesFirst + 4*capacity + 7) &^ 7 }

// table is what an operation needs of an entries object.
type table struct {
	at       uint64 // object
	capacity uint64
	used     uint64
	first    uint64 // address of entry 0
	stride   uint64
}

func (h *Heap) table(entries, stride uint64) table {
	w := h.m.Load64(entries)
	capacity, used := w&0xffffffff, w>>32
	return table{entries, capacity, min(used, capacity, mapMax, h.m.Size()/4), entries + marksBytes(capacity), stride}
}

func (t *table) entry(i uint64) uint64 { return t.first + i*t.stride }
func (t *table) mark(i uint64) uint64  { return t.at + entriesFirst + 4*i }

// NewMap is make(map[K]V, hint).
func (h *Heap) NewMap(typ uint64, hint int64) (uint64, error) {
	key := h.TypeKey(typ)
	if !h.m.InRange(typ, mapElem+8) || !h.m.InRange(key, typeBytes) || !h.m.InRange(h.TypeElem(typ), typeBytes) {
		return 0, ErrBadType
	}
	valueOff, stride := h.entryLayout(typ)
	if stride > 1<<30 {
		return 0, ErrBadType
	}
	at, err := h.AllocKind(KindMap, mapHeaderBytes, typ)
	if err != nil {
		return 0, err
	}
	m := h.mapW(at)
	m.typ, m.seed = typ, h.Rand64()
	m.mode, m.rekey = h.keyMode(key)
	m.keyBytes, m.valueOff, m.stride = uint32(h.TypeSize(key)), uint32(valueOff), uint32(stride)
	m.hint = uint32(max(min(hint, 1<<20), 0)) // a larger one grows on the way, as its memory is needed
	return at, nil
}

// entryLayout is where the value is in an entry of a map type, and the size of an entry.
func (h *Heap) entryLayout(typ uint64) (valueOff, stride uint64) {
	key, elem := h.m.Load64(typ+typeElem), h.m.Load64(typ+mapElem)
	ka, ea := h.TypeAlign(key), h.TypeAlign(elem)
	align := max(ka, ea)
	valueOff = (min(h.TypeSize(key), 1<<32) + ea - 1) &^ (ea - 1)
	return valueOff, max((valueOff+min(h.TypeSize(elem), 1<<32)+align-1)&^(align-1), align)
}

// keyMode also says whether equal keys may differ in their bytes (abi.MapNeedKeyUpdate).
func (h *Heap) keyMode(key uint64) (mapMode, bool) {
	switch h.TypeKind(key) {
	case kindInt, kindInt64, kindUint, kindUint64, kindUintptr, kindPointer, kindChan, kindUnsafePointer:
		return mode64, false
	case kindInt32, kindUint32:
		return mode32, false
	case kindString:
		return modeString, true
	}
	var n nest
	rekey := h.rekey(key, &n)
	h.Walked(uint64(n.types))
	return modeAny, rekey
}

func (h *Heap) rekey(key uint64, n *nest) bool {
	defer func() { n.depth-- }()
	if !n.in() {
		return true
	}
	switch h.TypeKind(key) {
	case kindFloat32, kindFloat64, kindComplex64, kindComplex128, kindInterface, kindString:
		return true
	case kindArray:
		return h.rekey(h.m.Load64(key+typeElem), n)
	case kindStruct:
		for i := range h.TypeFields(key) {
			if t, _, _ := h.TypeField(key, i); h.rekey(t, n) {
				return true
			}
		}
	}
	return false
}

// mapHash is the 31 bits of the key's hash that maps use.
func (h *Heap) mapHash(m *mapHeader, key uint64) (uint32, error) {
	var w uint64
	switch m.mode {
	case mode64:
		w = hashWord(h.m.Load64(key), m.seed)
	case mode32:
		w = hashWord(uint64(h.m.Load32(key)), m.seed)
	case modeString:
		b, err := h.bytes(h.m.Load64(key), h.m.Load64(key+8))
		if err != nil {
			return 0, err
		}
		if len(b) >= handledMin {
			h.Handle(uint64(len(b)))
		}
		w = hashBytes(b, m.seed)
	default:
		var err error
		if w, err = h.Hash(m.keyType(h), key, m.seed); err != nil {
			return 0, err
		}
	}
	return uint32(w >> 33), nil
}

// sameKey compares the key of an entry.
func (h *Heap) sameKey(m *mapHeader, entry, key uint64) (bool, error) {
	switch m.mode {
	case mode64:
		return h.m.Load64(entry) == h.m.Load64(key), nil
	case mode32:
		return h.m.Load32(entry) == h.m.Load32(key), nil
	case modeString:
		return h.EqualString(String{h.m.Load64(entry), h.m.Load64(entry + 8)}, String{h.m.Load64(key), h.m.Load64(key + 8)})
	}
	return h.Equal(m.keyType(h), entry, key)
}

// find is the number of the live entry with the key; hash is the key's.
func (h *Heap) find(m *mapHeader, t *table, key uint64, hash uint32) (uint64, bool, error) {
	if m.index == 0 {
		return h.findSmall(m, t, key, hash)
	}
	b := m.bits & 31
	mask := uint32(1)<<b - 1
	tag := hash << 1 &^ mask
	for p, n := hash&mask, mask; n > 0; p, n = (p+1)&mask, n-1 {
		slot := h.m.Load32(m.index + uint64(p)*4)
		if slot == slotEmpty {
			h.passed(uint64(mask - n))
			return 0, false, nil
		}
		// The deleted slot's number wraps around and is beyond used.
		if i := uint64(slot&mask) - slotFirst; slot&^mask == tag && i < t.used {
			if same, err := h.sameKey(m, t.entry(i), key); same || err != nil {
				h.passed(uint64(mask - n))
				return i, same, err
			}
		}
	}
	h.passed(uint64(mask))
	return 0, false, nil
}

// findSmall looks at the entries of a map without an index in order.
func (h *Heap) findSmall(m *mapHeader, t *table, key uint64, hash uint32) (uint64, bool, error) {
	for i := range min(t.used, smallMap) {
		if h.m.Load32(t.mark(i)) == hash|markLive {
			if same, err := h.sameKey(m, t.entry(i), key); same || err != nil {
				return i, same, err
			}
		}
	}
	return 0, false, nil
}

// find64 is find for mode64. It checks the ranges once and then reads directly.
func (h *Heap) find64(m *mapHeader, t *table, key uint64, hash uint32) (uint64, bool) {
	if t.used == 0 || !h.m.InRange(t.at, t.first-t.at+t.used*t.stride) {
		return 0, false
	}
	first := h.m.Pointer(t.first)
	if m.index == 0 {
		for i := range min(t.used, smallMap) {
			if *(*uint64)(unsafe.Add(first, i*t.stride)) == key && h.m.Load32(t.mark(i)) != 0 {
				return i, true
			}
		}
		return 0, false
	}
	b := m.bits & 31
	mask := uint32(1)<<b - 1
	if !h.m.InRange(m.index, 4<<b) {
		return 0, false
	}
	index := h.m.Pointer(m.index)
	tag := hash << 1 &^ mask
	for p, n := hash&mask, mask; n > 0; p, n = (p+1)&mask, n-1 {
		slot := *(*uint32)(unsafe.Add(index, uint64(p)*4))
		if slot == slotEmpty {
			h.passed(uint64(mask - n))
			return 0, false
		}
		// The deleted slot's number wraps around and is beyond used.
		if i := uint64(slot&mask) - slotFirst; slot&^mask == tag && i < t.used && *(*uint64)(unsafe.Add(first, i*t.stride)) == key {
			h.passed(uint64(mask - n))
			return i, true
		}
	}
	h.passed(uint64(mask))
	return 0, false
}

// MapGet is the address of the value at the key at address key, 0 when absent or m is nil. A *TypeError is Go's panic, also for nil maps.
func (h *Heap) MapGet(typ, m, key uint64) (uint64, error) {
	if m == 0 {
		return 0, h.checkKey(typ, key)
	}
	x := h.mapAt(m)
	if x == nil {
		return 0, ErrFault
	}
	if x.mode == mode64 {
		if x.count == 0 {
			return 0, nil
		}
		k := h.m.Load64(key)
		t := h.table(x.entries, uint64(x.stride))
		if i, ok := h.find64(x, &t, k, uint32(hashWord(k, x.seed)>>33)); ok {
			return t.entry(i) + uint64(x.valueOff), nil
		}
		return 0, nil
	}
	hash, err := h.mapHash(x, key)
	if err != nil || x.count == 0 {
		return 0, noEntries(x.count, err)
	}
	t := h.table(x.entries, uint64(x.stride))
	i, ok, err := h.find(x, &t, key, hash)
	if !ok || err != nil {
		return 0, err
	}
	return t.entry(i) + uint64(x.valueOff), nil
}

// checkKey is the panic of looking up a key that cannot be hashed.
func (h *Heap) checkKey(typ, key uint64) error {
	k := h.TypeKey(typ)
	if mode, _ := h.keyMode(k); mode != modeAny {
		return nil
	}
	_, err := h.Hash(k, key, 0)
	return noEntries(0, err)
}

// noEntries notes in err, of looking up or deleting a key, that the map has no entries, which Go's panic tells.
func noEntries(count uint64, err error) error {
	if e, ok := err.(*TypeError); ok && count == 0 {
		e.NoEntries = true
	}
	return err
}

// MapSet is the address the value for the key at address key has to be written to (by a tracked store, before anything else is done on the heap).
// The value there is the old one, or zero.
func (h *Heap) MapSet(typ, m, key uint64) (uint64, error) {
	if m == 0 {
		return 0, ErrNilMap
	}
	x := h.mapAt(m)
	if x == nil {
		return 0, ErrFault
	}
	hash, err := h.mapHash(x, key)
	if err != nil {
		return 0, err
	}
	if x.entries != 0 {
		t := h.table(x.entries, uint64(x.stride))
		var i uint64
		var ok bool
		if x.mode == mode64 {
			i, ok = h.find64(x, &t, h.m.Load64(key), hash)
		} else {
			i, ok, err = h.find(x, &t, key, hash)
		}
		if err != nil {
			return 0, err
		}
		if ok {
			if x.rekey {
				h.m.Copy(t.entry(i), key, uint64(x.keyBytes))
			}
			return t.entry(i) + uint64(x.valueOff), nil
		}
	}
	return h.insert(m, x, key, hash)
}

// insert adds an entry for a key that is not there.
func (h *Heap) insert(m uint64, x *mapHeader, key uint64, hash uint32) (uint64, error) {
	t := h.table(x.entries, uint64(x.stride))
	if x.entries == 0 || t.used >= t.capacity || x.index != 0 && uint64(x.filled) >= uint64(1)<<(x.bits&31)/4*3 {
		if err := h.mapGrow(m, &t); err != nil {
			return 0, err
		}
		t = h.table(x.entries, uint64(x.stride))
	}
	i := t.used
	e := t.entry(i)
	if !h.m.InRange(key, uint64(x.keyBytes)) && x.keyBytes > 0 || t.used >= t.capacity || !h.m.InRange(e, t.stride) {
		return 0, ErrFault
	}
	x = h.mapW(m)
	x.count++
	h.m.Store32(t.at+4, uint32(i+1))
	h.m.Store32(t.mark(i), hash|markLive)
	switch x.mode {
	case mode64:
		h.m.Store64(e, h.m.Load64(key))
	case mode32:
		h.m.Store32(e, h.m.Load32(key))
	default:
		h.m.Copy(e, key, uint64(x.keyBytes))
	}
	if x.index != 0 {
		h.addSlot(x, i, hash)
	}
	return e + uint64(x.valueOff), nil
}

// addSlot puts entry i into the first free slot of the index for its hash.
func (h *Heap) addSlot(x *mapHeader, i uint64, hash uint32) {
	mask := uint32(1)<<(x.bits&31) - 1
	for p, n := hash&mask, mask; n > 0; p, n = (p+1)&mask, n-1 {
		at := x.index + uint64(p)*4
		slot := h.m.Load32(at)
		if slot > slotDeleted {
			continue
		}
		if slot == slotEmpty {
			x.filled++
		}
		h.m.Store32(at, hash<<1&^mask|uint32(i+slotFirst)&mask)
		return
	}
}

// indexBits is the index size for a capacity: entries fill at most 5/8 of it.
func indexBits(capacity uint64) uint8 {
	b := uint8(bits.Len64(max(capacity, 10) - 1))
	if capacity > 5<<b/8 {
		b++
	}
	return b
}

// mapGrow gives the map new entries with room for one more: twice as many when most live, else as many, without the dead ones. All or nothing.
func (h *Heap) mapGrow(m uint64, t *table) error {
	x := h.mapAt(m)
	live := min(x.count, t.used)
	capacity := uint64(smallMap)
	switch {
	case x.entries == 0:
		if n := uint64(x.hint); n > smallMap {
			capacity = 5 << indexBits(n) / 8
		}
	case live >= t.capacity/4*3:
		capacity = 5 << indexBits(2*t.capacity) / 8
	default:
		capacity = t.capacity
	}
	if capacity > mapMax {
		return ErrMapSize
	}
	entries, err := h.AllocKind(KindMapEntries, marksBytes(capacity)+capacity*t.stride, x.typ)
	if err != nil {
		return err
	}
	index, b := uint64(0), uint8(0)
	if capacity > smallMap {
		b = indexBits(capacity)
		if index, err = h.AllocKind(KindMapIndex, 4<<b, 0); err != nil {
			h.Free(entries)
			return err
		}
	}
	h.m.Store64(entries, capacity)
	to := h.table(entries, t.stride)
	h.Handle(capacity*t.stride + t.used*valueBytes)
	h.moveEntries(t, &to, live)
	h.leave(x)
	x = h.mapW(m)
	x.count, x.entries, x.index, x.bits, x.filled, x.iterated = to.used, entries, index, b, 0, false
	if index != 0 {
		return h.fillIndex(x, &to)
	}
	return nil
}

// moveEntries copies the live entries, n of them, to an empty new table, in order. Those that stand in a row are copied at once.
func (h *Heap) moveEntries(from, to *table, n uint64) {
	n = min(n, to.capacity)
	if from.used > 0 && !h.m.InRange(from.at, from.first-from.at+from.used*from.stride) {
		n = 0
	}
	h.m.Touch(to.at, marksBytes(to.capacity))
	h.m.Touch(to.first, n*to.stride)
	for i := uint64(0); i < from.used && to.used < n; i++ {
		row := uint64(0)
		for most := min(from.used-i, n-to.used); row < most && h.m.Load32(from.mark(i+row)) != 0; {
			row++
		}
		if row > 0 {
			h.m.Copy(to.mark(to.used), from.mark(i), 4*row)
			h.m.Copy(to.entry(to.used), from.entry(i), row*from.stride)
			to.used, i = to.used+row, i+row
		}
	}
	h.m.Store32(to.at+4, uint32(to.used))
}

// fillIndex enters the entries of t, none of which is dead, into the map's new index. There is room for them unless the allocator's metadata is damaged.
func (h *Heap) fillIndex(x *mapHeader, t *table) error {
	area := h.m.Writable(x.index, 4<<x.bits)
	if area == nil {
		return errCorrupt
	}
	slots := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(area))), 1<<x.bits)
	mask := uint32(len(slots) - 1)
	for i := range t.used {
		hash := h.m.Load32(t.mark(i))
		p := hash & mask
		for n := mask; slots[p] != slotEmpty && n > 0; n-- {
			p = (p + 1) & mask
		}
		slots[p] = hash<<1&^mask | uint32(i+slotFirst)&mask
	}
	x.filled = uint32(t.used)
	return nil
}

// leave gives back the objects a map grows out of: the index, and the entries unless an iterator may hold them.
func (h *Heap) leave(x *mapHeader) {
	if x.index != 0 {
		h.freeKind(x.index, KindMapIndex)
	}
	if x.entries != 0 && !x.iterated {
		h.freeKind(x.entries, KindMapEntries)
	}
}

func (h *Heap) freeKind(addr uint64, kind Kind) {
	if o, ok := h.Find(addr); ok && o.Kind == kind && o.Addr == addr {
		h.Free(addr)
	}
}

// MapDelete deletes the key at address key. Deleting from a nil map does nothing, but a key that cannot be hashed is an error.
func (h *Heap) MapDelete(typ, m, key uint64) error {
	if m == 0 {
		return h.checkKey(typ, key)
	}
	x := h.mapAt(m)
	if x == nil {
		return ErrFault
	}
	hash, err := h.mapHash(x, key)
	if err != nil || x.count == 0 {
		return noEntries(x.count, err)
	}
	t := h.table(x.entries, uint64(x.stride))
	i, ok, err := h.find(x, &t, key, hash)
	if !ok || err != nil {
		return err
	}
	x = h.mapW(m)
	if x.index != 0 {
		h.dropSlot(x, i, h.m.Load32(t.mark(i)))
	}
	h.m.Store32(t.mark(i), 0)
	h.m.Zero(t.entry(i), t.stride)
	x.count--
	if i == t.used-1 { // dead entries at the end are room again
		for i > 0 && h.m.Load32(t.mark(i-1)) == 0 {
			i--
		}
		h.m.Store32(t.at+4, uint32(i))
	}
	return nil
}

// dropSlot takes entry i out of the index. A deleted slot before an empty one is empty too.
func (h *Heap) dropSlot(x *mapHeader, i uint64, mark uint32) {
	mask := uint32(1)<<(x.bits&31) - 1
	at := func(p uint32) uint64 { return x.index + uint64(p&mask)*4 }
	p := mark & mask
	for n := mask; h.m.Load32(at(p)) != slotEmpty; p, n = p+1, n-1 {
		if slot := h.m.Load32(at(p)); slot > slotDeleted && uint64(slot&mask) == i+slotFirst {
			break
		}
		if n == 0 {
			return
		}
	}
	if h.m.Load32(at(p)) == slotEmpty {
		return
	}
	h.m.Store32(at(p), slotDeleted)
	if h.m.Load32(at(p+1)) != slotEmpty {
		return
	}
	for n := mask; n > 0 && h.m.Load32(at(p)) == slotDeleted; p, n = p-1, n-1 {
		h.m.Store32(at(p), slotEmpty)
		x.filled--
	}
}

// MapLen is len(m).
func (h *Heap) MapLen(m uint64) uint64 {
	if m == 0 {
		return 0
	}
	return h.m.Load64(m)
}

// MapClear is clear(m). The capacity stays.
func (h *Heap) MapClear(typ, m uint64) error {
	if m == 0 {
		return nil
	}
	x := h.mapAt(m)
	if x == nil {
		return ErrFault
	}
	if x.entries == 0 {
		return nil
	}
	t := h.table(x.entries, uint64(x.stride))
	x = h.mapW(m)
	x.clears++
	x.count = 0
	if x.iterated {
		h.leave(x)
		x.hint = uint32(min(t.capacity, 1<<20))
		x.entries, x.index, x.bits, x.filled, x.iterated = 0, 0, 0, 0, false
		return nil
	}
	h.m.Zero(t.at+4, entriesFirst-4+4*t.used)
	h.m.Zero(t.first, t.used*t.stride)
	h.Handle(t.used*t.stride + 4*t.capacity)
	if x.index != 0 {
		h.m.Zero(x.index, 4<<(x.bits&31))
	}
	x.filled = 0
	return nil
}

package heap

import "math/bits"

// A special is something that hangs on an address without keeping the object there alive: a weak pointer, a finalizer, a cleanup, a mark. Collect
// decides what becomes of it from memory alone, so it happens at the same instruction wherever the run is.

// SpecialKind says what a special is. An address has at most one of each kind but SpecialCleanup.
type SpecialKind uint64

const (
	// SpecialWeak has as its value a word that holds the address; the word becomes 0 when the object is out of reach. It lives as
	// long as the object, so the word's own address tells whether two weak pointers are of one object.
	SpecialWeak SpecialKind = 1 + iota
	// SpecialFinalizer is queued with its object when that is out of reach; the object lives on until then and while it is queued.
	SpecialFinalizer
	// SpecialCleanup is queued without its object when that is gone.
	SpecialCleanup
	// SpecialMark is only looked up, and forgotten with its object.
	SpecialMark
)

// Special is what was hung on an address. Value and Type are kept alive by finalizers and cleanups.
type Special struct {
	Kind        SpecialKind
	At          uint64 // the address; of a queued cleanup, where it was
	Value, Type uint64
	ID          uint64 // of a run, from 1
}

// A record of one special (KindSpecial). It stands in a chain of the table of addresses, and in the list of all, oldest first, or of those queued.
const (
	specialChain = 8 * iota
	specialNext
	specialPrev
	specialKind
	specialAt
	specialValue
	specialType
	specialID
	specialBytes
)

const specialTableMin = 16

// Special is the special of a kind at an address.
func (h *Heap) Special(kind SpecialKind, at uint64) (Special, bool) {
	if s := h.findSpecial(kind, at, 0); s != 0 {
		return h.special(s), true
	}
	return Special{}, false
}

// AddSpecial hangs a special on an address and returns its number.
func (h *Heap) AddSpecial(s Special) (id uint64, err error) {
	if err := h.roomForSpecial(); err != nil {
		return 0, err
	}
	p, err := h.AllocKind(KindSpecial, specialBytes, 0)
	if err != nil {
		return 0, err
	}
	r := h.rootW()
	r.specialID++
	for i, v := range []uint64{uint64(s.Kind), s.At, s.Value, s.Type, r.specialID} {
		h.m.Store64(p+specialKind+uint64(i)*8, v)
	}
	h.chainSpecial(p)
	h.m.Store64(p+specialPrev, r.specialLast)
	if r.specialLast == 0 {
		r.specialFirst = p
	} else {
		h.m.Store64(r.specialLast+specialNext, p)
	}
	r.specialLast = p
	r.specials++
	return r.specialID, nil
}

// DropSpecial takes a special back; id 0: whichever is at the address. False: there was none, or it is queued.
func (h *Heap) DropSpecial(kind SpecialKind, at, id uint64) bool {
	s := h.findSpecial(kind, at, id)
	if s == 0 {
		return false
	}
	h.unlinkSpecial(s)
	h.Free(s)
	return true
}

// Queued reports whether finalizers or cleanups are to be run.
func (h *Heap) Queued() bool { return h.root().queueFirst != 0 }

// Dequeue is the next finalizer or cleanup to run, in the order in which objects went out of reach, of one collection in that of the specials.
// The caller must keep the object, the value and the type alive.
func (h *Heap) Dequeue() (Special, bool) {
	p := h.root().queueFirst
	if p == 0 {
		return Special{}, false
	}
	s := h.special(p)
	r := h.rootW()
	if r.queueFirst = h.m.Load64(p + specialNext); r.queueFirst == 0 {
		r.queueLast = 0
	}
	h.Free(p)
	return s, true
}

func (h *Heap) special(p uint64) Special {
	return Special{Kind: SpecialKind(h.m.Load64(p + specialKind)), At: h.m.Load64(p + specialAt), Value: h.m.Load64(p + specialValue),
		Type: h.m.Load64(p + specialType), ID: h.m.Load64(p + specialID)}
}

// eachSpecial calls fn for the records from p on; fn may take the record away.
func (h *Heap) eachSpecial(p uint64, fn func(p uint64)) {
	for n := h.m.Size() / specialBytes; p != 0 && n > 0; n-- {
		next := h.m.Load64(p + specialNext)
		fn(p)
		p = next
	}
}

// specialBucket is the address of the word that the chain for an address begins with, 0 without a table.
func (h *Heap) specialBucket(at uint64) uint64 {
	r := h.root()
	if r.specialTable == 0 {
		return 0
	}
	return r.specialTable + at*0x9E3779B97F4A7C15>>(64-min(r.specialBits, 40))*8
}

func (h *Heap) findSpecial(kind SpecialKind, at, id uint64) uint64 {
	p := h.m.Load64(h.specialBucket(at))
	steps := uint64(0) // addresses may have been chosen to share a chain
	defer func() { h.Walked(steps) }()
	for most := h.m.Size() / specialBytes; p != 0 && steps < most; steps++ {
		if s := h.special(p); s.Kind == kind && s.At == at && (id == 0 || s.ID == id) {
			return p
		}
		p = h.m.Load64(p + specialChain)
	}
	return 0
}

func (h *Heap) chainSpecial(p uint64) {
	b := h.specialBucket(h.m.Load64(p + specialAt))
	h.m.Store64(p+specialChain, h.m.Load64(b))
	h.m.Store64(b, p)
}

// roomForSpecial makes the table at least as large as what will be in it.
func (h *Heap) roomForSpecial() error {
	r := h.root()
	if r.specialTable != 0 && r.specials < 1<<min(r.specialBits, 40) {
		return nil
	}
	size := max(2*r.specials, specialTableMin)
	table, err := h.AllocKind(KindRaw, size*8, 0)
	if err != nil {
		return err
	}
	w := h.rootW()
	h.Free(w.specialTable)
	w.specialTable, w.specialBits = table, uint64(bits.Len64(size)-1)
	h.eachSpecial(w.specialFirst, h.chainSpecial)
	return nil
}

// unlinkSpecial takes a record out of its chain and out of the list of all.
func (h *Heap) unlinkSpecial(p uint64) {
	link := h.specialBucket(h.m.Load64(p + specialAt))
	for n := h.m.Size() / specialBytes; n > 0 && link != 0; n-- {
		h.marks.look(0)
		q := h.m.Load64(link)
		if q == p {
			h.m.Store64(link, h.m.Load64(p+specialChain))
			break
		}
		link = q + specialChain
	}
	r := h.rootW()
	prev, next := h.m.Load64(p+specialPrev), h.m.Load64(p+specialNext)
	if prev == 0 {
		r.specialFirst = next
	} else {
		h.m.Store64(prev+specialNext, next)
	}
	if next == 0 {
		r.specialLast = prev
	} else {
		h.m.Store64(next+specialPrev, prev)
	}
	r.specials--
}

// queueSpecial moves a record to the end of the queue.
func (h *Heap) queueSpecial(p uint64) {
	h.unlinkSpecial(p)
	h.m.Store64(p+specialNext, 0)
	r := h.rootW()
	if r.queueLast == 0 {
		r.queueFirst = p
	} else {
		h.m.Store64(r.queueLast+specialNext, p)
	}
	r.queueLast = p
}

// specialRoots marks what specials keep alive: what is to be called, and whatever is reachable from an object with a finalizer, but
// not the object.
func (h *Heap) specialRoots() {
	r := h.root()
	held := func(p uint64) {
		h.mark(h.m.Load64(p + specialValue))
		h.mark(h.m.Load64(p + specialType))
	}
	h.eachSpecial(r.specialFirst, func(p uint64) {
		switch SpecialKind(h.m.Load64(p + specialKind)) {
		case SpecialFinalizer:
			held(p)
			if o, ok := h.locate(h.m.Load64(p + specialAt)); ok {
				h.scan(o.addr)
			}
		case SpecialCleanup:
			held(p)
		}
	})
	h.eachSpecial(r.queueFirst, func(p uint64) {
		held(p)
		if SpecialKind(h.m.Load64(p+specialKind)) == SpecialFinalizer {
			h.mark(h.m.Load64(p + specialAt))
		}
	})
}

// settleSpecials is called when everything in reach is marked: weak pointers to the rest are cleared, then its finalizers queued, which
// gives their objects one more life, then the cleanups and marks of what is not alive now.
func (h *Heap) settleSpecials() {
	lost := func(kinds ...SpecialKind) func(fn func(p uint64)) {
		return func(fn func(p uint64)) {
			h.eachSpecial(h.root().specialFirst, func(p uint64) {
				for _, k := range kinds {
					if h.marks.left >= 0 && SpecialKind(h.m.Load64(p+specialKind)) == k && !h.marked(h.m.Load64(p+specialAt)) {
						fn(p)
					}
				}
			})
		}
	}
	lost(SpecialWeak)(func(p uint64) {
		h.m.Store64(h.m.Load64(p+specialValue), 0)
		h.unlinkSpecial(p)
	})
	var revived []uint64
	lost(SpecialFinalizer)(func(p uint64) {
		h.queueSpecial(p)
		revived = append(revived, h.m.Load64(p+specialAt))
	})
	for _, at := range revived {
		h.mark(at)
	}
	h.drain()
	lost(SpecialCleanup)(h.queueSpecial)
	lost(SpecialMark)(h.unlinkSpecial)
	r := h.root()
	h.mark(r.specialTable)
	h.eachSpecial(r.queueFirst, h.mark)
	h.eachSpecial(r.specialFirst, func(p uint64) {
		h.mark(p)
		if SpecialKind(h.m.Load64(p+specialKind)) == SpecialWeak {
			h.mark(h.m.Load64(p + specialValue))
		}
	})
}

// marked reports whether the object that holds addr was reached; what is not on the heap always is.
func (h *Heap) marked(addr uint64) bool {
	p, ok := h.locate(addr)
	if !ok {
		return true
	}
	k := &h.marks
	page := uint64(p.s.start) - k.first
	return page >= uint64(len(k.page)) || k.bits[k.page[page]][p.index/64]>>(p.index%64)&1 != 0
}

package heap

import (
	"bytes"
	"math"
)

// Equal compares the values of type typ at addresses a and b; the error is a *TypeError, ErrFault or ErrBadType.
func (h *Heap) Equal(typ, a, b uint64) (bool, error) {
	w := walk{h: h}
	eq, err := w.equal(typ, a, b)
	w.count()
	return eq, err
}

func (w *walk) equal(typ, a, b uint64) (bool, error) {
	size, err := w.enter(typ, a, b)
	if err != nil {
		return false, err
	}
	m := w.h.m
	if size >= handledMin && m.Load8(typ+typeFlag)&flagRegularMemory != 0 {
		w.h.Handle(size)
		return bytes.Equal(m.Bytes(a, size), m.Bytes(b, size)), nil
	}
	switch w.h.TypeKind(typ) {
	case kindFloat32:
		return equalFloat32(m.Load32(a), m.Load32(b)), nil
	case kindFloat64:
		return equalFloat64(m.Load64(a), m.Load64(b)), nil
	case kindComplex64:
		return equalFloat32(m.Load32(a), m.Load32(b)) && equalFloat32(m.Load32(a+4), m.Load32(b+4)), nil
	case kindComplex128:
		return equalFloat64(m.Load64(a), m.Load64(b)) && equalFloat64(m.Load64(a+8), m.Load64(b+8)), nil
	case kindString:
		w.work += int(min(m.Load64(a+8), m.Size()) / valueBytes)
		return w.h.EqualString(String{m.Load64(a), m.Load64(a + 8)}, String{m.Load64(b), m.Load64(b + 8)})
	case kindInterface:
		return w.equalInterface(typ, a, b)
	case kindArray:
		return w.equalArray(typ, a, b, size)
	case kindStruct:
		return w.equalStruct(typ, a, b)
	case kindFunc, kindMap, kindSlice:
		return false, &TypeError{Type: typ}
	case kindBool, kindInt, kindInt8, kindInt16, kindInt32, kindInt64, kindUint, kindUint8, kindUint16, kindUint32, kindUint64, kindUintptr,
		kindChan, kindPointer, kindUnsafePointer:
		return w.h.word(a, size) == w.h.word(b, size), nil
	}
	return false, ErrBadType
}

func equalFloat32(a, b uint32) bool { return math.Float32frombits(a) == math.Float32frombits(b) }
func equalFloat64(a, b uint64) bool { return math.Float64frombits(a) == math.Float64frombits(b) }

func (w *walk) equalInterface(typ, a, b uint64) (bool, error) {
	m := w.h.m
	if m.Load64(a) != m.Load64(b) { // types and itabs are unique
		t1, _ := w.h.dynamic(typ, a)
		t2, _ := w.h.dynamic(typ, b)
		if t1 != t2 {
			return false, nil
		}
	}
	t, da := w.h.dynamic(typ, a)
	_, db := w.h.dynamic(typ, b)
	if t == 0 {
		return true, nil
	}
	return w.equalDynamic(t, da, db)
}

// equalDynamic compares two values of dynamic type t. As in gc a type without == is an error before anything else, even for one and the same value.
func (w *walk) equalDynamic(t, a, b uint64) (bool, error) {
	if !w.h.m.InRange(t, typeBytes) {
		return false, ErrBadType
	}
	if !w.h.comparable(t) {
		return false, &TypeError{Type: t}
	}
	w.depth++
	defer func() { w.depth-- }()
	return w.equal(t, a, b)
}

// nest bounds a walk over types in types, of which descriptors may be damaged.
type nest struct{ depth, types int }

const (
	nestMax  = 1000
	typesMax = 1 << 20
)

func (n *nest) in() bool {
	n.depth++
	n.types++
	return n.depth <= nestMax && n.types <= typesMax
}

// comparable reports whether values of type t have ==; what interfaces in them hold is not asked.
func (h *Heap) comparable(t uint64) bool {
	var n nest
	ok := h.comparableIn(t, &n)
	h.Walked(uint64(n.types))
	return ok
}

func (h *Heap) comparableIn(t uint64, n *nest) bool {
	defer func() { n.depth-- }()
	if !n.in() {
		return false
	}
	switch h.TypeKind(t) {
	case kindFunc, kindMap, kindSlice:
		return false
	case kindArray:
		return h.comparableIn(h.m.Load64(t+typeElem), n)
	case kindStruct:
		for i := range h.TypeFields(t) {
			if f, _, _ := h.TypeField(t, i); !h.comparableIn(f, n) {
				return false
			}
		}
	}
	return true
}

func (w *walk) equalArray(typ, a, b, size uint64) (bool, error) {
	elem := w.h.m.Load64(typ + typeElem)
	n, step := w.h.TypeLen(typ), w.h.TypeSize(elem)
	if step == 0 {
		return true, nil
	}
	if n > size/step {
		return false, ErrBadType
	}
	w.depth++
	defer func() { w.depth-- }()
	for i := uint64(0); i < n; i++ {
		if ok, err := w.equal(elem, a+i*step, b+i*step); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (w *walk) equalStruct(typ, a, b uint64) (bool, error) {
	w.depth++
	defer func() { w.depth-- }()
	for i := range w.h.TypeFields(typ) {
		t, offset, blank := w.h.TypeField(typ, i)
		if blank {
			continue
		}
		if ok, err := w.equal(t, a+offset, b+offset); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// EqualEface compares the empty interfaces (t1, d1) and (t2, d2).
func (h *Heap) EqualEface(t1, d1, t2, d2 uint64) (bool, error) {
	if t1 != t2 {
		return false, nil
	}
	if t1 == 0 {
		return true, nil
	}
	if h.TypeDirect(t1) {
		if !h.comparable(t1) {
			return false, &TypeError{Type: t1}
		}
		return d1 == d2, nil
	}
	w := walk{h: h}
	eq, err := w.equalDynamic(t1, d1, d2)
	w.count()
	return eq, err
}

// EqualIface compares the non-empty interfaces (tab1, d1) and (tab2, d2).
func (h *Heap) EqualIface(tab1, d1, tab2, d2 uint64) (bool, error) {
	t1, t2 := uint64(0), uint64(0)
	if tab1 != 0 {
		t1 = h.ItabType(tab1)
	}
	if tab2 != 0 {
		t2 = h.ItabType(tab2)
	}
	return h.EqualEface(t1, d1, t2, d2)
}

package heap

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Two odd constants with well mixed bits.
const (
	mix0 = 0x9e3779b97f4a7c15
	mix1 = 0xd6e8feb86659fd93
)

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// hashWord is the hash of a number.
func hashWord(x, seed uint64) uint64 { return mix(x^mix0^seed, seed^mix1|1) }

// hashBytes is the hash of a text: multiply and fold, 16 bytes a step.
func hashBytes(b []byte, seed uint64) uint64 {
	n := uint64(len(b))
	seed ^= mix0
	for len(b) > 16 {
		seed = mix(binary.LittleEndian.Uint64(b)^mix1, binary.LittleEndian.Uint64(b[8:])^seed)
		b = b[16:]
	}
	var x, y uint64
	switch {
	case len(b) >= 8:
		x, y = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[len(b)-8:])
	case len(b) >= 4:
		x, y = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[len(b)-4:]))
	case len(b) > 0:
		x = uint64(b[0])<<16 | uint64(b[len(b)/2])<<8 | uint64(b[len(b)-1])
	}
	return mix(mix1^n, mix(x^mix1, y^seed))
}

const (
	depthMax = 100_000 // of values within interfaces within values
	workMin  = 1 << 20
	workMax  = 1 << 28
)

// valuesMax is how many values one hash or comparison may visit in a memory of a size: it bounds descriptors that lie over each other.
func valuesMax(memoryBytes uint64) int { return int(min(max(memoryBytes, workMin), workMax)) }

// walk bounds one hash or comparison whatever the descriptors and values are.
type walk struct {
	h     *Heap
	depth int
	work  int
}

// valueBytes is what visiting a value counts as.
const valueBytes = 64

// count notes the values visited.
func (w *walk) count() {
	if n := uint64(w.work) * valueBytes; n >= handledMin {
		w.h.Handle(n)
	}
}

// enter counts one value of type typ at each of the addresses; it is ErrFault when one is not in memory.
func (w *walk) enter(typ uint64, addrs ...uint64) (size uint64, err error) {
	w.work++
	if w.depth > depthMax || w.work > valuesMax(w.h.m.Size()) || !w.h.m.InRange(typ, typeBytes) {
		return 0, ErrBadType
	}
	size = w.h.TypeSize(typ)
	for _, a := range addrs {
		if size > 0 && !w.h.m.InRange(a, size) {
			return 0, ErrFault
		}
	}
	return size, nil
}

// Hash is the hash of the value of type typ at addr; the error is a *TypeError, ErrFault or ErrBadType.
func (h *Heap) Hash(typ, addr, seed uint64) (uint64, error) {
	w := walk{h: h}
	x, err := w.hash(typ, addr, seed)
	w.count()
	return x, err
}

func (w *walk) hash(typ, addr, seed uint64) (uint64, error) {
	size, err := w.enter(typ, addr)
	if err != nil {
		return 0, err
	}
	m := w.h.m
	switch w.h.TypeKind(typ) {
	case kindFloat32:
		return w.hashFloat(float64(math.Float32frombits(m.Load32(addr))), seed), nil
	case kindFloat64:
		return w.hashFloat(math.Float64frombits(m.Load64(addr)), seed), nil
	case kindComplex64:
		seed = w.hashFloat(float64(math.Float32frombits(m.Load32(addr))), seed)
		return w.hashFloat(float64(math.Float32frombits(m.Load32(addr+4))), seed), nil
	case kindComplex128:
		seed = w.hashFloat(math.Float64frombits(m.Load64(addr)), seed)
		return w.hashFloat(math.Float64frombits(m.Load64(addr+8)), seed), nil
	case kindString:
		n := m.Load64(addr + 8)
		b := m.Bytes(m.Load64(addr), n)
		if b == nil && n != 0 {
			return 0, ErrFault
		}
		w.work += int(n / valueBytes)
		if n >= handledMin {
			w.h.Handle(n)
		}
		return hashBytes(b, seed), nil
	case kindInterface:
		return w.hashInterface(typ, addr, seed)
	case kindArray:
		return w.hashArray(typ, addr, size, seed)
	case kindStruct:
		return w.hashStruct(typ, addr, seed)
	case kindFunc, kindMap, kindSlice:
		return 0, &TypeError{Type: typ, Hash: true}
	case kindBool, kindInt, kindInt8, kindInt16, kindInt32, kindInt64, kindUint, kindUint8, kindUint16, kindUint32, kindUint64, kindUintptr,
		kindChan, kindPointer, kindUnsafePointer:
		return hashWord(w.h.word(addr, size), seed), nil
	}
	return 0, ErrBadType
}

// word is a value of up to 8 bytes, zero-extended.
func (h *Heap) word(addr, size uint64) uint64 {
	switch size {
	case 1:
		return uint64(h.m.Load8(addr))
	case 2:
		return uint64(h.m.Load16(addr))
	case 4:
		return uint64(h.m.Load32(addr))
	}
	return h.m.Load64(addr)
}

// hashFloat gives both zeros one hash and every NaN one of its own.
func (w *walk) hashFloat(f float64, seed uint64) uint64 {
	switch {
	case f == 0:
		return hashWord(0, seed)
	case f != f:
		return hashWord(w.h.Rand64(), seed)
	}
	return hashWord(math.Float64bits(f), seed)
}

// dynamic is the dynamic type of the interface value of type typ at addr (0: nil), and the address of its data.
func (h *Heap) dynamic(typ, addr uint64) (t, data uint64) {
	t = h.m.Load64(addr)
	if t != 0 && h.m.Load64(typ+structFieldsLen) != 0 { // methods: the word is an itab
		t = h.ItabType(t)
	}
	if t != 0 && h.TypeDirect(t) {
		return t, addr + 8
	}
	return t, h.m.Load64(addr + 8)
}

func (w *walk) hashInterface(typ, addr, seed uint64) (uint64, error) {
	t, data := w.h.dynamic(typ, addr)
	if t == 0 {
		return hashWord(0, seed), nil
	}
	if !w.h.m.InRange(t, typeBytes) {
		return 0, ErrBadType
	}
	if !w.h.comparable(t) { // told by the whole dynamic type, as gc does
		return 0, &TypeError{Type: t, Hash: true}
	}
	w.depth++
	defer func() { w.depth-- }()
	return w.hash(t, data, hashWord(uint64(w.h.m.Load32(t+typeHash)), seed))
}

func (w *walk) hashArray(typ, addr, size, seed uint64) (uint64, error) {
	elem := w.h.m.Load64(typ + typeElem)
	n, step := w.h.TypeLen(typ), w.h.TypeSize(elem)
	if step == 0 {
		n = min(n, 1)
	} else if n > size/step {
		return 0, ErrBadType
	}
	var err error
	w.depth++
	defer func() { w.depth-- }()
	for i := uint64(0); i < n && err == nil; i++ {
		seed, err = w.hash(elem, addr+i*step, seed)
	}
	return seed, err
}

func (w *walk) hashStruct(typ, addr, seed uint64) (uint64, error) {
	var err error
	w.depth++
	defer func() { w.depth-- }()
	for i := range w.h.TypeFields(typ) {
		t, offset, blank := w.h.TypeField(typ, i)
		if blank {
			continue
		}
		if seed, err = w.hash(t, addr+offset, seed); err != nil {
			return 0, err
		}
	}
	return seed, nil
}

package values

import (
	"fmt"
	"math"
	"reflect"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// Write stores v as the value of type t at addr, tracked, and makes the strings, slices and maps it needs. Objects it made for what
// stood there before are left to the collector. heap.ErrNoSpace asks for a collection and another try; nothing is collected here.
func Write(h *heap.Heap, t, addr uint64, v changes.Value) error {
	w := writer{h: h, m: h.Memory()}
	return w.write(t, addr, v)
}

// SetEntry stores v at key in the map of type t whose header address stands at addr; a nil map is made first.
func SetEntry(h *heap.Heap, t, addr uint64, key, v changes.Value) error {
	w := writer{h: h, m: h.Memory()}
	m, err := w.mapAt(t, addr, 0)
	if err != nil {
		return err
	}
	return w.entry(t, m, key, v)
}

// DeleteEntry removes key from the map of type t whose header address stands at addr.
func DeleteEntry(h *heap.Heap, t, addr uint64, key changes.Value) error {
	w := writer{h: h, m: h.Memory()}
	m := w.m.Load64(addr)
	if m == 0 {
		return nil
	}
	return w.withKey(t, key, func(k uint64) error { return h.MapDelete(t, m, k) })
}

// ReadEntry is the value at key in the map of type t whose header address stands at addr; false when there is none. It needs room for the key.
func ReadEntry(h *heap.Heap, t, addr uint64, key changes.Value) (v changes.Value, ok bool, err error) {
	w := writer{h: h, m: h.Memory()}
	m := w.m.Load64(addr)
	if m == 0 {
		return v, false, nil
	}
	err = w.withKey(t, key, func(k uint64) error {
		at, err := h.MapGet(t, m, k)
		if err != nil || at == 0 {
			return err
		}
		ok = true
		v, err = Read(h, h.TypeElem(t), at)
		return err
	})
	return v, ok && err == nil, err
}

type writer struct {
	h *heap.Heap
	m *mem.Memory
}

func (w *writer) write(t, addr uint64, v changes.Value) error {
	size := w.h.TypeSize(t)
	if size == 0 {
		return nil
	}
	if !w.m.InRange(addr, size) {
		return fmt.Errorf("%w: %s at %#x", ErrMemory, w.h.TypeString(t), addr)
	}
	kind := reflect.Kind(w.h.TypeKind(t))
	if f := formOf(kind); f == changes.Absent || v.Form() != f && !(f == changes.Slice && v.Form() == changes.Bytes) {
		return fmt.Errorf("%w: a value of form %v for %s", ErrType, v.Form(), w.h.TypeString(t))
	}
	switch {
	case kind == reflect.Bool:
		b := uint8(0)
		if v.Bool() {
			b = 1
		}
		w.m.Store8(addr, b)
	case kind >= reflect.Int && kind <= reflect.Int64:
		w.word(addr, size, uint64(v.Int()))
	case kind >= reflect.Uint && kind <= reflect.Uintptr:
		w.word(addr, size, v.Uint())
	case kind == reflect.Float32:
		w.m.Store32(addr, math.Float32bits(float32(v.Float())))
	case kind == reflect.Float64:
		w.m.Store64(addr, math.Float64bits(v.Float()))
	case kind == reflect.Complex64:
		w.m.Store32(addr, math.Float32bits(float32(real(v.Complex()))))
		w.m.Store32(addr+4, math.Float32bits(float32(imag(v.Complex()))))
	case kind == reflect.Complex128:
		w.m.Store64(addr, math.Float64bits(real(v.Complex())))
		w.m.Store64(addr+8, math.Float64bits(imag(v.Complex())))
	case kind == reflect.String:
		s, err := w.h.NewString(v.Text())
		if err != nil {
			return err
		}
		w.m.Store64(addr, s.Ptr)
		w.m.Store64(addr+8, s.Len)
	case kind == reflect.Array:
		return w.items(w.h.TypeElem(t), addr, v)
	case kind == reflect.Slice:
		return w.slice(t, addr, v)
	case kind == reflect.Map:
		return w.mapValue(t, addr, v)
	case kind == reflect.Struct:
		return w.structValue(t, addr, v)
	}
	return nil
}

func (w *writer) word(addr, size, x uint64) {
	switch size {
	case 1:
		w.m.Store8(addr, uint8(x))
	case 2:
		w.m.Store16(addr, uint16(x))
	case 4:
		w.m.Store32(addr, uint32(x))
	default:
		w.m.Store64(addr, x)
	}
}

func (w *writer) items(elem, addr uint64, v changes.Value) error {
	size := w.h.TypeSize(elem)
	for i := range v.Len() {
		if err := w.write(elem, addr+uint64(i)*size, v.Item(i)); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) slice(t, addr uint64, v changes.Value) error {
	if v.IsNil() {
		w.m.Zero(addr, 24)
		return nil
	}
	elem := w.h.TypeElem(t)
	n := int64(v.Len())
	s, err := w.h.MakeSlice(elem, n, n)
	if err != nil {
		return err
	}
	if v.Form() == changes.Bytes {
		copy(w.m.Writable(s.Ptr, s.Len), v.Text())
	} else if err := w.items(elem, s.Ptr, v); err != nil {
		return err
	}
	w.m.Store64(addr, s.Ptr)
	w.m.Store64(addr+8, s.Len)
	w.m.Store64(addr+16, s.Cap)
	return nil
}

// mapAt is the map whose header address stands at addr, made if it is nil.
func (w *writer) mapAt(t, addr uint64, room int64) (uint64, error) {
	if m := w.m.Load64(addr); m != 0 {
		return m, nil
	}
	m, err := w.h.NewMap(t, room)
	if err != nil {
		return 0, err
	}
	w.m.Store64(addr, m)
	return m, nil
}

func (w *writer) mapValue(t, addr uint64, v changes.Value) error {
	w.m.Store64(addr, 0)
	if v.IsNil() {
		return nil
	}
	m, err := w.mapAt(t, addr, int64(v.Len()))
	if err != nil {
		return err
	}
	for i := range v.Len() {
		e := v.Entry(i)
		if err := w.entry(t, m, e.Key, e.Value); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) entry(t, m uint64, key, v changes.Value) error {
	elem := w.h.TypeElem(t)
	return w.withRoom(elem, func(at uint64) error {
		// The value is complete before the map is touched, because MapSet's address holds only until the next allocation.
		if err := w.write(elem, at, v); err != nil {
			return err
		}
		return w.withKey(t, key, func(k uint64) error {
			to, err := w.h.MapSet(t, m, k)
			if err != nil {
				return err
			}
			w.m.Copy(to, at, w.h.TypeSize(elem))
			return nil
		})
	})
}

func (w *writer) withKey(t uint64, key changes.Value, f func(addr uint64) error) error {
	kt := w.h.TypeKey(t)
	return w.withRoom(kt, func(k uint64) error {
		if err := w.write(kt, k, key); err != nil {
			return err
		}
		return f(k)
	})
}

// withRoom lends f a zeroed place for a value of type t.
func (w *writer) withRoom(t uint64, f func(addr uint64) error) error {
	at, err := w.h.NewObject(t)
	if err != nil {
		return err
	}
	err = f(at)
	if w.h.TypeSize(t) > 0 {
		w.h.Free(at)
	}
	return err
}

func (w *writer) structValue(t, addr uint64, v changes.Value) error {
	for i := range w.h.TypeFields(t) {
		ft, offset, blank := w.h.TypeField(t, i)
		if blank {
			continue
		}
		x, ok := v.Field(w.h.TypeFieldName(t, i))
		if !ok {
			return fmt.Errorf("%w: no field %s in the value for %s", ErrType, w.h.TypeFieldName(t, i), w.h.TypeString(t))
		}
		if err := w.write(ft, addr+offset, x); err != nil {
			return err
		}
	}
	return nil
}

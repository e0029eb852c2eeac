package host

import (
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/heap"
)

// objectNatives make values and compare them by type.
func objectNatives() map[string]exec.Native {
	return map[string]exec.Native{
		// func newobject(t *_type) unsafe.Pointer
		"runtime.newobject": native(1, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			return address(t, w)(t.Heap().NewObject(w.Arg(0)))
		}),
		// func newarray(t *_type, n int) unsafe.Pointer
		"runtime.newarray": native(2, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			if w.Int(1) < 0 {
				return t.Retry(heap.ErrLen)
			}
			return address(t, w)(t.Heap().NewArray(w.Arg(0), w.Arg(1)))
		}),
		// func growslice(t *_type, p unsafe.Pointer, len, cap, num int) (unsafe.Pointer, int, int)
		"runtime.growslice": native(5, 3, func(t *exec.Thread, w exec.Window) exec.Action {
			if w.Int(4) < 0 {
				return t.Retry(heap.ErrLen)
			}
			s, err := t.Heap().GrowSlice(w.Arg(0), heap.Slice{Ptr: w.Arg(1), Len: w.Arg(2), Cap: w.Arg(3)}, w.Arg(4))
			if err != nil {
				return t.Retry(err)
			}
			w.Set(0, s.Ptr)
			w.Set(1, s.Len)
			w.Set(2, s.Cap)
			return exec.Next
		}),
		// func getitab(inter, typ *_type) *itab
		"runtime.getitab": native(2, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			return address(t, w)(t.Machine().Itab(w.Arg(0), w.Arg(1)))
		}),
		// func typeoffsets() []int32
		"runtime.typeoffsets": native(0, 3, typeOffsets),
		// func valuesEqual(t *_type, a, b unsafe.Pointer) bool
		"runtime.valuesEqual": native(3, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			equal, err := t.Heap().Equal(w.Arg(0), w.Arg(1), w.Arg(2))
			if err != nil {
				return t.Retry(err)
			}
			w.SetBool(0, equal)
			return exec.Next
		}),
		// func valueHash(t *_type, p unsafe.Pointer, seed uintptr) uintptr
		"runtime.valueHash": native(3, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			return address(t, w)(t.Heap().Hash(w.Arg(0), w.Arg(1), w.Arg(2)))
		}),
	}
}

// address is the end of a native whose only result is v.
func address(t *exec.Thread, w exec.Window) func(v uint64, err error) exec.Action {
	return func(v uint64, err error) exec.Action {
		if err != nil {
			return t.Retry(err)
		}
		w.Set(0, v)
		return exec.Next
	}
}

func typeOffsets(t *exec.Thread, w exec.Window) exec.Action {
	links := t.Program().Image.TypeLinks
	at, err := t.Heap().AllocKind(heap.KindRaw, uint64(len(links))*4, 0)
	if err != nil {
		return t.Retry(err)
	}
	for i, a := range links {
		t.Mem().Store32(at+uint64(i)*4, uint32(a-code.Base))
	}
	w.Set(0, at)
	w.Set(1, uint64(len(links)))
	w.Set(2, uint64(len(links)))
	return exec.Next
}

// mapNatives are maps by address of key and value: reflect's view. The first argument is the map type.
func mapNatives() map[string]exec.Native {
	return map[string]exec.Native{
		// func makemap(t *_type, hint int) unsafe.Pointer
		"runtime.makemap": native(2, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			return address(t, w)(t.Heap().NewMap(w.Arg(0), w.Int(1)))
		}),
		// func mapaccess(t *_type, m, key unsafe.Pointer) unsafe.Pointer
		"runtime.mapaccess": native(3, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			return address(t, w)(t.Heap().MapGet(w.Arg(0), w.Arg(1), w.Arg(2)))
		}),
		// func mapassign(t *_type, m, key, elem unsafe.Pointer)
		"runtime.mapassign": native(4, 0, mapAssign),
		// func mapdelete(t *_type, m, key unsafe.Pointer)
		"runtime.mapdelete": native(3, 0, func(t *exec.Thread, w exec.Window) exec.Action {
			return done(t, t.Heap().MapDelete(w.Arg(0), w.Arg(1), w.Arg(2)))
		}),
		// func maplen(m unsafe.Pointer) int
		"runtime.maplen": native(1, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			w.Set(0, t.Heap().MapLen(w.Arg(0)))
			return exec.Next
		}),
		// func mapclear(t *_type, m unsafe.Pointer)
		"runtime.mapclear": native(2, 0, func(t *exec.Thread, w exec.Window) exec.Action {
			return done(t, t.Heap().MapClear(w.Arg(0), w.Arg(1)))
		}),
		// func mapiterinit(t *_type, m unsafe.Pointer) unsafe.Pointer
		"runtime.mapiterinit": native(2, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			return address(t, w)(t.Heap().NewMapIter(w.Arg(0), w.Arg(1)))
		}),
		// func mapiternext(it, key, elem unsafe.Pointer) bool
		"runtime.mapiternext": native(3, 1, mapNext),
	}
}

func done(t *exec.Thread, err error) exec.Action {
	if err != nil {
		return t.Retry(err)
	}
	return exec.Next
}

// Offsets in abi.Type and abi.MapType.
const (
	typeSize = 0
	mapKey   = 48
	mapElem  = 56
)

// mapSizes are the bytes of a key and a value of a map type.
func mapSizes(t *exec.Thread, typ uint64) (key, elem uint64) {
	m := t.Mem()
	return m.Load64(m.Load64(typ+mapKey) + typeSize), m.Load64(m.Load64(typ+mapElem) + typeSize)
}

func mapAssign(t *exec.Thread, w exec.Window) exec.Action {
	_, size := mapSizes(t, w.Arg(0))
	if size > 0 && !t.Mem().InRange(w.Arg(3), size) {
		return fault(t)
	}
	at, err := t.Heap().MapSet(w.Arg(0), w.Arg(1), w.Arg(2))
	if err != nil {
		return t.Retry(err)
	}
	if size > 0 && !t.Mem().Copy(at, w.Arg(3), size) {
		return fault(t)
	}
	return exec.Next
}

// mapNext copies the next entry out before anything else can be done on the heap.
func mapNext(t *exec.Thread, w exec.Window) exec.Action {
	it := w.Arg(0)
	o, ok := t.Heap().Find(it)
	if !ok || o.Kind != heap.KindMapIter {
		return fault(t)
	}
	m, _ := t.Heap().Find(t.Mem().Load64(it)) // word 0 of an iterator is its map, 0 for a nil one
	if m.Kind != heap.KindMap {
		w.SetBool(0, false)
		return exec.Next
	}
	keyBytes, elemBytes := mapSizes(t, m.Type)
	for i, n := range []uint64{keyBytes, elemBytes} {
		if p := w.Arg(1 + i); p != 0 && n > 0 && !t.Mem().InRange(p, n) {
			return fault(t)
		}
	}
	key, elem, err := t.Heap().MapNext(it)
	if err != nil {
		return t.Retry(err)
	}
	w.SetBool(0, key != 0)
	if key == 0 {
		return exec.Next
	}
	if p := w.Arg(1); p != 0 && keyBytes > 0 {
		t.Mem().Copy(p, key, keyBytes)
	}
	if p := w.Arg(2); p != 0 && elemBytes > 0 {
		t.Mem().Copy(p, elem, elemBytes)
	}
	return exec.Next
}

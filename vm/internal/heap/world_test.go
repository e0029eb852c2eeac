package heap

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// world is a heap with hand-made type descriptors, made after the host's own types.
type world struct {
	*Heap
	t     testing.TB
	data  []byte // the image's data, before the heap exists
	at    map[reflect.Type]uint64
	itabs map[reflect.Type]uint64
	r     *rand.Rand
}

const dataRoom = 1 << 16

func newWorld(t testing.TB, limitBytes uint64) *world {
	m, err := mem.New(limitBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	h, err := New(m, code.Base+code.DataStart+dataRoom, 1)
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	return &world{Heap: h, t: t, at: map[reflect.Type]uint64{}, itabs: map[reflect.Type]uint64{}, r: rand.New(rand.NewPCG(seed, 0))}
}

// static reserves n bytes of the data.
func (w *world) static(n uint64) uint64 {
	at := uint64(code.Base + code.DataStart + len(w.data))
	w.data = append(w.data, make([]byte, (n+7)&^7)...)
	if len(w.data) > dataRoom {
		w.t.Fatal("test data is full")
	}
	return at
}

func (w *world) put64(at, v uint64) { w.m.Store64(at, v) }

// name is an abi.Name.
func (w *world) name(s string) uint64 {
	at := w.static(uint64(len(s)) + 3)
	b := w.m.Writable(at, uint64(len(s))+3)
	n := 1
	if len(s) < 128 {
		b[1] = byte(len(s))
	} else {
		b[1], b[2] = byte(len(s))|0x80, byte(len(s)>>7)
		n = 2
	}
	copy(b[1+n:], s)
	return at
}

// hostType is the host's own descriptor of t.
func hostType(t reflect.Type) unsafe.Pointer {
	return (*[2]unsafe.Pointer)(unsafe.Pointer(&t))[1]
}

// typ is the address of the descriptor of t, copied from the host's where it is flat and made by hand elsewhere.
func (w *world) typ(t reflect.Type) uint64 {
	if at := w.at[t]; at != 0 {
		return at
	}
	at := w.static(112)
	w.at[t] = at
	b := w.m.Writable(at, 112)
	copy(b[:typeGCData], unsafe.Slice((*byte)(hostType(t)), typeGCData))
	b[typeFlag] &= flagRegularMemory | flagDirectIface
	w.put64(at+24, 0) // Equal is a host function
	mask := w.static((w.TypePtrBytes(at)/8 + 7) / 8)
	w.mask(t, mask, 0)
	w.put64(at+typeGCData, mask)
	w.m.Store32(at+typeStr, uint32(w.name(t.String())-code.Base))
	switch t.Kind() {
	case reflect.Array:
		w.put64(at+typeElem, w.typ(t.Elem()))
		w.put64(at+arrayLen, uint64(t.Len()))
	case reflect.Chan, reflect.Pointer, reflect.Slice:
		w.put64(at+typeElem, w.typ(t.Elem()))
	case reflect.Map:
		w.put64(at+typeElem, w.typ(t.Key()))
		w.put64(at+mapElem, w.typ(t.Elem()))
	case reflect.Interface:
		w.put64(at+structFieldsLen, uint64(t.NumMethod()))
	case reflect.Struct:
		fields := w.static(uint64(t.NumField()) * fieldBytes)
		w.put64(at+structFields, fields)
		w.put64(at+structFieldsLen, uint64(t.NumField()))
		for i := range t.NumField() {
			f := fields + uint64(i)*fieldBytes
			w.put64(f+fieldName, w.name(t.Field(i).Name))
			w.put64(f+fieldType, w.typ(t.Field(i).Type))
			w.put64(f+fieldOffset, uint64(t.Field(i).Offset))
		}
	}
	return at
}

// mask sets the pointer bits of a value of type t at byte off.
func (w *world) mask(t reflect.Type, mask uint64, off uintptr) {
	bit := func(off uintptr) {
		at := mask + uint64(off/64)
		w.m.Store8(at, w.m.Load8(at)|1<<(off/8%8))
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Chan, reflect.Map, reflect.Func, reflect.UnsafePointer, reflect.Slice, reflect.String:
		bit(off)
	case reflect.Interface:
		bit(off)
		bit(off + 8)
	case reflect.Array:
		for i := range t.Len() {
			w.mask(t.Elem(), mask, off+uintptr(i)*t.Elem().Size())
		}
	case reflect.Struct:
		for i := range t.NumField() {
			w.mask(t.Field(i).Type, mask, off+t.Field(i).Offset)
		}
	}
}

// put writes a host value into guest memory. Pointers and channels become the number they are on the host.
func (w *world) put(at uint64, v reflect.Value) {
	c := reflect.New(v.Type())
	c.Elem().Set(v)
	w.putFrom(at, v.Type(), c.UnsafePointer())
}

func (w *world) putFrom(at uint64, t reflect.Type, p unsafe.Pointer) {
	switch t.Kind() {
	case reflect.String:
		s, err := w.NewString(*(*string)(p))
		w.ok(err)
		w.put64(at, s.Ptr)
		w.put64(at+8, s.Len)
	case reflect.Interface:
		w.putInterface(at, reflect.NewAt(t, p).Elem())
	case reflect.Array:
		for i := range t.Len() {
			off := uintptr(i) * t.Elem().Size()
			w.putFrom(at+uint64(off), t.Elem(), unsafe.Add(p, off))
		}
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			w.putFrom(at+uint64(f.Offset), f.Type, unsafe.Add(p, f.Offset))
		}
	default:
		if n := uint64(t.Size()); n > 0 {
			copy(w.m.Writable(at, n), unsafe.Slice((*byte)(p), n))
		}
	}
}

func (w *world) putInterface(at uint64, v reflect.Value) {
	if v.IsNil() {
		w.put64(at, 0)
		w.put64(at+8, 0)
		return
	}
	e := v.Elem()
	typ := w.typ(e.Type())
	word := typ
	if v.Type().NumMethod() > 0 {
		word = w.itab(e.Type(), typ)
	}
	data := at + 8
	if !w.TypeDirect(typ) {
		var err error
		data, err = w.NewObject(typ)
		w.ok(err)
		w.put64(at+8, data)
	}
	w.put64(at, word)
	w.put(data, e)
}

func (w *world) itab(t reflect.Type, typ uint64) uint64 {
	if w.itabs[t] == 0 {
		w.itabs[t] = w.static(32)
		w.put64(w.itabs[t]+itabType, typ)
	}
	return w.itabs[t]
}

// new is the address of a new guest copy of v.
func (w *world) new(v any) uint64 {
	typ := w.typ(reflect.TypeOf(v))
	at, err := w.NewObject(typ)
	w.ok(err)
	w.put(at, reflect.ValueOf(v))
	return at
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) check() {
	w.t.Helper()
	if err := Check(w.m); err != nil {
		w.t.Fatal(err)
	}
}

// try is f's error, or what it panics with.
func try(f func()) (err error) {
	defer func() {
		if e := recover(); e != nil {
			err = fmt.Errorf("%v", e)
		}
	}()
	f()
	return nil
}

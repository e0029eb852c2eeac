package heap

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

type (
	blank struct {
		A int8
		_ int32
		B int64
	}
	nested struct {
		S string
		F [2]float64
		E any
		P struct{ X, Y *int }
	}
	stringer interface{ String() string }
	text     struct{ v any }
)

func (t text) String() string { return "" }

var sampleTypes = []any{false, int8(0), uint16(0), int32(0), 0, float32(0), 0.0, complex64(0), complex128(0), "", [3]int{}, [0]string{}, [2]string{},
	make(chan int), func() {}, map[string]int{}, new(int), []string{}, blank{}, nested{}, struct{}{}, struct{ P *int }{}, [1]*int{}, unsafe.Pointer(nil), [100]any{},
	struct {
		E any
		S stringer
	}{}}

// TestDescriptorOffsets reads the host's own descriptors at our offsets.
func TestDescriptorOffsets(t *testing.T) {
	read := func(x reflect.Type, off uintptr) uint64 { return *(*uint64)(unsafe.Add(hostType(x), off)) }
	at := func(x reflect.Type) uint64 { return uint64(uintptr(hostType(x))) }
	for _, s := range sampleTypes {
		x := reflect.TypeOf(s)
		b := unsafe.Slice((*byte)(hostType(x)), typeBytes)
		if read(x, typeSize) != uint64(x.Size()) || reflect.Kind(b[typeKind]&31) != x.Kind() || int(b[typeAlign]) != x.Align() {
			t.Errorf("%v: size, kind or alignment is elsewhere", x)
		}
		direct := b[typeFlag]&flagDirectIface != 0
		if want := uintptr((*[2]unsafe.Pointer)(unsafe.Pointer(&s))[1]) == 0; direct != want && reflect.ValueOf(s).IsZero() {
			t.Errorf("%v: direct %v", x, direct)
		}
		switch x.Kind() {
		case reflect.Array:
			if read(x, typeElem) != at(x.Elem()) || read(x, arrayLen) != uint64(x.Len()) {
				t.Errorf("%v: array", x)
			}
		case reflect.Map:
			if read(x, typeElem) != at(x.Key()) || read(x, mapElem) != at(x.Elem()) {
				t.Errorf("%v: map", x)
			}
		case reflect.Chan, reflect.Slice, reflect.Pointer:
			if read(x, typeElem) != at(x.Elem()) {
				t.Errorf("%v: elem", x)
			}
		case reflect.Struct:
			if read(x, structFieldsLen) != uint64(x.NumField()) {
				t.Errorf("%v: fields", x)
			}
			fields := *(*unsafe.Pointer)(unsafe.Add(hostType(x), structFields))
			for i := range x.NumField() {
				f := unsafe.Add(fields, i*fieldBytes)
				if *(*uint64)(unsafe.Add(f, fieldType)) != at(x.Field(i).Type) || *(*uintptr)(unsafe.Add(f, fieldOffset)) != x.Field(i).Offset {
					t.Errorf("%v: field %d", x, i)
				}
				name := *(*unsafe.Pointer)(unsafe.Add(f, fieldName))
				if n := *(*byte)(unsafe.Add(name, 1)); int(n) != len(x.Field(i).Name) {
					t.Errorf("%v: name of field %d", x, i)
				}
			}
		}
	}
	iface := reflect.TypeFor[stringer]()
	if read(iface, structFieldsLen) != 1 {
		t.Error("methods of an interface type")
	}
	var s stringer = text{}
	if tab := *(*unsafe.Pointer)(unsafe.Pointer(&s)); *(*uint64)(unsafe.Add(tab, itabType)) != at(reflect.TypeFor[text]()) {
		t.Error("type of an itab")
	}
}

func TestTypeRead(t *testing.T) {
	w := newWorld(t, 1<<20)
	for _, s := range sampleTypes {
		x := reflect.TypeOf(s)
		at := w.typ(x)
		if w.TypeSize(at) != uint64(x.Size()) || w.TypeKind(at) != uint8(x.Kind()) || w.TypeAlign(at) != uint64(x.Align()) || w.TypeString(at) != x.String() {
			t.Errorf("%v reads as %s", x, w.TypeString(at))
		}
		if w.comparable(at) != x.Comparable() {
			t.Errorf("%v: comparable %v", x, w.comparable(at))
		}
		if x.Kind() == reflect.Struct {
			if w.TypeFields(at) != x.NumField() {
				t.Errorf("%v: %d fields", x, w.TypeFields(at))
			}
			for i := range x.NumField() {
				ft, off, blank := w.TypeField(at, i)
				if f := x.Field(i); ft != w.typ(f.Type) || off != uint64(f.Offset) || blank != (f.Name == "_") || w.TypeFieldName(at, i) != f.Name {
					t.Errorf("%v: field %d", x, i)
				}
			}
		}
	}
	w.check()
}

// TestHashEqual compares values of one type in pairs with what Go says of them, panics included.
func TestHashEqual(t *testing.T) {
	w := newWorld(t, 16<<20)
	p, q := new(int), new(int)
	c := make(chan int)
	negZero := math.Copysign(0, -1)
	nan := math.NaN()
	groups := [][]any{
		{int8(1), int8(-1), int8(1)},
		{uint16(7), uint16(8)},
		{1 << 40, 0, -1},
		{0.0, negZero, nan, 1.5, math.Inf(1)},
		{float32(0), float32(negZero), float32(nan), float32(2)},
		{complex(0, negZero), complex(negZero, 0), complex(nan, 1), 1i},
		{complex64(0), complex64(1i), complex64(complex(negZero, 0))},
		{"", "a", "b", "ab", "a long string of more than sixteen bytes", "a long string of more than sixteen bytez"},
		{[3]int{1, 2, 3}, [3]int{1, 2, 4}},
		{[2]string{"a", "b"}, [2]string{"a", "b"}, [2]string{"ab", ""}},
		{p, q},
		{c, make(chan int)},
		{blank{A: 1, B: 2}, blank{A: 1, B: 3}},
		{nested{S: "x", E: 1}, nested{S: "x", E: "1"}, nested{S: "x", E: 1}, nested{S: "x", E: nan}, nested{E: []int{1}}, nested{S: "y", E: func() {}}, nested{F: [2]float64{0, negZero}}, nested{}},
		{[1]any{1}, [1]any{int8(1)}, [1]any{"1"}, [1]any{nil}, [1]any{blank{A: 1}}, [1]any{p}, [1]any{q}, [1]any{[]int(nil)}, [1]any{map[int]int(nil)}, [1]any{struct{ F func() }{}}, [1]any{struct{ P *int }{p}},
			[1]any{[0]func(){}}, [1]any{struct{}{}}},
		{[1]stringer{text{1}}, [1]stringer{text{2}}, [1]stringer{nil}, [1]stringer{text{[]int{}}}},
	}
	for _, g := range groups {
		typ := w.typ(reflect.TypeOf(g[0]))
		addrs := make([]uint64, len(g))
		for i, v := range g {
			addrs[i] = w.new(v)
			if _, ok := v.(blank); ok {
				w.m.Store32(addrs[i]+4, uint32(i)) // blank field
				w.m.Store8(addrs[i]+1, uint8(i))   // padding
			}
			hash, err := w.Hash(typ, addrs[i], 5)
			again, _ := w.Hash(typ, addrs[i], 5)
			want := try(func() { _ = map[any]int{}[v] })
			if (err == nil) != (want == nil) || err != nil && !strings.HasSuffix(want.Error(), "hash of unhashable type: "+w.TypeString(err.(*TypeError).Type)) {
				t.Errorf("hash of %#v: %v, want %v", v, err, want)
			}
			if want == nil && (hash == again) != (v == v) { // NaN has another hash each time
				t.Errorf("hash of %#v: %#x and %#x", v, hash, again)
			}
		}
		for i, v := range g {
			for j, u := range g {
				want := false
				panics := try(func() { want = v == u })
				got, err := w.Equal(typ, addrs[i], addrs[j])
				if (err == nil) != (panics == nil) || err != nil && panics.Error() != "runtime error: comparing uncomparable type "+w.TypeString(err.(*TypeError).Type) {
					t.Errorf("%#v == %#v: %v, want %v", v, u, err, panics)
				}
				if err != nil {
					continue
				}
				hi, e1 := w.Hash(typ, addrs[i], 5)
				hj, e2 := w.Hash(typ, addrs[j], 5)
				if got != want || got && e1 == nil && e2 == nil && hi != hj {
					t.Errorf("%#v == %#v: %v; hashes %#x %#x", v, u, got, hi, hj)
				}
			}
		}
	}
	w.check()
}

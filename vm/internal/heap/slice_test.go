package heap

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// sink keeps what the host makes from living on its stack, where capacities are others.
var sink any

// grown is the capacity the host gives append(make([]T, length, capacity), n more...).
func grown[T any](length, capacity, n int) int {
	s := make([]T, length, capacity)
	sink = s
	s = append(s, make([]T, n)...)
	sink = s
	return cap(s)
}

func checkGrow[T any](t *testing.T, w *world) {
	elem := w.typ(reflect.TypeFor[T]())
	for range 400 {
		capacity := w.r.IntN(1 << w.r.IntN(13))
		length := capacity
		if capacity > 0 && w.r.IntN(3) == 0 {
			length = w.r.IntN(capacity)
		}
		n := capacity - length + 1 + w.r.IntN(1<<w.r.IntN(12))
		want := grown[T](length, capacity, n)
		s, err := w.MakeSlice(elem, int64(length), int64(capacity))
		w.ok(err)
		b := w.m.Writable(s.Ptr, s.Len*w.TypeSize(elem))
		for i := range b {
			b[i] = byte(i + 1)
		}
		g, err := w.GrowSlice(elem, s, uint64(n))
		w.ok(err)
		if g.Cap != uint64(want) || g.Len != s.Len {
			t.Fatalf("%v: length %d, capacity %d, %d more: %d, want %d", reflect.TypeFor[T](), length, capacity, n, g.Cap, want)
		}
		if string(w.m.Bytes(g.Ptr, s.Len*w.TypeSize(elem))) != string(b) {
			t.Fatal("content")
		}
		w.Collect(func(*Marker) {})
	}
}

func TestGrowSlice(t *testing.T) {
	w := newWorld(t, 64<<20)
	checkGrow[byte](t, w)
	checkGrow[int16](t, w)
	checkGrow[int32](t, w)
	checkGrow[int](t, w)
	checkGrow[*int](t, w)
	checkGrow[string](t, w)
	checkGrow[any](t, w)
	checkGrow[[]int](t, w)
	checkGrow[[3]byte](t, w)
	checkGrow[[5]int](t, w)
	checkGrow[[7]*int](t, w)
	checkGrow[nested](t, w)
	checkGrow[[100]any](t, w)
	checkGrow[struct{}](t, w)
	w.check()
}

func TestMakeSlice(t *testing.T) {
	w := newWorld(t, 4<<20)
	elem := w.typ(reflect.TypeFor[[1000]int]())
	for _, length := range []int64{0, 1, 5, -1, math.MaxInt64, math.MinInt64, 1 << 36, 1 << 40} {
		for _, capacity := range []int64{0, 1, 5, 6, -1, math.MaxInt64, 1 << 40, 1 << 36} {
			if max(length, capacity) == 1<<36 && length <= capacity && length >= 0 {
				continue // not in the host's memory either
			}
			l, c := int(length), int(capacity)
			want := try(func() { sink = make([][1000]int, l, c) })
			s, err := w.MakeSlice(elem, length, capacity)
			got := ""
			switch err {
			case nil:
			case ErrLen:
				got = "len out of range"
			case ErrCap:
				got = "cap out of range"
			default:
				got = err.Error()
			}
			if (want == nil) != (err == nil) || want != nil && !strings.HasSuffix(want.Error(), got) || err == nil && (s.Len != uint64(l) || s.Cap != uint64(c)) {
				t.Errorf("make(%d, %d): %v, want %v", length, capacity, err, want)
			}
		}
	}
	sink = nil
	if _, err := w.GrowSlice(elem, Slice{0, 1 << 62, 1 << 62}, 1<<62); err != ErrLen {
		t.Error(err)
	}
	if _, err := w.GrowSlice(elem, Slice{8, 5, 5}, 1); err != ErrFault {
		t.Error(err)
	}
}

func TestAppendCopy(t *testing.T) {
	w := newWorld(t, 16<<20)
	for _, size := range []int{1, 2, 4, 8, 16, 24} {
		elem := w.typ(reflect.ArrayOf(size, reflect.TypeFor[byte]()))
		var s Slice
		var want []byte
		value := w.new([32]byte{})
		for i := range 300 {
			v := make([]byte, size)
			for k := range v {
				v[k] = byte(w.r.Uint32())
			}
			copy(w.m.Writable(value, 32), v)
			var err error
			if i%7 == 0 {
				s, err = w.Append(elem, s, s) // onto itself
				want = append(want, want...)
			} else {
				s, err = w.AppendValue(elem, s, value)
				want = append(want, v...)
			}
			w.ok(err)
			if len(want) > 1<<14 {
				s, want = Slice{s.Ptr, 3, 3}, append([]byte{}, want[:3*size]...)
			}
			if n := s.Len * uint64(size); n != uint64(len(want)) || string(w.m.Bytes(s.Ptr, n)) != string(want) {
				t.Fatalf("size %d, step %d: %d elements differ", size, i, s.Len)
			}
		}
		n, err := w.CopySlice(Slice{s.Ptr + uint64(size), s.Len - 1, 0}, s, uint64(size))
		w.ok(err)
		copy(want[size:], want)
		if n != s.Len-1 || string(w.m.Bytes(s.Ptr, s.Len*uint64(size))) != string(want) {
			t.Fatal("overlapping copy")
		}
	}
	bytes := w.typ(reflect.TypeFor[byte]())
	if _, err := w.Append(bytes, Slice{}, Slice{8, 5, 5}); err != ErrFault {
		t.Error(err)
	}
	if _, err := w.CopySlice(Slice{8, 5, 5}, Slice{ZeroBase, 5, 5}, 1); err != ErrFault {
		t.Error(err)
	}
	if n, err := w.CopySlice(Slice{8, 5, 5}, Slice{}, 1); n != 0 || err != nil {
		t.Error(n, err)
	}
	w.check()
}

func TestText(t *testing.T) {
	w := newWorld(t, 16<<20)
	samples := []string{"", "a", "abc", "h\u00e9llo, \u4e16\u754c", "\xff\xfe broken \xc3", strings.Repeat("x", 33), strings.Repeat("long \u2713 ", 5000), "\U0001f600", "\x00"}
	read := func(s String) string { g, err := w.GoString(s); w.ok(err); return g }
	for _, a := range samples {
		ga, err := w.NewString(a)
		w.ok(err)
		b, err := w.StringToBytes(ga)
		w.ok(err)
		hostBytes := []byte(a)
		sink = hostBytes
		if len(a) > 0 && (read(String{b.Ptr, b.Len}) != a || b.Cap != uint64(cap(hostBytes)) || b.Ptr == ga.Ptr) {
			t.Errorf("[]byte(%.20q): capacity %d, want %d", a, b.Cap, cap(hostBytes))
		}
		back, err := w.BytesToString(b)
		w.ok(err)
		r, err := w.StringToRunes(ga)
		w.ok(err)
		hostRunes := []rune(a)
		sink = hostRunes
		if len(a) > 0 && (r.Len != uint64(len(hostRunes)) || r.Cap != uint64(cap(hostRunes))) {
			t.Errorf("[]rune(%.20q): %d of %d, want %d of %d", a, r.Len, r.Cap, len(hostRunes), cap(hostRunes))
		}
		fromRunes, err := w.RunesToString(r)
		w.ok(err)
		if read(back) != a || read(fromRunes) != string(hostRunes) {
			t.Errorf("%.20q comes back as %.20q and %.20q", a, read(back), read(fromRunes))
		}
		var at []int
		var runes []rune
		for pos := uint64(0); ; {
			r, n, ok, err := w.NextRune(ga, pos)
			w.ok(err)
			if !ok {
				break
			}
			at, runes = append(at, int(pos)), append(runes, r)
			pos += n
		}
		i := 0
		for pos, r := range a {
			if at[i] != pos || runes[i] != r {
				t.Fatalf("%.20q: rune %d", a, i)
			}
			i++
		}
		for _, b := range samples {
			gb, err := w.NewString(b)
			w.ok(err)
			eq, err := w.EqualString(ga, gb)
			w.ok(err)
			order, err := w.CompareString(ga, gb)
			w.ok(err)
			if eq != (a == b) || order != strings.Compare(a, b) {
				t.Errorf("%.20q with %.20q: %v, %d", a, b, eq, order)
			}
			parts, err := w.AllocKind(KindWords, 64, 0)
			w.ok(err)
			for i, s := range []String{ga, {}, gb, ga} {
				w.put64(parts+uint64(i)*16, s.Ptr)
				w.put64(parts+uint64(i)*16+8, s.Len)
			}
			c, err := w.Concat(parts, 4)
			w.ok(err)
			if read(c) != a+b+a {
				t.Errorf("concatenation of %.20q and %.20q", a, b)
			}
			if one, _ := w.Concat(parts, 2); one != ga {
				t.Error("a string alone was copied")
			}
		}
	}
	for _, r := range []int64{'a', 0, 0x20ac, utf8.MaxRune, utf8.MaxRune + 1, 0xd800, -1, 1 << 40, math.MinInt64} {
		s, err := w.RuneToString(r)
		w.ok(err)
		want := "\ufffd"
		if r == int64(rune(r)) {
			want = string(rune(r))
		}
		if read(s) != want {
			t.Errorf("string(%d) is %q", r, read(s))
		}
	}
	bad := String{16, 5}
	_, e1 := w.GoString(bad)
	_, e2 := w.StringToBytes(bad)
	_, e3 := w.StringToRunes(bad)
	_, e4 := w.EqualString(bad, String{24, 5})
	_, e5 := w.CompareString(bad, bad)
	_, e6 := w.Concat(8, 2)
	_, e7 := w.RunesToString(Slice{16, 1 << 62, 0})
	_, _, _, e8 := w.NextRune(bad, 2)
	for i, err := range []error{e1, e2, e3, e4, e5, e6, e7, e8} {
		if err != ErrFault {
			t.Errorf("%d: %v", i, err)
		}
	}
	w.check()
}

// FuzzMemory puts arbitrary bytes over a heap's metadata and objects: whatever follows, nothing panics or runs on.
func FuzzMemory(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3}, uint16(1), uint64(7))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff"), uint16(64), uint64(1))
	f.Fuzz(func(t *testing.T, garbage []byte, stride uint16, pick uint64) {
		garble(t, garbage, int(stride), pick)
	})
}

// TestGarbage is the fuzz target on random bytes, for as long as a test may take.
func TestGarbage(t *testing.T) {
	w := newWorld(t, 1<<20)
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	for range rounds {
		b := make([]byte, 1+w.r.IntN(200))
		for i := range b {
			b[i] = byte(w.r.Uint32())
		}
		garble(t, b, 1+w.r.IntN(3000), w.r.Uint64())
	}
}

func garble(t *testing.T, garbage []byte, stride int, pick uint64) {
	g := newGraph(t, 2<<20)
	typ := g.typ(reflect.TypeFor[map[string]any]())
	ints := g.typ(reflect.TypeFor[map[int]int]())
	value := g.typ(reflect.TypeFor[nested]())
	var addrs []uint64
	for i := range 40 {
		if n, err := g.alloc(); err == nil {
			addrs = append(addrs, n.addr)
		}
		m, _ := g.NewMap(typ, int64(i))
		k := g.new(fmt.Sprint(i))
		g.MapSet(typ, m, k)
		n, _ := g.NewMap(ints, 0)
		for j := range 30 {
			g.MapSet(ints, n, g.new(j))
		}
		it, _ := g.NewMapIter(ints, n)
		addrs = append(addrs, m, n, it, k, g.new(nested{S: "s", E: [1]any{1}}))
	}
	// One byte in stride of the root page, the descriptors, the data and the objects is another, sometimes with a good address in it.
	size := int(g.m.Size())
	for i, at := 0, int(pick%uint64(max(stride, 1)))+64; at < size && len(garbage) > 0; i, at = i+1, at+1+stride*(1+int(garbage[i%len(garbage)])%4) {
		if garbage[i%len(garbage)]&7 == 7 {
			g.m.Store64(0xc000000000+uint64(at&^7), addrs[i%len(addrs)])
		} else {
			g.m.Store8(0xc000000000+uint64(at), garbage[i%len(garbage)])
		}
	}
	for i, a := range addrs {
		b := addrs[(i*7+int(pick%97))%len(addrs)]
		g.Find(a)
		g.MapGet(typ, a, b)
		g.MapSet(typ, a, b)
		g.MapGet(ints, a, b)
		g.MapSet(ints, a, b)
		g.MapDelete(ints, a, b)
		g.MapNext(a)
		g.MapLen(a)
		g.Hash(value, a, 1)
		g.Equal(value, a, b)
		g.NewMapIter(typ, a)
		g.MapEntries(a, func(k, v uint64) bool { return pick%3 != 0 })
		if i%5 == 0 {
			g.MapClear(typ, a)
			g.Free(b)
			g.NewObject(b)
			g.NewArray(b, pick%1000)
			g.NewMap(b, 9)
			g.TypeString(b)
			g.AllocKind(KindRaw, pick%100000, 0)
			g.Append(b, Slice{a, pick, pick}, Slice{b, 100, 100})
			g.GrowSlice(b, Slice{a, pick % 100, pick % 50}, 10)
		}
	}
	g.Objects(0, ^uint64(0), func(Object) bool { return true })
	g.Collect(func(k *Marker) {
		for _, a := range addrs {
			k.Pointer(a)
			k.Value(a, addrs[0])
		}
		k.Words(0, ^uint64(0))
	})
	Check(g.m)
}

package heap

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// mapModel is the dumb second implementation: a list of entries in order of insertion.
type mapModel[K comparable] struct {
	keys   []K
	values []uint64
	ids    []int // which insertion an entry is
	next   int
}

func (o *mapModel[K]) find(k K) int {
	for i := range o.keys {
		if o.keys[i] == k {
			return i
		}
	}
	return -1
}

func (o *mapModel[K]) set(k K, v uint64) {
	if i := o.find(k); i >= 0 {
		o.keys[i], o.values[i] = k, v
		return
	}
	o.keys, o.values, o.ids = append(o.keys, k), append(o.values, v), append(o.ids, o.next)
	o.next++
}

func (o *mapModel[K]) del(k K) {
	if i := o.find(k); i >= 0 {
		o.keys, o.values, o.ids = append(o.keys[:i], o.keys[i+1:]...), append(o.values[:i], o.values[i+1:]...), append(o.ids[:i], o.ids[i+1:]...)
	}
}

// iteration is one range loop under way, with what it may and must still give.
type iteration struct {
	at   uint64
	must map[int]bool // insertions that were there at the start and still are
	seen map[int]bool
	done bool
}

// mapTest drives one map and its model.
type mapTest[K comparable] struct {
	*world
	typ, m, slot uint64
	o            mapModel[K]
	key          func(r *rand.Rand) K
	iters        []*iteration
}

func (x *mapTest[K]) keyAt(k K) uint64 {
	x.put(x.slot, reflect.ValueOf(&k).Elem())
	return x.slot
}

func (x *mapTest[K]) step() error {
	r := x.r
	k := x.key(r)
	switch p := r.IntN(100); {
	case p < 40:
		v := r.Uint64()
		at, err := x.MapSet(x.typ, x.m, x.keyAt(k))
		if err != nil {
			return err
		}
		if i := x.o.find(k); i >= 0 && x.Memory().Load64(at) != x.o.values[i] || i < 0 && x.Memory().Load64(at) != 0 {
			return fmt.Errorf("set finds value %d", x.Memory().Load64(at))
		}
		x.put64(at, v)
		x.o.set(k, v)
	case p < 60:
		at, err := x.MapGet(x.typ, x.m, x.keyAt(k))
		i := x.o.find(k)
		if err != nil || (at != 0) != (i >= 0) || i >= 0 && x.Memory().Load64(at) != x.o.values[i] {
			return fmt.Errorf("get %v: %#x, %v; the model has %d", k, at, err, i)
		}
	case p < 78:
		if err := x.MapDelete(x.typ, x.m, x.keyAt(k)); err != nil {
			return err
		}
		if i := x.o.find(k); i >= 0 {
			x.forget(x.o.ids[i])
		}
		x.o.del(k)
	case p < 79 && r.IntN(4) == 0:
		if err := x.MapClear(x.typ, x.m); err != nil {
			return err
		}
		for _, id := range x.o.ids {
			x.forget(id)
		}
		x.o.keys, x.o.values, x.o.ids = nil, nil, nil
	case p < 81:
		if len(x.iters) < 4 {
			return x.begin()
		}
	case p < 98 && len(x.iters) > 0:
		return x.next(r.IntN(len(x.iters)))
	case p < 99:
		x.Collect(func(k *Marker) {
			k.Pointer(x.m)
			k.Pointer(x.slot)
			k.Value(x.slot, x.TypeKey(x.typ))
			for _, it := range x.iters {
				k.Pointer(it.at)
			}
		})
	}
	return nil
}

// forget takes a deleted entry from what iterations must give.
func (x *mapTest[K]) forget(id int) {
	for _, it := range x.iters {
		delete(it.must, id)
	}
}

func (x *mapTest[K]) begin() error {
	at, err := x.NewMapIter(x.typ, x.m)
	if err != nil {
		return err
	}
	it := &iteration{at: at, must: map[int]bool{}, seen: map[int]bool{}}
	for _, id := range x.o.ids {
		it.must[id] = true
	}
	x.iters = append(x.iters, it)
	return nil
}

func (x *mapTest[K]) next(n int) error {
	it := x.iters[n]
	key, value, err := x.MapNext(it.at)
	if err != nil {
		return err
	}
	if key == 0 {
		if len(it.must) > 0 {
			return fmt.Errorf("iteration ended without %v", it.must)
		}
		x.iters = append(x.iters[:n], x.iters[n+1:]...)
		return nil
	}
	// Which entry is it? Equal keys are one entry; entries with NaN are told apart by their values.
	for i := range x.o.keys {
		same, _ := x.Equal(x.TypeKey(x.typ), key, x.keyAt(x.o.keys[i]))
		isNaN := x.o.keys[i] != x.o.keys[i]
		if !same && !isNaN || x.Memory().Load64(value) != x.o.values[i] {
			continue
		}
		id := x.o.ids[i]
		if it.seen[id] {
			return fmt.Errorf("iteration gives %v twice", x.o.keys[i])
		}
		it.seen[id] = true
		delete(it.must, id)
		return nil
	}
	return fmt.Errorf("iteration gives an entry that is not in the map (value %d)", x.Memory().Load64(value))
}

func runMapTest[K comparable](t *testing.T, key func(r *rand.Rand) K) {
	w := newWorld(t, 64<<20)
	typ := w.typ(reflect.TypeFor[map[K]uint64]())
	keyTyp := w.TypeKey(typ)
	slot, err := w.NewObject(keyTyp)
	w.ok(err)
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		m, err := w.NewMap(typ, int64(w.r.IntN(40)-10))
		w.ok(err)
		x := &mapTest[K]{world: w, typ: typ, m: m, slot: slot, key: key}
		for n := range 100 + round*20 {
			if err := x.step(); err != nil {
				t.Fatalf("round %d, step %d: %v", round, n, err)
			}
			if w.MapLen(m) != uint64(len(x.o.keys)) {
				t.Fatalf("round %d, step %d: length %d, want %d", round, n, w.MapLen(m), len(x.o.keys))
			}
			if n%10 == 0 {
				w.check()
			}
		}
		i := 0
		w.MapEntries(m, func(key, value uint64) bool { i++; return true })
		if i != len(x.o.keys) {
			t.Fatalf("MapEntries gives %d of %d", i, len(x.o.keys))
		}
	}
}

func TestMapInt(t *testing.T) { runMapTest(t, func(r *rand.Rand) int { return r.IntN(200) }) }
func TestMapIntFew(t *testing.T) {
	runMapTest(t, func(r *rand.Rand) int { return r.IntN(9) })
}
func TestMapInt32(t *testing.T) {
	runMapTest(t, func(r *rand.Rand) int32 { return int32(r.IntN(100)) })
}
func TestMapString(t *testing.T) {
	runMapTest(t, func(r *rand.Rand) string { return fmt.Sprintf("key number %d", r.IntN(150)) })
}
func TestMapByte(t *testing.T)  { runMapTest(t, func(r *rand.Rand) uint8 { return uint8(r.Uint32()) }) }
func TestMapEmpty(t *testing.T) { runMapTest(t, func(r *rand.Rand) struct{} { return struct{}{} }) }
func TestMapStruct(t *testing.T) {
	runMapTest(t, func(r *rand.Rand) nested { return nested{S: fmt.Sprint(r.IntN(6)), E: r.IntN(6)} })
}
func TestMapFloat(t *testing.T) {
	runMapTest(t, func(r *rand.Rand) float64 {
		if n := r.IntN(60); n < 50 {
			return float64(n)
		} else if n < 58 {
			return math.Copysign(0, float64(n)-54)
		}
		return math.NaN()
	})
}
func TestMapInterface(t *testing.T) {
	runMapTest(t, func(r *rand.Rand) any {
		n := r.IntN(30)
		return []any{n, int8(n), fmt.Sprint(n), float64(n), [1]int{n}, nil}[r.IntN(6)]
	})
}

// TestMapKeyUpdate: the key of an equal update is stored, so that -0 replaces 0.
func TestMapKeyUpdate(t *testing.T) {
	w := newWorld(t, 1<<20)
	typ := w.typ(reflect.TypeFor[map[float64]int]())
	m, err := w.NewMap(typ, 0)
	w.ok(err)
	for _, f := range []float64{0, math.Copysign(0, -1)} {
		_, err := w.MapSet(typ, m, w.new(f))
		w.ok(err)
	}
	it, err := w.NewMapIter(typ, m)
	w.ok(err)
	key, _, err := w.MapNext(it)
	w.ok(err)
	if w.Memory().Load64(key) != 1<<63 || w.MapLen(m) != 1 {
		t.Errorf("key %#x, length %d", w.Memory().Load64(key), w.MapLen(m))
	}
}

func TestMapErrors(t *testing.T) {
	w := newWorld(t, 1<<20)
	typ := w.typ(reflect.TypeFor[map[any]int]())
	ints := w.typ(reflect.TypeFor[map[int]int]())
	bad, good := w.new([1]any{[]int{}}), w.new([1]any{1})
	m, err := w.NewMap(typ, 0)
	w.ok(err)
	isType := func(err error) bool {
		e, ok := err.(*TypeError)
		return ok && e.Hash && w.TypeString(e.Type) == "[]int"
	}
	for _, m := range []uint64{0, m} {
		_, err := w.MapGet(typ, m, bad)
		if !isType(err) || !isType(w.MapDelete(typ, m, bad)) {
			t.Errorf("map %#x: unhashable key: %v", m, err)
		}
		if at, err := w.MapGet(typ, m, good); at != 0 || err != nil {
			t.Errorf("map %#x: %v", m, err)
		}
	}
	if _, err := w.MapSet(typ, m, bad); !isType(err) || w.MapLen(m) != 0 {
		t.Error(err)
	}
	if _, err := w.MapSet(typ, 0, good); err != ErrNilMap {
		t.Error(err)
	}
	for _, m := range []uint64{8, code.Base - 8, code.Base + w.Memory().Size(), ^uint64(7)} {
		if _, err := w.MapGet(ints, m, good); err != ErrFault {
			t.Error(err)
		}
		if _, err := w.MapSet(ints, m, good); err != ErrFault {
			t.Error(err)
		}
	}
	if it, err := w.NewMapIter(typ, 0); err != nil {
		t.Error(err)
	} else if k, _, err := w.MapNext(it); k != 0 || err != nil {
		t.Error(k, err)
	}
	w.ok(w.MapDelete(ints, 0, good))
	w.ok(w.MapClear(ints, 0))
	w.check()
}

// TestMapNoSpace: an insertion that finds no room changes nothing.
func TestMapNoSpace(t *testing.T) {
	w := newWorld(t, 512<<10)
	typ := w.typ(reflect.TypeFor[map[int]uint64]())
	m, err := w.NewMap(typ, 0)
	w.ok(err)
	slot := w.new(0)
	n := uint64(0)
	for ; err == nil; n++ {
		w.put64(slot, n)
		var at uint64
		if at, err = w.MapSet(typ, m, slot); err == nil {
			w.put64(at, n+1)
		}
	}
	n--
	if !isNoSpace(err) || w.MapLen(m) != n || n < 5000 {
		t.Fatalf("after %d entries: %v", n, err)
	}
	w.check()
	for i := range n {
		w.put64(slot, i)
		if at, err := w.MapGet(typ, m, slot); err != nil || w.Memory().Load64(at) != i+1 {
			t.Fatalf("entry %d is lost: %v", i, err)
		}
	}
}

// TestMapOrder: the order differs between iterations and is the same from the same state.
func TestMapOrder(t *testing.T) {
	w := newWorld(t, 1<<20)
	typ := w.typ(reflect.TypeFor[map[int]int]())
	m, err := w.NewMap(typ, 0)
	w.ok(err)
	slot := w.new(0)
	for i := range uint64(20) {
		w.put64(slot, i)
		_, err := w.MapSet(typ, m, slot)
		w.ok(err)
	}
	first := func() uint64 {
		it, err := w.NewMapIter(typ, m)
		w.ok(err)
		k, _, err := w.MapNext(it)
		w.ok(err)
		return w.Memory().Load64(k)
	}
	w.ok(w.Memory().Save())
	seen := map[uint64]bool{}
	var order [2][]uint64
	for i := range order {
		for range 50 {
			k := first()
			seen[k] = true
			order[i] = append(order[i], k)
		}
		w.ok(w.Memory().Reset())
	}
	if len(seen) < 5 || !reflect.DeepEqual(order[0], order[1]) {
		t.Errorf("%d different first keys; %v then %v", len(seen), order[0], order[1])
	}
}

func mapBench[K comparable](b *testing.B, n int, key func(i int) K, do func(w *world, typ, m, slot uint64)) {
	w := newWorld(b, 256<<20)
	typ := w.typ(reflect.TypeFor[map[K]int]())
	m, err := w.NewMap(typ, 0)
	w.ok(err)
	var slots []uint64
	for i := range n {
		slot := w.new(key(i))
		slots = append(slots, slot)
		_, err := w.MapSet(typ, m, slot)
		w.ok(err)
	}
	w.r.Shuffle(n, func(i, j int) { slots[i], slots[j] = slots[j], slots[i] })
	b.ResetTimer()
	for i := range b.N {
		do(w, typ, m, slots[i%n])
	}
}

func BenchmarkMap(b *testing.B) {
	get := func(w *world, typ, m, slot uint64) { w.MapGet(typ, m, slot) }
	set := func(w *world, typ, m, slot uint64) {
		at, _ := w.MapSet(typ, m, slot)
		w.put64(at, at)
	}
	cycle := func(w *world, typ, m, slot uint64) {
		w.MapDelete(typ, m, slot)
		w.MapSet(typ, m, slot)
	}
	for _, n := range []int{8, 1000, 100000} {
		for name, do := range map[string]func(w *world, typ, m, slot uint64){"get": get, "set": set, "cycle": cycle} {
			b.Run(fmt.Sprintf("int/%s/%d", name, n), func(b *testing.B) { mapBench(b, n, func(i int) int { return i }, do) })
			b.Run(fmt.Sprintf("string/%s/%d", name, n), func(b *testing.B) { mapBench(b, n, func(i int) string { return fmt.Sprint("key", i) }, do) })
		}
	}
}

func BenchmarkMapInsert(b *testing.B) {
	w := newWorld(b, 4<<30)
	typ := w.typ(reflect.TypeFor[map[int]int]())
	slot := w.new(0)
	m, _ := w.NewMap(typ, 0)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range uint64(b.N) {
		if i%100000 == 0 {
			w.MapClear(typ, m)
			m, _ = w.NewMap(typ, 0)
		}
		w.put64(slot, i)
		w.MapSet(typ, m, slot)
	}
}

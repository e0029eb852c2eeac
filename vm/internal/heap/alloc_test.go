package heap

import (
	"errors"
	"reflect"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

func isNoSpace(err error) bool { return errors.Is(err, ErrNoSpace) && errors.Is(err, mem.ErrLimit) }

// node is an object of the test's graphs: its pointers, and whether they are to be found precisely.
type node struct {
	addr, size uint64
	words      []int // indexes of pointer words
	kind       Kind
	id         uint64 // stands in word 0
	to         map[int]*node
	interior   map[int]uint64 // offset of the pointer into its target
}

type (
	shapeA struct {
		ID uint64
		P  *int
		N  uint64
		Q  *int
	}
	shapeB struct {
		ID uint64
		E  any
		_  [40]uint64
		P  *int
	}
	shapeC struct {
		ID uint64
		P  [100]*int
	}
	shapeD struct { // no pointers, but with numbers that look like some
		ID uint64
		N  [20]uint64
	}
)

// graph is a random object graph on the host beside the one in memory.
type graph struct {
	*world
	nodes map[*node]bool
	roots [16]*node
	root  uint64 // object of 16 words holding them
	next  uint64
}

func (g *graph) alloc() (*node, error) {
	n := &node{to: map[int]*node{}, interior: map[int]uint64{}, kind: KindObject}
	var err error
	object := func(v any, words ...int) {
		typ := g.typ(reflect.TypeOf(v))
		n.size, n.words = g.TypeSize(typ), words
		n.addr, err = g.NewObject(typ)
	}
	switch g.r.IntN(7) {
	case 0:
		object(shapeA{}, 1, 3)
	case 1:
		object(shapeB{}, 2, 43)
	case 2:
		object(shapeC{}, 1, 50, 100)
	case 3:
		object(shapeD{})
	case 4: // array: every element is a pointer, so the number of the node stands in a word that is no address
		k := uint64(1 + g.r.IntN(3000))
		n.kind, n.size, n.words = KindArray, k*8, []int{int(k) - 1}
		n.addr, err = g.NewArray(g.typ(reflect.TypeFor[*int]()), k)
		if k == 1 {
			n.words = nil
		}
	case 5:
		n.kind, n.size, n.words = KindClosure, uint64(2+g.r.IntN(40))*8, []int{1}
		n.addr, err = g.AllocKind(KindClosure, n.size, 0)
	default:
		n.kind, n.size = KindRaw, uint64(8+g.r.IntN(20000))
		n.addr, err = g.AllocKind(KindRaw, n.size, 0)
	}
	if err != nil {
		return nil, err
	}
	for i, b := range g.m.Bytes(n.addr, n.size) {
		if b != 0 {
			g.t.Fatalf("byte %d of a new object is not zero", i)
		}
	}
	if !g.m.InRange(n.addr, n.size) || n.addr%8 != 0 {
		g.t.Fatalf("object at %#x", n.addr)
	}
	g.next++
	n.id = g.next
	g.put64(n.addr, n.id)
	if n.kind == KindRaw || len(n.words) == 0 && n.size > 16 { // bytes that look like pointers but keep nothing alive
		for o := range g.nodes {
			g.put64(n.addr+8, o.addr)
			break
		}
		if n.size < 16 {
			g.put64(n.addr, n.id)
		}
	}
	g.nodes[n] = true
	return n, nil
}

func (g *graph) pick() *node {
	for n := range g.nodes {
		return n
	}
	return nil
}

// point makes a word of from refer to some byte of to (nil: nowhere).
func (g *graph) point(from *node, word int, to *node) {
	v := uint64(0)
	if to != nil {
		from.interior[word] = g.r.Uint64N(to.size)
		v = to.addr + from.interior[word]
	}
	from.to[word] = to
	g.put64(from.addr+uint64(word)*8, v)
}

// reachable is the dumb second implementation of marking.
func (g *graph) reachable() map[*node]bool {
	live := map[*node]bool{}
	var visit func(n *node)
	visit = func(n *node) {
		if n == nil || live[n] {
			return
		}
		live[n] = true
		for _, to := range n.to {
			visit(to)
		}
	}
	for _, n := range g.roots {
		visit(n)
	}
	return live
}

func (g *graph) collect() {
	g.Collect(func(k *Marker) {
		k.Pointer(g.root)
		k.Words(g.root, g.root+16*8)
	})
	live := g.reachable()
	for n := range g.nodes {
		o, ok := g.Find(n.addr + n.size - 1)
		if ok && (o.Addr != n.addr || o.Kind != n.kind || o.SizeBytes < n.size) {
			ok = false
		}
		if live[n] && !ok {
			g.t.Fatalf("live object %d at %#x was freed", n.id, n.addr)
		}
		if !live[n] {
			if ok {
				g.t.Fatalf("dead object %d at %#x, kind %d, was kept", n.id, n.addr, n.kind)
			}
			delete(g.nodes, n)
		}
	}
	for n := range g.nodes {
		if g.m.Load64(n.addr) != n.id && len(n.words) > 0 && n.words[0] > 0 {
			g.t.Fatalf("object %d at %#x holds %d", n.id, n.addr, g.m.Load64(n.addr))
		}
		for word, to := range n.to {
			want := uint64(0)
			if to != nil {
				want = to.addr + n.interior[word]
			}
			if g.m.Load64(n.addr+uint64(word)*8) != want {
				g.t.Fatalf("object %d: word %d changed", n.id, word)
			}
		}
	}
	if s := g.Stats(); s.Mallocs-s.Frees != uint64(len(g.nodes))+1 {
		g.t.Fatalf("%d objects by the counters, %d by the model", s.Mallocs-s.Frees, len(g.nodes)+1)
	}
}

func newGraph(t testing.TB, limit uint64) *graph {
	g := &graph{world: newWorld(t, limit), nodes: map[*node]bool{}}
	var err error
	g.root, err = g.AllocKind(KindRaw, 16*8, 0)
	g.ok(err)
	return g
}

func (g *graph) step() {
	switch p := g.r.IntN(100); {
	case p < 60:
		n, err := g.alloc()
		if isNoSpace(err) {
			g.collect()
			return
		}
		g.ok(err)
		i := g.r.IntN(len(g.roots))
		g.roots[i] = n
		g.put64(g.root+uint64(i)*8, n.addr+g.r.Uint64N(n.size))
	case p < 97:
		if n := g.pick(); n != nil && len(n.words) > 0 {
			to := g.pick()
			if g.r.IntN(5) == 0 {
				to = nil
			}
			g.point(n, n.words[g.r.IntN(len(n.words))], to)
		}
	case p < 99:
		i := g.r.IntN(len(g.roots))
		g.roots[i] = nil
		g.put64(g.root+uint64(i)*8, 0)
	default:
		g.collect()
		g.check()
	}
}

// TestGraphs collects random graphs in a memory large enough, and in one that is full all the time.
func TestGraphs(t *testing.T) {
	for _, limit := range []uint64{64 << 20, 1 << 20} {
		steps := 6000
		if testing.Short() {
			steps = 1000
		}
		g := newGraph(t, limit)
		for range steps {
			g.step()
		}
		g.collect()
		g.check()
		g.roots = [16]*node{}
		g.m.Zero(g.root, 16*8)
		g.collect()
		g.check()
	}
}

// TestGraphUndo: a heap is its memory and nothing else: undo and load bring it back whole.
func TestGraphUndo(t *testing.T) {
	g := newGraph(t, 8<<20)
	for range 300 {
		g.step()
	}
	before, err := g.m.Take()
	g.ok(err)
	stats := g.Stats()
	for round := range 20 {
		g.ok(g.m.Save())
		o := newGraphFrom(g)
		for range 200 {
			o.step()
		}
		if round%2 == 0 {
			g.ok(g.m.Undo())
		} else {
			g.ok(g.m.Commit())
			g.ok(g.m.Load(before))
		}
		g.check()
		if g.Stats() != stats {
			t.Fatalf("round %d: %+v, want %+v", round, g.Stats(), stats)
		}
	}
	other, err := mem.New(8 << 20)
	g.ok(err)
	defer other.Close()
	g.ok(other.Load(before))
	h, err := Attach(other)
	g.ok(err)
	g.Heap = h
	g.collect()
	g.check()
}

// newGraphFrom is a copy of the model that is stepped and forgotten.
func newGraphFrom(g *graph) *graph {
	o := *g
	o.nodes = map[*node]bool{}
	twin := map[*node]*node{nil: nil}
	for n := range g.nodes {
		c := *n
		c.to, c.interior = map[int]*node{}, map[int]uint64{}
		twin[n] = &c
		o.nodes[&c] = true
	}
	for n := range g.nodes {
		for w, to := range n.to {
			twin[n].to[w], twin[n].interior[w] = twin[to], n.interior[w]
		}
	}
	for i, n := range g.roots {
		o.roots[i] = twin[n]
	}
	return &o
}

func TestLimitExact(t *testing.T) {
	w := newWorld(t, 1<<20)
	free := code.Base + w.m.Limit() - w.root().end - mem.PageBytes // one page goes to descriptors
	at, err := w.AllocKind(KindRaw, free, 0)
	w.ok(err)
	if _, err := w.AllocKind(KindRaw, 8, 0); !isNoSpace(err) {
		t.Fatalf("allocating in a full memory: %v", err)
	}
	var limit *mem.LimitError
	if _, err = w.AllocKind(KindRaw, 1<<30, 0); !errors.As(err, &limit) || limit.LimitBytes != 1<<20 {
		t.Fatal(err)
	}
	w.check()
	if w.m.Size() != w.m.Limit() {
		t.Fatalf("%d bytes unused", w.m.Limit()-w.m.Size())
	}
	w.Free(at)
	w.check()
	if _, err := w.AllocKind(KindRaw, free, 0); err != nil {
		t.Fatal(err)
	}
	w.Collect(func(*Marker) {})
	w.check()
	for i := 0; ; i++ {
		if _, err := w.AllocKind(KindRaw, 24, 0); err != nil {
			if !isNoSpace(err) || i < int(free/40) {
				t.Fatalf("after %d objects: %v", i, err)
			}
			break
		}
	}
	w.check()
}

func TestFree(t *testing.T) {
	w := newWorld(t, 4<<20)
	var live []uint64
	for range 5000 {
		if len(live) > 0 && w.r.IntN(5) < 2 {
			i := w.r.IntN(len(live))
			w.Free(live[i])
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
			continue
		}
		size := w.r.Uint64N(300)
		if w.r.IntN(20) == 0 {
			size *= 100
		}
		at, err := w.AllocKind(KindStack, max(size, 1), 0)
		if err != nil {
			continue
		}
		for _, b := range w.m.Bytes(at, size) {
			if b != 0 {
				t.Fatal("dirty")
			}
		}
		for i := range w.m.Writable(at, size) {
			w.m.Store8(at+uint64(i), 0xff)
		}
		live = append(live, at)
	}
	w.check()
	w.Free(live[0] + 8)
	w.Free(0)
	w.check()
	n := 0
	w.Objects(code.Base, w.m.Size(), func(o Object) bool { n++; return true })
	if n != len(live) {
		t.Fatalf("Objects gives %d of %d", n, len(live))
	}
}

// TestSweepTouchesMetadataOnly: freeing everything writes the root page and pages of descriptors.
func TestSweepTouchesMetadataOnly(t *testing.T) {
	w := newWorld(t, 64<<20)
	for range 100000 {
		_, err := w.AllocKind(KindRaw, 100, 0)
		w.ok(err)
	}
	w.ok(w.m.Save())
	w.Collect(func(*Marker) {})
	pages := 0
	w.m.Touched(func(uint64, []byte, []byte) bool { pages++; return true })
	if s := w.Stats(); s.AllocBytes != 0 || s.Frees != 100000 || pages > 300 {
		t.Errorf("%+v, %d pages written of %d", s, pages, w.m.Size()/mem.PageBytes)
	}
	w.check()
	w.ok(w.m.Reset())
	_, err := w.AllocKind(KindRaw, 100, 0)
	w.ok(err)
	w.ok(w.m.Undo())
	w.check()
}

// TestCollectDue: the threshold follows what is live.
func TestCollectDue(t *testing.T) {
	w := newWorld(t, 256<<20)
	list := uint64(0)
	typ := w.typ(reflect.TypeFor[shapeA]())
	due := 0
	for i := range 400000 {
		at, err := w.NewObject(typ)
		w.ok(err)
		if i%2 == 0 {
			w.put64(at+8, list)
			list = at
		}
		if w.CollectDue() {
			due++
			w.Collect(func(k *Marker) { k.Pointer(list) })
			if w.CollectDue() {
				t.Fatal("due again at once")
			}
		}
	}
	if due < 2 || due > 6 {
		t.Errorf("%d collections", due)
	}
	if old := w.SetPercent(-1); old != 100 || w.CollectDue() {
		t.Error("negative percent does not switch off")
	}
	w.SetPercent(100)
	w.Collect(func(k *Marker) { k.Pointer(list) }) // as deep as the list is long
	if s := w.Stats(); s.Mallocs-s.Frees != 200000 {
		t.Errorf("%d objects live", s.Mallocs-s.Frees)
	}
	w.check()
}

func BenchmarkAlloc(b *testing.B) {
	w := newWorld(b, 1<<30)
	typ := w.typ(reflect.TypeFor[shapeA]())
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := w.NewObject(typ); err != nil {
			b.Fatal(err)
		}
		if w.CollectDue() {
			w.Collect(func(*Marker) {})
		}
	}
}

func BenchmarkCollect(b *testing.B) {
	w := newWorld(b, 1<<30)
	typ := w.typ(reflect.TypeFor[shapeA]())
	list := uint64(0)
	for range 100000 {
		at, _ := w.NewObject(typ)
		w.put64(at+8, list)
		list = at
	}
	b.ResetTimer()
	for range b.N {
		w.Collect(func(k *Marker) { k.Pointer(list) })
	}
}

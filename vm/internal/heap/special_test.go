package heap

import (
	"reflect"
	"slices"
	"testing"
)

// TestSpecials compares what becomes of weak pointers, finalizers and cleanups on a random graph with a model that knows only Go's rules.
func TestSpecials(t *testing.T) {
	for range 30 {
		w := newWorld(t, 64<<20)
		g := specialWorld{world: w, typ: w.typ(reflect.TypeFor[[2]*int]())}
		for range 400 {
			g.step()
		}
		g.collect()
		g.roots = nil
		for range 20 {
			g.collect()
		}
		if n := w.root().specials; n != uint64(len(g.specials)) {
			t.Fatalf("%d specials are left, want %d: those of cycles through a finalizer", n, len(g.specials))
		}
	}
}

type modelSpecial struct {
	Special
	object int
}

// specialWorld is a graph of objects with two pointers each, and the specials the model expects.
type specialWorld struct {
	*world
	typ      uint64
	objects  []uint64 // 0: collected
	links    [][2]int // object numbers plus 1
	roots    []int
	specials []modelSpecial // oldest first
	queue    []modelSpecial
}

func (g *specialWorld) any() int {
	live := []int{}
	for i, o := range g.objects {
		if o != 0 {
			live = append(live, i)
		}
	}
	if len(live) == 0 {
		return -1
	}
	return live[g.r.IntN(len(live))]
}

func (g *specialWorld) step() {
	i, j := g.any(), g.any()
	switch k := g.r.IntN(12); {
	case k < 4 || i < 0:
		at, err := g.NewObject(g.typ)
		if err != nil {
			g.t.Fatal(err)
		}
		g.objects, g.links = append(g.objects, at), append(g.links, [2]int{})
		if g.r.IntN(3) == 0 {
			g.roots = append(g.roots, len(g.objects)-1)
		} else if i >= 0 {
			g.link(i, len(g.objects)-1)
		} else {
			g.roots = append(g.roots, len(g.objects)-1)
		}
	case k < 6:
		g.link(i, j)
	case k < 9:
		g.hang(i)
	case k == 9 && len(g.specials) > 0:
		s := g.specials[g.r.IntN(len(g.specials))]
		if !g.DropSpecial(s.Kind, s.At, s.ID) {
			g.t.Fatalf("special %+v is not there", s)
		}
		g.specials = slices.DeleteFunc(g.specials, func(o modelSpecial) bool { return o == s })
	case k == 10 && len(g.roots) > 1:
		g.roots = slices.Delete(g.roots, 0, 1)
	case k == 11:
		g.collect()
	}
}

func (g *specialWorld) link(from, to int) {
	side := g.r.IntN(2)
	g.links[from][side] = to + 1
	g.m.Store64(g.objects[from]+uint64(side)*8, g.objects[to])
}

func (g *specialWorld) hang(i int) {
	s := modelSpecial{Special{Kind: SpecialKind(1 + g.r.IntN(4)), At: g.objects[i] + uint64(g.r.IntN(2))*8}, i}
	if _, ok := g.Special(s.Kind, s.At); ok && s.Kind != SpecialCleanup {
		return
	}
	if s.Kind == SpecialWeak {
		word, err := g.AllocKind(KindRaw, 8, 0)
		if err != nil {
			g.t.Fatal(err)
		}
		g.m.Store64(word, s.At)
		s.Value = word
	}
	id, err := g.AddSpecial(s.Special)
	if err != nil {
		g.t.Fatal(err)
	}
	s.ID = id
	g.specials = append(g.specials, s)
}

// reach marks what is reachable from the objects given.
func (g *specialWorld) reach(seen map[int]bool, from ...int) {
	for _, i := range from {
		if !seen[i] {
			seen[i] = true
			g.reach(seen, g.next(i)...)
		}
	}
}

func (g *specialWorld) next(i int) (to []int) {
	for _, j := range g.links[i] {
		if j != 0 {
			to = append(to, j-1)
		}
	}
	return to
}

// collect runs a collection in the heap and in the model, compares, and takes some of the queue.
func (g *specialWorld) collect() {
	seen := map[int]bool{}
	g.reach(seen, g.roots...)
	for _, s := range g.queue {
		if s.Kind == SpecialFinalizer {
			g.reach(seen, s.object)
		}
	}
	for _, s := range g.specials {
		if s.Kind == SpecialFinalizer {
			g.reach(seen, g.next(s.object)...)
		}
	}
	lost := g.take(SpecialWeak, seen)
	finalized := g.take(SpecialFinalizer, seen)
	for _, s := range finalized {
		g.reach(seen, s.object)
	}
	g.queue = append(append(g.queue, finalized...), g.take(SpecialCleanup, seen)...)
	g.take(SpecialMark, seen)

	held := []uint64{} // weak pointers the program has
	for _, s := range lost {
		held = append(held, s.Value)
	}
	g.Collect(func(k *Marker) {
		for _, i := range g.roots {
			k.Pointer(g.objects[i])
		}
		for _, at := range held {
			k.Pointer(at)
		}
	})
	for _, at := range held {
		if p := g.m.Load64(at); p != 0 {
			g.t.Fatalf("weak pointer to %#x was not cleared", p)
		}
	}
	for i, at := range g.objects {
		if o, ok := g.Find(at); at != 0 && (ok && o.Addr == at) != seen[i] {
			g.t.Fatalf("object %d is alive: %v, want %v", i, ok, seen[i])
		}
		if !seen[i] {
			g.objects[i] = 0
		}
	}
	g.compare()
	for n := g.r.IntN(4); n > 0 && len(g.queue) > 0; n-- {
		s, ok := g.Dequeue()
		if want := g.queue[0].Special; !ok || s != want {
			g.t.Fatalf("dequeued %+v, %v, want %+v", s, ok, want)
		}
		g.queue = g.queue[1:]
	}
}

// take takes the specials of a kind whose object is not seen out of the model.
func (g *specialWorld) take(kind SpecialKind, seen map[int]bool) (lost []modelSpecial) {
	g.specials = slices.DeleteFunc(g.specials, func(s modelSpecial) bool {
		if s.Kind == kind && !seen[s.object] {
			lost = append(lost, s)
			return true
		}
		return false
	})
	return lost
}

func (g *specialWorld) compare() {
	for _, s := range g.specials {
		if s.Kind == SpecialWeak && g.m.Load64(s.Value) != s.At {
			g.t.Fatalf("weak pointer to live object holds %#x", g.m.Load64(s.Value))
		}
	}
	var got, want []Special
	g.eachSpecial(g.root().specialFirst, func(p uint64) { got = append(got, g.special(p)) })
	for _, s := range g.specials {
		want = append(want, s.Special)
		if s.Kind != SpecialCleanup {
			if found, ok := g.Special(s.Kind, s.At); !ok || found != s.Special {
				g.t.Fatalf("found %+v, %v, want %+v", found, ok, s.Special)
			}
		}
	}
	if !slices.Equal(got, want) {
		g.t.Fatalf("specials\n%+v, want\n%+v", got, want)
	}
	if err := Check(g.m); err != nil {
		g.t.Fatal(err)
	}
}

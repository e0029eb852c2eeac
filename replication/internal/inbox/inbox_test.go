package inbox

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// Whatever comes in whatever order, and however often: each message gets one place, and where nothing is passed over a sender's are in order.
func TestEachOnce(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for round := range 500 {
		var b Inbox[string]
		passing := round%2 == 1
		taken, forgotten := map[string]uint64{}, 0
		type message struct {
			from   string
			number uint64
		}
		var coming []message
		for _, from := range []string{"a", "b"} {
			for n := range uint64(1 + rnd.IntN(12)) {
				for range 1 + rnd.IntN(3) {
					coming = append(coming, message{from, n + 1})
				}
			}
		}
		rnd.Shuffle(len(coming), func(i, j int) { coming[i], coming[j] = coming[j], coming[i] })
		places := map[string]int{}
		look := func() {
			items, next := b.Between(0, math.MaxInt)
			for i, it := range items {
				place := next - len(items) + i
				if old, ok := places[it.Key]; ok && old != place {
					t.Fatalf("%s was in place %d and is in %d", it.Key, old, place)
				}
				places[it.Key] = place
			}
		}
		for _, m := range coming {
			if passing && rnd.IntN(4) == 0 {
				taken[m.from] = max(taken[m.from], uint64(rnd.IntN(8)))
				b.Pass(func(s string) uint64 { return taken[s] })
				look()
			}
			_, before := b.Between(0, math.MaxInt)
			told := b.Add(m.from, m.number, fmt.Sprint(m.from, m.number), taken[m.from])
			if _, next := b.Between(0, math.MaxInt); told != (next > before) {
				t.Fatalf("%d places after %d, told: %t", next, before, told)
			}
			look()
			if rnd.IntN(5) == 0 {
				forgotten++
				b.Forget(func(Item[string]) bool { return rnd.IntN(2) == 0 })
			}
		}
		seen, last := map[int]string{}, map[string]int{}
		for _, m := range coming {
			key := fmt.Sprint(m.from, m.number)
			place, ok := places[key]
			if !ok {
				t.Fatalf("%s got no place", key)
			}
			if other := seen[place]; other != "" && other != key {
				t.Fatalf("place %d has %s and %s", place, other, key)
			}
			seen[place] = key
		}
		if len(seen) != len(places) {
			t.Fatalf("%d places for %d messages", len(seen), len(places))
		}
		if passing {
			continue
		}
		for n := uint64(1); n <= 12; n++ {
			for _, from := range []string{"a", "b"} {
				if place, ok := places[fmt.Sprint(from, n)]; ok {
					if before, ok := last[from]; ok && place < before {
						t.Fatalf("%s%d is in place %d, the one before in %d", from, n, place, before)
					}
					last[from] = place
				}
			}
		}
	}
}

// A message that was passed over and comes after all is not lost: the run that goes on may be one that has not taken it.
func TestPassedOverComes(t *testing.T) {
	var b Inbox[string]
	b.Add("a", 4, "a4", 3)
	b.Add("a", 2, "a2", 3)
	b.Add("a", 2, "a2", 3)
	items, next := b.Between(0, math.MaxInt)
	if fmt.Sprint(items) != "[{a4 a 4} {a2 a 2}]" || next != 2 {
		t.Errorf("%v, %d", items, next)
	}
}

// What was taken away stands in a list of its own that only grows, once for each record that says so.
func TestDropped(t *testing.T) {
	var b Inbox[string]
	for _, d := range []struct {
		Dropped
		fresh bool
	}{{Dropped{"x1", "one"}, true}, {Dropped{"x2", "two"}, true}, {Dropped{"x1", "one"}, false}, {Dropped{"x3", "one"}, true}} {
		if b.Drop(d.Dropped) != d.fresh {
			t.Errorf("%v is new: %t", d.Dropped, !d.fresh)
		}
	}
	for from, want := range []string{"[{x1 one} {x2 two} {x3 one}]", "[{x2 two} {x3 one}]", "[{x3 one}]", "[]", "[]"} {
		if got := fmt.Sprint(b.Dropped(from)); got != want {
			t.Errorf("from %d: %s, want %s", from, got, want)
		}
	}
}

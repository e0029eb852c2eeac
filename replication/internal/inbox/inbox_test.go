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

// What was taken away stands once in a list of its own, whoever did it, with the record that is first everywhere; places count on over what is forgotten.
func TestDropped(t *testing.T) {
	var b Inbox[string]
	for _, d := range []struct {
		Drop
		fresh bool
	}{{Drop{"x1", "one", 5, 1}, true}, {Drop{"x2", "two", 1, 1}, true}, {Drop{"x1", "one", 5, 1}, false}, {Drop{"x3", "one", 4, 1}, false}, {Drop{"x4", "one", 4, 1}, false}} {
		if b.Drop(d.Drop) != d.fresh {
			t.Errorf("%v is new: %t", d.Drop, !d.fresh)
		}
	}
	check := func(wants ...string) {
		t.Helper()
		for from, want := range wants {
			if got, next := b.Dropped(from); fmt.Sprint(got, next) != want {
				t.Errorf("from %d: %v %d, want %s", from, got, next, want)
			}
		}
	}
	check("[{x3 one 4 1} {x2 two 1 1}] 2", "[{x2 two 1 1}] 2", "[] 2", "[] 2")
	if got := fmt.Sprint(b.Idle()); got != "[x1 x4]" {
		t.Errorf("records that say what others say: %s", got)
	}
	b.ForgetDrops(func(d Drop) bool { return d.ID == "one" })
	check("[{x2 two 1 1}] 2", "[{x2 two 1 1}] 2", "[] 2")
	if !b.Drop(Drop{"x5", "one", 9, 1}) {
		t.Error("what was forgotten is not new again")
	}
	check("[{x2 two 1 1} {x5 one 9 1}] 3", "[{x2 two 1 1} {x5 one 9 1}] 3", "[{x5 one 9 1}] 3", "[] 3")
}

// Keys names what waits in places and what waits for a place.
func TestKeys(t *testing.T) {
	var b Inbox[string]
	b.Add("a", 1, "a1", 0)
	b.Add("a", 3, "a3", 0)
	b.Add("b", 1, "b1", 0)
	b.Forget(func(it Item[string]) bool { return it.Key == "a1" })
	if got := fmt.Sprint(b.Keys()); got != "[b1 a3]" {
		t.Error(got)
	}
}

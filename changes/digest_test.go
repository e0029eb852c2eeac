package changes

import (
	"fmt"
	"slices"
	"testing"
)

func TestDigestSaysWhichVariableDiffers(t *testing.T) {
	r := source(t)
	for range 300 {
		a, b := NewDigestTree(), NewDigestTree()
		values := map[string]Value{}
		for i := range r.IntN(40) {
			name := fmt.Sprintf("main.V%d", i)
			values[name] = IntValue(Int, int64(r.IntN(3)))
			a.Set(name, values[name])
		}
		for name, v := range values { // another order, by way of other values
			b.Set(name, StringValue("before"))
			b.Root()
			b.Set(name, v)
		}
		if a.Root() != b.Root() || a.Root() != Digest(values) || len(a.Differ(b)) > 0 {
			t.Fatalf("equal values have roots %v and %v, differ in %v", a.Root(), b.Root(), a.Differ(b))
		}
		var want []string
		for i := range r.IntN(4) {
			name := fmt.Sprintf("main.V%d", r.IntN(50))
			if slices.Contains(want, name) {
				continue
			}
			if _, ok := values[name]; ok && i%2 == 0 {
				b.Set(name, Value{})
			} else {
				b.Set(name, StringValue("other"))
			}
			want = append(want, name)
		}
		slices.Sort(want)
		if got := a.Differ(b); !slices.Equal(got, want) || !slices.Equal(b.Differ(a), want) || (a.Root() == b.Root()) != (len(want) == 0) {
			t.Fatalf("differ in %v, want %v; roots %v and %v", got, want, a.Root(), b.Root())
		}
		far := NewDigestTree() // as received: names and leaf hashes
		for _, name := range b.Names() {
			far.SetHash(name, b.Leaf(name))
		}
		if far.Root() != b.Root() {
			t.Fatal("a tree rebuilt from its leaves has another root")
		}
	}
}

func TestDigestKeepsNamesAndValuesApart(t *testing.T) {
	seen := map[Hash]string{}
	for what, values := range map[string]map[string]Value{
		"none":   {},
		"a=1":    {"a": IntValue(Int, 1)},
		"b=1":    {"b": IntValue(Int, 1)},
		"a=int8": {"a": IntValue(Int8, 1)},
		"nil":    {"a": NilValue(Map)},
		"empty":  {"a": MapValue()},
		"two":    {"a": IntValue(Int, 1), "b": IntValue(Int, 1)},
	} {
		h := Digest(values)
		if other, twice := seen[h]; twice {
			t.Errorf("%s and %s have one digest", what, other)
		}
		seen[h] = what
	}
}

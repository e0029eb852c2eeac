package changes

import (
	"bytes"
	"errors"
	"testing"
)

// settled is b as it stands after changes from a: normal, but no max fell and no min rose, except
// where the key it stands below was made anew.
func settled(s *Spec, a, b Value) Value {
	switch {
	case a.form == Absent || b.form == Absent:
		return s.Normal(b)
	case s.Kind == Max || s.Kind == Min:
		return join(s.Kind, a, b)
	case s.Kind == Fields:
		items := make([]NamedValue, b.Len())
		for i, f := range s.Fields {
			items[i] = NamedValue{b.FieldName(i), settled(f, a.Item(i), b.Item(i))}
		}
		return StructValue(items...)
	case s.Kind == MapOf:
		var entries []Entry
		for _, e := range b.entries() {
			old, _ := a.Lookup(e.Key)
			entries = append(entries, Entry{Key: e.Key, Value: settled(s.Elem, old, e.Value)})
		}
		return MapValue(entries...)
	}
	return s.Normal(b)
}

func TestApplyingADiffGivesTheNewValue(t *testing.T) {
	r := source(t)
	for range 4000 {
		text, ty := someSpec(r, 3)
		s := mustSpec(t, text, ty)
		a := someValue(r, ty)
		b := mutated(r, ty, a)
		cs := Diff(s, VarPath("v"), a, b)
		for i, c := range cs {
			if i > 0 && bytes.Compare(cs[i-1].Path.Encode(), c.Path.Encode()) >= 0 {
				t.Fatalf("%v is not sorted", cs)
			}
			if leaf, err := s.Leaf(c.Path); err != nil || c.check(leaf) != nil {
				t.Fatalf("%v in %s %v: %v", c, text, ty, err)
			}
		}
		want := settled(s, s.Normal(a), b)
		got, err := ApplyAll(s, s.Normal(a), cs)
		if err != nil || !got.Equal(want) {
			t.Fatalf("%s %v: from %v to %v\nchanges %v\ngive %v, %v\nwant %v", text, ty, a, b, cs, got, err, want)
		}
		one := s.Normal(a)
		for _, c := range cs {
			if one, err = Apply(s, one, c); err != nil {
				t.Fatal(err)
			}
		}
		if !one.Equal(want) {
			t.Fatalf("one by one %v gives %v, want %v", cs, one, want)
		}
		if again := Diff(s, VarPath("v"), a, a); len(again) > 0 {
			t.Fatalf("changes %v from %v to itself", again, a)
		}
	}
}

func TestDiffNamesWhatChanged(t *testing.T) {
	s := mustSpec(t, "map fields", mapType(stringType, configType))
	user := func(port, hits int64, tags ...string) Value {
		var es []Entry
		for _, tag := range tags {
			es = append(es, Entry{Key: StringValue(tag), Value: StructValue()})
		}
		return StructValue(NamedValue{"Port", IntValue(Int, port)}, NamedValue{"Hits", IntValue(Int, hits)}, NamedValue{"Best", IntValue(Int, 0)}, NamedValue{"Tags", MapValue(es...)})
	}
	users := func(es ...Entry) Value { return MapValue(es...) }
	at := func(k string, v Value) Entry { return Entry{Key: StringValue(k), Value: v} }
	for _, c := range []struct {
		name     string
		old, new Value
		want     []string
	}{
		{"a field", users(at("bob", user(1, 2))), users(at("bob", user(1, 5))), []string{`v["bob"].Hits: 2 -> 5`}},
		{"an element", users(at("bob", user(1, 2, "x"))), users(at("bob", user(1, 2, "y"))), []string{`v["bob"].Tags["x"]: {} -> absent`, `v["bob"].Tags["y"]: absent -> {}`}},
		{"a key added", users(), users(at("bob", user(0, 3))), []string{`v["bob"]: absent -> true`, `v["bob"].Best: absent -> 0`, `v["bob"].Hits: absent -> 3`}},
		{"a key removed", users(at("bob", user(0, 3, "x"))), users(), []string{`v["bob"]: true -> absent`, `v["bob"].Best: 0 -> absent`, `v["bob"].Hits: 3 -> absent`, `v["bob"].Port: 0 -> absent`, `v["bob"].Tags["x"]: {} -> absent`}},
		{"nil for empty", NilValue(Map), users(), nil},
	} {
		var got []string
		for _, ch := range Diff(s, VarPath("v"), c.old, c.new) {
			got = append(got, ch.String())
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %q", c.name, got)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %q, want %q", c.name, got[i], c.want[i])
			}
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	s := mustSpec(t, "map counter", mapType(stringType, intType))
	p := VarPath("v").Key(StringValue("k"))
	one := IntValue(Int, 1)
	for _, c := range []struct {
		ch   Change
		want error
	}{
		{Change{VarPath("v"), Counter, Value{}, one}, ErrPath},
		{Change{VarPath("v").Key(one), Counter, Value{}, one}, ErrPath},
		{Change{p, LWW, Value{}, one}, ErrType},
		{Change{p, Counter, Value{}, IntValue(Int8, 1)}, ErrType},
		{Change{p, Counter, StringValue(""), one}, ErrType},
	} {
		if _, err := Apply(s, MapValue(), c.ch); !errors.Is(err, c.want) {
			t.Errorf("%v: %v", c.ch, err)
		}
	}
}

package changes

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	update   = flag.Bool("update", false, "rewrite the golden files")
	seedFlag = flag.Uint64("seed", 0, "seed of the generated tests; 0: a new one")
)

// source is a random source whose seed is printed when the test fails.
func source(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again with: go test -run '^%s$' -seed %d", t.Name(), seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 1))
}

var scalarForms = []Form{Bool, Int, Int8, Int16, Int32, Int64, Uint, Uint8, Uint16, Uint32, Uint64, Uintptr, Float32, Float64, Complex64, Complex128, String}

// someType is a random type nested at most depth deep.
func someType(r *rand.Rand, depth int) *Type {
	if depth == 0 || r.IntN(3) == 0 {
		if r.IntN(8) == 0 {
			return &Type{Form: Bytes}
		}
		return &Type{Form: scalarForms[r.IntN(len(scalarForms))]}
	}
	switch r.IntN(4) {
	case 0:
		return &Type{Form: Array, Len: r.IntN(4), Elem: someType(r, depth-1)}
	case 1:
		e := someType(r, depth-1)
		if e.Form == Uint8 {
			return &Type{Form: Bytes}
		}
		return &Type{Form: Slice, Elem: e}
	case 2:
		return &Type{Form: Map, Key: someKeyType(r, depth-1), Elem: someType(r, depth-1)}
	}
	t := &Type{Form: Struct}
	for i := range r.IntN(4) {
		t.Fields = append(t.Fields, Field{Name: fmt.Sprintf("F%d", i), Type: someType(r, depth-1)})
	}
	return t
}

func someKeyType(r *rand.Rand, depth int) *Type {
	for {
		if t := someType(r, depth); t.comparable() {
			return t
		}
	}
}

// someValue is a random value of t; small ones are likely, so that keys and values meet again.
func someValue(r *rand.Rand, t *Type) Value {
	switch f := t.Form; {
	case f == Bool:
		return BoolValue(r.IntN(2) == 0)
	case f.isInt():
		return IntValue(f, pick(r, int64(r.IntN(5))-2, math.MinInt64>>r.IntN(64), math.MaxInt64>>r.IntN(64)))
	case f.isUint():
		return UintValue(f, pick(r, uint64(r.IntN(4)), math.MaxUint64>>r.IntN(64)))
	case f.isFloat():
		return FloatValue(f, someFloat(r))
	case f.isComplex():
		return ComplexValue(f, complex(someFloat(r), someFloat(r)))
	case f == String:
		return StringValue(someText(r))
	case f == Bytes:
		if r.IntN(4) == 0 {
			return NilValue(Bytes)
		}
		return BytesValue(append([]byte{}, someText(r)...))
	case f == Struct:
		fields := make([]NamedValue, len(t.Fields))
		for i, g := range t.Fields {
			fields[i] = NamedValue{g.Name, someValue(r, g.Type)}
		}
		return StructValue(fields...)
	case f == Array:
		items := make([]Value, t.Len)
		for i := range items {
			items[i] = someValue(r, t.Elem)
		}
		return ArrayValue(items...)
	case r.IntN(6) == 0:
		return NilValue(f)
	case f == Slice:
		items := make([]Value, r.IntN(4))
		for i := range items {
			items[i] = someValue(r, t.Elem)
		}
		return SliceValue(items)
	}
	entries := make([]Entry, r.IntN(5))
	for i := range entries {
		entries[i] = Entry{Key: someValue(r, t.Key), Value: someValue(r, t.Elem)}
	}
	return MapValue(entries...)
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func someFloat(r *rand.Rand) float64 {
	return pick(r, 0, math.Copysign(0, -1), 1, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat32, math.SmallestNonzeroFloat64, r.NormFloat64())
}

func someText(r *rand.Rand) string {
	b := make([]byte, r.IntN(4))
	for i := range b {
		b[i] = pick[byte](r, 0, 1, 'a', 'b', 0xFE, 0xFF)
	}
	return string(b)
}

// someSpec is a random declaration that suits a random type.
func someSpec(r *rand.Rand, depth int) (string, *Type) {
	if depth > 0 {
		switch r.IntN(4) {
		case 0, 1:
			word, elem := someSpec(r, depth-1)
			return "map " + word, &Type{Form: Map, Key: someKeyType(r, 1), Elem: elem}
		case 2:
			t := &Type{Form: Struct}
			for i := range 1 + r.IntN(3) {
				word, ft := someSpec(r, depth-1)
				t.Fields = append(t.Fields, Field{Name: fmt.Sprintf("F%d", i), Tag: fmt.Sprintf("json:\"x\" tandem:%q", word), Type: ft})
			}
			return "fields", t
		}
	}
	switch r.IntN(5) {
	case 0:
		return "counter", &Type{Form: pick(r, Int, Int8, Uint16, Int64, Uint)} // floats round: their own test
	case 1:
		return "max", &Type{Form: pick(r, Int, Float64, String, Uint8)}
	case 2:
		return "min", &Type{Form: pick(r, Int, Float32, String, Uint8)}
	case 3:
		return "set", &Type{Form: Map, Key: someKeyType(r, 1), Elem: pick(r, &Type{Form: Bool}, &Type{Form: Struct})}
	}
	return "lww", someType(r, 2)
}

func mustSpec(t testing.TB, text string, ty *Type) *Spec {
	t.Helper()
	s, err := ParseSpec(text, ty)
	if err != nil {
		t.Fatalf("ParseSpec(%q, %v): %v", text, ty, err)
	}
	return s
}

// mutated is v with a few parts changed, as a turn would.
func mutated(r *rand.Rand, t *Type, v Value) Value {
	switch f := t.Form; {
	case f == Map && !v.IsNil() && r.IntN(5) > 0:
		entries := append([]Entry(nil), v.entries()...)
		for range 1 + r.IntN(2) {
			if n := len(entries); n > 0 && r.IntN(3) == 0 {
				entries = append(entries[:r.IntN(n)], entries[n:]...)
				continue
			}
			if n := len(entries); n > 0 && r.IntN(2) == 0 {
				i := r.IntN(n)
				entries[i].Value = mutated(r, t.Elem, entries[i].Value)
				continue
			}
			entries = append(entries, Entry{Key: someValue(r, t.Key), Value: someValue(r, t.Elem)})
		}
		return MapValue(entries...)
	case f == Struct && v.Len() > 0:
		i := r.IntN(v.Len())
		return v.withItem(i, mutated(r, t.Fields[i].Type, v.Item(i)))
	}
	return someValue(r, t)
}

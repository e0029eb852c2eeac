package vm

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
)

const manyTypes = `package main

type inner struct { A int8; B uint16; C float32; D complex64; E string; F []byte; G [2]bool; H map[string][]int32; _ int; I []inner2 }
type inner2 struct { X uint8; Y complex128; Z map[int64]string }

//tandem:shared lww
var Deep inner

//tandem:shared lww
var List []map[uint8]inner2

//tandem:shared map lww
var Keyed map[[2]string]inner2

//tandem:shared map map counter
var Nested map[string]map[int]float64

//tandem:shared set
var Members map[struct{ a, b int16 }]struct{}

//tandem:shared max
var Best string

//tandem:shared min
var Least int64

func main() { for { } }
`

// randomValue is a value of a type, small, with nil and empty containers now and then.
func randomValue(rng *rand.Rand, t *changes.Type, depth int) changes.Value {
	n := rng.IntN(4)
	if depth > 3 {
		n = 0
	}
	switch f := t.Form; {
	case f == changes.Bool:
		return changes.BoolValue(rng.IntN(2) == 1)
	case f >= changes.Int && f <= changes.Int64:
		return changes.IntValue(f, int64(rng.Uint64()))
	case f >= changes.Uint && f <= changes.Uintptr:
		return changes.UintValue(f, rng.Uint64())
	case f == changes.Float32 || f == changes.Float64:
		return changes.FloatValue(f, float64(float32(rng.NormFloat64())))
	case f == changes.Complex64 || f == changes.Complex128:
		return changes.ComplexValue(f, complex(float64(float32(rng.NormFloat64())), float64(rng.IntN(100))))
	case f == changes.String:
		return changes.StringValue(string(randomBytes(rng, n*5)))
	case f == changes.Bytes:
		if rng.IntN(4) == 0 {
			return changes.NilValue(changes.Bytes)
		}
		return changes.BytesValue(randomBytes(rng, n*3))
	case f == changes.Array:
		items := make([]changes.Value, t.Len)
		for i := range items {
			items[i] = randomValue(rng, t.Elem, depth+1)
		}
		return changes.ArrayValue(items...)
	case f == changes.Slice:
		if rng.IntN(4) == 0 {
			return changes.NilValue(changes.Slice)
		}
		items := make([]changes.Value, n)
		for i := range items {
			items[i] = randomValue(rng, t.Elem, depth+1)
		}
		return changes.SliceValue(items)
	case f == changes.Map:
		var es []changes.Entry
		for range n {
			es = append(es, changes.Entry{Key: randomValue(rng, t.Key, depth+1), Value: randomValue(rng, t.Elem, depth+1)})
		}
		return changes.MapValue(es...)
	}
	var fs []changes.NamedValue
	for _, f := range t.Fields {
		fs = append(fs, changes.NamedValue{Name: f.Name, Value: randomValue(rng, f.Type, depth+1)})
	}
	return changes.StructValue(fs...)
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// TestValuesInMemory writes random values of many types into guest memory as merges do, and reads them back; a snapshot taken afterwards decodes to
// the same.
func TestValuesInMemory(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 3))
	p := source(t, manyTypes)
	m, _ := machine(t, p, nil)
	if _, err := m.Run(t.Context(), 1<<20); err != nil {
		t.Fatal(err)
	}
	if len(p.Variables()) != 7 {
		t.Fatalf("%d shared variables, want 7", len(p.Variables()))
	}
	for round := range 200 {
		for _, v := range p.Variables() {
			now, err := m.Value(v.Name)
			if err != nil {
				t.Fatal(err)
			}
			want := v.Spec.Normal(randomValue(rng, v.Type, 0))
			if v.Spec.Kind == changes.Max || v.Spec.Kind == changes.Min {
				now = v.Type.Zero() // Diff between unequal values always tells the new one
			}
			var as []changes.Assignment
			for _, c := range changes.Diff(v.Spec, changes.VarPath(v.Name), now, want) {
				as = append(as, changes.Assignment{Path: c.Path, Value: c.New})
			}
			if err := m.Assign(as); err != nil {
				t.Fatalf("round %d: %s = %v: %v", round, v.Name, want, err)
			}
			got, err := m.Value(v.Name)
			if err != nil {
				t.Fatal(err)
			}
			if len(as) > 0 && !v.Spec.Normal(got).Equal(want) {
				t.Fatalf("round %d: %s: wrote %v, read %v", round, v.Name, want, got)
			}
		}
	}
	s, err := m.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	vs, err := s.Values()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]changes.Value{}
	for _, v := range vs {
		byName[v.Name] = v.Value
	}
	for _, v := range p.Variables() {
		now, err := m.Value(v.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !byName[v.Name].Equal(now) {
			t.Errorf("the snapshot has %s as %v, memory as %v", v.Name, byName[v.Name], now)
		}
	}
}

package laws

import (
	"math"
	"math/rand/v2"

	"github.com/tandemvm/tandem/changes"
)

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// someValue is a value of t; small ones are likely, so that keys and values meet again.
func someValue(r *rand.Rand, t *changes.Type) changes.Value {
	switch f := t.Form; f {
	case changes.Bool:
		return changes.BoolValue(r.IntN(2) == 0)
	case changes.Int, changes.Int8, changes.Int16, changes.Int32, changes.Int64:
		return changes.IntValue(f, pick(r, int64(r.IntN(5))-2, math.MinInt64>>r.IntN(64), math.MaxInt64>>r.IntN(64)))
	case changes.Uint, changes.Uint8, changes.Uint16, changes.Uint32, changes.Uint64, changes.Uintptr:
		return changes.UintValue(f, pick(r, uint64(r.IntN(4)), math.MaxUint64>>r.IntN(64)))
	case changes.Float32, changes.Float64:
		return changes.FloatValue(f, someFloat(r))
	case changes.Complex64, changes.Complex128:
		return changes.ComplexValue(f, complex(someFloat(r), someFloat(r)))
	case changes.String:
		return changes.StringValue(someText(r))
	case changes.Bytes:
		return changes.BytesValue([]byte(someText(r)))
	case changes.Struct:
		fields := make([]changes.NamedValue, len(t.Fields))
		for i, g := range t.Fields {
			fields[i] = changes.NamedValue{Name: g.Name, Value: someValue(r, g.Type)}
		}
		return changes.StructValue(fields...)
	case changes.Array:
		items := make([]changes.Value, t.Len)
		for i := range items {
			items[i] = someValue(r, t.Elem)
		}
		return changes.ArrayValue(items...)
	case changes.Slice:
		if r.IntN(6) == 0 {
			return changes.NilValue(f)
		}
		items := make([]changes.Value, r.IntN(4))
		for i := range items {
			items[i] = someValue(r, t.Elem)
		}
		return changes.SliceValue(items)
	}
	if r.IntN(6) == 0 {
		return changes.NilValue(changes.Map)
	}
	entries := make([]changes.Entry, r.IntN(4))
	for i := range entries {
		entries[i] = changes.Entry{Key: someValue(r, t.Key), Value: someValue(r, t.Elem)}
	}
	return changes.MapValue(entries...)
}

func someFloat(r *rand.Rand) float64 {
	return pick(r, 0, 1, -1, 0.1, math.MaxFloat32, r.NormFloat64())
}

func someText(r *rand.Rand) string {
	b := ""
	for range r.IntN(4) {
		b += pick(r, "a", "b", "\x00", "é", "日", "\xff")
	}
	return b
}

// someChange is v with a few parts changed, as a turn would.
func someChange(r *rand.Rand, t *changes.Type, v changes.Value) changes.Value {
	switch {
	case t.Form == changes.Map && v.Len() > 0 && r.IntN(5) > 0:
		var entries []changes.Entry
		changed := r.IntN(v.Len())
		for i := range v.Len() {
			e := v.Entry(i)
			if i == changed {
				if r.IntN(3) == 0 {
					continue
				}
				e.Value = someChange(r, t.Elem, e.Value)
			}
			entries = append(entries, changes.Entry{Key: e.Key, Value: e.Value})
		}
		if r.IntN(2) == 0 {
			entries = append(entries, changes.Entry{Key: someValue(r, t.Key), Value: someValue(r, t.Elem)})
		}
		return changes.MapValue(entries...)
	case t.Form == changes.Struct && v.Len() > 0:
		fields := make([]changes.NamedValue, v.Len())
		changed := r.IntN(v.Len())
		for i, g := range t.Fields {
			fields[i] = changes.NamedValue{Name: g.Name, Value: v.Item(i)}
			if i == changed {
				fields[i].Value = someChange(r, g.Type, v.Item(i))
			}
		}
		return changes.StructValue(fields...)
	case t.Form == changes.Slice && v.Len() > 0 && r.IntN(5) > 0:
		at := r.IntN(v.Len() + 1)
		var items []changes.Value
		for i := range v.Len() {
			if i == at && r.IntN(2) == 0 {
				continue
			}
			items = append(items, v.Item(i))
		}
		at = min(at, len(items))
		items = append(items[:at:at], append([]changes.Value{someValue(r, t.Elem)}, items[at:]...)...)
		return changes.SliceValue(items)
	case t.Form == changes.String && v.Len() > 0 && r.IntN(5) > 0:
		at := r.IntN(v.Len() + 1)
		return changes.StringValue(v.Text()[:at] + someText(r) + v.Text()[min(v.Len(), at+r.IntN(2)):])
	}
	return someValue(r, t)
}

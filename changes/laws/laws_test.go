package laws

import (
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
)

func spec(t *testing.T, rule string, ty *changes.Type) *changes.Spec {
	t.Helper()
	s, err := changes.ParseSpec(rule, ty)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	integer = &changes.Type{Form: changes.Int}
	text    = &changes.Type{Form: changes.String}
	float   = &changes.Type{Form: changes.Float64}
	ints    = &changes.Type{Form: changes.Slice, Elem: integer}
)

func mapOf(elem *changes.Type) *changes.Type {
	return &changes.Type{Form: changes.Map, Key: &changes.Type{Form: changes.Bool}, Elem: elem}
}

// TestKindsKeepTheLaws, for every kind, nested ones and types of all forms.
func TestKindsKeepTheLaws(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	all := &changes.Type{Form: changes.Struct}
	for f := changes.Bool; f <= changes.Bytes; f++ {
		all.Fields = append(all.Fields, changes.Field{Name: "F" + f.String(), Type: &changes.Type{Form: f}})
	}
	all.Fields = append(all.Fields, changes.Field{Name: "A", Type: &changes.Type{Form: changes.Array, Len: 2, Elem: integer}})
	doc := &changes.Type{Form: changes.Struct, Fields: []changes.Field{{Name: "Hits", Tag: `tandem:"counter"`, Type: integer}, {Name: "Best", Tag: `tandem:"max"`, Type: text},
		{Name: "Text", Tag: `tandem:"text"`, Type: text}, {Name: "Log", Tag: `tandem:"log"`, Type: ints}, {Name: "Name", Type: text}}}
	for _, c := range []struct {
		rule string
		ty   *changes.Type
	}{{"", text}, {"", all}, {"counter", &changes.Type{Form: changes.Uint8}}, {"max", integer}, {"min", text}, {"set", mapOf(&changes.Type{Form: changes.Bool})},
		{"map counter", mapOf(integer)}, {"map map max", mapOf(mapOf(integer))}, {"fields", doc}, {"map fields", mapOf(doc)}, {"log", ints}, {"list", ints}, {"text", text},
		{"map list", mapOf(ints)}, {"list", &changes.Type{Form: changes.Bytes}}} {
		if v := Check(spec(t, c.rule, c.ty), changes.Value{}, seed, 60); v != nil {
			t.Errorf("%s %v: %v", c.rule, c.ty, v)
		}
	}
}

// TestRoundingIsFound: a counter of floats does not keep what turns did.
func TestRoundingIsFound(t *testing.T) {
	for rule, ty := range map[string]*changes.Type{"counter": float, "map counter": mapOf(float)} {
		v := Check(spec(t, rule, ty), changes.Value{}, 1, 500)
		if v == nil || v.Law != Intent || !strings.Contains(v.Hint, "integer of the smallest unit") {
			t.Errorf("%s: %v", rule, v)
		}
		if again := Check(spec(t, rule, ty), changes.Value{}, 1, 500); again == nil || *again != *v {
			t.Errorf("the same seed finds %v and %v", v, again)
		}
	}
}

package changes

import (
	"errors"
	"strings"
	"testing"
)

var (
	intType    = &Type{Form: Int}
	stringType = &Type{Form: String}
	unitType   = &Type{Form: Struct}
	configType = &Type{Form: Struct, Name: "main.Config", Fields: []Field{
		{Name: "Port", Type: intType},
		{Name: "Hits", Tag: `tandem:"counter"`, Type: intType},
		{Name: "Best", Tag: `json:"best" tandem:"max"`, Type: intType},
		{Name: "Tags", Tag: `tandem:"set"`, Type: mapType(stringType, unitType)},
	}}
)

func mapType(k, e *Type) *Type { return &Type{Form: Map, Key: k, Elem: e} }

func TestParseSpec(t *testing.T) {
	for _, c := range []struct {
		text string
		ty   *Type
		want string
	}{
		{"", intType, "lww"},
		{"lww", mapType(stringType, intType), "lww"},
		{" counter ", &Type{Form: Complex64}, "counter"},
		{"max", stringType, "max"},
		{"min", &Type{Form: Float32}, "min"},
		{"set", mapType(stringType, unitType), "set"},
		{"set", mapType(intType, &Type{Form: Bool}), "set"},
		{"map", mapType(stringType, stringType), "map lww"},
		{"map counter", mapType(stringType, intType), "map counter"},
		{"map map counter", mapType(stringType, mapType(intType, intType)), "map map counter"},
		{"map fields", mapType(stringType, configType), "map fields"},
	} {
		s, err := ParseSpec(c.text, c.ty)
		if err != nil || s.String() != c.want {
			t.Errorf("%q for %v: %v, %v", c.text, c.ty, s, err)
		}
	}
	s := mustSpec(t, "fields", configType)
	for i, want := range []Kind{LWW, Counter, Max, Set} {
		if s.Fields[i].Kind != want {
			t.Errorf("field %d: %v, want %v", i, s.Fields[i].Kind, want)
		}
	}
}

func TestParseSpecRefuses(t *testing.T) {
	recursive := &Type{Form: Struct, Name: "main.Tree"}
	recursive.Fields = []Field{{Name: "Kids", Type: &Type{Form: Slice, Elem: recursive}}}
	for _, c := range []struct {
		text string
		ty   *Type
		want string // in the message
	}{
		{"counter", stringType, "needs a number"},
		{"counter", mapType(stringType, intType), "map counter"},
		{"max", &Type{Form: Bool}, "ordered"},
		{"max", &Type{Form: Complex128}, "ordered"},
		{"set", mapType(stringType, intType), "map[K]struct{}"},
		{"set", &Type{Form: Slice, Elem: intType}, "map[K]struct{}"},
		{"map counter", intType, "make it a map"},
		{"map counter", mapType(stringType, stringType), "needs a number"},
		{"fields", intType, "needs a struct"},
		{"counter counter", intType, "only map"},
		{"sum", intType, "the kinds are lww, counter, max, min, set, map KIND, fields"},
		{"log", mapType(stringType, intType), "make it a slice"},
		{"list", stringType, "use text"},
		{"text", &Type{Form: Slice, Elem: intType}, "use list"},
		{"list text", &Type{Form: Slice, Elem: stringType}, "only map"},
		{"key", intType, "the kinds are"},
		{"", nil, "cannot be shared"},
		{"", &Type{Form: Slice}, "cannot be shared"},
		{"", recursive, "recursive"},
		{"map", mapType(&Type{Form: Bytes}, intType), "not comparable"},
		{"fields", &Type{Form: Struct, Fields: []Field{{Name: "Bad", Tag: `tandem:"counter"`, Type: stringType}}}, "field Bad"},
	} {
		_, err := ParseSpec(c.text, c.ty)
		var se *SpecError
		if !errors.Is(err, ErrSpec) || !errors.As(err, &se) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q for %v: %v", c.text, c.ty, err)
		}
	}
}

func TestLeaf(t *testing.T) {
	root := VarPath("main.Users")
	bob := root.Key(StringValue("bob"))
	s := mustSpec(t, "map fields", mapType(stringType, configType))
	for _, c := range []struct {
		p    Path
		want Kind // 0: ErrPath
	}{
		{root, 0},
		{bob, Key},
		{bob.Field("Port"), LWW},
		{bob.Field("Hits"), Counter},
		{bob.Field("Tags"), 0},
		{bob.Field("Tags").Key(StringValue("x")), Set},
		{bob.Field("Tags").Key(IntValue(Int, 1)), 0},
		{bob.Field("Tags").Key(StringValue("x")).Field("y"), 0},
		{bob.Field("Nope"), 0},
		{bob.Index(0), 0},
		{root.Key(IntValue(Int, 1)), 0},
	} {
		leaf, err := s.Leaf(c.p)
		if c.want == 0 && !errors.Is(err, ErrPath) || c.want != 0 && (err != nil || leaf.Kind != c.want) {
			t.Errorf("%v: %v, %v", c.p, leaf, err)
		}
	}
}

func TestTypeCheckRefuses(t *testing.T) {
	port := StructValue(NamedValue{"Port", IntValue(Int, 1)})
	for _, c := range []struct {
		ty *Type
		v  Value
	}{
		{intType, Value{}},
		{intType, IntValue(Int8, 1)},
		{&Type{Form: Array, Elem: intType, Len: 2}, ArrayValue(IntValue(Int, 1))},
		{&Type{Form: Slice, Elem: intType}, SliceValue([]Value{StringValue("")})},
		{mapType(stringType, intType), MapValue(Entry{Key: IntValue(Int, 1), Value: IntValue(Int, 1)})},
		{mapType(stringType, intType), MapValue(Entry{Key: StringValue("a"), Value: StringValue("")})},
		{configType, port},
		{&Type{Form: Struct, Fields: []Field{{Name: "Host", Type: intType}}}, port},
	} {
		if err := c.ty.Check(c.v); !errors.Is(err, ErrType) {
			t.Errorf("%v as %v: %v", c.v, c.ty, err)
		}
	}
}

package changes

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"testing"
)

func TestValueEncodingIsCanonicalAndOrdered(t *testing.T) {
	r := source(t)
	for range 3000 {
		ty := someType(r, 3)
		if err := ty.Validate(); err != nil {
			t.Fatal(err)
		}
		a, b := someValue(r, ty), someValue(r, ty)
		if err := ty.Check(a); err != nil {
			t.Fatalf("%v is no %v: %v", a, ty, err)
		}
		ea, eb := a.Encode(), b.Encode()
		got, err := DecodeValue(ea)
		if err != nil || !got.Equal(a) || !bytes.Equal(got.Encode(), ea) {
			t.Fatalf("%v decodes to %v, %v", a, got, err)
		}
		if a.Equal(b) != bytes.Equal(ea, eb) || sign(a.Compare(b)) != bytes.Compare(ea, eb) {
			t.Fatalf("%v and %v: Equal %v, Compare %d, bytes %d", a, b, a.Equal(b), a.Compare(b), bytes.Compare(ea, eb))
		}
		if !a.Equal(b) && (bytes.HasPrefix(ea, eb) || bytes.HasPrefix(eb, ea)) {
			t.Fatalf("%v and %v: one encoding begins the other", a, b)
		}
		for cut := range ea {
			if v, err := DecodeValue(ea[:cut]); !errors.Is(err, ErrFormat) {
				t.Fatalf("%d of %d bytes of %v decode to %v, %v", cut, len(ea), a, v, err)
			}
		}
	}
}

func sign(n int) int { return min(1, max(-1, n)) }

func TestCompareIsGoOrder(t *testing.T) {
	ascending := [][]Value{
		{IntValue(Int, math.MinInt64), IntValue(Int, -1), IntValue(Int, 0), IntValue(Int, 7), IntValue(Int, math.MaxInt64)},
		{IntValue(Int8, -128), IntValue(Int8, -1), IntValue(Int8, 127)},
		{UintValue(Uint16, 0), UintValue(Uint16, 255), UintValue(Uint16, 256)},
		{FloatValue(Float64, math.Inf(-1)), FloatValue(Float64, -1), FloatValue(Float64, math.Copysign(0, -1)), FloatValue(Float64, 0), FloatValue(Float64, 1e-300), FloatValue(Float64, math.Inf(1)), FloatValue(Float64, math.NaN())},
		{FloatValue(Float32, -2), FloatValue(Float32, -1), FloatValue(Float32, 3), FloatValue(Float32, math.NaN())},
		{StringValue(""), StringValue("\x00"), StringValue("\x00a"), StringValue("\x01"), StringValue("a"), StringValue("a\x00"), StringValue("ab"), StringValue("b")},
		{NilValue(Bytes), BytesValue([]byte{}), BytesValue([]byte("b")), BytesValue([]byte("aa"))},
		{BoolValue(false), BoolValue(true)},
	}
	for _, vs := range ascending {
		for i := range vs {
			for j := range vs {
				if got := sign(vs[i].Compare(vs[j])); got != sign(i-j) {
					t.Errorf("%v compared to %v: %d", vs[i], vs[j], got)
				}
			}
		}
	}
}

func TestValueWrapsAndCanonicalises(t *testing.T) {
	if got := IntValue(Int8, 300).Int(); got != 44 {
		t.Errorf("int8(300) is %d", got)
	}
	if got := UintValue(Uint8, 1<<40+5).Uint(); got != 5 {
		t.Errorf("uint8 of 1<<40+5 is %d", got)
	}
	odd := math.Float64frombits(0xFFF0000000000123)
	if !FloatValue(Float64, odd).Equal(FloatValue(Float64, math.NaN())) {
		t.Error("two NaN differ")
	}
	m := MapValue(Entry{Key: FloatValue(Float64, math.Copysign(0, -1)), Value: IntValue(Int, 1)}, Entry{Key: FloatValue(Float64, 0), Value: IntValue(Int, 2)})
	if m.Len() != 1 || m.Entry(0).Value.Int() != 2 {
		t.Errorf("-0 and 0 are keys of %v", m)
	}
	if v, ok := m.Lookup(FloatValue(Float64, math.Copysign(0, -1))); !ok || v.Int() != 2 {
		t.Errorf("lookup of -0: %v, %v", v, ok)
	}
}

func TestDecodeValueRefuses(t *testing.T) {
	one := IntValue(Int, 1)
	deep := SliceValue([]Value{one})
	for range DepthMax - 1 {
		deep = SliceValue([]Value{deep})
	}
	if _, err := DecodeValue(deep.Encode()); err != nil {
		t.Errorf("nesting of DepthMax: %v", err)
	}
	tooDeep := append([]byte{ValueVersion}, byte(Slice), 1, 0, 0, 0, 1)
	tooDeep = append(tooDeep, deep.Encode()[1:]...)
	for name, b := range map[string][]byte{
		"nothing":           {},
		"absent":            {ValueVersion, 0},
		"unknown form":      {ValueVersion, byte(formEnd)},
		"bool 2":            {ValueVersion, byte(Bool), 2},
		"nil flag 2":        {ValueVersion, byte(Map), 2},
		"huge count":        {ValueVersion, byte(Slice), 1, 0xFF, 0xFF, 0xFF, 0xFF},
		"slice of uint8":    {ValueVersion, byte(Slice), 1, 0, 0, 0, 1, byte(Uint8), 3},
		"mixed elements":    {ValueVersion, byte(Slice), 1, 0, 0, 0, 2, byte(Bool), 1, byte(Uint8), 3},
		"bad escape":        {ValueVersion, byte(String), 'a', 0, 2},
		"keys out of order": {ValueVersion, byte(Map), 1, 0, 0, 0, 2, byte(Bool), 1, byte(Bool), 1, byte(Bool), 0, byte(Bool), 1},
		"key twice":         {ValueVersion, byte(Map), 1, 0, 0, 0, 2, byte(Bool), 1, byte(Bool), 1, byte(Bool), 1, byte(Bool), 1},
		"slice as key":      {ValueVersion, byte(Map), 1, 0, 0, 0, 1, byte(Slice), 0, byte(Bool), 1},
		"minus zero key":    append(append([]byte{ValueVersion, byte(Map), 1, 0, 0, 0, 1}, FloatValue(Float32, math.Copysign(0, -1)).appendNode(nil)...), byte(Bool), 1),
		"another NaN":       {ValueVersion, byte(Float32), 0xFF, 0xC0, 0, 2},
		"bytes after":       append(one.Encode(), 0),
		"too deep":          tooDeep,
	} {
		if v, err := DecodeValue(b); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	if _, err := DecodeValue(append([]byte{ValueVersion + 1}, one.Encode()[1:]...)); !errors.Is(err, ErrVersion) {
		t.Errorf("next version: %v", err)
	}
}

func config() (Value, any) {
	type server struct {
		Port  int
		Name  string
		Tags  []string
		Raw   []byte
		Load  float64
		Seen  map[string]bool
		ByID  map[int]uint8
		None  []int
		Pairs [2]int8
	}
	v := StructValue(
		NamedValue{"Port", IntValue(Int, 80)}, NamedValue{"Name", StringValue("a<\"b\"\n\xff")},
		NamedValue{"Tags", SliceValue([]Value{StringValue("x"), StringValue("y")})}, NamedValue{"Raw", BytesValue([]byte{1, 2, 255})},
		NamedValue{"Load", FloatValue(Float64, 0.25)},
		NamedValue{"Seen", MapValue(Entry{Key: StringValue("k"), Value: BoolValue(true)}, Entry{Key: StringValue("b"), Value: BoolValue(false)})},
		NamedValue{"ByID", MapValue(Entry{Key: IntValue(Int, 1), Value: UintValue(Uint8, 3)})},
		NamedValue{"None", NilValue(Slice)}, NamedValue{"Pairs", ArrayValue(IntValue(Int8, -1), IntValue(Int8, 2))})
	return v, server{80, "a<\"b\"\n\xff", []string{"x", "y"}, []byte{1, 2, 255}, 0.25, map[string]bool{"k": true, "b": false}, map[int]uint8{1: 3}, nil, [2]int8{-1, 2}}
}

func TestJSONIsGoJSON(t *testing.T) {
	v, plain := config()
	got, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(plain)
	if !bytes.Equal(got, want) {
		t.Errorf("%s\nwant %s", got, want)
	}
	odd := SliceValue([]Value{FloatValue(Float64, math.Inf(1)), FloatValue(Float64, math.NaN())})
	if got, _ := json.Marshal(odd); string(got) != `["+Inf","NaN"]` {
		t.Errorf("%s", got)
	}
	r := source(t)
	for range 500 {
		v := someValue(r, someType(r, 3))
		if b, err := json.Marshal(v); err != nil || !json.Valid(b) {
			t.Fatalf("%v: %s, %v", v, b, err)
		}
	}
}

func TestValueString(t *testing.T) {
	v, _ := config()
	const want = `{Port: 80, Name: "a<\"b\"\n\xff", Tags: ["x", "y"], Raw: []byte("\x01\x02\xff"), Load: 0.25, Seen: map{"b": false, "k": true}, ByID: map{1: 3}, None: nil, Pairs: [-1, 2]}`
	if got := v.String(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := ComplexValue(Complex128, 1-2i).String(); got != "(1-2i)" {
		t.Errorf("%s", got)
	}
}

func FuzzValue(f *testing.F) {
	v, _ := config()
	f.Add(v.Encode())
	f.Add([]byte{ValueVersion, byte(Map), 1, 0, 0, 0, 1, byte(Struct), 0, 0, byte(Array), 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeValue(b)
		if err != nil {
			return
		}
		if !bytes.Equal(v.Encode(), b) {
			t.Fatalf("%x decodes to %v, which encodes as %x", b, v, v.Encode())
		}
		if j, err := v.MarshalJSON(); err != nil || !json.Valid(j) {
			t.Fatalf("%v: %s, %v", v, j, err)
		}
		_ = v.String()
	})
}

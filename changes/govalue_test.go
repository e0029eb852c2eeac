package changes

import (
	"errors"
	"reflect"
	"testing"
)

// What is stored in a Go variable is what stood in the tree, whatever shape of Go it is asked for in.
func TestValueTo(t *testing.T) {
	type config struct {
		Port  int
		Names []string
		small uint8
	}
	tree := StructValue(NamedValue{"Port", IntValue(Int, 80)}, NamedValue{"Names", SliceValue([]Value{StringValue("a"), StringValue("b")})},
		NamedValue{"small", UintValue(Uint8, 3)})
	same := func(t *testing.T, v Value, target, want any) {
		t.Helper()
		if err := v.To(target); err != nil {
			t.Fatal(err)
		}
		if got := reflect.ValueOf(target).Elem().Interface(); !reflect.DeepEqual(got, want) {
			t.Errorf("%v became %#v, want %#v", v, got, want)
		}
	}
	counts := MapValue(Entry{Key: StringValue("a"), Value: IntValue(Int, 1)}, Entry{Key: StringValue("b"), Value: IntValue(Int, -2)})
	seven := 7
	same(t, tree, new(config), config{Port: 80, Names: []string{"a", "b"}})
	same(t, counts, new(map[string]int), map[string]int{"a": 1, "b": -2})
	same(t, counts, new(map[string]Value), map[string]Value{"a": IntValue(Int, 1), "b": IntValue(Int, -2)})
	same(t, IntValue(Int, 7), new(int8), int8(7))
	same(t, IntValue(Int, 7), new(*int), &seven)
	same(t, UintValue(Uint64, 1<<63), new(uint64), uint64(1<<63))
	same(t, FloatValue(Float32, 0.1), new(float64), float64(float32(0.1)))
	same(t, ComplexValue(Complex128, 1+2i), new(complex128), 1+2i)
	same(t, BoolValue(true), new(bool), true)
	same(t, BytesValue([]byte("xy")), new([]byte), []byte("xy"))
	same(t, ArrayValue(IntValue(Int, 1), IntValue(Int, 2)), new([2]int), [2]int{1, 2})
	same(t, ArrayValue(IntValue(Int, 1), IntValue(Int, 2)), new([]int), []int{1, 2})
	same(t, NilValue(Map), new(map[string]int), map[string]int(nil))
	same(t, NilValue(Slice), new([]int), []int(nil))
	old := 5
	same(t, Value{}, &old, 0)
}

func TestValueToRefuses(t *testing.T) {
	for _, c := range []struct {
		v      Value
		target any
		want   string
	}{
		{IntValue(Int, 300), new(int8), "changes: value does not suit the type: the value is int, which no int8 holds exactly"},
		{IntValue(Int, 1), 5, "changes: value does not suit the type: To needs a pointer to a variable, not int"},
		{IntValue(Int, 1), (*int)(nil), "changes: value does not suit the type: To needs a pointer to a variable, not *int"},
		{FloatValue(Float64, 0.1), new(float32), "changes: value does not suit the type: the value is float64, which no float32 holds exactly"},
		{MapValue(Entry{Key: StringValue("a"), Value: SliceValue([]Value{StringValue("x")})}), &map[string][]int{"old": {1}},
			`changes: value does not suit the type: ["a"][0] is string, which no int holds exactly`},
		{ArrayValue(IntValue(Int, 1)), new([2]int), "changes: value does not suit the type: the value is array, which no [2]int holds exactly"},
	} {
		before := reflect.ValueOf(c.target)
		if before.Kind() == reflect.Pointer && !before.IsNil() {
			before = reflect.ValueOf(before.Elem().Interface())
		}
		err := c.v.To(c.target)
		if !errors.Is(err, ErrType) {
			t.Errorf("%v into %T: %v", c.v, c.target, err)
			continue
		}
		if err.Error() != c.want {
			t.Errorf("%v into %T says\n%v\nwant\n%s", c.v, c.target, err, c.want)
		}
		if after := reflect.ValueOf(c.target); after.Kind() == reflect.Pointer && !after.IsNil() && !reflect.DeepEqual(after.Elem().Interface(), before.Interface()) {
			t.Errorf("%T was changed by what failed", c.target)
		}
	}
}

package changes

import (
	"fmt"
	"math"
	"sort"
	"strings"
)

// Form is the shape of one node of a value tree: a Go basic kind or a composite.
type Form uint8

// The forms. Their numbers are written into files (FORMAT.md): append, never renumber.
const (
	Absent Form = iota // the zero Value: no value at all (a missing map key, a removed element)
	Bool
	Int
	Int8
	Int16
	Int32
	Int64
	Uint
	Uint8
	Uint16
	Uint32
	Uint64
	Uintptr
	Float32
	Float64
	Complex64
	Complex128
	String
	Bytes  // []uint8 (and []byte); never Slice
	Array  // [n]T
	Slice  // []T, T not uint8
	Struct // fields in declaration order, blank fields left out
	Map    // map[K]V
	formEnd
)

var formNames = [formEnd]string{
	Absent: "absent", Bool: "bool", Int: "int", Int8: "int8", Int16: "int16", Int32: "int32", Int64: "int64",
	Uint: "uint", Uint8: "uint8", Uint16: "uint16", Uint32: "uint32", Uint64: "uint64", Uintptr: "uintptr",
	Float32: "float32", Float64: "float64", Complex64: "complex64", Complex128: "complex128",
	String: "string", Bytes: "[]uint8", Array: "array", Slice: "slice", Struct: "struct", Map: "map",
}

// String is Go's name of the form.
func (f Form) String() string {
	if f < formEnd {
		return formNames[f]
	}
	return fmt.Sprintf("form %d", uint8(f))
}

func (f Form) isInt() bool     { return f >= Int && f <= Int64 }
func (f Form) isUint() bool    { return f >= Uint && f <= Uintptr }
func (f Form) isFloat() bool   { return f == Float32 || f == Float64 }
func (f Form) isComplex() bool { return f == Complex64 || f == Complex128 }
func (f Form) isNumber() bool  { return f >= Int && f <= Complex128 }
func (f Form) isOrdered() bool { return f >= Int && f <= Float64 || f == String }

// widthBytes is the size of an integer form in memory (amd64) and in an encoding.
func (f Form) widthBytes() int {
	switch f {
	case Int8, Uint8:
		return 1
	case Int16, Uint16:
		return 2
	case Int32, Uint32:
		return 4
	}
	return 8
}

// DepthMax bounds the nesting of value trees, of types and of what decoders follow.
const DepthMax = 64

// Value is an immutable value tree: what a shared variable holds, and what a snapshot shows of
// memory. The zero Value is absent. Values may be shared and copied freely, also between goroutines.
type Value struct {
	form Form
	null bool    // nil slice, nil bytes or nil map
	bits uint64  // bool, integers (sign extended), float64 bits; the real part of a complex
	imag uint64  // imaginary part of a complex, as float64 bits
	text string  // String and Bytes
	tree *branch // Array, Slice, Struct, Map; nil when null
}

// branch holds the children of a composite. It is never written after its constructor returned.
type branch struct {
	items   []Value  // elements, or field values
	names   []string // field names, beside items
	entries []Entry  // map entries, sorted by code, codes distinct
	depth   int      // 1 + the deepest child's
}

// Entry is one key and value of a map.
type Entry struct {
	Key, Value Value
	code       string // canonical encoding of Key: the sort key
}

// NamedValue is one field of a struct value.
type NamedValue struct {
	Name  string
	Value Value
}

// nanBits is the one NaN: every NaN becomes it, so that equal encodings mean equal values.
const nanBits = 0x7FF8000000000001

func floatBits(f Form, x float64) uint64 {
	if x != x {
		return nanBits
	}
	if f == Float32 || f == Complex64 {
		x = float64(float32(x))
	}
	return math.Float64bits(x)
}

// mustForm panics when the vm or replication hands a constructor or accessor a form it does not take:
// forms come from compiled types, never from input bytes.
func mustForm(ok bool, what string, f Form) {
	if !ok {
		panic("BUG: changes: " + what + " of form " + f.String())
	}
}

// BoolValue is a bool.
func BoolValue(b bool) Value {
	v := Value{form: Bool}
	if b {
		v.bits = 1
	}
	return v
}

// IntValue is a signed integer of form Int to Int64; n wraps to the width as in Go.
func IntValue(f Form, n int64) Value {
	mustForm(f.isInt(), "IntValue", f)
	shift := 64 - 8*f.widthBytes()
	return Value{form: f, bits: uint64(n << shift >> shift)}
}

// UintValue is an unsigned integer of form Uint to Uintptr; n wraps to the width as in Go.
func UintValue(f Form, n uint64) Value {
	mustForm(f.isUint(), "UintValue", f)
	shift := 64 - 8*f.widthBytes()
	return Value{form: f, bits: n << shift >> shift}
}

// FloatValue is a Float32 or Float64. Every NaN becomes the same NaN.
func FloatValue(f Form, x float64) Value {
	mustForm(f.isFloat(), "FloatValue", f)
	return Value{form: f, bits: floatBits(f, x)}
}

// ComplexValue is a Complex64 or Complex128. Every NaN part becomes the same NaN.
func ComplexValue(f Form, c complex128) Value {
	mustForm(f.isComplex(), "ComplexValue", f)
	return Value{form: f, bits: floatBits(f, real(c)), imag: floatBits(f, imag(c))}
}

// StringValue is a string of any bytes.
func StringValue(s string) Value { return Value{form: String, text: s} }

// BytesValue is a []byte; nil stays nil. b is copied.
func BytesValue(b []byte) Value { return Value{form: Bytes, null: b == nil, text: string(b)} }

// NilValue is the nil of form Slice, Bytes or Map.
func NilValue(f Form) Value {
	mustForm(f == Slice || f == Bytes || f == Map, "NilValue", f)
	return Value{form: f, null: true}
}

// ArrayValue is an array. It takes ownership of items, which are all of one form.
func ArrayValue(items ...Value) Value { return itemsValue(Array, items) }

// SliceValue is a slice; nil stays nil. It takes ownership of items, which are all of one form and
// not Uint8 (a []uint8 is BytesValue).
func SliceValue(items []Value) Value {
	if items == nil {
		return NilValue(Slice)
	}
	mustForm(len(items) == 0 || items[0].form != Uint8, "SliceValue with elements", Uint8)
	return itemsValue(Slice, items)
}

func itemsValue(f Form, items []Value) Value {
	t := &branch{items: items, depth: 1}
	for _, it := range items {
		mustForm(it.form != Absent && it.form == items[0].form, f.String()+" with an element", it.form)
		t.grow(it)
	}
	return Value{form: f, tree: t}
}

// grow raises the depth so that c fits below t.
func (t *branch) grow(c Value) {
	if d := c.depth() + 1; d > t.depth {
		t.depth = d
		if d > DepthMax {
			panic("BUG: changes: value nested deeper than DepthMax; ParseSpec refuses such types")
		}
	}
}

func (v Value) depth() int {
	if v.tree == nil {
		return 0
	}
	return v.tree.depth
}

// StructValue is a struct with its fields in declaration order.
func StructValue(fields ...NamedValue) Value {
	t := &branch{items: make([]Value, len(fields)), names: make([]string, len(fields)), depth: 1}
	for i, f := range fields {
		mustForm(f.Value.form != Absent, "struct with a field", f.Value.form)
		t.items[i], t.names[i] = f.Value, f.Name
		t.grow(f.Value)
	}
	return Value{form: Struct, tree: t}
}

// MapValue is a non-nil map of the entries in any order; of equal keys the last wins. Keys are all
// of one form, and so are values. A negative zero in a key becomes zero, as Go's maps see it; all
// NaN keys are one key, which Go's maps do not do.
func MapValue(entries ...Entry) Value {
	own := make([]Entry, len(entries))
	for i, e := range entries {
		k := keyOf(e.Key)
		own[i] = Entry{Key: k, Value: e.Value, code: string(k.appendNode(nil))}
	}
	sort.SliceStable(own, func(i, j int) bool { return own[i].code < own[j].code })
	kept := own[:0]
	for i, e := range own {
		if i+1 < len(own) && own[i+1].code == e.code {
			continue
		}
		kept = append(kept, e)
	}
	return mapOfSorted(kept)
}

// mapOfSorted takes ownership of entries sorted by distinct codes.
func mapOfSorted(entries []Entry) Value {
	t := &branch{entries: entries, depth: 1}
	for _, e := range entries {
		mustForm(e.Value.form != Absent && e.Value.form == entries[0].Value.form, "map with a value", e.Value.form)
		mustForm(e.Key.form == entries[0].Key.form, "map with a key", e.Key.form)
		t.grow(e.Key)
		t.grow(e.Value)
	}
	return Value{form: Map, tree: t}
}

// canKey says whether values of the form can be, or be part of, a map key.
func canKey(f Form) bool { return f != Absent && f != Bytes && f != Slice && f != Map && f < formEnd }

// keyOf is v as a map key: -0 becomes 0 wherever it stands in it.
func keyOf(v Value) Value {
	mustForm(canKey(v.form), "map key", v.form)
	const negativeZero = 1 << 63
	switch {
	case v.form.isFloat() || v.form.isComplex():
		if v.bits == negativeZero {
			v.bits = 0
		}
		if v.imag == negativeZero {
			v.imag = 0
		}
	case v.form == Array || v.form == Struct:
		items := make([]Value, len(v.tree.items))
		for i, it := range v.tree.items {
			items[i] = keyOf(it)
		}
		v.tree = &branch{items: items, names: v.tree.names, depth: v.tree.depth}
	}
	return v
}

// Form is the form of v; Absent for the zero Value.
func (v Value) Form() Form { return v.form }

// Present reports whether v is a value at all.
func (v Value) Present() bool { return v.form != Absent }

// IsNil reports a nil slice, nil bytes or nil map.
func (v Value) IsNil() bool { return v.null }

// Bool is the bool held.
func (v Value) Bool() bool {
	mustForm(v.form == Bool, "Bool", v.form)
	return v.bits == 1
}

// Int is the signed integer held.
func (v Value) Int() int64 {
	mustForm(v.form.isInt(), "Int", v.form)
	return int64(v.bits)
}

// Uint is the unsigned integer held.
func (v Value) Uint() uint64 {
	mustForm(v.form.isUint(), "Uint", v.form)
	return v.bits
}

// Float is the float held.
func (v Value) Float() float64 {
	mustForm(v.form.isFloat(), "Float", v.form)
	return math.Float64frombits(v.bits)
}

// Complex is the complex number held.
func (v Value) Complex() complex128 {
	mustForm(v.form.isComplex(), "Complex", v.form)
	return complex(math.Float64frombits(v.bits), math.Float64frombits(v.imag))
}

// Text is the content of a String or Bytes.
func (v Value) Text() string {
	mustForm(v.form == String || v.form == Bytes, "Text", v.form)
	return v.text
}

// Len is the length of a String or Bytes in bytes, of an Array or Slice in elements, of a Struct in
// fields, of a Map in entries.
func (v Value) Len() int {
	switch v.form {
	case String, Bytes:
		return len(v.text)
	case Array, Slice, Struct:
		if v.tree == nil {
			return 0
		}
		return len(v.tree.items)
	case Map:
		return len(v.entries())
	}
	mustForm(false, "Len", v.form)
	return 0
}

// Item is the i-th element, or the value of the i-th field.
func (v Value) Item(i int) Value {
	mustForm(v.form == Array || v.form == Slice || v.form == Struct, "Item", v.form)
	return v.tree.items[i]
}

// FieldName is the name of the i-th field.
func (v Value) FieldName(i int) string {
	mustForm(v.form == Struct, "FieldName", v.form)
	return v.tree.names[i]
}

// Field is the value of the field of that name.
func (v Value) Field(name string) (Value, bool) {
	mustForm(v.form == Struct, "Field", v.form)
	for i, n := range v.tree.names {
		if n == name {
			return v.tree.items[i], true
		}
	}
	return Value{}, false
}

func (v Value) entries() []Entry {
	if v.tree == nil {
		return nil
	}
	return v.tree.entries
}

// Entry is the i-th map entry in the order of encoded keys: numbers and strings in their own order.
func (v Value) Entry(i int) Entry {
	mustForm(v.form == Map, "Entry", v.form)
	return v.entries()[i]
}

// Lookup is the value at a map key.
func (v Value) Lookup(key Value) (Value, bool) {
	mustForm(v.form == Map, "Lookup", v.form)
	code := string(keyOf(key).appendNode(nil))
	i, ok := findEntry(v.entries(), code)
	if !ok {
		return Value{}, false
	}
	return v.entries()[i].Value, true
}

// findEntry is where code stands or would stand.
func findEntry(entries []Entry, code string) (int, bool) {
	i := sort.Search(len(entries), func(i int) bool { return entries[i].code >= code })
	return i, i < len(entries) && entries[i].code == code
}

// withItem is the array, slice or struct v with another i-th child.
func (v Value) withItem(i int, it Value) Value {
	items := append([]Value(nil), v.tree.items...)
	items[i] = it
	t := &branch{items: items, names: v.tree.names, depth: 1}
	for _, it := range items {
		t.grow(it)
	}
	return Value{form: v.form, tree: t}
}

// Equal reports equal encodings: NaN equals NaN, -0 differs from 0, nil differs from empty.
func (v Value) Equal(w Value) bool {
	if v.form != w.form || v.null != w.null || v.bits != w.bits || v.imag != w.imag || v.text != w.text {
		return false
	}
	if v.tree == w.tree {
		return true
	}
	a, b := v.tree, w.tree
	if len(a.items) != len(b.items) || len(a.entries) != len(b.entries) {
		return false
	}
	for i := range a.names {
		if a.names[i] != b.names[i] {
			return false
		}
	}
	for i := range a.items {
		if !a.items[i].Equal(b.items[i]) {
			return false
		}
	}
	for i := range a.entries {
		if a.entries[i].code != b.entries[i].code || !a.entries[i].Value.Equal(b.entries[i].Value) {
			return false
		}
	}
	return true
}

// Compare is the order of the encodings: absent first, then by form; numbers by size with NaN after
// +Inf, strings by bytes, nil before empty, sequences and maps by length and then by content.
func (v Value) Compare(w Value) int {
	if v.form == String && w.form == String {
		return strings.Compare(v.text, w.text)
	}
	return strings.Compare(string(v.appendNode(nil)), string(w.appendNode(nil)))
}

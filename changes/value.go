package changes

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
)

// Value is an immutable value tree: what a shared variable holds, and what a snapshot shows of
// memory. The zero Value is absent. Values may be shared and copied freely.
type Value struct {
	form Form
	null bool    // nil slice, nil bytes or nil map
	bits uint64  // bool, integers (sign extended), float bits; the real part of a complex
	imag uint64  // imaginary part of a complex, as float64 bits
	text string  // String and Bytes
	tree *branch // Array, Slice, Struct, Map
}

// branch holds the children of a composite.
type branch struct {
	items   []Value  // elements, or field values
	names   []string // field names, beside items
	entries []Entry  // map entries, sorted by encoded key, keys distinct
	depth   int      // 1 + deepest child
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

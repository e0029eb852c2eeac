// Package layout says how Go types and static data look in guest memory: sizes, slots and pointer bitmaps of
// go/types types (gc's amd64 layout), the names reflect prints, the method order of descriptors and itabs, and
// a Builder that lays out an image's data: internal/abi type descriptors, itabs, strings, static closures,
// globals. It is not the lowering (which decides what is needed) and knows neither go/ssa nor code words beyond
// function indexes.
//
// Cost: a descriptor is about 100 to 300 bytes of data; all questions about a type are answered once and remembered
// per Builder, package functions compute anew.
package layout

import (
	"go/types"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// WordBytes is the size of a pointer, a slot and a word of a pointer bitmap's unit.
const WordBytes = 8

// Sizes is gc's amd64 layout.
var Sizes = types.SizesFor("gc", "amd64")

// Size is the number of bytes of a value of type t in memory.
func Size(t types.Type) int64 { return Sizes.Sizeof(t) }

// Align is the alignment in bytes of a value of type t.
func Align(t types.Type) int64 { return Sizes.Alignof(t) }

// Offsets are the byte offsets of the fields of s.
func Offsets(s *types.Struct) []int64 {
	if s.NumFields() == 0 {
		return nil
	}
	fields := make([]*types.Var, s.NumFields())
	for i := range fields {
		fields[i] = s.Field(i)
	}
	return Sizes.Offsetsof(fields)
}

// Boxed says that a value of type t does not live in slots: its one slot holds the address of an immutable copy.
func Boxed(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Struct, *types.Array:
		return Size(t) >= code.BoxedBytes
	}
	return false
}

// Slots is the number of frame slots a value of type t takes: 1 for a boxed type, the memory size rounded up
// to whole slots otherwise (0 for an empty struct), at least 1 for what is no struct or array. A tuple takes the sum of its parts.
func Slots(t types.Type) int {
	if tup, ok := t.(*types.Tuple); ok {
		n := 0
		for v := range tup.Variables() {
			n += Slots(v.Type())
		}
		return n
	}
	if Boxed(t) {
		return 1
	}
	return int((Size(t) + WordBytes - 1) / WordBytes)
}

// PointerShaped says that a value of type t is exactly one pointer and is its own data word in an interface:
// pointers, maps, channels, funcs, unsafe.Pointer, and structs or arrays of exactly one of those and nothing else.
func PointerShaped(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Pointer, *types.Map, *types.Chan, *types.Signature:
		return true
	case *types.Basic:
		return u.Kind() == types.UnsafePointer
	case *types.Struct, *types.Array:
		return Size(t) == WordBytes && PtrBytes(t) == WordBytes
	}
	return false
}

// PtrBytes is the number of leading bytes of a value of type t that can hold pointers, a multiple of WordBytes.
func PtrBytes(t types.Type) int64 {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		if u.Kind() == types.String || u.Kind() == types.UnsafePointer {
			return WordBytes
		}
		return 0
	case *types.Pointer, *types.Map, *types.Chan, *types.Signature, *types.Slice:
		return WordBytes
	case *types.Interface:
		return 2 * WordBytes
	case *types.Array:
		if p := PtrBytes(u.Elem()); p > 0 && u.Len() > 0 {
			return (u.Len()-1)*Size(u.Elem()) + p
		}
		return 0
	case *types.Struct:
		offsets := Offsets(u)
		for i := u.NumFields() - 1; i >= 0; i-- {
			if p := PtrBytes(u.Field(i).Type()); p > 0 {
				return offsets[i] + p
			}
		}
		return 0
	}
	panic("BUG: layout: no pointer bitmap for " + t.String())
}

// PtrBitmap is the pointer bitmap of t: bit i%8 of byte i/8 is set when word i of a value holds a pointer;
// PtrBytes(t)/8 bits, rounded up to bytes. Other than gc's it has both words of an interface: a type made by reflect
// and an itab made at run time are on the heap here.
func PtrBitmap(t types.Type) []byte {
	bits := PtrBytes(t) / WordBytes
	m := make([]byte, (bits+7)/8)
	markPtrs(t, 0, m)
	return m
}

// markPtrs sets in m the pointer words of a value of type t that starts at byte offset off.
func markPtrs(t types.Type, off int64, m []byte) {
	set := func(off int64) { m[off/WordBytes/8] |= 1 << (off / WordBytes % 8) }
	switch u := t.Underlying().(type) {
	case *types.Basic:
		if PtrBytes(u) > 0 {
			set(off)
		}
	case *types.Interface:
		set(off)
		set(off + WordBytes)
	case *types.Array:
		if PtrBytes(u.Elem()) == 0 {
			return
		}
		size := Size(u.Elem())
		for i := range u.Len() {
			markPtrs(u.Elem(), off+i*size, m)
		}
	case *types.Struct:
		for i, o := range Offsets(u) {
			markPtrs(u.Field(i).Type(), off+o, m)
		}
	default:
		set(off)
	}
}

// equality is how gc compares values of a type (cmd/compile/internal/types: AlgKind, what of it matters here).
type equality uint8

const (
	eqMemory  equality = iota // byte by byte
	eqSpecial                 // by a walk over the type
	eqNone                    // not comparable
)

// equalityOf follows cmd/compile/internal/types.CalcSize.
func equalityOf(t types.Type) equality {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		if u.Info()&(types.IsString|types.IsFloat|types.IsComplex) != 0 {
			return eqSpecial
		}
		return eqMemory
	case *types.Pointer, *types.Chan:
		return eqMemory
	case *types.Interface:
		return eqSpecial
	case *types.Array:
		e := equalityOf(u.Elem())
		if e == eqSpecial && u.Len() == 0 {
			return eqMemory
		}
		return e
	case *types.Struct:
		return structEquality(t, u)
	}
	return eqNone
}

func structEquality(t types.Type, s *types.Struct) equality {
	if s.NumFields() == 1 && s.Field(0).Name() != "_" {
		return equalityOf(s.Field(0).Type())
	}
	offsets, worst := Offsets(s), eqMemory
	for i := range s.NumFields() {
		f := s.Field(i)
		e := equalityOf(f.Type())
		end := Size(t)
		if i+1 < s.NumFields() {
			end = offsets[i+1]
		}
		if e == eqMemory && (f.Name() == "_" || offsets[i]+Size(f.Type()) != end) {
			e = eqSpecial
		}
		worst = max(worst, e)
	}
	return worst
}

// Comparable says whether == is defined on values of type t (an interface is comparable, its content may panic).
func Comparable(t types.Type) bool { return equalityOf(t) != eqNone }

// RegularMemory says whether == on values of type t is equality of their bytes.
func RegularMemory(t types.Type) bool { return equalityOf(t) == eqMemory }

package layout

import (
	"go/types"
)

// Pointee is the type that a value of the pointer type t points to.
func Pointee(t types.Type) types.Type { return t.Underlying().(*types.Pointer).Elem() }

// StructOf is the struct that t is.
func StructOf(t types.Type) *types.Struct { return t.Underlying().(*types.Struct) }

// ArrayOf is the array that t is.
func ArrayOf(t types.Type) *types.Array { return t.Underlying().(*types.Array) }

// IsString says whether t is a string type.
func IsString(t types.Type) bool { return hasInfo(t, types.IsString) }

// IsFloat says whether t is a type of real floating-point numbers.
func IsFloat(t types.Type) bool { return hasInfo(t, types.IsFloat) }

// IsComplex says whether t is a type of complex numbers.
func IsComplex(t types.Type) bool { return hasInfo(t, types.IsComplex) }

// IsInteger says whether t is a type of integers.
func IsInteger(t types.Type) bool { return hasInfo(t, types.IsInteger) }

// IsEmptyInterface says whether t is an interface without methods.
func IsEmptyInterface(t types.Type) bool {
	i, ok := t.Underlying().(*types.Interface)
	return ok && i.NumMethods() == 0
}

func hasInfo(t types.Type, info types.BasicInfo) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&info != 0
}

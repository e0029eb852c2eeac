// Nothing escapes or fails to in the machine, and there is one calling convention.

package abi

import "unsafe"

func NoEscape(p unsafe.Pointer) unsafe.Pointer { return p }

func Escape[T any](x T) T { return x }

func EscapeNonString[T any](v T) {}

func EscapeToResultNonString[T any](v T) T { return v }

// MaxPtrmaskBytes bounds the bitmaps that reflect makes; the machine has no other description of pointers.
const MaxPtrmaskBytes = 1 << 40

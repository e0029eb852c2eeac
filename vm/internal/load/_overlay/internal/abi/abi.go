// Nothing escapes or fails to in the machine, and there is one calling convention.

package abi

import "unsafe"

func NoEscape(p unsafe.Pointer) unsafe.Pointer { return p }

func Escape[T any](x T) T { return x }

func EscapeNonString[T any](v T) {}

func EscapeToResultNonString[T any](v T) T { return v }

// MaxPtrmaskBytes bounds the bitmaps that reflect makes; the machine has no other description of pointers.
const MaxPtrmaskBytes = 1 << 40

// FuncPCABI0 and FuncPCABIInternal: the machine's code references are function indexes, word 0 of a closure.
func FuncPCABI0(f any) uintptr { return *(*uintptr)((*[2]unsafe.Pointer)(unsafe.Pointer(&f))[1]) }

func FuncPCABIInternal(f any) uintptr { return FuncPCABI0(f) }

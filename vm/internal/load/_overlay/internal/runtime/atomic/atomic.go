// GOROOT's version for one thread: goroutines are switched at backward jumps and calls only, so straight-line code is atomic.

package atomic

import "unsafe"

//tandem:replace
//tandem:from atomic_wasm.go
//tandem:from atomic_andor_generic.go
//tandem:from types.go
//tandem:from types_64bit.go

func StorepNoWB(ptr unsafe.Pointer, val unsafe.Pointer) { *(*unsafe.Pointer)(ptr) = val }

func casPointer(ptr *unsafe.Pointer, old, new unsafe.Pointer) bool { return Casp1(ptr, old, new) }

func storePointer(ptr *unsafe.Pointer, new unsafe.Pointer) { *ptr = new }

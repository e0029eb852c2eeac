package runtime

import "unsafe"

func memmove(dst, src unsafe.Pointer, n uintptr)
func memclr(p unsafe.Pointer, n uintptr)
func memequal(a, b unsafe.Pointer, n uintptr) bool

// newobject is a new zeroed value, newarray n of them.
func newobject(t *_type) unsafe.Pointer
func newarray(t *_type, n int) unsafe.Pointer

// growslice makes room for num more elements of type t; the length stays.
func growslice(t *_type, p unsafe.Pointer, len, cap, num int) (unsafe.Pointer, int, int)

// getitab is the itab of typ for inter, nil when typ lacks a method.
func getitab(inter, typ *_type) *itab

// typeoffsets are the offsets from base of Image.TypeLinks.
func typeoffsets() []int32

// Maps: t is the map type; keys and values are passed by address. mapaccess is nil when there is no such key.
// mapiternext copies the next entry to key and elem (either may be nil) and reports whether there was one.
func makemap(t *_type, hint int) unsafe.Pointer
func mapaccess(t *_type, m, key unsafe.Pointer) unsafe.Pointer
func mapassign(t *_type, m, key, elem unsafe.Pointer)
func mapdelete(t *_type, m, key unsafe.Pointer)
func maplen(m unsafe.Pointer) int
func mapclear(t *_type, m unsafe.Pointer)
func mapiterinit(t *_type, m unsafe.Pointer) unsafe.Pointer
func mapiternext(it, key, elem unsafe.Pointer) bool

// rand64 is the next number of the run's random state.
func rand64() uint64

// walltime is the host's wall clock in nanoseconds since 1970, nanotime the run's monotonic one.
func walltime() int64
func nanotime() int64

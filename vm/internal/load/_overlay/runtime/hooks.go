package runtime

import (
	"internal/abi"
	"unsafe"
)

// What reflect, internal/reflectlite, maps, strings and others take from package runtime, over the natives.

type slice struct {
	array unsafe.Pointer
	len   int
	cap   int
}

// zeroVal is what reflect takes for a zero value of small size.
var zeroVal [abi.ZeroValSize]byte

//go:linkname reflect_resolveNameOff reflect.resolveNameOff
func reflect_resolveNameOff(_ unsafe.Pointer, off int32) unsafe.Pointer {
	if off == 0 {
		return nil
	}
	return at(off)
}

//go:linkname reflect_resolveTypeOff reflect.resolveTypeOff
func reflect_resolveTypeOff(_ unsafe.Pointer, off int32) unsafe.Pointer {
	if off == 0 || off == -1 {
		return nil
	}
	return at(off)
}

//go:linkname reflectlite_resolveNameOff internal/reflectlite.resolveNameOff
func reflectlite_resolveNameOff(p unsafe.Pointer, off int32) unsafe.Pointer {
	return reflect_resolveNameOff(p, off)
}

//go:linkname reflectlite_resolveTypeOff internal/reflectlite.resolveTypeOff
func reflectlite_resolveTypeOff(p unsafe.Pointer, off int32) unsafe.Pointer {
	return reflect_resolveTypeOff(p, off)
}

// A TextOff is a function index, and so is word 0 of a closure.
//
//go:linkname reflect_resolveTextOff reflect.resolveTextOff
func reflect_resolveTextOff(_ unsafe.Pointer, off int32) unsafe.Pointer {
	return unsafe.Pointer(uintptr(off))
}

//go:linkname reflect_addReflectOff reflect.addReflectOff
func reflect_addReflectOff(p unsafe.Pointer) int32 {
	offsetHeld = append(offsetHeld, p)
	return int32(uint32(uintptr(p) - base))
}

// offsetHeld keeps what only an offset refers to.
var offsetHeld []unsafe.Pointer

var typeOffsets []int32

//go:linkname reflect_typelinks reflect.typelinks
func reflect_typelinks() ([]unsafe.Pointer, [][]int32) {
	if typeOffsets == nil {
		typeOffsets = typeoffsets()
	}
	return []unsafe.Pointer{unsafe.Pointer(uintptr(base))}, [][]int32{typeOffsets}
}

//go:linkname reflect_unsafe_New reflect.unsafe_New
func reflect_unsafe_New(t *_type) unsafe.Pointer { return newobject(t) }

//go:linkname reflectlite_unsafe_New internal/reflectlite.unsafe_New
func reflectlite_unsafe_New(t *_type) unsafe.Pointer { return newobject(t) }

//go:linkname reflect_unsafe_NewArray reflect.unsafe_NewArray
func reflect_unsafe_NewArray(t *_type, n int) unsafe.Pointer { return newarray(t, n) }

//go:linkname reflect_memmove reflect.memmove
func reflect_memmove(dst, src unsafe.Pointer, n uintptr) { memmove(dst, src, n) }

//go:linkname reflect_typedmemmove reflect.typedmemmove
func reflect_typedmemmove(t *_type, dst, src unsafe.Pointer) { memmove(dst, src, t.Size_) }

//go:linkname reflectlite_typedmemmove internal/reflectlite.typedmemmove
func reflectlite_typedmemmove(t *_type, dst, src unsafe.Pointer) { memmove(dst, src, t.Size_) }

//go:linkname reflect_typedmemclr reflect.typedmemclr
func reflect_typedmemclr(t *_type, p unsafe.Pointer) { memclr(p, t.Size_) }

//go:linkname reflect_typedmemclrpartial reflect.typedmemclrpartial
func reflect_typedmemclrpartial(t *_type, p unsafe.Pointer, off, size uintptr) { memclr(p, size) }

//go:linkname reflect_typedarrayclear reflect.typedarrayclear
func reflect_typedarrayclear(t *_type, p unsafe.Pointer, n int) { memclr(p, t.Size_*uintptr(n)) }

//go:linkname reflect_typedslicecopy reflect.typedslicecopy
func reflect_typedslicecopy(t *_type, dst, src slice) int {
	n := min(dst.len, src.len)
	if n > 0 {
		memmove(dst.array, src.array, t.Size_*uintptr(n))
	}
	return n
}

//go:linkname reflect_typehash reflect.typehash
func reflect_typehash(t *_type, p unsafe.Pointer, h uintptr) uintptr { return valueHash(t, p, h) }

//go:linkname reflect_verifyNotInHeapPtr reflect.verifyNotInHeapPtr
func reflect_verifyNotInHeapPtr(p uintptr) bool { return true }

//go:linkname reflect_growslice reflect.growslice
func reflect_growslice(t *_type, old slice, num int) slice {
	p, n, c := growslice(t, old.array, old.len, old.cap, num)
	return slice{p, n, c}
}

//go:linkname reflect_unsafeslice reflect.unsafeslice
func reflect_unsafeslice(t *_type, p unsafe.Pointer, n int) {
	switch {
	case n < 0, n > 0 && t.Size_ > 0 && uintptr(n) > (1<<47)/t.Size_:
		panic(errorString("unsafe.Slice: len out of range"))
	case p == nil && n > 0:
		panic(errorString("unsafe.Slice: ptr is nil and len is not zero"))
	}
}

//go:linkname reflect_ifaceE2I reflect.ifaceE2I
func reflect_ifaceE2I(inter *_type, e eface, dst *iface) { ifaceE2I(inter, e, dst) }

//go:linkname reflectlite_ifaceE2I internal/reflectlite.ifaceE2I
func reflectlite_ifaceE2I(inter *_type, e eface, dst *iface) { ifaceE2I(inter, e, dst) }

func ifaceE2I(inter *_type, e eface, dst *iface) {
	if e._type == nil {
		panicassertE2I(nil, inter)
	}
	tab := getitab(inter, e._type)
	if tab == nil {
		panicassertE2I(e._type, inter)
	}
	*dst = iface{tab, e.data}
}

//go:linkname chanlen reflect.chanlen
func chanlen(ch unsafe.Pointer) int

//go:linkname reflectlite_chanlen internal/reflectlite.chanlen
func reflectlite_chanlen(ch unsafe.Pointer) int { return chanlen(ch) }

//go:linkname reflect_makemap reflect.makemap
func reflect_makemap(t *_type, hint int) unsafe.Pointer { return makemap(t, hint) }

//go:linkname reflect_mapaccess reflect.mapaccess
func reflect_mapaccess(t *_type, m, key unsafe.Pointer) unsafe.Pointer { return mapaccess(t, m, key) }

//go:linkname reflect_mapaccess_faststr reflect.mapaccess_faststr
func reflect_mapaccess_faststr(t *_type, m unsafe.Pointer, key string) unsafe.Pointer {
	return mapaccess(t, m, unsafe.Pointer(&key))
}

//go:linkname reflect_mapassign reflect.mapassign0
func reflect_mapassign(t *_type, m, key, elem unsafe.Pointer) { mapassign(t, m, key, elem) }

//go:linkname reflect_mapassign_faststr reflect.mapassign_faststr0
func reflect_mapassign_faststr(t *_type, m unsafe.Pointer, key string, elem unsafe.Pointer) {
	mapassign(t, m, unsafe.Pointer(&key), elem)
}

//go:linkname reflect_mapdelete reflect.mapdelete
func reflect_mapdelete(t *_type, m, key unsafe.Pointer) { mapdelete(t, m, key) }

//go:linkname reflect_mapdelete_faststr reflect.mapdelete_faststr
func reflect_mapdelete_faststr(t *_type, m unsafe.Pointer, key string) {
	mapdelete(t, m, unsafe.Pointer(&key))
}

//go:linkname reflect_maplen reflect.maplen
func reflect_maplen(m unsafe.Pointer) int { return maplen(m) }

//go:linkname reflectlite_maplen internal/reflectlite.maplen
func reflectlite_maplen(m unsafe.Pointer) int { return maplen(m) }

//go:linkname reflect_mapclear reflect.mapclear
func reflect_mapclear(t *_type, m unsafe.Pointer) { mapclear(t, m) }

//go:linkname reflect_mapiterinit reflect.mapiterinit
func reflect_mapiterinit(t *_type, m unsafe.Pointer) unsafe.Pointer { return mapiterinit(t, m) }

//go:linkname reflect_mapiternext reflect.mapiternext
func reflect_mapiternext(it, key, elem unsafe.Pointer) bool { return mapiternext(it, key, elem) }

//go:linkname maps_clone maps.clone
func maps_clone(m any) any {
	e := efaceOf(&m)
	t := (*abi.MapType)(unsafe.Pointer(e._type))
	to := makemap(e._type, maplen(e.data))
	key, elem := newobject(t.Key), newobject(t.Elem)
	for it := mapiterinit(e._type, e.data); mapiternext(it, key, elem); {
		mapassign(e._type, to, key, elem)
	}
	e.data = to
	return m
}

// Randomness: the run's own, so that a run is the same wherever it is.

//go:linkname rand runtime.rand
func rand() uint64 { return rand64() }

//go:linkname rand32 runtime.rand32
func rand32() uint32 { return uint32(rand64() >> 32) }

//go:linkname randn runtime.randn
func randn(n uint32) uint32 { return uint32((rand64() >> 32) * uint64(n) >> 32) }

//go:linkname math_rand_runtime_rand math/rand.runtime_rand
func math_rand_runtime_rand() uint64 { return rand64() }

//go:linkname math_rand_v2_runtime_rand math/rand/v2.runtime_rand
func math_rand_v2_runtime_rand() uint64 { return rand64() }

//go:linkname maphash_runtime_rand hash/maphash.runtime_rand
func maphash_runtime_rand() uint64 { return rand64() }

//go:linkname os_runtime_rand os.runtime_rand
func os_runtime_rand() uint64 { return rand64() }

// One processor: pinning is nothing.

//go:linkname sync_procPin sync.runtime_procPin
func sync_procPin() int { return 0 }

//go:linkname sync_procUnpin sync.runtime_procUnpin
func sync_procUnpin() {}

//go:linkname atomic_procPin sync/atomic.runtime_procPin
func atomic_procPin() int { return 0 }

//go:linkname atomic_procUnpin sync/atomic.runtime_procUnpin
func atomic_procUnpin() {}

//go:linkname internal_sync_canSpin internal/sync.runtime_canSpin
func internal_sync_canSpin(i int) bool { return false }

//go:linkname internal_sync_doSpin internal/sync.runtime_doSpin
func internal_sync_doSpin() {}

// mutexTicks stands for the clock by which a mutex decides that a waiter starves: the second wait in a row is too
// long, whatever the time, so that who gets the mutex is decided by the run alone.
var mutexTicks int64

//go:linkname internal_sync_nanotime internal/sync.runtime_nanotime
func internal_sync_nanotime() int64 {
	mutexTicks += 6e5
	return mutexTicks
}

//go:linkname internal_sync_throw internal/sync.throw
func internal_sync_throw(s string) { throw(s) }

//go:linkname internal_sync_fatal internal/sync.fatal
func internal_sync_fatal(s string) { fatal(s) }

//go:linkname sync_throw sync.throw
func sync_throw(s string) { throw(s) }

//go:linkname sync_fatal sync.fatal
func sync_fatal(s string) { fatal(s) }

//go:linkname rand_fatal crypto/rand.fatal
func rand_fatal(s string) { fatal(s) }

// Clocks.

//go:linkname time_now time.now
func time_now() (sec int64, nsec int32, mono int64) {
	t := walltime()
	return t / 1e9, int32(t % 1e9), nanotime()
}

// A bubble's time has no monotonic part.
//
//go:linkname time_runtimeNow time.runtimeNow
func time_runtimeNow() (sec int64, nsec int32, mono int64) {
	if b := inside(); b != nil {
		return b.now / 1e9, int32(b.now % 1e9), 0
	}
	return time_now()
}

//go:linkname time_runtimeNano time.runtimeNano
func time_runtimeNano() int64 {
	if b := inside(); b != nil {
		return b.now
	}
	return nanotime()
}

//go:linkname time_runtimeIsBubbled time.runtimeIsBubbled
func time_runtimeIsBubbled() bool { return inside() != nil }

var staticuint64s [256]uint64

//go:linkname getStaticuint64s runtime.getStaticuint64s
func getStaticuint64s() *[256]uint64 {
	if staticuint64s[1] == 0 {
		for i := range staticuint64s {
			staticuint64s[i] = uint64(i)
		}
	}
	return &staticuint64s
}

// Settings of package runtime/debug.

//go:linkname debug_setGCPercent runtime/debug.setGCPercent
func debug_setGCPercent(percent int32) int32 { return setGCPercent(percent) }

//go:linkname debug_freeOSMemory runtime/debug.freeOSMemory
func debug_freeOSMemory() { collect() }

var maxStackBytes, maxThreads = 1000000000, 10000
var memoryLimitBytes int64 = 1<<63 - 1
var panicOnFault bool

//go:linkname debug_setMaxStack runtime/debug.setMaxStack
func debug_setMaxStack(n int) (old int) {
	old, maxStackBytes = maxStackBytes, n
	return old
}

//go:linkname debug_setMaxThreads runtime/debug.setMaxThreads
func debug_setMaxThreads(n int) (old int) {
	old, maxThreads = maxThreads, n
	return old
}

//go:linkname debug_setMemoryLimit runtime/debug.setMemoryLimit
func debug_setMemoryLimit(n int64) (old int64) {
	old = memoryLimitBytes
	if n >= 0 {
		memoryLimitBytes = n
	}
	return old
}

//go:linkname debug_setPanicOnFault runtime/debug.setPanicOnFault
func debug_setPanicOnFault(on bool) (old bool) {
	old, panicOnFault = panicOnFault, on
	return old
}

//go:linkname debug_modinfo runtime/debug.modinfo
func debug_modinfo() string { return "" }

// Cryptography: the module is not in FIPS mode, and there is no timing to keep constant.

var fipsIndicator uint8

//go:linkname fips_getIndicator crypto/internal/fips140.getIndicator
func fips_getIndicator() uint8 { return fipsIndicator }

//go:linkname fips_setIndicator crypto/internal/fips140.setIndicator
func fips_setIndicator(i uint8) { fipsIndicator = i }

//go:linkname fips_fatal crypto/internal/fips140.fatal
func fips_fatal(s string) { fatal(s) }

//go:linkname fips_isBypassed crypto/fips140.isBypassed
func fips_isBypassed() bool { return false }

//go:linkname fips_setBypass crypto/fips140.setBypass
func fips_setBypass() {}

//go:linkname fips_unsetBypass crypto/fips140.unsetBypass
func fips_unsetBypass() {}

//go:linkname subtle_setDITEnabled crypto/subtle.setDITEnabled
func subtle_setDITEnabled() bool { return false }

//go:linkname subtle_setDITDisabled crypto/subtle.setDITDisabled
func subtle_setDITDisabled() {}

//go:linkname sig_StandardCrypto crypto/internal/boring/sig.StandardCrypto
func sig_StandardCrypto() {}

//go:linkname sig_BoringCrypto crypto/internal/boring/sig.BoringCrypto
func sig_BoringCrypto() {}

// File descriptors. A run has none to wait for, so the poller refuses them; the number is Linux's for an operation that is not permitted.

const pollRefused = 1

//go:linkname poll_runtime_pollServerInit internal/poll.runtime_pollServerInit
func poll_runtime_pollServerInit() {}

//go:linkname poll_runtime_pollOpen internal/poll.runtime_pollOpen
func poll_runtime_pollOpen(fd uintptr) (uintptr, int) { return 0, pollRefused }

//go:linkname poll_runtime_pollClose internal/poll.runtime_pollClose
func poll_runtime_pollClose(ctx uintptr) {}

//go:linkname poll_runtime_pollReset internal/poll.runtime_pollReset
func poll_runtime_pollReset(ctx uintptr, mode int) int { return pollRefused }

//go:linkname poll_runtime_pollWait internal/poll.runtime_pollWait
func poll_runtime_pollWait(ctx uintptr, mode int) int { return pollRefused }

//go:linkname poll_runtime_pollSetDeadline internal/poll.runtime_pollSetDeadline
func poll_runtime_pollSetDeadline(ctx uintptr, d int64, mode int) {}

//go:linkname poll_runtime_pollUnblock internal/poll.runtime_pollUnblock
func poll_runtime_pollUnblock(ctx uintptr) {}

//go:linkname sync_semacquire sync.runtime_Semacquire
func sync_semacquire(s *uint32)

//go:linkname sync_semrelease sync.runtime_Semrelease
func sync_semrelease(s *uint32, handoff bool, skipframes int)

//go:linkname poll_runtime_Semacquire internal/poll.runtime_Semacquire
func poll_runtime_Semacquire(s *uint32) { sync_semacquire(s) }

//go:linkname poll_runtime_Semrelease internal/poll.runtime_Semrelease
func poll_runtime_Semrelease(s *uint32) { sync_semrelease(s, false, 0) }

// fcntl is what internal/syscall/unix asks of a descriptor: there is none.
func fcntl(fd, cmd, arg int32) (int32, int32) { return -1, 9 }

package runtime

import (
	"internal/abi"
	"internal/runtime/maps"
	"unsafe"
)

//tandem:from panic.go PanicNilError PanicNilError.Error PanicNilError.RuntimeError preprintpanics printpanics rangeDoneError rangePanicError rangeExhaustedError rangeMissingPanicError panicrangestate

// _panic is the machine's record of a running panic; package exec writes it.
type _panic struct {
	arg        any
	link       *_panic
	recovered  bool
	goexit     bool
	repanicked bool
	_          [8]uintptr
}

var (
	divideError   = error(errorString("integer divide by zero"))
	overflowError = error(errorString("integer overflow"))
	shiftError    = error(errorString("negative shift amount"))
	memoryError   = error(errorString("invalid memory address or nil pointer dereference"))
)

func panicIndex(i int, n int)        { panic(boundsError{int64(i), n, true, abi.BoundsIndex}) }
func panicSliceAlen(hi int, n int)   { panic(boundsError{int64(hi), n, true, abi.BoundsSliceAlen}) }
func panicSliceAcap(hi int, n int)   { panic(boundsError{int64(hi), n, true, abi.BoundsSliceAcap}) }
func panicSliceB(lo int, hi int)     { panic(boundsError{int64(lo), hi, true, abi.BoundsSliceB}) }
func panicSlice3Alen(max int, n int) { panic(boundsError{int64(max), n, true, abi.BoundsSlice3Alen}) }
func panicSlice3Acap(max int, n int) { panic(boundsError{int64(max), n, true, abi.BoundsSlice3Acap}) }
func panicSlice3B(hi int, max int)   { panic(boundsError{int64(hi), max, true, abi.BoundsSlice3B}) }
func panicSlice3C(lo int, hi int)    { panic(boundsError{int64(lo), hi, true, abi.BoundsSlice3C}) }

// The same for an unsigned operand that no int can hold.
func panicIndexU(i uint, n int)      { panic(boundsError{int64(i), n, false, abi.BoundsIndex}) }
func panicSliceAlenU(hi uint, n int) { panic(boundsError{int64(hi), n, false, abi.BoundsSliceAlen}) }
func panicSliceAcapU(hi uint, n int) { panic(boundsError{int64(hi), n, false, abi.BoundsSliceAcap}) }
func panicSliceBU(lo uint, hi int)   { panic(boundsError{int64(lo), hi, false, abi.BoundsSliceB}) }
func panicSlice3AlenU(max uint, n int) {
	panic(boundsError{int64(max), n, false, abi.BoundsSlice3Alen})
}
func panicSlice3AcapU(max uint, n int) {
	panic(boundsError{int64(max), n, false, abi.BoundsSlice3Acap})
}
func panicSlice3BU(hi uint, max int) { panic(boundsError{int64(hi), max, false, abi.BoundsSlice3B}) }
func panicSlice3CU(lo uint, hi int)  { panic(boundsError{int64(lo), hi, false, abi.BoundsSlice3C}) }

func panicSliceConvert(have, want int) {
	panic(boundsError{int64(want), have, true, abi.BoundsConvert})
}

func panicdivide()   { panic(divideError) }
func panicoverflow() { panic(overflowError) }
func panicshift()    { panic(shiftError) }
func panicmem()      { panic(memoryError) }

func panicdottypeE(have, want, iface *_type) { panic(&TypeAssertionError{iface, have, want, ""}) }

func panicdottypeI(have *itab, want, iface *_type) {
	var t *_type
	if have != nil {
		t = have.Type
	}
	panicdottypeE(t, want, iface)
}

// panicassertE2I: the dynamic type have, nil for a nil interface, lacks a method of the interface type want.
func panicassertE2I(have, want *_type) {
	if have == nil {
		panic(&TypeAssertionError{nil, nil, want, ""})
	}
	panic(&TypeAssertionError{concrete: have, asserted: want, missingMethod: missingMethod((*interfacetype)(unsafe.Pointer(want)), have)})
}

func panicmakeslicelen() { panic(errorString("makeslice: len out of range")) }
func panicmakeslicecap() { panic(errorString("makeslice: cap out of range")) }

// panicextension is the end of append(s, make([]T, n)...) for an n that is negative or too much.
func panicextension(n int) {
	if n < 0 {
		panicmakeslicelen()
	}
	panic(errorString("growslice: len out of range"))
}

func panicmakechansize()     { panic(plainError("makechan: size out of range")) }
func panicNilMapWrite()      { panic(plainError("assignment to entry in nil map")) }
func panicClosedSend()       { panic(plainError("send on closed channel")) }
func panicCloseNil()         { panic(plainError("close of nil channel")) }
func panicCloseClosed()      { panic(plainError("close of closed channel")) }
func unsupported(sym string) { panic(plainError("unsupported symbol " + sym)) }

func panicnil() {
	if godebugSetting("panicnil") == "1" {
		gopanicnil()
	}
	panic(new(PanicNilError))
}

// gopanicnil panics with nil.
func gopanicnil()

// panicText panics with an error of this text; that of an error that Go prefixes has the prefix.
func panicText(s string) {
	const prefix = "runtime error: "
	if len(s) > len(prefix) && s[:len(prefix)] == prefix {
		panic(errorString(s[len(prefix):]))
	}
	panic(plainError(s))
}

// panicrange is the panic of a loop body that is called when it may not be; jump is go/ssa's state of the loop.
func panicrange(jump int) {
	const busy, done = -1, -2
	switch jump {
	case busy:
		panicrangestate(int(abi.RF_PANIC))
	case done:
		panicrangestate(int(abi.RF_EXHAUSTED))
	}
	panicrangestate(int(abi.RF_DONE))
}

func panicunhashable(t *_type) { panic(errorString("hash of unhashable type " + toRType(t).string())) }

// panicmapkey: a key was looked up in a map without entries, or deleted from it, which tells it from panicunhashable.
func panicmapkey(t *_type) { panic(maps.KeyError(t)) }

//go:linkname maps_typeString internal/runtime/maps.typeString
func maps_typeString(t *_type) string { return toRType(t).string() }

func panicuncomparable(t *_type) {
	panic(errorString("comparing uncomparable type " + toRType(t).string()))
}

// panicwrap: the wrapper of a value method was called with a nil pointer. typ is the type's name ("main.T").
func panicwrap(typ, method string) {
	name := typ
	for i := len(typ) - 1; i >= 0; i-- {
		if typ[i] == '.' {
			name = typ[i+1:]
			break
		}
	}
	panic(plainError("value method " + typ + "." + method + " called using nil *" + name + " pointer"))
}

// dying tells the machine that what is printed from here on is why the run ends.
func dying()

// fatalpanic ends the run: nothing recovered p.
func fatalpanic(p *_panic) {
	dying()
	fault := false
	for q := p; q != nil; q = q.link {
		fault = fault || q.arg == any(memoryError)
	}
	preprintpanics(p)
	printpanics(p)
	if fault {
		print("[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x0]\n")
	}
	print("\n", traceback())
	exit(2)
}

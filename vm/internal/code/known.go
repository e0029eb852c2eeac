package code

// What stands in Image.Known: the guest functions and types that the machine calls or reads, by their symbol.
// A function's value there is its index in Image.Funcs, a type's ("type:" before the name) its address. The comment is
// the guest signature; there are no results: each ends in a panic or in exit.
const (
	KnownPanicIndex        = "runtime.panicIndex"        // func(i int, n int)
	KnownPanicIndexU       = "runtime.panicIndexU"       // func(i uint, n int): i beyond the greatest int; called by code
	KnownPanicSliceAlen    = "runtime.panicSliceAlen"    // func(hi int, n int): s[?:hi], hi > len of a string or array
	KnownPanicSliceAcap    = "runtime.panicSliceAcap"    // func(hi int, n int): s[?:hi], hi > cap
	KnownPanicSliceB       = "runtime.panicSliceB"       // func(lo int, hi int): s[lo:hi], lo > hi
	KnownPanicSlice3Alen   = "runtime.panicSlice3Alen"   // func(max int, n int): a[::max], max > len of an array
	KnownPanicSlice3Acap   = "runtime.panicSlice3Acap"   // func(max int, n int): s[::max], max > cap
	KnownPanicSlice3B      = "runtime.panicSlice3B"      // func(hi int, max int): s[:hi:max], hi > max
	KnownPanicSlice3C      = "runtime.panicSlice3C"      // func(lo int, hi int): s[lo:hi:], lo > hi
	KnownPanicSliceConv    = "runtime.panicSliceConvert" // func(have int, want int)
	KnownPanicDivide       = "runtime.panicdivide"       // func()
	KnownPanicOverflow     = "runtime.panicoverflow"     // func(): bits.Div64 with y <= hi
	KnownPanicShift        = "runtime.panicshift"        // func()
	KnownPanicMem          = "runtime.panicmem"          // func(): nil dereference
	KnownPanicDottypeE     = "runtime.panicdottypeE"     // func(have, want, iface *_type): x.(T), have nil when x is nil
	KnownPanicDottypeI     = "runtime.panicdottypeI"     // func(have *itab, want, iface *_type)
	KnownPanicAssertI      = "runtime.panicassertE2I"    // func(have, want *_type): x.(I): missing method, have nil when x is nil
	KnownPanicMakeLen      = "runtime.panicmakeslicelen" // func()
	KnownPanicMakeCap      = "runtime.panicmakeslicecap" // func()
	KnownPanicMakeChan     = "runtime.panicmakechansize" // func()
	KnownPanicUnhashable   = "runtime.panicunhashable"   // func(t *_type)
	KnownPanicMapKey       = "runtime.panicmapkey"       // func(t *_type): as unhashable, of a map without entries
	KnownPanicUncomparable = "runtime.panicuncomparable" // func(t *_type)
	KnownPanicNilMapWrite  = "runtime.panicNilMapWrite"  // func()
	KnownPanicClosedSend   = "runtime.panicClosedSend"   // func(): send on closed channel
	KnownPanicCloseNil     = "runtime.panicCloseNil"     // func(): close of nil channel
	KnownPanicCloseClosed  = "runtime.panicCloseClosed"  // func(): close of closed channel
	KnownPanicNil          = "runtime.panicnil"          // func(): panic(new(PanicNilError))
	KnownPanicText         = "runtime.panicText"         // func(s string): a runtime error of this text
	KnownUnsupported       = "runtime.unsupported"       // func(sym string): a body-less function without implementation was called
	KnownFatalPanic        = "runtime.fatalpanic"        // func(p *_panic): print the chain and the traceback, exit 2

	KnownTypeAny   = "type:any"   // the interface type of a failed assertion from an empty interface
	KnownTypeUint8 = "type:uint8" // element type of AppendStr
)

// KnownSymbols are all of the above, for whoever compiles: the image must tell those of them that the program's runtime has.
var KnownSymbols = []string{
	KnownPanicIndex,
	KnownPanicIndexU,
	KnownPanicSliceAlen,
	KnownPanicSliceAcap,
	KnownPanicSliceB,
	KnownPanicSlice3Alen,
	KnownPanicSlice3Acap,
	KnownPanicSlice3B,
	KnownPanicSlice3C,
	KnownPanicSliceConv,
	KnownPanicDivide,
	KnownPanicOverflow,
	KnownPanicShift,
	KnownPanicMem,
	KnownPanicDottypeE,
	KnownPanicDottypeI,
	KnownPanicAssertI,
	KnownPanicMakeLen,
	KnownPanicMakeCap,
	KnownPanicMakeChan,
	KnownPanicUnhashable,
	KnownPanicUncomparable,
	KnownPanicNilMapWrite,
	KnownPanicClosedSend,
	KnownPanicCloseNil,
	KnownPanicCloseClosed,
	KnownPanicNil,
	KnownPanicText,
	KnownUnsupported,
	KnownFatalPanic,
	KnownTypeAny,
	KnownTypeUint8,
	KnownPanicMapKey,
}

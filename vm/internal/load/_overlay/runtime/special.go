package runtime

import (
	"internal/abi"
	"unsafe"
)

// Finalizers, cleanups and weak pointers. The collector decides (package heap), at the same instruction wherever the run is; one
// goroutine of the run calls what is queued, one after the other.

// What can hang on an address: heap.SpecialKind.
const (
	specialWeak = 1 + iota
	specialFinalizer
	specialCleanup
	specialMark
)

func addSpecial(kind uint64, p, value unsafe.Pointer, typ *_type) (id uint64)
func special(kind uint64, p unsafe.Pointer) (value uintptr)
func dropSpecial(kind uint64, p unsafe.Pointer, id uint64) bool
func nextSpecial() (kind uint64, p, value unsafe.Pointer, typ *_type)
func awaitSpecials()
func objectAt(p unsafe.Pointer) (base, size uintptr)
func gosystem(f func())

func onHeap(p unsafe.Pointer) bool {
	base, _ := objectAt(p)
	return base != 0
}

var specialsRun bool

// runSpecials makes sure that there is a goroutine to call what is queued.
func runSpecials() {
	if !specialsRun {
		specialsRun = true
		gosystem(callSpecials)
	}
}

func callSpecials() {
	for {
		switch kind, p, f, typ := nextSpecial(); kind {
		case specialFinalizer:
			callFinalizer(p, f, (*abi.FuncType)(unsafe.Pointer(typ)))
		case specialCleanup:
			(*(*func())(unsafe.Pointer(&f)))()
		default:
			awaitSpecials()
		}
	}
}

// callSlots is reflect's: it calls the function of index fn as closure ctx with argument slots, and stores result slots.
//
//go:linkname callSlots reflect.callSlots
func callSlots(fn, ctx, args unsafe.Pointer, nargs uintptr, res unsafe.Pointer, nres uintptr)

// boxedBytes is code.BoxedBytes: from this size on an array or struct is passed as the address of a copy.
const boxedBytes = 1024

func callFinalizer(p, f unsafe.Pointer, t *abi.FuncType) {
	args := [2]unsafe.Pointer{p}
	nargs := uintptr(1)
	if in := t.In(0); in.Kind() == abi.Interface {
		args, nargs = [2]unsafe.Pointer{unsafe.Pointer(finalized(f)), p}, 2
		if ityp := (*interfacetype)(unsafe.Pointer(in)); len(ityp.Methods) > 0 {
			args[0] = unsafe.Pointer(getitab(&ityp.Type, finalized(f)))
		}
		f = (*finalizer)(f).f
	}
	nres := uintptr(0)
	for _, out := range t.OutSlice() {
		if (out.Kind() == abi.Array || out.Kind() == abi.Struct) && out.Size_ >= boxedBytes {
			nres++
		} else {
			nres += (out.Size_ + 7) / 8
		}
	}
	res := make([]uint64, nres+1)
	callSlots(*(*unsafe.Pointer)(f), f, unsafe.Pointer(&args), nargs, unsafe.Pointer(&res[0]), nres)
}

// finalizer is the value of a finalizer that takes an interface: the function, and the pointer's type.
type finalizer struct {
	f   unsafe.Pointer
	typ *_type
}

func finalized(f unsafe.Pointer) *_type { return (*finalizer)(f).typ }

func SetFinalizer(obj any, fn any) {
	e := efaceOf(&obj)
	t := e._type
	if t == nil {
		throw("runtime.SetFinalizer: first argument is nil")
	}
	if t.Kind() != abi.Pointer {
		throw("runtime.SetFinalizer: first argument is " + toRType(t).string() + ", not pointer")
	}
	if e.data == nil {
		throw("runtime.SetFinalizer: pointer not in allocated block")
	}
	elem := (*abi.PtrType)(unsafe.Pointer(t)).Elem
	base, _ := objectAt(e.data)
	if base == 0 {
		return // a variable of a package, or of no size: it is never out of reach
	}
	if uintptr(e.data) != base && (elem.Pointers() || elem.Size_ >= 16) {
		throw("runtime.SetFinalizer: pointer not at beginning of allocated block")
	}
	f := efaceOf(&fn)
	if f._type == nil {
		dropSpecial(specialFinalizer, e.data, 0)
		return
	}
	if f._type.Kind() != abi.Func {
		throw("runtime.SetFinalizer: second argument is " + toRType(f._type).string() + ", not a function")
	}
	ft := (*abi.FuncType)(unsafe.Pointer(f._type))
	why := "runtime.SetFinalizer: cannot pass " + toRType(t).string() + " to finalizer " + toRType(f._type).string()
	if ft.IsVariadic() {
		throw(why + " because dotdotdot")
	}
	if ft.NumIn() != 1 || !passes(t, ft.In(0)) {
		throw(why)
	}
	value := f.data
	if ft.In(0).Kind() == abi.Interface {
		value = unsafe.Pointer(&finalizer{f.data, t})
	}
	runSpecials()
	if addSpecial(specialFinalizer, e.data, value, f._type) == 0 {
		throw("runtime.SetFinalizer: finalizer already set")
	}
}

// passes reports whether a pointer of type t may be passed for a parameter of type in.
func passes(t, in *_type) bool {
	switch {
	case t == in:
		return true
	case in.Kind() == abi.Pointer:
		return (in.Uncommon() == nil || t.Uncommon() == nil) && (*abi.PtrType)(unsafe.Pointer(in)).Elem == (*abi.PtrType)(unsafe.Pointer(t)).Elem
	case in.Kind() == abi.Interface:
		return len((*interfacetype)(unsafe.Pointer(in)).Methods) == 0 || getitab(in, t) != nil
	}
	return false
}

// Cleanup is a handle to a cleanup.
type Cleanup struct {
	id  uint64
	ptr uintptr // does not keep the object
}

func AddCleanup[T, S any](ptr *T, cleanup func(S), arg S) Cleanup {
	p := unsafe.Pointer(ptr)
	if p == nil {
		panic("runtime.AddCleanup: ptr is nil")
	}
	if k := abi.TypeOf(arg).Kind(); k == abi.Pointer || k == abi.UnsafePointer {
		mayCleanUp(p, *(*unsafe.Pointer)(unsafe.Pointer(&arg)))
	}
	if !onHeap(p) {
		return Cleanup{}
	}
	mayCleanUpWith(p, *(*unsafe.Pointer)(unsafe.Pointer(&cleanup)))
	f := func() { cleanup(arg) }
	runSpecials()
	return Cleanup{addSpecial(specialCleanup, p, *(*unsafe.Pointer)(unsafe.Pointer(&f)), nil), uintptr(p)}
}

// mayCleanUp panics when the argument of a cleanup would keep the object.
func mayCleanUp(p, arg unsafe.Pointer) {
	if p == arg {
		panic("runtime.AddCleanup: ptr is equal to arg, cleanup will never run")
	}
	if base, size := objectAt(p); base != 0 && uintptr(arg) >= base && uintptr(arg) < base+size {
		panic("runtime.AddCleanup: ptr is within arg, cleanup will never run")
	}
}

// mayCleanUpWith panics when the function of a cleanup has captured a pointer into the object.
func mayCleanUpWith(p, closure unsafe.Pointer) {
	base, size := objectAt(p)
	from, n := objectAt(closure)
	for at := from; at < from+n; at += 8 {
		if v := *(*uintptr)(unsafe.Pointer(at)); v >= base && v < base+size {
			panic("runtime.AddCleanup: cleanup function closes over ptr, cleanup will never run")
		}
	}
}

func (c Cleanup) Stop() {
	if c.id != 0 {
		dropSpecial(specialCleanup, unsafe.Pointer(c.ptr), c.id)
	}
}

// A weak pointer is the address of a word that the collector clears; all to one address have the same.

//go:linkname registerWeakPointer weak.runtime_registerWeakPointer
func registerWeakPointer(p unsafe.Pointer) unsafe.Pointer {
	if word := special(specialWeak, p); word != 0 {
		return unsafe.Pointer(word)
	}
	word := unsafe.Pointer(new(uintptr))
	*(*uintptr)(word) = uintptr(p)
	if addSpecial(specialWeak, p, word, nil) == 0 { // another goroutine made one meanwhile
		word = unsafe.Pointer(special(specialWeak, p))
	}
	KeepAlive(p)
	return word
}

//go:linkname makeStrongFromWeak weak.runtime_makeStrongFromWeak
func makeStrongFromWeak(word unsafe.Pointer) unsafe.Pointer {
	return *(*unsafe.Pointer)(word)
}

var never bool

// KeepAlive is a call: what is called cannot be known to do nothing.
func KeepAlive(x any) {
	if never {
		println(x)
	}
}

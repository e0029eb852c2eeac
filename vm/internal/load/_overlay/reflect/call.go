// Calls in the machine's frame layout instead of gc's: every argument and result stands in whole slots of eight bytes.

package reflect

import (
	"internal/abi"
	"unsafe"
)

// boxedBytes is code.BoxedBytes: from this size on an array or struct is passed as the address of a copy.
const boxedBytes = 1024

// callSlots calls the function with index fn, running as closure ctx, with nargs argument slots copied from args, and
// copies its nres result slots to res. It is an intrinsic of the lowering (CallR).
func callSlots(fn, ctx, args unsafe.Pointer, nargs uintptr, res unsafe.Pointer, nres uintptr)

func boxed(t *abi.Type) bool {
	return t.Size_ >= boxedBytes && (t.Kind() == abi.Array || t.Kind() == abi.Struct)
}

// slotsOf is the number of slots of a value of type t.
func slotsOf(t *abi.Type) uintptr {
	if boxed(t) {
		return 1
	}
	return (t.Size_ + 7) / 8
}

func slotsOfAll(types []*abi.Type) uintptr {
	n := uintptr(0)
	for _, t := range types {
		n += slotsOf(t)
	}
	return n
}

// toSlots writes the value of type t at p to slots: small integers extended to 64 bits, everything else in its memory
// layout with zeros after it.
func toSlots(t *abi.Type, slots, p unsafe.Pointer) {
	switch t.Kind() {
	case abi.Int8:
		*(*int64)(slots) = int64(*(*int8)(p))
	case abi.Int16:
		*(*int64)(slots) = int64(*(*int16)(p))
	case abi.Int32:
		*(*int64)(slots) = int64(*(*int32)(p))
	default:
		if boxed(t) {
			c := unsafe_New(t)
			typedmemmove(t, c, p)
			*(*unsafe.Pointer)(slots) = c
			return
		}
		if n := slotsOf(t); n > 0 {
			*(*uint64)(unsafe.Add(slots, (n-1)*8)) = 0
			typedmemmove(t, slots, p)
		}
	}
}

// fromSlots is toSlots the other way.
func fromSlots(t *abi.Type, p, slots unsafe.Pointer) {
	if boxed(t) {
		slots = *(*unsafe.Pointer)(slots)
	}
	typedmemmove(t, p, slots)
}

// address is where v's bits stand.
func (v *Value) address() unsafe.Pointer {
	if v.flag&flagIndir != 0 {
		return v.ptr
	}
	return unsafe.Pointer(&v.ptr)
}

// valueAt is the value of type t in slots.
func valueAt(t *abi.Type, slots unsafe.Pointer) Value {
	if t.IsDirectIface() {
		return Value{t, *(*unsafe.Pointer)(slots), flag(t.Kind())}
	}
	p := unsafe_New(t)
	fromSlots(t, p, slots)
	return Value{t, p, flagIndir | flag(t.Kind())}
}

func (v Value) call(op string, in []Value) []Value {
	t := (*funcType)(unsafe.Pointer(v.typ()))
	var fn unsafe.Pointer // address of a word that holds a function index: a closure, for functions
	isMethod := v.flag&flagMethod != 0
	switch {
	case isMethod:
		_, t, fn = methodReceiver(op, v, int(v.flag)>>flagMethodShift)
	case v.flag&flagIndir != 0:
		fn = *(*unsafe.Pointer)(v.ptr)
	default:
		fn = v.ptr
	}
	if fn == nil {
		panic("reflect.Value.Call: call of nil function")
	}
	in = arguments(op, t, in)

	params, results := t.InSlice(), t.OutSlice()
	nargs, nres := slotsOfAll(params), slotsOfAll(results)
	if isMethod {
		nargs++
	}
	slots := make([]unsafe.Pointer, nargs+nres+1)
	res := unsafe.Pointer(&slots[0])
	args := unsafe.Add(res, nres*8)
	at := args
	if isMethod {
		storeRcvr(v, at)
		at = unsafe.Add(at, 8)
	}
	for i, x := range in {
		x.mustBeExported()
		x = x.assignTo("reflect.Value.Call", params[i], nil)
		toSlots(params[i], at, x.address())
		at = unsafe.Add(at, slotsOf(params[i])*8)
	}
	if *(*uintptr)(fn) == stubIndex() {
		callReflectSlots((*makeFuncImpl)(fn), res) // the stub's own frame has no room for arguments
	} else {
		callSlots(*(*unsafe.Pointer)(fn), fn, args, nargs, res, nres)
	}
	if len(results) == 0 {
		return nil
	}
	ret := make([]Value, len(results))
	for i, r := range results {
		ret[i] = valueAt(r, res)
		res = unsafe.Add(res, slotsOf(r)*8)
	}
	return ret
}

// arguments checks in against the parameters of t and gathers variadic ones in a slice.
func arguments(op string, t *funcType, in []Value) []Value {
	n := t.NumIn()
	gather := t.IsVariadic() && op != "CallSlice"
	switch {
	case op == "CallSlice" && !t.IsVariadic():
		panic("reflect: CallSlice of non-variadic function")
	case op == "CallSlice" && len(in) < n:
		panic("reflect: CallSlice with too few input arguments")
	case op == "CallSlice" && len(in) > n:
		panic("reflect: CallSlice with too many input arguments")
	}
	if gather {
		n--
	}
	switch {
	case len(in) < n:
		panic("reflect: Call with too few input arguments")
	case !gather && len(in) > n:
		panic("reflect: Call with too many input arguments")
	}
	for _, x := range in {
		if x.Kind() == Invalid {
			panic("reflect: " + op + " using zero Value argument")
		}
	}
	for i, x := range in[:n] {
		if want := toRType(t.In(i)); !x.Type().AssignableTo(want) {
			panic("reflect: " + op + " using " + x.Type().String() + " as type " + want.String())
		}
	}
	if !gather {
		return in
	}
	rest := MakeSlice(toRType(t.In(n)), len(in)-n, len(in)-n)
	elem := rest.Type().Elem()
	for i, x := range in[n:] {
		if !x.Type().AssignableTo(elem) {
			panic("reflect: cannot use " + x.Type().String() + " as type " + elem.String() + " in " + op)
		}
		rest.Index(i).Set(x)
	}
	return append(append(make([]Value, 0, n+1), in[:n]...), rest)
}

// Functions made at run time: closures of makeFuncStub, which has no parameters of its own and hands its frame on.

package reflect

import "unsafe"

//tandem:without badlinkname.go
//tandem:remove callReflect callMethod methodValue makeFuncCtxt moveMakeFuncArgPtrs methodValueCall call funcLayout

// makeFuncImpl is a closure: its first word is the function index of makeFuncStub.
type makeFuncImpl struct {
	stub uintptr
	ftyp *funcType
	fn   func([]Value) []Value
}

// makeFuncStub runs in a frame laid out for any signature. The lowering makes it: it calls callReflectSlots with its
// closure and the address of its first result slot, and returns.
func makeFuncStub()

// stubIndex is the function index of makeFuncStub.
func stubIndex() uintptr {
	f := makeFuncStub
	return **(**uintptr)(unsafe.Pointer(&f))
}

func methodValueCallCodePtr() uintptr { return stubIndex() }

func MakeFunc(typ Type, fn func(args []Value) (results []Value)) Value {
	if typ.Kind() != Func {
		panic("reflect: call of MakeFunc with non-Func type")
	}
	t := typ.common()
	return Value{t, unsafe.Pointer(&makeFuncImpl{stubIndex(), (*funcType)(unsafe.Pointer(t)), fn}), flag(Func)}
}

// makeMethodValue turns a method Value into a function.
func makeMethodValue(op string, v Value) Value {
	if v.flag&flagMethod == 0 {
		panic("reflect: internal error: invalid use of makeMethodValue")
	}
	t := v.Type().(*rtype)
	methodReceiver(op, v, int(v.flag)>>flagMethodShift)
	bound := v
	bound.flag &^= flagRO
	how := "Call"
	if t.IsVariadic() {
		how = "CallSlice"
	}
	impl := &makeFuncImpl{stubIndex(), (*funcType)(unsafe.Pointer(t)), func(in []Value) []Value { return bound.call(how, in) }}
	return Value{t.common(), unsafe.Pointer(impl), v.flag&flagRO | flag(Func)}
}

// callReflectSlots runs ctx's function for a call whose result and argument slots begin at frame.
//
//tandem:keep
func callReflectSlots(ctx *makeFuncImpl, frame unsafe.Pointer) {
	params, results := ctx.ftyp.InSlice(), ctx.ftyp.OutSlice()
	at := unsafe.Add(frame, slotsOfAll(results)*8)
	in := make([]Value, 0, len(params))
	for _, t := range params {
		in = append(in, valueAt(t, at))
		at = unsafe.Add(at, slotsOf(t)*8)
	}
	out := ctx.fn(in)
	if len(out) != len(results) {
		panic("reflect: wrong return count from function created by MakeFunc")
	}
	for i, t := range results {
		v := out[i]
		if v.typ() == nil {
			panic("reflect: function created by MakeFunc using " + funcName(ctx.fn) + " returned zero Value")
		}
		if v.flag&flagRO != 0 {
			panic("reflect: function created by MakeFunc using " + funcName(ctx.fn) + " returned value obtained from unexported field")
		}
		v = v.assignTo("reflect.MakeFunc", t, nil)
		toSlots(t, frame, v.address())
		frame = unsafe.Add(frame, slotsOf(t)*8)
	}
}

// funcName is the name of a function value, for messages.
func funcName(f func([]Value) []Value) string { return "closure" }

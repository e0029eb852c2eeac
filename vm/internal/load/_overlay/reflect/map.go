// Maps are the machine's own; iterators are natives.

package reflect

import (
	"internal/abi"
	"unsafe"
)

//tandem:remove mapIterStart mapIterNext

func mapiterinit(t *abi.Type, m unsafe.Pointer) unsafe.Pointer
func mapiternext(it, key, elem unsafe.Pointer) bool

// groupAndSlotOf: a map has no groups; the entry's type stands for both.
func groupAndSlotOf(ktyp, etyp Type) (Type, Type) {
	slot := StructOf([]StructField{{Name: "Key", Type: ktyp}, {Name: "Elem", Type: etyp}})
	return slot, slot
}

func (v Value) MapKeys() []Value {
	v.mustBe(Map)
	t := (*abi.MapType)(unsafe.Pointer(v.typ())).Key
	fl := v.flag.ro() | flag(t.Kind())
	m := v.pointer()
	n := 0
	if m != nil {
		n = maplen(m)
	}
	keys := make([]Value, 0, n)
	if n == 0 {
		return keys
	}
	key := unsafe_New(t)
	for it := mapiterinit(v.typ(), m); mapiternext(it, key, nil); {
		keys = append(keys, copyVal(t, fl, key))
	}
	return keys
}

// MapIter holds copies of the current entry's key and value.
type MapIter struct {
	m         Value
	it        unsafe.Pointer // nil before Next
	key, elem unsafe.Pointer
	done      bool
}

func (iter *MapIter) Next() bool {
	if !iter.m.IsValid() {
		panic("MapIter.Next called on an iterator that does not have an associated map Value")
	}
	if iter.done {
		panic("MapIter.Next called on exhausted iterator")
	}
	t := (*abi.MapType)(unsafe.Pointer(iter.m.typ()))
	if iter.it == nil {
		iter.it = mapiterinit(iter.m.typ(), iter.m.pointer())
		iter.key, iter.elem = unsafe_New(t.Key), unsafe_New(t.Elem)
	}
	iter.done = !mapiternext(iter.it, iter.key, iter.elem)
	return !iter.done
}

// entry panics unless there is a current entry.
func (iter *MapIter) entry(op string) *abi.MapType {
	if iter.it == nil {
		panic(op + " called before Next")
	}
	if iter.done {
		panic(op + " called on exhausted iterator")
	}
	return (*abi.MapType)(unsafe.Pointer(iter.m.typ()))
}

func (iter *MapIter) Key() Value {
	t := iter.entry("MapIter.Key").Key
	return copyVal(t, iter.m.flag.ro()|flag(t.Kind()), iter.key)
}

func (iter *MapIter) Value() Value {
	t := iter.entry("MapIter.Value").Elem
	return copyVal(t, iter.m.flag.ro()|flag(t.Kind()), iter.elem)
}

func (v Value) SetIterKey(iter *MapIter) {
	v.setIter(iter, "reflect.MapIter.SetKey", iter.entry("reflect: Value.SetIterKey").Key, iter.key)
}

func (v Value) SetIterValue(iter *MapIter) {
	v.setIter(iter, "reflect.MapIter.SetValue", iter.entry("reflect: Value.SetIterValue").Elem, iter.elem)
}

func (v Value) setIter(iter *MapIter, op string, t *abi.Type, p unsafe.Pointer) {
	v.mustBeAssignable()
	var target unsafe.Pointer
	if v.kind() == Interface {
		target = v.ptr
	}
	iter.m.mustBeExported()
	x := Value{t, p, iter.m.flag | flag(t.Kind()) | flagIndir}
	x = x.assignTo(op, v.typ(), target)
	typedmemmove(v.typ(), v.ptr, x.ptr)
}

func (iter *MapIter) Reset(v Value) {
	if v.IsValid() {
		v.mustBe(Map)
	}
	*iter = MapIter{m: v}
}

// Canonical values, which are held weakly: one that no handle has is collected, and its entry goes after it.

package unique

import (
	"internal/abi"
	"internal/stringslite"
	isync "internal/sync"
	"runtime"
	"unsafe"
	"weak"
)

//tandem:replace
//tandem:from clone.go

type Handle[T comparable] struct{ value *T }

func (h Handle[T]) Value() T { return *h.value }

var zero uintptr

var (
	mu     isync.Mutex
	values = map[*abi.Type]any{} // a *table[T] of each T
)

type table[T comparable] struct {
	canonical map[T]weak.Pointer[T]
	strings   cloneSeq // where T has strings, which are copied so that none holds a larger one
}

func Make[T comparable](value T) Handle[T] {
	typ := abi.TypeFor[T]()
	if typ.Size() == 0 {
		return Handle[T]{(*T)(unsafe.Pointer(&zero))}
	}
	mu.Lock()
	defer mu.Unlock()
	t, _ := values[typ].(*table[T])
	if t == nil {
		t = &table[T]{map[T]weak.Pointer[T]{}, makeCloneSeq(typ)}
		values[typ] = t
	}
	if p := t.canonical[value].Value(); p != nil {
		return Handle[T]{p}
	}
	p := new(T)
	*p = clone(value, &t.strings)
	if value == value { // else it is found by nobody
		t.canonical[*p] = weak.Make(p)
		runtime.AddCleanup(p, t.forget, *p)
	}
	return Handle[T]{p}
}

// forget removes the entry of a value that was collected, unless it was made anew since.
func (t *table[T]) forget(value T) {
	mu.Lock()
	defer mu.Unlock()
	if t.canonical[value].Value() == nil {
		delete(t.canonical, value)
	}
}

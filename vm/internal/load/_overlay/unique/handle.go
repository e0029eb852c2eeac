// Canonical values in one map for the life of the run; gc's weak tables need its collector.

package unique

import "internal/abi"

//tandem:replace

type Handle[T comparable] struct{ value *T }

func (h Handle[T]) Value() T { return *h.value }

// key tells an interface-typed T apart from its dynamic type.
type key struct {
	typ   *abi.Type
	value any
}

var canonical = map[key]any{}

func Make[T comparable](value T) Handle[T] {
	k := key{abi.TypeFor[T](), value}
	if p, ok := canonical[k]; ok {
		return Handle[T]{p.(*T)}
	}
	p := new(T)
	*p = value
	canonical[k] = p
	return Handle[T]{p}
}

// Weak pointers that keep what they point to: when something is collected is nothing a run may depend on.

package weak

import "unsafe"

//tandem:replace

type Pointer[T any] struct {
	_ [0]*T
	u unsafe.Pointer
}

func Make[T any](ptr *T) Pointer[T] { return Pointer[T]{u: unsafe.Pointer(ptr)} }

func (p Pointer[T]) Value() *T { return (*T)(p.u) }

// Maps are the machine's; what is left is the error of looking up, in a map without entries, a key that cannot be hashed.

package maps

import "internal/abi"

//tandem:replace
//tandem:from map.go unhashableTypeError unhashableTypeError.RuntimeError unhashableTypeError.Error

// KeyError is that error for a dynamic type.
func KeyError(t *abi.Type) error { return unhashableTypeError{t} }

// typeString is how t is written; package runtime has it.
func typeString(t *abi.Type) string

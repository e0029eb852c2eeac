// Seeds come from the run's own randomness.

package maphash

import _ "unsafe"

//go:linkname randUint64 runtime.rand64
func randUint64() uint64

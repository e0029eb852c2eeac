// Randomness comes from the run's own state, so that the run is the same wherever it is. Keys made by a program are
// therefore as secret as the run's memory.

package sysrand

import _ "unsafe"

//tandem:replace

//go:linkname rand64 runtime.rand64
func rand64() uint64

func Read(b []byte) {
	for len(b) >= 8 {
		x := rand64()
		for i := range 8 {
			b[i] = byte(x >> (8 * i))
		}
		b = b[8:]
	}
	for x := rand64(); len(b) > 0; b = b[1:] {
		b[0] = byte(x)
		x >>= 8
	}
}

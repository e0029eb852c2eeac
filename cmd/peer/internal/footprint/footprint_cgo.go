//go:build cgo && linux

package footprint

// #include "footprint.h"
import "C"

// Drop gives the pages of the binary and its libraries that are in memory back to the page cache; those that are used come back, one by one.
func Drop() { C.footprintDrop() }

// single reports whether the kernel maps pages one by one.
func single() bool { return C.footprintSingle() != 0 }

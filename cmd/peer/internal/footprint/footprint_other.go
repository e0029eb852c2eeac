//go:build !cgo || !linux

package footprint

// Drop does nothing in this build.
func Drop() {}

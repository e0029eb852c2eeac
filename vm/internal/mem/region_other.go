//go:build !unix

package mem

// reserve is n zero bytes; large ones are given memory by the host only as they are written.
func reserve(n uint64) ([]byte, error) { return make([]byte, n), nil }

const canProtect = false

func protect(b []byte, away bool) error { return nil }

func release(b []byte) error { return nil }

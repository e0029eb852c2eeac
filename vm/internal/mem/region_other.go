//go:build !unix

package mem

// reserve is n zero bytes; large ones are given memory by the host only as they are written. Nothing guards them here.
func reserve(n, guard uint64) (whole, area []byte, err error) {
	area = make([]byte, n)
	return area, area, nil
}

const canProtect = false

func protect(b []byte, away bool) error { return nil }

func release(whole []byte) error { return nil }

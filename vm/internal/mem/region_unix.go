//go:build unix

package mem

import "golang.org/x/sys/unix"

// reserve is n zero bytes of address space; the host gives memory to them as they are written. Before and after them are so many bytes, whole pages, that nobody has access to.
func reserve(n, guard uint64) (whole, area []byte, err error) {
	whole, err = unix.Mmap(-1, 0, int(guard+n+guard), unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE|mapNoReserve)
	if err != nil {
		return nil, nil, err
	}
	area = whole[guard:][:n]
	if err := protect(area, false); err != nil {
		release(whole)
		return nil, nil, err
	}
	return whole, area, nil
}

// canProtect says that access to pages can be taken away for a while.
const canProtect = true

// protect takes access to whole pages away, or gives it back.
func protect(b []byte, away bool) error {
	if away {
		return unix.Mprotect(b, unix.PROT_NONE)
	}
	return unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE)
}

func release(whole []byte) error { return unix.Munmap(whole) }

//go:build unix

package mem

import "golang.org/x/sys/unix"

// reserve is n zero bytes of address space; the host gives memory to them as they are written.
func reserve(n uint64) ([]byte, error) {
	return unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|mapNoReserve)
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

func release(b []byte) error { return unix.Munmap(b) }

//go:build linux || darwin || netbsd || solaris

package mem

import "golang.org/x/sys/unix"

const mapNoReserve = unix.MAP_NORESERVE

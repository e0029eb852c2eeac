//go:build unix && !(linux || darwin || netbsd || solaris)

package mem

const mapNoReserve = 0

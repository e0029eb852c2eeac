package mem

import (
	"math/bits"
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// InRange reports whether the n bytes from addr are inside memory.
func (m *Memory) InRange(addr, n uint64) bool {
	off := addr - code.Base
	return off < m.size && n <= m.size-off
}

// Load8, Load16, Load32 and Load64 read a little-endian number. They are total: an address outside memory reads as 0,
// and the last bytes of a number that hangs over the end read as they may. Call InRange first where the address is the guest's and a fault must be told.
func (m *Memory) Load8(addr uint64) uint8 {
	off := addr - code.Base
	if off >= m.size {
		return 0
	}
	return *(*uint8)(unsafe.Add(m.base, off))
}

// Load16 is as Load8.
func (m *Memory) Load16(addr uint64) uint16 {
	off := addr - code.Base
	if off >= m.size {
		return 0
	}
	return *(*uint16)(unsafe.Add(m.base, off))
}

// Load32 is as Load8.
func (m *Memory) Load32(addr uint64) uint32 {
	off := addr - code.Base
	if off >= m.size {
		return 0
	}
	return *(*uint32)(unsafe.Add(m.base, off))
}

// Load64 is as Load8.
func (m *Memory) Load64(addr uint64) uint64 {
	off := addr - code.Base
	if off >= m.size {
		return 0
	}
	return *(*uint64)(unsafe.Add(m.base, off))
}

// Store8, Store16, Store32 and Store64 write a little-endian number, tracked. They are total: when not all of it is inside memory nothing is
// written and the result is false.
//
// The low address bits are rotated to the top, so that one comparison catches addresses that are outside or not
// aligned: an aligned number never lies in two pages.
func (m *Memory) Store8(addr uint64, v uint8) bool {
	off := addr - code.Base
	if off >= m.size || m.clean(off) {
		return m.storeSlow(addr, uint64(v), 1)
	}
	*(*uint8)(unsafe.Add(m.base, off)) = v
	return true
}

// Store16 is as Store8.
func (m *Memory) Store16(addr uint64, v uint16) bool { return m.storeSlow(addr, uint64(v), 2) }

// Store32 is as Store8.
func (m *Memory) Store32(addr uint64, v uint32) bool {
	w := bits.RotateLeft64(addr-code.Base, -2)
	if w >= m.words<<1 || m.clean(w<<2) {
		return m.storeSlow(addr, uint64(v), 4)
	}
	*(*uint32)(unsafe.Add(m.base, w<<2)) = v
	return true
}

// Store64 is as Store8.
func (m *Memory) Store64(addr, v uint64) bool {
	w := bits.RotateLeft64(addr-code.Base, -3)
	if w >= m.words || m.clean(w<<3) {
		return m.storeSlow(addr, v, 8)
	}
	*(*uint64)(unsafe.Add(m.base, w<<3)) = v
	return true
}

// clean reports whether a store to offset off, which is inside memory, has to touch the page first.
func (m *Memory) clean(off uint64) bool {
	return Tracked && *(*uint32)(unsafe.Add(m.marks, off>>PageShift<<2)) != m.epoch
}

func (m *Memory) storeSlow(addr, v, n uint64) bool {
	if !m.Touch(addr, n) {
		return false
	}
	p := unsafe.Add(m.base, addr-code.Base)
	switch n {
	case 1:
		*(*uint8)(p) = uint8(v)
	case 2:
		*(*uint16)(p) = uint16(v)
	case 4:
		*(*uint32)(p) = uint32(v)
	default:
		*(*uint64)(p) = v
	}
	return true
}

// Bytes is a read-only view of n bytes at addr, nil when they are not all inside memory (or n is 0). It shows later stores.
func (m *Memory) Bytes(addr, n uint64) []byte {
	if n == 0 || !m.InRange(addr, n) {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Add(m.base, addr-code.Base)), n)
}

// Touch makes n bytes at addr ready to be written; false when they are not all inside memory.
func (m *Memory) Touch(addr, n uint64) bool {
	if !m.InRange(addr, n) {
		return n == 0
	}
	off := addr - code.Base
	if n-1 < PageBytes && !m.clean(off) && !m.clean(off+n-1) {
		return true
	}
	for p, last := off>>PageShift, (off+n-1)>>PageShift; p <= last && n > 0; p++ {
		if m.clean(p << PageShift) {
			m.TouchPage(p)
		}
	}
	return true
}

// Writable touches n bytes at addr and returns them; nil when they are not all inside memory (or n is 0). They may be written until the epoch number changes.
func (m *Memory) Writable(addr, n uint64) []byte {
	if n == 0 || !m.Touch(addr, n) {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Add(m.base, addr-code.Base)), n)
}

// Copy copies n bytes from src to dst, overlap allowed; false (and nothing copied) when either is not inside memory.
func (m *Memory) Copy(dst, src, n uint64) bool {
	if n == 0 {
		return true
	}
	if !m.InRange(src, n) || !m.Touch(dst, n) {
		return false
	}
	copy(unsafe.Slice((*byte)(unsafe.Add(m.base, dst-code.Base)), n), unsafe.Slice((*byte)(unsafe.Add(m.base, src-code.Base)), n))
	return true
}

// Zero clears n bytes at addr; false when they are not all inside memory.
func (m *Memory) Zero(addr, n uint64) bool {
	if n == 0 {
		return true
	}
	b := m.Writable(addr, n)
	clear(b)
	return b != nil
}

// Pointer is the host address of addr, which the caller knows to be inside memory. Before writing there it calls Ready for every page.
func (m *Memory) Pointer(addr uint64) unsafe.Pointer { return unsafe.Add(m.base, addr-code.Base) }

// touchAt is apart so that Ready is small enough to be inlined.
//
//go:noinline
func (m *Memory) touchAt(addr uint64) { m.TouchPage((addr - code.Base) >> PageShift) }

// Ready makes the page of addr, which the caller knows to be inside memory, ready to be written.
func (m *Memory) Ready(addr uint64) {
	if Tracked && *m.mark((addr - code.Base) >> PageShift) != m.epoch {
		m.touchAt(addr)
	}
}

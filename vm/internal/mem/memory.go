package mem

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
)

const (
	// PageShift is the base-2 logarithm of PageBytes.
	PageShift = 12
	// PageBytes is the unit of tracking.
	PageBytes = 1 << PageShift
	// LimitMax is the greatest limit New accepts.
	LimitMax = 64 << 30
	// slackBytes are reserved after the limit, so that an access that begins inside memory never leaves the region.
	slackBytes = 128 << 10
)

var (
	// ErrLimit is wrapped by every error about exceeding the memory limit.
	ErrLimit = errors.New("mem: memory limit exceeded")
	// ErrRoot is returned by Undo, Commit and Reset when no save is open.
	ErrRoot = errors.New("mem: no save is open")
	// ErrUntracked is returned by operations that need tracking after Untracked was called.
	ErrUntracked = errors.New("mem: memory is not tracked")
)

// LimitError says that memory may not grow to a size.
type LimitError struct {
	WantBytes, LimitBytes uint64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("mem: memory limit of %d bytes exceeded (%d wanted): raise the memory limit of the run", e.LimitBytes, e.WantBytes)
}

func (e *LimitError) Unwrap() error { return ErrLimit }

// Memory is one linear memory. Addresses are guest addresses: code.Base is the first byte.
type Memory struct {
	base  unsafe.Pointer // host address of code.Base
	marks unsafe.Pointer // *uint32 of page 0: the epoch in which each page was last touched, 0 never (and then it is all zero)
	size  uint64         // bytes in use, a multiple of PageBytes
	words uint64         // size / 8
	epoch uint32         // the running epoch number
	limit uint64
}

// New reserves a memory of size 0 that may grow to limitBytes (rounded down to whole pages, at most LimitMax).
func New(limitBytes uint64) (*Memory, error) { panic("BUG: not built") }

// Close gives the region back to the host; the Memory and every slice of it are dead afterwards.
func (m *Memory) Close() error { panic("BUG: not built") }

// Size is the number of bytes in use, a multiple of PageBytes. It changes at Grow, Undo, Reset and Load.
func (m *Memory) Size() uint64 { return m.size }

// Limit is the number of bytes memory may grow to.
func (m *Memory) Limit() uint64 { return m.limit }

// Grow makes memory at least sizeBytes large (rounded up to whole pages); new bytes are zero. The error is a *LimitError.
func (m *Memory) Grow(sizeBytes uint64) error { panic("BUG: not built") }

// Base is the host address of guest address code.Base; it never changes. At least 65536+8 bytes after the size are reserved too:
// an access of up to that many bytes that begins below the size does not fault on the host.
func (m *Memory) Base() unsafe.Pointer { return m.base }

// PageEpochs is the epoch number of each page, indexed by page number, for the whole reserved range; the array never moves.
func (m *Memory) PageEpochs() []uint32 { panic("BUG: not built") }

// Epoch is the running epoch number (see the package comment for when it changes).
func (m *Memory) Epoch() uint32 { return m.epoch }

// TouchPage makes page number page ready to be written: it is journaled if this level has not done so.
func (m *Memory) TouchPage(page uint64) { panic("BUG: not built") }

// InRange reports whether the n bytes from addr are inside memory.
func (m *Memory) InRange(addr, n uint64) bool {
	off := addr - code.Base
	return off < m.size && n <= m.size-off
}

// Load8, Load16, Load32 and Load64 read a little-endian number. They are total: an address outside memory reads as 0,
// and the last bytes of a number that hangs over the end read as they may. Call InRange first where the address is the guest's and a fault must be told.
func (m *Memory) Load8(addr uint64) uint8 { panic("BUG: not built") }

// Load16 is as Load8.
func (m *Memory) Load16(addr uint64) uint16 { panic("BUG: not built") }

// Load32 is as Load8.
func (m *Memory) Load32(addr uint64) uint32 { panic("BUG: not built") }

// Load64 is as Load8.
func (m *Memory) Load64(addr uint64) uint64 { panic("BUG: not built") }

// Store8, Store16, Store32 and Store64 write a little-endian number, tracked. They are total: outside memory nothing is
// written and the result is false.
func (m *Memory) Store8(addr uint64, v uint8) bool { panic("BUG: not built") }

// Store16 is as Store8.
func (m *Memory) Store16(addr uint64, v uint16) bool { panic("BUG: not built") }

// Store32 is as Store8.
func (m *Memory) Store32(addr uint64, v uint32) bool { panic("BUG: not built") }

// Store64 is as Store8.
func (m *Memory) Store64(addr, v uint64) bool { panic("BUG: not built") }

// Bytes is a read-only view of n bytes at addr, nil when they are not all inside memory (or n is 0). It shows later stores.
func (m *Memory) Bytes(addr, n uint64) []byte { panic("BUG: not built") }

// Touch makes n bytes at addr ready to be written; false when they are not all inside memory.
func (m *Memory) Touch(addr, n uint64) bool { panic("BUG: not built") }

// Writable touches n bytes at addr and returns them; nil when they are not all inside memory (or n is 0). It may be written until the epoch number changes.
func (m *Memory) Writable(addr, n uint64) []byte { panic("BUG: not built") }

// Copy copies n bytes from src to dst, overlap allowed; false (and nothing copied) when either is not inside memory.
func (m *Memory) Copy(dst, src, n uint64) bool { panic("BUG: not built") }

// Zero clears n bytes at addr; false when they are not all inside memory.
func (m *Memory) Zero(addr, n uint64) bool { panic("BUG: not built") }

// Untracked switches tracking off for good: no store takes the slow path any more. It is the baseline of benchmarks;
// Save, Take, Load and the like fail afterwards.
func (m *Memory) Untracked() { panic("BUG: not built") }

// Depth is the number of open saves.
func (m *Memory) Depth() int { panic("BUG: not built") }

// Save opens a level: Undo brings the content and size of now back. O(1).
func (m *Memory) Save() error { panic("BUG: not built") }

// Undo restores content and size at the newest open save and closes it.
func (m *Memory) Undo() error { panic("BUG: not built") }

// Commit closes the newest open save and keeps what was written since, as if written in the level below.
func (m *Memory) Commit() error { panic("BUG: not built") }

// Reset is Undo, then Save: it restores the newest open save and leaves it open.
func (m *Memory) Reset() error { panic("BUG: not built") }

// Touched calls fn for every page touched in the running level (0: none was opened, nothing is called), in ascending order, with its number,
// its image when the level was opened (nil: all zero) and its content now. Both are valid during the call only. fn returning false ends it.
func (m *Memory) Touched(fn func(page uint64, old, now []byte) bool) { panic("BUG: not built") }

// SavedSize is the size when the running level was opened.
func (m *Memory) SavedSize() uint64 { panic("BUG: not built") }

// Take is the content of now as an immutable page table that shares unchanged pages with the take before.
func (m *Memory) Take() (*Pages, error) { panic("BUG: not built") }

// Load makes content and size those of p. It is a tracked write: an open save can undo it. Cost follows the difference from the last Take or Load.
func (m *Memory) Load(p *Pages) error { panic("BUG: not built") }

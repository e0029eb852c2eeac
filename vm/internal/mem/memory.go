package mem

import (
	"errors"
	"fmt"
	"unsafe"
)

const (
	// PageShift is the base-2 logarithm of PageBytes.
	PageShift = 12
	// PageBytes is the unit of tracking.
	PageBytes = 1 << PageShift
	// LimitMax is the greatest limit New accepts.
	LimitMax = 64 << 30
	// slackBytes are reserved after the limit, so that an access that begins inside memory never leaves the region: the
	// farthest is a frame's last slot, 1<<16 slots of 8 bytes from its begin.
	slackBytes = 1 << 20
)

// GuardBytes of address space, whole pages, before and after a memory and its page table are closed to all access, so that a stray access is a fault (ErrStray) and
// not a write to somebody else's memory. It is more than slot numbers reach, which are the only operands that are added to an address unchecked: two of 16 bits, of
// words, where a window is entered. It costs one mapping of the host a memory. Tests that look for stray accesses make it larger.
var GuardBytes uint64 = 2 << 20

var (
	// ErrLimit is wrapped by every error about exceeding the memory limit.
	ErrLimit = errors.New("mem: memory limit exceeded")
	// ErrRoot is returned by Undo, Commit and Reset when no save is open.
	ErrRoot = errors.New("mem: no save is open")
	// ErrUntracked is returned by operations that need tracking when the program was built without (Tracked), and after Close.
	ErrUntracked = errors.New("mem: memory is not tracked")
	// ErrStray says that whoever ran on a memory left it (GuardBytes): what it holds is void.
	ErrStray = errors.New("mem: BUG: an access beside the run's memory was stopped: this run cannot go on, report it with its snapshot")
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
	marks unsafe.Pointer // *uint32 of page 0: the epoch number in which each page was last touched; 0 is never, and then the page is all zero
	size  uint64         // bytes in use, a multiple of PageBytes
	words uint64         // size / 8
	epoch uint32         // the running epoch number
	limit uint64
	pages uint64 // pages reserved, slack included

	last     uint32  // greatest epoch number given out; none is given out twice
	taken    *Pages  // content at the last take or load, nil before
	takeFrom uint32  // first number given out after it
	levels   []level // [0] is the root, which cannot be undone
	dirty    pageSet // pages that may differ from taken
	spare    []*image
	present  []byte // room for what Past puts aside
	region   []byte
	whole    []byte // what is reserved: marks and region, and what guards them
	stray    error
	loan     *loan
	away     int                 // groups of pages that are not in memory yet
	awayBits []uint64            // which
	ground   *ground             // that memory stands on, nil: none
	loaded   *Pages              // the last load
	reloaded bool                // there were takes before it: it may hold pages that this memory lends
	lent     []*[lentBlock]*cell // cells of the takes since, the newest of each page; nil entries: none
}

const lentBlock = 64

// image is the content of one page.
type image [PageBytes]byte

// New reserves a memory of size 0 that may grow to limitBytes (rounded down to whole pages, at most LimitMax).
func New(limitBytes uint64) (*Memory, error) {
	one := uint16(1)
	if *(*byte)(unsafe.Pointer(&one)) != 1 {
		return nil, errors.New("mem: this host is big-endian: use a little-endian one (amd64, arm64)")
	}
	limitBytes &^= PageBytes - 1
	if limitBytes == 0 || limitBytes > LimitMax {
		return nil, fmt.Errorf("mem: memory limit must be %d to %d bytes", PageBytes, uint64(LimitMax))
	}
	m := &Memory{limit: limitBytes, pages: (limitBytes + slackBytes) >> PageShift, levels: []level{{}}, last: 1, epoch: 1}
	marksBytes := (m.pages*4 + PageBytes - 1) &^ (PageBytes - 1)
	whole, area, err := reserve(marksBytes+limitBytes+slackBytes, GuardBytes)
	if err != nil {
		return nil, fmt.Errorf("mem: cannot reserve %d bytes of address space: lower the memory limit: %w", limitBytes, err)
	}
	m.whole, m.region = whole, area[marksBytes:]
	m.base, m.marks = unsafe.Pointer(&m.region[0]), unsafe.Pointer(&area[0])
	m.loan = &loan{base: m.base}
	return m, nil
}

// Close gives the region back to the host; the Memory and every slice of it are dead afterwards. Pages taken from it live on.
func (m *Memory) Close() error {
	if m.region == nil {
		return nil
	}
	m.keepAll()
	err := release(m.whole)
	*m = Memory{}
	return err
}

// Size is the number of bytes in use, a multiple of PageBytes. It changes at Grow, Undo, Reset and Load.
func (m *Memory) Size() uint64 { return m.size }

// Limit is the number of bytes memory may grow to.
func (m *Memory) Limit() uint64 { return m.limit }

// Grow makes memory at least sizeBytes large (rounded up to whole pages); new bytes are zero. The error is a *LimitError.
func (m *Memory) Grow(sizeBytes uint64) error {
	if sizeBytes <= m.size {
		return nil
	}
	if sizeBytes > m.limit {
		return &LimitError{sizeBytes, m.limit}
	}
	m.resize((sizeBytes + PageBytes - 1) &^ (PageBytes - 1))
	return nil
}

func (m *Memory) resize(sizeBytes uint64) { m.size, m.words = sizeBytes, sizeBytes/8 }

// Base is the host address of guest address code.Base; it never changes. More than 65536+8 bytes after the limit are reserved too:
// an access of up to that many bytes that begins below the size does not fault on the host.
func (m *Memory) Base() unsafe.Pointer { return m.base }

// PageEpochs is the epoch number of each page, indexed by page number, for the whole reserved range; the array never moves.
func (m *Memory) PageEpochs() []uint32 { return unsafe.Slice((*uint32)(m.marks), m.pages) }

// Epoch is the running epoch number (see the package comment for when it changes).
func (m *Memory) Epoch() uint32 { return m.epoch }

func (m *Memory) mark(page uint64) *uint32 { return (*uint32)(unsafe.Add(m.marks, page<<2)) }

func (m *Memory) page(page uint64) *image { return (*image)(unsafe.Add(m.base, page<<PageShift)) }

// TouchPage makes page number page ready to be written: it is journaled if this level has not done so. A page
// beyond the reserved range is ignored.
func (m *Memory) TouchPage(page uint64) {
	if !Tracked || page >= m.pages {
		return
	}
	mark := m.mark(page)
	former := *mark
	if former == m.epoch {
		return
	}
	if m.away != 0 {
		m.bring(page / groupPages)
	}
	kept := m.keep(page)
	if l := &m.levels[len(m.levels)-1]; former < l.first {
		l.journal = append(l.journal, m.entry(page, former, kept))
	}
	m.dirty.add(page)
	*mark = m.epoch
}

// entry is the journal's record of a page as it is now. A page that has not changed since the last take shares the take's image, kept.
func (m *Memory) entry(page uint64, former uint32, kept *image) entry {
	e := entry{page: uint32(page), former: former}
	switch {
	case kept == &zeroPage || kept == nil && former == 0:
	case kept != nil:
		e.image, e.shared = kept, true
	default:
		e.image = m.newImage()
		*e.image = *m.page(page)
	}
	return e
}

const (
	slabPages     = 16
	sparePagesMax = 512
)

func (m *Memory) newImage() *image {
	if len(m.spare) == 0 {
		slab := new([slabPages]image)
		for i := range slab {
			m.spare = append(m.spare, &slab[i])
		}
	}
	i := m.spare[len(m.spare)-1]
	m.spare = m.spare[:len(m.spare)-1]
	return i
}

func (m *Memory) dropImage(i *image) {
	if len(m.spare) < sparePagesMax {
		m.spare = append(m.spare, i)
	}
}

func (m *Memory) dropEntry(e *entry) {
	if e.image != nil && !e.shared {
		m.dropImage(e.image)
	}
}

// untracked reports whether there is nothing to save, undo or take: built so, or closed.
func (m *Memory) untracked() bool { return !Tracked || m.region == nil }

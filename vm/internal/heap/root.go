package heap

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// ZeroBase is the address of every object of size 0; its bytes stay zero.
const ZeroBase = code.Base + 64

const (
	rootMagic     = 0x6d65646e6174 // "tandem"
	layoutVersion = 2
	binCount      = 36 // of free page runs
)

// rootPage lies over the first bytes of memory: its header and the part of the root page that is the heap's. Nothing read from it is trusted.
type rootPage struct {
	magic, version uint64
	limitBytes     uint64
	_              [40]byte

	zero        uint64 // ZeroBase
	table       uint64 // address of the page table: one uint32 a page of memory up to the limit
	first, end  uint64 // pages of the heap that are in spans or free runs, as addresses [first, end)
	descriptors uint64 // list of unused span descriptors

	allocBytes, totalBytes uint64 // Stats
	mallocs, frees         uint64
	heapBytes              uint64
	nextCollect            uint64
	collections            uint64
	percent                int64

	random [4]uint64

	specialTable, specialBits, specials uint64 // chains of specials by address: table, log2 of its length, number of specials
	specialFirst, specialLast           uint64 // list of specials, oldest first
	queueFirst, queueLast               uint64 // list of specials to be run
	specialID                           uint64 // number of the newest

	open [classMax]uint64 // spans of each class with free blocks, a list
	runs [binCount]uint64 // free page runs by length, lists
}

// Heap is a handle on the heap in a memory. It caches nothing that an undo or a load could make wrong, but for the limit, which Sound reads again; what
// it holds besides is scratch space of one operation.
type Heap struct {
	m       *mem.Memory
	marks   marks
	handled uint64 // bytes, see Handle
	limit   uint64 // of memory, as the root page says it
}

// handledMin is the number of bytes below which an operation is not worth counting.
const handledMin = 256

// Handle notes that an operation handled so many bytes of memory, or did other work that takes as long as copying them. What is
// noted must follow from memory alone.
func (h *Heap) Handle(bytes uint64) { h.handled += min(bytes, mem.LimitMax) }

// Operands notes that an instruction went through n operands one by one, if they are so many that only generated code has them.
func (h *Heap) Operands(n uint64) {
	if n >= operandsMin {
		h.Handle(n * valueBytes)
	}
}

const operandsMin = 64

// Walked notes a walk over descriptors or along a list in memory that took n steps, if it is so long that only damaged memory or few programs have it.
func (h *Heap) Walked(n uint64) {
	if n >= walkedMin {
		h.Handle(8 * n)
	}
}

const walkedMin = 1024

// Handled is the number of bytes noted since it was asked for last: exec counts them as gas.
func (h *Heap) Handled() uint64 {
	n := h.handled
	if n != 0 {
		h.handled = 0
	}
	return n
}

// New lays out an empty heap in m: the root page's header and heap part, and the heap's first pages after dataEnd (a guest address: the end of the image's data).
// Memory is grown as needed. seed starts the run's random state.
func New(m *mem.Memory, dataEnd uint64, seed uint64) (*Heap, error) {
	if dataEnd < code.Base || dataEnd-code.Base > mem.LimitMax {
		return nil, errors.New("heap: data end outside memory")
	}
	table := pageUp(max(dataEnd, code.Base+code.DataStart))
	first := pageUp(table + m.Limit()/mem.PageBytes*4)
	if err := m.Grow(first - code.Base); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	h := &Heap{m: m, limit: m.Limit()}
	r := h.rootW()
	r.magic, r.version, r.limitBytes = rootMagic, layoutVersion, m.Limit()
	r.table, r.first, r.end = table, first, first
	r.percent = 100
	r.nextCollect = collectMinBytes
	h.Seed(seed)
	return h, nil
}

// Attach is a handle on the heap that is in m.
func Attach(m *mem.Memory) (*Heap, error) {
	h := &Heap{m: m}
	return h, h.Sound()
}

// Sound says whether memory has the root page of a heap: after it was loaded or undone.
func (h *Heap) Sound() error {
	if h.m.Size() < mem.PageBytes {
		return errors.New("heap: memory has no root page")
	}
	r := h.root()
	switch {
	case r.magic != rootMagic:
		return errors.New("heap: memory has no root page: it is not a run's memory")
	case r.version != layoutVersion:
		return fmt.Errorf("heap: memory layout version %d, this build reads %d: use the build that wrote it", r.version, layoutVersion)
	}
	h.limit = r.limitBytes
	return nil
}

// KeepLimit writes the memory limit to the root page again, where a program made by hand may have written another.
func (h *Heap) KeepLimit() {
	if h.root().limitBytes != h.limit {
		h.rootW().limitBytes = h.limit
	}
}

// Memory is the memory the heap is in.
func (h *Heap) Memory() *mem.Memory { return h.m }

// root is the root page for reading.
func (h *Heap) root() *rootPage { return (*rootPage)(h.m.Base()) }

// rootW is the root page, ready to be written.
func (h *Heap) rootW() *rootPage {
	h.m.Ready(code.Base)
	return (*rootPage)(h.m.Base())
}

func pageUp(addr uint64) uint64 { return (addr + mem.PageBytes - 1) &^ (mem.PageBytes - 1) }

// pageOf is the page number of an address.
func pageOf(addr uint64) uint64 { return (addr - code.Base) >> mem.PageShift }

func pageAddr(page uint64) uint64 { return code.Base + page<<mem.PageShift }

// A rootPage fits its part of the page.
const _ = uint(1024 - unsafe.Sizeof(rootPage{}))

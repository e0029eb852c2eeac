package mem

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// cell is one page of a content: its image, or, while it is lent, the memory where it still stands. Trees share cells, so that a lent page
// is copied once for all of them, and only if the memory writes to it or somebody reads it. That is why a take copies nothing.
//
// Invariant: a cell lent by a memory is in the tree of its newest take (Memory.taken), and the page is not in Memory.dirty.
type cell struct {
	image atomic.Pointer[image] // nil: lent, or still at its source; &zeroPage: all zero
	from  *loan
}

func newCell(i *image) *cell {
	c := &cell{}
	c.image.Store(i)
	return c
}

// loan is the memory that lends pages. Its lock is held while a lent page is copied and while the memory makes one ready to be written, so a
// reader never sees a page being written.
type loan struct {
	mu     sync.Mutex
	base   unsafe.Pointer
	source Source // instead of base: cells that are read when they are needed
	left   int    // of them
	err    error  // the first page that could not be read
}

// get is the content of a page whose number the caller knows, nil when it is all zero.
func (c *cell) get(page uint64) *image {
	if c == nil {
		return nil
	}
	if i := c.settled(page); i != &zeroPage {
		return i
	}
	return nil
}

// settled is the image of the page, which is not lent any more. One that is all zero is zeroPage.
func (c *cell) settled(page uint64) *image {
	if i := c.image.Load(); i != nil {
		return i
	}
	c.from.mu.Lock()
	defer c.from.mu.Unlock()
	i := c.image.Load()
	if i == nil && c.from.source != nil {
		i = c.from.read(page)
		c.image.Store(i)
	}
	if i == nil {
		live := (*image)(unsafe.Add(c.from.base, page<<PageShift))
		if i = &zeroPage; !isZero(live[:]) {
			i = new(image)
			*i = *live
		}
		c.image.Store(i)
	}
	return i
}

// lent reports whether the page still stands in the memory of l.
func (c *cell) lent(l *loan) bool { return c != nil && c.image.Load() == nil && c.from == l }

// copyTo copies the page to to without making an image for it; false when it is all zero.
func (c *cell) copyTo(to *image, page uint64) bool {
	if c.image.Load() == nil && c.from.source == nil {
		c.from.mu.Lock()
		defer c.from.mu.Unlock()
		if c.image.Load() == nil {
			*to = *(*image)(unsafe.Add(c.from.base, page<<PageShift))
			return !isZero(to[:])
		}
	}
	i := c.get(page)
	if i != nil {
		*to = *i
	}
	return i != nil
}

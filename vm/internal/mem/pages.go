package mem

// Pages is an immutable content of a memory: its size and its pages that are not all zero. It is a radix tree, and
// trees made from one another share what did not change. It may be read by many goroutines.
type Pages struct {
	size uint64
	root *node
}

const (
	fanBits  = 6
	fan      = 1 << fanBits
	topShift = 3 * fanBits // four levels: 2^24 pages, LimitMax
	maxPages = LimitMax >> PageShift
)

// node has either sub or page, by its level.
type node struct {
	owner *Builder // may change it, until it is done
	sub   *[fan]*node
	page  *[fan]*image
}

var zeroPage image

func isZero(b []byte) bool { return string(b) == string(zeroPage[:len(b)]) }

// Size is the number of bytes of the memory, a multiple of PageBytes.
func (p *Pages) Size() uint64 { return p.size }

// Page is the content of a page, PageBytes long, nil when it is all zero. It must not be written.
func (p *Pages) Page(page uint64) []byte {
	if i := p.image(page); i != nil {
		return i[:]
	}
	return nil
}

func (p *Pages) image(page uint64) *image {
	if page >= maxPages {
		return nil
	}
	n := p.root
	for shift := topShift; n != nil; shift -= fanBits {
		i := page >> shift % fan
		if shift == 0 {
			return n.page[i]
		}
		n = n.sub[i]
	}
	return nil
}

// Each calls fn for every page that is not all zero, in ascending order, until fn returns false.
func (p *Pages) Each(fn func(page uint64, data []byte) bool) { p.Changed(nil, fn) }

// Changed calls fn for every page whose content differs from that in base (nil: an empty memory), in ascending order, until fn returns
// false; data is nil when the page is all zero now. Cost follows the number of pages that are not shared.
func (p *Pages) Changed(base *Pages, fn func(page uint64, data []byte) bool) {
	var old *node
	if base != nil {
		old = base.root
	}
	changed(old, p.root, topShift, 0, fn)
}

func changed(old, now *node, shift int, at uint64, fn func(uint64, []byte) bool) bool {
	if old == now {
		return true
	}
	for i := uint64(0); i < fan; i++ {
		page := at | i<<shift
		if shift > 0 {
			if !changed(old.child(i), now.child(i), shift-fanBits, page, fn) {
				return false
			}
			continue
		}
		a, b := old.leaf(i), now.leaf(i)
		if a == b || a != nil && b != nil && *a == *b {
			continue
		}
		var data []byte
		if b != nil {
			data = b[:]
		}
		if !fn(page, data) {
			return false
		}
	}
	return true
}

func (n *node) child(i uint64) *node {
	if n == nil {
		return nil
	}
	return n.sub[i]
}

func (n *node) leaf(i uint64) *image {
	if n == nil {
		return nil
	}
	return n.page[i]
}

// Builder makes Pages from base (nil: empty) and page contents, for loading what another peer took.
type Builder struct {
	size uint64
	root *node
}

// NewBuilder starts from base with a new size, rounded up to whole pages. Pages beyond it are dropped.
func NewBuilder(base *Pages, sizeBytes uint64) *Builder {
	sizeBytes = min(sizeBytes, LimitMax)
	b := newBuilder(base, (sizeBytes+PageBytes-1)&^(PageBytes-1))
	if base != nil && base.size > b.size {
		var gone []uint64
		base.Each(func(page uint64, _ []byte) bool {
			if page >= b.size>>PageShift {
				gone = append(gone, page)
			}
			return true
		})
		for _, page := range gone {
			b.set(page, nil)
		}
	}
	return b
}

func newBuilder(base *Pages, sizeBytes uint64) *Builder {
	b := &Builder{size: sizeBytes}
	if base != nil {
		b.root = base.root
	}
	return b
}

// Set gives a page its content: a copy is taken of data, PageBytes long at most, the rest is zero; nil is all zero. False: page is
// beyond the size or data is too long.
func (b *Builder) Set(page uint64, data []byte) bool {
	if page >= b.size>>PageShift || len(data) > PageBytes {
		return false
	}
	b.set(page, data)
	return true
}

func (b *Builder) set(page uint64, data []byte) {
	old := (&Pages{root: b.root}).image(page)
	if isZero(data) {
		if old != nil {
			*b.place(page) = nil
		}
		return
	}
	if old != nil && string(old[:len(data)]) == string(data) && isZero(old[len(data):]) {
		return
	}
	i := new(image)
	copy(i[:], data)
	*b.place(page) = i
}

// place is where the page's image stands, in nodes that belong to b.
func (b *Builder) place(page uint64) **image {
	at := &b.root
	for shift := topShift; ; shift -= fanBits {
		n := *at
		if n == nil || n.owner != b {
			n = b.own(n, shift == 0)
			*at = n
		}
		i := page >> shift % fan
		if shift == 0 {
			return &n.page[i]
		}
		at = &n.sub[i]
	}
}

func (b *Builder) own(n *node, leaf bool) *node {
	c := &node{owner: b}
	if leaf {
		c.page = new([fan]*image)
		if n != nil {
			*c.page = *n.page
		}
		return c
	}
	c.sub = new([fan]*node)
	if n != nil {
		*c.sub = *n.sub
	}
	return c
}

// Pages is what was built; the Builder must not be used afterwards.
func (b *Builder) Pages() *Pages {
	p := &Pages{b.size, b.root}
	*b = Builder{}
	return p
}

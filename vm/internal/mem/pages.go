package mem

import (
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Pages is an immutable content of a memory: its size and its pages that are not all zero. It is a radix tree, and
// trees made from one another share what did not change. It may be read by many goroutines, also while the memory it was
// taken of goes on: a page that was not written since still stands there (see cell).
//
// A take is first a list of what it changes of the take before; the tree is built when somebody reads it.
type Pages struct {
	size  uint64
	built atomic.Bool
	root  *node // once built

	mu    sync.Mutex // guards what follows and building
	from  *Pages     // nil: an empty memory
	list  []uint32
	cells []*cell // of the pages in list; each by itself, since newer trees share some, which must not hold the others' images
	// takes and pages of the lists that a reader has to go through
	chain, weight int

	shore *shore
}

const (
	fanBits  = 4
	fan      = 1 << fanBits
	topShift = 5 * fanBits // six levels: 2^24 pages, LimitMax
	maxPages = LimitMax >> PageShift
)

// node has nodes below it, at the lowest level cells.
type node struct {
	owner *Builder // may change it, until it is done; it is empty then
	slots [fan]unsafe.Pointer
}

var zeroPage image

func isZero(b []byte) bool { return string(b) == string(zeroPage[:len(b)]) }

// Size is the number of bytes of the memory, a multiple of PageBytes.
func (p *Pages) Size() uint64 { return p.size }

// Page is the content of a page, PageBytes long, nil when it is all zero. It must not be written.
func (p *Pages) Page(page uint64) []byte { return bytesOf(p.cell(page).get(page)) }

func bytesOf(i *image) []byte {
	if i == nil {
		return nil
	}
	return i[:]
}

func (p *Pages) cell(page uint64) *cell {
	if page >= maxPages {
		return nil
	}
	return lookup(p.tree(), page)
}

func lookup(n *node, page uint64) *cell {
	for shift := topShift; n != nil; shift -= fanBits {
		at := n.slots[page>>shift%fan]
		if shift == 0 {
			return (*cell)(at)
		}
		n = (*node)(at)
	}
	return nil
}

// How long a chain of lists may get that nobody reads: it holds every page in it as it was then, so not many more than the memory has.
const (
	chainMax  = 256
	weightMin = 1 << 12
	weightMax = 1 << 16
)

// heavy says whether p is to become a tree though nobody has read it.
func (p *Pages) heavy() bool {
	return p.chain > chainMax || p.weight > min(max(int(p.size>>PageShift), weightMin), weightMax)
}

// tree is the root of the tree, built from the lists of the takes since the last one that has a tree.
func (p *Pages) tree() *node {
	if p.built.Load() {
		return p.root
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.built.Load() {
		return p.root
	}
	type list struct {
		pages []uint32
		cells []*cell
	}
	lists := []list{{p.list, p.cells}}
	b := &Builder{}
	for q := p.from; q != nil; {
		q.mu.Lock()
		from := q.from
		if q.built.Load() {
			b.root, from = q.root, nil
		} else {
			lists = append(lists, list{q.list, q.cells})
		}
		q.mu.Unlock()
		q = from
	}
	for i := len(lists) - 1; i >= 0; i-- {
		b.putAll(lists[i].pages, lists[i].cells)
	}
	p.root = b.root
	*b = Builder{} // the nodes' owner, which is not to hold this tree for those who share some
	p.from, p.list, p.cells, p.chain, p.weight = nil, nil, nil, 0, 0
	p.built.Store(true)
	return p.root
}

// Over is p as a list of what it changes of base, pages that change little as patches, without a tree until somebody reads it: small for who holds many contents made
// from one.
func (p *Pages) Over(base *Pages) *Pages {
	o := &Pages{size: p.size, from: base, shore: p.shore, chain: 1}
	s := &patches{base: base}
	l := &loan{source: s}
	p.differ(base, func(page uint64, old, now *cell) bool {
		a, b := old.get(page), now.get(page)
		if a == b || a != nil && b != nil && *a == *b {
			return true
		}
		c := &cell{}
		o.list, o.cells = append(o.list, uint32(page)), append(o.cells, c)
		switch {
		case b == nil:
			c.image.Store(&zeroPage)
		case s.add(page, a, b):
			c.from = l
		default:
			c.image.Store(b)
		}
		return true
	})
	s.pages, s.ends, s.data = slices.Clone(s.pages), slices.Clone(s.ends), slices.Clone(s.data)
	o.list, o.cells, o.weight = slices.Clone(o.list), slices.Clone(o.cells), len(o.list)
	return o
}

// Changes is the number of pages in the list that p is, 0 once somebody read it.
func (p *Pages) Changes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.list)
}

// Each calls fn for every page that is not all zero, in ascending order, until fn returns false.
func (p *Pages) Each(fn func(page uint64, data []byte) bool) { p.Changed(nil, fn) }

// Changed calls fn for every page whose content differs from that in base (nil: an empty memory), in ascending order, until fn returns
// false; data is nil when the page is all zero now. Cost follows the number of pages that are not shared.
func (p *Pages) Changed(base *Pages, fn func(page uint64, data []byte) bool) {
	p.differ(base, func(page uint64, old, now *cell) bool {
		a, b := old.get(page), now.get(page)
		if a == b || a != nil && b != nil && *a == *b {
			return true
		}
		return fn(page, bytesOf(b))
	})
}

// differ calls fn for every page that is not shared with base, in ascending order, until fn returns false; a cell is nil where a page is all zero.
func (p *Pages) differ(base *Pages, fn func(page uint64, old, now *cell) bool) {
	var old *node
	if base != nil {
		old = base.tree()
	}
	differ(old, p.tree(), topShift, 0, fn)
}

func differ(old, now *node, shift int, at uint64, fn func(uint64, *cell, *cell) bool) bool {
	if old == now {
		return true
	}
	for i := uint64(0); i < fan; i++ {
		a, b := old.slot(i), now.slot(i)
		if a == b {
			continue
		}
		page := at | i<<shift
		if shift > 0 {
			if !differ((*node)(a), (*node)(b), shift-fanBits, page, fn) {
				return false
			}
		} else if !fn(page, (*cell)(a), (*cell)(b)) {
			return false
		}
	}
	return true
}

func (n *node) slot(i uint64) unsafe.Pointer {
	if n == nil {
		return nil
	}
	return n.slots[i]
}

// Builder makes Pages from base (nil: empty) and page contents, for loading what another peer took.
type Builder struct {
	size  uint64
	root  *node
	shore *shore
}

// NewBuilder starts from base with a new size, rounded up to whole pages. Pages beyond it are dropped.
func NewBuilder(base *Pages, sizeBytes uint64) *Builder {
	sizeBytes = min(sizeBytes, LimitMax)
	b := newBuilder(base, (sizeBytes+PageBytes-1)&^(PageBytes-1))
	if base != nil && base.size > b.size {
		var gone []uint64
		base.differ(nil, func(page uint64, _, _ *cell) bool {
			if page >= b.size>>PageShift {
				gone = append(gone, page)
			}
			return true
		})
		for _, page := range gone {
			b.put(page, nil)
		}
	}
	return b
}

func newBuilder(base *Pages, sizeBytes uint64) *Builder {
	b := &Builder{size: sizeBytes, shore: new(shore)}
	if base != nil {
		b.root, b.shore = base.tree(), base.shore
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

// Adopt is Set without a copy: data must not be written any more.
func (b *Builder) Adopt(page uint64, data *[PageBytes]byte) bool {
	if page >= b.size>>PageShift {
		return false
	}
	if i := (*image)(data); isZero(i[:]) {
		b.put(page, nil)
	} else {
		b.put(page, newCell(i))
	}
	return true
}

func (b *Builder) set(page uint64, data []byte) {
	old := lookup(b.root, page)
	if isZero(data) {
		b.put(page, nil)
		return
	}
	if i := old.get(page); i != nil && string(i[:len(data)]) == string(data) && isZero(i[len(data):]) {
		return
	}
	i := new(image)
	copy(i[:], data)
	b.put(page, newCell(i))
}

// put makes c the page's cell; nil is all zero.
func (b *Builder) put(page uint64, c *cell) {
	if c == nil && lookup(b.root, page) == nil {
		return
	}
	b.leaf(page).slots[page%fan] = unsafe.Pointer(c)
}

// putAll puts the cells of a take.
func (b *Builder) putAll(pages []uint32, cells []*cell) {
	var leaf *node
	first := ^uint64(0) // page of leaf
	for i, p := range pages {
		page := uint64(p)
		if page&^(fan-1) != first {
			leaf, first = b.leaf(page), page&^(fan-1)
		}
		c := cells[i]
		if c.image.Load() == &zeroPage {
			c = nil
		}
		leaf.slots[page%fan] = unsafe.Pointer(c)
	}
}

// leaf is the node of the lowest level that holds the page's cell; it and all above it belong to b.
func (b *Builder) leaf(page uint64) *node {
	b.root = b.own(b.root)
	n := b.root
	for shift := topShift; shift > 0; shift -= fanBits {
		at := &n.slots[page>>shift%fan]
		n = b.own((*node)(*at))
		*at = unsafe.Pointer(n)
	}
	return n
}

// own is n if it belongs to b, else a copy that does.
func (b *Builder) own(n *node) *node {
	switch {
	case n == nil:
		return &node{owner: b}
	case n.owner == b:
		return n
	}
	return &node{b, n.slots}
}

// Pages is what was built; the Builder must not be used afterwards.
func (b *Builder) Pages() *Pages {
	p := &Pages{size: b.size, root: b.root, shore: b.shore}
	p.built.Store(true)
	*b = Builder{}
	return p
}

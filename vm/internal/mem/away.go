package mem

import (
	"fmt"
	"math/bits"
	"runtime/debug"
	"slices"
	"unsafe"
)

// A memory may begin with its pages away (Begin), in groups that the host gives no access to. A store to one brings its group, since it touches the page first. A load of
// one is a fault, which Try makes into bringing the group and doing again what met it: loads stay as fast as they are. Who runs on the memory brings a few more
// groups now and then, until all are there.
//
// The content itself may be read when it is needed: its cells know a Source then. A page that cannot be read counts as all zero and Err says so from then on: whoever runs on the memory or reads the content must ask, and stop.

// groupPages is the number of pages that come together: each group that comes alone costs the host a mapping.
const groupPages = 8

const groupBytes = groupPages * PageBytes

// Source is where the pages of a content are read. ReadPage verifies what it reads; it is called once a page, by one goroutine at a time.
type Source interface {
	ReadPage(page uint64, to *[PageBytes]byte) error
}

// Await gives pages, in ascending order, their contents when they are needed. False: one is beyond the size. A Builder has one source.
func (b *Builder) Await(s Source, pages []uint64) bool {
	l := &loan{source: s, left: len(pages)}
	numbers, cells, all := make([]uint32, len(pages)), make([]*cell, len(pages)), make([]cell, len(pages))
	for i, page := range pages {
		if page >= b.size>>PageShift {
			return false
		}
		all[i].from = l
		numbers[i], cells[i] = uint32(page), &all[i]
	}
	b.putAll(numbers, cells)
	b.shore.source = l
	return true
}

// read is the image of a page from the source; the caller has locked l.
func (l *loan) read(page uint64) *image {
	l.left--
	i := new(image)
	if err := l.source.ReadPage(page, (*[PageBytes]byte)(i)); err != nil {
		if l.err == nil {
			l.err = fmt.Errorf("mem: page %d: %w", page, err)
		}
		return &zeroPage
	}
	return i
}

// pending reports whether pages are still to be read from the source.
func (s *shore) pending() bool {
	if s == nil || s.source == nil {
		return false
	}
	s.source.mu.Lock()
	defer s.source.mu.Unlock()
	return s.source.left > 0
}

// Err says that a page of p, or of what it was made of, could not be read.
func (p *Pages) Err() error {
	if p.shore == nil || p.shore.source == nil {
		return nil
	}
	l := p.shore.source
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Away reports whether pages are not in memory yet.
func (m *Memory) Away() bool { return m.away != 0 }

// Err says that a page could not be read, or that an access went astray: what ran on it is void.
func (m *Memory) Err() error {
	if m.stray != nil {
		return m.stray
	}
	if m.taken == nil {
		return nil
	}
	return m.taken.Err()
}

func (m *Memory) isAway(group uint64) bool {
	return group>>6 < uint64(len(m.awayBits)) && m.awayBits[group>>6]>>(group&63)&1 != 0
}

// group is the memory of a group.
func (m *Memory) group(group uint64) []byte { return m.region[group*groupBytes:][:groupBytes] }

// hide makes groups away, but for the first, which is looked at all the time.
func (m *Memory) hide(groups []uint64) error {
	if len(groups) == 0 {
		return nil
	}
	m.awayBits = make([]uint64, slices.Max(groups)>>6+1)
	for _, g := range groups {
		if !m.isAway(g) {
			m.awayBits[g>>6] |= 1 << (g & 63)
			m.away++
		}
	}
	m.fetch(0)
	for g, end := uint64(0), uint64(len(m.awayBits))*64; g < end; g++ {
		first := g
		for m.isAway(g) {
			g++
		}
		if g > first {
			if err := protect(m.region[first*groupBytes:g*groupBytes], true); err != nil {
				return fmt.Errorf("mem: cannot protect pages that are not read yet: %w", err)
			}
		}
	}
	return nil
}

// Bring brings up to n groups that are away.
func (m *Memory) Bring(n int) {
	for i := 0; i < len(m.awayBits) && n > 0; i++ {
		for ; m.away > 0 && m.awayBits[i] != 0 && n > 0; n-- {
			m.bring(uint64(i<<6 + bits.TrailingZeros64(m.awayBits[i])))
		}
	}
}

// BringAll brings all pages.
func (m *Memory) BringAll() { m.Bring(m.away) }

// bring brings a group, if it is away.
func (m *Memory) bring(group uint64) {
	if !m.isAway(group) {
		return
	}
	if err := protect(m.group(group), false); err != nil {
		// The host has no room for another mapping: all of them become one.
		if err := protect(m.region[:min(len(m.awayBits)*64*groupBytes, len(m.region))], false); err != nil {
			panic("BUG: mem: the host does not give access to memory back: " + err.Error())
		}
		for g := range uint64(len(m.awayBits) * 64) {
			m.fetch(g)
		}
		return
	}
	m.fetch(group)
}

// fetch copies the pages of a group that is away, and accessible, from the content that was loaded.
func (m *Memory) fetch(group uint64) {
	if !m.isAway(group) {
		return
	}
	m.awayBits[group>>6] &^= 1 << (group & 63)
	if m.away--; m.away == 0 {
		defer func() { m.awayBits = nil }()
	}
	for page := group * groupPages; page < (group+1)*groupPages; page++ {
		if c := m.loaded.cell(page); c != nil {
			c.copyTo(m.page(page), page)
		}
	}
}

// Try calls fn. False: fn met a page that was away, and was left there; the page is in memory now. What fn did is to be taken back, and fn to be called again.
// An access of fn to what guards the memory is left there too, for good: Err says so.
func (m *Memory) Try(fn func()) (whole bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			fault, ok := r.(interface{ Addr() uintptr })
			if !ok || !m.met(fault.Addr(), &whole) {
				panic(r)
			}
		}
	}()
	fn()
	return true
}

// met acts on a fault at a host address. False: it is none of the memory's.
func (m *Memory) met(host uintptr, whole *bool) bool {
	off := uint64(host - uintptr(m.base)) // before base it is huge
	switch start := uint64(host - uintptr(unsafe.Pointer(unsafe.SliceData(m.whole)))); {
	case start >= uint64(len(m.whole)):
		return false
	case off < uint64(len(m.region)):
		if !m.isAway(off / groupBytes) {
			return false
		}
		m.bring(off / groupBytes)
	default:
		m.stray, *whole = fmt.Errorf("%w (offset %#x of %#x)", ErrStray, off, m.size), true
	}
	return true
}

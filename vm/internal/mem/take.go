package mem

import "slices"

// Take is the content of now as an immutable page table that shares unchanged pages with the take before. It does not
// depend on the open saves. O(pages touched since the last take or load).
func (m *Memory) Take() (*Pages, error) {
	if m.untracked() {
		return nil, ErrUntracked
	}
	if m.taken != nil && len(m.dirty.list) == 0 && m.taken.size == m.size {
		return m.taken, nil
	}
	b := newBuilder(m.taken, m.size)
	for _, p := range m.dirty.sorted() {
		b.set(uint64(p), m.page(uint64(p))[:])
	}
	m.took(b.Pages())
	return m.taken, nil
}

// took notes that the content of now is p. The new epoch number makes the first store to each page be seen again.
func (m *Memory) took(p *Pages) {
	m.taken = p
	m.dirty.clear()
	m.epoch = m.next()
	m.takeFrom = m.epoch
}

// Load makes content and size those of p. It is a tracked write: an open save can undo it. Cost follows the difference from the last Take or Load.
func (m *Memory) Load(p *Pages) error {
	if m.untracked() {
		return ErrUntracked
	}
	if p.size > m.limit {
		return &LimitError{p.size, m.limit}
	}
	write := func(page uint64, data []byte) bool {
		if now := m.page(page)[:]; data == nil && !isZero(now) {
			m.TouchPage(page)
			clear(now)
		} else if data != nil && string(now) != string(data) {
			m.TouchPage(page)
			copy(now, data)
		}
		return true
	}
	for _, page := range slices.Clone(m.dirty.list) {
		write(uint64(page), p.Page(uint64(page)))
	}
	p.Changed(m.taken, write)
	m.resize(p.size)
	m.took(p)
	return nil
}

// pageSet is a set of page numbers that lists its members.
type pageSet struct {
	bits []uint64
	list []uint32
}

func (s *pageSet) has(page uint64) bool {
	return page>>6 < uint64(len(s.bits)) && s.bits[page>>6]>>(page&63)&1 != 0
}

func (s *pageSet) add(page uint64) {
	for page>>6 >= uint64(len(s.bits)) {
		s.bits = append(s.bits, make([]uint64, len(s.bits)+8)...)
	}
	if b := uint64(1) << (page & 63); s.bits[page>>6]&b == 0 {
		s.bits[page>>6] |= b
		s.list = append(s.list, uint32(page))
	}
}

func (s *pageSet) sorted() []uint32 {
	slices.Sort(s.list)
	return s.list
}

func (s *pageSet) clear() {
	for _, p := range s.list {
		s.bits[p>>6] = 0
	}
	s.list = s.list[:0]
}

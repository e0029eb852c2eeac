package mem

import "slices"

// Take is the content of now as an immutable page table that shares unchanged pages with the take before. It does not
// depend on the open saves. O(pages touched since the last take or load), none of which is copied: memory lends them.
func (m *Memory) Take() (*Pages, error) {
	if m.untracked() {
		return nil, ErrUntracked
	}
	if m.taken != nil && len(m.dirty.list) == 0 && m.taken.size == m.size {
		return m.taken, nil
	}
	p := &Pages{size: m.size, from: m.taken, list: m.dirty.list, cells: make([]*cell, len(m.dirty.list)), chain: 1, weight: len(m.dirty.list), shore: new(shore)}
	for i, page := range p.list {
		c := &cell{from: m.loan}
		if uint64(page) >= m.size>>PageShift { // memory shrank
			c.image.Store(&zeroPage)
		}
		p.cells[i] = c
		m.lend(page, c)
	}
	if p.from != nil {
		p.from.mu.Lock()
		p.shore = p.from.shore
		p.chain += p.from.chain
		p.weight += p.from.weight
		p.from.mu.Unlock()
	}
	m.took(p)
	m.dirty.list = nil // p has it
	if p.heavy() {
		p.tree()
	}
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
	if err := m.Begin(p); err != nil {
		return err
	}
	m.BringAll()
	return p.Err()
}

// Begin is Load that leaves pages away which no other memory has in a form to share, if this one was empty: what reads memory then is to be called by Try.
func (m *Memory) Begin(p *Pages) error {
	if m.untracked() {
		return ErrUntracked
	}
	if p.size > m.limit {
		return &LimitError{p.size, m.limit}
	}
	m.BringAll()
	var waiting []uint64 // groups, some more than once
	empty := m.taken == nil && m.size == 0 && len(m.levels) == 1
	if empty {
		m.stand(p.shore.groundFor(p))
		empty = canProtect && m.ground == nil && p.size >= groundPagesMin*PageBytes
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
	p.differ(m.taken, func(page uint64, old, now *cell) bool {
		if empty && now != nil {
			waiting = append(waiting, page/groupPages)
			return true
		}
		if !m.dirty.has(page) {
			m.keep(page) // also where it is the same: the take before is the newest no more
		}
		return write(page, bytesOf(now.get(page)))
	})
	m.took(p)
	m.reloaded = m.reloaded || m.lent != nil
	m.loaded, m.lent = p, nil
	m.resize(p.size)
	return m.hide(waiting)
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

func (s *pageSet) clear() {
	for _, p := range s.list {
		s.bits[p>>6] = 0
	}
	s.list = s.list[:0]
}

// lend notes that c is the newest take's cell of the page.
func (m *Memory) lend(page uint32, c *cell) {
	i := int(page / lentBlock)
	if i >= len(m.lent) {
		m.lent = append(m.lent, make([]*[lentBlock]*cell, i+1-len(m.lent))...)
	}
	if m.lent[i] == nil {
		m.lent[i] = new([lentBlock]*cell)
	}
	m.lent[i][page%lentBlock] = c
}

// newest is the newest take's cell of the page.
func (m *Memory) newest(page uint64) *cell {
	if i := page / lentBlock; i < uint64(len(m.lent)) && m.lent[i] != nil {
		if c := m.lent[i][page%lentBlock]; c != nil {
			return c
		}
	}
	if m.loaded == nil {
		return nil
	}
	return m.loaded.cell(page)
}

// keep is the page's image in the newest take, which does not lend it any more; nil when the page may have changed since, or nothing was taken.
// It is called before a page is written that is not in dirty.
func (m *Memory) keep(page uint64) *image {
	if m.taken == nil || m.dirty.has(page) {
		return nil
	}
	if c := m.newest(page); c != nil {
		return c.settled(page)
	}
	return &zeroPage
}

// keepAll ends all loans: those of the takes since the last load, and those of the content loaded where it is one of this memory.
func (m *Memory) keepAll() {
	if m.reloaded {
		m.loaded.differ(nil, func(page uint64, _, c *cell) bool {
			if c.lent(m.loan) {
				c.settled(page)
			}
			return true
		})
	}
	for i, block := range m.lent {
		if block == nil {
			continue
		}
		for k, c := range block {
			if page := uint64(i*lentBlock + k); c != nil && !m.dirty.has(page) {
				c.settled(page)
			}
		}
	}
}

package mem

import "sync"

// shore is what contents that were made from one another have in common: the ground that memories with such a content stand on,
// once a memory was loaded from one of them.
type shore struct {
	mu     sync.Mutex
	g      *ground
	asked  int   // memories that wanted one and got none
	making bool  // a goroutine makes one
	source *loan // where pages are read when they are needed, nil: nowhere; it never changes
}

const (
	// groundPagesMin is the number of pages from which a content gets a ground: for fewer, copying them costs less than a file.
	groundPagesMin = 256
	// groundAskedMin is the number of memories without a ground from which one is made: the first may remain the only one.
	groundAskedMin = 2
	// groundShareMin is the part of its pages that a content has to share with the ground, or it gets a new one.
	groundShareMin = 0.75
)

// groundFor is the ground that a memory with content p stands on best, nil: none, or none yet: it is made meanwhile, and nobody waits for it.
func (s *shore) groundFor(p *Pages) *ground {
	pages := int(p.size / PageBytes)
	if s == nil || pages < groundPagesMin || s.pending() {
		return nil
	}
	p.tree()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.g != nil {
		others := 0
		p.differ(s.g.of, func(uint64, *cell, *cell) bool {
			others++
			return float64(others) <= float64(pages)*(1-groundShareMin)
		})
		if float64(others) <= float64(pages)*(1-groundShareMin) {
			return s.g
		}
	}
	if s.asked++; s.asked >= groundAskedMin && !s.making {
		s.making = true
		go s.make(p)
	}
	return nil
}

func (s *shore) make(p *Pages) {
	g := newGround(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.making = false; g != nil {
		s.g, s.asked = g, 0
	}
}

func (s *shore) ground() *ground {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.g
}

// stand makes the ground's content that of an empty memory, if there is one that fits.
func (m *Memory) stand(g *ground) {
	if g == nil || g.of.size > m.limit || g.mapAt(m.base) != nil {
		return
	}
	m.taken, m.ground = g.of, g
	m.loaded, m.lent = g.of, nil
	m.resize(g.of.size)
}

// Share puts memory on the ground that others of its kind stand on, if there is one by now: the pages it did not write are theirs too then.
// O(pages that differ).
func (m *Memory) Share() {
	if m.untracked() || m.taken == nil || m.taken.shore == nil {
		return
	}
	g := m.taken.shore.ground()
	if g == nil || g == m.ground || g.of.size > m.limit {
		return
	}
	m.BringAll()
	differ := map[uint64]*image{}
	keep := func(page uint64) {
		if differ[page] == nil {
			differ[page] = m.newImage()
			*differ[page] = *m.page(page)
		}
	}
	for _, page := range m.dirty.list {
		keep(uint64(page))
	}
	m.taken.differ(g.of, func(page uint64, _, _ *cell) bool {
		keep(page)
		return true
	})
	m.loan.mu.Lock() // readers of lent pages wait
	defer m.loan.mu.Unlock()
	if g.mapAt(m.base) == nil {
		m.ground = g
		for page, i := range differ {
			*m.page(page) = *i
		}
	}
	for _, i := range differ {
		m.dropImage(i)
	}
}

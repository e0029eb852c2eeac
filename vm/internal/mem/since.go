package mem

import (
	"cmp"
	"slices"
)

// Former is a page that was touched in an interval: its number and what it held at the interval's begin, nil: all zero. It must not be written.
type Former struct {
	Page uint64
	Old  []byte
}

// Since lists the pages that were touched since base was taken of this memory, ascending. Their content may be the same again. O(pages touched).
func (m *Memory) Since(base *Pages) ([]Former, error) {
	var list []Former
	if m.taken == base {
		for _, page := range m.dirty.list {
			list = append(list, Former{uint64(page), bytesOf(m.newest(uint64(page)).get(uint64(page)))})
		}
		slices.SortFunc(list, func(a, b Former) int { return cmp.Compare(a.Page, b.Page) })
		return list, nil
	}
	now, err := m.Take()
	if err != nil {
		return nil, err
	}
	now.differ(base, func(page uint64, old, _ *cell) bool {
		list = append(list, Former{page, bytesOf(old.get(page))})
		return true
	})
	return list, nil
}

// Past calls fn while the pages of list hold what they held at base and memory has its size, so that the same code reads the past and the present.
// fn must only read. O(pages of list).
func (m *Memory) Past(base *Pages, list []Former, fn func() error) error {
	m.loan.mu.Lock() // readers of lent pages wait
	defer m.loan.mu.Unlock()
	now, size := make([]*image, len(list)), m.size
	swap := func(page uint64, data []byte) {
		if data == nil {
			data = zeroPage[:]
		}
		copy(m.page(page)[:], data)
	}
	for i, f := range list {
		now[i] = m.newImage()
		*now[i] = *m.page(f.Page)
		swap(f.Page, f.Old)
	}
	m.resize(base.size)
	defer func() {
		m.resize(size)
		for i, f := range list {
			swap(f.Page, now[i][:])
			m.dropImage(now[i])
		}
	}()
	return fn()
}

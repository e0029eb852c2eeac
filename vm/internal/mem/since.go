package mem

import (
	"slices"
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// Former is a page that was touched in an interval, or some of its bytes: where they are and what they held at the interval's begin.
type Former struct {
	Addr, Bytes uint64
	Old         []byte // so many, not to be written; nil: all zero
}

// Within is what of f lies in the n bytes at addr, which is not nothing.
func (f Former) Within(addr, n uint64) Former {
	from, to := max(addr, f.Addr), min(addr+n, f.Addr+f.Bytes)
	if f.Old != nil {
		f.Old = f.Old[from-f.Addr : to-f.Addr]
	}
	f.Addr, f.Bytes = from, to-from
	return f
}

func former(page uint64, old []byte) Former {
	return Former{code.Base + page<<PageShift, PageBytes, old}
}

// Since lists the pages that were touched since base was taken of this memory, ascending. Their content may be the same again. O(pages touched).
func (m *Memory) Since(base *Pages) ([]Former, error) {
	var list []Former
	if m.taken == base {
		pages := slices.Clone(m.dirty.list)
		slices.Sort(pages)
		list = make([]Former, 0, len(pages))
		for _, page := range pages {
			list = append(list, former(uint64(page), bytesOf(m.newest(uint64(page)).get(uint64(page)))))
		}
		return list, nil
	}
	now, err := m.Take()
	if err != nil {
		return nil, err
	}
	now.differ(base, func(page uint64, old, _ *cell) bool {
		list = append(list, former(page, bytesOf(old.get(page))))
		return true
	})
	return list, nil
}

// Past calls fn while what list names holds what it held at base and memory has its size, so that the same code reads the past and the present.
// fn must only read. O(bytes of list).
func (m *Memory) Past(base *Pages, list []Former, fn func() error) error {
	m.loan.mu.Lock() // readers of lent pages wait
	defer m.loan.mu.Unlock()
	now, size := m.present[:0], m.size
	at := func(f Former) []byte {
		return unsafe.Slice((*byte)(unsafe.Add(m.base, f.Addr-code.Base)), f.Bytes)
	}
	for _, f := range list {
		b := at(f)
		now = append(now, b...)
		if f.Old == nil {
			clear(b)
		} else {
			copy(b, f.Old)
		}
	}
	m.resize(base.size)
	defer func() {
		m.resize(size)
		if m.present = now; cap(now) > presentMax {
			m.present = nil
		}
		for i := len(list) - 1; i >= 0; i-- { // they may overlap
			f := list[i]
			copy(at(f), now[uint64(len(now))-f.Bytes:])
			now = now[:uint64(len(now))-f.Bytes]
		}
	}()
	return fn()
}

const presentMax = 1 << 20 // bytes kept for the next Past

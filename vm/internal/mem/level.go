package mem

import (
	"cmp"
	"math"
	"slices"
)

// level is one open save. Its journal holds each page touched since, once, as it was when the level was opened.
//
// Invariant: a page is in the journal of the running level exactly when its mark is at least first. Numbers only grow and undo
// gives a page its former mark back, so this needs no search. The root's first is 0: nothing is journaled there.
type level struct {
	first   uint32 // the epoch number it was opened with
	epoch   uint32 // while another level runs above: the epoch number that ran before
	size    uint64 // size of memory when it was opened
	journal []entry
}

type entry struct {
	page   uint32
	former uint32 // mark of the page before it was touched
	image  *image // nil: all zero
	shared bool   // image belongs to a take
}

// next gives out a new epoch number.
func (m *Memory) next() uint32 {
	if m.last == math.MaxUint32 {
		m.renumber()
	}
	m.last++
	return m.last
}

// renumber gives all numbers in use the smallest ones in the same order. Only two facts about a mark count: in
// which level it was set, and whether it is that level's epoch.
func (m *Memory) renumber() {
	old := slices.Clone(m.levels)
	top := len(old) - 1
	old[top].epoch = m.epoch
	number := func(mark uint32) uint32 {
		if mark == 0 {
			return 0
		}
		i := top
		for old[i].first > mark {
			i--
		}
		if mark == old[i].epoch {
			return uint32(2*i + 2)
		}
		return uint32(2*i + 1)
	}
	marks := m.PageEpochs()
	for p, mark := range marks {
		if mark != 0 {
			marks[p] = number(mark)
		}
	}
	takeFrom := m.takeFrom
	m.takeFrom = 0
	for i := range m.levels {
		l := &m.levels[i]
		if i > 0 {
			l.first = uint32(2*i + 1)
		}
		l.epoch = uint32(2*i + 2)
		if m.takeFrom == 0 && old[i].epoch >= takeFrom {
			m.takeFrom = l.epoch
		}
		for k := range l.journal {
			l.journal[k].former = number(l.journal[k].former)
		}
	}
	m.last = uint32(2*top + 2)
	m.epoch = m.last
	if m.takeFrom == 0 { // the level the take was made in was just undone: what runs next has the first number after it
		m.takeFrom = m.last + 1
	}
}

// Depth is the number of open saves.
func (m *Memory) Depth() int { return len(m.levels) - 1 }

// Save opens a level: Undo brings the content and size of now back. O(1).
func (m *Memory) Save() error {
	if m.untracked() {
		return ErrUntracked
	}
	n := m.next()
	m.levels[len(m.levels)-1].epoch = m.epoch
	m.epoch = n
	if len(m.levels) < cap(m.levels) { // reuse the journal of a closed level
		m.levels = m.levels[:len(m.levels)+1]
		l := &m.levels[len(m.levels)-1]
		*l = level{first: n, size: m.size, journal: l.journal[:0]}
		return nil
	}
	m.levels = append(m.levels, level{first: n, size: m.size})
	return nil
}

// closing is the running level, about to be closed, or why it cannot be.
func (m *Memory) closing() (*level, error) {
	if m.untracked() {
		return nil, ErrUntracked
	}
	if len(m.levels) == 1 {
		return nil, ErrRoot
	}
	return &m.levels[len(m.levels)-1], nil
}

// Undo restores content and size at the newest open save and closes it. O(pages touched in the level).
func (m *Memory) Undo() error {
	l, err := m.closing()
	if err != nil {
		return err
	}
	for i := range l.journal {
		e := &l.journal[i]
		page := uint64(e.page)
		m.keep(page) // a take may have been made in the level
		if e.image == nil {
			clear(m.page(page)[:])
		} else {
			*m.page(page) = *e.image
			e.former = max(e.former, 1) // not zero, so not never touched, though a load may have put it there
		}
		*m.mark(page) = e.former
		m.dirty.add(page)
		m.dropEntry(e)
	}
	m.resize(l.size)
	m.pop()
	// The level below runs again under its own number, so that what it touched counts as touched. Not if a take was made
	// since: its pages are clean then and the first store to each must be seen again.
	below := &m.levels[len(m.levels)-1]
	m.epoch = below.epoch
	if below.epoch < m.takeFrom {
		m.epoch = m.next()
	}
	return nil
}

const journalKeepMax = 1 << 16 // entries of a closed level's journal kept for the next one

// pop removes the running level.
func (m *Memory) pop() {
	l := &m.levels[len(m.levels)-1]
	clear(l.journal)
	if cap(l.journal) > journalKeepMax {
		l.journal = nil
	}
	l.journal = l.journal[:0]
	m.levels = m.levels[:len(m.levels)-1]
}

// Commit closes the newest open save and keeps what was written since, as if written in the level below. O(pages touched in the level).
func (m *Memory) Commit() error {
	l, err := m.closing()
	if err != nil {
		return err
	}
	below := &m.levels[len(m.levels)-2]
	for i := range l.journal {
		e := &l.journal[i]
		if e.former < below.first { // not journaled below: this image is the oldest
			below.journal = append(below.journal, *e)
		} else {
			m.dropEntry(e)
		}
	}
	m.pop() // the epoch number stays: every page touched above carries a number of at least below.first
	return nil
}

// Reset is Undo, then Save: it restores the newest open save and leaves it open.
func (m *Memory) Reset() error {
	if err := m.Undo(); err != nil {
		return err
	}
	return m.Save()
}

// Touched calls fn for every page touched in the running level (nothing at the root), in ascending order, with its number,
// its image when the level was opened (nil: all zero) and its content now. Both are valid during the call only and must not be written.
// fn must not write to memory; returning false ends it.
func (m *Memory) Touched(fn func(page uint64, old, now []byte) bool) {
	j := m.levels[len(m.levels)-1].journal
	slices.SortFunc(j, func(a, b entry) int { return cmp.Compare(a.page, b.page) })
	for i := range j {
		var old []byte
		if j[i].image != nil {
			old = j[i].image[:]
		}
		if !fn(uint64(j[i].page), old, m.page(uint64(j[i].page))[:]) {
			return
		}
	}
}

// SavedSize is the size when the running level was opened; 0 at the root.
func (m *Memory) SavedSize() uint64 { return m.levels[len(m.levels)-1].size }

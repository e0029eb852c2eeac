package block

import (
	"fmt"

	"github.com/tandemvm/tandem/changes"
)

// Memory is the memory of a state that is here.
type Memory struct {
	store  *Store
	hashes []changes.Hash
}

// Memory is the memory with this manifest, checked against the state hash.
func (b *Store) Memory(root, state changes.Hash, memoryBytes uint64) (*Memory, error) {
	hashes, err := b.Leaves(root, state, memoryBytes)
	return &Memory{b, hashes}, err
}

// Hashes are those of all pages, zero where a page is all zero.
func (m *Memory) Hashes() []changes.Hash { return m.hashes }

// Page returns page i (of changes.PageBytes), nil when it is all zero. The hash is checked.
func (m *Memory) Page(i uint64) (*[changes.PageBytes]byte, error) {
	if i >= uint64(len(m.hashes)) {
		return nil, fmt.Errorf("page %d of %d", i, len(m.hashes))
	}
	if m.hashes[i] == (changes.Hash{}) {
		return nil, nil
	}
	b, err := m.store.Get(ID{Kind: PageKind, Hash: m.hashes[i]})
	if err != nil {
		return nil, err
	}
	return (*[changes.PageBytes]byte)(b), nil
}

// Each visits the pages that are not all zero in order of index.
func (m *Memory) Each(f func(index uint64, page *[changes.PageBytes]byte) error) error {
	for i := range m.hashes {
		p, err := m.Page(uint64(i))
		if err == nil && p != nil {
			err = f(uint64(i), p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

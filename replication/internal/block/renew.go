package block

import (
	"fmt"

	"github.com/tandemvm/tandem/changes"
)

// Leaf is a page of a memory and the hash it has now.
type Leaf struct {
	Page uint64
	Hash changes.Hash
}

// Base is a state that another is made of by changing some pages: only the nodes on the way to them are read. Not safe for concurrent use.
type Base struct {
	s     *Store
	root  changes.Hash
	pages uint64
	nodes map[changes.Hash][]byte
}

// Base is the state with this manifest.
func (b *Store) Base(root changes.Hash, memoryBytes uint64) *Base {
	return &Base{s: b, root: root, pages: Pages(memoryBytes), nodes: map[changes.Hash][]byte{}}
}

// Page is what stands in a page, nil when it is all zero or beyond the end. store.ErrAbsent: it is not here.
func (b *Base) Page(i uint64) (*[changes.PageBytes]byte, error) {
	if i >= b.pages {
		return nil, nil
	}
	h := b.root
	for d := Depth(b.pages); d > 0; d-- {
		data, err := b.node(h)
		if err != nil {
			return nil, err
		}
		h = child(data, i/span(d-1)%fanout)
	}
	if h == (changes.Hash{}) {
		return nil, nil
	}
	data, err := b.s.Get(ID{PageKind, h})
	if err != nil {
		return nil, err
	}
	return (*[changes.PageBytes]byte)(data), nil
}

// node is the node's bytes; none for the zero hash.
func (b *Base) node(h changes.Hash) ([]byte, error) {
	if data, ok := b.nodes[h]; ok || h == (changes.Hash{}) {
		return data, nil
	}
	data, err := b.s.Get(ID{NodeKind, h})
	if err == nil {
		b.nodes[h] = data
	}
	return data, err
}

func child(data []byte, i uint64) (h changes.Hash) {
	if i < uint64(len(data)/32) {
		copy(h[:], data[i*32:])
	}
	return h
}

// span is how many pages a node of the level covers; a page is level 0.
func span(level int) uint64 {
	n := uint64(1)
	for range level {
		n *= fanout
	}
	return n
}

// Renew is the manifest of the state in which these pages, in ascending order, have these hashes and the memory so many bytes, with its new nodes. Both
// sizes must be of one depth, the pages within the new one: else ErrFormat. store.ErrAbsent: nodes are missing.
func (b *Base) Renew(memoryBytes uint64, set []Leaf) (root changes.Hash, made []Block, err error) {
	r := renewal{Base: b, now: Pages(memoryBytes)}
	if Depth(r.now) != Depth(b.pages) || len(set) > 0 && set[len(set)-1].Page >= r.now {
		return root, nil, fmt.Errorf("%w: pages of another depth or beyond the end", ErrFormat)
	}
	root, err = r.node(b.root, Depth(r.now), 0, set)
	return root, r.made, err
}

type renewal struct {
	*Base
	now  uint64 // pages
	made []Block
}

// node renews the node of the level that stands at so many nodes of its level from the beginning.
func (r *renewal) node(old changes.Hash, level int, at uint64, set []Leaf) (changes.Hash, error) {
	data, err := r.Base.node(old)
	if err != nil {
		return old, err
	}
	size := span(level - 1)
	first := at * fanout
	children := make([]changes.Hash, min(fanout, (r.now+size-1)/size-first))
	for i := range children {
		start := (first + uint64(i)) * size
		n := 0
		for n < len(set) && set[n].Page < start+size {
			n++
		}
		mine := set[:n]
		set = set[n:]
		h := child(data, uint64(i))
		if start >= r.pages {
			h = changes.Hash{}
		}
		switch cut := start+size > min(r.pages, r.now) && start < min(r.pages, r.now); {
		case level == 1 && n > 0:
			h = mine[n-1].Hash
		case level > 1 && (n > 0 || cut && r.pages != r.now):
			if h, err = r.node(h, level-1, first+uint64(i), mine); err != nil {
				return h, err
			}
		}
		children[i] = h
	}
	h, fresh := nodeOf(children)
	if fresh != nil && h != old {
		r.made = append(r.made, Block{ID{NodeKind, h}, fresh})
	}
	return h, nil
}

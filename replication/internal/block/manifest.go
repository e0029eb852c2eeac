package block

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tandemvm/tandem/changes"
)

// fanout is the number of hashes in a node of a manifest: 4 KiB, as a page.
const fanout = 128

// Manifest is the tree of a memory's page hashes as blocks: leaves are pages, a node holds the hashes of up to
// fanout children, an all-zero subtree is the zero hash and no block. It says which blocks make up a
// state; whether they are the state is decided by the state hash (changes.Root) over the same leaves.
type Manifest struct {
	pages  uint64
	levels [][]changes.Hash // levels[0]: pages; the last has one entry
	dirty  []map[uint64]bool
}

func Pages(memoryBytes uint64) uint64 {
	return (memoryBytes + changes.PageBytes - 1) / changes.PageBytes
}

func NewManifest(memoryBytes uint64) *Manifest {
	m := &Manifest{}
	m.Resize(memoryBytes)
	return m
}

// Resize keeps the hashes of the pages that remain. Growth into another depth rebuilds the inner
// levels, which happens at most four times in the life of a run.
func (m *Manifest) Resize(memoryBytes uint64) {
	n := Pages(memoryBytes)
	if n == m.pages && m.levels != nil {
		return
	}
	old := m.levels
	m.pages, m.levels, m.dirty = n, nil, nil
	for size := max(n, 1); ; size = (size + fanout - 1) / fanout {
		m.levels = append(m.levels, make([]changes.Hash, size))
		m.dirty = append(m.dirty, map[uint64]bool{})
		if size == 1 && len(m.levels) > 1 {
			break
		}
	}
	if old != nil {
		copy(m.levels[0], old[0])
	}
	for i := range m.levels[1] {
		m.dirty[1][uint64(i)] = true
	}
}

func (m *Manifest) Set(page uint64, h changes.Hash) {
	if m.levels[0][page] != h {
		m.levels[0][page] = h
		m.dirty[1][page/fanout] = true
	}
}

// Seal recomputes the changed nodes and returns the root and the new node blocks.
func (m *Manifest) Seal() (root changes.Hash, made []Block) {
	for level := 1; level < len(m.levels); level++ {
		for _, i := range slices.Sorted(maps.Keys(m.dirty[level])) {
			h, data := nodeOf(m.levels[level-1][i*fanout : min((i+1)*fanout, uint64(len(m.levels[level-1])))])
			if m.levels[level][i] == h {
				continue
			}
			m.levels[level][i] = h
			if data != nil {
				made = append(made, Block{ID{NodeKind, h}, data})
			}
			if level+1 < len(m.levels) {
				m.dirty[level+1][i/fanout] = true
			}
		}
		clear(m.dirty[level])
	}
	return m.levels[len(m.levels)-1][0], made
}

// nodeOf is the block over children; all zero children give the zero hash and no block.
func nodeOf(children []changes.Hash) (h changes.Hash, data []byte) {
	zero := true
	for _, c := range children {
		zero = zero && c == changes.Hash{}
		data = append(data, c[:]...)
	}
	if zero {
		return h, nil
	}
	return Tagged("tandem node 1", data), data
}

// Depth is the number of node levels over n pages.
func Depth(n uint64) (depth int) {
	for size := max(n, 1); ; size = (size + fanout - 1) / fanout {
		if size == 1 && depth > 0 {
			return depth
		}
		depth++
	}
}

// Walk visits the blocks of a manifest level by level, nodes first. visit gets the blocks of a level that
// are reached and returns those to go on into, which must be here then.
func (b *Store) Walk(root changes.Hash, memoryBytes uint64, visit func(level []Placed) ([]Placed, error)) error {
	if root == (changes.Hash{}) {
		return nil
	}
	depth := Depth(Pages(memoryBytes))
	reached := []Placed{{ID{NodeKind, root}, 0}}
	for d := depth; ; d-- {
		level, err := visit(reached)
		if err != nil || d == 0 || len(level) == 0 {
			return err
		}
		var next []Placed
		for _, x := range level {
			children, err := b.children(x, d)
			if err != nil {
				return err
			}
			next = append(next, children...)
		}
		reached = next
	}
}

// Placed is a block and its place among those of its level.
type Placed struct {
	ID
	At uint64
}

// children lists the non-zero children of the node x that stands d levels above the pages.
func (b *Store) children(x Placed, d int) (out []Placed, err error) {
	data, err := b.Get(x.ID)
	if err != nil {
		return nil, err
	}
	kind := NodeKind
	if d == 1 {
		kind = PageKind
	}
	for i := uint64(0); len(data) > 0; i, data = i+1, data[32:] {
		if h := changes.Hash(data[:32]); h != (changes.Hash{}) {
			out = append(out, Placed{ID{kind, h}, x.At*fanout + i})
		}
	}
	return out, nil
}

// Leaves returns the page hashes of a manifest whose nodes are here, checked against the state hash.
func (b *Store) Leaves(root, state changes.Hash, memoryBytes uint64) ([]changes.Hash, error) {
	n := Pages(memoryBytes)
	if n > 1<<26 {
		return nil, fmt.Errorf("%w: memory of %d bytes", ErrFormat, memoryBytes)
	}
	out := make([]changes.Hash, n)
	err := b.Walk(root, memoryBytes, func(level []Placed) ([]Placed, error) {
		for _, x := range level {
			if x.Kind != PageKind {
				continue
			}
			if x.At >= n {
				return nil, fmt.Errorf("%w: manifest names page %d of %d", ErrFormat, x.At, n)
			}
			out[x.At] = x.Hash
		}
		return level, nil
	})
	if err != nil {
		return nil, err
	}
	if changes.Root(memoryBytes, out) != state {
		return nil, fmt.Errorf("%w: pages do not hash to the state they are listed for", ErrCorrupt)
	}
	return out, nil
}

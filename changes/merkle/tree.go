// Package merkle is the state hash of a memory, a tree of SHA-256 sums over its pages, of which only what lies above changed pages is hashed again, and the
// digest of named hashes (NameTree). It knows nothing of what pages and names mean, and keeps no pages. Cost: 512 bytes to hash a level and changed page, memory by pages
// that are not all zero; all names' hashes after any of them changed.
package merkle

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// PageBytes is the size of a memory page.
const PageBytes = 4096

// Fanout is how many children a node of the state hash has.
const Fanout = 16

// Hash is a SHA-256 sum. The zero Hash stands for pages that are all zero and for no state at all.
type Hash [32]byte

// IsZero reports the zero Hash.
func (h Hash) IsZero() bool { return h == Hash{} }

// String is 64 hex digits.
func (h Hash) String() string { return fmt.Sprintf("%x", h[:]) }

// What is hashed begins with a byte that says what it is, so that no leaf can pass for a node. Package changes has the others.
const (
	hashPage   = 0x00
	hashNode   = 0x01
	hashState  = 0x02
	hashBranch = 0x04
	hashDigest = 0x05
)

// PageHash is the leaf hash of one page; the zero Hash when it is all zero.
func PageHash(page *[PageBytes]byte) Hash {
	if *page == ([PageBytes]byte{}) {
		return Hash{}
	}
	var b [1 + PageBytes]byte
	b[0] = hashPage
	copy(b[1:], page[:])
	return sha256.Sum256(b[:])
}

// Root is the state hash of memoryBytes bytes of memory with these page hashes; missing ones are zero.
func Root(memoryBytes uint64, pages []Hash) Hash {
	t := NewTree(memoryBytes)
	for i, h := range pages {
		t.Set(uint64(i), h)
	}
	return t.Root()
}

// PageCount is how many pages hold so many bytes.
func PageCount(memoryBytes uint64) uint64 {
	return memoryBytes/PageBytes + min(memoryBytes%PageBytes, 1)
}

// Tree is the Merkle tree over the pages of one memory: a node of level 1 covers Fanout pages, one
// of level n that many nodes of level n-1, and the root covers all and mixes in the size (FORMAT.md). Parts
// that are all zero take no room, so a tree costs memory by its non-zero pages, whatever the size says.
// Nodes are shared between clones until written, and shared ones are never dirty, so that trees that
// share nodes may be used from different goroutines, one tree from one at a time; Root is a write.
type Tree struct {
	memoryBytes uint64
	levels      int // levels of nodes, at least 1
	top         *treeNode
	owner       *treeOwner
}

// treeOwner marks the nodes that a tree may write in place.
type treeOwner struct{ _ byte }

type treeNode struct {
	owner *treeOwner
	hash  [Fanout]Hash
	kids  *[Fanout]*treeNode // nil at level 1
	dirty uint16             // kids whose hash here is out of date
}

// levelsFor is how many levels of nodes cover so many pages.
func levelsFor(pages uint64) int {
	levels := 1
	for pages > Fanout {
		pages = (pages-1)/Fanout + 1
		levels++
	}
	return levels
}

// NewTree is the tree of a memory that is all zero.
func NewTree(memoryBytes uint64) *Tree {
	return &Tree{memoryBytes: memoryBytes, levels: levelsFor(PageCount(memoryBytes)), owner: new(treeOwner)}
}

// SizeBytes is the size of the memory.
func (t *Tree) SizeBytes() uint64 { return t.memoryBytes }

// Clone is a tree that changes on its own from now on. It costs what Root costs, and no copy.
func (t *Tree) Clone() *Tree {
	t.Root()
	c := *t
	t.owner, c.owner = new(treeOwner), new(treeOwner)
	return &c
}

// Get is the hash of a page; zero beyond the end.
func (t *Tree) Get(page uint64) Hash {
	if page >= PageCount(t.memoryBytes) {
		return Hash{}
	}
	n := t.top
	for level := t.levels; n != nil && level > 1; level-- {
		n = n.kid(slot(page, level))
	}
	if n == nil {
		return Hash{}
	}
	return n.hash[slot(page, 1)]
}

// slot is the child of a node of the level that covers the page.
func slot(page uint64, level int) int { return int(page >> (4 * (level - 1)) & (Fanout - 1)) }

func (n *treeNode) kid(i int) *treeNode {
	if n.kids == nil {
		return nil
	}
	return n.kids[i]
}

// Set replaces the hash of a page, which must be within the memory.
func (t *Tree) Set(page uint64, h Hash) {
	if page >= PageCount(t.memoryBytes) {
		panic(fmt.Sprintf("BUG: merkle: page %d set in a memory of %d bytes", page, t.memoryBytes))
	}
	if h.IsZero() && t.Get(page).IsZero() {
		return
	}
	t.top = t.writable(t.top, t.levels)
	n := t.top
	for level := t.levels; level > 1; level-- {
		i := slot(page, level)
		n.dirty |= 1 << i
		n.kids[i] = t.writable(n.kids[i], level-1)
		n = n.kids[i]
	}
	n.hash[slot(page, 1)] = h
}

// writable is n, or a copy, or a new node, that this tree owns.
func (t *Tree) writable(n *treeNode, level int) *treeNode {
	if n != nil && n.owner == t.owner {
		return n
	}
	c := &treeNode{}
	if n != nil {
		*c = *n
	}
	c.owner = t.owner
	if level > 1 {
		kids := new([Fanout]*treeNode)
		if n != nil {
			*kids = *n.kids
		}
		c.kids = kids
	}
	return c
}

// Clear makes count pages from first on zero; the cost follows the non-zero pages among them.
func (t *Tree) Clear(first, count uint64) {
	end := PageCount(t.memoryBytes)
	if first >= end || count == 0 {
		return
	}
	t.top = t.cleared(t.top, t.levels, 0, first, first+min(count, end-first))
}

// cleared is n, which covers pages from start on, without those in [first, end).
func (t *Tree) cleared(n *treeNode, level int, start, first, end uint64) *treeNode {
	span := uint64(1) << (4 * level)
	if n == nil || start >= end || start+span <= first {
		return n
	}
	if first <= start && start+span <= end {
		return nil
	}
	n = t.writable(n, level)
	for i := range Fanout {
		at := start + uint64(i)*(span/Fanout)
		if level > 1 {
			if kid := t.cleared(n.kids[i], level-1, at, first, end); kid != n.kids[i] {
				n.kids[i] = kid
				n.dirty |= 1 << i
			} else if kid != nil && kid.owner == t.owner {
				n.dirty |= 1 << i
			}
		} else if first <= at && at < end {
			n.hash[i] = Hash{}
		}
	}
	return n
}

// Resize changes the size of the memory. Pages beyond a smaller size are forgotten: after growing
// again they are zero.
func (t *Tree) Resize(memoryBytes uint64) {
	if pages := PageCount(memoryBytes); memoryBytes < t.memoryBytes {
		t.Clear(pages, PageCount(t.memoryBytes)-pages)
	}
	t.memoryBytes = memoryBytes
	levels := levelsFor(PageCount(memoryBytes))
	for ; t.levels < levels; t.levels++ {
		if t.top != nil {
			up := t.writable(nil, t.levels+1)
			up.kids[0], up.dirty = t.top, 1
			t.top = up
		}
	}
	for ; t.levels > levels; t.levels-- {
		if t.top != nil {
			t.top = t.top.kids[0]
		}
	}
}

// Root is the state hash. Only nodes above pages set since the last call are hashed again.
func (t *Tree) Root() Hash {
	top := t.rehash(t.top, t.levels)
	var b [1 + 8 + 1 + len(top)]byte
	b[0] = hashState
	binary.BigEndian.PutUint64(b[1:], t.memoryBytes)
	b[9] = byte(t.levels)
	copy(b[10:], top[:])
	return sha256.Sum256(b[:])
}

// rehash is the hash of node n, after those of its dirty children. Dirty nodes belong to t alone.
func (t *Tree) rehash(n *treeNode, level int) Hash {
	if n == nil {
		return Hash{}
	}
	for i := 0; n.dirty != 0; i++ {
		if n.dirty&(1<<i) != 0 {
			n.hash[i] = t.rehash(n.kids[i], level-1)
			n.dirty &^= 1 << i
		}
	}
	if n.hash == ([Fanout]Hash{}) {
		return Hash{}
	}
	b := make([]byte, 2, 2+len(n.hash)*len(Hash{}))
	b[0], b[1] = hashNode, byte(level)
	for i := range n.hash {
		b = append(b, n.hash[i][:]...)
	}
	return sha256.Sum256(b)
}

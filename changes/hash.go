package changes

import "github.com/tandemvm/tandem/changes/merkle"

// PageBytes is the size of a memory page.
const PageBytes = merkle.PageBytes

// What the state hash of a memory is made with, as package merkle has it.
type (
	// Hash is a SHA-256 sum. The zero Hash stands for pages that are all zero and for no state at all.
	Hash = merkle.Hash
	// Tree is the Merkle tree over the pages of one memory.
	Tree = merkle.Tree
)

// NewTree is the tree of a memory that is all zero.
func NewTree(memoryBytes uint64) *Tree { return merkle.NewTree(memoryBytes) }

// Root is the state hash of memoryBytes bytes of memory with these page hashes; missing ones are zero.
func Root(memoryBytes uint64, pages []Hash) Hash { return merkle.Root(memoryBytes, pages) }

// PageHash is the leaf hash of one page; the zero Hash when it is all zero.
func PageHash(page *[PageBytes]byte) Hash { return merkle.PageHash(page) }

// What is hashed here begins with a byte that says what it is; package merkle has the others.
const (
	hashValue = 0x03
	hashEpoch = 0x06
)

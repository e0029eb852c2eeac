package changes

import (
	"crypto/sha256"

	"github.com/tandemvm/tandem/changes/merkle"
)

// DigestTree is a Merkle tree over named decoded values, usually the shared variables of a sandbox:
// equal roots mean equal values, and Differ names what is not equal. Names may be whole variables or paths
// of parts; a tree by parts hashes only the parts that were set again. SetHash takes the leaf hash that another tree
// has for a name (Leaf), so that a digest received from a peer can be compared name by name. It is not safe for concurrent use.
type DigestTree struct{ merkle.NameTree }

// NewDigestTree is a tree of no values.
func NewDigestTree() *DigestTree { return &DigestTree{} }

// Digest is the root over values by name.
func Digest(values map[string]Value) Hash {
	t := NewDigestTree()
	for name, v := range values {
		t.Set(name, v)
	}
	return t.Root()
}

// Set gives a name its value; an absent value removes the name.
func (t *DigestTree) Set(name string, v Value) {
	if !v.Present() {
		t.SetHash(name, Hash{})
		return
	}
	b := appendText([]byte{hashValue}, name)
	t.SetHash(name, sha256.Sum256(append(b, v.Encode()...)))
}

// Differ lists the names that have different values in t and u, or a value in one only, sorted.
func (t *DigestTree) Differ(u *DigestTree) []string { return t.NameTree.Differ(&u.NameTree) }

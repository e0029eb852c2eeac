package changes

import (
	"crypto/sha256"
	"encoding/binary"
	"sort"

	"github.com/tandemvm/tandem/changes/merkle"
)

// DigestTree is a Merkle tree over named decoded values, usually the shared variables of a sandbox:
// equal roots mean equal values, and Differ names what is not equal. Names may be whole variables or paths
// of parts; a tree by parts hashes only the parts that were set again. It is not safe for concurrent use.
type DigestTree struct {
	leaves map[string]Hash
	names  []string // sorted; nil when out of date
	root   Hash
	fresh  bool
}

// NewDigestTree is a tree of no values.
func NewDigestTree() *DigestTree { return &DigestTree{leaves: map[string]Hash{}} }

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

// SetHash gives a name the leaf hash that another tree has for it (Leaf), so that a digest received from
// a peer can be compared name by name; the zero Hash removes it.
func (t *DigestTree) SetHash(name string, h Hash) {
	old, had := t.leaves[name]
	if h.IsZero() {
		delete(t.leaves, name)
	} else {
		t.leaves[name] = h
	}
	t.fresh = t.fresh && had && old == h
	if had == h.IsZero() {
		t.names = nil
	}
}

// Leaf is the hash of a name and its value; zero when it is not there.
func (t *DigestTree) Leaf(name string) Hash { return t.leaves[name] }

// Names are the names set, sorted. The result is not to be written.
func (t *DigestTree) Names() []string {
	if t.names == nil {
		for n := range t.leaves {
			t.names = append(t.names, n)
		}
		sort.Strings(t.names)
	}
	return t.names
}

// Root is the digest: leaves by name, merkle.Fanout to a branch, branches likewise up to one hash that is
// mixed with the number of leaves (FORMAT.md).
func (t *DigestTree) Root() Hash {
	if t.fresh {
		return t.root
	}
	level := make([]Hash, 0, len(t.leaves))
	for _, n := range t.Names() {
		level = append(level, t.leaves[n])
	}
	for len(level) > 1 {
		level = branches(level)
	}
	b := binary.BigEndian.AppendUint64([]byte{hashDigest}, uint64(len(t.leaves)))
	for _, h := range level {
		b = append(b, h[:]...)
	}
	t.root, t.fresh = sha256.Sum256(b), true
	return t.root
}

func branches(level []Hash) []Hash {
	var up []Hash
	for len(level) > 0 {
		n := min(len(level), merkle.Fanout)
		b := []byte{hashBranch}
		for _, h := range level[:n] {
			b = append(b, h[:]...)
		}
		up, level = append(up, sha256.Sum256(b)), level[n:]
	}
	return up
}

// Differ lists the names that have different values in t and u, or a value in one only, sorted.
func (t *DigestTree) Differ(u *DigestTree) []string {
	var names []string
	for n, h := range t.leaves {
		if u.leaves[n] != h {
			names = append(names, n)
		}
	}
	for n := range u.leaves {
		if _, both := t.leaves[n]; !both {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	return names
}

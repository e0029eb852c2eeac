package merkle

import (
	"crypto/sha256"
	"encoding/binary"
	"sort"
)

// NameTree is a Merkle tree over named hashes: equal roots mean equal names and hashes, and Differ names what is not equal. The zero value holds nothing. It is not
// safe for concurrent use.
type NameTree struct {
	leaves map[string]Hash
	names  []string // sorted; nil when out of date
	root   Hash
	fresh  bool
}

// SetHash gives a name its hash; the zero Hash removes it.
func (t *NameTree) SetHash(name string, h Hash) {
	old, had := t.leaves[name]
	switch {
	case h.IsZero():
		delete(t.leaves, name)
	case t.leaves == nil:
		t.leaves = map[string]Hash{name: h}
	default:
		t.leaves[name] = h
	}
	t.fresh = t.fresh && had && old == h
	if had == h.IsZero() {
		t.names = nil
	}
}

// Leaf is the hash of a name; zero when it is not there.
func (t *NameTree) Leaf(name string) Hash { return t.leaves[name] }

// Names are the names set, sorted. The result is not to be written.
func (t *NameTree) Names() []string {
	if t.names == nil {
		for n := range t.leaves {
			t.names = append(t.names, n)
		}
		sort.Strings(t.names)
	}
	return t.names
}

// Root is the digest: leaves by name, Fanout to a branch, branches likewise up to one hash that is
// mixed with the number of leaves (FORMAT.md).
func (t *NameTree) Root() Hash {
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
		n := min(len(level), Fanout)
		b := []byte{hashBranch}
		for _, h := range level[:n] {
			b = append(b, h[:]...)
		}
		up, level = append(up, sha256.Sum256(b)), level[n:]
	}
	return up
}

// Differ lists the names that have different hashes in t and u, or one in one only, sorted.
func (t *NameTree) Differ(u *NameTree) []string {
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

package merkle

import (
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"testing"
)

var seed = flag.Uint64("seed", 0, "seed of random tests; 0: another one each time")

func source(t *testing.T) *rand.Rand {
	n := *seed
	if n == 0 {
		n = rand.Uint64()
	}
	t.Logf("again with: go test -run '^%s$' -seed %d", t.Name(), n)
	return rand.New(rand.NewPCG(n, 0))
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// plainRoot is FORMAT.md's definition, level by level over all pages.
func plainRoot(memoryBytes uint64, pages map[uint64]Hash) Hash {
	n := int((memoryBytes + PageBytes - 1) / PageBytes)
	level := make([]Hash, n)
	for i := range level {
		level[i] = pages[uint64(i)]
	}
	depth := byte(0)
	for depth == 0 || len(level) > 1 {
		depth++
		var up []Hash
		for len(level) > 0 || len(up) == 0 {
			var kids [16]Hash
			level = level[copy(kids[:], level):]
			h := Hash{}
			if kids != [16]Hash{} {
				b := []byte{1, depth}
				for _, k := range kids {
					b = append(b, k[:]...)
				}
				h = sha256.Sum256(b)
			}
			up = append(up, h)
		}
		level = up
	}
	b := binary.BigEndian.AppendUint64([]byte{2}, memoryBytes)
	b = append(b, depth)
	return sha256.Sum256(append(b, level[0][:]...))
}

// plainTree is a tree beside a map of all its pages.
type plainTree struct {
	tree  *Tree
	pages map[uint64]Hash
	size  uint64
}

func (p *plainTree) step(r *rand.Rand) {
	n := (p.size + PageBytes - 1) / PageBytes
	switch k := r.IntN(10); {
	case k < 6 && n > 0:
		i := r.Uint64N(n)
		h := Hash{byte(r.IntN(3))}
		p.tree.Set(i, h)
		p.pages[i] = h
	case k == 6:
		first, count := r.Uint64N(n+3), r.Uint64N(n+3)
		p.tree.Clear(first, count)
		for i := first; i < first+count; i++ {
			delete(p.pages, i)
		}
	case k == 7:
		p.size = pick[uint64](r, 0, 1, 16, 17, 255, 256, 257, 1000)*PageBytes - r.Uint64N(2)*uint64(r.IntN(PageBytes))
		if p.size > 1<<60 {
			p.size = 0
		}
		p.tree.Resize(p.size)
		for i := range p.pages {
			if i >= (p.size+PageBytes-1)/PageBytes {
				delete(p.pages, i)
			}
		}
	}
}

func TestTreeIsTheRootOfItsPages(t *testing.T) {
	r := source(t)
	all := []*plainTree{{NewTree(0), map[uint64]Hash{}, 0}}
	for i := range 4000 {
		p := pick(r, all...)
		p.step(r)
		if r.IntN(3) == 0 {
			if got, want := p.tree.Root(), plainRoot(p.size, p.pages); got != want {
				t.Fatalf("step %d, %d bytes: root %v, want %v", i, p.size, got, want)
			}
		}
		if n := (p.size + PageBytes - 1) / PageBytes; n > 0 {
			if i := r.Uint64N(n); p.tree.Get(i) != p.pages[i] {
				t.Fatalf("page %d: %v, want %v", i, p.tree.Get(i), p.pages[i])
			}
		}
		if r.IntN(200) == 0 {
			c := &plainTree{p.tree.Clone(), map[uint64]Hash{}, p.size}
			for i, h := range p.pages {
				c.pages[i] = h
			}
			all = append(all, c)
		}
	}
	for _, p := range all {
		if got, want := p.tree.Root(), plainRoot(p.size, p.pages); got != want {
			t.Fatalf("a clone was written through: %v, want %v", got, want)
		}
	}
}

func TestTreeOfAHugeSparseMemory(t *testing.T) {
	tree := NewTree(1<<64 - 1)
	tree.Set(1<<51, Hash{1})
	tree.Set(3, Hash{2})
	before := tree.Root()
	tree.Set(1<<50, Hash{3})
	if tree.Root() == before {
		t.Error("a page in the middle does not show")
	}
	tree.Clear(4, 1<<51-4)
	if tree.Root() != before {
		t.Error("clearing it does not bring the root back")
	}
	tree.Resize(5 * PageBytes)
	if got, want := tree.Root(), Root(5*PageBytes, []Hash{3: {2}}); got != want {
		t.Errorf("after shrinking %v, want %v", got, want)
	}
}

func TestSizeIsInTheRoot(t *testing.T) {
	seen := map[Hash]uint64{}
	for _, n := range []uint64{0, 1, PageBytes - 1, PageBytes, PageBytes + 1, 16 * PageBytes, 16*PageBytes + 1, 1 << 30} {
		h := NewTree(n).Root()
		if m, twice := seen[h]; twice {
			t.Errorf("empty memories of %d and %d bytes have one root", m, n)
		}
		seen[h] = n
	}
}

func TestPageHash(t *testing.T) {
	var page [PageBytes]byte
	if !PageHash(&page).IsZero() {
		t.Error("the zero page has a hash")
	}
	page[4095] = 1
	if got, want := PageHash(&page), Hash(sha256.Sum256(append([]byte{0}, page[:]...))); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func BenchmarkTreeRootAfterEightPages(b *testing.B) {
	tree := NewTree(1 << 30)
	for i := range uint64(1 << 12) {
		tree.Set(i, Hash{1, byte(i)})
	}
	tree.Root()
	for i := range b.N {
		for j := range uint64(8) {
			tree.Set(j*500, Hash{2, byte(i), byte(i >> 8)})
		}
		tree.Root()
	}
}

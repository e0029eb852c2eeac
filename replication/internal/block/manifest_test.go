package block

import (
	"math/rand/v2"
	"testing"

	"github.com/tandemvm/tandem/changes"
)

// TestManifestAgainstPlainRebuild sets, clears and resizes at random places and compares with a manifest made at once.
func TestManifestAgainstPlainRebuild(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 5))
	for range 50 {
		size := 1 + rnd.Uint64N(40000)
		m := NewManifest(size * changes.PageBytes)
		made := map[changes.Hash]bool{{}: true}
		for range 1 + rnd.IntN(5) {
			if rnd.IntN(3) == 0 {
				size = 1 + rnd.Uint64N(40000)
				m.Resize(size * changes.PageBytes)
			}
			for range rnd.IntN(30) {
				h := changes.Hash{byte(rnd.IntN(3))}
				m.Set(rnd.Uint64N(size), h)
			}
			_, nodes := m.Seal()
			for _, n := range nodes {
				made[n.ID.Hash] = true
			}
		}
		plain := NewManifest(size * changes.PageBytes)
		for i, h := range m.levels[0] {
			plain.Set(uint64(i), h)
		}
		got, _ := m.Seal()
		want, nodes := plain.Seal()
		if got != want {
			t.Fatalf("root of %d pages differs", size)
		}
		for _, n := range nodes {
			if !made[n.ID.Hash] {
				t.Fatalf("a node of %d pages was never given out", size)
			}
		}
	}
}

package ir

import (
	"math/rand/v2"
	"testing"
)

// randomSpans is a list and the set of positions it covers.
func randomSpans(rnd *rand.Rand, ends int32) (spans, map[int32]bool) {
	var s spans
	covered := map[int32]bool{}
	for at := rnd.Int32N(8); at < ends; {
		x := span{at, at + 1 + rnd.Int32N(6)}
		s = append(s, x)
		for p := x.from; p < x.to; p++ {
			covered[p] = true
		}
		at = x.to + 1 + rnd.Int32N(20)
	}
	return s, covered
}

// TestSpans compares lists of spans with sets of positions.
func TestSpans(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 4000 {
		a, as := randomSpans(rnd, rnd.Int32N(200))
		b, bs := randomSpans(rnd, rnd.Int32N(200))
		common, either := false, map[int32]bool{}
		for p := range as {
			common = common || bs[p]
			either[p] = true
		}
		for p := range bs {
			either[p] = true
		}
		if a.intersects(b) != common || b.intersects(a) != common {
			t.Fatalf("seed %d: %v intersects %v: %v and %v, want %v", seed, a, b, a.intersects(b), b.intersects(a), common)
		}
		for name, got := range map[string]spans{"union": a.union(b), "insert": append(spans(nil), a...).insert(b)} {
			count, last := 0, int32(-1)
			for _, x := range got {
				if x.from < last || x.from >= x.to {
					t.Fatalf("seed %d: %s of %v and %v is %v", seed, name, a, b, got)
				}
				for last = x.from; last < x.to; last++ {
					if count++; !either[last] {
						t.Fatalf("seed %d: %s of %v and %v is %v", seed, name, a, b, got)
					}
				}
			}
			if count != len(either) {
				t.Fatalf("seed %d: %s of %v and %v is %v", seed, name, a, b, got)
			}
		}
	}
}

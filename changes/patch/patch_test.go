package patch

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// TestReadGivesWhatAddTook makes pages from the pages before and their patches.
func TestReadGivesWhatAddTook(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 200 {
		var s Set
		var olds, nows []*[PageBytes]byte
		for range r.IntN(5) {
			old := new([PageBytes]byte)
			for i := range old {
				old[i] = byte(r.IntN(3))
			}
			now := *old
			for range r.IntN(60) {
				at := r.IntN(PageBytes)
				for i := at; i < min(at+r.IntN(20), PageBytes); i++ {
					now[i] = byte(r.IntN(3))
				}
			}
			if s.Add(old, &now) {
				olds, nows = append(olds, old), append(nows, &now)
			}
		}
		b := s.Append(nil)
		next := func() uint64 {
			v, n := binary.Uvarint(b)
			b = b[n:]
			return v
		}
		runs, err := Read(len(olds), next, len(b))
		if err != nil {
			t.Fatal(err)
		}
		for i, page := range olds {
			for _, run := range runs[i] {
				b = b[copy(page[run.At:run.At+run.N], b):]
			}
			if *page != *nows[i] {
				t.Fatalf("page %d of %d is another", i, len(olds))
			}
		}
		if len(b) != 0 {
			t.Fatalf("%d bytes are left", len(b))
		}
	}
	random, other := new([PageBytes]byte), new([PageBytes]byte)
	for i := range random {
		random[i] = byte(r.Uint32()) | 1
	}
	if new(Set).Add(other, random) {
		t.Error("a page that differs everywhere is patched")
	}
}

func TestReadRefuses(t *testing.T) {
	for name, numbers := range map[string][]uint64{
		"more runs than bytes":       {9},
		"more runs than a page":      {runsMax + 1},
		"a run beyond its page":      {1, 4090, 6},
		"a second run beyond it":     {2, 4000, 90, 4, 1},
		"a distance beyond all":      {1, 1 << 63, 0},
		"a length beyond all":        {1, 0, 1<<64 - 1},
		"runs that are not so short": {1, 1, PageBytes - 1},
	} {
		left := 8
		if numbers[0] > runsMax {
			left = 1 << 20
		}
		next := func() uint64 {
			if len(numbers) == 0 {
				return 0
			}
			n := numbers[0]
			numbers = numbers[1:]
			return n
		}
		if _, err := Read(1, next, left); !errors.Is(err, ErrRun) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

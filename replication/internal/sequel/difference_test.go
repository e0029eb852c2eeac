package sequel

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestDifferenceGivesBack makes bytes of others that are changed, cut, longer and moved here and there.
func TestDifferenceGivesBack(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.IntN(4 << r.IntN(7)))
		}
		return b
	}
	for range 3000 {
		from := random(r.IntN(400))
		to := bytes.Clone(from)
		for range r.IntN(6) {
			at := r.IntN(len(to) + 1)
			end := min(at+r.IntN(40), len(to))
			switch r.IntN(3) {
			case 0:
				to = append(to[:at:at], to[end:]...)
			case 1:
				to = append(append(to[:at:at], random(r.IntN(40))...), to[at:]...)
			case 2:
				copy(to[at:end], random(end-at))
			}
		}
		diff := difference(from, to)
		back, err := restore(from, diff, len(to))
		if err != nil || !bytes.Equal(back, to) {
			t.Fatalf("%x from %x by %x: %x, %v", to, from, diff, back, err)
		}
		if len(to) > 0 {
			if _, err := restore(from, diff, len(to)-1); err == nil {
				t.Fatal("more bytes than allowed were made")
			}
		}
		if len(diff) > len(to)+len(to)/4+16 {
			t.Fatalf("%d bytes say %d", len(diff), len(to))
		}
	}
}

// TestDifferenceIsSmall holds what changed fields cost.
func TestDifferenceIsSmall(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	from := make([]byte, 1000)
	for i := range from {
		from[i] = byte(r.Uint32())
	}
	field := bytes.Clone(from)
	field[100] ^= 1
	grown := append(append(bytes.Clone(from[:300]), 7, 7), from[300:]...)
	for name, c := range map[string]struct {
		to  []byte
		max int
	}{"the same": {from, 2}, "a byte": {field, 8}, "two bytes more": {grown, 10}, "a part left out": {append(bytes.Clone(from[:300]), from[400:]...), 10}} {
		if n := len(difference(from, c.to)); n > c.max {
			t.Errorf("%s: %d bytes", name, n)
		}
	}
}

func FuzzRestore(f *testing.F) {
	f.Add([]byte("what is here"), difference([]byte("what is here"), []byte("what was there")))
	f.Add([]byte{}, []byte{0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, from, diff []byte) {
		const most = 1000
		to, err := restore(from, diff, most)
		if err == nil && len(to) > most {
			t.Errorf("%d bytes of at most %d", len(to), most)
		}
		if back, err := restore(from, difference(from, diff), len(diff)); err != nil || !bytes.Equal(back, diff) {
			t.Errorf("a difference does not give back: %v", err)
		}
	})
}

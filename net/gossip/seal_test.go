package gossip

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func pair(t testing.TB) (*sealer, *opener) {
	t.Helper()
	s, err := newSealer([32]byte{1}, "topic", "author")
	if err != nil {
		t.Fatal(err)
	}
	return s, &opener{key: [32]byte{1}, topic: "topic"}
}

func TestSealOpens(t *testing.T) {
	s, o := pair(t)
	for n := range 100 {
		data := bytes.Repeat([]byte{byte(n)}, n)
		sealed := s.seal(data)
		if len(sealed) != len(data)+SealBytes {
			t.Fatalf("%d bytes became %d", len(data), len(sealed))
		}
		if len(data) > 8 && bytes.Contains(sealed, data) {
			t.Fatal("plain text shows")
		}
		got, err := o.open("author", sealed)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatal(got, err)
		}
		if _, err := o.open("author", sealed); !errors.Is(err, errReplay) {
			t.Fatalf("replay: %v", err)
		}
	}
}

func TestSealRefusesEverythingElse(t *testing.T) {
	s, o := pair(t)
	sealed := s.seal([]byte("data"))
	for n := range sealed {
		for bit := range 8 {
			bad := bytes.Clone(sealed)
			bad[n] ^= 1 << bit
			if _, err := o.open("author", bad); !errors.Is(err, errSeal) {
				t.Fatalf("byte %d bit %d: %v", n, bit, err)
			}
		}
		if _, err := o.open("author", sealed[:n]); !errors.Is(err, errSeal) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	for what, o := range map[string]*opener{
		"key":   {key: [32]byte{2}, topic: "topic"},
		"topic": {key: [32]byte{1}, topic: "other"},
	} {
		if _, err := o.open("author", sealed); !errors.Is(err, errSeal) {
			t.Errorf("other %s: %v", what, err)
		}
	}
	if _, err := o.open("somebody", sealed); !errors.Is(err, errSeal) {
		t.Errorf("other author: %v", err)
	}
	if len(o.sessions) != 0 {
		t.Errorf("refused messages left %d sessions", len(o.sessions))
	}
	if _, err := o.open("author", sealed); err != nil {
		t.Errorf("the true message: %v", err)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	_, o := pair(t)
	for n := range 2 * sessionsMax {
		s, err := newSealer([32]byte{1}, "topic", fmt.Sprint(n))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.open(fmt.Sprint(n), s.seal(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if len(o.sessions) != sessionsMax {
		t.Errorf("%d sessions", len(o.sessions))
	}
}

// The window against a map that remembers everything.
func TestWindowAgainstAMap(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for round := range 20 {
		var w window
		seen := map[uint64]bool{}
		top, at := uint64(0), uint64(1)
		for range 20000 {
			switch r.IntN(100) {
			case 0:
				at += r.Uint64N(3 * windowMessages)
			case 1, 2:
				at += r.Uint64N(200)
			default:
				at++
			}
			n := at
			if r.IntN(3) == 0 {
				n -= min(at-1, r.Uint64N(windowMessages*5/4))
			}
			want := !seen[n] && n+windowMessages > top
			if got := w.admit(n); got != want {
				t.Fatalf("round %d: %d after top %d: %v, want %v", round, n, top, got, want)
			}
			if want {
				seen[n] = true
				top = max(top, n)
			}
		}
	}
}

// FuzzOpen: no bytes open without the key, and none panic.
func FuzzOpen(f *testing.F) {
	s, _ := pair(f)
	f.Add(s.seal([]byte("data")))
	f.Add([]byte{sealVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		o := &opener{key: [32]byte{7}, topic: "topic"}
		if _, err := o.open("author", b); err == nil {
			t.Fatal("opened without the key")
		}
	})
}

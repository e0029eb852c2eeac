package ident

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestOpenCreatesOnceAndKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "identity")
	a, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	b, err := Open(path)
	if err != nil || b.Peer() != a.Peer() {
		t.Fatalf("second open: %v, %v", b, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".identity-*")); len(left) != 0 {
		t.Fatalf("temporary files left: %v", left)
	}
}

func TestConcurrentCreatorsAgree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity")
	peers := make([]string, 8)
	var wg sync.WaitGroup
	for n := range peers {
		wg.Go(func() {
			i, err := Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			peers[n] = i.Peer()
		})
	}
	wg.Wait()
	for _, p := range peers {
		if p != peers[0] {
			t.Fatalf("different identities: %v", peers)
		}
	}
}

func TestRefusesOpenMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity")
	if _, err := Open(path); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o644, 0o660, 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); !errors.Is(err, ErrMode) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

// Every single flipped byte, every cut and every appended byte is noticed.
func TestRefusesCorruptFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity")
	if _, err := Open(path); err != nil {
		t.Fatal(err)
	}
	whole, _ := os.ReadFile(path)
	check := func(text []byte, what string) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range whole {
		bad := append([]byte(nil), whole...)
		bad[n] ^= 1
		check(bad, "flipped byte")
		check(whole[:n], "cut")
	}
	check(append(append([]byte(nil), whole...), '\n'), "appended")
	check(make([]byte, fileSizeMax+1), "large")
}

func TestSignVerify(t *testing.T) {
	a, _ := New()
	b, _ := New()
	sig, err := a.Sign([]byte("data"))
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(a.Peer(), []byte("data"), sig); err != nil {
		t.Fatal(err)
	}
	bad := append([]byte(nil), sig...)
	bad[5] ^= 1
	for what, err := range map[string]error{
		"other data":   Verify(a.Peer(), []byte("date"), sig),
		"other peer":   Verify(b.Peer(), []byte("data"), sig),
		"changed sig":  Verify(a.Peer(), []byte("data"), bad),
		"empty sig":    Verify(a.Peer(), []byte("data"), nil),
		"not a peer":   Verify("nobody", []byte("data"), sig),
		"empty peer":   Verify("", []byte("data"), sig),
		"keyless peer": Verify("QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", []byte("data"), sig),
	} {
		if !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// The raw key over the same data is not a project signature: the domain differs.
	raw, _ := a.Key().Sign([]byte("data"))
	if err := Verify(a.Peer(), []byte("data"), raw); !errors.Is(err, ErrSignature) {
		t.Errorf("signature without the domain was accepted: %v", err)
	}
}

func TestPrintingShowsNoKey(t *testing.T) {
	i, err := fromSeed(bytes.Repeat([]byte{0xab}, ed25519.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		for _, v := range []any{i, *i, struct{ Identity Identity }{*i}} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "171") || strings.Contains(strings.ToLower(s), "abab") || !strings.Contains(s, i.Peer()) {
				t.Errorf("%s of %T: %s", verb, v, s)
			}
		}
	}
}

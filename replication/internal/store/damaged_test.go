package store

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestDamagedStoreIsLetGo: whoever cannot open a store because of damage keeps neither its lock nor a goroutine.
func TestDamagedStoreIsLetGo(t *testing.T) {
	for name, damaged := range map[string]func(b []byte) []byte{
		"MANIFEST-": func(b []byte) []byte { return b[:len(b)/2] },
		"OPTIONS-":  func(b []byte) []byte { return []byte("[Options]\n  comparer=another\n") },
		".log": func(b []byte) []byte {
			for i := 20; i < len(b); i += 7 {
				b[i] ^= 0x55
			}
			return b
		},
	} {
		dir := t.TempDir()
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			if err := s.Write(i == 99, func(b Batch) { b.Put([]byte{byte(i)}, make([]byte, 3000)) }); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		before := runtime.NumGoroutine()
		files, err := filepath.Glob(filepath.Join(dir, databaseDir, "*"+name+"*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no file to damage: %v", name, err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(f, damaged(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for range 5 {
			if s, err := Open(dir, Options{}); err == nil || errors.Is(err, ErrLocked) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: opened %v, %v", name, s != nil, err)
			}
		}
		for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %d goroutines, then %d", name, before, runtime.NumGoroutine())
			}
		}
	}
}

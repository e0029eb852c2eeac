package cache

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

func always([]byte) bool { return true }

func TestPutAndGet(t *testing.T) {
	c := &Cache{Dir: filepath.Join(t.TempDir(), "deep", "cache"), MaxBytes: 1 << 20}
	a, b := NewKey("a"), NewKey("b")
	if c.Get(a, always) != nil {
		t.Fatal("a hit in an empty cache")
	}
	if err := c.Put(a, []byte("record a"), []byte("image")); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(b, []byte("record b"), []byte("image")); err != nil {
		t.Fatal(err)
	}
	var seen []byte
	if got := c.Get(a, func(r []byte) bool { seen = r; return true }); string(got) != "image" || string(seen) != "record a" {
		t.Errorf("got %q with record %q", got, seen)
	}
	if c.Get(b, func([]byte) bool { return false }) != nil {
		t.Error("a hit although the record does not hold")
	}
	if n, _, err := c.Size(); n != 1 || err != nil {
		t.Errorf("%d images, %v; equal images are kept once", n, err)
	}
	if err := c.Put(a, []byte("record a2"), []byte("other image")); err != nil {
		t.Fatal(err)
	}
	if got := c.Get(a, always); string(got) != "other image" {
		t.Errorf("after the second Put: %q", got)
	}
	if err := c.Clear(); err != nil {
		t.Fatal(err)
	}
	if n, size, err := c.Size(); n != 0 || size != 0 || err != nil || c.Get(a, always) != nil {
		t.Errorf("after Clear: %d images, %d bytes, %v", n, size, err)
	}
	if NewKey("ab", "c") == NewKey("a", "bc") {
		t.Error("keys of different parts are equal")
	}
}

// TestDamage flips each byte of each file in turn: the answer is the image or a miss, and the next Put makes good.
func TestDamage(t *testing.T) {
	c := &Cache{Dir: t.TempDir(), MaxBytes: 1 << 20}
	k, image := NewKey("k"), []byte("the image")
	put := func() {
		if err := c.Put(k, []byte("record"), image); err != nil {
			t.Fatal(err)
		}
	}
	put()
	files, _ := filepath.Glob(filepath.Join(c.Dir, "*"))
	if len(files) != 2 {
		t.Fatalf("files: %v", files)
	}
	for _, f := range files {
		whole, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole {
			for _, bad := range [][]byte{whole[:i], flipped(whole, i)} {
				if err := os.WriteFile(f, bad, 0o644); err != nil {
					t.Fatal(err)
				}
				if got := c.Get(k, always); got != nil {
					t.Fatalf("%s damaged at %d: a hit with %q", filepath.Ext(f), i, got)
				}
				put()
				if got := c.Get(k, always); !bytes.Equal(got, image) {
					t.Fatalf("%s damaged at %d and put again: %q", filepath.Ext(f), i, got)
				}
			}
		}
	}
}

func flipped(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 0x10
	return b
}

// TestBound fills the cache over its bound: what was used last stays.
func TestBound(t *testing.T) {
	c := &Cache{Dir: t.TempDir(), MaxBytes: 10 << 10}
	rnd := rand.New(rand.NewPCG(1, 2))
	image := func() []byte {
		b := make([]byte, 900)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	age := func() { // an hour and a half passes
		files, _ := filepath.Glob(filepath.Join(c.Dir, "*"))
		for _, f := range files {
			fi, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			at := fi.ModTime().Add(-90 * time.Minute)
			os.Chtimes(f, at, at)
		}
	}
	favourite := NewKey("favourite")
	if err := c.Put(favourite, nil, image()); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		age()
		if c.Get(favourite, always) == nil {
			t.Fatalf("what is used all the time is gone after %d others", i)
		}
		if err := c.Put(NewKey("k", strconv.Itoa(i)), nil, image()); err != nil {
			t.Fatal(err)
		}
		if _, size, err := c.Size(); err != nil || size > c.MaxBytes {
			t.Fatalf("%d bytes, bound %d, %v", size, c.MaxBytes, err)
		}
	}
	if c.Get(NewKey("k", "0"), always) != nil || c.Get(NewKey("k", "29"), always) == nil {
		t.Error("the wrong ones stayed")
	}
	if err := c.Put(NewKey("big"), nil, make([]byte, c.MaxBytes)); err == nil {
		t.Error("an image larger than the cache was taken")
	}
	temp := filepath.Join(c.Dir, "x"+tempExt)
	if err := os.WriteFile(temp, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	age()
	if err := c.Put(favourite, nil, image()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(temp); err == nil {
		t.Error("what an interrupted Put left behind stays")
	}
}

// TestUnwritable has a file where the directory should be: caching is lost and nothing else.
func TestUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := &Cache{Dir: filepath.Join(file, "cache"), MaxBytes: 1 << 20}
	if err := c.Put(NewKey("k"), nil, []byte("image")); err == nil {
		t.Error("no error")
	}
	if c.Get(NewKey("k"), always) != nil {
		t.Error("a hit")
	}
}

// TestProcesses has several processes use one small cache at once: each hit is whole.
func TestProcesses(t *testing.T) {
	if dir := os.Getenv("TANDEM_TEST_CACHE"); dir != "" {
		hammer(t, dir)
		return
	}
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestProcesses$")
			cmd.Env = append(os.Environ(), "TANDEM_TEST_CACHE="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	all.Wait()
}

func hammer(t *testing.T, dir string) {
	c := &Cache{Dir: dir, MaxBytes: 40 << 10}
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	hits := 0
	for range 300 {
		n := rnd.IntN(8)
		k := NewKey(strconv.Itoa(n))
		// The image says whose it is and what its record is.
		var record []byte
		if got := c.Get(k, func(r []byte) bool { record = bytes.Clone(r); return true }); got != nil {
			hits++
			if want := bytes.Repeat(record, 400); !bytes.Equal(got, want) || !bytes.HasPrefix(record, fmt.Appendf(nil, "%d ", n)) {
				t.Fatalf("seed %d: a hit of %d has record %q and %d other bytes", seed, n, record, len(got))
			}
			if rnd.IntN(3) > 0 {
				continue
			}
		}
		record = fmt.Appendf(nil, "%d %d", n, rnd.IntN(3))
		if err := c.Put(k, record, bytes.Repeat(record, 400)); err != nil && !os.IsNotExist(err) {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	if hits == 0 {
		t.Errorf("seed %d: no hit", seed)
	}
}

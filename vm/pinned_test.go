package vm

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/pinned"
)

// TestRootPageIsPinned: this package's part of the root page stands in snapshots.
func TestRootPageIsPinned(t *testing.T) {
	var number int
	if _, err := fmt.Sscanf(Version, "tandem-vm-%d", &number); err != nil {
		t.Fatal(err)
	}
	now := ""
	for i, at := range []uint64{rootLines, rootTurns, rootMono, rootRun, rootBegun, rootDying, rootMessages, rootFork, rootOutputMax, rootOutputUsed, rootTouched, touchedWords + code.Base} {
		now += fmt.Sprintln("root", i, at-code.Base)
	}
	if rootFetched != code.Base+3168 { // it came later than the version: 0 in what older builds wrote, which they do not look at
		t.Errorf("rootFetched is at %d", rootFetched-code.Base)
	}
	pinned.Check(t, "layout", number, now, "Snapshots of this version would be misread: raise vm.Version.")
}

// halted is a program with something of everything that stands in memory: it is pinned while goroutines wait, a call is deferred and a panic recovered from.
const halted = `package main

import "time"

type shape interface{ area() int }
type square struct{ side int }

func (s *square) area() int { return s.side * s.side }

func safely(f func() int) (n int) {
	defer func() {
		if r := recover(); r != nil { n = -1 }
	}()
	defer func() { n++ }()
	return f()
}

func main() {
	small, large, names := map[int]int{1: 2}, map[int]shape{}, map[string][]byte{}
	for i := range 100 { large[i] = &square{i}; names[string(rune('a'+i))] = make([]byte, i) }
	c, done := make(chan shape, 3), make(chan int)
	go func() {
		s := 0
		for x := range c { s += x.area(); time.Sleep(time.Millisecond) }
		done <- s
	}()
	for i := range 40 { c <- large[i]; small[i] += safely(func() int { return large[i*3].area() }) }
	close(c)
	s := <-done
	for k, v := range small { s += k * v }
	for k, v := range names { s += len(k) + len(v) }
	println(s)
}
`

// TestPinnedRunsGoOn continues runs that releases before this one have written: each goes on to what it printed then, or is refused by its version.
// A file is written when its version is new, or when its program is refused because the op table is another one.
func TestPinnedRunsGoOn(t *testing.T) {
	ctx := context.Background()
	file := func(version, name string) string {
		return filepath.Join("testdata", "pinned", version+"."+name)
	}
	again := func(version string) error {
		image, err := os.ReadFile(file(version, "image"))
		if err != nil {
			return err
		}
		p, err := DecodeProgram(image)
		if err != nil {
			return err
		}
		snapshot, err := os.ReadFile(file(version, "snapshot"))
		if err != nil {
			return err
		}
		s, err := DecodeSnapshot(p, snapshot)
		if err != nil {
			return err
		}
		var out collected
		m, err := Resume(ctx, p, Config{Clock: epoch2026(), Output: &out}, s)
		if err != nil {
			return err
		}
		m, exit := finish(t, m, m.cfg.Clock.(*VirtualClock), 1<<20, func(m *Machine) *Machine { return m })
		m.Close()
		want, err := os.ReadFile(file(version, "output"))
		if err != nil {
			return err
		}
		if got := out.outcome(exit); got != string(want) {
			t.Errorf("%s: the run ended with\n%s\nthen with\n%s", version, want, got)
		}
		return nil
	}
	if err := again(Version); errors.Is(err, code.ErrVersion) || errors.Is(err, os.ErrNotExist) {
		if flag.Lookup("pin").Value.String() != "true" {
			t.Logf("%s: %v; run this test with -pin", Version, err)
			if errors.Is(err, os.ErrNotExist) {
				t.Fail()
			}
		} else {
			pin(t, file)
		}
	} else if err != nil {
		t.Errorf("%s: %v: what stands in memory or in files has changed, so raise vm.Version and run this test with -pin", Version, err)
	}
	files, err := filepath.Glob(file("*", "image"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		version := filepath.Base(f[:len(f)-len(".image")])
		if err := again(version); version != Version && !errors.Is(err, code.ErrVersion) && !errors.Is(err, ErrVersion) {
			t.Errorf("%s is not refused by its version: %v", version, err)
		}
	}
}

// pin writes the files of this version.
func pin(t *testing.T, file func(version, name string) string) {
	t.Helper()
	ctx := context.Background()
	p := source(t, halted)
	want, count, _ := undisturbed(t, p)
	m, clock := machine(t, p, nil)
	for m.Instructions() < count/2 {
		stop, err := m.Run(ctx, 50)
		if err != nil {
			t.Fatal(err)
		}
		if stop.End == EndIdle {
			clock.T = stop.Wake
		}
	}
	s, err := m.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join("testdata", "pinned"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"image": p.Encode(), "snapshot": b, "output": []byte(want)} {
		if err := os.WriteFile(file(Version, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOtherVersionsAreRefused: a snapshot says which VM wrote it.
func TestOtherVersionsAreRefused(t *testing.T) {
	p := source(t, "package main\nfunc main() { println(1) }\n")
	m, _ := machine(t, p, nil)
	s, err := m.Take(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	other := *s
	other.VM = "tandem-vm-0"
	b, err := other.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeSnapshot(p, b); err == nil {
		t.Error("decoded")
	}
	if _, err := OpenSnapshot(p, bytes.NewReader(b), int64(len(b))); err == nil {
		t.Error("opened")
	}
	if _, err := Resume(context.Background(), p, Config{}, &other); !errors.Is(err, ErrVersion) {
		t.Errorf("resumed: %v", err)
	}
	if err := m.Load(context.Background(), &other); !errors.Is(err, ErrVersion) {
		t.Errorf("loaded: %v", err)
	}
}

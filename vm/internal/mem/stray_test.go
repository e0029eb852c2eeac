package mem

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// TestStrayAccess writes and reads beside a memory and its page table, as far as slot numbers reach: the access is stopped, and the memory says so from then on.
func TestStrayAccess(t *testing.T) {
	if !canProtect {
		t.Skip("this host has no memory protection")
	}
	for name, at := range map[string]func(m *Memory) int{
		"behind":      func(m *Memory) int { return len(m.region) },
		"far behind":  func(m *Memory) int { return len(m.region) + 2<<16*8 },
		"last behind": func(m *Memory) int { return len(m.region) + int(GuardBytes) - 1 },
		"before":      func(m *Memory) int { return int(uintptr(m.marks)-uintptr(m.base)) - 1 },
		"far before":  func(m *Memory) int { return int(uintptr(m.marks)-uintptr(m.base)) - int(GuardBytes) },
	} {
		for _, write := range []bool{false, true} {
			m, err := New(1 << 20)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Grow(PageBytes); err != nil {
				t.Fatal(err)
			}
			last := false
			whole := m.Try(func() {
				m.Store64(code.Base, 7)
				p := (*byte)(unsafe.Add(m.base, at(m)))
				if write {
					*p = 1
				}
				last = *p == 0
			})
			if !whole || last || !errors.Is(m.Err(), ErrStray) || m.Load64(code.Base) != 7 {
				t.Errorf("%s: left by itself %v, went on %v, %v", name, whole, last, m.Err())
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestStrayAccessElsewhere: a fault that is none of the memory's is not taken for one, also while pages are away.
func TestStrayAccessElsewhere(t *testing.T) {
	if !canProtect {
		t.Skip("this host has no memory protection")
	}
	m, err := New(LimitMax)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Begin(awaited(t, &pattern{bad: 1 << 40, reads: map[uint64]int{}}, 2*groundPagesMin)); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil || m.Err() != nil {
			t.Error("taken for the memory's:", m.Err())
		}
	}()
	var no *[PageBytes]byte
	m.Try(func() { no[m.Load8(code.Base)&1]++ })
}

// TestMappings holds as many memories as a process may well run at once: the host has no more than 65,530 mappings for one.
func TestMappings(t *testing.T) {
	mappings := func() int {
		b, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Skip("this host does not tell its mappings:", err)
		}
		return bytes.Count(b, []byte("\n"))
	}
	before := mappings()
	const n = 10_000
	for range n {
		m, err := New(1 << 30)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
	}
	if made := mappings() - before; made > 2*n+100 {
		t.Errorf("%d memories take %d mappings", n, made)
	}
}

// BenchmarkGuards makes, writes and closes memories with and without guards.
func BenchmarkGuards(b *testing.B) {
	defer func(bytes uint64) { GuardBytes = bytes }(GuardBytes)
	var took [2]time.Duration
	for b.Loop() {
		for i, guard := range []uint64{0, 2 << 20} {
			GuardBytes = guard
			begun := time.Now()
			m, err := New(1 << 30)
			if err != nil {
				b.Fatal(err)
			}
			m.Grow(PageBytes)
			m.Store64(code.Base, 1)
			m.Close()
			took[i] += time.Since(begun)
		}
	}
	b.ReportMetric(float64(took[1])/float64(took[0]), "x-bare")
}

package mem

import (
	"errors"
	"testing"
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

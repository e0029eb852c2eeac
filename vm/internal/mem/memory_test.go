package mem

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/code"
)

func TestAccess(t *testing.T) {
	m := newMachine(t, 4).m
	if err := m.Grow(2*PageBytes - 5); err != nil || m.Size() != 2*PageBytes {
		t.Fatalf("size %d, %v", m.Size(), err)
	}
	var limit *LimitError
	if err := m.Grow(4*PageBytes + 1); !errors.As(err, &limit) || !errors.Is(err, ErrLimit) || limit.LimitBytes != 4*PageBytes {
		t.Fatalf("growing beyond the limit: %v", err)
	}
	m.Save()
	across := uint64(code.Base + PageBytes - 3)
	if !m.Store64(across, 0x1122334455667788) || m.Load64(across) != 0x1122334455667788 || m.Load8(across) != 0x88 || m.Load16(across+1) != 0x6677 || m.Load32(across+2) != 0x33445566 {
		t.Fatalf("a number across pages reads %#x", m.Load64(across))
	}
	m.Store16(code.Base+10, 0xabcd)
	m.Store32(code.Base+12, 0xdeadbeef)
	m.Store8(code.Base+16, 0x7f)
	if got := m.Load64(code.Base + 10); got != 0x007fdeadbeefabcd {
		t.Fatalf("small stores read %#x", got)
	}
	touched := 0
	m.Touched(func(uint64, []byte, []byte) bool { touched++; return true })
	if touched != 2 {
		t.Fatalf("%d pages touched, want both", touched)
	}
	end := uint64(code.Base + 2*PageBytes)
	for _, addr := range []uint64{0, 8, code.Base - 8, end, end + 8, 1 << 63, ^uint64(0), ^uint64(7)} {
		if m.Load64(addr)|uint64(m.Load32(addr))|uint64(m.Load16(addr))|uint64(m.Load8(addr)) != 0 {
			t.Errorf("%#x reads", addr)
		}
		if m.Store64(addr, 1) || m.Store32(addr, 1) || m.Store16(addr, 1) || m.Store8(addr, 1) || m.InRange(addr, 1) || m.Bytes(addr, 1) != nil || m.Touch(addr, 1) || m.Zero(addr, 1) {
			t.Errorf("%#x is writable", addr)
		}
	}
	if m.Store64(end-4, ^uint64(0)) || m.Load32(end-4) != 0 || m.InRange(end-4, 5) || !m.InRange(end-4, 4) || m.InRange(end-4, ^uint64(0)) {
		t.Error("a number over the end was written")
	}
	m.TouchPage(1 << 40)
}

// TestClosed: a closed memory refuses what it cannot do.
func TestClosed(t *testing.T) {
	m := newMachine(t, 4).m
	m.Save()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	refusesTracking(t, m)
}

func refusesTracking(t *testing.T, m *Memory) {
	_, err := m.Take()
	for _, err := range []error{err, m.Save(), m.Undo(), m.Commit(), m.Reset(), m.Load(&Pages{})} {
		if err != ErrUntracked {
			t.Errorf("got %v", err)
		}
	}
}

func TestBuilder(t *testing.T) {
	b := NewBuilder(nil, 3*PageBytes)
	if b.Set(3, []byte{1}) || !b.Set(2, []byte{1}) || !b.Set(1, nil) || !b.Set(0, make([]byte, PageBytes)) || b.Set(0, make([]byte, PageBytes+1)) {
		t.Fatal("wrong pages accepted")
	}
	p := b.Pages()
	if p.Page(0) != nil || p.Page(2)[0] != 1 || p.Size() != 3*PageBytes {
		t.Fatal("content")
	}
	small := NewBuilder(p, 2*PageBytes).Pages()
	if small.Page(2) != nil || p.Page(2) == nil {
		t.Fatal("dropping a page changed the base")
	}
	m := newMachine(t, 2).m
	if err := m.Load(p); !errors.Is(err, ErrLimit) {
		t.Fatalf("loading too much: %v", err)
	}
	if err := m.Load(small); err != nil || m.Size() != 2*PageBytes {
		t.Fatal(err)
	}
}

// TestVersions compares slots with full copies under random steps.
func TestVersions(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		var c VersionController
		var slots []*VersionedSlot[int]
		var now []int
		var saved [][]int
		for range 3 {
			slots, now = append(slots, NewVersionedSlot(&c, 0)), append(now, 0)
		}
		for step := range 40 {
			n := len(saved)
			var err error
			switch k := r.IntN(8); k {
			case 0, 1:
				c.Save()
				saved = append(saved, append([]int{}, now...))
			case 2:
				if err = c.Undo(); n > 0 {
					now, saved = saved[n-1], saved[:n-1]
				}
			case 3:
				if err = c.Commit(); n > 0 {
					saved = saved[:n-1]
				}
			case 4:
				if err = c.Reset(); n > 0 {
					now = append([]int{}, saved[n-1]...)
				}
			default:
				i := r.IntN(len(slots))
				slots[i].Set(step)
				now[i] = step
				err, n = nil, 1
			}
			if (err == nil) != (n > 0 || c.Depth() > 0) {
				t.Fatalf("step %d: %v", step, err)
			}
			for i, s := range slots {
				if s.Get() != now[i] || len(s.kept) > c.Depth() {
					t.Fatalf("step %d: slot %d is %d, want %d (%d kept, depth %d)", step, i, s.Get(), now[i], len(s.kept), c.Depth())
				}
			}
			if c.Depth() != len(saved) {
				t.Fatalf("depth %d, want %d", c.Depth(), len(saved))
			}
		}
	}
}

func BenchmarkStore64(b *testing.B) {
	m := newMachine(b, 1024).m
	m.Grow(1024 * PageBytes)
	for i := range uint64(b.N) {
		m.Store64(code.Base+i*8%(1024*PageBytes), i)
	}
}

// BenchmarkTurn is save, one store to each of 100 pages out of 10,000, and then undo, commit, or commit and take.
func BenchmarkTurn(b *testing.B) {
	for _, end := range []string{"undo", "commit", "take"} {
		b.Run(end, func(b *testing.B) {
			m := newMachine(b, 10000).m
			m.Grow(10000 * PageBytes)
			for i := uint64(0); i < 10000; i++ {
				m.Store64(code.Base+i*PageBytes, i)
			}
			m.Take()
			b.ResetTimer()
			for i := range uint64(b.N) {
				m.Save()
				for p := uint64(0); p < 100; p++ {
					m.Store64(code.Base+p*100*PageBytes+8, i+1)
				}
				if end == "undo" {
					m.Undo()
					continue
				}
				m.Commit()
				if end == "take" {
					m.Take()
				}
			}
		})
	}
}

// TestRenumberInUndo runs out of numbers when a level is undone in which a take was made: what the levels below touched before is clean since all the same.
func TestRenumberInUndo(t *testing.T) {
	x := newMachine(t, 4)
	steps := []func() error{
		func() error { return x.grow(1) },
		x.save,
		func() error { return x.write(8, 1) },
		x.save,
		x.save,
		x.take,
		func() error { x.m.last = math.MaxUint32; return nil },
		x.undo,
		x.undo,
		func() error { return x.write(8, 2) },
		x.take,
		x.check,
		x.unwind,
	}
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
}

package loop

import (
	"testing"
	"unsafe"

	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// The ops themselves are tested in package exec, with what it does when the loop leaves one to it. Here is what its caller relies on.

const frame = mem.PageBytes

// start is a state at word 0 of the code, its frame touched, with words to go.
func start(t *testing.T, words int64, c ...code.Instr) (*State, *mem.Memory) {
	t.Helper()
	m, err := mem.New(4 * mem.PageBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	if err := m.Grow(4 * mem.PageBytes); err != nil {
		t.Fatal(err)
	}
	m.Touch(code.Base+frame, mem.PageBytes)
	frames := make([]uint16, len(c))
	for w := 0; w < len(c); w++ {
		frames[w] = 7
		if op := c[w].Op; op.Valid() {
			c[w].Op = Dispatch(op)
			w += code.Table[op].Form.Words() - 1
		}
	}
	s := &State{}
	s.Bind(m, c, frames, []Entry{{}, {Start: 0, FrameBytes: 64}})
	s.Lo, s.Span = frame, mem.PageBytes
	s.Hi = uintptr(m.Pointer(code.Base + frame + mem.PageBytes))
	s.FP, s.Left = code.Base+frame, words
	return s, m
}

// TestLeaves: the loop returns for each reason, with the position exact and the words counted.
func TestLeaves(t *testing.T) {
	add := code.Instr{Op: code.AddI, A: 5, B: 5, C: 1}
	jump := func(off int32) code.Instr { return code.Instr{Op: code.Jmp, B: uint16(off), C: uint16(off >> 16)} }
	for _, c := range []struct {
		name string
		code []code.Instr
		why  Why
		pc   uintptr
		left int64
		adds uint64
	}{
		{"an op that is never done here", []code.Instr{add, {Op: code.Halt}}, Slow, 1, 29, 1},
		{"no op", []code.Instr{add, {}}, Slow, 1, 29, 1},
		{"an op that is beyond a byte", []code.Instr{add, {Op: code.OpCount - 1}}, Slow, 1, 29, 1},
		{"a division by zero", []code.Instr{add, {Op: code.DivS, A: 5, B: 5, C: 6}}, Slow, 1, 29, 1},
		{"a load outside memory", []code.Instr{add, {Op: code.Ld64, A: 5, B: 6}}, Slow, 1, 29, 1},
		{"a jump back when the words are used up", []code.Instr{add, add, jump(-2)}, Pause, 0, 0, 20},
		{"a jump forward is no pause", []code.Instr{jump(2), add, add, jump(-3)}, Pause, 0, 0, 10},
		{"a call when the words are used up", []code.Instr{add, {Op: code.Call, A: 8, B: 1}}, Pause, 0, 0, 1},
		{"a frame that is not settled", []code.Instr{add, {Op: code.Call, A: 508, B: 1}}, Slow, 1, 29, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, m := start(t, 30, c.code...)
			why := s.Run()
			if why != c.why || s.PC != c.pc || s.Left != c.left {
				t.Errorf("left with %d at word %d, %d words to go; want %d, %d, %d", why, s.PC, s.Left, c.why, c.pc, c.left)
			}
			if got := m.Load64(code.Base + frame + 5*8); got != c.adds {
				t.Errorf("%d additions, want %d", got, c.adds)
			}
		})
	}
}

// TestLeavesReturns: a return that does not lead to an earlier frame, all of it settled, where an instruction begins is left to the caller.
func TestLeavesReturns(t *testing.T) {
	add, ret, halt := code.Instr{Op: code.AddI, A: 5, B: 5, C: 1}, code.Instr{Op: code.Ret}, code.Instr{Op: code.Halt}
	for _, c := range []struct {
		name  string
		frame uint64 // to go on with, as an offset
		word  uint64
		last  uint16 // slot of that frame
		pc    uintptr
	}{
		{"to a frame that ends where the settled range does", frame, 1, 511, 2},
		{"to one that ends behind it", frame, 1, 512, 0},
		{"to one of the greatest size", frame, 1, 65535, 0},
		{"to one that begins before it", frame - 8, 1, 7, 0},
		{"to itself", frame + 800, 1, 7, 0},
		{"to no instruction", frame, 3, 7, 0},
		{"beyond the code", frame, 1 << 60, 7, 0},
		{"to half a slot", frame + 4, 1, 7, 0},
	} {
		s, m := start(t, 30, ret, add, halt, code.Instr{Op: code.LdC}, halt)
		frames := []uint16{7, c.last, c.last, 0, 7}
		s.frames = unsafe.Pointer(unsafe.SliceData(frames))
		s.FP = code.Base + frame + 800
		m.Store64(s.FP, code.Base+c.frame)
		m.Store64(s.FP+8, c.word)
		if why := s.Run(); why != Slow || s.PC != c.pc {
			t.Errorf("%s: left with %d at word %d, want %d", c.name, why, s.PC, c.pc)
		}
	}
}

// TestLeavesCleanPages: a store to a page that was not touched in the epoch is left to the caller, the same store done here afterwards.
func TestLeavesCleanPages(t *testing.T) {
	if !mem.Tracked {
		t.Skip("stores are not tracked in this build")
	}
	s, m := start(t, 30, code.Instr{Op: code.St64, A: 6, B: 7, C: 8}, code.Instr{Op: code.Halt})
	at := uint64(code.Base + 2*mem.PageBytes)
	m.Store64(code.Base+frame+6*8, at)
	m.Store64(code.Base+frame+7*8, 99)
	if s.Run() != Slow || s.PC != 0 || m.Load64(at+8) != 0 {
		t.Fatalf("a store to a clean page was done, at word %d", s.PC)
	}
	m.Touch(at+8, 8)
	if s.Run() != Slow || s.PC != 1 || m.Load64(at+8) != 99 {
		t.Fatalf("a store to a touched page was left, at word %d", s.PC)
	}
}

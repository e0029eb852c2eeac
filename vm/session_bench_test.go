package vm

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/vm/internal/code"
	"github.com/tandemvm/tandem/vm/internal/mem"
)

// TestSessionDepth nests a thousand saves with writes between them and takes all of them back.
func TestSessionDepth(t *testing.T) {
	ctx := context.Background()
	m, _ := machine(t, source(t, stepping), nil)
	s := m.Session()
	var counts []uint64
	for range 1000 {
		counts = append(counts, m.Instructions())
		if err := s.Save(); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Run(ctx, 200); err != nil {
			t.Fatal(err)
		}
	}
	for i := len(counts) - 1; i >= 0; i-- {
		if err := s.Undo(); err != nil || m.Instructions() != counts[i] {
			t.Fatalf("undo to depth %d: %d instructions, want %d (%v)", i, m.Instructions(), counts[i], err)
		}
	}
}

// overlay is the naive session over cells: what it wrote, before what the session before left, before the base. Ending one serializes its write
// set; squashing merges it with the one before, and the next session reads through the result.
type overlay struct {
	base     []uint64
	squashed map[uint32][]byte // cell to its serialized value
	writes   map[uint32]uint64
}

func (o *overlay) get(i uint32) uint64 {
	if v, ok := o.writes[i]; ok {
		return v
	}
	if b, ok := o.squashed[i]; ok {
		return binary.LittleEndian.Uint64(b)
	}
	return o.base[i]
}

// finish is the serialized write set.
func (o *overlay) finish() []byte {
	b := make([]byte, 0, 12*len(o.writes))
	for i, v := range o.writes {
		b = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(b, i), v)
	}
	return b
}

// squash is a new session over the write sets so far and one more.
func (o *overlay) squash(set []byte) *overlay {
	n := &overlay{base: o.base, squashed: make(map[uint32][]byte, len(o.squashed)), writes: map[uint32]uint64{}}
	for i, b := range o.squashed {
		n.squashed[i] = b
	}
	for ; len(set) > 0; set = set[12:] {
		n.squashed[binary.LittleEndian.Uint32(set)] = set[4:12]
	}
	return n
}

// wordBefore is an entry of an undo log of single words.
type wordBefore struct {
	cell uint32
	old  uint64
}

// undone takes the last entry of the log back.
func undone(cells []uint64, log []wordBefore) []wordBefore {
	last := log[len(log)-1]
	cells[last.cell] = last.old
	return log[:len(log)-1]
}

// BenchmarkContinuation is a transaction of three stages, prologue, body and epilogue, which write 100 of a million cells in all; the last is taken
// back in half of them. One arm continues one session over memory; the naive one ends a session after each stage, serializes its write set,
// squashes it with the one before and begins a new session. Cells are written in a row, as a frame or an account record is, or anywhere, where
// each write costs a page. x-squash-words is what the least undo log there can be, of single words of a plain array, would reach.
func BenchmarkContinuation(b *testing.B) {
	const n, k = 1000000, 100
	m, err := mem.New(64 << 20)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	if err := m.Grow(8 * n); err != nil {
		b.Fatal(err)
	}
	base, plain := make([]uint64, n), make([]uint64, n)
	for i := range uint64(n) {
		m.Store64(code.Base+8*i, i)
		base[i] = i
	}
	for _, where := range []string{"row", "anywhere"} {
		b.Run(where, func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			var cells [k]uint32
			pick := func() {
				at := r.Uint32N(n - k)
				for i := range cells {
					if cells[i] = at + uint32(i); where == "anywhere" {
						cells[i] = r.Uint32N(n)
					}
				}
			}
			stage := func(i int) []uint32 { return cells[i*k/3 : (i+1)*k/3] }
			var ours, theirs, words []time.Duration
			var undo []wordBefore
			var wrong error
			allocs := testing.AllocsPerRun(20, func() {
				for i := range 3 {
					m.Save()
					for _, c := range stage(i) {
						a := code.Base + 8*uint64(c)
						m.Store64(a, m.Load64(a)+1)
					}
				}
				m.Undo()
				m.Undo()
				m.Undo()
			})
			for n := 0; b.Loop(); n++ {
				pick()
				start := time.Now()
				m.Save()
				for i := range 3 {
					m.Save()
					for _, c := range stage(i) {
						a := code.Base + 8*uint64(c)
						m.Store64(a, m.Load64(a)+1)
					}
					if i == 2 && n%2 == 0 {
						m.Undo()
					} else {
						m.Commit()
					}
				}
				ours = append(ours, time.Since(start))
				start = time.Now()
				o := &overlay{base: base, writes: map[uint32]uint64{}}
				for i := range 3 {
					for _, c := range stage(i) {
						o.writes[c] = o.get(c) + 1
					}
					if i == 2 && n%2 == 0 {
						o.writes = nil
					}
					o = o.squash(o.finish())
				}
				theirs = append(theirs, time.Since(start))
				start = time.Now()
				undo = undo[:0]
				for i := range 3 {
					mark := len(undo)
					for _, c := range stage(i) {
						undo = append(undo, wordBefore{c, plain[c]})
						plain[c]++
					}
					for i == 2 && n%2 == 0 && len(undo) > mark {
						undo = undone(plain, undo)
					}
				}
				words = append(words, time.Since(start))
				for len(undo) > 0 {
					undo = undone(plain, undo)
				}
				for _, c := range cells {
					if got := m.Load64(code.Base + 8*uint64(c)); got != o.get(c) {
						wrong = fmt.Errorf("cell %d is %d, with squashing %d", c, got, o.get(c))
					}
				}
				m.Undo()
			}
			if wrong != nil {
				b.Fatal(wrong)
			}
			b.ReportMetric(float64(median(ours))/1e3, "µs/transaction")
			b.ReportMetric(float64(median(theirs))/float64(median(ours)), "x-squash")
			b.ReportMetric(float64(median(theirs))/float64(median(words)), "x-squash-words")
			b.ReportMetric(allocs/3, "allocs/stage")
		})
	}
}

// BenchmarkContinuationRun is the same with a program: each stage is executed until it commits. The naive arm ends the session after a stage as a
// VM without continuation has to: it takes what the stage wrote as a delta, serializes it, composes it with the stages before, and begins
// the next stage in a machine that loads base and delta.
func BenchmarkContinuationRun(b *testing.B) {
	ctx := context.Background()
	p := source(b, fmt.Sprintf(`package main

import "%s"

var cells [1000000]int

func main() {
	for i := range cells { cells[i] = i }
	turn.Commit()
	for at := 0; ; at = (at + 7919*33) %% 999000 {
		for i := range 33 { cells[at+i]++ }
		turn.Commit()
	}
}
`, "github.com/tandemvm/tandem/vm/turn"))
	m, _ := machine(b, p, nil)
	run := func(m *Machine) {
		if stop, err := m.Run(ctx, 1<<40); err != nil || stop.End != EndCommit {
			b.Fatal(stop, err)
		}
	}
	run(m)
	base, err := m.Take(ctx)
	if err != nil {
		b.Fatal(err)
	}
	base.Root()
	var ours, theirs []time.Duration
	s := m.Session()
	transaction := func() {
		for range 3 {
			if err := s.Save(); err != nil {
				b.Fatal(err)
			}
			run(m)
			if err := s.Commit(); err != nil {
				b.Fatal(err)
			}
		}
	}
	allocs := testing.AllocsPerRun(100, transaction)
	for b.Loop() {
		start := time.Now()
		transaction()
		ours = append(ours, time.Since(start))
	}
	for range 3 {
		n, err := Resume(ctx, p, Config{Clock: epoch2026()}, base)
		if err != nil {
			b.Fatal(err)
		}
		before := base
		start := time.Now()
		for range 3 {
			run(n)
			after, err := n.Take(ctx)
			if err != nil {
				b.Fatal(err)
			}
			d, err := after.Delta(before)
			if err != nil {
				b.Fatal(err)
			}
			raw, err := d.Encode()
			if err != nil {
				b.Fatal(err)
			}
			if d, err = changes.DecodeDelta(raw); err != nil {
				b.Fatal(err)
			}
			if before, err = ApplyDelta(p, before, d); err != nil {
				b.Fatal(err)
			}
			n.Close()
			if n, err = Resume(ctx, p, Config{Clock: epoch2026()}, before); err != nil {
				b.Fatal(err)
			}
		}
		theirs = append(theirs, time.Since(start))
		n.Close()
	}
	b.ReportMetric(float64(median(ours))/1e3, "µs/transaction")
	b.ReportMetric(float64(median(theirs))/float64(median(ours)), "x-squash")
	b.ReportMetric(allocs/3, "allocs/stage")
}

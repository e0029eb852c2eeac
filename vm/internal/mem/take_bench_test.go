package mem

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// filled is a memory of sizeBytes, each page with something in it.
func filled(b *testing.B, sizeBytes uint64) *Memory {
	b.Helper()
	m, err := New(sizeBytes)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	if err := m.Grow(sizeBytes); err != nil {
		b.Fatal(err)
	}
	for p := uint64(0); p < sizeBytes; p += PageBytes {
		m.Store64(code.Base+p, p+1)
	}
	return m
}

// sizes are those of heaps that figures are given for; the large one is left out of short runs.
func sizes() []uint64 {
	s := []uint64{64 << 10, 1 << 20, 64 << 20}
	if !testing.Short() {
		s = append(s, 1<<30)
	}
	return s
}

// median is the middle one of the times in nanoseconds: on a shared machine it says more than the mean.
func median(each []time.Duration) float64 {
	slices.Sort(each)
	return float64(each[len(each)/2])
}

// BenchmarkSave opens and closes a save; the naive arm copies the memory. x-copy is how many times longer that takes.
func BenchmarkSave(b *testing.B) {
	for _, size := range sizes() {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			m := filled(b, size)
			into := make([]byte, size)
			var saved []time.Duration
			for b.Loop() {
				start := time.Now()
				for range 1000 {
					if m.Save() != nil || m.Commit() != nil {
						b.Fatal("save")
					}
				}
				saved = append(saved, time.Since(start))
			}
			ns := median(saved) / 1000
			start := time.Now()
			copy(into, m.Bytes(code.Base, size))
			copied := time.Since(start)
			b.ReportMetric(ns, "ns/save+commit")
			b.ReportMetric(float64(copied)/ns, "x-copy")
		})
	}
}

// BenchmarkUndo takes back writes to k pages of 64 MiB; the naive arm copies all of it back.
func BenchmarkUndo(b *testing.B) {
	const size = 64 << 20
	m := filled(b, size)
	whole := append([]byte{}, m.Bytes(code.Base, size)...)
	for _, k := range []uint64{1, 100, 4000} {
		b.Run(fmt.Sprintf("pages=%d", k), func(b *testing.B) {
			var undo []time.Duration
			for b.Loop() {
				m.Save()
				for i := range k {
					m.Store64(code.Base+i*PageBytes*(size/PageBytes/k), i)
				}
				start := time.Now()
				m.Undo()
				undo = append(undo, time.Since(start))
			}
			each := median(undo)
			start := time.Now()
			copy(m.Bytes(code.Base, size), whole)
			b.ReportMetric(float64(time.Since(start))/each, "x-copy")
			b.ReportMetric(float64(k*PageBytes)/each*1e9/(1<<30), "GiB/s")
			b.ReportMetric(each, "ns/undo")
		})
	}
}

// BenchmarkTake takes a memory of which k pages, anywhere, were written since the take before. The naive arm copies all of it.
func BenchmarkTake(b *testing.B) {
	size := uint64(1 << 30)
	if testing.Short() {
		size = 16 << 20
	}
	m := filled(b, size)
	m.Take()
	r := rand.New(rand.NewPCG(1, 2))
	for _, k := range []int{1, 10, 100, 1000, 10000} {
		b.Run(fmt.Sprintf("pages=%d", k), func(b *testing.B) {
			var take, touch []time.Duration
			for b.Loop() {
				start := time.Now()
				for range k {
					m.Store64(code.Base+r.Uint64N(size/PageBytes)*PageBytes, 1)
				}
				middle := time.Now()
				if _, err := m.Take(); err != nil {
					b.Fatal(err)
				}
				take = append(take, time.Since(middle))
				touch = append(touch, middle.Sub(start))
			}
			each := median(take)
			b.ReportMetric(each/1e3, "µs/take")
			b.ReportMetric((each-5000)/float64(k), "ns/page-over-5µs")
			b.ReportMetric(median(touch)/float64(k), "ns/first-touch")
		})
	}
}

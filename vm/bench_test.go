package vm

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// benchRun executes a program to its end and returns the processor time it took, machine set-up left out.
func benchRun(b *testing.B, p *Program, c Config) time.Duration {
	b.Helper()
	c.Clock = epoch2026()
	m, err := New(p, c)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	start := cpuTime()
	for {
		stop, err := m.Run(context.Background(), 1<<24)
		if err != nil {
			b.Fatal(err)
		}
		if stop.End == EndExit {
			if stop.Exit != 0 {
				b.Fatalf("exit status %d", stop.Exit)
			}
			return cpuTime() - start
		}
	}
}

// observed counts steps, as an external tracker would.
type observed struct{ steps, writes uint64 } // instructions, bytes written

func (o *observed) Step(s *Step) {
	o.steps++
	if _, writes, ok := s.Access(); ok {
		o.writes += writes.Bytes
	}
}

// BenchmarkTrackers compares the two trackers of the state-interface paper on one program: internal tracking and a step observer.
func BenchmarkTrackers(b *testing.B) {
	p := compile(b, "testdata/bench/trees.go")
	internal := time.Duration(1 << 62)
	stepped := internal
	for b.Loop() {
		internal = min(internal, benchRun(b, p, Config{}))
		stepped = min(stepped, benchRun(b, p, Config{Observer: &observed{}}))
	}
	b.ReportMetric(float64(stepped)/float64(internal), "x-observer")
}

// BenchmarkSave opens and closes a save of a run with a heap of the size; the cost does not follow it.
func BenchmarkSave(b *testing.B) {
	for _, mib := range []int{1, 64} {
		b.Run(fmt.Sprintf("%dMiB", mib), func(b *testing.B) {
			p := source(b, fmt.Sprintf("package main\nvar keep = make([]byte, %d)\nfunc main() { for i := range keep { keep[i] = 1 }; select {} }\n", mib<<20))
			m, _ := machine(b, p, nil)
			for range 200 {
				if _, err := m.Run(context.Background(), 1<<24); err != nil {
					break
				}
			}
			s := m.Session()
			b.ResetTimer()
			for b.Loop() {
				if err := s.Save(); err != nil {
					b.Fatal(err)
				}
				if err := s.Commit(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// median is the middle one of the times: on a shared machine it says more than the mean.
func median(each []time.Duration) time.Duration {
	slices.Sort(each)
	return each[len(each)/2]
}

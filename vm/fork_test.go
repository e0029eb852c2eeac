package vm

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/tandemvm/tandem/vm/internal/code"
)

// holding is a run of about mib MiB, each page written, that counts from then on.
func holding(t testing.TB, mib int) *Machine {
	t.Helper()
	p := source(t, fmt.Sprintf(`package main

import "github.com/tandemvm/tandem/vm/turn"

var keep = make([]uint32, %d)
var count int

func main() {
	x := uint32(1)
	for i := range keep { x = x*1664525 + 1013904223; keep[i] = x }
	for { turn.Commit(); count++; println(count) }
}
`, mib<<18))
	m, _ := machine(t, p, nil)
	for range 2 {
		step(t, m)
	}
	return m
}

// step runs one turn and is what it printed.
func step(t testing.TB, m *Machine) string {
	t.Helper()
	if err := m.BeginTurn(); err != nil {
		t.Fatal(err)
	}
	if stop, err := m.RunTurn(context.Background(), 1<<40); err != nil || stop.End != EndCommit {
		t.Fatal(stop, err)
	}
	turn, err := m.EndTurn()
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, l := range turn.Lines {
		text += string(l.Text)
	}
	return text
}

// TestForks forks a run, lets parent and forks go on, and puts them to sleep and wakes them: each must go on as if alone.
func TestForks(t *testing.T) {
	ctx := context.Background()
	m := holding(t, 2)
	type run struct {
		f    *Fork
		next int
	}
	var runs []run
	next := 2
	for i := range 12 {
		f, err := m.Fork(ctx)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, run{f, next})
		if i%3 == 0 {
			if got, want := step(t, m), fmt.Sprintln(next); got != want {
				t.Fatalf("parent printed %q, want %q", got, want)
			}
			next++
		}
	}
	m.Close()
	for round := range 3 {
		for i := range runs {
			n, err := runs[i].f.Resume(ctx, Config{Clock: epoch2026()})
			if err != nil {
				t.Fatal(err)
			}
			for range i % 3 {
				if got, want := step(t, n), fmt.Sprintln(runs[i].next); got != want {
					t.Fatalf("round %d: fork %d printed %q, want %q", round, i, got, want)
				}
				runs[i].next++
			}
			if runs[i].f, err = n.Sleep(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// BenchmarkFork forks a run of 10 MiB and resumes the fork. The naive arm encodes the run and decodes it.
func BenchmarkFork(b *testing.B) {
	ctx := context.Background()
	m := holding(b, 10)
	forks, firsts := []time.Duration{}, []time.Duration{}
	for b.Loop() {
		start := time.Now()
		f, err := m.Fork(ctx)
		if err != nil {
			b.Fatal(err)
		}
		forks = append(forks, time.Since(start))
		n, err := f.Resume(ctx, Config{Clock: epoch2026()})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := n.Run(ctx, 1); err != nil {
			b.Fatal(err)
		}
		firsts = append(firsts, time.Since(start))
		n.Close()
		step(b, m)
	}
	start := time.Now()
	s, err := m.Take(ctx)
	if err != nil {
		b.Fatal(err)
	}
	raw, err := s.Encode()
	if err == nil {
		s, err = DecodeSnapshot(m.prog, raw)
	}
	if err != nil {
		b.Fatal(err)
	}
	n, err := Resume(ctx, m.prog, Config{Clock: epoch2026()}, s)
	if err != nil {
		b.Fatal(err)
	}
	whole := time.Since(start)
	n.Close()
	b.ReportMetric(float64(firsts[0].Microseconds())/1000, "ms/first-fork-runs")
	b.ReportMetric(float64(median(forks).Microseconds())/1000, "ms/fork")
	b.ReportMetric(float64(median(firsts).Microseconds())/1000, "ms/fork-runs")
	b.ReportMetric(float64(whole)/float64(median(firsts)), "x-encoded")
}

// BenchmarkForksHeld holds forks of a run of 10 MiB: 10,000 that were only forked, and as many that ran a turn and sleep again. x-run is what
// parent and forks hold, over what the parent held alone; x-run-and-changed, over that and the pages that the forks changed.
func BenchmarkForksHeld(b *testing.B) {
	ctx := context.Background()
	count := 10000
	if testing.Short() {
		count = 100
	}
	for b.Loop() {
		holding(b, 10).Close() // what the process itself grows by
		empty := residentBytes(b)
		m := holding(b, 10)
		alone := residentBytes(b) - empty
		var forks []*Fork
		for range count {
			f, err := m.Fork(ctx)
			if err != nil {
				b.Fatal(err)
			}
			forks = append(forks, f)
		}
		b.ReportMetric(float64(residentBytes(b)-empty)/float64(alone), "x-run")
		pages, sum := 0, byte(0)
		for i, f := range forks {
			n, err := f.Resume(ctx, Config{Clock: epoch2026()})
			if err != nil {
				b.Fatal(err)
			}
			step(b, n)
			if forks[i], err = n.Sleep(ctx); err != nil {
				b.Fatal(err)
			}
			pages += forks[i].state.pages.Changes()
		}
		changed := pages * 4096
		m.mem.Share()
		for at := uint64(0); at < m.mem.Size(); at += 4096 { // what is shared is counted where somebody looked at it
			sum += m.mem.Load8(code.Base + at)
		}
		held := residentBytes(b) - empty
		b.ReportMetric(float64(held)/float64(alone+changed), "x-run-and-changed")
		b.ReportMetric(float64(changed)/float64(count)/1024, "KiB-changed/fork")
		b.ReportMetric(float64(held-alone)/float64(count)/1024, "KiB-held/fork")
		runtime.KeepAlive(forks)
		runtime.KeepAlive(sum)
		m.Close()
	}
}

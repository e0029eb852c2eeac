package vm

import (
	"bytes"
	"context"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
)

// residentBytes is the memory of this process, pages that are shared counted once.
func residentBytes(t testing.TB) int {
	debug.FreeOSMemory()
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Skip("needs Linux's smaps_rollup")
	}
	for line := range bytes.Lines(b) {
		if f := bytes.Fields(line); len(f) > 1 && string(f[0]) == "Pss:" {
			n, _ := strconv.Atoi(string(f[1]))
			return n << 10
		}
	}
	t.Fatal("no Pss in smaps_rollup")
	return 0
}

const (
	emptyProgram = "package main; import `time`; func main() { for { time.Sleep(time.Hour) } }"
	fmtProgram   = "package main; import (`fmt`; `time`); func main() { fmt.Println(`up`); for { time.Sleep(time.Hour) } }"
)

// idle runs a program until it waits.
func idle(t testing.TB, p *Program) *Machine {
	t.Helper()
	m, _ := machine(t, p, nil)
	for {
		stop, err := m.Run(context.Background(), 1<<24)
		if err != nil || stop.End == EndExit {
			t.Fatal(stop, err)
		}
		if stop.End == EndIdle {
			return m
		}
	}
}

// BenchmarkIdleRuns holds a thousand runs that wait.
func BenchmarkIdleRuns(b *testing.B) {
	for _, c := range []struct{ name, text string }{{"empty", emptyProgram}, {"fmt", fmtProgram}} {
		b.Run(c.name, func(b *testing.B) {
			p := source(b, c.text)
			n := 1000
			if testing.Short() {
				n = 50
			}
			for b.Loop() {
				before := residentBytes(b)
				var ms []*Machine
				for range n {
					ms = append(ms, idle(b, p))
				}
				held := residentBytes(b) - before
				b.ReportMetric(float64(held)/float64(n)/1024, "KiB/run")
				b.ReportMetric(float64(ms[0].MemoryBytes())/1024, "guest-KiB")
				for _, m := range ms {
					m.Close()
				}
			}
		})
	}
}

package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Programs of the figures in PERF.md: calls, array stores and loops, map updates. Each prints one number.
var benchPrograms = []struct{ name, text string }{
	{"fib35", `package main

func fib(n int) int { if n < 2 { return n }; return fib(n-1) + fib(n-2) }

func main() { println(fib(35)) }
`},
	{"sieve5M", `package main

func main() {
	const n = 5000000
	composite := make([]bool, n+1)
	count := 0
	for i := 2; i <= n; i++ {
		if composite[i] { continue }
		count++
		for j := i * i; j <= n; j += i { composite[j] = true }
	}
	println(count)
}
`},
	{"maploop", `package main

func main() {
	m := map[int]int{}
	x := uint32(1)
	for i := 0; i < 3000000; i++ {
		x = x*1664525 + 1013904223
		m[int(x>>14)] += i
	}
	s := 0
	for k, v := range m { s += k ^ v }
	println(len(m), s)
}
`},
	{"structs", `package main

type node struct { left, right *node; v int }

func build(d, v int) *node { if d == 0 { return &node{v: v} }; return &node{build(d-1, 2*v), build(d-1, 2*v+1), v} }

func (n *node) sum() int { if n == nil { return 0 }; return n.v + n.left.sum() + n.right.sum() }

func main() { s := 0; for i := 0; i < 12; i++ { s += build(14, i).sum() }; println(s) }
`},
}

// cpu is the processor time this process has used: steadier than the clock where other work shares the machine.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchRun executes a program to its end and returns the processor time it took, machine set-up left out.
func benchRun(b *testing.B, p *Program, c Config) time.Duration {
	b.Helper()
	c.Clock = epoch2026()
	m, err := New(p, c)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	start := cpu(b)
	for {
		stop, err := m.Run(context.Background(), 1<<24)
		if err != nil {
			b.Fatal(err)
		}
		if stop.End == EndExit {
			if stop.Exit != 0 {
				b.Fatalf("exit status %d", stop.Exit)
			}
			return cpu(b) - start
		}
	}
}

// BenchmarkAgainstNative runs each program native, tracked and untracked in turn, round after round, and reports the ratios of the
// fastest runs: x-native (tracked to native) and tracking-% (tracked to untracked, less 100).
func BenchmarkAgainstNative(b *testing.B) {
	for _, bp := range benchPrograms {
		b.Run(bp.name, func(b *testing.B) {
			dir := b.TempDir()
			file := filepath.Join(dir, "main.go")
			if err := os.WriteFile(file, []byte(bp.text), 0o644); err != nil {
				b.Fatal(err)
			}
			bin := filepath.Join(dir, "native")
			if out, err := exec.Command("go", "build", "-o", bin, file).CombinedOutput(); err != nil {
				b.Fatalf("go build: %v\n%s", err, out)
			}
			empty := filepath.Join(dir, "empty")
			if err := os.WriteFile(file, []byte("package main\nfunc main() {}\n"), 0o644); err != nil {
				b.Fatal(err)
			}
			if out, err := exec.Command("go", "build", "-o", empty, file).CombinedOutput(); err != nil {
				b.Fatalf("go build: %v\n%s", err, out)
			}
			p := source(b, bp.text)
			fastest := map[string]time.Duration{}
			keep := func(arm string, d time.Duration) {
				if old, ok := fastest[arm]; !ok || d < old {
					fastest[arm] = d
				}
			}
			process := func(name string) time.Duration {
				cmd := exec.Command(name)
				if err := cmd.Run(); err != nil {
					b.Fatal(err)
				}
				return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			}
			for b.Loop() {
				for range 5 {
					keep("native", process(bin))
					keep("start", process(empty))
					keep("tracked", benchRun(b, p, Config{}))
					keep("untracked", benchRun(b, p, Config{Untracked: true}))
				}
			}
			native := fastest["native"] - fastest["start"]
			b.ReportMetric(float64(fastest["tracked"])/float64(native), "x-native")
			b.ReportMetric(100*float64(fastest["tracked"])/float64(fastest["untracked"])-100, "tracking-%")
			b.ReportMetric(float64(fastest["tracked"].Microseconds())/1000, "ms")
		})
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
	p := source(b, benchPrograms[3].text)
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

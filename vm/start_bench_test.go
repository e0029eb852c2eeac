package vm

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkStart is what a program costs before its first instruction: compiled (cold), and from the cache (warm). cpu-ms is processor time of
// all threads, which a busy machine does not change as it does the wall clock. ratio is cold to warm.
func BenchmarkStart(b *testing.B) {
	hello := filepath.Join(b.TempDir(), "hello.go")
	if err := os.WriteFile(hello, []byte("package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	for name, file := range map[string]string{"hello": hello, "json_template": filepath.Join("testdata", "corpus", "json_template.go")} {
		b.Run(name, func(b *testing.B) {
			s := Source{Paths: []string{file}}
			cold := started(b, s)
			s.Cache = &Cache{Dir: b.TempDir(), MaxBytes: 64 << 20}
			started(b, s)
			var warm time.Duration
			for b.Loop() {
				warm = started(b, s)
			}
			b.ReportMetric(float64(cold.Microseconds())/1000, "cold-cpu-ms")
			b.ReportMetric(float64(warm.Microseconds())/1000, "warm-cpu-ms")
			b.ReportMetric(float64(cold)/float64(max(warm, time.Microsecond)), "ratio")
		})
	}
}

// started is the processor time of compiling s and making a machine for it, the least of three.
func started(b *testing.B, s Source) time.Duration {
	b.Helper()
	least := time.Duration(1<<63 - 1)
	for range 3 {
		before := cpuTime()
		p, err := Compile(context.Background(), s)
		if err != nil {
			b.Fatal(err)
		}
		m, err := New(p, Config{})
		if err != nil {
			b.Fatal(err)
		}
		least = min(least, cpuTime()-before)
		m.Close()
	}
	return least
}

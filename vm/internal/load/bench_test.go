package load

import (
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkHello is the load of a program that imports fmt.
func BenchmarkHello(b *testing.B) {
	dir := b.TempDir()
	text := "package main\nimport \"fmt\"\nfunc main() { fmt.Println(\"hello\") }\n"
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		p, err := Load(Config{Paths: []string{"main.go"}, Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range p.Phases {
			b.ReportMetric(float64(f.Took.Microseconds()), f.Name+"-us")
		}
	}
}

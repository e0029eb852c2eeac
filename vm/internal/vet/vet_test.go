package vet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/vm/internal/load"
)

// TestFindings: each line of testdata that says "vet: TEXT" has a finding with that text, and no other line has one.
func TestFindings(t *testing.T) {
	files, err := filepath.Glob("testdata/*.go")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, file := range append(files, "../../../examples/wordcount", "../../../examples/primes", "../../../examples/agenda") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			p, err := load.Load(load.Config{Paths: []string{file}})
			if err != nil {
				t.Fatal(err)
			}
			want := map[int]string{}
			if text, err := os.ReadFile(file); err == nil {
				for i, line := range strings.Split(string(text), "\n") {
					if _, w, ok := strings.Cut(line, "// vet: "); ok {
						want[i+1] = w
					}
				}
			}
			for _, f := range Check(p) {
				w, ok := want[f.Position.Line]
				if !ok || !strings.Contains(f.String(), w) {
					t.Errorf("%v", f)
					continue
				}
				if filepath.Base(f.Position.Filename) != filepath.Base(file) || f.Position.Column == 0 {
					t.Errorf("%v is elsewhere", f)
				}
				want[f.Position.Line] = ""
			}
			for line, w := range want {
				if w != "" {
					t.Errorf("line %d: nothing found of %q", line, w)
				}
			}
		})
	}
}

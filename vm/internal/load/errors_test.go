package load

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the wanted errors in testdata/errors")

// TestErrors compares what is said about wrong programs with testdata/errors: the program, a line "-- want --", the errors.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			program, want, _ := strings.Cut(string(text), "-- want --\n")
			got := errorsOf(t, program) + "\n"
			if *update {
				if err := os.WriteFile(f, []byte(program+"-- want --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

// errorsOf is the text of the errors of a one-file program.
func errorsOf(t *testing.T, program string) string {
	t.Helper()
	p, err := loadText(t, program)
	if err == nil {
		t.Fatal("the program loads")
	}
	var bad *Errors
	if !errors.As(err, &bad) {
		t.Fatalf("not the program's fault: %v", err)
	}
	if p != nil {
		t.Error("a program beside the error")
	}
	root, _ := FindGOROOT("", os.Getenv)
	return strings.ReplaceAll(bad.Error(), root, "GOROOT")
}

func loadText(t *testing.T, program string) (*Program, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	return Load(Config{Paths: []string{"main.go"}, Dir: dir})
}

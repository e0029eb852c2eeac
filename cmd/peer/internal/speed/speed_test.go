package speed

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write makes programs of one file each in a fresh directory.
func write(t *testing.T, programs map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range programs {
		text := "package main\nimport \"os\"\nfunc main() {" + body + "}\nvar _ = os.Args\n"
		if err := os.WriteFile(filepath.Join(dir, name+".go"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// wrapper is a command that builds the file it is given and runs it: an arm whose ratio is known to be about that of the go command.
const wrapper = `cmd := exec.Command("go", "run", os.Args[1]); cmd.Stdout = os.Stdout; if cmd.Run() != nil { os.Exit(1) }`

func TestMeasure(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "arm")
	source := filepath.Join(t.TempDir(), "arm.go")
	if err := os.WriteFile(source, []byte("package main\nimport (\"os\"; \"os/exec\")\nfunc main() {"+wrapper+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := build(t.Context(), source, bin); err != nil {
		t.Fatal(err)
	}
	dir := write(t, map[string]string{
		"a_spins":   `n := 0; for i := range 200_000_000 { n ^= i * n }; os.Stdout.WriteString("done"); if n == 1 { os.Exit(2) }`,
		"b_grows":   `b := make([]byte, 100<<20); for i := range b { b[i] = 1 }; os.Stdout.WriteString("done")`,
		"c_differs": `if len(os.Args[0]) > 0 { d, _ := os.Executable(); os.Stdout.WriteString(d) }`,
		"d_fails":   `os.Exit(3)`,
	})
	files, err := Programs([]string{dir})
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	got := map[string]Result{}
	sum, err := Measure(t.Context(), []string{bin}, files, 1, func(r Result, err error) {
		if r.Program == "c_differs" || r.Program == "d_fails" { // the wrapper's status is 1
			if !errors.Is(err, ErrDiffers) {
				t.Errorf("%s: %v", r.Program, err)
			}
			return
		}
		if err != nil {
			t.Errorf("%s: %v", r.Program, err)
		}
		got[r.Program] = r
	})
	if err != nil || sum.Programs != 2 || sum.Worst < sum.Mean {
		t.Errorf("%+v %v", sum, err)
	}
	if r := got["a_spins"]; r.NativeMs < 10 || r.Ms < 10 || r.Ratio <= 0 {
		t.Errorf("%+v", r)
	}
	if r := got["b_grows"]; r.NativePeakMiB < 90 || r.NativePeakMiB > 150 {
		t.Errorf("a program that holds 100 MiB: %+v", r)
	}
}

func TestMeasureStopsWhenAsked(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Measure(ctx, []string{"true"}, nil, 1, nil); err == nil {
		t.Error("no error")
	}
}

func TestProgramsNamesWhatIsMissing(t *testing.T) {
	if _, err := Programs([]string{t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no .go file") {
		t.Error(err)
	}
	if _, err := Programs([]string{"nowhere"}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

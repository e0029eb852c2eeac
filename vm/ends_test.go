package vm

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const endsProgram = "testdata/ends/ends.go"

// TestEnds compares how a program ends, in each of the ways that testdata/ends/ends.go has, with what the Go toolchain's
// program does: output, text of the panic or fatal error, status. With -update ends the toolchain is asked again.
func TestEnds(t *testing.T) {
	if asked(*update, endsProgram) {
		updateEnds(t)
	}
	golden, err := os.ReadFile("testdata/ends/ends.golden")
	if err != nil {
		t.Fatalf("%v: run this test with -update ends", err)
	}
	p := compile(t, endsProgram)
	list := strings.Split(string(golden), "== ")[1:]
	if len(list) < 250 {
		t.Errorf("%d ends, want at least 250", len(list))
	}
	for _, each := range list {
		name, want, _ := strings.Cut(each, "\n")
		var out collected
		clock := epoch2026()
		m, err := New(p, Config{Args: []string{"program", name}, Clock: clock, Output: &out})
		if err != nil {
			t.Fatal(err)
		}
		m, exit := finish(t, m, clock, 1<<20, func(m *Machine) *Machine { return m })
		m.Close()
		if got := unaddressed(out.outcome(exit & 0xff)); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// updateEnds writes the golden file.
func updateEnds(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "native")
	if out, err := exec.Command("go", "build", "-o", bin, endsProgram).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	names, err := exec.Command(bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for name := range strings.Lines(string(names)) {
		cmd := exec.Command(bin, strings.TrimSpace(name))
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		var bad *exec.ExitError
		if err := cmd.Run(); err != nil && !errors.As(err, &bad) {
			t.Fatal(err)
		}
		text.WriteString("== " + name + unaddressed(outcome{stdout.String(), untraced(stderr.String()), cmd.ProcessState.ExitCode()}.String()))
	}
	if err := os.WriteFile("testdata/ends/ends.golden", []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// unaddressed is text with 0x for each address, which is where something happens to be.
func unaddressed(text string) string {
	parts := strings.Split(text, "0x")
	for i := range parts[1:] {
		parts[i+1] = strings.TrimLeft(parts[i+1], "0123456789abcdef")
	}
	return strings.Join(parts, "0x")
}

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGodebugDefaults builds one program in modules of several Go versions, with godebug lines in go.mod and go.work and //go:debug lines in the
// program, and compares what it does with what the toolchain's build of it does; where those refuse a setting, so does the VM.
func TestGodebugDefaults(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("testdata/godebug/main.go")
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]bool{}
	for _, c := range []struct{ name, mod, lines, work, wrong string }{
		{name: "none"},
		{name: "1.20", mod: "go 1.20"},
		{name: "1.22", mod: "go 1.22"},
		{name: "1.23.4", mod: "go 1.23.4"},
		{name: "1.25", mod: "go 1.25"},
		{name: "block", mod: "go 1.25\ngodebug (\n\tdefault=go1.21\n\tpanicnil=1 // kept\n)"},
		{name: "lines", mod: "go 1.25\ngodebug default=go1.19", lines: "//go:debug panicnil=0\n//go:debug asynctimerchan=0\n\n"},
		{name: "late", mod: "go 1.25", lines: "//go:debug default=go1.22\n"},
		{name: "workspace", mod: "go 1.20\ngodebug panicnil=0", work: "go 1.22\ngodebug panicnil=1\nuse ."},
		{name: "unknown", mod: "go 1.25\ngodebug panicnot=1", wrong: `unknown godebug "panicnot"`},
		{name: "removed", mod: "go 1.25", lines: "//go:debug x509sha1=1\n", wrong: `./main.go:1:1: invalid //go:debug: use of removed //go:debug setting "x509sha1", see https://go.dev/doc/godebug#go-124`},
		{name: "repeated", mod: "go 1.25", lines: "//go:debug panicnil=1\n//go:debug panicnil=1\n", wrong: "./main.go:2:1: repeated //go:debug for panicnil\n\t./main.go:1:1: previous //go:debug"},
		{name: "no value", mod: "go 1.25", lines: "//go:debug panicnil\n", wrong: "./main.go:1:1: invalid //go:debug: missing key=value"},
		{name: "too new", mod: "go 1.25", lines: "//go:debug default=go1.99\n", wrong: "invalid //go:debug: default=go1.99 too new (toolchain is go1."},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			files := map[string]string{"go.mod": "module example.com/m\n" + c.mod + "\n", "main.go": c.lines + string(program)}
			if c.work != "" {
				files["go.work"] = c.work + "\n"
			}
			for name, text := range files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			run := func(words ...string) (out, errs string, status int) {
				cmd := exec.Command(words[0], words[1:]...)
				var stderr bytes.Buffer
				cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), asPeer+"=1", "GOTOOLCHAIN=local", "GOWORK="), &stderr
				text, err := cmd.Output()
				var bad *exec.ExitError
				if err != nil && !errors.As(err, &bad) {
					t.Fatal(err)
				}
				return string(text), regexp.MustCompile(`\+0x[0-9a-f]+`).ReplaceAllString(stderr.String(), "+PC"), cmd.ProcessState.ExitCode()
			}
			bin := filepath.Join(t.TempDir(), "native")
			_, refusal, status := run(goTool, "build", "-o", bin, ".")
			got, gotErrs, gotStatus := run(self, "run", "--solo", ".")
			if c.wrong != "" {
				if status == 0 || gotStatus == 0 || !strings.Contains(refusal, c.wrong) || !strings.Contains(gotErrs, c.wrong) {
					t.Errorf("status %d: %s\nthe toolchain, status %d: %s", gotStatus, gotErrs, status, refusal)
				}
				return
			}
			if status != 0 {
				t.Fatal(refusal)
			}
			want, wantErrs, wantStatus := run(bin)
			if got != want || gotErrs != wantErrs || gotStatus != wantStatus || !strings.Contains(want, "deferred") {
				t.Errorf("status %d, natively %d; got\n%s%s\nwant\n%s%s", gotStatus, wantStatus, got, gotErrs, want, wantErrs)
			}
			outputs[want] = true
		})
	}
	if len(outputs) < 4 {
		t.Errorf("the settings make only %d programs of one", len(outputs))
	}
}

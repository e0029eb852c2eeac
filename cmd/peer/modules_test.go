package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestModules runs programs with dependencies from the module cache and with embedded files (testdata/modules) and compares with what the Go
// toolchain makes of them. The modules are some that this repository depends on, in its versions, so they are in the cache.
func TestModules(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/modules")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.Replace(text, []byte("module github.com/tandemvm/tandem\n"), []byte("module example.com/modules\n"), 1)
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	programs, err := os.ReadDir("testdata/modules")
	if err != nil || len(programs) == 0 {
		t.Fatal("no programs", err)
	}
	for _, p := range programs {
		t.Run(p.Name(), func(t *testing.T) {
			bin := filepath.Join(t.TempDir(), p.Name())
			build := exec.Command(goTool, "build", "-o", bin, "./"+p.Name())
			build.Dir, build.Env = dir, append(os.Environ(), "GOPROXY=off", "GOWORK=off", "CGO_ENABLED=0")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			run := func(words ...string) (text string, status int) {
				cmd := exec.Command(words[0], words[1:]...)
				cmd.Dir, cmd.Env = dir, append(os.Environ(), asPeer+"=1")
				out, err := cmd.CombinedOutput()
				var bad *exec.ExitError
				if err != nil && !errors.As(err, &bad) {
					t.Fatal(err)
				}
				return string(out), cmd.ProcessState.ExitCode()
			}
			want, wantStatus := run(bin)
			got, status := run(self, "run", "--solo", "./"+p.Name())
			if got != want || status != wantStatus || len(want) < 100 {
				t.Errorf("status %d, natively %d; got\n%s\nwant\n%s", status, wantStatus, got, want)
			}
		})
	}
}

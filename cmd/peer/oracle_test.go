package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tandemvm/tandem/vm"
)

var testPackages = flag.String("testpackages", "container/ring,text/tabwriter,embed/internal/embedtest,cmd/compile/internal/rangefunc", "packages of GOROOT whose tests TestAsGoTest runs")

// TestAsGoTest runs the tests of packages of the standard library with `go test` and with `peer test`: all that is printed, but for
// durations, and the status are the same. Others:
//
//	go test ./cmd/peer -run TestAsGoTest -testpackages container/list,container/heap,sort,maps,path,unicode,html,encoding/csv
func TestAsGoTest(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command")
	}
	root, err := exec.Command(goTool, "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	src := filepath.Join(strings.TrimSpace(string(root)), "src")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range strings.Split(*testPackages, ",") {
		t.Run(pkg, func(t *testing.T) {
			if p, err := vm.FindPackage(vm.Source{Paths: []string{pkg}}); err != nil || !p.Tests || !p.Std {
				t.Fatalf("%s has no tests (%+v): %v", pkg, p, err)
			}
			run := func(program string, args ...string) (text string, status int) {
				cmd := exec.Command(program, append(append([]string{"test"}, args...), pkg)...)
				cmd.Env = append(os.Environ(), asPeer+"=1")
				out, err := cmd.Output()
				var bad *exec.ExitError
				if err != nil && !errors.As(err, &bad) {
					t.Fatal(err)
				}
				return timeless(string(out)), cmd.ProcessState.ExitCode()
			}
			// The VM has one core: so that parallel tests come in the same order, go test is told to have one too.
			want, wantStatus := run(goTool, "-v", "-short", "-count=1", "-parallel=1", "-cpu=1", "-vet=off")
			got, status := run(self, "-v", "-short", "--grant-read", src)
			if got != want || status != wantStatus {
				t.Errorf("status %d, go test's %d; got\n%s\ngo test has\n%s", status, wantStatus, got, want)
			}
		})
	}
}

// timeless takes durations, and addresses, out of what a test printed.
func timeless(text string) string {
	text = regexp.MustCompile(`\([0-9.]+s\)`).ReplaceAllString(text, "(TIME)")
	text = regexp.MustCompile(`0xc?[0-9a-f]{6,}`).ReplaceAllString(text, "ADDRESS")
	return regexp.MustCompile(`(?m)\t([0-9.]+s|\(cached\))`).ReplaceAllString(text, "\tTIME")
}

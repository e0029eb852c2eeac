package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/vm"
)

var (
	interruptDirs   = flag.String("interruptdirs", "ken,chan,../../vm/testdata/corpus", "directories whose programs TestInterrupted takes: of GOROOT/test (. for itself), or relative to this package")
	interruptSample = flag.Int("interruptsample", 10, "how many programs TestInterrupted takes; 0: all")
	interruptSeed   = flag.Uint64("interruptseed", 0, "seed of TestInterrupted; 0: random")
)

// TestInterrupted runs programs of GOROOT/test undisturbed, then again moved to a new process at random safe points: both streams and
// the status are the same. All of GOROOT/test:
//
//	go test ./cmd/peer -run TestInterrupted -interruptsample 0 -interruptdirs .,ken,chan,typeparam,interface,fixedbugs,abi -timeout 2h
func TestInterrupted(t *testing.T) {
	seed := *interruptSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-interruptseed %d", seed)
	files := runnable(t, strings.Split(*interruptDirs, ","))
	rng := rand.New(rand.NewPCG(seed, 0))
	rng.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	if n := *interruptSample; n > 0 && n < len(files) {
		files = files[:n]
	}
	for _, file := range files {
		moment := rng.Uint64() >> 1
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			quiet := solo(t, file)
			if moved := solo(t, file, "--interrupt", fmt.Sprintf("seed:%d", moment)); moved != quiet {
				t.Errorf("peer run --solo --interrupt seed:%d %s\n%s\nundisturbed\n%s", moment, file, moved, quiet)
			}
		})
	}
}

// runnable are the programs of the directories that are run without arguments.
func runnable(t *testing.T, dirs []string) []string {
	t.Helper()
	p, err := vm.FindPackage(vm.Source{Paths: []string{"errors"}})
	if err != nil {
		t.Skip(err)
	}
	var all []string
	for _, dir := range dirs {
		ours := strings.HasPrefix(dir, "..")
		if !ours {
			dir = filepath.Join(p.Dir, "..", "..", "test", dir)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(src), "\n")
			// Time passes while a run moves; timers.go counts ticks that come while it is under way.
			if ours && filepath.Base(file) != "timers.go" || strings.TrimSpace(first) == "// run" {
				all = append(all, file)
			}
		}
	}
	if len(all) == 0 {
		t.Skip("a Go installation without its tests")
	}
	return all
}

// logTime is what package log puts before a line.
var logTime = regexp.MustCompile(`(?m)^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d `)

// solo is all that a program run alone does.
func solo(t *testing.T, file string, flags ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append(append([]string{"run", "--solo"}, flags...), file)...)
	cmd.Env = append(os.Environ(), asPeer+"=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var bad *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &bad) {
		t.Fatal(err)
	}
	all := fmt.Sprintf("status %d\n-- stdout --\n%s-- stderr --\n%s", cmd.ProcessState.ExitCode(), stdout.String(), stderr.String())
	return logTime.ReplaceAllString(all, "TIME ")
}

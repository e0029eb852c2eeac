package vm

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandemvm/tandem/vm/internal/heap"
)

var update = flag.String("update", "", "programs of the corpus, by name and separated by commas, of which the Go toolchain is asked again what they print; all: of all")

// outcome is what a program did: standard output, what it wrote on standard error before any goroutine trace, exit status.
type outcome struct {
	stdout, stderr string
	exit           int
}

func (o outcome) String() string {
	return fmt.Sprintf("exit %d\n-- stdout --\n%s-- stderr --\n%s", o.exit, o.stdout, o.stderr)
}

// untraced cuts standard error before the first goroutine trace, whose addresses and paths are the toolchain's own.
func untraced(stderr string) string {
	if i := strings.Index(stderr, "\ngoroutine "); i >= 0 {
		stderr = stderr[:i+1]
	}
	var keep []string
	for _, l := range strings.Split(stderr, "\n") {
		if !strings.HasPrefix(l, "[signal ") && !strings.HasPrefix(l, "exit status ") {
			keep = append(keep, l)
		}
	}
	return strings.Join(keep, "\n")
}

func corpus(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/corpus/*.go")
	if err != nil || len(files) < 40 {
		t.Fatalf("corpus of %d programs, want at least 40: %v", len(files), err)
	}
	return files
}

// native is what the Go toolchain's program does, from its golden file.
func native(t testing.TB, file string) string {
	t.Helper()
	golden := strings.TrimSuffix(file, ".go") + ".golden"
	if asked(*update, file) {
		bin := filepath.Join(t.TempDir(), "native")
		if out, err := exec.Command("go", "build", "-o", bin, file).CombinedOutput(); err != nil {
			t.Fatalf("go build %s: %v\n%s", file, err, out)
		}
		cmd := exec.Command(bin)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		var bad *exec.ExitError
		if err := cmd.Run(); err != nil && !errors.As(err, &bad) {
			t.Fatal(err)
		}
		o := outcome{stdout.String(), untraced(stderr.String()), cmd.ProcessState.ExitCode()}
		if err := os.WriteFile(golden, []byte(o.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(golden)
	if err != nil {
		t.Fatalf("%v: run this test with -update %s", err, programName(file))
	}
	return string(b)
}

// asked reports whether -update names the program: by its whole name, since -run, with which one picks a program, takes those that it begins as well.
func asked(update, file string) bool {
	return update == "all" || slices.Contains(strings.Split(update, ","), programName(file))
}

func programName(file string) string { return strings.TrimSuffix(filepath.Base(file), ".go") }

func TestUpdateLeavesNeighboursAlone(t *testing.T) {
	for update, want := range map[string]bool{"": false, "timers": true, "all": true, "a,timers": true, "timer": false, "timers_collected": false, "a": false} {
		if got := asked(update, "testdata/corpus/timers.go"); got != want {
			t.Errorf("-update %q asks for timers: %v", update, got)
		}
	}
}

var compiled sync.Map // file to *Program

func compile(t testing.TB, file string) *Program {
	t.Helper()
	if p, ok := compiled.Load(file); ok {
		return p.(*Program)
	}
	p, err := Compile(context.Background(), Source{Paths: []string{file}})
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	compiled.Store(file, p)
	return p
}

// collected is an OutputWriter that keeps everything.
type collected struct{ stdout, stderr bytes.Buffer }

func (c *collected) WriteOutput(stream uint8, p []byte) error {
	if stream == Stdout {
		c.stdout.Write(p)
	} else {
		c.stderr.Write(p)
	}
	return nil
}

func (c *collected) outcome(exit int) string {
	return outcome{c.stdout.String(), untraced(c.stderr.String()), exit}.String()
}

func epoch2026() *VirtualClock { return &VirtualClock{T: time.Unix(1767225600, 0)} }

// finish runs m to its end. at is called at every stop and may replace the machine.
func finish(t testing.TB, m *Machine, clock *VirtualClock, words uint64, at func(m *Machine) *Machine) (last *Machine, exit int) {
	t.Helper()
	ctx := context.Background()
	for {
		stop, err := m.Run(ctx, words)
		if err != nil {
			t.Fatal(err)
		}
		if stop.End == EndExit {
			return m, stop.Exit
		}
		if stop.End == EndIdle {
			if stop.Wake.IsZero() {
				t.Fatal("the program waits for ever, and the machine did not say so")
			}
			if d := stop.Wake.Sub(clock.T); d > 0 {
				clock.T = clock.T.Add(d)
			}
		}
		m = at(m)
	}
}

// TestCorpus runs every program of the corpus and compares with the Go toolchain.
func TestCorpus(t *testing.T) {
	for _, file := range corpus(t) {
		t.Run(programName(file), func(t *testing.T) {
			t.Parallel()
			want := native(t, file)
			var out collected
			clock := epoch2026()
			m, err := New(compile(t, file), Config{Args: []string{"program"}, Clock: clock, Output: &out})
			if err != nil {
				t.Fatal(err)
			}
			m, exit := finish(t, m, clock, 1<<20, func(m *Machine) *Machine { return m })
			defer m.Close()
			if got := out.outcome(exit); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestContinueElsewhere takes a snapshot at every k-th safe point, encodes it, loads it in a fresh machine and continues there: output, exit
// status and instruction count are those of the undisturbed run.
func TestContinueElsewhere(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for i, file := range corpus(t) {
		t.Run(programName(file), func(t *testing.T) {
			t.Parallel()
			p := compile(t, file)
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			quiet, quietCount, safePoints := undisturbed(t, p)
			every := max(1, min(safePoints/24+rng.IntN(3), safePoints))
			var out collected
			clock := epoch2026()
			m, err := New(p, Config{Args: []string{"program"}, Clock: clock, Output: &out})
			if err != nil {
				t.Fatal(err)
			}
			n, moves := rng.IntN(every), 0
			m, exit := finish(t, m, clock, sliceWords, func(m *Machine) *Machine {
				if n++; n%every != 0 {
					return m
				}
				moves++
				return elsewhere(t, m, p, Config{Clock: clock, Output: &out})
			})
			defer m.Close()
			if got := out.outcome(exit); got != quiet {
				t.Errorf("after %d moves, one at every %d of %d safe points, got\n%s\nwant\n%s", moves, every, safePoints, got, quiet)
			}
			if m.Instructions() != quietCount {
				t.Errorf("after %d moves %d instructions were executed, undisturbed %d", moves, m.Instructions(), quietCount)
			}
			if moves == 0 && safePoints > 1 {
				t.Errorf("no move at %d safe points", safePoints)
			}
		})
	}
}

const sliceWords = 500

func undisturbed(t *testing.T, p *Program) (out string, count uint64, safePoints int) {
	t.Helper()
	var c collected
	clock := epoch2026()
	m, err := New(p, Config{Args: []string{"program"}, Clock: clock, Output: &c})
	if err != nil {
		t.Fatal(err)
	}
	m, exit := finish(t, m, clock, sliceWords, func(m *Machine) *Machine { safePoints++; return m })
	defer m.Close()
	return c.outcome(exit), m.Instructions(), safePoints
}

// elsewhere moves a run into a fresh machine through the bytes of a snapshot, which every other time is opened, not decoded.
func elsewhere(t *testing.T, m *Machine, p *Program, c Config) *Machine {
	t.Helper()
	ctx := context.Background()
	s, err := m.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	back, err := DecodeSnapshot(p, b)
	if s.InstructionCounter/sliceWords%2 == 1 {
		back, err = OpenSnapshot(p, bytes.NewReader(b), int64(len(b)))
	}
	if err != nil {
		t.Fatal(err)
	}
	if back.InstructionPointer != s.InstructionPointer || back.FramePointer != s.FramePointer || back.InstructionCounter != s.InstructionCounter {
		t.Fatalf("position %d %#x %d became %d %#x %d", s.InstructionPointer, s.FramePointer, s.InstructionCounter, back.InstructionPointer, back.FramePointer, back.InstructionCounter)
	}
	if _, err := back.Goroutines(); err != nil {
		t.Fatalf("the snapshot cannot be shown: %v", err)
	}
	n, err := Resume(ctx, p, c, back)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var collectAll = flag.Bool("collectall", false, "collect at every allocation of every program of the corpus, which takes an hour")

// TestCollectAnywhere: a collection frees nothing that is still needed, wherever it happens: at every allocation, and between any two stops, when a running
// goroutine stands where its record does not say. Programs that ask what is alive are left out.
func TestCollectAnywhere(t *testing.T) {
	always := map[string]bool{"closures": true, "defers_in_flight": true, "evaluation": true, "goexit_order": true, "iterators": true, "method_values": true, "panic_recovery": true, "select_blocked": true}
	for _, file := range corpus(t) {
		name := programName(file)
		if name == "finalizers" || name == "timers_collected" || name == "dead_slots" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out collected
			clock := epoch2026()
			m, err := New(compile(t, file), Config{Args: []string{"program"}, Clock: clock, Output: &out})
			if err != nil {
				t.Fatal(err)
			}
			words := uint64(100_000)
			if always[name] || *collectAll {
				m.heap.SetPercent(0)
				words = 501
			}
			m, exit := finish(t, m, clock, words, func(m *Machine) *Machine {
				m.core.Collect()
				return m
			})
			defer m.Close()
			if got, want := out.outcome(exit), native(t, file); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if err := heap.Check(m.mem); err != nil {
				t.Error(err)
			}
		})
	}
}

// Package speed measures programs against themselves as the go command builds them: processor time and peak memory of whole processes, in
// turn, round after round. It is behind peer bench programs and needs nothing but the go command.
//
// What an empty program takes is taken off both, so the figures are the program's own. It costs what the programs cost, rounds times over, and
// measures wrong where other work shares the machine unevenly: the least time of each arm is kept, and only ratios are worth quoting.
package speed

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Result is of one program. Times are processor time, user and system, the least of all rounds; peaks are the most memory resident at once in any
// round. An empty program's are taken off.
type Result struct {
	Program       string  `json:"program"`
	Ms            float64 `json:"ms"`
	NativeMs      float64 `json:"nativeMs"`
	Ratio         float64 `json:"ratio"`
	PeakMiB       float64 `json:"peakMiB"`
	NativePeakMiB float64 `json:"nativePeakMiB"`
}

// Summary is of all programs that were measured.
type Summary struct {
	Programs int     `json:"programs"`
	Mean     float64 `json:"geometricMean"`
	Worst    float64 `json:"worst"`
}

// ErrDiffers says that a program does not print and end as its native build does, so that there is nothing to compare.
var ErrDiffers = errors.New("speed: the output differs from the native build's")

// meterSource is a program that runs another and tells what it used. What a process is charged with begins with what its parent holds, so
// a small one must start it.
//
//go:embed meter.txt
var meterSource []byte

// usage is what one process took, as the meter tells it.
type usage struct {
	CPUNs   int64
	PeakKiB int64
	Exit    int
}

// arm is one way to run a program: its command for a file, and the least it took.
type arm struct {
	cmd    []string
	least  usage
	output []byte
}

// Programs is the Go files named by paths, those of a directory in order of their names.
func Programs(paths []string) ([]string, error) {
	var files []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, p)
			continue
		}
		found, err := filepath.Glob(filepath.Join(p, "*.go"))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("no .go file in %s: name a directory of programs, one file each", p)
		}
		files = append(files, found...)
	}
	return files, nil
}

// Measure runs each file, a program, as run followed by its name and as the go command builds it, and gives each the result. A program that
// fails or differs is given with its error and does not count.
func Measure(ctx context.Context, run, files []string, rounds int, each func(Result, error)) (Summary, error) {
	dir, err := os.MkdirTemp("", "peer-bench-")
	if err != nil {
		return Summary{}, err
	}
	defer os.RemoveAll(dir)
	m := &measurement{dir: dir, run: run, rounds: max(rounds, 1)}
	if err := m.prepare(ctx); err != nil {
		return Summary{}, err
	}
	sum, logs := Summary{}, 0.0
	for _, file := range files {
		r, err := m.program(ctx, file)
		if ctx.Err() != nil {
			return sum, ctx.Err()
		}
		each(r, err)
		if err == nil {
			sum.Programs++
			logs += math.Log(r.Ratio)
			sum.Worst = max(sum.Worst, r.Ratio)
		}
	}
	if sum.Programs == 0 {
		return sum, errors.New("speed: no program was measured")
	}
	sum.Mean = math.Exp(logs / float64(sum.Programs))
	return sum, nil
}

// measurement is what all programs have in common.
type measurement struct {
	dir          string
	run          []string
	rounds       int
	meter        string
	empty, blank usage // of an empty program: run, native
}

// prepare builds the meter and measures an empty program.
func (m *measurement) prepare(ctx context.Context) error {
	source := filepath.Join(m.dir, "meter.go")
	if err := os.WriteFile(source, meterSource, 0o600); err != nil {
		return err
	}
	m.meter = filepath.Join(m.dir, "meter")
	if err := build(ctx, source, m.meter); err != nil {
		return err
	}
	empty := filepath.Join(m.dir, "empty.go")
	if err := os.WriteFile(empty, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		return err
	}
	arms, err := m.both(ctx, empty, 5)
	if err != nil {
		return err
	}
	m.empty, m.blank = arms[0].least, arms[1].least
	return nil
}

// build has the go command build a program of one file.
func build(ctx context.Context, file, bin string) error {
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", bin, file).CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", file, err, out)
	}
	return nil
}

// program measures one file.
func (m *measurement) program(ctx context.Context, file string) (Result, error) {
	r := Result{Program: strings.TrimSuffix(filepath.Base(file), ".go")}
	arms, err := m.both(ctx, file, m.rounds)
	if err != nil {
		return r, err
	}
	const leastNs, leastKiB = 1e5, 64 // below this there is nothing but noise
	ours, native := max(arms[0].least.CPUNs-m.empty.CPUNs, leastNs), max(arms[1].least.CPUNs-m.blank.CPUNs, leastNs)
	r.Ms, r.NativeMs, r.Ratio = float64(ours)/1e6, float64(native)/1e6, float64(ours)/float64(native)
	r.PeakMiB = float64(max(arms[0].least.PeakKiB-m.empty.PeakKiB, leastKiB)) / 1024
	r.NativePeakMiB = float64(max(arms[1].least.PeakKiB-m.blank.PeakKiB, leastKiB)) / 1024
	return r, nil
}

// both runs file's two arms in turn. The first run of each is not measured: it compiles, and fills caches.
func (m *measurement) both(ctx context.Context, file string, rounds int) ([2]*arm, error) {
	bin := filepath.Join(m.dir, "native")
	arms := [2]*arm{{cmd: append(append([]string{}, m.run...), file)}, {cmd: []string{bin}}}
	if err := build(ctx, file, bin); err != nil {
		return arms, err
	}
	for k := range rounds + 1 {
		for _, a := range arms {
			if err := m.once(ctx, a, k > 0); err != nil {
				return arms, err
			}
		}
		if a, b := arms[0], arms[1]; a.least.Exit != b.least.Exit || !bytes.Equal(a.output, b.output) {
			return arms, fmt.Errorf("%w: %s, exit %d\n%.300s\nnative, exit %d\n%.300s", ErrDiffers, file, a.least.Exit, a.output, b.least.Exit, b.output)
		}
	}
	return arms, nil
}

// once runs an arm under the meter. Output is what stands on stdout.
func (m *measurement) once(ctx context.Context, a *arm, counts bool) error {
	report := filepath.Join(m.dir, "usage")
	cmd := exec.CommandContext(ctx, m.meter, append([]string{report}, a.cmd...)...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", a.cmd[0], err, complaint.Bytes())
	}
	b, err := os.ReadFile(report)
	if err != nil {
		return err
	}
	var u usage
	if err := json.Unmarshal(b, &u); err != nil {
		return fmt.Errorf("speed: meter: %w", err)
	}
	a.output = out.Bytes()
	if counts && a.least.CPUNs > 0 {
		u.CPUNs, u.PeakKiB = min(u.CPUNs, a.least.CPUNs), max(u.PeakKiB, a.least.PeakKiB)
	}
	if !counts {
		u.CPUNs, u.PeakKiB = 0, 0
	}
	a.least = u
	return nil
}

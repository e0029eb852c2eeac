package vm

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	benchDir      = flag.String("programs", "testdata/bench", "directory of the programs BenchmarkAgainstNative measures, one Go file each")
	benchObserver = flag.Bool("observer", false, "let BenchmarkAgainstNative measure a step observer too, which takes minutes")
)

// An arm is one way to run a program. Every arm is a fresh process for each round, so that none finds a warmer one.
type arm struct {
	cmd  []string
	also []string // binaries that take turns with the one of cmd: the same code in other places
	self bool     // this test binary or its untracked twin, which tells the processor time of the run alone
	env  []string

	fastest time.Duration
	output  []byte
}

// observerEnv has a step observer watch that run.
const observerEnv = "TANDEM_BENCH_OBSERVER"

// imageEnv names the file of the image that a test binary runs instead of its tests; it appends the processor time it took to imageEnv + ".ns".
const imageEnv = "TANDEM_BENCH_IMAGE"

func TestMain(m *testing.M) {
	if image := os.Getenv(imageEnv); image != "" {
		if err := runImage(image); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runImage runs the program of an image file to its end and writes down the processor time it took, decoding and set-up left out.
func runImage(image string) error {
	b, err := os.ReadFile(image)
	if err != nil {
		return err
	}
	p, err := DecodeProgram(b)
	if err != nil {
		return err
	}
	c := Config{Args: []string{"program"}, Output: standard{}}
	var seen observed
	if os.Getenv(observerEnv) != "" {
		c.Observer = &seen
	}
	m, err := New(p, c)
	if err != nil {
		return err
	}
	defer m.Close()
	start := cpuTime()
	for {
		stop, err := m.Run(context.Background(), 1<<24)
		if err != nil {
			return err
		}
		if stop.End == EndExit {
			if stop.Exit != 0 {
				return fmt.Errorf("exit status %d", stop.Exit)
			}
			took := cpuTime() - start
			if c.Observer != nil {
				if err := writeSeen(image, &seen, m); err != nil {
					return err
				}
			}
			return os.WriteFile(image+".ns", fmt.Appendf(nil, "%d", took), 0o644)
		}
	}
}

// writeSeen writes down what both trackers saw of a run: the observer's instructions and bytes stored, and the pages that internal tracking says were written.
func writeSeen(image string, o *observed, m *Machine) error {
	now, err := m.mem.Take()
	if err != nil {
		return err
	}
	pages := 0
	now.Each(func(uint64, []byte) bool { pages++; return true })
	return os.WriteFile(image+".seen", fmt.Appendf(nil, "%d %d %d", o.steps, o.writes, pages), 0o644)
}

// standard is the process's own output.
type standard struct{}

func (standard) WriteOutput(stream uint8, p []byte) error {
	f := os.Stdout
	if stream != Stdout {
		f = os.Stderr
	}
	_, err := f.Write(p)
	return err
}

// cpuTime is the processor time this process has used: steadier than the clock where other work shares the machine.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// start is the arm's command, run by the command before it if there is one.
func (a *arm) start(image string, before ...string) (cmd *exec.Cmd, out *bytes.Buffer) {
	all := append(before, a.cmd...)
	cmd, out = exec.Command(all[0], all[1:]...), &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if a.self {
		cmd.Env = append(append(os.Environ(), imageEnv+"="+image), a.env...)
	}
	return cmd, out
}

// once runs the arm's process once and keeps the fastest time.
func (a *arm) once(b *testing.B, image string) {
	if len(a.also) > 0 {
		a.cmd[0], a.also = a.also[0], append(a.also[1:], a.cmd[0])
	}
	cmd, out := a.start(image)
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %v\n%s", a.cmd[0], err, out)
	}
	took := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if a.self {
		ns, err := os.ReadFile(image + ".ns")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := fmt.Sscan(string(ns), (*int64)(&took)); err != nil {
			b.Fatal(err)
		}
	}
	if a.output == nil || took < a.fastest {
		a.fastest = took
	}
	a.output = out.Bytes()
}

// peakMiB is the most memory the arm's process holds, 0 where there is no GNU time: a process started from here begins with what
// this one holds, as the kernel counts it, so a small one must start it.
func (a *arm) peakMiB(b *testing.B, image string) float64 {
	const gnuTime = "/usr/bin/time"
	if _, err := os.Stat(gnuTime); err != nil {
		return 0
	}
	file := image + ".peak"
	cmd, out := a.start(image, gnuTime, "-f", "%M", "-o", file)
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %v\n%s", a.cmd[0], err, out)
	}
	kib, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	var n float64
	if _, err := fmt.Sscan(string(kib), &n); err != nil {
		b.Fatal(err)
	}
	return n / 1024
}

// goTool runs the go command.
func goTool(b *testing.B, args ...string) {
	b.Helper()
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		b.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// layouts is how many orders of its functions a build is measured in.
const layouts = 8

// built is this test binary with build tags, its functions in some order that the linker draws, several times: where code lies alone makes a loop up to
// a tenth slower or faster, and what differs in one place moves all that comes after it.
func built(b *testing.B, tags string) (files []string) {
	dir := b.TempDir()
	for i := range layouts {
		file := filepath.Join(dir, fmt.Sprint(i, ".test"))
		goTool(b, "test", "-c", "-tags", tags, "-ldflags", fmt.Sprint("-randlayout=", i+1), "-o", file, ".")
		files = append(files, file)
	}
	return files
}

// rotating is an arm of builds of one code.
func rotating(files []string) *arm {
	return &arm{cmd: []string{files[0]}, also: slices.Clone(files[1:]), self: true}
}

// ratios are those of all programs, for the geometric mean and the worst.
type ratios []float64

func (r *ratios) add(x float64) { *r = append(*r, x) }

func (r ratios) mean() float64 {
	s := 0.0
	for _, x := range r {
		s += math.Log(x)
	}
	return math.Exp(s / float64(len(r)))
}

// BenchmarkAgainstNative runs each program built by gc, by the machine, and by the machine built without tracking, in turn,
// round after round. It reports of the fastest runs: ms (tracked), x-native (tracked to native, an empty program's time taken off),
// tracking-% (tracked to untracked, less 100, each the fastest of several orders of the functions in the binary), with -observer x-observer (observed to tracked) and what both saw, and the peak memory of the
// tracked and the native process; of all programs the geometric means and the worst. All arms must print the same.
func BenchmarkAgainstNative(b *testing.B) {
	files, err := filepath.Glob(filepath.Join(*benchDir, "*.go"))
	if err != nil || len(files) == 0 {
		b.Fatalf("no programs in %s: %v", *benchDir, err)
	}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	tracked, untracked := built(b, ""), built(b, "untracked")
	empty := filepath.Join(b.TempDir(), "empty.go")
	if err := os.WriteFile(empty, []byte("package main\nfunc main() {}\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	goTool(b, "build", "-o", empty+".bin", empty)
	var native, tracking, observer ratios
	for _, file := range files {
		b.Run(strings.TrimSuffix(filepath.Base(file), ".go"), func(b *testing.B) {
			dir := b.TempDir()
			bin, image := filepath.Join(dir, "native"), filepath.Join(dir, "image")
			goTool(b, "build", "-o", bin, file)
			if err := os.WriteFile(image, compile(b, file).Encode(), 0o644); err != nil {
				b.Fatal(err)
			}
			gc, start := &arm{cmd: []string{bin}}, &arm{cmd: []string{empty + ".bin"}}
			on, with, without := &arm{cmd: []string{self}, self: true}, rotating(tracked), rotating(untracked)
			seen := &arm{cmd: []string{self}, self: true, env: []string{observerEnv + "=1"}}
			for b.Loop() {
				for range 5 {
					for _, a := range []*arm{gc, start, on, with, without} {
						a.once(b, image)
					}
				}
				if *benchObserver {
					seen.once(b, image)
				}
			}
			for _, a := range []*arm{on, with, without, seen} {
				if a.output != nil && !bytes.Equal(a.output, gc.output) {
					b.Fatalf("%s printed\n%s\nnative\n%s", a.cmd[0], a.output, gc.output)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(on.fastest.Microseconds())/1000, "ms")
			if on.fastest < time.Millisecond {
				return // a program that does nothing has no ratio
			}
			x := float64(on.fastest) / float64(gc.fastest-start.fastest)
			native.add(x)
			b.ReportMetric(x, "x-native")
			x = float64(with.fastest) / float64(without.fastest)
			tracking.add(x)
			b.ReportMetric(100*x-100, "tracking-%")
			if *benchObserver {
				x = float64(seen.fastest) / float64(on.fastest)
				observer.add(x)
				b.ReportMetric(x, "x-observer")
				var steps, stored, pages float64
				if text, err := os.ReadFile(image + ".seen"); err != nil {
					b.Fatal(err)
				} else if _, err := fmt.Sscan(string(text), &steps, &stored, &pages); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(steps/1e6, "Msteps")
				b.ReportMetric(stored/(1<<20), "MiB-stored")
				b.ReportMetric(pages, "pages")
			}
			b.ReportMetric(on.peakMiB(b, image), "MiB")
			b.ReportMetric(gc.peakMiB(b, image), "MiB-native")
		})
	}
	if len(native) < 2 {
		return
	}
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(native.mean(), "x-native")
		b.ReportMetric(slices.Max(native), "x-native-worst")
		b.ReportMetric(100*tracking.mean()-100, "tracking-%")
		b.ReportMetric(100*slices.Max(tracking)-100, "tracking-%-worst")
		if *benchObserver {
			b.ReportMetric(observer.mean(), "x-observer")
		}
	})
}

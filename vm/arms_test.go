package vm

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var benchDir = flag.String("programs", "testdata/bench", "directory of the programs BenchmarkAgainstNative measures, one Go file each")

// An arm is one way to run a program. Every arm is a fresh process for each round, so that none finds a warmer one.
type arm struct {
	cmd  []string
	self bool // this test binary or its untracked twin, which tells the processor time of the run alone

	fastest   time.Duration
	peakBytes int64
	output    []byte
}

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
	m, err := New(p, Config{Args: []string{"program"}, Output: standard{}})
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
			return os.WriteFile(image+".ns", fmt.Appendf(nil, "%d", cpuTime()-start), 0o644)
		}
	}
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

// once runs the arm's process once and keeps the fastest time and the greatest peak.
func (a *arm) once(b *testing.B, image string) {
	cmd := exec.Command(a.cmd[0], a.cmd[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if a.self {
		cmd.Env = append(os.Environ(), imageEnv+"="+image)
	}
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %v\n%s", a.cmd[0], err, out.Bytes())
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
	a.peakBytes = max(a.peakBytes, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss<<10)
	a.output = out.Bytes()
}

// goTool runs the go command.
func goTool(b *testing.B, args ...string) {
	b.Helper()
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		b.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// untrackedTwin is this test binary built without tracking.
func untrackedTwin(b *testing.B) string {
	file := filepath.Join(b.TempDir(), "untracked.test")
	goTool(b, "test", "-c", "-tags", "untracked", "-o", file, ".")
	return file
}

// BenchmarkAgainstNative runs each program built by gc, by the machine, and by the machine built without tracking, in turn,
// round after round. It reports of the fastest runs: ms (tracked), x-native (tracked to native, an empty program's time taken off) and
// tracking-% (tracked to untracked, less 100); and MiB, the peak memory of the tracked process. All must print the same.
func BenchmarkAgainstNative(b *testing.B) {
	files, err := filepath.Glob(filepath.Join(*benchDir, "*.go"))
	if err != nil || len(files) == 0 {
		b.Fatalf("no programs in %s: %v", *benchDir, err)
	}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	untracked := untrackedTwin(b)
	empty := filepath.Join(b.TempDir(), "empty.go")
	if err := os.WriteFile(empty, []byte("package main\nfunc main() {}\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	goTool(b, "build", "-o", empty+".bin", empty)
	for _, file := range files {
		b.Run(strings.TrimSuffix(filepath.Base(file), ".go"), func(b *testing.B) {
			dir := b.TempDir()
			bin, image := filepath.Join(dir, "native"), filepath.Join(dir, "image")
			goTool(b, "build", "-o", bin, file)
			if err := os.WriteFile(image, compile(b, file).Encode(), 0o644); err != nil {
				b.Fatal(err)
			}
			native, start := &arm{cmd: []string{bin}}, &arm{cmd: []string{empty + ".bin"}}
			on, off := &arm{cmd: []string{self}, self: true}, &arm{cmd: []string{untracked}, self: true}
			for b.Loop() {
				for range 5 {
					for _, a := range []*arm{native, start, on, off} {
						a.once(b, image)
					}
				}
			}
			for _, a := range []*arm{on, off} {
				if !bytes.Equal(a.output, native.output) {
					b.Fatalf("%s printed\n%s\nnative\n%s", a.cmd[0], a.output, native.output)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(on.fastest.Microseconds())/1000, "ms")
			b.ReportMetric(float64(on.fastest)/float64(native.fastest-start.fastest), "x-native")
			b.ReportMetric(100*float64(on.fastest)/float64(off.fastest)-100, "tracking-%")
			b.ReportMetric(float64(on.peakBytes)/(1<<20), "MiB")
		})
	}
}

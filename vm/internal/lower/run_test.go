package lower_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/vm/internal/check"
	"github.com/tandemvm/tandem/vm/internal/code"
	vmexec "github.com/tandemvm/tandem/vm/internal/exec"
	"github.com/tandemvm/tandem/vm/internal/heap"
	"github.com/tandemvm/tandem/vm/internal/host"
	"github.com/tandemvm/tandem/vm/internal/load"
	"github.com/tandemvm/tandem/vm/internal/lower"
	"github.com/tandemvm/tandem/vm/internal/mem"
	"github.com/tandemvm/tandem/vm/internal/text"
)

// world is a host whose clock jumps to the next timer.
type world struct {
	now            int64
	stdout, stderr bytes.Buffer
}

func (w *world) Walltime() int64 { return 1700000000e9 + w.now }
func (w *world) Nanotime() int64 { w.now++; return w.now }
func (w *world) Stderr(p []byte) error {
	w.stderr.Write(p)
	return nil
}
func (w *world) Output(fd int, p []byte) error {
	if fd == 2 {
		w.stderr.Write(p)
	} else {
		w.stdout.Write(p)
	}
	return nil
}
func (w *world) Input(p []byte) (int, error) { return 0, nil }
func (w *world) Args() []string              { return []string{"prog"} }
func (w *world) Environ() []string           { return nil }

var natives = host.Table()

func compile(t testing.TB, files ...string) *code.Image {
	t.Helper()
	p, err := load.Load(load.Config{Paths: files})
	if err != nil {
		t.Fatal(err)
	}
	m, err := lower.Build(p, lower.Config{
		Native: func(sym string) bool { _, ok := natives[sym]; return ok },
		Known:  code.KnownSymbols,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// run carries out a program and returns what it did as text.
func run(t testing.TB, img *code.Image) (out string, words uint64) {
	t.Helper()
	if err := check.Image(img, host.Signature(natives)); err != nil {
		t.Fatalf("check: %v", err)
	}
	prog, err := text.NewProgram(img)
	if err != nil {
		t.Fatal(err)
	}
	memory, err := mem.New(1 << 30)
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	end := uint64(code.Base + code.DataStart + len(img.Data))
	if err := memory.Grow(end - code.Base); err != nil {
		t.Fatal(err)
	}
	copy(memory.Writable(code.Base+code.DataStart, uint64(len(img.Data))), img.Data)
	h, err := heap.New(memory, end, 1)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{}
	m, err := vmexec.New(vmexec.Config{Program: prog, Mem: memory, Heap: h, Host: w, Natives: natives})
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		s := m.Run(10e6)
		switch s.Reason {
		case vmexec.Budget:
			if time.Now().After(deadline) {
				return w.stdout.String() + w.stderr.String() + "\ntimeout", m.Count()
			}
			continue
		case vmexec.Idle, vmexec.HostCall:
			if s.Wake > w.now {
				w.now = s.Wake
				continue
			}
		}
		status := fmt.Sprintf("exit %d", s.Status)
		if s.Err != nil {
			status = s.Err.Error()
		}
		return outcome(w.stdout.String(), w.stderr.String(), status), m.Count()
	}
}

// outcome is standard output, standard error up to the first goroutine trace, and how it ended.
func outcome(stdout, stderr, status string) string {
	if i := strings.Index(stderr, "\ngoroutine "); i >= 0 {
		stderr = stderr[:i+1]
	}
	var keep []string
	for _, l := range strings.Split(stderr, "\n") {
		if !strings.HasPrefix(l, "[signal ") && !strings.HasPrefix(l, "exit status ") {
			keep = append(keep, l)
		}
	}
	return stdout + "-- stderr --\n" + strings.Join(keep, "\n") + "-- " + status + "\n"
}

// native is the outcome of the program built by the Go toolchain.
func native(t testing.TB, file string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "prog")
	if out, err := exec.Command("go", "build", "-o", bin, file).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.Command(bin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Run()
	return outcome(stdout.String(), stderr.String(), fmt.Sprintf("exit %d", cmd.ProcessState.ExitCode()))
}

// TestRun runs the program named by $RUN, to look at it by hand.
func TestRun(t *testing.T) {
	file := os.Getenv("RUN")
	if file == "" {
		t.Skip("$RUN names no program")
	}
	t0 := time.Now()
	img := compile(t, strings.Fields(file)...)
	t1 := time.Now()
	if re := os.Getenv("DISASM"); re != "" {
		for i, f := range img.Funcs {
			if ok, _ := regexp.MatchString(re, f.Name); ok {
				fmt.Print(code.Disasm(img, i))
			}
		}
	}
	out, words := run(t, img)
	t.Logf("compile %v run %v, %d words\n%s", t1.Sub(t0), time.Since(t1), words, out)
}

// TestCorpus compares the programs in testdata/run with what the Go toolchain makes of them.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/run/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no programs: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want := native(t, file)
			got, _ := run(t, compile(t, file))
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// TestSweep compares all programs matched by $SWEEP.
func TestSweep(t *testing.T) {
	if os.Getenv("SWEEP") == "" {
		t.Skip("$SWEEP names no programs")
	}
	files, err := filepath.Glob(os.Getenv("SWEEP"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no programs: %v", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(file, "/go/test/") && !strings.HasPrefix(string(src), "// run\n") {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			defer func() {
				if x := recover(); x != nil {
					t.Errorf("panic: %v", x)
				}
			}()
			want := native(t, file)
			got, _ := run(t, compile(t, file))
			if got != want {
				t.Errorf("got:\n%.2000s\nwant:\n%.2000s", got, want)
			}
		})
	}
}

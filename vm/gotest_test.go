package vm

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandemvm/tandem/vm/internal/load"
)

var goTestDirs = flag.String("gotests", "ken,chan", "comma-separated directories of GOROOT/test (. for itself) whose programs TestGoTests runs")

var goTestDead = flag.Bool("gotestdead", false, "write over dead slots of frames while TestGoTests runs programs, as TestDeadSlotsAreDead does")

// gotestTimeout only catches programs that hang: the slowest of them takes seconds.
const gotestTimeout = 3 * time.Minute

// gotestHeavy are left out with -short, for the reason given.
var gotestHeavy = map[string]string{}

// TestGoTests runs the programs of GOROOT/test/ken and GOROOT/test/chan (or those -gotests names) that are marked `// run`, from where the Go installation has
// them. What they do is known without asking the toolchain, by that directory's own convention (cmd/internal/testdir): such a program
// ends with status 0, and standard output and standard error together are its .out file, or nothing when it has none.
func TestGoTests(t *testing.T) {
	root, err := load.FindGOROOT("", os.Getenv)
	if err != nil {
		t.Skip(err)
	}
	for _, dir := range strings.Split(*goTestDirs, ",") {
		files, err := filepath.Glob(filepath.Join(root, "test", dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			t.Skipf("%s has no test/%s: a Go installation without its tests", root, dir)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if first, _, _ := strings.Cut(string(src), "\n"); strings.TrimSpace(first) != "// run" {
				continue
			}
			name := dir + "/" + strings.TrimSuffix(filepath.Base(file), ".go")
			t.Run(name, func(t *testing.T) {
				if why := gotestHeavy[name]; why != "" && testing.Short() {
					t.Skip(why)
				}
				t.Parallel()
				goTest(t, file)
			})
		}
	}
}

func goTest(t *testing.T, file string) {
	want, err := os.ReadFile(strings.TrimSuffix(file, ".go") + ".out")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), gotestTimeout)
	defer cancel()
	p, err := Compile(ctx, Source{Paths: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	var out together
	m, err := New(p, Config{Args: []string{"program"}, Output: &out})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	slice := uint64(1 << 30)
	if *goTestDead {
		slice = 101
	}
	for {
		stop, err := m.Run(ctx, slice)
		if err != nil {
			t.Fatal(err)
		}
		if *goTestDead {
			kill(m)
			slice += slice/64 + 2 // so that short programs are stopped often, and long ones come to an end
		}
		switch {
		case ctx.Err() != nil:
			t.Fatalf("not done after %v and %d instructions", gotestTimeout, m.Instructions())
		case stop.End == EndIdle:
			_ = WallClock{}.Sleep(ctx, time.Until(stop.Wake))
		case stop.End == EndExit:
			if stop.Exit != 0 || !bytes.Equal(out.Bytes(), want) {
				t.Errorf("exit status %d, want 0; output\n%s\nwant\n%s", stop.Exit, out.Bytes(), want)
			}
			return
		}
	}
}

// together is an OutputWriter that mixes both streams as they come.
type together struct{ bytes.Buffer }

func (b *together) WriteOutput(_ uint8, p []byte) error {
	b.Write(p)
	return nil
}

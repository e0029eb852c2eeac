package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
	"github.com/tandemvm/tandem/cmd/peer/internal/footprint"
	"github.com/tandemvm/tandem/vm"
)

// allowance is what a program may use of this machine.
type allowance struct {
	read, env  []string
	gas        uint64
	memory     string
	goroutines uint64
	stack      string
}

// allowanceFlags are those of an allowance.
var allowanceFlags = []string{"grant-read", "env", "gas", "memory", "goroutines", "stack"}

func (a *allowance) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&a.read, "grant-read", nil, "file, or directory with all below it, that the program may read (repeatable)")
	f.StringArrayVar(&a.env, "env", nil, "`KEY=VALUE` in the program's environment (repeatable)")
	f.Uint64Var(&a.gas, "gas", 0, "instruction words a run may execute; 0: unlimited")
	f.StringVar(&a.memory, "memory", "4G", "memory a run may use, such as 512M or 4G")
	f.Uint64Var(&a.goroutines, "goroutines", 0, "goroutines living at once; 0: about a million")
	f.StringVar(&a.stack, "stack", "1000000000", "stack of one goroutine")
}

// check makes grants absolute, so that they mean the same wherever the daemon runs, and says what is wrong with them. Relative paths mean for the
// program what they mean for who grants them.
func (a *allowance) check() (api.Settings, error) {
	s := api.Settings{Env: a.env, Gas: a.gas, Goroutines: a.goroutines}
	for _, path := range a.read {
		abs, err := filepath.Abs(path)
		if err == nil {
			_, err = os.Stat(abs)
		}
		if err != nil {
			return s, fmt.Errorf("--grant-read: %w", err)
		}
		s.Read = append(s.Read, abs)
		if s.Dir, err = os.Getwd(); err != nil {
			return s, err
		}
	}
	for _, kv := range a.env {
		if k, _, ok := strings.Cut(kv, "="); !ok || k == "" {
			return s, fmt.Errorf("--env %s: give it as KEY=VALUE", kv)
		}
	}
	var err error
	if s.MemoryBytes, err = sizeBytes("--memory", a.memory); err != nil {
		return s, err
	}
	s.StackBytes, err = sizeBytes("--stack", a.stack)
	return s, err
}

func limitsOf(s api.Settings) vm.Limits {
	return vm.Limits{Gas: s.Gas, MemoryBytes: s.MemoryBytes, Goroutines: s.Goroutines, StackBytes: s.StackBytes}
}

// sizeBytes reads a size such as 512M; K, M and G are powers of 1024.
func sizeBytes(flag, text string) (uint64, error) {
	number, unit := strings.TrimSuffix(strings.ToUpper(text), "B"), uint64(1)
	for i, u := range []string{"K", "M", "G"} {
		if n, ok := strings.CutSuffix(number, u); ok {
			number, unit = n, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || n == 0 || n > (1<<62)/unit {
		return 0, fmt.Errorf("%s %s: give a size such as 512M or 4G", flag, text)
	}
	return n * unit, nil
}

// compileGCPercent lets the heap of a compilation grow five times between collections: it lives for a second, and a fifth of its time goes
// to collecting otherwise.
const compileGCPercent = 400

// compile makes a program of a file or a package directory. Positions in errors are relative to the working directory.
func (c *command) compile(ctx context.Context, path string) (*vm.Program, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("no program: %w: give a .go file or a package directory", err)
	}
	s := vm.Source{Paths: []string{path}}
	if !c.noCache {
		if cache, err := vm.UserCache(); err == nil {
			s.Cache = cache
		}
	}
	defer c.busy("compiling " + path)()
	defer footprint.Drop() // of the compiler
	defer debug.SetGCPercent(debug.SetGCPercent(compileGCPercent))
	p, err := vm.Compile(ctx, s)
	var source *vm.SourceErrors
	if err != nil && !errors.As(err, &source) && ctx.Err() == nil {
		return nil, fmt.Errorf("%s cannot be compiled: %w", path, err)
	}
	return p, err
}

// programName is what the program calls itself: the file's or directory's name.
func programName(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return strings.TrimSuffix(filepath.Base(path), ".go")
}

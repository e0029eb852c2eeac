package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/tandemvm/tandem/vm"
)

// testRun is one `peer test`: what package testing is asked for, in its own words, and how the answer is shown.
type testRun struct {
	c       *command
	allow   allowance
	flags   *pflag.FlagSet // those that are handed to package testing
	args    []string       // what follows -args
	stream  bool           // show output as it comes, of packages that pass too
	timeout time.Duration
	failed  bool
}

// testingFlags declares those flags of `go test` that package testing understands.
func (t *testRun) testingFlags() {
	f := pflag.NewFlagSet("testing", pflag.ContinueOnError)
	f.String("run", "", "run only the tests, examples and fuzz seeds whose name matches")
	f.String("skip", "", "do not run those whose name matches")
	f.String("list", "", "list tests whose name matches, run none")
	f.String("bench", "", "run the benchmarks whose name matches; . for all")
	f.String("benchtime", "1s", "how long, or with Nx how often, each benchmark runs")
	f.Bool("benchmem", false, "print allocations of benchmarks")
	f.Bool("v", false, "print every test and its log")
	f.Uint("count", 1, "run each test `n` times")
	f.Bool("short", false, "tell long tests to be short")
	f.Bool("failfast", false, "start no test after one that failed")
	f.Bool("fullpath", false, "full file names in messages")
	f.Uint("parallel", 1, "parallel tests that may be under way at once (a run uses one core)")
	f.String("shuffle", "off", "random order of tests: off, on or a seed")
	f.DurationVar(&t.timeout, "timeout", 10*time.Minute, "panic when the tests of a package take longer; 0: never")
	t.flags = f
}

func (c *command) test() *cobra.Command {
	t := &testRun{c: c}
	t.testingFlags()
	cmd := &cobra.Command{
		Use:   "test [flags] [DIR|DIR/...|IMPORTPATH]... [-args ...]",
		Short: "Run the Go tests of packages inside the VM, as `go test` does",
		Long: `Run the Go tests of packages inside the VM: flags, what is printed and the exit status are those of ` + "`go test`" + `.

The tests may read the package's own directory, and have a /tmp of their own; other files, and the environment, need a grant.`,
		DisableFlagParsing: true, // -run is one flag here, as it is to the go command
		RunE: func(cmd *cobra.Command, args []string) error {
			if i := slices.IndexFunc(args, func(a string) bool { return a == "-args" || a == "--args" }); i >= 0 {
				args, t.args = args[:i], args[i+1:]
			}
			cmd.DisableFlagParsing = false
			if err := cmd.ParseFlags(longFlags(cmd.Flags(), args)); errors.Is(err, pflag.ErrHelp) {
				return cmd.Help()
			} else if err != nil {
				return cmd.FlagErrorFunc()(cmd, err)
			}
			if help, _ := cmd.Flags().GetBool("help"); help {
				return cmd.Help()
			}
			return t.run(cmd.Context(), cmd.Flags().Args())
		},
	}
	cmd.Flags().AddFlagSet(t.flags)
	t.allow.flags(cmd)
	return cmd
}

// longFlags gives flags the second dash that the parser wants: -run is one flag to the go command, not three. -test.run is -run.
func longFlags(known *pflag.FlagSet, args []string) []string {
	out := slices.Clone(args)
	for i, a := range args {
		if a == "--" {
			break
		}
		if one, ok := strings.CutPrefix(a, "-"); ok && !strings.HasPrefix(one, "-") {
			one = strings.TrimPrefix(one, "test.")
			if name, _, _ := strings.Cut(one, "="); known.Lookup(name) != nil {
				out[i] = "--" + one
			}
		}
	}
	return out
}

// run tests the packages, one after the other. Without any it is the one in the working directory, whose output is shown as it comes.
func (t *testRun) run(ctx context.Context, names []string) error {
	if _, err := t.allow.check(); err != nil {
		return err
	}
	shown := func(name string) bool { f := t.flags.Lookup(name); return f.Changed && f.Value.String() != "false" }
	t.stream = len(names) == 0 || shown("v") || shown("list") || shown("bench")
	if len(names) == 0 {
		names = []string{"."}
	}
	names, err := packages(names)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := t.one(ctx, name); err != nil {
			return err
		}
	}
	if t.failed {
		fmt.Fprintln(t.c.stdout, "FAIL")
		return exitStatus(1)
	}
	return nil
}

// packages are the names with DIR/... spelled out: the directories below DIR that hold Go files.
func packages(names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		root, ok := strings.CutSuffix(name, "/...")
		if !ok {
			out = append(out, name)
			continue
		}
		before := len(out)
		err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			base := d.Name()
			if p != root {
				_, module := os.Stat(filepath.Join(p, "go.mod"))
				if base == "testdata" || base == "vendor" || base[0] == '_' || base[0] == '.' || module == nil {
					return filepath.SkipDir
				}
			}
			if files, _ := filepath.Glob(filepath.Join(p, "*.go")); len(files) > 0 {
				out = append(out, p)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if len(out) == before {
			return nil, fmt.Errorf("%s: no packages there: give a directory with Go files below it", name)
		}
	}
	return out, nil
}

// one tests one package and says how it went. The error is not about the package.
func (t *testRun) one(ctx context.Context, name string) error {
	out := t.c.stdout
	src := vm.Source{Paths: []string{name}, Test: true}
	p, err := vm.FindPackage(src)
	if err != nil {
		fmt.Fprintf(t.c.stderr, "# %s\n%v\n", name, err)
		return t.fail("%s [setup failed]", name)
	}
	if !p.Tests {
		_, err := fmt.Fprintf(out, "?   \t%s\t[no test files]\n", p.Path)
		return err
	}
	program, err := vm.Compile(ctx, src)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		fmt.Fprintf(t.c.stderr, "# %s [%s.test]\n%s\n", p.Path, p.Path, strings.TrimRight(err.Error(), "\n"))
		return t.fail("%s [build failed]", p.Path)
	}
	var text bytes.Buffer
	var w io.Writer = &text
	if t.stream {
		w = io.MultiWriter(&tail{&text}, out)
	}
	began := time.Now()
	err = t.execute(ctx, program, p, w)
	took := fmt.Sprintf("%.3fs", time.Since(began).Seconds())
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		const none = "testing: warning: no tests to run\n"
		if b := text.Bytes(); !t.stream && (bytes.HasPrefix(b, []byte(none)) || bytes.Contains(b, []byte("\n"+none))) {
			took += " [no tests to run]"
		}
		_, err := fmt.Fprintf(out, "ok  \t%s\t%s\n", p.Path, took)
		return err
	}
	if !t.stream {
		out.Write(text.Bytes())
	}
	var status exitStatus
	switch {
	case !errors.As(err, &status):
		fmt.Fprintln(out, "peer: "+strings.Join(strings.Fields(err.Error()), " "))
	case text.Len() == 0:
		fmt.Fprintln(out, err)
	case !bytes.HasSuffix(text.Bytes(), []byte("\n")):
		fmt.Fprintln(out)
	}
	return t.fail("%s\t%s", p.Path, took)
}

// fail notes that a package failed.
func (t *testRun) fail(format string, args ...any) error {
	t.failed = true
	_, err := fmt.Fprintf(t.c.stdout, "FAIL\t"+format+"\n", args...)
	return err
}

// execute runs a test program, whose two streams go to w.
func (t *testRun) execute(ctx context.Context, program *vm.Program, p vm.Package, w io.Writer) error {
	args := []string{path.Base(p.Path) + ".test", "-test.paniconexit0", "-test.timeout=" + t.timeout.String()}
	t.flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed && f.Name != "timeout" {
			args = append(args, "-test."+f.Name+"="+f.Value.String())
		}
	})
	a := t.allow
	a.read = append(slices.Clone(a.read), p.Dir)
	c := &command{stdin: strings.NewReader(""), stdout: w, stderr: w}
	m, err := a.machine(program, append(args, t.args...), p.Dir, c)
	if err != nil {
		return err
	}
	return c.toEnd(ctx, m, &soloRun{allow: &a})
}

// tail keeps whether there was output, and its last byte.
type tail struct{ b *bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	if len(p) > 0 {
		t.b.Reset()
		t.b.WriteByte(p[len(p)-1])
	}
	return len(p), nil
}

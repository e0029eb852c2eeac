package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/vm"
)

// soloWords is how much a program executes before its output is written: some 10 ms.
const soloWords = 2 << 20

// soloRun is one run without a store and without other peers.
type soloRun struct {
	allow      *allowance
	args       []string // the program's, its name first
	save, load string   // --save, --load
	interrupt  string   // --interrupt
	counts     []uint64 // instruction counts at which the run moves to a new process
}

func (r *soloRun) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.save, "save", "", "with --solo: Ctrl-C or SIGTERM saves the run to `FILE` before it ends this process")
	f.StringVar(&r.load, "load", "", "with --solo: instead of PROGRAM, go on with the run that --save wrote to `FILE`")
	f.StringVar(&r.interrupt, "interrupt", "", "move the run to a new process at these instruction counts, or at random ones: seed:N")
	f.MarkHidden("interrupt")
}

// solo runs a program as if it were compiled and started: its output, exit status and input are the program's. words are the program and its
// arguments, or nothing to go on with a saved run.
func (c *command) solo(ctx context.Context, words []string, r *soloRun) error {
	if _, err := r.allow.check(); err != nil {
		return err
	}
	if r.interrupt != "" {
		var err error
		if r.counts, err = interruptions(r.interrupt); err != nil {
			return err
		}
	}
	m, err := r.machine(ctx, words, c)
	if err != nil {
		return err
	}
	return c.toEnd(ctx, m, r)
}

// machine is a machine before the first instruction of the program, or where the saved run was.
func (r *soloRun) machine(ctx context.Context, words []string, c *command) (*vm.Machine, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if r.load == "" {
		p, err := c.compile(ctx, words[0])
		if err != nil {
			return nil, err
		}
		r.args = append([]string{programName(words[0])}, words[1:]...)
		return r.allow.machine(p, r.args, dir, c)
	}
	run, err := c.loadRun(r.load)
	if err != nil {
		return nil, err
	}
	r.args = run.Args
	cfg, err := r.allow.config(run.Args, dir, c)
	if err != nil {
		return nil, err
	}
	return vm.Resume(ctx, run.Program, cfg, run.Snapshot)
}

// machine is a machine for a new run of p that may use what a allows. Its streams are the command's.
func (a *allowance) machine(p *vm.Program, args []string, dir string, c *command) (*vm.Machine, error) {
	cfg, err := a.config(args, dir, c)
	if err != nil {
		return nil, err
	}
	return vm.New(p, cfg)
}

func (a *allowance) config(args []string, dir string, c *command) (vm.Config, error) {
	settings, err := a.check()
	if err != nil {
		return vm.Config{}, err
	}
	return vm.Config{
		Args:   args,
		Grants: vm.Grants{Read: settings.Read, Env: settings.Env},
		Limits: limitsOf(settings),
		Dir:    dir,
		Seed:   uint64(time.Now().UnixNano()),
		Stdin:  c.stdin,
		Output: streams{c.stdout, c.stderr},
	}, nil
}

// toEnd executes m until the program ends. A program that waits for input when an interrupt comes is not waited for.
func (c *command) toEnd(ctx context.Context, m *vm.Machine, r *soloRun) error {
	ended := make(chan error, 1)
	go func() {
		err := c.untilExit(ctx, m, r)
		if errors.Is(err, interrupted) && r.save != "" {
			err = c.saved(m, r)
		}
		m.Close()
		ended <- err
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	patience := 200 * time.Millisecond
	if r.save != "" {
		patience = 10 * time.Second // the disk may be slow
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		if r.save != "" {
			fmt.Fprintln(c.stderr, "peer: the run is not saved: it waits for input")
		}
		return interrupted
	}
}

// saved saves a run that was interrupted, and says how to go on with it.
func (c *command) saved(m *vm.Machine, r *soloRun) error {
	if err := saveRun(m, r.args, r.save); err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "peer: saved after %d instructions; go on with: peer run --solo --load %s\n", m.Instructions(), r.save)
	return interrupted
}

func (c *command) untilExit(ctx context.Context, m *vm.Machine, r *soloRun) error {
	for {
		words := uint64(soloWords)
		if len(r.counts) > 0 {
			if done := m.Instructions(); done >= r.counts[0] {
				rest := slices.DeleteFunc(r.counts, func(n uint64) bool { return n <= done })
				return c.elsewhere(ctx, m, r.args, r.allow, rest)
			} else {
				words = min(words, r.counts[0]-done)
			}
		}
		stop, err := m.Run(ctx, words)
		if err != nil {
			return err
		}
		switch {
		case stop.End == vm.EndExit && stop.Exit == 0:
			return nil
		case stop.End == vm.EndExit:
			return exitStatus(stop.Exit)
		case ctx.Err() != nil:
			return interrupted
		case stop.End == vm.EndIdle:
			if err := sleepUntil(ctx, stop.Wake); err != nil {
				return interrupted
			}
		}
	}
}

// sleepUntil waits for the time, or for ctx alone if it is zero.
func sleepUntil(ctx context.Context, t time.Time) error {
	if t.IsZero() {
		<-ctx.Done()
		return ctx.Err()
	}
	return vm.WallClock{}.Sleep(ctx, time.Until(t))
}

// streams writes a program's output to the command's own.
type streams struct{ stdout, stderr io.Writer }

func (s streams) WriteOutput(stream uint8, p []byte) error {
	w := s.stdout
	if stream == vm.Stderr {
		w = s.stderr
	}
	// A closed pipe on the process's own descriptors ends it by SIGPIPE, like any program; on others it is an error.
	if _, err := w.Write(p); err != nil {
		if errors.Is(err, os.ErrClosed) {
			return err
		}
		return fmt.Errorf("the program's output cannot be written: %w", err)
	}
	return nil
}

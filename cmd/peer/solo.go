package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tandemvm/tandem/vm"
)

// soloWords is how much a program executes before its output is written: some 10 ms.
const soloWords = 2 << 20

// solo runs a program without a store and without other peers, as if it were compiled and started. Its output, exit status and input
// are the program's.
func (c *command) solo(ctx context.Context, path string, args []string, a *allowance) error {
	settings, err := a.check()
	if err != nil {
		return err
	}
	stackBytes, err := sizeBytes("--stack", a.stack)
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	p, err := compile(ctx, path)
	if err != nil {
		return err
	}
	m, err := vm.New(p, vm.Config{
		Args:   append([]string{programName(path)}, args...),
		Grants: vm.Grants{Read: settings.Read, Env: settings.Env},
		Limits: vm.Limits{Gas: a.gas, MemoryBytes: settings.MemoryBytes, Goroutines: a.goroutines, StackBytes: stackBytes},
		Dir:    dir,
		Seed:   uint64(time.Now().UnixNano()),
		Stdin:  c.stdin,
		Output: streams{c.stdout, c.stderr},
	})
	if err != nil {
		return err
	}
	return c.toEnd(ctx, m)
}

// toEnd executes m until the program ends. A program that waits for input when an interrupt comes is not waited for.
func (c *command) toEnd(ctx context.Context, m *vm.Machine) error {
	ended := make(chan error, 1)
	go func() {
		err := untilExit(ctx, m)
		m.Close()
		ended <- err
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(200 * time.Millisecond):
		return interrupted
	}
}

func untilExit(ctx context.Context, m *vm.Machine) error {
	for {
		stop, err := m.Run(ctx, soloWords)
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

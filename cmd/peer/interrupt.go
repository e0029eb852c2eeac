package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/tandemvm/tandem/vm"
)

// An interrupted solo run is the test that a run may move at any moment: at the safe point after so many instruction words it is
// saved to a file, and a new process loads the file and goes on. What it prints and its status are those of an undisturbed run.

// interruptions reads what --interrupt says: instruction counts in growing order, or seed:N for random ones over all magnitudes, so
// that runs of every length are met.
func interruptions(text string) ([]uint64, error) {
	bad := fmt.Errorf("--interrupt %s: give instruction counts in growing order, such as 5000,100000, or seed:N", text)
	if seed, ok := strings.CutPrefix(text, "seed:"); ok {
		n, err := strconv.ParseUint(seed, 10, 64)
		if err != nil {
			return nil, bad
		}
		rng := rand.New(rand.NewPCG(n, 0))
		var at []uint64
		for bits := 6 + 4*rng.Float64(); bits < 36; bits += 2 + 4*rng.Float64() {
			at = append(at, uint64(math.Exp2(bits)))
		}
		return at, nil
	}
	var at []uint64
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseUint(word, 10, 64)
		if err != nil || len(at) > 0 && n <= at[len(at)-1] {
			return nil, bad
		}
		at = append(at, n)
	}
	return at, nil
}

// elsewhere saves the run of m and goes on with it in a new process, which is to be interrupted at the other counts.
func (c *command) elsewhere(ctx context.Context, m *vm.Machine, args []string, a *allowance, counts []uint64) error {
	f, err := os.CreateTemp("", "tandem-interrupted-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	f.Close()
	if err := errors.Join(saveRun(m, args, f.Name()), m.Close()); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	line := []string{"run", "--solo", "--load", f.Name(), "--memory", a.memory}
	for _, path := range a.read {
		line = append(line, "--grant-read", path)
	}
	for _, kv := range a.env {
		line = append(line, "--env", kv)
	}
	if len(counts) > 0 {
		words := make([]string, len(counts))
		for i, n := range counts {
			words[i] = strconv.FormatUint(n, 10)
		}
		line = append(line, "--interrupt", strings.Join(words, ","))
	}
	cmd := exec.CommandContext(ctx, self, line...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.stdin, c.stdout, c.stderr
	var ended *exec.ExitError
	if err := cmd.Run(); errors.As(err, &ended) && ended.Exited() {
		return exitStatus(ended.ExitCode())
	} else if err != nil {
		return fmt.Errorf("the interrupted run: %w", err)
	}
	return nil
}

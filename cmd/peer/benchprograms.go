package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/cmd/peer/internal/speed"
)

// benchPrograms is the verb that measures programs against their native builds.
func (c *command) benchPrograms() *cobra.Command {
	var rounds int
	cmd := &cobra.Command{
		Use: "programs [DIR|FILE...]", Short: "Measure programs beside native Go: processor time, its ratio, peak memory",
		Long: `Run each program, a .go file or all of a directory's (default: the current one's), as peer run --solo does and as go build builds it, in
turn, and print processor time (the least of the rounds), the ratio, and peak memory. What an empty program takes is taken off. Both must
print the same. Needs the go command.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"."}
			}
			files, err := speed.Programs(args)
			if err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			return c.measurePrograms(cmd, []string{self, "run", "--solo"}, files, rounds, c.format == "json")
		},
	}
	cmd.Flags().IntVar(&rounds, "rounds", 5, "how often each program is measured")
	return c.formatted(cmd)
}

// measurePrograms prints each result when there is one, then the summary. Programs that could not be compared make it fail at the end.
func (c *command) measurePrograms(cmd *cobra.Command, run, files []string, rounds int, asJSON bool) error {
	e := json.NewEncoder(c.stdout)
	if !asJSON {
		fmt.Fprintf(c.stdout, "%-24s %10s %10s %8s %10s %10s\n", "program", "ms", "native", "ratio", "peak MiB", "native")
	}
	failed := 0
	sum, err := speed.Measure(cmd.Context(), run, files, rounds, func(r speed.Result, err error) {
		if err != nil {
			failed++
			fmt.Fprintf(c.stderr, "%s: %v\n", r.Program, err)
			return
		}
		if asJSON {
			e.Encode(r)
			return
		}
		fmt.Fprintf(c.stdout, "%-24s %10.1f %10.1f %8.2f %10.1f %10.1f\n", r.Program, r.Ms, r.NativeMs, r.Ratio, r.PeakMiB, r.NativePeakMiB)
	})
	if err != nil {
		return err
	}
	if asJSON {
		e.Encode(sum)
	} else {
		fmt.Fprintf(c.stdout, "%-24s %30.2f    (worst %.2f, %d programs)\n", "geometric mean", sum.Mean, sum.Worst, sum.Programs)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d programs could not be compared", failed, len(files))
	}
	return nil
}

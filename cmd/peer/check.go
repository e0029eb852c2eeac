package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/changes/laws"
	"github.com/tandemvm/tandem/vm"
)

// inspect reads a program's source.
func inspect(ctx context.Context, path string) (*vm.Inspection, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("no program: %w: give a .go file or a package directory", err)
	}
	in, err := vm.Inspect(ctx, vm.Source{Paths: []string{path}})
	var source *vm.SourceErrors
	if err != nil && !errors.As(err, &source) && ctx.Err() == nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return in, err
}

// found is the status of a check that found something.
const found = exitStatus(1)

func (c *command) vet() *cobra.Command {
	return &cobra.Command{
		Use: "vet PROGRAM", Short: "Look for places in a program where sharing loses something",
		Long: `Look for places in a program that are right when it runs alone, and lose something where its variables are shared:
values read, changed and written back where the last writer wins; variables written because of others; slices and maps of shared
variables held while a turn ends. Each is printed with its line and what to do. The status is 1 if there is any.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := inspect(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			for _, f := range in.Findings {
				fmt.Fprintln(c.stdout, f)
			}
			if len(in.Findings) > 0 {
				return found
			}
			return nil
		},
	}
}

func (c *command) laws() *cobra.Command {
	var rounds int
	var seed uint64
	cmd := &cobra.Command{
		Use: "laws PROGRAM", Short: "Check that the shared variables of a program merge as promised, on generated values",
		Long: `Check that the kind of every shared variable of a program merges values of the variable's own type as promised: in any order
and grouping, repeatedly, keeping what each turn did. The status is 1 if a law does not hold.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := inspect(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if rounds < 1 {
				return fmt.Errorf("--rounds %d: give at least 1", rounds)
			}
			if seed == 0 {
				seed = uint64(time.Now().UnixNano())
			}
			broken := false
			for _, v := range in.Variables {
				where := fmt.Sprintf("%s:%d:%d: %s (%v of %v)", v.Position.Filename, v.Position.Line, v.Position.Column, v.Name, v.Spec, v.Spec.Type)
				if bad := laws.Check(v.Spec, changes.Value{}, seed, rounds); bad != nil {
					broken = true
					fmt.Fprintf(c.stdout, "%s: %v\n", where, bad)
					continue
				}
				fmt.Fprintf(c.stdout, "%s: ok, %d rounds with seed %d\n", where, rounds, seed)
			}
			if len(in.Variables) == 0 {
				fmt.Fprintln(c.stdout, "no shared variables: mark them with //tandem:shared KIND")
			}
			if broken {
				return found
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&rounds, "rounds", 200, "cases for each variable")
	cmd.Flags().Uint64Var(&seed, "seed", 0, "of the cases; 0: a new one")
	return cmd
}

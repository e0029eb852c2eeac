package main

import (
	"context"
	"errors"
	"fmt"
	"go/token"
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
	return c.formatted(&cobra.Command{
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
			list := []shownFinding{}
			for _, f := range in.Findings {
				list = append(list, shownFinding{place(f.Position), f.Problem, f.Hint})
			}
			err = c.show(list, "", func(row func(...any)) {
				for _, f := range in.Findings {
					row(f)
				}
			})
			if err != nil {
				return err
			}
			if len(in.Findings) > 0 {
				return found
			}
			return nil
		},
	})
}

// shownFinding is one of `peer vet -o json`.
type shownFinding struct {
	Position string `json:"position"` // FILE:LINE:COLUMN
	Problem  string `json:"problem"`
	Hint     string `json:"hint"`
}

func place(p token.Position) string {
	return fmt.Sprintf("%s:%d:%d", p.Filename, p.Line, p.Column)
}

// shownLaws is one variable of `peer laws -o json`.
type shownLaws struct {
	Position string `json:"position"` // FILE:LINE:COLUMN of the directive
	Name     string `json:"name"`
	Rule     string `json:"rule"`
	Type     string `json:"type"`
	OK       bool   `json:"ok"`
	Law      string `json:"law,omitempty"`  // that does not hold
	Case     string `json:"case,omitempty"` // in which
	Hint     string `json:"hint,omitempty"`
	Seed     uint64 `json:"seed"`
	Rounds   int    `json:"rounds"`
}

// checkLaws tries a variable's kind out. It does not wait for the rest when ctx ends.
func checkLaws(ctx context.Context, v vm.Declared, seed uint64, rounds int) (shownLaws, error) {
	s := shownLaws{Position: place(v.Position), Name: v.Name, Rule: v.Spec.String(), Type: v.Spec.Type.String(), Seed: seed, Rounds: rounds}
	done := make(chan *laws.Violation, 1)
	go func() { done <- laws.Check(v.Spec, changes.Value{}, seed, rounds) }()
	select {
	case bad := <-done:
		if s.OK = bad == nil; !s.OK {
			s.Law, s.Case, s.Hint = bad.Law, bad.Case, bad.Hint
		}
		return s, nil
	case <-ctx.Done():
		return s, ctx.Err()
	}
}

func (s shownLaws) String() string {
	result := fmt.Sprintf("ok, %d rounds with seed %d", s.Rounds, s.Seed)
	if !s.OK {
		result = (&laws.Violation{Law: s.Law, Case: s.Case, Hint: s.Hint}).Error()
	}
	return fmt.Sprintf("%s: %s (%s of %s): %s", s.Position, s.Name, s.Rule, s.Type, result)
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
			broken, list := false, []shownLaws{}
			for _, v := range in.Variables {
				done := c.busy("checking " + v.Name)
				s, err := checkLaws(cmd.Context(), v, seed, rounds)
				done()
				if err != nil {
					return err
				}
				broken, list = broken || !s.OK, append(list, s)
				if c.format == "text" {
					fmt.Fprintln(c.stdout, s)
				}
			}
			switch {
			case c.format == "json":
				if err := c.show(list, "", nil); err != nil {
					return err
				}
			case len(list) == 0:
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
	return c.formatted(cmd)
}

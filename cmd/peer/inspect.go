package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/vm"
)

// snapshot saves runs and looks at saved ones, for whoever wants to know why a program stands where it stands.
func (c *command) snapshot() *cobra.Command {
	cmd := &cobra.Command{Use: "snapshot", Short: "Save where a run stands, and look at saved runs"}
	cmd.AddCommand(c.snapshotSave(), c.snapshotShow(), c.snapshotDiff())
	return cmd
}

func (c *command) snapshotSave() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "save RUN FILE",
		Short: "Write where a run of a sandbox stands to a file, wherever it executes; - is standard output",
		Long: `Write where a run of a sandbox stands, after the newest turn that is known here, to a file. The run goes on, wherever it executes, and knows
nothing of it. The file can be looked at (peer snapshot show), and gone on with alone, sharing nothing: peer run --solo --load FILE.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			defer c.busy("fetching what is not here of the run")()
			fetch := func(w io.Writer) error { return c.client().Snapshot(cmd.Context(), args[0], w) }
			if args[1] == "-" {
				return fetch(c.stdout)
			}
			return writeWhole(args[1], fetch)
		},
	}
	c.storeFlag(cmd)
	return cmd
}

// withAll adds -o and --all.
func (c *command) withAll(cmd *cobra.Command, all *bool) *cobra.Command {
	cmd.Flags().BoolVar(all, "all", false, "variables of the standard library too")
	return c.formatted(cmd)
}

// shownSnapshot is `peer snapshot show -o json`.
type shownSnapshot struct {
	Program      string            `json:"program"`
	VM           string            `json:"vm"`
	Root         string            `json:"root"`
	Instructions uint64            `json:"instructions"`
	MemoryBytes  uint64            `json:"memory_bytes"`
	Turns        uint64            `json:"turns"`
	Lines        uint64            `json:"lines"`
	Args         []string          `json:"args"`
	Goroutines   []vm.Goroutine    `json:"goroutines"`
	Globals      []vm.VariableText `json:"globals"`
	Heap         []vm.HeapType     `json:"heap"`
}

const heapTypesShown = 20

func (c *command) snapshotShow() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Where a saved run stands: goroutines with their lines and locals, variables, the largest types on the heap; - is standard input",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := c.loadRun(args[0])
			if err != nil {
				return err
			}
			s := r.Snapshot
			v := shownSnapshot{Program: r.Program.Hash().String(), VM: s.VM, Root: s.Root().String(), Instructions: s.InstructionCounter, MemoryBytes: s.SizeBytes(), Turns: s.Turns, Lines: s.Lines, Args: r.Args}
			if v.Goroutines, err = s.Goroutines(); err != nil {
				return err
			}
			if v.Globals, err = s.GlobalTexts(all); err != nil {
				return err
			}
			if v.Heap, err = s.HeapTypes(); err != nil {
				return err
			}
			return c.show(v, "", func(row func(...any)) { v.text(row) })
		},
	}
	return c.withAll(cmd, &all)
}

func (v *shownSnapshot) text(row func(...any)) {
	row(fmt.Sprintf("program %s, %s", short(v.Program), v.VM))
	row(fmt.Sprintf("after %d instructions, %d turns, %d pieces of output; %d bytes of memory", v.Instructions, v.Turns, v.Lines, v.MemoryBytes))
	for _, g := range v.Goroutines {
		row("")
		row(fmt.Sprintf("goroutine %d [%s]:", g.ID, g.Status))
		for _, w := range g.Waits {
			row("  waits " + w)
		}
		for _, f := range g.Frames {
			row(fmt.Sprintf("  %s  %s:%d", f.Function, f.File, f.Line))
			for _, l := range f.Locals {
				row(fmt.Sprintf("      %s %s = %s", l.Name, l.Type, l.Text))
			}
		}
	}
	if len(v.Globals) > 0 {
		row("")
		row("variables:")
	}
	for _, g := range v.Globals {
		row("", g.Name, g.Type, g.Text)
	}
	row("")
	row("heap:")
	row("", "BYTES", "OBJECTS", "TYPE")
	for i, h := range v.Heap {
		if i == heapTypesShown {
			row("", fmt.Sprintf("... and %d more types", len(v.Heap)-i))
			break
		}
		row("", h.Bytes, h.Objects, h.Type)
	}
}

func (c *command) snapshotDiff() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "diff FILE FILE",
		Short: "What changed in the variables of a run from one saved file to another",
		Args:  cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			a, err := c.loadRun(args[0])
			if err != nil {
				return err
			}
			b, err := c.loadRun(args[1])
			if err != nil {
				return err
			}
			list, err := vm.Differences(a.Snapshot, b.Snapshot, all)
			if err != nil {
				return err
			}
			return c.show(list, "", func(row func(...any)) {
				for _, d := range list {
					row(d.Path, d.Type, orAbsent(d.Old)+" -> "+orAbsent(d.New))
				}
			})
		},
	}
	return c.withAll(cmd, &all)
}

func orAbsent(text string) string {
	if text == "" {
		return "(not there)"
	}
	return text
}

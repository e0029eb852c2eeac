package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/cmd/peer/internal/demo"
)

func (c *command) demo() *cobra.Command {
	var o demo.Config
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo [FILE]",
		Short: "Three peers on this machine: kill one, cut one off, and check that nothing is lost",
		Long: `Three peers on this machine, as three processes, count the words of FILE together (default: Newton's Opticks, from the Go
installation) while one of them computes primes. The owner of the primes is killed, another takes over; a third is cut off and
healed. At the end all peers must have the same digests, the counts of a plain sequential count, and every line once.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if o.Text, err = textOf(args); err != nil {
				return err
			}
			if o.Binary, err = os.Executable(); err != nil {
				return err
			}
			if !cmd.Flags().Changed("seed") {
				o.Seed = rand.Uint64N(1000)
			}
			if c.verbose {
				o.Log = c.stderr
			}
			o.Tell = c.account(asJSON)
			begin := time.Now()
			err = demo.Run(cmd.Context(), o)
			ok := err == nil
			last := demo.Event{At: time.Since(begin), Kind: "result", OK: &ok, Text: "all of it held"}
			if !ok {
				last.Text = "it did not hold: " + err.Error()
			}
			if asJSON {
				o.Tell(last)
			} else if ok {
				fmt.Fprintln(c.stdout, last.Text)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVar(&asJSON, "json", false, "one JSON object a line, for machines")
	f.BoolVar(&o.Keep, "keep", false, "leave the three peers up and say how to look at them")
	f.Uint64Var(&o.Seed, "seed", 0, "moves the moments of kill and cut (default: random, printed)")
	f.StringVar(&o.Dir, "store", "", "new directory for the three stores (default: a temporary one)")
	f.IntVar(&o.Lines, "lines", 0, "lines that primes prints (default 600)")
	f.DurationVar(&o.Limit, "limit", 60*time.Second, "time within which all must be done")
	return cmd
}

// textOf is the file to count: the argument, else one that every Go installation has.
func textOf(args []string) (string, error) {
	if len(args) == 1 {
		return filepath.Abs(args[0])
	}
	root := os.Getenv("GOROOT")
	if root == "" {
		out, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			return "", errors.New("no Go installation found for its text and its library: install Go from https://go.dev/dl, or set GOROOT to where it is")
		}
		root = strings.TrimSpace(string(out))
	}
	text := filepath.Join(root, "src", "testdata", "Isaac.Newton-Opticks.txt")
	if _, err := os.Stat(text); err != nil {
		return "", fmt.Errorf("no text to count: %w: set GOROOT to a Go installation, or name a FILE", err)
	}
	return text, nil
}

// account prints the events of the demo as they happen.
func (c *command) account(asJSON bool) func(demo.Event) {
	if asJSON {
		e := json.NewEncoder(c.stdout)
		return func(x demo.Event) { e.Encode(x) }
	}
	return func(x demo.Event) { fmt.Fprintf(c.stdout, "%7.3fs  %s\n", x.At.Seconds(), x.Text) }
}

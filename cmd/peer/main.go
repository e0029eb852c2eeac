// Command peer runs Go programs that outlive the machine they run on: alone (`peer run --solo`), as a member of a sandbox
// that other peers join (`peer run`, `peer join`, `peer up`), or three at once to see it work (`peer demo`).
//
// It is the command line only: a daemon is internal/daemon, what the listing commands print comes from a running one over
// its socket. `peer help` lists the commands; DESIGN.md beside this file has the reasons.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/cmd/peer/internal/footprint"
	"github.com/tandemvm/tandem/vm"
)

func main() {
	os.Exit(Main())
}

// Main is the command with the process's own arguments and streams; it returns the exit status.
func Main() int {
	footprint.Drop() // of the initialisers
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	c := &command{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, terminal: isTerminal(os.Stderr)}
	root := c.root()
	root.SetArgs(os.Args[1:])
	return c.status(ctx, root.ExecuteContext(ctx))
}

// exitStatus is the error of a command that ends with a status and has said what there is to say.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// interrupted is the status of a command ended by Ctrl-C, as shells count it.
const interrupted = exitStatus(128 + int(syscall.SIGINT))

// status prints err and returns what the process ends with: a program's own status, 130 after an interrupt, else 1. Complaints about source
// are the compiler's lines; every other error is one line.
func (c *command) status(ctx context.Context, err error) int {
	var own exitStatus
	var source *vm.SourceErrors
	switch {
	case err == nil:
		return 0
	case errors.As(err, &own):
		return int(own)
	case errors.As(err, &source):
		fmt.Fprintln(c.stderr, strings.TrimRight(source.Error(), "\n"))
		return 1
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(c.stderr, "peer: interrupted")
		return int(interrupted)
	}
	fmt.Fprintln(c.stderr, "peer: "+strings.Join(strings.Fields(err.Error()), " "))
	return 1
}

// command holds what all commands share.
type command struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       bool   // stderr is one
	store          string // --store
	format         string // -o
	verbose        bool
	noCache        bool // --no-cache
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "peer",
		Short:         "Run Go programs that outlive the machine they run on",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return fmt.Errorf("unknown command %q: %s", args[0], meant(cmd, args[0]))
		},
	}
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w: see `%s --help`", err, cmd.CommandPath())
	})
	root.SetHelpCommand(&cobra.Command{
		Use: "help [COMMAND]", Short: "Help about any command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 && !about.HasParent() {
				return fmt.Errorf("unknown command %q: %s", strings.Join(args, " "), meant(root, args[0]))
			}
			return about.Help()
		},
	})
	root.PersistentFlags().BoolVarP(&c.verbose, "verbose", "v", false, "log what happens on stderr")
	for _, g := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"programs", "Programs:", []*cobra.Command{c.run(), c.test(), c.vet(), c.laws(), c.sim(), c.snapshot(), c.bench(), c.cache()}},
		{"peers", "Peers and sandboxes:", []*cobra.Command{c.demo(), c.up(), c.join(), c.invite(), c.leave(), c.stop(), c.statusOf(), c.peers(), c.digest(), c.diverge(), c.cut(), c.heal()}},
		{"runs", "Runs and what they share:", []*cobra.Command{c.ps(), c.logs(), c.vars(), c.send(), c.messages(), c.drop(), c.pause(), c.resume(), c.end(), c.move()}},
	} {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, sub := range g.commands {
			sub.GroupID = g.id
		}
		root.AddCommand(g.commands...)
	}
	root.AddCommand(c.version())
	root.Version = shown().String()
	root.SetVersionTemplate("{{.Version}}\n")
	root.SuggestionsMinimumDistance = 2
	sayUsage(root)
	return root
}

// meant says which command of root somebody may have meant by name.
func meant(root *cobra.Command, name string) string {
	const list = "`peer help` lists them"
	if like := root.SuggestionsFor(name); len(like) > 0 {
		return fmt.Sprintf("did you mean `peer %s`? %s", like[0], list)
	}
	return list
}

// sayUsage makes every command that is given the wrong number of arguments say how it is called.
func sayUsage(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		sayUsage(sub)
	}
	check := cmd.Args
	if !cmd.HasParent() {
		return
	}
	if cmd.Run == nil && cmd.RunE == nil { // one of its commands is meant
		check = nil
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return fmt.Errorf("unknown command %q: see `%s --help`", args[0], cmd.CommandPath())
		}
		cmd.Args = cobra.ArbitraryArgs
	}
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil || strings.Contains(err.Error(), "--help") {
			return err
		}
		for _, of := range []string{"accepts ", "requires ", "unknown command "} {
			if strings.HasPrefix(err.Error(), of) {
				return fmt.Errorf("%d arguments are not what it takes: `%s`: see `%s --help`", len(args), cmd.UseLine(), cmd.CommandPath())
			}
		}
		return err
	}
}

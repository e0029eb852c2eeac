package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

func (c *command) pause() *cobra.Command {
	return c.onRun("pause", "Make a run executing here wait after its turn; it stays paused over restarts and takeovers",
		func(ctx context.Context, run string) (api.Run, error) { return c.client().Pause(ctx, run) })
}

func (c *command) end() *cobra.Command {
	cmd := c.onRun("end", "Make a run end after its turn, here if the peer that had it is gone",
		func(ctx context.Context, run string) (api.Run, error) { return c.client().End(ctx, run) })
	cmd.Long = fmt.Sprintf(`Make a run end after its turn, paused or not, here if the peer that had it is gone. Deferred functions are not called; its status is %d, as of a process
that SIGTERM has ended. What it has printed and shared stays.`, tandem.ExitEnded)
	return cmd
}

func (c *command) resume() *cobra.Command {
	var o api.Resume
	var memory, stack string
	cmd := c.onRun("resume", "Make a paused run go on, here if the peer that had it is gone; a turn that failed is tried again",
		func(ctx context.Context, run string) (_ api.Run, err error) {
			if memory != "" {
				if o.MemoryBytes, err = sizeBytes("--memory", memory); err != nil {
					return api.Run{}, err
				}
			}
			if stack != "" {
				if o.StackBytes, err = sizeBytes("--stack", stack); err != nil {
					return api.Run{}, err
				}
			}
			return c.client().Resume(ctx, run, o)
		})
	cmd.Long = `Make a paused run go on, here if the peer that had it is gone; a turn that failed is tried again.

A run that met a limit can be given a higher one. It is part of the run from then on, after restarts and at other peers as well:

  peer resume --gas 20000000 RUN`
	f := cmd.Flags()
	f.Uint64Var(&o.Gas, "gas", 0, "instruction words the run may execute in all, from its beginning (default: as before)")
	f.StringVar(&memory, "memory", "", "memory the run may use, such as 512M or 4G (default: as before)")
	f.Uint64Var(&o.Goroutines, "goroutines", 0, "goroutines living at once (default: as before)")
	f.StringVar(&stack, "stack", "", "stack of one goroutine, such as 64M (default: as before)")
	return cmd
}

// onRun is a command that does one thing to a run and shows the run afterwards.
func (c *command) onRun(verb, short string, f func(ctx context.Context, run string) (api.Run, error)) *cobra.Command {
	return c.listing(&cobra.Command{
		Use: verb + " RUN", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			defer c.busy("waiting until it is done")()
			r, err := f(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.show(r, "", func(row func(...any)) { row(r.Name, runStatus(r), fmt.Sprintf("turn %d", r.Turn)) })
		},
	})
}

func (c *command) send() *cobra.Command {
	var id, file string
	cmd := c.listing(&cobra.Command{
		Use: "send RUN|SANDBOX [TEXT...]", Short: "Send a message to a run, which receives it from turn.Inbox", Args: cobra.MinimumNArgs(1),
		Long: `Send a message to a run, which receives it from turn.Inbox: TEXT, or the content of --file.

Instead of the run its sandbox may be named, if only one of its runs has not ended. A run receives each id once: give --id
to be able to send again without knowing whether it arrived.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var message io.Reader = strings.NewReader(strings.Join(args[1:], " "))
			switch {
			case file != "" && len(args) > 1:
				return errors.New("give a text or --file, not both")
			case file == "-":
				message = c.stdin
			case file != "":
				f, err := os.Open(file)
				if err != nil {
					return err
				}
				defer f.Close()
				message = f
			case len(args) == 1:
				return errors.New("nothing to send: give a text, or --file")
			}
			sent, err := c.client().Send(cmd.Context(), args[0], id, message)
			if err != nil {
				return err
			}
			return c.show(sent, "", func(row func(...any)) { row(sent.ID) })
		},
	})
	cmd.Flags().StringVar(&id, "id", "", "what makes it one message (default: a new id)")
	cmd.Flags().StringVar(&file, "file", "", "send the content of a file; -: of standard input")
	return cmd
}

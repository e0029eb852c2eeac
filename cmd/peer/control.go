package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

func (c *command) pause() *cobra.Command {
	return c.onRun("pause", "Make a run executing here wait after its turn; it stays paused over restarts and takeovers",
		func(ctx context.Context, run string) (api.Run, error) { return c.client().Pause(ctx, run) })
}

func (c *command) resume() *cobra.Command {
	return c.onRun("resume", "Make a paused run go on, here if the peer that had it is gone; a turn that failed is tried again",
		func(ctx context.Context, run string) (api.Run, error) { return c.client().Resume(ctx, run) })
}

// onRun is a command that does one thing to a run and shows the run afterwards.
func (c *command) onRun(verb, short string, f func(ctx context.Context, run string) (api.Run, error)) *cobra.Command {
	return c.listing(&cobra.Command{
		Use: verb + " RUN", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := f(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.show(r, "", func(row func(...any)) { row(r.Name, runStatus(r), fmt.Sprintf("turn %d", r.Turn)) })
		},
	})
}

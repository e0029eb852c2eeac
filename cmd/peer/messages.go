package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

// messages lists what was sent to a run and is not received.
func (c *command) messages() *cobra.Command {
	return c.listing(&cobra.Command{
		Use: "messages RUN [ID]", Short: "List the messages that a run has not received, and those taken away from it", Args: cobra.RangeArgs(1, 2),
		Long: `List the messages that a run has not received, and those that were taken away from it by peer drop. With ID the message
itself is written to standard output, byte by byte.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := c.client().Messages(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if len(args) > 1 {
				return c.message(args[0], args[1], list)
			}
			return c.show(list, "ID FROM SENT BYTES STATUS TEXT", func(row func(...any)) {
				for _, m := range list {
					status := "waits"
					if m.DroppedBy != "" {
						status = fmt.Sprintf("dropped by %s %s", short(m.DroppedBy), m.Dropped.Format(time.DateTime))
					}
					row(m.ID, short(m.From), m.Sent.Format(time.DateTime), len(m.Body), status, fmt.Sprintf("%q", clip(string(m.Body), 40)))
				}
			})
		},
	})
}

// message writes one of the messages.
func (c *command) message(run, id string, list []api.Message) error {
	for _, m := range list {
		if m.ID != id {
			continue
		}
		if c.format == "json" {
			return c.show(m, "", nil)
		}
		_, err := c.stdout.Write(m.Body)
		return err
	}
	return fmt.Errorf("run %s has received message %s, or nobody sent it: `peer messages %s` lists those that are here", run, id, run)
}

// drop takes a message away from a run.
func (c *command) drop() *cobra.Command {
	var id string
	cmd := c.onRun("drop", "Take a message away from a run, wherever it executes; paused by a turn that failed over the message, it goes on",
		func(ctx context.Context, run string) (api.Run, error) { return c.client().Drop(ctx, run, id) })
	cmd.Use = "drop RUN ID"
	cmd.Long = `Take a message away from a run, wherever it executes: the program does not receive it any more, at any peer, unless it has by now.

A run that is paused because a turn failed in which it had received the message goes on by itself, at a standby if its owner is gone; peer ps shows the
id. What was dropped can be read with peer messages.`
	cmd.Args = cobra.ExactArgs(2)
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id = args[1]
		return run(cmd, args)
	}
	return cmd
}

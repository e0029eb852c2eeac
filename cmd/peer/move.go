package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/cmd/peer/internal/api"
)

func (c *command) move() *cobra.Command {
	var to string
	cmd := c.onRun("move", "Have another peer (its id or the end of it, as peer peers lists it) go on with a run that executes here",
		func(ctx context.Context, run string) (api.Run, error) { return c.client().Move(ctx, run, to) })
	cmd.Use, cmd.Args = "move RUN PEER", cobra.ExactArgs(2)
	inner := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		to = args[1]
		return inner(cmd, args[:1])
	}
	return cmd
}

func (c *command) diverge() *cobra.Command {
	return c.listing(&cobra.Command{
		Use: "diverge [PEER]", Short: "Name what differs between this peer and those reached now, from which turn on; nothing when all is equal", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			peer := ""
			if len(args) > 0 {
				peer = args[0]
			}
			list, err := c.client().Divergences(cmd.Context(), peer)
			if err != nil {
				return err
			}
			return c.show(list, "PEER NAME RUN TURN", func(row func(...any)) {
				for _, d := range list {
					row(d.Peer, d.Name, d.Run, fmt.Sprint(d.Turn))
				}
			})
		},
	})
}

func (c *command) leave() *cobra.Command {
	var o api.Move
	cmd := c.listing(&cobra.Command{
		Use: "leave SANDBOX", Short: "Be no member of a sandbox any more, so that majorities are of those who stay; opening it again undoes it", Args: cobra.ExactArgs(1),
		Long: `Be no member of a sandbox any more, so that majorities are of those who stay. Opening it again, as peer up does, undoes it, unless what is here of it was
removed: with --remove, which of a sandbox without other members leaves nothing anywhere.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := c.client().Leave(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			text := fmt.Sprintf("%d members stay", len(b.Members))
			if o.Remove {
				text = "removed here"
			}
			return c.show(b, "", func(row func(...any)) { row(b.Name, text) })
		},
	})
	cmd.Flags().StringVar(&o.Peer, "peer", "", "take out this member, which is gone for good, instead")
	cmd.Flags().BoolVar(&o.Remove, "remove", false, "remove what is here of the sandbox from the store, for good")
	return cmd
}

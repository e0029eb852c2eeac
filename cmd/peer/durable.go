package main

import "github.com/spf13/cobra"

// durableFlag adds --durable, the level at which a run's turns count as durable.
func durableFlag(cmd *cobra.Command, durable *string) {
	cmd.Flags().StringVar(durable, "durable", "local", "show a turn's output once it is held by: local (this peer), majority (of the members), or a number of peers, this one among them")
}

package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/cmd/peer/internal/bench"
)

// bench is the verb that measures.
func (c *command) bench() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Measure on this machine", Args: cobra.NoArgs}
	var d, rtt time.Duration
	replication := &cobra.Command{
		Use: "replication", Short: "Measure three peers on loopback beside plain go-ds-crdt", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if d <= 0 || rtt < 0 {
				return fmt.Errorf("--for %v --rtt %v: give durations such as 5s and 50ms", d, rtt)
			}
			e := json.NewEncoder(c.stdout)
			return bench.Replication(cmd.Context(), d, rtt, func(r bench.Result) {
				if c.format == "json" {
					e.Encode(r)
					return
				}
				target := ""
				if r.Target != "" {
					target = "target " + r.Target
				}
				fmt.Fprintf(c.stdout, "%-62s %10.1f %-10s %s\n", r.Name, r.Value, r.Unit, target)
			})
		},
	}
	replication.Flags().DurationVar(&d, "for", 5*time.Second, "how long each measurement takes")
	replication.Flags().DurationVar(&rtt, "rtt", 0, "round trip between the peers, made by a relay; both then speak TCP")
	cmd.AddCommand(c.formatted(replication), c.benchPrograms())
	return cmd
}

// Command cobra parses command lines with modules of the cache.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	var n int
	root := &cobra.Command{Use: "app", Short: "an app", Long: "An app that does things."}
	sub := &cobra.Command{Use: "sum NUMBER...", Short: "add", Args: cobra.MinimumNArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		for _, a := range args {
			var x int
			if _, err := fmt.Sscan(a, &x); err != nil {
				return fmt.Errorf("%s is no number: %w", a, err)
			}
			n += x
		}
		fmt.Fprintln(cmd.OutOrStdout(), n)
		return nil
	}}
	sub.Flags().IntVarP(&n, "start", "s", 0, "where to begin")
	root.AddCommand(sub)
	for _, args := range [][]string{{"--help"}, {"sum", "1", "2", "-s", "10"}, {"sum"}, {"sum", "x"}, {"sun"}, {"sum", "--help"}, {"completion", "bash"}} {
		root.SetArgs(args)
		root.SetOut(os.Stdout)
		root.SetErr(os.Stdout)
		fmt.Println("==", args, root.Execute())
	}
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/vm"
)

// shownCache is `peer cache -o json`.
type shownCache struct {
	Dir      string `json:"dir"`
	Programs int    `json:"programs"`
	Bytes    int64  `json:"bytes"`
	BytesMax int64  `json:"bytes_max"`
}

// cache is the command about compiled programs that are kept.
func (c *command) cache() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Say where compiled programs are kept, and how much room they take",
		Long: `Say where compiled programs are kept, and how much room they take.

A program that was compiled before starts from there as long as its source, what it imports, Go and this peer are the same.
The directory is $TANDEM_CACHE, or tandem/images where the system keeps such files; the programs used longest ago make room for new ones.
"peer run --no-cache" goes past it.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			kept, err := vm.UserCache()
			if err != nil {
				return err
			}
			images, sizeBytes, err := kept.Size()
			if err != nil {
				return err
			}
			v := shownCache{Dir: kept.Dir, Programs: images, Bytes: sizeBytes, BytesMax: kept.MaxBytes}
			return c.show(v, "", func(row func(...any)) {
				row(v.Dir)
				row(fmt.Sprintf("%d programs, %.1f of %d MiB", v.Programs, float64(v.Bytes)/(1<<20), v.BytesMax>>20))
			})
		},
	}
	c.formatted(cmd)
	cmd.AddCommand(&cobra.Command{
		Use: "clear", Short: "Remove them all", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			kept, err := vm.UserCache()
			if err != nil {
				return err
			}
			return kept.Clear()
		},
	})
	return cmd
}

package main

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/cmd/peer/internal/client"
)

// storeVariable names the environment variable that stands for --store.
const storeVariable = "TANDEM_STORE"

// storeFlag adds --store.
func (c *command) storeFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.store, "store", defaultStore(), "directory of the peer's store; also $"+storeVariable)
}

// defaultStore is $TANDEM_STORE, else a directory for state that survives restarts.
func defaultStore() string {
	if dir := os.Getenv(storeVariable); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "tandem")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".tandem"
	}
	return filepath.Join(home, ".local", "state", "tandem")
}

// client is a client of the daemon that has the store.
func (c *command) client() *client.Client { return client.New(c.store) }

// logger writes to stderr what deserves attention, and with -v what happens.
func (c *command) logger() *slog.Logger {
	level := slog.LevelWarn
	if c.verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: level}))
}

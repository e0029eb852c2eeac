package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/tandemvm/tandem/vm"
)

// versionText names this build: the module's version, or the commit it was built from.
func versionText() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (version == "" || version == "(devel)") {
			version = s.Value[:min(12, len(s.Value))]
		}
	}
	if version == "" {
		return "(devel)"
	}
	return version
}

// shownVersion is `peer version -o json`.
type shownVersion struct {
	Peer     string `json:"peer"`
	VM       string `json:"vm"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func shown() shownVersion {
	return shownVersion{versionText(), vm.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
}

func (v shownVersion) String() string {
	return fmt.Sprintf("peer %s (%s, %s %s)", v.Peer, v.VM, v.Go, v.Platform)
}

func (c *command) version() *cobra.Command {
	return c.formatted(&cobra.Command{
		Use: "version", Short: "Print what this is", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := shown()
			return c.show(v, "", func(row func(...any)) { row(v) })
		},
	})
}

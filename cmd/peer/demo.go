package main

import "github.com/spf13/cobra"

func (c *command) demo() *cobra.Command { return &cobra.Command{Use: "demo"} }

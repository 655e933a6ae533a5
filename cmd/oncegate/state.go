package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
)

func stateCommand() *cobra.Command {
	c := &cobra.Command{Use: "state", Short: "Look after the memory of the core", Example: "  oncegate state rebuild -c oncegate.yaml"}
	t := configFlag(c)
	c.AddCommand(&cobra.Command{
		Use: "rebuild", Short: "Fold the log into an empty memory",
		Long:    "Put every conversation of the last day back into Redis as the log tells it. A running core does this by itself when it finds its memory lost; nothing is done where the memory is whole.",
		Example: "  oncegate state rebuild -c oncegate.yaml", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return t.with(c, func(n *node.Node) error {
				if err := n.Recover(c.Context()); err != nil {
					return err
				}
				fmt.Fprintln(c.OutOrStdout(), "memory is whole")
				return nil
			})
		},
	})
	return c
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
)

func stateCommand() *cobra.Command {
	c := &cobra.Command{Use: "state", Short: "Look after the memory of a deployment", Example: "  oncegate state rebuild -c oncegate.yaml"}
	t := configFlag(c)
	c.AddCommand(&cobra.Command{
		Use: "rebuild", Short: "Fold the log into an empty memory",
		Long:    "Put every conversation, and the states of AS4 messages, back into Redis as the log tells them. Running nodes do this by themselves when they find their memory lost; nothing is done where the memory is whole.",
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

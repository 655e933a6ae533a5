package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
)

func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Look at a configuration", Example: "  oncegate config validate -c oncegate.yaml"}
	t := configFlag(c)
	var embedded bool
	v := &cobra.Command{
		Use:     "validate",
		Aliases: []string{"lint"},
		Short:   "Check a configuration and every file it names, without any network",
		Long:    "Check the configuration, its routes, P-Modes, keys and registers. Every fault is reported at once, with its place. Exit code 3 means faults were found.",
		Example: "  oncegate config validate -c deploy/oncegate.yaml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := node.Load(t.config)
			if err != nil {
				return &codedError{exitFindings, err}
			}
			if err := cfg.Check(embedded); err != nil {
				return findings("%s:\n%w", t.config, err)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is sound\n", t.config)
			return nil
		},
	}
	v.Flags().BoolVar(&embedded, "embedded", false, "check for serve --embedded: no Kafka and no Redis needed")
	c.AddCommand(v)
	return c
}

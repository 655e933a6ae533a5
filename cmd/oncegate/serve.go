package main

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
)

func serveCommand() *cobra.Command {
	var roles []string
	var embedded bool
	var data string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run a node: access point, registers, core, pages",
		Long: `Run a node of one Member State. Without --role it takes every role; with it,
several processes share the work, and each holds only the keys it needs.

Without --embedded it wants a real Apache Kafka and a real Redis.

P-Modes are loaded again when their file changes and, without --embedded, on SIGHUP:
all or nothing, with every fault in the log.`,
		Example: `  oncegate serve -c deploy/oncegate.yaml
  oncegate serve -c oncegate.yaml --role core --role web
  oncegate serve -c oncegate.yaml --embedded --data /var/lib/oncegate`,
		Args: cobra.NoArgs,
	}
	t := configFlag(c)
	c.Flags().StringSliceVar(&roles, "role", nil, "take only this role: "+strings.Join(node.AllRoles(), ", "))
	c.Flags().BoolVar(&embedded, "embedded", false, "run broker and memory in this process (one small node)")
	c.Flags().StringVar(&data, "data", "", "with --embedded: directory of the log")
	_ = c.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(node.AllRoles(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagDirname("data")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if data != "" && !embedded {
			return usagef("--data goes with --embedded")
		}
		cfg, err := node.Load(t.config)
		if err != nil {
			return &codedError{exitUsage, err}
		}
		if embedded {
			if cfg.Embedded.Data == "" && data == "" {
				return usagef("--embedded needs --data DIR: what is acknowledged to a partner must be kept")
			}
			if data != "" {
				cfg.Embedded.Data = data
			}
		}
		if len(roles) > 0 {
			cfg.Roles = roles
			slices.Sort(cfg.Roles)
		}
		var level slog.Level
		if cfg.Log.Level != "" {
			if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
				return usagef("log.level: %w", err)
			}
		}
		n, err := node.New(c.Context(), cfg, node.Options{Logger: newLogger(c.ErrOrStderr(), level, cfg.Log.Format)})
		if err != nil {
			return fmt.Errorf("building the node: %w", err)
		}
		defer n.Close()
		if err := n.Run(c.Context()); err != nil && !errors.Is(err, c.Context().Err()) {
			return err
		}
		return nil
	}
	return c
}

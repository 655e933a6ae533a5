package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
	"oncegate/gateway/audit"
)

func auditCommand() *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "Check the legal record", Example: "  oncegate audit verify -c oncegate.yaml"}
	t := configFlag(c)
	verify := &cobra.Command{
		Use: "verify", Short: "Check the hash chain of the legal record on this machine",
		Long: `Check every entry of the record in audit.dir against its chain, and print the
head of each partition. Keep the heads elsewhere: a record that was cut at its end
is noticed by comparing them. Exit code 3 means the chain is broken.`,
		Example: "  oncegate audit verify -c oncegate.yaml -o json", Args: cobra.NoArgs,
	}
	out := outputFlag(verify)
	verify.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := node.Load(t.config)
		if err != nil {
			return &codedError{exitUsage, err}
		}
		trail, err := cfg.OpenTrail()
		if err != nil {
			return usagef("%w", err)
		}
		err = trail.Verify(c.Context())
		heads := trail.Heads()
		if cerr := trail.Close(); cerr != nil {
			err = errors.Join(err, cerr)
		}
		if b, broken := errors.AsType[*audit.Break](err); broken {
			return findings("the record is broken: %w", b)
		}
		if err != nil {
			return fmt.Errorf("verifying the audit trail: %w", err)
		}
		return out.print(c.OutOrStdout(), heads, []string{"PARTITION", "OFFSET", "HASH"}, func(add func(...any)) {
			for _, h := range heads {
				add(h.Partition, h.Offset, h.Hash)
			}
		})
	}
	c.AddCommand(verify)
	return c
}

package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
)

// exitWarnings is apart from exitFindings, so that a monitor can tell what works today
// from what does not (docs/operating.md).
const exitWarnings = 5

func doctorCommand() *cobra.Command {
	var x node.Examination
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Examine a deployment: files, certificates, agreements, neighbours; nothing is changed",
		Long: `Examine a deployment without changing it: configuration, modes of secret files,
P-Modes, every certificate with the days that are left, chains, CRLs, the clock,
directories, Kafka and Redis. With --network also the partners' servers (name,
connection, TLS; nothing is sent) and CRLs at addresses.

Exit code 0: all is well; 5: there are warnings; 3: something fails.`,
		Example: `  oncegate doctor -c /etc/oncegate/oncegate.yaml
  oncegate doctor --network -o json -c oncegate.yaml`,
		Args: cobra.NoArgs,
	}
	t := configFlag(c)
	out := outputFlag(c)
	c.Flags().BoolVar(&x.Network, "network", false, "connect to partners and to servers of authorities too")
	c.Flags().BoolVar(&x.Embedded, "embedded", false, "examine for serve --embedded: no Kafka and no Redis needed")
	c.Flags().DurationVar(&x.Timeout, "timeout", 5*time.Second, "of each connection")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if x.Timeout <= 0 {
			return usagef("--timeout is not positive")
		}
		x.Now = time.Now
		var found []node.Finding
		cfg, err := node.Load(t.config)
		if err != nil {
			found = []node.Finding{{State: node.FindingFail, Check: "configuration", Place: t.config, Text: err.Error()}}
		} else {
			found = cfg.Examine(c.Context(), x)
		}
		warnings, failures := 0, 0
		err = out.print(c.OutOrStdout(), found, []string{"STATE", "CHECK", "PLACE", "FINDING", "REMEDY"}, func(add func(...any)) {
			for _, f := range found {
				add(f.State, f.Check, f.Place, f.Text, f.Remedy)
			}
		})
		if err != nil {
			return err
		}
		for _, f := range found {
			switch f.State {
			case node.FindingWarn:
				warnings++
			case node.FindingFail:
				failures++
			}
		}
		switch {
		case failures > 0:
			return findings("%s: %d failures, %d warnings", t.config, failures, warnings)
		case warnings > 0:
			return &codedError{exitWarnings, fmt.Errorf("%s: %d warnings", t.config, warnings)}
		}
		return c.Context().Err()
	}
	return c
}

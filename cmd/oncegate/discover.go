package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
	"oncegate/connectors/edelivery/discovery"
)

func discoverCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "discover PARTICIPANT",
		Short: "Look up the access point of a participant, step by step (BDXL and SMP)",
		Long: `Look up a participant in the DNS zone and at its publisher of the configuration's
edelivery.discovery, and explain each step: the DNS name and its records, the
publisher, who signed, the endpoints with their dates, and the P-Mode that
follows. Nothing is sent to the participant, and nothing remembered is used.

PARTICIPANT, --document and --process are written as scheme::value; an ebCore
URN stands alone. Without --document the publisher's list of documents is shown.
Exit code 3 means that the look-up found no access point to use.`,
		Example: `  oncegate discover iso6523-actorid-upis::0088:test01
  oncegate discover iso6523-actorid-upis::0088:test01 --document example-docid::urn:example:certificate -o json
  oncegate discover urn:oasis:names:tc:ebcore:partyid-type:iso6523:0088:test01 -f discovery.yaml`,
		Args: cobra.ExactArgs(1),
	}
	t := configFlag(c)
	var document, process, file string
	c.Flags().StringVar(&document, "document", "", "document identifier, scheme::value")
	c.Flags().StringVar(&process, "process", "", "process identifier, scheme::value (default: the only one)")
	c.Flags().StringVarP(&file, "file", "f", "", "discovery file (default: edelivery.discovery of the configuration)")
	_ = c.MarkFlagFilename("file", "yaml", "yml")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var ids [3]discovery.Identifier
		for i, s := range []string{args[0], document, process} {
			if s == "" && i > 0 {
				continue
			}
			var err error
			if ids[i], err = discovery.ParseIdentifier(s); err != nil {
				return usagef("%s: %w", []string{"participant", "--document", "--process"}[i], err)
			}
		}
		cfg, err := node.Load(t.config)
		if err != nil {
			return &codedError{exitUsage, err}
		}
		r, err := cfg.Discovery(c.Context(), file, newLogger(c.ErrOrStderr(), slog.LevelWarn, "text"))
		if err != nil {
			return &codedError{exitUsage, err}
		}
		rep, failed := r.Explain(c.Context(), ids[0], ids[1], ids[2])
		if out.format == "table" {
			printDiscovery(c.OutOrStdout(), rep)
		} else if err := out.print(c.OutOrStdout(), rep, nil, nil); err != nil {
			return err
		}
		if failed != nil {
			return findings("no access point: see the last step")
		}
		return nil
	}
	return c
}

// printDiscovery writes a report for people.
func printDiscovery(out io.Writer, rep *discovery.Report) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	line := func(key, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", key, fmt.Sprintf(format, args...)) }
	line("participant", "%s", rep.Participant)
	if d := rep.DNS; d != nil {
		line("DNS name", "%s", d.Name)
		for _, a := range d.Aliases {
			line("  alias", "%s", a)
		}
		for _, r := range d.Records {
			line("  NAPTR", "%d %d %q %q %q", r.Order, r.Preference, r.Flags, r.Service, r.Regexp)
		}
		if d.Resolver != "" {
			line("  resolver", "%s, DNSSEC validated: %t, TTL %s", d.Resolver, d.Validated, d.TTL)
		}
	}
	if rep.Publisher != "" {
		line("publisher", "%s (SMP %s)", rep.Publisher, rep.Version)
	}
	for _, f := range rep.Fetched {
		line("  fetched", "%s", f)
	}
	for _, d := range rep.Documents {
		line("  document", "%s", d)
	}
	if s := rep.Signer; s != nil {
		line("signer", "%s", s.Subject)
		line("  issuer", "%s", s.Issuer)
		line("  valid", "%s to %s", s.NotBefore.Format(time.DateOnly), s.NotAfter.Format(time.DateOnly))
		line("  sha256", "%s", s.SHA256)
	}
	for _, e := range rep.Endpoints {
		line("endpoint", "%s%s", e.Address, map[bool]string{true: "  <- chosen"}[e.Chosen])
		line("  transport", "%s%s", e.Transport, map[bool]string{false: " (not configured)"}[e.Spoken])
		line("  processes", "%s", strings.Join(e.Processes, ", "))
		line("  active", "%t, %s to %s", e.Active, day(e.Activation), day(e.Expiration))
		for _, k := range e.Certificates {
			line("  certificate", "%s, valid to %s, sha256 %s", k.Subject, k.NotAfter.Format(time.DateOnly), k.SHA256)
		}
	}
	if len(rep.Agreement) > 0 {
		line("P-Mode", "")
		for _, s := range rep.Agreement {
			line("  "+s.Key, "%s", s.Value)
		}
	}
	line("steps", "")
	for _, s := range rep.Steps {
		line(map[bool]string{true: "  ok   ", false: "  FAIL "}[s.OK]+string(s.Step), "%s", s.Text)
		if s.Remedy != "" {
			line("", "remedy: %s", s.Remedy)
		}
	}
	_ = w.Flush() // the terminal's trouble
}

func day(t *time.Time) string {
	if t == nil {
		return "open"
	}
	return t.Format(time.RFC3339)
}

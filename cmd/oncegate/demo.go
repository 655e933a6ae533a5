package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"oncegate/cmd/sandbox"
)

func demoCommand() *cobra.Command {
	var s sandbox.DemoConfig
	var asJSON, verbose bool
	out := "demo-out"
	c := &cobra.Command{
		Use:   "demo",
		Short: "Let evidence cross borders, in one process",
		Long: `Start three Member States, their registers, common services, an eID and a portal on
loopback ports, and let a fictitious person go through the real pages: explicit
request, preview at the provider, decision, return. Without other flags she then
proves two things in one procedure, with evidence from two Member States. Every message travels over the real
protocols: register XML, Kafka, signed and encrypted AS4. Nothing else is
needed and nothing leaves this machine.`,
		Example: `  oncegate demo
  oncegate demo --json
  oncegate demo --register companies --decline
  oncegate demo --fault redis-lost`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), 2*time.Minute)
			defer cancel()
			level := slog.LevelError + 1 // the demo tells what happens itself
			if verbose {
				level = slog.LevelDebug
			}
			s.Logger = newLogger(c.ErrOrStderr(), level, "text")
			if !asJSON {
				s.Progress = func(what string) { fmt.Fprintln(c.OutOrStdout(), what) }
			}
			rep, err := sandbox.Demo(ctx, s)
			if rep == nil {
				return err
			}
			if len(rep.Evidence.Bytes) > 0 {
				if werr := writeEvidence(out, rep); werr != nil {
					return errors.Join(err, werr)
				}
			}
			if asJSON {
				enc := json.NewEncoder(c.OutOrStdout())
				enc.SetEscapeHTML(false)
				return errors.Join(err, enc.Encode(rep))
			}
			printDemo(c.OutOrStdout(), rep)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&s.Register, "register", "births", "evidence of which register: births, residence, companies")
	f.BoolVar(&s.Decline, "decline", false, "the person refuses at the preview")
	f.BoolVar(&s.NotFound, "not-found", false, "a person whom the register does not know")
	f.StringVar(&s.Fault, "fault", "", "what goes wrong: "+strings.Join(sandbox.Faults(), ", "))
	f.BoolVar(&asJSON, "json", false, "print one JSON document: outcome, hops, evidence digest")
	f.BoolVarP(&verbose, "verbose", "v", false, "show the log of both nodes")
	f.StringVar(&out, "out", out, "directory for the evidence")
	_ = c.RegisterFlagCompletionFunc("register", cobra.FixedCompletions([]string{"births", "residence", "companies"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("fault", cobra.FixedCompletions(sandbox.Faults(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagDirname("out")
	c.PreRunE = func(*cobra.Command, []string) error {
		if err := s.Validate(); err != nil {
			return usagef("%w", err)
		}
		return nil
	}
	return c
}

func writeEvidence(dir string, rep *sandbox.Report) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	name := "evidence.bin"
	if strings.HasSuffix(rep.Evidence.MediaType, "xml") {
		name = "evidence.xml"
	}
	rep.Evidence.File = filepath.Join(dir, name)
	if err := os.WriteFile(rep.Evidence.File, rep.Evidence.Bytes, 0o600); err != nil {
		return fmt.Errorf("writing the evidence: %w", err)
	}
	return nil
}

func printDemo(w io.Writer, rep *sandbox.Report) {
	fmt.Fprintf(w, "\nEvery hop (requester %s, provider %s):\n\n", rep.Requester, rep.Provider)
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "TIME\tSTATE\tTOPIC/PARTITION/OFFSET\tSTEP\tOUTCOME\tTOOK\tAS4")
	for _, h := range rep.Hops {
		cells := []string{}
		for _, c := range hopCells(h.Hop) {
			cells = append(cells, fmt.Sprint(c))
		}
		fmt.Fprintln(tw, strings.Join(append([]string{cells[0], h.Country}, cells[1:]...), "\t"))
	}
	tw.Flush() //nolint:errcheck // standard output may be closed
	fmt.Fprintf(w, "\noutcome   %s", rep.Outcome)
	if rep.Code != "" || rep.ErrorCode != "" {
		fmt.Fprintf(w, " (%s)", strings.TrimSpace(rep.Code+" "+rep.ErrorCode))
	}
	fmt.Fprintf(w, "\nduration  %s\n", time.Duration(rep.Milliseconds*float64(time.Millisecond)).Round(time.Millisecond))
	if rep.Evidence.File != "" {
		fmt.Fprintf(w, "evidence  %s, %d bytes, %s\n", rep.Evidence.File, len(rep.Evidence.Bytes), rep.Evidence.Digest)
	}
	for _, n := range rep.Notes {
		fmt.Fprintln(w, "note      "+n)
	}
	if rep.Studies != nil {
		printStudies(w, rep.Studies)
	}
}

// printStudies shows how each exchange of the session ended.
func printStudies(w io.Writer, s *sandbox.Studies) {
	fmt.Fprintf(w, "\nOne procedure, one session (%s), %s:\n\n", s.Session, time.Duration(s.Milliseconds*float64(time.Millisecond)).Round(time.Millisecond))
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "EVIDENCE\tFROM\tOUTCOME\tRECEIVED")
	for _, x := range s.Exchanges {
		outcome := x.Outcome
		if x.Ready != "" {
			outcome += " until " + x.Ready
		}
		var got []string
		for _, r := range x.Received {
			got = append(got, fmt.Sprintf("%s (%s, %d bytes)", r.Role, r.Media, r.Size))
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", x.Title, x.From, outcome, strings.Join(got, ", "))
	}
	tw.Flush() //nolint:errcheck // standard output may be closed
}

func sandboxCommand() *cobra.Command {
	var dir, portal string
	var verbose, small bool
	c := &cobra.Command{
		Use:   "sandbox",
		Short: "Keep the landscape of the demo running, with its pages",
		Long: `Start the landscape of the demo and keep it running: the portal of an authority,
the preview spaces of the providers, the pages of the operators. It has ten
Member States and runs every built-in register over its own wire; --small starts
the three of the demo. Addresses and logins are printed. Ctrl-C ends it.

The pages speak https with certificates of a CA that is made for this run; a
browser warns once for each address.`,
		Example: "  oncegate sandbox\n  oncegate sandbox --dir ./sandbox --portal 127.0.0.1:8443",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			level := slog.LevelWarn
			if verbose {
				level = slog.LevelInfo
			}
			l, err := sandbox.Start(c.Context(), sandbox.Config{Dir: dir, Portal: portal, Everywhere: !small, Logger: newLogger(c.ErrOrStderr(), level, "text")})
			if err != nil {
				return err
			}
			printSandbox(c.OutOrStdout(), l)
			<-c.Context().Done()
			fmt.Fprintln(c.ErrOrStderr(), "stopping")
			return l.Close()
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "directory for configuration and data (default: temporary)")
	c.Flags().StringVar(&portal, "portal", "127.0.0.1:8443", "where the portal listens")
	c.Flags().BoolVar(&small, "small", false, "three Member States only, which starts sooner")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "show more of the log")
	_ = c.MarkFlagDirname("dir")
	return c
}

func printSandbox(w io.Writer, l *sandbox.Landscape) {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, a := range l.Addresses() {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", a.What, a.URL, a.Note)
	}
	tw.Flush() //nolint:errcheck // standard output may be closed
	fmt.Fprintf(w, "\nTry:  oncegate exchange list -c %s\nCtrl-C ends it.\n", l.ConfigFile(sandbox.Spain))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
	"oncegate/connectors/register"
	"oncegate/mapping"
	"oncegate/schemas/canon"
)

// checkOptions are the flags of connector check.
type checkOptions struct {
	least   float64
	live    bool
	query   string
	timeout time.Duration
}

// A checker examines registers one after the other.
type checker struct {
	c     *cobra.Command
	cfg   *node.Config // nil without -c
	o     checkOptions
	found []node.Finding
	text  strings.Builder // carets and other detail, for people
}

func (k *checker) add(state, check, place, remedy, format string, args ...any) {
	k.found = append(k.found, node.Finding{State: state, Check: check, Place: place, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

func connectorCheck(f *connectorFlags) *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use: "check [NAME…]", Short: "Check registers at the desk: definition, lint, samples, coverage; with -c their settings",
		Long: `Check everything about registers that can be checked at the desk: faults of the
definition, what lint finds, samples, how much of the rules and replies they use, and
whether the register can be played out of them. With -c also the deployment's
settings: files, modes of secrets, dates of certificates, and whether they are enough
for the transport.

With -c and --live also one harmless connection: TLS and a token for HTTP, the
statement prepared for a database, the folders looked at for SFTP. No query is sent,
unless --query names a file with one: then the register is really asked, and only the
outcome is shown.

Exit code 0: all is well; 5: there are warnings; 3: something fails.`,
		Example: `  oncegate connector check births
  oncegate connector check my-register --dir ./registers -o json
  oncegate connector check --live -c oncegate.yaml`,
		ValidArgsFunction: f.complete,
	}
	fl := c.Flags()
	fl.Float64Var(&o.least, "min", 50, "share in percent of rules and replies that samples should use")
	fl.BoolVar(&o.live, "live", false, "with -c: connect to the registers")
	fl.StringVar(&o.query, "query", "", "with --live: file with a query (JSON, as the rules see it) that is really sent")
	fl.DurationVar(&o.timeout, "timeout", 10*time.Second, "of each connection")
	_ = c.MarkFlagFilename("query", "json")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case o.live && !configured(c):
			return usagef("--live goes with -c: the deployment says where the register is")
		case o.query != "" && (!o.live || len(args) != 1):
			return usagef("--query goes with --live and one NAME")
		case o.timeout <= 0:
			return usagef("--timeout is not positive")
		}
		k := &checker{c: c, o: o}
		var err error
		if k.cfg, err = f.deployment(c); err != nil {
			return err
		}
		if err := k.run(f, args); err != nil {
			return err
		}
		if out.format == "table" {
			fmt.Fprint(c.OutOrStdout(), k.text.String())
		}
		err = out.print(c.OutOrStdout(), k.found, []string{"STATE", "CHECK", "PLACE", "FINDING", "REMEDY"}, func(add func(...any)) {
			for _, f := range k.found {
				add(f.State, f.Check, f.Place, f.Text, f.Remedy)
			}
		})
		if err != nil {
			return err
		}
		return k.verdict()
	}
	return c
}

func (k *checker) verdict() error {
	warnings, failures := 0, 0
	for _, f := range k.found {
		switch f.State {
		case node.FindingWarn:
			warnings++
		case node.FindingFail:
			failures++
		}
	}
	switch {
	case failures > 0:
		return findings("%s, %s", many(failures, "failure"), many(warnings, "warning"))
	case warnings > 0:
		return &codedError{exitWarnings, errors.New(many(warnings, "warning"))}
	}
	return k.c.Context().Err()
}

// run checks the named registers; without names those that the deployment asks, or
// all of the directory.
func (k *checker) run(f *connectorFlags, names []string) error {
	if k.cfg != nil && f.dir == "" {
		return k.served(names)
	}
	if len(names) == 0 {
		if names = f.names(); len(names) == 0 {
			return usagef("there is no folder with a %s in %s", register.DefinitionFile, f.dir)
		}
	}
	for _, name := range names {
		r, err := openRules(name, f.dir)
		if _, ok := errors.AsType[*codedError](err); ok {
			return err
		}
		if err != nil {
			k.faults(name, err)
			continue
		}
		if r.def == nil {
			return usagef("%s is a mapping file, not a register", name)
		}
		k.definition(r.def)
		if k.cfg != nil {
			k.settings(r.def)
		}
	}
	return nil
}

// served checks the registers of a deployment.
func (k *checker) served(names []string) error {
	defs, err := k.cfg.Definitions()
	if err != nil {
		k.faults("registers", err)
		return nil
	}
	if len(names) == 0 {
		for name := range k.cfg.Registers {
			names = append(names, name)
		}
		slices.Sort(names)
		if len(names) == 0 {
			return usagef("the deployment asks no register")
		}
	}
	for _, name := range names {
		def, ok := defs[name]
		if !ok {
			return usagef("there is no register %q", name)
		}
		k.definition(def)
		k.settings(def)
	}
	return nil
}

// faults records what is wrong with a definition that cannot be compiled.
func (k *checker) faults(place string, err error) {
	var list mapping.Errors
	if !errors.As(err, &list) {
		k.add(node.FindingFail, "definition", place, "", "%v", err)
		return
	}
	k.text.WriteString(list.Render())
	for _, e := range list {
		k.add(node.FindingFail, "definition", fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Col), "", "%s", e.Msg)
	}
}

// definition checks what the folder alone says.
func (k *checker) definition(d *register.Definition) {
	k.add(node.FindingOK, "definition", d.Name, "", "%s", d.Version)
	bad := 0
	for _, f := range d.Lint() {
		state := map[mapping.Severity]string{mapping.LintError: node.FindingFail, mapping.LintWarning: node.FindingWarn}[f.Severity]
		if state == "" {
			continue // a hint
		}
		bad++
		k.text.WriteString(f.Render())
		k.add(state, "lint", fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Col), f.Remedy, "%s (%s)", f.Message, f.Rule)
	}
	if bad == 0 {
		k.add(node.FindingOK, "lint", d.Name, "", "nothing doubtful")
	}
	ran, failed := 0, 0
	for _, s := range d.Samples() {
		ran++
		if s.Err != nil {
			failed++
			fmt.Fprintf(&k.text, "%s %s %s\n%s\n", s.Register, s.Case, s.Check, strings.TrimRight(rendered(s.Err), "\n"))
			k.add(node.FindingFail, "samples", d.Name, "mend the rules, or the sample: connector test --update", "%s does not hold", strings.TrimSpace(s.Case+" "+s.Check))
		}
	}
	if failed == 0 {
		k.add(node.FindingOK, "samples", d.Name, "", "%s hold", many(ran, "check"))
	}
	k.coverage(d)
	if d.Transport == "files" || d.Transport == "kafka" {
		return
	}
	if _, err := register.NewFake(d); err != nil {
		k.add(node.FindingWarn, "fake", d.Name, "give a sample a query.json and a reply", "it cannot be played: %v", err)
	} else {
		k.add(node.FindingOK, "fake", d.Name, "", "it can be played: connector fake %s", d.Name)
	}
}

func (k *checker) coverage(d *register.Definition) {
	got, err := d.Coverage()
	if err != nil {
		k.add(node.FindingWarn, "coverage", d.Name, "", "%v", err)
		return
	}
	parts := []coverPart{{"reply", &got.Reply}}
	if got.Query != nil {
		parts = append(parts, coverPart{"query", got.Query})
	}
	for _, p := range parts {
		if p.report.Percent < k.o.least {
			k.add(node.FindingWarn, "coverage", d.Name, "add samples: map coverage "+d.Name, "%s: %.0f%% of rules, sources, branches and codes are used", p.name, p.report.Percent)
		} else {
			k.add(node.FindingOK, "coverage", d.Name, "", "%s: %.0f%%", p.name, p.report.Percent)
		}
	}
}

// noBus lets settings of registers on Kafka be checked without a cluster.
type noBus struct{}

func (noBus) Ask(context.Context, register.BusRequest) (register.BusReply, error) {
	return register.BusReply{}, errors.New("nothing is asked here")
}

// settings checks what the deployment says about the register.
func (k *checker) settings(d *register.Definition) {
	place := "registers." + d.Name
	s, ok := k.cfg.Registers[d.Name]
	if !ok {
		k.add(node.FindingWarn, "settings", place, "add it under registers", "the deployment does not ask it")
		return
	}
	end, err := k.cfg.Endpoint(d.Name)
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			k.add(node.FindingFail, "settings", place, "", "%s", line)
		}
		return
	}
	with := register.Config{Payloads: noPayloads{}, Now: time.Now, Log: slog.New(slog.DiscardHandler), Bus: noBus{}}
	conn, err := register.New(d, end, with)
	if err != nil {
		k.add(node.FindingFail, "settings", place, "", "%v", err)
		return
	}
	conn.Close()
	k.add(node.FindingOK, "settings", place, "", "%s named; secrets are private", many(len(s.Files()), "file"))
	for _, f := range k.cfg.RegisterCertificates(d.Name) {
		switch left := time.Until(f.Until); {
		case left <= 0:
			k.add(node.FindingFail, "certificate", place+"."+f.Key, "put a new one there", "expired at %s", f.Until.UTC().Format(time.RFC3339))
		case left < 30*24*time.Hour:
			k.add(node.FindingWarn, "certificate", place+"."+f.Key, "order a new one", "%d days left", int(left.Hours()/24))
		default:
			k.add(node.FindingOK, "certificate", place+"."+f.Key, "", "%d days left", int(left.Hours()/24))
		}
	}
	if k.o.live {
		k.connect(d, end, with)
	}
}

// connect makes one connection, and asks where a query was given.
func (k *checker) connect(d *register.Definition, end register.Endpoint, with register.Config) {
	place := "registers." + d.Name
	ctx, cancel := context.WithTimeout(k.c.Context(), k.o.timeout)
	defer cancel()
	if d.Transport == "kafka" {
		k.add(node.FindingWarn, "live", place, "oncegate doctor asks Kafka; topic list shows the topics", "a register on Kafka is not connected to")
		return
	}
	said, err := d.Probe(ctx, end, with)
	if err != nil {
		k.add(node.FindingFail, "live", place, "", "%v", err)
		return
	}
	k.add(node.FindingOK, "live", place, "", "%s", said)
	if k.o.query == "" {
		return
	}
	text, err := readValidated(k.c, k.o.query)
	if err == nil {
		var in any
		if in, err = mapping.DecodeJSON(text); err == nil {
			var outcome, detail string
			if outcome, detail, err = d.Ask(ctx, end, with, in); err == nil {
				state := node.FindingOK
				if outcome == "invalid" || outcome == "unavailable" {
					state = node.FindingFail
				}
				k.add(state, "query", place, "", "%s", strings.TrimSuffix(outcome+": "+detail, ": "))
				return
			}
		}
	}
	k.add(node.FindingFail, "query", place, "", "%v", err)
}

// noPayloads stands where a connector wants a store and nothing is stored.
type noPayloads struct{}

func (noPayloads) Put(context.Context, canon.ConversationID, string, io.Reader) (canon.PayloadRef, error) {
	return canon.PayloadRef{}, errors.New("nothing is stored here")
}

func (noPayloads) Open(context.Context, canon.ConversationID, canon.PayloadRef) (io.ReadCloser, error) {
	return nil, errors.New("nothing is stored here")
}

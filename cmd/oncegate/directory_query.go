package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"oncegate/connectors/directory"
	"oncegate/schemas/canon"
)

// strictYAML reads one document without unknown keys.
func strictYAML(data []byte, v any) error {
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("more than one document")
	}
	return nil
}

// instanceFlags say which instance is asked and whom it is believed to be.
type instanceFlags struct {
	settings string
	url      string
	trust    []string
	unsigned bool
	ca       []string
	edition  []string
	country  string
	private  bool
}

func (i *instanceFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&i.settings, "file", "f", "", "settings of the client (YAML, as the section directory of oncegate.yaml)")
	f.StringVar(&i.url, "url", "", "https URL before /eb and /dsd (default: what the DNS says of the country)")
	f.StringSliceVar(&i.trust, "trust", nil, "PEM file of the authority, or of the certificate, that signs answers")
	f.BoolVar(&i.unsigned, "unsigned", false, "take answers without a signature (test beds)")
	f.StringSliceVar(&i.ca, "ca", nil, "PEM file: who vouches for the TLS server (default: the system's)")
	f.StringSliceVar(&i.edition, "edition", nil, "versions to ask for, newest first (default oots-cs:v2.0, oots-cs:v1.2)")
	f.StringVar(&i.country, "country", "", "country that is asked about: two letters; Greece is EL")
	f.BoolVar(&i.private, "private", false, "the instance may be at a private address or on this host")
	_ = c.MarkFlagFilename("file", "yaml", "yml")
	_ = c.MarkFlagFilename("trust", "pem", "crt")
	_ = c.MarkFlagFilename("ca", "pem", "crt")
}

func (i *instanceFlags) client(c *cobra.Command) (*directory.Client, error) {
	var s directory.Settings
	base := "directory.yaml"
	if i.settings != "" {
		data, err := besideFile(i.settings).Public(absolute(i.settings))
		if err != nil {
			return nil, &codedError{exitUsage, err}
		}
		if err := strictYAML(data, &s); err != nil {
			return nil, usagef("%s: %w", i.settings, err)
		}
		base = i.settings
	}
	if i.country == "" {
		return nil, usagef("--country is required")
	}
	if i.url != "" {
		url := strings.TrimSuffix(i.url, "/")
		s.Instances = []directory.InstanceSettings{{Country: directory.AnyCountry, EB: url + "/eb", DSD: url + "/dsd", Unsigned: i.unsigned}}
	} else if i.unsigned {
		return nil, usagef("--unsigned goes with --url: an instance that the DNS names signs")
	}
	if len(i.trust) > 0 {
		s.Trust = &directory.TrustSettings{Anchors: absolutes(i.trust)}
	}
	if i.unsigned && s.Environment == "" {
		s.Environment = "testing"
	}
	if s.Trust == nil && !i.unsigned && len(s.Instances) > 0 && s.Instances[0].Trust == nil || s.Trust == nil && len(s.Instances) == 0 {
		return nil, usagef("whose signatures are believed? Name --trust FILE, or --unsigned in a test bed")
	}
	s.CA = append(s.CA, absolutes(i.ca)...)
	if len(i.edition) > 0 {
		s.Versions = i.edition
	}
	s.Private = s.Private || i.private
	if err := s.Validate(); err != nil {
		return nil, &codedError{exitUsage, err}
	}
	conf, err := s.Config(i.country, directory.Sources{Read: besideFile(base).Public})
	if err != nil {
		return nil, &codedError{exitUsage, err}
	}
	conf.Logger = newLogger(c.ErrOrStderr(), slog.LevelWarn, "text")
	return directory.New(conf)
}

func directoryQuery() *cobra.Command {
	c := &cobra.Command{
		Use: "query", Short: "Ask an Evidence Broker or a Data Service Directory",
		Long: `Ask the common services as a portal would: over HTTPS, with the signature of the
answer verified. Without --url the instance is found in the DNS, as TDD 3.7 says.
Exit code 3 means that the services answered that there is nothing.`,
		Example: `  oncegate directory query requirements --procedure T2 --country SI --trust ca.pem
  oncegate directory query evidence-types --requirement https://sr.oots.tech.ec.europa.eu/requirements/UUID --country ES --url https://cs.example --unsigned
  oncegate directory query services --evidence-type https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/ES/UUID --country ES -o json`,
	}
	c.AddCommand(queryRequirements(), queryEvidenceTypes(), queryServices())
	return c
}

// nothing turns the answer "there is none" into the exit code of findings.
func nothing(err error) error {
	if f := canon.AsFault(err); f != nil && f.Kind == canon.NotFound {
		return &codedError{exitFindings, err}
	}
	return err
}

func queryRequirements() *cobra.Command {
	var i instanceFlags
	var q canon.RequirementsQuery
	c := &cobra.Command{
		Use: "requirements", Short: "What a procedure wants proved",
		Example: "  oncegate directory query requirements --procedure T2 --country SI --url https://cs.example --trust ca.pem",
		Args:    cobra.NoArgs,
	}
	i.add(c)
	c.Flags().StringVar(&q.Procedure, "procedure", "", "code of the list Procedures (default: all)")
	c.Flags().BoolVar(&q.Incomplete, "incomplete", false, "also requirements for which no evidence is known yet")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := i.client(c)
		if err != nil {
			return err
		}
		q.Country = i.country
		a, err := client.Requirements(c.Context(), q)
		if err != nil {
			return nothing(err)
		}
		if err := out.print(c.OutOrStdout(), a, []string{"REQUIREMENT", "NAME", "PROCEDURES"}, func(add func(...any)) {
			for _, r := range a.Requirements {
				var codes []string
				for _, f := range r.Frameworks {
					codes = append(codes, strings.Join(f.Procedures, ",")+" "+f.Jurisdiction.Country)
				}
				add(r.ID, inEnglish(r.Names), strings.Join(codes, "; "))
			}
		}); err != nil {
			return err
		}
		return from(c, out, a.Origin)
	}
	return c
}

func queryEvidenceTypes() *cobra.Command {
	var i instanceFlags
	var q canon.EvidenceTypesQuery
	c := &cobra.Command{
		Use: "evidence-types", Short: "What proves a requirement in a country",
		Example: "  oncegate directory query evidence-types --requirement https://sr.oots.tech.ec.europa.eu/requirements/UUID --country ES --url https://cs.example --trust ca.pem",
		Args:    cobra.NoArgs,
	}
	i.add(c)
	c.Flags().StringVar(&q.Requirement, "requirement", "", "https URI of the requirement")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if q.Requirement == "" {
			return usagef("--requirement is required")
		}
		client, err := i.client(c)
		if err != nil {
			return err
		}
		q.Country = i.country
		a, err := client.EvidenceTypes(c.Context(), q)
		if err != nil {
			return nothing(err)
		}
		if err := out.print(c.OutOrStdout(), a, []string{"OPTION", "EVIDENCE TYPE", "TITLE"}, func(add func(...any)) {
			for _, r := range a.Requirements {
				for n, o := range r.Options {
					if o.NoMatch {
						add(n+1, "none", inEnglish(o.Reasons))
					}
					for _, t := range o.EvidenceTypes {
						add(n+1, t.Classification, inEnglish(t.Titles))
					}
				}
			}
		}); err != nil {
			return err
		}
		return from(c, out, a.Origin)
	}
	return c
}

func queryServices() *cobra.Command {
	var i instanceFlags
	var q canon.DataServicesQuery
	var given []string
	c := &cobra.Command{
		Use: "services", Short: "Who issues an evidence type in a country",
		Long: `Ask the Data Service Directory who issues an evidence type. Where it tells the
providers apart by questions (DSD:ERR:0005), the questions are printed; answer them
with --answer ID=VALUE and ask again. Answers are personal: mind the shell's history.`,
		Example: `  oncegate directory query services --evidence-type https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/ES/UUID --country ES --url https://cs.example --trust ca.pem
  oncegate directory query services --evidence-type URI --country ES --answer 9be524c1-6efe-417a-974c-088f54f0e001=NORTH`,
		Args: cobra.NoArgs,
	}
	i.add(c)
	f := c.Flags()
	f.StringVar(&q.Classification, "evidence-type", "", "https URI of the evidence type")
	f.StringVar(&q.Specification, "specification", "", "only who reads this version: oots-edm:v2.0")
	f.StringArrayVar(&given, "answer", nil, "answer to a question: ID=VALUE; may be repeated")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if q.Classification == "" {
			return usagef("--evidence-type is required")
		}
		client, err := i.client(c)
		if err != nil {
			return err
		}
		q.Country = i.country
		a, err := client.DataServices(c.Context(), q)
		if err == nil && len(a.Questions) > 0 && len(given) > 0 {
			q.EvidenceType = a.EvidenceType.ID
			if err := answerAll(&q, a.Questions, given); err != nil {
				return err
			}
			a, err = client.DataServices(c.Context(), q)
		}
		if err != nil {
			return nothing(err)
		}
		header, rows := []string{"PROVIDER", "NAME", "ACCESS POINT", "VERSIONS", "ASSURANCE"}, func(add func(...any)) {
			for _, s := range a.Services {
				add(s.Provider.ID, inEnglish(s.Provider.Names), s.AccessPoint, strings.Join(s.Specifications, ","), s.Assurance)
			}
		}
		if len(a.Questions) > 0 {
			header, rows = []string{"QUESTION", "TYPE", "TEXT", "CHOICES"}, func(add func(...any)) {
				for _, s := range a.Questions {
					var values []string
					for _, v := range s.Choices {
						values = append(values, v.Value)
					}
					add(s.ID, s.Type, inEnglish(s.Descriptions), strings.Join(values, ","))
				}
			}
		}
		if err := out.print(c.OutOrStdout(), a, header, rows); err != nil {
			return err
		}
		return from(c, out, a.Origin)
	}
	return c
}

// answerAll puts what was given on the command line to the questions.
func answerAll(q *canon.DataServicesQuery, questions []canon.Question, given []string) error {
	for _, g := range given {
		id, value, ok := strings.Cut(g, "=")
		if !ok {
			return usagef("--answer is written ID=VALUE")
		}
		known := false
		for _, s := range questions {
			if strings.EqualFold(s.ID, id) {
				known = true
				if err := q.Answer(s, value); err != nil {
					return &codedError{exitUsage, fmt.Errorf("--answer %s: %w", id, err)}
				}
			}
		}
		if !known {
			return usagef("--answer %s: no such question", id)
		}
	}
	return nil
}

// from tells people where an answer is from.
func from(c *cobra.Command, out *printer, o canon.Origin) error {
	if out.format != "table" {
		return nil
	}
	signer := o.Provenance.Signer
	if signer == "" {
		signer = "nobody"
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "from %s (%s), signed by %s, at %s\n", o.Provenance.Source, o.Provenance.Edition, signer, o.Provenance.At.Format(time.RFC3339))
	return err
}

// inEnglish returns the English text, or the first.
func inEnglish(list []canon.Text) string {
	for _, t := range list {
		if t.Lang == "EN" {
			return t.Text
		}
	}
	if len(list) > 0 {
		return list[0].Text
	}
	return ""
}

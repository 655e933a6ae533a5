package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
	"oncegate/connectors/register"
	"oncegate/mapping"
)

// connectorFlags are the flags that all verbs of connector share.
type connectorFlags struct {
	dir string
	t   *target
}

func connectorCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "connector", Short: "Work with registers: folders of register.yaml and samples",
		Long: `Work with registers: begin a new one, prove it, check it, play it. A register is a
folder of register.yaml and samples. NAME is a folder below --dir, or a built-in
register.`,
		Example: "  oncegate connector list\n  oncegate connector new my-register --transport rest --record residence\n  oncegate connector check my-register --dir .",
	}
	f := &connectorFlags{}
	c.PersistentFlags().StringVar(&f.dir, "dir", "", "directory of registers (default: the built-in ones)")
	_ = c.MarkPersistentFlagDirname("dir")
	f.t = configFlag(c)
	c.AddCommand(connectorList(f), connectorNew(f), connectorTest(f), connectorCheck(f), connectorFake(f))
	return c
}

// configured reports whether a deployment was named; these verbs work without.
func configured(c *cobra.Command) bool {
	return c.Flags().Changed("config") || os.Getenv("ONCEGATE_CONFIG") != ""
}

// deployment reads the configuration that was named; nil where none was.
func (f *connectorFlags) deployment(c *cobra.Command) (*node.Config, error) {
	if !configured(c) {
		return nil, nil
	}
	cfg, err := node.Load(f.t.config)
	if err != nil {
		return nil, &codedError{exitUsage, err}
	}
	return cfg, nil
}

// names are those of the registers in --dir, or of the built-in ones.
func (f *connectorFlags) names() []string {
	if f.dir == "" {
		return builtIn()
	}
	var out []string
	files, _ := fs.Glob(os.DirFS(f.dir), "*/"+register.DefinitionFile) // the pattern is sound
	for _, file := range files {
		out = append(out, path.Dir(file))
	}
	return out
}

func (f *connectorFlags) complete(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return f.names(), cobra.ShellCompDirectiveNoFileComp
}

// open reads the named registers, or all. Faults of all of them are shown together.
func (f *connectorFlags) open(c *cobra.Command, names []string) ([]*ruleSet, error) {
	if len(names) == 0 {
		if names = f.names(); len(names) == 0 {
			return nil, usagef("there is no folder with a %s in %s", register.DefinitionFile, f.dir)
		}
	}
	var out []*ruleSet
	var faults mapping.Errors
	for _, name := range names {
		r, err := openRules(name, f.dir)
		var list mapping.Errors
		switch {
		case errors.As(err, &list):
			faults = append(faults, list...)
			continue
		case err != nil:
			return nil, rulesError(c, err)
		case r.def == nil:
			return nil, usagef("%s is a mapping file, not a register", name)
		}
		out = append(out, r)
	}
	if err := faults.Err(); err != nil {
		return nil, faulty(c, err)
	}
	return out, nil
}

// A registerView is one register for readers. It holds no secret and names no file of
// one.
type registerView struct {
	Name         string      `json:"name"`
	Version      string      `json:"version"`
	Title        string      `json:"title"`
	Country      string      `json:"country"`
	About        string      `json:"about"`
	Transport    string      `json:"transport"`
	EvidenceType string      `json:"evidenceType"`
	Record       string      `json:"record,omitempty"` // type of the canonical record
	Served       *servedView `json:"served,omitempty"` // with -c: how the deployment asks it
}

// A servedView is what a deployment says about a register.
type servedView struct {
	URL            string    `json:"url"`
	Shadow         bool      `json:"shadow"`
	RecordingUntil time.Time `json:"recordingUntil,omitzero"`
}

// shownURL is an address without whatever could be a secret in it.
func shownURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(not an address)"
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return u.String()
}

func connectorList(f *connectorFlags) *cobra.Command {
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List registers, and with -c how a deployment asks them",
		Long: `List registers. With -c those that the deployment could ask, its own directory
included, and for those that it asks: where, whether a shadow runs beside and until
when answers are recorded. Users, passwords and keys are never shown.`,
		Example: "  oncegate connector list -o json\n  oncegate connector list -c oncegate.yaml", Args: cobra.NoArgs,
	}
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := f.deployment(c)
		if err != nil {
			return err
		}
		views := []registerView{}
		if cfg == nil {
			sets, err := f.open(c, nil)
			if err != nil {
				return err
			}
			for _, r := range sets {
				views = append(views, viewOfRegister(r.def))
			}
		} else {
			if f.dir != "" {
				return usagef("the deployment says where its registers are: give -c or --dir")
			}
			defs, err := cfg.Definitions()
			if err != nil {
				return faulty(c, err)
			}
			for name, d := range defs {
				v := viewOfRegister(d)
				if s, ok := cfg.Registers[name]; ok {
					v.Served = &servedView{URL: shownURL(s.URL), Shadow: s.Shadow != ""}
					if s.Record != nil {
						v.Served.RecordingUntil = s.Record.Until.UTC()
					}
				}
				views = append(views, v)
			}
		}
		slices.SortFunc(views, func(a, b registerView) int { return strings.Compare(a.Name, b.Name) })
		header := []string{"REGISTER", "TITLE", "COUNTRY", "ABOUT", "TRANSPORT", "RECORD"}
		if cfg != nil {
			header = append(header, "ASKED AT", "ALSO")
		}
		return out.print(c.OutOrStdout(), views, header, func(add func(...any)) {
			for _, v := range views {
				cells := []any{v.Name, v.Title, v.Country, v.About, v.Transport, v.Record}
				if s := v.Served; s != nil {
					cells = append(cells, s.URL, s.also())
				}
				add(cells...)
			}
		})
	}
	return c
}

func (s *servedView) also() string {
	var out []string
	if s.Shadow {
		out = append(out, "shadow")
	}
	if !s.RecordingUntil.IsZero() {
		out = append(out, "recorded until "+s.RecordingUntil.Format(time.RFC3339))
	}
	return strings.Join(out, ", ")
}

func viewOfRegister(d *register.Definition) registerView {
	return registerView{
		Name: d.Name, Version: d.Version, Title: d.Title, Country: d.Country, About: string(d.About), Transport: d.Transport,
		EvidenceType: d.EvidenceType.Classification, Record: d.Record(),
	}
}

func connectorTest(f *connectorFlags) *cobra.Command {
	var update bool
	c := &cobra.Command{
		Use: "test [NAME…]", Short: "Run the samples of registers: query out, reply in, faults named, evidence made",
		Long: `Run the samples in the testdata folder of each register. Faults are printed as
file:line:column with a caret. With --update the files that say what must come of a
sample (record.json, evidence.xml, query.xml and the like) are written anew where they
differ or are missing, and what changed is shown; look at it as you would at a change
of the rules. Exit code 3 means something failed.`,
		Example: `  oncegate connector test
  oncegate connector test births
  oncegate connector test lv-births --dir /etc/oncegate/registers
  oncegate connector test my-register --dir . --update`,
		ValidArgsFunction: f.complete,
	}
	c.Flags().BoolVar(&update, "update", false, "write what the rules make into the samples, in --dir")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		sets, err := f.open(c, args)
		if err != nil {
			return err
		}
		l := &caseList{c: c, out: out, views: []caseView{}}
		for _, r := range sets {
			if update {
				if err := r.update(c); err != nil {
					return err
				}
			}
			for _, s := range r.def.Samples() {
				l.add(s.Register, strings.TrimSpace(s.Case+" "+s.Check), s.Err)
			}
		}
		return l.end()
	}
	return c
}

// update writes the goldens of the samples, and tells on standard error what changed.
func (r *ruleSet) update(c *cobra.Command) error {
	if r.dir == "" {
		return usagef("%s is built in: samples are written in --dir alone", r.place)
	}
	goldens, err := r.def.Goldens()
	if err != nil {
		return faulty(c, err)
	}
	for _, g := range goldens {
		file := filepath.Join(r.dir, "testdata", g.File)
		if err := os.WriteFile(file, g.Want, 0o644); err != nil {
			return fmt.Errorf("writing a sample: %w", err)
		}
		if g.Have == nil {
			fmt.Fprintf(c.ErrOrStderr(), "new      %s\n", file)
			continue
		}
		fmt.Fprintf(c.ErrOrStderr(), "changed  %s\n%s\n", file, strings.TrimRight(mapping.FirstDifference(g.Want, g.Have), "\n"))
	}
	return nil
}

package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
	"oncegate/connectors/edelivery/pmode"
)

func pmodeCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "pmode", Aliases: []string{"pmodes"}, Short: "Check, show and exchange the agreements with other access points",
		Long: `Work on P-Mode files: the agreements with other access points. Nothing here
needs a running process or a network. A process that serves loads a changed file
by itself, or keeps what it has where the file has a fault.`,
		Example: "  oncegate pmode check pmodes.yaml\n  oncegate pmode import domibus.xml --certificates partners -O pmodes.yaml",
	}
	t := configFlag(c)
	c.AddCommand(pmodeCheck(t), pmodeList(t), pmodeShow(t), pmodeDiff(), pmodeImport(), pmodeExport(t))
	return c
}

// checkPModes reads a P-Mode file as a process would.
func checkPModes(c *cobra.Command, file string) (*pmode.Table, []*pmode.Fault, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, usagef("%w", err)
	}
	store, err := node.RevocationStore(slog.New(slog.DiscardHandler), false) // nothing is asked here
	if err != nil {
		return nil, nil, err
	}
	t, faults := node.PModes(file, store).Check(c.Context(), data)
	return t, faults, nil
}

// pmodes reads the P-Modes of a deployment, or of the file that is named.
func (t *target) pmodes(c *cobra.Command, file string) (*pmode.Table, error) {
	if file == "" {
		cfg, err := node.Load(t.config)
		if err != nil {
			return nil, err
		}
		if file = cfg.PModesFile(); file == "" {
			return nil, usagef("%s names no P-Modes (edelivery.pmodes): name a file with --file", t.config)
		}
	}
	table, faults, err := checkPModes(c, file)
	if err != nil {
		return nil, err
	}
	if table == nil {
		count := 0
		for _, f := range faults {
			if !f.Warning {
				count++
				fmt.Fprintln(c.ErrOrStderr(), f.Error())
			}
		}
		return nil, findings("%s has %d faults", file, count)
	}
	return table, nil
}

func fileFlag(c *cobra.Command) *string {
	file := c.Flags().String("file", "", "P-Mode file (default: that of the configuration)")
	_ = c.MarkFlagFilename("file", "yaml", "yml")
	return file
}

type checkView struct {
	File     string         `json:"file"`
	Sound    bool           `json:"sound"`
	Partners int            `json:"partners"`
	Faults   []*pmode.Fault `json:"faults"`
	Warnings []*pmode.Fault `json:"warnings"`
}

func pmodeCheck(t *target) *cobra.Command {
	var strict bool
	c := &cobra.Command{
		Use: "check [FILE]", Aliases: []string{"lint"}, Short: "Report every fault of a P-Mode file with its place and remedy",
		Long: `Check a P-Mode file and every file it names. Faults would keep the file out of
force; warnings tell of what is weak or soon over. Exit code 3 means faults were
found, with --strict also warnings.`,
		Example: "  oncegate pmode check pmodes.yaml\n  oncegate pmode check pmodes.yaml --strict -o json",
		Args:    cobra.MaximumNArgs(1),
	}
	out := outputFlag(c)
	c.Flags().BoolVar(&strict, "strict", false, "warnings are findings too")
	c.RunE = func(c *cobra.Command, args []string) error {
		var file string
		if len(args) > 0 {
			file = args[0]
		} else {
			cfg, err := node.Load(t.config)
			if err != nil {
				return err
			}
			file = cfg.PModesFile()
		}
		table, found, err := checkPModes(c, file)
		if err != nil {
			return err
		}
		v := checkView{File: file, Sound: table != nil, Faults: []*pmode.Fault{}, Warnings: []*pmode.Fault{}}
		if table != nil {
			v.Partners = len(table.Partners())
		}
		for _, f := range found {
			if f.Warning {
				v.Warnings = append(v.Warnings, f)
			} else {
				v.Faults = append(v.Faults, f)
			}
		}
		err = out.print(c.OutOrStdout(), v, nil, func(add func(...any)) {
			for _, f := range found {
				add(f.Error())
			}
			if v.Sound {
				add(fmt.Sprintf("%s is sound: %d partners, %d warnings", file, v.Partners, len(v.Warnings)))
			}
		})
		switch {
		case err != nil:
			return err
		case !v.Sound:
			return findings("%s has %d faults and %d warnings", file, len(v.Faults), len(v.Warnings))
		case strict && len(v.Warnings) > 0:
			return findings("%s has %d warnings", file, len(v.Warnings))
		}
		return nil
	}
	return c
}

// A partnerView is one agreement in a list.
type partnerView struct {
	Name     string `json:"name"`
	Party    string `json:"party"`
	Profile  string `json:"profile"`
	Security string `json:"security"`
	Way      string `json:"way"` // how our messages reach the partner
	URL      string `json:"url,omitempty"`
	Days     int    `json:"days"` // until the first of its certificates expires
}

func agreementView(p *pmode.Partner, now time.Time) partnerView {
	v := partnerView{Name: p.Name, Party: p.Party.ID.ID, Profile: string(p.Profile), Security: "sign+encrypt", Way: string(p.MEP), URL: p.URL, Days: -1}
	if p.SignOnly {
		v.Security = "sign"
	}
	if p.Direction == pmode.In || p.URL == "" && p.MEP == pmode.Push {
		v.Way = "receive only"
	}
	first := true
	for _, c := range p.Certificates() {
		if d := days(c.NotAfter, now); first || d < v.Days {
			v.Days, first = d, false
		}
	}
	return v
}

func days(until, now time.Time) int { return int(until.Sub(now).Hours() / 24) }

func pmodeList(t *target) *cobra.Command {
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List agreements, and how many days their certificates have left",
		Example: "  oncegate pmode list -c oncegate.yaml\n  oncegate pmode list --file pmodes.yaml -o json",
		Args:    cobra.NoArgs,
	}
	out, file := outputFlag(c), fileFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		table, err := t.pmodes(c, *file)
		if err != nil {
			return err
		}
		views, now := []partnerView{}, time.Now()
		for _, p := range table.Partners() {
			views = append(views, agreementView(p, now))
		}
		return out.print(c.OutOrStdout(), views, []string{"NAME", "PARTY", "PROFILE", "SECURITY", "WAY", "DAYS", "URL"}, func(add func(...any)) {
			for _, v := range views {
				add(v.Name, v.Party, v.Profile, v.Security, v.Way, v.Days, v.URL)
			}
		})
	}
	return c
}

type showView struct {
	Name         string            `json:"name"`
	Settings     []pmode.Setting   `json:"settings"`
	Certificates []certificateView `json:"certificates"`
}

type certificateView struct {
	Subject string    `json:"subject"`
	Issuer  string    `json:"issuer"`
	Until   time.Time `json:"until"`
	Days    int       `json:"days"`
}

func pmodeShow(t *target) *cobra.Command {
	c := &cobra.Command{
		Use: "show [NAME]", Short: "Show one agreement, or our own side, with every value resolved",
		Long:    "Show what is in force for one partner: every setting with its default, and its certificates. Without a name our own side is shown.",
		Example: "  oncegate pmode show spain -c oncegate.yaml\n  oncegate pmode show --file pmodes.yaml",
		Args:    cobra.MaximumNArgs(1),
	}
	out, file := outputFlag(c), fileFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		table, err := t.pmodes(c, *file)
		if err != nil {
			return err
		}
		v := showView{Name: "own", Settings: table.Own().Settings(), Certificates: []certificateView{}}
		certs := table.Own().Certificates()
		if len(args) > 0 {
			p, ok := table.Named(args[0])
			if !ok {
				return usagef("there is no partner %q; see 'oncegate pmode list'", args[0])
			}
			v.Name, v.Settings, certs = p.Name, p.Settings(), p.Certificates()
		}
		now := time.Now()
		for _, cert := range certs {
			v.Certificates = append(v.Certificates, certificateView{cert.Subject.String(), cert.Issuer.String(), cert.NotAfter.UTC(), days(cert.NotAfter, now)})
		}
		return out.print(c.OutOrStdout(), v, nil, func(add func(...any)) {
			add("name", v.Name)
			for _, s := range v.Settings {
				add(s.Key, s.Value)
			}
			for _, cert := range v.Certificates {
				add("certificate", fmt.Sprintf("%s, issued by %s, until %s, %d days left", cert.Subject, cert.Issuer, cert.Until.Format(time.DateOnly), cert.Days))
			}
		})
	}
	return c
}

func pmodeDiff() *cobra.Command {
	c := &cobra.Command{
		Use: "diff OLD NEW", Short: "Say what a new P-Mode file would change",
		Long:    "Compare two P-Mode files by what is in force, defaults included. Both must be sound. With a history (edelivery.pmodes_history), OLD may be a file of it, read where it lies.",
		Example: "  oncegate pmode diff pmodes.yaml pmodes.next.yaml",
		Args:    cobra.ExactArgs(2),
	}
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		t := &target{}
		from, err := t.pmodes(c, args[0])
		if err != nil {
			return err
		}
		to, err := t.pmodes(c, args[1])
		if err != nil {
			return err
		}
		d := pmode.Diff(from, to)
		return out.print(c.OutOrStdout(), d, nil, func(add func(...any)) { printDifference(d, add) })
	}
	return c
}

func printDifference(d pmode.Difference, add func(...any)) {
	if d.Empty() {
		add("nothing changes")
		return
	}
	change := func(name string, changes []pmode.Change) {
		for _, ch := range changes {
			add(name, ch.Key, fmt.Sprintf("%q -> %q", ch.Old, ch.New))
		}
	}
	change("own", d.Own)
	for _, n := range d.Added {
		add(n, "added")
	}
	for _, n := range d.Removed {
		add(n, "removed")
	}
	for _, n := range sortedKeys(d.Changed) {
		change(n, d.Changed[n])
	}
}

// writeResult writes to a new file, or to standard output.
func writeResult(c *cobra.Command, name string, force bool, data []byte) error {
	if name == "" || name == "-" {
		_, err := c.OutOrStdout().Write(data)
		return err
	}
	mode := os.O_CREATE | os.O_WRONLY | os.O_EXCL
	if force {
		mode = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	}
	f, err := os.OpenFile(filepath.Clean(name), mode, 0o644)
	if err != nil {
		if os.IsExist(err) {
			return usagef("%s exists: --force overwrites it", name)
		}
		return usagef("%w", err)
	}
	if _, err = f.Write(data); err != nil {
		_ = f.Close()
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return f.Close()
}

func notesTo(w io.Writer, file string, line int, text string) {
	if line > 0 {
		fmt.Fprintf(w, "%s:%d: note: %s\n", file, line, text)
		return
	}
	fmt.Fprintf(w, "%s: note: %s\n", file, text)
}

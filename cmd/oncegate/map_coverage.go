package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"oncegate/mapping"
)

// A coverView is what the samples of one set of rules never used.
type coverView struct {
	Rules string                  `json:"rules"`
	Query *mapping.CoverageReport `json:"query,omitempty"`
	Reply *mapping.CoverageReport `json:"reply,omitempty"`
	Input *mapping.CoverageReport `json:"input,omitempty"` // of a mapping file
}

func (v coverView) parts() []coverPart {
	var out []coverPart
	for _, p := range []coverPart{{"query", v.Query}, {"reply", v.Reply}, {"input", v.Input}} {
		if p.report != nil {
			out = append(out, p)
		}
	}
	return out
}

type coverPart struct {
	name   string
	report *mapping.CoverageReport
}

// least is the lowest percentage of the parts.
func (v coverView) least() float64 {
	least := 100.0
	for _, p := range v.parts() {
		least = min(least, p.report.Percent)
	}
	return least
}

func mapCoverage() *cobra.Command {
	var on string
	var least float64
	c := &cobra.Command{
		Use: "coverage RULES…", Short: "Show what samples never used: elements never read, rules that never wrote, codes never met",
		Long: `Run samples and show what they never used: elements and attributes that no rule read,
rules that never wrote anything, conditions that never turned, codes that never came.
Names are shown, never values. Registers run over their own samples, or with --on
over those of another directory, such as a recorder's; a mapping file needs --on, a
directory of .xml or .json files.

Exit code 3: with --min, when the share that was used is lower.`,
		Example: `  oncegate map coverage births
  oncegate map coverage births tax --min 60 -o json
  oncegate map coverage to-record.yaml --on captured/`,
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: completeRules(),
	}
	f := c.Flags()
	f.StringVar(&on, "on", "", "directory of samples or of files to run over")
	f.Float64Var(&least, "min", 0, "the share in percent that must be used")
	_ = c.MarkFlagDirname("on")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if least < 0 || least > 100 {
			return usagef("--min: want a percentage")
		}
		views := []coverView{}
		var low []string
		for _, arg := range args {
			v, err := coverOne(c, arg, on)
			if err != nil {
				return err
			}
			if v.least() < least {
				low = append(low, fmt.Sprintf("%s: %.1f%%", v.Rules, v.least()))
			}
			views = append(views, v)
			if out.format != "table" {
				continue
			}
			for _, p := range v.parts() {
				fmt.Fprintf(c.OutOrStdout(), "%s %s: %s", v.Rules, p.name, p.report.Text())
			}
		}
		if out.format != "table" {
			if err := out.print(c.OutOrStdout(), views, nil, nil); err != nil {
				return err
			}
		}
		if len(low) > 0 {
			return findings("less than %g%% is used: %s", least, strings.Join(low, ", "))
		}
		return nil
	}
	return c
}

func coverOne(c *cobra.Command, arg, on string) (coverView, error) {
	v := coverView{Rules: arg}
	r, err := openRules(arg, "")
	if err != nil {
		return v, rulesError(c, err)
	}
	if r.def != nil {
		def := r.def
		if on != "" {
			samples, err := samplesAt(on, def.Name)
			if err != nil {
				return v, err
			}
			def = def.On(samples)
		}
		got, err := def.Coverage()
		if err != nil {
			return v, faulty(c, err)
		}
		v.Query, v.Reply = got.Query, &got.Reply
		return v, nil
	}
	if on == "" {
		return v, usagef("%s is a mapping file: say with --on which files it is to run over", arg)
	}
	cover := mapping.NewCoverage(r.prog)
	err = overFiles(c, r.prog.Direction(), on, func(name string, text []byte) error {
		if _, _, err := runOver(cover, r.prog.Direction(), text); err != nil {
			fmt.Fprintf(c.ErrOrStderr(), "%s: %s\n", name, strings.TrimRight(rendered(err), "\n"))
		}
		return nil
	})
	report := cover.Report()
	v.Input = &report
	return v, err
}

// overFiles reads the files of a directory that a mapping of this direction takes.
func overFiles(c *cobra.Command, dir mapping.Direction, on string, f func(name string, text []byte) error) error {
	ext := ".json"
	if dir == mapping.XMLToValue {
		ext = ".xml"
	}
	files, err := filesBelow(on, ext)
	if err != nil {
		return err
	}
	p := newProgress(c.ErrOrStderr(), len(files))
	defer p.done()
	for _, name := range files {
		text, err := readValidated(c, name)
		if err != nil {
			return err
		}
		if err := f(filepath.ToSlash(name), text); err != nil {
			return err
		}
		p.step()
	}
	return c.Context().Err()
}

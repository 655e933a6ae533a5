package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"oncegate/connectors/register"
	"oncegate/mapping"
	"oncegate/schemas/records"
)

// A lintView is one finding for readers.
type lintView struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Col      int    `json:"col"`
	Severity string `json:"severity"`
	Rule     string `json:"rule"`
	Message  string `json:"message"`
	Remedy   string `json:"remedy,omitempty"`
}

func mapLint() *cobra.Command {
	var rules, strict bool
	var record string
	c := &cobra.Command{
		Use: "lint RULES…", Short: "Say what is doubtful in rules: prefixes, lists, targets, conditions, constants",
		Long: `Say what is doubtful in the rules of registers and mappings: faults, fields that the
canonical record does not have, prefixes and lists that nothing uses, rules that never
come to speak, constants that look like a person. In a directory all registers and
mapping files are found.

Exit code 3: there is an error; with --strict a warning suffices. Hints never count.`,
		Example: `  oncegate map lint births
  oncegate map lint ./registers --strict
  oncegate map lint to-record.yaml --record birth -o json
  oncegate map lint --rules`,
		Args: func(c *cobra.Command, args []string) error {
			if rules {
				return cobra.NoArgs(c, args)
			}
			return cobra.MinimumNArgs(1)(c, args)
		},
		ValidArgsFunction: completeRules(),
	}
	f := c.Flags()
	f.BoolVar(&rules, "rules", false, "list what is looked for")
	f.BoolVar(&strict, "strict", false, "warnings count as errors")
	f.StringVar(&record, "record", "", "type of the canonical record that a mapping file makes")
	_ = c.RegisterFlagCompletionFunc("record", cobra.FixedCompletions(records.Types(), cobra.ShellCompDirectiveNoFileComp))
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case rules:
			return printLintRules(c, out)
		case record != "" && !records.Exists(record):
			return usagef("--record %q: want one of %s", record, strings.Join(records.Types(), ", "))
		}
		views := []lintView{}
		errs, warnings := 0, 0
		for _, arg := range args {
			sets, err := findRules(arg)
			if err != nil {
				return err
			}
			for _, s := range sets {
				found, text, err := lintOne(s, record)
				if err != nil {
					return err
				}
				views = append(views, found...)
				if out.format == "table" {
					fmt.Fprint(c.OutOrStdout(), text)
				}
			}
		}
		for _, v := range views {
			switch mapping.Severity(v.Severity) {
			case mapping.LintError:
				errs++
			case mapping.LintWarning:
				warnings++
			}
		}
		if out.format != "table" {
			if err := out.print(c.OutOrStdout(), views, nil, nil); err != nil {
				return err
			}
		}
		if errs > 0 || strict && warnings > 0 {
			return findings("%s, %s", many(errs, "error"), many(warnings, "warning"))
		}
		return nil
	}
	return c
}

// lintOne lints one set of rules; faults of rules that cannot be compiled are errors
// of the rule "fault".
func lintOne(arg, record string) ([]lintView, string, error) {
	r, err := openRules(arg, "")
	var found []mapping.Finding
	if err == nil {
		found, err = r.lint(record)
	}
	var faults mapping.Errors
	switch {
	case errors.As(err, &faults):
		var out []lintView
		for _, e := range faults {
			out = append(out, lintView{e.File, e.Line, e.Col, string(mapping.LintError), "fault", e.Msg, ""})
		}
		return out, faults.Render(), nil
	case err != nil:
		return nil, "", err
	}
	var out []lintView
	var text strings.Builder
	for _, x := range found {
		out = append(out, lintView{x.File, x.Line, x.Col, string(x.Severity), x.Rule, x.Message, x.Remedy})
		text.WriteString(x.Render())
	}
	return out, text.String(), nil
}

func printLintRules(c *cobra.Command, out *printer) error {
	type view struct {
		Rule     string `json:"rule"`
		Severity string `json:"severity"`
		Finds    string `json:"finds"`
		Remedy   string `json:"remedy"`
	}
	views := []view{}
	for _, r := range mapping.LintRules() {
		views = append(views, view{r.Name, string(r.Severity), r.Doc, r.Remedy})
	}
	return out.print(c.OutOrStdout(), views, []string{"RULE", "SEVERITY", "WHAT IS FOUND"}, func(add func(...any)) {
		for _, v := range views {
			add(v.Rule, v.Severity, v.Finds)
		}
	})
}

var kindRules = regexp.MustCompile(`(?m)^kind:\s*(Register|Mapping)\b`)

// findRules lists the registers and mapping files that an argument means.
func findRules(arg string) ([]string, error) {
	st, err := os.Stat(arg)
	if err != nil || !st.IsDir() || isRegister(arg) {
		return []string{arg}, nil
	}
	files, err := filesBelow(arg, ".yaml", ".yml")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range files {
		st, err := os.Stat(f)
		if err != nil || st.Size() > maxRulesFile {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, usagef("%w", err)
		}
		if kindRules.Match(text) {
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		return nil, usagef("there is no register and no mapping file in %s", arg)
	}
	return out, nil
}

func isRegister(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, register.DefinitionFile))
	return err == nil
}

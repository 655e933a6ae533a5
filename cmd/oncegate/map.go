package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"oncegate/connectors/register"
	"oncegate/mapping"
	"oncegate/schemas/editor"
	"oncegate/schemas/records"
)

func mapCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "map", Short: "Work with the mapping language: try, test, lint, measure and compare rules",
		Long: `Work with the mapping language at the desk. Where a verb asks for RULES, give the
folder of a register, a mapping file, or the name of a built-in register. Nothing
is sent anywhere; only diff --on TOPIC reads a deployment.`,
		Example: `  oncegate map try births found
  oncegate map lint ./registers/my-register
  oncegate map coverage births`,
	}
	c.AddCommand(mapTry(), mapTest(), mapLint(), mapCoverage(), mapDiff(), mapFunctions(), mapLists(), mapSchema())
	return c
}

// A caseView is the outcome of one check.
type caseView struct {
	Where string `json:"where"` // file:line, or register and sample
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// A caseList prints checks as they come, or all at the end.
type caseList struct {
	c      *cobra.Command
	out    *printer
	views  []caseView
	failed int
}

func (l *caseList) add(where, name string, err error) {
	v := caseView{Where: where, Name: name, OK: err == nil, Error: rendered(err)}
	l.views = append(l.views, v)
	word := "ok  "
	if err != nil {
		l.failed++
		word = "FAIL"
	}
	if l.out.format != "table" {
		return
	}
	fmt.Fprintf(l.c.OutOrStdout(), "%s %s %s\n", word, v.Where, v.Name)
	if err != nil {
		fmt.Fprintln(l.c.OutOrStdout(), strings.TrimRight(v.Error, "\n"))
	}
}

func (l *caseList) end() error {
	if l.out.format != "table" {
		if err := l.out.print(l.c.OutOrStdout(), l.views, nil, nil); err != nil {
			return err
		}
	}
	if l.failed > 0 {
		return findings("%d of %s failed", l.failed, many(len(l.views), "check"))
	}
	return nil
}

// rendered is an error with the carets that it has.
func rendered(err error) string {
	var list mapping.Errors
	var one *mapping.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &list):
		return list.Render()
	case errors.As(err, &one):
		return one.Render()
	}
	return err.Error()
}

// faulty shows the faults of rules with their carets; the error only counts them.
func faulty(c *cobra.Command, err error) error {
	var list mapping.Errors
	if !errors.As(err, &list) {
		return &codedError{exitFindings, err}
	}
	fmt.Fprint(c.ErrOrStderr(), list.Render())
	return findings("%s", many(len(list), "fault"))
}

func mapTest() *cobra.Command {
	c := &cobra.Command{
		Use: "test PATH…", Short: "Run .maptest files and the samples of registers",
		Long: `Run .maptest files (a mapping, inputs, and what must come of them) and the samples
of registers. In a directory, all of both are found. Exit code 3 means something
failed.`,
		Example: "  oncegate map test my-register.maptest\n  oncegate map test ./registers\n  oncegate map test births -o json",
		Args:    cobra.MinimumNArgs(1), ValidArgsFunction: completeRules("maptest"),
	}
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		l := &caseList{c: c, out: out, views: []caseView{}}
		for _, arg := range args {
			tests, sets, err := findTests(arg)
			if err != nil {
				return err
			}
			for _, f := range tests {
				text, err := readValidated(c, f)
				if err != nil {
					return err
				}
				results, err := mapping.RunTests(f, text, register.Codec())
				if err != nil {
					return faulty(c, err)
				}
				for _, r := range results {
					l.add(fmt.Sprintf("%s:%d", f, r.Line), r.Name, r.Err)
				}
			}
			for _, s := range sets {
				rules, err := openRules(s, "")
				if err != nil {
					return rulesError(c, err)
				}
				if rules.def == nil {
					continue // a mapping has no samples
				}
				for _, r := range rules.def.Samples() {
					l.add(r.Register, strings.TrimSpace(r.Case+" "+r.Check), r.Err)
				}
			}
		}
		if len(l.views) == 0 {
			return usagef("no .maptest file and no register in %s", strings.Join(args, ", "))
		}
		return l.end()
	}
	return c
}

// findTests lists the .maptest files and the registers that an argument means.
func findTests(arg string) (tests, rules []string, err error) {
	st, err := os.Stat(arg)
	switch {
	case err != nil:
		return nil, []string{arg}, nil // a built-in register, or a fault that openRules names
	case !st.IsDir():
		if filepath.Base(arg) == register.DefinitionFile {
			return nil, []string{arg}, nil
		}
		return []string{arg}, nil, nil
	}
	err = filepath.WalkDir(arg, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
		case filepath.Ext(name) == ".maptest":
			tests = append(tests, name)
		case d.Name() == register.DefinitionFile:
			rules = append(rules, name)
		}
		return nil
	})
	if err != nil {
		return nil, nil, usagef("%w", err)
	}
	return tests, rules, nil
}

func mapFunctions() *cobra.Command {
	c := &cobra.Command{
		Use: "functions [NAME]", Short: "List the functions of the language, or show one with its examples",
		Long:    "List the functions of the mapping language by group, or show one with its examples. The examples run as tests of the language.",
		Example: "  oncegate map functions\n  oncegate map functions partial-date",
		Args:    cobra.MaximumNArgs(1),
	}
	c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, f := range mapping.Functions() {
			if len(args) == 0 {
				names = append(names, f.Name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		views := functionViews(args)
		if len(args) == 1 && len(views) == 0 {
			return usagef("there is no function %q; see 'oncegate map functions'", args[0])
		}
		return out.print(c.OutOrStdout(), views, nil, func(add func(...any)) {
			group := ""
			for _, v := range views {
				if len(args) == 1 {
					add(v.Signature)
					add(v.Doc)
					for _, e := range v.Examples {
						add(e.line())
					}
					continue
				}
				if v.Group != group {
					group = v.Group
					add(strings.ToUpper(group))
				}
				add("  "+v.Name, v.Doc)
			}
		})
	}
	return c
}

// A functionView is one function for readers.
type functionView struct {
	Name      string        `json:"name"`
	Group     string        `json:"group"`
	Signature string        `json:"signature"`
	Doc       string        `json:"doc"`
	Examples  []exampleView `json:"examples"`
}

type exampleView struct {
	Expr  string `json:"expr"`
	Input string `json:"input,omitempty"`
	Want  string `json:"want"`
}

func (e exampleView) line() string {
	s := "  " + e.Expr + "  gives  " + e.Want
	if e.Want == "" {
		s = "  " + e.Expr + "  gives nothing"
	}
	if e.Input != "" {
		s += "   where the input is " + e.Input
	}
	return s
}

func functionViews(only []string) []functionView {
	views := []functionView{}
	for _, group := range mapping.FunctionGroups() {
		for _, f := range mapping.Functions() {
			if f.Group != group || len(only) == 1 && f.Name != only[0] {
				continue
			}
			v := functionView{Name: f.Name, Group: f.Group, Signature: f.Signature(), Doc: f.Doc}
			for _, e := range f.Examples {
				v.Examples = append(v.Examples, exampleView(e))
			}
			views = append(views, v)
		}
	}
	return views
}

func mapLists() *cobra.Command {
	c := &cobra.Command{
		Use: "lists", Short: "List the published code lists that rules may use by name",
		Long:    "List the published code lists that a mapping may use by name, as in code_lists: {country: {use: country-alpha3}}.",
		Example: "  oncegate map lists\n  oncegate map lists -o json", Args: cobra.NoArgs,
	}
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		type view struct {
			Name  string `json:"name"`
			Doc   string `json:"doc"`
			Code  string `json:"exampleCode"`
			Means string `json:"exampleMeans"`
		}
		views := []view{}
		for _, l := range mapping.PublishedLists() {
			views = append(views, view{l.Name, l.Doc, l.Example[0], l.Example[1]})
		}
		return out.print(c.OutOrStdout(), views, []string{"LIST", "EXAMPLE", "WHAT IT IS"}, func(add func(...any)) {
			for _, v := range views {
				add(v.Name, v.Code+" = "+v.Means, v.Doc)
			}
		})
	}
	return c
}

func mapSchema() *cobra.Command {
	names := func() []string { return append(append(editor.Names(), records.Types()...), "vocabulary") }
	c := &cobra.Command{
		Use: "schema NAME", Short: "Print a JSON Schema: of register.yaml, of mapping files, of a canonical record",
		Long: `Print a JSON Schema. register and mapping are for editors, which complete and check
while you type; the others say what a canonical record is, and vocabulary what they
share.`,
		Example: "  oncegate map schema register\n  oncegate map schema birth",
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return names(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		text := editor.Schema(args[0])
		switch {
		case text != nil:
		case args[0] == "vocabulary":
			text = records.Vocabulary()
		default:
			text = records.Schema(args[0])
		}
		if text == nil {
			return usagef("there is no schema %q; there are %s", args[0], strings.Join(names(), ", "))
		}
		_, err := c.OutOrStdout().Write(text)
		return err
	}
	return c
}

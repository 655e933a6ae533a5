package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"oncegate/connectors/mapxml"
	"oncegate/connectors/register"
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
)

// A tryView is what rules make of one file, and how.
type tryView struct {
	Rules    string                 `json:"rules"`
	Version  string                 `json:"version,omitempty"`
	Outcome  string                 `json:"outcome"`
	Detail   string                 `json:"detail,omitempty"`
	Record   json.RawMessage        `json:"record,omitempty"`
	Document string                 `json:"document,omitempty"` // XML that a mapping or a query made
	Target   string                 `json:"target,omitempty"`   // of a query: method and address
	Args     []any                  `json:"args,omitempty"`     // of a query: values of the statement
	Evidence string                 `json:"evidence,omitempty"`
	Page     string                 `json:"page,omitempty"` // what people read on the page
	Lineage  []mapping.Feed         `json:"lineage"`
	Unmapped []mapping.Unmapped     `json:"unmapped"`
	Unread   []mapping.UnreadSource `json:"unread"` // elements that no rule read
	Broken   []string               `json:"brokenSchema,omitempty"`
	Faults   []faultView            `json:"faults,omitempty"`

	err error
}

// A faultView is one fault of rules at its place.
type faultView struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Col     int    `json:"col"`
	Message string `json:"message"`
}

func faultViews(err error) []faultView {
	var list mapping.Errors
	var one *mapping.Error
	switch {
	case errors.As(err, &list):
	case errors.As(err, &one):
		list = mapping.Errors{one}
	}
	var out []faultView
	for _, e := range list {
		out = append(out, faultView{e.File, e.Line, e.Col, e.Msg})
	}
	return out
}

// tryOptions are the flags of map try.
type tryOptions struct {
	dir, query, page, lang string
	status                 int
	evidence               bool
}

func mapTry() *cobra.Command {
	var o tryOptions
	c := &cobra.Command{
		Use: "try RULES [FILE]", Short: "Run rules over one file and show which element fed which field",
		Long: `Run the rules of a register or of a mapping over one file, and show what comes of
it: the record or document, which element of the file fed which field through which
rule, codes that no list knows, elements that no rule read.

For a register, FILE is a reply as it comes over the wire: XML, JSON, the rows of a
database, or a MIME entity with its header; or the name of one of its samples. With
--query alone, what would go out for that query is shown. A dash reads standard
input.

What is shown holds what the file says. Exit code 3: the rules or the file have
faults, which are shown at their place.`,
		Example: `  oncegate map try births found
  oncegate map try births reply.xml --query query.json --evidence
  oncegate map try births found --page birth.pdf --lang ES
  oncegate map try my-register/register.yaml --query query.json
  oncegate map try to-record.yaml input.xml -o json`,
		Args: cobra.RangeArgs(1, 2),
	}
	rules := completeRules()
	c.ValidArgsFunction = func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return rules(c, args, begun)
		}
		return sampleNames(args[0], o.dir), cobra.ShellCompDirectiveDefault
	}
	f := c.Flags()
	f.StringVar(&o.dir, "dir", "", "directory of registers, for RULES that is a name (default: the built-in ones)")
	f.StringVar(&o.query, "query", "", "file with the query as the register's rules see it (JSON), or the name of a sample")
	f.StringVar(&o.page, "page", "", "write the page for people to this PDF file, and show what it says")
	f.StringVar(&o.lang, "lang", "EN", "language of the page")
	f.IntVar(&o.status, "status", 0, "HTTP status of the reply (default: 200, or that of the sample)")
	f.BoolVar(&o.evidence, "evidence", false, "show the evidence document too")
	_ = c.MarkFlagDirname("dir")
	_ = c.MarkFlagFilename("query", "json")
	_ = c.MarkFlagFilename("page", "pdf")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 1 && o.query == "" {
			return usagef("give a FILE, or --query to see what goes out")
		}
		r, err := openRules(args[0], o.dir)
		if err != nil {
			return rulesError(c, err)
		}
		var v tryView
		switch {
		case r.def == nil && (o.query != "" || o.page != "" || o.evidence || o.status != 0):
			return usagef("--query, --page, --evidence and --status are for registers")
		case r.def == nil:
			v, err = r.tryMapping(c, args[1])
		case len(args) == 1:
			v, err = r.trySending(c, o)
		default:
			v, err = r.tryReply(c, args[1], o)
		}
		if err != nil {
			return err
		}
		if out.format != "table" {
			err = out.print(c.OutOrStdout(), v, nil, nil)
		} else {
			err = printTry(c.OutOrStdout(), v)
		}
		if err == nil && v.err != nil {
			err = findings("%s: %s", r.place, v.verdict())
		}
		return err
	}
	return c
}

func (v tryView) verdict() string {
	if n := len(v.Faults); n > 0 {
		return many(n, "fault")
	}
	if v.Detail != "" {
		return v.Outcome + ": " + v.Detail
	}
	return v.Outcome
}

func sampleNames(rules, dir string) []string {
	r, err := openRules(rules, dir)
	if err != nil || r.def == nil {
		return nil
	}
	cases, err := r.def.Cases()
	if err != nil {
		return nil
	}
	var out []string
	for _, s := range cases {
		if s.Reply != nil {
			out = append(out, s.Name)
		}
	}
	return out
}

// sample finds a sample of the register by its name.
func (r *ruleSet) sample(name string) (register.Case, bool) {
	if _, err := os.Stat(name); err == nil || name == "-" || strings.ContainsAny(name, "./") {
		return register.Case{}, false
	}
	cases, err := r.def.Cases()
	if err != nil {
		return register.Case{}, false
	}
	i := slices.IndexFunc(cases, func(s register.Case) bool { return s.Name == name })
	if i < 0 {
		return register.Case{}, false
	}
	return cases[i], true
}

// queryOf reads the query that --query names.
func (r *ruleSet) queryOf(c *cobra.Command, name string) (any, error) {
	if s, ok := r.sample(name); ok {
		if s.Query == nil {
			return nil, usagef("the sample %s has no query", name)
		}
		return s.Query, nil
	}
	text, err := readValidated(c, name)
	if err != nil {
		return nil, err
	}
	in, err := mapping.DecodeJSON(text)
	if err != nil {
		return nil, usagef("reading %s: %w", name, err)
	}
	return in, nil
}

var mimeHeader = regexp.MustCompile(`(?i)^(MIME-Version|Content-Type):`)

// tryReply reads one reply of a register.
func (r *ruleSet) tryReply(c *cobra.Command, name string, o tryOptions) (tryView, error) {
	var reply register.Reply
	var query any
	if s, ok := r.sample(name); ok {
		if s.Reply == nil {
			return tryView{}, usagef("the sample %s has no reply", name)
		}
		reply, query = *s.Reply, s.Query
	} else {
		text, err := readValidated(c, name)
		if err != nil {
			return tryView{}, err
		}
		reply = register.Reply{Body: text, MIME: strings.EqualFold(filepath.Ext(name), ".mime") || mimeHeader.Match(text)}
	}
	if o.status != 0 {
		reply.Status = o.status
	}
	var err error
	if o.query != "" {
		if query, err = r.queryOf(c, o.query); err != nil {
			return tryView{}, err
		}
	}
	t, err := r.def.Trial(reply, query)
	if err != nil {
		return tryView{}, &codedError{exitFindings, err}
	}
	v := tryView{
		Rules: r.place, Version: r.def.Version, Outcome: t.Outcome, Detail: t.Detail, Record: t.Record,
		Lineage: listed(t.Report.Lineage), Unmapped: listed(t.Report.Unmapped), Unread: listed(t.Coverage.Unread), Broken: t.Broken,
	}
	if t.Outcome == "invalid" {
		v.err, v.Faults = t.Err, faultViews(t.Err)
	}
	if o.evidence {
		v.Evidence = string(t.Evidence)
	}
	if o.page == "" || t.Record == nil {
		return v, nil
	}
	pdf, text, err := r.def.Page(t.Record, t.IssuedOn, strings.ToUpper(o.lang), time.Now())
	if err != nil {
		return v, usagef("making the page: %w (languages: %s)", err, strings.Join(r.def.PageLanguages(), ", "))
	}
	v.Page = text
	if err := os.WriteFile(o.page, pdf, 0o600); err != nil {
		return v, fmt.Errorf("writing the page: %w", err)
	}
	return v, nil
}

// listed makes JSON say [] where there is nothing.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// trySending shows what goes out.
func (r *ruleSet) trySending(c *cobra.Command, o tryOptions) (tryView, error) {
	query, err := r.queryOf(c, o.query)
	if err != nil {
		return tryView{}, err
	}
	s, err := r.def.Sending(query)
	v := tryView{
		Rules: r.place, Version: r.def.Version, Outcome: "query", Document: string(s.Body), Args: s.Args,
		Target: strings.TrimSpace(s.Method + " " + s.Target), Lineage: listed(s.Report.Lineage), Unmapped: listed(s.Report.Unmapped), Unread: listed[mapping.UnreadSource](nil),
	}
	switch {
	case s.Outcome != "": // the query's own conditions answer it
		v.Outcome, v.Detail = s.Outcome, "nothing is sent"
	case err != nil:
		v.Outcome, v.Detail, v.err, v.Faults = "invalid", err.Error(), err, faultViews(err)
	}
	return v, nil
}

// tryMapping runs a mapping of its own.
func (r *ruleSet) tryMapping(c *cobra.Command, name string) (tryView, error) {
	text, err := readValidated(c, name)
	if err != nil {
		return tryView{}, err
	}
	v := tryView{Rules: r.place, Outcome: r.prog.Direction().String()}
	cover := mapping.NewCoverage(r.prog)
	made, report, err := runOver(cover, r.prog.Direction(), text)
	v.Lineage, v.Unmapped, v.Unread = listed(report.Lineage), listed(report.Unmapped), listed(cover.Report().Unread)
	switch made := made.(type) {
	case nil:
	case []byte:
		v.Document = string(made)
	default:
		if v.Record, err = json.Marshal(made); err != nil {
			return v, fmt.Errorf("writing the record: %w", err)
		}
	}
	if err != nil {
		v.Outcome, v.Detail, v.err, v.Faults = "invalid", err.Error(), err, faultViews(err)
	}
	return v, nil
}

// runOver runs a mapping over a file: XML, or JSON where values are read.
func runOver(cover *mapping.Coverage, dir mapping.Direction, text []byte) (any, mapping.Report, error) {
	if dir == mapping.XMLToValue {
		doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{MaxBytes: maxValidated, MaxNodes: 4 << 20})
		if err != nil {
			return nil, mapping.Report{}, fmt.Errorf("reading the input: %w", err)
		}
		return cover.Run(register.Node(doc.Root()))
	}
	in, err := mapping.DecodeJSON(text)
	if err != nil {
		return nil, mapping.Report{}, fmt.Errorf("reading the input: %w", err)
	}
	if dir == mapping.ValueToValue {
		return cover.Convert(in)
	}
	e, report, err := cover.Build(in)
	if err != nil {
		return nil, report, err
	}
	out, err := mapxml.Document(e)
	return out, report, err
}

// printTry writes the sections that there are.
func printTry(w io.Writer, v tryView) error {
	fmt.Fprintf(w, "%s: %s\n", v.Rules, v.verdict())
	if len(v.Faults) > 0 {
		fmt.Fprint(w, rendered(v.err))
	}
	section := func(title, text string) {
		if text = strings.TrimRight(text, "\n"); text != "" {
			fmt.Fprintf(w, "\n%s\n%s\n", title, text)
		}
	}
	section("TARGET", v.Target)
	if v.Args != nil {
		args, err := json.Marshal(v.Args)
		if err != nil {
			return fmt.Errorf("writing the values: %w", err)
		}
		section("VALUES", string(args))
	}
	if v.Record != nil {
		var b bytes.Buffer
		if err := json.Indent(&b, v.Record, "", "  "); err != nil {
			return fmt.Errorf("writing the record: %w", err)
		}
		section("RECORD", b.String())
	}
	section("DOCUMENT", v.Document)
	section("EVIDENCE", v.Evidence)
	section("PAGE", v.Page)
	section("SCHEMA", strings.Join(v.Broken, "\n"))
	if len(v.Lineage) > 0 {
		fmt.Fprintln(w)
		tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		fmt.Fprintln(tw, "FIELD\tFROM\tRULE\tHOW")
		for _, f := range v.Lineage {
			fmt.Fprintf(tw, "%s\t%s\t%d:%d\t%s\n", f.Target, strings.Join(sourcesOf(f), ", "), f.Line, f.Col, howOf(f))
		}
		if err := tw.Flush(); err != nil {
			return fmt.Errorf("writing the lineage: %w", err)
		}
	}
	if len(v.Unmapped) > 0 {
		fmt.Fprintln(w, "\nCODES THAT NO LIST KNOWS")
		for _, u := range v.Unmapped {
			fmt.Fprintf(w, "%s: %s (%d times, rule at line %d)\n", u.List, printable(string(u.Code)), u.Count, u.Line)
		}
	}
	if len(v.Unread) > 0 {
		fmt.Fprintln(w, "\nNEVER READ")
		for _, u := range v.Unread {
			fmt.Fprintln(w, printable(u.Path))
		}
	}
	return nil
}

// maxSources bounds what one line of lineage shows; -o json has all.
const maxSources = 3

func sourcesOf(f mapping.Feed) []string {
	var out []string
	for i, s := range f.Sources {
		if i == maxSources {
			return append(out, fmt.Sprintf("and %d more", len(f.Sources)-i))
		}
		at := printable(s.Path)
		if s.Line > 0 {
			at += fmt.Sprintf(" %d:%d", s.Line, s.Col)
		}
		out = append(out, at)
	}
	return out
}

func howOf(f mapping.Feed) string {
	how := strings.Join(strings.Fields(f.Expr), " ")
	if how == "" {
		how = "constant"
	}
	if f.List != "" {
		how += ", list " + f.List
	}
	return printable(how)
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
	"oncegate/connectors/register"
	"oncegate/connectors/xmldoc"
	"oncegate/gateway/kafkalog"
	"oncegate/mapping"
	"oncegate/schemas/canon"
)

// A diffView sums up what other rules would change.
type diffView struct {
	Old       string        `json:"old"`
	New       string        `json:"new"`
	On        string        `json:"on"`
	Inputs    int           `json:"inputs"`
	Same      int           `json:"same"`
	Forgotten int           `json:"forgotten,omitempty"` // messages whose keys are gone
	Fields    []diffField   `json:"fields"`
	Values    []diffExample `json:"values,omitempty"` // with --values
}

// A differ gathers what other rules would change.
type differ struct {
	view     diffView
	counts   mapping.Diff
	seen     map[string]int // field -> its place in examples
	examples [][]string
	more     bool // the limit was reached
}

// A diffField is one field with where it changes first.
type diffField struct {
	Path     string                     `json:"path"`
	Counts   map[mapping.ChangeKind]int `json:"counts"`
	Examples []string                   `json:"examples"` // names of samples, or ids of messages
}

// A diffExample is one change with its values.
type diffExample struct {
	Input string `json:"input"`
	mapping.Change
}

const (
	maxDiffExamples = 3
	maxDiffValues   = 1000
)

func mapDiff() *cobra.Command {
	var on, since string
	var limit int
	var values bool
	c := &cobra.Command{
		Use: "diff OLD NEW", Short: "Say what other rules would change, over samples or over live messages",
		Long: `Run two versions of a register, or of a mapping, over the same inputs and say which
fields would change, how often, and in which input first.

--on DIR: samples (queries and replies) or files. --on register.query.v1: what would
go out for the queries of the deployment's log. --on register.record.v1: what evidence
would be made of the records on it. Private parts are opened with the keys of the
deployment; those whose keys are gone are counted. Nothing is sent and nothing is
stored. Values are shown for a DIR alone, and only with --values: what the log holds
of people stays there.

Exit code 0 whatever changes.`,
		Example: `  oncegate map diff registers/births next/births --on registers/births
  oncegate map diff registers/births next/births --on captured/ --values -o json
  oncegate map diff births next/births --on register.query.v1 --since 24h -c oncegate.yaml`,
		Args: cobra.ExactArgs(2), ValidArgsFunction: completeRules(),
	}
	t := configFlag(c)
	f := c.Flags()
	f.StringVar(&on, "on", "", "directory, register.query.v1 or register.record.v1. Required")
	f.StringVar(&since, "since", "", "of a topic: written in this time, e.g. 24h, or at or after (RFC 3339)")
	f.IntVar(&limit, "limit", 10_000, "of a topic: at most so many messages")
	f.BoolVar(&values, "values", false, "of a directory: show values too")
	_ = c.RegisterFlagCompletionFunc("on", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{string(canon.KindRegisterQuery), string(canon.KindRegisterRecord)}, cobra.ShellCompDirectiveDefault
	})
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		st, statErr := os.Stat(on)
		kind := canon.Kind(on)
		topic := kind == canon.KindRegisterQuery || kind == canon.KindRegisterRecord
		switch {
		case on == "":
			return usagef("say with --on what to run over: a directory, register.query.v1 or register.record.v1")
		case !topic && (statErr != nil || !st.IsDir()):
			return usagef("--on %q: want a directory, register.query.v1 or register.record.v1", on)
		case topic && values:
			return usagef("--values goes with a directory: what the log holds of people stays there")
		case limit < 1:
			return usagef("--limit: want 1 or more")
		}
		from, err := moment("since", since)
		if err != nil {
			return err
		}
		before, err := openRules(args[0], "")
		if err != nil {
			return rulesError(c, err)
		}
		after, err := openRules(args[1], "")
		if err != nil {
			return rulesError(c, err)
		}
		if (before.def == nil) != (after.def == nil) {
			return usagef("one is a register, the other a mapping")
		}
		d := &differ{view: diffView{Old: args[0], New: args[1], On: on}, seen: map[string]int{}}
		compare := register.Comparison{Before: before.def, After: after.def, Values: values}
		switch {
		case topic && before.def == nil:
			return usagef("what is on the log belongs to registers; compare mapping files over a directory")
		case topic:
			err = t.with(c, func(n *node.Node) error { return d.overTopic(c, n, compare, kind, from, limit) })
		case before.def != nil:
			err = d.overSamples(c, compare, on)
		default:
			err = overFiles(c, before.prog.Direction(), on, func(name string, text []byte) error {
				return d.mappings(before.prog, after.prog, name, text, values)
			})
		}
		if err != nil {
			return err
		}
		return d.print(c.OutOrStdout(), out)
	}
	return c
}

var itemNumbers = regexp.MustCompile(`\[\d+\]`)

// add counts the changes of one input.
func (d *differ) add(input string, list []mapping.Change) {
	d.counts.Add(list)
	for _, ch := range list {
		path := itemNumbers.ReplaceAllString(ch.Path, "[]")
		i, ok := d.seen[path]
		if !ok {
			i = len(d.examples)
			d.seen[path], d.examples = i, append(d.examples, nil)
		}
		if e := d.examples[i]; len(e) < maxDiffExamples && (len(e) == 0 || e[len(e)-1] != input) {
			d.examples[i] = append(e, input)
		}
		if ch.Old+ch.New != "" && len(d.view.Values) < maxDiffValues {
			d.view.Values = append(d.view.Values, diffExample{input, ch})
		}
	}
}

// overSamples compares two registers over samples.
func (d *differ) overSamples(c *cobra.Command, compare register.Comparison, dir string) error {
	samples, err := samplesAt(dir, compare.Before.Name)
	if err != nil {
		return err
	}
	cases, err := compare.Before.On(samples).Cases()
	if err != nil {
		return &codedError{exitFindings, err}
	}
	if len(cases) == 0 {
		return usagef("there is no sample in %s", dir)
	}
	p := newProgress(c.ErrOrStderr(), len(cases))
	defer p.done()
	for _, s := range cases {
		list, err := compare.Case(s)
		if err != nil {
			return &codedError{exitFindings, fmt.Errorf("sample %s: %w", s.Name, err)}
		}
		d.add(s.Name, list)
		p.step()
		if err := c.Context().Err(); err != nil {
			return err
		}
	}
	return nil
}

// mappings compares two mapping files over one file.
func (d *differ) mappings(before, after *mapping.Program, name string, text []byte, values bool) error {
	var in any
	var err error
	if before.Direction() == mapping.XMLToValue {
		var doc *xmldoc.Document
		if doc, err = xmldoc.ParseBytes(text, xmldoc.Limits{MaxBytes: maxValidated, MaxNodes: 4 << 20}); err == nil {
			in = register.Node(doc.Root())
		}
	} else {
		in, err = mapping.DecodeJSON(text)
	}
	if err != nil {
		return usagef("reading %s: %w", name, err)
	}
	list, err := mapping.Compare(before, after, in, values)
	if err != nil {
		return usagef("%w", err)
	}
	d.add(name, list)
	return nil
}

// overTopic compares two versions of a register over what is on the log.
func (d *differ) overTopic(c *cobra.Command, n *node.Node, compare register.Comparison, kind canon.Kind, from time.Time, limit int) error {
	told := time.Now()
	err := n.Cluster().Scan(c.Context(), kafkalog.Range{Topic: kafkalog.TopicOf(kind), FromTime: from}, func(rec kafkalog.Record) error {
		m, err := n.Codec().Decode(c.Context(), &rec)
		if errors.Is(err, canon.ErrForgotten) {
			d.view.Forgotten++
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", rec.Position(), err)
		}
		list, state, err := changesOf(c.Context(), n, compare, m)
		switch {
		case err != nil:
			return fmt.Errorf("message %s: %w", m.ID, err)
		case state == notCompared:
			return nil
		case state == messageForgotten:
			d.view.Forgotten++
			return nil
		}
		d.add(string(m.ID), list)
		inputs := d.counts.Summary().Inputs
		if time.Since(told) > time.Second {
			told = time.Now()
			fmt.Fprintf(c.ErrOrStderr(), "\r%d messages", inputs)
		}
		if inputs >= limit {
			d.more = true
			return kafkalog.ErrStop
		}
		return nil
	})
	if errors.Is(err, kafkalog.ErrUnknownTopic) {
		return usagef("the deployment has no topic %s", kafkalog.TopicOf(kind))
	}
	return err
}

// A compared says what became of one message.
type compared int

const (
	notCompared compared = iota // of another register, or without a record
	messageForgotten
	wasCompared
)

// changesOf compares what two versions make of one message.
func changesOf(ctx context.Context, n *node.Node, compare register.Comparison, m canon.Message) ([]mapping.Change, compared, error) {
	switch b := m.Body.(type) {
	case *canon.RegisterQuery:
		if b.Register != compare.Before.Name {
			return nil, notCompared, nil
		}
		in, ok, err := register.QueryOf(m)
		if err != nil || !ok {
			return nil, messageForgotten, err
		}
		return compare.Query(in), wasCompared, nil
	case *canon.RegisterRecord:
		if b.Register != compare.Before.Name || b.Outcome != canon.RecordFound {
			return nil, notCompared, nil
		}
		text, err := openPayload(ctx, n, m.Conversation, b.Record)
		if errors.Is(err, canon.ErrForgotten) {
			return nil, messageForgotten, nil
		}
		if err != nil {
			return nil, notCompared, err
		}
		var record any
		if record, err = mapping.DecodeJSON(text); err != nil {
			return nil, notCompared, errors.New("the record is no JSON")
		}
		return compare.Record(record), wasCompared, nil
	}
	return nil, notCompared, nil
}

func openPayload(ctx context.Context, n *node.Node, id canon.ConversationID, ref canon.PayloadRef) ([]byte, error) {
	r, err := n.Payloads().Open(ctx, id, ref)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxValidated+1))
	if err == nil && len(text) > maxValidated {
		err = fmt.Errorf("the record is larger than %d MB", maxValidated>>20)
	}
	return text, err
}

// print sums up.
func (d *differ) print(w io.Writer, out *printer) error {
	s := d.counts.Summary()
	d.view.Inputs, d.view.Same, d.view.Fields = s.Inputs, s.Same, []diffField{}
	for _, f := range s.Fields {
		one := diffField{Path: f.Path, Counts: f.Counts, Examples: []string{}}
		if i, ok := d.seen[f.Path]; ok {
			one.Examples = d.examples[i]
		}
		d.view.Fields = append(d.view.Fields, one)
	}
	return out.print(w, d.view, nil, func(add func(...any)) {
		add(fmt.Sprintf("%s: %d the same, %d different", many(d.view.Inputs, "input"), d.view.Same, d.view.Inputs-d.view.Same))
		if d.view.Forgotten > 0 {
			add(fmt.Sprintf("%s forgotten, not compared", many(d.view.Forgotten, "message")))
		}
		if d.more {
			add("the limit was reached, there may be more")
		}
		for _, f := range d.view.Fields {
			for _, kind := range []mapping.ChangeKind{mapping.Added, mapping.Removed, mapping.Changed, mapping.NowFails, mapping.NowHolds} {
				if n := f.Counts[kind]; n > 0 {
					add("  "+string(kind), n, f.Path, "first in "+fmt.Sprint(f.Examples))
				}
			}
		}
		for _, v := range d.view.Values {
			was, _ := json.Marshal(string(v.Old)) // a text can be written
			is, _ := json.Marshal(string(v.New))
			add("  "+v.Input, v.Path, string(was)+" -> "+string(is))
		}
	})
}

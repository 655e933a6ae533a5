package register

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"oncegate/mapping"
)

// A Comparison says what another version of a register would change. It names
// fields, and values only where Values says so.
type Comparison struct {
	Before, After *Definition
	Values        bool
}

// Query compares what goes out for a query, as its rules see it.
func (c Comparison) Query(in any) []mapping.Change {
	before, beforeSays := c.Before.answerUnasked(in)
	after, afterSays := c.After.answerUnasked(in)
	if beforeSays || afterSays {
		return c.texts("query outcome", before.outcome.String(), after.outcome.String())
	}
	was, wasErr := c.Before.rawRequest(in)
	is, isErr := c.After.rawRequest(in)
	if wasErr != nil || isErr != nil {
		return c.whole("query", wasErr, isErr)
	}
	out := c.texts("query target", was.method+" "+was.target, is.method+" "+is.target)
	if fmt.Sprint(was.args) != fmt.Sprint(is.args) {
		out = append(out, c.texts("query args", fmt.Sprint(was.args), fmt.Sprint(is.args))...)
	}
	return append(out, c.documents("query", was.body, is.body)...)
}

// Record compares the evidence made of a canonical record.
func (c Comparison) Record(record any) []mapping.Change {
	was, wasErr := c.Before.evidenceOf(record)
	is, isErr := c.After.evidenceOf(record)
	if wasErr != nil || isErr != nil {
		return c.whole("evidence", wasErr, isErr)
	}
	return c.documents("evidence", was, is)
}

// reply compares what is made of one reply to one query.
func (c Comparison) reply(reply *raw, in any) []mapping.Change {
	copied := *reply
	copied.doc = nil // each version reads for itself
	return c.results(c.Before.read(reply, in), c.After.read(&copied, in))
}

func (c Comparison) results(was, is result) []mapping.Change {
	if was.outcome != is.outcome {
		return c.texts("outcome", was.outcome.String(), is.outcome.String())
	}
	if was.outcome != outcomeFound {
		return nil
	}
	var out []mapping.Change
	before, err := mapping.DecodeJSON(was.record)
	if err == nil {
		var after any
		if after, err = mapping.DecodeJSON(is.record); err == nil {
			out = prefixed("record ", mapping.Changes(before, after, c.Values))
		}
	}
	if err != nil {
		out = c.whole("record", nil, err)
	}
	return append(out, c.documents("evidence", was.evidence, is.evidence)...)
}

func prefixed(prefix string, list []mapping.Change) []mapping.Change {
	for i := range list {
		list[i].Path = prefix + list[i].Path
	}
	return list
}

func (d *Definition) evidenceOf(record any) ([]byte, error) {
	e, _, err := d.evidence.Build(record)
	if err != nil {
		return nil, err
	}
	return document(e)
}

func (c Comparison) whole(what string, was, is error) []mapping.Change {
	switch {
	case was == nil:
		return []mapping.Change{{Path: what, Kind: mapping.NowFails}}
	case is == nil:
		return []mapping.Change{{Path: what, Kind: mapping.NowHolds}}
	}
	return nil
}

func (c Comparison) texts(path, was, is string) []mapping.Change {
	if was == is {
		return nil
	}
	out := mapping.Change{Path: path, Kind: mapping.Changed}
	if c.Values {
		out.Old, out.New = mapping.Content(was), mapping.Content(is)
	}
	return []mapping.Change{out}
}

// documents compares two documents as trees, or JSON as values.
func (c Comparison) documents(what string, was, is []byte) []mapping.Change {
	if bytes.Equal(was, is) {
		return nil
	}
	before, errBefore := outline(was)
	after, errAfter := outline(is)
	if errBefore == nil && errAfter == nil {
		return c.lines(what, before, after)
	}
	a, errBefore := mapping.DecodeJSON(was)
	b, errAfter := mapping.DecodeJSON(is)
	if errBefore == nil && errAfter == nil {
		return prefixed(what+" ", mapping.Changes(a, b, c.Values))
	}
	return c.texts(what, string(was), string(is))
}

// lines compares two outlines path by path.
func (c Comparison) lines(what, was, is string) []mapping.Change {
	before, after := byPath(was), byPath(is)
	var paths []string
	for _, side := range []map[string][]string{before, after} {
		for p := range side {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	var out []mapping.Change
	for _, p := range slices.Compact(paths) {
		a, hadIt := before[p]
		b, hasIt := after[p]
		if slices.Equal(a, b) {
			continue
		}
		ch := mapping.Change{Path: what + " " + p, Kind: mapping.Changed}
		switch {
		case !hadIt:
			ch.Kind = mapping.Added
		case !hasIt:
			ch.Kind = mapping.Removed
		}
		if c.Values {
			ch.Old, ch.New = mapping.Content(strings.Join(a, ", ")), mapping.Content(strings.Join(b, ", "))
		}
		out = append(out, ch)
	}
	return out
}

func byPath(outline string) map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(outline) {
		path, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " = ")
		out[path] = append(out[path], value)
	}
	return out
}

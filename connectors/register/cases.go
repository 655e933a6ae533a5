package register

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"oncegate/mapping"
	"oncegate/schemas/canon"
)

// On is the definition with the samples of another folder in place of its own: of a
// recorder, of another version.
func (d *Definition) On(samples fs.FS) *Definition {
	out := *d
	out.folder = mounted{samples, d.folder}
	return &out
}

// mounted shows a folder of samples where a register has its own.
type mounted struct{ samples, rest fs.FS }

func (m mounted) Open(name string) (fs.File, error) {
	if name == samplesFolder {
		return m.samples.Open(".")
	}
	if file, ok := strings.CutPrefix(name, samplesFolder+"/"); ok {
		return m.samples.Open(file)
	}
	return m.rest.Open(name)
}

// A Case is one sample: a query, a reply, or both.
type Case struct {
	Name  string
	Query any    // nil: none
	Reply *Reply // nil: none
	Fault string // the outcome that the sample stands for; empty for a record
}

// Cases reads the samples of the definition's folder.
func (d *Definition) Cases() ([]Case, error) {
	samples, err := d.sampleCases()
	if err != nil {
		return nil, err
	}
	var out []Case
	for _, s := range samples {
		c, err := s.public()
		if err != nil {
			return nil, fmt.Errorf("sample %s: %w", s.name, err)
		}
		out = append(out, c)
	}
	return out, nil
}

func (d *Definition) sampleCases() ([]*sampleCase, error) {
	files, err := fs.Glob(d.folder, samplesFolder+"/*")
	if err != nil {
		return nil, fmt.Errorf("listing samples: %w", err)
	}
	cases := map[string]*sampleCase{}
	for _, file := range files {
		name, kind, ok := strings.Cut(strings.TrimPrefix(file, samplesFolder+"/"), ".")
		if !ok {
			continue
		}
		if cases[name] == nil {
			cases[name] = &sampleCase{d: d, name: name, has: map[string]bool{}}
		}
		cases[name].has[kind] = true
	}
	var out []*sampleCase
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		out = append(out, cases[name])
	}
	return out, nil
}

func (c *sampleCase) public() (Case, error) {
	out := Case{Name: c.name}
	if c.has["query.json"] {
		text, err := c.file("query.json")
		if err != nil {
			return out, err
		}
		if out.Query, err = mapping.DecodeJSON(text); err != nil {
			return out, fmt.Errorf("reading query.json: %w", err)
		}
	}
	if c.has["fault"] {
		text, err := c.file("fault")
		if err != nil {
			return out, err
		}
		out.Fault = strings.TrimSpace(string(text))
	}
	for _, kind := range []string{"reply.mime", "reply.json", "reply.xml"} {
		if !c.has[kind] {
			continue
		}
		reply, err := c.reply()
		if err != nil {
			return out, err
		}
		out.Reply = &Reply{Status: reply.status, Body: reply.body}
		if kind == "reply.mime" { // whole, as it came: the parts belong to it
			if out.Reply.Body, err = c.file(kind); err != nil {
				return out, err
			}
			out.Reply.MIME = true
		}
		break
	}
	return out, nil
}

// Case compares everything that two versions make of one sample.
func (c Comparison) Case(s Case) ([]mapping.Change, error) {
	var out []mapping.Change
	if s.Query != nil {
		out = c.Query(s.Query)
	}
	if s.Reply != nil {
		reply, err := c.Before.rawReply(*s.Reply)
		if err != nil {
			return nil, err
		}
		out = append(out, c.reply(reply, s.Query)...)
	}
	return out, nil
}

// A Golden is one file of a sample that says something else than the definition makes.
type Golden struct {
	File string // found.record.json
	Have []byte // as it is; nil: there is none
	Want []byte // as the definition makes it
}

// Goldens says which files of the samples would have to change so that all of them
// hold: those that differ, and those that a sample should have and has not.
func (d *Definition) Goldens() ([]Golden, error) {
	samples, err := d.sampleCases()
	if err != nil {
		return nil, err
	}
	var out []Golden
	for _, s := range samples {
		more, err := s.goldens()
		if err != nil {
			return nil, fmt.Errorf("sample %s: %w", s.name, err)
		}
		out = append(out, more...)
	}
	return out, nil
}

// goldens runs one case. Files that hold the same in other words stay as they are.
func (c *sampleCase) goldens() ([]Golden, error) {
	s, err := c.public()
	if err != nil {
		return nil, err
	}
	var out []Golden
	add := func(kind string, want []byte, same func(have, want []byte) bool) error {
		g := Golden{File: c.name + "." + kind, Want: want}
		if c.has[kind] {
			var err error
			if g.Have, err = c.file(kind); err != nil {
				return err
			}
			if same(g.Have, want) {
				return nil
			}
		}
		out = append(out, g)
		return nil
	}
	if s.Query != nil {
		if err := c.sent(s.Query, add); err != nil {
			return nil, err
		}
	}
	if s.Reply == nil {
		return out, nil
	}
	reply, err := c.d.rawReply(*s.Reply)
	if err != nil {
		return nil, err
	}
	res := c.d.read(reply, s.Query)
	switch {
	case res.outcome == outcomeFound && !c.has["fault"]:
	case c.has["fault"] && res.outcome != outcomeFound, !c.has["record.json"] && res.outcome != outcomeInvalid && res.outcome != outcomeFound:
		return out, add("fault", []byte(res.outcome.String()+"\n"), sameText)
	case c.has["fault"]: // who wrote the sample meant something else: that is no golden to be renewed
		return nil, fmt.Errorf("the reply gives a record; the sample says %s", s.Fault)
	default:
		return nil, outcomeError(res)
	}
	if err := add("record.json", append([]byte(indentJSON(res.record)), '\n'), sameJSON); err != nil {
		return nil, err
	}
	if err := add("evidence.xml", res.evidence, sameDocument); err != nil {
		return nil, err
	}
	if !c.has["page.txt"] || len(c.d.supplements) == 0 {
		return out, nil
	}
	for _, a := range res.with {
		if a.def.page != "" {
			text, err := c.d.kind.Text(res.record, a.def.page)
			if err != nil {
				return nil, err
			}
			return out, add("page.txt", []byte(text), sameText)
		}
	}
	return out, nil
}

// sent adds the files that say what goes out for a query.
func (c *sampleCase) sent(query any, add func(kind string, want []byte, same func(have, want []byte) bool) error) error {
	if res, ok := c.d.answerUnasked(query); ok {
		return add("fault", []byte(res.outcome.String()+"\n"), sameText)
	}
	req, res := c.d.makeRequest(query, nil)
	if req == nil {
		return outcomeError(res)
	}
	target := req.method + " " + req.target
	if c.has["query.target"] {
		if err := add("query.target", []byte(target+"\n"), sameText); err != nil {
			return err
		}
	}
	switch {
	case len(req.args) > 0:
		args, err := json.Marshal(req.args)
		if err != nil {
			return fmt.Errorf("writing the values of the query: %w", err)
		}
		return add("query.args", append(args, '\n'), sameJSON)
	case c.d.query != nil && c.d.query.Direction() == mapping.ValueToValue:
		return add("sent.json", append([]byte(indentJSON(req.body)), '\n'), sameJSON)
	case len(req.body) > 0:
		return add("query.xml", req.body, sameDocument)
	case !c.has["query.target"] && req.target != "":
		return add("query.target", []byte(target+"\n"), sameText)
	}
	return nil
}

func sameText(have, want []byte) bool {
	return bytes.Equal(bytes.TrimSpace(have), bytes.TrimSpace(want))
}

func sameJSON(have, want []byte) bool { return indentJSON(have) == indentJSON(want) }

func sameDocument(have, want []byte) bool { return sameXML("", want, have) == nil }

// QueryOf is what query rules see of a register.query.v1. It is false when the
// query's private part was forgotten.
func QueryOf(m canon.Message) (in any, ok bool, err error) {
	q, is := m.Body.(*canon.RegisterQuery)
	if !is {
		return nil, false, fmt.Errorf("a %T is no query for a register", m.Body)
	}
	private, ok := q.Private.Get()
	if !ok {
		return nil, false, nil
	}
	in, err = queryValue(m.ID, q, private.Subject)
	return in, err == nil, err
}

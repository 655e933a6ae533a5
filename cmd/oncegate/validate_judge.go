package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"oncegate/connectors/directory"
	"oncegate/connectors/directory/lcm"
	"oncegate/connectors/regrep"
	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/rulecheck"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas"
	"oncegate/schemas/canon"
	"oncegate/schemas/rules"
)

// judge tells what a file is and what is wrong with it.
func (v *validator) judge(name string, text []byte) validation {
	rep := validation{File: name, Findings: []rulecheck.Finding{}}
	if name == "-" {
		rep.File = "stdin"
	}
	if first := bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), " \t\r\n"); v.kind != "" || len(first) > 0 && (first[0] == '{' || first[0] == '[') {
		v.judgeJSON(&rep, text)
	} else {
		v.judgeXML(&rep, text)
	}
	for i := range rep.Findings {
		f := &rep.Findings[i]
		complete(f)
		if f.Severity == rules.Fatal {
			rep.Fatal++
		} else {
			rep.Others++
		}
	}
	return rep
}

// complete makes a sentence of what a reader says about structure, which are clauses,
// and says what helps where nobody did.
func complete(f *rulecheck.Finding) {
	if f.Layer != rulecheck.LayerStructure || f.Meaning == "" {
		return
	}
	if first := f.Meaning[:1]; first == strings.ToLower(first) {
		f.Meaning = strings.ToUpper(first) + f.Meaning[1:]
	}
	if !strings.HasSuffix(f.Meaning, ".") {
		f.Meaning += "."
	}
	if f.Remedy == "" {
		f.Remedy = "Write what the XML schemas of the edition have at this place."
	}
}

func (v *validator) judgeXML(rep *validation, text []byte) {
	doc, err := xmldoc.ParseKept(text, xmldoc.Limits{MaxBytes: maxValidated, MaxNodes: max(len(text)/8, 1<<19)})
	if err != nil {
		f := rulecheck.Finding{Layer: rulecheck.LayerXML, Severity: rules.Fatal, Meaning: err.Error(), Remedy: "Send well-formed XML 1.0 without a DOCTYPE."}
		if p, ok := errors.AsType[*xmldoc.ParseError](err); ok {
			f.Line, f.Column, f.Meaning = p.Line, p.Col, p.Reason.String()+": "+p.Msg
		}
		rep.Document, rep.Findings = "xml", append(rep.Findings, f)
		return
	}
	d, ok := rulecheck.Detect(doc.Root())
	if !ok {
		rep.Findings = append(rep.Findings, unknown("The root element belongs to no message, header, answer or submission."))
		return
	}
	rep.Document, rep.Edition = string(d.Document), d.Edition
	found, err := v.inspect(d, text)
	if err != nil { // our own rules cannot be compiled; a test compiles them all
		found = []rulecheck.Finding{{Layer: rulecheck.LayerRule, Severity: rules.Fatal, Meaning: err.Error()}}
	}
	if v.edition != "" {
		rep.Edition = v.edition
	}
	for i := range found {
		if f := &found[i]; f.Line == 0 { // of what is missing, for one
			f.Line, f.Column = d.Root.Position()
			if f.Path == "" {
				f.Path = d.Root.Path()
			}
		}
	}
	rep.Findings = append(rep.Findings, found...)
}

// inspect asks the room that reads the document on arrival for all that it would find.
// Where an edition is asked for that the document does not claim, there are rules only.
func (v *validator) inspect(d rulecheck.Detected, text []byte) ([]rulecheck.Finding, error) {
	if v.edition != "" {
		return byRules(d, v.edition)
	}
	switch d.Document {
	case rules.EDMRequest, rules.EDMResponse, rules.EDMError:
		opt := regrep.InspectOptions{}
		if d.Document != rules.EDMRequest {
			opt.Against = v.against
		}
		rep, err := regrep.Inspect(text, opt)
		return rep.Findings, err
	case rules.EBRequirements, rules.EBEvidenceTypes, rules.EBError, rules.DSDServices, rules.DSDError:
		return directory.Inspect(text, nil).Findings, nil
	case rules.EBSubmission, rules.DSDSubmission:
		return lcm.Inspect(d.Root, nil)
	}
	found, err := byRules(d, d.Edition)
	if d.Document == rules.SubmissionAnswer {
		if _, bad := lcm.ReadResponse(d.Root); bad != nil {
			found = append(found, structural(bad))
		}
	}
	return found, err
}

func byRules(d rulecheck.Detected, edition string) ([]rulecheck.Finding, error) {
	set, err := rulecheck.Rules(d.Document, edition, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // structure is all that is judged
	}
	if err != nil {
		return nil, err
	}
	return set.Check(d.Root), nil
}

func structural(err error) rulecheck.Finding {
	f := rulecheck.Finding{Layer: rulecheck.LayerStructure, Severity: rules.Fatal, Meaning: err.Error()}
	if e, ok := errors.AsType[*rim.Fault](err); ok {
		f.Path, f.Line, f.Column, f.Meaning = e.Path, e.Line, e.Column, e.Text
	}
	return f
}

func unknown(why string) rulecheck.Finding {
	return rulecheck.Finding{Layer: rulecheck.LayerStructure, Severity: rules.Fatal, Meaning: why, Remedy: "See oncegate validate --help for what can be judged."}
}

// judgeJSON judges one canonical document or several that follow each other, as they
// come from a topic.
func (v *validator) judgeJSON(rep *validation, text []byte) {
	dec := json.NewDecoder(bytes.NewReader(text))
	for n := 0; ; n++ {
		var raw json.RawMessage
		from := dec.InputOffset()
		err := dec.Decode(&raw)
		if errors.Is(err, io.EOF) && n > 0 {
			return
		}
		line, col := placeOf(text, len(text)-len(bytes.TrimLeft(text[from:], " \t\r\n")))
		if err != nil {
			if s, ok := errors.AsType[*json.SyntaxError](err); ok {
				line, col = placeOf(text, int(s.Offset)-1)
			} else if errors.Is(err, io.ErrUnexpectedEOF) {
				line, col = placeOf(text, len(text))
			}
			rep.Document = "json"
			rep.Findings = append(rep.Findings, rulecheck.Finding{Layer: rulecheck.LayerStructure, Severity: rules.Fatal, Line: line, Column: col,
				Meaning: "The text is not JSON.", Remedy: "Send one JSON object, or several one after the other."})
			return
		}
		kind, check := v.kindOf(rep.File, raw)
		if kind == "" {
			f := unknown("The JSON keeps the schema of no canonical message.")
			f.Line, f.Column, f.Remedy = line, col, "Say which it should be: --kind register.record.v1."
			rep.Findings = append(rep.Findings, f)
			return
		}
		rep.Document = kind
		if err := check(raw); err != nil {
			rep.Findings = append(rep.Findings, schemaFindings(err, line, col)...)
		}
	}
}

// placeOf counts lines and bytes up to an offset.
func placeOf(text []byte, off int) (line, col int) {
	before := text[:min(max(off, 0), len(text))]
	return 1 + bytes.Count(before, []byte("\n")), len(before) - bytes.LastIndexByte(before, '\n')
}

// kindOf tells the kind of a canonical document: it is said, or the file is called so,
// or only one schema takes it.
func (v *validator) kindOf(file string, doc []byte) (string, func([]byte) error) {
	of := func(k canon.Kind, private bool) (string, func([]byte) error) {
		if private {
			return string(k) + " private", func(doc []byte) error { return schemas.ValidatePrivate(k, doc) }
		}
		return string(k), func(doc []byte) error { return schemas.Validate(k, doc) }
	}
	var schema struct {
		ID string `json:"$schema"`
	}
	if json.Unmarshal(doc, &schema) == nil && schema.ID != "" {
		return "", nil // a JSON Schema, perhaps our own, is no message
	}
	base := filepath.Base(file)
	private := strings.Contains(base, ".private.")
	if v.kind != "" {
		return of(v.kind, private)
	}
	var only canon.Kind
	count := 0
	for _, k := range schemas.Kinds() {
		if strings.HasPrefix(base, string(k)+".") {
			return of(k, private)
		}
		if schemas.Validate(k, doc) == nil {
			only = k
			count++
		}
	}
	if count != 1 {
		return "", nil
	}
	return of(only, false)
}

// schemaFindings takes apart what a schema says: places and keywords.
func schemaFindings(err error, line, col int) []rulecheck.Finding {
	text := err.Error()
	if f, ok := errors.AsType[*canon.Fault](err); ok {
		text = f.Detail
	}
	_, list, _ := strings.Cut(text, ": ")
	var out []rulecheck.Finding
	for part := range strings.SplitSeq(list, "; ") {
		f := rulecheck.Finding{Layer: rulecheck.LayerStructure, Severity: rules.Fatal, Line: line, Column: col}
		what := part
		if path, rest, ok := strings.Cut(part, ": "); ok {
			f.Path, what = path, rest
		}
		keyword, want, _ := strings.Cut(what, ": ")
		switch keyword {
		case "additionalProperties", "unevaluatedProperties":
			f.Meaning, f.Remedy = "The schema is not kept: there is a key that it does not know.", "Remove the key, or mend its spelling."
		case "required":
			f.Meaning, f.Remedy = "The schema is not kept: required: "+want+".", "Add these keys."
		default:
			f.Meaning, f.Remedy = "The schema is not kept: "+what, "Write a value at this place that the schema allows."
		}
		out = append(out, f)
	}
	return out
}

package regrep

import (
	"errors"
	"fmt"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/rulecheck"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
	"oncegate/schemas/rules"
)

// InspectOptions says what a document is checked with.
type InspectOptions struct {
	Lists   *codes.Lists // Default: those of TDD 2.0.1.
	Against []byte       // the request that the document answers, if it is to be compared
}

// Inspect checks an evidence message as it would be on arrival and names all that is
// found: XML, rules, structure and, with Against, the answer against its request. It
// is an error only where the rules themselves cannot be run.
func Inspect(document []byte, o InspectOptions) (rulecheck.Report, error) {
	j, err := newJudge(o.Lists)
	if err != nil {
		return rulecheck.Report{}, fmt.Errorf("inspecting document: %w", err)
	}
	report, answer := j.inspect(document)
	if o.Against == nil {
		return report, nil
	}
	asked, request := j.inspect(o.Against)
	q, ok := request.(*canon.EvidenceRequest)
	switch {
	case !ok:
		f := finding(rulecheck.LayerCross, "", "The document to compare with is no request that can be read.")
		if first, bad := asked.Fatal(); bad {
			f.Rule = first.Rule
		}
		report.Findings = append(report.Findings, f)
	case answer != nil:
		report.Findings = append(report.Findings, Cross(q, answer)...)
	}
	return report, nil
}

// inspect returns the report on a document and, where its structure allows, its body.
func (j judge) inspect(document []byte) (report rulecheck.Report, body canon.Body) {
	doc, err := xmldoc.ParseBytes(document, xmldoc.Limits{})
	if err != nil {
		f := finding(rulecheck.LayerXML, "", "The document is no XML that is read.")
		if broken, ok := errors.AsType[*xmldoc.ParseError](err); ok {
			f.Meaning, f.Line, f.Column = broken.Error(), broken.Line, broken.Col
		}
		report.Findings = append(report.Findings, f)
		return report, nil
	}
	root := doc.Root()
	report.Document = DocumentOf(root)
	if report.Document == "" {
		f := finding(rulecheck.LayerStructure, "", "The root is neither query:QueryRequest nor query:QueryResponse.")
		f.Path = root.Path()
		report.Findings = append(report.Findings, f)
		return report, nil
	}
	ed, specification, err := choose(root, new(ebms.UserMessage))
	if v, ok := errors.AsType[*violation](err); ok {
		report.Findings = append(report.Findings, v.findings...)
		return report, nil
	}
	report.Edition = ed.name
	report.Findings = append(j.check(ed, report.Document, root), misplaced(root)...)
	d, err := decode(ed, specification, report.Document, root)
	if f, ok := structural(err); ok {
		report.Findings = append(report.Findings, f)
		return report, nil
	}
	if d.response != nil { // without the parts, the metadata say what form each document has
		for i, it := range d.response.items {
			if len(it.formats) > 0 {
				d.response.body.Documents[i].Payload.MediaType = it.formats[0]
			}
		}
	}
	return report, d.body
}

// DocumentOf returns which evidence message a document is by its root, empty for none.
func DocumentOf(root xmldoc.Element) rules.Document {
	switch {
	case root.Is(nameRequest):
		return rules.EDMRequest
	case !root.Is(nameResponse):
		return ""
	}
	if status, _ := root.Attr(rim.Plain("status")); rim.Collapse(status) == rim.StatusFailure {
		return rules.EDMError
	}
	return rules.EDMResponse
}

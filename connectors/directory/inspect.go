package directory

import (
	"errors"
	"io/fs"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/rulecheck"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/codes"
	"oncegate/schemas/rules"
)

// Inspect checks an answer of the common services whole: XML, structure, business
// rules. Nil lists are the published ones.
func Inspect(doc []byte, lists *codes.Lists) rulecheck.Report {
	parsed, err := xmldoc.ParseBytes(doc, limits(len(doc)))
	if err != nil {
		f := rulecheck.Finding{Layer: rulecheck.LayerXML, Severity: rules.Fatal, Meaning: "The document is not one that is read here."}
		if e, ok := errors.AsType[*xmldoc.ParseError](err); ok {
			f.Line, f.Column, f.Meaning = e.Line, e.Col, f.Meaning[:len(f.Meaning)-1]+": "+e.Reason.String()+"."
		}
		return rulecheck.Report{Findings: []rulecheck.Finding{f}}
	}
	report := judge(parsed.Root(), lists)
	if _, err := answers.Read(parsed.Root()); err != nil {
		f := rulecheck.Finding{Layer: rulecheck.LayerStructure, Edition: report.Edition, Severity: rules.Fatal, Meaning: "The document is not an answer of the common services."}
		if e, ok := errors.AsType[*rim.Fault](err); ok {
			f.Path, f.Line, f.Column, f.Meaning = e.Path, e.Line, e.Column, e.Text
		}
		report.Findings = append([]rulecheck.Finding{f}, report.Findings...)
	}
	return report
}

// judge runs the rules of an answer that has some.
func judge(root xmldoc.Element, lists *codes.Lists) rulecheck.Report {
	d, ok := rulecheck.Detect(root)
	if !ok {
		return rulecheck.Report{}
	}
	report := rulecheck.Report{Document: d.Document, Edition: d.Edition}
	set, err := rulecheck.Rules(d.Document, d.Edition, lists)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil: // the rules are our own: a test compiles them all
		report.Findings = []rulecheck.Finding{{Layer: rulecheck.LayerRule, Severity: rules.Fatal, Meaning: err.Error()}}
	default:
		report.Findings = set.Check(d.Root)
	}
	return report
}

// limits bound one document. Where an answer may be large, it may have as many nodes
// as its size allows.
func limits(size int) xmldoc.Limits {
	return xmldoc.Limits{MaxBytes: max(size, 1), MaxDepth: 48, MaxNodes: max(size/4, 1<<16), MaxAttributes: 64, MaxNamespaces: 64}
}

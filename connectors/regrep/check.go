package regrep

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/rulecheck"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
	"oncegate/schemas/rules"
)

// A judge holds the rules of every document in every edition, ready to run.
type judge struct {
	sets map[ruleKey]*rulecheck.Set
}

type ruleKey struct {
	edition  string
	document rules.Document
}

func newJudge(lists *codes.Lists) (judge, error) {
	j := judge{sets: map[ruleKey]*rulecheck.Set{}}
	var errs []error
	for _, ed := range editions {
		for _, doc := range [...]rules.Document{rules.EDMRequest, rules.EDMResponse, rules.EDMError, rules.EDMHeader} {
			set, err := rulecheck.Rules(doc, ed.name, lists)
			errs = append(errs, err)
			j.sets[ruleKey{ed.name, doc}] = set
		}
	}
	return j, errors.Join(errs...)
}

func (j judge) check(ed *edition, doc rules.Document, root xmldoc.Element) []rulecheck.Finding {
	return j.sets[ruleKey{ed.name, doc}].Check(root)
}

// header runs the rules on the header of a message.
func (j judge) header(ed *edition, h *ebms.UserMessage) ([]rulecheck.Finding, error) {
	block, err := ebms.AppendUserMessage(make([]byte, 0, 4<<10), h, "m")
	if err != nil {
		return nil, breaks(rulecheck.LayerXML, "", "the header holds a character that XML does not allow")
	}
	doc, err := xmldoc.ParseKept(block, xmldoc.Limits{})
	if err != nil {
		return nil, fmt.Errorf("reading header for its rules: %w", err)
	}
	findings := j.check(ed, rules.EDMHeader, doc.Root())
	for i := range findings { // lines of the block above are nobody's
		findings[i].Line, findings[i].Column = 0, 0
	}
	return findings, nil
}

// fatal makes a violation of findings if one of them is fatal.
func fatal(findings []rulecheck.Finding) error {
	if _, ok := rulecheck.FirstFatal(findings); !ok {
		return nil
	}
	return &violation{edm: codeInvalid, findings: findings}
}

// decoded is what was read of a document: a body, and for a response what ties it
// to its parts.
type decoded struct {
	body     canon.Body
	response *response
}

// read judges a document by its rules and, where none that is fatal is broken, reads
// it. A fault of structure is a violation too.
func (j judge) read(ed *edition, specification string, doc rules.Document, root xmldoc.Element) (decoded, error) {
	findings := j.check(ed, doc, root)
	if err := fatal(findings); err != nil {
		return decoded{}, err
	}
	d, err := decode(ed, specification, doc, root)
	if f, ok := structural(err); ok {
		return decoded{}, &violation{edm: codeInvalid, findings: append(findings, f)}
	}
	return d, err
}

// decode reads a document by its structure alone.
func decode(ed *edition, specification string, doc rules.Document, root xmldoc.Element) (decoded, error) {
	r := &reader{ed: ed, specification: specification}
	switch doc {
	case rules.EDMRequest:
		q, err := r.readRequest(root)
		return decoded{body: q}, err
	case rules.EDMResponse:
		x, err := r.readResponse(root)
		return decoded{body: x.body, response: x}, err
	}
	body, err := r.readException(root)
	return decoded{body: body}, err
}

// specificationOf returns the version that a document names, empty where it names none.
func specificationOf(root xmldoc.Element) string {
	for s := range root.All(nameSlot) {
		if name, _ := s.Attr(rim.Plain("name")); rim.Collapse(name) != slotSpecification {
			continue
		}
		if v := s.First(); !v.IsZero() && !v.First().IsZero() {
			return rim.Collapse(v.First().Text())
		}
	}
	return ""
}

// choose returns the edition that a document names. Without a name it is that of the
// header, whose rules then say what is missing.
func choose(root xmldoc.Element, h *ebms.UserMessage) (ed *edition, specification string, err error) {
	specification = specificationOf(root)
	if specification == "" {
		ed, specification = speak(h)
		return ed, specification, nil
	}
	ed, ok := editionOf(specification)
	if !ok {
		return nil, "", breaks(rulecheck.LayerRule, "TDD 4.7",
			"the version of the document is not spoken here, but %s", strings.Join(Specifications(), ", "))
	}
	return ed, specification, nil
}

// misplaced finds attributes of XML Schema instance that it does not define; the
// official 1.2 samples went around with xsi:lang for xml:lang.
func misplaced(root xmldoc.Element) []rulecheck.Finding {
	for e := range root.Descendants() {
		for a := range e.Attrs() {
			if a.Name.Space == rim.SpaceXSI && !slices.Contains([]string{"type", "nil", "schemaLocation", "noNamespaceSchemaLocation"}, a.Name.Local) {
				f := finding(rulecheck.LayerStructure, "", "there is an attribute that XML Schema instance does not define")
				f.Path = e.Path()
				f.Line, f.Column = e.Position()
				return []rulecheck.Finding{f}
			}
		}
	}
	return nil
}

package lcm

import (
	"errors"
	"slices"
	"strings"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/xmldoc"
)

// maxObjects bounds the registry objects of one submission.
const maxObjects = 50_000

// The codes of a refused submission (TDD 3.6).
const (
	CodeObject      = "LCM:ERR:0001"
	CodeAssociation = "LCM:ERR:0002"
	CodeDataset     = "LCM:ERR:0003"
)

// What is no business rule has one of these for its rule.
const (
	ruleForm  = "XSD"     // the document cannot be read as a submission
	ruleWhose = "TDD 3.6" // data of others, or for the other service
)

// A Fault is one reason why a submission is refused. Text names elements, and Object
// the object that it is about.
type Fault struct {
	Code, Rule, Text string
	Object           string
	Path             string // of the first faults of a document, for who has the document
	Line             int
}

// Error returns code, rule, place and text.
func (f Fault) Error() string { return f.Code + " " + f.Detail() }

// Detail is what the submitter is told.
func (f Fault) Detail() string {
	s := f.Text
	if f.Rule != "" {
		s = f.Rule + ": " + s
	}
	if f.Object != "" {
		s += " (" + f.Object + ")"
	}
	return s
}

func lcmName(local string) xmldoc.Name { return xmldoc.Name{Space: rim.SpaceLCM, Local: local} }

// Read reads a submission of any edition, as far as it can be read, and says why it
// cannot be read where it cannot. Whether it keeps the rules says a judge; what its data
// means is checked where it is kept.
func Read(root xmldoc.Element) (Submission, []Fault) {
	r := &reading{seen: map[string]bool{}}
	if !root.Is(lcmName("SubmitObjectsRequest")) {
		r.fault(CodeDataset, "", root, "the document is not an lcm:SubmitObjectsRequest")
		return r.s, r.faults
	}
	if id := attr(root, "id"); rim.IsURN(id) {
		r.s.ID = id
	} else { // R-LCM-ERR-003: an answer without requestId has this code
		r.fault(CodeDataset, "", root, "the id of the request is not urn:uuid: and a UUID")
	}
	lists := 0
	for e := range root.Children() {
		switch {
		case e.Is(rim.RIM("Slot")): // SpecificationIdentifier; the shape of the nouns says the edition
		case e.Is(rim.RIM("RegistryObjectList")):
			lists++
			for o := range e.Children() {
				r.object(o)
			}
		case e.Is(rim.RIM("RegistryObject")): // published snippets leave the list out
			r.object(e)
		default:
			r.fault(CodeObject, "", e, "an element does not belong into the request")
		}
	}
	if lists != 1 {
		r.fault(CodeObject, "", root, "the request does not have one RegistryObjectList")
	}
	return r.s, r.faults
}

type reading struct {
	s      Submission
	faults []Fault
	seen   map[string]bool // ids of objects
	n      int
}

func (r *reading) fault(code, object string, at xmldoc.Element, text string) {
	f := Fault{Code: code, Rule: ruleForm, Text: text, Object: object}
	if !at.IsZero() {
		f.Line, _ = at.Position()
		if len(r.faults) < maxFaults { // each counts the siblings
			f.Path = at.Path()
		}
	}
	if !rim.IsURN(object) {
		f.Object = ""
	}
	r.faults = append(r.faults, f)
}

func attr(e xmldoc.Element, name string) string {
	s, _ := e.Attr(rim.Plain(name))
	return rim.Collapse(s)
}

func (r *reading) object(e xmldoc.Element) {
	if r.n++; r.n > maxObjects {
		if r.n == maxObjects+1 {
			r.fault(CodeObject, "", e, "there are too many objects")
		}
		return
	}
	id := attr(e, "id")
	if !e.Is(rim.RIM("RegistryObject")) {
		r.fault(CodeObject, id, e, "RegistryObjectList holds something else than RegistryObject")
		return
	}
	if !rim.IsURN(id) {
		r.fault(CodeObject, id, e, "the id of an object is not urn:uuid: and a UUID")
		return
	}
	if r.seen[strings.ToLower(id)] {
		r.fault(CodeDataset, id, e, "an id is used twice")
		return
	}
	r.seen[strings.ToLower(id)] = true
	t, _ := e.Attr(rim.XSIType)
	if name, ok := e.ResolveQName(t); ok && name == rim.RIM("AssociationType") {
		r.association(e, id)
		return
	}
	var nouns answers.Reader
	s := nouns.Sequence(e)
	slots := nouns.Slots(&s)
	classes := slices.Collect(s.Many(rim.RIM("Classification"), 0, rim.Many))
	s.End()
	if !nouns.Failed() && len(classes) != 1 {
		r.fault(CodeObject, id, e, "an object does not have one Classification")
		return
	}
	o := Object{ID: id}
	node := ""
	if !nouns.Failed() {
		o.Classification, node = attr(classes[0], "id"), attr(classes[0], "classificationNode")
		part := partOf(node)
		switch {
		case part == "":
			r.fault(CodeObject, id, classes[0], "the classification node is of no service")
			return
		case r.s.Part != "" && r.s.Part != part:
			r.fault(CodeDataset, id, e, "the request holds objects of both services")
		}
		if r.s.Part == "" {
			r.s.Part = part
		}
		if !slots.Has(node) {
			r.fault(CodeObject, id, e, "the object lacks the slot of its classification node")
			return
		}
		read(&nouns, slots.Get(node), node, &o)
	}
	if f, ok := errors.AsType[*rim.Fault](nouns.Err()); ok {
		r.faults = append(r.faults, Fault{Code: CodeObject, Rule: ruleForm, Text: f.Text, Object: id, Path: f.Path, Line: f.Line})
		return
	}
	r.s.Objects = append(r.s.Objects, o)
}

// read reads the noun of a slot.
func read(r *answers.Reader, value xmldoc.Element, node string, o *Object) {
	name := node
	if node == nodeProvider {
		name = "AccessService" // R-DSD-SUB-S018
	}
	e := r.Any(value, rim.SDG(name))
	if r.Failed() {
		return
	}
	switch node {
	case nodeType:
		v := r.EvidenceType(e)
		o.Type = &v
	case nodeList:
		v := r.EvidenceTypeList(e)
		o.List = &v
	case nodeRequirement:
		v := r.Requirement(e)
		o.Requirement = &v
	case nodeFramework:
		v := r.Framework(e)
		o.Framework = &v
	case nodeService:
		v := r.DataService(e)
		o.Service = &v
	case nodeProvider:
		v := r.AccessService(e)
		o.Provider = &v
	}
}

func (r *reading) association(e xmldoc.Element, id string) {
	a := Association{ID: id, Source: attr(e, "sourceObject"), Target: attr(e, "targetObject")}
	var known bool
	if a.Kind, known = strings.CutPrefix(attr(e, "type"), rim.AssociationPrefix); !known || kinds[a.Kind] == (kind{}) {
		r.fault(CodeAssociation, id, e, "the association is of no kind of the services")
		return
	}
	if !rim.IsURN(a.Source) || !rim.IsURN(a.Target) {
		r.fault(CodeAssociation, id, e, "the association lacks its source or its target")
		return
	}
	r.s.Associations = append(r.s.Associations, a)
}

package lcm

import (
	"errors"
	"fmt"
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

// A Fault is one reason why a submission is refused. Rule is the business rule, or
// "XSD"; Text names elements, and Object the object that it is about.
type Fault struct {
	Code, Rule, Text string
	Object           string
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

// Read reads a submission of any edition, as far as it can be read, and says all
// that is wrong with its structure. What its data means is checked where it is kept.
func Read(root xmldoc.Element) (Submission, []Fault) {
	r := &reading{nodes: map[string]string{}}
	if !root.Is(lcmName("SubmitObjectsRequest")) {
		r.fault(CodeDataset, "R-DSD-SUB-S001", "", root, "the document is not an lcm:SubmitObjectsRequest")
		return r.s, r.faults
	}
	if id := attr(root, "id"); rim.IsURN(id) {
		r.s.ID = id
	} else { // R-LCM-ERR-003: an answer without requestId has this code
		r.fault(CodeDataset, "R-DSD-SUB-S004", "", root, "the id of the request is not urn:uuid: and a UUID")
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
			r.fault(CodeObject, "XSD", "", e, "an element does not belong into the request")
		}
	}
	if lists != 1 {
		r.fault(CodeObject, "R-DSD-SUB-S005", "", root, "the request does not have one RegistryObjectList")
	}
	for _, a := range r.s.Associations {
		r.tied(a)
	}
	return r.s, r.faults
}

type reading struct {
	s      Submission
	faults []Fault
	nodes  map[string]string // of objects, by id
	n      int
}

func (r *reading) fault(code, rule, object string, at xmldoc.Element, text string) {
	f := Fault{Code: code, Rule: rule, Text: text, Object: object}
	if !at.IsZero() {
		f.Line, _ = at.Position()
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
			r.fault(CodeObject, "limit", "", e, "there are too many objects")
		}
		return
	}
	id := attr(e, "id")
	if !e.Is(rim.RIM("RegistryObject")) {
		r.fault(CodeObject, "XSD", id, e, "RegistryObjectList holds something else than RegistryObject")
		return
	}
	if !rim.IsURN(id) {
		r.fault(CodeObject, "R-DSD-SUB-S032", id, e, "the id of an object is not urn:uuid: and a UUID")
		return
	}
	if _, twice := r.nodes[strings.ToLower(id)]; twice {
		r.fault(CodeDataset, "XSD", id, e, "an id is used twice")
		return
	}
	r.nodes[strings.ToLower(id)] = ""
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
		r.fault(CodeObject, "R-DSD-SUB-S007", id, e, "an object does not have one Classification")
		return
	}
	o := Object{ID: id}
	node := ""
	if !nouns.Failed() {
		o.Classification, node = attr(classes[0], "id"), attr(classes[0], "classificationNode")
		part := partOf(node)
		switch {
		case part == "":
			r.fault(CodeObject, "R-DSD-SUB-S013", id, classes[0], "the classification node is of no service")
			return
		case attr(classes[0], "classificationScheme") != schemes[part]:
			r.fault(CodeObject, "R-DSD-SUB-S012", id, classes[0], "the classification scheme is not that of the node")
		case !rim.IsURN(o.Classification):
			r.fault(CodeObject, "R-DSD-SUB-S009", id, classes[0], "the id of a classification is not urn:uuid: and a UUID")
		case r.s.Part != "" && r.s.Part != part:
			r.fault(CodeDataset, "TDD 3.6", id, e, "the request holds objects of both services")
		}
		if r.s.Part == "" {
			r.s.Part = part
		}
		if !slots.Has(node) {
			r.fault(CodeObject, "EB-SUB-S022", id, e, "the object lacks the slot of its classification node")
			return
		}
		read(&nouns, slots.Get(node), node, &o)
	}
	if f, ok := errors.AsType[*rim.Fault](nouns.Err()); ok {
		r.faults = append(r.faults, Fault{Code: CodeObject, Rule: "XSD", Text: f.Text, Object: id, Line: f.Line})
		return
	}
	r.nodes[strings.ToLower(id)] = node
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
		if len(v.Distributions) > 0 {
			r.Fail(e, "EB-SUB-S026: an evidence type holds distributions")
		}
	case nodeList:
		v := r.EvidenceTypeList(e)
		o.List = &v
		if len(v.Types) > 0 {
			r.Fail(e, "EB-SUB-S027: a list holds evidence types; associations say them")
		}
	case nodeRequirement:
		v := r.Requirement(e)
		o.Requirement = &v
		if len(v.Frameworks)+len(v.Lists) > 0 {
			r.Fail(e, "EB-SUB-S028: a requirement holds lists or frameworks; associations say them")
		}
	case nodeFramework:
		v := r.Framework(e)
		o.Framework = &v
		if len(v.Procedures) == 0 || v.Jurisdiction.IsZero() {
			r.Fail(e, "R-EDM-REQ-S049: a framework lacks RelatedTo or Jurisdiction")
		}
	case nodeService:
		v := r.DataService(e)
		o.Service = &v
		if len(v.Access) > 0 {
			r.Fail(e, "a data service holds access services; associations say them")
		}
	case nodeProvider:
		v := r.AccessService(e)
		o.Provider = &v
		if v.Publisher.ID.IsZero() {
			r.Fail(e, "an access service lacks its Publisher")
		}
	}
}

func (r *reading) association(e xmldoc.Element, id string) {
	a := Association{ID: id, Source: attr(e, "sourceObject"), Target: attr(e, "targetObject")}
	var known bool
	if a.Kind, known = strings.CutPrefix(attr(e, "type"), rim.AssociationPrefix); !known || kinds[a.Kind].source == "" {
		r.fault(CodeAssociation, "R-DSD-SUB-S029", id, e, "the association is of no kind of the services")
		return
	}
	if !rim.IsURN(a.Source) || !rim.IsURN(a.Target) {
		r.fault(CodeAssociation, "R-DSD-SUB-S024", id, e, "the association lacks its source or its target")
		return
	}
	r.s.Associations = append(r.s.Associations, a)
}

// tied checks the ends of an association, once all objects are known.
func (r *reading) tied(a Association) {
	k := kinds[a.Kind]
	source, target := r.nodes[strings.ToLower(a.Source)], r.nodes[strings.ToLower(a.Target)]
	_, from := r.nodes[strings.ToLower(a.Source)]
	_, to := r.nodes[strings.ToLower(a.Target)]
	switch {
	case !from || !to: // TDD 3.6: references that do not resolve
		r.faults = append(r.faults, Fault{Code: CodeDataset, Rule: k.ends, Text: fmt.Sprintf("an association %s refers to an object that is not in the request", a.Kind), Object: a.ID})
	case source == "" || target == "":
		// the object was refused: told already
	case source != k.source || target != k.target:
		rule := k.ends
		for _, other := range kinds {
			if source == other.source && target == other.target {
				rule = other.between
			}
		}
		r.faults = append(r.faults, Fault{Code: CodeAssociation, Rule: rule, Text: fmt.Sprintf("an association %s ties %s to %s", a.Kind, source, target), Object: a.ID})
	case r.s.Part != k.part:
		r.faults = append(r.faults, Fault{Code: CodeDataset, Rule: "TDD 3.6", Text: "an association is of the other service", Object: a.ID})
	}
}

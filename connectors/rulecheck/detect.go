package rulecheck

import (
	"strings"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/rules"
)

// A Detected says which rules a document has to keep.
type Detected struct {
	Document rules.Document
	Edition  string         // of the rules: as it says or as its form tells; 2.0 otherwise
	Named    string         // what the document says, such as oots-edm:v1.1, where that is known; otherwise empty
	Root     xmldoc.Element // to be checked: within an envelope the header of its message
}

const (
	spaceSOAP12 = "http://www.w3.org/2003/05/soap-envelope"
	spaceSOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
)

// specifications are the identifiers of data models and their rules.
var specifications = map[string]string{
	"oots-edm:v1.0": rules.Edition10, "oots-edm:v1.1": rules.Edition12, "oots-edm:v1.2": rules.Edition12, "oots-edm:v2.0": rules.Edition20,
	"oots-cs:v1.0": rules.Edition10, "oots-cs:v1.1": rules.Edition12, "oots-cs:v1.2": rules.Edition12, "oots-cs:v2.0": rules.Edition20,
}

func name(prefix, local string) xmldoc.Name {
	return xmldoc.Name{Space: prefixes[prefix], Local: local}
}

// Detect says what a document is, by its root element and the slots that tell. It is
// false for what has no rules.
func Detect(root xmldoc.Element) (Detected, bool) {
	d := Detected{Root: root, Edition: rules.Edition20}
	switch root.Name() {
	case name("query", "QueryRequest"):
		d.Document = rules.EDMRequest
	case name("query", "QueryResponse"):
		d.Document = response(root)
	case name("lcm", "SubmitObjectsRequest"):
		d.Document = rules.EBSubmission
		if slots := objectSlots(root); slots["DataServiceEvidenceType"] || slots["EvidenceProvider"] || serves(root) {
			d.Document = rules.DSDSubmission
		}
	case name("rs", "RegistryResponse"):
		d.Document = rules.SubmissionAnswer
	case name("eb", "Messaging"), name("eb", "UserMessage"):
		d.Document = rules.EDMHeader
	case xmldoc.Name{Space: spaceSOAP12, Local: "Envelope"}, xmldoc.Name{Space: spaceSOAP11, Local: "Envelope"}:
		header := child(root, xmldoc.Name{Space: root.Name().Space, Local: "Header"})
		if d.Root = child(header, name("eb", "Messaging")); d.Root.IsZero() {
			return Detected{}, false
		}
		d.Document = rules.EDMHeader
	default:
		return Detected{}, false
	}
	said := slotText(root, "SpecificationIdentifier")
	switch d.Document {
	case rules.EDMRequest, rules.EDMResponse, rules.EDMError:
	case rules.EDMHeader:
		said = headerSpecification(d.Root)
		d.Edition = rules.Edition12 // a header names its edition since 2.0 (TDD 4.7)
	case rules.EBSubmission, rules.DSDSubmission:
		d.Edition = submissionEdition(root)
	default:
		d.Edition = rules.Edition10 // the directories name theirs since 1.1
	}
	if e, ok := specifications[said]; ok {
		d.Named, d.Edition = said, e
	}
	return d, true
}

// response tells the answers of authorities and directories apart.
func response(root xmldoc.Element) rules.Document {
	failed := strings.HasSuffix(attrText(root, "status"), ":Failure")
	code := ""
	for e := range root.All(name("rs", "Exception")) {
		failed = true
		if code == "" {
			code = attrText(e, "code")
		}
	}
	slots := objectSlots(root)
	said := slotText(root, "SpecificationIdentifier")
	common := strings.HasPrefix(said, "oots-cs:")
	if said == "" {
		common = slots["Requirement"] || slots["DataServiceEvidenceType"] || strings.HasPrefix(code, "EB:") || strings.HasPrefix(code, "DSD:")
	}
	switch {
	case common && failed && strings.HasPrefix(code, "DSD:"):
		return rules.DSDError
	case common && failed:
		return rules.EBError
	case common && slots["DataServiceEvidenceType"]:
		return rules.DSDServices
	case common && hasEvidenceTypes(root):
		return rules.EBEvidenceTypes
	case common:
		return rules.EBRequirements
	case failed:
		return rules.EDMError
	}
	return rules.EDMResponse
}

func child(e xmldoc.Element, name xmldoc.Name) xmldoc.Element {
	if !e.IsZero() {
		for c := range e.All(name) {
			return c
		}
	}
	return xmldoc.Element{}
}

func attrText(e xmldoc.Element, local string) string {
	v, _ := e.Attr(xmldoc.Name{Local: local})
	return trim(v)
}

// slotText is the text of the first slot with the name.
func slotText(e xmldoc.Element, slot string) string {
	for s := range e.All(name("rim", "Slot")) {
		if attrText(s, "name") == slot {
			v := child(child(s, name("rim", "SlotValue")), name("rim", "Value"))
			if v.IsZero() {
				return ""
			}
			return trim(v.Text())
		}
	}
	return ""
}

// objects yields the registry objects of an answer or a submission.
func objects(root xmldoc.Element, yield func(xmldoc.Element) bool) {
	list := child(root, name("rim", "RegistryObjectList"))
	if list.IsZero() {
		return
	}
	for o := range list.Children() {
		if !yield(o) {
			return
		}
	}
}

// objectSlots are the names of the slots of the registry objects.
func objectSlots(root xmldoc.Element) map[string]bool {
	out := make(map[string]bool)
	objects(root, func(o xmldoc.Element) bool {
		for s := range o.All(name("rim", "Slot")) {
			if len(out) < 100 {
				out[attrText(s, "name")] = true
			}
		}
		return true
	})
	return out
}

// serves reports whether an association of a submission is one of the Data Service
// Directory.
func serves(root xmldoc.Element) bool {
	found := false
	objects(root, func(o xmldoc.Element) bool {
		found = strings.HasSuffix(attrText(o, "type"), ":ServesEvidenceType")
		return !found
	})
	return found
}

// hasEvidenceTypes reports whether a requirement comes with lists of evidence types.
func hasEvidenceTypes(root xmldoc.Element) bool {
	found := false
	objects(root, func(o xmldoc.Element) bool {
		for s := range o.All(name("rim", "Slot")) {
			req := child(child(s, name("rim", "SlotValue")), name("sdg", "Requirement"))
			found = found || !child(req, name("sdg", "EvidenceTypeList")).IsZero()
		}
		return !found
	})
	return found
}

// headerSpecification is the message property SpecificationId.
func headerSpecification(root xmldoc.Element) string {
	user := root
	if !user.Is(name("eb", "UserMessage")) {
		user = child(root, name("eb", "UserMessage"))
	}
	props := child(user, name("eb", "MessageProperties"))
	if props.IsZero() {
		return ""
	}
	for p := range props.All(name("eb", "Property")) {
		if attrText(p, "name") == "SpecificationId" {
			return trim(p.Text())
		}
	}
	return ""
}

// submissionEdition is the edition of a submission, which names none: its nouns tell.
// What came with 2.0 or went with it decides, then the place of the Semantic
// Repository, which moved after 1.0, then the data models that services speak. Where
// nothing tells it is 1.0, whose form alone is published.
func submissionEdition(root xmldoc.Element) string {
	var first, before20, since20, moved bool
	newest := ""
	objects(root, func(o xmldoc.Element) bool {
		for s := range o.All(name("rim", "Slot")) {
			noun := child(s, name("rim", "SlotValue"))
			if noun.IsZero() {
				continue
			}
			for e := range noun.Descendants() {
				parent := e.Parent().Name().Local
				switch local := e.Name().Local; local {
				case "AdditionalJurisdictionClassification":
					since20 = true
				case "Jurisdiction":
					since20 = since20 || parent == "EvidenceTypeList"
					before20 = before20 || parent == "EvidenceType"
				case "EvidenceProviderJurisdictionDetermination", "Transformation":
					before20 = true
				case "ConformsTo", "Identifier", "EvidenceTypeClassification":
					text := trim(e.Text())
					first = first || strings.HasPrefix(text, "https://sr.oots.tech.europa.eu/")
					moved = moved || strings.HasPrefix(text, "https://sr.")
					if parent == "AccessService" && local == "ConformsTo" {
						newest = max(newest, text)
					}
				}
			}
		}
		return true
	})
	switch {
	case since20:
		return rules.Edition20
	case first:
		return rules.Edition10
	case before20 && moved:
		return rules.Edition12
	case newest != "":
		if e, ok := specifications[newest]; ok {
			return e
		}
		return rules.Edition20
	case moved:
		return rules.Edition20
	}
	return rules.Edition10
}

package regrep

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"oncegate/connectors/edelivery"
	"oncegate/schemas/canon"
)

// A mutation breaks a good document in one way.
type mutation func(t *testing.T, doc string) string

// put replaces the first occurrence of old.
func put(old, text string) mutation {
	return func(t *testing.T, doc string) string {
		t.Helper()
		if !strings.Contains(doc, old) {
			t.Fatalf("the document does not hold %q", old)
		}
		return strings.Replace(doc, old, text, 1)
	}
}

// span finds a whole slot, with its indentation, by name.
func span(t *testing.T, doc, name string) (from, to int) {
	t.Helper()
	i := strings.Index(doc, `<rim:Slot name="`+name+`">`)
	if i < 0 {
		t.Fatalf("the document has no slot %s", name)
	}
	from = strings.LastIndexByte(doc[:i], '\n')
	end := doc[from:i] + "</rim:Slot>"
	return from, i + strings.Index(doc[i:], end) + len(end)
}

func dropSlot(name string) mutation {
	return func(t *testing.T, doc string) string {
		from, to := span(t, doc, name)
		return doc[:from] + doc[to:]
	}
}

func doubleSlot(name string) mutation {
	return func(t *testing.T, doc string) string {
		from, to := span(t, doc, name)
		return doc[:to] + doc[from:]
	}
}

// inSlot replaces the first occurrence of old in a slot.
func inSlot(name, old, text string) mutation {
	return func(t *testing.T, doc string) string {
		from, to := span(t, doc, name)
		return doc[:from] + put(old, text)(t, doc[from:to]) + doc[to:]
	}
}

func retype(name string) mutation {
	return inSlot(name, `<rim:SlotValue xsi:type="rim:`, `<rim:SlotValue xsi:type="rim:Wrong`)
}

func drop(s string) mutation { return put(s, "") }

// same leaves the document as it is: its root is wrong for the action.
func same(_ *testing.T, doc string) string { return doc }

const goodLegal = `<sdg:LegalPersonIdentifier schemeID="eidas">NL/FI/12345678</sdg:LegalPersonIdentifier><sdg:LegalName>Voorbeeld B.V.</sdg:LegalName>`

func both(a, b mutation) mutation {
	return func(t *testing.T, doc string) string { return b(t, a(t, doc)) }
}

// cut removes what stands from the first from up to and with the next to.
func cut(t *testing.T, doc, from, to string) string {
	t.Helper()
	i := strings.Index(doc, from)
	if i < 0 {
		t.Fatalf("the document does not hold %q", from)
	}
	j := strings.Index(doc[i:], to)
	return doc[:i] + doc[i+j+len(to):]
}

func dropAddress(t *testing.T, doc string) string {
	return cut(t, doc, "<sdg:Address>", "</sdg:Address>")
}

func exceptionless(t *testing.T, doc string) string {
	return cut(t, doc, "<rs:Exception ", "</rs:Exception>")
}

func legalSubject(content string) mutation {
	return func(t *testing.T, doc string) string {
		doc = cut(t, doc, "<sdg:NaturalPerson>", "</sdg:NaturalPerson>")
		return put("<sdg:IsAbout>", "<sdg:IsAbout><sdg:LegalPerson>"+content+"</sdg:LegalPerson>")(t, doc)
	}
}

// secondPackage adds a package about another person.
func secondPackage(t *testing.T, doc string) string {
	from := strings.Index(doc, `<rim:RegistryObject xsi:type="rim:RegistryPackageType"`)
	to := strings.LastIndex(doc, "</rim:RegistryObject>") + len("</rim:RegistryObject>")
	other := strings.NewReplacer("Maija", "Matti", "urn:uuid:0", "urn:uuid:1", "urn:uuid:2", "urn:uuid:3",
		"urn:uuid:4", "urn:uuid:5", "urn:uuid:f", "urn:uuid:e", "urn:uuid:9", "urn:uuid:8",
		id(8), id(80), id(9), id(90), id(10), id(100)).Replace(doc[from:to])
	return doc[:to] + other + doc[to:]
}

// attachments are the parts of response-delivered.
func attachments() []edelivery.Part {
	return []edelivery.Part{
		attachment(id(8)+"@gate.example.fi", "application/xml", []byte("<certificate/>")),
		attachment(id(9)+"@gate.example.fi", "application/pdf", []byte("%PDF")),
		attachment(id(10)+"@gate.example.fi", "application/pdf", []byte("%PDF")),
	}
}

func golden(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".xml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// named reports whether a verdict names the rule, first or among others.
func named(verdict, rule string) bool {
	first, rest, _ := strings.Cut(verdict, ": ")
	_, also, _ := strings.Cut(rest, "; also ")
	return rule != "" && (first == rule || slices.Contains(strings.Split(also, ", "), rule))
}

// verdict returns the detail of the refusal or of the fault, "" for a good message.
func verdict(t *testing.T, c *Codec, in edelivery.Incoming) string {
	t.Helper()
	s := new(store)
	ms, err := c.Decode(t.Context(), in, s)
	if err != nil {
		f, ok := errors.AsType[*canon.Fault](err)
		if !ok || f.Code != canon.CodeResponseInvalid {
			t.Fatalf("Decode: %v", err)
		}
		if len(s.data) > 0 {
			t.Error("a refused response left evidence in the store")
		}
		return f.Detail
	}
	if p, ok := ms[0].Body.(*canon.EvidenceRefusal); ok && p.Leg == canon.LegOut {
		if p.ErrorCode != codeInvalid {
			t.Errorf("error code: got %s", p.ErrorCode)
		}
		return p.Detail
	}
	return ""
}

func TestGoodVariants(t *testing.T) {
	c := newCodec(t)
	for _, tt := range []struct {
		name, action, file string
		mutate             mutation
	}{
		{"every optional attribute", ActionRequest, "request-full", same},
		{"boolean as digit", ActionRequest, "request-second", inSlot("PossibilityForPreview", "true", "1")},
		{"padded text", ActionRequest, "request-second", put("https://sr.oots.tech.ec.europa.eu/evidence", "\n   https://sr.oots.tech.ec.europa.eu/evidence")},
		{"upper-case id", ActionRequest, "request-second", put("urn:uuid:a", "urn:uuid:A")},
		{"time with a zone", ActionRequest, "request-second", put("12:00:00.000Z", "14:00:00+02:00")},
		{"time without a zone", ActionRequest, "request-second", put("12:00:00.000Z", "12:00:00")},
		{"person without identifier is a warning, C038", ActionRequest, "request-second", drop(`<sdg:Identifier schemeID="eidas">FI/NL/010190-999X</sdg:Identifier>`)},
		{"slots in another order", ActionRequest, "request-second", func(t *testing.T, doc string) string {
			from, to := span(t, doc, "SpecificationIdentifier")
			rest := doc[:from] + doc[to:]
			at := strings.Index(rest, "\n  <query:ResponseOption")
			return rest[:at] + doc[from:to] + rest[at:]
		}},
		{"other prefixes", ActionRequest, "request-second", func(_ *testing.T, doc string) string {
			return strings.NewReplacer("sdg:", "p4s:", "rim:", "a:", "xmlns:sdg", "xmlns:p4s", "xmlns:rim", "xmlns:a").Replace(
				strings.ReplaceAll(doc, "xsd:rim:4.0", "xsd:RIM:4.0"))
		}},
		{"declined after the draft severity", ActionException, "preview-required", put("sr.oots.tech.ec.europa.eu:codes", "sr.oots.tech.europa.eu:codes")},
		{"older wording, C027", ActionException, "refusal-query", put("Invalid query syntax or semantics that must be corrected", "Problem during the processing of a QueryRequest")},
		{"legal subject", ActionResponse, "response-delivered", legalSubject(goodLegal)},
		{"two packages", ActionResponse, "response-delivered", func(t *testing.T, doc string) string {
			return strings.ReplaceAll(secondPackage(t, doc), "Matti", "Maija")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := strings.ReplaceAll(tt.mutate(t, golden(t, tt.file)), "xsd:RIM:4.0", "xsd:rim:4.0")
			in := incoming(tt.action, []byte(doc))
			if tt.action == ActionResponse {
				in.Parts = append(in.Parts, attachments()...)
				if tt.name == "two packages" {
					for _, n := range []int{80, 90, 100} {
						kind := "application/pdf"
						if n == 80 {
							kind = "application/xml"
						}
						in.Parts = append(in.Parts, attachment(id(n)+"@gate.example.fi", kind, []byte("x")))
					}
				}
			}
			if got := verdict(t, c, in); got != "" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestMessageProperties(t *testing.T) {
	c := newCodec(t)
	for _, tt := range []struct {
		rule   string
		change func(*edelivery.Incoming)
	}{
		{"R-EDM-ebMS-017", func(in *edelivery.Incoming) { in.Header.ConversationID = "session 1" }},
		{"R-EDM-ebMS-018", func(in *edelivery.Incoming) { in.Header.Properties = in.Header.Properties[:2] }},
		{"R-EDM-ebMS-018", func(in *edelivery.Incoming) { in.Header.Properties = nil }},
		{"R-EDM-ebMS-019", func(in *edelivery.Incoming) { in.Header.Properties[2].Name = "exchangeId" }},
		{"R-EDM-ebMS-019", func(in *edelivery.Incoming) { in.Header.Properties[3] = in.Header.Properties[2] }},
		{"R-EDM-ebMS-023", func(in *edelivery.Incoming) { in.Parts = append(in.Parts, in.Parts[0]) }},
		{"R-EDM-ebMS-023", func(in *edelivery.Incoming) { in.Parts = nil }},
		{"R-EDM-ebMS-023", func(in *edelivery.Incoming) { in.Parts[0].MediaType = "application/xml" }},
		{"R-EDM-ebMS-037", func(in *edelivery.Incoming) { in.Header.Properties[2].Value = "1" }},
		{"R-EDM-ebMS-038", func(in *edelivery.Incoming) { in.Header.Properties[3].Value = "oots-edm:v1.2" }},
		{"R-EDM-ebMS-038", func(in *edelivery.Incoming) { in.Header.Properties[3].Value = " oots-edm:v2.0" }},
		{"TDD 4.7.1 originalSender", func(in *edelivery.Incoming) { in.Header.Properties[0].Type = "" }},
		{"TDD 4.7.1", func(in *edelivery.Incoming) { in.Header.Properties[0].Value = "somebody else" }},
		{"TDD 4.7.1", func(in *edelivery.Incoming) { in.Header.Properties[1].Value = "somebody else" }},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			in := incoming(ActionRequest, []byte(golden(t, "request-second")))
			tt.change(&in)
			in = listed(in)
			m := decodeOne(t, c, in, nil)
			p := m.Body.(*canon.EvidenceRefusal)
			if !named(p.Detail, tt.rule) {
				t.Errorf("got %q", p.Detail)
			}
			// Whatever was broken, the answer can be sent.
			if _, ok, err := c.Encode(t.Context(), m, nil); err != nil || !ok {
				t.Errorf("Encode: ok %v, %v", ok, err)
			}
		})
	}
	for rule, in := range map[string]edelivery.Incoming{
		"R-EDM-ebMS-030": incoming(ActionException, []byte(golden(t, "refusal-timeout")), attachments()...),
		"R-EDM-ebMS-032": {Header: header(ActionResponse), Parts: attachments()},
	} {
		if got := verdict(t, c, in); !strings.HasPrefix(got, rule) {
			t.Errorf("got %q, want %s", got, rule)
		}
	}
}

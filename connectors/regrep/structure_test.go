package regrep

import (
	"strings"
	"testing"

	"oncegate/connectors/regrep/rim"
)

const (
	intermediary = `<rim:Element xsi:type="rim:AnyValueType"><sdg:Agent><sdg:Identifier schemeID="urn:oasis:names:tc:ebcore:partyid-type:unregistered:NL">I</sdg:Identifier><sdg:Name lang="EN">Platform</sdg:Name><sdg:Classification>IP</sdg:Classification></sdg:Agent></rim:Element>`
	requirement  = `<rim:Element xsi:type="rim:AnyValueType"><sdg:Requirement><sdg:Identifier>https://sr.oots.tech.ec.europa.eu/requirements/a0000000-0000-4000-8000-000000000030</sdg:Identifier><sdg:Name lang="EN">Proof</sdg:Name></sdg:Requirement></rim:Element>`

	// Ids of objects in response-delivered.
	mainID        = "2cf13cf8-51d2-5f09-a990-25be5c9eda3d"
	translationID = "03ee077a-c743-5471-a18d-f68ce3c8d9df"
)

// A brokenCase is a good document broken in one way and what is said about it: a rule
// by its id, or words about the structure.
type brokenCase struct {
	want   string
	file   string // golden without .xml
	mutate mutation
}

// Rules have their samples beside them; these show that each kind of document is
// judged by its rules, and that the first one broken is named.
var ruled = map[string][]brokenCase{
	ActionRequest: {
		{"R-EDM-REQ-S001", "response-declined", same},
		{"R-EDM-REQ-S005", "request-second", dropSlot(slotSpecification)},
		{"R-EDM-REQ-S007", "request-second", dropSlot(slotProcedure)},
		{"R-EDM-REQ-S016", "request-second", dropSlot(slotNatural)},
		{"R-EDM-REQ-S019", "request-second", put(`name="ReturnLocation"`, `name="ReturnMethod"`)},
		{"R-EDM-REQ-S022", "request-second", retype(slotProcedure)},
		{"R-EDM-REQ-C003", "request-second", inSlot(slotProcedure, "T2", "Q9")},
		{"R-EDM-REQ-C005", "request-second", inSlot(slotPreview, "https://", "http://")},
		{"R-EDM-REQ-C037", "request-second", put("High", "high")},
		{"R-EDM-REQ-C043", "request-second", put("1990-01-01", "1990-13-01")},
		{"R-EDM-REQ-C058", "request-represented", inSlot(slotActing, "<sdg:LevelOfAssurance>High</sdg:LevelOfAssurance>", "")},
		{"TDD 4.7", "request-second", inSlot(slotSpecification, "v2.0", "v3.0")},
	},
	ActionResponse: {
		{"R-EDM-RESP-S007", "response-declined", put("<rim:RegistryObjectList/>", "")},
		{"R-EDM-RESP-S045", "response-delivered", put(rim.StatusSuccess, rim.StatusUnavailable)},
		{"R-EDM-RESP-S062", "response-delivered", drop("<sdg:IssuingDate>2026-06-01</sdg:IssuingDate>")},
		{"R-EDM-RESP-C046", "response-delivered", inSlot(slotProvider, "EP</sdg:Class", "IP</sdg:Class")},
	},
	ActionException: {
		{"R-EDM-ERR-S008", "refusal-timeout", exceptionless},
		{"R-EDM-ERR-C019", "preview-required", put("https://preview", "javascript:alert('https://preview")},
		{"R-EDM-ERR-C024", "refusal-timeout", dropAddress},
	},
}

// What no rule says is found by reading: order, number and type of elements, and what
// the canonical messages cannot carry.
var structural20 = map[string][]brokenCase{
	ActionRequest: {
		{"there twice", "request-second", doubleSlot(slotPreview)},
		{"not a boolean", "request-second", inSlot(slotPossible, "true", "yes")},
		{"not a AnyValueType", "request-second", inSlot(slotRequester, `Element xsi:type="rim:AnyValueType"`, `Element xsi:type="sdg:AnyValueType"`)},
		{"Agent does not belong", "request-full", inSlot(slotConcepts, "</sdg:EvidenceProviderClassification>", "</sdg:EvidenceProviderClassification><sdg:Agent/>")},
		{"Person does not belong", "request-second", inSlot(slotProvider, "</sdg:Agent>", "</sdg:Agent><sdg:Person/>")},
		{"Evidence does not belong", "request-second", inSlot(slotEvidence, "</sdg:DataServiceEvidenceType>", "</sdg:DataServiceEvidenceType><sdg:Evidence/>")},
		{"without fragment", "request-second", inSlot(slotPreview, "&amp;", "#")},
		{"without fragment", "request-second", inSlot(slotPreview, "https://", "https://user@")},
		{"without fragment", "request-second", inSlot(slotPreview, "https://preview.example.fi", "https://")},
		{"not exactly one Agent classified ER", "request-second", inSlot(slotRequester, "ER</sdg:Class", "IP</sdg:Class")},
		{"lacks FamilyName", "request-second", both(drop("<sdg:GivenName>Maija</sdg:GivenName>"), put("<sdg:FamilyName>", "<sdg:GivenName>Maija</sdg:GivenName><sdg:FamilyName>"))},
		{"GivenName holds elements", "request-second", put("Maija", "<b>Maija</b>")},
		{"GivenName is empty", "request-second", put("Maija", " ")},
		{"ValueExpression is not an https URI", "request-full", put("<sdg:ValueExpression>https:", "<sdg:ValueExpression>http:")},
		{"not such a value", "request-full", put("StringValue>U</sdg:StringValue", "DateValue>x</sdg:DateValue")},
		{"not such a value", "request-full", put("StringValue>U</sdg:StringValue", "BooleanValue>x</sdg:BooleanValue")},
		{"BooleanValue does not belong", "request-full", put("</sdg:StringValue>", "</sdg:StringValue><sdg:BooleanValue>1</sdg:BooleanValue>")},
		{"there are too many", "request-second", inSlot(slotRequester, "</sdg:Agent>\n      </rim:Element>", "</sdg:Agent></rim:Element>"+strings.Repeat(intermediary, maxAgents+1))},
		{"too many Element", "request-second", inSlot(slotRequirements, "</sdg:Requirement>\n      </rim:Element>", "</sdg:Requirement></rim:Element>"+strings.Repeat(requirement, rim.Many))},
		{"too many DistributedAs", "request-second", put("<sdg:DistributedAs>", strings.Repeat("<sdg:DistributedAs><sdg:Format>image/png</sdg:Format></sdg:DistributedAs>", maxForms)+"<sdg:DistributedAs>")},
		{"GivenName is too long", "request-second", put("Maija", strings.Repeat("a", rim.MaxName+1))},
		{"too many Language", "request-second", put("<sdg:Language>FI</sdg:Language>", strings.Repeat("<sdg:Language>FI</sdg:Language>", rim.Many+1))},
	},
	ActionResponse: {
		{"not about one person", "response-delivered", secondPackage},
		{"do not lead to a MainEvidence", "response-delivered", put(`targetObject="urn:uuid:`+mainID, `targetObject="urn:uuid:`+translationID)},
		{"LegalPerson does not belong", "response-delivered", legalSubject(goodLegal + "</sdg:LegalPerson><sdg:LegalPerson>" + goodLegal)},
	},
}

func TestBrokenDocumentsAreNamed(t *testing.T) {
	c := newCodec(t)
	for action, cases := range ruled {
		for _, tt := range cases {
			t.Run(tt.want, func(t *testing.T) {
				if got := broken(t, c, action, tt); !named(got, tt.want) {
					t.Errorf("got %q", got)
				}
			})
		}
	}
	for action, cases := range structural20 {
		for _, tt := range cases {
			t.Run(tt.want, func(t *testing.T) {
				got := broken(t, c, action, tt)
				if !strings.HasPrefix(got, "structure: ") || !strings.Contains(got, tt.want) || !strings.Contains(got, " at /query:") {
					t.Errorf("got %q", got)
				}
				if strings.Contains(got, "Maija") || strings.Contains(got, "Esimerkki") {
					t.Errorf("the verdict holds a value: %q", got)
				}
			})
		}
	}
}

func broken(t *testing.T, c *Codec, action string, tt brokenCase) string {
	t.Helper()
	in := incoming(action, []byte(tt.mutate(t, golden(t, tt.file))))
	if action == ActionResponse && tt.file == "response-delivered" {
		in.Parts = append(in.Parts, attachments()...)
	}
	return verdict(t, c, listed(in))
}

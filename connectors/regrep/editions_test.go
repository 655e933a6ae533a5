package regrep

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/edelivery"
	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
)

// older are the samples in an edition before 2.0, by the name of their golden files:
// what they say is what that edition can carry.
func older(ed *edition, s *store) map[string]canon.Body {
	out := samples(s)
	represented := legalRequest()
	represented.Language = "FI"
	represented.Requirements[0].Descriptions = []canon.Text{{Lang: "EN", Text: "The person is admitted to tertiary education."}}
	power := []canon.Attribute{{Name: canon.PowerName, URI: canon.PowerURI, Value: "X1"}}
	represented.Private = canon.Clear(canon.RequestPrivate{
		Subject: canon.Subject{Legal: &canon.LegalPerson{Assurance: "Substantial", Identifier: "NL/FI/123456789", Name: "Voorbeeld B.V.",
			Others: []canon.Identifier{{Scheme: "VAT", ID: "NL123456789B01"}}, Address: canon.Address{Full: "Voorbeeldstraat 1, Utrecht", Country: "NL"},
			Phone: "+31 00", Email: "info@voorbeeld.example"}},
		Representative: canon.Representative{
			Natural: &canon.NaturalPerson{Assurance: "High", Identifier: "NL/FI/987654321", FamilyName: "Voorbeeld", GivenName: "Kim", BirthDate: "1980-02-29", BirthName: "Proef", Attributes: power},
			Legal:   &canon.LegalPerson{Assurance: "High", Identifier: "NL/FI/555555555", Name: "Vertegenwoordiger B.V.", Attributes: power},
		},
		Concepts: []canon.ConceptAnswer{{ID: id(20), Scheme: "https://sr.oots.tech.ec.europa.eu/codelists/FI/regions", Type: "codelist",
			ValueURL: "https://cs.example/codelists/FI/regions", Descriptions: []canon.Text{{Lang: "EN", Text: "In which region?"}}, Values: []string{"1B"}}},
	})
	out["request-represented"] = represented
	for _, b := range out {
		fit(ed, b)
	}
	if ed.name == "1.0" { // where an error always names whom it is for
		delete(out, "refusal-uncorrelated")
	}
	return out
}

// TestOlderGoldensBothWays: what is written in 1.2 and 1.0, and that it is read as the
// same thing.
//
// Covers: B-055
func TestOlderGoldensBothWays(t *testing.T) {
	c := newCodec(t)
	for _, ed := range editions[1:] {
		var files []string
		s := new(store)
		for name, body := range older(ed, s) {
			path := filepath.Join("testdata", ed.name, name+".xml")
			files = append(files, path)
			t.Run(ed.name+" "+name, func(t *testing.T) {
				out, ok, err := c.Encode(t.Context(), message(body), s)
				if err != nil || !ok {
					t.Fatalf("Encode: ok %v, %v", ok, err)
				}
				if len(out.Properties) != 0 {
					t.Errorf("got %d properties besides the two of the four corners", len(out.Properties))
				}
				asFile(t, path, read(t, out.Parts[0]))
				in := carry(out, canon.EnvelopeOf(body))
				if p, ok := body.(*canon.EvidenceRefusal); ok && p.Requester.ID.IsZero() {
					in.Header.Properties[1].Value, in.Header.Properties[1].Type = pointNL.ID, pointNL.Scheme
				}
				m := decodeOne(t, c, in, s)
				expected := received(body, "carried@example")
				arrived(expected, m.Body)
				if d := cmp.Diff(expected, m.Body, equal); d != "" {
					t.Errorf("canon (-want +got):\n%s", d)
				}
				if err := publishable(m); err != nil {
					t.Error(err)
				}
			})
		}
		t.Run(ed.name+" schema", func(t *testing.T) { lint(t, ed, files...) })
	}
}

// TestSupplementsInAFlatList: before 2.0 there are no associations; an annex travels as
// an evidence of its own, with the metadata of the one that it belongs to.
func TestSupplementsInAFlatList(t *testing.T) {
	c := newCodec(t)
	for _, specification := range []string{"oots-edm:v1.2", "oots-edm:v1.1"} {
		s := new(store)
		p := responseSample(s)
		p.Specification = specification
		out, _, err := c.Encode(t.Context(), message(p), s)
		if err != nil {
			t.Fatal(err)
		}
		got := decodeOne(t, c, carry(out, &p.Envelope), s).Body.(*canon.EvidenceResponse)
		if len(got.Documents) != 3 || len(out.Parts) != 4 || got.Specification != specification {
			t.Fatalf("got %d documents, %d parts, version %s", len(got.Documents), len(out.Parts), got.Specification)
		}
		for i, d := range got.Documents {
			if d.Role != canon.RoleMain || d.For != "" || d.ID != p.Documents[i].ID || d.Classification != p.Documents[0].Classification ||
				d.Titles[0].Text != p.Documents[i].Titles[0].Text || d.Payload.Digest != p.Documents[i].Payload.Digest {
				t.Errorf("got %+v", d)
			}
		}
	}
}

// TestExchangesWithoutExchangeId: before 2.0 the exchange is found in other ways.
func TestExchangesWithoutExchangeId(t *testing.T) {
	c := newCodec(t)
	first := older(editions[1], new(store))["request-first"].(*canon.EvidenceRequest)
	out, _, err := c.Encode(t.Context(), message(first), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("our ConversationId is the exchange", func(t *testing.T) {
		if out.ConversationID != exchangeID {
			t.Errorf("got %s", out.ConversationID)
		}
		refusal := older(editions[1], new(store))["refusal-timeout"].(*canon.EvidenceRefusal)
		refusal.Session = canon.SessionID(strings.ToUpper(exchangeID)) // the peer copies it
		back, _, err := c.Encode(t.Context(), message(refusal), nil)
		if err != nil {
			t.Fatal(err)
		}
		m := decodeOne(t, c, carry(back, &refusal.Envelope), nil)
		if m.Conversation != exchangeID || canon.EnvelopeOf(m.Body).Exchange != exchangeID {
			t.Errorf("got conversation %s", m.Conversation)
		}
	})
	at := func(out edelivery.Outgoing, env *canon.Envelope, change func(*edelivery.Incoming)) canon.Message {
		in := carry(out, env)
		change(&in)
		return decodeOne(t, c, in, nil)
	}
	same := func(*edelivery.Incoming) {}
	m := at(out, &first.Envelope, same)
	t.Run("a first request opens an exchange of its own", func(t *testing.T) {
		env := canon.EnvelopeOf(m.Body)
		if m.Conversation != canon.InboundConversation(env.From, env.Exchange) || env.Session != exchangeID {
			t.Errorf("got conversation %s, session %s", m.Conversation, env.Session)
		}
		if again := at(out, &first.Envelope, func(in *edelivery.Incoming) { in.Header.MessageID = "again@example" }); again.Conversation != m.Conversation || again.ID == m.ID {
			t.Error("the same request sent again is not the same exchange: its reuse would not be seen")
		}
		if other := at(out, &first.Envelope, func(in *edelivery.Incoming) { in.Header.From.ID = pointFI }); other.Conversation == m.Conversation {
			t.Error("another peer steps into the exchange")
		}
		if other := at(out, &first.Envelope, func(in *edelivery.Incoming) { in.Header.ConversationID = sessionID }); other.Conversation == m.Conversation {
			t.Error("another session is the same exchange")
		}
	})
	t.Run("a second request is found by its location", func(t *testing.T) {
		second := older(editions[1], new(store))["request-second"].(*canon.EvidenceRequest)
		p, _ := second.Private.Get()
		const conversation = "5d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952"
		p.PreviewLocation = "https://preview.example/p/XRx6DjtkXwucIWqPQO4ZUgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA?lang=FI"
		if id, ok := canon.PreviewConversation(p.PreviewLocation); !ok || id != conversation {
			t.Fatalf("the location holds %q", id)
		}
		out, _, err := c.Encode(t.Context(), message(second), nil)
		if err != nil {
			t.Fatal(err)
		}
		if m := at(out, &second.Envelope, same); m.Conversation != conversation {
			t.Errorf("got %s", m.Conversation)
		}
		p.PreviewLocation = "https://elsewhere.example/p?session=1"
		out, _, err = c.Encode(t.Context(), message(second), nil)
		if err != nil {
			t.Fatal(err)
		}
		if m := at(out, &second.Envelope, same); m.Conversation != canon.InboundConversation(second.From, canon.EnvelopeOf(m.Body).Exchange) {
			t.Errorf("a location that is not ours: got %s", m.Conversation)
		}
	})
}

// TestRefusalsAreInTheVersionOfTheRequest: also of one that cannot be read; of a version
// that is not spoken, the refusal names those that are.
func TestRefusalsAreInTheVersionOfTheRequest(t *testing.T) {
	c := newCodec(t)
	for _, tt := range []struct {
		name, specification, doc string
		properties               int
		want, rule               string
	}{
		{"2.0", "oots-edm:v2.0", golden(t, "request-first"), 4, "oots-edm:v2.0", "R-EDM-REQ-C003"},
		{"1.2", "oots-edm:v1.2", golden(t, "1.2/request-first"), 2, "oots-edm:v1.2", "R-EDM-REQ-C003"},
		{"1.1", "oots-edm:v1.1", golden(t, "1.2/request-first"), 2, "oots-edm:v1.1", "R-EDM-REQ-C003"},
		{"1.0", "oots-edm:v1.0", golden(t, "1.0/request-first"), 2, "oots-edm:v1.0", "R-EDM-REQ-C003"},
		{"a version to come", "oots-edm:v3.0", golden(t, "request-first"), 4, "oots-edm:v2.0", "TDD 4.7"},
		{"a version of the past", "oots-edm:v0.9", golden(t, "1.2/request-first"), 2, "oots-edm:v1.2", "TDD 4.7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := strings.NewReplacer("oots-edm:v2.0", tt.specification, "oots-edm:v1.2", tt.specification, `>T2<`, `>Q9<`, `"T2"`, `"Q9"`).Replace(tt.doc)
			in := incoming(ActionRequest, []byte(doc))
			in.Header.Properties = header(ActionRequest).Properties[:tt.properties]
			m := decodeOne(t, c, in, nil)
			p := m.Body.(*canon.EvidenceRefusal)
			if p.Specification != tt.want || !named(p.Detail, tt.rule) || p.ErrorCode != codeInvalid {
				t.Errorf("got version %s, %s %q", p.Specification, p.ErrorCode, p.Detail)
			}
			if tt.rule == "TDD 4.7" {
				for _, s := range Specifications() {
					if !strings.Contains(p.Detail, s) {
						t.Errorf("%q does not name %s", p.Detail, s)
					}
				}
			}
			out, ok, err := c.Encode(t.Context(), m, nil)
			if err != nil || !ok || len(out.Properties) != tt.properties-2 {
				t.Fatalf("Encode: ok %v, %d properties, %v", ok, len(out.Properties), err)
			}
			back := decodeOne(t, c, carry(out, &canon.Envelope{From: pointFI, To: pointNL}), nil).Body.(*canon.EvidenceRefusal)
			if back.Specification != tt.want || tt.rule == "TDD 4.7" && back.Detail != strings.Join(Specifications(), " ") {
				t.Errorf("the peer reads version %s, detail %q", back.Specification, back.Detail)
			}
		})
	}
}

// TestHeaderAndDocumentAreOfOneVersion (R-EDM-ebMS-018, -038).
func TestHeaderAndDocumentAreOfOneVersion(t *testing.T) {
	c := newCodec(t)
	in := incoming(ActionRequest, []byte(golden(t, "request-first")))
	in.Header.Properties = in.Header.Properties[:2]
	if got := verdict(t, c, in); !named(got, "R-EDM-ebMS-018") {
		t.Errorf("2.0 with two properties: got %q", got)
	}
	in = incoming(ActionRequest, []byte(golden(t, "1.2/request-first")))
	in.Header.Properties = header(ActionRequest).Properties
	if got := verdict(t, c, in); !named(got, "R-EDM-ebMS-018") {
		t.Errorf("1.2 with four properties: got %q", got)
	}
}

// TestLanguageIsAWish: a language that cannot be had is no fault of the request, in any
// edition, and 2.0 has a place of its own for it.
func TestLanguageIsAWish(t *testing.T) {
	c := newCodec(t)
	for _, ed := range editions {
		q := requestSample()
		q.Specification, q.Language = ed.literals[0], "MT"
		q.EvidenceType.Distributions = []canon.Distribution{{Format: "application/pdf"}}
		q.Private = canon.Clear(canon.RequestPrivate{Subject: canon.Subject{Natural: &canon.NaturalPerson{
			Assurance: "High", Identifier: "FI/NL/123456789", FamilyName: "Esimerkki", GivenName: "Maija", BirthDate: "1990-01-01"}}})
		out, _, err := c.Encode(t.Context(), message(q), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := decodeOne(t, c, carry(out, &q.Envelope), nil).Body.(*canon.EvidenceRequest)
		if preferred(got) != "MT" || (got.Language == "MT") != ed.rootLanguage {
			t.Errorf("%s: got %q, %v", ed.name, got.Language, got.EvidenceType.Distributions)
		}
	}
}

// TestNobodysPowersAreLost: what an edition cannot say about who acts is not left out.
//
// Covers: B-023
func TestNobodysPowersAreLost(t *testing.T) {
	c := newCodec(t)
	q := older(editions[1], new(store))["request-represented"].(*canon.EvidenceRequest)
	q.Specification = "oots-edm:v1.0"
	if _, _, err := c.Encode(t.Context(), message(q), nil); err == nil || !strings.Contains(err.Error(), "authorised representative") {
		t.Errorf("got %v", err)
	}
	doc := strings.Replace(golden(t, "1.2/request-represented"), "oots-edm:v1.2", "oots-edm:v1.0", 1)
	if got := verdict(t, c, incoming(ActionRequest, []byte(doc))); got == "" {
		t.Error("a 1.0 request with a slot of 1.2 for a representative is read")
	}
}

// TestExceptionWordingIsThatOfTheEdition: EDM:ERR:0008 reads otherwise since 2.0.
func TestExceptionWordingIsThatOfTheEdition(t *testing.T) {
	c := newCodec(t)
	seen := map[string]bool{}
	for _, ed := range editions {
		p := refusalSample("EDM:ERR:0008", "")
		p.Specification = ed.literals[0]
		out, _, err := c.Encode(t.Context(), message(p), nil)
		if err != nil {
			t.Fatal(err)
		}
		entry, _ := codes.Default().In(ed.name).Entry(listErrors, "EDM:ERR:0008")
		if b := string(read(t, out.Parts[0])); !strings.Contains(b, entry.Name) {
			t.Errorf("%s: the document does not say %q", ed.name, entry.Name)
		}
		seen[entry.Name] = true
	}
	if len(seen) < 2 {
		t.Errorf("got %v", seen)
	}
	if got := Specifications(); !slices.Equal(got, []string{"oots-edm:v2.0", "oots-edm:v1.2", "oots-edm:v1.1", "oots-edm:v1.0"}) {
		t.Errorf("got %v", got)
	}
}

// TestWalletIdentities: the attributes of profile eidas2 (Reg. (EU) 2024/2977), 2.0 only.
func TestWalletIdentities(t *testing.T) {
	c := newCodec(t)
	wallet := func(change func(*canon.NaturalPerson)) *canon.EvidenceRequest {
		q := requestSample()
		p := &canon.NaturalPerson{Assurance: "High", Identifier: "FI/NL/1234567890", Scheme: canon.SchemeEidas2, FamilyName: "Esimerkki", GivenName: "Maija",
			BirthDate: "1990-01-01", BirthName: "Maija#Malli", PlaceOfBirth: "Oulu", Gender: "2", Nationality: "FI"}
		change(p)
		q.Private = canon.Clear(canon.RequestPrivate{Subject: canon.Subject{Natural: p}})
		return q
	}
	q := wallet(func(*canon.NaturalPerson) {})
	out, _, err := c.Encode(t.Context(), message(q), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := decodeOne(t, c, carry(out, &q.Envelope), nil)
	if d := cmp.Diff(received(q, "carried@example"), got.Body, equal); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for name, change := range map[string]func(*canon.NaturalPerson){
		"another level":     func(p *canon.NaturalPerson) { p.Assurance = "Low" },
		"one birth name":    func(p *canon.NaturalPerson) { p.BirthName = "Malli" },
		"no place of birth": func(p *canon.NaturalPerson) { p.PlaceOfBirth = "" },
		"no nationality":    func(p *canon.NaturalPerson) { p.Nationality = "" },
	} {
		if _, _, err := c.Encode(t.Context(), message(wallet(change)), nil); err == nil || !strings.Contains(err.Error(), "R-EDM-REQ-C12") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	q = wallet(func(*canon.NaturalPerson) {})
	q.Specification = "oots-edm:v1.2"
	if _, _, err := c.Encode(t.Context(), message(q), nil); err == nil {
		t.Error("1.2 has a wallet")
	}
}

package regrep

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/regrep/rim"
	"oncegate/schemas/assets"
	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
)

// equal compares canon values with their private parts, which only tests print.
var equal = cmp.Options{
	cmp.Transformer("request", func(s canon.Sealed[canon.RequestPrivate]) *canon.RequestPrivate { p, _ := s.Get(); return p }),
	cmp.Transformer("preview", func(s canon.Sealed[canon.PreviewPrivate]) *canon.PreviewPrivate { p, _ := s.Get(); return p }),
	cmp.Transformer("response", func(s canon.Sealed[canon.ResponsePrivate]) *canon.ResponsePrivate { p, _ := s.Get(); return p }),
}

func envelope(from, to canon.Participant) canon.Envelope {
	return canon.Envelope{Leg: canon.LegOut, From: from, To: to, Exchange: exchangeID, Session: sessionID,
		Specification: specification20, IssuedAt: noon, Requester: university, Provider: register}
}

// back is the envelope of an answer: its requester has no address.
func back() canon.Envelope {
	env := envelope(pointFI, pointNL)
	env.Requester.Country = ""
	return env
}

func requestSample() *canon.EvidenceRequest {
	env := envelope(pointNL, pointFI)
	env.Provider.Country = "" // a request states none
	return &canon.EvidenceRequest{
		Envelope: env, Step: canon.StepFirst, Request: canon.RequestID(uuidURN + id(1)), Procedure: "T2",
		Requirements: []canon.Requirement{
			{ID: "https://sr.oots.tech.ec.europa.eu/requirements/" + id(2), Names: []canon.Text{{Lang: "EN", Text: "Proof of secondary education"}, {Lang: "FI", Text: "Todistus toisen asteen koulutuksesta"}}},
			{ID: "https://sr.acc.oots.tech.ec.europa.eu/requirements/" + id(3), Names: []canon.Text{{Lang: "EN", Text: "Proof of marks & grades"}}},
		},
		Intermediaries: []canon.Agent{{ID: canon.Participant{Scheme: unregisteredPrefix + "NL", ID: "NL-IP-01"},
			Names: []canon.Text{{Lang: "EN", Text: "Example Intermediary Platform"}}}},
		EvidenceType: canon.EvidenceType{ID: id(4),
			Classification: "https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/FI/" + id(5),
			Titles:         []canon.Text{{Lang: "EN", Text: "Matriculation certificate"}},
			Distributions: []canon.Distribution{
				{Format: "application/xml", Languages: []string{"FI", "SV"}, ConformsTo: "https://sr.oots.tech.ec.europa.eu/datamodels/secondary-education-evidence-1.0.0"},
				{Format: "application/pdf"},
			}},
		PreviewPossible: true, ExplicitRequest: canon.ExplicitRequest{Given: true},
		Private: canon.Clear(canon.RequestPrivate{Subject: canon.Subject{Natural: &canon.NaturalPerson{Assurance: "High",
			Identifier: "FI/NL/010190-999X", FamilyName: "Esimerkki <&> Näyte", GivenName: "Maija", BirthDate: "1990-01-01",
			PlaceOfBirth: "Oulu", Gender: "Female", Nationality: "FI"}}}),
	}
}

func secondRequest() *canon.EvidenceRequest {
	q := requestSample()
	q.Step, q.Request, q.Intermediaries = canon.StepPreview, canon.RequestID(uuidURN+id(6)), nil
	p, _ := q.Private.Get()
	q.Private = canon.Clear(canon.RequestPrivate{Subject: p.Subject,
		PreviewLocation: "https://preview.example.fi/p/8c0d6d3e?a=1&b=2", ReturnLocation: "https://portal.example.nl/return/0f9b5f6e"})
	return q
}

func legalRequest() *canon.EvidenceRequest {
	q := requestSample()
	q.Procedure = "X1"
	q.Private = canon.Clear(canon.RequestPrivate{Subject: canon.Subject{Legal: &canon.LegalPerson{Assurance: "Substantial",
		Identifier: "NL/FI/12345678", Name: "Voorbeeld B.V."}}})
	return q
}

func responseSample(s *store) *canon.EvidenceResponse {
	put := func(mediaType, text string) canon.PayloadRef {
		ref, err := s.Put(context.Background(), exchangeID, mediaType, strings.NewReader(text))
		if err != nil {
			panic(err)
		}
		return ref
	}
	return &canon.EvidenceResponse{
		Envelope: back(), Request: canon.RequestID(uuidURN + id(6)), Response: id(7), Status: canon.StatusDelivered,
		Documents: []canon.Document{
			{ID: id(8), Role: canon.RoleMain, Classification: "https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/FI/" + id(5),
				Titles: []canon.Text{{Lang: "EN", Text: "Matriculation certificate"}, {Lang: "FI", Text: "Ylioppilastutkintotodistus"}},
				Issuer: canon.Agent{ID: register.ID, Names: register.Names}, IssuedOn: "2026-06-01", Languages: []string{"FI"},
				ConformsTo: "https://sr.oots.tech.ec.europa.eu/datamodels/secondary-education-evidence-1.0.0",
				Payload:    put("application/xml", "<certificate/>")},
			{ID: id(9), Role: "HumanReadableVersion", For: id(8), Titles: []canon.Text{{Lang: "EN", Text: "Certificate (PDF)"}},
				Payload: put("application/pdf", "%PDF-1.7 example")},
			{ID: id(10), Role: "Translation", For: id(9), Titles: []canon.Text{{Lang: "EN", Text: "Käännös"}}, Languages: []string{"EN"},
				Payload: put("application/pdf", "%PDF-1.7 translation")},
		},
		Private: canon.Clear(canon.ResponsePrivate{Subject: canon.Subject{Natural: &canon.NaturalPerson{Identifier: "FI/NL/010190-999X",
			FamilyName: "Esimerkki", GivenName: "Maija", BirthDate: "1990-01-01", PlaceOfBirth: "Oulu"}}}),
	}
}

func previewSample() *canon.PreviewRequired {
	return &canon.PreviewRequired{Envelope: back(), Request: canon.RequestID(uuidURN + id(1)), Response: id(11),
		Descriptions: []canon.Text{{Lang: "EN", Text: "Check your certificate \"before\" it is sent."}, {Lang: "FI", Text: "Tarkista todistus."}},
		Private:      canon.Clear(canon.PreviewPrivate{Location: "https://preview.example.fi/p/8c0d6d3e?a=1&b=2"})}
}

func refusalSample(code, detail string) *canon.EvidenceRefusal {
	return &canon.EvidenceRefusal{Envelope: back(), Request: canon.RequestID(uuidURN + id(1)), Response: id(12),
		ErrorCode: code, Detail: detail, ErrorRole: "ERRP"}
}

// samples are one of each kind of message, by the name of its golden file.
func samples(s *store) map[string]canon.Body {
	declined, deferred := responseSample(s), responseSample(s)
	declined.Status, declined.Documents, declined.Private = canon.StatusDeclined, nil, canon.Sealed[canon.ResponsePrivate]{}
	deferred.Status, deferred.Documents, deferred.Private = canon.StatusDeferred, nil, canon.Sealed[canon.ResponsePrivate]{}
	deferred.AvailableAt = noon.AddDate(0, 0, 7)
	uncorrelated := refusalSample(codeInvalid, "R-EDM-REQ-S005")
	uncorrelated.Request, uncorrelated.Requester = "", canon.Agent{}
	notFound := refusalSample("EDM:ERR:0004", "OG-REG-0001")
	notFound.ErrorRole = "EP"
	return map[string]canon.Body{
		"request-first": requestSample(), "request-second": secondRequest(), "request-legal": legalRequest(),
		"preview-required": previewSample(), "response-delivered": responseSample(s), "response-declined": declined,
		"response-deferred": deferred, "refusal-not-found": notFound, "refusal-timeout": refusalSample("EDM:ERR:0005", ""),
		"refusal-uncorrelated": uncorrelated, "refusal-query": refusalSample("EDM:ERR:0008", ""),
	}
}

// received is what the other side has of a body that we sent.
func received(b canon.Body, msgID string) canon.Body {
	flip := func(env canon.Envelope) canon.Envelope {
		env.Leg, env.AS4, env.SentAt = canon.LegIn, msgID, noon
		return env
	}
	switch p := b.(type) {
	case *canon.EvidenceRequest:
		q := *p
		q.Envelope = flip(q.Envelope)
		return &q
	case *canon.EvidenceResponse:
		q := *p
		q.Envelope = flip(q.Envelope)
		return &q
	case *canon.PreviewRequired:
		q := *p
		q.Envelope = flip(q.Envelope)
		return &q
	case *canon.EvidenceRefusal:
		q := *p
		q.Envelope = flip(q.Envelope)
		return &q
	}
	return nil
}

func message(b canon.Body) canon.Message {
	return canon.Message{ID: "m", Kind: b.Kind(), Conversation: exchangeID, At: noon, Body: b}
}

// Covers: B-044, B-059
func TestGoldenBothWays(t *testing.T) {
	c := newCodec(t)
	s := new(store)
	for name, body := range samples(s) {
		t.Run(name, func(t *testing.T) {
			out, ok, err := c.Encode(t.Context(), message(body), s)
			if err != nil || !ok {
				t.Fatalf("Encode: ok %v, %v", ok, err)
			}
			want := asFile(t, filepath.Join("testdata", name+".xml"), read(t, out.Parts[0]))
			in := carry(out, canon.EnvelopeOf(body))
			if p, ok := body.(*canon.EvidenceRefusal); ok && p.Requester.ID.IsZero() {
				in.Header.Properties[1].Value, in.Header.Properties[1].Type = pointNL.ID, pointNL.Scheme
			}
			in.Parts[0] = attachment(in.Parts[0].ID, MediaType, want)
			m := decodeOne(t, c, in, s)
			if d := cmp.Diff(received(body, "carried@example"), m.Body, equal); d != "" {
				t.Errorf("canon (-want +got):\n%s", d)
			}
			if m.Kind != body.Kind() {
				t.Errorf("kind: got %s, want %s", m.Kind, body.Kind())
			}
		})
	}
}

// asFile compares a document with that of a file, which it returns; -update writes it.
func asFile(t *testing.T, path string, got []byte) []byte {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("document (-want +got):\n%s", d)
	}
	return want
}

// lint validates documents against the schema of their edition: the official one of
// 1.0, the reconstructed ones of 1.2 and 2.0.
func lint(t *testing.T, ed *edition, files ...string) {
	t.Helper()
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed")
	}
	dir, profile := filepath.Join(assets.Path(t, "oots"), "xsd-reconstructed"), "SDG-GenericMetadataProfile-"+ed.name+"-UNOFFICIAL.xsd"
	if ed.name == "1.0" {
		dir, profile = filepath.Join(assets.Path(t, "oots"), "tdd-1.0-artefacts", "xsd"), "SDG-GenericMetadataProfile-v1.0.0.xsd"
	}
	// The schemas import three namespaces without saying where they are.
	driver := filepath.Join(t.TempDir(), "driver.xsd")
	text := `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">` + "\n"
	for _, i := range [][2]string{
		{"http://www.w3.org/XML/1998/namespace", "xml/xml.xsd"}, {rim.SpaceXLink, "xml/xlink.xsd"},
		{"http://www.w3.org/2005/08/addressing", "xml/ws-addr.xsd"}, {rim.SpaceRIM, "regrep4/rim.xsd"},
		{rim.SpaceQuery, "regrep4/query.xsd"}, {rim.SpaceSDG, "sdg/" + profile},
	} {
		text += `<xs:import namespace="` + i[0] + `" schemaLocation="` + filepath.Join(dir, i[1]) + `"/>` + "\n"
	}
	if err := os.WriteFile(driver, []byte(text+"</xs:schema>"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), xmllint, append([]string{"--noout", "--nonet", "--schema", driver}, files...)...).CombinedOutput()
	if err != nil {
		t.Errorf("xmllint: %v\n%s", err, out)
	}
}

func TestEncodedDocumentsAreValid(t *testing.T) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	lint(t, editions[0], files...)
}

// TestOwnExamples decodes the 2.0 messages of the specification.
func TestOwnExamples(t *testing.T) {
	dir := filepath.Join(assets.Path(t, "oots"), "own-examples")
	c := newCodec(t)
	for _, tt := range []struct {
		file, action string
		check        func(t *testing.T, b canon.Body)
	}{
		{"request-2.0-step2-natural-person.xml", ActionRequest, func(t *testing.T, b canon.Body) {
			q := b.(*canon.EvidenceRequest)
			p, _ := q.Private.Get()
			if q.Step != canon.StepPreview || p.ReturnLocation == "" || len(q.Intermediaries) != 1 || p.Subject.Natural.BirthDate != "2007-04-11" {
				t.Errorf("got step %s, %d intermediaries", q.Step, len(q.Intermediaries))
			}
		}},
		{"response-2.0-package.xml", ActionResponse, func(t *testing.T, b canon.Body) {
			p := b.(*canon.EvidenceResponse)
			if p.Status != canon.StatusDelivered || len(p.Documents) != 2 || p.Documents[1].For != p.Documents[0].ID || p.Documents[1].Payload.Size == 0 {
				t.Errorf("got %s with %d documents", p.Status, len(p.Documents))
			}
		}},
		{"response-2.0-declined-empty-list.xml", ActionResponse, func(t *testing.T, b canon.Body) {
			if p := b.(*canon.EvidenceResponse); p.Status != canon.StatusDeclined {
				t.Errorf("got %s", p.Status)
			}
		}},
		{"response-2.0-deferred-unavailable.xml", ActionResponse, func(t *testing.T, b canon.Body) {
			p := b.(*canon.EvidenceResponse)
			if want := time.Date(2026, 9, 21, 8, 0, 0, 0, time.UTC); p.Status != canon.StatusDeferred || !p.AvailableAt.Equal(want) {
				t.Errorf("got %s at %s", p.Status, p.AvailableAt)
			}
		}},
		{"error-2.0-preview-required.xml", ActionException, func(t *testing.T, b canon.Body) {
			p := b.(*canon.PreviewRequired)
			private, _ := p.Private.Get()
			if private.Location == "" || len(p.Descriptions) != 2 {
				t.Errorf("got %d descriptions", len(p.Descriptions))
			}
		}},
		{"error-2.0-object-not-found.xml", ActionException, refusedWith("EDM:ERR:0004")},
		{"error-2.0-timeout.xml", ActionException, refusedWith("EDM:ERR:0005")},
		{"error-2.0-invalid-no-requestid.xml", ActionException, refusedWith("EDM:ERR:0003")},
	} {
		t.Run(tt.file, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(dir, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			in := incoming(tt.action, b)
			if bytes.Contains(b, []byte("0e7f8a52-main@")) {
				in.Parts = append(in.Parts, attachment("0e7f8a52-main@provider.example.fi", "application/xml", []byte("<a/>")),
					attachment("0e7f8a52-hrv@provider.example.fi", "application/pdf", []byte("%PDF")))
			}
			m := decodeOne(t, c, in, new(store))
			env := canon.EnvelopeOf(m.Body)
			if env.Leg != canon.LegIn || env.Exchange != exchangeID || env.Session != sessionID || env.From != in.Header.From.ID || env.AS4 != in.Header.MessageID {
				t.Errorf("envelope: got %+v", env)
			}
			tt.check(t, m.Body)
		})
	}
}

func refusedWith(code string) func(*testing.T, canon.Body) {
	return func(t *testing.T, b canon.Body) {
		p, ok := b.(*canon.EvidenceRefusal)
		if !ok || p.ErrorCode != code {
			t.Errorf("got %T, want a refusal with %s", b, code)
		}
	}
}

func TestExceptionTable(t *testing.T) {
	c := newCodec(t)
	list := codes.Default().Codes(listErrors)
	for _, code := range list {
		x, _ := codes.Default().Entry(listErrors, code)
		out, _, err := c.Encode(t.Context(), message(refusalSample(code, "")), nil)
		if err != nil {
			t.Fatalf("%s: %v", code, err)
		}
		b := string(read(t, out.Parts[0]))
		for _, want := range []string{`xsi:type="` + x.Type + `"`, `code="` + code, `message="` + x.Name, `severity="` + rim.SeverityError} {
			if !strings.Contains(b, want) {
				t.Errorf("%s: document lacks %s", code, want)
			}
		}
		m := decodeOne(t, c, carry(out, &canon.Envelope{From: pointFI, To: pointNL}), nil)
		refusedWith(code)(t, m.Body)
	}
	if !slices.IsSorted(list) || len(list) != 8 {
		t.Errorf("got %v, want EDM:ERR:0001 to 0008", list)
	}
}

package regrep

import (
	"slices"
	"strings"
	"testing"

	"oncegate/connectors/rulecheck"
	"oncegate/schemas/canon"
	"oncegate/schemas/rules"
)

// answered are a second request and the answer to it.
func answered(s *store) (*canon.EvidenceRequest, *canon.EvidenceResponse) {
	q, a := secondRequest(), responseSample(s)
	a.Request = q.Request
	p, _ := q.Private.Get()
	about, _ := a.Private.Get()
	about.Subject = minimum(p.Subject)
	return q, a
}

// Covers: B-039, B-051
func TestCross(t *testing.T) {
	s := new(store)
	refusal := func(code string, change func(*canon.EvidenceRefusal)) func(*canon.EvidenceRequest, *canon.EvidenceResponse) canon.Body {
		return func(q *canon.EvidenceRequest, _ *canon.EvidenceResponse) canon.Body {
			p := refusalSample(code, "")
			p.Request = q.Request
			change(p)
			return p
		}
	}
	response := func(change func(*canon.EvidenceRequest, *canon.EvidenceResponse)) func(*canon.EvidenceRequest, *canon.EvidenceResponse) canon.Body {
		return func(q *canon.EvidenceRequest, a *canon.EvidenceResponse) canon.Body { change(q, a); return a }
	}
	type pair = func(*canon.EvidenceRequest, *canon.EvidenceResponse) canon.Body
	for _, tt := range []struct {
		name   string
		answer pair
		want   []string
	}{
		{"an answer to the request", response(func(*canon.EvidenceRequest, *canon.EvidenceResponse) {}), nil},
		{"declined", response(func(_ *canon.EvidenceRequest, a *canon.EvidenceResponse) {
			a.Status, a.Documents, a.Private = canon.StatusDeclined, nil, canon.Sealed[canon.ResponsePrivate]{}
		}), nil},
		{"to another request", response(func(_ *canon.EvidenceRequest, a *canon.EvidenceResponse) {
			a.Request = canon.RequestID(uuidURN + id(99))
		}), []string{"TDD 4.5.2 requestId"}},
		{"in another version", response(func(_ *canon.EvidenceRequest, a *canon.EvidenceResponse) { a.Specification = "oots-edm:v1.2" }), []string{"TDD 4.7 version"}},
		{"for another authority", response(func(_ *canon.EvidenceRequest, a *canon.EvidenceResponse) { a.Requester.ID.ID = "x" }), []string{"B-039 requester"}},
		{"of another authority", response(func(_ *canon.EvidenceRequest, a *canon.EvidenceResponse) { a.Provider.ID.ID = "x" }), []string{"B-051 provider"}},
		{"about another person", response(func(_ *canon.EvidenceRequest, a *canon.EvidenceResponse) {
			p, _ := a.Private.Get()
			p.Subject.Natural.GivenName = "Matti"
		}), []string{"B-039 person"}},
		{"about nobody", response(func(_ *canon.EvidenceRequest, a *canon.EvidenceResponse) {
			a.Private = canon.Sealed[canon.ResponsePrivate]{}
		}), []string{"B-039 person"}},
		{"of another type", response(func(_ *canon.EvidenceRequest, a *canon.EvidenceResponse) { a.Documents[0].Classification += "0" }), []string{"B-039 evidence-type"}},
		{"in another form", response(func(_ *canon.EvidenceRequest, a *canon.EvidenceResponse) {
			a.Documents[0].Payload.MediaType = "image/png"
		}), []string{"B-039 format"}},
		{"a supplement in any form", response(func(_ *canon.EvidenceRequest, a *canon.EvidenceResponse) {
			a.Documents[1].Payload.MediaType = "image/png"
		}), nil},
		{"any form will do", response(func(q *canon.EvidenceRequest, a *canon.EvidenceResponse) {
			q.EvidenceType.Distributions, a.Documents[0].Payload.MediaType = nil, "image/png"
		}), nil},
		{"one identifier twice", response(func(_ *canon.EvidenceRequest, a *canon.EvidenceResponse) { a.Documents[1].ID = a.Documents[0].ID }), []string{"B-039 identifier"}},
		{"before the preview", response(func(q *canon.EvidenceRequest, _ *canon.EvidenceResponse) { q.Step = canon.StepFirst }), []string{"TDD 4.9 preview"}},
		{"without preview where there is none", response(func(q *canon.EvidenceRequest, _ *canon.EvidenceResponse) {
			q.Step, q.PreviewPossible = canon.StepFirst, false
		}), nil},
		{"everything wrong", response(func(_ *canon.EvidenceRequest, a *canon.EvidenceResponse) {
			a.Provider.ID.ID, a.Requester.ID.ID, a.Documents[0].Classification = "x", "x", "x"
		}), []string{"B-039 requester", "B-051 provider", "B-039 evidence-type"}},
		{"preview of the first request", func(q *canon.EvidenceRequest, _ *canon.EvidenceResponse) canon.Body {
			q.Step = canon.StepFirst
			p := previewSample()
			p.Request = q.Request
			return p
		}, nil},
		{"preview of the second request, where none is possible", func(q *canon.EvidenceRequest, _ *canon.EvidenceResponse) canon.Body {
			q.PreviewPossible = false
			p := previewSample()
			p.Request = q.Request
			return p
		}, []string{"TDD 4.9 preview", "TDD 4.9 preview"}},
		{"an error", refusal("EDM:ERR:0004", func(*canon.EvidenceRefusal) {}), nil},
		{"an error about another request", refusal("EDM:ERR:0004", func(p *canon.EvidenceRefusal) { p.Request = "" }), []string{"TDD 4.5.2 requestId"}},
		{"an error about what could not be read", refusal(codeInvalid, func(p *canon.EvidenceRefusal) { p.Request, p.Requester = "", canon.Agent{} }), nil},
		{"no answer", func(q *canon.EvidenceRequest, _ *canon.EvidenceResponse) canon.Body { return q }, []string{"TDD 4.5.2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, a := answered(s)
			var got []string
			for _, f := range Cross(q, tt.answer(q, a)) {
				got = append(got, f.Rule)
				if f.Layer != rulecheck.LayerCross || f.Severity != rules.Fatal || f.Meaning == "" {
					t.Errorf("finding: %+v", f)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestInspect: the report of the command line.
func TestInspect(t *testing.T) {
	c := newCodec(t)
	s := new(store)
	q, a := answered(s)
	write := func(b canon.Body) []byte {
		out, ok, err := c.Encode(t.Context(), message(b), s)
		if err != nil || !ok {
			t.Fatalf("Encode: ok %v, %v", ok, err)
		}
		return read(t, out.Parts[0])
	}
	request, answer := write(q), write(a)
	for _, tt := range []struct {
		name         string
		doc, against []byte
		document     rules.Document
		edition      string
		layer        rulecheck.Layer
		rule         string
	}{
		{"a request", request, nil, rules.EDMRequest, "2.0", "", ""},
		{"an answer and its request", answer, request, rules.EDMResponse, "2.0", "", ""},
		{"an answer and another request", answer, []byte(strings.ReplaceAll(string(request), "Maija", "Matti")), rules.EDMResponse, "2.0", rulecheck.LayerCross, "B-039 person"},
		{"in another form", []byte(strings.ReplaceAll(string(answer), "<sdg:Format>application/xml", "<sdg:Format>image/png")), request, rules.EDMResponse, "2.0", rulecheck.LayerCross, "B-039 format"},
		{"an answer and no request", answer, answer, rules.EDMResponse, "2.0", rulecheck.LayerCross, ""},
		{"an error", []byte(golden(t, "1.2/refusal-timeout")), nil, rules.EDMError, "1.2", "", ""},
		{"a rule", []byte(strings.ReplaceAll(string(request), ">T2<", ">Q9<")), nil, rules.EDMRequest, "2.0", rulecheck.LayerRule, "R-EDM-REQ-C003"},
		{"structure", []byte(strings.ReplaceAll(string(request), "Maija", "")), nil, rules.EDMRequest, "2.0", rulecheck.LayerStructure, ""},
		{"another version", []byte(strings.ReplaceAll(string(request), "oots-edm:v2.0", "oots-edm:v9.9")), nil, rules.EDMRequest, "", rulecheck.LayerRule, "TDD 4.7"},
		{"another document", []byte("<a/>"), nil, "", "", rulecheck.LayerStructure, ""},
		{"no XML", []byte("<a"), nil, "", "", rulecheck.LayerXML, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			report, err := Inspect(tt.doc, InspectOptions{Against: tt.against})
			if err != nil {
				t.Fatal(err)
			}
			if report.Document != tt.document || report.Edition != tt.edition {
				t.Errorf("got %q of %q", report.Document, report.Edition)
			}
			f, bad := report.Fatal()
			if bad != (tt.layer != "") || f.Layer != tt.layer || f.Rule != tt.rule {
				t.Errorf("got %+v", report.Findings)
			}
			for _, f := range report.Findings {
				if text := f.Meaning + f.Path + f.Remedy; strings.Contains(text, "Maija") || strings.Contains(text, "010190") {
					t.Errorf("a finding holds a value: %+v", f)
				}
			}
		})
	}
}

// TestARefusalAlwaysHasSomebodyToGoTo: before 1.1 an error names whom it is for, also
// where the request does not say.
func TestARefusalAlwaysHasSomebodyToGoTo(t *testing.T) {
	c := newCodec(t)
	doc := dropSlot(slotRequester)(t, golden(t, "1.0/request-first"))
	for name, tt := range map[string]struct {
		scheme     string
		properties int
		want       string
		requester  canon.Participant
	}{
		"from the header":           {pointNL.Scheme, 2, "oots-edm:v1.0", university.ID},
		"from the access point":     {pointNL.Scheme, 0, "oots-edm:v1.0", pointNL},
		"in a version without need": {"urn:other", 0, "oots-edm:v1.2", canon.Participant{}},
	} {
		t.Run(name, func(t *testing.T) {
			in := incoming(ActionRequest, []byte(doc))
			in.Header.From.ID.Scheme = tt.scheme
			in.Header.Properties = in.Header.Properties[:tt.properties]
			m := decodeOne(t, c, in, nil)
			env := canon.EnvelopeOf(m.Body)
			if env.Specification != tt.want || env.Requester.ID != tt.requester {
				t.Errorf("got %s for %v", env.Specification, env.Requester.ID)
			}
			if _, ok, err := c.Encode(t.Context(), m, nil); err != nil || !ok {
				t.Errorf("Encode: ok %v, %v", ok, err)
			}
		})
	}
}

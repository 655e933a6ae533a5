package consent_test

import (
	"strings"
	"testing"
	"time"

	"oncegate/gateway/consent"
	"oncegate/schemas/canon"
)

const birth = "https://sr.example/birth"

var (
	at        = time.Date(2026, 9, 14, 9, 0, 0, 0, time.UTC)
	requester = canon.Participant{Scheme: "urn:x", ID: "university"}
	provider  = canon.Participant{Scheme: "urn:x", ID: "births"}
)

func request() *canon.EvidenceRequest {
	return &canon.EvidenceRequest{
		Envelope:        canon.Envelope{Requester: canon.Agent{ID: requester}, Provider: canon.Agent{ID: provider}},
		Procedure:       "T2",
		EvidenceType:    canon.EvidenceType{Classification: birth},
		ExplicitRequest: canon.ExplicitRequest{Given: true, At: at, Reference: "record-1"},
	}
}

func entry() consent.Exemption {
	return consent.Exemption{
		Waives: consent.WaiveExplicitRequest, Provision: "Fictitious Act 1, section 2", Procedures: []string{"T2"},
		EvidenceTypes: []string{birth}, Countries: []string{"LV"}, From: "2026-01-01", Until: "2026-12-31",
	}
}

func policy(t *testing.T, es ...consent.Exemption) *consent.Policy {
	t.Helper()
	p, err := consent.NewPolicy(es)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Covers: B-017, B-018, B-019
func TestGrantCoversOnlyItsCase(t *testing.T) {
	g, missing := policy(t).Asking(request(), "LV", at)
	if missing != "" {
		t.Fatalf("the request is not granted: %s", missing)
	}
	for _, tc := range []struct {
		name   string
		change func(*canon.EvidenceRequest)
		what   string
	}{
		{"the same", func(*canon.EvidenceRequest) {}, ""},
		{"parts left unset", func(r *canon.EvidenceRequest) { *r = canon.EvidenceRequest{} }, ""},
		{"another procedure", func(r *canon.EvidenceRequest) { r.Procedure = "U1" }, "procedure"},
		{"another evidence type", func(r *canon.EvidenceRequest) { r.EvidenceType.Classification += "2" }, "evidence type"},
		{"another requester", func(r *canon.EvidenceRequest) { r.Requester.ID.ID = "x" }, "requester"},
		{"another provider", func(r *canon.EvidenceRequest) { r.Provider.ID.ID = "x" }, "provider"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := request()
			tc.change(r)
			if what, ok := g.Covers(r); what != tc.what || ok != (tc.what == "") {
				t.Errorf("got %q, %t; want %q", what, ok, tc.what)
			}
		})
	}
}

// Covers: B-016, B-017, B-022
func TestNoExchangeWithoutRequestOrProvision(t *testing.T) {
	for _, tc := range []struct {
		name      string
		change    func(*canon.EvidenceRequest)
		country   string
		at        time.Time
		entry     func(*consent.Exemption)
		asking    bool // granted when we ask
		providing bool // granted when we are asked: the wire has neither time nor record
	}{
		{name: "an explicit request", asking: true, providing: true},
		{name: "without time", change: func(r *canon.EvidenceRequest) { r.ExplicitRequest.At = time.Time{} }, providing: true},
		{name: "without record", change: func(r *canon.EvidenceRequest) { r.ExplicitRequest.Reference = "" }, providing: true},
		{name: "within the skew of clocks", change: func(r *canon.EvidenceRequest) { r.ExplicitRequest.At = at.Add(time.Minute) }, asking: true, providing: true},
		{name: "in the future", change: func(r *canon.EvidenceRequest) { r.ExplicitRequest.At = at.Add(2 * time.Minute) }, providing: true},
		{name: "informed in the future", change: func(r *canon.EvidenceRequest) { r.ExplicitRequest.InformedAt = at.Add(2 * time.Minute) }, providing: true},
		{name: "not given, under a provision", change: notGiven, asking: true, providing: true},
		{name: "not given, another country", change: notGiven, country: "NL"},
		{name: "not given, another procedure", change: func(r *canon.EvidenceRequest) { notGiven(r); r.Procedure = "U1" }},
		{name: "not given, another type", change: func(r *canon.EvidenceRequest) { notGiven(r); r.EvidenceType.Classification += "2" }},
		{name: "not given, the provision is about the preview", change: notGiven, entry: func(e *consent.Exemption) { e.Waives = consent.WaivePreview }},
		{name: "not given, before the provision", change: notGiven, at: time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC)},
		{name: "not given, on its first day", change: notGiven, at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), asking: true, providing: true},
		{name: "not given, on its last day", change: notGiven, at: time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC), asking: true, providing: true},
		{name: "not given, after the provision", change: notGiven, at: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
		{name: "not given, the request claims an exemption", change: func(r *canon.EvidenceRequest) { notGiven(r); r.ExplicitRequest.Exemption = "my own law" }, country: "NL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := entry()
			if tc.entry != nil {
				tc.entry(&e)
			}
			p, r := policy(t, e), request()
			if tc.change != nil {
				tc.change(r)
			}
			country, now := tc.country, tc.at
			if country == "" {
				country = "LV"
			}
			if now.IsZero() {
				now = at
			}
			g, missing := p.Asking(r, country, now)
			if (missing == "") != tc.asking {
				t.Errorf("asking: got reason %q, want granted: %t", missing, tc.asking)
			}
			if missing == "" && !r.ExplicitRequest.Given && g.Exemption != e.Provision {
				t.Errorf("the grant cites %q, want the provision", g.Exemption)
			}
			if _, missing := p.Providing(r, country, now); (missing == "") != tc.providing {
				t.Errorf("providing: got reason %q, want granted: %t", missing, tc.providing)
			}
		})
	}
}

func notGiven(r *canon.EvidenceRequest) { r.ExplicitRequest = canon.ExplicitRequest{} }

// Covers: B-016, B-045
func TestNoPolicyExemptsNothing(t *testing.T) {
	var none *consent.Policy
	if _, ok := none.Exempt(consent.WaivePreview, consent.Case{}); ok {
		t.Error("a nil policy exempts")
	}
	if _, ok := (&consent.Policy{}).Exempt(consent.WaivePreview, consent.Case{}); ok {
		t.Error("an empty policy exempts")
	}
}

func TestPolicyReportsAllFaults(t *testing.T) {
	for _, tc := range []struct {
		name  string
		entry consent.Exemption
		want  []string
	}{
		{"empty", consent.Exemption{}, []string{"exemption 1", "waives", "provision", "procedures", "evidence_types", "countries", "from"}},
		{"spoilt", func() consent.Exemption {
			e := entry()
			e.Countries, e.Until, e.Procedures, e.Provision = []string{"lv"}, "2025-01-01", []string{""}, strings.Repeat("x", 501)
			return e
		}(), []string{`"lv"`, "until", "procedures", "provision"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := consent.NewPolicy([]consent.Exemption{tc.entry})
			if err == nil {
				t.Fatal("got no error")
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("got %q, want it to name %s", err, w)
				}
			}
		})
	}
}

// Of several acts that regulate one point the more specific one is cited.
//
// Covers: B-012
func TestTheEntryOfTheHighestPriorityIsCited(t *testing.T) {
	general, special, other := entry(), entry(), entry()
	special.Provision, special.Priority = "Regulation (EU) 2030/1, Article 3", 10
	other.Provision, other.Priority, other.Countries = "Regulation (EU) 2031/1, Article 4", 20, []string{"EE"}
	for _, es := range [][]consent.Exemption{{general, special, other}, {other, special, general}} {
		got, ok := policy(t, es...).Exempt(consent.WaiveExplicitRequest, consent.Case{Procedure: "T2", EvidenceType: birth, Country: "LV", At: at})
		if !ok || got != special.Provision {
			t.Errorf("cited %q, want %q", got, special.Provision)
		}
	}
	equal := entry()
	equal.Provision = "Fictitious Act 2"
	if got, _ := policy(t, general, equal).Exempt(consent.WaiveExplicitRequest, consent.Case{Procedure: "T2", EvidenceType: birth, Country: "LV", At: at}); got != general.Provision {
		t.Errorf("of equals cited %q, want the first", got)
	}
}

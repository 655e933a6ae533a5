package routing_test

import (
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

const sample = `
country: LV
access_point: "urn:x:LV::ap-lv"
partners:
  - {country: NL, access_point: "urn:x:NL::ap-nl"}
  - {country: DE, access_point: "urn:x:DE::ap-de"}
  - {country: FR, access_point: "urn:x:FR::ap-fr-1"}
  - {country: FR, access_point: "urn:x:FR::ap-fr-2"}
provide:
  - name: births
    procedures: [T2, U1]
    evidence_type: https://sr.example/birth
    provider: "urn:x:LV::births"
    register: lv-births
    countries: [NL, FR]
  - name: births-for-one-court
    procedures: [T2]
    evidence_type: https://sr.example/birth
    provider: "urn:x:LV::births"
    register: lv-births-de
    countries: [DE]
    requesters: ["urn:x:DE::court"]
    minimum_assurance: High
ask:
  - name: residence
    procedures: [T2]
    evidence_type: https://sr.example/residence
    provider: "urn:x:NL::residents"
    country: NL
    requesters: ["urn:x:LV::university"]
  - name: residence-fr
    procedures: [T2]
    evidence_type: https://sr.example/residence
    provider: "urn:x:FR::residents"
    country: FR
    access_point: "urn:x:FR::ap-fr-2"
    specification: oots-edm:v1.2
`

func config(t *testing.T, change func(*routing.Config)) routing.Config {
	t.Helper()
	var c routing.Config
	d := yaml.NewDecoder(strings.NewReader(sample))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&c)
	}
	return c
}

func table(t *testing.T) *routing.Table {
	t.Helper()
	r, err := routing.NewTable(config(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func party(s string) canon.Participant {
	p, err := routing.ParseParticipant(s)
	if err != nil {
		panic(err)
	}
	return p
}

// Covers: B-001, B-002, B-003, B-004, B-051, B-060
func TestProvide(t *testing.T) {
	fromNL := func() routing.Query {
		return routing.Query{
			Procedure: "T2", EvidenceType: "https://sr.example/birth", Assurance: "Substantial", Peer: party("urn:x:NL::ap-nl"),
			Requester: canon.Agent{ID: party("urn:x:NL::university"), Country: "NL"}, Provider: canon.Agent{ID: party("urn:x:LV::births")},
		}
	}
	fromDE := func() routing.Query {
		q := fromNL()
		q.Peer, q.Requester, q.Assurance = party("urn:x:DE::ap-de"), canon.Agent{ID: party("urn:x:DE::court"), Country: "DE"}, "High"
		return q
	}
	for _, tc := range []struct {
		name     string
		query    func() routing.Query
		change   func(*routing.Query)
		register string
		why      routing.Reason
	}{
		{name: "any authority of a country", query: fromNL, register: "lv-births"},
		{name: "the requester's country is that of its access point", query: fromNL, change: func(q *routing.Query) { q.Requester.Country = "" }, register: "lv-births"},
		{name: "one authority", query: fromDE, register: "lv-births-de"},
		{name: "another authority of that country", query: fromDE, change: func(q *routing.Query) { q.Requester.ID.ID = "x" }, why: routing.NoRequester},
		{name: "a low assurance", query: fromNL, change: func(q *routing.Query) { q.Assurance = "Low" }, why: routing.LowAssurance},
		{name: "no assurance", query: fromNL, change: func(q *routing.Query) { q.Assurance = "" }, why: routing.LowAssurance},
		{name: "an unheard-of assurance", query: fromNL, change: func(q *routing.Query) { q.Assurance = "Highest" }, why: routing.LowAssurance},
		{name: "an assurance that does for others", query: fromDE, change: func(q *routing.Query) { q.Assurance = "Substantial" }, why: routing.LowAssurance},
		{name: "an unknown access point", query: fromNL, change: func(q *routing.Query) { q.Peer.ID = "x" }, why: routing.NoPartner},
		{name: "our own access point", query: fromNL, change: func(q *routing.Query) { q.Peer = party("urn:x:LV::ap-lv") }, why: routing.NoPartner},
		{name: "the same Member State", query: fromNL, change: func(q *routing.Query) { q.Requester.Country = "LV" }, why: routing.SameState},
		{name: "a third state", query: fromNL, change: func(q *routing.Query) { q.Requester.Country = "DE" }, why: routing.WrongState},
		{name: "a third state, by its identifier", query: fromNL, change: func(q *routing.Query) {
			q.Requester = canon.Agent{ID: party("urn:oasis:names:tc:ebcore:partyid-type:unregistered:DE::court")}
		}, why: routing.WrongState},
		{name: "a provider in the requester's own state", query: fromNL, change: func(q *routing.Query) { q.Provider.Country = "NL" }, why: routing.SameState},
		{name: "a representative of a low assurance", query: fromNL, change: func(q *routing.Query) { q.Acting = "Low" }, why: routing.LowAssurance},
		{name: "a representative of a good assurance", query: fromNL, change: func(q *routing.Query) { q.Acting = "High" }, register: "lv-births"},
		{name: "another provider", query: fromNL, change: func(q *routing.Query) { q.Provider.ID.ID = "x" }, why: routing.NoProvider},
		{name: "another type", query: fromNL, change: func(q *routing.Query) { q.EvidenceType += "2" }, why: routing.NoEvidenceType},
		{name: "another procedure", query: fromNL, change: func(q *routing.Query) { q.Procedure = "W1" }, why: routing.NoProcedure},
		{name: "procedures are compared with case", query: fromNL, change: func(q *routing.Query) { q.Procedure = "t2" }, why: routing.OutOfScope},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := tc.query()
			if tc.change != nil {
				tc.change(&q)
			}
			r, why := table(t).Provide(q)
			if r.Register != tc.register || why != tc.why {
				t.Errorf("got register %q, reason %q; want %q, %q", r.Register, why, tc.register, tc.why)
			}
			if why == "" && (r.Peer != q.Peer || r.Own != party("urn:x:LV::ap-lv") || r.Country == "") {
				t.Errorf("got %s to %s of %q", r.Own, r.Peer, r.Country)
			}
		})
	}
}

// Covers: B-002, B-007, B-060
func TestAsk(t *testing.T) {
	for _, tc := range []struct {
		name          string
		change        func(*routing.Query)
		peer          string
		specification string
		why           routing.Reason
	}{
		{name: "the only access point of the country", peer: "ap-nl", specification: routing.DefaultSpecification},
		{name: "one of two access points", change: func(q *routing.Query) { q.Provider.ID = party("urn:x:FR::residents") }, peer: "ap-fr-2", specification: "oots-edm:v1.2"},
		{name: "another requester", change: func(q *routing.Query) { q.Requester.ID.ID = "x" }, why: routing.NoRequester},
		{name: "another provider", change: func(q *routing.Query) { q.Provider.ID.ID = "x" }, why: routing.NoProvider},
		{name: "the same Member State", change: func(q *routing.Query) { q.Provider.Country = "LV" }, why: routing.SameState},
		{name: "what we give is not what we ask for", change: func(q *routing.Query) { q.EvidenceType = "https://sr.example/birth" }, why: routing.NoEvidenceType},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := routing.Query{
				Procedure: "T2", EvidenceType: "https://sr.example/residence", Assurance: "High",
				Requester: canon.Agent{ID: party("urn:x:LV::university")}, Provider: canon.Agent{ID: party("urn:x:NL::residents")},
			}
			if tc.change != nil {
				tc.change(&q)
			}
			r, why := table(t).Ask(q)
			if r.Peer.ID != tc.peer || r.Specification != tc.specification || why != tc.why {
				t.Errorf("got peer %q, %q, reason %q; want %q, %q, %q", r.Peer.ID, r.Specification, why, tc.peer, tc.specification, tc.why)
			}
		})
	}
}

// Parties and routes count on their days, the last one included.
//
// Covers: B-003
func TestDays(t *testing.T) {
	at := func(s string) time.Time {
		d, err := time.Parse(time.DateTime, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	valid := routing.Valid{From: "2026-03-01", Until: "2026-03-31"}
	for _, tc := range []struct {
		name   string
		change func(*routing.Config)
		why    routing.Reason
	}{
		{"a partner", func(c *routing.Config) { c.Partners[0].Valid = valid }, routing.ExpiredPartner},
		{"a route", func(c *routing.Config) { c.Provide = c.Provide[:1]; c.Provide[0].Valid = valid }, routing.NotValid},
	} {
		table, err := routing.NewTable(config(t, tc.change))
		if err != nil {
			t.Fatal(err)
		}
		for when, why := range map[string]routing.Reason{
			"2026-02-28 23:59:59": tc.why, "2026-03-01 00:00:00": "", "2026-03-31 23:59:59": "", "2026-04-01 00:00:00": tc.why,
		} {
			_, got := table.Provide(routing.Query{
				Procedure: "T2", EvidenceType: "https://sr.example/birth", Assurance: "High", Peer: party("urn:x:NL::ap-nl"), At: at(when),
				Requester: canon.Agent{ID: party("urn:x:NL::university"), Country: "NL"}, Provider: canon.Agent{ID: party("urn:x:LV::births")},
			})
			if got != why {
				t.Errorf("%s at %s: %q, want %q", tc.name, when, got, why)
			}
		}
	}
}

// Covers: B-043
func TestRequirements(t *testing.T) {
	table, err := routing.NewTable(config(t, func(c *routing.Config) {
		c.Ask[0].Requirements = []string{"https://sr.example/r1", "https://sr.example/r2"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		needs []string
		why   routing.Reason
	}{
		{nil, ""}, {[]string{"https://sr.example/r2"}, ""}, {[]string{"https://sr.example/r1", "https://sr.example/r2"}, ""},
		{[]string{"https://sr.example/r1", "https://sr.example/r3"}, routing.NoRequirement},
	} {
		_, why := table.Ask(routing.Query{
			Procedure: "T2", EvidenceType: "https://sr.example/residence", Assurance: "High", Requirements: tc.needs,
			Requester: canon.Agent{ID: party("urn:x:LV::university")}, Provider: canon.Agent{ID: party("urn:x:NL::residents")},
		})
		if why != tc.why {
			t.Errorf("%v: %q, want %q", tc.needs, why, tc.why)
		}
	}
}

func TestConfigReportsAllFaults(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*routing.Config)
		want   []string
	}{
		{"empty", func(c *routing.Config) { *c = routing.Config{} }, []string{"country", "access_point"}},
		{"an empty route each", func(c *routing.Config) { c.Provide[0], c.Ask[0] = routing.Provide{}, routing.Ask{} },
			[]string{"provide 1", "ask 1", "name: required", "procedures", "evidence_type", "register: required", "provider", `country "" is no partner`}},
		{"a partner of our own country", func(c *routing.Config) { c.Partners[0].Country = "LV" }, []string{"partner 1", "is our own"}},
		{"one access point twice", func(c *routing.Config) { c.Partners[1].AccessPoint = c.Partners[0].AccessPoint }, []string{"partner 2", "used twice"}},
		{"our access point as a partner", func(c *routing.Config) { c.Partners[0].AccessPoint = c.AccessPoint }, []string{"partner 1", "is our own"}},
		{"one name twice", func(c *routing.Config) { c.Ask[0].Name = "births" }, []string{`"births": used twice`}},
		{"two routes for one request", func(c *routing.Config) { c.Provide[1].Countries = []string{"NL"}; c.Provide[1].Requesters = nil }, []string{"overlaps with births"}},
		{"two ways to ask", func(c *routing.Config) { r := c.Ask[0]; r.Name = "again"; c.Ask = append(c.Ask, r) }, []string{"overlaps with residence"}},
		{"a country that is no partner", func(c *routing.Config) { c.Provide[0].Countries = []string{"SE"} }, []string{"SE is no partner"}},
		{"which of two access points", func(c *routing.Config) { c.Ask[1].AccessPoint = "" }, []string{"ask 2", "access_point: required"}},
		{"the access point of another country", func(c *routing.Config) { c.Ask[1].AccessPoint = "urn:x:NL::ap-nl" }, []string{"none of partner FR"}},
		{"an unheard-of assurance", func(c *routing.Config) { c.Provide[0].MinimumAssurance = "high" }, []string{`"high"`}},
		{"a participant without scheme", func(c *routing.Config) { c.Ask[0].Requesters = []string{"university"} }, []string{"scheme::id"}},
		{"days that are none", func(c *routing.Config) {
			c.Partners[0].From, c.Ask[0].Until, c.Provide[0].Valid = "1 March", "soon", routing.Valid{From: "2026-03-02", Until: "2026-03-01"}
		}, []string{"partner 1", `"1 March"`, "ask 1", `"soon"`, "provide 1", "lies before"}},
		{"a requirement that is no URI", func(c *routing.Config) { c.Provide[0].Requirements = []string{"birth"} }, []string{"requirements", `"birth"`}},
		{"editions that are none", func(c *routing.Config) { c.Specifications, c.Ask[0].Specification = []string{"v2"}, "2.0" }, []string{"specifications", `"v2"`, "specification", `"2.0"`}},
		{"a classification that is no https URI", func(c *routing.Config) { c.Ask[0].EvidenceType = "residence" }, []string{"evidence_type"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := routing.NewTable(config(t, tc.change))
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

func FuzzParseParticipant(f *testing.F) {
	for _, s := range []string{"urn:x::id", "::", "a::", "::b", "urn:oasis:names:tc:ebcore:partyid-type:unregistered:LV::x", "a::b::c", "a b::c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := routing.ParseParticipant(s)
		if err == nil && (p.String() != s || p.Scheme == "" || p.ID == "") {
			t.Errorf("%q reads as %q", s, p)
		}
	})
}

package routing_test

import (
	"slices"
	"testing"
	"time"

	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

var day = time.Date(2026, 9, 14, 0, 0, 0, 0, time.UTC)

const diploma = "https://sr.example/diploma"

func offered(change ...func(*canon.Route)) *canon.Route {
	r := &canon.Route{
		EvidenceType: canon.EvidenceType{ID: canon.DeriveUUID("type", diploma), Classification: diploma},
		Provider:     canon.Agent{ID: party("urn:x:FI::ministry"), Country: "FI"}, Country: "FI",
		AccessPoint: party("urn:x:FI::ap-fi"), Specifications: []string{"oots-edm:v1.2", "oots-edm:v2.0"}, Assurance: "Substantial",
	}
	for _, f := range change {
		f(r)
	}
	return r
}

func forDiploma(change ...func(*routing.Query)) routing.Query {
	q := routing.Query{
		Procedure: "T3", EvidenceType: diploma, Assurance: "High", At: day,
		Requester: canon.Agent{ID: party("urn:x:LV::university"), Country: "LV"}, Provider: canon.Agent{ID: party("urn:x:FI::ministry"), Country: "FI"},
	}
	for _, f := range change {
		f(&q)
	}
	return q
}

// agreeing is a table that has an agreement with the access point in Finland.
func agreeing(t *testing.T, change ...func(*routing.Config)) *routing.Table {
	t.Helper()
	c := config(t, func(c *routing.Config) {
		c.Agreement = func(p canon.Participant) bool { return p.ID == "ap-fi" || p.ID == "ap-fi-2" }
	})
	for _, f := range change {
		f(&c)
	}
	table, err := routing.NewTable(c)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// Covers: B-003, B-007, B-043, B-055
func TestARouteOfTheDirectory(t *testing.T) {
	for name, tc := range map[string]struct {
		route  func(*canon.Route)
		query  func(*routing.Query)
		config func(*routing.Config)
		why    routing.Reason
		speaks string
	}{
		"is taken in the newest edition that both speak": {speaks: "oots-edm:v2.0"},
		"is taken in an older one where we speak no other": {
			config: func(c *routing.Config) { c.Specifications = []string{"oots-edm:v1.2"} }, speaks: "oots-edm:v1.2"},
		"whose provider speaks another edition": {route: func(r *canon.Route) { r.Specifications = []string{"oots-edm:v3.0", "rubbish"} }, why: routing.NoSpecification},
		"without P-Mode":                        {route: func(r *canon.Route) { r.AccessPoint.ID = "ap-se" }, why: routing.NoAgreement},
		"to ourselves":                          {route: func(r *canon.Route) { r.AccessPoint = party("urn:x:LV::ap-lv") }, why: routing.NoAgreement},
		"of our own Member State":               {route: func(r *canon.Route) { r.Country = "LV" }, query: func(q *routing.Query) { q.Provider.Country = "" }, why: routing.SameState},
		"that is not valid yet":                 {route: func(r *canon.Route) { r.ValidFrom = day.Add(time.Second) }, why: routing.NotValid},
		"that is not valid any more":            {route: func(r *canon.Route) { r.ValidUntil = day }, why: routing.NotValid},
		"that was withdrawn":                    {route: func(r *canon.Route) { r.Withdrawn = true }, why: routing.NoProvider},
		"for other procedures":                  {route: func(r *canon.Route) { r.Procedures = []string{"T2"} }, why: routing.NoProcedure},
		"for this procedure":                    {route: func(r *canon.Route) { r.Procedures = []string{"T2", "T3"} }, speaks: "oots-edm:v2.0"},
		"that proves something else": {
			route: func(r *canon.Route) { r.Requirements = []string{"https://sr.example/r1"} },
			query: func(q *routing.Query) { q.Requirements = []string{"https://sr.example/r1", "https://sr.example/r2"} }, why: routing.NoRequirement},
		"that proves it": {
			route: func(r *canon.Route) { r.Requirements = []string{"https://sr.example/r1", "https://sr.example/r2"} },
			query: func(q *routing.Query) { q.Requirements = []string{"https://sr.example/r2"} }, speaks: "oots-edm:v2.0"},
		"with a higher level of assurance":       {query: func(q *routing.Query) { q.Assurance = "Low" }, why: routing.LowAssurance},
		"with a representative of a lower level": {query: func(q *routing.Query) { q.Acting = "Low" }, why: routing.LowAssurance},
		"with any level":                         {route: func(r *canon.Route) { r.Assurance = "" }, query: func(q *routing.Query) { q.Assurance = "" }, speaks: "oots-edm:v2.0"},
		"of another evidence type":               {query: func(q *routing.Query) { q.EvidenceType = "https://sr.example/other" }, why: routing.NoEvidenceType},
		"of another provider":                    {query: func(q *routing.Query) { q.Provider.ID.ID = "other" }, why: routing.NoProvider},
		"of an access point of another partner":  {route: func(r *canon.Route) { r.AccessPoint = party("urn:x:NL::ap-nl") }, why: routing.NoAgreement},
		"for a procedure out of scope":           {query: func(q *routing.Query) { q.Procedure = "Z9" }, why: routing.OutOfScope},
		"asked for by an authority abroad":       {query: func(q *routing.Query) { q.Requester.Country = "EE" }, why: routing.WrongState},
	} {
		t.Run(name, func(t *testing.T) {
			var table *routing.Table
			if tc.config != nil {
				table = agreeing(t, tc.config)
			} else {
				table = agreeing(t)
			}
			r, q := offered(), forDiploma()
			if tc.route != nil {
				tc.route(r)
			}
			if tc.query != nil {
				tc.query(&q)
			}
			table.Learn(r.Message(day))
			got, why := table.Ask(q)
			if why != tc.why || got.Specification != tc.speaks {
				t.Fatalf("got %q in %q, want %q in %q", why, got.Specification, tc.why, tc.speaks)
			}
			if why == "" && (got.Peer != r.AccessPoint || got.Own != party("urn:x:LV::ap-lv") || got.Country != "FI" || got.Name != string(r.Key()) || got.Basis == "") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestOfSeveralRoutesTheNewestEditionIsTaken(t *testing.T) {
	table := agreeing(t)
	old := offered(func(r *canon.Route) { r.Specifications = []string{"oots-edm:v1.2"} })
	newest := offered(func(r *canon.Route) { r.AccessPoint.ID, r.Specifications = "ap-fi-2", []string{"oots-edm:v2.0"} })
	unusable := offered(func(r *canon.Route) { r.AccessPoint.ID, r.Specifications = "ap-se", []string{"oots-edm:v2.0"} })
	table.Learn(old.Message(day), newest.Message(day), unusable.Message(day))
	if got, why := table.Ask(forDiploma()); why != "" || got.Peer.ID != "ap-fi-2" || got.Specification != "oots-edm:v2.0" {
		t.Errorf("got %+v, %q", got, why)
	}
	table.Learn(offered(func(r *canon.Route) { r.AccessPoint.ID, r.Withdrawn = "ap-fi-2", true }).Message(day.Add(time.Hour)))
	if got, why := table.Ask(forDiploma()); why != "" || got.Peer.ID != "ap-fi" || got.Specification != "oots-edm:v1.2" {
		t.Errorf("after a withdrawal: got %+v, %q", got, why)
	}
}

// What is older than what is known changes nothing, in whatever order it is read.
// A directory of one Member State that names authorities of another leads no
// request away from there, whatever edition it offers.
//
// Covers: B-007, B-051
func TestADirectorySpeaksForItsOwnMemberState(t *testing.T) {
	const unregistered = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:"
	for name, id := range map[string]canon.Participant{"": party("urn:x:FI::ministry"), "by scheme": party(unregistered + "FI::ministry")} {
		own := offered(func(r *canon.Route) { r.Provider.ID, r.Specifications = id, []string{"oots-edm:v1.2"} })
		foreign := offered(func(r *canon.Route) {
			r.Provider, r.Country = canon.Agent{ID: id, Country: "SE"}, "SE"
			r.AccessPoint.ID, r.Specifications = "ap-fi-2", []string{"oots-edm:v2.0"} // there is an agreement with it
		})
		ask := func(q *routing.Query) { q.Provider.ID = id }
		table := agreeing(t)
		table.Learn(own.Message(day), foreign.Message(day))
		if got, why := table.Ask(forDiploma(ask)); why != "" || got.Peer.ID != "ap-fi" || got.Country != "FI" {
			t.Errorf("%s: got %+v, %q", name, got, why)
		}
		got, why := table.Ask(forDiploma(ask, func(q *routing.Query) { q.Provider.Country = "" }))
		if name == "" && why != routing.NoProvider {
			t.Errorf("two Member States name the authority, the request none: got %+v, %q", got, why)
		}
		if name != "" && (why != "" || got.Peer.ID != "ap-fi") {
			t.Errorf("%s: got %+v, %q", name, got, why)
		}
		alone := agreeing(t)
		alone.Learn(foreign.Message(day))
		if got, why := alone.Ask(forDiploma(ask)); why != routing.NoProvider {
			t.Errorf("%s: got %+v, %q", name, got, why)
		}
	}
}

// Nothing is sent to an access point whose registration has ended or has not begun.
//
// Covers: B-003
func TestNobodyIsAskedBeyondTheirRegistration(t *testing.T) {
	ended := routing.Valid{Until: "2026-09-13"}
	c := config(t, func(c *routing.Config) {
		for i := range c.Partners {
			c.Partners[i].Valid = ended
		}
	})
	c.Agreement = func(canon.Participant) bool { return true }
	table, err := routing.NewTable(c)
	if err != nil {
		t.Fatal(err)
	}
	configured := routing.Query{
		Procedure: "T2", EvidenceType: "https://sr.example/residence", Assurance: "High", At: day,
		Requester: canon.Agent{ID: party("urn:x:LV::university")}, Provider: canon.Agent{ID: party("urn:x:NL::residents")},
	}
	if got, why := table.Ask(configured); why != routing.ExpiredPartner {
		t.Errorf("a configured route: got %+v, %q", got, why)
	}
	table.Learn(offered(func(r *canon.Route) {
		r.Provider, r.Country, r.AccessPoint = canon.Agent{ID: party("urn:x:NL::ministry"), Country: "NL"}, "NL", party("urn:x:NL::ap-nl")
	}).Message(day))
	if got, why := table.Ask(forDiploma(func(q *routing.Query) { q.Provider = canon.Agent{ID: party("urn:x:NL::ministry"), Country: "NL"} })); why != routing.NoAgreement {
		t.Errorf("a route of the directory: got %+v, %q", got, why)
	}
}

func TestTheLatestWordOfARouteCounts(t *testing.T) {
	table := agreeing(t)
	newer, older := offered().Message(day.Add(time.Hour)), offered(func(r *canon.Route) { r.Withdrawn = true }).Message(day)
	forged := newer
	forged.Conversation, forged.At = canon.OwnConversation("portal", "key"), day.Add(2*time.Hour)
	table.Learn(newer, older, forged, canon.Message{At: day.Add(3 * time.Hour), Conversation: newer.Conversation, Body: &canon.Deadline{}})
	if all := table.Learned(day.Add(time.Hour)); len(all) != 1 || !all[0].Usable() || !all[0].Since.Equal(newer.At) {
		t.Errorf("learned %+v", all)
	}
}

// A configured route hides those of the directory for its provider and evidence
// type, also where it refuses.
func TestAConfiguredRouteComesFirst(t *testing.T) {
	table := agreeing(t, func(c *routing.Config) {
		c.Partners = append(c.Partners, routing.Partner{Country: "FI", AccessPoint: "urn:x:FI::ap-own"})
		c.Ask = append(c.Ask, routing.Ask{Name: "diplomas", Procedures: []string{"T2"}, EvidenceType: diploma, Provider: "urn:x:FI::ministry", Country: "FI"})
	})
	table.Learn(offered().Message(day))
	if got, why := table.Ask(forDiploma(func(q *routing.Query) { q.Procedure = "T2" })); why != "" || got.Name != "diplomas" || got.Peer.ID != "ap-own" {
		t.Errorf("got %+v, %q", got, why)
	}
	if _, why := table.Ask(forDiploma()); why != routing.NoProcedure {
		t.Errorf("a procedure that is not configured: %q, want %q", why, routing.NoProcedure)
	}
	all := table.Learned(day)
	if len(all) != 1 || all[0].HiddenBy != "diplomas" || all[0].Usable() {
		t.Errorf("learned %+v, want it hidden", all)
	}
}

func TestWhatTheDirectoryIsWorth(t *testing.T) {
	table := agreeing(t)
	want := map[routing.Reason]*canon.Route{
		"":                      offered(),
		routing.NoAgreement:     offered(func(r *canon.Route) { r.AccessPoint.ID = "ap-se" }),
		routing.NoSpecification: offered(func(r *canon.Route) { r.Provider.ID.ID, r.Specifications = "a", nil }),
		routing.NotValid:        offered(func(r *canon.Route) { r.Provider.ID.ID, r.ValidUntil = "b", day }),
		routing.SameState:       offered(func(r *canon.Route) { r.Provider.ID.ID, r.Country = "c", "LV" }),
	}
	for _, r := range want {
		table.Learn(r.Message(day))
	}
	all := table.Learned(day)
	if len(all) != len(want) || !slices.IsSortedFunc(all, func(a, b routing.Learned) int { return compare(string(a.Key), string(b.Key)) }) {
		t.Fatalf("learned %d in order %v, want %d by key", len(all), all, len(want))
	}
	for _, l := range all {
		if want[l.Why] != l.Route {
			t.Errorf("%s is said to be %q", l.Route.Provider.ID, l.Why)
		}
	}
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// What a request brings is used where nothing else knows the pair, and is held to
// the same rules.
func TestWhatARequestBringsFromTheDirectory(t *testing.T) {
	bring := func(q *routing.Query) {
		q.Offer = canon.Offer{AccessPoint: party("urn:x:FI::ap-fi-2"), Specifications: []string{"oots-edm:v2.0"}, Assurance: "High"}
	}
	for name, tc := range map[string]struct {
		change func(*routing.Query)
		learn  bool
		why    routing.Reason
		peer   string
	}{
		"is used":                 {peer: "ap-fi-2"},
		"not before the table":    {learn: true, peer: "ap-fi"},
		"without P-Mode":          {change: func(q *routing.Query) { q.Offer.AccessPoint.ID = "ap-se" }, why: routing.NoAgreement},
		"in an edition of theirs": {change: func(q *routing.Query) { q.Offer.Specifications = []string{"oots-edm:v9.0"} }, why: routing.NoSpecification},
		"for a lower level":       {change: func(q *routing.Query) { q.Assurance = "Substantial" }, why: routing.LowAssurance},
		"of our Member State":     {change: func(q *routing.Query) { q.Provider.Country = "LV" }, why: routing.SameState},
		"of no Member State":      {change: func(q *routing.Query) { q.Provider.Country = "" }, why: routing.NoProvider},
	} {
		t.Run(name, func(t *testing.T) {
			table := agreeing(t)
			if tc.learn {
				table.Learn(offered().Message(day))
			}
			q := forDiploma(bring)
			if tc.change != nil {
				tc.change(&q)
			}
			if got, why := table.Ask(q); why != tc.why || got.Peer.ID != tc.peer {
				t.Errorf("got %q by %q, want %q by %q", why, got.Peer.ID, tc.why, tc.peer)
			}
		})
	}
}

// Queries and what the log says do not wait for each other.
func TestLearningAndAskingAtOnce(t *testing.T) {
	table := agreeing(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			table.Learn(offered(func(r *canon.Route) { r.Withdrawn = i%2 == 1 }).Message(day.Add(time.Duration(i) * time.Second)))
		}
	}()
	for {
		select {
		case <-done:
			if _, why := table.Ask(forDiploma()); why != routing.NoProvider {
				t.Errorf("at the end: %q", why)
			}
			return
		default:
			if _, why := table.Ask(forDiploma()); why != "" && why != routing.NoProvider {
				t.Fatalf("got %q", why)
			}
		}
	}
}

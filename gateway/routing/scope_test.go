package routing_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
)

// The 21 of Annex II, the directives and what a Union act integrates are in scope,
// each with its provision; all else is refused on both sides.
//
// Covers: B-001, B-009, B-011, B-012
func TestScope(t *testing.T) {
	table := agreeing(t)
	annexII := strings.Fields("R1 S1 T1 T2 T3 U1 U2 U3 U4 V1 V2 V3 V4 W1 W2 X1 X2 X3 X4 X5 X6")
	for _, code := range annexII {
		if basis := table.Basis(code); !strings.HasPrefix(basis, "Regulation (EU) 2018/1724, Annex II") {
			t.Errorf("%s stands on %q, want Annex II", code, basis)
		}
	}
	if len(annexII) != 21 {
		t.Errorf("%d procedures, want 21", len(annexII))
	}
	for code, act := range map[string]string{"AM1": "Directive 2005/36/EC", "X10": "Regulation (EU) 2022/868", "X11": "Regulation (EU) 2022/868"} {
		if basis := table.Basis(code); !strings.HasPrefix(basis, act) {
			t.Errorf("%s stands on %q, want %s", code, basis, act)
		}
	}
	for _, code := range []string{"", "r1", "R1 ", "Z9", "00"} {
		if basis := table.Basis(code); basis != "" {
			t.Errorf("%q stands on %q, want it out of scope", code, basis)
		}
	}
}

// Covers: B-001
func TestOutOfScopeIsRefusedOnBothSides(t *testing.T) {
	table := agreeing(t)
	table.Learn(offered().Message(day))
	for code, want := range map[string]routing.Reason{"Z9": routing.OutOfScope, "00": routing.TestOnly} {
		if _, why := table.Ask(forDiploma(func(q *routing.Query) { q.Procedure = code })); why != want {
			t.Errorf("asking for %s: %q, want %q", code, why, want)
		}
		q := routing.Query{
			Procedure: code, EvidenceType: "https://sr.example/birth", Assurance: "High", Peer: party("urn:x:NL::ap-nl"), At: day,
			Requester: canon.Agent{ID: party("urn:x:NL::university"), Country: "NL"}, Provider: canon.Agent{ID: party("urn:x:LV::births")},
		}
		if _, why := table.Provide(q); why != want {
			t.Errorf("providing for %s: %q, want %q", code, why, want)
		}
	}
}

// Codes of a deployment count without a change of code; a procedure of the Union that
// has its own mechanism comes in by the act that integrates it, and not without.
//
// Covers: B-009, B-012, B-055
func TestScopeIsData(t *testing.T) {
	lists, err := codes.Load(codes.Default(), fstest.MapFS{"Procedures.json": {Data: []byte(`[
		{"code": "N1", "name": "A new one", "lifeEvent": "Test", "basis": {"kind": "union-act", "act": "Regulation (EU) 2030/1", "provision": "Article 2"}},
		{"code": "U3", "withdrawn": true}
	]`)}})
	if err != nil {
		t.Fatal(err)
	}
	table := agreeing(t, func(c *routing.Config) { c.Lists = lists })
	if got := table.Basis("N1"); got != "Regulation (EU) 2030/1, Article 2" {
		t.Errorf("N1 stands on %q", got)
	}
	if got := table.Basis("U3"); got != "" {
		t.Errorf("U3 was withdrawn and stands on %q", got)
	}
	if _, err := codes.Load(codes.Default(), fstest.MapFS{"Procedures.json": {Data: []byte(`[{"code": "N2", "name": "Own mechanism", "basis": {"kind": "union-act", "act": ""}}]`)}}); err == nil {
		t.Error("a procedure of the Union is in scope without an act that integrates it")
	}
}

func TestTestProcedures(t *testing.T) {
	table := agreeing(t, func(c *routing.Config) { c.TestProcedures = true })
	if got := table.Basis("00"); got == "" {
		t.Error("the system check is out of scope where tests are allowed")
	}
}

func TestRoutesOfUnknownProceduresAreFaults(t *testing.T) {
	_, err := routing.NewTable(config(t, func(c *routing.Config) { c.Provide[0].Procedures = []string{"Z9"} }))
	if err == nil || !strings.Contains(err.Error(), "Z9") {
		t.Errorf("got error %v, want it to name Z9", err)
	}
}

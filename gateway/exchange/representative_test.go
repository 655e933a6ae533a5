package exchange_test

import (
	"strings"
	"testing"

	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/schemas/canon"
)

// guardian is a fictitious person with a power of representation.
func guardian(scope string) *canon.NaturalPerson {
	p := &canon.NaturalPerson{Assurance: "High", Identifier: "LV/NL/000000-00009", FamilyName: "Fiktivs", GivenName: "Juris", BirthDate: "1970-02-03"}
	if scope != "" {
		p.Attributes = []canon.Attribute{{Name: canon.PowerName, URI: canon.PowerURI, Value: scope}}
	}
	return p
}

func firm(scope string) *canon.LegalPerson {
	p := &canon.LegalPerson{Assurance: "High", Identifier: "LV/NL/40000000001", Name: "Fiktiva un partneri"}
	if scope != "" {
		p.Attributes = []canon.Attribute{{Name: canon.PowerName, URI: canon.PowerURI, Value: scope}}
	}
	return p
}

func actedFor(r canon.Representative) change {
	return func(_ *canon.EvidenceRequest, p *canon.RequestPrivate) { p.Representative = r }
}

// Who acts for the person must have the power for this procedure; the exchange says
// that somebody acts, the trail for what, and neither says who.
//
// Covers: B-006, B-023
func TestRepresentatives(t *testing.T) {
	for _, tc := range []struct {
		name           string
		who            canon.Representative
		asks, gives    canon.Code // empty: goes on
		kind, recorded string
	}{
		{name: "nobody"},
		{name: "a person, for this procedure", who: canon.Representative{Natural: guardian("T2")}, kind: "natural", recorded: "power of representation for T2"},
		{name: "a person, for several", who: canon.Representative{Natural: guardian("R1, T2")}, kind: "natural", recorded: "power of representation for R1, T2"},
		{name: "a person, for all", who: canon.Representative{Natural: guardian("ALL")}, kind: "natural", recorded: "power of representation for ALL"},
		{name: "a company", who: canon.Representative{Legal: firm("T2")}, kind: "legal", recorded: "power of representation for T2"},
		{name: "a person for a company", who: canon.Representative{Natural: guardian(""), Legal: firm("T2")}, kind: "natural-and-legal", recorded: "power of representation for T2"},
		{name: "a person, for another procedure", who: canon.Representative{Natural: guardian("R1,T1")}, asks: canon.CodeRepresentation, gives: canon.CodeRepresentation},
		{name: "a company, for another procedure", who: canon.Representative{Legal: firm("t2")}, asks: canon.CodeRepresentation, gives: canon.CodeRepresentation},
		// The attribute may be missing on the wire; what leaves us has it.
		{name: "a person without stated power", who: canon.Representative{Natural: guardian("")}, asks: canon.CodeRepresentation, kind: "natural", recorded: "power of representation not stated"},
		{name: "a person who is hardly identified", who: func() canon.Representative {
			g := guardian("ALL")
			g.Assurance = "Low"
			return canon.Representative{Natural: g}
		}(), asks: canon.CodeNoRoute, gives: canon.CodeNoRoute},
	} {
		for code, s := range map[canon.Code]*side{tc.asks + " ": requesterSide(t), tc.gives: providerSide(t)} {
			want := canon.Code(strings.TrimSpace(string(code)))
			t.Run(tc.name+", "+s.w.Routes.Country(), func(t *testing.T) {
				out := s.step(s.request(canon.StepFirst, "r1", actedFor(tc.who)))
				keepsContract(t, s.id, out)
				if s.c.Code != want {
					t.Fatalf("got code %q (%s), want %q", s.c.Code, s.c.Detail, want)
				}
				if want != "" {
					return
				}
				if s.c.Representation != tc.kind {
					t.Errorf("representation %q, want %q", s.c.Representation, tc.kind)
				}
				e := audited(out, "representation.recorded")
				if (e != nil) != (tc.kind != "") || e != nil && (e.Reason != tc.recorded || e.Outcome != tc.kind) {
					t.Errorf("audit says %+v, want %q", e, tc.recorded)
				}
			})
		}
	}
}

// Who acts for the person may see and decide at the preview; the register is asked
// about the person.
//
// Covers: B-023, B-028
func TestTheRepresentativeAtThePreview(t *testing.T) {
	for name, tc := range map[string]struct {
		who   canon.Subject
		opens bool
	}{
		"the person":         {exchangetest.Person(), true},
		"the representative": {canon.Subject{Natural: guardian("")}, true},
		"the company":        {canon.Subject{Legal: firm("")}, true},
		"somebody else":      {stranger(), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := providerSide(t)
			who := actedFor(canon.Representative{Natural: guardian("T2"), Legal: firm("")})
			s.step(s.request(canon.StepFirst, "r1", who))
			out := s.step(s.opened(tc.who))
			if opens := s.c.Phase == exchange.Querying; opens != tc.opens {
				t.Fatalf("got %s, opens %v", s.c.Phase, tc.opens)
			}
			if !tc.opens {
				return
			}
			p, _ := find[*canon.RegisterQuery](t, out).Private.Get()
			if !p.Subject.Matches(exchangetest.Person()) {
				t.Error("the register is asked about somebody else")
			}
			s.step(s.request(canon.StepPreview, "r2", who))
			s.step(s.record(canon.RecordFound, documents()...))
			if out := s.step(s.decided("main")); kinds(out) != delivers {
				t.Errorf("the decision says %q", kinds(out))
			}
		})
	}
}

// Both requests of a requester name the same representative.
func TestBothRequestsNameTheRepresentative(t *testing.T) {
	s := requesterSide(t)
	who := actedFor(canon.Representative{Natural: guardian("T2")})
	first := find[*canon.EvidenceRequest](t, s.step(s.request(canon.StepFirst, "", who)))
	s.step(s.previewRequired())
	second := find[*canon.EvidenceRequest](t, s.step(s.request(canon.StepPreview, "")))
	for n, r := range []*canon.EvidenceRequest{first, second} {
		if p, ok := r.Private.Get(); !ok || p.Representative.Natural == nil || p.Representative.Scope()[0] != "T2" {
			t.Errorf("request %d does not name the representative", n+1)
		}
	}
}

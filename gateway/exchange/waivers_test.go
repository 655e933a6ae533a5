package exchange_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"oncegate/gateway/consent"
	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

const (
	actRequest = "Fictitious Act 1, section 2"
	actPreview = "Fictitious Act 9, section 4"
)

// waived returns the world with a provision for each of the two switches.
func waived(t *testing.T, w *exchange.World, country string, request, noPreview bool) *exchange.World {
	t.Helper()
	var entries []consent.Exemption
	add := func(on bool, what consent.Waiver, act string) {
		if on {
			entries = append(entries, consent.Exemption{
				Waives: what, Provision: act, Procedures: []string{"T2"}, EvidenceTypes: []string{birth}, Countries: []string{country}, From: "2020-01-01",
			})
		}
	}
	add(request, consent.WaiveExplicitRequest, actRequest)
	add(noPreview, consent.WaivePreview, actPreview)
	p, err := consent.NewPolicy(entries)
	if err != nil {
		t.Fatal(err)
	}
	next := *w
	next.Policy = p
	return &next
}

func audited(out []canon.Message, step string) (e *canon.AuditEvent) {
	for _, m := range out {
		if a, ok := m.Body.(*canon.AuditEvent); ok && a.Step == step {
			e = a
		}
	}
	return e
}

// The request and the preview are two switches: each of the four ways goes on where
// its provisions stand in the policy and only there, is flagged in what leaves, and
// the information of the person is recorded where nobody shows them the evidence.
//
// Covers: B-016, B-022, B-036, B-037, B-038, B-045
func TestTheFourWaysOfRequestAndPreview(t *testing.T) {
	for _, tc := range []struct {
		name             string
		asked, previewed bool
	}{
		{"explicit request, preview", true, true},
		{"explicit request, no preview", true, false},
		{"no explicit request, preview", false, true},
		{"no explicit request, no preview", false, false},
	} {
		for _, role := range []string{"requester", "provider"} {
			t.Run(tc.name+", "+role, func(t *testing.T) {
				for _, informed := range []bool{false, true} {
					for request := range 4 { // which provisions the policy has
						law, noLaw := request&1 != 0, request&2 != 0
						s, country := requesterSide(t), "LV"
						if role == "provider" {
							s, country = providerSide(t), "NL"
						}
						s.w = waived(t, s.w, country, law, noLaw)
						out := s.step(s.request(canon.StepFirst, "r1", func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) {
							r.PreviewPossible = tc.previewed
							if !tc.asked {
								r.ExplicitRequest = canon.ExplicitRequest{}
							}
							if informed {
								r.ExplicitRequest.InformedAt, r.ExplicitRequest.Notice = s.at, "notice-1"
							}
						}))
						keepsContract(t, s.id, out)
						allowed := (tc.asked || law) && (tc.previewed || noLaw)
						if refused := strings.Contains(kinds(out), "refus"); refused == allowed {
							t.Fatalf("provisions %v %v: says %q, allowed %v", law, noLaw, kinds(out), allowed)
						}
						if !allowed {
							continue
						}
						exemption, waivedBy := "", ""
						if !tc.asked {
							exemption = actRequest
						}
						if !tc.previewed {
							waivedBy = actPreview
						}
						if s.c.ExplicitRequest.Exemption != exemption || s.c.Waived != waivedBy {
							t.Errorf("stands on %q and %q, want %q and %q", s.c.ExplicitRequest.Exemption, s.c.Waived, exemption, waivedBy)
						}
						if role == "requester" {
							if r := find[*canon.EvidenceRequest](t, out); r.ExplicitRequest.Exemption != exemption || r.Waived != waivedBy {
								t.Errorf("the request is flagged %q and %q", r.ExplicitRequest.Exemption, r.Waived)
							}
						}
						want := ""
						if !tc.previewed && informed {
							want = "information.given"
						} else if !tc.previewed {
							want = "information.due"
						}
						for _, step := range []string{"information.given", "information.due"} {
							if (audited(out, step) != nil) != (step == want) {
								t.Errorf("audit says %s, want %q of the information", steps(out), want)
							}
						}
						if e := audited(out, "request.received"); e.Reason != cmpOr(waivedBy, exemption) || e.Basis == "" {
							t.Errorf("audit names %q under %q", e.Reason, e.Basis)
						}
					}
				}
			})
		}
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Evidence that came without a preview carries the provision to the portal and
// leaves the provider with it.
//
// Covers: B-036
func TestEvidenceWithoutPreviewIsFlagged(t *testing.T) {
	p := providerSide(t)
	p.w = waived(t, p.w, "NL", false, true)
	p.step(p.request(canon.StepFirst, "r1", noPreview))
	if r := find[*canon.EvidenceResponse](t, p.step(p.record(canon.RecordFound, documents()...))); r.Waived != actPreview {
		t.Errorf("the answer is flagged %q", r.Waived)
	}
	r := requesterSide(t)
	r.w = waived(t, r.w, "LV", false, true)
	r.step(r.request(canon.StepFirst, "", noPreview))
	if n := find[*canon.ExchangeNotice](t, r.step(r.response())); n.Waived != actPreview {
		t.Errorf("the notice is flagged %q", n.Waived)
	}
}

// A procedure that is out of scope ends before anything leaves and before a
// register is asked, with a reason that is always the same.
//
// Covers: B-001, B-011
func TestOutOfScope(t *testing.T) {
	for _, s := range []*side{requesterSide(t), providerSide(t)} {
		out := s.step(s.request(canon.StepFirst, "r1", func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.Procedure = "Z9" }))
		keepsContract(t, s.id, out)
		if s.c.Code != canon.CodeOutOfScope || !strings.HasPrefix(s.c.Detail, "procedure out of scope") || strings.Contains(kinds(out), "register") || strings.Contains(kinds(out), "first") {
			t.Errorf("%s: %s %q, says %q", s.c.Role, s.c.Code, s.c.Detail, kinds(out))
		}
	}
	for _, s := range []*side{requesterSide(t), providerSide(t)} {
		s.step(s.request(canon.StepFirst, "r1"))
		if want := "Regulation (EU) 2018/1724, Annex II, row 4"; s.c.LegalBasis != want {
			t.Errorf("%s: stands on %q, want %q", s.c.Role, s.c.LegalBasis, want)
		}
	}
}

// All that one exchange is to prove goes out with it, both times, and into the trail.
func TestSeveralRequirements(t *testing.T) {
	requirements := []canon.Requirement{
		{ID: "https://sr.example/r1", Names: []canon.Text{{Lang: "EN", Text: "Birth"}}},
		{ID: "https://sr.example/r2", Names: []canon.Text{{Lang: "EN", Text: "Age"}}},
	}
	all := func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.Requirements = requirements }
	want := []string{"https://sr.example/r1", "https://sr.example/r2"}
	s := requesterSide(t)
	out := s.step(s.request(canon.StepFirst, "", all))
	first := find[*canon.EvidenceRequest](t, out)
	if e := audited(out, "request.received"); !slices.Equal(e.Needs, want) {
		t.Errorf("audit says %v, want %v", e.Needs, want)
	}
	s.step(s.previewRequired())
	second := find[*canon.EvidenceRequest](t, s.step(s.request(canon.StepPreview, "")))
	for n, r := range []*canon.EvidenceRequest{first, second} {
		if len(r.Requirements) != 2 || r.Requirements[1].ID != want[1] {
			t.Errorf("request %d requires %v", n+1, r.Requirements)
		}
	}
	p := providerSide(t)
	if e := audited(p.step(p.request(canon.StepFirst, "r1", all)), "request.received"); !slices.Equal(e.Needs, want) || len(p.c.Requirements) != 2 {
		t.Errorf("the provider keeps %v and %v", p.c.Requirements, e.Needs)
	}
}

// How it came to this evidence is part of the exchange and of the trail, without a
// word about the person.
func TestChoicesAreRecorded(t *testing.T) {
	choices := []canon.Choice{
		{What: canon.ChoseOption, About: "https://sr.example/r1", Shown: []string{"a", "b"}, Taken: "b", Person: true, Answer: canon.Provenance{Digest: "sha256:" + strings.Repeat("a", 64)}},
		{What: canon.ChoseService, About: birth, Shown: []string{"x"}, Taken: "x", Answer: canon.Provenance{Digest: "sha256:" + strings.Repeat("b", 64)}},
	}
	s := requesterSide(t)
	out := s.step(s.request(canon.StepFirst, "", func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.Choices = choices }))
	keepsContract(t, s.id, out)
	e := audited(out, "choice.recorded")
	if e == nil || e.Digests["1-option"] != choices[0].Answer.Digest || e.Digests["2-service"] != choices[1].Answer.Digest ||
		e.Reason != "option b of 2, by the person; service x of 1, only one fitted" {
		t.Errorf("audit says %+v", e)
	}
	if len(s.c.Choices) != 2 {
		t.Errorf("the exchange keeps %v", s.c.Choices)
	}
}

// A provider counts from the ebMS timestamp, which both sides have.
func TestTimersCountFromTheCarrier(t *testing.T) {
	s := providerSide(t)
	sent := t0.Add(-90 * time.Second)
	carried := func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) {
		r.IssuedAt, r.SentAt = t0.Add(-4*time.Minute), sent
	}
	s.step(s.request(canon.StepFirst, "r1", carried))
	if want := sent.Add(16 * time.Minute); !s.c.Due.Equal(want) {
		t.Errorf("T2 ends at %v, want %v", s.c.Due, want)
	}
	s.step(s.request(canon.StepPreview, "r2", carried))
	if want := sent.Add(40 * time.Minute); !s.c.Due.Equal(want) {
		t.Errorf("T3 ends at %v, want %v", s.c.Due, want)
	}
}

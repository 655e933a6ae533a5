package exchange_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

type away struct{ err error }

func (a away) Claim(context.Context, canon.RequestID, canon.MessageID) (canon.MessageID, error) {
	return "", a.err
}

// What is not what was asked for is blocked, whole, and named: in the exchange, in
// the notice to the portal and in the trail.
//
// Covers: B-039, B-051
func TestFindings(t *testing.T) {
	for word, want := range map[string]exchange.Finding{
		"evidence, other person":    exchange.FindingPerson,
		"evidence, other type":      exchange.FindingType,
		"evidence, other authority": exchange.FindingProvider,
		"evidence, other state":     exchange.FindingIssuer,
		"evidence, other form":      exchange.FindingFormat,
		"evidence, one id":          exchange.FindingIdentity,
		"evidence, loose annex":     exchange.FindingStructure,
		"evidence, none":            exchange.FindingStructure,
		"empty list, full":          exchange.FindingStructure,
		"deferred, full":            exchange.FindingStructure,
	} {
		t.Run(word, func(t *testing.T) {
			s, words := requesterSide(t), requesterWords()
			for _, w := range []string{"first", "preview", "second"} {
				s.step(words[w](s))
			}
			out := s.step(words[word](s))
			keepsContract(t, s.id, out)
			if s.c.Phase != exchange.Failed || s.c.Finding != want || s.c.Code != canon.CodeAnswerMismatch || len(s.c.Documents) != 0 || !s.c.Spent() {
				t.Errorf("got %s, finding %q, %s, %d documents", s.c.Phase, s.c.Finding, s.c.Code, len(s.c.Documents))
			}
			if n := find[*canon.ExchangeNotice](t, out); n.Code != canon.CodeAnswerMismatch || n.Payloads != 0 || n.Detail == "" {
				t.Errorf("the notice says %+v", n)
			}
			if e := audited(out, "answer.refused"); e == nil || !strings.HasPrefix(e.Reason, "finding "+string(want)+": ") {
				t.Errorf("audit says %+v", e)
			}
		})
	}
}

// Up to EDM 1.2 an answer is a flat list: one evidence in a form that was asked for
// is enough.
func TestAFlatListHoldsOtherFormsToo(t *testing.T) {
	docs := []canon.Document{document("main", canon.RoleMain, birth, ""), document("readable", canon.RoleMain, birth, "")}
	docs[1].Payload.MediaType = "application/pdf"
	for specification, want := range map[string]exchange.Phase{"oots-edm:v1.2": exchange.Delivered, "oots-edm:v2.0": exchange.Failed} {
		s := requesterSide(t)
		s.step(s.request(canon.StepFirst, ""))
		s.step(s.previewRequired())
		s.step(s.request(canon.StepPreview, ""))
		c := *s.c
		c.Specification = specification
		s.c = &c
		s.step(s.response(func(b *canon.EvidenceResponse) { b.Documents = docs }))
		if s.c.Phase != want {
			t.Errorf("%s: got %s (%s), want %s", specification, s.c.Phase, s.c.Finding, want)
		}
	}
}

// A supplement may supplement another; it goes with its evidence.
func TestATranslationOfAnAnnex(t *testing.T) {
	docs := []canon.Document{document("main", canon.RoleMain, birth, ""), document("annex", canon.RoleAnnex, "", "main"), document("translated", canon.RoleTranslation, "", "annex")}
	for name, tc := range map[string]struct {
		say  []string
		sent int
	}{
		"all":                     {[]string{"main", "annex", "translated"}, 3},
		"without the annex":       {[]string{"main", "-annex", "translated"}, 1},
		"without the evidence":    {[]string{"-main", "annex", "translated"}, 0},
		"without the translation": {[]string{"main", "annex"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := providerSide(t)
			s.step(s.request(canon.StepFirst, "r1"))
			s.step(s.request(canon.StepPreview, "r2"))
			s.step(s.opened(exchangetest.Person()))
			s.step(s.record(canon.RecordFound, docs...))
			if r := find[*canon.EvidenceResponse](t, s.step(s.decided(tc.say...))); len(r.Documents) != tc.sent {
				t.Errorf("%d documents leave, want %d", len(r.Documents), tc.sent)
			}
		})
	}
	circle := []canon.Document{docs[0], document("a", canon.RoleAnnex, "", "b"), document("b", canon.RoleAnnex, "", "a")}
	s := providerSide(t)
	s.step(s.request(canon.StepFirst, "r1"))
	s.step(s.opened(exchangetest.Person()))
	s.step(s.record(canon.RecordFound, circle...))
	if s.c.Outcome != exchange.Refused {
		t.Errorf("supplements that name each other lead to %s", s.c.Outcome)
	}
}

// There will be evidence later: an end of its own, with its time, on both sides.
//
// Covers: B-015, B-027
func TestDeferred(t *testing.T) {
	until := t0.AddDate(0, 0, 3)
	s, words := requesterSide(t), requesterWords()
	for _, w := range []string{"first", "preview", "second"} {
		s.step(words[w](s))
	}
	out := s.step(words["deferred"](s))
	keepsContract(t, s.id, out)
	n := find[*canon.ExchangeNotice](t, out)
	if s.c.Phase != exchange.Deferred || !s.c.AvailableAt.Equal(until) || !n.AvailableAt.Equal(until) || n.State != "deferred" || s.c.Code != canon.CodeDeferred || !s.c.Spent() {
		t.Errorf("got %s until %v, the notice %+v", s.c.Phase, s.c.AvailableAt, n)
	}
	p := providerSide(t)
	for _, w := range []string{"first", "second", "person"} {
		p.step(providerWords()[w](p))
	}
	out = p.step(p.deferred(until))
	keepsContract(t, p.id, out)
	if r := find[*canon.EvidenceResponse](t, out); r.Status != canon.StatusDeferred || !r.AvailableAt.Equal(until) || len(r.Documents) != 0 {
		t.Errorf("the answer is %+v", r)
	}
	if p.step(p.receipt("answer", canon.DeliveryAcknowledged)); p.c.Phase != exchange.Deferred {
		t.Errorf("ends as %s", p.c.Phase)
	}
}

// A person who takes the request back before anything was released ends the
// exchange; what comes afterwards is ignored, and nothing of it can be opened.
//
// Covers: B-026, B-027
func TestWithdrawal(t *testing.T) {
	for _, path := range [][]string{{"first"}, {"first", "preview"}, {"first", "preview", "second"}} {
		s, words := requesterSide(t), requesterWords()
		for _, w := range path {
			s.step(words[w](s))
		}
		if s.step(words["withdrawn elsewhere"](s)); s.c.Phase.Final() {
			t.Errorf("%v: another portal ends the exchange", path)
		}
		out := s.step(words["withdrawn"](s))
		if s.c.Phase != exchange.Withdrawn || !s.c.Spent() || kinds(out) != "exchange.notice withdrawn" || audited(out, "request.withdrawn") == nil {
			t.Errorf("%v: got %s saying %q", path, s.c.Phase, kinds(out))
		}
		for _, late := range []string{"preview", "evidence", "refusal", "second", "deadline"} {
			if out := s.step(words[late](s)); s.c.Phase != exchange.Withdrawn || kinds(out) != "" {
				t.Errorf("%v: %s afterwards leads to %s saying %q", path, late, s.c.Phase, kinds(out))
			}
		}
	}
	s, words := requesterSide(t), requesterWords()
	for _, w := range []string{"first", "preview", "second", "evidence", "withdrawn"} {
		s.step(words[w](s))
	}
	if s.c.Phase != exchange.Delivered {
		t.Errorf("after the release a withdrawal leads to %s", s.c.Phase)
	}
	// The answer was quicker than the person: nobody fetches it any more.
	if !s.c.Spent() {
		t.Error("evidence of a request that was taken back is still there for its portal")
	}
}

// Every code of list EDMErrorCodes reaches the portal as it came, with a code of
// ours that says what can be done.
//
// Covers: B-015
func TestWhatARefusalSays(t *testing.T) {
	for edm, want := range map[string]canon.Code{
		"EDM:ERR:0001": canon.CodeAnswerDenied, "EDM:ERR:0002": canon.CodeAnswerDenied, "EDM:ERR:0003": canon.CodeAnswerInvalid,
		"EDM:ERR:0004": canon.CodeEvidenceNotFound, "EDM:ERR:0005": canon.CodeDeadlinePassed, "EDM:ERR:0006": canon.CodeAnswerUnsupported,
		"EDM:ERR:0007": canon.CodeAnswerUnsupported, "EDM:ERR:0008": canon.CodeAnswerProblem,
	} {
		s := requesterSide(t)
		s.step(s.request(canon.StepFirst, ""))
		m := s.refusal(edm)
		m.Body.(*canon.EvidenceRefusal).Detail = "R-EDM-REQ-C009 at /query:QueryRequest/rim:Slot[3]"
		n := find[*canon.ExchangeNotice](t, s.step(m))
		if n.Code != want || n.EDM != edm || n.Detail != "R-EDM-REQ-C009 at /query:QueryRequest/rim:Slot[3]" || n.Code.NextStep() == "" {
			t.Errorf("%s: the notice says %+v", edm, n)
		}
	}
}

// Up to EDM 1.2 the preview location ties the second request to the first, the
// browser brings the way back, and the answer goes to the session of its request.
//
// Covers: B-055
func TestWithoutExchangeID(t *testing.T) {
	older := func(r *canon.EvidenceRequest, p *canon.RequestPrivate) {
		r.Specification, p.ReturnLocation = "oots-edm:v1.2", ""
		if r.Step == canon.StepPreview {
			r.Exchange, r.Session = "33333333-0f39-4b59-9f7f-1a4c0c0d4e21", "44444444-0f39-4b59-9f7f-1a4c0c0d4e21"
		}
	}
	s := providerSide(t)
	s.step(s.request(canon.StepFirst, "r1", older))
	stranger := s.request(canon.StepPreview, "r2", older, func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.From.ID = "ap-x" })
	if out := s.step(stranger); kinds(out) != reused || s.c.Second != "" || find[*canon.EvidenceRefusal](t, out).Code != canon.CodePeerMismatch {
		t.Errorf("another access point says %q", kinds(out))
	}
	if out := s.step(s.request(canon.StepPreview, "r2", older, func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.Specification = "oots-edm:v1.1" })); kinds(out) != reused || s.c.Second != "" {
		t.Errorf("another edition says %q", kinds(out))
	}
	if out := s.step(s.request(canon.StepPreview, "r2", older)); kinds(out) != "" || s.c.Second != uuid("r2") {
		t.Fatalf("the second request says %q", kinds(out))
	}
	s.step(s.message(&canon.PreviewOpened{Exchange: exchangeID, Private: canon.Clear(canon.OpenedPrivate{
		Subject: exchangetest.Person(), ReturnLocation: "https://portal.example/return/1",
	})}))
	if back, ok := s.w.Tickets.OpenBack(s.id, s.c.Back); !ok || back != "https://portal.example/return/1" {
		t.Errorf("the way back is %q", back)
	}
	s.step(s.record(canon.RecordFound, documents()...))
	if r := find[*canon.EvidenceResponse](t, s.step(s.decided("main"))); r.Session != "44444444-0f39-4b59-9f7f-1a4c0c0d4e21" || r.Request != uuid("r2") {
		t.Errorf("the answer goes to %s in session %s", r.Request, r.Session)
	}
	// With an ExchangeId nothing of this holds.
	m := s.request(canon.StepPreview, "r3", func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.Exchange = otherExchange })
	if _, _, err := s.c.Next(m, s.w); err == nil {
		t.Error("a second request of 2.0 comes into the exchange by its location")
	}
}

// The directory changes while exchanges are under way: a rebuild takes the way that
// was taken.
func TestARebuildTakesTheWayThatWasTaken(t *testing.T) {
	s := requesterSide(t)
	table, err := routing.NewTable(routing.Config{Country: "NL", AccessPoint: nlAP, Partners: []routing.Partner{{Country: "LV", AccessPoint: lvAP}}})
	if err != nil {
		t.Fatal(err)
	}
	w := *s.w
	w.Routes = table
	s.w = &w
	route := func(withdrawn bool) *canon.Route {
		return &canon.Route{
			EvidenceType: evidenceType(birth), Provider: agent(births, "LV"), Country: "LV", AccessPoint: party(lvAP),
			Specifications: []string{"oots-edm:v2.0"}, Withdrawn: withdrawn,
		}
	}
	table.Learn(route(false).Message(t0))
	r := newRig(t, s, func() time.Time { return s.at })
	out := r.handle(s.request(canon.StepFirst, ""))
	if kinds(out) != "evidence.request first" {
		t.Fatalf("says %q", kinds(out))
	}
	s.c = r.get(s.id)
	want := *s.c
	if want.Route != string(route(false).Key()) {
		t.Errorf("by route %q, want that of the directory", want.Route)
	}
	table.Learn(route(true).Message(t0.Add(time.Hour)))
	r.store.Flush()
	got := *r.get(s.id)
	want.Route = "" // nobody can say any more
	if d := exchangetest.Diff(&want, &got); d != "" {
		t.Errorf("after a rebuild (-before +after):\n%s", d)
	}
	if out := r.handle(s.previewRequired()); kinds(out) != "exchange.notice preview-offered" {
		t.Errorf("the answer says %q", kinds(out))
	}
}

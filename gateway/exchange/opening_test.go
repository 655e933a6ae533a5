package exchange_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/consent"
	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

type change = func(*canon.EvidenceRequest, *canon.RequestPrivate)

func noExplicitRequest(r *canon.EvidenceRequest, _ *canon.RequestPrivate) {
	r.ExplicitRequest = canon.ExplicitRequest{}
}

func noPreview(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.PreviewPossible = false }

// Covers: B-002, B-006, B-016, B-022, B-024, B-036
func TestProviderOpening(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change change
		waive  consent.Waiver
		phase  exchange.Phase
		says   string
		code   canon.Code
	}{
		{name: "a sound request is offered a preview", phase: exchange.PreviewOffered, says: "evidence.preview"},
		{name: "no explicit request", change: noExplicitRequest, phase: exchange.Answered, says: "evidence.refusal EDM:ERR:0002", code: canon.CodeNoExplicitRequest},
		{name: "no explicit request, under a provision", change: noExplicitRequest, waive: consent.WaiveExplicitRequest, phase: exchange.PreviewOffered, says: "evidence.preview"},
		{name: "no explicit request, under a provision for the preview", change: noExplicitRequest, waive: consent.WaivePreview, phase: exchange.Answered, says: "evidence.refusal EDM:ERR:0002", code: canon.CodeNoExplicitRequest},
		{name: "no preview", change: noPreview, phase: exchange.Answered, says: "evidence.refusal EDM:ERR:0003", code: canon.CodeRequestInvalid},
		{name: "no preview, under a provision", change: noPreview, waive: consent.WaivePreview, phase: exchange.Querying, says: "register.query"},
		{name: "no preview, under a provision for the request", change: noPreview, waive: consent.WaiveExplicitRequest, phase: exchange.Answered, says: "evidence.refusal EDM:ERR:0003", code: canon.CodeRequestInvalid},
		{name: "an unknown evidence type", change: func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.EvidenceType.Classification += "2" }, phase: exchange.Answered, says: "evidence.refusal EDM:ERR:0004", code: canon.CodeNoRoute},
		{name: "another procedure", change: func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.Procedure = "U1" }, phase: exchange.Answered, says: "evidence.refusal EDM:ERR:0002", code: canon.CodeNoRoute},
		{name: "another authority", change: func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.Provider = agent(uni, "LV") }, phase: exchange.Answered, says: "evidence.refusal EDM:ERR:0004", code: canon.CodeNoRoute},
		{name: "the same Member State", change: func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.Requester.Country = "LV" }, phase: exchange.Answered, says: "evidence.refusal EDM:ERR:0002", code: canon.CodeNoRoute},
		{name: "a requester of a third state", change: func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.Requester.Country = "DE" }, phase: exchange.Answered, says: "evidence.refusal EDM:ERR:0002", code: canon.CodePeerMismatch},
		{name: "a weak identification", change: func(_ *canon.EvidenceRequest, p *canon.RequestPrivate) { p.Subject.Natural.Assurance = "Low" }, phase: exchange.Answered, says: "evidence.refusal EDM:ERR:0002", code: canon.CodeNoRoute},
		{name: "no person", change: func(_ *canon.EvidenceRequest, p *canon.RequestPrivate) { p.Subject = canon.Subject{} }, phase: exchange.Answered, says: "evidence.refusal EDM:ERR:0003", code: canon.CodeRequestInvalid},
		{name: "a person and a company", change: func(_ *canon.EvidenceRequest, p *canon.RequestPrivate) { p.Subject.Legal = &canon.LegalPerson{} }, phase: exchange.Answered, says: "evidence.refusal EDM:ERR:0003", code: canon.CodeRequestInvalid},
		{name: "a preview location in the first request", change: func(_ *canon.EvidenceRequest, p *canon.RequestPrivate) { p.PreviewLocation = "https://x.example/" }, phase: exchange.Answered, says: "evidence.refusal EDM:ERR:0003", code: canon.CodeRequestInvalid},
		{name: "an id that is no urn:uuid", change: func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.Request = "1" }, phase: exchange.Answered, says: "evidence.refusal EDM:ERR:0003", code: canon.CodeRequestInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := providerSide(t)
			if tc.waive != "" {
				s.w = waive(t, s.w, tc.waive, "NL")
			}
			m := s.request(canon.StepFirst, "r1", changes(tc.change)...)
			out := s.step(m)
			keepsContract(t, s.id, out)
			if s.c.Phase != tc.phase || kinds(out) != tc.says || s.c.Code != tc.code {
				t.Errorf("got %s %q %s, want %s %q %s (%s)", s.c.Phase, kinds(out), s.c.Code, tc.phase, tc.says, tc.code, s.c.Detail)
			}
			if tc.waive != "" && tc.code == "" {
				if e := out[0].Body.(*canon.AuditEvent); e.Reason != "Fictitious Act 1, section 2" {
					t.Errorf("the audit cites %q, want the provision", e.Reason)
				}
			}
			if s.c.Phase == exchange.Answered {
				s.step(s.receipt("answer", canon.DeliveryAcknowledged))
				if s.c.Phase != exchange.Refused {
					t.Errorf("after the receipt: got %s, want refused", s.c.Phase)
				}
			}
		})
	}
}

func changes(f change) []func(*canon.EvidenceRequest, *canon.RequestPrivate) {
	return []func(*canon.EvidenceRequest, *canon.RequestPrivate){func(r *canon.EvidenceRequest, p *canon.RequestPrivate) {
		if f != nil {
			f(r, p)
		}
	}}
}

// Covers: B-002, B-016, B-018, B-022, B-036
func TestRequesterOpening(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change change
		waive  consent.Waiver
		code   canon.Code // empty: asked
	}{
		{name: "a sound request is sent"},
		{name: "no explicit request", change: noExplicitRequest, code: canon.CodeNoExplicitRequest},
		{name: "no explicit request, under a provision", change: noExplicitRequest, waive: consent.WaiveExplicitRequest},
		{name: "an explicit request without record", change: func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.ExplicitRequest.Reference = "" }, code: canon.CodeNoExplicitRequest},
		{name: "an explicit request without time", change: func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.ExplicitRequest.At = time.Time{} }, code: canon.CodeNoExplicitRequest},
		{name: "an explicit request of tomorrow", change: func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.ExplicitRequest.At = t0.AddDate(0, 0, 1) }, code: canon.CodeNoExplicitRequest},
		{name: "no preview", change: noPreview, code: canon.CodeRequestInvalid},
		{name: "no preview, under a provision", change: noPreview, waive: consent.WaivePreview},
		{name: "no route", change: func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.Procedure = "U1" }, code: canon.CodeNoRoute},
		{name: "the same Member State", change: func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.Provider.Country = "NL" }, code: canon.CodeNoRoute},
		{name: "a return location without TLS", change: func(_ *canon.EvidenceRequest, p *canon.RequestPrivate) { p.ReturnLocation = "http://portal.example/" }, code: canon.CodeRequestInvalid},
		{name: "the exchange id of another", change: func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.Exchange = exchangeID }, code: canon.CodeRequestInvalid},
		{name: "no person", change: func(_ *canon.EvidenceRequest, p *canon.RequestPrivate) { p.Subject = canon.Subject{} }, code: canon.CodeRequestInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := requesterSide(t)
			if tc.waive != "" {
				s.w = waive(t, s.w, tc.waive, "LV")
			}
			out := s.step(s.request(canon.StepFirst, "", changes(tc.change)...))
			keepsContract(t, s.id, out)
			phase, says := exchange.Asked, "evidence.request first"
			if tc.code != "" {
				phase, says = exchange.Refused, "exchange.notice refused"
			}
			if s.c.Phase != phase || kinds(out) != says || s.c.Code != tc.code {
				t.Errorf("got %s %q %s, want %s %q %s (%s)", s.c.Phase, kinds(out), s.c.Code, phase, says, tc.code, s.c.Detail)
			}
		})
	}
}

// Covers: B-036
func TestWithoutPreviewTheAnswerComesAtOnce(t *testing.T) {
	p := providerSide(t)
	p.w = waive(t, p.w, consent.WaivePreview, "NL")
	p.step(p.request(canon.StepFirst, "r1", noPreview))
	out := p.step(p.record(canon.RecordFound, documents()...))
	if got := kinds(out); got != delivers || p.c.Phase != exchange.Answered {
		t.Errorf("provider: got %s saying %q, want answered saying %q", p.c.Phase, got, delivers)
	}
	if r := find[*canon.EvidenceResponse](t, out); r.Request != uuid("r1") || len(r.Documents) != 3 {
		t.Errorf("provider: got %d documents to %s, want 3 to request 1", len(r.Documents), r.Request)
	}

	r := requesterSide(t)
	r.w = waive(t, r.w, consent.WaivePreview, "LV")
	r.step(r.request(canon.StepFirst, "", noPreview))
	r.step(r.response())
	if r.c.Phase != exchange.Delivered || len(r.c.Documents) != 3 {
		t.Errorf("requester: got %s with %d documents, want delivered with 3", r.c.Phase, len(r.c.Documents))
	}
}

func find[B canon.Body](t *testing.T, out []canon.Message) B {
	t.Helper()
	for _, m := range out {
		if b, ok := m.Body.(B); ok {
			return b
		}
	}
	t.Fatalf("nothing of type %T in %s", *new(B), kinds(out))
	return *new(B)
}

// Covers: B-029, B-033
func TestOnlyWhatWasApprovedIsSent(t *testing.T) {
	for _, tc := range []struct {
		name     string
		decision []string
		want     []string
	}{
		{"all", []string{"main", "annex", "other"}, []string{"main", "annex", "other"}},
		{"one", []string{"other"}, []string{"other"}},
		{"what is not mentioned is declined", []string{"main"}, []string{"main"}},
		{"said yes and no", []string{"main", "other", "-other"}, []string{"main"}},
		{"a supplement does not go without its evidence", []string{"annex", "other"}, []string{"other"}},
		{"a supplement alone", []string{"annex"}, nil},
		{"what was not shown", []string{"nowhere", "main"}, []string{"main"}},
		{"nothing", nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := providerSide(t)
			words := providerWords()
			walk(t, s, words, []string{"first", "second", "person", "found"}, exchange.Held)
			r := find[*canon.EvidenceResponse](t, s.step(s.decided(tc.decision...)))
			var got []string
			for _, d := range r.Documents {
				got = append(got, d.ID)
			}
			var want []string
			for _, name := range tc.want {
				want = append(want, docID(name))
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("documents: (-want +got)\n%s", d)
			}
			status := canon.StatusDelivered
			if tc.want == nil {
				status = canon.StatusDeclined
			}
			if r.Status != status || r.Request != uuid("r2") {
				t.Errorf("got %s to %s, want %s to request 2", r.Status, r.Request, status)
			}
			if len(s.c.Decisions) != 3 {
				t.Errorf("got %d decisions, want one per document shown", len(s.c.Decisions))
			}
		})
	}
}

// Covers: B-014, B-019
func TestBothRequestsOfARequester(t *testing.T) {
	s := requesterSide(t)
	one := find[*canon.EvidenceRequest](t, s.step(s.request(canon.StepFirst, "")))
	s.step(s.previewRequired())
	two := find[*canon.EvidenceRequest](t, s.step(s.request(canon.StepPreview, "")))
	p1, _ := one.Private.Get()
	p2, _ := two.Private.Get()
	if p1.PreviewLocation != "" || p1.ReturnLocation != "" {
		t.Error("request 1 carries a location")
	}
	if p2.PreviewLocation != "https://preview.example/p/1" || p2.ReturnLocation != "https://portal.example/return/1" {
		t.Error("request 2 does not carry the preview location as it came and the return location")
	}
	if one.Request == two.Request || one.Exchange != two.Exchange || one.Exchange != canon.ExchangeID(s.id) || one.Session != two.Session {
		t.Errorf("ids: %s and %s, exchanges %s and %s; want a new request id in the same exchange", one.Request, two.Request, one.Exchange, two.Exchange)
	}
	if one.From != party(nlAP) || one.To != party(lvAP) || one.Leg != canon.LegOut || one.Specification != routing.DefaultSpecification {
		t.Errorf("got %s to %s on leg %s as %s", one.From, one.To, one.Leg, one.Specification)
	}
	a, b := *one, *two
	a.Step, a.Request, a.IssuedAt, a.Private = b.Step, b.Request, b.IssuedAt, b.Private
	if d := exchangetest.Diff(a, b); d != "" {
		t.Errorf("request 2 differs from request 1 in more than step, id, time and locations: (-1 +2)\n%s", d)
	}
}

// How the browser opens the preview, where an edition lets the provider say so.
// Covers: B-055
func TestTheMethodOfAPreview(t *testing.T) {
	for _, tc := range []struct {
		spec, said, want string
		phase            exchange.Phase
	}{
		{"oots-edm:v1.2", "", "", exchange.PreviewOffered},
		{"oots-edm:v1.2", "GET", "", exchange.PreviewOffered},
		{"oots-edm:v1.2", "POST", "POST", exchange.PreviewOffered},
		{"oots-edm:v1.0", "PUT", "PUT", exchange.PreviewOffered},
		{"oots-edm:v1.2", "post", "", exchange.Failed},
		{"oots-edm:v1.2", "DELETE", "", exchange.Failed},
		{"oots-edm:v2.0", "POST", "", exchange.PreviewOffered},
	} {
		t.Run(tc.spec+" "+tc.said, func(t *testing.T) {
			s := requesterSide(t)
			s.step(s.request(canon.StepFirst, ""))
			c := *s.c
			c.Specification = tc.spec
			s.c = &c
			s.step(s.previewRequired(func(b *canon.PreviewRequired) { b.Method = tc.said }))
			p, _ := s.c.Private.Get()
			if s.c.Phase != tc.phase || p.PreviewMethod != tc.want {
				t.Errorf("got %s with method %q, want %s with %q (%s)", s.c.Phase, p.PreviewMethod, tc.phase, tc.want, s.c.Detail)
			}
		})
	}
}

// Covers: B-015
func TestTimers(t *testing.T) {
	m := time.Minute
	for _, tc := range []struct {
		name  string
		side  func(testing.TB) *side
		words alphabet
		path  []string
		timer string
		after time.Duration // from the message that started it
	}{
		{"request 1 waits 6 minutes", requesterSide, requesterWords(), []string{"first"}, "T1", 6 * m},
		{"the link waits 15 minutes", requesterSide, requesterWords(), []string{"first", "preview"}, "T2", 15 * m},
		{"the preview waits 41 minutes", requesterSide, requesterWords(), []string{"first", "preview", "second"}, "T3", 41 * m},
		{"the offer waits 16 minutes", providerSide, providerWords(), []string{"first"}, "T2", 16 * m},
		{"request 2 starts 40 minutes", providerSide, providerWords(), []string{"first", "second"}, "T3", 40 * m},
		{"an answer waits 72 hours for its receipt", providerSide, providerWords(), []string{"first", "second", "person", "not found"}, "retention", 72 * time.Hour},
		{"evidence waits 72 hours for its portal", requesterSide, requesterWords(), []string{"first", "preview", "second", "evidence"}, "retention", 72 * time.Hour},
		{"request 2 starts them after the decision too", providerSide, providerWords(), []string{"first", "person", "second"}, "T3", 40 * m},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := tc.side(t)
			for _, w := range tc.path {
				s.step(tc.words[w](s))
			}
			started := s.at.Add(-time.Second)
			if s.c.Timer != tc.timer || !s.c.Due.Equal(started.Add(tc.after)) {
				t.Errorf("got %s due after %v, want %s after %v", s.c.Timer, s.c.Due.Sub(started), tc.timer, tc.after)
			}
		})
	}
}

// A provider counts from the time in the peer's message, within bounds.
func TestPeerClock(t *testing.T) {
	for _, tc := range []struct {
		name   string
		issued time.Duration // before arrival
		want   time.Duration // how much earlier the timer ends
	}{
		{"a message that was long on its way", 90 * time.Second, 90 * time.Second},
		{"a clock that is ahead", -time.Hour, 0},
		{"a clock that is far behind", time.Hour, 5 * time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := providerSide(t)
			s.step(s.request(canon.StepFirst, "r1", func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.IssuedAt = t0.Add(-tc.issued) }))
			if got := t0.Add(16 * time.Minute).Sub(s.c.Due); got != tc.want {
				t.Errorf("the timer ends %v earlier, want %v", got, tc.want)
			}
		})
	}
}

// A deadline holds while the poller sleeps: what comes after it counts as it.
//
// Covers: B-015, B-029
func TestWhatComesTooLateIsTheDeadline(t *testing.T) {
	words := providerWords()
	for _, tc := range []struct {
		path []string
		late string
		to   string // which request is answered
	}{
		{[]string{"first"}, "person", "r1"},
		{[]string{"first"}, "second", "r2"},
		{[]string{"first", "second", "person", "found"}, "approve", "r2"},
		{[]string{"first", "second", "person"}, "found", "r2"},
	} {
		t.Run(tc.late, func(t *testing.T) {
			s := providerSide(t)
			for _, w := range tc.path {
				s.step(words[w](s))
			}
			s.at = s.c.Due.Add(time.Second)
			out := s.step(words[tc.late](s))
			if kinds(out) != expires || s.c.Phase != exchange.Answered || s.c.Outcome != exchange.ExpiredP {
				t.Fatalf("got %s saying %q, want an answer with EDM:ERR:0005", s.c.Phase, kinds(out))
			}
			if r := find[*canon.EvidenceRefusal](t, out); r.Request != uuid(tc.to) {
				t.Errorf("answered %s, want %s", r.Request, tc.to)
			}
		})
	}
}

func TestMessagesWithoutAConversation(t *testing.T) {
	for _, tc := range []struct {
		name string
		side func(testing.TB) *side
		word func(*side) canon.Message
		says string
	}{
		{"a second request", providerSide, func(s *side) canon.Message { return s.request(canon.StepPreview, "r2") }, reused},
		{"a person", providerSide, func(s *side) canon.Message { return s.opened(exchangetest.Person()) }, ""},
		{"an answer", requesterSide, func(s *side) canon.Message { return s.response() }, ""},
		{"a portal's second request", requesterSide, func(s *side) canon.Message { return s.request(canon.StepPreview, "") }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := tc.side(t)
			out := s.step(tc.word(s))
			if s.c != nil || kinds(out) != tc.says || len(out) == 0 {
				t.Errorf("got a conversation: %t, saying %q in %d messages; want none, %q and an audit event", s.c != nil, kinds(out), len(out), tc.says)
			}
		})
	}
}

func TestUnsoundMessagesAreInvalid(t *testing.T) {
	s := providerSide(t)
	sound := s.request(canon.StepFirst, "r1")
	for name, spoil := range map[string]func(*canon.Message){
		"no body":         func(m *canon.Message) { m.Body = nil },
		"no id":           func(m *canon.Message) { m.ID = "" },
		"no conversation": func(m *canon.Message) { m.Conversation = "" },
		"a portal without name": func(m *canon.Message) {
			m.Body = &canon.EvidenceRequest{Envelope: canon.Envelope{Leg: canon.LegPortal}}
		},
		"no time": func(m *canon.Message) { m.At = time.Time{} },
		"the conversation of another access point": func(m *canon.Message) { m.Conversation = canon.InboundConversation(party(lvAP), exchangeID) },
	} {
		t.Run(name, func(t *testing.T) {
			m := sound
			spoil(&m)
			_, _, err := s.c.Next(m, s.w)
			if f := canon.AsFault(err); f == nil || f.Kind != canon.Invalid {
				t.Errorf("got error %v, want an invalid fault", err)
			}
		})
	}
}

func TestEveryReasonOfRoutingHasAnAnswer(t *testing.T) {
	for _, r := range routing.Reasons() {
		if d, ok := exchange.Denials[r]; !ok || d == (exchange.Denials[""]) {
			t.Errorf("no answer for %q", r)
		}
	}
}

func TestDetailOfAPeerIsCut(t *testing.T) {
	s := requesterSide(t)
	s.step(s.request(canon.StepFirst, ""))
	s.step(s.refusal("EDM:ERR:0002"))
	if s.c.Detail != "line break" {
		t.Errorf("got detail %q, want the line break gone", s.c.Detail)
	}
}

func TestSpent(t *testing.T) {
	for _, tc := range []struct {
		role  exchange.Role
		phase exchange.Phase
		timer string
		want  bool
	}{
		{exchange.Provider, exchange.Held, "T3", false},
		{exchange.Provider, exchange.Answered, "retention", false},
		{exchange.Provider, exchange.Delivered, "", true},
		{exchange.Provider, exchange.Failed, "", true},
		{exchange.Requester, exchange.Continued, "T3", false},
		{exchange.Requester, exchange.Delivered, "retention", false},
		{exchange.Requester, exchange.Delivered, "", true},
		{exchange.Requester, exchange.Failed, "", true},
		{exchange.Requester, exchange.Declined, "", true},
	} {
		if got := (&exchange.Conversation{Role: tc.role, Phase: tc.phase, Timer: tc.timer}).Spent(); got != tc.want {
			t.Errorf("%s %s: got %t, want %t", tc.role, tc.phase, got, tc.want)
		}
	}
}

package exchange

import (
	"slices"
	"time"

	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

// The provider's side: another Member State asks one of our authorities.
//
//	first request
//	   │ no route, no explicit request, no provision ───► Answered (refusal)
//	   │ preview possible            │ no preview, under a provision
//	   ▼                             ▼
//	 PreviewOffered ──────────────► Querying
//	   T2     the person opened the  │ found        │ found, no preview ─► Answered (all documents)
//	          preview and matches    ▼              │ not found, ambiguous, failed:
//	                                Held            │ as after a decision
//	                                 │ the person decides
//	                                 ▼
//	                request 2 is not here: Decided ──request 2──► Answered
//	                request 2 is here: ─────────────────────────► Answered
//	 Answered ──receipt──► Delivered, Declined, Refused, Expired (its Outcome)
//	          ──no way to the peer──► Failed ──receipt of a resend──► its Outcome
//	          ──retention──► Failed
//
// Request 2 may come in PreviewOffered, Querying, Held or Decided; it starts T3.
// A timer that runs out in one of these is answered with EDM:ERR:0005. A
// preview offer that cannot be delivered ends in Failed. The answer goes to
// request 2, or to request 1 where there is no preview or no request 2. An answer
// that could not be delivered is kept for an operator's resend as long as it would
// have waited for its receipt, and no longer.
func (t *turn) provider() {
	switch b := t.m.Body.(type) {
	case *canon.EvidenceRequest:
		switch {
		case b.Leg != canon.LegIn:
			t.misplaced()
		case t.c.Phase == Answered || b.Step == canon.StepFirst:
			t.late(b)
		default:
			t.second(b)
		}
	case *canon.PreviewOpened:
		t.opened(b)
	case *canon.RegisterRecord:
		t.record(b)
	case *canon.ConsentDecision:
		t.decision(b)
	case *canon.DeliveryReceipt:
		t.receipt(b)
	case *canon.Deadline:
		if t.deadline(b) {
			t.expire()
		}
	default:
		t.misplaced()
	}
}

// provide handles the first request of another Member State.
func (t *turn) provide(r *canon.EvidenceRequest) {
	c := t.c
	c.copyOf(r)
	c.First, c.FirstAS4 = r.Request, r.AS4
	if c.Provider.Country == "" {
		c.Provider.Country = t.w.Routes.Country() // R-EDM-RESP-C047, R-EDM-ERR-C006
	}
	t.changed = true
	p, ok := r.Private.Get()
	switch {
	case !validRequestID(r.Request):
		// Nothing to answer to by id; the refusal goes out without one.
		c.First = ""
		t.refuse(edmInvalid, canon.CodeRequestInvalid, "the request id is no urn:uuid (R-EDM-REQ-S003)")
		return
	case !ok || (p.Subject.Natural == nil) == (p.Subject.Legal == nil):
		t.refuse(edmInvalid, canon.CodeRequestInvalid, "the request names no person or company, or both (R-EDM-REQ-S050)")
		return
	case p.PreviewLocation != "" || p.ReturnLocation != "":
		t.refuse(edmInvalid, canon.CodeRequestInvalid, "a first request has no preview location (R-EDM-REQ-S061)")
		return
	}
	c.Private = canon.Clear(Private{Subject: p.Subject})
	route, why := t.w.Routes.Provide(routing.Query{
		Procedure: r.Procedure, EvidenceType: r.EvidenceType.Classification, Requester: r.Requester,
		Provider: r.Provider, Peer: r.From, Assurance: assuranceOf(p.Subject),
	})
	if why != "" {
		d := denials[why]
		t.refuse(d.edm, d.code, string(why))
		return
	}
	g, missing := t.w.Policy.Providing(r, route.Country, t.m.At)
	if missing != "" {
		t.refuse(edmDenied, canon.CodeNoExplicitRequest, missing)
		return
	}
	c.ExplicitRequest.Exemption = g.Exemption
	provision := g.Exemption
	if !r.PreviewPossible {
		// IR 2022/1463 Art. 15(1)(b)(iii): may this be answered without preview?
		if provision, ok = t.exemptFromPreview(route.Country); !ok {
			t.refuse(edmInvalid, canon.CodeRequestInvalid, noPreviewProvision)
			return
		}
	}
	c.Own, c.Register = route.Own, route.Register
	t.audit("request.received", "ok", "", provision)
	if !r.PreviewPossible {
		t.query(p.Subject)
		return
	}
	t.to(PreviewOffered)
	t.timer(t2, t.clock(r.IssuedAt), t.w.Timeouts.ProvideT2)
	location := t.w.Tickets.Location(c.ID, c.First)
	c.setPrivate(func(own *Private) { own.PreviewLocation = location })
	c.Sent = t.say("preview", &canon.PreviewRequired{
		Envelope: t.replying(c.FirstAS4), Request: c.First, Response: t.responseID("preview"),
		Private: canon.Clear(canon.PreviewPrivate{Location: location}),
	})
	t.audit("preview.offered", "ok", "", "")
}

type denial struct {
	edm  string
	code canon.Code
}

// denials turns every reason of the routing into words of the wire.
var denials = map[routing.Reason]denial{
	routing.NoPartner:      {edmDenied, canon.CodePeerMismatch},
	routing.WrongState:     {edmDenied, canon.CodePeerMismatch},
	routing.SameState:      {edmDenied, canon.CodeNoRoute},
	routing.NoProvider:     {edmNotFound, canon.CodeNoRoute},
	routing.NoEvidenceType: {edmNotFound, canon.CodeNoRoute},
	routing.NoProcedure:    {edmDenied, canon.CodeNoRoute},
	routing.NoRequester:    {edmDenied, canon.CodeNoRoute},
	routing.LowAssurance:   {edmDenied, canon.CodeNoRoute},
}

// maxLag is how far back a peer's clock may move our timers.
const maxLag = 5 * time.Minute

// clock returns from when a timer counts: the time in the peer's message, the
// only clock both sides share (TDD 4.4.3), never later than its arrival and not
// absurdly earlier.
func (t *turn) clock(issued time.Time) time.Time {
	switch {
	case issued.IsZero() || issued.After(t.m.At):
		return t.m.At
	case t.m.At.Sub(issued) > maxLag:
		return t.m.At.Add(-maxLag)
	}
	return issued
}

// responseID derives the EvidenceResponseIdentifier, new per response.
func (t *turn) responseID(step string) string {
	return canon.DeriveUUID("response", string(t.c.ID), step)
}

// turnAway refuses one request and leaves the exchange as it is.
func (t *turn) turnAway(r *canon.EvidenceRequest, edm string, code canon.Code, detail string) {
	e := canon.Envelope{
		Leg: canon.LegOut, From: r.To, To: r.From, Exchange: r.Exchange, Session: r.Session, Specification: r.Specification,
		IssuedAt: t.m.At.UTC(), Requester: r.Requester, Provider: r.Provider, RefTo: r.AS4,
	}
	if e.Provider.Country == "" {
		e.Provider.Country = t.w.Routes.Country()
	}
	id := r.Request
	if !validRequestID(id) {
		id = ""
	}
	t.audit("request.refused", "refused", code, detail)
	t.reply("refusal", &canon.EvidenceRefusal{
		Envelope: e, Request: id, Response: canon.DeriveUUID("response", string(t.m.ID), "refusal"),
		ErrorCode: edm, Code: code, Detail: detail,
	})
}

// late meets requests that come where none is expected: a first request again,
// or any request once the answer is on its way.
func (t *turn) late(r *canon.EvidenceRequest) {
	if r.Step == canon.StepPreview && t.c.Second == "" && (t.c.Phase == ExpiredP || t.c.Outcome == ExpiredP) {
		t.turnAway(r, edmTimeout, canon.CodeDeadlinePassed, "the time for the preview has passed")
		return
	}
	t.turnAway(r, edmInvalid, canon.CodeRequestReused, "the exchange, or the id of the request, was used before")
}

// second handles request 2.
func (t *turn) second(r *canon.EvidenceRequest) {
	c := t.c
	own := c.private()
	p, ok := r.Private.Get()
	what, covered := c.grant().Covers(r)
	switch {
	case !c.PreviewPossible:
		t.turnAway(r, edmInvalid, canon.CodeRequestInvalid, "no preview was offered in this exchange")
	case c.Second != "", r.Request == c.First:
		t.turnAway(r, edmInvalid, canon.CodeRequestReused, "a location belongs to one second request, with an id of its own (TDD 4.9)")
	case !validRequestID(r.Request):
		t.turnAway(r, edmInvalid, canon.CodeRequestInvalid, "the request id is no urn:uuid (R-EDM-REQ-S003)")
	case !ok || p.PreviewLocation != own.PreviewLocation:
		t.turnAway(r, edmInvalid, canon.CodeRequestInvalid, "the preview location is not the one that was given (R-EDM-REQ-S008)")
	case !validLocation(p.ReturnLocation):
		t.turnAway(r, edmInvalid, canon.CodeRequestInvalid, "the return location is no https URL (R-EDM-REQ-C120)")
	case !covered:
		t.turnAway(r, edmInvalid, canon.CodeRequestInvalid, "the second request has another "+what+" than the first")
	case !own.Subject.Matches(p.Subject):
		t.turnAway(r, edmInvalid, canon.CodeRequestInvalid, "the second request is about another person than the first")
	default:
		c.Second, c.SecondAS4 = r.Request, r.AS4
		c.setPrivate(func(own *Private) { own.ReturnLocation = p.ReturnLocation })
		c.Back = t.w.Tickets.SealBack(c.ID, p.ReturnLocation)
		t.timer(t3, t.clock(r.IssuedAt), t.w.Timeouts.ProvideT3)
		t.audit("request.continued", "ok", "", "")
		if c.Phase == Decided {
			t.answer()
		}
	}
}

// opened lets the right person in. Another person changes nothing: whoever
// follows a link that is not theirs must not end the exchange of its owner.
func (t *turn) opened(b *canon.PreviewOpened) {
	c := t.c
	if c.Phase != PreviewOffered {
		if c.PersonSeen {
			return // the person came back; the page shows where things stand
		}
		t.misplaced()
		return
	}
	own := c.private().Subject
	p, ok := b.Private.Get()
	if !ok || !own.Matches(p.Subject) {
		t.audit("preview.denied", "refused", canon.CodePersonMismatch, "TDD 4.9: the minimum data set must match")
		return
	}
	c.PersonSeen = true
	t.audit("preview.opened", "ok", "", "")
	t.query(own)
}

// query asks the register; the timer goes on.
func (t *turn) query(s canon.Subject) {
	c := t.c
	c.Phase, t.changed = Querying, true
	if c.Timer == "" {
		t.timer(t3, t.m.At, t.w.Timeouts.ProvideT3)
	}
	t.audit("register.queried", "ok", "", "")
	t.say(stepQuery, &canon.RegisterQuery{
		Register: c.Register, Exchange: c.Exchange, EvidenceType: c.EvidenceType, Procedure: c.Procedure,
		Requester: c.Requester, Private: canon.Clear(canon.QueryPrivate{Subject: s}),
	})
}

const stepQuery = "query"

func (t *turn) record(b *canon.RegisterRecord) {
	c := t.c
	if c.Phase != Querying {
		t.misplaced()
		return
	}
	if b.Query != canon.Derive(canon.MessageID(c.ID), stepQuery) || b.Register != c.Register {
		t.ignore(canon.CodeRegisterReply, "the record answers another query")
		return
	}
	switch b.Outcome {
	case canon.RecordFound:
		if c.foreign(b.Documents) {
			t.audit("record.refused", "refused", canon.CodeRegisterReply, "a document that was not asked for (Reg. 2018/1724 Art. 14(8))")
			t.decide(Refused, edmProblem, canon.CodeRegisterReply, "the register's answer cannot be used")
			return
		}
		t.auditDocuments("record.received", "found", "", "", b.Documents)
		c.Documents, c.Record = b.Documents, b.Record
		if !c.PreviewPossible {
			t.decide(Delivered, "", "", "")
			return
		}
		c.Phase, t.changed = Held, true
	case canon.RecordNotFound, canon.RecordAmbiguous:
		code := b.Code
		if code == "" {
			code = canon.CodeEvidenceNotFound
		}
		t.audit("record.received", string(b.Outcome), code, "")
		// No unique match, no exchange (IR 2022/1463 Art. 16); the peer does not learn which.
		t.decide(Refused, edmNotFound, code, "no unique match")
	default:
		code := b.Code
		if code == "" {
			code = canon.CodeRegisterReply
		}
		t.audit("record.received", string(canon.RecordFailed), code, "")
		t.decide(Refused, edmProblem, code, "the register's answer cannot be used")
	}
}

// decision handles what the person decided. It counts for the documents that
// were shown and no others; what it does not mention is declined, and so is a
// supplement whose evidence is declined (Reg. 2018/1724 Art. 14(3)(f)).
func (t *turn) decision(b *canon.ConsentDecision) {
	c := t.c
	if c.Phase != Held {
		t.misplaced()
		return
	}
	decisions := make([]canon.DocumentDecision, len(c.Documents))
	evidence := false
	for i, d := range c.Documents {
		yes := said(b.Decisions, d.ID) && (d.For == "" || said(b.Decisions, d.For))
		decisions[i] = canon.DocumentDecision{Document: d.ID, Approved: yes}
		evidence = evidence || yes && d.Role == canon.RoleMain
	}
	c.Decisions = decisions
	if !evidence {
		t.audit("decision.recorded", "declined", "", "")
		t.decide(Declined, "", "", "")
		return
	}
	t.auditDocuments("decision.recorded", "approved", "", "", c.approved())
	t.decide(Delivered, "", "", "")
}

// said reports that a document was approved, and nowhere declined.
func said(ds []canon.DocumentDecision, id string) bool {
	yes := false
	for _, d := range ds {
		if d.Document == id {
			if !d.Approved {
				return false
			}
			yes = true
		}
	}
	return yes
}

// approved returns the documents that may leave.
func (c *Conversation) approved() []canon.Document {
	if !c.PreviewPossible {
		return c.Documents
	}
	return slices.DeleteFunc(slices.Clone(c.Documents), func(d canon.Document) bool { return !said(c.Decisions, d.ID) })
}

// decide fixes the outcome and answers, if the request that waits for it is here.
func (t *turn) decide(outcome Phase, edm string, code canon.Code, detail string) {
	c := t.c
	c.Outcome, c.ErrorCode, c.Code, c.Detail = outcome, edm, code, detail
	if c.PreviewPossible && c.Second == "" {
		c.Phase, t.changed = Decided, true // the timer goes on
		return
	}
	t.answer()
}

// refuse answers a first request at once.
func (t *turn) refuse(edm string, code canon.Code, detail string) {
	t.c.Outcome, t.c.ErrorCode, t.c.Code, t.c.Detail = Refused, edm, code, detail
	t.audit("request.refused", "refused", code, detail)
	t.answer()
}

// replying is the envelope of an answer to the message with the given ebMS MessageId.
func (t *turn) replying(as4 string) canon.Envelope {
	e := t.envelope()
	e.RefTo = as4
	return e
}

// answer sends the outcome. It is the one answer of the exchange.
func (t *turn) answer() {
	c := t.c
	to, as4 := c.First, c.FirstAS4
	if c.Second != "" {
		to, as4 = c.Second, c.SecondAS4
	}
	t.to(Answered)
	t.timer(retention, t.m.At, t.w.Timeouts.Keep)
	if c.Outcome == Delivered || c.Outcome == Declined {
		r := &canon.EvidenceResponse{
			Envelope: t.replying(as4), Request: to, Response: t.responseID(stepAnswer), Status: canon.StatusDeclined,
			Private: canon.Clear(canon.ResponsePrivate{Subject: c.private().Subject}),
		}
		if c.Outcome == Delivered {
			r.Status, r.Documents = canon.StatusDelivered, c.approved()
		}
		c.Sent = t.say(stepAnswer, r)
	} else {
		c.Sent = t.say(stepAnswer, &canon.EvidenceRefusal{
			Envelope: t.replying(as4), Request: to, Response: t.responseID(stepAnswer),
			ErrorCode: c.ErrorCode, Code: c.Code, Detail: c.Detail,
		})
	}
	t.audit("answer.given", string(c.Outcome), c.Code, c.ErrorCode)
}

const stepAnswer = "answer"

// unacknowledged ends an exchange of whose answer nothing was heard, not even
// that there is no way to the peer: its message may lie in the dead letters.
func (t *turn) unacknowledged() {
	c := t.c
	c.Code, c.Detail = canon.CodeDeadlinePassed, "no receipt of the answer"
	t.audit("answer.undelivered", "failed", c.Code, c.Detail)
	t.to(Failed)
}

// receipt handles what became of a message of ours.
func (t *turn) receipt(b *canon.DeliveryReceipt) {
	c := t.c
	if b.Of != c.Sent || c.Sent == "" {
		return // of a refusal on the side
	}
	failed := b.Outcome == canon.DeliveryFailed
	code := b.Code
	if failed && code == "" {
		code = canon.CodePeerUnreachable
	}
	switch {
	case c.Phase == Answered && failed:
		t.undelivered(code, plain(b.Error))
	case c.Phase == Answered:
		t.audit("answer.acknowledged", "ok", "", b.Receipt)
		t.to(c.Outcome)
	case failed && c.Phase == PreviewOffered && c.Second == "":
		t.audit("preview.undelivered", "failed", code, plain(b.Error))
		c.Code, c.Detail = code, plain(b.Error)
		t.to(Failed)
	case !failed:
		t.audit("preview.acknowledged", "ok", "", b.Receipt)
	default:
		t.misplaced() // the peer has it after all
	}
}

// undelivered ends the exchange; the timer of the answer runs on, and with it the
// time in which an operator may have it sent again.
func (t *turn) undelivered(code canon.Code, detail string) {
	t.audit("answer.undelivered", "failed", code, detail)
	t.c.Code, t.c.Detail = code, detail
	t.c.Phase, t.changed = Failed, true
}

// resent reports whether m says what became of an answer that failed before and was
// sent again, and does what follows.
func (t *turn) resent() bool {
	c := t.c
	b, ok := t.m.Body.(*canon.DeliveryReceipt)
	if !ok || c.Role != Provider || c.Phase != Failed || c.Timer != retention || b.Of != c.Sent {
		return false
	}
	if b.Outcome == canon.DeliveryFailed {
		code := b.Code
		if code == "" {
			code = canon.CodePeerUnreachable
		}
		t.undelivered(code, plain(b.Error))
		return true
	}
	t.audit("answer.acknowledged", "ok", "", b.Receipt)
	c.Code, c.Detail = "", "" // those of the failure; what was answered stands in ErrorCode
	t.to(c.Outcome)
	return true
}

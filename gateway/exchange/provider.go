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
//	                                Held            │ as after a decision;
//	                                 │              │ there later: the same
//	                                 │ the person decides
//	                                 ▼
//	                request 2 is not here: Decided ──request 2──► Answered
//	                request 2 is here: ─────────────────────────► Answered
//	 Answered ──receipt──► Delivered, Declined, Deferred, Refused, Expired (its Outcome)
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
		case b.From != t.c.Peer: // up to EDM 1.2 a location is all that names the exchange
			t.turnAway(b, edmInvalid, canon.CodePeerMismatch, "the preview location belongs to an exchange with another access point")
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
	case t.w.reused:
		t.refuse(edmInvalid, canon.CodeRequestReused, idUsedBefore)
		return
	case !ok || (p.Subject.Natural == nil) == (p.Subject.Legal == nil):
		t.refuse(edmInvalid, canon.CodeRequestInvalid, "the request names no person or company, or both (R-EDM-REQ-S050)")
		return
	case p.PreviewLocation != "" || p.ReturnLocation != "":
		t.refuse(edmInvalid, canon.CodeRequestInvalid, "a first request has no preview location (R-EDM-REQ-S061)")
		return
	}
	c.Private = canon.Clear(Private{Subject: p.Subject, Representative: p.Representative, Concepts: p.Concepts})
	route, why := t.w.Routes.Provide(t.query(r, p))
	if why != "" {
		d := denials[why]
		t.refuse(d.edm, d.code, string(why))
		return
	}
	c.LegalBasis, c.Route = route.Basis, route.Name // B-011
	if scope := p.Representative.Scope(); len(scope) > 0 && !covers(scope, r.Procedure) {
		t.refuse(edmDenied, canon.CodeRepresentation, powerTooNarrow)
		return
	}
	c.Representation = representation(p.Representative)
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
		c.Waived = provision
	}
	c.Own, c.Register = route.Own, route.Register
	t.audit("request.received", "ok", "", provision)
	t.auditOpening(p.Representative)
	if !r.PreviewPossible {
		t.queryRegister(p.Subject)
		return
	}
	t.to(PreviewOffered)
	t.timer(t2, t.clock(r), t.w.Timeouts.ProvideT2)
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
	routing.NoPartner:       {edmDenied, canon.CodePeerMismatch},
	routing.ExpiredPartner:  {edmDenied, canon.CodePeerMismatch},
	routing.WrongState:      {edmDenied, canon.CodePeerMismatch},
	routing.SameState:       {edmDenied, canon.CodeNoRoute},
	routing.OutOfScope:      {edmDenied, canon.CodeOutOfScope},
	routing.TestOnly:        {edmDenied, canon.CodeOutOfScope},
	routing.NoWallet:        {edmCannot, canon.CodeWallet},
	routing.NoProvider:      {edmNotFound, canon.CodeNoRoute},
	routing.NoEvidenceType:  {edmNotFound, canon.CodeNoRoute},
	routing.NotValid:        {edmNotFound, canon.CodeNoRoute},
	routing.NoProcedure:     {edmDenied, canon.CodeNoRoute},
	routing.NoRequirement:   {edmDenied, canon.CodeNoRoute},
	routing.NoRequester:     {edmDenied, canon.CodeNoRoute},
	routing.NoAgreement:     {edmCannot, canon.CodeNoRoute},
	routing.NoSpecification: {edmCannot, canon.CodeNoRoute},
	routing.LowAssurance:    {edmDenied, canon.CodeNoRoute},
}

// maxLag is how far back a peer's clock may move our timers.
const maxLag = 5 * time.Minute

// clock returns from when a timer counts: the ebMS timestamp of the peer's message,
// the only clock both sides share (TDD 4.4.3), never later than its arrival and not
// absurdly earlier.
func (t *turn) clock(r *canon.EvidenceRequest) time.Time {
	issued := r.SentAt
	if issued.IsZero() {
		issued = r.IssuedAt
	}
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
		ErrorCode: edm, Code: code, Detail: told(code, detail),
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
	case t.w.reused:
		t.turnAway(r, edmInvalid, canon.CodeRequestReused, idUsedBefore)
	case c.Second != "", r.Request == c.First:
		t.turnAway(r, edmInvalid, canon.CodeRequestReused, "a location belongs to one second request, with an id of its own (TDD 4.9)")
	case !validRequestID(r.Request):
		t.turnAway(r, edmInvalid, canon.CodeRequestInvalid, "the request id is no urn:uuid (R-EDM-REQ-S003)")
	case !ok || p.PreviewLocation != own.PreviewLocation:
		t.turnAway(r, edmInvalid, canon.CodeRequestInvalid, "the preview location is not the one that was given (R-EDM-REQ-S008)")
	case !validLocation(p.ReturnLocation) && !(p.ReturnLocation == "" && withoutExchangeID(c.Specification)): // there the browser brings it
		t.turnAway(r, edmInvalid, canon.CodeRequestInvalid, "the return location is no https URL (R-EDM-REQ-C120)")
	case r.Specification != c.Specification:
		t.turnAway(r, edmInvalid, canon.CodeRequestInvalid, "the second request is of another edition than the first")
	case !covered:
		t.turnAway(r, edmInvalid, canon.CodeRequestInvalid, "the second request has another "+what+" than the first")
	case !own.Subject.Matches(p.Subject):
		t.turnAway(r, edmInvalid, canon.CodeRequestInvalid, "the second request is about another person than the first")
	case !sameRepresentative(own.Representative, p.Representative):
		t.turnAway(r, edmInvalid, canon.CodeRequestInvalid, "the second request names another representative than the first")
	default:
		c.Second, c.SecondAS4 = r.Request, r.AS4
		if withoutExchangeID(c.Specification) {
			c.Session = r.Session // the answer goes to the session of its request
		}
		t.wayBack(p.ReturnLocation)
		t.timer(t3, t.clock(r), t.w.Timeouts.ProvideT3)
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
	own := c.private()
	p, ok := b.Private.Get()
	if !ok || !own.Admits(p.Subject) {
		t.audit("preview.denied", "refused", canon.CodePersonMismatch, "TDD 4.9: the minimum data set must match")
		return
	}
	c.PersonSeen = true
	if withoutExchangeID(c.Specification) && validLocation(p.ReturnLocation) {
		t.wayBack(p.ReturnLocation)
	}
	acting := ""
	if !own.Subject.Matches(p.Subject) {
		acting = "by a representative" // B-023
	}
	t.audit("preview.opened", "ok", "", acting)
	t.queryRegister(own.Subject)
}

// wayBack keeps where the person goes at the end; the first one that is known.
func (t *turn) wayBack(location string) {
	if location == "" || t.c.Back != "" {
		return
	}
	t.c.setPrivate(func(own *Private) { own.ReturnLocation = location })
	t.c.Back = t.w.Tickets.SealBack(t.c.ID, location)
}

// queryRegister asks the register; the timer goes on.
func (t *turn) queryRegister(s canon.Subject) {
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
		docs, unwanted := c.inWantedForm(b.Documents)
		if len(docs) == 0 && unwanted {
			t.audit("record.refused", "refused", canon.CodeAnswerUnsupported, noWantedForm)
			t.decide(Refused, edmCannot, canon.CodeAnswerUnsupported, noWantedForm)
			return
		}
		if f := c.compare(docs); f != "" {
			t.audit("record.refused", "refused", canon.CodeRegisterReply, "finding "+string(f)+": a document that was not asked for (Reg. 2018/1724 Art. 14(8))")
			t.decide(Refused, edmProblem, canon.CodeRegisterReply, "the register's answer cannot be used")
			return
		}
		t.auditDocuments("record.received", "found", "", "", docs)
		c.Documents, c.Record = docs, b.Record
		if !c.PreviewPossible {
			t.decide(Delivered, "", "", "")
			return
		}
		c.Phase, t.changed = Held, true
	case canon.RecordDeferred:
		if !b.AvailableAt.After(t.m.At) {
			t.audit("record.refused", "refused", canon.CodeRegisterReply, "a record that will be there at a time that has passed")
			t.decide(Refused, edmProblem, canon.CodeRegisterReply, "the register's answer cannot be used")
			return
		}
		c.AvailableAt = b.AvailableAt.UTC()
		t.audit("record.received", "deferred", canon.CodeDeferred, "until "+c.AvailableAt.Format(time.RFC3339))
		t.decide(Deferred, "", "", "")
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
		yes := said(b.Decisions, d.ID) && !slices.ContainsFunc(above(c.Documents, d), func(o canon.Document) bool { return !said(b.Decisions, o.ID) })
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

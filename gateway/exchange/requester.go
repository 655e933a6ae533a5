package exchange

import (
	"time"

	"oncegate/gateway/consent"
	"oncegate/schemas/canon"
)

// The requester's side: an authority of ours asks.
//
//	portal: first request
//	   │ no explicit request, no route ─────────────────────────► Refused
//	   ▼
//	 Asked ──T1──► Expired      request 1 could not be sent ────► Failed
//	   │    refusal ────────────────────────────────────────────► Refused
//	   │    response, where no preview was possible ────────────► Delivered, Declined
//	   │    response: there will be evidence later ─────────────► Deferred
//	   │ preview required
//	   ▼
//	 PreviewOffered ──T2──► Expired      refusal ───────────────► Refused
//	   │ portal: the person follows the link
//	   ▼
//	 Continued ──T3──► Expired  request 2 could not be sent ────► Failed
//	        refusal ────────────────────────────────────────────► Refused
//	        response to request 2 ──────────────────────────────► Delivered, Declined, Deferred
//
//	 Asked, PreviewOffered, Continued ──withdrawal of the person──► Withdrawn
//
//	 Delivered ──retention, withdrawal of the person──► Delivered, its evidence forgotten
//
// An answer that is ours to judge but breaks a rule, or is not what was asked for,
// ends in Failed and delivers nothing; one of another access point, or to another
// request, is ignored.
func (t *turn) requester() {
	switch b := t.m.Body.(type) {
	case *canon.EvidenceRequest:
		if t.c.Phase != PreviewOffered || b.Leg != canon.LegPortal || b.Step != canon.StepPreview {
			t.misplaced()
			return
		}
		t.proceed(b)
	case *canon.PreviewRequired:
		if t.c.Phase != Asked {
			t.misplaced()
		} else if t.fromPeer(&b.Envelope, b.Request == t.c.First) {
			t.offered(b)
		}
	case *canon.EvidenceResponse:
		switch t.c.Phase {
		case Asked:
			if t.fromPeer(&b.Envelope, b.Request == t.c.First) {
				t.response(b)
			}
		case Continued:
			if t.fromPeer(&b.Envelope, b.Request == t.c.Second) {
				t.response(b)
			}
		default:
			t.misplaced()
		}
	case *canon.EvidenceRefusal:
		// A request that could not be read is refused without its id (R-EDM-ERR-S003).
		if t.fromPeer(&b.Envelope, b.Request == "" || b.Request == t.c.First || b.Request == t.c.Second) {
			t.refusal(b)
		}
	case *canon.Withdrawal:
		t.withdraw(b)
	case *canon.DeliveryReceipt:
		t.sent(b)
	case *canon.Deadline:
		if t.deadline(b) {
			t.expire()
		}
	default:
		t.misplaced()
	}
}

// ask handles the first request of a portal.
func (t *turn) ask(r *canon.EvidenceRequest) {
	c := t.c
	c.copyOf(r)
	c.Exchange = canon.ExchangeID(c.ID)
	if c.Session == "" {
		c.Session = canon.SessionID(canon.DeriveUUID("session", string(c.ID)))
	}
	t.changed = true
	p, ok := r.Private.Get()
	if !ok || (p.Subject.Natural == nil) == (p.Subject.Legal == nil) {
		t.declineToAsk(canon.CodeRequestInvalid, "the request names no person or company, or both")
		return
	}
	if p.ReturnLocation != "" && !validLocation(p.ReturnLocation) {
		t.declineToAsk(canon.CodeRequestInvalid, "the return location is no https URL")
		return
	}
	c.Private = canon.Clear(Private{Subject: p.Subject, Representative: p.Representative, Concepts: p.Concepts, ReturnLocation: p.ReturnLocation})
	if r.Exchange != "" && r.Exchange != c.Exchange {
		t.declineToAsk(canon.CodeRequestInvalid, "the exchange id is not that of the conversation")
		return
	}
	route, why := t.askRoute(r, p)
	if why != "" {
		t.declineToAsk(denials[why].code, string(why))
		return
	}
	c.LegalBasis, c.Route = route.Basis, route.Name // B-011
	if !p.Representative.IsZero() && !covers(p.Representative.Scope(), r.Procedure) {
		t.declineToAsk(canon.CodeRepresentation, powerTooNarrow)
		return
	}
	c.Representation = representation(p.Representative)
	// No exchange without the person's request (Reg. 2018/1724 Art. 14(3)(a), 14(4)).
	g, missing := t.w.Policy.Asking(r, route.Country, t.m.At)
	if missing != "" {
		t.declineToAsk(canon.CodeNoExplicitRequest, missing)
		return
	}
	c.ExplicitRequest.Exemption = g.Exemption
	provision := g.Exemption
	if !r.PreviewPossible {
		if provision, ok = t.exemptFromPreview(route.Country); !ok {
			t.declineToAsk(canon.CodeRequestInvalid, noPreviewProvision)
			return
		}
		c.Waived = provision
	}
	c.Own, c.Peer = route.Own, route.Peer
	if c.Provider.Country == "" {
		c.Provider.Country = route.Country
	}
	c.Specification = route.Specification // what the provider reads, not what the portal guessed
	c.First = canon.RequestID("urn:uuid:" + canon.DeriveUUID("request-1", string(c.ID)))
	t.to(Asked)
	t.timer(t1, t.m.At, t.w.Timeouts.AskT1)
	t.audit("request.received", "ok", "", provision)
	t.auditOpening(p.Representative)
	c.Sent = t.say(stepFirst, t.request(canon.StepFirst, c.First, canon.RequestPrivate{
		Subject: p.Subject, Representative: p.Representative, Concepts: p.Concepts,
	}))
}

const noPreviewProvision = "no preview, and no provision that waives it (Reg. 2018/1724 Art. 14(5))"

func (t *turn) exemptFromPreview(country string) (string, bool) {
	return t.w.Policy.Exempt(consent.WaivePreview, consent.Case{
		Procedure: t.c.Procedure, EvidenceType: t.c.EvidenceType.Classification, Country: country, At: t.m.At,
	})
}

func (t *turn) declineToAsk(code canon.Code, detail string) {
	t.audit("request.refused", "refused", code, detail)
	t.end(Refused, code, "", detail)
}

// request returns request 1 or 2, made of what the conversation holds: the
// portal's second request cannot widen the first.
func (t *turn) request(step canon.Step, id canon.RequestID, private canon.RequestPrivate) *canon.EvidenceRequest {
	c := t.c
	return &canon.EvidenceRequest{
		Envelope: t.envelope(),
		Step:     step, Request: id, Procedure: c.Procedure, Requirements: c.Requirements,
		Intermediaries: c.Intermediaries, EvidenceType: c.EvidenceType, PreviewPossible: c.PreviewPossible,
		ExplicitRequest: c.ExplicitRequest, Waived: c.Waived, Portal: c.Portal, Language: c.Language, Private: canon.Clear(private),
	}
}

func (t *turn) envelope() canon.Envelope {
	c := t.c
	return canon.Envelope{
		Leg: canon.LegOut, From: c.Own, To: c.Peer, Exchange: c.Exchange, Session: c.Session,
		Specification: c.Specification, IssuedAt: t.m.At.UTC(), Requester: c.Requester, Provider: c.Provider,
	}
}

// proceed handles the portal's word that the person follows the link.
func (t *turn) proceed(r *canon.EvidenceRequest) {
	c := t.c
	own := c.private()
	back := own.ReturnLocation
	if p, ok := r.Private.Get(); ok && p.ReturnLocation != "" {
		back = p.ReturnLocation
	}
	if !validLocation(back) {
		t.ignore(canon.CodeRequestInvalid, "the return location is no https URL")
		return
	}
	if r.Portal != "" && r.Portal != c.Portal {
		t.ignore(canon.CodeForbidden, "another portal opened the exchange")
		return
	}
	if what, ok := c.grant().Covers(r); !ok {
		t.ignore(canon.CodeNoExplicitRequest, "the explicit request does not cover another "+what)
		return
	}
	c.setPrivate(func(p *Private) { p.ReturnLocation = back })
	c.Second = canon.RequestID("urn:uuid:" + canon.DeriveUUID("request-2", string(c.ID)))
	t.to(Continued)
	t.timer(t3, t.m.At, t.w.Timeouts.AskT3)
	t.audit("request.continued", "ok", "", "")
	c.Sent = t.say(stepSecond, t.request(canon.StepPreview, c.Second, canon.RequestPrivate{
		Subject: own.Subject, Representative: own.Representative, Concepts: own.Concepts,
		PreviewLocation: own.PreviewLocation, ReturnLocation: back,
	}))
}

// fromPeer checks who answers and what; an answer of somebody else does not
// touch the exchange.
func (t *turn) fromPeer(e *canon.Envelope, answersUs bool) bool {
	switch {
	case e.From != t.c.Peer:
		t.ignore(canon.CodePeerMismatch, "the answer is of another access point than the one asked")
	case e.Exchange != "" && e.Exchange != t.c.Exchange, !answersUs:
		t.ignore(canon.CodePeerMismatch, "the answer is to another request")
	case !e.Requester.ID.IsZero() && e.Requester.ID != t.c.Requester.ID:
		t.ignore(canon.CodePeerMismatch, "the answer is to another requester")
	default:
		return true
	}
	return false
}

func (t *turn) offered(b *canon.PreviewRequired) {
	p, ok := b.Private.Get()
	if !ok || !validLocation(p.Location) {
		t.unusable("the preview location is no https URL (R-EDM-ERR-C019)")
		return
	}
	method, ok := previewMethod(t.c.Specification, b.Method)
	if !ok {
		t.unusable("the preview method is none of GET, POST and PUT (R-EDM-ERR-C021)")
		return
	}
	t.c.setPrivate(func(own *Private) { own.PreviewLocation, own.PreviewMethod = p.Location, method })
	t.to(PreviewOffered)
	t.timer(t2, t.m.At, t.w.Timeouts.AskT2)
	t.c.Sent = ""
	t.audit("preview.received", "ok", "", "")
	t.notice(0)
}

// previewMethod returns how a browser opens a preview, empty for GET: from EDM 2.0 on
// there is no other (TDD 4.9), whatever an answer says.
func previewMethod(specification, said string) (string, bool) {
	if said == "GET" || !withoutExchangeID(specification) {
		return "", true
	}
	return said, said == "" || said == "POST" || said == "PUT"
}

func (t *turn) response(b *canon.EvidenceResponse) {
	c := t.c
	if c.Phase == Asked && c.PreviewPossible && b.Status != canon.StatusDeferred {
		t.block(FindingPreview)
		return
	}
	if b.Provider.ID != c.Provider.ID {
		t.block(FindingProvider)
		return
	}
	switch b.Status {
	case canon.StatusDelivered:
		about, ok := b.Private.Get()
		finding := c.compare(b.Documents)
		switch {
		case len(b.Documents) == 0:
			t.block(FindingStructure)
		case !ok || !c.private().Subject.Matches(about.Subject):
			t.block(FindingPerson)
		case finding != "":
			t.block(finding)
		default:
			c.Documents = b.Documents
			t.auditDocuments("answer.received", "delivered", "", "", b.Documents)
			t.end(Delivered, "", "", "")
			t.timer(retention, t.m.At, t.w.Timeouts.Keep)
		}
	case canon.StatusDeclined:
		if len(b.Documents) > 0 {
			t.block(FindingStructure)
			return
		}
		t.audit("answer.received", "declined", "", "")
		t.end(Declined, "", "", "")
	case canon.StatusDeferred:
		if len(b.Documents) > 0 {
			t.block(FindingStructure)
			return
		}
		// The provider keeps its word in a later exchange: the portal asks again.
		detail := "deferred"
		if c.AvailableAt = b.AvailableAt; !c.AvailableAt.IsZero() {
			c.AvailableAt = c.AvailableAt.UTC()
			detail += " until " + c.AvailableAt.Format(time.RFC3339)
		}
		t.audit("answer.received", "deferred", canon.CodeDeferred, detail)
		t.end(Deferred, canon.CodeDeferred, "", detail)
	default:
		t.unusable("the answer has no known status")
	}
}

func (t *turn) refusal(b *canon.EvidenceRefusal) {
	phase, code := Refused, canon.CodeAnswerProblem
	if known, ok := refusals[b.ErrorCode]; ok {
		code = known
	}
	if b.ErrorCode == edmTimeout {
		phase = ExpiredP
	}
	edm := plain(b.ErrorCode)
	t.audit("answer.received", "refused", code, edm)
	t.end(phase, code, edm, plain(b.Detail))
}

// refusals turns list EDMErrorCodes into our words: what the one who asked can do.
var refusals = map[string]canon.Code{
	"EDM:ERR:0001": canon.CodeAnswerDenied,
	edmDenied:      canon.CodeAnswerDenied,
	edmInvalid:     canon.CodeAnswerInvalid,
	edmNotFound:    canon.CodeEvidenceNotFound,
	edmTimeout:     canon.CodeDeadlinePassed,
	"EDM:ERR:0006": canon.CodeAnswerUnsupported,
	edmCannot:      canon.CodeAnswerUnsupported,
	edmProblem:     canon.CodeAnswerProblem,
}

// block ends an exchange whose answer is not what was asked for. Nothing of it is
// delivered; the finding stands in the trail, in the exchange and in the notice.
func (t *turn) block(f Finding) {
	t.c.Finding = f
	t.audit("answer.refused", "refused", canon.CodeAnswerMismatch, "finding "+string(f)+": "+details[f])
	t.end(Failed, canon.CodeAnswerMismatch, "", details[f])
}

// withdraw ends an exchange of which the person wants no more. The system of the
// other Member State has no word for it: its timers end the exchange there, and what
// still comes is ignored.
func (t *turn) withdraw(b *canon.Withdrawal) {
	if b.Portal != t.c.Portal {
		t.ignore(canon.CodeForbidden, "another portal opened the exchange")
		return
	}
	t.audit("request.withdrawn", "withdrawn", canon.CodeWithdrawn, "Reg. 2018/1724 Art. 14(4)")
	t.end(Withdrawn, canon.CodeWithdrawn, "", "the person withdrew the request")
}

// unusable ends the exchange: there is no way back for errors about an answer,
// the requester closes it on its own.
func (t *turn) unusable(detail string) {
	t.audit("answer.refused", "refused", canon.CodeResponseInvalid, detail)
	t.end(Failed, canon.CodeResponseInvalid, "", detail)
}

// sent handles what became of a request of ours.
func (t *turn) sent(b *canon.DeliveryReceipt) {
	if b.Of != t.c.Sent || t.c.Sent == "" {
		return // of a request that was answered meanwhile
	}
	if b.Outcome != canon.DeliveryFailed {
		t.audit("request.acknowledged", "ok", "", "")
		return
	}
	code := b.Code
	if code == "" {
		code = canon.CodePeerUnreachable
	}
	t.audit("request.undelivered", "failed", code, plain(b.Error))
	t.end(Failed, code, "", plain(b.Error))
}

// end closes a requester's exchange and tells the portal.
func (t *turn) end(p Phase, code canon.Code, edm, detail string) {
	t.c.Code, t.c.ErrorCode, t.c.Detail, t.c.Sent = code, edm, detail, ""
	t.to(p)
	t.notice(len(t.c.Documents))
}

func (t *turn) notice(payloads int) {
	c := t.c
	step := "notice"
	if c.Phase.Final() {
		step = "notice:end"
	}
	n := &canon.ExchangeNotice{
		Portal: c.Portal, Exchange: c.Exchange, State: string(c.Phase),
		Code: c.Code, EDM: c.ErrorCode, Detail: c.Detail, Payloads: payloads, AvailableAt: c.AvailableAt,
	}
	if c.Phase == Delivered {
		n.Waived = c.Waived
	}
	t.say(step, n)
}

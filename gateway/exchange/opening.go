package exchange

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

// What both roles look at when an exchange begins.

const (
	idUsedBefore   = "the id of the request was used before"
	powerTooNarrow = "the power of representation does not cover the procedure"
	noWantedForm   = "the evidence is there in no format that was asked for"
)

const maxReason = 1000 // of an audit entry

// The steps of a requester's messages to its peer.
const (
	stepFirst  = "request-1"
	stepSecond = "request-2"
)

// query is what the routing is asked about a first request.
func (t *turn) query(r *canon.EvidenceRequest, p *canon.RequestPrivate) routing.Query {
	return routing.Query{
		Procedure: r.Procedure, EvidenceType: r.EvidenceType.Classification, Requirements: needs(r.Requirements),
		Requester: r.Requester, Provider: r.Provider, Peer: r.From, At: t.m.At, Offer: r.Offer,
		Assurance: assuranceOf(p.Subject.Natural, p.Subject.Legal), Acting: assuranceOf(p.Representative.Natural, p.Representative.Legal),
		Wallet: wallet(p.Subject.Natural, p.Subject.Legal) || wallet(p.Representative.Natural, p.Representative.Legal),
	}
}

// wallet reports an identity of the scheme of wallets.
func wallet(n *canon.NaturalPerson, l *canon.LegalPerson) bool {
	return n != nil && n.Scheme == canon.SchemeEidas2 || l != nil && l.Scheme == canon.SchemeEidas2
}

// askRoute finds the way of a portal's request. The directory may have changed
// since: a rebuild takes the way that the log shows was taken.
func (t *turn) askRoute(r *canon.EvidenceRequest, p *canon.RequestPrivate) (routing.Route, routing.Reason) {
	q := t.query(r, p)
	q.Peer = canon.Participant{}
	route, why := t.w.Routes.Ask(q)
	m, ok := t.w.said[canon.Derive(canon.MessageID(t.c.ID), stepFirst)]
	asked, isRequest := m.Body.(*canon.EvidenceRequest)
	if !ok || !isRequest {
		return route, why
	}
	if why == "" && route.Own == asked.From && route.Peer == asked.To && route.Specification == asked.Specification {
		return route, ""
	}
	return routing.Route{
		Own: asked.From, Peer: asked.To, Country: asked.Provider.Country, Specification: asked.Specification,
		Basis: t.w.Routes.Basis(r.Procedure),
	}, ""
}

// needs lists what is to be proved.
func needs(rs []canon.Requirement) []string {
	var out []string
	for _, r := range rs {
		if !slices.Contains(out, r.ID) {
			out = append(out, r.ID)
		}
	}
	return out
}

func assuranceOf(n *canon.NaturalPerson, l *canon.LegalPerson) string {
	switch {
	case n != nil:
		return n.Assurance
	case l != nil:
		return l.Assurance
	}
	return ""
}

// covers reports whether a power of representation is good for a procedure.
func covers(scope []string, procedure string) bool {
	return slices.Contains(scope, procedure) || slices.Contains(scope, canon.PowerAll)
}

// representation says who acts, without a name.
func representation(r canon.Representative) string {
	switch {
	case r.Natural != nil && r.Legal != nil:
		return "natural-and-legal"
	case r.Natural != nil:
		return "natural"
	case r.Legal != nil:
		return "legal"
	}
	return ""
}

// sameRepresentative reports that the same act for the person in both requests.
func sameRepresentative(a, b canon.Representative) bool {
	same := func(x, y canon.Subject) bool {
		return x.Natural == nil && y.Natural == nil && x.Legal == nil && y.Legal == nil || x.Matches(y)
	}
	return same(canon.Subject{Natural: a.Natural}, canon.Subject{Natural: b.Natural}) &&
		same(canon.Subject{Legal: a.Legal}, canon.Subject{Legal: b.Legal})
}

// auditOpening records what an exchange stands on besides the request itself.
func (t *turn) auditOpening(r canon.Representative) {
	c := t.c
	if c.Representation != "" { // B-023
		power := "power of representation not stated"
		if s := r.Scope(); len(s) > 0 {
			power = "power of representation for " + plain(strings.Join(s, ", "))
		}
		t.audit("representation.recorded", c.Representation, "", power)
	}
	if len(c.Choices) > 0 {
		t.auditChoices()
	}
	if c.Waived == "" {
		return
	}
	// To skip the preview is not to skip the information of the person (Reg.
	// 2018/1724 Art. 14(5); GDPR Art. 13, 14).
	if x := c.ExplicitRequest; !x.InformedAt.IsZero() {
		t.audit("information.given", "ok", "", plain(x.Notice+" at "+x.InformedAt.UTC().Format(time.RFC3339)))
	} else {
		t.audit("information.due", "due", "", "no preview: "+c.Waived)
	}
}

// auditChoices records how the exchange came to this evidence and provider: what
// was taken of what was shown, and the answers that showed it.
func (t *turn) auditChoices() {
	e := &canon.AuditEvent{
		Step: "choice.recorded", Room: "exchange", Outcome: "ok", Exchange: t.c.Exchange, Procedure: t.c.Procedure,
		Basis: t.c.LegalBasis, Digests: map[string]string{},
	}
	var said []string
	for i, x := range t.c.Choices {
		who := "only one fitted"
		if x.Person {
			who = "by the person"
		}
		said = append(said, fmt.Sprintf("%s %s of %d, %s", x.What, plain(x.Taken), len(x.Shown), who))
		if x.Answer.Digest != "" {
			e.Digests[fmt.Sprintf("%d-%s", i+1, x.What)] = x.Answer.Digest
		}
	}
	e.Reason = strings.Join(said, "; ")
	if r := []rune(e.Reason); len(r) > maxReason {
		e.Reason = string(r[:maxReason])
	}
	if len(e.Digests) == 0 {
		e.Digests = nil
	}
	t.reply("audit:"+e.Step, e)
}

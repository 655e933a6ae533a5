package exchange

import (
	"net/url"
	"strings"
	"time"

	"oncegate/gateway/consent"
	"oncegate/gateway/preview"
	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

// A World is what Next may know besides the conversation and the message. It
// does not change while the core runs.
type World struct {
	Routes   *routing.Table
	Tickets  *preview.Tickets // Required where the deployment provides.
	Policy   *consent.Policy
	Timeouts Timeouts

	// What is known of the message of this turn alone.
	reused bool                              // its request id was used by another message (Core.known)
	said   map[canon.MessageID]canon.Message // a rebuild: what the log holds of the conversation
}

// Timeouts are the intervals of TDD 4.4.3. The side that waits for the other
// waits longer.
type Timeouts struct {
	AskT1     time.Duration // request 1 to its answer; default 6 min
	AskT2     time.Duration // preview link to request 2; default 15 min
	AskT3     time.Duration // request 2 to its answer; default 41 min
	ProvideT2 time.Duration // preview link to request 2; default 16 min
	ProvideT3 time.Duration // request 2 to its answer; default 40 min
	// Keep is how long an answer is kept at most: for a portal of ours that does
	// not say that it has it, or for a peer that does not acknowledge it (Reg.
	// 2018/1724 Art. 14(3)(i)). Default: 72 h.
	Keep time.Duration
}

func (t Timeouts) withDefaults() Timeouts {
	for _, d := range []struct {
		v   *time.Duration
		min time.Duration
	}{{&t.AskT1, 6}, {&t.AskT2, 15}, {&t.AskT3, 41}, {&t.ProvideT2, 16}, {&t.ProvideT3, 40}, {&t.Keep, 72 * 60}} {
		if *d.v <= 0 {
			*d.v = d.min * time.Minute
		}
	}
	return t
}

// The names of the timers.
const (
	t1 = "T1"
	t2 = "T2"
	t3 = "T3"

	retention = "retention" // an answer is kept no longer
)

// Codes of list EDMErrorCodes that the core uses.
const (
	edmDenied   = "EDM:ERR:0002"
	edmInvalid  = "EDM:ERR:0003"
	edmNotFound = "EDM:ERR:0004"
	edmTimeout  = "EDM:ERR:0005"
	edmCannot   = "EDM:ERR:0007"
	edmProblem  = "EDM:ERR:0008"
)

// Consumes reports whether the core decides anything upon m. The topics also
// carry what the core itself says; that is not for it.
func Consumes(m canon.Message) bool {
	switch b := m.Body.(type) {
	case *canon.EvidenceRequest:
		return b.Leg == canon.LegPortal || b.Leg == canon.LegIn
	case *canon.PreviewRequired, *canon.EvidenceResponse, *canon.EvidenceRefusal:
		return canon.EnvelopeOf(m.Body).Leg == canon.LegIn
	case *canon.PreviewOpened, *canon.RegisterRecord, *canon.ConsentDecision, *canon.Withdrawal, *canon.DeliveryReceipt, *canon.Deadline:
		return true
	}
	return false
}

// Opens reports whether m can be the first message of a conversation.
func Opens(m canon.Message) bool {
	r, ok := m.Body.(*canon.EvidenceRequest)
	return ok && r.Step == canon.StepFirst && Consumes(m)
}

// Next decides what follows from m: the state after it, and the messages. It is
// a pure function: time is that of the message, ids are derived. c is nil where
// there is no conversation yet; the conversation returned is c itself where
// there is nothing to remember. A message that does not fit the phase never
// moves it, not even when it comes again in a phase that it would fit. The
// diagrams stand in requester.go and provider.go.
func (c *Conversation) Next(m canon.Message, w *World) (*Conversation, []canon.Message, error) {
	if err := sound(m); err != nil {
		return c, nil, err
	}
	if !Consumes(m) {
		return c, nil, nil
	}
	t := &turn{m: m, w: w, old: c}
	if c == nil {
		t.c = &Conversation{ID: m.Conversation, OpenedAt: m.At.UTC()}
		t.open()
		return t.done()
	}
	next := *c
	t.c = &next
	switch {
	case c.Phase.Final():
		t.afterEnd()
	case t.overdue():
		t.expire()
	case t.forgotten():
		t.ignore(canon.CodePayloadForgotten, "the private part was forgotten")
	case c.Role == Requester:
		t.requester()
	default:
		t.provider()
	}
	return t.done()
}

// sound refuses what no writer of ours can have meant.
func sound(m canon.Message) error {
	switch r, isRequest := m.Body.(*canon.EvidenceRequest); {
	case m.Body == nil || m.ID == "" || m.Conversation == "" || m.At.IsZero():
		return canon.NewFault(canon.CodeMessageInvalid, nil, "message without id, conversation, time or body")
	case isRequest && r.Leg == canon.LegPortal && r.Portal == "":
		return canon.NewFault(canon.CodeMessageInvalid, nil, "a portal's request without its portal")
	case isRequest && r.Leg == canon.LegIn && !tiedByLocation(r) && m.Conversation != canon.InboundConversation(r.From, r.Exchange):
		// One partner cannot step into an exchange of another.
		return canon.NewFault(canon.CodeMessageInvalid, nil, "conversation is not that of the peer's exchange")
	}
	return nil
}

// tiedByLocation reports a second request that names its exchange by the preview
// location alone: up to EDM 1.2 there is no ExchangeId (TDD 4.4). Whether the peer
// and the location are those of the exchange is judged there.
func tiedByLocation(r *canon.EvidenceRequest) bool {
	return r.Step == canon.StepPreview && withoutExchangeID(r.Specification)
}

func withoutExchangeID(specification string) bool {
	return strings.HasPrefix(specification, "oots-edm:v1.")
}

// A turn is one application of Next.
type turn struct {
	c       *Conversation // the state to be; its slices are replaced, never written into
	old     *Conversation
	m       canon.Message
	w       *World
	out     []canon.Message
	changed bool
}

func (t *turn) done() (*Conversation, []canon.Message, error) {
	if !t.changed {
		// A deadline that is not that of the timer never will be.
		if _, late := t.m.Body.(*canon.Deadline); late || t.old == nil || t.old.Phase.Final() || t.old.Passed >= maxPassed {
			return t.old, t.out, nil
		}
		same := *t.old
		same.Passed++
		return &same, t.out, nil
	}
	t.c.UpdatedAt = t.m.At.UTC()
	if t.c.Phase.Final() && (t.old == nil || !t.old.Phase.Final()) {
		t.audit("exchange.closed", string(t.c.Phase), t.c.Code, "")
	}
	return t.c, t.out, nil
}

func (t *turn) open() {
	r, ok := t.m.Body.(*canon.EvidenceRequest)
	switch {
	case !ok:
		t.ignore(canon.CodeUnknownExchange, "no such exchange")
	case r.Leg == canon.LegPortal && r.Step == canon.StepFirst:
		t.ask(r)
	case r.Leg == canon.LegIn && r.Step == canon.StepFirst:
		t.provide(r)
	case r.Leg == canon.LegIn:
		t.c.copyOf(r)
		t.turnAway(r, edmInvalid, canon.CodeUnknownExchange, "no preview was offered in this exchange")
	default:
		t.ignore(canon.CodeUnknownExchange, "no such exchange")
	}
}

// copyOf keeps what request 1 carried (TDD 4.9).
func (c *Conversation) copyOf(r *canon.EvidenceRequest) {
	c.Exchange, c.Session, c.Specification = r.Exchange, r.Session, r.Specification
	c.Portal, c.Procedure, c.Requirements, c.EvidenceType = r.Portal, r.Procedure, r.Requirements, r.EvidenceType
	c.Requester, c.Provider, c.Intermediaries = r.Requester, r.Provider, r.Intermediaries
	c.PreviewPossible, c.ExplicitRequest = r.PreviewPossible, r.ExplicitRequest
	c.Language, c.Choices = r.Language, r.Choices
	if r.Leg == canon.LegIn {
		c.Role, c.Own, c.Peer = Provider, r.To, r.From
	} else {
		c.Role = Requester
	}
}

// grant returns the explicit request that the exchange stands on.
func (c *Conversation) grant() consent.Grant {
	return consent.Grant{
		Reference: c.ExplicitRequest.Reference, Exemption: c.ExplicitRequest.Exemption, At: c.ExplicitRequest.At,
		Procedure: c.Procedure, EvidenceType: c.EvidenceType.Classification,
		Requester: c.Requester.ID, Provider: c.Provider.ID,
	}
}

// private returns the private part; forgotten says that there is none to read.
func (c *Conversation) private() Private {
	if p, ok := c.Private.Get(); ok {
		return *p
	}
	return Private{}
}

// setPrivate changes the private part in a copy.
func (c *Conversation) setPrivate(f func(*Private)) {
	p := c.private()
	f(&p)
	c.Private = canon.Clear(p)
}

// to moves to a phase and stops the timer.
func (t *turn) to(p Phase) {
	t.c.Phase, t.c.Timer, t.c.Due, t.changed = p, "", time.Time{}, true
}

// timer starts a timer.
func (t *turn) timer(name string, from time.Time, d time.Duration) {
	t.c.Timer, t.c.Due, t.changed = name, from.UTC().Add(d), true
}

// say emits a message that exists once in a conversation. Its id comes from the
// conversation and the step, not from the cause: whichever of two messages
// brings a step about, before or after a rebuild, it is the same message, and
// the edges send it once. In particular there is one "answer".
func (t *turn) say(step string, body canon.Body) canon.MessageID {
	m := canon.Follow(t.m, step, t.m.At, body)
	m.ID = canon.Derive(canon.MessageID(t.c.ID), step)
	t.out = append(t.out, m)
	return m.ID
}

// reply emits a message that follows from this very message alone.
func (t *turn) reply(step string, body canon.Body) {
	t.out = append(t.out, canon.Follow(t.m, step, t.m.At, body))
}

func (t *turn) audit(step, outcome string, code canon.Code, reason string) {
	t.auditDocuments(step, outcome, code, reason, nil)
}

func (t *turn) auditDocuments(step, outcome string, code canon.Code, reason string, docs []canon.Document) {
	e := &canon.AuditEvent{
		Step: step, Room: "exchange", Outcome: outcome, Code: code, Reason: reason,
		Exchange: t.c.Exchange, Peer: t.c.Peer, Procedure: t.c.Procedure, Basis: t.c.LegalBasis,
	}
	if r, ok := t.m.Body.(*canon.EvidenceRequest); ok {
		e.Needs = needs(r.Requirements)
		if r.Leg == canon.LegIn && validRequestID(r.Request) {
			e.Request = r.Request // the memory of used ids is rebuilt from here
		}
	}
	if env := canon.EnvelopeOf(t.m.Body); env != nil {
		e.AS4 = env.AS4
		if e.Exchange == "" {
			e.Exchange = env.Exchange
		}
	}
	for _, d := range docs {
		if e.Digests == nil {
			e.Digests = map[string]string{}
		}
		e.Digests[d.ID] = d.Payload.Digest
	}
	t.reply("audit:"+step, e)
}

// ignore leaves the state as it is and records that the message did not fit.
func (t *turn) ignore(code canon.Code, reason string) {
	t.audit("message.ignored", string(t.m.Kind), code, reason)
}

// misplaced ignores a message that the phase does not expect.
func (t *turn) misplaced() { t.ignore("", "not expected in phase "+string(t.c.Phase)) }

// overdue reports that the timer had run out when the message came about. It
// then counts as the deadline itself: a deadline holds even while the poller
// sleeps.
func (t *turn) overdue() bool {
	switch t.m.Body.(type) {
	case *canon.DeliveryReceipt, *canon.Deadline:
		return false
	}
	return t.c.Timer != "" && t.c.Timer != retention && t.m.At.After(t.c.Due)
}

// forgotten reports that the key was destroyed before the end. Nothing that needs
// the person can happen any more; the timer still ends the exchange.
func (t *turn) forgotten() bool {
	switch t.m.Body.(type) {
	case *canon.DeliveryReceipt, *canon.Deadline:
		return false
	}
	return t.c.Private.Forgotten()
}

// deadline reports whether a Deadline is that of the timer that runs.
func (t *turn) deadline(d *canon.Deadline) bool {
	return t.c.Timer != "" && d.Timer == t.c.Timer && d.Due.Equal(t.c.Due) && !t.m.At.Before(t.c.Due)
}

func (t *turn) expire() {
	timer := t.c.Timer
	if timer == retention {
		t.unacknowledged()
		return
	}
	t.audit("deadline.passed", "expired", canon.CodeDeadlinePassed, "TDD 4.4.3 "+timer)
	if t.c.Role == Requester {
		t.end(ExpiredP, canon.CodeDeadlinePassed, "", timer+" passed")
		return
	}
	if r, ok := t.m.Body.(*canon.EvidenceRequest); ok && r.Step == canon.StepPreview && t.c.Second == "" && validRequestID(r.Request) {
		t.c.Second, t.c.SecondAS4 = r.Request, r.AS4 // the late request is the one that waits for the answer
	}
	t.c.Outcome, t.c.Code, t.c.ErrorCode, t.c.Detail = ExpiredP, canon.CodeDeadlinePassed, edmTimeout, timer+" passed"
	t.answer()
}

// afterEnd meets messages of an exchange that has ended.
func (t *turn) afterEnd() {
	if r, ok := t.m.Body.(*canon.EvidenceRequest); ok && t.c.Role == Provider && r.Leg == canon.LegIn {
		t.late(r)
		return
	}
	if t.resent() {
		return
	}
	if b, ok := t.m.Body.(*canon.Withdrawal); ok && t.c.Role == Requester && t.c.Timer == retention && b.Portal == t.c.Portal {
		// The answer came first. Nobody fetches what the person wants no more.
		t.audit("request.withdrawn", "withdrawn", canon.CodeWithdrawn, "Reg. 2018/1724 Art. 14(4), after the answer")
		t.forget("the person wants it no more")
		return
	}
	if d, ok := t.m.Body.(*canon.Deadline); ok {
		if t.deadline(d) { // otherwise a poller was late: nothing happened
			t.forget("kept for as long as is allowed")
		}
		return
	}
	t.misplaced()
}

// forget gives up what a portal of ours never said it has, or must not have any more.
func (t *turn) forget(why string) {
	t.to(t.c.Phase)
	if !t.c.Private.Forgotten() { // else it did, and nothing is left
		t.auditDocuments("exchange.forgotten", "ok", "", why, t.c.Documents)
	}
}

func validRequestID(id canon.RequestID) bool {
	uuid, ok := strings.CutPrefix(string(id), "urn:uuid:")
	return ok && canon.ValidUUID(strings.ToLower(uuid))
}

// validLocation accepts an https URL without fragment (TDD 4.9, R-EDM-REQ-C005,
// C120, R-EDM-ERR-C019): it will be shown as a link.
func validLocation(s string) bool {
	if len(s) > maxLocation {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.Fragment == "" && u.User == nil
}

const (
	maxPassed   = 64
	maxLocation = 2048
	maxDetail   = 300
)

// plain cuts a text of a peer to what a page and a log line can take.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if r := []rune(s); len(r) > maxDetail {
		s = string(r[:maxDetail])
	}
	return s
}

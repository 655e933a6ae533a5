package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"oncegate/gateway/choice"
	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

// sessionBody is components/schemas/SessionRequest: the choices of a plan, and the
// person who asks for what it holds.
type sessionBody struct {
	planBody
	personBody
}

type opened struct {
	Session   string           `json:"session"`
	Plan      string           `json:"plan"`
	Exchanges []openedExchange `json:"exchanges"`
}

type openedExchange struct {
	ID           canon.ConversationID `json:"id"`
	State        string               `json:"state"`
	Opened       bool                 `json:"opened"` // false: the procedure had it already
	EvidenceType string               `json:"evidence_type"`
	Titles       []canon.Text         `json:"titles"`
	Provider     agentView            `json:"provider"`
	Country      string               `json:"country"`
	Requirements []string             `json:"requirements"`
	Links        links                `json:"links"`
}

// openSession opens the exchanges of a plan, all in one session (ebMS conversation).
// The plan's name says what the person saw and asked for: where the common services
// would lead elsewhere by now, nothing is opened and the person is asked again
// (Reg. 2018/1724 Art. 14(7): the request is specific).
func (a *API) openSession(w http.ResponseWriter, r *http.Request, who credential) error {
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	data, err := readBody(w, r)
	if err != nil {
		return err
	}
	var body sessionBody
	normal, err := decode(a.bodies.session, data, &body)
	if err != nil {
		return err
	}
	now := a.cfg.Now().UTC()
	if fs := check(body.personBody, who.portal, now); len(fs) > 0 {
		return refuseFlaws(fs)
	}
	if err := checkExplicit(body.ExplicitRequest); err != nil {
		return err
	}
	p, err := a.solve(r, who, &body.planBody, "")
	if err != nil {
		return err
	}
	switch {
	case p.ID != r.PathValue("plan"):
		return &refusal{Fault: canon.NewFault(canon.CodePlanChanged, nil, "the choices lead to another plan than the one that was asked for"), location: "plan"}
	case !p.Complete():
		return canon.NewFault(canon.CodeNotReady, nil, "the person has not chosen everything that the plan asks for")
	case len(p.Asks) == 0:
		return canon.NewFault(canon.CodeNotReady, nil, "the plan holds nothing to ask for")
	}
	// The first call settles which exchanges the key opens; a repeated one finds the
	// same, however they stand by then.
	value, asks := claim(who.name, key, normal), make([]holding, len(p.Asks))
	for i, ask := range p.Asks {
		if asks[i], err = a.held(r.Context(), who, body.Session, p.Procedure, ask); err != nil {
			return err
		}
		if asks[i].ofAnother(body.Subject.canon()) {
			return &refusal{Fault: canon.NewFault(canon.CodeKeyReused, nil, "the session is that of another person"), location: "/session"}
		}
		if asks[i].opens() {
			value += " " + string(asks[i].next)
		}
	}
	memo := canon.OwnConversation(who.name, "session:"+key)
	held, err := a.cfg.Memory.Claim(r.Context(), string(memo), value, a.cfg.Term)
	if err != nil {
		return unavailable(err)
	}
	mine, theirs := strings.Fields(value), strings.Fields(held)
	if len(theirs) < 2 || theirs[1] != mine[1] || theirs[0] != mine[0] {
		return &refusal{Fault: canon.NewFault(canon.CodeKeyReused, nil, "the key was used for a different request"), location: "Idempotency-Key"}
	}
	out := opened{Session: body.Session, Plan: p.ID, Exchanges: []openedExchange{}}
	for i, ask := range p.Asks {
		e := openedExchange{
			ID: asks[i].id, State: asks[i].state, EvidenceType: ask.EvidenceType.Classification, Titles: listed(ask.EvidenceType.Titles),
			Provider: agentOf(ask.Provider), Country: ask.Country, Requirements: []string{},
		}
		for _, q := range ask.Requirements {
			e.Requirements = append(e.Requirements, q.ID)
		}
		if id, ok := a.chosen(who.name, body.Session, p.Procedure, ask, theirs[2:]); ok {
			if e.State, err = a.open(r, who, id, theirs[0]+" "+theirs[1], ask, &body, p.Procedure); err != nil {
				return err
			}
			e.ID, e.Opened = id, true
		} else if !asks[i].known || asks[i].again {
			// Only where the plan's asks changed under a repeated key: the digest
			// of the body would have too.
			return canon.NewFault(canon.CodePlanChanged, nil, "the key opened other exchanges")
		}
		e.Links = a.links(e.ID)
		out.Exchanges = append(out.Exchanges, e)
	}
	w.Header().Set("Retry-After", "1")
	return a.reply(w, http.StatusAccepted, out)
}

// opens reports that a new exchange follows.
func (h holding) opens() bool { return !h.known || h.again }

// ofAnother reports that the exchange is known to be about somebody else than who asks
// now: what one person has is not shown to the next.
func (h holding) ofAnother(who canon.Subject) bool {
	if h.about == nil {
		return false
	}
	private, ok := h.about.Private.Get()
	return ok && private.Subject != (canon.Subject{}) && !private.Subject.Matches(who)
}

// chosen returns the exchange that the key opens for an ask, if it opens one.
func (a *API) chosen(portal, session, procedure string, ask choice.Ask, ids []string) (canon.ConversationID, bool) {
	for n := range maxAttempts {
		id := attempt(portal, session, procedure, ask.Key, n)
		for _, have := range ids {
			if have == string(id) {
				return id, true
			}
		}
	}
	return "", false
}

// open publishes the first request of one exchange, unless the core knows it: its
// id is derived, so twice is once.
func (a *API) open(r *http.Request, who credential, id canon.ConversationID, mark string, ask choice.Ask, body *sessionBody, procedure string) (string, error) {
	c, err := a.cfg.Conversations.Get(r.Context(), id)
	if err == nil {
		return string(c.Phase), nil
	}
	if !errors.Is(err, exchange.ErrUnknown) {
		return "", unavailable(err)
	}
	now := a.cfg.Now().UTC()
	req := body.request(id, canon.SessionID(body.Session), who, now)
	req.Procedure, req.Requirements, req.EvidenceType, req.Provider = procedure, ask.Requirements, ask.EvidenceType, ask.Provider
	req.Choices, req.Offer = ask.Choices, ask.Offer
	private, _ := req.Private.Get()
	private.Concepts = ask.Concepts
	if err := a.cfg.Publish(r.Context(), a.message(r, id, "evidence-request", now, req)); err != nil {
		return "", fmt.Errorf("publishing a request: %w", err)
	}
	// From now on the portal may look at it, and the session does not open it twice.
	if _, err := a.cfg.Memory.Claim(r.Context(), string(id), mark, a.cfg.Term); err != nil {
		return "", unavailable(err)
	}
	return stateAccepted, nil
}

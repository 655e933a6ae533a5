package api

import (
	"context"
	"errors"
	"strconv"

	"oncegate/gateway/choice"
	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

// planView is components/schemas/Plan.
type planView struct {
	ID           string             `json:"id"`
	Procedure    string             `json:"procedure"`
	Country      string             `json:"country"`
	Complete     bool               `json:"complete"`
	Stale        bool               `json:"stale"`
	Requirements []requirementState `json:"requirements"`
	Evidence     []evidenceState    `json:"evidence"`
	Asks         []askView          `json:"asks"`
}

type requirementState struct {
	requirementView
	Country   string        `json:"country,omitempty"`
	Status    choice.Status `json:"status"`
	Options   []optionView  `json:"options,omitempty"`
	Option    string        `json:"option,omitempty"`
	Code      canon.Code    `json:"code,omitempty"`
	Detail    string        `json:"detail,omitempty"`
	Reasons   []canon.Text  `json:"reasons,omitempty"`
	Retryable bool          `json:"retryable,omitempty"`
}

type evidenceState struct {
	kindView
	Country      string         `json:"country"`
	Requirements []string       `json:"requirements"`
	Status       choice.Status  `json:"status"`
	Questions    []questionView `json:"questions,omitempty"`
	Services     []serviceView  `json:"services,omitempty"`
	Service      string         `json:"service,omitempty"`
	Code         canon.Code     `json:"code,omitempty"`
	Detail       string         `json:"detail,omitempty"`
	Retryable    bool           `json:"retryable,omitempty"`
}

type askView struct {
	EvidenceType string       `json:"evidence_type"`
	Titles       []canon.Text `json:"titles"`
	Country      string       `json:"country"`
	Provider     agentView    `json:"provider"`
	Service      string       `json:"service"`
	Requirements []string     `json:"requirements"`
	Exchange     *heldView    `json:"exchange,omitempty"`
}

// heldView is an exchange that the procedure has already: it is offered again and
// not asked for twice.
type heldView struct {
	ID    canon.ConversationID `json:"id"`
	State string               `json:"state"`
	Links links                `json:"links"`
}

func (a *API) planView(ctx context.Context, p *choice.Plan, who credential, session string) (planView, error) {
	v := planView{
		ID: p.ID, Procedure: p.Procedure, Country: p.Country, Complete: p.Complete(), Stale: p.Stale,
		Requirements: []requirementState{}, Evidence: []evidenceState{}, Asks: []askView{},
	}
	for _, r := range p.Requirements {
		s := requirementState{
			requirementView: requirementOf(r.Requirement), Country: r.Country, Status: r.Status, Option: r.Option,
			Code: r.Code, Detail: r.Detail, Reasons: r.Reasons, Retryable: r.Retryable,
		}
		for i, o := range r.Options {
			option := optionOf(o)
			if i < len(r.Adds) {
				option.Adds = &r.Adds[i]
			}
			s.Options = append(s.Options, option)
		}
		v.Requirements = append(v.Requirements, s)
	}
	for _, e := range p.Evidence {
		s := evidenceState{
			kindView: kindOf(e.EvidenceKind), Country: e.Country, Requirements: listed(e.Requirements), Status: e.Status,
			Service: e.Service, Code: e.Code, Detail: e.Detail, Retryable: e.Retryable,
		}
		if len(e.Questions) > 0 {
			s.Questions = questionsOf(e.Questions)
		}
		for _, o := range e.Services {
			s.Services = append(s.Services, serviceOf(o.DataService, o.Obstacle))
		}
		v.Evidence = append(v.Evidence, s)
	}
	for _, ask := range p.Asks {
		s := askView{
			EvidenceType: ask.EvidenceType.Classification, Titles: listed(ask.EvidenceType.Titles), Country: ask.Country,
			Provider: agentOf(ask.Provider), Service: ask.Service, Requirements: []string{},
		}
		for _, r := range ask.Requirements {
			s.Requirements = append(s.Requirements, r.ID)
		}
		if session != "" {
			held, err := a.held(ctx, who, session, p.Procedure, ask)
			if err != nil {
				return v, err
			}
			if held.known && !held.again {
				s.Exchange = &heldView{held.id, held.state, a.links(held.id)}
			}
		}
		v.Asks = append(v.Asks, s)
	}
	return v, nil
}

// holding is the newest exchange of an ask in a session, or the one to be.
type holding struct {
	id    canon.ConversationID
	state string
	known bool // there is such an exchange
	again bool // it ended without evidence, or the person wants it anew: another may follow
	next  canon.ConversationID
	about *exchange.Conversation // nil where the core has not met it
}

// maxAttempts bounds how often one session asks for the same.
const maxAttempts = 20

// attempt names the n-th exchange of an ask in a session, for one procedure: what was
// asked for another is not this one's (Reg. 2018/1724 Art. 14(7)). The name follows
// from the session: whoever asks again for the same finds what there is, also when every
// memory was lost (Reg. 2018/1724 Art. 14; the person is not asked twice, recital 41).
func attempt(portal, session, procedure, ask string, n int) canon.ConversationID {
	return canon.OwnConversation(portal, canon.DeriveUUID("session", session, procedure, ask, strconv.Itoa(n)))
}

// held looks for exchanges of an ask in the session.
func (a *API) held(ctx context.Context, who credential, session, procedure string, ask choice.Ask) (holding, error) {
	var h holding
	for n := range maxAttempts {
		id := attempt(who.name, session, procedure, ask.Key, n)
		c, err := a.cfg.Conversations.Get(ctx, id)
		switch {
		case errors.Is(err, exchange.ErrUnknown):
			held, err := a.cfg.Memory.Claimed(ctx, string(id))
			if err != nil {
				return h, unavailable(err)
			}
			if held == "" {
				h.next = id
				return h, nil
			}
			h = holding{id: id, state: stateAccepted, known: true} // the core has not met it yet
			return h, nil
		case err != nil:
			return h, unavailable(err)
		}
		h = holding{id: id, state: string(c.Phase), known: true, about: c}
		// What was delivered, or is under way, is not asked for twice. What ended
		// without evidence may be asked for once more.
		h.again = c.Phase.Final() && (c.Phase != exchange.Delivered || ask.Again)
		if !h.again {
			return h, nil
		}
	}
	h.again = false
	return h, canon.NewFault(canon.CodeKeyReused, nil, "the session has asked for this evidence %d times", maxAttempts)
}

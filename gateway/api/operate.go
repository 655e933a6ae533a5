package api

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

// A Hop is one step of an exchange as the log or the audit trail shows it. It
// names messages, rooms, peers and places, never a person.
type Hop struct {
	At        time.Time       `json:"at"`
	Kind      canon.Kind      `json:"kind"`
	Message   canon.MessageID `json:"message"`
	Cause     canon.MessageID `json:"cause,omitempty"`
	Step      string          `json:"step,omitempty"`    // audit: noun.verb
	Room      string          `json:"room,omitempty"`    // audit: who recorded it
	Outcome   string          `json:"outcome,omitempty"` // audit
	Topic     string          `json:"topic,omitempty"`
	Partition *int            `json:"partition,omitempty"`
	Offset    *int64          `json:"offset,omitempty"`
	AS4       string          `json:"as4,omitempty"` // ebMS MessageId
	Peer      string          `json:"peer,omitempty"`
	Code      canon.Code      `json:"code,omitempty"`
	Mapping   string          `json:"mapping,omitempty"` // a register's answer: the version of the mapping that made it
	ReplayOf  canon.MessageID `json:"replay_of,omitempty"`
	Duration  HopMilliseconds `json:"duration_ms,omitempty"` // since the cause
}

// HopMilliseconds is a duration that JSON shows in milliseconds.
type HopMilliseconds time.Duration

// MarshalJSON writes milliseconds with three decimals.
func (d HopMilliseconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(d)/float64(time.Millisecond), 'f', 3, 64), nil
}

// A DeadLetter is a message that could not be handled, without its body.
type DeadLetter struct {
	Topic           string     `json:"topic"`
	Partition       int        `json:"partition"`
	Offset          int64      `json:"offset"`
	SourceTopic     string     `json:"source_topic,omitempty"`
	SourcePartition int        `json:"source_partition"`
	SourceOffset    int64      `json:"source_offset"`
	Conversation    string     `json:"conversation,omitempty"`
	Message         string     `json:"message,omitempty"`
	Kind            string     `json:"kind,omitempty"`
	Code            canon.Code `json:"code,omitempty"`
	Detail          string     `json:"detail,omitempty"`
	NextStep        string     `json:"next_step,omitempty"` // Default: the code's
	Attempts        int        `json:"attempts"`
	FailedAt        time.Time  `json:"failed_at"`
}

type party struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// exchangeView is components/schemas/Exchange: the open part of a conversation.
type exchangeView struct {
	ID            canon.ConversationID `json:"id"`
	Role          exchange.Role        `json:"role"`
	State         exchange.Phase       `json:"state"`
	Final         bool                 `json:"final"`
	Exchange      canon.ExchangeID     `json:"exchange,omitempty"`
	Session       canon.SessionID      `json:"session,omitempty"`
	Specification string               `json:"specification,omitempty"`
	Portal        string               `json:"portal,omitempty"`
	Procedure     string               `json:"procedure,omitempty"`
	LegalBasis    string               `json:"legal_basis,omitempty"`
	Waived        string               `json:"waived,omitempty"`
	Requirements  []requirementView    `json:"requirements,omitempty"`
	EvidenceType  string               `json:"evidence_type,omitempty"`
	Requester     party                `json:"requester"`
	Provider      party                `json:"provider"`
	Own           string               `json:"own,omitempty"`
	Peer          string               `json:"peer,omitempty"`
	Route         string               `json:"route,omitempty"`
	Register      string               `json:"register,omitempty"`
	// Representative says that somebody acts for the person, not who.
	Representative bool             `json:"representative"`
	Choices        []canon.Choice   `json:"choices,omitempty"`
	Documents      int              `json:"documents"`
	Outcome        exchange.Phase   `json:"outcome,omitempty"`
	Code           canon.Code       `json:"code,omitempty"`
	ErrorCode      string           `json:"error_code,omitempty"`
	Detail         string           `json:"detail,omitempty"`
	Reason         *Reason          `json:"reason,omitempty"`
	Finding        exchange.Finding `json:"finding,omitempty"`
	NextStep       string           `json:"next_step,omitempty"`
	AvailableAt    time.Time        `json:"available_at,omitzero"`
	OpenedAt       time.Time        `json:"opened_at"`
	UpdatedAt      time.Time        `json:"updated_at"`
	Timer          string           `json:"timer,omitempty"`
	Due            time.Time        `json:"due,omitzero"`
}

func viewOf(c *exchange.Conversation) exchangeView {
	v := exchangeView{
		ID: c.ID, Role: c.Role, State: c.Phase, Final: c.Phase.Final(), Exchange: c.Exchange, Session: c.Session,
		Specification: c.Specification, Portal: c.Portal, Procedure: c.Procedure, EvidenceType: c.EvidenceType.ID,
		Requester: party{c.Requester.ID.String(), c.Requester.Name()}, Provider: party{c.Provider.ID.String(), c.Provider.Name()},
		Register: c.Register, Documents: len(c.Documents), Outcome: c.Outcome, Code: c.Code, ErrorCode: c.ErrorCode,
		Detail: c.Detail, NextStep: c.Code.NextStep(), OpenedAt: c.OpenedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(),
		Timer: c.Timer, Due: c.Due.UTC(), LegalBasis: c.LegalBasis, Waived: c.Waived, Route: c.Route,
		Representative: c.Representation != "", Choices: c.Choices, Reason: ReasonOf(c.Detail), Finding: c.Finding, AvailableAt: c.AvailableAt.UTC(),
	}
	for _, r := range c.Requirements {
		v.Requirements = append(v.Requirements, requirementOf(r))
	}
	if !c.Own.IsZero() {
		v.Own = c.Own.String()
	}
	if !c.Peer.IsZero() {
		v.Peer = c.Peer.String()
	}
	return v
}

// maxListed is how far back lists of exchanges go; beyond it the id is asked for.
const maxListed = 10_000

// listExchanges pages through the store by last change. An exchange that moves
// between two pages may show twice, never be lost for good: it is then nearer
// to the beginning.
func (a *API) listExchanges(w http.ResponseWriter, r *http.Request, _ credential) error {
	limit, cursor, err := paging(r)
	if err != nil {
		return err
	}
	after, err := readCursor(cursor)
	if err != nil {
		return err
	}
	want := limit + 1
	if cursor != "" {
		want = maxListed
	}
	all, err := a.cfg.Conversations.List(r.Context(), want)
	if err != nil {
		return unavailable(err)
	}
	page := struct {
		Exchanges []exchangeView `json:"exchanges"`
		Next      string         `json:"next,omitempty"`
	}{Exchanges: []exchangeView{}}
	for _, c := range all {
		if cursor != "" && !after.before(c) {
			continue
		}
		if len(page.Exchanges) == limit {
			last := page.Exchanges[limit-1]
			page.Next = a.next(r, limit, place{last.UpdatedAt, last.ID}.String())
			break
		}
		page.Exchanges = append(page.Exchanges, viewOf(c))
	}
	return a.reply(w, http.StatusOK, page)
}

// A place is where a page of exchanges ended.
type place struct {
	at time.Time
	id canon.ConversationID
}

func (p place) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(p.at.Format(time.RFC3339Nano) + " " + string(p.id)))
}

// before reports whether c comes after the place in a list, newest first.
func (p place) before(c *exchange.Conversation) bool {
	if !c.UpdatedAt.Equal(p.at) {
		return c.UpdatedAt.Before(p.at)
	}
	return c.ID > p.id
}

func readCursor(s string) (place, error) {
	if s == "" {
		return place{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		at, id, _ := strings.Cut(string(raw), " ")
		if t, err := time.Parse(time.RFC3339Nano, at); err == nil && canon.ValidUUID(id) {
			return place{t, canon.ConversationID(id)}, nil
		}
	}
	return place{}, badParameter("cursor", "cursor is not one that a page gave")
}

func badParameter(name, detail string) error {
	return &refusal{Fault: canon.NewFault(canon.CodeBadInput, nil, "%s", detail), status: http.StatusBadRequest, location: name}
}

func paging(r *http.Request) (limit int, cursor string, err error) {
	q := r.URL.Query()
	limit = 50
	if s := q.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > 200 {
			return 0, "", badParameter("limit", "limit is a number from 1 to 200")
		}
	}
	if cursor = q.Get("cursor"); len(cursor) > 256 {
		return 0, "", badParameter("cursor", "cursor is not one that a page gave")
	}
	return limit, cursor, nil
}

func (a *API) next(r *http.Request, limit int, cursor string) string {
	return a.link(strings.TrimPrefix(r.URL.Path, "/")) + "?" + url.Values{"limit": {strconv.Itoa(limit)}, "cursor": {cursor}}.Encode()
}

func (a *API) getExchange(w http.ResponseWriter, r *http.Request, _ credential) error {
	id := r.PathValue("id")
	c, err := a.cfg.Conversations.Get(r.Context(), canon.ConversationID(id))
	if !canon.ValidUUID(id) || errors.Is(err, exchange.ErrUnknown) {
		return canon.NewFault(canon.CodeUnknownExchange, nil, "no such exchange")
	}
	if err != nil {
		return unavailable(err)
	}
	return a.reply(w, http.StatusOK, viewOf(c))
}

// getExchangeTimeline works from the log alone: also for an exchange that the
// memory has lost.
func (a *API) getExchangeTimeline(w http.ResponseWriter, r *http.Request, _ credential) error {
	id := r.PathValue("id")
	if !canon.ValidUUID(id) {
		return canon.NewFault(canon.CodeUnknownExchange, nil, "no such exchange")
	}
	return a.timeline(w, r, canon.ConversationID(id))
}

func (a *API) timeline(w http.ResponseWriter, r *http.Request, id canon.ConversationID) error {
	hops, err := a.cfg.Timeline(r.Context(), id)
	if err != nil {
		return unavailable(err)
	}
	if hops == nil {
		hops = []Hop{}
	}
	return a.reply(w, http.StatusOK, map[string]any{"id": id, "hops": hops})
}

func (a *API) listDeadLetters(w http.ResponseWriter, r *http.Request, _ credential) error {
	limit, cursor, err := paging(r)
	if err != nil {
		return err
	}
	letters, next, err := a.cfg.DeadLetters(r.Context(), cursor, limit)
	if err != nil {
		return unavailable(err)
	}
	page := struct {
		DeadLetters []DeadLetter `json:"dead_letters"`
		Next        string       `json:"next,omitempty"`
	}{DeadLetters: []DeadLetter{}}
	for _, l := range letters {
		if l.NextStep == "" {
			l.NextStep = l.Code.NextStep()
		}
		page.DeadLetters = append(page.DeadLetters, l)
	}
	if next != "" {
		page.Next = a.next(r, limit, next)
	}
	return a.reply(w, http.StatusOK, page)
}

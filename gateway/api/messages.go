package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"oncegate/gateway/messages"
	"oncegate/schemas/canon"
)

// noteView is components/schemas/MessageNote: where a message stood at one time.
type noteView struct {
	At       time.Time          `json:"at"`
	State    canon.MessageState `json:"state"`
	Series   int                `json:"series"`
	Attempts int                `json:"attempts"`
	Next     time.Time          `json:"next_attempt_at,omitzero"`
	Code     canon.Code         `json:"code,omitempty"`
	Error    string             `json:"error,omitempty"`
	NextStep string             `json:"next_step,omitempty"`
}

// messageView is components/schemas/Message.
type messageView struct {
	AS4          string                 `json:"as4"`
	Direction    canon.MessageDirection `json:"direction"`
	Peer         string                 `json:"peer"`
	Action       string                 `json:"action,omitempty"`
	Conversation canon.ConversationID   `json:"conversation,omitempty"`
	Exchange     canon.ExchangeID       `json:"exchange,omitempty"`
	Message      canon.MessageID        `json:"message,omitempty"`
	Kind         canon.Kind             `json:"kind,omitempty"`
	Final        bool                   `json:"final"`
	Parts        int                    `json:"parts,omitempty"`
	Bytes        int64                  `json:"bytes,omitempty"`
	noteView
	Notes []noteView `json:"notes,omitempty"` // of one message, oldest first
}

func viewOfNote(n canon.MessageNote) noteView {
	return noteView{
		At: n.At.UTC(), State: n.State, Series: n.Series, Attempts: n.Attempts, Next: n.Next,
		Code: n.Code, Error: n.Error, NextStep: n.Code.NextStep(),
	}
}

func viewOfMessage(n canon.MessageNote) messageView {
	return messageView{
		AS4: n.AS4, Direction: n.Direction, Peer: n.Peer.String(), Action: n.Action, Conversation: n.Conversation, Exchange: n.Exchange,
		Message: n.Message, Kind: n.Kind, Final: n.State.Final(), Parts: n.Parts, Bytes: n.Bytes, noteView: viewOfNote(n),
	}
}

// Filter reads the filter of a list of messages from a query; parameters that are
// empty or missing mean any. The operator's pages read theirs with it, too.
func Filter(q url.Values) (messages.Filter, error) {
	f := messages.Filter{
		AS4: q.Get("as4"), Direction: canon.MessageDirection(q.Get("direction")), State: canon.MessageState(q.Get("state")), Peer: q.Get("peer"),
		Action: q.Get("action"), Conversation: canon.ConversationID(q.Get("conversation")), Exchange: canon.ExchangeID(q.Get("exchange")),
	}
	for _, name := range []string{"as4", "peer", "action", "conversation", "exchange"} {
		if v := q.Get(name); len(v) > 512 || !utf8.ValidString(v) {
			return f, badParameter(name, name+" is no text of at most 512 bytes")
		}
	}
	if f.Direction != "" && f.Direction != canon.MessageIn && f.Direction != canon.MessageOut {
		return f, badParameter("direction", "direction is in or out")
	}
	if f.State != "" && !slices.Contains(canon.MessageStates(), f.State) {
		return f, badParameter("state", "state is one of "+stateNames())
	}
	for name, to := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		v := q.Get(name)
		if v == "" {
			continue
		}
		var err error
		if *to, err = time.Parse(time.RFC3339, v); err != nil {
			return f, badParameter(name, name+" is a time such as 2026-11-21T09:00:00Z")
		}
	}
	return f, nil
}

func stateNames() string {
	var out []string
	for _, s := range canon.MessageStates() {
		out = append(out, string(s))
	}
	return strings.Join(out, ", ")
}

func (a *API) listMessages(w http.ResponseWriter, r *http.Request, _ credential) error {
	limit, cursor, err := paging(r)
	if err != nil {
		return err
	}
	f, err := Filter(r.URL.Query())
	if err != nil {
		return err
	}
	if cursor != "" {
		if _, err := messages.ParsePlace(cursor); err != nil {
			return badParameter("cursor", "cursor is not one that a page gave")
		}
	}
	got, err := a.cfg.Messages.List(r.Context(), messages.Query{Filter: f, Limit: limit, Cursor: cursor})
	if err != nil {
		return unavailable(err)
	}
	page := struct {
		Messages []messageView `json:"messages"`
		Next     string        `json:"next,omitempty"`
	}{Messages: []messageView{}}
	for _, n := range got.Messages {
		page.Messages = append(page.Messages, viewOfMessage(n))
	}
	if got.Next != "" {
		q := r.URL.Query()
		q.Set("limit", strconv.Itoa(limit))
		q.Set("cursor", got.Next)
		page.Next = a.link("api/v1/messages") + "?" + q.Encode()
	}
	return a.reply(w, http.StatusOK, page)
}

func (a *API) getMessage(w http.ResponseWriter, r *http.Request, _ credential) error {
	m, err := a.findMessage(r)
	if err != nil {
		return err
	}
	v := viewOfMessage(m.MessageNote)
	for _, n := range m.Notes {
		v.Notes = append(v.Notes, viewOfNote(n))
	}
	return a.reply(w, http.StatusOK, v)
}

func (a *API) findMessage(r *http.Request) (*messages.Message, error) {
	m, err := a.cfg.Messages.Get(r.Context(), r.PathValue("as4"))
	if errors.Is(err, messages.ErrUnknown) {
		return nil, canon.NewFault(canon.CodeUnknownMessage, nil, "no such message")
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return m, nil
}

// resendMessage has a failed message sent again. A repeated call with its key does
// so once: the first one says which series it found.
func (a *API) resendMessage(w http.ResponseWriter, r *http.Request, who credential) error {
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	data, err := readBody(w, r)
	if err != nil {
		return err
	}
	var body struct {
		Reason string `json:"reason"`
	}
	normal, err := decode(a.bodies.resend, data, &body)
	if err != nil {
		return err
	}
	m, err := a.findMessage(r)
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "%d:%s", len(m.AS4), m.AS4)
	mac.Write(normal)
	use := who.name + " " + hex.EncodeToString(mac.Sum(nil))
	held, err := a.cfg.Memory.Claim(r.Context(), canon.DeriveUUID("resend", who.name, key), use+" "+strconv.Itoa(m.Series), a.cfg.Term)
	if err != nil {
		return unavailable(err)
	}
	series, ok := strings.CutPrefix(held, use+" ")
	if !ok {
		return &refusal{Fault: canon.NewFault(canon.CodeKeyReused, nil, "the key was used for a different request"), location: "Idempotency-Key"}
	}
	n := m.MessageNote
	if series == strconv.Itoa(m.Series) { // else this very call was carried out before
		if n, err = a.cfg.Resend(r.Context(), messages.Order{AS4: m.AS4, Reason: body.Reason, Actor: "api:" + who.name}); err != nil {
			return err
		}
	}
	w.Header().Set("Location", a.link("api/v1/messages", url.PathEscape(m.AS4)))
	return a.reply(w, http.StatusAccepted, viewOfMessage(n))
}

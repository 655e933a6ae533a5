package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"oncegate/gateway/api"
	"oncegate/gateway/messages"
	"oncegate/schemas/canon"
)

type as4Row struct {
	AS4, Href, Direction, Peer, Action, Exchange, ExchangeHref, Kind string
	noteRow
}

// noteRow is where a message stood at one time.
type noteRow struct {
	At               moment
	State            string
	Failed           bool
	Series, Attempts int
	Next             moment
	Why, NextStep    string
}

func rowOfNote(n canon.MessageNote) noteRow {
	return noteRow{
		At: second(n.At), State: string(n.State), Failed: n.State == canon.MessageSendFailure, Series: n.Series, Attempts: n.Attempts, Next: second(n.Next),
		Why: strings.TrimSpace(string(n.Code) + " " + n.Error), NextStep: n.Code.NextStep(),
	}
}

// second is a time to the second: attempts follow each other fast.
func second(t time.Time) moment {
	m := at(t)
	if m.Human != "" {
		m.Human = t.UTC().Format("2006-01-02 15:04:05")
	}
	return m
}

func (o *Operator) rowOfMessage(n canon.MessageNote) as4Row {
	row := as4Row{
		AS4: n.AS4, Href: o.cfg.Path + "/messages/" + url.PathEscape(n.AS4), Direction: string(n.Direction), Peer: n.Peer.String(),
		Action: n.Action, Exchange: string(n.Conversation), Kind: string(n.Kind), noteRow: rowOfNote(n),
	}
	if canon.ValidUUID(row.Exchange) {
		row.ExchangeHref = o.cfg.Path + "/exchanges/" + row.Exchange
	}
	return row
}

type messagesPage struct {
	frame
	Path       string
	Filter     messages.Filter
	States     []canon.MessageState
	Directions []canon.MessageDirection
	Rows       []as4Row
	Older      string // link to the next page
}

// messageRows is how many messages a page shows.
const messageRows = 100

// messages lists the message log. Its filter is that of the API.
func (o *Operator) messages(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if id := strings.TrimSpace(q.Get("as4")); id != "" {
		http.Redirect(w, r, o.cfg.Path+"/messages/"+url.PathEscape(id), http.StatusSeeOther)
		return nil
	}
	f, err := api.Filter(q)
	if err != nil {
		return err
	}
	got, err := o.cfg.Messages.List(r.Context(), messages.Query{Filter: f, Limit: messageRows, Cursor: q.Get("cursor")})
	if err != nil {
		return fmt.Errorf("listing messages: %w", err)
	}
	page := messagesPage{
		frame: o.frame("Messages"), Path: o.cfg.Path, Filter: f, States: canon.MessageStates(),
		Directions: []canon.MessageDirection{canon.MessageIn, canon.MessageOut},
	}
	for _, n := range got.Messages {
		page.Rows = append(page.Rows, o.rowOfMessage(n))
	}
	if got.Next != "" {
		q.Set("cursor", got.Next)
		page.Older = o.cfg.Path + "/messages?" + q.Encode()
	}
	return o.pages.write(w, http.StatusOK, "messages", "en", page)
}

type as4Page struct {
	frame
	Path  string
	Row   as4Row
	Parts int
	Bytes int64
	Notes []noteRow
}

// as4 shows one AS4 message with its history.
func (o *Operator) as4(w http.ResponseWriter, r *http.Request) error {
	m, err := o.cfg.Messages.Get(r.Context(), r.PathValue("as4"))
	if errors.Is(err, messages.ErrUnknown) {
		return errNoPage
	}
	if err != nil {
		return fmt.Errorf("reading a message: %w", err)
	}
	page := as4Page{frame: o.frame("Message"), Path: o.cfg.Path, Row: o.rowOfMessage(m.MessageNote), Parts: m.Parts, Bytes: m.Bytes}
	for _, n := range m.Notes {
		page.Notes = append(page.Notes, rowOfNote(n))
	}
	return o.pages.write(w, http.StatusOK, "as4", "en", page)
}

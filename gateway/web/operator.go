package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"oncegate/gateway/api"
	"oncegate/gateway/exchange"
	"oncegate/gateway/messages"
	"oncegate/schemas/canon"
)

// An OperatorConfig says what an Operator works with.
type OperatorConfig struct {
	Site          string          // Required.
	Path          string          // Default: /operator.
	Logins        []api.Operator  // Required: user name and token of HTTP Basic, over TLS alone.
	Conversations exchange.Reader // Required.

	// Timeline and DeadLetters are as in api.Config. Required.
	Timeline    func(ctx context.Context, id canon.ConversationID) ([]api.Hop, error)
	DeadLetters func(ctx context.Context, cursor string, limit int) ([]api.DeadLetter, string, error)

	Messages messages.Reader // Required.

	Log *slog.Logger // Default: discards.
}

// An Operator is the handler of the operator's pages. They change nothing and
// hold no personal data; they are in English.
type Operator struct {
	cfg    OperatorConfig
	mux    *http.ServeMux
	words  language
	pages  *renderer
	logins []login
}

type login struct {
	name string
	hash [sha256.Size]byte
}

// NewOperator checks the configuration and returns the handler of everything
// below Path.
func NewOperator(cfg OperatorConfig) (*Operator, error) {
	var errs []error
	if cfg.Site == "" || cfg.Conversations == nil || cfg.Timeline == nil || cfg.DeadLetters == nil || cfg.Messages == nil || len(cfg.Logins) == 0 {
		errs = append(errs, errors.New("required: Site, Logins, Conversations, Timeline, DeadLetters and Messages"))
	}
	if cfg.Path == "" {
		cfg.Path = "/operator"
	}
	cfg.Path = "/" + strings.Trim(cfg.Path, "/")
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	o := &Operator{cfg: cfg, mux: http.NewServeMux()}
	for _, l := range cfg.Logins {
		if len(l.TokenHashes) == 0 {
			errs = append(errs, fmt.Errorf("operator %s has no token", l.Name))
		}
		for _, h := range l.TokenHashes {
			raw, err := hex.DecodeString(strings.TrimPrefix(h, "sha256:"))
			if err != nil || len(raw) != sha256.Size || l.Name == "" {
				errs = append(errs, fmt.Errorf("operator %s: want a name and token hashes of sha256: and 64 hex digits", l.Name))
				continue
			}
			o.logins = append(o.logins, login{l.Name, [sha256.Size]byte(raw)})
		}
	}
	words, err := loadCatalogue()
	errs = append(errs, err)
	o.pages, err = newRenderer("exchanges", "exchange", "messages", "as4", "dead-letters", "message")
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("configuring the operator's pages: %w", err)
	}
	o.words, _ = words.find("en")
	o.mux.HandleFunc("GET "+cfg.Path+"/static/oncegate.css", serveStyle)
	o.handle("/{$}", o.exchanges)
	o.handle("/exchanges/{id}", o.exchange)
	o.handle("/messages", o.messages)
	o.handle("/messages/{as4}", o.as4)
	o.handle("/dead-letters", o.deadLetters)
	o.mux.Handle("GET "+cfg.Path, http.RedirectHandler(cfg.Path+"/", http.StatusSeeOther))
	o.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { o.fail(w, errNoPage) })
	return o, nil
}

var errNoPage = canon.NewFault(canon.CodeUnknownExchange, nil, "no such page")

func (o *Operator) handle(path string, serve func(http.ResponseWriter, *http.Request) error) {
	o.mux.HandleFunc("GET "+o.cfg.Path+path, func(w http.ResponseWriter, r *http.Request) {
		if err := serve(w, r); err != nil {
			o.fail(w, err)
		}
	})
}

// ServeHTTP answers one request.
func (o *Operator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w, r, "")
	if !strings.HasSuffix(r.URL.Path, "/static/oncegate.css") && !o.known(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="oncegate operator", charset="UTF-8"`)
		http.Error(w, "Operator name and token are required.", http.StatusUnauthorized)
		return
	}
	o.mux.ServeHTTP(w, r)
}

// known compares with every login in constant time.
func (o *Operator) known(r *http.Request) bool {
	name, token, ok := r.BasicAuth()
	if !ok || len(token) > 512 {
		return false
	}
	sum := sha256.Sum256([]byte(token))
	found := 0
	for _, l := range o.logins {
		found |= subtle.ConstantTimeCompare(sum[:], l.hash[:]) & subtle.ConstantTimeCompare([]byte(name), []byte(l.name))
	}
	return found == 1
}

func (o *Operator) frame(title string) frame {
	return frame{
		Lang: "en", Title: title, Site: o.cfg.Site, Style: o.cfg.Path + "/static/oncegate.css?v=" + o.pages.style,
		Operator: true, language: o.words,
	}
}

func (o *Operator) fail(w http.ResponseWriter, err error) {
	f := canon.AsFault(err)
	a, ok := faultPages[f.Kind]
	if !ok {
		a = faultPages[canon.Internal]
	}
	if a.status >= 500 {
		o.cfg.Log.Error("answering with a failure", "code", f.Code, "error", err)
	}
	m := messagePage{frame: o.frame(o.words.text(a.key + ".title")), Heading: a.key + ".title", Lines: []string{a.key + ".text"}}
	if err := o.pages.write(w, a.status, "message", "en", m); err != nil {
		http.Error(w, http.StatusText(a.status), a.status)
	}
}

type exchangeRow struct {
	ID, Href, Role, State, Procedure, Requester, Provider, Register, Code, Next string
	Updated, Due                                                                moment
	Timer                                                                       string
}

func (o *Operator) row(c *exchange.Conversation) exchangeRow {
	return exchangeRow{
		ID: string(c.ID), Href: o.cfg.Path + "/exchanges/" + string(c.ID), Role: string(c.Role), State: string(c.Phase),
		Procedure: c.Procedure, Requester: c.Requester.Name(), Provider: c.Provider.Name(), Register: c.Register,
		Code: string(c.Code), Next: c.Code.NextStep(), Updated: at(c.UpdatedAt), Due: at(c.Due), Timer: c.Timer,
	}
}

// listed is how many exchanges and dead letters a page shows; the API pages on.
const listed = 200

type exchangesPage struct {
	frame
	Path string
	Rows []exchangeRow
}

func (o *Operator) exchanges(w http.ResponseWriter, r *http.Request) error {
	if q := strings.TrimSpace(r.URL.Query().Get("id")); canon.ValidUUID(q) {
		http.Redirect(w, r, o.cfg.Path+"/exchanges/"+q, http.StatusSeeOther)
		return nil
	}
	cs, err := o.cfg.Conversations.List(r.Context(), listed)
	if err != nil {
		return fmt.Errorf("listing exchanges: %w", err)
	}
	page := exchangesPage{frame: o.frame("Exchanges"), Path: o.cfg.Path}
	for _, c := range cs {
		page.Rows = append(page.Rows, o.row(c))
	}
	return o.pages.write(w, http.StatusOK, "exchanges", "en", page)
}

type exchangePage struct {
	frame
	Path          string
	Known         bool // false: the memory lost it, the log still tells
	ID            string
	Row           exchangeRow
	Specification string
	Own, Peer     string
	ErrorCode     string
	Detail        string
	Reason        *api.Reason // where a rule was broken
	Finding       string
	Available     moment // deferred: when there will be evidence
	Acting        bool   // somebody acts for the person
	LegalBasis    string
	Waived        string
	Route         string
	Requirements  []canon.Requirement
	Choices       []canon.Choice
	Opened        moment
	Documents     []canon.Document
	Hops          []hopRow
}

type hopRow struct {
	At                       moment
	What, Place, AS4, Code   string
	Message, Cause, Duration string
	Replay                   bool
}

func (o *Operator) exchange(w http.ResponseWriter, r *http.Request) error {
	if !canon.ValidUUID(r.PathValue("id")) {
		return errNoPage
	}
	id := canon.ConversationID(r.PathValue("id"))
	page := exchangePage{frame: o.frame("Exchange"), Path: o.cfg.Path, ID: string(id)}
	c, err := o.cfg.Conversations.Get(r.Context(), id)
	if err != nil && !errors.Is(err, exchange.ErrUnknown) {
		return fmt.Errorf("reading an exchange: %w", err)
	}
	hops, err := o.cfg.Timeline(r.Context(), id)
	if err != nil {
		return fmt.Errorf("reading a time line: %w", err)
	}
	if c == nil && len(hops) == 0 {
		return errNoPage
	}
	if c != nil {
		page.Known, page.Row, page.Opened = true, o.row(c), at(c.OpenedAt)
		page.Specification, page.ErrorCode, page.Detail, page.Documents = c.Specification, c.ErrorCode, c.Detail, c.Documents
		page.Reason, page.Finding, page.Available, page.Acting = api.ReasonOf(c.Detail), string(c.Finding), at(c.AvailableAt), c.Representation != ""
		page.LegalBasis, page.Waived, page.Route, page.Requirements, page.Choices = c.LegalBasis, c.Waived, c.Route, c.Requirements, c.Choices
		if !c.Own.IsZero() {
			page.Own = c.Own.String()
		}
		if !c.Peer.IsZero() {
			page.Peer = c.Peer.String()
		}
	}
	for _, h := range hops {
		page.Hops = append(page.Hops, rowOf(h))
	}
	return o.pages.write(w, http.StatusOK, "exchange", "en", page)
}

func rowOf(h api.Hop) hopRow {
	row := hopRow{
		At: moment{h.At.UTC().Format(time.RFC3339Nano), h.At.UTC().Format("15:04:05.000")}, What: string(h.Kind), AS4: h.AS4,
		Code: string(h.Code), Message: string(h.Message), Cause: string(h.Cause), Replay: h.ReplayOf != "",
	}
	if h.Room != "" { // an audit event: who did what
		row.What = h.Room + ":"
	}
	row.What = strings.TrimSpace(strings.Join([]string{row.What, h.Step, h.Outcome}, " "))
	if h.Mapping != "" {
		row.What += " (mapping " + h.Mapping + ")"
	}
	if h.Topic != "" && h.Partition != nil && h.Offset != nil {
		row.Place = fmt.Sprintf("%s/%d/%d", h.Topic, *h.Partition, *h.Offset)
	}
	if h.Duration > 0 {
		row.Duration = fmt.Sprintf("%.1f ms", float64(h.Duration)/float64(time.Millisecond))
	}
	return row
}

type deadLettersPage struct {
	frame
	Path    string
	Letters []letterRow
	More    bool
}

type letterRow struct {
	Failed                                               moment
	Place, Source, Kind, Code, Detail, Next, Href, About string
	Attempts                                             int
}

func (o *Operator) deadLetters(w http.ResponseWriter, r *http.Request) error {
	letters, next, err := o.cfg.DeadLetters(r.Context(), "", listed)
	if err != nil {
		return fmt.Errorf("listing dead letters: %w", err)
	}
	page := deadLettersPage{frame: o.frame("Dead letters"), Path: o.cfg.Path, More: next != ""}
	for _, l := range letters {
		row := letterRow{
			Failed: at(l.FailedAt), Place: fmt.Sprintf("%s/%d/%d", l.Topic, l.Partition, l.Offset), Kind: l.Kind,
			Code: string(l.Code), Detail: l.Detail, Next: l.NextStep, About: l.Conversation, Attempts: l.Attempts,
		}
		if l.SourceTopic != "" {
			row.Source = fmt.Sprintf("%s/%d/%d", l.SourceTopic, l.SourcePartition, l.SourceOffset)
		}
		if row.Next == "" {
			row.Next = l.Code.NextStep()
		}
		if canon.ValidUUID(l.Conversation) {
			row.Href = o.cfg.Path + "/exchanges/" + l.Conversation
		}
		page.Letters = append(page.Letters, row)
	}
	return o.pages.write(w, http.StatusOK, "dead-letters", "en", page)
}

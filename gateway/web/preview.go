package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/gateway/preview"
	"oncegate/schemas/canon"
)

// Conversations is what the pages read; exchange.Store has it.
type Conversations interface {
	// Get returns exchange.ErrUnknown when there is no such conversation.
	Get(ctx context.Context, id canon.ConversationID) (*exchange.Conversation, error)
}

// A PreviewConfig says what a Preview works with.
type PreviewConfig struct {
	Site          string           // Required: who runs this place, as people know it.
	BaseURL       string           // Required: what Tickets were made with; https://host/path.
	Tickets       *preview.Tickets // Required.
	Sessions      preview.Sessions // Required.
	Conversations Conversations    // Required.
	Payloads      canon.Payloads   // Required.
	Publish       canon.Publish    // Required.
	EID           EID              // Required.
	PrivacyURL    string           // Default: no link. https address of the privacy notice (GDPR Art. 13, 14).
	SupportURL    string           // Default: no link. https or mailto address for help.
	SessionTerm   time.Duration    // End of a session after login. Default: 40 minutes (T3, TDD 4.4.3).
	Now           func() time.Time // Default: time.Now.
	Rand          io.Reader        // Default: crypto/rand.
	Log           *slog.Logger     // Default: discards.
}

// A Preview is the provider's preview space: the handler of everything below
// the path of BaseURL.
type Preview struct {
	cfg    PreviewConfig
	prefix string
	mux    *http.ServeMux
	words  *catalogue
	pages  *renderer
	eid    *eid
	origin *http.CrossOriginProtection
}

// NewPreview checks the configuration and returns the handler. The eID is asked
// for its metadata when the first person comes.
func NewPreview(cfg PreviewConfig) (*Preview, error) {
	var errs []error
	required := func(ok bool, name string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s is required", name))
		}
	}
	required(cfg.Site != "", "Site")
	required(cfg.Tickets != nil, "Tickets")
	required(cfg.Sessions != nil, "Sessions")
	required(cfg.Conversations != nil, "Conversations")
	required(cfg.Payloads != nil, "Payloads")
	required(cfg.Publish != nil, "Publish")
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || base.Scheme != "https" || base.Host == "" || base.RawQuery != "" || base.Fragment != "" || strings.Trim(base.Path, "/") == "" {
		errs = append(errs, fmt.Errorf("BaseURL %q: want https://host/path", cfg.BaseURL))
		base = &url.URL{Path: "/preview"}
	}
	for _, link := range []string{cfg.PrivacyURL, cfg.SupportURL} {
		if u, err := url.Parse(link); link != "" && (err != nil || u.Scheme != "https" && u.Scheme != "mailto") {
			errs = append(errs, fmt.Errorf("link %q: want https or mailto", link))
		}
	}
	if cfg.SessionTerm <= 0 {
		cfg.SessionTerm = 40 * time.Minute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Preview{cfg: cfg, prefix: "/" + strings.Trim(base.Path, "/"), mux: http.NewServeMux(), origin: http.NewCrossOriginProtection()}
	p.eid, err = newEID(cfg.EID, strings.TrimSuffix(cfg.BaseURL, "/")+"/callback", cfg.Now)
	errs = append(errs, err)
	p.words, err = loadCatalogue()
	errs = append(errs, err)
	p.pages, err = newRenderer("message", "intro", "evidence", "done")
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("configuring the preview space: %w", err)
	}
	p.mux.HandleFunc("GET "+p.prefix+"/static/oncegate.css", serveStyle)
	p.handle("GET", "/callback", p.callback)
	p.handle("GET", "/{token}", p.show)
	p.handle("POST", "/{token}", p.enter)
	p.origin.AddInsecureBypassPattern("POST " + p.prefix + "/{token}")
	p.handle("POST", "/{token}/identify", p.identify)
	p.handle("GET", "/{token}/login-failed", p.loginFailed)
	p.handle("GET", "/{token}/not-you", p.notYou)
	p.handle("GET", "/{token}/document/{document}", p.document)
	p.handle("POST", "/{token}/decision", p.decide)
	p.handle("GET", "/{token}/done", p.done)
	p.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { p.fail(w, r, errNoTicket) })
	return p, nil
}

func (p *Preview) handle(method, path string, serve func(http.ResponseWriter, *http.Request) error) {
	p.mux.HandleFunc(method+" "+p.prefix+path, func(w http.ResponseWriter, r *http.Request) {
		if err := serve(w, r); err != nil {
			p.fail(w, r, err)
		}
	})
}

const maxForm = 64 << 10

// ServeHTTP answers one request.
func (p *Preview) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w, r, "")
	if err := p.origin.Check(r); err != nil { // a form of another site
		p.fail(w, r, canon.NewFault(canon.CodeForbidden, err, "the form came from another site"))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if l, explicit := p.words.choose(r); explicit {
		http.SetCookie(w, &http.Cookie{
			Name: languageCookie, Value: l.Code, Path: "/", MaxAge: 3600, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
	}
	p.mux.ServeHTTP(w, r)
}

var errNoTicket = canon.NewFault(canon.CodeTicketInvalid, nil, "no such preview")

// ticket returns the conversation that the address belongs to. Whatever is
// wrong with the address, the answer is the same: nobody learns by trying.
func (p *Preview) ticket(r *http.Request) (*exchange.Conversation, error) {
	token := r.PathValue("token")
	id, ok := p.cfg.Tickets.Conversation(token)
	if !ok {
		return nil, errNoTicket
	}
	c, err := p.cfg.Conversations.Get(r.Context(), id)
	if errors.Is(err, exchange.ErrUnknown) {
		return nil, errNoTicket
	}
	if err != nil {
		return nil, fmt.Errorf("reading the conversation of a ticket: %w", err)
	}
	if c.Role != exchange.Provider || !p.cfg.Tickets.Valid(token, c.ID, c.First) {
		return nil, errNoTicket
	}
	return c, nil
}

func (p *Preview) address(c *exchange.Conversation, more ...string) string {
	return strings.Join(append([]string{p.prefix, p.cfg.Tickets.Token(c.ID, c.First)}, more...), "/")
}

// late reports that the time of the state is over, whether or not the core has
// said so already (T2 for the first visit, T3 for the decision).
func (p *Preview) late(c *exchange.Conversation) bool {
	return c.Phase == exchange.ExpiredP ||
		!c.Phase.Final() && c.Phase != exchange.Decided && c.Phase != exchange.Answered && !c.Due.IsZero() && !p.cfg.Now().Before(c.Due)
}

// show is the page of the preview location.
func (p *Preview) show(w http.ResponseWriter, r *http.Request) error {
	c, err := p.ticket(r)
	if err != nil {
		return err
	}
	_, s, ok, err := p.person(r, c)
	if err != nil {
		return err
	}
	if !ok {
		if c.Phase.Final() || p.late(c) {
			return p.closed(w, r, c, "")
		}
		return p.intro(w, r, c)
	}
	if s.Decided {
		http.Redirect(w, r, p.address(c, "done"), http.StatusSeeOther)
		return nil
	}
	if p.late(c) {
		return p.closed(w, r, c, p.back(c))
	}
	switch c.Phase {
	case exchange.PreviewOffered, exchange.Querying:
		return p.waiting(w, r, c, "waiting")
	case exchange.Held:
		return p.evidence(w, r, c, s, http.StatusOK, nil)
	}
	http.Redirect(w, r, p.address(c, "done"), http.StatusSeeOther)
	return nil
}

// enter takes a person whom a portal sends with a form, as it may up to EDM 1.2 (TDD
// 4.9): on to the page of the preview location, as if with the link. Such a form comes
// from another site; it changes nothing here.
func (p *Preview) enter(w http.ResponseWriter, r *http.Request) error {
	c, err := p.ticket(r)
	if err != nil {
		return err
	}
	http.Redirect(w, r, p.entrance(c, p.brought(r, c, r.PostFormValue(returnField))), http.StatusSeeOther)
	return nil
}

// entrance is the preview location with the way back that the browser brings.
func (p *Preview) entrance(c *exchange.Conversation, back string) string {
	if back == "" {
		return p.address(c)
	}
	return p.address(c) + "?" + url.Values{returnField: {back}}.Encode()
}

// returnField is what a portal adds to the link or the form up to EDM 1.2 (TDD 4.9). Beside it
// stands returnmethod; we lead back with a link, which is GET.
const returnField = "returnurl"

// brought returns the return location that this browser brings with it: that of the
// link or the form, or of its session where a login has begun. From EDM 2.0 on the request alone
// says it. Where it counts, the person has identified: until then it leads nowhere.
func (p *Preview) brought(r *http.Request, c *exchange.Conversation, location string) string {
	if !strings.HasPrefix(c.Specification, "oots-edm:v1.") {
		return ""
	}
	if location == "" {
		if _, s, ok, err := p.session(r); err == nil && ok && s.Conversation == c.ID {
			location = s.ReturnLocation
		}
	}
	u, err := url.Parse(location)
	if len(location) > maxLocation || err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return ""
	}
	return location
}

const maxLocation = 2048

// back returns where the person goes at the end: only the return location of
// the exchange, and only if it is an https address (TDD 4.9). It is known as soon
// as request 2 is here, and still when the exchange is over.
func (p *Preview) back(c *exchange.Conversation) string {
	location, ok := p.cfg.Tickets.OpenBack(c.ID, c.Back)
	u, err := url.Parse(location)
	if !ok || err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return ""
	}
	return u.String()
}

// publish writes one fact of this edge. Its id follows from the conversation
// and the step, so that pressing twice is pressing once.
func (p *Preview) publish(ctx context.Context, id canon.ConversationID, step string, body canon.Body) (canon.MessageID, error) {
	var b [24]byte
	if _, err := io.ReadFull(p.cfg.Rand, b[:]); err != nil {
		return "", fmt.Errorf("reading randomness: %w", err)
	}
	m := canon.Message{
		ID:           canon.MessageID(canon.DeriveUUID("web", string(id), step)),
		Kind:         body.Kind(),
		Conversation: id,
		At:           p.cfg.Now().UTC(),
		Trace:        fmt.Sprintf("00-%x-%x-01", b[:16], b[16:]), // W3C Trace Context
		Body:         body,
	}
	if err := p.cfg.Publish(ctx, m); err != nil {
		return "", fmt.Errorf("publishing %s: %w", m.Kind, err)
	}
	return m.ID, nil
}

// audit records what was shown to the person of a session. Every act is an
// entry of its own, so its time is part of the id.
func (p *Preview) audit(ctx context.Context, c *exchange.Conversation, step, reason string, digests map[string]string) error {
	_, err := p.publish(ctx, c.ID, step+"@"+p.cfg.Now().UTC().Format(time.RFC3339Nano), &canon.AuditEvent{
		Step: step, Room: "web", Outcome: "ok", Exchange: c.Exchange, Procedure: c.Procedure, Reason: reason, Digests: digests,
	})
	return err
}

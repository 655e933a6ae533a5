package api

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

	"oncegate/gateway/choice"
	"oncegate/gateway/exchange"
	"oncegate/gateway/messages"
	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

// Conversations is what the API reads; exchange.Store has it.
type Conversations interface {
	// Get returns exchange.ErrUnknown when there is no such conversation.
	Get(ctx context.Context, id canon.ConversationID) (*exchange.Conversation, error)
	// List returns conversations by last change, newest first.
	List(ctx context.Context, limit int) ([]*exchange.Conversation, error)
}

// A Memory remembers one short text under one id until its time is over. The
// API keeps in it what an Idempotency-Key was used for, the webhook what it
// delivered. Losing it costs a repeated answer, never a second exchange.
type Memory interface {
	// Claim remembers value under id for ttl unless something is remembered
	// there already, and returns what is remembered now, in one step.
	Claim(ctx context.Context, id, value string, ttl time.Duration) (held string, err error)
	// Claimed returns what is remembered under id, "" for nothing.
	Claimed(ctx context.Context, id string) (held string, err error)
}

// A Config says what an API works with.
type Config struct {
	Portals       []Portal       // Required: at least one portal or operator.
	Operators     []Operator     // Default: none.
	Conversations Conversations  // Required.
	Payloads      canon.Payloads // Required.
	Publish       canon.Publish  // Required.
	Memory        Memory         // Required.

	// Timeline returns the hops of one conversation, oldest first. Required.
	Timeline func(ctx context.Context, id canon.ConversationID) ([]Hop, error)
	// DeadLetters returns at most limit dead letters from the cursor ("" is the
	// beginning) and the next cursor, "" on the last page. Required.
	DeadLetters func(ctx context.Context, cursor string, limit int) ([]DeadLetter, string, error)
	// Messages is the message log of the access point. Required.
	Messages messages.Reader
	// Resend has a failed message sent again (messages.Desk). Required.
	Resend func(ctx context.Context, o messages.Order) (canon.MessageNote, error)
	// Forget destroys the key of one conversation; twice is as once. Required.
	Forget func(ctx context.Context, id canon.ConversationID) error

	// Guide plans with the common services. Default: none; portals then name evidence
	// type and provider themselves.
	Guide *choice.Guide
	// Routes lists what was learned from the directory. Default: nothing.
	Routes func(now time.Time) []routing.Learned
	// Health tells how the common services answer. Default: nothing to tell.
	Health func(now time.Time) []DirectoryHealth

	Ready   func(ctx context.Context) error // Default: ready as soon as it answers.
	Metrics http.Handler                    // Default: /metrics is not found.
	BaseURL string                          // Default: problem types and links are relative references.
	Term    time.Duration                   // How long an Idempotency-Key is remembered. Default: 72 hours.
	Poll    time.Duration                   // How often a long poll looks. Default: 250 milliseconds.
	Now     func() time.Time                // Default: time.Now.
	Rand    io.Reader                       // Default: crypto/rand.
	Log     *slog.Logger                    // Default: discards.
}

// An API is the handler of all routes in openapi.json.
type API struct {
	cfg    Config
	base   string
	mux    *http.ServeMux
	bodies *bodies
	tokens []credential
}

// New checks the configuration and returns the handler.
func New(cfg Config) (*API, error) {
	var errs []error
	required := func(ok bool, name string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s is required", name))
		}
	}
	required(len(cfg.Portals)+len(cfg.Operators) > 0, "Portals or Operators")
	required(cfg.Conversations != nil, "Conversations")
	required(cfg.Payloads != nil, "Payloads")
	required(cfg.Publish != nil, "Publish")
	required(cfg.Memory != nil, "Memory")
	required(cfg.Timeline != nil, "Timeline")
	required(cfg.DeadLetters != nil, "DeadLetters")
	required(cfg.Messages != nil, "Messages")
	required(cfg.Resend != nil, "Resend")
	required(cfg.Forget != nil, "Forget")
	tokens, err := credentials(cfg.Portals, cfg.Operators)
	errs = append(errs, err)
	if cfg.BaseURL != "" {
		if u, err := url.Parse(cfg.BaseURL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" {
			errs = append(errs, fmt.Errorf("BaseURL %q: want http(s)://host without query and fragment", cfg.BaseURL))
		}
	}
	bodies, err := compileBodies()
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("configuring the API: %w", err)
	}
	if cfg.Ready == nil {
		cfg.Ready = func(context.Context) error { return nil }
	}
	if cfg.Routes == nil {
		cfg.Routes = func(time.Time) []routing.Learned { return nil }
	}
	if cfg.Health == nil {
		cfg.Health = func(time.Time) []DirectoryHealth { return nil }
	}
	if cfg.Metrics == nil {
		cfg.Metrics = http.NotFoundHandler()
	}
	if cfg.Term <= 0 {
		cfg.Term = 72 * time.Hour
	}
	if cfg.Poll <= 0 {
		cfg.Poll = 250 * time.Millisecond
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
	a := &API{cfg: cfg, base: strings.TrimSuffix(cfg.BaseURL, "/"), mux: http.NewServeMux(), bodies: bodies, tokens: tokens}
	for _, rt := range a.routes() {
		a.mux.Handle(rt.method+" "+rt.pattern, a.handler(rt))
	}
	return a, nil
}

// A route is one operation of openapi.json.
type route struct {
	method, pattern string
	role            role
	serve           func(w http.ResponseWriter, r *http.Request, who credential) error
}

func (a *API) routes() []route {
	return []route{
		{"POST", "/api/v1/evidence-requests", portalRole, a.openRequest},
		{"GET", "/api/v1/evidence-requests/{id}", portalRole, a.getRequest},
		{"DELETE", "/api/v1/evidence-requests/{id}", portalRole, a.closeRequest},
		{"POST", "/api/v1/evidence-requests/{id}/preview", portalRole, a.openPreview},
		{"GET", "/api/v1/evidence-requests/{id}/timeline", portalRole, a.getTimeline},
		{"GET", "/api/v1/evidence-requests/{id}/evidence/{document}", portalRole, a.getEvidence},
		{"GET", "/api/v1/procedures/{procedure}/requirements", portalRole, a.getRequirements},
		{"GET", "/api/v1/evidence-options", portalRole, a.getOptions},
		{"POST", "/api/v1/data-services", portalRole, a.findServices},
		{"POST", "/api/v1/plans", portalRole, a.makePlan},
		{"POST", "/api/v1/plans/{plan}/exchanges", portalRole, a.openSession},
		{"GET", "/api/v1/routes", operatorRole, a.listWays},
		{"GET", "/api/v1/directory", operatorRole, a.getDirectory},
		{"GET", "/api/v1/exchanges", operatorRole, a.listExchanges},
		{"GET", "/api/v1/exchanges/{id}", operatorRole, a.getExchange},
		{"GET", "/api/v1/exchanges/{id}/timeline", operatorRole, a.getExchangeTimeline},
		{"GET", "/api/v1/dead-letters", operatorRole, a.listDeadLetters},
		{"GET", "/api/v1/messages", operatorRole, a.listMessages},
		{"GET", "/api/v1/messages/{as4}", operatorRole, a.getMessage},
		{"POST", "/api/v1/messages/{as4}/resend", operatorRole, a.resendMessage},
		{"GET", "/problems/{code}", anyone, a.getProblem},
		{"GET", "/openapi.json", anyone, a.getDescription},
		{"GET", "/livez", anyone, a.getLive},
		{"GET", "/ping", anyone, a.getLive},
		{"GET", "/readyz", anyone, a.getReady},
		{"GET", "/ready", anyone, a.getReady},
		{"GET", "/metrics", anyone, a.getMetrics},
	}
}

func (a *API) handler(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := a.authenticate(r, rt.role)
		if err == nil {
			err = rt.serve(w, r, who)
		}
		if err != nil {
			a.fail(w, r, err)
		}
	})
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("Referrer-Policy", "no-referrer")
	r = r.WithContext(withTrace(r.Context(), a.traceOf(r)))
	if _, pattern := a.mux.Handler(r); pattern == "" {
		a.unrouted(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// unrouted turns the plain text of the ServeMux (404, 405, redirects) into a problem.
func (a *API) unrouted(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		probe := r.Clone(r.Context())
		probe.Method = m
		if _, pattern := a.mux.Handler(probe); pattern != "" {
			allowed = append(allowed, m)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		a.fail(w, r, &refusal{Fault: canon.NewFault(canon.CodeBadInput, nil, "this resource does not have that method"), status: http.StatusMethodNotAllowed})
		return
	}
	a.fail(w, r, &refusal{Fault: canon.NewFault(canon.CodeBadInput, nil, "no such resource"), status: http.StatusNotFound})
}

func (a *API) link(parts ...string) string {
	return a.base + "/" + strings.Join(parts, "/")
}

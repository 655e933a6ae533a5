package service

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/directory/httpsig"
)

// A Signer signs answers (TDD 3.6.2).
type Signer interface {
	// Sign sets the headers digest and oots-response-sig for a body.
	Sign(h http.Header, body []byte) error
}

// Config is what a Handler needs.
type Config struct {
	Source  *Source                           // Required. Where the data is.
	Signer  Signer                            // Default none: answers carry a digest and no signature.
	MaxAge  time.Duration                     // Default 5m. How long clients may keep an answer; negative: not at all.
	Busy    int                               // Default 64. Queries that are worked on at once; more get 503.
	Now     func() time.Time                  // Default time.Now.
	Logger  *slog.Logger                      // Default none. One line for each query, without what a person answered.
	Observe func(Observation)                 // Default none. Called once for each query, for metrics.
	Extra   map[string]http.Handler           // Default none. Further paths, for example of the LCM interface.
	Client  func(*http.Request) (name string) // Default none. Who asked, for the log.
}

// An Observation is how one query ended.
type Observation struct {
	Query    string // requirements, evidence-types, data-services, other
	Edition  answers.Edition
	Code     string // of the exception; empty for success
	Duration time.Duration
}

// A Handler answers the queries of both services over HTTP:
//
//	/eb/rest/search, /dsd/rest/search   one service each
//	/rest/search                        either, by queryId
//	/dsd/rest/codelists/{CC}/{name}     code lists of questions, as Genericode
//	/healthz, /readyz                   for operators
type Handler struct {
	conf Config
	mux  *http.ServeMux
	busy chan struct{}
}

// New returns a handler.
func New(c Config) (*Handler, error) {
	if c.Source == nil {
		return nil, errors.New("configuring directory service: Source is required")
	}
	if c.MaxAge == 0 {
		c.MaxAge = 5 * time.Minute
	}
	if c.Busy <= 0 {
		c.Busy = 64
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observe == nil {
		c.Observe = func(Observation) {}
	}
	h := &Handler{conf: c, mux: http.NewServeMux(), busy: make(chan struct{}, c.Busy)}
	for path, part := range map[string]Part{"/rest/search": "", "/eb/rest/search": PartBroker, "/dsd/rest/search": PartDirectory} {
		h.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { h.search(w, r, part) })
	}
	h.mux.HandleFunc("GET /dsd/rest/codelists/{country}/{name}", h.codeList)
	h.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	h.mux.HandleFunc("GET /readyz", h.ready)
	for path, extra := range c.Extra {
		h.mux.Handle(path, extra)
	}
	return h, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	h.mux.ServeHTTP(w, r)
}

const (
	maxQuery      = 8 << 10 // bytes
	maxParameters = 32
)

// search answers a query. The HTTP status is 200 whatever the answer (TDD 3.6).
func (h *Handler) search(w http.ResponseWriter, r *http.Request, part Part) {
	select {
	case h.busy <- struct{}{}:
		defer func() { <-h.busy }()
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	start := h.conf.Now()
	edition, shared := negotiate(r.Header.Values("Accept-Version"))
	q := &asking{cat: h.conf.Source.Catalogue(), lists: h.conf.Source.loader.Lists, edition: edition}
	a := answers.Answer{Edition: edition}
	refuse := func(detail string) {
		a.Exceptions = []answers.Exception{malformed(partOf(part, q.params.Get("queryId")), detail).exception()}
	}
	var err error
	switch {
	case len(r.URL.RawQuery) > maxQuery:
		refuse("query")
	default:
		q.params, err = url.ParseQuery(r.URL.RawQuery)
		switch {
		case err != nil || len(q.params) > maxParameters:
			refuse("query")
		case !shared:
			refuse("Accept-Version")
		default:
			a = q.answer(part)
		}
	}
	body, err := answers.Write(a)
	if err != nil { // the data was checked when it was loaded
		h.conf.Logger.ErrorContext(r.Context(), "answer not written", slog.Any("error", err))
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	if err := h.send(w, body, answers.MediaType); err != nil {
		h.conf.Logger.ErrorContext(r.Context(), "answer not signed", slog.Any("error", err))
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	o := Observation{Query: queryWord(q.params.Get("queryId")), Edition: edition, Duration: h.conf.Now().Sub(start)}
	if len(a.Exceptions) > 0 {
		o.Code = a.Exceptions[0].Code
	}
	h.conf.Observe(o)
	attrs := []any{slog.String("query", o.Query), slog.String("edition", string(edition)), slog.String("code", o.Code), slog.Int("found", len(a.Requirements)+len(a.Services)), slog.Duration("took", o.Duration)}
	if c := q.params.Get("country-code"); q.lists.Has("OOTSCountries", c) {
		attrs = append(attrs, slog.String("country", c))
	}
	if h.conf.Client != nil {
		attrs = append(attrs, slog.String("client", h.conf.Client(r)))
	}
	h.conf.Logger.InfoContext(r.Context(), "directory query", attrs...)
}

// partOf is the service that a query is of, for the code of a refusal.
func partOf(part Part, query string) Part {
	if part == "" && query == QueryDataServices {
		return PartDirectory
	}
	return part
}

func queryWord(id string) string {
	switch id {
	case QueryRequirements:
		return "requirements"
	case QueryEvidenceTypes:
		return "evidence-types"
	case QueryDataServices:
		return "data-services"
	}
	return "other"
}

// send writes a body with its digest and signature.
func (h *Handler) send(w http.ResponseWriter, body []byte, mediaType string) error {
	head := w.Header()
	head.Set("Content-Type", mediaType)
	if h.conf.Signer == nil {
		sum := sha256.Sum256(body)
		head.Set(httpsig.HeaderDigest, "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]))
	} else if err := h.conf.Signer.Sign(head, body); err != nil {
		return err
	}
	head.Set("Vary", "Accept-Version")
	head.Set("Content-Length", fmt.Sprint(len(body)))
	if h.conf.MaxAge > 0 {
		head.Set("Cache-Control", fmt.Sprintf("max-age=%d", int(h.conf.MaxAge/time.Second)))
	} else {
		head.Set("Cache-Control", "no-store")
	}
	_, _ = w.Write(body) // who hung up does not hear it
	return nil
}

// negotiate chooses the newest edition that client and server share; a client
// that names none speaks 1.0 (TDD 3.6).
func negotiate(accept []string) (answers.Edition, bool) {
	asked := false
	var wanted []string
	for _, v := range accept {
		for s := range strings.SplitSeq(v, ",") {
			s, _, _ = strings.Cut(s, ";")
			if s = strings.TrimSpace(s); s != "" {
				asked = true
				wanted = append(wanted, s)
			}
		}
	}
	if !asked {
		return answers.Edition10, true
	}
	for _, e := range answers.Editions() {
		if slices.Contains(wanted, string(e)) {
			return e, true
		}
	}
	return answers.Edition10, false
}

// ready reports whether there is data, and whether the last reload failed.
func (h *Handler) ready(w http.ResponseWriter, _ *http.Request) {
	members, requirements, services := h.conf.Source.Catalogue().Size()
	fmt.Fprintf(w, "ok\nmember states %d\nrequirements %d\ndata services %d\n", members, requirements, services)
	if h.conf.Source.Stale() {
		fmt.Fprintln(w, "the data on disk has faults; what was loaded before is served")
	}
}

package lcm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/directory/service"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/codes"
)

// ServerConfig is what a Server needs.
type ServerConfig struct {
	Source *service.Source // Required. Where accepted data goes; it must be a directory.

	// Submitter says for which Member State a client of the plain HTTP way speaks.
	// Required for ServeHTTP.
	Submitter func(*http.Request) (country string, ok bool)

	Lists    *codes.Lists // Default the published ones. For the rules.
	MaxBytes int64        // Default 16 MiB. Of one submission.
	Logger   *slog.Logger // Default none.
}

// A Server takes submissions and puts their data in the place of what the
// submitting Member State told before. It is safe for concurrent use.
type Server struct {
	conf  ServerConfig
	judge *judge
}

// NewServer returns a server.
func NewServer(c ServerConfig) (*Server, error) {
	if c.Source == nil {
		return nil, errors.New("configuring lcm: Source is required")
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 16 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	j, err := newJudge(c.Lists)
	if err != nil {
		return nil, fmt.Errorf("configuring lcm: %w", err)
	}
	return &Server{conf: c, judge: j}, nil
}

// Accept judges the submission of a Member State and, if nothing is wrong with it,
// replaces the Member State's data: it is on disk and served when Accept returns.
// part says which service is meant where the submission is empty, and so
// withdraws everything. An error means that it is not known whether it was accepted.
func (s *Server) Accept(ctx context.Context, country string, part service.Part, doc []byte) (Response, error) {
	parsed, err := xmldoc.ParseBytes(doc, xmldoc.Limits{MaxBytes: int(s.conf.MaxBytes)})
	if err != nil {
		return s.answer(ctx, country, part, Response{Faults: []Fault{{Code: CodeDataset, Rule: "XML", Text: err.Error()}}}), nil
	}
	sub, faults := Read(parsed.Root())
	r := Response{RequestID: sub.ID, Faults: s.judge.faults(parsed.Root())}
	if r.OK() { // what the rules say has ids that a submitter knows
		r.Faults = faults
	}
	if !r.OK() {
		return s.answer(ctx, country, part, r), nil
	}
	switch {
	case sub.Part == "" && part == "":
		r.Faults = []Fault{{Code: CodeDataset, Rule: ruleWhose, Text: "an empty submission does not say which service it is for"}}
	case sub.Part == "":
		sub.Part = part
	case part != "" && part != sub.Part:
		r.Faults = []Fault{{Code: CodeDataset, Rule: ruleWhose, Text: "the submission is for the other service"}}
	}
	if !r.OK() {
		return s.answer(ctx, country, part, r), nil
	}
	m, found := sub.member(country)
	if r.Faults = found; r.OK() {
		if before, ok := s.conf.Source.Catalogue().Member(country); ok && before.Directory != nil && m.Directory != nil {
			m.Directory.Lists = before.Directory.Lists // no object of LCM: a submission says nothing of them
		}
		found, err := s.conf.Source.Replace(m, sub.Part)
		if err != nil {
			return Response{}, err
		}
		r.Faults = dataset(found)
	}
	return s.answer(ctx, country, sub.Part, r), nil
}

func (s *Server) answer(ctx context.Context, country string, part service.Part, r Response) Response {
	log := s.conf.Logger.With(slog.String("country", country), slog.String("part", string(part)), slog.String("request", r.RequestID))
	if r.OK() {
		log.InfoContext(ctx, "submission accepted")
		return r
	}
	log.WarnContext(ctx, "submission refused", slog.Int("faults", len(r.Faults)), slog.String("first", r.Faults[0].Error()))
	return r
}

// PathBroker and PathDirectory are where ServeHTTP is mounted.
const (
	PathBroker    = "/eb/lcm"
	PathDirectory = "/dsd/lcm"
)

// Handler takes submissions to one service over plain HTTP: POST with the request
// as the body, answered with the RegistryResponse and status 200 whatever it says.
// It is for test beds: real common services take AS4 only (TDD 3.6).
func (s *Server) Handler(part service.Part) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		country, ok := "", false
		if s.conf.Submitter != nil {
			country, ok = s.conf.Submitter(r)
		}
		if !ok {
			http.Error(w, "not a submitter", http.StatusUnauthorized)
			return
		}
		if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != answers.MediaType && t != "application/xml" {
			http.Error(w, "want "+answers.MediaType, http.StatusUnsupportedMediaType)
			return
		}
		// Slow bodies end with the server's read timeout.
		doc, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.conf.MaxBytes))
		if err != nil {
			http.Error(w, "reading the submission failed or it is too large", http.StatusRequestEntityTooLarge)
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute) // a submission that began is finished
		defer cancel()
		res, err := s.Accept(ctx, country, part, doc)
		if err != nil {
			s.conf.Logger.ErrorContext(ctx, "submission not kept", slog.Any("error", err))
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		body, err := WriteResponse(res)
		if err != nil {
			http.Error(w, "internal error", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", answers.MediaType)
		_, _ = w.Write(body) // who hung up does not hear it
	})
}

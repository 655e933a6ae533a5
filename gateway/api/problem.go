package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strconv"

	"oncegate/schemas/canon"
)

// statuses is the one place where a kind of fault becomes an HTTP status.
var statuses = map[canon.FaultKind]int{
	canon.Invalid:     http.StatusUnprocessableEntity,
	canon.Denied:      http.StatusForbidden,
	canon.NotFound:    http.StatusNotFound,
	canon.Conflict:    http.StatusConflict,
	canon.Unavailable: http.StatusServiceUnavailable,
	canon.Internal:    http.StatusInternalServerError,
	canon.Expired:     http.StatusGone,
}

// exceptions are codes for which HTTP has a better word than their kind's.
var exceptions = map[canon.Code]int{
	canon.CodeUnauthenticated:  http.StatusUnauthorized,
	canon.CodePayloadForgotten: http.StatusGone,
}

// A refusal is a fault with its place in the request.
type refusal struct {
	*canon.Fault
	status   int // 0: from the tables
	location string
	rule     string
	errors   []flaw
}

func (r *refusal) Unwrap() error { return r.Fault }

// A flaw is one of several things wrong with a body.
type flaw struct {
	Location string `json:"location"`
	Detail   string `json:"detail"`
	Rule     string `json:"rule,omitempty"`
}

// A problem is the body of every failure (RFC 9457).
type problem struct {
	Type      string     `json:"type"`
	Title     string     `json:"title"`
	Status    int        `json:"status"`
	Detail    string     `json:"detail,omitempty"`
	Instance  string     `json:"instance,omitempty"`
	Code      canon.Code `json:"code"`
	Rule      string     `json:"rule,omitempty"`
	Location  string     `json:"location,omitempty"`
	Retryable bool       `json:"retryable"`
	NextStep  string     `json:"next_step"`
	TraceID   string     `json:"trace_id"`
	Errors    []flaw     `json:"errors,omitempty"`
}

func statusOf(f *canon.Fault) int {
	if s, ok := exceptions[f.Code]; ok {
		return s
	}
	if s, ok := statuses[f.Kind]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// fail answers with a problem. The cause goes to the log, never to the caller.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	ref, ok := errors.AsType[*refusal](err)
	if !ok {
		ref = &refusal{Fault: canon.AsFault(err)}
	}
	status := ref.status
	if status == 0 {
		status = statusOf(ref.Fault)
	}
	p := problem{
		Type:      a.link("problems", string(ref.Code)),
		Title:     http.StatusText(status),
		Status:    status,
		Detail:    ref.Detail,
		Code:      ref.Code,
		Rule:      ref.rule,
		Location:  ref.location,
		Retryable: ref.Kind == canon.Unavailable,
		NextStep:  ref.Code.NextStep(),
		TraceID:   traceID(r.Context()),
		Errors:    ref.errors,
	}
	if id := r.PathValue("id"); canon.ValidUUID(id) {
		p.Instance = r.URL.Path
	}
	if status >= 500 {
		a.cfg.Log.Error("answering with a failure", "code", ref.Code, "trace_id", p.TraceID, "error", err)
	}
	h := w.Header()
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="oncegate"`)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
	h.Del("ETag")
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p) // the caller is gone; nobody is left to tell
}

func (a *API) reply(w http.ResponseWriter, status int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data) // as in fail
	return nil
}

var problemPage = template.Must(template.New("problem").Parse(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{{.Code}}</title></head>
<body><main><h1>{{.Code}}</h1>
<dl><dt>Kind</dt><dd>{{.Kind}}</dd><dt>HTTP status</dt><dd>{{.Status}}</dd><dt>What to do</dt><dd>{{.Next}}</dd></dl>
</main></body></html>
`))

func (a *API) getProblem(w http.ResponseWriter, r *http.Request, _ credential) error {
	code := canon.Code(r.PathValue("code"))
	if !slices.Contains(canon.Codes(), code) {
		return &refusal{Fault: canon.NewFault(canon.CodeBadInput, nil, "no such code"), status: http.StatusNotFound}
	}
	var page bytes.Buffer
	err := problemPage.Execute(&page, map[string]any{
		"Code": code, "Kind": code.Kind(), "Status": statusOf(canon.NewFault(code, nil, "")), "Next": code.NextStep(),
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page.Bytes())
	return nil
}

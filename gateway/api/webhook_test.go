package api

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"oncegate/schemas/canon"
)

type receiver struct {
	*httptest.Server
	status int
	got    []*http.Request
	bodies [][]byte
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{status: http.StatusNoContent}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		data, _ := io.ReadAll(req.Body)
		r.got, r.bodies = append(r.got, req), append(r.bodies, data)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

var hookKey = []byte("0123456789abcdef0123456789abcdef")

func newHook(t *testing.T, r *receiver, now *time.Time) (*Webhook, *memory) {
	t.Helper()
	m := &memory{}
	h, err := NewWebhook(WebhookConfig{
		Endpoints: []Endpoint{{Portal: "university", URL: r.URL + "/hook", Secret: "whsec_" + base64.StdEncoding.EncodeToString(hookKey)}},
		Memory:    m, Now: func() time.Time { return *now }, GiveUp: time.Minute,
	})
	check0(t, err)
	return h, m
}

func told(portal string) canon.Message {
	id := canon.OwnConversation(portal, key)
	return canon.Message{
		ID: canon.Derive("cause", "notice"), Kind: canon.KindExchangeNotice, Conversation: id, At: start,
		Body: &canon.ExchangeNotice{Portal: portal, Exchange: canon.ExchangeID(id), State: "delivered", Payloads: 1},
	}
}

func TestANoticeIsSignedAndToldOnce(t *testing.T) {
	r, now := newReceiver(t), start
	h, _ := newHook(t, r, &now)
	first, err := h.Handle(t.Context(), told("university"))
	check0(t, err)
	again, err := h.Handle(t.Context(), told("university"))
	check0(t, err)
	if len(r.got) != 1 {
		t.Fatalf("the portal was told %d times, want 1", len(r.got))
	}
	if len(first) != 1 || len(again) != 1 || first[0].ID != again[0].ID {
		t.Error("handling twice does not return the same message")
	}
	q := r.got[0]
	id, at := q.Header.Get("webhook-id"), q.Header.Get("webhook-timestamp")
	if got, want := q.Header.Get("webhook-signature"), Sign(hookKey, id, at, r.bodies[0]); got != want || id != string(told("university").ID) {
		t.Errorf("signature: got %q, want %q", got, want)
	}
	if err := validAt("/components/schemas/Notice", r.bodies[0]); err != nil {
		t.Errorf("body: %v", err)
	}
}

func TestSignIsThatOfStandardWebhooks(t *testing.T) {
	// The worked example of the specification (standardwebhooks.com, 1.0).
	key, _ := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	got := Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAPortalThatFails(t *testing.T) {
	for _, tc := range []struct {
		name    string
		status  int
		age     time.Duration
		outcome string // empty: tried again
	}{
		{"busy: tried again", 503, 0, ""},
		{"too many: tried again", 429, 59 * time.Second, ""},
		{"busy for too long: given up", 503, time.Minute, "abandoned"},
		{"refused: given up at once", 410, 0, "abandoned"},
		{"a redirect is not followed", 307, 0, "abandoned"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, now := newReceiver(t), start.Add(tc.age)
			h, _ := newHook(t, r, &now)
			r.status = tc.status
			out, err := h.Handle(t.Context(), told("university"))
			if len(r.got) != 1 {
				t.Fatalf("the portal was called %d times, want 1", len(r.got))
			}
			if tc.outcome == "" {
				if f := canon.AsFault(err); f == nil || f.Kind != canon.Unavailable {
					t.Fatalf("got %v, want unavailable", err)
				}
				r.status = 200
				if _, err := h.Handle(t.Context(), told("university")); err != nil || len(r.got) != 2 {
					t.Errorf("trying again: %v, %d calls", err, len(r.got))
				}
				return
			}
			if err != nil || len(out) != 1 || out[0].Body.(*canon.AuditEvent).Outcome != tc.outcome {
				t.Errorf("got %v %v, want %s", out, err, tc.outcome)
			}
		})
	}
}

func TestWebhookEdges(t *testing.T) {
	r, now := newReceiver(t), start
	h, m := newHook(t, r, &now)
	if out, err := h.Handle(t.Context(), told("unknown-portal")); err != nil || out != nil || len(r.got) != 0 {
		t.Errorf("a portal without endpoint: %v %v", out, err)
	}
	if _, err := h.Handle(t.Context(), canon.Message{Body: &canon.Deadline{}}); canon.AsFault(err).Kind != canon.Invalid {
		t.Errorf("another kind: %v", err)
	}
	m.down = true
	if _, err := h.Handle(t.Context(), told("university")); canon.AsFault(err).Kind != canon.Unavailable || len(r.got) != 0 {
		t.Errorf("no memory: %v", err)
	}
	for _, u := range []string{"http://portal.example/", "http://localhost/", "ftp://127.0.0.1/", "https://u:p@portal.example/", "x"} {
		if e := (Endpoint{Portal: "p", Secret: "whsec_x"}); strings.Contains(fmt.Sprintf("%+v %#v %s", e, e, []Endpoint{e}), "whsec") {
			t.Error("a secret is printed")
		}
		_, err := NewWebhook(WebhookConfig{Memory: m, Endpoints: []Endpoint{{Portal: "p", URL: u, Secret: "whsec_" + base64.StdEncoding.EncodeToString(hookKey)}}})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want a refusal of the URL", u, err)
		}
	}
}

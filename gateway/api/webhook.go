package api

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"oncegate/schemas/canon"
)

// An Endpoint is where a portal wants to hear of its exchanges.
type Endpoint struct {
	Portal string // Required: the portal's name.
	URL    string // Required: https, or http on a loopback address.
	Secret string // Required: "whsec_" and base64 of 24 to 64 random bytes.
}

// Format prints no secret, whatever the verb.
func (e Endpoint) Format(f fmt.State, _ rune) { fmt.Fprint(f, "webhook of "+e.Portal) }

// LogValue prints no secret.
func (e Endpoint) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(e)) }

// A WebhookConfig says what a Webhook works with.
type WebhookConfig struct {
	Endpoints []Endpoint        // Default: none; every notice is then done at once.
	Memory    Memory            // Required: what was delivered.
	Transport http.RoundTripper // Default: http.DefaultTransport.
	Timeout   time.Duration     // For one call. Default: 10 seconds.
	GiveUp    time.Duration     // Age of a notice after which a failure is final. Default: 5 minutes.
	Term      time.Duration     // How long a delivery is remembered. Default: 168 hours.
	Now       func() time.Time  // Default: time.Now.
	Log       *slog.Logger      // Default: discards.
}

// A Webhook tells portals of their exchanges, as Standard Webhooks describes.
type Webhook struct {
	cfg       WebhookConfig
	client    *http.Client
	endpoints map[string]endpoint
}

type endpoint struct {
	url string
	key []byte
}

// NewWebhook checks the configuration and returns the webhook.
func NewWebhook(cfg WebhookConfig) (*Webhook, error) {
	var errs []error
	if cfg.Memory == nil {
		errs = append(errs, errors.New("Memory is required"))
	}
	h := &Webhook{endpoints: map[string]endpoint{}}
	for _, e := range cfg.Endpoints {
		if e.Portal == "" {
			errs = append(errs, errors.New("an endpoint has no portal"))
		}
		if _, twice := h.endpoints[e.Portal]; twice {
			errs = append(errs, fmt.Errorf("portal %s has two endpoints", e.Portal))
		}
		if !webhookURL(e.URL) {
			errs = append(errs, fmt.Errorf("portal %s: want an https URL, or http on a loopback address", e.Portal))
		}
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(e.Secret, "whsec_"))
		if err != nil || !strings.HasPrefix(e.Secret, "whsec_") || len(key) < 24 || len(key) > 64 {
			errs = append(errs, fmt.Errorf("portal %s: want a secret of whsec_ and base64 of 24 to 64 bytes", e.Portal))
		}
		h.endpoints[e.Portal] = endpoint{e.URL, key}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("configuring webhooks: %w", err)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.GiveUp <= 0 {
		cfg.GiveUp = 5 * time.Minute
	}
	if cfg.Term <= 0 {
		cfg.Term = 7 * 24 * time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	h.cfg = cfg
	h.client = &http.Client{
		Transport: cfg.Transport,
		Timeout:   cfg.Timeout,
		// A redirect could lead anywhere, and the signature would go with it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return h, nil
}

func webhookURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && ip != nil && ip.IsLoopback()
}

type notice struct {
	Type      string     `json:"type"`
	Timestamp time.Time  `json:"timestamp"`
	Data      noticeData `json:"data"`
}

type noticeData struct {
	ID        canon.ConversationID `json:"id"`
	State     string               `json:"state"`
	Code      canon.Code           `json:"code,omitempty"`
	ErrorCode string               `json:"error_code,omitempty"`
	Detail    string               `json:"detail,omitempty"`
	Documents int                  `json:"documents,omitempty"`
}

// Handle delivers one exchange.notice.v1. A portal that cannot be reached is
// tried again (Unavailable) until the notice is older than GiveUp: its partition
// waits that long and no longer. What ends, well or not, is an audit event.
func (h *Webhook) Handle(ctx context.Context, m canon.Message) ([]canon.Message, error) {
	n, ok := m.Body.(*canon.ExchangeNotice)
	if !ok {
		return nil, canon.NewFault(canon.CodeMessageInvalid, nil, "a webhook takes %s", canon.KindExchangeNotice)
	}
	to, ok := h.endpoints[n.Portal]
	if !ok {
		return nil, nil
	}
	mark := "webhook:" + string(m.ID)
	done := func(outcome string, code canon.Code, reason string) []canon.Message {
		return []canon.Message{canon.Follow(m, "webhook", h.cfg.Now(), &canon.AuditEvent{
			Step: "notice.sent", Room: "api", Outcome: outcome, Exchange: n.Exchange, Code: code, Reason: reason,
		})}
	}
	held, err := h.cfg.Memory.Claimed(ctx, mark)
	if err != nil {
		return nil, unavailable(err)
	}
	if held != "" { // told before the last crash, or a replay: once is enough
		return done(held, "", "portal "+n.Portal), nil
	}
	failure := h.send(ctx, to, m, n)
	outcome, code, reason := "ok", canon.Code(""), "portal "+n.Portal
	switch f := (*canon.Fault)(nil); {
	case failure == nil:
	case ctx.Err() != nil:
		return nil, failure
	case errors.As(failure, &f) && f.Kind == canon.Unavailable && h.cfg.Now().Sub(m.At) < h.cfg.GiveUp:
		return nil, failure
	default:
		h.cfg.Log.Warn("giving up a webhook", "portal", n.Portal, "conversation", m.Conversation, "message", m.ID, "error", failure)
		outcome, code, reason = "abandoned", canon.AsFault(failure).Code, reason+": "+canon.AsFault(failure).Detail
	}
	if _, err := h.cfg.Memory.Claim(ctx, mark, outcome, h.cfg.Term); err != nil {
		// The portal may hear it once more; it knows the webhook-id.
		h.cfg.Log.Warn("remembering a webhook", "message", m.ID, "error", err)
	}
	return done(outcome, code, reason), nil
}

func (h *Webhook) send(ctx context.Context, to endpoint, m canon.Message, n *canon.ExchangeNotice) error {
	body, err := json.Marshal(notice{
		Type: string(canon.KindExchangeNotice), Timestamp: m.At.UTC(),
		Data: noticeData{ID: m.Conversation, State: n.State, Code: n.Code, ErrorCode: n.EDM, Detail: n.Detail, Documents: n.Payloads},
	})
	if err != nil {
		return fmt.Errorf("writing a notice: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("preparing a webhook: %w", err)
	}
	at := strconv.FormatInt(h.cfg.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "oncegate")
	req.Header.Set("Webhook-Id", string(m.ID))
	req.Header.Set("Webhook-Timestamp", at)
	req.Header.Set("Webhook-Signature", Sign(to.key, string(m.ID), at, body))
	if m.Trace != "" {
		req.Header.Set("Traceparent", m.Trace)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return canon.NewFault(canon.CodePeerUnreachable, err, "the portal does not answer")
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4096) // so that the connection can serve again
	switch s := resp.StatusCode; {
	case s >= 200 && s < 300:
		return nil
	case s == http.StatusRequestTimeout, s == http.StatusTooManyRequests, s >= 500:
		return canon.NewFault(canon.CodePeerUnreachable, nil, "the portal answered %d", s)
	default:
		return canon.NewFault(canon.CodePeerRefused, nil, "the portal answered %d", s)
	}
}

// Sign returns the webhook-signature of Standard Webhooks 1.0: v1, and
// HMAC-SHA256 over id, timestamp and body with dots between them.
func Sign(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

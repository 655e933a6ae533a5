package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/cmd/node"
	"oncegate/gateway/exchange"
	"oncegate/gateway/kafkalog"
	"oncegate/gateway/messages"
	"oncegate/schemas/canon"
)

// A gateKeeper stands before the access point of one Member State.
type gateKeeper struct {
	shut  atomic.Bool // answers that it cannot be reached
	after bool        // lets the message in first: only its receipt is lost
}

func (g *gateKeeper) into(member string) func(string) node.Options {
	return func(m string) node.Options {
		if m != member {
			return node.Options{}
		}
		return node.Options{HTTP: func(name string, next http.Handler) http.Handler {
			if name != node.RoleEDelivery {
				return next
			}
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !g.shut.Load() {
					next.ServeHTTP(w, r)
					return
				}
				if g.after {
					next.ServeHTTP(httptest.NewRecorder(), r)
				}
				http.Error(w, "gone for lunch", http.StatusServiceUnavailable)
			})
		}}
	}
}

// impatient starts a landscape whose members give up after two attempts.
func impatient(ctx context.Context, t *testing.T, cfg Config) *Landscape {
	t.Helper()
	cfg.Dir, cfg.Logger, cfg.Remote = t.TempDir(), logger(t), true
	l := started(ctx, t, cfg)
	for _, m := range []string{Spain, Slovenia} {
		file := filepath.Join(filepath.Dir(l.ConfigFile(m)), "pmodes.yaml")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Replace(data, []byte("attempts: 8"), []byte("attempts: 2"), 1)
		if bytes.Equal(data, changed) {
			t.Fatalf("%s has no attempts: 8", file)
		}
		if err := os.WriteFile(file, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := l.StartNode(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// ask calls the API of a member as its operator.
func (l *Landscape) ask(ctx context.Context, t *testing.T, m *member, method, path, body string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, m.API+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+m.Operator)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", canon.DeriveUUID("resend", t.Name(), path, body))
	resp, err := l.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, data
}

// failed waits for the one message of a member that could not be delivered.
func failed(ctx context.Context, t *testing.T, n *node.Node) canon.MessageNote {
	t.Helper()
	var found canon.MessageNote
	until(ctx, t, "a message in SEND_FAILURE", func() (bool, error) {
		p, err := n.Messages().List(ctx, messages.Query{Filter: messages.Filter{State: canon.MessageSendFailure}})
		if err != nil || len(p.Messages) == 0 {
			return false, err
		}
		found = p.Messages[0]
		return len(p.Messages) == 1, nil
	})
	return found
}

// audited counts the events of a step on a member's legal record.
func audited(ctx context.Context, t *testing.T, n *node.Node, step string) (out []canon.AuditEvent) {
	t.Helper()
	scan(t, ctx, n, kafkalog.TopicOf(canon.KindAudit), func(m canon.Message) {
		if e, ok := m.Body.(*canon.AuditEvent); ok && e.Step == step {
			out = append(out, *e)
		}
	})
	return out
}

// TestAnAnswerThatFailedIsSentAgain: the partner is away when the answer comes. The
// operator is alarmed, nothing is shown as delivered, and once the partner is back a
// resend ends the exchange well on both sides, under the first MessageId.
func TestAnAnswerThatFailedIsSentAgain(t *testing.T) {
	for name, received := range map[string]bool{"the partner never got it": false, "the partner has it, its receipts were lost": true} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			door := &gateKeeper{after: received}
			l := impatient(ctx, t, Config{Options: door.into(Slovenia)})
			type end struct {
				res *Result
				err error
			}
			done := make(chan end, 1)
			go func() {
				res, err := l.Play(ctx, Script{Register: "births", AtPreview: func(context.Context) error { door.shut.Store(true); return nil }})
				done <- end{res, err}
			}()
			es := l.Node(Spain)
			n := failed(ctx, t, es)
			if n.Direction != canon.MessageOut || n.Kind != canon.KindEvidenceResponse || n.Attempts != 2 || n.Code == "" {
				t.Fatalf("failed: %+v", n)
			}
			var c *exchange.Conversation
			until(ctx, t, "the core to know", func() (bool, error) {
				var err error
				c, err = es.Exchanges().Get(ctx, n.Conversation)
				return err == nil && c.Phase.Final(), err
			})
			if c.Phase != exchange.Failed || c.Code != n.Code {
				t.Errorf("the exchange is %s with %s, want failed with %s", c.Phase, c.Code, n.Code)
			}
			until(ctx, t, "the failure on the log", func() (bool, error) { return len(audited(ctx, t, es, "answer.undelivered")) > 0, nil })
			if got := audited(ctx, t, es, "answer.undelivered"); len(got) != 1 || got[0].Code != n.Code {
				t.Errorf("recorded as undelivered: %+v", got)
			}
			if got := audited(ctx, t, es, "answer.acknowledged"); len(got) != 0 {
				t.Errorf("recorded as acknowledged: %+v", got)
			}
			metric := `gateway_as4_message_states_total{direction="out",state="SEND_FAILURE"} 1`
			if status, data := l.ask(ctx, t, l.es, http.MethodGet, "/metrics", ""); status != 200 || !bytes.Contains(data, []byte(metric)) {
				t.Errorf("metrics (%d) lack %s", status, metric)
			}

			door.shut.Store(false)
			path := "/api/v1/messages/" + url.PathEscape(n.AS4)
			status, data := l.ask(ctx, t, l.es, http.MethodPost, path+"/resend", `{"reason":"partner is back"}`)
			if status != http.StatusAccepted {
				t.Fatalf("resend answers %d %s", status, data)
			}
			played := <-done
			if played.err != nil || played.res.Outcome != "delivered" || len(played.res.Evidence) == 0 {
				t.Fatalf("the portal got %q, %d bytes, %v", played.res.Outcome, len(played.res.Evidence), played.err)
			}
			var m struct {
				State  canon.MessageState
				Series int
				Notes  []struct{ State canon.MessageState }
			}
			until(ctx, t, "the receipt of the resend", func() (bool, error) {
				_, data := l.ask(ctx, t, l.es, http.MethodGet, path, "")
				return bytes.Contains(data, []byte("ACKNOWLEDGED")), json.Unmarshal(data, &m)
			})
			if m.State != canon.MessageAcknowledged || m.Series != 1 || len(m.Notes) < 4 {
				t.Errorf("the message stands at %+v", m)
			}
			until(ctx, t, "the end of the exchange", func() (bool, error) {
				c, err := es.Exchanges().Get(ctx, n.Conversation)
				return err == nil && c.Phase == exchange.Delivered && c.Spent(), err
			})
			orders := audited(ctx, t, es, "message.resend")
			if len(orders) != 2 || orders[0].Actor != "api:operator" || orders[0].Reason != "partner is back" || orders[0].AS4 != n.AS4 {
				t.Errorf("orders on record: %+v", orders)
			}
			// Once at the partner, whatever came how often.
			came := 0
			scan(t, ctx, l.Node(Slovenia), kafkalog.TopicOf(canon.KindEvidenceResponse), func(m canon.Message) {
				if e := canon.EnvelopeOf(m.Body); e.Leg == canon.LegIn && e.AS4 == n.AS4 {
					came++
				}
			})
			if came != 1 {
				t.Errorf("the answer is %d times on the partner's log", came)
			}
			// Delivered: it cannot be sent again.
			if status, data = l.ask(ctx, t, l.es, http.MethodPost, path+"/resend", `{"reason":"once more"}`); status != http.StatusConflict {
				t.Errorf("a resend of what was delivered answers %d %s", status, data)
			}
			// What the memory loses the log tells again.
			if err := es.Forget(ctx); err != nil {
				t.Fatal(err)
			}
			if err := es.Recover(ctx); err != nil {
				t.Fatal(err)
			}
			again, err := es.Messages().Get(ctx, n.AS4)
			if err != nil || again.State != canon.MessageAcknowledged || again.Series != 1 || again.Conversation != n.Conversation {
				t.Errorf("rebuilt as %+v, %v", again, err)
			}
		})
	}
}

// TestARequestThatFailedIsToldToItsAuthority: the partner is away when our authority
// asks. Its portal is told by webhook and by the API, the person sees it, and there is
// nothing left to resend: the portal asks anew.
//
// Covers: B-015, B-089
func TestARequestThatFailedIsToldToItsAuthority(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	door := &gateKeeper{}
	door.shut.Store(true)
	l := impatient(ctx, t, Config{Options: door.into(Spain)})
	res, err := l.Play(ctx, Script{Register: "births"})
	if err != nil {
		t.Fatal(err)
	}
	if res.Outcome != "failed" || res.Code != string(canon.CodePeerUnreachable) || len(res.Evidence) > 0 {
		t.Errorf("the portal shows %q with %q and %d bytes", res.Outcome, res.Code, len(res.Evidence))
	}
	si := l.Node(Slovenia)
	n := failed(ctx, t, si)
	if n.Kind != canon.KindEvidenceRequest || n.Attempts != 2 {
		t.Errorf("failed: %+v", n)
	}
	until(ctx, t, "the webhook", func() (bool, error) {
		for _, e := range l.portal.received() {
			if e.Case == string(res.Exchange) && e.State == "failed" {
				return true, nil
			}
		}
		return false, nil
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.si.API+"/api/v1/evidence-requests/"+string(res.Exchange), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+l.si.Token)
	resp, err := l.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var state map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&state); err != nil || fmt.Sprint(state["state"], state["code"]) != "failed"+string(canon.CodePeerUnreachable) {
		t.Errorf("the API says %v, %v", state, err)
	}
	if got := audited(ctx, t, si, "request.undelivered"); len(got) != 1 {
		t.Errorf("recorded as undelivered: %+v", got)
	}
	until(ctx, t, "its key to be forgotten", func() (bool, error) {
		c, err := si.Exchanges().Get(ctx, n.Conversation)
		return err == nil && c.Spent(), err
	})
	status, data := l.ask(ctx, t, l.si, http.MethodPost, "/api/v1/messages/"+url.PathEscape(n.AS4)+"/resend", `{"reason":"partner is back"}`)
	if status != http.StatusGone || !bytes.Contains(data, []byte(canon.CodePayloadForgotten)) {
		t.Errorf("a resend answers %d %s", status, data)
	}
}

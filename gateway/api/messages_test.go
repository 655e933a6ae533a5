package api

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/messages"
	"oncegate/gateway/messages/messagestest"
	"oncegate/schemas/canon"
)

func (w *world) note(ns ...canon.MessageNote) {
	w.t.Helper()
	check0(w.t, w.messageLog.Note(w.t.Context(), ns...))
}

// listed follows the links of a list to its end.
func (w *world) listed(path string) (ids []string) {
	w.t.Helper()
	for path != "" {
		var page struct {
			Messages []struct{ AS4 string }
			Next     string
		}
		check0(w.t, json.Unmarshal(w.want(w.do("GET", path, operatorToken, nil), 200).body, &page))
		for _, m := range page.Messages {
			ids = append(ids, m.AS4)
		}
		path = strings.TrimPrefix(page.Next, w.server.URL)
	}
	return ids
}

func TestOperatorsListMessages(t *testing.T) {
	w := newWorld(t)
	failed := messagestest.Sample(3, messagestest.State(canon.MessageSendFailure, time.Second), func(n *canon.MessageNote) {
		n.Code, n.Error, n.Attempts = canon.CodePeerUnreachable, "EBMS:0301", 5
	})
	w.note(messagestest.Sample(0), messagestest.Sample(1, messagestest.Inward), messagestest.Sample(2), messagestest.Sample(3), failed)
	id := func(i int) string { return messagestest.Sample(i).AS4 }
	for query, want := range map[string][]string{
		"":                                  {id(3), id(2), id(1), id(0)},
		"?limit=1":                          {id(3), id(2), id(1), id(0)},
		"?limit=1&state=SEND_IN_PROGRESS":   {id(2), id(0)},
		"?direction=in":                     {id(1)},
		"?peer=AP_LV_01&state=SEND_FAILURE": {id(3)},
		"?peer=nobody":                      nil,
		"?as4=" + url.QueryEscape(id(2)):    {id(2)},
		"?exchange=x-0&action=ExecuteQueryRequest": {id(1)},
		"?since=2026-03-04T05:06:10Z":              {id(3)},
		"?until=2026-03-04T05:06:08%2B00:00":       {id(0)},
	} {
		if d := cmp.Diff(want, w.listed("/api/v1/messages"+query)); d != "" {
			t.Errorf("%q (-want +got):\n%s", query, d)
		}
	}
	for query, location := range map[string]string{
		"?state=LOST": "state", "?direction=up": "direction", "?since=yesterday": "since", "?limit=0": "limit", "?cursor=x": "cursor",
		"?peer=%FF": "peer", "?exchange=" + strings.Repeat("x", 513): "exchange",
	} {
		w.problem(w.do("GET", "/api/v1/messages"+query, operatorToken, nil), 400, canon.CodeBadInput, location)
	}
	w.problem(w.do("GET", "/api/v1/messages", portalToken, nil), 403, canon.CodeForbidden, "")

	var one messageView
	check0(t, json.Unmarshal(w.want(w.do("GET", "/api/v1/messages/"+url.PathEscape(id(3)), operatorToken, nil), 200).body, &one))
	if one.State != canon.MessageSendFailure || !one.Final || one.Attempts != 5 || one.Error != "EBMS:0301" || one.NextStep == "" || len(one.Notes) != 2 {
		t.Errorf("one message: %+v", one)
	}
	w.problem(w.do("GET", "/api/v1/messages/nobody", operatorToken, nil), 404, canon.CodeUnknownMessage, "")
}

func TestOperatorsResendAMessage(t *testing.T) {
	w := newWorld(t)
	n := messagestest.Sample(1, messagestest.State(canon.MessageSendFailure, time.Second))
	w.note(n)
	w.resent = messagestest.Sample(1, messagestest.State(canon.MessageReadyToSend, time.Minute), messagestest.Series(1))
	path := "/api/v1/messages/" + url.PathEscape(n.AS4) + "/resend"
	resend := func(token, key, body string) answer {
		return w.do("POST", path, token, body, "Idempotency-Key", key)
	}
	const reason = `{"reason":"partner mended its P-Mode"}`
	key := canon.DeriveUUID("key")

	w.problem(resend(portalToken, key, reason), 403, canon.CodeForbidden, "")
	w.problem(resend(operatorToken, "short", reason), 400, canon.CodeBadInput, "Idempotency-Key")
	w.problem(resend(operatorToken, key, `{}`), 422, canon.CodeBadInput, "/reason")
	w.problem(resend(operatorToken, key, `{"reason":"a\nb"}`), 422, canon.CodeBadInput, "/reason")
	w.problem(resend(operatorToken, key, `{"reason":"a","force":true}`), 422, canon.CodeBadInput, "/force")
	if len(w.orders) > 0 {
		t.Fatalf("%d orders of refused calls", len(w.orders))
	}

	resp := resend(operatorToken, key, reason)
	var v messageView
	check0(t, json.Unmarshal(w.want(resp, 202).body, &v))
	if v.State != canon.MessageReadyToSend || v.Series != 1 || !strings.HasSuffix(resp.Header.Get("Location"), "/api/v1/messages/"+url.PathEscape(n.AS4)) {
		t.Errorf("answered %+v, Location %s", v, resp.Header.Get("Location"))
	}
	want := []messages.Order{{AS4: n.AS4, Reason: "partner mended its P-Mode", Actor: "api:ops"}}
	if d := cmp.Diff(want, w.orders); d != "" {
		t.Errorf("orders (-want +got):\n%s", d)
	}
	// The same call again, once the resend has failed too: it was carried out.
	w.note(w.resent, messagestest.Sample(1, messagestest.State(canon.MessageSendFailure, time.Hour), messagestest.Series(1)))
	w.want(resend(operatorToken, key, reason), 202)
	if len(w.orders) != 1 {
		t.Errorf("a repeated call gave %d orders", len(w.orders))
	}
	w.problem(resend(operatorToken, key, `{"reason":"another"}`), 409, canon.CodeKeyReused, "Idempotency-Key")
	// A new key is a new order.
	w.want(resend(operatorToken, canon.DeriveUUID("key 2"), reason), 202)
	if len(w.orders) != 2 {
		t.Errorf("%d orders, want 2", len(w.orders))
	}
	for code, status := range map[canon.Code]int{canon.CodeNotResendable: 409, canon.CodePayloadForgotten: 410, canon.CodeUnknownMessage: 404, canon.CodeLogUnavailable: 503} {
		w.refused = canon.NewFault(code, nil, "no")
		w.problem(resend(operatorToken, canon.DeriveUUID(string(code)), reason), status, code, "")
	}
}

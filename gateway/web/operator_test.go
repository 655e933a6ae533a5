package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"oncegate/gateway/api"
	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/gateway/messages/messagestest"
	"oncegate/schemas/canon"
)

const operatorToken = "operator-token-0123456789abcdef01234567"

type operatorWorld struct {
	t      *testing.T
	server *httptest.Server
	store  *exchangetest.Memory

	messages *messagestest.Memory

	hops []api.Hop
	dead []api.DeadLetter
	err  error
}

func newOperatorWorld(t *testing.T) *operatorWorld {
	t.Helper()
	w := &operatorWorld{t: t, store: &exchangetest.Memory{}, messages: messagestest.NewMemory(time.Now, time.Hour)}
	o, err := NewOperator(OperatorConfig{
		Site: "Register of Latvia", Logins: []api.Operator{{Name: "anna", TokenHashes: []string{api.TokenHash(operatorToken)}}}, Conversations: w.store,
		Timeline:    func(context.Context, canon.ConversationID) ([]api.Hop, error) { return w.hops, w.err },
		DeadLetters: func(context.Context, string, int) ([]api.DeadLetter, string, error) { return w.dead, "more", w.err },
		Messages:    w.messages,
	})
	fatal(t, err)
	w.server = httptest.NewTLSServer(o)
	t.Cleanup(w.server.Close)
	w.server.Client().Transport = &reader{t, w.server.Client().Transport}
	return w
}

func (w *operatorWorld) get(path, name, token string) page {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), "GET", w.server.URL+path, nil)
	fatal(w.t, err)
	if name != "" {
		req.SetBasicAuth(name, token)
	}
	resp, err := w.server.Client().Do(req)
	fatal(w.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	fatal(w.t, err)
	return page{resp, string(data)}
}

func TestAnOperatorLooks(t *testing.T) {
	w := newOperatorWorld(t)
	id := canon.ConversationID(canon.DeriveUUID("c"))
	_, err := w.store.Update(t.Context(), id, "m", func(*exchange.Conversation) (*exchange.Conversation, []canon.Message, error) {
		c := exchangetest.Sample(id)
		c.Code = canon.CodePeerUnreachable
		return c, nil, nil
	})
	fatal(t, err)
	partition, offset := 3, int64(41)
	w.hops = []api.Hop{
		{At: start, Kind: canon.KindEvidenceRequest, Message: "m1", Topic: "evidence.request.v1", Partition: &partition, Offset: &offset, AS4: "a@b", Duration: api.HopMilliseconds(1500 * time.Microsecond)},
		{At: start, Kind: canon.KindRegisterRecord, Message: "m3", Step: "births", Outcome: "found", Mapping: "births@0123456789ab"},
		{At: start, Kind: canon.KindAudit, Message: "m2", Room: "exchange", Step: "request.received", Outcome: "ok", ReplayOf: "m1"},
	}
	secrets := []string{"Fiktiva", "Ilze", "1999-04-01", "preview.example/p/secret"}
	w.get("/operator/", "anna", operatorToken).want(t, 200, string(id), "held", "T2", "university").wantNot(t, secrets...)
	w.get("/operator?", "anna", operatorToken).want(t, 200, "Exchanges")
	w.get("/operator/?id="+string(id), "anna", operatorToken).want(t, 200, "Time line")
	w.get("/operator/exchanges/"+string(id), "anna", operatorToken).
		want(t, 200, "evidence.request.v1/3/41", "a@b", "1.5 ms", "exchange: request.received ok", "births found (mapping births@0123456789ab)", "(replay)", "the message is repeated.").wantNot(t, secrets...)
	lost := canon.DeriveUUID("lost")
	w.get("/operator/exchanges/"+lost, "anna", operatorToken).want(t, 200, "comes from the log")
	w.hops = nil
	w.get("/operator/exchanges/"+lost, "anna", operatorToken).want(t, http.StatusNotFound)
	w.get("/operator/exchanges/x", "anna", operatorToken).want(t, http.StatusNotFound)
	w.get("/operator/x", "anna", operatorToken).want(t, http.StatusNotFound)

	w.get("/operator/dead-letters", "anna", operatorToken).want(t, 200, "There are none")
	w.dead = []api.DeadLetter{{Topic: "register.record.v1.dlq", SourceTopic: "register.record.v1", SourceOffset: 7, Conversation: string(id), Code: canon.CodeMappingFailed, Detail: "register.yaml:3 <rule>", FailedAt: start}}
	w.get("/operator/dead-letters", "anna", operatorToken).want(t, 200, "register.record.v1/0/7", "&lt;rule&gt;", "/operator/exchanges/"+string(id), canon.CodeMappingFailed.NextStep())
	w.err = errors.New("broken")
	w.get("/operator/dead-letters", "anna", operatorToken).want(t, http.StatusInternalServerError).wantNot(t, "broken")
}

func TestOperatorsPagesWantALogin(t *testing.T) {
	w := newOperatorWorld(t)
	for _, tc := range []struct{ name, user, token string }{
		{"nobody", "", ""}, {"another name", "otto", operatorToken}, {"another token", "anna", "x"}, {"no token", "anna", ""}, {"long", "anna", strings.Repeat("x", 10_000)},
	} {
		for _, p := range []string{"/operator/", "/operator/dead-letters", "/operator/exchanges/" + canon.DeriveUUID("c"), "/operator/none"} {
			a := w.get(p, tc.user, tc.token).want(t, http.StatusUnauthorized)
			if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("%s: no challenge", tc.name)
			}
		}
	}
	w.get("/operator/static/oncegate.css", "", "").want(t, 200)
	if _, err := NewOperator(OperatorConfig{Logins: []api.Operator{{Name: "a"}, {Name: "b", TokenHashes: []string{"x"}}}}); err == nil || !strings.Contains(err.Error(), "Site") || !strings.Contains(err.Error(), "no token") || !strings.Contains(err.Error(), "hex") {
		t.Errorf("configuration: %v", err)
	}
}

// What an exchange stands on and why it ended, without a person.
// Covers: B-023
func TestAnOperatorSeesWhatAnExchangeStandsOn(t *testing.T) {
	w := newOperatorWorld(t)
	id := canon.ConversationID(canon.DeriveUUID("c"))
	_, err := w.store.Update(t.Context(), id, "m", func(*exchange.Conversation) (*exchange.Conversation, []canon.Message, error) {
		c := exchangetest.Sample(id)
		c.Detail, c.Representation, c.AvailableAt, c.LegalBasis = "R-EDM-REQ-S005 at /query:QueryRequest", "natural", start, "Annex II"
		c.Requirements = []canon.Requirement{{ID: "https://sr.example.eu/requirements/birth", Names: []canon.Text{{Lang: "EN", Text: "Proof of birth"}}}}
		c.Choices = []canon.Choice{{What: canon.ChoseService, About: birth, Shown: []string{"a", "b"}, Taken: "b", Person: true,
			Answer: canon.Provenance{Edition: "oots-cs:v2.0", Source: "https://dsd.example", Query: "q", At: start, Digest: "sha256:00", Signer: "CN=Common services"}}}
		return c, nil, nil
	})
	fatal(t, err)
	w.get("/operator/exchanges/"+string(id), "anna", operatorToken).want(t, 200,
		"R-EDM-REQ-S005", "/query:QueryRequest", "Remedy: ", "Proof of birth", "Annex II", "<dt>Representative</dt><dd>yes</dd>",
		"2026-09-14 09:00 UTC", "the person", "CN=Common services", "sha256:00")
}

package api

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

// Evidence that was exchanged carries the mark with what it rests on; where nothing was
// exchanged there is no mark, whatever the person brings another way.
//
// Covers: B-011, B-040, B-044, B-052
func TestExchangedEvidenceIsDeemedAuthentic(t *testing.T) {
	w := newWorld(t)
	id := w.open(key, request(nil))
	marked := func() bool { return w.state(id)["authentic"] != nil }
	if marked() {
		t.Error("marked before there is evidence")
	}
	w.offer(id)
	w.want(w.do("POST", path(id, "preview"), portalToken, nil), 200)
	if marked() {
		t.Error("marked before the decision")
	}
	doc := w.deliver(id)
	w.set(id, func(c *exchange.Conversation) {
		d := c.Documents[0]
		d.Issuer = canon.Agent{ID: canon.Participant{Scheme: scheme + "LV", ID: "births"}, Names: text1("Register of births"), Country: "LV"}
		d.ValidFrom, d.ValidUntil = "2026-09-14", "2027-09-13"
		c.Documents = []canon.Document{d}
	})
	s := w.state(id)
	got := s["authentic"].(obj)
	want := obj{
		"provision": "Regulation (EU) 2018/1724, Article 14(8)", "procedure": "T2", "exchange": string(id), "request": string(w.sent()[1].Request),
		"specification": "oots-edm:v2.0", "explicit_request": obj{"reference": "case-4711", "at": "2026-09-14T08:59:00Z"},
	}
	for k, v := range want {
		if diff := cmp.Diff(v, got[k]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", k, diff)
		}
	}
	if got["provider"].(obj)["id"].(obj)["id"] != "births" || got["access_point"].(obj)["id"] == "" || !strings.Contains(got["legal_basis"].(string), "Annex II") {
		t.Errorf("proof: %v", got)
	}
	d := s["documents"].([]any)[0].(obj)
	if d["digest"] != doc.Payload.Digest || d["issuer"].(obj)["country"] != "LV" || d["issued_on"] != "2026-09-14" || d["valid_from"] != "2026-09-14" || d["valid_until"] != "2027-09-13" {
		t.Errorf("document: %v", d)
	}
	if link := w.want(w.do("GET", path(id, "evidence", doc.ID), portalToken, nil), 200).Header.Get("Link"); link != "<"+path(id)+`>; rel="describedby"` {
		t.Errorf("the evidence leads to its proof by %q", link)
	}
	// It is of this exchange and no other: another one of the same portal does not have it.
	other := w.open("another-key-0123456789", request(nil))
	w.problem(w.do("GET", path(other, "evidence", doc.ID), portalToken, nil), 409, canon.CodeNotReady, "")
}

// What ended in any other way has no mark.
//
// Covers: B-052
func TestNothingElseIsMarked(t *testing.T) {
	for _, phase := range []exchange.Phase{exchange.Declined, exchange.Deferred, exchange.Withdrawn, exchange.Refused, exchange.ExpiredP, exchange.Failed, exchange.Continued} {
		if proofOf(&exchange.Conversation{Phase: phase}) != nil {
			t.Errorf("%s is marked", phase)
		}
	}
}

// Evidence is for the procedure that it was exchanged for: a portal reads that of its own
// exchange alone, and whoever else asks is refused and noted, without a person.
//
// Covers: B-040, B-060
func TestEvidenceIsForItsProcedureAlone(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	id, doc := w.delivered()
	a := w.do("GET", path(id, "evidence", doc.ID), otherToken, nil)
	w.problem(a, 403, canon.CodeForbidden, "")
	if strings.Contains(string(a.body), "Rīga") {
		t.Error("another portal reads the evidence")
	}
	w.problem(w.do("GET", path(id, "evidence", doc.ID), operatorToken, nil), 403, canon.CodeForbidden, "")
	if got := log.String(); !strings.Contains(got, "conversation="+string(id)+" portal=chamber") || strings.Contains(got, "Fiktiva") {
		t.Errorf("noted: %q", got)
	}
	// Its own portal goes on undisturbed.
	w.want(w.do("GET", path(id, "evidence", doc.ID), portalToken, nil), 200)
}

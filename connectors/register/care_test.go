package register_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/register"
	"oncegate/schemas/canon"
)

// cared is a register with terms of its own that counts how often it is asked.
func cared(t *testing.T, terms string, answer http.Handler) (c *register.Connector, calls *atomic.Int32) {
	t.Helper()
	calls = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		calls.Add(1)
		answer.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c, err := register.New(withCare(t, "births", terms), register.Endpoint{URL: server.URL},
		register.Config{Payloads: &heap{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, calls
}

func TestACallOfUnknownFateIsNotMadeAgain(t *testing.T) {
	stuck := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c, calls := cared(t, "repeat: never\ntimeout: 100ms", stuck)
	m := query(t, "births")
	for range 3 {
		ms, err := c.Handle(t.Context(), m)
		if rec := record(t, ms, err); rec.Outcome != canon.RecordFailed || rec.Code != canon.CodeRegisterFate {
			t.Errorf("got %s %s, want failed %s", rec.Outcome, rec.Code, canon.CodeRegisterFate)
		}
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
}

func TestAnAnswerThatWasHadIsSaidAgain(t *testing.T) {
	c, calls := cared(t, "repeat: never", reply(200, soapType, sample(t, "births/testdata/found.reply.xml")))
	m := query(t, "births")
	first, err := c.Handle(t.Context(), m)
	record(t, first, err)
	again, err := c.Handle(t.Context(), m)
	if diff := cmp.Diff(record(t, first, nil), record(t, again, err)); diff != "" {
		t.Errorf("the same query twice (-first +again):\n%s", diff)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
}

func TestTheCacheServesTheSameQuestionOnly(t *testing.T) {
	c, calls := cared(t, "cache: {for: 1m}", reply(200, soapType, sample(t, "births/testdata/found.reply.xml")))
	ask := func(change func(*canon.RegisterQuery)) *canon.RegisterRecord {
		m := query(t, "births")
		m.ID = canon.Derive(m.ID, time.Now().String())
		if change != nil {
			change(m.Body.(*canon.RegisterQuery))
		}
		ms, err := c.Handle(t.Context(), m)
		return record(t, ms, err)
	}
	fresh := ask(nil)
	kept := ask(func(q *canon.RegisterQuery) { q.Exchange = "another" })
	if calls.Load() != 1 || fresh.Detail != "" || !strings.Contains(kept.Detail, "from the cache") {
		t.Errorf("asked %d times, details %q and %q", calls.Load(), fresh.Detail, kept.Detail)
	}
	if got, today := kept.Documents[0].IssuedOn, time.Now().UTC().Format(time.DateOnly); fresh.Documents[0].IssuedOn == "" || got > today {
		t.Errorf("issued on %s", got)
	}
	ask(func(q *canon.RegisterQuery) { q.Requester.ID.ID = "another authority" })
	ask(func(q *canon.RegisterQuery) { q.Procedure = "R1" })
	if calls.Load() != 3 {
		t.Errorf("asked %d times, want 3: another requester and another procedure are other questions", calls.Load())
	}
}

func TestAClosedRegisterDefers(t *testing.T) {
	day := strings.ToLower(time.Now().UTC().AddDate(0, 0, 2).Weekday().String()[:3])
	c, calls := cared(t, "hours: {zone: UTC, open: [{days: "+day+", from: \"08:00\", to: \"09:00\"}]}",
		reply(200, soapType, sample(t, "births/testdata/found.reply.xml")))
	ms, err := c.Handle(t.Context(), query(t, "births"))
	rec := record(t, ms, err)
	if rec.Outcome != canon.RecordDeferred || rec.AvailableAt.Hour() != 8 || time.Until(rec.AvailableAt) < 24*time.Hour || calls.Load() != 0 {
		t.Errorf("got %s at %v after %d calls", rec.Outcome, rec.AvailableAt, calls.Load())
	}
}

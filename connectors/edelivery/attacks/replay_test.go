package attacks

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/schemas/canon"
)

// Messages out of their time or for somebody else, with a good signature (i.9).
func TestReplay(t *testing.T) {
	t.Parallel()
	header := func(edit func(h *ebms.UserMessage)) func(testing.TB, agreement) *parcel {
		return func(t testing.TB, a agreement) *parcel { return seal(t, a, func(l *letter) { edit(&l.header) }) }
	}
	const outside = "Timestamp is outside"
	run(t, []attack{
		{name: "a message of last month", make: header(func(h *ebms.UserMessage) { h.Timestamp = testNow.AddDate(0, -1, 0) }), code: ebms.ValueInconsistent, reason: outside},
		{name: "a message of a moment before MessageIds are forgotten", make: header(func(h *ebms.UserMessage) { h.Timestamp = testNow.Add(-14*24*time.Hour - time.Second) }), code: ebms.ValueInconsistent, reason: outside},
		{name: "a message of the next hour", make: header(func(h *ebms.UserMessage) { h.Timestamp = testNow.Add(time.Hour) }), code: ebms.ValueInconsistent, reason: outside},
		{name: "a message of the year 9999", make: header(func(h *ebms.UserMessage) { h.Timestamp = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }), code: ebms.ValueInconsistent, reason: outside},
		{name: "a message to another partner, passed on to us", make: header(func(h *ebms.UserMessage) { h.To.ID = participant(otherID) }), code: ebms.ProcessingModeMismatch, reason: "ProcessingModeMismatch"},
		{name: "a message in another role", make: header(func(h *ebms.UserMessage) { h.From.Role = "urn:other" }), code: ebms.ProcessingModeMismatch, reason: "ProcessingModeMismatch"},
		{name: "a message of a party of another scheme", make: header(func(h *ebms.UserMessage) { h.From.ID.Scheme += "x" }), code: ebms.ProcessingModeMismatch, reason: "ProcessingModeMismatch"},
		{name: "a message of ourselves", make: header(func(h *ebms.UserMessage) { h.From, h.To = h.To, h.From }), code: ebms.ProcessingModeMismatch, reason: "ProcessingModeMismatch"},
	})
}

// The same message again gives the same receipt and nothing else; other content under
// its id is an incident.
//
// Covers: B-050
func TestSameIDAgain(t *testing.T) {
	t.Parallel()
	for name, a := range agreements() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := newStation(t, a), seal(t, a)
			s.wantTaken(p)
			first := s.post(p.pack())
			again := s.post(p.pack())
			if first.Code != http.StatusOK || !bytes.Equal(first.Body.Bytes(), again.Body.Bytes()) || !strings.Contains(again.Body.String(), receiptMark) {
				t.Errorf("the answer to the same message differs: %d %s", again.Code, again.Body)
			}
			for what, other := range map[string]func(l *letter){
				"other content":       func(l *letter) { l.parts[0].Content = gzipped("false evidence") },
				"another order":       func(l *letter) { l.parts[0].Content, l.parts[1].Content = l.parts[1].Content, l.parts[0].Content },
				"another action":      func(l *letter) { l.header.Action = "ExceptionResponse" },
				"another property":    func(l *letter) { l.header.Properties = []ebms.Property{{Name: "x", Value: "y"}} },
				"another final party": func(l *letter) { l.header.ConversationID = "other" },
			} {
				rec := s.post(seal(t, a, other).pack())
				if got := errorOf(rec.Body.Bytes()); got != ebms.ValueInconsistent || strings.Contains(rec.Body.String(), receiptMark) {
					t.Errorf("%s: answer is %s, want %s", what, got, ebms.ValueInconsistent)
				}
			}
			decoded, _, published, _ := s.heard()
			conflicts := 0
			for _, m := range published {
				if e, ok := m.Body.(*canon.AuditEvent); ok && e.Outcome == "conflict" {
					conflicts++
				}
			}
			if len(decoded) != 1 || conflicts != 5 {
				t.Errorf("%d messages handed on and %d incidents, want 1 and 5", len(decoded), conflicts)
			}
			// Another partner may use the id: it is not the same message.
			rec := s.post(seal(t, a, func(l *letter) { l.sign = a.keys.other; l.header.From.ID = participant(otherID) }).pack())
			if !strings.Contains(rec.Body.String(), receiptMark) {
				t.Errorf("the id of one partner is taken for that of another: %s", rec.Body)
			}
		})
	}
}

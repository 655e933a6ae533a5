package edelivery

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/schemas/canon"
)

// A message that comes after its exchange ended cannot be sealed for it any more.
// Saying "later" would make the peer repeat it until its attempts are spent.
func TestMessageForAForgottenExchangeIsRefusedForGood(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	forgotten := true // once: the audit event is nobody's and needs no key
	r.topic.fail = func() error {
		if forgotten {
			forgotten = false
			return fmt.Errorf("sealing: %w", canon.ErrForgotten)
		}
		return nil
	}
	ct, body := r.letter(t, r.message("m", xmlDocument(0)))
	rec := r.post(ct, body)
	got, signed := readError(t, rec.Body.Bytes())
	if rec.Code != http.StatusOK || got.Code != ebms.Other || !signed || rec.Header().Get("Retry-After") != "" {
		t.Errorf("answer %d %s signed=%v, want 200, %s, signed and for good", rec.Code, got.Code, signed, ebms.Other)
	}
	events := r.topic.of(canon.KindAudit)
	if len(r.topic.got) != 1 || len(events) != 1 || !strings.Contains(events[0].Body.(*canon.AuditEvent).Reason, "ended") {
		t.Errorf("published %+v, want one audit event that says why", r.topic.got)
	}
}

// TestResendAfterTheEndGetsItsReceipt: the worker that took the message died
// before the receipt, and the exchange went on to its end without it.
func TestResendAfterTheEndGetsItsReceipt(t *testing.T) {
	var asked []canon.Message
	var down error
	var r *rig
	r = newRig(t, func(_ *rig, _, _ *pmode.Partner, c *Config) {
		c.Taken = func(_ context.Context, m canon.Message, since time.Time) (bool, error) {
			if !since.Before(testNow) {
				t.Errorf("the log is read from %v, the message is of %v", since, testNow)
			}
			asked = append(asked, m)
			return slices.ContainsFunc(r.topic.got, func(o canon.Message) bool { return o.ID == m.ID }), down
		}
	})
	contentType, body := r.letter(t, r.message("m", xmlDocument(1)))
	died := false
	r.topic.fail = func() error {
		if died {
			return canon.ErrForgotten
		}
		return nil
	}
	// The first transmission reaches the log, and its worker forgets all else.
	if rec := r.post(contentType, body); rec.Code != http.StatusOK {
		t.Fatalf("first transmission: %d", rec.Code)
	}
	died = true
	r.receiver.Remembered = NewMemory(r.receiver.Now)

	down = canon.NewFault(canon.CodeLogUnavailable, nil, "the log does not answer")
	if rec := r.post(contentType, body); rec.Code != http.StatusServiceUnavailable {
		t.Errorf("while the log does not answer: %d, want 503", rec.Code)
	}
	down = nil
	rec := r.post(contentType, body)
	if !strings.Contains(rec.Body.String(), "NonRepudiationInformation") {
		t.Errorf("resend: %d %s, want a receipt", rec.Code, rec.Body)
	}
	if len(asked) != 2 || asked[0].ID != r.topic.got[0].ID {
		t.Errorf("asked for %v", asked)
	}
	if got := r.topic.of(canon.KindEvidenceRequest); len(got) != 1 {
		t.Errorf("%d messages, want one", len(got))
	}
}

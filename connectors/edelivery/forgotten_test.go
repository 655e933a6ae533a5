package edelivery

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"oncegate/connectors/edelivery/ebms"
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

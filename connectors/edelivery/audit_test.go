package edelivery

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/swa"
	"oncegate/schemas/canon"
)

// The audit trail says which fault of ours kept a message out: EBMS:0202 is all that
// the peer is told.
func TestCodesOfRefusals(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  *ebms.Error
		want canon.Code
	}{
		{"log", ebms.Because(ebms.DeliveryFailure, errors.New("log is down"), ""), canon.CodeLogUnavailable},
		{"payload store", ebms.Because(ebms.DeliveryFailure, canon.NewFault(canon.CodePayloadUnavailable, nil, "down"), ""), canon.CodePayloadUnavailable},
		{"broken off", ebms.Because(ebms.DeliveryFailure, &swa.Error{Problem: swa.Unreadable}, ""), canon.CodePeerUnreachable},
		{"nobody can tell", ebms.Because(ebms.DeliveryFailure, canon.NewFault(canon.CodeRevocationUnknown, nil, ""), ""), canon.CodeRevocationUnknown},
		{"signature", ebms.Because(ebms.FailedAuthentication, canon.NewFault(canon.CodePayloadUnavailable, nil, ""), ""), canon.CodeSecurity},
	} {
		if got := codeOf(tt.err); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// silent is an authority of which nothing can be learnt.
type silent struct{}

func (silent) Check(context.Context, []*x509.Certificate, time.Time) (time.Time, error) {
	return time.Time{}, ebms.Because(ebms.DeliveryFailure, canon.NewFault(canon.CodeRevocationUnknown, nil, "no answer"), "certificate cannot be checked now")
}

func TestWhereRevocationIsNotKnownTheAuditTrailSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, requester, _ *pmode.Partner, _ *Config) { requester.Trust.Revocation = silent{} })
	ct, body := r.letter(t, r.message("m", xmlDocument(0)))
	if rec := r.post(ct, body); rec.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503: the peer shall try again", rec.Code)
	}
	got := r.topic.of(canon.KindAudit)
	if len(got) != 1 {
		t.Fatalf("%d audit events, want one", len(got))
	}
	if e := got[0].Body.(*canon.AuditEvent); e.Code != canon.CodeRevocationUnknown || e.Reason != "EBMS:0202 certificate cannot be checked now (sender not proven)" {
		t.Errorf("event = %+v", e)
	}
}

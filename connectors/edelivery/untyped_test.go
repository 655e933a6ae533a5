package edelivery

import (
	"strings"
	"testing"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/schemas/canon"
)

// ebMS3 5.2.2.4: a PartyId needs no type where it is a URI. Both sides are such.
func TestPartiesWithoutAType(t *testing.T) {
	t.Parallel()
	own := canon.Participant{Scheme: ebms.Untyped, ID: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:AP_NL_01"}
	theirs := canon.Participant{Scheme: ebms.Untyped, ID: "https://ap.example.fi"}
	r := newRig(t, func(_ *rig, requester, provider *pmode.Partner, _ *Config) {
		requester.Party.ID, provider.Party.ID = own, theirs
	})
	m := r.message("untyped", xmlDocument(0))
	m.Body.(*canon.EvidenceRequest).To = theirs
	got, err := r.sender.Handle(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if d := got[0].Body.(*canon.DeliveryReceipt); d.Outcome != canon.DeliveryAcknowledged {
		t.Errorf("delivery = %+v", d)
	}
	sent, _ := r.traffic()
	for _, id := range []string{own.ID, theirs.ID} {
		if !strings.Contains(string(sent[0]), "<eb:PartyId>"+id+"<") {
			t.Errorf("%s is not written without a type", id)
		}
	}
	if h := r.codec.decoded[0].Header; h.From.ID != own || h.To.ID != theirs {
		t.Errorf("from %s to %s", h.From.ID, h.To.ID)
	}
}

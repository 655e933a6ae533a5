package discovery_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/discovery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/pkitest"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/canon"
)

// letters is a codec that sends one part to the participant of the rig.
type letters struct{}

func (letters) Encode(context.Context, canon.Message, canon.Payloads) (edelivery.Outgoing, bool, error) {
	return edelivery.Outgoing{
		Action: "Ask", OriginalSender: canon.Participant{Scheme: "urn:cef.eu:names:identifier:EAS:0088", ID: "test09"}, FinalRecipient: asked,
		Parts: []edelivery.Part{{ID: "part@example.test", MediaType: "application/xml", Size: -1, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader([]byte("<a/>"))), nil
		}}},
	}, true, nil
}

func (letters) Decode(_ context.Context, in edelivery.Incoming, _ canon.Payloads) ([]canon.Message, error) {
	return []canon.Message{{
		ID: canon.MessageID(canon.DeriveUUID("decoded", in.Header.MessageID)), Kind: canon.KindEvidenceRequest, Conversation: "c", At: in.Now,
		Body: &canon.EvidenceRequest{Envelope: canon.Envelope{Leg: canon.LegIn, Exchange: "x", AS4: in.Header.MessageID}},
	}}, nil
}

// Two access points that know nothing of each other exchange a signed and encrypted
// message and its receipt; one that signs in another's name does not.
func TestDynamicExchange(t *testing.T) {
	r := newRig(t)
	service := ebms.Service{Value: procValue, Type: procScheme}
	stranger := leaf(r.domain, "AP_ZZ_01", x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment)
	own := func(id string, cert *x509.Certificate) *pmode.Table {
		table, err := pmode.New(pmode.Own{
			Party: ebms.Party{ID: canon.Participant{Scheme: partyType, ID: id}}, Domain: "ap.example.test",
			Signing: []wssec.Identity{{Certificate: cert, Key: pkitest.RSA()}}, Decrypt: []wssec.Decryption{{Certificate: cert, Key: pkitest.RSA()}},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	finder := func(table *pmode.Table) *discovery.Resolver {
		return r.resolver(t, func(c *discovery.Config) {
			c.PModes = table
			c.Transports[0].Receive = true
			c.Transports[0].Partner.Retry = pmode.Retry{Attempts: 1}
			c.Transports[0].Partner.Services = append(c.Transports[0].Partner.Services, pmodeService(service, "Ask"))
		})
	}
	config := func(table *pmode.Table) edelivery.Config {
		return edelivery.Config{PModes: table, Codec: letters{}, Discovery: finder(table), Now: func() time.Time { return now }, Remembered: edelivery.NewMemory(func() time.Time { return now })}
	}
	var mu sync.Mutex
	var got []canon.Message
	theirs := config(own("AP_XX_01", r.endpoint))
	theirs.Publish = func(_ context.Context, ms ...canon.Message) error {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, ms...)
		return nil
	}
	receiver, err := edelivery.NewReceiver(theirs)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(receiver)
	t.Cleanup(server.Close)
	m := r.meta()
	m.address = server.URL + "/as4"
	r.serve(path1, signed(t, m.smp1(), xmlsec.InclusiveC14N, r.signer))

	for _, tt := range []struct {
		name  string
		table *pmode.Table
		want  canon.DeliveryOutcome
	}{
		{"in its own name", r.own, canon.DeliveryAcknowledged},
		{"in another's name", own("AP_LV_01", stranger), canon.DeliveryFailed},
	} {
		mu.Lock()
		got = nil
		mu.Unlock()
		ours := config(tt.table)
		ours.HTTP = server.Client()
		sender, err := edelivery.NewSender(ours)
		if err != nil {
			t.Fatal(err)
		}
		out, err := sender.Handle(t.Context(), canon.Message{
			ID: canon.MessageID(canon.DeriveUUID("test", tt.name)), Kind: canon.KindEvidenceRequest, Conversation: "c", At: now,
			Body: &canon.EvidenceRequest{Envelope: canon.Envelope{Leg: canon.LegOut, To: asked, Exchange: "x"}},
		})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if d := out[0].Body.(*canon.DeliveryReceipt); d.Outcome != tt.want {
			t.Errorf("%s: got %+v", tt.name, d)
		}
		requests := 0
		mu.Lock()
		for _, m := range got {
			if m.Kind == canon.KindEvidenceRequest {
				requests++
			}
		}
		mu.Unlock()
		if (requests == 1) != (tt.want == canon.DeliveryAcknowledged) {
			t.Errorf("%s: %d messages arrived", tt.name, requests)
		}
	}
}

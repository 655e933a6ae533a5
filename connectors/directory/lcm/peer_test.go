package lcm

import (
	"context"
	"crypto/x509"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/directory/service"
	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/pkitest"
	"oncegate/schemas/canon"
)

var (
	ministry = canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:SI", ID: "AP_SI_TEST"}
	registry = canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:oots", ID: "AP_CS_TEST"}
	dsd      = canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:oots", ID: "DSD"}
)

type keypair struct {
	cert *x509.Certificate
	id   wssec.Identity
	open wssec.Decryption
}

// keys of both parties are made once: that takes longer than using them.
var keys = sync.OnceValue(func() (k [2]keypair) {
	for i, name := range []string{ministry.ID, registry.ID} {
		key := pkitest.NewRSA(2048)
		cert := pkitest.SelfSigned(name, key, pkitest.Usage(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment)).Cert
		k[i] = keypair{cert, wssec.Identity{Certificate: cert, Key: key}, wssec.Decryption{Certificate: cert, Key: key}}
	}
	return k
})

func peerTable(t *testing.T, own canon.Participant, ours keypair, other canon.Participant, theirs keypair, url string) *pmode.Table {
	t.Helper()
	tab, err := pmode.New(pmode.Own{
		Party: ebms.Party{ID: own}, Domain: "as4.example.org", Sign: ours.id, Decrypt: []wssec.Decryption{ours.open},
	}, []pmode.Partner{{
		Name: "peer", Party: ebms.Party{ID: other}, URL: url,
		Trust:    wssec.Trust{Pinned: []*x509.Certificate{theirs.cert}},
		Encrypt:  []*x509.Certificate{theirs.cert},
		Services: []pmode.Service{{Service: ebms.Service{Value: Service, Type: ServiceType}, Actions: []string{ActionSubmit, ActionResponse, ActionException}}},
		Retry:    pmode.Retry{Attempts: 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestAS4(t *testing.T) {
	src := network(t)
	var client, common *Peer
	clientURL, commonURL := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	at := func(s *httptest.Server) string { return "http://" + s.Listener.Addr().String() + "/" }
	k := keys()
	var err error
	client, err = NewPeer(PeerConfig{AS4: edelivery.Config{PModes: peerTable(t, ministry, k[0], registry, k[1], at(commonURL))}})
	if err != nil {
		t.Fatal(err)
	}
	common, err = NewPeer(PeerConfig{
		AS4:    edelivery.Config{PModes: peerTable(t, registry, k[1], ministry, k[0], at(clientURL))},
		Server: server(t, src),
		Submitter: func(p canon.Participant) (string, bool) {
			return "SI", p == ministry
		},
		PartOf: func(p canon.Participant) (service.Part, bool) { return service.PartDirectory, p == dsd },
	})
	if err != nil {
		t.Fatal(err)
	}
	clientURL.Config.Handler, commonURL.Config.Handler = client, common
	clientURL.Start()
	defer clientURL.Close()
	commonURL.Start()
	defer commonURL.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	done := make(chan error, 1)
	go func() { done <- common.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	doc := written(t, submission(t, src, "SI", service.PartBroker))
	e := Errand{To: registry, OriginalSender: ministry, FinalRecipient: registry}
	if r, err := client.Submit(ctx, e, doc); err != nil || !r.OK() || r.RequestID != requestID {
		t.Fatalf("%v %v", r, err)
	}
	foreign, err := Write(submission(t, src, "ES", service.PartDirectory), answers.Edition12)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := client.Submit(ctx, e, foreign); err != nil || r.OK() || r.Faults[0].Code != CodeDataset {
		t.Errorf("data of another Member State: %v %v", r, err)
	}
	e.FinalRecipient = dsd
	if r, err := client.Submit(ctx, e, written(t, Submission{ID: requestID})); err != nil || !r.OK() {
		t.Fatalf("withdrawal of everything: %v %v", r, err)
	}
	si, _ := src.Catalogue().Member("SI")
	if len(si.Directory.Services) != 0 || len(si.Broker.Proofs) == 0 {
		t.Error("the wrong part was withdrawn")
	}
	if _, err := client.Submit(ctx, Errand{To: ministry}, doc); err == nil {
		t.Error("a submission to nobody was sent")
	}
}

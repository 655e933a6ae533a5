package edelivery

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/pkitest"
	"oncegate/schemas"
	"oncegate/schemas/canon"
)

// A keypair is made for the test run and never kept.
type keypair struct {
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

// newKeypair certifies itself.
func newKeypair(name string, edits ...pkitest.Edit) keypair {
	key := pkitest.NewRSA(2048)
	subject := func(c *x509.Certificate) {
		c.Subject.Organization, c.SubjectKeyId = []string{"Test, \"AP\""}, []byte(name+" key id")
	}
	usage := pkitest.Usage(x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment)
	return keypair{pkitest.SelfSigned(name, key, append([]pkitest.Edit{subject, usage}, edits...)...).Cert, key}
}

// ring holds the keys of all tests: making them takes longer than using them.
var ring = sync.OnceValue(func() (r struct{ requester, provider, stranger keypair }) {
	r.requester = newKeypair("AP_NL_01")
	r.provider = newKeypair("AP_FI_03")
	r.stranger = newKeypair("AP_XX_09")
	return r
})

var (
	requesterID = canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:oots", ID: "AP_NL_01"}
	providerID  = canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:oots", ID: "AP_FI_03"}
	testNow     = time.Date(2026, 9, 14, 9, 31, 7, 42_000_000, time.UTC)
)

// A document is one payload of a test message.
type document struct{ id, mediaType, content string }

// echo is a Codec of the tests: it sends the documents that it was given for a
// message and reads any message as one evidence request of its sender.
type echo struct {
	mu      sync.Mutex
	outbox  map[canon.MessageID][]document
	decoded []Incoming
	inbox   [][]string
	decode  func(Incoming) error
	edit    func(*Outgoing)
}

func (e *echo) Encode(_ context.Context, m canon.Message, _ canon.Payloads) (Outgoing, bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	docs, ok := e.outbox[m.ID]
	if !ok {
		return Outgoing{}, false, nil
	}
	out := Outgoing{
		Action:         "ExecuteQueryRequest",
		OriginalSender: canon.Participant{Scheme: "urn:cef.eu:names:identifier:EAS:0190", ID: "C1"},
		FinalRecipient: canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:FI", ID: "C4 <&>"},
		Properties:     []ebms.Property{{Name: "SpecificationId", Value: "oots-edm:v2.0"}},
		ConversationID: "2c6f6a6a-3b1f-4b62-8a53-9d7e4b0c1a20",
	}
	for _, d := range docs {
		out.Parts = append(out.Parts, Part{ID: d.id, MediaType: d.mediaType, Size: -1, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader([]byte(d.content))), nil
		}})
	}
	if e.edit != nil {
		e.edit(&out)
	}
	return out, true, nil
}

func (e *echo) Decode(_ context.Context, in Incoming, _ canon.Payloads) ([]canon.Message, error) {
	var texts []string
	for _, p := range in.Parts {
		r, err := p.Open()
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		if int64(len(b)) != p.Size {
			return nil, fmt.Errorf("part of %d bytes says %d", len(b), p.Size)
		}
		texts = append(texts, string(b))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.decode != nil {
		if err := e.decode(in); err != nil {
			return nil, err
		}
	}
	e.decoded, e.inbox = append(e.decoded, in), append(e.inbox, texts)
	return []canon.Message{{
		ID:           canon.MessageID(canon.DeriveUUID("decoded", in.Header.MessageID)),
		Kind:         canon.KindEvidenceRequest,
		Conversation: "c",
		At:           in.Now,
		Body:         &canon.EvidenceRequest{Envelope: canon.Envelope{Leg: canon.LegIn, Exchange: "x", AS4: in.Header.MessageID}},
	}}, nil
}

// keepsContract checks a body of ours against its schema, as the log does.
func keepsContract(m canon.Message) error {
	b, err := canon.MarshalBody(m.Body, nil)
	if err != nil {
		return err
	}
	return schemas.Validate(m.Kind, b)
}

// topic collects what is published.
type topic struct {
	mu   sync.Mutex
	got  []canon.Message
	fail func() error
}

func (t *topic) publish(_ context.Context, ms ...canon.Message) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fail != nil {
		if err := t.fail(); err != nil {
			return err
		}
	}
	for _, m := range ms {
		if m.Kind == canon.KindAudit { // the codec answers for the others
			if err := keepsContract(m); err != nil {
				return err
			}
		}
	}
	t.got = append(t.got, ms...)
	return nil
}

func (t *topic) of(k canon.Kind) []canon.Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(t.got), func(m canon.Message) bool { return m.Kind != k })
}

// A rig is two access points: the requester sends, the provider receives.
type rig struct {
	codec    *echo // of both
	topic    *topic
	receiver *Receiver
	sender   *Sender
	server   *httptest.Server
	partner  pmode.Partner // the provider, as the requester knows it
	sent     [][]byte      // bodies that went over the wire
	answers  [][]byte
	mu       sync.Mutex
	wire     func(w http.ResponseWriter, r *http.Request, next http.Handler)
}

type rigOption func(r *rig, requester, provider *pmode.Partner, c *Config)

func newRig(t testing.TB, opts ...rigOption) *rig {
	t.Helper()
	keys := ring()
	r := &rig{codec: &echo{outbox: map[canon.MessageID][]document{}}, topic: &topic{}}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.server.Close)
	requester := pmode.Partner{
		Name: "requester", Party: ebms.Party{ID: requesterID}, URL: r.server.URL,
		Trust: wssec.Trust{Pinned: []*x509.Certificate{keys.requester.cert}}, Encrypt: []*x509.Certificate{keys.requester.cert},
	}
	provider := pmode.Partner{
		Name: "provider", Party: ebms.Party{ID: providerID}, URL: r.server.URL,
		Trust: wssec.Trust{Pinned: []*x509.Certificate{keys.provider.cert}}, Encrypt: []*x509.Certificate{keys.provider.cert},
		Retry: pmode.Retry{Attempts: 3, Initial: time.Millisecond, Max: time.Millisecond},
	}
	config := Config{Codec: r.codec, Publish: r.topic.publish, Now: func() time.Time { return testNow }}
	for _, o := range opts {
		o(r, &requester, &provider, &config)
	}
	config.Remembered = NewMemory(config.Now)
	r.partner = provider
	receiver, sender := config, config
	receiver.PModes = table(t, provider.Party.ID, keys.provider, requester)
	sender.PModes = table(t, requester.Party.ID, keys.requester, provider)
	sender.Remembered = NewMemory(config.Now)
	var err error
	if r.receiver, err = NewReceiver(receiver); err != nil {
		t.Fatal(err)
	}
	if r.sender, err = NewSender(sender); err != nil {
		t.Fatal(err)
	}
	return r
}

func table(t testing.TB, id canon.Participant, k keypair, partners ...pmode.Partner) *pmode.Table {
	t.Helper()
	tab, err := pmode.New(pmode.Own{
		Party: ebms.Party{ID: id}, Domain: "as4.example.org",
		Sign: wssec.Identity{Certificate: k.cert, Key: k.key}, Decrypt: []wssec.Decryption{{Certificate: k.cert, Key: k.key}},
	}, partners)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func (r *rig) serve(w http.ResponseWriter, req *http.Request) {
	b, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	r.mu.Lock()
	r.sent = append(r.sent, b)
	wire := r.wire
	r.mu.Unlock()
	req.Body = io.NopCloser(bytes.NewReader(b))
	next := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		rec := httptest.NewRecorder()
		r.receiver.ServeHTTP(rec, req)
		r.mu.Lock()
		r.answers = append(r.answers, rec.Body.Bytes())
		r.mu.Unlock()
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
	if wire != nil {
		wire(w, req, next)
		return
	}
	next(w, req)
}

// traffic returns what went over the wire so far.
func (r *rig) traffic() (sent, answers [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent), slices.Clone(r.answers)
}

// message returns a canonical message that carries the documents.
func (r *rig) message(name string, docs ...document) canon.Message {
	m := canon.Message{
		ID: canon.MessageID(canon.DeriveUUID("test", name)), Kind: canon.KindEvidenceRequest, Conversation: "c", At: testNow,
		Body: &canon.EvidenceRequest{Envelope: canon.Envelope{Leg: canon.LegOut, From: requesterID, To: providerID, Exchange: "x"}},
	}
	r.codec.mu.Lock()
	r.codec.outbox[m.ID] = docs
	r.codec.mu.Unlock()
	return m
}

// post gives the receiver one body as it is.
func (r *rig) post(contentType string, body []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/as4", bytes.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	rec := httptest.NewRecorder()
	r.receiver.ServeHTTP(rec, req)
	return rec
}

// letter seals a message without sending it.
func (r *rig) letter(t testing.TB, m canon.Message) (contentType string, body []byte) {
	t.Helper()
	out, _, err := r.codec.Encode(context.Background(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, service, err := r.sender.PModes.Table().Outbound(providerID, out.Action)
	if err != nil {
		t.Fatal(err)
	}
	l, err := r.sender.seal(r.sender.PModes.Table(), m, string(m.ID)+"@as4.example.org", p, p.Encrypt[0], service, out)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(l.body.Reader())
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != l.body.Length {
		t.Fatalf("body has %d bytes, says %d", len(b), l.body.Length)
	}
	return l.body.ContentType, b
}

func xmlDocument(n int) document {
	return document{fmt.Sprintf("part-%d@example.org", n), "application/x-ebrs+xml", fmt.Sprintf("<?xml version=\"1.0\"?>\n<doc n=\"%d\">Zoë Example</doc>\n", n)}
}

func pdfDocument(n int) document {
	return document{fmt.Sprintf("pdf/%d+a%%b@example.org", n), "application/pdf", fmt.Sprintf("%%PDF-1.7 %d \x00\r\n--\r\n", n)}
}

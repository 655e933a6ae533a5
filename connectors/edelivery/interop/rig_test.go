package interop

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

var (
	ourID   = canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:oots", ID: "AP_NL_01"}
	theirID = canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:oots", ID: "AP_FI_03"}
	service = ebms.Service{Type: "urn:oasis:names:tc:ebcore:ebrs:ebms:binding:1.0", Value: "urn:oasis:names:tc:ebcore:ebrs"}
)

const (
	action = "ExecuteQueryRequest"
	reply  = "ExecuteQueryResponse"

	testService = ebms.TestService
	testAction  = ebms.TestAction

	role = "http://sdg.europa.eu/edelivery/gateway"
)

// A document is one payload of a test message.
type document struct {
	id, mediaType, charset string
	content                []byte
	plain                  bool // phase4 sends it as it is
}

func (d document) digest() string {
	s := sha256.Sum256(d.content)
	return hex.EncodeToString(s[:])
}

// A setup is what a test chooses.
type setup struct {
	keys     string // of rings
	profile  string // of the peer
	signOnly bool
	token    string // of the peer, for its own receipts and messages
	encrypt  string // of the peer
	partner  func(*pmode.Partner)
	own      func(*pmode.Own)
	config   func(*edelivery.Config)

	stationSign *identity // default that of the ring
}

// A rig is our access point and one of phase4, each knowing the other.
type rig struct {
	keys     *ring
	setup    setup
	dir      string
	station  *station
	receiver *edelivery.Receiver
	sender   *edelivery.Sender
	server   *httptest.Server // our receiver, listened to
	proxy    *httptest.Server // the station, listened to
	codec    *codec
	mu       sync.Mutex
	inbound  []exchange                                // requests to us with our answers
	outbound []exchange                                // requests of ours with the station's answers
	meddle   func(r *http.Request, body []byte) []byte // on the way to the station
	change   func(answer []byte) []byte                // on the way back
	lose     func(n int) bool                          // whether the n-th answer of the station gets lost, from 1
	publish  []canon.Message
}

// exchange is one HTTP request with its answer.
type exchange struct {
	contentType, answerType string
	body, answer            []byte
	status                  int
}

func newRig(t testing.TB, s setup) *rig {
	t.Helper()
	p := live(t)
	if s.keys == "" {
		s.keys = "rsa2048"
	}
	if s.profile == "" {
		s.profile = "edelivery-1.15"
	}
	if s.token == "" {
		s.token = "bst"
	}
	if s.encrypt == "" {
		s.encrypt = s.token
	}
	k := rings[s.keys]()
	r := &rig{keys: k, dir: t.TempDir()}
	sign, chain := k.theirSign, []*x509.Certificate{k.authority.Cert}
	if s.stationSign != nil {
		sign = *s.stationSign
		if sign.Cert.CheckSignatureFrom(k.authority.Cert) != nil {
			chain = nil
		}
	}
	r.station = &station{peer: p}
	p.ask(t, object{
		"do": "station", "profile": s.profile, "encrypted": !s.signOnly, "token": s.token,
		"sign":    sign.files(t, r.dir, "their-sign", chain...),
		"decrypt": k.theirDecrypt.files(t, r.dir, "their-decrypt", k.authority.Cert),
		"trust":   certificates(t, r.dir, "trust.pem", k.ourSign.Cert, k.authority.Cert),
	}, r.station)
	t.Cleanup(func() { p.ask(t, object{"do": "close", "station": r.station.ID}, nil) })
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.server.Close)
	r.proxy = httptest.NewServer(http.HandlerFunc(r.forward))
	t.Cleanup(r.proxy.Close)
	r.equip(t, s, r.proxy.URL)
	return r
}

// equip makes our access point; the partner listens at url.
func (r *rig) equip(t testing.TB, s setup, url string) {
	t.Helper()
	k := r.keys
	r.setup, r.codec = s, &codec{outbox: map[canon.MessageID]outgoing{}}
	partner := pmode.Partner{
		Name: "phase4", Party: ebms.Party{ID: theirID, Role: role}, OwnRole: role, URL: url,
		Trust:    wssec.Trust{Anchors: []*x509.Certificate{k.authority.Cert}, Names: []string{theirID.ID}},
		Encrypt:  []*x509.Certificate{k.theirDecrypt.Cert},
		SignOnly: s.signOnly,
		Services: []pmode.Service{{Service: service, Actions: []string{action, reply}}},
		Retry:    pmode.Retry{Attempts: 1, Initial: time.Millisecond, Max: time.Millisecond},
	}
	own := pmode.Own{
		Party: ebms.Party{ID: ourID, Role: role}, Domain: "as4.example.org",
		Signing: []wssec.Identity{k.ourSign.signing(k.authority.Cert)},
		Decrypt: []wssec.Decryption{k.ourDecrypt.decryption()},
	}
	if s.partner != nil {
		s.partner(&partner)
	}
	if s.own != nil {
		s.own(&own)
	}
	table, err := pmode.New(own, []pmode.Partner{partner})
	if err != nil {
		t.Fatal(err)
	}
	config := edelivery.Config{
		PModes: table, Codec: r.codec, Remembered: edelivery.NewMemory(time.Now),
		Publish: func(_ context.Context, ms ...canon.Message) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.publish = append(r.publish, ms...)
			return nil
		},
	}
	if s.config != nil {
		s.config(&config)
	}
	if r.receiver, err = edelivery.NewReceiver(config); err != nil {
		t.Fatal(err)
	}
	if r.sender, err = edelivery.NewSender(config); err != nil {
		t.Fatal(err)
	}
}

// serve is our receiver with an ear on the line.
func (r *rig) serve(w http.ResponseWriter, req *http.Request) {
	b, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	rec := r.take(req.Header.Get("Content-Type"), b, req.TLS)
	r.mu.Lock()
	r.inbound = append(r.inbound, rec)
	r.mu.Unlock()
	w.Header().Set("Content-Type", rec.answerType)
	w.WriteHeader(rec.status)
	_, _ = w.Write(rec.answer)
}

// post gives our receiver one body as it is.
func (r *rig) post(contentType string, body []byte) exchange { return r.take(contentType, body, nil) }

func (r *rig) take(contentType string, body []byte, connection *tls.ConnectionState) exchange {
	req := httptest.NewRequest(http.MethodPost, "/as4", bytes.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	req.TLS = connection
	rec := httptest.NewRecorder()
	r.receiver.ServeHTTP(rec, req)
	return exchange{contentType: contentType, body: body, status: rec.Code, answer: rec.Body.Bytes(), answerType: rec.Header().Get("Content-Type")}
}

// forward is the way to the station, with an ear and hands on it.
func (r *rig) forward(w http.ResponseWriter, req *http.Request) {
	b, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.meddle != nil {
		b = r.meddle(req, b)
	}
	e, err := r.postStation(req.Header.Get("Content-Type"), b)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	r.mu.Lock()
	r.outbound = append(r.outbound, e)
	n := len(r.outbound)
	r.mu.Unlock()
	if r.lose != nil && r.lose(n) {
		panic(http.ErrAbortHandler) // the connection ends without an answer
	}
	if r.change != nil {
		e.answer = r.change(e.answer)
	}
	w.Header().Set("Content-Type", e.answerType)
	w.WriteHeader(e.status)
	_, _ = w.Write(e.answer)
}

// serve listens to what a test wants to hear.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func readAll(t testing.TB, r io.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return b
}

// waitUntil holds a request back until then.
func waitUntil(then time.Time) func(*http.Request, []byte) []byte {
	return func(_ *http.Request, b []byte) []byte {
		<-time.After(time.Until(then))
		return b
	}
}

// postStation gives phase4 one body as it is.
func (r *rig) postStation(contentType string, body []byte) (exchange, error) {
	resp, err := client.Post(r.station.URL, contentType, bytes.NewReader(body))
	if err != nil {
		return exchange{}, err
	}
	answer, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return exchange{}, err
	}
	return exchange{contentType: contentType, body: body, status: resp.StatusCode, answer: answer, answerType: resp.Header.Get("Content-Type")}, nil
}

// codec sends the documents that it was given for a message and takes any message.
type codec struct {
	mu      sync.Mutex
	outbox  map[canon.MessageID]outgoing
	decoded []edelivery.Incoming
	inbox   [][]document
}

type outgoing struct {
	action, refTo string
	docs          []document
}

func (c *codec) Encode(_ context.Context, m canon.Message, _ canon.Payloads) (edelivery.Outgoing, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.outbox[m.ID]
	if !ok {
		return edelivery.Outgoing{}, false, nil
	}
	out := edelivery.Outgoing{
		Action:         o.action,
		OriginalSender: canon.Participant{Scheme: "urn:cef.eu:names:identifier:EAS:0190", ID: "C1"},
		FinalRecipient: canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:FI", ID: "C4 <&>"},
		Properties:     []ebms.Property{{Name: "SpecificationId", Value: "oots-edm:v2.0"}},
		ConversationID: conversation, RefToMessageID: o.refTo,
	}
	for _, d := range o.docs {
		p := edelivery.Part{ID: d.id, MediaType: d.mediaType, Size: -1, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(d.content)), nil
		}}
		if d.charset != "" {
			p.Properties = []ebms.Property{{Name: ebms.PropertyCharacterSet, Value: d.charset}}
		}
		out.Parts = append(out.Parts, p)
	}
	return out, true, nil
}

const conversation = "2c6f6a6a-3b1f-4b62-8a53-9d7e4b0c1a20"

func (c *codec) Decode(_ context.Context, in edelivery.Incoming, _ canon.Payloads) ([]canon.Message, error) {
	var docs []document
	for _, p := range in.Parts {
		r, err := p.Open()
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		d := document{id: p.ID, mediaType: p.MediaType, content: b}
		for _, q := range p.Properties {
			if q.Name == ebms.PropertyCharacterSet {
				d.charset = q.Value
			}
		}
		docs = append(docs, d)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.decoded, c.inbox = append(c.decoded, in), append(c.inbox, docs)
	return []canon.Message{{
		ID:   canon.MessageID(canon.DeriveUUID("decoded", in.Header.MessageID)),
		Kind: canon.KindEvidenceRequest, Conversation: "c", At: in.Now,
		Body: &canon.EvidenceRequest{Envelope: canon.Envelope{Leg: canon.LegIn, Exchange: "x", AS4: in.Header.MessageID}},
	}}, nil
}

// taken returns what our access point handed on so far.
func (c *codec) taken() ([]edelivery.Incoming, [][]document) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.decoded), slices.Clone(c.inbox)
}

// traffic returns what went over the line so far.
func (r *rig) traffic() (inbound, outbound []exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.inbound), slices.Clone(r.outbound)
}

// published returns what our access point put on the log so far.
func (r *rig) published() []canon.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.publish)
}

// message is a canonical message that carries the documents; its ids are the same
// whenever the name is.
func (r *rig) message(name string, at time.Time, docs ...document) canon.Message {
	m := canon.Message{
		ID:   canon.MessageID(canon.DeriveUUID("interop", name)),
		Kind: canon.KindEvidenceRequest, Conversation: "c", At: at,
		Body: &canon.EvidenceRequest{Envelope: canon.Envelope{Leg: canon.LegOut, From: ourID, To: theirID, Exchange: "x"}},
	}
	r.codec.mu.Lock()
	r.codec.outbox[m.ID] = outgoing{action: action, docs: docs}
	r.codec.mu.Unlock()
	return m
}

// send lets our access point send the documents to phase4.
func (r *rig) send(t testing.TB, docs ...document) *canon.DeliveryReceipt {
	t.Helper()
	return r.handle(t, r.message(fmt.Sprint(t.Name(), time.Now().UnixNano()), time.Now(), docs...))
}

func (r *rig) handle(t testing.TB, m canon.Message) *canon.DeliveryReceipt {
	t.Helper()
	got, err := r.sender.Handle(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range got {
		if d, ok := m.Body.(*canon.DeliveryReceipt); ok {
			return d
		}
	}
	t.Fatalf("sending gave no delivery receipt but %v", got)
	return nil
}

// command is what phase4 needs to send the documents to us.
func (r *rig) command(t testing.TB, docs ...document) object {
	t.Helper()
	c := object{
		"do": "send", "station": r.station.ID, "url": r.server.URL,
		"message":      canon.DeriveUUID("phase4", t.Name(), fmt.Sprint(time.Now().UnixNano())) + "@phase4.example.org",
		"conversation": conversation, "service": service.Value, "service_type": service.Type, "action": action,
		"from": theirID.ID, "from_type": theirID.Scheme, "from_role": role, "to": ourID.ID, "to_type": ourID.Scheme, "to_role": role,
		"sign_token": r.setup.token, "encrypt_token": r.setup.encrypt,
		"properties": []property{
			{Name: "originalSender", Type: "urn:cef.eu:names:identifier:EAS:0190", Value: "C4"},
			{Name: "finalRecipient", Value: "C1 <&>"},
		},
	}
	if !r.setup.signOnly {
		c["certificate"] = certificates(t, r.dir, "recipient.pem", r.keys.ourDecrypt.Cert, r.keys.authority.Cert)
	}
	parts := []object{}
	for i, d := range docs {
		p := object{"file": write(t, r.dir, filepath.Base(fmt.Sprint("part", i)), d.content), "type": d.mediaType, "id": d.id, "gzip": !d.plain}
		if d.charset != "" {
			p["charset"] = d.charset
		}
		parts = append(parts, p)
	}
	c["parts"] = parts
	return c
}

// phase4Sends lets phase4 send the documents to us.
func (r *rig) phase4Sends(t testing.TB, c object) sent {
	t.Helper()
	var s sent
	r.station.peer.ask(t, c, &s)
	return s
}

func xmlDocument(n int) document {
	return document{id: fmt.Sprintf("part-%d@example.org", n), mediaType: "application/x-ebrs+xml", charset: "UTF-8",
		content: fmt.Appendf(nil, "<doc n=\"%d\">Zoë Example</doc>", n)} // canonical; TestTextPlain has others
}

func pdfDocument(n int) document {
	return document{id: fmt.Sprintf("pdf-%d@example.org", n), mediaType: "application/pdf",
		content: fmt.Appendf(nil, "%%PDF-1.7 %d \x00\r\n--\r\n", n)}
}

// documents returns n payloads, the first one XML.
func documents(n int) []document {
	var out []document
	for i := range n {
		if i == 0 {
			out = append(out, xmlDocument(i))
		} else {
			out = append(out, pdfDocument(i))
		}
	}
	return out
}

// brief says what an answer means: codes and descriptions of its errors, or its
// beginning where it has none.
func brief(answer []byte) string {
	found := wording.FindAll(answer, 6)
	if found == nil {
		return string(answer[:min(len(answer), 500)])
	}
	return string(bytes.Join(found, []byte(" ")))
}

var wording = regexp.MustCompile(`errorCode="[^"]*"|<[a-z0-9]*:?Description[^<]*|<[a-z0-9]*:?ErrorDetail>[^<]{0,800}|<[a-z0-9]*:?Receipt>`)

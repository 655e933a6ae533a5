package attacks

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

func participant(id string) canon.Participant {
	return canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:oots", ID: id}
}

// An agreement is what a case is tried under.
type agreement struct {
	name     string
	keys     *keyring
	signOnly bool
}

// agreements are those of the corpus: the three profiles, and parts in the clear.
func agreements() map[string]agreement {
	w := world()
	return map[string]agreement{
		"1.15":      {"1.15", w.rsa, false},
		"1.15 sign": {"1.15 sign", w.rsa, true},
		"2.0":       {"2.0", w.ed, false},
		"2.0-ecdsa": {"2.0-ecdsa", w.ec, false},
	}
}

func (a agreement) trust(names ...string) wssec.Trust {
	w := world()
	return wssec.Trust{Anchors: []*x509.Certificate{w.root.Cert}, Intermediates: []*x509.Certificate{w.issuing.Cert}, Names: names}
}

// known is the agreement of one side with a party.
func (a agreement) known(id string, encrypt identity) pmode.Partner {
	return pmode.Partner{
		Name: id, Party: ebms.Party{ID: participant(id)}, URL: "http://127.0.0.1/as4", Profile: a.keys.profile, SignOnly: a.signOnly,
		Plain: a.signOnly, Trust: a.trust(id), Encrypt: []*x509.Certificate{encrypt.cert},
		Retry: pmode.Retry{Attempts: 3, Initial: time.Millisecond, Max: time.Millisecond, Jitter: -1},
	}
}

func (a agreement) table(t testing.TB, id string, sign, decode identity, partners ...pmode.Partner) *pmode.Table {
	t.Helper()
	d := wssec.Decryption{Certificate: decode.cert}
	if decode.dh != nil {
		d.Agreement = decode.dh
	} else {
		d.Key = decode.key.(crypto.Decrypter)
	}
	return must(pmode.New(pmode.Own{
		Party: ebms.Party{ID: participant(id)}, Domain: strings.ToLower(strings.ReplaceAll(id, "_", "-")) + ".example.org",
		Sign: sign.signing(), Decrypt: []wssec.Decryption{d},
	}, partners))
}

// A station is our access point with an ear on everything that leaves it.
type station struct {
	t        testing.TB
	receiver *edelivery.Receiver
	table    *pmode.Table

	mu        sync.Mutex
	log       bytes.Buffer
	published []canon.Message
	decoded   []edelivery.Incoming
	contents  [][]string
	opened    int // uses of our private keys
}

// A stationOption changes the agreement with the partner or the configuration.
type stationOption func(p *pmode.Partner, c *edelivery.Config)

func newStation(t testing.TB, a agreement, opts ...stationOption) *station {
	t.Helper()
	s := &station{t: t}
	k := a.keys
	partner, other := a.known(partnerID, k.partnerDecode), a.known(otherID, k.otherDecode)
	c := edelivery.Config{
		Codec: s, Publish: s.publish, Now: func() time.Time { return testNow }, Refusals: 1 << 30,
		Remembered: edelivery.NewMemory(func() time.Time { return testNow }),
		Logger:     slog.New(slog.NewTextHandler(locked{s}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, o := range opts {
		o(&partner, &c)
	}
	s.table = a.table(t, ourID, k.ours, k.decode, partner, other)
	for i := range s.table.Own().Decrypt {
		d := &s.table.Own().Decrypt[i]
		if d.Key != nil {
			d.Key = counting{d.Key, s}
		} else {
			d.Agreement = exchanging{d.Agreement, s}
		}
	}
	c.PModes = s.table
	s.receiver = must(edelivery.NewReceiver(c))
	return s
}

type locked struct{ s *station }

func (l locked) Write(b []byte) (int, error) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	return l.s.log.Write(b)
}

func (s *station) used() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
}

// counting and exchanging count what is asked of a private key.
type counting struct {
	crypto.Decrypter
	s *station
}

func (c counting) Decrypt(rand io.Reader, msg []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	c.s.used()
	return c.Decrypter.Decrypt(rand, msg, opts)
}

type exchanging struct {
	ecdh.KeyExchanger
	s *station
}

func (e exchanging) ECDH(peer *ecdh.PublicKey) ([]byte, error) {
	e.s.used()
	return e.KeyExchanger.ECDH(peer)
}

func (s *station) publish(_ context.Context, ms ...canon.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.published = append(s.published, ms...)
	return nil
}

// Encode implements edelivery.Codec: a station sends nothing.
func (s *station) Encode(context.Context, canon.Message, canon.Payloads) (edelivery.Outgoing, bool, error) {
	return edelivery.Outgoing{}, false, nil
}

// Decode implements edelivery.Codec: any message is one evidence request.
func (s *station) Decode(_ context.Context, in edelivery.Incoming, _ canon.Payloads) ([]canon.Message, error) {
	var contents []string
	for _, p := range in.Parts {
		r, err := p.Open()
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		contents = append(contents, string(b))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decoded, s.contents = append(s.decoded, in), append(s.contents, contents)
	return []canon.Message{{
		ID: canon.MessageID(canon.DeriveUUID("decoded", in.Header.MessageID)), Kind: canon.KindEvidenceRequest, Conversation: "c", At: in.Now,
		Body: &canon.EvidenceRequest{Envelope: canon.Envelope{Leg: canon.LegIn, Exchange: "x", AS4: in.Header.MessageID}},
	}}, nil
}

// post gives the station one body as it is.
func (s *station) post(contentType string, body []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/as4", bytes.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	rec := httptest.NewRecorder()
	s.receiver.ServeHTTP(rec, req)
	return rec
}

// heard returns what the station made of the messages so far.
func (s *station) heard() (decoded []edelivery.Incoming, contents [][]string, published []canon.Message, log string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.decoded), slices.Clone(s.contents), slices.Clone(s.published), s.log.String()
}

const receiptMark = "NonRepudiationInformation"

// wantRefused checks everything that a refusal must be.
func (s *station) wantRefused(rec *httptest.ResponseRecorder, status int, code ebms.Code, reason string) {
	s.t.Helper()
	decoded, _, published, log := s.heard()
	if status == 0 {
		status = http.StatusOK
	}
	said := errorOf(rec.Body.Bytes())
	if rec.Code != status || said != code {
		s.t.Errorf("answer is %d %s, want %d %s\nlog: %s", rec.Code, said, status, code, log)
	}
	if !strings.Contains(log, reason) {
		s.t.Errorf("log does not say %q:\n%s", reason, log)
	}
	if code == ebms.FailedAuthentication || code == ebms.FailedDecryption { // i.12
		if reason != "" && strings.Contains(rec.Body.String(), reason) {
			s.t.Errorf("the peer is told %q", reason)
		}
	}
	if strings.Contains(rec.Body.String(), receiptMark) {
		s.t.Error("a receipt was given")
	}
	if len(decoded) != 0 {
		s.t.Error("the message was handed on")
	}
	if len(published) != 1 || published[0].Kind != canon.KindAudit {
		s.t.Fatalf("%d messages published, want the one audit event", len(published))
	}
	event := published[0].Body.(*canon.AuditEvent)
	if event.Outcome != "refused" || !strings.HasPrefix(event.Reason, string(code)) || len(event.Proof) != 0 {
		s.t.Errorf("audit event is %+v", event)
	}
}

package edelivery

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/swa"
	"oncegate/schemas/canon"
)

// reply makes the wire answer with what write gives instead of the receiver.
func (r *rig) reply(status int, write func(messageID string) []byte) {
	r.wire = func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
		r.mu.Lock()
		body := r.sent[len(r.sent)-1]
		r.mu.Unlock()
		s := string(body)
		i := strings.Index(s, "<eb:MessageId>") + len("<eb:MessageId>")
		id := s[i : i+strings.Index(s[i:], "<")]
		w.Header().Set("Content-Type", "application/soap+xml; charset=UTF-8")
		w.WriteHeader(status)
		_, _ = w.Write(write(id))
	}
}

// provider is the table of the access point that receives.
func (r *rig) provider() *pmode.Table { return r.receiver.PModes.Table() }

// requester is the partner as the provider knows it.
func (r *rig) requester() *pmode.Partner { return r.receiver.PModes.Table().Partners()[0] }

func TestOutcomeOfSending(t *testing.T) {
	t.Parallel()
	signed := func(r *rig, e *ebms.Error) func(string) []byte {
		return func(id string) []byte {
			b, err := r.receiver.signedError(r.provider(), r.requester(), id, e)
			if err != nil {
				return nil
			}
			return b
		}
	}
	acknowledged, failed := canon.DeliveryAcknowledged, canon.DeliveryFailed
	tests := []struct {
		name     string
		wire     func(r *rig)
		want     canon.DeliveryOutcome
		code     canon.Code
		err      ebms.Code
		attempts int
	}{
		{"signed refusal is final", func(r *rig) { r.reply(200, signed(r, ebms.Errorf(ebms.ProcessingModeMismatch, "no"))) },
			failed, canon.CodePeerRefused, ebms.ProcessingModeMismatch, 1},
		{"signed refusal with status 500 is final", func(r *rig) { r.reply(500, signed(r, ebms.Errorf(ebms.PolicyNoncompliance, ""))) },
			failed, canon.CodePeerRefused, ebms.PolicyNoncompliance, 1},
		{"signed delivery failure is tried again", func(r *rig) { r.reply(200, signed(r, ebms.Errorf(ebms.DeliveryFailure, ""))) },
			failed, canon.CodePeerUnreachable, ebms.MissingReceipt, 3},
		{"duplicate of phase4 is acknowledged", func(r *rig) { r.reply(200, signed(r, ebms.Errorf(ebms.DuplicateDetected, ""))) },
			acknowledged, "", ebms.DuplicateDetected, 1},
		{"other that says duplicate is acknowledged", func(r *rig) { r.reply(200, signed(r, ebms.Errorf(ebms.Other, "Duplicate message"))) },
			acknowledged, "", ebms.Other, 1},
		{"other is a refusal", func(r *rig) { r.reply(200, signed(r, ebms.Errorf(ebms.Other, "No."))) },
			failed, canon.CodePeerRefused, ebms.Other, 1},
		{"signed warning is no answer", func(r *rig) { r.reply(200, signed(r, ebms.Errorf(ebms.FeatureNotSupported, ""))) },
			failed, canon.CodePeerUnreachable, ebms.MissingReceipt, 3},
		{"unsigned error changes nothing", func(r *rig) {
			r.reply(200, func(id string) []byte {
				return r.receiver.plainError(r.provider(), id, ebms.Errorf(ebms.ProcessingModeMismatch, ""))
			})
		}, failed, canon.CodePeerUnreachable, ebms.MissingReceipt, 3},
		{"unsigned fault changes nothing", func(r *rig) {
			r.reply(500, func(id string) []byte {
				return withFault(r.receiver.plainError(r.provider(), id, ebms.Errorf(ebms.FailedDecryption, "")))
			})
		}, failed, canon.CodePeerUnreachable, ebms.MissingReceipt, 3},
		{"error about another message changes nothing", func(r *rig) {
			r.reply(200, func(string) []byte { return signed(r, ebms.Errorf(ebms.Other, ""))("another@example.org") })
		}, failed, canon.CodeReceiptInvalid, ebms.InvalidReceipt, 3},
		{"receipt with other references", func(r *rig) {
			r.reply(200, func(id string) []byte {
				b, err := r.receiver.receipt(r.provider(), r.requester(), id, nil)
				if err != nil {
					return nil
				}
				return b
			})
		}, failed, canon.CodeReceiptInvalid, ebms.InvalidReceipt, 3},
		{"empty answer", func(r *rig) { r.reply(200, func(string) []byte { return nil }) },
			failed, canon.CodePeerUnreachable, ebms.MissingReceipt, 3},
		{"too much of an answer", func(r *rig) { r.reply(200, func(string) []byte { return make([]byte, maxAnswer+1) }) },
			failed, canon.CodePeerUnreachable, ebms.MissingReceipt, 3},
		{"no answer", func(r *rig) {
			r.wire = func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				c, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					_ = c.Close()
				}
			}
		}, failed, canon.CodePeerUnreachable, ebms.MissingReceipt, 3},
		{"redirect is not followed", func(r *rig) {
			r.wire = func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
				http.Redirect(w, req, r.server.URL+"/elsewhere", http.StatusTemporaryRedirect)
			}
		}, failed, canon.CodePeerUnreachable, ebms.MissingReceipt, 3},
		{"second attempt", func(r *rig) {
			n := 0
			r.wire = func(w http.ResponseWriter, req *http.Request, next http.Handler) {
				if n++; n == 1 {
					http.Error(w, "busy", http.StatusServiceUnavailable)
					return
				}
				next.ServeHTTP(w, req)
			}
		}, acknowledged, "", "", 2},
		{"receipt lost on the way", func(r *rig) {
			n := 0
			r.wire = func(w http.ResponseWriter, req *http.Request, next http.Handler) {
				if n++; n == 1 {
					next.ServeHTTP(discard{w.Header()}, req)
					http.Error(w, "gateway time-out", http.StatusGatewayTimeout)
					return
				}
				next.ServeHTTP(w, req)
			}
		}, acknowledged, "", "", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			tt.wire(r)
			m := r.message("m", xmlDocument(0))
			got, err := r.sender.Handle(context.Background(), m)
			if err != nil {
				t.Fatal(err)
			}
			d := got[0].Body.(*canon.DeliveryReceipt)
			want := &canon.DeliveryReceipt{Of: m.ID, OfKind: m.Kind, AS4: string(m.ID) + "@as4.example.org", Peer: providerID,
				Outcome: tt.want, Code: tt.code, Error: string(tt.err), Attempts: tt.attempts, Receipt: d.Receipt}
			if diff := cmp.Diff(want, d); diff != "" {
				t.Errorf("delivery (-want +got):\n%s", diff)
			}
			if event := got[1].Body.(*canon.AuditEvent); event.Outcome != string(tt.want) || event.AS4 != d.AS4 {
				t.Errorf("audit event = %+v", event)
			}
			for _, m := range got {
				if err := keepsContract(m); err != nil {
					t.Error(err)
				}
			}
			sent, _ := r.traffic()
			if len(sent) != tt.attempts {
				t.Errorf("%d transmissions, want %d", len(sent), tt.attempts)
			}
			for _, b := range sent[1:] {
				if string(b) != string(sent[0]) {
					t.Error("a resend has other bytes")
				}
			}
			if n := len(r.topic.of(canon.KindEvidenceRequest)); tt.want == acknowledged && tt.err == "" && n != 1 {
				t.Errorf("%d messages published at the peer, want one", n)
			}
			// Once: the same message again sends nothing and says the same.
			again, err := r.sender.Handle(context.Background(), m)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("handled again (-first +second):\n%s", diff)
			}
			if sent, _ := r.traffic(); len(sent) != tt.attempts {
				t.Error("sent again")
			}
		})
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h.Clone() }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func TestMessagesThatDoNotTravel(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	in := r.message("in", xmlDocument(0))
	in.Body.(*canon.EvidenceRequest).Leg = canon.LegIn
	for name, m := range map[string]canon.Message{
		"inward leg":         in,
		"no evidence":        {ID: "x", Kind: canon.KindAudit, Body: &canon.AuditEvent{}},
		"codec does not say": {ID: "y", Kind: canon.KindEvidenceRequest, Body: &canon.EvidenceRequest{Envelope: canon.Envelope{Leg: canon.LegOut, To: providerID}}},
	} {
		if got, err := r.sender.Handle(context.Background(), m); err != nil || len(got) != 0 {
			t.Errorf("%s: %v, %v; want nothing", name, got, err)
		}
	}
	if sent, _ := r.traffic(); len(sent) != 0 {
		t.Error("something was sent")
	}
}

func TestNoAgreementToSendIsAnOutcome(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m := r.message("m", xmlDocument(0))
	m.Body.(*canon.EvidenceRequest).To.ID = "AP_ZZ_01"
	got, err := r.sender.Handle(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	if d := got[0].Body.(*canon.DeliveryReceipt); d.Outcome != canon.DeliveryFailed || d.Code != canon.CodeNoAgreement {
		t.Errorf("delivery = %+v", d)
	}
}

// Domibus takes 28 parts: more are refused here, where somebody reads why.
func TestMorePartsThanAgreedAreNotSent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var docs []document
	for i := range 29 {
		docs = append(docs, xmlDocument(i))
	}
	got, err := r.sender.Handle(context.Background(), r.message("m", docs...))
	if err != nil {
		t.Fatal(err)
	}
	if d, e := got[0].Body.(*canon.DeliveryReceipt), got[1].Body.(*canon.AuditEvent); d.Outcome != canon.DeliveryFailed || d.Attempts != 0 || !strings.Contains(e.Reason, "29 payload parts") {
		t.Errorf("delivery %+v: %s", d, e.Reason)
	}
	if sent, _ := r.traffic(); len(sent) != 0 {
		t.Error("something was sent")
	}
}

// The codec judges the header too, which is made of the agreement.
func TestAHeaderThatBreaksARuleIsNotSent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var judged *ebms.UserMessage
	r.codec.edit = func(out *Outgoing) {
		out.Check = func(h *ebms.UserMessage) error {
			judged = h
			return errors.New("R-EDM-ebMS-019")
		}
	}
	got, err := r.sender.Handle(t.Context(), r.message("m", xmlDocument(0)))
	if err != nil {
		t.Fatal(err)
	}
	if d, e := got[0].Body.(*canon.DeliveryReceipt), got[1].Body.(*canon.AuditEvent); d.Outcome != canon.DeliveryFailed || d.Code != canon.CodeNoAgreement || !strings.Contains(e.Reason, "R-EDM-ebMS-019") {
		t.Errorf("delivery %+v: %s", d, e.Reason)
	}
	if sent, _ := r.traffic(); len(sent) != 0 {
		t.Error("something was sent")
	}
	if judged == nil || judged.Service.Value != pmode.OOTSService || len(judged.Parts) != 1 || judged.To.ID != providerID {
		t.Errorf("judged %+v, want the header of the message", judged)
	}
}

// found is a Discovery that knows one partner.
type found struct {
	partner *pmode.Partner
	err     error
	asked   canon.Participant
}

func (f *found) Resolve(_ context.Context, to canon.Participant, _ string) (*pmode.Partner, ebms.Service, error) {
	f.asked = to
	return f.partner, ebms.Service{Value: pmode.OOTSService, Type: pmode.OOTSServiceType}, f.err
}

func (f *found) Inbound(*ebms.UserMessage) (*pmode.Partner, error) { return f.partner, f.err }

// Where no table names the partner, on neither side, it is discovered.
func TestDiscoveredAgreement(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err     error
		outcome canon.DeliveryOutcome
		code    canon.Code
		open    bool
	}{
		"found":            {nil, canon.DeliveryAcknowledged, "", false},
		"not registered":   {canon.NewFault(canon.CodeNoAgreement, nil, ""), canon.DeliveryFailed, canon.CodeNoAgreement, false},
		"not trusted":      {canon.NewFault(canon.CodeSecurity, nil, ""), canon.DeliveryFailed, canon.CodeSecurity, false},
		"register is down": {canon.NewFault(canon.CodePeerUnreachable, nil, ""), "", "", true},
	} {
		r := newRig(t)
		out := &found{partner: r.sender.PModes.Table().Partners()[0], err: tt.err}
		in := &found{partner: r.requester()}
		r.sender.Discovery, r.receiver.Discovery = out, in
		nobody := pmode.Partner{Name: "nobody", Party: ebms.Party{ID: canon.Participant{Scheme: requesterID.Scheme, ID: "AP_SE_01"}}, Trust: r.partner.Trust}
		r.sender.PModes = table(t, requesterID, ring().requester, nobody)
		r.receiver.PModes = table(t, providerID, ring().provider, nobody)
		got, err := r.sender.Handle(context.Background(), r.message("m", xmlDocument(0)))
		if tt.open {
			if canon.AsFault(err).Kind != canon.Unavailable {
				t.Errorf("%s: %v, %v", name, got, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if d := got[0].Body.(*canon.DeliveryReceipt); d.Outcome != tt.outcome || d.Code != tt.code {
			t.Errorf("%s: %+v", name, d)
		}
		if out.asked.ID != "C4 <&>" {
			t.Errorf("%s: asked for %v", name, out.asked)
		}
	}
}

func TestForgottenPayloadIsAnOutcome(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sender.Codec = forgetful{}
	got, err := r.sender.Handle(context.Background(), r.message("m"))
	if err != nil {
		t.Fatal(err)
	}
	if d := got[0].Body.(*canon.DeliveryReceipt); d.Outcome != canon.DeliveryFailed || d.Code != canon.CodePayloadForgotten {
		t.Errorf("delivery = %+v", d)
	}
}

func TestExpiredCertificateOfThePartnerIsAnOutcome(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, _, b *pmode.Partner, _ *Config) {
		old := newKeypair("AP_FI_03", func(c *x509.Certificate) { c.NotAfter = testNow.Add(-time.Hour) })
		b.Encrypt = []*x509.Certificate{old.cert}
	})
	got, err := r.sender.Handle(context.Background(), r.message("m", xmlDocument(0)))
	if err != nil {
		t.Fatal(err)
	}
	if d := got[0].Body.(*canon.DeliveryReceipt); d.Outcome != canon.DeliveryFailed || d.Code != canon.CodeSecurity || d.Attempts != 0 {
		t.Errorf("delivery = %+v", d)
	}
}

func TestExpiredCertificateOfOursIsAnOutcome(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sender.Now = func() time.Time { return ring().requester.cert.NotAfter.Add(time.Hour) }
	fresh := newKeypair("AP_FI_03", func(c *x509.Certificate) { c.NotAfter = c.NotAfter.AddDate(10, 0, 0) })
	p := r.partner
	p.Encrypt = []*x509.Certificate{fresh.cert}
	r.sender.PModes = table(t, requesterID, ring().requester, p)
	got, err := r.sender.Handle(context.Background(), r.message("m", xmlDocument(0)))
	if err != nil {
		t.Fatal(err)
	}
	if d := got[0].Body.(*canon.DeliveryReceipt); d.Outcome != canon.DeliveryFailed || d.Code != canon.CodeSecurity || d.Attempts != 0 {
		t.Errorf("delivery = %+v", d)
	}
	if sent, _ := r.traffic(); len(sent) != 0 {
		t.Error("something was sent")
	}
}

type forgetful struct{ Codec }

func (forgetful) Encode(context.Context, canon.Message, canon.Payloads) (Outgoing, bool, error) {
	return Outgoing{}, false, errors.Join(errors.New("reading payload"), canon.ErrForgotten)
}

// A worker that dies after the peer has the message and before the outcome is
// remembered seals it again: same digests, so the same receipt answers.
func TestSenderDiesAfterSending(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m := r.message("m", xmlDocument(0), pdfDocument(1))
	first, err := r.sender.Handle(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	r.sender.Remembered = NewMemory(r.sender.Now) // the memory is lost with the worker
	second, err := r.sender.Handle(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("messages (-first +second):\n%s", diff)
	}
	sent, answers := r.traffic()
	if string(sent[0]) == string(sent[1]) {
		t.Error("session key and nonces were used twice")
	}
	if string(answers[0]) != string(answers[1]) {
		t.Error("the two transmissions got different receipts")
	}
	if n := len(r.topic.of(canon.KindEvidenceRequest)); n != 1 {
		t.Errorf("%d messages published, want one", n)
	}
}

func TestStoppedSenderLeavesTheOutcomeOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, _, b *pmode.Partner, _ *Config) {
		b.Retry = pmode.Retry{Attempts: 5, Initial: time.Hour, Max: time.Hour}
	})
	ctx, cancel := context.WithCancel(context.Background())
	r.wire = func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		http.Error(w, "no", http.StatusBadGateway)
		cancel()
	}
	m := r.message("m", xmlDocument(0))
	if got, err := r.sender.Handle(ctx, m); err == nil || len(got) != 0 {
		t.Fatalf("got %v, %v; want an error and no outcome", got, err)
	}
	r.mu.Lock()
	r.wire = nil
	r.mu.Unlock()
	got, err := r.sender.Handle(context.Background(), m)
	if err != nil || got[0].Body.(*canon.DeliveryReceipt).Outcome != canon.DeliveryAcknowledged {
		t.Errorf("after the restart: %v, %v", got, err)
	}
}

func TestMessageThatAnotherWorkerSends(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m := r.message("m", xmlDocument(0))
	key := "as4:out:" + canon.DeriveUUID("sent", string(m.ID)+"@as4.example.org")
	if _, _, err := r.sender.Remembered.Claim(context.Background(), key, string(m.ID), time.Minute); err != nil {
		t.Fatal(err)
	}
	_, err := r.sender.Handle(context.Background(), m)
	if canon.AsFault(err).Kind != canon.Unavailable {
		t.Errorf("err = %v, want an unavailable fault", err)
	}
}

func TestDeliveryKeepsItsForm(t *testing.T) { // it waits in Redis across releases
	b, err := json.Marshal(delivery{At: testNow, Outcome: canon.DeliveryAcknowledged, Receipt: "sha256:00", Attempts: 2, Error: ebms.DuplicateDetected})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"at":"2026-09-14T09:31:07.042Z","outcome":"acknowledged","receipt":"sha256:00","attempts":2,"error":"EBMS:4001"}`
	if string(b) != want {
		t.Errorf("got %s, want %s", b, want)
	}
}

// An early client gives the answer before the body is sent, and goes on reading the
// body: net/http does so when a peer answers early.
type earlyClient struct {
	answer http.RoundTripper
	kept   []io.ReadCloser
}

func (e *earlyClient) RoundTrip(req *http.Request) (*http.Response, error) {
	again, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	e.kept = append(e.kept, req.Body, again)
	whole := req.Clone(req.Context())
	if whole.Body, err = req.GetBody(); err != nil {
		return nil, err
	}
	return e.answer.RoundTrip(whole)
}

func TestLetterIsNotReadAfterItsEnd(t *testing.T) { // not parallel: a fault is turned into a panic
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	client := &earlyClient{answer: http.DefaultTransport}
	r := newRig(t, func(_ *rig, a, b *pmode.Partner, c *Config) {
		a.Plain, b.Plain = true, true
		c.Limits = swa.Limits{Memory: 1000, TempDir: t.TempDir()}
		c.HTTP = &http.Client{Transport: client}
	})
	got, err := r.sender.Handle(context.Background(), r.message("m", document{"a@x", "application/pdf", strings.Repeat("evidence", 100_000)}))
	if err != nil {
		t.Fatal(err)
	}
	if d := got[0].Body.(*canon.DeliveryReceipt); d.Outcome != canon.DeliveryAcknowledged {
		t.Fatalf("%+v", d)
	}
	for i, body := range client.kept {
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("body %d: reading it ends the process: %v", i, p)
				}
			}()
			if b, err := io.ReadAll(body); err == nil {
				t.Errorf("body %d: %d bytes were read after the letter was given up", i, len(b))
			}
		}()
	}
}

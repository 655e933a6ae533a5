package edelivery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/assets"
	"oncegate/schemas/canon"
)

func TestHundredPostsOneMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ct, body := r.letter(t, r.message("m", xmlDocument(0)))
	const posts = 100
	answers := make([]*httptest.ResponseRecorder, posts)
	var wg sync.WaitGroup
	for i := range posts {
		wg.Go(func() { answers[i] = r.post(ct, body) })
	}
	wg.Wait()
	for i, a := range answers {
		if a.Code != http.StatusOK || !bytes.Equal(a.Body.Bytes(), answers[0].Body.Bytes()) {
			t.Fatalf("answer %d: %d, %d bytes; want the bytes of the first receipt", i, a.Code, a.Body.Len())
		}
	}
	if n := len(r.codec.decoded); n != 1 {
		t.Errorf("decoded %d times, want once", n)
	}
	if n := len(r.topic.of(canon.KindEvidenceRequest)); n != 1 {
		t.Errorf("%d messages published, want one", n)
	}
}

// A stack that secures every attempt anew refers to other ids: the receipt must
// answer the references of this attempt.
func TestResendWithOtherReferencesGetsItsOwnReceipt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	header := func(h *ebms.UserMessage) { h.MessageID = "one@as4.example.org" }
	ct, body := sealWith(t, ring().requester, header).close()
	first := r.post(ct, body).Body.String()
	// The same message under other ids.
	h := &ebms.UserMessage{}
	p := sealWith(t, ring().requester, func(m *ebms.UserMessage) { header(m); *h = *m })
	sealed, err := wssec.Seal(wssec.Sealing{
		Messaging: func(id string) ([]byte, error) { return ebms.AppendUserMessage(nil, h, id) },
		MessageID: "other seed", Sign: wssec.Identity{Certificate: ring().requester.cert, Key: ring().requester.key},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.envelope = string(sealed.Envelope)
	ct, body = p.close()
	second := r.post(ct, body).Body.String()
	if !strings.Contains(second, "NonRepudiation") || second == first {
		t.Fatalf("second answer: %s", second)
	}
	for _, ref := range sealed.References {
		if !strings.Contains(second, ref.URI) || strings.Contains(first, ref.URI) {
			t.Errorf("reference %s stands in the wrong receipt", ref.URI)
		}
	}
	if n := len(r.topic.of(canon.KindEvidenceRequest)); n != 1 {
		t.Errorf("%d messages published, want one", n)
	}
}

func TestReceiptRepeatsTheReferencesByteByByte(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ct, body := r.letter(t, r.message("m", xmlDocument(0), pdfDocument(1)))
	sent := open(t, ct, body).envelope
	receipt := r.post(ct, body).Body.String()
	rest := sent
	n := 0
	for {
		i := strings.Index(rest, "<ds:Reference ")
		if i < 0 {
			break
		}
		rest = rest[i:]
		j := strings.Index(rest, "</ds:Reference>") + len("</ds:Reference>")
		// The copy declares the prefix that the original inherits.
		copied := `<ds:Reference xmlns:ds="` + ebms.DSNamespace + `"` + rest[len("<ds:Reference"):j]
		if !strings.Contains(receipt, copied) {
			t.Errorf("receipt lacks %s", copied)
		}
		rest, n = rest[j:], n+1
	}
	if n != 4 || strings.Count(receipt, "MessagePartNRInformation>") != 2*n {
		t.Errorf("%d references, want Messaging, Body and two parts", n)
	}
}

// The receiver dies after the message is on the log and before the receipt
// leaves: the peer sends again and gets a receipt, the log gets the same ids.
func TestReceiverDiesBeforeTheReceipt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ct, body := r.letter(t, r.message("m", xmlDocument(0)))
	kept := r.receiver.Remembered
	r.receiver.Remembered = dead{kept}
	r.receiver.Publish = func(ctx context.Context, ms ...canon.Message) error {
		return errors.Join(r.topic.publish(ctx, ms...), errLog) // it took them and did not live to say so
	}
	if rec := r.post(ct, body); rec.Code == http.StatusOK {
		t.Fatalf("answer %d %s, want no receipt", rec.Code, rec.Body)
	}
	r.receiver.Remembered, r.receiver.Publish = NewMemory(r.receiver.Now), r.topic.publish
	if rec := r.post(ct, body); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "NonRepudiation") {
		t.Fatalf("answer to the resend: %d %s", rec.Code, rec.Body)
	}
	got := r.topic.of(canon.KindEvidenceRequest)
	if len(got) != 2 || got[0].ID != got[1].ID {
		t.Errorf("published %v, want the same id twice", got)
	}
	audits := map[canon.MessageID]int{}
	for _, m := range r.topic.of(canon.KindAudit) {
		if m.Body.(*canon.AuditEvent).Step == stepReceived {
			audits[m.ID]++
		}
	}
	if len(audits) != 1 {
		t.Errorf("audit events %v, want one id", audits)
	}
}

// dead forgets to end claims, as a process that died does.
type dead struct{ Remembered }

func (dead) Release(context.Context, string, string) error { return nil }

func TestMessageInProgressElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, _, _ *pmode.Partner, c *Config) { c.Deadline = 50 * time.Millisecond })
	ct, body := r.letter(t, r.message("m", xmlDocument(0)))
	r.receiver.Remembered = busy{}
	rec := r.post(ct, body)
	if got, signed := readError(t, rec.Body.Bytes()); rec.Code != http.StatusServiceUnavailable || got.Code != ebms.DeliveryFailure || signed || rec.Header().Get("Retry-After") == "" {
		t.Errorf("answer %d %s signed=%v", rec.Code, got.Code, signed)
	}
	if len(r.topic.got) != 0 {
		t.Errorf("published %v", r.topic.got)
	}
}

type busy struct{ Remembered }

func (busy) Claim(context.Context, string, string, time.Duration) (string, []byte, error) {
	return StateBusy, nil, nil
}

// A worker that died in mid-work leaves its claim behind: the resend waits for the
// end of the claim and is taken.
func TestResendOutlivesTheClaimOfADeadWorker(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	r := newRig(t, func(_ *rig, _, _ *pmode.Partner, c *Config) {
		c.Now = func() time.Time { return testNow.Add(time.Duration(now.Load())) }
	})
	ct, body := r.letter(t, r.message("m", xmlDocument(0)))
	r.receiver.Remembered = dead{r.receiver.Remembered}
	r.topic.fail = func() error { return errLog }
	if rec := r.post(ct, body); rec.Code != http.StatusServiceUnavailable {
		t.Fatalf("answer %d", rec.Code)
	}
	r.topic.fail = nil
	looked := make(chan struct{}, 1)
	r.receiver.Remembered = watched{r.receiver.Remembered, looked}
	var rec *httptest.ResponseRecorder
	var wg sync.WaitGroup
	wg.Go(func() { rec = r.post(ct, body) })
	<-looked
	now.Store(int64(r.receiver.Deadline + time.Second))
	wg.Wait()
	if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "NonRepudiation") {
		t.Errorf("answer %d %s", rec.Code, rec.Body)
	}
}

// watched tells when somebody asked.
type watched struct {
	Remembered
	looked chan struct{}
}

func (w watched) Claim(ctx context.Context, key, digest string, lease time.Duration) (string, []byte, error) {
	state, stored, err := w.Remembered.Claim(ctx, key, digest, lease)
	select {
	case w.looked <- struct{}{}:
	default:
	}
	return state, stored, err
}

func TestMemoryOfTheEdgeIsDown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ct, body := r.letter(t, r.message("m", xmlDocument(0)))
	r.receiver.Remembered = down{}
	if rec := r.post(ct, body); rec.Code != http.StatusServiceUnavailable || strings.Contains(rec.Body.String(), "NonRepudiation") {
		t.Errorf("answer %d %s, want 503 and no receipt", rec.Code, rec.Body)
	}
	if len(r.codec.decoded) != 0 {
		t.Error("message was decoded")
	}
}

type down struct{ Remembered }

func (down) Claim(context.Context, string, string, time.Duration) (string, []byte, error) {
	return "", nil, errors.New("redis is down")
}

func TestPingIsReceiptedAndNotDelivered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ct, body := sealWith(t, ring().requester, func(h *ebms.UserMessage) {
		h.Service, h.Action = ebms.Service{Value: ebms.TestService}, ebms.TestAction
	}).close()
	if rec := r.post(ct, body); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "NonRepudiation") {
		t.Errorf("answer %d %s", rec.Code, rec.Body)
	}
	if len(r.codec.decoded) != 0 || len(r.topic.got) != 1 {
		t.Fatal("the test message was delivered, or is not on record")
	}
	if e, ok := r.topic.got[0].Body.(*canon.AuditEvent); !ok || e.Step != stepReceived || e.Outcome != "test" || e.AS4 != "by-hand@as4.example.org" {
		t.Errorf("audit event = %+v", r.topic.got[0].Body)
	}
}

func TestCodecFailures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err    error
		status int
		code   ebms.Code
	}{
		"payload store down": {canon.NewFault(canon.CodePayloadUnavailable, nil, ""), 503, ebms.DeliveryFailure},
		"defect of ours":     {errors.New("nil map"), 503, ebms.DeliveryFailure},
		"not acceptable":     {canon.NewFault(canon.CodeRequestInvalid, nil, ""), 200, ebms.Other},
		"says so itself":     {ebms.Errorf(ebms.ValueNotRecognized, "no such action"), 200, ebms.ValueNotRecognized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.codec.decode = func(Incoming) error { return tt.err }
			ct, body := r.letter(t, r.message("m", xmlDocument(0)))
			rec := r.post(ct, body)
			if got, signed := readError(t, rec.Body.Bytes()); rec.Code != tt.status || got.Code != tt.code || signed != (tt.status == 200) {
				t.Errorf("answer %d %s signed=%v, want %d %s", rec.Code, got.Code, signed, tt.status, tt.code)
			}
			r.codec.decode = nil
			if rec := r.post(ct, body); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "NonRepudiation") {
				t.Errorf("failed message is not taken when it comes again: %d", rec.Code)
			}
		})
	}
}

func TestLoadIsShedBeforeReading(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, _, _ *pmode.Partner, c *Config) { c.Concurrent = 1 })
	entered, leave := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		req := httptest.NewRequest(http.MethodPost, "/as4", blocking{entered, leave})
		req.Header.Set("Content-Type", "application/soap+xml")
		r.receiver.ServeHTTP(httptest.NewRecorder(), req)
	})
	<-entered
	if rec := r.post("application/soap+xml", nil); rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" {
		t.Errorf("answer %d, want 503 with Retry-After", rec.Code)
	}
	close(leave)
	wg.Wait()
}

type blocking struct{ entered, leave chan struct{} }

func (b blocking) Read([]byte) (int, error) {
	close(b.entered)
	<-b.leave
	return 0, io.EOF
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, _, _ *pmode.Partner, c *Config) { c.SOAPFaults = true })
	rec := httptest.NewRecorder()
	r.receiver.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/as4", nil))
	if rec.Code != http.StatusMethodNotAllowed || rec.Header().Get("Allow") != http.MethodPost {
		t.Errorf("GET: %d", rec.Code)
	}
	ct, body := sealWith(t, ring().requester, func(h *ebms.UserMessage) { h.From.ID.ID = "AP_XX_09" }).close()
	if rec := r.post(ct, body); rec.Code != http.StatusInternalServerError || !strings.Contains(rec.Body.String(), "S12:Fault") {
		t.Errorf("error with SOAP faults: %d %s", rec.Code, rec.Body)
	}
	signal := string(r.receiver.plainError(r.provider(), "x@y", ebms.Errorf(ebms.Other, "")))
	if rec := r.post("application/soap+xml", []byte(signal)); rec.Code != http.StatusAccepted || rec.Body.Len() != 0 {
		t.Errorf("signal that is posted to us: %d %s", rec.Code, rec.Body)
	}
}

func TestStoredAnswerKeepsItsForm(t *testing.T) { // it waits in Redis across releases
	set := sha256.Sum256([]byte("references"))
	got, receipt, ok := unpack(pack(set, []byte("receipt")))
	if !ok || got != set || string(receipt) != "receipt" {
		t.Errorf("got %x %q %v", got, receipt, ok)
	}
	if _, _, ok := unpack(set[:]); ok {
		t.Error("a set without a receipt is an answer")
	}
}

// An agreement may allow more than the profile; without it the same message is
// refused.
func TestAlgorithmsOfTheAgreement(t *testing.T) {
	t.Parallel()
	for _, allowed := range []bool{false, true} {
		r := newRig(t, func(_ *rig, a, _ *pmode.Partner, _ *Config) {
			if allowed {
				a.Allow.Signatures = []xmlsec.SignatureAlgorithm{xmlsec.RSASHA512}
			}
		})
		p := sealWith(t, ring().requester, nil)
		doc, err := xmldoc.ParseBytes([]byte(p.envelope), xmldoc.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		env, err := wssec.Locate(doc)
		if err != nil {
			t.Fatal(err)
		}
		id := func(e xmldoc.Element) string {
			v, _ := e.Attr(xmldoc.Name{Space: ebms.WSUNamespace, Local: "Id"})
			return v
		}
		old := p.cut("<ds:Signature ", "</ds:Signature>")
		i, j := strings.Index(old, "<wsse:SecurityTokenReference>"), strings.Index(old, "</ds:KeyInfo>")
		sig, err := xmlsec.Sign(xmlsec.Signing{Key: ring().requester.key, Algorithm: xmlsec.RSASHA512, KeyInfo: []byte(old[i:j]),
			Targets: []xmlsec.Target{{ID: id(env.Messaging), Element: env.Messaging}, {ID: id(env.Body), Element: env.Body}}})
		if err != nil {
			t.Fatal(err)
		}
		p.swap(headerEnd, string(sig.XML)+headerEnd)
		rec := r.post(p.close())
		if taken := strings.Contains(rec.Body.String(), "NonRepudiation"); taken != allowed {
			t.Errorf("allowed=%v: %s", allowed, rec.Body)
		}
	}
}

// EXPECTED.md: CompressionType application/rar.
func TestCollectedMessageWithOtherCompression(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	body := assets.Read(t, "as4/phase4/testfiles/WrongCompression.mime")
	i := bytes.Index(body, []byte("------=_Part"))
	rec := r.post(`multipart/related; boundary="----=_Part_0_581318631.1482314477236"; type="application/soap+xml"`, body[i:])
	if got, signed := readError(t, rec.Body.Bytes()); got.Code != ebms.ValueInconsistent || signed {
		t.Errorf("error = %+v, signed %v", got, signed)
	}
}

package edelivery

import (
	"bytes"
	"crypto/x509"
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// readError reads the error of an answer, and whether the provider signed it.
func readError(t testing.TB, body []byte) (ebms.SignalError, bool) {
	t.Helper()
	doc, err := xmldoc.ParseBytes(body, xmldoc.Limits{})
	if err != nil {
		t.Fatalf("answer is not XML: %v\n%s", err, body)
	}
	env, err := wssec.Locate(doc)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ebms.Read(env.Messaging)
	if err != nil || m.Signal == nil || len(m.Signal.Errors) != 1 {
		t.Fatalf("answer is not one error: %v\n%s", err, body)
	}
	v, err := wssec.NewVerifier(wssec.Trust{Pinned: []*x509.Certificate{ring().provider.cert}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = wssec.Open(t.Context(), wssec.Opening{Envelope: env, Verifier: v, Now: testNow})
	return m.Signal.Errors[0], err == nil
}

func TestAttacksAreRefusedWithTheRightError(t *testing.T) {
	t.Parallel()
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			ct, body := r.letter(t, r.message("m", xmlDocument(0), pdfDocument(1)))
			ct, body = a.do(open(t, ct, body)).close()
			rec := r.post(ct, body)
			if want := max(a.status, http.StatusOK); rec.Code != want {
				t.Errorf("status = %d, want %d", rec.Code, want)
			}
			got, signed := readError(t, rec.Body.Bytes())
			if got.Code != a.code {
				t.Errorf("error = %s %s, want %s", got.Code, got.Description, a.code)
			}
			known := !a.plain && rec.Code == http.StatusOK
			if signed != known {
				t.Errorf("signed = %v, want %v", signed, known)
			}
			if len(r.codec.decoded) != 0 || len(r.topic.got) != 1 {
				t.Fatalf("%d decoded, %d published; want none and one audit event", len(r.codec.decoded), len(r.topic.got))
			}
			event, ok := r.topic.got[0].Body.(*canon.AuditEvent)
			if !ok || event.Step != stepRefused || event.Outcome != "refused" || !strings.HasPrefix(event.Reason, string(a.code)) {
				t.Errorf("audit event = %+v", r.topic.got[0].Body)
			}
		})
	}
}

// The same message untouched is taken: the table above fails for its reasons.
func TestUntouchedParcelIsTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ct, body := r.letter(t, r.message("m", xmlDocument(0), pdfDocument(1)))
	ct, body = open(t, ct, body).close()
	if rec := r.post(ct, body); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "NonRepudiationInformation") {
		t.Errorf("answer %d %s", rec.Code, rec.Body)
	}
	full := []wssec.OutPart{{ID: "a@example.org", MediaType: ebms.CompressionGzip, Content: gzipped(t, "x")}}
	ct, body = signOnly(t, full, "Messaging", "Body", "a@example.org").close()
	if rec := r.post(ct, body); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "NonRepudiationInformation") {
		t.Errorf("answer to the message signed by hand %d %s", rec.Code, rec.Body)
	}
}

// A comment inside a value is dropped by the canonical form: it must not cut the
// value short either.
func TestCommentDoesNotCutAValueShort(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ct, body := r.letter(t, r.message("m", xmlDocument(0)))
	p := open(t, ct, body)
	p.swap(">ExecuteQueryRequest<", ">ExecuteQuery<!-- x -->Request<")
	ct, body = p.close()
	if rec := r.post(ct, body); rec.Code != http.StatusOK || len(r.codec.decoded) != 1 || r.codec.decoded[0].Header.Action != "ExecuteQueryRequest" {
		t.Errorf("answer %d %s", rec.Code, rec.Body)
	}
}

// bomb is 10 GB of zeros in 1,000 gzip members, 10 MB compressed.
func bomb(t testing.TB) []byte {
	t.Helper()
	var member bytes.Buffer
	w := gzip.NewWriter(&member)
	if _, err := w.Write(make([]byte, 10<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.Repeat(member.Bytes(), 1000)
}

func TestGzipBombIsRefusedWithFlatMemory(t *testing.T) { // not parallel: it measures
	for _, ratio := range []int64{1, 1 << 40} {
		r := newRig(t, func(_ *rig, a, _ *pmode.Partner, _ *Config) {
			a.Limits = pmode.Limits{Part: 16 << 20, Message: 16 << 20, Ratio: ratio}
		})
		ct, body := sealWith(t, ring().requester, nil, wssec.OutPart{ID: "a@example.org", MediaType: ebms.CompressionGzip, Content: bomb(t)}).close()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		rec := r.post(ct, body)
		runtime.ReadMemStats(&after)
		if got, signed := readError(t, rec.Body.Bytes()); got.Code != ebms.DecompressionFailure || !signed {
			t.Errorf("ratio %d: error = %s, signed %v", ratio, got.Code, signed)
		}
		// Everything that was ever allocated, not only the peak (and twice as much under
		// -race): 10 MB compressed lie in a mapped file and 10 GB are never there.
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
			t.Errorf("ratio %d: allocated %d bytes for one bomb", ratio, grown)
		}
		if len(r.codec.decoded) != 0 || len(r.topic.of(canon.KindAudit)) != 1 || len(r.topic.got) != 1 {
			t.Errorf("published %d messages", len(r.topic.got))
		}
	}
}

// Exclusive C14N writes the namespaces that an element uses on that very element: a
// name of 800 KB, declared once and used often, would become gigabytes. Nobody needs a
// key for it, only a partner's certificate, or one old signature for Messaging.
func TestLongNamespaceNameIsNotCopiedOut(t *testing.T) { // not parallel: it measures
	const used = ` w:a=""`
	for name, swell := range map[string]func(p *parcel){
		"in SignedInfo": func(p *parcel) {
			s := p.cut("<ds:Reference ", "</ds:Reference>")
			for _, e := range []string{"<ds:Transform ", "<ds:DigestMethod "} {
				s = strings.ReplaceAll(s, e, e[:len(e)-1]+used+" ")
			}
			var all strings.Builder
			for i := range 90 {
				j := strings.Index(s, `URI="`) + len(`URI="`)
				all.WriteString(s[:j] + "cid:" + strconv.Itoa(i) + "@x" + s[j+strings.Index(s[j:], `"`):])
			}
			p.swap("</ds:SignedInfo>", strings.ReplaceAll(all.String(), "http://www.w3.org/2001/10/xml-exc-c14n#", "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Signature-Transform")+"</ds:SignedInfo>")
		},
		"in Messaging": func(p *parcel) { p.swap("</eb:Messaging>", strings.Repeat("<w:a/>", 500)+"</eb:Messaging>") },
	} {
		r := newRig(t)
		p := sealWith(t, ring().requester, nil)
		swell(p)
		p.swap("<S12:Envelope ", `<S12:Envelope xmlns:w="urn:`+strings.Repeat("w", 800<<10)+`" `)
		ct, body := p.close()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		rec := r.post(ct, body)
		runtime.ReadMemStats(&after)
		if len(r.codec.decoded) != 0 || strings.Contains(rec.Body.String(), "NonRepudiation") {
			t.Errorf("%s: message is taken", name)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
			t.Errorf("%s: allocated %d MiB for a message of %d KiB", name, grown>>20, len(body)>>10)
		}
	}
}

func TestMessageLargerThanAgreed(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, a, _ *pmode.Partner, _ *Config) { a.Limits.Part, a.Limits.Message = 1000, 1500 })
	big := strings.Repeat("0123456789abcdef", 1<<12)
	ct, body := r.letter(t, r.message("m", document{"a@x", "application/pdf", big}))
	if got, _ := readError(t, r.post(ct, body).Body.Bytes()); got.Code != ebms.DecompressionFailure {
		t.Errorf("clear bytes over the limit: %s", got.Code)
	}
	r.partner.Plain = true
	ct, body = sealWith(t, ring().requester, nil, wssec.OutPart{ID: "a@x", MediaType: "application/pdf", Content: []byte(big)}).close()
	if rec := r.post(ct, body); rec.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("wire bytes over the limit: %d %s", rec.Code, rec.Body)
	}
}

// Covers: B-003, B-051
func TestOtherPartnerCannotSpeakForThisOne(t *testing.T) {
	t.Parallel()
	keys := ring()
	r := newRig(t)
	own := r.receiver.PModes.Table().Own()
	tab, err := pmode.New(*own, []pmode.Partner{
		{Name: "requester", Party: ebms.Party{ID: requesterID}, Trust: wssec.Trust{Pinned: []*x509.Certificate{keys.requester.cert}}},
		{Name: "stranger", Party: ebms.Party{ID: canon.Participant{Scheme: requesterID.Scheme, ID: "AP_XX_09"}}, Trust: wssec.Trust{Pinned: []*x509.Certificate{keys.stranger.cert}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.receiver.PModes = tab
	ct, body := sealWith(t, keys.stranger, nil).close()
	if got, _ := readError(t, r.post(ct, body).Body.Bytes()); got.Code != ebms.FailedAuthentication {
		t.Errorf("error = %s, want %s", got.Code, ebms.FailedAuthentication)
	}
	ct, body = sealWith(t, keys.stranger, func(h *ebms.UserMessage) { h.From.ID.ID = "AP_XX_09" }).close()
	if rec := r.post(ct, body); !strings.Contains(rec.Body.String(), "NonRepudiation") {
		t.Errorf("the partner itself is refused: %s", rec.Body)
	}
}

func TestConflictingContentUnderOneMessageID(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m := r.message("m", xmlDocument(0))
	ct, body := r.letter(t, m)
	if rec := r.post(ct, body); rec.Code != http.StatusOK {
		t.Fatal(rec.Body)
	}
	ct, body = r.letter(t, r.message("m", xmlDocument(1)))
	if got, signed := readError(t, r.post(ct, body).Body.Bytes()); got.Code != ebms.ValueInconsistent || !signed {
		t.Errorf("error = %s, signed %v", got.Code, signed)
	}
	if n := len(r.topic.of(canon.KindEvidenceRequest)); n != 1 {
		t.Errorf("%d messages published", n)
	}
	events := r.topic.of(canon.KindAudit)
	if len(events) != 2 || events[1].Body.(*canon.AuditEvent).Outcome != "conflict" {
		t.Errorf("audit events %v, want the first message and the incident", events)
	}
}

// A Timestamp may lie ahead by Skew: its message is not refused as old before
// Retention and Skew have passed, so it is remembered that long.
func TestMessageWithATimestampAheadIsNotTakenTwice(t *testing.T) {
	t.Parallel()
	now := testNow
	r := newRig(t, func(_ *rig, _, _ *pmode.Partner, c *Config) { c.Now = func() time.Time { return now } })
	ct, body := sealWith(t, ring().requester, func(h *ebms.UserMessage) { h.Timestamp = testNow.Add(r.receiver.Skew) }).close()
	for _, passed := range []time.Duration{0, r.receiver.Retention, r.receiver.Retention + time.Minute, r.receiver.Retention + r.receiver.Skew, r.receiver.Retention + 2*r.receiver.Skew} {
		now = testNow.Add(passed)
		r.post(ct, body)
	}
	if n := len(r.codec.decoded); n != 1 {
		t.Errorf("taken %d times, want once", n)
	}
}

var errLog = errors.New("log is down")

func TestNoReceiptWithoutTheLog(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var down = true
	r.topic.fail = func() error {
		if down {
			return errLog
		}
		return nil
	}
	ct, body := r.letter(t, r.message("m", xmlDocument(0)))
	rec := r.post(ct, body)
	if got, signed := readError(t, rec.Body.Bytes()); rec.Code != http.StatusServiceUnavailable || got.Code != ebms.DeliveryFailure || signed {
		t.Errorf("answer %d %s signed=%v, want 503, %s, not signed: the peer shall try again", rec.Code, got.Code, signed, ebms.DeliveryFailure)
	}
	down = false
	if rec := r.post(ct, body); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "NonRepudiation") {
		t.Errorf("resend is refused: %s", rec.Body)
	}
	if n := len(r.topic.of(canon.KindEvidenceRequest)); n != 1 {
		t.Errorf("%d messages published, want one", n)
	}
}

package attacks

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

var dsReference = regexp.MustCompile(`(?s)<ds:Reference .*?</ds:Reference>`)

// A sentLetter is what the forger of a receipt sees of a message of ours.
type sentLetter struct {
	t          testing.TB
	agreement  agreement
	id         string
	references [][]byte
}

func sentOf(t testing.TB, a agreement, envelope string) sentLetter {
	s := sentLetter{t: t, agreement: a, id: value(envelope, "<eb:MessageId>", "<")}
	sig := value(envelope, "<ds:SignedInfo", "</ds:SignedInfo>")
	for _, r := range dsReference.FindAllString(sig, -1) {
		s.references = append(s.references, []byte(strings.Replace(r, "<ds:Reference ", `<ds:Reference xmlns:ds="http://www.w3.org/2000/09/xmldsig#" `, 1)))
	}
	return s
}

// signal makes a signal of the signer's.
func (s sentLetter) signal(by identity, write func(sig *ebms.Signal, id string) []byte) []byte {
	s.t.Helper()
	sig := &ebms.Signal{Timestamp: testNow, MessageID: canon.DeriveUUID("forged", s.t.Name()) + "@forger.example.org", RefToMessageID: s.id}
	sealed, err := wssec.Seal(wssec.Sealing{
		Messaging: func(id string) ([]byte, error) { return write(sig, id), nil }, MessageID: sig.MessageID,
		Profile: s.agreement.keys.profile, Sign: by.signing(),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return sealed.Envelope
}

func (s sentLetter) receipt(by identity, references ...[]byte) []byte {
	return s.signal(by, func(sig *ebms.Signal, id string) []byte { return ebms.AppendReceipt(nil, sig, references, id) })
}

func (s sentLetter) failure(by identity, code ebms.Code) []byte {
	return s.signal(by, func(sig *ebms.Signal, id string) []byte { return ebms.AppendError(nil, sig, ebms.Errorf(code, ""), id) })
}

// unsigned takes the Security header away.
func unsigned(envelope []byte) []byte {
	s := string(envelope)
	i, j := strings.Index(s, "<wsse:Security "), strings.Index(s, securityEnd)+len(securityEnd)
	return []byte(s[:i] + s[j:])
}

// An answering is what a server in the partner's place says to a message of ours.
type answering struct {
	name   string
	say    func(s sentLetter) []byte
	serve  http.HandlerFunc // in place of say
	status int
}

// Answers that are no proof: the message is sent again until its attempts are used up,
// and is never held to be received, nor refused on a stranger's word (i.17, i.18).
func TestForgedAnswers(t *testing.T) {
	t.Parallel()
	k := world().rsa
	// The partner of these tests is AP_FI_03, to whom AP_NL_01 sends.
	partner, other, sender := k.ours, k.other, k.partner
	const soap = "application/soap+xml; charset=UTF-8"
	replaced := func(old, new string) func(s sentLetter) []byte {
		return func(s sentLetter) []byte {
			b := string(s.receipt(partner, s.references...))
			if !strings.Contains(b, old) {
				s.t.Errorf("no %q", old)
			}
			return []byte(strings.Replace(b, old, new, 1))
		}
	}
	for _, c := range []answering{
		{name: "a receipt that is not signed", say: func(s sentLetter) []byte { return unsigned(s.receipt(partner, s.references...)) }},
		{name: "a receipt of another partner's", say: func(s sentLetter) []byte { return s.receipt(other, s.references...) }},
		{name: "a receipt of our own", say: func(s sentLetter) []byte { return s.receipt(sender, s.references...) }},
		{name: "a receipt of a stranger's under the partner's certificate", say: func(s sentLetter) []byte {
			return s.receipt(identity{cert: partner.cert, key: k.mallory}, s.references...)
		}},
		{name: "a receipt for another message", say: func(s sentLetter) []byte {
			s.id = "other@ap-nl-01.example.org"
			return s.receipt(partner, s.references...)
		}},
		{name: "a receipt for no message", say: func(s sentLetter) []byte { s.id = ""; return s.receipt(partner, s.references...) }},
		{name: "a receipt with a reference missing", say: func(s sentLetter) []byte { return s.receipt(partner, s.references[1:]...) }},
		{name: "a receipt with no references", say: func(s sentLetter) []byte { return s.receipt(partner) }},
		{name: "a receipt with a reference more", say: func(s sentLetter) []byte {
			more := strings.Replace(string(s.references[0]), `URI="#`, `URI="#more`, 1)
			return s.receipt(partner, append(s.references, []byte(more))...)
		}},
		{name: "a receipt with one reference twice", say: func(s sentLetter) []byte { return s.receipt(partner, append(s.references[:3:3], s.references[2])...) }},
		{name: "a receipt for other content", say: func(s sentLetter) []byte {
			r := string(s.references[3])
			return s.receipt(partner, append(s.references[:3:3], []byte(strings.Replace(r, value(r, "<ds:DigestValue>", "<"), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 1)))...)
		}},
		{name: "a receipt whose reference was changed", say: replaced(`URI="cid:`, `URI="cid:x`)},
		{name: "a receipt whose message was changed", say: replaced("<eb:RefToMessageId>", "<eb:RefToMessageId>x")},
		{name: "a receipt in a wrapper, an error in its place", say: func(s sentLetter) []byte {
			b := string(s.receipt(partner, s.references...))
			i, j := strings.Index(b, "<eb:Messaging "), strings.Index(b, "</eb:Messaging>")+len("</eb:Messaging>")
			e := string(ebms.AppendError(nil, &ebms.Signal{Timestamp: testNow, MessageID: "e@x", RefToMessageID: s.id}, ebms.Errorf(ebms.Other, ""), "other"))
			return []byte(b[:i] + wrap(b[i:j]) + e + b[j:])
		}},
		{name: "a receipt with a DOCTYPE", say: replaced("<S12:Envelope ", "<!DOCTYPE x><S12:Envelope ")},
		{name: "a receipt cut in two", say: func(s sentLetter) []byte { b := s.receipt(partner, s.references...); return b[:len(b)/2] }},
		{name: "an error that is not signed", say: func(s sentLetter) []byte { return unsigned(s.failure(partner, ebms.Other)) }},
		{name: "an error that is not signed, with 500", status: 500, say: func(s sentLetter) []byte { return unsigned(s.failure(partner, ebms.FailedAuthentication)) }},
		{name: "an error of another partner's", say: func(s sentLetter) []byte { return s.failure(other, ebms.Other) }},
		{name: "an error of our own", say: func(s sentLetter) []byte { return s.failure(sender, ebms.Other) }},
		{name: "an error about another message", say: func(s sentLetter) []byte { s.id = "other@x"; return s.failure(partner, ebms.Other) }},
		{name: "a duplicate by a stranger's word", say: func(s sentLetter) []byte { return unsigned(s.failure(partner, ebms.DuplicateDetected)) }},
		{name: "our own message", say: func(s sentLetter) []byte {
			return []byte(seal(s.t, s.agreement, func(l *letter) { l.parts, l.header.Parts = nil, nil }).envelope)
		}},
		{name: "a pull request", say: func(s sentLetter) []byte {
			return s.signal(partner, func(sig *ebms.Signal, id string) []byte { return ebms.AppendPullRequest(nil, sig, "", id) })
		}},
		{name: "a SOAP fault", status: 500, say: func(sentLetter) []byte {
			return []byte(`<S12:Envelope xmlns:S12="` + ebms.SOAPNamespace + `"><S12:Body><S12:Fault/></S12:Body></S12:Envelope>`)
		}},
		{name: "nothing", say: func(sentLetter) []byte { return nil }},
		{name: "nothing, with 202", status: 202, say: func(sentLetter) []byte { return nil }},
		{name: "a page", serve: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<html>received, thank you</html>")
		}},
		{name: "a redirect", serve: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}},
		{name: "an answer without end", serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", soap)
			for range 1 << 10 { // a GB in all
				if _, err := io.WriteString(w, strings.Repeat("<a></a>", 150_000)); err != nil {
					return
				}
			}
		}},
		{name: "a multipart without end", serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", `multipart/related; boundary=b; type="application/soap+xml"`)
			for range 1 << 10 {
				if _, err := io.WriteString(w, strings.Repeat("--b\r\n", 200_000)); err != nil {
					return
				}
			}
		}},
		{name: "a broken connection", serve: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, asked := deliver(t, c)
			if d.Outcome != canon.DeliveryFailed || d.Attempts != 3 || asked != 3 || d.Receipt != "" {
				t.Errorf("delivery is %+v after %d requests, want it failed after 3 attempts", d, asked)
			}
		})
	}
	for _, c := range []struct {
		answering
		outcome canon.DeliveryOutcome
		error   ebms.Code
	}{
		{answering{name: "the partner's receipt", say: func(s sentLetter) []byte { return s.receipt(partner, s.references...) }}, canon.DeliveryAcknowledged, ""},
		{answering{name: "the partner's error", say: func(s sentLetter) []byte { return s.failure(partner, ebms.FailedDecryption) }}, canon.DeliveryFailed, ebms.FailedDecryption},
		{answering{name: "the partner's error with 500", status: 500, say: func(s sentLetter) []byte { return s.failure(partner, ebms.Other) }}, canon.DeliveryFailed, ebms.Other},
	} {
		t.Run("proof: "+c.name, func(t *testing.T) {
			t.Parallel()
			if d, asked := deliver(t, c.answering); d.Outcome != c.outcome || d.Attempts != 1 || asked != 1 || d.Error != string(c.error) {
				t.Errorf("delivery is %+v after %d requests, want %s at once", d, asked, c.outcome)
			}
		})
	}
}

// deliver sends one message to a server that answers so.
func deliver(t *testing.T, c answering) (d *canon.DeliveryReceipt, asked int64) {
	t.Helper()
	a := agreements()["1.15"]
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		body := must(io.ReadAll(r.Body))
		if c.serve != nil {
			c.serve(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/soap+xml; charset=UTF-8")
		w.WriteHeader(max(c.status, http.StatusOK))
		_, _ = w.Write(c.say(sentOf(t, a, unpack(t, r.Header.Get("Content-Type"), body).envelope)))
	}))
	defer server.Close()
	to := a.known(ourID, a.keys.decode)
	to.URL, to.Timeout = server.URL, 10*time.Second
	sender := must(edelivery.NewSender(edelivery.Config{
		PModes: a.table(t, partnerID, a.keys.partner, a.keys.partnerDecode, to), Codec: outgoing(),
		Remembered: edelivery.NewMemory(time.Now), Now: func() time.Time { return testNow },
	}))
	out, err := sender.Handle(context.Background(), outMessage(fmt.Sprint(t.Name())))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range out {
		if got, ok := m.Body.(*canon.DeliveryReceipt); ok {
			return got, n.Load()
		}
	}
	t.Fatalf("no delivery receipt in %v", out)
	return nil, 0
}

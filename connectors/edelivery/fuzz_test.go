package edelivery

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
)

// Whatever is posted, the receiver answers as AS4 has it, delivers nothing that no
// partner signed, and never gives a receipt for it.
func FuzzReceiver(f *testing.F) {
	r := newRig(f)
	r.receiver.Refusals, r.receiver.guard = 1<<30, newGuard(1<<30) // each refusal is looked at
	ct, body := r.letter(f, r.message("m", xmlDocument(0), pdfDocument(1)))
	f.Add(ct, body[:len(body)-40])
	f.Add(ct, bytes.Replace(body, []byte("eb:MessageId"), []byte("eb:MessageID"), 2))
	f.Add("application/soap+xml", r.receiver.plainError(r.provider(), "m@x", ebms.Errorf(ebms.Other, "")))
	f.Add(swa.SOAPType, []byte(sealWith(f, ring().stranger, nil).envelope))
	f.Add(swa.SOAPType, append([]byte("\xef\xbb\xbf"), sealWith(f, ring().stranger, nil).envelope...))
	for _, a := range attacks() {
		ct, body := a.do(open(f, ct, body)).close()
		f.Add(ct, body)
	}
	honest := string(body)
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		if bytes.Equal(body, []byte(honest)) {
			t.Skip()
		}
		r.codec.mu.Lock()
		before := len(r.codec.decoded)
		r.codec.mu.Unlock()
		req := httptest.NewRequest(http.MethodPost, "/as4", bytes.NewReader(body))
		req.Header.Set("Content-Type", contentType)
		rec := httptest.NewRecorder()
		r.receiver.ServeHTTP(rec, req)
		switch rec.Code {
		case 200, 202, 400, 413, 415, 503:
		default:
			t.Errorf("status %d", rec.Code)
		}
		r.codec.mu.Lock()
		delivered := len(r.codec.decoded) > before
		r.codec.mu.Unlock()
		receipt := bytes.Contains(rec.Body.Bytes(), []byte("<eb:Receipt>"))
		if delivered && !receipt || receipt && !signedByPartner(contentType, body) {
			t.Errorf("delivered %v, receipt %v for a message that is not signed", delivered, receipt)
		}
		if rec.Code == 202 || rec.Body.Len() == 0 {
			return
		}
		doc, err := xmldoc.ParseBytes(rec.Body.Bytes(), xmldoc.Limits{})
		if err != nil {
			t.Fatalf("answer is not XML: %v", err)
		}
		env, err := wssec.Locate(doc)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := ebms.Read(env.Messaging); err != nil || m.Signal == nil {
			t.Errorf("answer is not a signal: %v", err)
		}
	})
}

// signedByPartner reports a message that kept its meaning although its bytes changed,
// as in the preamble of a multipart or between the names of XML.
func signedByPartner(contentType string, body []byte) bool {
	rd, err := swa.NewReader(contentType, bytes.NewReader(body), swa.Limits{})
	if err != nil {
		return false
	}
	defer func() { _ = rd.Close() }() // nothing depends on it
	b, err := rd.Envelope()
	if err != nil {
		return false
	}
	doc, err := xmldoc.ParseBytes(b, xmldoc.Limits{})
	if err != nil {
		return false
	}
	env, err := wssec.Locate(doc)
	if err != nil || env.Security.IsZero() {
		return false
	}
	m, err := ebms.Read(env.Messaging)
	return err == nil && m.User != nil && m.User.From.ID == requesterID
}

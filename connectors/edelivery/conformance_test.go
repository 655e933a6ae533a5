package edelivery

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// TestConformance has a case for each assertion of the EC test assertions 1.2 that
// concerns an access point with static agreements, by its id. The predicates are in
// own words.
//
// Covers: B-057
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ids, says string
		test      func(t *testing.T, r *rig)
	}{
		{"TA01 TA14", "the receipt comes in the response, with status 2xx", receiptInResponse},
		{"TA02", "an answer names the message that it answers", answerNamesMessage},
		{"TA03", "each party has exactly one PartyId", onePartyID},
		{"TA04", "an uncompressed part is taken although compression is agreed", uncompressedTaken},
		{"TA05 TA06 TA45", "Body is empty, parts are MIME parts, the leading document is first", leadingDocumentFirst},
		{"TA07", "all payloads reach the consumer", allDelivered},
		{"TA08", "an external payload is refused in the response", externalRefused},
		{"TA09", "a message without a receipt is sent again", sentAgain},
		{"TA10", "a receipt that is late ends the attempts, and one message is delivered", lateReceipt},
		{"TA11", "errors go nowhere but into the response", errorsInResponse},
		{"TA12", "signed with RSA and SHA-256 by the sender's certificate: Messaging by its id, Body, all parts", signedAsProfiled},
		{"TA13", "parts are encrypted with AES-128-GCM for the recipient's certificate", encryptedAsProfiled},
		{"TA15", "the producer is told of a missing receipt", missingReceiptTold},
		{"TA16 TA17", "a message of the test service is answered and not delivered", pingNotDelivered},
		{"TA18", "a ConversationId is made where the producer gives none", conversationMade},
		{"TA19", "the ConversationId of the producer is used and handed on", conversationKept},
		{"TA20 TA44", "properties of messages and parts are passed, with a type and without", propertiesPassed},
		{"TA21 TA22", "a message without payload is taken as SOAP and as multipart", bothPackagings},
		{"TA23 TA24 TA25", "parts are compressed and say so, with their MimeType", compressedAndSaysSo},
		{"TA26", "a part without MimeType is refused", noMimeType},
		{"TA27 TA28", "CharacterSet UTF-16 and UTF-8 are passed", characterSets},
		{"TA29", "a CharacterSet that is no encoding name is refused", badCharacterSet},
		{"TA30 TA31", "what cannot be decompressed is refused with EBMS:0303 and recorded", notGzip},
		{"TA32 TA33", "parts are delivered decompressed, without CompressionType", deliveredDecompressed},
		{"TA34 TA36 TA38", "compressed, then signed, then encrypted: taken", compressSignEncrypt},
		{"TA35 TA37", "signed or encrypted before it was compressed: refused", wrongOrder},
		{"TA39 TA40 TA41 TA42 TA43", "TLS versions and suites are those configured, TLS 1.2 at least", tlsConfigured},
		{"TA46", "IPv4 and IPv6", bothProtocols},
		{"4CT01", "originalSender and finalRecipient are there, once each", corners},
		{"4CT02", "trackingIdentifier is passed, and refused twice", tracking},
		{"4CT03", "From and To are the access points", accessPoints},
	} {
		t.Run(strings.ReplaceAll(c.ids, " ", "_"), func(t *testing.T) {
			t.Parallel()
			t.Log(c.says)
			c.test(t, newRig(t))
		})
	}
}

// send sends the documents and returns the delivery and the envelope on the wire.
func (r *rig) send(t *testing.T, docs ...document) (*canon.DeliveryReceipt, string) {
	t.Helper()
	got, err := r.sender.Handle(context.Background(), r.message("conformance", docs...))
	if err != nil {
		t.Fatal(err)
	}
	sent, _ := r.traffic()
	envelope := ""
	if len(sent) > 0 {
		b := string(sent[0])
		envelope = b[strings.Index(b, "<S12:Envelope") : strings.Index(b, "</S12:Envelope>")+len("</S12:Envelope>")]
	}
	return got[0].Body.(*canon.DeliveryReceipt), envelope
}

func (r *rig) delivered(t *testing.T) (Incoming, []string) {
	t.Helper()
	r.codec.mu.Lock()
	defer r.codec.mu.Unlock()
	if len(r.codec.decoded) != 1 {
		t.Fatalf("%d messages delivered, want one", len(r.codec.decoded))
	}
	return r.codec.decoded[0], r.codec.inbox[0]
}

func isReceipt(rec *httptest.ResponseRecorder) bool {
	return rec.Code/100 == 2 && strings.Contains(rec.Body.String(), "<eb:Receipt>") && strings.HasPrefix(rec.Header().Get("Content-Type"), swa.SOAPType)
}

// refused wants a signed error in the response and nothing delivered.
func (r *rig) refused(t *testing.T, rec *httptest.ResponseRecorder, want ebms.Code) {
	t.Helper()
	if got, signed := readError(t, rec.Body.Bytes()); got.Code != want || got.Severity != ebms.SeverityFailure || !signed {
		t.Errorf("error %+v, signed %v; want %s", got, signed, want)
	}
	if len(r.codec.decoded) != 0 {
		t.Error("message was delivered")
	}
	// ProcessErrorNotifyConsumer: the record that operators and authorities read.
	if e, ok := r.topic.of(canon.KindAudit)[0].Body.(*canon.AuditEvent); !ok || e.Step != stepRefused || !strings.HasPrefix(e.Reason, string(want)) {
		t.Errorf("audit event %+v", e)
	}
}

func zipped(t *testing.T, content string) wssec.OutPart {
	return wssec.OutPart{ID: "a@example.org", MediaType: ebms.CompressionGzip, Content: gzipped(t, content)}
}

func receiptInResponse(t *testing.T, r *rig) {
	ct, body := r.letter(t, r.message("m", xmlDocument(0)))
	if rec := r.post(ct, body); !isReceipt(rec) {
		t.Errorf("answer %d %s", rec.Code, rec.Body)
	}
	if d, _ := r.send(t, xmlDocument(0)); d.Outcome != canon.DeliveryAcknowledged || d.Receipt == "" {
		t.Errorf("delivery %+v", d)
	}
}

func answerNamesMessage(t *testing.T, r *rig) {
	ct, body := sealWith(t, ring().requester, func(h *ebms.UserMessage) { h.RefToMessageID = "first@example.org" }).close()
	if rec := r.post(ct, body); !isReceipt(rec) {
		t.Fatal(rec.Body)
	}
	if in, _ := r.delivered(t); in.Header.RefToMessageID != "first@example.org" {
		t.Errorf("RefToMessageId %q", in.Header.RefToMessageID)
	}
}

func onePartyID(t *testing.T, r *rig) {
	_, env := r.send(t, xmlDocument(0))
	if n := strings.Count(env, "<eb:PartyId "); n != 2 {
		t.Errorf("%d PartyIds for two parties", n)
	}
	for name, swap := range map[string][2]string{
		"two":  {"</eb:PartyId><eb:Role>", `</eb:PartyId><eb:PartyId type="urn:x">B</eb:PartyId><eb:Role>`},
		"none": {`<eb:From><eb:PartyId type="` + requesterID.Scheme + `">` + requesterID.ID + "</eb:PartyId>", "<eb:From>"},
	} {
		p := sealWith(t, ring().requester, nil)
		p.envelope = strings.Replace(p.envelope, swap[0], swap[1], 1)
		ct, body := p.close()
		want := map[string]ebms.Code{"two": ebms.ValueInconsistent, "none": ebms.InvalidHeader}[name]
		if got, _ := readError(t, newRig(t).post(ct, body).Body.Bytes()); got.Code != want {
			t.Errorf("%s: %s, want %s", name, got.Code, want)
		}
	}
}

func plainPart(h *ebms.UserMessage) {
	for i := range h.Parts {
		h.Parts[i].Properties = h.Parts[i].Properties[:1]
	}
}

func uncompressedTaken(t *testing.T, r *rig) {
	ct, body := sealWith(t, ring().requester, plainPart, wssec.OutPart{ID: "a@x", MediaType: "application/pdf", Content: []byte("%PDF")}).close()
	if rec := r.post(ct, body); !isReceipt(rec) {
		t.Fatal(rec.Body)
	}
	if _, texts := r.delivered(t); !cmp.Equal(texts, []string{"%PDF"}) {
		t.Errorf("delivered %q", texts)
	}
}

func leadingDocumentFirst(t *testing.T, r *rig) {
	_, env := r.send(t, pdfDocument(2), xmlDocument(0), pdfDocument(1))
	if !strings.Contains(env, "></S12:Body>") {
		t.Error("Body is not empty")
	}
	in, texts := r.delivered(t)
	for i, d := range []document{pdfDocument(2), xmlDocument(0), pdfDocument(1)} {
		if in.Header.Parts[i].ID != d.id || in.Parts[i].ID != d.id || texts[i] != d.content {
			t.Errorf("part %d is %s", i, in.Parts[i].ID)
		}
	}
	// The order of MIME parts means nothing.
	r = newRig(t)
	p := sealWith(t, ring().requester, nil, zipped(t, "leading"), wssec.OutPart{ID: "b@example.org", MediaType: ebms.CompressionGzip, Content: gzipped(t, "second")})
	p.parts[0], p.parts[1] = p.parts[1], p.parts[0]
	if rec := r.post(p.close()); !isReceipt(rec) {
		t.Fatal(rec.Body)
	}
	if _, texts := r.delivered(t); !cmp.Equal(texts, []string{"leading", "second"}) {
		t.Errorf("delivered %q", texts)
	}
}

func allDelivered(t *testing.T, r *rig) {
	var docs []document
	var want []string
	for i := range 28 {
		docs = append(docs, xmlDocument(i))
		want = append(want, docs[i].content)
	}
	if d, _ := r.send(t, docs...); d.Outcome != canon.DeliveryAcknowledged {
		t.Fatalf("%+v", d)
	}
	if _, texts := r.delivered(t); !cmp.Equal(texts, want) {
		t.Errorf("delivered %q", texts)
	}
}

func externalRefused(t *testing.T, r *rig) {
	asked := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer s.Close()
	p := sealWith(t, ring().requester, nil)
	p.swap("</eb:UserMessage>", `<eb:PayloadInfo><eb:PartInfo href="`+s.URL+`/evidence"/></eb:PayloadInfo></eb:UserMessage>`)
	ct, body := p.close()
	r.refused(t, r.post(ct, body), ebms.ExternalPayloadError)
	if asked {
		t.Error("the external payload was fetched")
	}
}

func sentAgain(t *testing.T, r *rig) {
	r.reply(http.StatusBadGateway, func(string) []byte { return nil })
	d, _ := r.send(t, xmlDocument(0))
	sent, _ := r.traffic()
	if len(sent) != r.partner.Retry.Attempts || d.Attempts != len(sent) || !bytes.Equal(sent[0], sent[1]) {
		t.Errorf("%d transmissions, delivery %+v", len(sent), d)
	}
}

func lateReceipt(t *testing.T, r *rig) {
	n := 0
	r.wire = func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if n++; n == 1 { // the receipt is lost
			next.ServeHTTP(discard{w.Header()}, req)
			http.Error(w, "time-out", http.StatusGatewayTimeout)
			return
		}
		next.ServeHTTP(w, req)
	}
	d, _ := r.send(t, xmlDocument(0))
	r.delivered(t)
	if _, answers := r.traffic(); d.Outcome != canon.DeliveryAcknowledged || d.Attempts != 2 || n != 2 || !bytes.Equal(answers[0], answers[1]) {
		t.Errorf("delivery %+v after %d transmissions", d, n)
	}
}

func errorsInResponse(t *testing.T, r *rig) {
	ct, body := sealWith(t, ring().requester, nil, wssec.OutPart{ID: "a@example.org", MediaType: ebms.CompressionGzip, Content: []byte("x")}).close()
	r.refused(t, r.post(ct, body), ebms.DecompressionFailure)
	if sent, _ := r.traffic(); len(sent) != 0 { // the requester's address is that of the rig
		t.Errorf("%d requests were made", len(sent))
	}
}

func signedAsProfiled(t *testing.T, r *rig) {
	_, env := r.send(t, xmlDocument(0), pdfDocument(1))
	sig := env[strings.Index(env, "<ds:Signature "):strings.Index(env, "</ds:Signature>")]
	for _, want := range []string{
		`<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256">`,
		`<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">`,
	} {
		if !strings.Contains(sig, want) {
			t.Errorf("signature lacks %s", want)
		}
	}
	id := func(element string) string {
		return regexp.MustCompile(`<` + element + ` [^>]*wsu:Id="([^"]*)"`).FindStringSubmatch(env)[1]
	}
	var uris []string
	for _, m := range regexp.MustCompile(`<ds:Reference URI="([^"]*)">.*?<ds:DigestMethod Algorithm="([^"]*)">`).FindAllStringSubmatch(sig, -1) {
		uris = append(uris, m[1])
		if m[2] != "http://www.w3.org/2001/04/xmlenc#sha256" {
			t.Errorf("%s: digest %s", m[1], m[2])
		}
	}
	want := []string{"#" + id("eb:Messaging"), "#" + id("S12:Body"), swa.EncodeCID(xmlDocument(0).id), swa.EncodeCID(pdfDocument(1).id)}
	if diff := cmp.Diff(want, uris); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	if !strings.Contains(env, tokenOf(ring().requester.cert)) {
		t.Error("the sender's certificate is not there")
	}
}

func tokenOf(c *x509.Certificate) string { return base64.StdEncoding.EncodeToString(c.Raw) }

func encryptedAsProfiled(t *testing.T, r *rig) {
	_, env := r.send(t, xmlDocument(0), pdfDocument(1))
	if n := strings.Count(env, `<xenc:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#aes128-gcm"`); n != 2 {
		t.Errorf("%d parts with AES-128-GCM, want 2", n)
	}
	if !strings.Contains(env, tokenOf(ring().provider.cert)) {
		t.Error("not encrypted for the recipient's certificate")
	}
	sent, _ := r.traffic()
	if strings.Contains(string(sent[0]), "PDF-1.7") {
		t.Error("a part is in clear")
	}
}

func missingReceiptTold(t *testing.T, r *rig) {
	r.reply(http.StatusOK, func(string) []byte { return nil })
	if d, _ := r.send(t, xmlDocument(0)); d.Outcome != canon.DeliveryFailed || d.Error != string(ebms.MissingReceipt) || d.Code != canon.CodePeerUnreachable {
		t.Errorf("delivery %+v", d)
	}
}

func pingNotDelivered(t *testing.T, r *rig) {
	ct, body := sealWith(t, ring().requester, func(h *ebms.UserMessage) {
		h.Service, h.Action = ebms.Service{Value: ebms.TestService}, ebms.TestAction
	}, zipped(t, "any payload")).close()
	if rec := r.post(ct, body); !isReceipt(rec) {
		t.Error(rec.Body)
	}
	if len(r.codec.decoded) != 0 {
		t.Error("delivered")
	}
}

func conversationMade(t *testing.T, r *rig) {
	r.codec.edit = func(o *Outgoing) { o.ConversationID = "" }
	r.send(t, xmlDocument(0))
	if in, _ := r.delivered(t); !canon.ValidUUID(in.Header.ConversationID) {
		t.Errorf("ConversationId %q", in.Header.ConversationID)
	}
	ct, body := sealWith(t, ring().requester, func(h *ebms.UserMessage) { h.ConversationID = "" }).close()
	rec := newRig(t).post(ct, body)
	if got, _ := readError(t, rec.Body.Bytes()); got.Code != ebms.InvalidHeader {
		t.Errorf("message without one: %s", rec.Body)
	}
}

func conversationKept(t *testing.T, r *rig) {
	r.codec.edit = func(o *Outgoing) { o.ConversationID = "urn:conversation:7" }
	r.send(t, xmlDocument(0))
	if in, _ := r.delivered(t); in.Header.ConversationID != "urn:conversation:7" {
		t.Errorf("ConversationId %q", in.Header.ConversationID)
	}
}

func propertiesPassed(t *testing.T, r *rig) {
	typed, plain := ebms.Property{Name: "typed", Type: "urn:type", Value: "a <&> b"}, ebms.Property{Name: "plain", Value: "c"}
	r.codec.edit = func(o *Outgoing) {
		o.Properties = []ebms.Property{typed, plain}
		o.Parts[0].Properties = []ebms.Property{plain, typed}
	}
	r.send(t, xmlDocument(0))
	in, _ := r.delivered(t)
	if diff := cmp.Diff([]ebms.Property{typed, plain}, in.Header.Properties[2:]); diff != "" {
		t.Errorf("message properties (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]ebms.Property{{Name: "MimeType", Value: xmlDocument(0).mediaType}, plain, typed}, in.Parts[0].Properties); diff != "" {
		t.Errorf("part properties (-want +got):\n%s", diff)
	}
}

func bothPackagings(t *testing.T, r *rig) {
	p := sealWith(t, ring().requester, nil)
	if rec := r.post(swa.SOAPType+"; charset=UTF-8", []byte(p.envelope)); !isReceipt(rec) {
		t.Errorf("plain SOAP: %s", rec.Body)
	}
	body := "--b\r\nContent-Type: application/soap+xml; charset=UTF-8\r\n\r\n" + p.envelope + "\r\n--b--\r\n"
	if rec := newRig(t).post(`multipart/related; boundary=b; type="application/soap+xml"`, []byte(body)); !isReceipt(rec) {
		t.Errorf("multipart: %s", rec.Body)
	}
	if d, env := r.send(t); d.Outcome != canon.DeliveryAcknowledged || strings.Contains(env, "PayloadInfo") {
		t.Errorf("delivery %+v", d)
	}
}

func compressedAndSaysSo(t *testing.T, r *rig) {
	_, env := r.send(t, xmlDocument(0), pdfDocument(1))
	for want, n := range map[string]int{
		`<eb:Property name="CompressionType">application/gzip</eb:Property>`: 2,
		`<eb:Property name="MimeType">application/pdf</eb:Property>`:         1,
		`<eb:Property name="MimeType">application/x-ebrs+xml</eb:Property>`:  1,
		` MimeType="application/gzip" `:                                      2,
	} {
		if strings.Count(env, want) != n {
			t.Errorf("%d times %s, want %d", strings.Count(env, want), want, n)
		}
	}
}

func corners(t *testing.T, r *rig) {
	_, env := r.send(t, xmlDocument(0))
	in, _ := r.delivered(t)
	for name, want := range map[string]ebms.Property{
		ebms.PropertyOriginalSender: {Name: "originalSender", Type: "urn:cef.eu:names:identifier:EAS:0190", Value: "C1"},
		ebms.PropertyFinalRecipient: {Name: "finalRecipient", Type: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:FI", Value: "C4 <&>"},
	} {
		if n := strings.Count(env, `<eb:Property name="`+name+`"`); n != 1 {
			t.Errorf("%s is there %d times", name, n)
		}
		found := false
		for _, p := range in.Header.Properties {
			found = found || p == want
		}
		if !found {
			t.Errorf("%s is not %+v", name, want)
		}
	}
}

func tracking(t *testing.T, r *rig) {
	id := ebms.Property{Name: "trackingIdentifier", Value: "t-1"}
	r.codec.edit = func(o *Outgoing) { o.Properties = append(o.Properties, id) }
	r.send(t, xmlDocument(0))
	if in, _ := r.delivered(t); in.Header.Properties[len(in.Header.Properties)-1] != id {
		t.Errorf("properties %+v", in.Header.Properties)
	}
	ct, body := sealWith(t, ring().requester, func(h *ebms.UserMessage) { h.Properties = []ebms.Property{id, id} }).close()
	r = newRig(t)
	r.refused(t, r.post(ct, body), ebms.ValueInconsistent)
}

func accessPoints(t *testing.T, r *rig) {
	r.send(t, xmlDocument(0))
	in, _ := r.delivered(t)
	if in.Header.From.ID != requesterID || in.Header.To.ID != providerID {
		t.Errorf("from %v to %v", in.Header.From.ID, in.Header.To.ID)
	}
}

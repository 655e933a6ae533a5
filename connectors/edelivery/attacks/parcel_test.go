package attacks

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/canon"
)

const (
	partA, partB = "part-1@example.org", "part-2@example.org"
	action       = "ExecuteQueryRequest"
)

var documents = []string{"<doc>Zoë Example</doc>", "%PDF-1.7 \x00\r\n--\r\n"}

// A parcel is a message taken apart: what an attacker on the way holds.
type parcel struct {
	t           testing.TB
	agreement   agreement
	contentType string // with raw: post that as it is
	raw         []byte
	envelope    string
	parts       []swa.OutPart
}

func (p *parcel) clone() *parcel {
	q := *p
	q.parts = slices.Clone(p.parts)
	for i := range q.parts {
		q.parts[i].Content = bytes.Clone(q.parts[i].Content)
	}
	return &q
}

func unpack(t testing.TB, contentType string, body []byte) *parcel {
	t.Helper()
	rd := must(swa.NewReader(contentType, bytes.NewReader(body), swa.Limits{}))
	defer func() { _ = rd.Close() }() // nothing depends on it
	p := &parcel{t: t, envelope: string(must(rd.Envelope()))}
	for _, part := range must(rd.Parts()) {
		p.parts = append(p.parts, swa.OutPart{ID: part.ID, MediaType: part.MediaType, Content: bytes.Clone(must(part.Content.Bytes()))})
	}
	return p
}

func (p *parcel) pack() (contentType string, body []byte) {
	if p.contentType != "" {
		return p.contentType, p.raw
	}
	b := swa.Write([]byte(p.envelope), p.parts, "ATTACKBOUNDARY")
	return b.ContentType, must(io.ReadAll(b.Reader()))
}

// wire sets the message to be posted as it is, after a change of its bytes.
func (p *parcel) wire(edit func(contentType, body string) (string, string)) {
	ct, b := p.pack()
	ct, body := edit(ct, string(b))
	p.contentType, p.raw = ct, []byte(body)
}

// swap replaces exactly one place of the envelope.
func (p *parcel) swap(old, new string) {
	p.t.Helper()
	if n := strings.Count(p.envelope, old); n != 1 {
		p.t.Fatalf("%d places with %q", n, old)
	}
	p.envelope = strings.Replace(p.envelope, old, new, 1)
}

// every replaces all places of the envelope, of which there is one at least.
func (p *parcel) every(old, new string) {
	p.t.Helper()
	if !strings.Contains(p.envelope, old) {
		p.t.Fatalf("no %q", old)
	}
	p.envelope = strings.ReplaceAll(p.envelope, old, new)
}

// first replaces the first place.
func (p *parcel) first(old, new string) {
	p.t.Helper()
	if !strings.Contains(p.envelope, old) {
		p.t.Fatalf("no %q", old)
	}
	p.envelope = strings.Replace(p.envelope, old, new, 1)
}

// find returns the text from the first start to the end that follows.
func (p *parcel) find(start, end string) string {
	p.t.Helper()
	i := strings.Index(p.envelope, start)
	j := -1
	if i >= 0 {
		j = strings.Index(p.envelope[i:], end)
	}
	if j < 0 {
		p.t.Fatalf("no %q followed by %q", start, end)
	}
	return p.envelope[i : i+j+len(end)]
}

func (p *parcel) cut(start, end string) string {
	p.t.Helper()
	text := p.find(start, end)
	p.envelope = strings.Replace(p.envelope, text, "", 1)
	return text
}

// in edits the text from start to end.
func (p *parcel) in(start, end string, edit func(string) string) {
	p.t.Helper()
	text := p.find(start, end)
	changed := edit(text)
	if changed == text {
		p.t.Fatalf("nothing changed in %q", text)
	}
	p.envelope = strings.Replace(p.envelope, text, changed, 1)
}

// The elements that attacks are about.
func (p *parcel) cutMessaging() string { return p.cut("<eb:Messaging ", "</eb:Messaging>") }
func (p *parcel) cutBody() string      { return p.cut("<S12:Body ", "</S12:Body>") }
func (p *parcel) cutSignature() string { return p.cut("<ds:Signature ", "</ds:Signature>") }
func (p *parcel) signature(edit func(string) string) {
	p.t.Helper()
	p.in("<ds:Signature ", "</ds:Signature>", edit)
}
func (p *parcel) encryptedKey(edit func(string) string) {
	p.t.Helper()
	p.in("<xenc:EncryptedKey", "</xenc:EncryptedKey>", edit)
}

var wsuID = regexp.MustCompile(`wsu:Id="(msg-[^"]*)"`)

// id returns the wsu:Id of the signed Messaging.
func (p *parcel) id() string { return wsuID.FindStringSubmatch(p.envelope)[1] }

const (
	headerEnd   = "</S12:Header>"
	securityEnd = "</wsse:Security>"
	bodyEnd     = "</S12:Body>"
)

// forged is what the attacker wants to be read in place of the signed Messaging.
func forged(messaging, id string) string {
	m := strings.Replace(messaging, action, "ExceptionResponse", 1)
	if id == "" {
		return wsuID.ReplaceAllString(m, "")
	}
	return wsuID.ReplaceAllString(m, id)
}

func wrap(s string) string { return `<w:Wrap xmlns:w="urn:w">` + s + `</w:Wrap>` }

// reference is the n-th ds:Reference of the signature.
func (p *parcel) reference(n int, edit func(string) string) {
	p.t.Helper()
	all := regexp.MustCompile(`(?s)<ds:Reference .*?</ds:Reference>`).FindAllStringIndex(p.envelope, -1)
	at := all[n]
	changed := edit(p.envelope[at[0]:at[1]])
	p.envelope = p.envelope[:at[0]] + changed + p.envelope[at[1]:]
}

func replace(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

func value(s, after, end string) string {
	i := strings.Index(s, after) + len(after)
	return s[i : i+strings.Index(s[i:], end)]
}

// parse reads the envelope as it is.
func (p *parcel) parse() (*xmldoc.Document, wssec.Envelope) {
	p.t.Helper()
	doc, err := xmldoc.ParseBytes([]byte(p.envelope), xmldoc.Limits{})
	if err != nil {
		p.t.Fatal(err)
	}
	env, err := wssec.Locate(doc)
	if err != nil {
		p.t.Fatal(err)
	}
	return doc, env
}

func ds(local string) xmldoc.Name { return xmldoc.Name{Space: xmlsec.SpaceDS, Local: local} }

// info returns the canonical ds:SignedInfo.
func (p *parcel) info() []byte {
	p.t.Helper()
	_, env := p.parse()
	sig := must(xmlsec.FindSignature(env.Security))
	return must(sig.Only(ds("SignedInfo"))).AppendCanonical(nil, xmldoc.C14N{})
}

func (p *parcel) setValue(b []byte) {
	p.t.Helper()
	old := p.find("<ds:SignatureValue>", "</ds:SignatureValue>")
	p.envelope = strings.Replace(p.envelope, old, "<ds:SignatureValue>"+base64.StdEncoding.EncodeToString(b)+"</ds:SignatureValue>", 1)
}

// resign makes the signature value right again: the attacker is a partner, or holds
// the key given.
func (p *parcel) resign(key crypto.Signer) {
	p.t.Helper()
	p.setValue(signed(p.info(), key))
}

func signed(octets []byte, key crypto.Signer) []byte {
	if k, ok := key.(ed25519.PrivateKey); ok {
		return ed25519.Sign(k, octets)
	}
	h := crypto.SHA256.New()
	h.Write(octets)
	v := must(key.Sign(rand.Reader, h.Sum(nil), crypto.SHA256))
	if k, ok := key.(*ecdsa.PrivateKey); ok {
		var rs struct{ R, S *big.Int }
		_ = must(asn1.Unmarshal(v, &rs))
		width := (k.Params().BitSize + 7) / 8
		v = append(rs.R.FillBytes(make([]byte, width)), rs.S.FillBytes(make([]byte, width))...)
	}
	return v
}

// digestOf writes the digest of an element, in exclusive canonical form with the
// prefixes, into the reference to it.
func (p *parcel) digestOf(uri string, e xmldoc.Element, prefixes ...string) {
	p.t.Helper()
	h := crypto.SHA256.New()
	h.Write(e.AppendCanonical(nil, xmldoc.C14N{Prefixes: prefixes}))
	ref := p.find(`<ds:Reference URI="`+uri+`"`, "</ds:Reference>")
	old := value(ref, "<ds:DigestValue>", "<")
	p.swap(ref, strings.Replace(ref, old, base64.StdEncoding.EncodeToString(h.Sum(nil)), 1))
}

// digestMessaging makes the digest of Messaging right again.
func (p *parcel) digestMessaging(prefixes ...string) {
	p.t.Helper()
	_, env := p.parse()
	p.digestOf("#"+p.id(), env.Messaging, prefixes...)
}

// A letter is what a partner may seal as it likes.
type letter struct {
	header ebms.UserMessage
	parts  []wssec.OutPart
	sign   identity
	seal   wssec.Sealing // what else is to be said

}

func gzipped(s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_ = must(w.Write([]byte(s)))
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// seal makes a message by hand, with what the attack changes of it.
func seal(t testing.TB, a agreement, edits ...func(*letter)) *parcel {
	t.Helper()
	l := &letter{sign: a.keys.partner, header: ebms.UserMessage{
		Timestamp: testNow, MessageID: "by-hand@ap-nl-01.example.org",
		From: ebms.Party{ID: participant(partnerID), Role: pmode.OOTSRole}, To: ebms.Party{ID: participant(ourID), Role: pmode.OOTSRole},
		Service: ebms.Service{Value: pmode.OOTSService, Type: pmode.OOTSServiceType}, Action: action, ConversationID: "conversation",
	}}
	for i, id := range []string{partA, partB} {
		mediaType := []string{"application/xml", "application/pdf"}[i]
		l.parts = append(l.parts, wssec.OutPart{ID: id, MediaType: ebms.CompressionGzip, Content: gzipped(documents[i])})
		l.header.Parts = append(l.header.Parts, ebms.PartInfo{ID: id, Properties: []ebms.Property{
			{Name: ebms.PropertyMimeType, Value: mediaType}, {Name: ebms.PropertyCompressionType, Value: ebms.CompressionGzip}}})
	}
	l.seal.Profile, l.seal.SignOnly = a.keys.profile, a.signOnly
	if !a.signOnly {
		l.seal.Recipient = a.keys.decode.cert
	}
	for _, e := range edits {
		e(l)
	}
	if len(l.parts) == 0 {
		l.seal.Recipient = nil
	}
	in := l.seal
	in.MessageID, in.Parts = l.header.MessageID, l.parts
	if in.Sign.Certificate == nil {
		in.Sign = l.sign.signing()
	}
	if in.Messaging == nil {
		in.Messaging = func(id string) ([]byte, error) { return ebms.AppendUserMessage(nil, &l.header, id) }
	}
	s, err := wssec.Seal(in)
	if err != nil {
		t.Fatal(err)
	}
	return &parcel{t: t, agreement: a, envelope: string(s.Envelope), parts: s.Parts}
}

// base returns the message of our own Sender under the agreement, caught on the way.
func base(t testing.TB, a agreement) *parcel {
	t.Helper()
	caught.Lock()
	defer caught.Unlock()
	if caught.parcels == nil {
		caught.parcels = map[string]*parcel{}
	}
	p := caught.parcels[a.name]
	if p == nil {
		ct, body := catch(t, a)
		p = unpack(t, ct, body)
		caught.parcels[a.name] = p
	}
	p = p.clone()
	p.t, p.agreement = t, a
	return p
}

var caught struct {
	sync.Mutex
	parcels map[string]*parcel
}

// outbox is the codec of a Sender.
type outbox struct{ parts []edelivery.Part }

func (o outbox) Encode(context.Context, canon.Message, canon.Payloads) (edelivery.Outgoing, bool, error) {
	return edelivery.Outgoing{Action: action, OriginalSender: participant("C1"), FinalRecipient: participant("C4"), ConversationID: "conversation", Parts: o.parts}, true, nil
}

func (o outbox) Decode(context.Context, edelivery.Incoming, canon.Payloads) ([]canon.Message, error) {
	return nil, nil
}

func outgoing() outbox {
	var o outbox
	for i, id := range []string{partA, partB} {
		o.parts = append(o.parts, edelivery.Part{ID: id, MediaType: []string{"application/xml", "application/pdf"}[i], Size: -1,
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(documents[i])), nil }})
	}
	return o
}

func outMessage(name string) canon.Message {
	return canon.Message{
		ID: canon.MessageID(canon.DeriveUUID("attacks", name)), Kind: canon.KindEvidenceRequest, Conversation: "c", At: testNow,
		Body: &canon.EvidenceRequest{Envelope: canon.Envelope{Leg: canon.LegOut, From: participant(partnerID), To: participant(ourID), Exchange: "x"}},
	}
}

// catch lets a Sender of the partner send one message into the open.
func catch(t testing.TB, a agreement) (contentType string, body []byte) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		contentType, body = r.Header.Get("Content-Type"), must(io.ReadAll(r.Body))
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	to := a.known(ourID, a.keys.decode)
	to.URL, to.Retry.Attempts = server.URL, 1
	sender := must(edelivery.NewSender(edelivery.Config{
		PModes: a.table(t, partnerID, a.keys.partner, a.keys.partnerDecode, to), Codec: outgoing(),
		Remembered: edelivery.NewMemory(time.Now), Now: func() time.Time { return testNow },
	}))
	_, _ = sender.Handle(context.Background(), outMessage("base")) // fails: nobody answers
	if body == nil {
		t.Fatal("nothing was sent")
	}
	return contentType, body
}

// reencrypt encrypts the parts of a message sealed by hand anew, with the key wrapped
// as the attack has it.
func (p *parcel) reencrypt(method string, wrap func(key []byte) []byte) {
	p.t.Helper()
	key := make([]byte, 16)
	_, _ = rand.Read(key)
	for i := range p.parts {
		p.parts[i].Content = gcm(key, gzipped(documents[i]))
	}
	p.encryptedKey(func(s string) string {
		old := s[strings.Index(s, "<xenc:EncryptionMethod"):]
		old = old[:strings.Index(old, "</xenc:EncryptionMethod>")+len("</xenc:EncryptionMethod>")]
		s = strings.Replace(s, old, method, 1)
		return strings.Replace(s, value(s, "<xenc:CipherValue>", "<"), base64.StdEncoding.EncodeToString(wrap(key)), 1)
	})
}

func gcm(key, clear []byte) []byte {
	aead := must(cipher.NewGCM(must(aes.NewCipher(key))))
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce)
	return aead.Seal(nonce, nonce, clear, nil)
}

func (a agreement) recipient() *rsa.PublicKey { return a.keys.decode.cert.PublicKey.(*rsa.PublicKey) }

// errorOf returns the code of the one error of an answer, or nothing.
func errorOf(answer []byte) ebms.Code {
	doc, err := xmldoc.ParseBytes(answer, xmldoc.Limits{})
	if err != nil {
		return ""
	}
	env, err := wssec.Locate(doc)
	if err != nil {
		return ""
	}
	m, err := ebms.Read(env.Messaging)
	if err != nil || m.Signal == nil || len(m.Signal.Errors) != 1 {
		return ""
	}
	return m.Signal.Errors[0].Code
}

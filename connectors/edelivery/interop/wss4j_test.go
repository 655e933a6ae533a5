package interop

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// opened is what WSS4J found in a message.
type opened struct {
	Signer, Signature, Transport string
	Encrypted                    int
	Signed                       []struct{ Name, URI, Digest string }
	Parts                        []struct {
		ID, Type string
		Content  []byte
	}
}

// wss4jOpens lets WSS4J alone decrypt and verify.
func (r *rig) wss4jOpens(t testing.TB, contentType string, body []byte) opened {
	t.Helper()
	var o opened
	r.station.peer.ask(t, object{
		"do": "open", "file": write(t, r.dir, "message.mime", body), "content_type": contentType,
		"trust":   certificates(t, r.dir, "trust.pem", r.keys.ourSign.Cert, r.keys.authority.Cert),
		"decrypt": r.keys.theirDecrypt.files(t, r.dir, "their-decrypt", r.keys.authority.Cert),
	}, &o)
	return o
}

var variants = []struct {
	keys, peer    string
	profile       wssec.Profile
	sign, encrypt wssec.Token
}{
	{"rsa2048", "edelivery-1.15", wssec.Profile115, wssec.TokenBST, wssec.TokenBST},
	{"rsa2048", "edelivery-1.15", wssec.Profile115, wssec.TokenSKI, wssec.TokenIssuerSerial},
	{"rsa2048", "edelivery-1.15", wssec.Profile115, wssec.TokenPKIPath, wssec.TokenThumbprint},
	{"rsa4096", "edelivery-1.15", wssec.Profile115, wssec.TokenIssuerSerial, wssec.TokenSKI},
	{"eddsa", "edelivery-2.0", wssec.Profile20, wssec.TokenPKIPath, wssec.TokenBST},
	{"eddsa", "edelivery-2.0", wssec.Profile20, wssec.TokenSKI, wssec.TokenSKI},
	{"p256", "edelivery-2.0-ecdsa", wssec.Profile20ECDSA, wssec.TokenBST, wssec.TokenBST},
	{"p521", "edelivery-2.0-ecdsa", wssec.Profile20ECDSA, wssec.TokenSKI, wssec.TokenSKI},
}

// TestWSS4JVerifies: WSS4J without phase4 reads what we seal, finds everything
// covered that the profile wants covered, and verifies our receipts.
func TestWSS4JVerifies(t *testing.T) {
	t.Parallel()
	for _, v := range variants {
		t.Run(fmt.Sprint(v.keys, " ", v.sign, " ", v.encrypt), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{keys: v.keys, profile: v.peer, token: string(v.sign), encrypt: string(v.encrypt), partner: func(p *pmode.Partner) {
				p.Profile, p.SignToken, p.EncryptToken = v.profile, v.sign, v.encrypt
				p.Trust.Known, p.Allow.Tokens = known(v.keys), wssec.Tokens()
			}})
			docs := documents(3)
			r.send(t, docs...)
			_, out := r.traffic()
			o := r.wss4jOpens(t, out[0].contentType, out[0].body)
			if len(o.Signed) != 2+len(docs) || o.Signed[0].Name != "Messaging" || o.Signed[1].Name != "Body" || o.Encrypted != len(docs) {
				t.Errorf("WSS4J found %+v", o)
			}
			for i, p := range o.Parts {
				if got := gunzip(t, p.Content); !bytes.Equal(got, docs[i].content) || p.Type != "application/gzip" {
					t.Errorf("part %d = %s %q", i, p.Type, got)
				}
			}
			// Our receipt for a message of phase4.
			if s := r.phase4Sends(t, r.command(t, docs...)); s.Result != "SUCCESS" {
				t.Fatalf("phase4 says %s, %v", s.Result, s.Errors)
			}
			in, _ := r.traffic()
			o = r.wss4jOpens(t, in[0].answerType, in[0].answer)
			if len(o.Signed) != 2 || o.Signed[0].Name != "Messaging" || o.Signed[1].Name != "Body" {
				t.Errorf("in our receipt WSS4J found %+v", o)
			}
		})
	}
}

func gunzip(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Errorf("gunzip: %v", err)
		return nil
	}
	return readAll(t, z)
}

// A header is what a test writes into an envelope that WSS4J seals.
type header struct {
	id, from, to, agreement, service, action, conversation, properties, parts, body string
	after                                                                           string // the UserMessage
}

func (r *rig) header(docs ...document) header {
	h := header{
		id:           canon.DeriveUUID("wss4j", fmt.Sprint(time.Now().UnixNano())) + "@wss4j.example.org",
		from:         partyIDs("From", theirID.Scheme, theirID.ID),
		to:           partyIDs("To", ourID.Scheme, ourID.ID),
		service:      fmt.Sprintf(`<eb:Service type="%s">%s</eb:Service>`, service.Type, service.Value),
		action:       action,
		conversation: "<eb:ConversationId>" + conversation + "</eb:ConversationId>",
		properties:   `<eb:MessageProperties><eb:Property name="originalSender">C4</eb:Property><eb:Property name="finalRecipient" type="urn:t">C1</eb:Property></eb:MessageProperties>`,
	}
	h.parts = payloadInfo(docs...)
	return h
}

func partyIDs(side, scheme, id string) string {
	return fmt.Sprintf(`<eb:%s><eb:PartyId type="%s">%s</eb:PartyId><eb:Role>%s</eb:Role></eb:%s>`, side, scheme, id, role, side)
}

func payloadInfo(docs ...document) string {
	if len(docs) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("<eb:PayloadInfo>")
	for _, d := range docs {
		fmt.Fprintf(&b, `<eb:PartInfo href="cid:%s"><eb:PartProperties><eb:Property name="MimeType">%s</eb:Property><eb:Property name="CompressionType">application/gzip</eb:Property></eb:PartProperties></eb:PartInfo>`, d.id, d.mediaType)
	}
	b.WriteString("</eb:PayloadInfo>")
	return b.String()
}

func (h header) user() string {
	return `<eb:UserMessage><eb:MessageInfo><eb:Timestamp>` + time.Now().UTC().Format("2006-01-02T15:04:05.000Z") + `</eb:Timestamp><eb:MessageId>` + h.id +
		`</eb:MessageId></eb:MessageInfo><eb:PartyInfo>` + h.from + h.to + `</eb:PartyInfo><eb:CollaborationInfo>` + h.agreement + h.service +
		`<eb:Action>` + h.action + `</eb:Action>` + h.conversation + `</eb:CollaborationInfo>` + h.properties + h.parts + `</eb:UserMessage>`
}

func (h header) envelope() []byte {
	return []byte(`<soapenv:Envelope xmlns:soapenv="http://www.w3.org/2003/05/soap-envelope" xmlns:eb="http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Header><eb:Messaging soapenv:mustUnderstand="true">` +
		h.user() + h.after + `</eb:Messaging></soapenv:Header><soapenv:Body>` + h.body + `</soapenv:Body></soapenv:Envelope>`)
}

// wirePart is a part before security.
type wirePart struct {
	id, mediaType string
	content       []byte
}

func compressed(docs ...document) []wirePart {
	var out []wirePart
	for _, d := range docs {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(d.content) // into memory
		_ = z.Close()
		out = append(out, wirePart{d.id, "application/gzip", b.Bytes()})
	}
	return out
}

// wss4jSeals lets WSS4J alone sign and encrypt for the recipient; options name
// other algorithms.
func (r *rig) wss4jSeals(t testing.TB, envelope []byte, parts []wirePart, recipient identity, options object) (contentType string, body []byte) {
	t.Helper()
	list := []object{}
	for i, p := range parts {
		list = append(list, object{"id": p.id, "type": p.mediaType, "file": write(t, r.dir, fmt.Sprint("sealed", i), p.content)})
	}
	file := filepath.Join(r.dir, "sealed.mime")
	c := object{
		"do": "seal", "envelope": write(t, r.dir, "envelope.xml", envelope), "parts": list, "out": file, "profile": r.setup.profile,
		"sign":      r.keys.theirSign.files(t, r.dir, "wss4j-sign", r.keys.authority.Cert),
		"recipient": certificates(t, r.dir, "wss4j-recipient.pem", recipient.Cert),
		"signature": map[string]string{
			"edelivery-2.0":       "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519",
			"edelivery-2.0-ecdsa": "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
		}[r.setup.profile],
	}
	if c["signature"] == "" {
		delete(c, "signature")
	}
	for k, v := range options {
		c[k] = v
	}
	var said struct {
		ContentType string `json:"content_type"`
	}
	r.station.peer.ask(t, c, &said)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return said.ContentType, b
}

// TestWSS4JSigns: we take what WSS4J without phase4 signs and encrypts.
func TestWSS4JSigns(t *testing.T) {
	t.Parallel()
	for _, v := range variants {
		t.Run(fmt.Sprint(v.keys, " ", v.sign, " ", v.encrypt), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{keys: v.keys, profile: v.peer, partner: func(p *pmode.Partner) {
				p.Profile = v.profile
				p.Trust.Known, p.Allow.Tokens = known(v.keys), wssec.Tokens()
			}})
			for _, n := range []int{0, 1, 3} {
				docs := documents(n)
				ct, b := r.wss4jSeals(t, r.header(docs...).envelope(), compressed(docs...), r.keys.ourDecrypt, object{"sign_token": string(v.sign), "encrypt_token": string(v.encrypt)})
				e := r.post(ct, b)
				if e.status != 200 || codeOf(e.answer) != "" {
					t.Errorf("%d parts: status %d, %s", n, e.status, brief(e.answer))
					continue
				}
				_, taken := r.codec.taken()
				got := taken[len(taken)-1]
				if !slices.EqualFunc(got, docs, func(a, b document) bool { return a.id == b.id && bytes.Equal(a.content, b.content) }) {
					t.Errorf("%d parts: we took %v", n, got)
				}
				var receipt struct {
					References []struct {
						URI string `xml:",attr"`
					} `xml:"Header>Messaging>SignalMessage>Receipt>NonRepudiationInformation>MessagePartNRInformation>Reference"`
				}
				if err := xml.Unmarshal(e.answer, &receipt); err != nil || len(receipt.References) != 2+n {
					t.Errorf("receipt has %d references, want %d (%v)", len(receipt.References), 2+n, err)
				}
			}
		})
	}
}

// TestAlgorithms: what WSS4J can write and the agreement does not allow is refused,
// however right it is otherwise (i.11); what it allows is taken.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	docs := documents(1)
	for _, c := range []struct {
		name    string
		options object
		code    string
	}{
		{"the profile's", object{}, ""},
		{"rsa-sha1", object{"signature": "http://www.w3.org/2000/09/xmldsig#rsa-sha1"}, "security"},
		{"rsa-sha512", object{"signature": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"}, "security"},
		{"rsa-pss", object{"signature": "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"}, "security"},
		{"sha1 digests", object{"digest": "http://www.w3.org/2000/09/xmldsig#sha1"}, "security"},
		{"sha512 digests", object{"digest": "http://www.w3.org/2001/04/xmlenc#sha512"}, "security"},
		{"rsa-1_5", object{"transport": "http://www.w3.org/2001/04/xmlenc#rsa-1_5"}, "security"},
		{"rsa-oaep-mgf1p", object{"transport": "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"}, "security"},
		{"mgf1sha1", object{"mgf": "http://www.w3.org/2009/xmlenc11#mgf1sha1"}, "security"},
		{"aes256-gcm", object{"data": "http://www.w3.org/2009/xmlenc11#aes256-gcm"}, "security"},
		{"aes128-cbc", object{"data": "http://www.w3.org/2001/04/xmlenc#aes128-cbc"}, "security"},
		{"not signed", object{"sign": nil}, "security"},
		{"not encrypted", object{"recipient": nil}, "security"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{})
			ct, b := r.wss4jSeals(t, r.header(docs...).envelope(), compressed(docs...), r.keys.ourDecrypt, c.options)
			e := r.post(ct, b)
			if got := codeOf(e.answer); got != c.code && (c.code != "security" || !security(got)) {
				t.Errorf("status %d, %s", e.status, brief(e.answer))
			}
			if in, _ := r.codec.taken(); len(in) != 0 && c.code != "" {
				t.Error("we handed it on")
			}
		})
	}
}

package xmlsec_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// An AS4 header: Messaging of real size, an empty Body and one attachment.
const benchMessaging = `<eb:Messaging S:mustUnderstand="true" wsu:Id="msg"><eb:UserMessage><eb:MessageInfo><eb:Timestamp>2031-01-29T15:39:03.805Z</eb:Timestamp><eb:MessageId>6f1c@gw.example</eb:MessageId></eb:MessageInfo>` +
	`<eb:PartyInfo><eb:From><eb:PartyId type="urn:oasis:names:tc:ebcore:partyid-type:unregistered">gw-xx</eb:PartyId><eb:Role>` + ebSpace + `initiator</eb:Role></eb:From>` +
	`<eb:To><eb:PartyId type="urn:oasis:names:tc:ebcore:partyid-type:unregistered">gw-yy</eb:PartyId><eb:Role>` + ebSpace + `responder</eb:Role></eb:To></eb:PartyInfo>` +
	`<eb:CollaborationInfo><eb:AgreementRef>urn:test:agreement</eb:AgreementRef><eb:Service type="urn:test">urn:test:service</eb:Service><eb:Action>ExecuteQueryRequest</eb:Action><eb:ConversationId>c-1</eb:ConversationId></eb:CollaborationInfo>` +
	`<eb:MessageProperties><eb:Property name="originalSender" type="urn:test">xx</eb:Property><eb:Property name="finalRecipient" type="urn:test">yy</eb:Property></eb:MessageProperties>` +
	`<eb:PayloadInfo><eb:PartInfo href="cid:payload@test"><eb:PartProperties><eb:Property name="MimeType">application/x-ebrs+xml</eb:Property><eb:Property name="CompressionType">application/gzip</eb:Property></eb:PartProperties></eb:PartInfo></eb:PayloadInfo>` +
	`</eb:UserMessage></eb:Messaging>`

var benchEnvelope = `<S:Envelope xmlns:S="` + soapSpace + `" xmlns:wsu="` + xmlsec.SpaceWSU + `" xmlns:wsse="` + xmlsec.SpaceWSSE + `" xmlns:eb="` + ebSpace + `"><S:Header>` +
	`<wsse:Security S:mustUnderstand="true">SIGNATURE</wsse:Security>` + benchMessaging + `</S:Header>` + body0 + `</S:Envelope>`

// Sign and Verify of an AS4 header, each beside the bare cryptographic operation.
func BenchmarkHeader(b *testing.B) {
	sum := sha256.Sum256(payload)
	for _, k := range []struct {
		name string
		key  crypto.Signer
		opts crypto.SignerOpts
	}{{"rsa2048", keys().rsa, crypto.SHA256}, {"p256", keys().p256, crypto.SHA256}, {"ed25519", keys().ed, crypto.Hash(0)}} {
		unsigned := parse(b, benchEnvelope)
		targets := []xmlsec.Target{
			{ID: "msg", Element: elementWithID(b, unsigned, "msg"), Prefixes: []string{"S"}},
			{ID: "body", Element: elementWithID(b, unsigned, "body")},
			{CID: "payload@test", Digest: sum[:]},
		}
		sign := func() *xmlsec.Signature {
			s, err := xmlsec.Sign(xmlsec.Signing{Key: k.key, ID: "SIG-1", KeyInfo: []byte(tokenReference), Targets: targets})
			if err != nil {
				b.Fatal(err)
			}
			return s
		}
		b.Run(k.name+"/sign", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sign()
			}
		})
		b.Run(k.name+"/sign-bare", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.key.Sign(rand.Reader, sum[:], k.opts); err != nil {
					b.Fatal(err)
				}
			}
		})
		wire := []byte(strings.Replace(benchEnvelope, "SIGNATURE", string(sign().XML), 1))
		verify := func(b *testing.B, doc *xmldoc.Document) {
			if _, err := xmlsec.Verify(xmlsec.Verification{Signature: findSignature(b, doc), Key: xmlsec.WithKey(k.key.Public()), Attachments: attachments(payload), Policy: allowAll}); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(k.name+"/parse-verify", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				doc, err := xmldoc.ParseBytes(wire, xmldoc.Limits{})
				if err != nil {
					b.Fatal(err)
				}
				verify(b, doc)
			}
		})
		doc := parse(b, string(wire))
		b.Run(k.name+"/verify", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				verify(b, doc)
			}
		})
		value, err := k.key.Sign(rand.Reader, sum[:], k.opts)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(k.name+"/verify-bare", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !bareVerify(k.key.Public(), sum[:], value) {
					b.Fatal("bare verification failed")
				}
			}
		})
	}
}

func bareVerify(pub crypto.PublicKey, sum, value []byte) bool {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum, value) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, sum, value)
	case ed25519.PublicKey:
		return ed25519.Verify(k, sum, value)
	}
	return false
}

// Encrypt and Decrypt of 10 KB, each beside the bare key transport.
func BenchmarkAttachment(b *testing.B) {
	content := make([]byte, 10<<10)
	encrypt := func() *xmlsec.Encrypted {
		out, err := xmlsec.Encrypt(xmlsec.Encryption{Recipient: keys().rsa.Public(), KeyID: "EK", KeyInfo: []byte(tokenReference), Parts: []xmlsec.Part{{CID: "p", DataID: "ED", Content: content}}})
		if err != nil {
			b.Fatal(err)
		}
		return out
	}
	b.Run("encrypt", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			encrypt()
		}
	})
	out := encrypt()
	in := decryption(b, "<h>"+string(out.Key)+string(out.Data[0])+"</h>", map[string][]byte{"p": out.Sealed[0]}, keys().rsa)
	b.Run("decrypt", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := xmlsec.Decrypt(in); err != nil {
				b.Fatal(err)
			}
		}
	})
}

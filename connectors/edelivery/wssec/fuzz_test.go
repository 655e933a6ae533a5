package wssec

import (
	"bytes"
	"testing"

	"oncegate/connectors/xmldoc"
)

func FuzzOpen(f *testing.F) {
	// The seeds are made by hand and signed by a key that is gone: a corpus that is
	// kept holds no key. A fresh one joins them for each run.
	fresh := sealed(f, TokenBST, OutPart{ID: "a@x", MediaType: "application/gzip", Content: []byte("one")})
	f.Add(fresh.Envelope)
	f.Add(sealed(f, TokenSKI).Envelope)
	for _, token := range []Token{TokenPKIPath, TokenIssuerSerial, TokenThumbprint} {
		f.Add(sealed(f, token).Envelope)
	}
	agreed := parties()["Ed25519"]
	twenty, err := Seal(Sealing{Messaging: header, MessageID: "m@x", Profile: agreed.profile, Sign: agreed.from.sign, Recipient: agreed.to.decrypt.Certificate,
		Parts: []OutPart{{ID: "a@x", MediaType: "application/gzip", Content: []byte("one")}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(twenty.Envelope)
	want, err := header("msg-" + newIDs("m@x").seed)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := xmldoc.ParseBytes(b, xmldoc.Limits{MaxBytes: 1 << 16})
		if err != nil {
			return
		}
		env, err := Locate(doc)
		if err != nil {
			if code(err) == "" {
				t.Fatalf("error without a code: %v", err)
			}
			return
		}
		openings := []Opening{
			{},
			{Parts: []SealedPart{{ID: "a@x", Content: bytes.Clone(fresh.Parts[0].Content)}}},
			{Parts: []SealedPart{{ID: "a@x", MediaType: "text/xml", Content: []byte("<a/>")}}, SignOnly: true},
			{Parts: []SealedPart{{ID: "a@x", Content: bytes.Clone(twenty.Parts[0].Content)}}, Profile: Profile20},
		}
		for _, in := range openings {
			in.Envelope, in.Now = env, testNow
			in.Verifier = pinned(t, ring().sender.cert, agreed.from.sign.Certificate)
			in.Decrypt = []Decryption{{Certificate: ring().receiver.cert, Key: ring().receiver.key}, agreed.to.decrypt}
			in.Allow.Tokens = Tokens()
			o, err := Open(t.Context(), in)
			if err != nil {
				if code(err) == "" {
					t.Fatalf("error without a code: %v", err)
				}
				continue
			}
			// Only one message was ever signed: whatever opens says the same.
			if got := o.Messaging.AppendCanonical(nil, xmldoc.C14N{}); !bytes.Equal(got, want) {
				t.Fatalf("forged: %s", got)
			}
		}
	})
}

// FuzzIssuerName reads names as peers write them; what is read of our own writing is
// the issuer.
func FuzzIssuerName(f *testing.F) {
	for _, s := range []string{`CN=Root,O=Example\, PKI,C=EU`, `C=EU, O="Example, PKI", CN=Root`, "OID.=x", `1.2.3=#0c0141+CN=\c3\ab`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := parseName(s)
		if err == nil && len(name) == 0 {
			t.Fatal("a name of nothing")
		}
	})
}

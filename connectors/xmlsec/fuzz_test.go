package xmlsec_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// FuzzVerify changes signed documents. Nothing panics; and since the fuzzer does not
// know the key, whatever still verifies covers elements with the octets that were signed.
// The key comes from a constant seed, so that every worker of the fuzzer has the same.
func FuzzVerify(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	policy := xmlsec.Policy{Signatures: []xmlsec.SignatureAlgorithm{xmlsec.Ed25519}}
	good, other := signedEnvelope(f, key, envelope0), signed(f, xmlsec.Signing{Key: key})
	f.Add([]byte(good))
	f.Add([]byte(strings.Replace(good, messaging0, "<w>"+messaging0+"</w>", 1)))
	f.Add([]byte(other))
	allowed := map[string]bool{}
	form := xmldoc.C14N{Prefixes: []string{"S", "unused", "#default"}}
	for _, s := range []string{good, other} {
		for e := range parse(f, s).Root().Descendants() {
			allowed[string(e.AppendCanonical(nil, form))] = true
			allowed[string(e.AppendCanonical(nil, xmldoc.C14N{}))] = true
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		doc, err := xmldoc.ParseBytes(in, xmldoc.Limits{})
		if err != nil {
			return
		}
		for e := range doc.Root().Descendants() {
			if e.Name().Local != "Signature" {
				continue
			}
			v, err := xmlsec.Verify(xmlsec.Verification{Signature: e, Key: xmlsec.WithKey(key.Public()), Attachments: attachments(payload), Policy: policy})
			if err != nil {
				if v != nil {
					t.Fatal("a refusal that covers something")
				}
				continue
			}
			for _, c := range v.Elements() {
				got := string(c.AppendCanonical(nil, xmldoc.C14N{}))
				if !allowed[got] && !allowed[string(c.AppendCanonical(nil, form))] {
					t.Fatalf("covers what was never signed: %s", got)
				}
			}
		}
	})
}

// FuzzDecrypt changes the XML of encrypted parts: nothing panics, and what opens was sealed by us.
func FuzzDecrypt(f *testing.F) {
	header, _ := encrypted(f, xmlsec.AES128GCM)
	session := unwrapsTo(make([]byte, 16))
	block, err := aes.NewCipher(session)
	if err != nil {
		f.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		f.Fatal(err)
	}
	nonce := make([]byte, 12)
	f.Add([]byte(header), gcm.Seal(nonce, nonce, []byte("first content"), nil))
	f.Fuzz(func(t *testing.T, in, content []byte) {
		doc, err := xmldoc.ParseBytes(in, xmldoc.Limits{})
		if err != nil {
			return
		}
		d := xmlsec.Decryption{
			Key:        func(xmldoc.Element) (crypto.Decrypter, error) { return session, nil },
			Ciphertext: func(string) ([]byte, error) { return content, nil },
		}
		for e := range doc.Root().Descendants() {
			switch e.Name().Local {
			case "EncryptedKey":
				d.Keys = append(d.Keys, e)
			case "EncryptedData":
				d.Data = append(d.Data, e)
			}
		}
		parts, err := xmlsec.Decrypt(d)
		if err != nil && parts != nil {
			t.Fatal("a refusal that delivers")
		}
		for _, p := range parts {
			if string(p.Content) != "first content" {
				t.Fatalf("opened %q", base64.StdEncoding.EncodeToString(p.Content))
			}
		}
	})
}

// FuzzAgreement changes the XML of keys that were agreed on. The recipient's key is a
// constant, so that every worker opens what another sealed.
func FuzzAgreement(f *testing.F) {
	key, err := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	header, sealed := agreed(f, key.PublicKey())
	f.Add([]byte(header), sealed["a"])
	header, sealed = agreed(f, newAgreementKey(f, ecdh.P256()).PublicKey())
	f.Add([]byte(header), sealed["a"])
	f.Fuzz(func(t *testing.T, in, content []byte) {
		if len(in) > 1<<16 {
			return
		}
		doc, err := xmldoc.ParseBytes(in, xmldoc.Limits{})
		if err != nil {
			return
		}
		d := xmlsec.Decryption{
			Agree:      func(xmldoc.Element) (ecdh.KeyExchanger, error) { return key, nil },
			Ciphertext: func(string) ([]byte, error) { return content, nil },
			Policy:     xmlsec.EncryptionPolicy{Agreements: agreements},
		}
		for e := range doc.Root().Descendants() {
			switch e.Name().Local {
			case "EncryptedKey":
				d.Keys = append(d.Keys, e)
			case "EncryptedData":
				d.Data = append(d.Data, e)
			}
		}
		parts, err := xmlsec.Decrypt(d)
		if err != nil && parts != nil {
			t.Fatal("a refusal that delivers")
		}
		if _, ok := errors.AsType[*xmlsec.Refusal](err); err != nil && !ok {
			t.Fatalf("an error without a reason: %v", err)
		}
		for _, p := range parts {
			if s := string(p.Content); s != "first content" && s != "second content" {
				t.Fatalf("opened %q", base64.StdEncoding.EncodeToString(p.Content))
			}
		}
	})
}

// unwrapsTo is a private key that finds the same session key in everything: the
// workers of the fuzzer need one key, and RSA keys cannot be made from a seed.
type unwrapsTo []byte

func (k unwrapsTo) Public() crypto.PublicKey { return nil }

func (k unwrapsTo) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) {
	return slices.Clone(k), nil
}

func FuzzParseCID(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	f.Add("cid:a%40b")
	f.Fuzz(func(t *testing.T, in string) {
		cid, err := xmlsec.ParseCID(in)
		if err != nil {
			return
		}
		s := xmlsec.Signing{Key: key, Targets: []xmlsec.Target{{CID: cid, Digest: make([]byte, 32)}}}
		sig, err := xmlsec.Sign(s)
		if err != nil {
			if strings.ContainsRune(cid, '\uFFFD') || len(cid) > 300 {
				return
			}
			t.Fatalf("a Content-ID that was read cannot be written: %q: %v", cid, err)
		}
		if again, err := xmlsec.ParseCID(sig.References[0].URI); err != nil || again != cid {
			t.Fatalf("%q comes back as %q, %v", cid, again, err)
		}
	})
}

package exchangelog

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"oncegate/schemas/canon"
)

// fixed is a key of the tests; a fuzzer wants the same one in every process.
func fixed(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// FuzzOpen: bytes that nobody sealed open nothing, and what was sealed for the record is
// unpacked within bounds, or refused.
func FuzzOpen(f *testing.F) {
	k, id := fixed(f), canon.MessageID(canon.DeriveUUID("record"))
	public, err := hpke.NewDHKEMPublicKey(k.PublicKey())
	if err != nil {
		f.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("<query:QueryRequest/>")) // to memory
	_ = z.Close()
	f.Add(packed.Bytes(), true)
	f.Add(packed.Bytes(), false)
	f.Fuzz(func(t *testing.T, data []byte, sealed bool) {
		if sealed {
			if data, err = hpke.Seal(public, hpke.HKDFSHA256(), hpke.AES256GCM(), info(id), data); err != nil {
				t.Fatal(err)
			}
		}
		m := canon.Message{ID: id, Kind: canon.KindExchangeRecord, Body: &canon.ExchangeRecord{Sealed: canon.SealedDocument{Key: "k", Data: data}}}
		document, err := Open(m, k)
		switch {
		case err == nil && !sealed:
			t.Fatal("what nobody sealed is opened")
		case err == nil && len(document) > MaxDocument, err != nil && document != nil:
			t.Fatalf("got %d bytes, %v", len(document), err)
		}
	})
}

// FuzzKeys: what is taken for a key can be used as one, and an error quotes nothing of
// what may be a private one.
func FuzzKeys(f *testing.F) {
	k := fixed(f)
	public, err := x509.MarshalPKIXPublicKey(k.PublicKey())
	if err != nil {
		f.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		f.Fatal(err)
	}
	for _, kind := range []string{"PUBLIC KEY", "PRIVATE KEY"} {
		for _, der := range [][]byte{public, private} {
			f.Add(kind, der)
		}
	}
	f.Fuzz(func(t *testing.T, kind string, der []byte) {
		data := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		if data == nil {
			data = der
		}
		pub, err := ParsePublicKey(data)
		if err == nil {
			if _, err := hpke.NewDHKEMPublicKey(pub); err != nil {
				t.Errorf("a public key cannot be used: %v", err)
			}
		}
		priv, err := ParsePrivateKey(data)
		switch {
		case err == nil:
			if _, err := hpke.NewDHKEMPrivateKey(priv); err != nil {
				t.Errorf("a private key cannot be used: %v", err)
			}
		case len(der) > 8 && strings.Contains(err.Error(), string(der)):
			t.Errorf("the error quotes the key: %v", err)
		}
	})
}

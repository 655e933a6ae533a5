package xmlsec

import (
	"crypto/ecdh"
	"crypto/rand"
	"testing"
)

// The first byte of one key in 256 would be that of a DER INTEGER.
func TestEphemeralKeyIsNotTakenForAnInteger(t *testing.T) {
	recipient, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		a, err := newAgreement(recipient.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		if b := a.originator.Bytes(); b[0] == derInteger {
			t.Fatalf("key %x", b)
		}
	}
}

package wssec

import (
	"crypto/rsa"
	"crypto/x509"
	"sync"
	"time"

	"oncegate/connectors/pkitest"
)

// A keypair is made for the test run and never kept.
type keypair struct {
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

var testNow = time.Date(2026, 9, 14, 9, 31, 7, 0, time.UTC)

func newKeypair(name string, issuer *keypair, edit pkitest.Edit) keypair {
	return certify(pkitest.NewRSA(2048), name, issuer, edit)
}

// certify certifies a key; without an issuer by itself.
func certify(key *rsa.PrivateKey, name string, issuer *keypair, edit pkitest.Edit) keypair {
	edits := []pkitest.Edit{pkitest.Usage(x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment), pkitest.Around(testNow), edit}
	if issuer == nil {
		return keypair{pkitest.SelfSigned(name, key, edits...).Cert, key}
	}
	return keypair{pkitest.Pair{Cert: issuer.cert, Key: issuer.key}.Issue(name, key, edits...).Cert, key}
}

var ring = sync.OnceValue(func() (r struct{ sender, receiver keypair }) {
	r.sender = newKeypair("AP_NL_01", nil, nil)
	r.receiver = newKeypair("AP_FI_03", nil, nil)
	return r
})

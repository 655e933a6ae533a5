package wssec

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A keypair is made for the test run and never kept.
type keypair struct {
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

var serial atomic.Int64

var testNow = time.Date(2026, 9, 14, 9, 31, 7, 0, time.UTC)

func newKeypair(name string, issuer *keypair, edit func(*x509.Certificate)) keypair {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return certify(key, name, issuer, edit)
}

func certify(key *rsa.PrivateKey, name string, issuer *keypair, edit func(*x509.Certificate)) keypair {
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    testNow.AddDate(-1, 0, 0), NotAfter: testNow.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	if edit != nil {
		edit(tmpl)
	}
	parent, signer := tmpl, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return keypair{cert, key}
}

func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

var ring = sync.OnceValue(func() (r struct{ sender, receiver keypair }) {
	r.sender = newKeypair("AP_NL_01", nil, nil)
	r.receiver = newKeypair("AP_FI_03", nil, nil)
	return r
})

// asset reads a file of the shared collection; without the collection the test is
// skipped.
func asset(t testing.TB, name string) []byte {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		root := filepath.Join(dir, "shared", "assets", "as4")
		if _, err := os.Stat(root); err != nil {
			continue
		}
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	t.Skip("shared/assets/as4 is not there: captured messages are not checked")
	return nil
}

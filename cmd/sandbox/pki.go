package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// A pki is the certification authority of the landscape. It lives as long as
// the process; nothing of it is ever shipped.
type pki struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	now  func() time.Time
}

func newPKI(now func() time.Time) (*pki, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating sandbox CA key: %w", err)
	}
	tpl := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "oncegate sandbox CA", Organization: []string{"oncegate sandbox"}},
		NotBefore:             now().Add(-time.Hour),
		NotAfter:              now().AddDate(1, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("creating sandbox CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading sandbox CA: %w", err)
	}
	return &pki{cert: cert, key: key, now: now}, nil
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic("no randomness: " + err.Error()) // crypto/rand never fails on a working system
	}
	return n.Add(n, big.NewInt(1))
}

// tlsServer returns a certificate for loopback servers.
func (p *pki) tlsServer() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("generating TLS key: %w", err)
	}
	der, err := p.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "localhost"},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key.Public())
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// accessPoint returns an RSA key and certificate of an AS4 access point, for
// signing and for key transport (eDelivery AS4 1.15).
func (p *pki) accessPoint(name string) (*rsa.PrivateKey, []byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, fmt.Errorf("generating access point key: %w", err)
	}
	der, err := p.issue(&x509.Certificate{
		Subject:  pkix.Name{CommonName: name, Organization: []string{"oncegate sandbox"}},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}, key.Public())
	if err != nil {
		return nil, nil, err
	}
	return key, der, nil
}

func (p *pki) issue(tpl *x509.Certificate, pub crypto.PublicKey) ([]byte, error) {
	tpl.SerialNumber = serial()
	tpl.NotBefore, tpl.NotAfter = p.now().Add(-time.Hour), p.now().AddDate(1, 0, -1)
	der, err := x509.CreateCertificate(rand.Reader, tpl, p.cert, pub, p.key)
	if err != nil {
		return nil, fmt.Errorf("issuing certificate for %s: %w", tpl.Subject.CommonName, err)
	}
	return der, nil
}

func (p *pki) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.cert)
	return pool
}

// writePEM writes blocks to a file that only the owner reads.
func writePEM(path string, blocks ...*pem.Block) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("creating %s: %w", filepath.Dir(path), err)
	}
	var out []byte
	for _, b := range blocks {
		out = append(out, pem.EncodeToMemory(b)...)
	}
	if err := os.WriteFile(path, out, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func writeKeyPair(keyPath, certPath string, key crypto.PrivateKey, der []byte) error {
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encoding key: %w", err)
	}
	if err := writePEM(keyPath, &pem.Block{Type: "PRIVATE KEY", Bytes: k}); err != nil {
		return err
	}
	return writePEM(certPath, &pem.Block{Type: "CERTIFICATE", Bytes: der})
}

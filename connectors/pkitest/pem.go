package pkitest

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
)

// PEM is content under a label.
func PEM(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

// CertificatePEM is a file of certificates, in their order.
func CertificatePEM(cs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range cs {
		out = append(out, PEM("CERTIFICATE", c.Raw)...)
	}
	return out
}

// KeyPEM is the file of a key in PKCS#8.
func KeyPEM(key crypto.PrivateKey) []byte {
	return PEM("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))
}

// Write writes name.pem, the certificate and what leads to its authority, and name.key.
func (p Pair) Write(dir, name string, chain ...*x509.Certificate) error {
	file := filepath.Join(dir, name)
	return errors.Join(
		os.WriteFile(file+".pem", CertificatePEM(append([]*x509.Certificate{p.Cert}, chain...)...), 0o600),
		os.WriteFile(file+".key", KeyPEM(p.Key), 0o600))
}

package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"oncegate/connectors/edelivery/keystore"
	"oncegate/connectors/edelivery/wssec"
)

// The two parties. B is under test and A is the load: what A sends and what A answers.
const (
	partyA = "AP_A"
	partyB = "AP_B"
)

// A profile of eDelivery AS4 with its names at phase4 and in files.
type profile struct {
	name   string // in the table
	wssec  wssec.Profile
	phase4 string
	files  string
}

var (
	rsa115  = profile{"1.15", wssec.Profile115, "edelivery-1.15", "rsa"}
	eddsa20 = profile{"2.0", wssec.Profile20, "edelivery-2.0", "eddsa"}
)

func profiles() []profile { return []profile{rsa115, eddsa20} }

// action is what tells the agreements of the two parties apart.
func (p profile) action() string { return "Query-" + p.files }

// makeKeys writes the keys of both parties and their authority as PEM files.
func makeKeys(dir string) error {
	pub, ca, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	root := template("Authority")
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, root, root, pub, ca)
	if err != nil {
		return err
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	if err := write(dir, "authority.pem", "CERTIFICATE", der); err != nil {
		return err
	}
	for _, party := range []string{partyA, partyB} {
		if err := makeParty(dir, party, root, ca); err != nil {
			return fmt.Errorf("making keys of %s: %w", party, err)
		}
	}
	return nil
}

func makeParty(dir, party string, root *x509.Certificate, ca ed25519.PrivateKey) error {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	_, e, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	x, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	for _, k := range []struct {
		name string
		of   profile
		key  any
		pub  crypto.PublicKey
	}{
		{"sign", rsa115, r, r.Public()},
		{"decrypt", rsa115, r, r.Public()},
		{"sign", eddsa20, e, e.Public()},
		{"decrypt", eddsa20, x, x.PublicKey()},
	} {
		c, err := issue(party, k.pub, root, ca)
		if err != nil {
			return err
		}
		key, err := x509.MarshalPKCS8PrivateKey(k.key)
		if err != nil {
			return err
		}
		name := fileOf(party, k.of, k.name)
		if err := errors.Join(write(dir, name+".pem", "CERTIFICATE", c), write(dir, name+".key", "PRIVATE KEY", key)); err != nil {
			return err
		}
	}
	return nil
}

func fileOf(party string, p profile, use string) string { return party + "-" + p.files + "-" + use }

func template(name string) *x509.Certificate {
	serial := make([]byte, 12)
	_, _ = rand.Read(serial) // never fails
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(append([]byte{1}, serial...)), Subject: pkix.Name{CommonName: name, Organization: []string{"Bench"}},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement,
	}
}

func issue(name string, pub crypto.PublicKey, root *x509.Certificate, ca ed25519.PrivateKey) ([]byte, error) {
	tmpl := template(name)
	if _, ok := pub.(*ecdh.PublicKey); !ok {
		return x509.CreateCertificate(rand.Reader, tmpl, root, pub, ca)
	}
	return issueAgreement(tmpl, pub, root, ca)
}

// issueAgreement certifies an X25519 key, which crypto/x509 does not: a certificate for
// an Ed25519 key, which looks the same but for one byte of the algorithm, is signed
// again after the key was exchanged.
func issueAgreement(tmpl *x509.Certificate, pub crypto.PublicKey, root *x509.Certificate, ca ed25519.PrivateKey) ([]byte, error) {
	stand, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(stand)
	tmpl.SubjectKeyId = sum[:20]
	der, err := x509.CreateCertificate(rand.Reader, tmpl, root, stand, ca)
	if err != nil {
		return nil, err
	}
	from, err := x509.MarshalPKIXPublicKey(stand)
	if err != nil {
		return nil, err
	}
	to, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	der = bytes.Replace(der, from, to, 1)
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	copy(der[len(der)-ed25519.SignatureSize:], ed25519.Sign(ca, c.RawTBSCertificate))
	return der, nil
}

func write(dir, name, kind string, der []byte) error {
	return os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// files reads the keys as a keystore does.
type files string

func (f files) Public(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), name))
}
func (f files) Secret(name string) ([]byte, error) { return f.Public(name) }

func open(ctx context.Context, dir, party string, p profile, use, provider string) (keystore.Entry, error) {
	name := fileOf(party, p, use)
	return keystore.Open(ctx, keystore.Ref{Certificate: name + ".pem", Key: name + ".key", Provider: provider}, files(dir))
}

func identity(ctx context.Context, dir, party string, p profile, provider string) (wssec.Identity, error) {
	e, err := open(ctx, dir, party, p, "sign", provider)
	if err != nil {
		return wssec.Identity{}, err
	}
	key, ok := e.Signer()
	if !ok {
		return wssec.Identity{}, errors.New("key does not sign")
	}
	return wssec.Identity{Certificate: e.Certificate, Chain: e.Chain, Key: key}, nil
}

func decryption(ctx context.Context, dir, party string, p profile, provider string) (wssec.Decryption, error) {
	e, err := open(ctx, dir, party, p, "decrypt", provider)
	if err != nil {
		return wssec.Decryption{}, err
	}
	d := wssec.Decryption{Certificate: e.Certificate}
	if d.Key, _ = e.Decrypter(); d.Key == nil {
		d.Agreement, _ = e.Agreement()
	}
	return d, nil
}

// certificate reads one that is public.
func certificate(dir, name string) (*x509.Certificate, error) {
	b, err := files(dir).Public(name + ".pem")
	if err != nil {
		return nil, err
	}
	cs, err := keystore.Certificates(b)
	if err != nil {
		return nil, err
	}
	return cs[0], nil
}

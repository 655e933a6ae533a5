package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"oncegate/connectors/edelivery/keystore"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/pkitest"
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

// makeKeys writes the keys of both parties and the certificate of their authority.
func makeKeys(dir string) error {
	root := pkitest.SelfSigned("Authority", pkitest.Ed25519(), bench, pkitest.Authority)
	if err := os.WriteFile(filepath.Join(dir, "authority.pem"), pkitest.CertificatePEM(root.Cert), 0o600); err != nil {
		return err
	}
	for _, party := range []string{partyA, partyB} {
		r := root.Issue(party, pkitest.NewRSA(2048), bench)
		for name, pair := range map[string]pkitest.Pair{
			fileOf(party, rsa115, "sign"):     r,
			fileOf(party, rsa115, "decrypt"):  r,
			fileOf(party, eddsa20, "sign"):    root.Issue(party, pkitest.Ed25519(), bench),
			fileOf(party, eddsa20, "decrypt"): root.Issue(party, pkitest.X25519(), bench),
		} {
			if err := pair.Write(dir, name); err != nil {
				return fmt.Errorf("writing keys of %s: %w", party, err)
			}
		}
	}
	return nil
}

// bench is the organisation of all certificates.
func bench(c *x509.Certificate) { c.Subject.Organization = []string{"Bench"} }

func fileOf(party string, p profile, use string) string { return party + "-" + p.files + "-" + use }

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

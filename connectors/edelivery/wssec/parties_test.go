package wssec

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"sync"
	"testing"
)

// A party has what one side of an agreement needs: a certificate to sign and one to
// be encrypted for.
type party struct {
	sign    Identity
	decrypt Decryption
}

// parties are the two sides of an agreement in each profile, and on each curve.
var parties = sync.OnceValue(func() map[string]struct {
	profile  Profile
	from, to party
} {
	type agreement = struct {
		profile  Profile
		from, to party
	}
	k := ring()
	all := map[string]agreement{"RSA": {
		profile: Profile115,
		from:    party{sign: Identity{Certificate: k.sender.cert, Key: k.sender.key}},
		to: party{sign: Identity{Certificate: k.receiver.cert, Key: k.receiver.key},
			decrypt: Decryption{Certificate: k.receiver.cert, Key: k.receiver.key}},
	}}
	root := selfSigned()
	ed := func(name string) party {
		pub, key, err := ed25519.GenerateKey(rand.Reader)
		must(err)
		agree, err := ecdh.X25519().GenerateKey(rand.Reader)
		must(err)
		return party{
			sign:    Identity{Certificate: root.certify(name, pub, x509.KeyUsageDigitalSignature), Key: key, Chain: []*x509.Certificate{root.cert}},
			decrypt: Decryption{Certificate: root.certifyX25519(name, agree.PublicKey()), Agreement: agree},
		}
	}
	all["Ed25519"] = agreement{Profile20, ed("AP_NL_01"), ed("AP_FI_03")}
	ec := func(name string, c elliptic.Curve) party {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		must(err)
		other, err := ecdsa.GenerateKey(c, rand.Reader)
		must(err)
		agree, err := other.ECDH()
		must(err)
		return party{
			sign:    Identity{Certificate: root.certify(name, key.Public(), x509.KeyUsageDigitalSignature), Key: key, Chain: []*x509.Certificate{root.cert}},
			decrypt: Decryption{Certificate: root.certify(name, other.Public(), x509.KeyUsageKeyAgreement), Agreement: agree},
		}
	}
	for name, c := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		all[name] = agreement{Profile20ECDSA, ec("AP_NL_01", c), ec("AP_FI_03", c)}
	}
	return all
})

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// An issuer is an authority of the test run.
type issuer struct {
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

func selfSigned() issuer {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)), Subject: pkix.Name{Country: []string{"EU"}, Organization: []string{"Example, PKI"}, CommonName: "Root"},
		NotBefore: testNow.AddDate(-1, 0, 0), NotAfter: testNow.AddDate(1, 0, 0),
	}
	authority(tmpl)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, pub, key)
	must(err)
	cert, err := x509.ParseCertificate(der)
	must(err)
	return issuer{cert, key}
}

func (i issuer) certify(name string, pub crypto.PublicKey, usage x509.KeyUsage) *x509.Certificate {
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)), Subject: pkix.Name{CommonName: name},
		NotBefore: testNow.AddDate(-1, 0, 0), NotAfter: testNow.AddDate(1, 0, 0), KeyUsage: usage,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, i.cert, pub, i.key)
	must(err)
	cert, err := x509.ParseCertificate(der)
	must(err)
	return cert
}

// certifyX25519 writes the key into a certificate of an Ed25519 key, whose encoding
// is as long, and signs it again: x509.CreateCertificate refuses such keys.
func (i issuer) certifyX25519(name string, pub *ecdh.PublicKey) *x509.Certificate {
	placeholder, _, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	draft := i.certify(name, placeholder, x509.KeyUsageKeyAgreement)
	info, err := x509.MarshalPKIXPublicKey(pub)
	must(err)
	tbs := bytes.Replace(draft.RawTBSCertificate, draft.RawSubjectPublicKeyInfo, info, 1)
	der, err := asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 3, 101, 112}}, asn1.BitString{Bytes: ed25519.Sign(i.key, tbs), BitLength: 512}})
	must(err)
	cert, err := x509.ParseCertificate(der)
	must(err)
	must(cert.CheckSignatureFrom(i.cert))
	return cert
}

// open opens what was sealed by from for to.
func open(t testing.TB, s *Sealed, in Opening) (*Opened, error) {
	t.Helper()
	env, err := Locate(parse(t, s.Envelope))
	if err != nil {
		return nil, err
	}
	in.Envelope, in.Now = env, testNow
	for _, p := range s.Parts {
		in.Parts = append(in.Parts, SealedPart{ID: p.ID, MediaType: p.MediaType, Content: bytes.Clone(p.Content)})
	}
	return Open(t.Context(), in)
}

package wssec

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/x509"
	"sync"
	"testing"

	"oncegate/connectors/pkitest"
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
	side := func(name string, sign, agree crypto.PrivateKey) party {
		s := root.Issue(name, sign, pkitest.Usage(x509.KeyUsageDigitalSignature), pkitest.Around(testNow))
		d := Decryption{Certificate: root.Issue(name, agree, pkitest.Usage(x509.KeyUsageKeyAgreement), pkitest.Around(testNow)).Cert}
		switch k := agree.(type) {
		case *ecdh.PrivateKey:
			d.Agreement = k
		case *ecdsa.PrivateKey:
			key, err := k.ECDH()
			must(err)
			d.Agreement = key
		}
		return party{Identity{Certificate: s.Cert, Key: s.Signer(), Chain: []*x509.Certificate{root.Cert}}, d}
	}
	ed := func(name string) party { return side(name, pkitest.Ed25519(), pkitest.X25519()) }
	all["Ed25519"] = agreement{Profile20, ed("AP_NL_01"), ed("AP_FI_03")}
	for name, key := range map[string]func() *ecdsa.PrivateKey{"P-256": pkitest.P256, "P-384": pkitest.P384, "P-521": pkitest.P521} {
		all[name] = agreement{Profile20ECDSA, side("AP_NL_01", key(), key()), side("AP_FI_03", key(), key())}
	}
	return all
})

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// selfSigned is an authority of the test run.
func selfSigned() pkitest.Pair {
	return pkitest.SelfSigned("Root", pkitest.Ed25519(), pkitest.Authority, pkitest.Around(testNow), func(c *x509.Certificate) {
		c.Subject.Country, c.Subject.Organization = []string{"EU"}, []string{"Example, PKI"}
	})
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

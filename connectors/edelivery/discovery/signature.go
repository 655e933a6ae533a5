package discovery

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"oncegate/connectors/certpath"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// Signers says whose signatures on service metadata are believed: of the pinned
// certificates, and of those with a path to an anchor whose subject fits.
type Signers struct {
	Pinned        []*x509.Certificate
	Anchors       []*x509.Certificate
	Intermediates []*x509.Certificate
	Subject       *regexp.Regexp   // Default any. Of the subject as RFC 2253 writes it; not anchored by itself.
	Policies      []x509.OID       // Default any. The path must be good for one of them.
	Revocation    wssec.Revocation // Default none.
}

func (s Signers) check() error {
	if len(s.Pinned) == 0 && len(s.Anchors) == 0 {
		return errors.New("signers: neither pinned certificates nor trust anchors")
	}
	return nil
}

// signaturePolicy: SMP 1.0 and Peppol use inclusive C14N 1.0, SMP 2.0 uses 1.1, and
// the one reference is the whole document (e.2).
func signaturePolicy() xmlsec.Policy {
	return xmlsec.Policy{
		Signatures: []xmlsec.SignatureAlgorithm{
			xmlsec.RSASHA256, xmlsec.RSASHA384, xmlsec.RSASHA512,
			xmlsec.ECDSASHA256, xmlsec.ECDSASHA384, xmlsec.ECDSASHA512, xmlsec.Ed25519,
		},
		Digests:       []xmlsec.DigestAlgorithm{xmlsec.SHA256, xmlsec.SHA384, xmlsec.SHA512},
		C14N:          []xmlsec.C14NAlgorithm{xmlsec.InclusiveC14N, xmlsec.InclusiveC14N11, xmlsec.ExclusiveC14N},
		MaxReferences: 1,
		Enveloped:     true,
	}
}

// A signer is who signed a document, and until when that is believed without asking again.
type signer struct {
	certificate *x509.Certificate
	until       time.Time
}

// verify checks the one signature of a document and returns its root, which the
// signature covers, and its signer. Trust is decided before any arithmetic.
func (s Signers) verify(ctx context.Context, doc *xmldoc.Document, now time.Time) (xmldoc.Element, signer, error) {
	root := doc.Root()
	sig, err := xmlsec.FindSignature(root)
	if err != nil {
		return root, signer{}, err
	}
	var by signer
	v, err := xmlsec.Verify(xmlsec.Verification{Signature: sig, Policy: signaturePolicy(), Key: func(info xmldoc.Element) (crypto.PublicKey, error) {
		var err error
		by, err = s.trusted(ctx, info, now)
		if err != nil {
			return nil, err
		}
		return by.certificate.PublicKey, nil
	}})
	if err != nil {
		return root, signer{}, err
	}
	if !v.Covers(root) {
		return root, signer{}, errors.New("the signature does not cover the document")
	}
	return root, by, nil
}

// maxSignerChain bounds the certificates that come with a signature.
const maxSignerChain = 8

const maxRSABits = 16384 // of the key of a certificate

func ds(local string) xmldoc.Name { return xmldoc.Name{Space: xmlsec.SpaceDS, Local: local} }

// trusted returns the certificate of a ds:KeyInfo if it may sign.
func (s Signers) trusted(ctx context.Context, info xmldoc.Element, now time.Time) (signer, error) {
	if info.IsZero() {
		return signer{}, errors.New("the signature brings no certificate")
	}
	var all []*x509.Certificate
	for data := range info.All(ds("X509Data")) {
		for e := range data.All(ds("X509Certificate")) {
			if len(all) == maxSignerChain {
				return signer{}, errors.New("the signature brings too many certificates")
			}
			text, err := e.TextOnly()
			if err != nil || len(text) > 2*maxCertificate {
				return signer{}, errors.New("a certificate of the signature cannot be read")
			}
			der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
			if err != nil {
				return signer{}, errors.New("a certificate of the signature cannot be read")
			}
			c, err := x509.ParseCertificate(der)
			if err != nil {
				return signer{}, fmt.Errorf("a certificate of the signature cannot be read: %w", err)
			}
			// What a signature costs to check grows with the square of the key.
			if k, ok := c.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > maxRSABits {
				return signer{}, errors.New("a certificate of the signature has a key that is too large")
			}
			all = append(all, c)
		}
	}
	leaf, rest, err := leafOf(all)
	if err != nil {
		return signer{}, err
	}
	if err := usable(leaf, now, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment); err != nil {
		return signer{}, err
	}
	for _, p := range s.Pinned {
		if p.Equal(leaf) {
			return signer{leaf, leaf.NotAfter}, nil
		}
	}
	if len(s.Anchors) == 0 {
		return signer{}, errors.New("the signer's certificate is not a pinned one")
	}
	if subject := leaf.Subject.String(); s.Subject != nil && !s.Subject.MatchString(subject) {
		return signer{}, fmt.Errorf("the signer %q does not match the pattern of subjects", subject)
	}
	until, err := certpath.Rules{
		Anchors: certpath.Pool(s.Anchors), Intermediates: certpath.Pool(append(rest, s.Intermediates...)), Policies: s.Policies, Revocation: s.Revocation,
	}.Verify(ctx, leaf, now)
	return signer{leaf, until}, err
}

// leafOf returns the one certificate that is not an authority's: the order of
// X509Data means nothing.
func leafOf(all []*x509.Certificate) (*x509.Certificate, []*x509.Certificate, error) {
	if len(all) == 1 && !all[0].IsCA {
		return all[0], nil, nil
	}
	var leaf *x509.Certificate
	var rest []*x509.Certificate
	for _, c := range all {
		switch {
		case c.IsCA:
			rest = append(rest, c)
		case leaf != nil:
			return nil, nil, errors.New("the signature brings several certificates that could be the signer's")
		default:
			leaf = c
		}
	}
	if leaf == nil {
		return nil, nil, errors.New("the signature brings no certificate of a signer")
	}
	return leaf, rest, nil
}

// trustVerdict tells a revocation that nobody could look up from a refusal.
func trustVerdict(err error) Verdict {
	if e, ok := errors.AsType[*ebms.Error](err); ok && e.Code == ebms.DeliveryFailure {
		return Unreachable
	}
	return Refused
}

// usable checks validity and that the key may be used so; a certificate without the
// extension allows every use (RFC 5280 4.2.1.3).
func usable(c *x509.Certificate, now time.Time, use x509.KeyUsage) error {
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return fmt.Errorf("the certificate of %q is valid from %s to %s", c.Subject.CommonName, c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
	}
	if c.KeyUsage != 0 && c.KeyUsage&use == 0 {
		return fmt.Errorf("the certificate of %q does not allow this use of its key", c.Subject.CommonName)
	}
	return nil
}

// named reports whether a CertificateUID means this signer. SMP 1.0 calls it the
// subject's unique identifier; publishers write the subject, its common name, its
// serial number or its UID.
func named(uid string, c *x509.Certificate) bool {
	uid = strings.TrimSpace(uid)
	if uid == "" {
		return false
	}
	if uid == c.Subject.CommonName || uid == c.Subject.SerialNumber || sameDN(uid, c.Subject.String()) {
		return true
	}
	for _, n := range c.Subject.Names {
		if n.Type.String() == "0.9.2342.19200300.100.1.1" && n.Value == uid {
			return true
		}
	}
	return false
}

// sameDN compares two names as sets of their parts: some write the country first,
// others last, with or without space.
func sameDN(a, b string) bool {
	x, y := parts(a), parts(b)
	if len(x) < 2 && !strings.Contains(a, "=") || len(x) != len(y) {
		return false
	}
	for p, n := range x {
		if y[p] != n {
			return false
		}
	}
	return true
}

func parts(dn string) map[string]int {
	out := map[string]int{}
	from := 0
	for i := 0; i <= len(dn); i++ {
		if i < len(dn) && dn[i] == '\\' {
			i++
			continue
		}
		if i >= len(dn) || dn[i] == ',' || dn[i] == '+' {
			k, v, _ := strings.Cut(strings.TrimSpace(dn[from:min(i, len(dn))]), "=")
			out[strings.ToUpper(strings.TrimSpace(k))+"="+strings.TrimSpace(v)]++
			from = i + 1
		}
	}
	return out
}

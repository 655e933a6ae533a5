package revocation

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"slices"
	"time"
)

// Limits of one source of CRLs.
const (
	maxCRL   = 32 << 20
	maxLists = 64
	skew     = 5 * time.Minute // how far the clocks of authorities may run ahead
)

// A list is one CRL, of one issuer, whose form was checked and whose signature was not
// yet: that takes the issuer's certificate.
type list struct {
	crl     *x509.RevocationList // without its entries
	revoked map[string]time.Time // by the bytes of the serial number
	scope   scope
	signer  [sha256.Size]byte // of the certificate that the signature was checked with
}

// scope is the extension issuingDistributionPoint (RFC 5280 5.2.5).
type scope struct {
	DistributionPoint distributionPoint `asn1:"optional,tag:0"`
	UserOnly          bool              `asn1:"optional,tag:1"`
	CAOnly            bool              `asn1:"optional,tag:2"`
	SomeReasons       asn1.BitString    `asn1:"optional,tag:3"`
	Indirect          bool              `asn1:"optional,tag:4"`
	AttributesOnly    bool              `asn1:"optional,tag:5"`
}

type distributionPoint struct {
	FullName []asn1.RawValue `asn1:"optional,tag:0"`
	Relative asn1.RawValue   `asn1:"optional,tag:1"`
}

var (
	oidDeltaCRL    = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidIssuingDP   = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidReason      = asn1.ObjectIdentifier{2, 5, 29, 21}
	errNotCRL      = errors.New("not a CRL in PEM or DER")
	errDelta       = errors.New("delta CRLs are not read: name the complete one")
	errIndirect    = errors.New("indirect CRLs are not read: name one that its issuer signed")
	errPartial     = errors.New("CRL is not about all reasons or not about certificates of keys")
	errNoNext      = errors.New("CRL does not say when the next one comes")
	errCRLCritical = errors.New("CRL has a critical extension that is not known")
)

// parseCRLs reads one CRL in DER, or all of a PEM file.
func parseCRLs(data []byte) ([]*list, error) {
	if len(data) > maxCRL {
		return nil, errors.New("CRL is larger than 32 MiB")
	}
	var out []*list
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("-----BEGIN")) {
		l, err := parseCRL(data)
		if err != nil {
			return nil, err
		}
		return []*list{l}, nil
	}
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "X509 CRL" {
			continue
		}
		l, err := parseCRL(block.Bytes)
		if err != nil {
			return nil, err
		}
		if out = append(out, l); len(out) > maxLists {
			return nil, errors.New("too many CRLs in one file")
		}
	}
	if len(out) == 0 {
		return nil, errNotCRL
	}
	return out, nil
}

func parseCRL(der []byte) (*list, error) {
	crl, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, errNotCRL
	}
	l := &list{crl: crl, revoked: make(map[string]time.Time, len(crl.RevokedCertificateEntries))}
	if crl.NextUpdate.IsZero() {
		return nil, errNoNext // RFC 5280 5.1.2.5 requires it
	}
	for _, e := range crl.Extensions {
		switch {
		case e.Id.Equal(oidDeltaCRL):
			return nil, errDelta
		case e.Id.Equal(oidIssuingDP):
			rest, err := asn1.Unmarshal(e.Value, &l.scope)
			switch {
			case err != nil || len(rest) > 0:
				return nil, errNotCRL
			case l.scope.Indirect:
				return nil, errIndirect
			case l.scope.SomeReasons.BitLength > 0 || l.scope.AttributesOnly:
				return nil, errPartial
			}
		case e.Critical:
			return nil, errCRLCritical
		}
	}
	for _, r := range crl.RevokedCertificateEntries {
		for _, e := range r.Extensions {
			// certificateIssuer would give the entry to another authority.
			if e.Critical && !e.Id.Equal(oidReason) {
				return nil, errIndirect
			}
		}
		l.revoked[string(r.SerialNumber.Bytes())] = r.RevocationTime
	}
	crl.RevokedCertificateEntries = nil
	return l, nil
}

// fresh reports whether the list speaks about now.
func (l *list) fresh(now time.Time) bool {
	return !now.Add(skew).Before(l.crl.ThisUpdate) && !now.After(l.crl.NextUpdate)
}

// covers reports whether the absence of a certificate in the list says anything.
func (l *list) covers(cert *x509.Certificate) bool {
	switch {
	case l.scope.UserOnly && cert.IsCA, l.scope.CAOnly && !cert.IsCA:
		return false
	case len(l.scope.DistributionPoint.Relative.FullBytes) > 0:
		return false
	case len(l.scope.DistributionPoint.FullName) == 0:
		return true
	}
	// An authority that splits its list says in each certificate which part is its own.
	return slices.ContainsFunc(l.scope.DistributionPoint.FullName, func(n asn1.RawValue) bool {
		return n.Class == asn1.ClassContextSpecific && n.Tag == 6 && slices.Contains(cert.CRLDistributionPoints, string(n.Bytes))
	})
}

// signedBy checks the signature, once for each issuer's certificate.
func (l *list) signedBy(issuer *x509.Certificate) error {
	sum := sha256.Sum256(issuer.Raw)
	if l.signer == sum {
		return nil
	}
	if err := l.crl.CheckSignatureFrom(issuer); err != nil {
		return err
	}
	l.signer = sum
	return nil
}

package soapsec

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"oncegate/connectors/certpath"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// ErrUnsigned is the answer of Open to an envelope without a Security header where
// one is wanted.
var ErrUnsigned = errors.New("the envelope is not signed")

// Opened is what may be read of a reply.
type Opened struct {
	verified *xmlsec.Verified // nil where nothing had to be signed
}

// May says whether an element may be read: it was signed, or nothing had to be.
func (o *Opened) May(e xmldoc.Element) bool { return o.verified == nil || o.verified.Includes(e) }

// Open checks the Security header of a reply. Where replies must be signed, Body and
// a Timestamp must be covered by one signature of a certificate that is trusted, and
// the Timestamp must be fresh. Elsewhere a Timestamp alone is understood, and a
// header that holds more is refused if it must be.
func (s *Security) Open(ctx context.Context, doc *xmldoc.Document) (*Opened, error) {
	o, err := s.open(ctx, doc)
	if err != nil {
		return nil, fmt.Errorf("opening envelope: %w", err)
	}
	return o, nil
}

func (s *Security) open(ctx context.Context, doc *xmldoc.Document) (*Opened, error) {
	env, err := locate(doc)
	if err != nil {
		return nil, err
	}
	if env.security.IsZero() {
		if s.Verifies() {
			return nil, ErrUnsigned
		}
		return &Opened{}, nil
	}
	if role, ok := otherRole(env); ok {
		return nil, fmt.Errorf("the Security header is for another role (%s)", role)
	}
	stamp, more, err := inventory(env.security)
	if err != nil {
		return nil, err
	}
	now := s.c.Now()
	if !s.Verifies() {
		must, _ := env.security.Attr(xmldoc.Name{Space: env.space, Local: "mustUnderstand"})
		if must = strings.TrimSpace(must); more && (must == "1" || must == "true") {
			return nil, errors.New("the Security header must be understood, and nothing says whose signature to trust (wsse.verify_ca)")
		}
		if stamp.IsZero() {
			return &Opened{}, nil
		}
		return &Opened{}, fresh(stamp, now)
	}
	signature, err := xmlsec.FindSignature(env.security)
	if err != nil {
		return nil, err
	}
	v, err := xmlsec.Verify(xmlsec.Verification{
		Signature: signature,
		Key: func(info xmldoc.Element) (crypto.PublicKey, error) {
			return s.key(ctx, info, env.security, now)
		},
		Policy: xmlsec.Policy{
			Signatures: []xmlsec.SignatureAlgorithm{xmlsec.RSASHA256, xmlsec.RSASHA384, xmlsec.RSASHA512, xmlsec.ECDSASHA256, xmlsec.ECDSASHA384, xmlsec.ECDSASHA512},
			Digests:    []xmlsec.DigestAlgorithm{xmlsec.SHA256, xmlsec.SHA384, xmlsec.SHA512},
		},
	})
	if err != nil {
		return nil, err
	}
	switch { // style 19: these very elements, where they must stand
	case !v.Covers(env.body):
		return nil, errors.New("the signature does not cover the Body")
	case stamp.IsZero() || !v.Covers(stamp):
		return nil, errors.New("the signature does not cover a Timestamp")
	}
	return &Opened{v}, fresh(stamp, now)
}

// otherRole reports a header for somebody on the way.
func otherRole(env envelope) (string, bool) {
	for _, local := range []string{"actor", "role"} {
		role, ok := env.security.Attr(xmldoc.Name{Space: env.space, Local: local})
		if ok && role != "" && role != soap12Space+"/role/ultimateReceiver" {
			return local, true
		}
	}
	return "", false
}

// inventory looks at the children of the header: more says that there is something
// beside a Timestamp.
func inventory(security xmldoc.Element) (stamp xmldoc.Element, more bool, err error) {
	for c := range security.Children() {
		switch c.Name() {
		case wsu("Timestamp"):
			if !stamp.IsZero() {
				return stamp, more, errors.New("the Security header has two Timestamps")
			}
			stamp = c
		case wsse("BinarySecurityToken"), ds("Signature"), xmldoc.Name{Space: xmlsec.SpaceWSSE11, Local: "SignatureConfirmation"}:
			more = true
		default:
			return stamp, more, errors.New("the Security header holds something else than a signature and its tokens")
		}
	}
	return stamp, more, nil
}

// fresh refuses a Timestamp that is old, or of a clock that is far off.
func fresh(stamp xmldoc.Element, now time.Time) error {
	created, err := moment(stamp, "Created")
	if err != nil {
		return err
	}
	expires := created.Add(Fresh)
	if e, err := stamp.Maybe(wsu("Expires")); err != nil {
		return errTimestamp
	} else if !e.IsZero() {
		if expires, err = moment(stamp, "Expires"); err != nil {
			return err
		}
	}
	switch {
	case created.After(now.Add(Fresh)):
		return errors.New("the Timestamp is of the future")
	case created.Before(now.Add(-2 * Fresh)), !expires.After(now.Add(-Fresh)):
		return errors.New("the Timestamp is over")
	}
	return nil
}

var errTimestamp = errors.New("the Timestamp cannot be read")

func moment(stamp xmldoc.Element, local string) (time.Time, error) {
	text, err := stamp.OnlyText(wsu(local))
	if err != nil {
		return time.Time{}, errTimestamp
	}
	t, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(text)) // WSS 1.1.1, 10: UTC; offsets are read too
	if err != nil {
		return time.Time{}, errTimestamp
	}
	return t, nil
}

const maxToken = 32 << 10

var errToken = errors.New("the reference to the signer's certificate cannot be read")

// key finds the signer's certificate and checks that it is trusted.
func (s *Security) key(ctx context.Context, info, security xmldoc.Element, now time.Time) (crypto.PublicKey, error) {
	c, err := s.signer(info, security)
	if err != nil {
		return nil, err
	}
	if c.KeyUsage != 0 && c.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return nil, errors.New("the signer's certificate is not for signatures")
	}
	if _, err := (certpath.Rules{Anchors: s.trust}).Verify(ctx, c, now); err != nil {
		return nil, err
	}
	return c.PublicKey, nil
}

// signer reads the one token reference of a ds:KeyInfo: a token of this header, the
// certificate itself, or what names one that the deployment trusts by itself.
func (s *Security) signer(info, security xmldoc.Element) (*x509.Certificate, error) {
	if info.IsZero() {
		return nil, errToken
	}
	e, err := onlyChild(info)
	if err == nil && e.Is(wsse("SecurityTokenReference")) {
		e, err = onlyChild(e)
	}
	if err != nil {
		return nil, err
	}
	switch e.Name() {
	case wsse("Reference"):
		uri, _ := e.Attr(plain("URI"))
		return tokenCertificate(security, uri)
	case wsse("KeyIdentifier"):
		value, err := decoded(e)
		if err != nil {
			return nil, err
		}
		switch kind, _ := e.Attr(plain("ValueType")); kind {
		case typeX509v3:
			return x509.ParseCertificate(value)
		case typeSKI:
			return s.pinned(func(c *x509.Certificate) bool { return bytes.Equal(c.SubjectKeyId, value) })
		}
	case ds("X509Data"):
		inner, err := onlyChild(e)
		if err != nil {
			return nil, err
		}
		if inner.Is(ds("X509Certificate")) {
			value, err := decoded(inner)
			if err != nil {
				return nil, err
			}
			return x509.ParseCertificate(value)
		}
		if inner.Is(ds("X509IssuerSerial")) {
			text, err := inner.OnlyText(ds("X509SerialNumber"))
			if text = strings.TrimSpace(text); err != nil || len(text) > 64 {
				return nil, errToken
			}
			serial, ok := new(big.Int).SetString(text, 10)
			if !ok {
				return nil, errToken
			}
			// Among the few that are pinned the number is enough; the key decides.
			return s.pinned(func(c *x509.Certificate) bool { return c.SerialNumber.Cmp(serial) == 0 })
		}
	}
	return nil, errToken
}

// pinned finds the one certificate among those that are trusted.
func (s *Security) pinned(is func(*x509.Certificate) bool) (*x509.Certificate, error) {
	var found *x509.Certificate
	for _, c := range s.c.Trust {
		if !is(c) {
			continue
		}
		if found != nil {
			return nil, errors.New("two trusted certificates answer to the reference")
		}
		found = c
	}
	if found == nil {
		return nil, errors.New("no trusted certificate answers to the reference")
	}
	return found, nil
}

func tokenCertificate(security xmldoc.Element, uri string) (*x509.Certificate, error) {
	id, ok := strings.CutPrefix(uri, "#")
	if !ok || id == "" {
		return nil, errToken
	}
	var token xmldoc.Element
	for c := range security.All(wsse("BinarySecurityToken")) {
		if have, _ := c.Attr(wsu("Id")); have != id {
			continue
		}
		if !token.IsZero() {
			return nil, errToken
		}
		token = c
	}
	if token.IsZero() {
		return nil, errToken
	}
	if kind, _ := token.Attr(plain("ValueType")); kind != typeX509v3 {
		return nil, errToken
	}
	der, err := decoded(token)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func onlyChild(e xmldoc.Element) (xmldoc.Element, error) {
	c := e.First()
	if c.IsZero() || !c.Next().IsZero() {
		return c, errToken
	}
	return c, nil
}

func decoded(e xmldoc.Element) ([]byte, error) {
	text, err := e.TextOnly()
	if err != nil || len(text) > maxToken {
		return nil, errToken
	}
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || len(b) == 0 {
		return nil, errToken
	}
	return b, nil
}

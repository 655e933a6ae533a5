package xmlsec

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"

	"oncegate/connectors/xmldoc"
)

// An agreement is what an xenc:AgreementMethod says: how sender and recipient come to
// the key that wraps the session key (xmlenc11 5.6, RFC 9231 2.6; b.5 of the AS4 brief).
type agreement struct {
	algorithm  KeyAgreement
	salt, info []byte
	originator *ecdh.PublicKey
	ephemeral  *ecdh.PrivateKey // ours, when sending
	recipient  xmldoc.Element   // xenc:RecipientKeyInfo
}

const (
	wrapKeySize = 16 // of AES-128
	saltSize    = 16 // as WSS4J writes it
	maxSalt     = 1024
	maxKeyInfo  = 1024 // DER of a public key
)

// A curve is one that keys are agreed on.
type curve struct {
	ecdh ecdh.Curve
	oid  string // "" for X25519, which ECKeyValue cannot name
}

func curves() []curve {
	return []curve{
		{ecdh.X25519(), ""},
		{ecdh.P256(), "1.2.840.10045.3.1.7"},
		{ecdh.P384(), "1.3.132.0.34"},
		{ecdh.P521(), "1.3.132.0.35"},
	}
}

func curveOf(c ecdh.Curve) (curve, bool) {
	all := curves()
	i := slices.IndexFunc(all, func(k curve) bool { return k.ecdh == c })
	if i < 0 {
		return curve{}, false
	}
	return all[i], true
}

// derInteger begins no X25519 key that we send. Santuario (4.0) tries the kinds of key one
// after the other, DSA first, and the JDK reads whatever looks like a DER INTEGER as a DSA
// key: one message of two thousand would be refused as "Unsupported key type".
const derInteger = 2

// newAgreement makes an ephemeral key for one message.
func newAgreement(recipient *ecdh.PublicKey) (*agreement, error) {
	if recipient == nil {
		return nil, refuse(ReasonKeyUnfit, "no key for key agreement", nil)
	}
	if _, ok := curveOf(recipient.Curve()); !ok {
		return nil, refuse(ReasonKeyUnfit, "a curve that is not supported", nil)
	}
	a := &agreement{algorithm: ECDHES, salt: make([]byte, saltSize)}
	if recipient.Curve() == ecdh.X25519() {
		a.algorithm = X25519
	}
	_, _ = rand.Read(a.salt) // never fails, or ends the program
	for {
		var err error
		if a.ephemeral, err = recipient.Curve().GenerateKey(rand.Reader); err != nil {
			return nil, err
		}
		a.originator = a.ephemeral.PublicKey()
		if a.algorithm != X25519 || a.originator.Bytes()[0] != derInteger {
			return a, nil
		}
	}
}

func (a *agreement) wrap(recipient *ecdh.PublicKey, key []byte) ([]byte, error) {
	kek, err := a.derive(a.ephemeral, recipient)
	if err != nil {
		return nil, err
	}
	defer clear(kek)
	return wrapKey(kek, key)
}

func (a *agreement) unwrap(ours ecdh.KeyExchanger, wrapped []byte) ([]byte, error) {
	kek, err := a.derive(ours, a.originator)
	if err != nil {
		return nil, err
	}
	defer clear(kek)
	return unwrapKey(kek, wrapped)
}

// derive returns the wrapping key. crypto/ecdh refuses a shared secret of zeros; an
// exchanger of another make is not believed to.
func (a *agreement) derive(ours ecdh.KeyExchanger, theirs *ecdh.PublicKey) ([]byte, error) {
	secret, err := ours.ECDH(theirs)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	if !slices.ContainsFunc(secret, func(b byte) bool { return b != 0 }) {
		return nil, refuse(ReasonDecryption, "a shared secret of zeros", nil)
	}
	return hkdf.Key(sha256.New, secret, a.salt, string(a.info), wrapKeySize)
}

// append writes the xenc:AgreementMethod, whose recipient is known by keyInfo. The
// prefixes xenc and ds are declared around it.
func (a *agreement) append(b, keyInfo []byte) []byte {
	b = append(append(append(b, `<xenc:AgreementMethod Algorithm="`...), a.algorithm...), `"><xenc11:KeyDerivationMethod xmlns:xenc11="`+SpaceXENC11+
		`" Algorithm="`+derivationHKDF+`"><dsig-more:HKDFParams xmlns:dsig-more="`+SpaceMore+`"><dsig-more:PRF Algorithm="`+prfSHA256+`"/><dsig-more:Salt>`...)
	b = base64.StdEncoding.AppendEncode(b, a.salt)
	b = append(b, `</dsig-more:Salt><dsig-more:KeyLength>16</dsig-more:KeyLength></dsig-more:HKDFParams></xenc11:KeyDerivationMethod><xenc:OriginatorKeyInfo>`...)
	b = appendPublicKey(b, a.originator)
	b = append(b, `</xenc:OriginatorKeyInfo><xenc:RecipientKeyInfo>`...)
	b = append(b, keyInfo...)
	return append(b, `</xenc:RecipientKeyInfo></xenc:AgreementMethod>`...)
}

// x25519Info is the DER before the 32 bytes of an X25519 key (RFC 8410 4).
const x25519Info = "\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00"

func appendPublicKey(b []byte, pub *ecdh.PublicKey) []byte {
	c, _ := curveOf(pub.Curve())
	if c.oid == "" {
		b = append(b, `<dsig11:DEREncodedKeyValue xmlns:dsig11="`+SpaceDSIG11+`">`...)
		b = base64.StdEncoding.AppendEncode(b, append([]byte(x25519Info), pub.Bytes()...))
		return append(b, `</dsig11:DEREncodedKeyValue>`...)
	}
	b = append(b, `<ds:KeyValue><dsig11:ECKeyValue xmlns:dsig11="`+SpaceDSIG11+`"><dsig11:NamedCurve URI="urn:oid:`...)
	b = append(append(b, c.oid...), `"/><dsig11:PublicKey>`...)
	b = base64.StdEncoding.AppendEncode(b, pub.Bytes())
	return append(b, `</dsig11:PublicKey></dsig11:ECKeyValue></ds:KeyValue>`...)
}

// agreement reads the ds:KeyInfo of a key that is wrapped with AES-128 key wrap. No
// other way to the wrapping key exists here than an xenc:AgreementMethod.
func (p *EncryptionPolicy) agreement(method, keyInfo xmldoc.Element) (*agreement, error) {
	if len(p.Agreements) == 0 {
		return nil, refuse(ReasonAlgorithmDenied, "key agreement", nil)
	}
	if err := noChildren(method); err != nil {
		return nil, err
	}
	if keyInfo.IsZero() {
		return nil, refuse(ReasonStructure, "key wrap without ds:KeyInfo", nil)
	}
	c := childrenOf(keyInfo)
	e, err := c.only(xenc("AgreementMethod"))
	if err != nil {
		return nil, err
	}
	if err := c.end(); err != nil {
		return nil, err
	}
	alg, err := algorithmOf(e)
	if err != nil {
		return nil, err
	}
	a := &agreement{algorithm: KeyAgreement(alg)}
	switch a.algorithm {
	case X25519, ECDHES:
	default:
		return nil, refuse(ReasonUnknownAlgorithm, "key agreement", nil)
	}
	if !slices.Contains(p.Agreements, a.algorithm) {
		return nil, refuse(ReasonAlgorithmDenied, "key agreement", nil)
	}
	c = childrenOf(e)
	derivation, err := c.only(xenc11("KeyDerivationMethod"))
	if err != nil {
		return nil, err
	}
	if err := a.readDerivation(derivation); err != nil {
		return nil, err
	}
	originator, err := c.only(xenc("OriginatorKeyInfo"))
	if err != nil {
		return nil, err
	}
	if a.originator, err = readPublicKey(originator); err != nil {
		return nil, err
	}
	if (a.originator.Curve() == ecdh.X25519()) != (a.algorithm == X25519) {
		return nil, refuse(ReasonKeyUnfit, "the sender's key is not on a curve of the algorithm", nil)
	}
	if a.recipient, err = c.only(xenc("RecipientKeyInfo")); err != nil {
		return nil, err
	}
	return a, c.end()
}

func (a *agreement) readDerivation(e xmldoc.Element) error {
	alg, err := algorithmOf(e)
	if err != nil {
		return err
	}
	if alg != derivationHKDF {
		return refuse(ReasonUnknownAlgorithm, "key derivation", nil)
	}
	c := childrenOf(e)
	params, err := c.only(more("HKDFParams"))
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	c = childrenOf(params)
	if prf := c.maybe(more("PRF")); !prf.IsZero() {
		if alg, err := algorithmOf(prf); err != nil || alg != prfSHA256 {
			return refuse(ReasonUnknownAlgorithm, "pseudo-random function of the key derivation", err)
		}
		if err := noChildren(prf); err != nil {
			return err
		}
	}
	// The base64 stands in the elements themselves, without a Specified of ConcatKDF.
	if salt := c.maybe(more("Salt")); !salt.IsZero() {
		if a.salt, err = base64Text(salt, maxSalt); err != nil {
			return err
		}
	}
	if info := c.maybe(more("Info")); !info.IsZero() {
		if a.info, err = base64Text(info, maxSalt); err != nil {
			return err
		}
	}
	if length := c.maybe(more("KeyLength")); !length.IsZero() {
		text, err := length.TextOnly()
		if err != nil || strings.TrimSpace(text) != "16" {
			return refuse(ReasonStructure, "a derived key of another length than 16 bytes", err)
		}
	}
	return c.end()
}

// readPublicKey reads an xenc:OriginatorKeyInfo. crypto/ecdh refuses points that are
// not on their curve.
func readPublicKey(e xmldoc.Element) (*ecdh.PublicKey, error) {
	c := childrenOf(e)
	if der := c.maybe(dsig11("DEREncodedKeyValue")); !der.IsZero() {
		b, err := base64Text(der, maxKeyInfo)
		if err != nil {
			return nil, err
		}
		if err := c.end(); err != nil {
			return nil, err
		}
		return AgreementKey(b)
	}
	value, err := c.only(ds("KeyValue"))
	if err != nil {
		return nil, err
	}
	if err := c.end(); err != nil {
		return nil, err
	}
	c = childrenOf(value)
	if value, err = c.only(dsig11("ECKeyValue")); err != nil {
		return nil, err
	}
	if err := c.end(); err != nil {
		return nil, err
	}
	c = childrenOf(value)
	named, err := c.only(dsig11("NamedCurve"))
	if err != nil {
		return nil, err
	}
	point, err := c.only(dsig11("PublicKey"))
	if err != nil {
		return nil, err
	}
	if err := c.end(); err != nil {
		return nil, err
	}
	uri, _ := named.Attr(plain("URI"))
	oid, ok := strings.CutPrefix(uri, "urn:oid:")
	all := curves()
	i := slices.IndexFunc(all, func(k curve) bool { return k.oid == oid })
	if !ok || oid == "" || i < 0 {
		return nil, refuse(ReasonKeyUnfit, "a curve other than P-256, P-384 and P-521; brainpool is not supported", nil)
	}
	b, err := base64Text(point, maxKeyInfo)
	if err != nil {
		return nil, err
	}
	pub, err := all[i].ecdh.NewPublicKey(b)
	if err != nil {
		return nil, refuse(ReasonKeyUnfit, "the sender's key for key agreement", err)
	}
	return pub, nil
}

// AgreementKey reads a SubjectPublicKeyInfo, which must be of a curve that keys are agreed on.
func AgreementKey(der []byte) (*ecdh.PublicKey, error) {
	if point, ok := bytes.CutPrefix(der, []byte(x25519Info)); ok && len(point) == 32 { // the rule in profile 2.0
		return ecdh.X25519().NewPublicKey(point)
	}
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, refuse(ReasonKeyUnfit, "a key other than X25519, P-256, P-384 and P-521; brainpool is not supported", err)
	}
	switch key := pub.(type) {
	case *ecdh.PublicKey:
		return key, nil
	case *ecdsa.PublicKey:
		if k, err := key.ECDH(); err == nil {
			return k, nil
		}
	}
	return nil, refuse(ReasonKeyUnfit, "a key that is not for key agreement", nil)
}

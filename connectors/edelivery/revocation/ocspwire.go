package revocation

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // see ocsp.go
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// The messages of RFC 6960, 4. They are read here and not by x/crypto/ocsp, which does
// not compare the issuer that an answer is about, does not ask whether a delegate may
// answer, shows no nonce and knows no Ed25519.
type (
	certID struct {
		Hash     pkix.AlgorithmIdentifier
		NameHash []byte
		KeyHash  []byte
		Serial   *big.Int
	}
	ocspRequest struct {
		TBS struct {
			Requests []struct {
				ID certID
			}
			Extensions []pkix.Extension `asn1:"explicit,tag:2,optional,omitempty"`
		}
	}
	ocspResponse struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type     asn1.ObjectIdentifier
			Response []byte
		} `asn1:"explicit,tag:0,optional"`
	}
	basicResponse struct {
		TBS          asn1.RawValue
		Algorithm    pkix.AlgorithmIdentifier
		Signature    asn1.BitString
		Certificates []asn1.RawValue `asn1:"explicit,tag:0,optional"`
	}
	responseData struct {
		Version    int `asn1:"optional,default:0,explicit,tag:0"`
		Responder  asn1.RawValue
		ProducedAt time.Time `asn1:"generalized"`
		Responses  []singleResponse
		Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
	}
	singleResponse struct {
		ID         certID
		Good       asn1.Flag        `asn1:"tag:0,optional"`
		Revoked    revokedInfo      `asn1:"tag:1,optional"`
		Unknown    asn1.Flag        `asn1:"tag:2,optional"`
		ThisUpdate time.Time        `asn1:"generalized"`
		NextUpdate time.Time        `asn1:"generalized,explicit,tag:0,optional"`
		Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
	}
	revokedInfo struct {
		At     time.Time       `asn1:"generalized"`
		Reason asn1.Enumerated `asn1:"explicit,tag:0,optional"`
	}
)

var (
	oidSHA1      = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidBasic     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidNonce     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	errNotOCSP   = errors.New("not an answer of OCSP")
	errOtherCert = errors.New("answer is about another certificate")
)

const maxResponses = 32

// signatures are the algorithms of answers; SHA-1 is not among them.
var signatures = map[string]x509.SignatureAlgorithm{
	"1.2.840.113549.1.1.11": x509.SHA256WithRSA,
	"1.2.840.113549.1.1.12": x509.SHA384WithRSA,
	"1.2.840.113549.1.1.13": x509.SHA512WithRSA,
	"1.2.840.10045.4.3.2":   x509.ECDSAWithSHA256,
	"1.2.840.10045.4.3.3":   x509.ECDSAWithSHA384,
	"1.2.840.10045.4.3.4":   x509.ECDSAWithSHA512,
	"1.3.101.112":           x509.PureEd25519,
}

// newCertID names a certificate with SHA-1, which every responder knows.
func newCertID(cert, issuer *x509.Certificate) (certID, error) {
	bits, err := keyBits(issuer)
	if err != nil {
		return certID{}, err
	}
	name, key := sha1.Sum(issuer.RawSubject), sha1.Sum(bits) //nolint:gosec // see import
	return certID{pkix.AlgorithmIdentifier{Algorithm: oidSHA1, Parameters: asn1.NullRawValue}, name[:], key[:], cert.SerialNumber}, nil
}

// keyBits are what OCSP hashes of a key: the BIT STRING without its algorithm.
func keyBits(c *x509.Certificate) ([]byte, error) {
	var spki struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &spki); err != nil {
		return nil, errors.New("certificate's key cannot be read")
	}
	return spki.Key.RightAlign(), nil
}

func marshalRequest(id certID, nonce []byte) ([]byte, error) {
	var r ocspRequest
	r.TBS.Requests = append(r.TBS.Requests, struct{ ID certID }{id})
	if nonce != nil {
		value, err := asn1.Marshal(nonce)
		if err != nil {
			return nil, fmt.Errorf("writing nonce: %w", err)
		}
		r.TBS.Extensions = []pkix.Extension{{Id: oidNonce, Value: value}}
	}
	der, err := asn1.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("writing request of OCSP: %w", err)
	}
	return der, nil
}

// A response whose form was checked, and nothing else.
type response struct {
	tbs          []byte
	algorithm    x509.SignatureAlgorithm
	signature    []byte
	certificates [][]byte
	byName       []byte // or
	byKey        []byte
	responses    []singleResponse
	nonce        []byte
}

func parseResponse(data []byte) (*response, error) {
	var o ocspResponse
	if rest, err := asn1.Unmarshal(data, &o); err != nil || len(rest) > 0 {
		return nil, errNotOCSP
	}
	if o.Status != 0 {
		return nil, fmt.Errorf("responder answers with status %d", o.Status)
	}
	if !o.Bytes.Type.Equal(oidBasic) {
		return nil, errNotOCSP
	}
	var b basicResponse
	if rest, err := asn1.Unmarshal(o.Bytes.Response, &b); err != nil || len(rest) > 0 {
		return nil, errNotOCSP
	}
	var d responseData
	if rest, err := asn1.Unmarshal(b.TBS.FullBytes, &d); err != nil || len(rest) > 0 || d.Version != 0 ||
		len(d.Responses) == 0 || len(d.Responses) > maxResponses || len(b.Certificates) > maxResponses {
		return nil, errNotOCSP
	}
	r := &response{tbs: b.TBS.FullBytes, algorithm: signatures[b.Algorithm.Algorithm.String()], signature: b.Signature.RightAlign(), responses: d.Responses}
	if r.algorithm == x509.UnknownSignatureAlgorithm {
		return nil, errors.New("answer is signed with an algorithm that is not allowed")
	}
	for _, c := range b.Certificates {
		r.certificates = append(r.certificates, c.FullBytes)
	}
	switch {
	case d.Responder.Class == asn1.ClassContextSpecific && d.Responder.Tag == 1:
		r.byName = d.Responder.Bytes
	case d.Responder.Class == asn1.ClassContextSpecific && d.Responder.Tag == 2:
		if rest, err := asn1.Unmarshal(d.Responder.Bytes, &r.byKey); err != nil || len(rest) > 0 {
			return nil, errNotOCSP
		}
	default:
		return nil, errNotOCSP
	}
	for _, e := range d.Extensions {
		switch {
		case e.Id.Equal(oidNonce):
			if rest, err := asn1.Unmarshal(e.Value, &r.nonce); err != nil || len(rest) > 0 {
				return nil, errNotOCSP
			}
		case e.Critical:
			return nil, errNotOCSP
		}
	}
	return r, nil
}

// about returns the answer for the certificate that was asked for: issuer and serial
// number must be the same, as serial numbers are unique only below one issuer.
func (r *response) about(id certID) (*singleResponse, error) {
	for i := range r.responses {
		s := &r.responses[i]
		if s.ID.Serial == nil || s.ID.Serial.Cmp(id.Serial) != 0 || !s.ID.Hash.Algorithm.Equal(oidSHA1) ||
			!bytes.Equal(s.ID.NameHash, id.NameHash) || !bytes.Equal(s.ID.KeyHash, id.KeyHash) {
			continue
		}
		for _, e := range s.Extensions {
			if e.Critical {
				return nil, errNotOCSP
			}
		}
		return s, nil
	}
	return nil, errOtherCert
}

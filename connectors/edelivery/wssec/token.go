package wssec

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"strings"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// A reference is what a ds:KeyInfo says of a certificate: one of the fields.
type reference struct {
	der    []byte   // the certificate itself
	chain  [][]byte // what came with it
	ski    []byte
	serial *big.Int
}

var errToken = errors.New("token reference cannot be read")

// readReference reads the one SecurityTokenReference of a ds:KeyInfo.
func readReference(keyInfo, security xmldoc.Element) (reference, error) {
	var ref reference
	if keyInfo.IsZero() {
		return ref, errToken
	}
	str, err := onlyChild(keyInfo)
	if err != nil || !str.Is(wsse("SecurityTokenReference")) {
		return ref, errToken
	}
	e, err := onlyChild(str)
	if err != nil {
		return ref, errToken
	}
	switch e.Name() {
	case wsse("Reference"):
		return readDirect(e, security)
	case wsse("KeyIdentifier"):
		if t, _ := e.Attr(plain("ValueType")); t != typeSKI {
			return ref, errToken
		}
		ref.ski, err = decodeText(e)
		return ref, err
	case ds("X509Data"):
		is, err := e.Only(ds("X509IssuerSerial"))
		if err != nil {
			return ref, errToken
		}
		// The serial alone chooses among certificates that are pinned or our own, so a
		// name in another order of attributes does no harm and a wrong one gains nothing.
		text, err := is.OnlyText(ds("X509SerialNumber"))
		text = strings.TrimSpace(text)
		if err != nil || text == "" || len(text) > 64 {
			return ref, errToken
		}
		serial, ok := new(big.Int).SetString(text, 10)
		if !ok {
			return ref, errToken
		}
		ref.serial = serial
		return ref, nil
	}
	return ref, errToken
}

// readDirect follows a wsse:Reference to a BinarySecurityToken of the same header.
func readDirect(e, security xmldoc.Element) (reference, error) {
	var ref reference
	uri, _ := e.Attr(plain("URI"))
	id, ok := strings.CutPrefix(uri, "#")
	if !ok || id == "" {
		return ref, errToken
	}
	var token xmldoc.Element
	n := 0
	for b := range security.All(wsse("BinarySecurityToken")) {
		if n++; n > maxTokens {
			return ref, errToken
		}
		have, _ := b.Attr(wsu("Id"))
		if have == "" {
			have, _ = b.Attr(plain("Id"))
		}
		if have != id {
			continue
		}
		if !token.IsZero() {
			return ref, errToken
		}
		token = b
	}
	if token.IsZero() {
		return ref, errToken
	}
	data, err := decodeText(token)
	if err != nil {
		return ref, err
	}
	switch t, _ := token.Attr(plain("ValueType")); t {
	case typeX509v3:
		ref.der = data
		return ref, nil
	case typePKIPath:
		// The leaf is the last of the path (X.509 10.1).
		var path []asn1.RawValue
		if rest, err := asn1.Unmarshal(data, &path); err != nil || len(rest) > 0 || len(path) == 0 || len(path) > maxPath {
			return ref, errToken
		}
		for _, c := range path[:len(path)-1] {
			ref.chain = append(ref.chain, c.FullBytes)
		}
		ref.der = path[len(path)-1].FullBytes
		return ref, nil
	}
	return ref, errToken
}

// matches reports whether the reference means this certificate.
func (r reference) matches(c *x509.Certificate) bool {
	switch {
	case r.der != nil:
		return bytes.Equal(r.der, c.Raw)
	case r.ski != nil:
		return bytes.Equal(r.ski, subjectKeyID(c))
	case r.serial != nil:
		return r.serial.Cmp(c.SerialNumber) == 0
	}
	return false
}

func onlyChild(e xmldoc.Element) (xmldoc.Element, error) {
	var found xmldoc.Element
	for c := range e.Children() {
		if !found.IsZero() {
			return found, errToken
		}
		found = c
	}
	if found.IsZero() {
		return found, errToken
	}
	return found, nil
}

func decodeText(e xmldoc.Element) ([]byte, error) {
	text, err := e.TextOnly()
	if err != nil || len(text) > maxTokenBytes {
		return nil, errToken
	}
	if strings.ContainsAny(text, " \t") {
		text = strings.Join(strings.Fields(text), "")
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) == 0 {
		return nil, errToken
	}
	return b, nil
}

// appendToken appends the BinarySecurityToken of c with the given id. Its
// namespaces are declared on wsse:Security.
func appendToken(dst []byte, c *x509.Certificate, id string) []byte {
	dst = append(dst, `<wsse:BinarySecurityToken EncodingType="`+base64Binary+`" ValueType="`+typeX509v3+`" wsu:Id="`...)
	dst = append(append(dst, id...), `">`...)
	dst = base64.StdEncoding.AppendEncode(dst, c.Raw)
	return append(dst, `</wsse:BinarySecurityToken>`...)
}

// keyInfo returns the content of a ds:KeyInfo that refers to c; tokenID is the
// id of its BinarySecurityToken where the form needs one.
func keyInfo(form Token, c *x509.Certificate, tokenID string) []byte {
	b := []byte(`<wsse:SecurityTokenReference>`)
	switch form {
	case TokenSKI:
		b = append(b, `<wsse:KeyIdentifier EncodingType="`+base64Binary+`" ValueType="`+typeSKI+`">`...)
		b = base64.StdEncoding.AppendEncode(b, subjectKeyID(c))
		b = append(b, `</wsse:KeyIdentifier>`...)
	case TokenIssuerSerial:
		b = append(b, `<ds:X509Data xmlns:ds="`+xmlsec.SpaceDS+`"><ds:X509IssuerSerial><ds:X509IssuerName>`...)
		b = xmldoc.AppendText(b, issuerName(c))
		b = append(b, `</ds:X509IssuerName><ds:X509SerialNumber>`...)
		b = c.SerialNumber.Append(b, 10)
		b = append(b, `</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>`...)
	default:
		b = append(append(b, `<wsse:Reference URI="#`...), tokenID...)
		b = append(b, `" ValueType="`+typeX509v3+`"></wsse:Reference>`...)
	}
	return append(b, `</wsse:SecurityTokenReference>`...)
}

// spelled are the attributes under 2.5.4 that pkix writes by name.
var spelled = []int{3, 5, 6, 7, 8, 9, 10, 11, 17}

// issuerName returns the issuer as RFC 2253 writes it. pkix.Name would put the
// attributes into an order of its own and change the string type of those without a
// name, and peers look for the name that stands in the certificate (b.2).
func issuerName(c *x509.Certificate) string {
	var name pkix.RDNSequence
	var raw []asn1.RawValue
	if rest, err := asn1.Unmarshal(c.RawIssuer, &name); err != nil || len(rest) > 0 {
		return c.Issuer.String()
	}
	if _, err := asn1.Unmarshal(c.RawIssuer, &raw); err != nil || len(raw) != len(name) {
		return c.Issuer.String()
	}
	for i, rdn := range name {
		var types []struct {
			Type  asn1.ObjectIdentifier
			Value asn1.RawValue
		}
		if _, err := asn1.UnmarshalWithParams(raw[i].FullBytes, &types, "set"); err != nil || len(types) != len(rdn) {
			return c.Issuer.String()
		}
		for j := range rdn {
			if !rdn[j].Type.Equal(types[j].Type) {
				return c.Issuer.String()
			}
			if t := rdn[j].Type; len(t) != 4 || !t[:3].Equal(asn1.ObjectIdentifier{2, 5, 4}) || !slices.Contains(spelled, t[3]) {
				rdn[j].Value = types[j].Value // written as #DER
			}
		}
	}
	return name.String()
}

package wssec

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"strings"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// A Token is the form in which a message refers to a certificate.
type Token string

// The forms (b.2).
const (
	TokenBST          Token = "bst"           // BinarySecurityToken, recommended by the profile
	TokenPKIPath      Token = "pkipath"       // BinarySecurityToken with the certificates of the authorities
	TokenSKI          Token = "ski"           // SubjectKeyIdentifier, the default of Domibus
	TokenIssuerSerial Token = "issuer-serial" // X509IssuerSerial
	TokenThumbprint   Token = "thumbprint"    // SHA-1 of the certificate; read only where it is allowed
)

// Tokens returns every form.
func Tokens() []Token {
	return []Token{TokenBST, TokenPKIPath, TokenSKI, TokenIssuerSerial, TokenThumbprint}
}

// Valid reports whether t is one of the forms.
func (t Token) Valid() bool { return slices.Contains(Tokens(), t) }

// A reference is what a ds:KeyInfo says of a certificate: one of the fields.
type reference struct {
	form   Token
	der    []byte   // the certificate itself
	chain  [][]byte // what came with it
	id     []byte   // subject key identifier or thumbprint
	issuer [][]pair
	serial *big.Int
}

var (
	errToken  = errors.New("token reference cannot be read")
	errDenied = errors.New("form of token reference is not allowed")
)

// readReference reads the one SecurityTokenReference of a ds:KeyInfo or of an
// xenc:RecipientKeyInfo.
func readReference(keyInfo, security xmldoc.Element, allowed []Token) (reference, error) {
	if keyInfo.IsZero() {
		return reference{}, errToken
	}
	str, err := onlyChild(keyInfo)
	if err != nil || !str.Is(wsse("SecurityTokenReference")) {
		return reference{}, errToken
	}
	e, err := onlyChild(str)
	if err != nil {
		return reference{}, errToken
	}
	var ref reference
	switch e.Name() {
	case wsse("Reference"):
		ref, err = readDirect(e, security)
	case wsse("KeyIdentifier"):
		ref, err = readIdentifier(e)
	case ds("X509Data"):
		ref, err = readIssuerSerial(e)
	default:
		err = errToken
	}
	if err == nil && !slices.Contains(allowed, ref.form) {
		err = errDenied
	}
	return ref, err
}

func readIdentifier(e xmldoc.Element) (ref reference, err error) {
	switch t, _ := e.Attr(plain("ValueType")); t {
	case typeSKI:
		ref.form = TokenSKI
	case typeThumbprint:
		ref.form = TokenThumbprint
	default:
		return ref, errToken
	}
	ref.id, err = decodeText(e)
	return ref, err
}

func readIssuerSerial(e xmldoc.Element) (reference, error) {
	ref := reference{form: TokenIssuerSerial}
	is, err := e.Only(ds("X509IssuerSerial"))
	if err != nil {
		return ref, errToken
	}
	name, err := is.OnlyText(ds("X509IssuerName"))
	if err != nil {
		return ref, errToken
	}
	if ref.issuer, err = parseName(name); err != nil {
		return ref, err
	}
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
		ref.form, ref.der = TokenBST, data
		return ref, nil
	case typePKIPath:
		// The leaf is the last of the path (X.509 10.1).
		ref.form = TokenPKIPath
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
	switch r.form {
	case TokenBST, TokenPKIPath:
		return bytes.Equal(r.der, c.Raw)
	case TokenSKI:
		return bytes.Equal(r.id, subjectKeyID(c))
	case TokenThumbprint:
		return bytes.Equal(r.id, thumbprint(c))
	case TokenIssuerSerial:
		return r.serial.Cmp(c.SerialNumber) == 0 && sameIssuer(r.issuer, c)
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
	if strings.IndexByte(text, ' ') >= 0 || strings.IndexByte(text, '\t') >= 0 {
		text = strings.Join(strings.Fields(text), "")
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) == 0 {
		return nil, errToken
	}
	return b, nil
}

// A citation is how one of our messages refers to a certificate.
type citation struct {
	form        Token
	certificate *x509.Certificate
	chain       []*x509.Certificate // issuer first
	id          string              // of the BinarySecurityToken, where the form has one
}

// appendToken appends the BinarySecurityToken, where the form has one. Its namespaces
// are declared on wsse:Security.
func (c citation) appendToken(dst []byte) []byte {
	kind, data := typeX509v3, c.certificate.Raw
	switch c.form {
	case TokenBST:
	case TokenPKIPath:
		kind, data = typePKIPath, c.path()
	default:
		return dst
	}
	dst = append(append(dst, `<wsse:BinarySecurityToken EncodingType="`+base64Binary+`" ValueType="`...), kind...)
	dst = append(append(append(dst, `" wsu:Id="`...), c.id...), `">`...)
	dst = base64.StdEncoding.AppendEncode(dst, data)
	return append(dst, `</wsse:BinarySecurityToken>`...)
}

// tokenSize is how many bytes appendToken appends, and some more.
func (c citation) tokenSize() int {
	n := len(c.certificate.Raw)
	switch c.form {
	case TokenBST:
	case TokenPKIPath:
		for _, ca := range c.chain {
			n += len(ca.Raw)
		}
	default:
		return 0
	}
	return 512 + base64.StdEncoding.EncodedLen(n)
}

// path returns the certificates as a PkiPath: from the authority that the anchor
// certified to the leaf (X.509 10.1). The anchor itself is known to the reader.
func (c citation) path() []byte {
	chain := c.chain
	if n := len(chain); n > 0 && bytes.Equal(chain[n-1].RawIssuer, chain[n-1].RawSubject) {
		chain = chain[:n-1]
	}
	size := len(c.certificate.Raw)
	for _, ca := range chain {
		size += len(ca.Raw)
	}
	content := make([]byte, 0, size)
	for _, ca := range slices.Backward(chain) {
		content = append(content, ca.Raw...)
	}
	content = append(content, c.certificate.Raw...)
	der, _ := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: content}) // never fails of what has a tag
	return der
}

// keyInfo returns the content of a ds:KeyInfo that refers to the certificate.
func (c citation) keyInfo() []byte {
	b := append(make([]byte, 0, 512), `<wsse:SecurityTokenReference`...)
	if c.form == TokenPKIPath { // Basic Security Profile 1.1, R5215: WSS4J insists
		b = append(b, ` xmlns:wsse11="`+xmlsec.SpaceWSSE11+`" wsse11:TokenType="`+typePKIPath+`"`...)
	}
	b = append(b, '>')
	switch c.form {
	case TokenSKI:
		b = appendIdentifier(b, typeSKI, subjectKeyID(c.certificate))
	case TokenThumbprint:
		b = appendIdentifier(b, typeThumbprint, thumbprint(c.certificate))
	case TokenIssuerSerial:
		b = append(b, `<ds:X509Data xmlns:ds="`+xmlsec.SpaceDS+`"><ds:X509IssuerSerial><ds:X509IssuerName>`...)
		b = xmldoc.AppendText(b, issuerName(c.certificate))
		b = append(b, `</ds:X509IssuerName><ds:X509SerialNumber>`...)
		b = c.certificate.SerialNumber.Append(b, 10)
		b = append(b, `</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>`...)
	default:
		kind := typeX509v3
		if c.form == TokenPKIPath {
			kind = typePKIPath
		}
		b = append(append(b, `<wsse:Reference URI="#`...), c.id...)
		b = append(append(append(b, `" ValueType="`...), kind...), `"></wsse:Reference>`...)
	}
	return append(b, `</wsse:SecurityTokenReference>`...)
}

func appendIdentifier(b []byte, kind string, id []byte) []byte {
	b = append(append(append(b, `<wsse:KeyIdentifier EncodingType="`+base64Binary+`" ValueType="`...), kind...), `">`...)
	b = base64.StdEncoding.AppendEncode(b, id)
	return append(b, `</wsse:KeyIdentifier>`...)
}

package soapsec

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// Config says how one register wants its messages secured. The zero Config secures
// nothing and understands a Timestamp.
type Config struct {
	User string // of a UsernameToken. Default none
	// Password returns the password. It is a function so that nothing prints it.
	// Required with User.
	Password func() string
	Digest   bool // PasswordDigest in place of PasswordText, which needs TLS

	Key         crypto.Signer     // signs what we send. Default none
	Certificate *x509.Certificate // Required with Key

	// Trust are certificates of signers of replies, or of authorities that certify
	// nobody else. With them a reply must be signed. Default: replies are not checked.
	Trust []*x509.Certificate

	Now  func() time.Time // Required
	Rand io.Reader        // Default crypto/rand
}

// Validate reports all faults at once.
func (c Config) Validate() error {
	var errs []error
	if (c.User == "") != (c.Password == nil) {
		errs = append(errs, errors.New("user and password go together"))
	}
	if (c.Key == nil) != (c.Certificate == nil) {
		errs = append(errs, errors.New("key and certificate go together"))
	}
	if c.Now == nil {
		errs = append(errs, errors.New("a clock is required"))
	}
	return errors.Join(errs...)
}

// Security secures the messages to one register. It is safe for concurrent use.
type Security struct {
	c     Config
	trust *x509.CertPool
}

// New makes a Security.
func New(c Config) (*Security, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("ws-security: %w", err)
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	s := &Security{c: c}
	if len(c.Trust) > 0 {
		s.trust = x509.NewCertPool()
		for _, t := range c.Trust {
			s.trust.AddCert(t)
		}
	}
	return s, nil
}

// Seals says whether Seal adds anything.
func (s *Security) Seals() bool { return s.c.User != "" || s.c.Key != nil }

// Verifies says whether a reply must be signed.
func (s *Security) Verifies() bool { return s.trust != nil }

// Fresh is how long a message of ours is good, and how far a reply's time may be off.
const Fresh = 5 * time.Minute

const (
	wss            = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
	base64Binary   = wss + "soap-message-security-1.0#Base64Binary"
	typeX509v3     = wss + "x509-token-profile-1.0#X509v3"
	typeSKI        = wss + "x509-token-profile-1.0#X509SubjectKeyIdentifier"
	passwordText   = wss + "username-token-profile-1.0#PasswordText"
	passwordDigest = wss + "username-token-profile-1.0#PasswordDigest"
	timeFormat     = "2006-01-02T15:04:05.000Z"

	soap11Space     = "http://schemas.xmlsoap.org/soap/envelope/"
	soap12Space     = "http://www.w3.org/2003/05/soap-envelope"
	addressingSpace = "http://www.w3.org/2005/08/addressing"
)

func wsse(local string) xmldoc.Name  { return xmldoc.Name{Space: xmlsec.SpaceWSSE, Local: local} }
func wsu(local string) xmldoc.Name   { return xmldoc.Name{Space: xmlsec.SpaceWSU, Local: local} }
func ds(local string) xmldoc.Name    { return xmldoc.Name{Space: xmlsec.SpaceDS, Local: local} }
func plain(local string) xmldoc.Name { return xmldoc.Name{Local: local} }

// envelope is a SOAP envelope of either version, each element by its place.
type envelope struct {
	space, prefix string
	header, body  xmldoc.Element // header may be zero
	security      xmldoc.Element // may be zero
}

var errEnvelope = errors.New("this is no SOAP envelope of one header and one body")

// locate finds the elements by position, never by id.
func locate(doc *xmldoc.Document) (envelope, error) {
	root := doc.Root()
	e := envelope{space: root.Name().Space, prefix: root.Prefix()}
	if root.Name().Local != "Envelope" || e.space != soap11Space && e.space != soap12Space {
		return e, errEnvelope
	}
	for c := range root.Children() {
		switch {
		case c.Is(xmldoc.Name{Space: e.space, Local: "Header"}) && e.header.IsZero() && e.body.IsZero():
			e.header = c
		case c.Is(xmldoc.Name{Space: e.space, Local: "Body"}) && e.body.IsZero():
			e.body = c
		default:
			return e, errEnvelope
		}
	}
	if e.body.IsZero() {
		return e, errEnvelope
	}
	if e.header.IsZero() {
		return e, nil
	}
	for c := range e.header.Children() {
		if !c.Is(wsse("Security")) {
			continue
		}
		if !e.security.IsZero() {
			return e, errors.New("the envelope has two Security headers")
		}
		e.security = c
	}
	return e, nil
}

func (s *Security) id(kind string) (string, error) {
	var b [12]byte
	if _, err := io.ReadFull(s.c.Rand, b[:]); err != nil {
		return "", fmt.Errorf("making an id: %w", err)
	}
	return kind + "-" + hex.EncodeToString(b[:]), nil
}

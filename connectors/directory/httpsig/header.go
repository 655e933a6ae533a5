package httpsig

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // S256
	_ "crypto/sha512" // S384, S512
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// The headers of a signed answer.
const (
	HeaderDigest    = "Digest"
	HeaderSignature = "Oots-Response-Sig"
)

// Algorithms of a signature. RFC 9864 gives EdDSA with this curve a name of its
// own; both are read, the older one is written.
const (
	algES256   = "ES256"
	algEdDSA   = "EdDSA"
	algEd25519 = "Ed25519"
)

const mechanism = "http://uri.etsi.org/19182/HttpHeaders"

// Bounds of what comes from outside.
const (
	maxSignature = 48 << 10 // of the header; a chain of three RSA-4096 certificates takes 8 KiB
	maxChain     = 6
	maxMembers   = 32 // of the protected header
)

// protected is the protected header of a signature, as far as it means something here.
type protected struct {
	algorithm string
	chain     []*x509.Certificate // as it came, leaf first
	signedAt  time.Time
}

var b64url = base64.RawURLEncoding.Strict()

// readProtected reads a protected header and checks everything in it that needs
// neither key nor clock.
func readProtected(encoded string) (*protected, error) {
	data, err := b64url.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("the protected header is not base64url")
	}
	m, err := object(data)
	if err != nil {
		return nil, fmt.Errorf("reading protected header: %w", err)
	}
	p := &protected{}
	if err := m.into("alg", &p.algorithm); err != nil {
		return nil, err
	}
	if p.algorithm != algES256 && p.algorithm != algEdDSA && p.algorithm != algEd25519 {
		return nil, fmt.Errorf("algorithm %.16q is not ES256 or EdDSA", p.algorithm)
	}
	if err := m.critical(); err != nil {
		return nil, err
	}
	if err := m.detached(); err != nil {
		return nil, err
	}
	if p.chain, err = m.certificates(); err != nil {
		return nil, err
	}
	if err := m.thumbprints(p.chain[0]); err != nil {
		return nil, err
	}
	p.signedAt, err = m.time()
	return p, err
}

// members are those of a JSON object, by their exact names: encoding/json would take
// ALG for alg, and the last of two for both.
type members map[string]json.RawMessage

func object(data []byte) (members, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	out := members{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, errors.New("not well-formed JSON")
		}
		name := t.(string) // the decoder lets nothing else stand here
		if _, twice := out[name]; twice {
			return nil, errors.New("a member appears twice")
		}
		if len(out) == maxMembers {
			return nil, errors.New("too many members")
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, errors.New("not well-formed JSON")
		}
		out[name] = v
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("not well-formed JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return out, nil
}

func (m members) into(name string, v any) error {
	raw, ok := m[name]
	if !ok || string(raw) == "null" || json.Unmarshal(raw, v) != nil {
		return fmt.Errorf("member %s is missing or of another type", name)
	}
	return nil
}

// critical checks crit (RFC 7515 4.1.11): what stands there is understood here and
// present, and the two members that change the signing input stand there (RFC 7797 6,
// TS 119 182-1 5.2.8.1).
func (m members) critical() error {
	var crit []string
	if err := m.into("crit", &crit); err != nil {
		return err
	}
	for i, name := range crit {
		if !slices.Contains([]string{"b64", "sigD", "x5t#o", "sigT"}, name) {
			return fmt.Errorf("crit names %.32q, which is not understood here", name)
		}
		if _, ok := m[name]; !ok || slices.Contains(crit[:i], name) {
			return errors.New("crit names a member that is not there, or twice")
		}
	}
	if !slices.Contains(crit, "b64") || !slices.Contains(crit, "sigD") {
		return errors.New("crit does not name b64 and sigD")
	}
	return nil
}

// detached checks that what is signed is the header digest and nothing else.
func (m members) detached() error {
	var b64 bool
	if err := m.into("b64", &b64); err != nil {
		return err
	}
	if b64 {
		return errors.New("b64 is not false")
	}
	d, err := object(m["sigD"])
	if err != nil {
		return fmt.Errorf("reading sigD: %w", err)
	}
	var id string
	var names []string
	if err := errors.Join(d.into("mId", &id), d.into("pars", &names)); err != nil {
		return fmt.Errorf("reading sigD: %w", err)
	}
	if len(d) != 2 || id != mechanism {
		return errors.New("sigD is not of the mechanism HttpHeaders")
	}
	if len(names) != 1 || names[0] != "digest" {
		return errors.New("sigD does not name the header digest alone") // TDD 3.6.2
	}
	return nil
}

// certificates reads x5c (RFC 7515 4.1.6): standard base64, the signer's first.
func (m members) certificates() ([]*x509.Certificate, error) {
	var list []string
	if err := m.into("x5c", &list); err != nil {
		return nil, err
	}
	if len(list) == 0 || len(list) > maxChain {
		return nil, fmt.Errorf("x5c has not 1 to %d certificates", maxChain)
	}
	out := make([]*x509.Certificate, len(list))
	for i, s := range list {
		der, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil {
			return nil, errors.New("a certificate of x5c is not base64")
		}
		if out[i], err = x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("reading a certificate of x5c: %w", err)
		}
	}
	return out, nil
}

var thumbprintHashes = map[string]crypto.Hash{"S256": crypto.SHA256, "S384": crypto.SHA384, "S512": crypto.SHA512}

// thumbprints checks every digest of the signer's certificate that the header states.
func (m members) thumbprints(leaf *x509.Certificate) error {
	if raw, ok := m["x5t#o"]; ok {
		o, err := object(raw)
		if err != nil {
			return fmt.Errorf("reading x5t#o: %w", err)
		}
		var alg, value string
		if err := errors.Join(o.into("digAlg", &alg), o.into("digVal", &value)); err != nil {
			return fmt.Errorf("reading x5t#o: %w", err)
		}
		hash, ok := thumbprintHashes[alg]
		if !ok {
			return fmt.Errorf("digest %.16q of x5t#o is not S256, S384 or S512", alg)
		}
		if err := thumbprint(hash, value, leaf); err != nil {
			return fmt.Errorf("x5t#o: %w", err)
		}
	}
	if _, ok := m["x5t#S256"]; ok {
		var value string
		if err := m.into("x5t#S256", &value); err != nil {
			return err
		}
		if err := thumbprint(crypto.SHA256, value, leaf); err != nil {
			return fmt.Errorf("x5t#S256: %w", err)
		}
	}
	return nil
}

func thumbprint(hash crypto.Hash, value string, c *x509.Certificate) error {
	want, err := b64url.DecodeString(value)
	if err != nil {
		return errors.New("not base64url")
	}
	h := hash.New()
	h.Write(c.Raw)
	if subtle.ConstantTimeCompare(h.Sum(nil), want) != 1 {
		return errors.New("it is of another certificate than the first of x5c")
	}
	return nil
}

// time reads when the signature says it was made: iat, or sigT of older JAdES.
func (m members) time() (time.Time, error) {
	if _, ok := m["iat"]; ok {
		var seconds int64
		if err := m.into("iat", &seconds); err != nil {
			return time.Time{}, err
		}
		if seconds < 0 || seconds > 1<<40 {
			return time.Time{}, errors.New("iat is not a time")
		}
		return time.Unix(seconds, 0).UTC(), nil
	}
	var text string
	if err := m.into("sigT", &text); err != nil {
		return time.Time{}, errors.New("neither iat nor sigT says when it was signed")
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, errors.New("sigT is not a time")
	}
	return t.UTC(), nil
}

package httpsig

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/pkitest"
)

var at = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return at }

// pki is a root, an issuing authority, and a signer that it certified.
type pki struct{ root, ca, leaf pkitest.Pair }

func newPKI(key crypto.PrivateKey, edits ...pkitest.Edit) pki {
	root := pkitest.Root("Root")
	ca := root.Issue("Issuing", pkitest.P256(), pkitest.Authority)
	return pki{root, ca, ca.Issue("CS-TEST", key, edits...)}
}

func (p pki) trust() *Trust { return &Trust{Anchors: []*x509.Certificate{p.root.Cert}} }

func (p pki) newSigner(t testing.TB) *Signer {
	t.Helper()
	s, err := NewSigner(p.leaf.Signer(), []*x509.Certificate{p.leaf.Cert, p.ca.Cert}, clock)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (p pki) signed(t testing.TB, body string) http.Header {
	t.Helper()
	h := http.Header{}
	if err := p.newSigner(t).Sign(h, []byte(body)); err != nil {
		t.Fatal(err)
	}
	return h
}

const body = "<answer/>"

func verify(t *Trust, h http.Header, body string) error {
	_, err := t.Verify(context.Background(), h, []byte(body), at)
	return err
}

func TestSignAndVerify(t *testing.T) {
	for name, key := range map[string]crypto.PrivateKey{"ES256": pkitest.P256(), "EdDSA": pkitest.Ed25519()} {
		t.Run(name, func(t *testing.T) {
			p := newPKI(key)
			got, err := p.trust().Verify(t.Context(), p.signed(t, body), []byte(body), at)
			if err != nil {
				t.Fatal(err)
			}
			if got.Subject() != "CN=CS-TEST" || !got.At.Equal(at) || !got.Until.Equal(p.leaf.Cert.NotAfter) {
				t.Errorf("got %s, %s, %s", got.Subject(), got.At, got.Until)
			}
			pinned := &Trust{Pinned: []*x509.Certificate{p.leaf.Cert}}
			if err := verify(pinned, p.signed(t, body), body); err != nil {
				t.Errorf("pinned: %v", err)
			}
		})
	}
}

// TestEveryCharacterCounts changes each character of the headers and of the body in turn.
func TestEveryCharacterCounts(t *testing.T) {
	p := newPKI(pkitest.P256())
	trust, h := p.trust(), p.signed(t, body)
	for _, name := range []string{HeaderDigest, HeaderSignature} {
		value := h.Get(name)
		for i := range len(value) {
			for _, c := range []byte{'A', 'B', '.', '=', ' ', value[i] ^ 0x20, value[i] ^ 1} {
				if c == value[i] || c < ' ' {
					continue
				}
				changed := maps.Clone(h)
				changed.Set(name, value[:i]+string(c)+value[i+1:])
				if verify(trust, changed, body) == nil {
					t.Fatalf("%s with %q for %q at %d verifies", name, c, value[i], i)
				}
			}
			cut := maps.Clone(h)
			cut.Set(name, value[:i])
			if verify(trust, cut, body) == nil {
				t.Fatalf("%s cut at %d verifies", name, i)
			}
		}
		longer := maps.Clone(h)
		longer.Set(name, value+"\n")
		if verify(trust, longer, body) == nil {
			t.Errorf("%s with a line end verifies", name)
		}
	}
	for i := range len(body) {
		if verify(trust, h, body[:i]+"x"+body[i+1:]) == nil {
			t.Fatalf("the body changed at %d verifies", i)
		}
	}
}

func TestTrust(t *testing.T) {
	p, other := newPKI(pkitest.P256()), newPKI(pkitest.P256())
	h := p.signed(t, body)
	expired := newPKI(pkitest.P256(), func(c *x509.Certificate) { c.NotAfter = at.Add(-time.Second) })
	early := newPKI(pkitest.P256(), func(c *x509.Certificate) { c.NotBefore = at.Add(time.Second) })
	authority := newPKI(pkitest.P256(), pkitest.Authority)
	encrypts := newPKI(pkitest.P256(), pkitest.Usage(x509.KeyUsageKeyAgreement))
	pol := newPKI(pkitest.P256())
	pol.ca = pol.root.Issue("Issuing", pkitest.P256(), pkitest.Authority, policy)
	pol.leaf = pol.ca.Issue("CS-TEST", pkitest.P256(), policy)
	revoked := errors.New("revoked")
	with := func(edit func(*Trust)) *Trust {
		t := p.trust()
		edit(t)
		return t
	}
	for _, c := range []struct {
		name  string
		trust *Trust
		h     http.Header
		want  string
	}{
		{"the anchor", p.trust(), h, ""},
		{"another anchor", other.trust(), h, "validating certificate path"},
		{"another pinned certificate", &Trust{Pinned: []*x509.Certificate{other.leaf.Cert}}, h, "not a pinned one"},
		{"the intermediate is left out", p.trust(), without(t, p), "validating certificate path"},
		{"and is configured", with(func(t *Trust) { t.Intermediates = []*x509.Certificate{p.ca.Cert} }), without(t, p), ""},
		{"an expired certificate", expired.trust(), expired.signed(t, body), "valid from"},
		{"one of tomorrow", early.trust(), early.signed(t, body), "valid from"},
		{"an authority that signs itself", authority.trust(), authority.signed(t, body), "one of an authority"},
		{"a certificate for encryption", encrypts.trust(), encrypts.signed(t, body), "does not allow signatures"},
		{"subject", with(func(t *Trust) { t.Subject = regexp.MustCompile(`^CN=CS-TEST$`) }), h, ""},
		{"another subject", with(func(t *Trust) { t.Subject = regexp.MustCompile(`^CN=CS-PROD$`) }), h, "pattern of subjects"},
		{"policy", with(func(t *Trust) { t.Policies = []x509.OID{oid(1, 2, 3)} }), h, "for the agreed policies"},
		{"the policy", &Trust{Anchors: []*x509.Certificate{pol.root.Cert}, Policies: []x509.OID{oid(1, 2, 3)}}, pol.signed(t, body), ""},
		{"revoked", with(func(t *Trust) { t.Revocation = verdict{err: revoked} }), h, "revoked"},
		{"not revoked", with(func(t *Trust) { t.Revocation = verdict{until: at.Add(time.Hour)} }), h, ""},
	} {
		t.Run(c.name, func(t *testing.T) { want(t, verify(c.trust, c.h, body), c.want) })
	}
	got, err := with(func(t *Trust) { t.Revocation = verdict{until: at.Add(time.Hour)} }).Verify(t.Context(), h, []byte(body), at)
	if err != nil || !got.Until.Equal(at.Add(time.Hour)) {
		t.Errorf("until %s, %v: want the end of the answer about revocation", got.Until, err)
	}
	if err := (&Trust{}).Validate(); err == nil {
		t.Error("trust in nobody is valid")
	}
}

type verdict struct {
	until time.Time
	err   error
}

func (v verdict) Check(_ context.Context, path []*x509.Certificate, _ time.Time) (time.Time, error) {
	if len(path) != 3 {
		return time.Time{}, errors.New("not the whole path")
	}
	return v.until, v.err
}

func policy(c *x509.Certificate) { c.Policies = []x509.OID{oid(1, 2, 3)} }

func oid(n ...uint64) x509.OID {
	o, err := x509.OIDFromInts(n)
	if err != nil {
		panic(err)
	}
	return o
}

func without(t *testing.T, p pki) http.Header {
	s, err := NewSigner(p.leaf.Signer(), []*x509.Certificate{p.leaf.Cert}, clock)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	if err := s.Sign(h, []byte(body)); err != nil {
		t.Fatal(err)
	}
	return h
}

func want(t *testing.T, err error, part string) {
	t.Helper()
	switch {
	case part == "" && err != nil:
		t.Errorf("refused: %v", err)
	case part != "" && err == nil:
		t.Errorf("accepted, want a refusal with %q", part)
	case part != "" && !strings.Contains(err.Error(), part):
		t.Errorf("got %q, want a refusal with %q", err, part)
	}
}

// forge signs a protected header as it is given, by a trusted key.
func forge(t *testing.T, p pki, header string, sign func(input []byte) []byte) http.Header {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	digest := digestPrefix + base64.StdEncoding.EncodeToString(sum[:])
	encoded := b64url.EncodeToString([]byte(header))
	if sign == nil {
		sign = func(input []byte) []byte {
			s := Signer{key: p.leaf.Signer(), algorithm: algES256}
			sig, err := s.sign(input)
			if err != nil {
				t.Fatal(err)
			}
			return sig
		}
	}
	return http.Header{HeaderDigest: {digest}, HeaderSignature: {encoded + ".." + b64url.EncodeToString(sign(signingInput(encoded, digest)))}}
}

// TestProtectedHeader: what a trusted key signed must also say what we understand.
func TestProtectedHeader(t *testing.T) {
	p, other := newPKI(pkitest.P256()), newPKI(pkitest.P256())
	b64 := base64.StdEncoding.EncodeToString
	sum, otherSum := sha256.Sum256(p.leaf.Cert.Raw), sha256.Sum256(other.leaf.Cert.Raw)
	good := map[string]string{
		"alg": `"ES256"`, "b64": `false`, "crit": `["b64","sigD"]`, "iat": `1782907200`,
		"sigD": `{"mId":"http://uri.etsi.org/19182/HttpHeaders","pars":["digest"]}`,
		"x5c":  `["` + b64(p.leaf.Cert.Raw) + `","` + b64(p.ca.Cert.Raw) + `"]`,
	}
	header := func(edits ...string) string {
		m := maps.Clone(good)
		for i := 0; i < len(edits); i += 2 {
			if edits[i+1] == "" {
				delete(m, edits[i])
			} else {
				m[edits[i]] = edits[i+1]
			}
		}
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(m)) {
			parts = append(parts, `"`+k+`":`+m[k])
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	for _, c := range []struct {
		name, header, want string
	}{
		{"as it should be", header(), ""},
		{"sigT instead of iat", header("iat", "", "sigT", `"2026-07-01T12:00:00Z"`), ""},
		{"a member that nobody must understand", header("cty", `"x"`), ""},
		{"alg none", header("alg", `"none"`), "is not ES256"},
		{"alg HS256", header("alg", `"HS256"`), "is not ES256"},
		{"alg RS256", header("alg", `"RS256"`), "is not ES256"},
		{"alg ES384", header("alg", `"ES384"`), "is not ES256"},
		{"alg in small letters", header("alg", `"es256"`), "is not ES256"},
		{"alg EdDSA with a key on P-256", header("alg", `"EdDSA"`), "not of the algorithm"},
		{"no alg", header("alg", ""), "alg is missing"},
		{"ALG", header("alg", "", "ALG", `"ES256"`), "alg is missing"},
		{"two algs", `{"alg":"none",` + header()[1:], "appears twice"},
		{"crit unknown", header("crit", `["b64","sigD","exp"]`, "exp", "1"), "not understood"},
		{"crit without b64", header("crit", `["sigD"]`), "crit does not name"},
		{"crit without sigD", header("crit", `["b64"]`), "crit does not name"},
		{"crit twice", header("crit", `["b64","sigD","b64"]`), "or twice"},
		{"crit of what is not there", header("crit", `["b64","sigD","sigT"]`), "not there"},
		{"crit empty", header("crit", `[]`), "crit does not name"},
		{"no crit", header("crit", ""), "crit is missing"},
		{"b64 true", header("b64", "true"), "b64 is not false"},
		{"b64 null", header("b64", "null"), "b64 is missing"},
		{"another mechanism", header("sigD", `{"mId":"http://uri.etsi.org/19182/ObjectIdByURI","pars":["digest"]}`), "mechanism"},
		{"another header", header("sigD", `{"mId":"http://uri.etsi.org/19182/HttpHeaders","pars":["date"]}`), "digest alone"},
		{"no header", header("sigD", `{"mId":"http://uri.etsi.org/19182/HttpHeaders","pars":[]}`), "digest alone"},
		{"more in sigD", header("sigD", `{"mId":"http://uri.etsi.org/19182/HttpHeaders","pars":["digest"],"hashM":"S256"}`), "mechanism"},
		{"no x5c", header("x5c", ""), "x5c is missing"},
		{"empty x5c", header("x5c", "[]"), "1 to 6"},
		{"too many certificates", header("x5c", "["+strings.Repeat(`"`+b64(p.ca.Cert.Raw)+`",`, 6)+`"`+b64(p.ca.Cert.Raw)+`"]`), "1 to 6"},
		{"x5c that is no certificate", header("x5c", `["AAAA"]`), "reading a certificate"},
		{"x5c of another signer", header("x5c", `["`+b64(other.leaf.Cert.Raw)+`"]`), "validating certificate path"},
		{"the authority first", header("x5c", `["`+b64(p.ca.Cert.Raw)+`","`+b64(p.leaf.Cert.Raw)+`"]`), "one of an authority"},
		{"x5t#o", header("x5t#o", `{"digAlg":"S256","digVal":"`+b64url.EncodeToString(sum[:])+`"}`), ""},
		{"x5t#S256", header("x5t#S256", `"`+b64url.EncodeToString(sum[:])+`"`), ""},
		{"wrong x5t#o", header("x5t#o", `{"digAlg":"S256","digVal":"`+b64url.EncodeToString(otherSum[:])+`"}`), "another certificate"},
		{"wrong x5t#S256", header("x5t#S256", `"`+b64url.EncodeToString(otherSum[:])+`"`), "another certificate"},
		{"x5t#o of a weak digest", header("x5t#o", `{"digAlg":"S1","digVal":"AAAA"}`), "not S256"},
		{"no time", header("iat", ""), "neither iat nor sigT"},
		{"a time of text", header("iat", `"now"`), "iat is missing"},
		{"the future", header("iat", "1782907600"), "from the future"},
		{"within the skew", header("iat", "1782907400"), ""},
		{"not an object", `[]`, "not a JSON object"},
		{"more than an object", header() + `{}`, "something follows"},
		{"broken", `{"alg":`, "not well-formed"},
	} {
		t.Run(c.name, func(t *testing.T) { want(t, verify(p.trust(), forge(t, p, c.header, nil), body), c.want) })
	}
	aged := p.trust()
	aged.MaxAge = time.Hour
	want(t, verify(aged, forge(t, p, header("iat", "1782900000"), nil), body), "older than")
}

// TestKeyConfusion: the algorithm never chooses how a key is used.
func TestKeyConfusion(t *testing.T) {
	rsaPKI, edPKI := newPKI(pkitest.RSA()), newPKI(pkitest.Ed25519())
	p384 := newPKI(pkitest.P384())
	header := func(p pki, alg string) string {
		data, err := json.Marshal(map[string]any{
			"alg": alg, "b64": false, "crit": []string{"b64", "sigD"}, "iat": at.Unix(),
			"sigD": map[string]any{"mId": mechanism, "pars": []string{"digest"}}, "x5c": [][]byte{p.leaf.Cert.Raw, p.ca.Cert.Raw},
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	rsaSign := func(input []byte) []byte {
		sum := sha256.Sum256(input)
		sig, err := rsa.SignPKCS1v15(rand.Reader, rsaPKI.leaf.Key.(*rsa.PrivateKey), crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	mac := func(input []byte) []byte {
		m := hmac.New(sha256.New, edPKI.leaf.Cert.RawSubjectPublicKeyInfo)
		m.Write(input)
		return m.Sum(nil)
	}
	zeros := func([]byte) []byte { return make([]byte, 64) }
	for _, c := range []struct {
		name string
		p    pki
		alg  string
		sign func([]byte) []byte
		want string
	}{
		{"RS256 of an RSA key", rsaPKI, "RS256", rsaSign, "is not ES256"},
		{"ES256 of an RSA key", rsaPKI, "ES256", zeros, "of neither algorithm"},
		{"HS256 with the public key", edPKI, "HS256", mac, "is not ES256"},
		{"ES256 of an Ed25519 key", edPKI, "ES256", zeros, "not of the algorithm"},
		{"ES256 of a key on P-384", p384, "ES256", zeros, "not of the algorithm"},
		{"zeros", newPKI(pkitest.P256()), "ES256", zeros, "not good"},
		{"no signature", newPKI(pkitest.P256()), "ES256", func([]byte) []byte { return nil }, "64 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want(t, verify(c.p.trust(), forge(t, c.p, header(c.p, c.alg), c.sign), body), c.want)
		})
	}
	if _, err := NewSigner(rsaPKI.leaf.Signer(), []*x509.Certificate{rsaPKI.leaf.Cert}, clock); err == nil {
		t.Error("an RSA key signs")
	}
	if _, err := NewSigner(p384.leaf.Signer(), []*x509.Certificate{p384.leaf.Cert}, clock); err == nil {
		t.Error("a key on P-384 signs")
	}
	if _, err := NewSigner(edPKI.leaf.Signer(), []*x509.Certificate{rsaPKI.leaf.Cert}, clock); err == nil {
		t.Error("a key signs with the certificate of another")
	}
}

func TestHeaders(t *testing.T) {
	p := newPKI(pkitest.P256())
	h := p.signed(t, body)
	with := func(edit func(http.Header)) http.Header {
		c := h.Clone()
		edit(c)
		return c
	}
	sum := sha256.Sum256([]byte(body))
	for _, c := range []struct {
		name string
		h    http.Header
		want string
	}{
		{"none", http.Header{}, "not signed"},
		{"no digest", with(func(h http.Header) { h.Del(HeaderDigest) }), "once each"},
		{"two digests", with(func(h http.Header) { h.Add(HeaderDigest, h.Get(HeaderDigest)) }), "once each"},
		{"two signatures", with(func(h http.Header) { h.Add(HeaderSignature, h.Get(HeaderSignature)) }), "once each"},
		{"a list of digests", with(func(h http.Header) { h.Set(HeaderDigest, h.Get(HeaderDigest)+",SHA-512=AAAA") }), "base64"},
		{"a weak digest", with(func(h http.Header) { h.Set(HeaderDigest, "MD5=AAAA") }), "not SHA-256"},
		{"the digest renamed after signing", with(func(h http.Header) { h.Set(HeaderDigest, "sha-256"+h.Get(HeaderDigest)[7:]) }), "not good"},
		{"the digest in hex", with(func(h http.Header) { h.Set(HeaderDigest, "SHA-256="+string(sum[:8])) }), "base64"},
		{"too long", with(func(h http.Header) { h.Set(HeaderSignature, strings.Repeat("A", maxSignature+1)) }), "too long"},
		{"not detached", with(func(h http.Header) {
			h.Set(HeaderSignature, strings.Replace(h.Get(HeaderSignature), "..", "."+b64url.EncodeToString([]byte(body))+".", 1))
		}), "detached"},
		{"two parts", with(func(h http.Header) {
			h.Set(HeaderSignature, strings.Replace(h.Get(HeaderSignature), "..", ".", 1))
		}), "detached"},
		{"four parts", with(func(h http.Header) { h.Set(HeaderSignature, h.Get(HeaderSignature)+".AA") }), "detached"},
	} {
		t.Run(c.name, func(t *testing.T) { want(t, verify(p.trust(), c.h, body), c.want) })
	}
	if err := verify(p.trust(), http.Header{}, body); !errors.Is(err, ErrUnsigned) {
		t.Errorf("got %v, want ErrUnsigned", err)
	}
}

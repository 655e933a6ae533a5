package httpsig

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"oncegate/connectors/pkitest"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/assets"
)

func document(t testing.TB, file string) xmldoc.Element {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := xmldoc.ParseBytes(b, xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return doc.Root()
}

func attr(e xmldoc.Element, name string) string {
	v, _ := e.Attr(xmldoc.Name{Local: name})
	return v
}

// captured returns the headers of every captured answer by the file of its body, and
// the anchors by their file.
func captured(t testing.TB) (dir string, answers map[string]http.Header, anchors map[string]*x509.Certificate) {
	dir = assets.Path(t, "oots/oots-france-2.0.1")
	answers, anchors = map[string]http.Header{}, map[string]*x509.Certificate{}
	for r := range document(t, filepath.Join(dir, "signed-headers.xml")).Children() {
		h := http.Header{}
		for e := range r.Children() {
			h.Set(attr(e, "name"), e.Text())
		}
		answers[attr(r, "body")] = h
	}
	for e := range document(t, filepath.Join(dir, "trust-anchors.xml")).Children() {
		der, err := base64.StdEncoding.DecodeString(e.Text())
		if err != nil {
			t.Fatal(err)
		}
		if anchors[attr(e, "file")], err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
	}
	return dir, answers, anchors
}

// captureTime is when the answers were captured: their certificates end in 2027.
var captureTime = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

// TestCaptured verifies what the acceptance environment signed: with body, where the
// body is there, and else the signature over the digest alone.
func TestCaptured(t *testing.T) {
	dir, answers, anchors := captured(t)
	acceptance, production := anchors["services_communs_acc.pem"], anchors["services_communs_prod.pem"]
	if len(answers) == 0 || acceptance == nil || production == nil {
		t.Fatalf("%d answers, anchors %v", len(answers), maps.Keys(anchors))
	}
	trust := &Trust{Anchors: []*x509.Certificate{acceptance}}
	whole := 0
	for name, h := range answers {
		t.Run(name, func(t *testing.T) {
			first, rest, _ := cut(h.Get(HeaderSignature))
			p, err := readProtected(first)
			if err != nil {
				t.Fatal(err)
			}
			sig, err := b64url.DecodeString(rest)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.verify(signingInput(first, h.Get(HeaderDigest)), sig); err != nil {
				t.Fatal(err)
			}
			body, err := os.ReadFile(filepath.Join(dir, name))
			if os.IsNotExist(err) {
				t.Logf("%s: the body is not among the assets, its digest is verified", name)
				return
			}
			whole++
			got, err := trust.Verify(context.Background(), h, body, captureTime)
			if err != nil {
				t.Fatal(err)
			}
			if got.Certificate.Subject.CommonName != "EC-OOTS-CS-ACC" {
				t.Errorf("signer is %s", got.Subject())
			}
			other := &Trust{Anchors: []*x509.Certificate{production}}
			if _, err := other.Verify(context.Background(), h, body, captureTime); err == nil {
				t.Error("acceptance speaks for production")
			}
			if _, err := trust.Verify(context.Background(), h, body, got.Certificate.NotAfter.Add(time.Second)); err == nil {
				t.Error("an expired signer verifies")
			}
			for i := 0; i < len(body); i += 7 {
				changed := append([]byte(nil), body...)
				changed[i] ^= 1
				if checkDigest(h.Get(HeaderDigest), changed) == nil {
					t.Fatalf("the body changed at %d verifies", i)
				}
			}
		})
	}
	if whole == 0 {
		t.Error("no answer was verified with its body")
	}
}

func cut(sig string) (protected, signature string, ok bool) {
	for i := range len(sig) - 1 {
		if sig[i] == '.' && sig[i+1] == '.' {
			return sig[:i], sig[i+2:], true
		}
	}
	return sig, "", false
}

// FuzzVerify: whatever stands in the headers, a body that was not signed is refused,
// and nothing panics.
func FuzzVerify(f *testing.F) {
	f.Add("SHA-256=AAAA", "e30..AAAA", []byte("x"))
	f.Add("SHA-256=dqaiI+R9BITg9/2VMWAj7KgDIC/4/4BgNAkWKbVhc+M=", "eyJhbGciOiJFUzI1NiIsImNyaXQiOlsiYjY0Iiwic2lnRCJdLCJiNjQiOmZhbHNlfQ..AAAA", []byte("y"))
	p := newPKI(pkitest.P256())
	h := p.signed(f, body)
	f.Add(h.Get(HeaderDigest), h.Get(HeaderSignature), []byte(body))
	trust := p.trust()
	f.Fuzz(func(t *testing.T, digest, sig string, b []byte) {
		_, err := trust.Verify(context.Background(), http.Header{HeaderDigest: {digest}, HeaderSignature: {sig}}, b, at)
		if err == nil && string(b) != body {
			t.Fatal("a body that was not signed verifies")
		}
	})
}

// FuzzProtected reads protected headers directly: behind a signature the fuzzer would
// never get past base64.
func FuzzProtected(f *testing.F) {
	f.Add([]byte(`{"alg":"ES256","b64":false,"crit":["b64","sigD"],"iat":1,"sigD":{"mId":"http://uri.etsi.org/19182/HttpHeaders","pars":["digest"]},"x5c":["AAAA"],"x5t#o":{"digAlg":"S512","digVal":"AA"}}`))
	f.Add([]byte(`{"alg":"none"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := readProtected(b64url.EncodeToString(data))
		if err == nil && (len(p.chain) == 0 || p.algorithm == "") {
			t.Fatal("a header without signer or algorithm is read")
		}
	})
}

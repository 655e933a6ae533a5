package pkitest

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

func TestEveryKindOfKeyIsCertifiedByEveryIssuer(t *testing.T) {
	issuers := map[string]crypto.PrivateKey{"rsa": RSA(), "p256": P256(), "p384": P384(), "p521": P521(), "ed25519": Ed25519()}
	for by, issuer := range issuers {
		root := SelfSigned("Root", issuer, Authority)
		for of, key := range map[string]crypto.PrivateKey{"rsa": RSA(), "p256": P256(), "p384": P384(), "p521": P521(), "ed25519": Ed25519(), "x25519": X25519()} {
			leaf := root.Issue("AP_NL_01", key, Usage(x509.KeyUsageKeyAgreement), nil)
			if err := leaf.Cert.CheckSignatureFrom(root.Cert); err != nil {
				t.Errorf("%s by %s: %v", of, by, err)
			}
			want, err := x509.MarshalPKIXPublicKey(public(key))
			if err != nil {
				t.Fatal(err)
			}
			if string(leaf.Cert.RawSubjectPublicKeyInfo) != string(want) {
				t.Errorf("%s by %s: the certificate is of another key", of, by)
			}
			if leaf.Cert.KeyUsage != x509.KeyUsageKeyAgreement || leaf.Cert.IsCA || leaf.Cert.Subject.CommonName != "AP_NL_01" {
				t.Errorf("%s by %s: edits are not in the certificate", of, by)
			}
		}
	}
}

func TestPathsVerify(t *testing.T) {
	now := time.Now()
	root := Root("Root")
	middle := root.Issue("Issuing", P256(), Authority)
	leaf := middle.Issue("as4.example.org", P256(), Around(now), Extended(x509.ExtKeyUsageServerAuth), Hosts("as4.example.org", "127.0.0.1"))
	for _, host := range []string{"as4.example.org", "127.0.0.1"} {
		_, err := leaf.Cert.Verify(x509.VerifyOptions{Roots: Pool(root.Cert), Intermediates: Pool(middle.Cert), DNSName: host})
		if err != nil {
			t.Error(err)
		}
	}
	if _, err := leaf.Cert.Verify(x509.VerifyOptions{Roots: Pool(Root("Root").Cert), Intermediates: Pool(middle.Cert)}); err == nil {
		t.Error("an authority of the same name is taken for the other")
	}
	for _, at := range []time.Time{now.AddDate(-2, 0, 0), now.AddDate(2, 0, 0)} {
		if _, err := leaf.Cert.Verify(x509.VerifyOptions{Roots: Pool(root.Cert), Intermediates: Pool(middle.Cert), CurrentTime: at}); err == nil {
			t.Errorf("valid at %s", at)
		}
	}
}

func TestWrittenPairsAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	root := Root("Root")
	leaf := root.Issue("AP_NL_01", Ed25519())
	if err := leaf.Write(dir, "own", root.Cert); err != nil {
		t.Fatal(err)
	}
	got, err := tls.LoadX509KeyPair(dir+"/own.pem", dir+"/own.key")
	if err != nil {
		t.Fatal(err)
	}
	if want := leaf.TLS(root.Cert); len(got.Certificate) != 2 || string(got.Certificate[1]) != string(want.Certificate[1]) || !got.Leaf.Equal(want.Leaf) {
		t.Error("another path was read than was written")
	}
}

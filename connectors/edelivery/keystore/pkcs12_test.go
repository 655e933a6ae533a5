package keystore

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gopkcs12 "software.sslmate.com/src/go-pkcs12"

	"oncegate/connectors/pkitest"
)

const storePassword = "höher-Schutz 7" // not ASCII: UTF-16 for one derivation, UTF-8 for the other

func openStore(t *testing.T, data []byte, password, alias string) (Entry, error) {
	t.Helper()
	f := &files{data: map[string][]byte{"s.p12": data, "pw": []byte(password + "\n")}}
	return Open(t.Context(), Ref{PKCS12: &PKCS12{File: "s.p12", PasswordFile: "pw", Alias: alias}}, f)
}

// TestStoreOfOpenSSL reads what OpenSSL 3 writes, also in the forms of its past.
func TestStoreOfOpenSSL(t *testing.T) {
	t.Parallel()
	m := middle()
	for kind, key := range kinds() {
		p := m.Issue("AP_NL_01", key)
		for name, options := range map[string][]string{
			"default": nil,
			"legacy":  {"-legacy"},
			"3des":    {"-legacy", "-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES"},
			"rc2-128": {"-legacy", "-certpbe", "PBE-SHA1-RC2-128", "-keypbe", "PBE-SHA1-RC2-128"},
			"aes128":  {"-certpbe", "AES-128-CBC", "-keypbe", "AES-128-CBC", "-macalg", "sha512"},
			"aes192":  {"-certpbe", "AES-192-CBC", "-keypbe", "AES-192-CBC", "-macalg", "sha384", "-iter", "5000"},
			"clear":   {"-certpbe", "NONE", "-keypbe", "NONE"},
		} {
			if kind != RSA && name != "default" {
				continue
			}
			t.Run(string(kind)+"/"+name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				write(t, dir, "c.pem", pkitest.CertificatePEM(p.Cert))
				write(t, dir, "chain.pem", pkitest.CertificatePEM(m.Cert, root().Cert))
				write(t, dir, "k.pem", pkitest.KeyPEM(p.Key))
				tool(t, dir, "openssl", append([]string{"pkcs12", "-export", "-in", "c.pem", "-inkey", "k.pem", "-certfile", "chain.pem", "-name", "ap_nl_01", "-out", "s.p12", "-passout", "pass:" + storePassword}, options...)...)
				data, err := os.ReadFile(filepath.Join(dir, "s.p12"))
				if err != nil {
					t.Fatal(err)
				}
				for _, alias := range []string{"", "AP_NL_01"} {
					e, err := openStore(t, data, storePassword, alias)
					if err != nil {
						t.Fatal(err)
					}
					if !e.Certificate.Equal(p.Cert) || len(e.Chain) != 2 || !e.Chain[0].Equal(m.Cert) || !e.Chain[1].Equal(root().Cert) {
						t.Errorf("certificate %s, chain of %d", e.Certificate.Subject, len(e.Chain))
					}
					works(t, e)
				}
				for _, wrong := range []string{"wrong", storePassword + " "} {
					if _, err := openStore(t, data, wrong, ""); err == nil || !strings.Contains(err.Error(), "password is wrong") {
						t.Errorf("password %q: %v", wrong, err)
					}
				}
				if _, err := openStore(t, data, storePassword, "other"); err == nil || !strings.Contains(err.Error(), `"ap_nl_01"`) {
					t.Errorf("other alias: %v", err)
				}
				data[len(data)/2] ^= 1
				if _, err := openStore(t, data, storePassword, ""); err == nil {
					t.Error("a damaged store is read")
				}
			})
		}
	}
}

// TestStoreOfJava reads a store with many keys, as keytool of Java 17 makes it.
func TestStoreOfJava(t *testing.T) {
	t.Parallel()
	const password = "changeit-now"
	for name, options := range map[string][]string{
		"java 17": nil,
		"java 8":  {"-J-Dkeystore.pkcs12.legacy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			keytool := func(args ...string) {
				t.Helper()
				tool(t, dir, "keytool", append(args, append([]string{"-keystore", "s.p12", "-storetype", "PKCS12", "-storepass", password}, options...)...)...)
			}
			want := map[string]Kind{"blue_rsa_sign": RSA, "blue_ecc_sign": Ed25519, "Blue_EC": EC}
			keytool("-genkeypair", "-alias", "blue_rsa_sign", "-keyalg", "RSA", "-keysize", "2048", "-dname", "CN=blue rsa")
			keytool("-genkeypair", "-alias", "blue_ecc_sign", "-keyalg", "Ed25519", "-dname", "CN=blue ed")
			keytool("-genkeypair", "-alias", "Blue_EC", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=blue ec")
			write(t, dir, "partner.pem", pkitest.CertificatePEM(middle().Cert))
			keytool("-importcert", "-noprompt", "-alias", "red_gw", "-file", "partner.pem")
			data, err := os.ReadFile(filepath.Join(dir, "s.p12"))
			if err != nil {
				t.Fatal(err)
			}
			for alias, kind := range want {
				e, err := openStore(t, data, password, strings.ToUpper(alias))
				if err != nil {
					t.Fatal(err)
				}
				if KindOf(e.Certificate) != kind {
					t.Errorf("%s is %s", alias, KindOf(e.Certificate))
				}
				works(t, e)
			}
			if _, err := openStore(t, data, password, ""); err == nil || !strings.Contains(err.Error(), "alias") {
				t.Errorf("without an alias: %v", err)
			}
			if _, err := openStore(t, data, password, "red_gw"); err == nil || strings.Contains(err.Error(), "red_gw") {
				t.Errorf("a partner's certificate is no key: %v", err)
			}
		})
	}
}

// TestStoreOfAnotherLibrary reads what the library for Go writes, with PBMAC1 too.
func TestStoreOfAnotherLibrary(t *testing.T) {
	t.Parallel()
	m := middle()
	p := m.Issue("AP_NL_01", pkitest.RSA())
	for name, enc := range map[string]*gopkcs12.Encoder{
		"rc2": gopkcs12.LegacyRC2, "des": gopkcs12.LegacyDES, "2023": gopkcs12.Modern2023, "2026": gopkcs12.Modern2026,
	} {
		data, err := enc.Encode(p.Key, p.Cert, []*x509.Certificate{m.Cert}, "secret")
		if err != nil {
			t.Fatal(err)
		}
		e, err := openStore(t, data, "secret", "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !e.Certificate.Equal(p.Cert) || len(e.Chain) != 1 {
			t.Errorf("%s: certificate %s, chain of %d", name, e.Certificate.Subject, len(e.Chain))
		}
		works(t, e)
		if _, err := openStore(t, data, "other", ""); err == nil {
			t.Errorf("%s: opened with another password", name)
		}
	}
}

func TestStoreFaults(t *testing.T) {
	t.Parallel()
	m := middle()
	p := m.Issue("AP_NL_01", pkitest.RSA())
	must := func(b []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	other := m.Issue("other", pkitest.P256())
	for _, tt := range []struct {
		name, password string
		data           []byte
		want           string
	}{
		{"no MAC", "x", must(gopkcs12.Passwordless.Encode(p.Key, p.Cert, nil, "")), "no MAC"},
		{"empty password", "", must(gopkcs12.Modern.Encode(p.Key, p.Cert, nil, "")), "one line"},
		{"certificate of another key", "x", must(gopkcs12.Modern.Encode(p.Key, other.Cert, nil, "x")), "no certificate of the key"},
		{"certificates only", "x", must(gopkcs12.Modern.EncodeTrustStore([]*x509.Certificate{p.Cert}, "x")), "no private key"},
		{"JKS", "x", []byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2}, "keytool"},
		{"PEM", "x", pkitest.CertificatePEM(p.Cert), "PEM"},
		{"BER", "x", []byte{0x30, 0x80, 2, 1, 3, 0, 0}, "not a PKCS#12"},
		{"empty", "x", nil, "not a PKCS#12"},
		{"too many iterations", "x", must(gopkcs12.LegacyDES.WithIterations(maxIterations+1).Encode(p.Key, p.Cert, nil, "x")), "iterations"},
	} {
		if _, err := openStore(t, tt.data, tt.password, ""); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err = %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestRenewedForTheSameKey takes the certificate that the store links with the key.
func TestRenewedForTheSameKey(t *testing.T) {
	t.Parallel()
	m := middle()
	old, renewed := m.Issue("AP_NL_01", pkitest.RSA()), m.Issue("AP_NL_01", pkitest.RSA())
	s := &store{
		keys:  []storedKey{{label{id: []byte{7}}, crypto.PrivateKey(pkitest.RSA())}},
		certs: []storedCert{{label{id: []byte{1}}, old.Cert}, {label{name: "new", id: []byte{7}}, renewed.Cert}},
	}
	if e, err := s.entry("NEW"); err != nil || !e.Certificate.Equal(renewed.Cert) {
		t.Errorf("%v, %v", e.Certificate, err)
	}
}

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func FuzzStore(f *testing.F) {
	m := middle()
	p := m.Issue("AP_NL_01", pkitest.P256())
	for _, enc := range []*gopkcs12.Encoder{gopkcs12.LegacyRC2, gopkcs12.LegacyDES, gopkcs12.Modern2023, gopkcs12.Modern2026} {
		data, err := enc.WithIterations(10).Encode(p.Key, p.Cert, []*x509.Certificate{m.Cert}, "x")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := readStore(data, "x", 100); err == nil {
			_, _ = s.entry("")
		}
	})
}

// FuzzSafe reads what lies below the MAC, which the fuzzer cannot make.
func FuzzSafe(f *testing.F) {
	f.Add([]byte{0x30, 0}, true)
	m := middle()
	p := m.Issue("AP_NL_01", pkitest.P256())
	data, err := gopkcs12.Modern2023.WithIterations(10).Encode(p.Key, p.Cert, []*x509.Certificate{m.Cert}, "x")
	if err != nil {
		f.Fatal(err)
	}
	var outer pfx
	var safe []byte
	var infos []contentInfo
	if unmarshal(data, &outer) != nil || unmarshal(outer.AuthSafe.Content.Bytes, &safe) != nil || unmarshal(safe, &infos) != nil {
		f.Fatal("store cannot be taken apart")
	}
	for _, i := range infos {
		f.Add(i.Content.Bytes, i.Type.Equal(oidEncryptedData))
	}
	f.Fuzz(func(t *testing.T, content []byte, sealed bool) {
		s := &store{}
		info := contentInfo{Type: oidData}
		if sealed {
			info.Type = oidEncryptedData
		}
		info.Content.Bytes = content
		if s.add(info, unlocking{"x", 100}) == nil {
			_, _ = s.entry("")
		}
	})
}

func FuzzPEM(f *testing.F) {
	m := middle()
	for _, k := range kinds() {
		f.Add(append(pkitest.CertificatePEM(m.Issue("x", k).Cert), pkitest.KeyPEM(k)...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cs, err := Certificates(bytes.Clone(data))
		for _, c := range cs {
			PublicKey(c)
		}
		if k, keyErr := privateKey(bytes.Clone(data)); err == nil && keyErr == nil {
			matches(cs[0], k)
		}
	})
}

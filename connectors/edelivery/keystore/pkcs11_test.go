//go:build pkcs11

package keystore

import (
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/pkcs11"

	"oncegate/connectors/pkitest"
)

// TestToken runs against a SoftHSM of its own (Debian: softhsm2).
func TestToken(t *testing.T) {
	const module = "/usr/lib/softhsm/libsofthsm2.so"
	if _, err := os.Stat(module); err != nil {
		t.Skip("softhsm2 is not there")
	}
	const pin = "31415926"
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "tokens"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "softhsm2.conf", fmt.Appendf(nil, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", filepath.Join(dir, "tokens")))
	t.Setenv("SOFTHSM2_CONF", filepath.Join(dir, "softhsm2.conf"))
	tool(t, dir, "softhsm2-util", "--init-token", "--free", "--label", "ours", "--pin", pin, "--so-pin", "27182818")

	m := middle()
	f := &files{data: map[string][]byte{"pin": []byte(pin + "\n"), "wrong": []byte("12345678")}}
	ref := func(kind Kind) Ref {
		return Ref{PKCS11: &PKCS11{Module: module, Token: "ours", Label: string(kind), PINFile: "pin", Certificate: string(kind) + ".pem"}}
	}
	for i, kind := range []Kind{RSA, EC, Ed25519, X25519} {
		key := kinds()[kind]
		write(t, dir, "key.pem", pkitest.KeyPEM(key))
		tool(t, dir, "softhsm2-util", "--import", "key.pem", "--token", "ours", "--label", string(kind), "--id", fmt.Sprintf("0%d", i+1), "--pin", pin)
		if kind == EC || kind == X25519 {
			change(t, module, "ours", pin, string(kind), pkcs11.NewAttribute(pkcs11.CKA_DERIVE, true))
		}
		f.data[string(kind)+".pem"] = pkitest.CertificatePEM(m.Issue("AP_NL_01", key).Cert, m.Cert)
		t.Run(string(kind), func(t *testing.T) {
			e, err := Open(t.Context(), ref(kind), f)
			if err != nil {
				t.Fatal(err)
			}
			if len(e.Chain) != 1 {
				t.Errorf("chain of %d", len(e.Chain))
			}
			works(t, e)
			t.Run("at once", func(t *testing.T) {
				var wg sync.WaitGroup
				for range 2 * maxSessions {
					wg.Go(func() { works(t, e) })
				}
				wg.Wait()
			})
			t.Run("after the sessions were lost", func(t *testing.T) {
				lose(t, module, "ours")
				works(t, e)
			})
			t.Run("certificate of another key", func(t *testing.T) {
				g := *f
				g.data = map[string][]byte{"pin": f.data["pin"], string(kind) + ".pem": pkitest.CertificatePEM(m.Issue("AP_NL_02", kinds()[kind]).Cert)}
				if kind == RSA {
					other := pkitest.NewRSA(2048)
					g.data["rsa.pem"] = pkitest.CertificatePEM(m.Issue("AP_NL_02", other).Cert)
				}
				if _, err := Open(t.Context(), ref(kind), &g); !errors.Is(err, errNotPair) {
					t.Errorf("err = %v", err)
				}
			})
			runtime.KeepAlive(e.Key)
		})
	}
	t.Run("certificate in the token", func(t *testing.T) {
		c := m.Issue("AP_NL_01", kinds()[RSA]).Cert
		putCertificate(t, module, "ours", pin, string(RSA), c.Raw, c.RawSubject)
		r := ref(RSA)
		r.PKCS11.Certificate = ""
		e, err := Open(t.Context(), r, f)
		if err != nil {
			t.Fatal(err)
		}
		if !e.Certificate.Equal(c) {
			t.Errorf("certificate %s", e.Certificate.Subject)
		}
	})
	t.Run("OAEP", func(t *testing.T) {
		e, err := Open(t.Context(), ref(RSA), f)
		if err != nil {
			t.Fatal(err)
		}
		d, _ := e.Decrypter()
		pub := e.Certificate.PublicKey.(*rsa.PublicKey)
		for _, o := range []*rsa.OAEPOptions{
			{Hash: crypto.SHA256}, {Hash: crypto.SHA1}, {Hash: crypto.SHA256, MGFHash: crypto.SHA1}, {Hash: crypto.SHA512, MGFHash: crypto.SHA256, Label: []byte("label")},
		} {
			for _, text := range []string{"", "sixteen byte key", "\x00\x01 zeros and ones \x00"} {
				c, err := rsa.EncryptOAEPWithOptions(rand.Reader, pub, []byte(text), o)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := d.Decrypt(nil, c, o); err != nil || string(got) != text {
					t.Errorf("%v/%v: got %q, %v", o.Hash, o.MGFHash, got, err)
				}
			}
		}
		sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, pub, []byte("x"), nil)
		if err != nil {
			t.Fatal(err)
		}
		old, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, pub, []byte("x"), nil)
		if err != nil {
			t.Fatal(err)
		}
		flipped := append([]byte{}, sealed...)
		flipped[100] ^= 1
		for name, c := range map[string][]byte{"other hash": old, "flipped": flipped, "short": sealed[1:], "empty": nil, "zero": make([]byte, len(sealed))} {
			if _, err := d.Decrypt(nil, c, &rsa.OAEPOptions{Hash: crypto.SHA256}); err != errDecryption {
				t.Errorf("%s: err = %v, want always the same", name, err)
			}
		}
		for _, o := range []crypto.DecrypterOpts{nil, struct{}{}, &rsa.OAEPOptions{}} {
			if _, err := d.Decrypt(nil, sealed, o); err == nil {
				t.Errorf("%T is decrypted", o)
			}
		}
	})
	t.Run("agreement with a key of another curve", func(t *testing.T) {
		e, err := Open(t.Context(), ref(X25519), f)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := e.Agreement()
		other, err := ecdh.P256().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.ECDH(other.PublicKey()); err == nil {
			t.Error("agreed")
		}
	})
	t.Run("faults", func(t *testing.T) {
		for want, edit := range map[string]func(*PKCS11){
			"PIN_INCORRECT":       func(p *PKCS11) { p.PINFile = "wrong" },
			"want one":            func(p *PKCS11) { p.Token = "theirs" },
			"0 private keys":      func(p *PKCS11) { p.Label = "none" },
			"can be loaded":       func(p *PKCS11) { p.Module = "/dev/null" },
			"absolute":            func(p *PKCS11) { p.Module = "libsofthsm2.so" },
			"reading PIN":         func(p *PKCS11) { p.PINFile = "missing" },
			"reading certificate": func(p *PKCS11) { p.Certificate = "missing" },
		} {
			lose(t, module, "ours") // who is logged in needs no PIN
			r := ref(RSA)
			edit(r.PKCS11)
			if _, err := Open(t.Context(), r, f); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "12345678") {
				t.Errorf("err = %v, want %q", err, want)
			}
		}
		r := ref(RSA)
		r.Provider = ProviderOpenSSL
		if _, err := Open(t.Context(), r, f); err == nil {
			t.Error("a token computes in OpenSSL")
		}
	})
}

// slotOf finds a token in a library that is initialized.
func slotOf(t *testing.T, p *pkcs11.Ctx, name string) uint {
	t.Helper()
	slot, err := (&token{module: p, name: name}).slot()
	if err != nil {
		t.Fatal(err)
	}
	return slot
}

// lose closes all sessions of this process, which also logs it out.
func lose(t *testing.T, module, name string) {
	t.Helper()
	p := pkcs11.New(module)
	if err := p.CloseAllSessions(slotOf(t, p, name)); err != nil {
		t.Fatal(err)
	}
}

// writing works in a session that may write.
func writing(t *testing.T, p *pkcs11.Ctx, name, pin string, do func(pkcs11.SessionHandle) error) {
	t.Helper()
	s, err := p.OpenSession(slotOf(t, p, name), pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.CloseSession(s) }()
	if err := p.Login(s, pkcs11.CKU_USER, pin); err != nil && !is(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN) {
		t.Fatal(err)
	}
	if err := do(s); err != nil {
		t.Fatal(err)
	}
}

func putCertificate(t *testing.T, module, name, pin, label string, der, subject []byte) {
	t.Helper()
	p := pkcs11.New(module)
	writing(t, p, name, pin, func(s pkcs11.SessionHandle) error {
		_, err := p.CreateObject(s, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE), pkcs11.NewAttribute(pkcs11.CKA_CERTIFICATE_TYPE, pkcs11.CKC_X_509),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
			pkcs11.NewAttribute(pkcs11.CKA_SUBJECT, subject), pkcs11.NewAttribute(pkcs11.CKA_VALUE, der),
		})
		return err
	})
}

// change sets an attribute of a private key: softhsm2-util imports no key that derives.
func change(t *testing.T, module, name, pin, label string, a *pkcs11.Attribute) {
	t.Helper()
	p := pkcs11.New(module)
	if err := p.Initialize(); err != nil && !is(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		t.Fatal(err)
	}
	writing(t, p, name, pin, func(s pkcs11.SessionHandle) error {
		found, err := (&token{module: p, label: label}).find(s, pkcs11.CKO_PRIVATE_KEY)
		if err != nil || len(found) != 1 {
			return fmt.Errorf("%d keys: %w", len(found), err)
		}
		return p.SetAttributeValue(s, found[0], []*pkcs11.Attribute{a})
	})
}

// TestUnpadOAEP compares with the padding of the standard library, byte by byte wrong.
func TestUnpadOAEP(t *testing.T) {
	t.Parallel()
	k := pkitest.RSA()
	c, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &k.PublicKey, []byte("text"), nil)
	if err != nil {
		t.Fatal(err)
	}
	em := rawRSA(k, c)
	if got, err := unpadOAEP(crypto.SHA256, crypto.SHA256, nil, append([]byte{}, em...)); err != nil || string(got) != "text" {
		t.Fatalf("got %q, %v", got, err)
	}
	for i := range em {
		bad := append([]byte{}, em...)
		bad[i] ^= 0x80
		got, err := unpadOAEP(crypto.SHA256, crypto.SHA256, nil, bad)
		// Only the message itself may change unseen: OAEP has no more redundancy there.
		if err == nil && (i < len(em)-4 || string(got) == "text") {
			t.Errorf("byte %d changed: got %q", i, got)
		}
	}
	for _, bad := range [][]byte{nil, make([]byte, 65), make([]byte, 66), make([]byte, 256)} {
		if _, err := unpadOAEP(crypto.SHA256, crypto.SHA256, nil, bad); err != errDecryption {
			t.Errorf("%d bytes of zero: %v", len(bad), err)
		}
	}
}

func rawRSA(k *rsa.PrivateKey, c []byte) []byte {
	m := new(big.Int).Exp(new(big.Int).SetBytes(c), k.D, k.N)
	return m.FillBytes(make([]byte, k.Size()))
}

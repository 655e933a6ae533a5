package soapsec_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/pkitest"
	"oncegate/connectors/register/soapsec"
)

// wss4j runs the peer of testdata/peers/wss.
func wss4j(t *testing.T, in []byte, args ...string) (string, error) {
	t.Helper()
	dir := os.Getenv("ONCEGATE_TEST_WSS")
	if dir == "" {
		t.Skip("ONCEGATE_TEST_WSS is not set: `make test-interop` builds the peer and sets it")
	}
	cmd := exec.CommandContext(t.Context(), "java", append([]string{"-cp", filepath.Join(dir, "peer.jar") + ":" + filepath.Join(dir, "lib", "*"), "oncegate.Wss"}, args...)...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, said.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// TestWSS4JOpensWhatWeSeal: the Basic Security Profile included.
func TestWSS4JOpensWhatWeSeal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cert.pem")
	for name, pair := range map[string]pkitest.Pair{"rsa": pkitest.SelfSigned("gateway", pkitest.RSA()), "ecdsa": pkitest.SelfSigned("gateway", pkitest.P256())} {
		if err := os.WriteFile(file, pkitest.CertificatePEM(pair.Cert), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, digest := range []bool{false, true} {
			for _, space := range []string{soap11, soap12} {
				t.Run(fmt.Sprint(name, " digest ", digest, " ", space), func(t *testing.T) {
					c := signer(pair)
					c.Now, c.User, c.Password, c.Digest = time.Now, "gateway", func() string { return "s3cr&t" }, digest
					message := sealed(t, c, letter(space))
					got, err := wss4j(t, message, "open", file, "s3cr&t")
					if want := "Body Timestamp To UsernameToken time user"; err != nil || got != want {
						t.Errorf("got %q, want %q; %v\n%s", got, want, err, message)
					}
					if _, err := wss4j(t, message, "open", file, "another"); err == nil && digest {
						t.Error("WSS4J takes another password")
					}
				})
			}
		}
	}
}

// TestWeOpenWhatWSS4JSeals: with every way in which it names its certificate.
func TestWeOpenWhatWSS4JSeals(t *testing.T) {
	dir := t.TempDir()
	ca := pkitest.Root("authority of the register")
	pair := ca.Issue("register", pkitest.RSA())
	key, cert := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	for file, text := range map[string][]byte{key: pkitest.KeyPEM(pair.Key), cert: pkitest.CertificatePEM(pair.Cert)} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, space := range []string{soap11, soap12} {
		for reference, trust := range map[string]*x509.Certificate{"bst": ca.Cert, "x509": ca.Cert, "ski": pair.Cert, "serial": pair.Cert} {
			t.Run(reference+" "+space, func(t *testing.T) {
				message, err := wss4j(t, letter(space), "seal", key, cert, reference, space)
				if err != nil {
					t.Fatal(err)
				}
				config := soapsec.Config{Trust: []*x509.Certificate{trust}, Now: time.Now}
				if _, _, err := open(t, config, []byte(message)); err != nil {
					t.Errorf("%v\n%s", err, message)
				}
				if _, _, err := open(t, config, []byte(strings.Replace(message, "Ana", "Eva", 1))); err == nil {
					t.Error("a message that was changed opens")
				}
			})
		}
	}
}

package keystore

import (
	"crypto/x509"
	"testing"

	gopkcs12 "software.sslmate.com/src/go-pkcs12"

	"oncegate/connectors/pkitest"
)

// A trust store has its certificates under the names of their parties.
func TestTruststore(t *testing.T) {
	t.Parallel()
	m := middle()
	data, err := gopkcs12.Modern2023.EncodeTrustStoreEntries([]gopkcs12.TrustStoreEntry{{Cert: m.Cert, FriendlyName: "red_gw"}}, "secret")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Truststore(data, "secret")
	if err != nil {
		t.Fatal(err)
	}
	if c := got["red_gw"]; len(got) != 1 || c == nil || !c.Equal(m.Cert) {
		t.Errorf("got %v", got)
	}
	if _, err := Truststore(data, "other"); err == nil {
		t.Error("opened with another password")
	}
	key := m.Issue("AP_NL_01", pkitest.RSA())
	data, err = gopkcs12.Modern2023.Encode(key.Key, key.Cert, []*x509.Certificate{m.Cert}, "secret")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Truststore(data, "secret"); err != nil || len(got) != 0 {
		t.Errorf("certificates without an alias: %v, %v", got, err)
	}
}

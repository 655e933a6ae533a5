package wssec

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/pkitest"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/assets"
)

// A name is the same name in whatever way a stack writes it (b.2).
func TestIssuersAsStacksWriteThem(t *testing.T) {
	t.Parallel()
	one := func(oid asn1.ObjectIdentifier, value any) []pkix.AttributeTypeAndValue {
		return []pkix.AttributeTypeAndValue{{Type: oid, Value: value}}
	}
	raw, err := asn1.Marshal(pkix.RDNSequence{
		one(asn1.ObjectIdentifier{2, 5, 4, 6}, "NL"),
		one(asn1.ObjectIdentifier{2, 5, 4, 10}, "Example, Inc"),
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "PKI"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "Test"}},
		one(asn1.ObjectIdentifier{2, 5, 4, 97}, asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte("NTRNL-1")}),
		one(asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.RawValue{Tag: asn1.TagT61String, Bytes: []byte("Zo\xeb  CA")}),
		one(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte("ca@example.org")}),
	})
	if err != nil {
		t.Fatal(err)
	}
	ca := newKeypair("ignored", nil, func(c *x509.Certificate) { pkitest.Authority(c); c.RawSubject = raw })
	cert := certify(ring().sender.key, "AP_NL_01", &ca, nil).cert
	for _, tt := range []struct {
		name, written string
		same          bool
	}{
		{"RFC 2253, as we write it", issuerName(cert), true},
		{"Java RFC 2253", `1.2.840.113549.1.9.1=#160e6361406578616d706c652e6f7267,CN=Zoë CA,2.5.4.97=#0c074e54524e4c2d31,OU=Test+OU=PKI,O=Example\, Inc,C=NL`, true},
		{"Java toString", `EMAILADDRESS=ca@example.org, CN=Zoë CA, OID.2.5.4.97=NTRNL-1, OU=PKI + OU=Test, O="Example, Inc", C=NL`, true},
		{"order of the certificate", `C=NL, O="Example, Inc", OU=PKI+OU=Test, organizationIdentifier=NTRNL-1, CN=Zoë CA, E=ca@example.org`, true},
		{"other case and white space", "emailAddress=CA@example.org,cn= zoë   ca ,2.5.4.97=ntrnl-1,ou=PKI+ou=test,o=EXAMPLE\\, inc,c=nl", true},
		{"hex escapes", `E=ca@example.org,CN=Zo\c3\ab CA,ORGID=NTRNL-1,OU=PKI+OU=Test,O=Example\2c Inc,C=NL`, true},
		{"a keyword nobody knows", `E=ca@example.org,CN=Zoë CA,SOMETHING=NTRNL-1,OU=PKI+OU=Test,O=Example\, Inc,C=NL`, true},
		{"semicolons", `E=ca@example.org;CN=Zoë CA;2.5.4.97=NTRNL-1;OU=PKI+OU=Test;O="Example, Inc";C=NL`, true},
		{"one attribute less", `CN=Zoë CA,2.5.4.97=NTRNL-1,OU=PKI+OU=Test,O=Example\, Inc,C=NL`, false},
		{"another value", `E=ca@example.org,CN=Zoë CA,2.5.4.97=NTRNL-2,OU=PKI+OU=Test,O=Example\, Inc,C=NL`, false},
		{"another type", `E=ca@example.org,OU=Zoë CA,2.5.4.97=NTRNL-1,OU=PKI+OU=Test,O=Example\, Inc,C=NL`, false},
		{"not a set", `E=ca@example.org,CN=Zoë CA,2.5.4.97=NTRNL-1,OU=PKI,OU=Test,O=Example\, Inc,C=NL`, false},
		{"mixed order", `CN=Zoë CA,E=ca@example.org,2.5.4.97=NTRNL-1,OU=PKI+OU=Test,O=Example\, Inc,C=NL`, false},
	} {
		name, err := parseName(tt.written)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := sameIssuer(name, cert); got != tt.same {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.same)
		}
	}
	for _, bad := range []string{"", "CN", "=x", "CN=x,", "CN=x+", `CN="x`, `CN=x\`, "CN=#zz", "CN=#0c05", "CN=#", ",CN=x", "OID.", "+=x"} {
		if name, err := parseName(bad); err == nil {
			t.Errorf("%q is read as %q", bad, name)
		}
	}
}

// Two certificates of ours may have one serial, of two authorities.
func TestSerialAloneIsNoIssuerSerial(t *testing.T) {
	t.Parallel()
	same := func(c *x509.Certificate) { c.SerialNumber = big.NewInt(7) }
	one, other := newKeypair("One", nil, pkitest.Authority), newKeypair("Other", nil, pkitest.Authority)
	ours, theirs := certify(ring().receiver.key, "AP", &one, same), certify(ring().sender.key, "AP", &other, same)
	s, err := Seal(Sealing{Messaging: header, MessageID: "m@x", Sign: parties()["RSA"].from.sign, Recipient: ours.cert, EncryptToken: TokenIssuerSerial, Parts: []OutPart{{ID: "a@x", Content: []byte("one")}}})
	if err != nil {
		t.Fatal(err)
	}
	in := Opening{Verifier: pinned(t, ring().sender.cert), Decrypt: []Decryption{{Certificate: theirs.cert, Key: theirs.key}, {Certificate: ours.cert, Key: ours.key}}}
	if _, err := open(t, s, in); err != nil {
		t.Error(err)
	}
	in.Decrypt = in.Decrypt[:1]
	if _, err := open(t, s, in); code(err) != ebms.FailedDecryption {
		t.Errorf("%v, want %s", err, ebms.FailedDecryption)
	}
}

// The forms in which Domibus refers to certificates, from its own tests.
func TestReferencesOfDomibus(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]Token{
		"bst_x509v3_incoming_message.xml": TokenBST, "bst_X509PKIPathv1_incoming_message.xml": TokenPKIPath,
		"is_incoming_message.xml": TokenIssuerSerial, "ski_incoming_message.xml": TokenSKI,
		"request_BST_PKIP.xml": TokenPKIPath, "response_BST_PKIP.xml": TokenPKIPath,
	} {
		t.Run(file, func(t *testing.T) {
			root := parse(t, assets.Read(t, "as4/harmony/as4-wss/"+file)).Root()
			n := 0
			var security xmldoc.Element
			for e := range root.Descendants() {
				if e.Is(wsse("Security")) {
					security = e
				}
				if !e.Is(ds("Signature")) {
					continue
				}
				info, err := e.Only(ds("KeyInfo"))
				if err != nil {
					t.Fatal(err)
				}
				n++
				ref, err := readReference(info, security, Tokens())
				if err != nil || ref.form != want {
					t.Errorf("read as %q, %v; want %q", ref.form, err, want)
				}
				if ref.der == nil {
					continue
				}
				if c, err := x509.ParseCertificate(ref.der); err != nil || c.IsCA {
					t.Errorf("%v: not the leaf", err)
				}
			}
			if n == 0 {
				t.Error("no signature")
			}
		})
	}
}

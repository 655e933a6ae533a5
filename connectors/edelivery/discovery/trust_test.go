package discovery_test

import (
	"context"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/edelivery/discovery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/pkitest"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// A good signature over a part of the document is none over the document.
func TestSignatureOfAPartIsRefused(t *testing.T) {
	r := newRig(t)
	inner := strings.Replace(r.meta().smp1()[strings.Index(r.meta().smp1(), "<SignedServiceMetadata"):], "<SignedServiceMetadata", `<SignedServiceMetadata Id="inner"`, 1)
	evil := r.meta()
	evil.address = "https://ap.example.evil/as4"
	outer := strings.Replace(evil.smp1(), "</ServiceInformation>", "<Extension>"+inner+"</Extension></ServiceInformation>", 1)
	doc, err := xmldoc.ParseBytes([]byte(outer), xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var part xmldoc.Element
	for e := range doc.Root().Descendants() {
		if _, ok := e.Attr(xmldoc.Name{Local: "Id"}); ok {
			part = e
		}
	}
	sig, err := xmlsec.Sign(xmlsec.Signing{Key: pkitest.RSA(), KeyInfo: xmlsec.X509Data(r.signer.Raw), Targets: []xmlsec.Target{{ID: "inner", Element: part}}})
	if err != nil {
		t.Fatal(err)
	}
	end := strings.LastIndex(outer, "</")
	r.serve(path1, outer[:end]+string(sig.XML)+outer[end:])
	_, _, err = resolve(t, r.resolver(t, nil))
	if f := failure(t, err); f.Step != discovery.StepSignature || !strings.Contains(f.Error(), "does not cover") {
		t.Errorf("got %v", f)
	}
}

// A signature within an extension, as health networks have them, is content like any other.
func TestSignatureInAnExtensionIsContent(t *testing.T) {
	r := newRig(t)
	m := strings.Replace(r.meta().smp1(), "</ServiceInformation>", `<Extension><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo/></Signature></Extension></ServiceInformation>`, 1)
	r.serve(path1, signed(t, m, xmlsec.InclusiveC14N, r.signer))
	if _, _, err := resolve(t, r.resolver(t, nil)); err != nil {
		t.Error(err)
	}
}

// answers is a revocation that says the same of every path.
type answers struct{ err error }

func (a answers) Check(context.Context, []*x509.Certificate, time.Time) (time.Time, error) {
	return time.Time{}, a.err
}

// Revoked is refused; not knowing is no refusal.
func TestRevocation(t *testing.T) {
	r := newRig(t)
	r.serve(path1, signed(t, r.meta().smp1(), xmlsec.InclusiveC14N, r.signer))
	for _, tt := range []struct {
		name    string
		err     error
		verdict discovery.Verdict
	}{
		{"good", nil, ""},
		{"revoked", ebms.Errorf(ebms.FailedAuthentication, "certificate is revoked"), discovery.Refused},
		{"nobody knows", ebms.Errorf(ebms.DeliveryFailure, "no answer"), discovery.Unreachable},
	} {
		for step, set := range map[discovery.Step]func(*discovery.Config){
			discovery.StepSignature:   func(c *discovery.Config) { c.Signers.Revocation = answers{tt.err} },
			discovery.StepCertificate: func(c *discovery.Config) { c.Transports[0].Partner.Trust.Revocation = answers{tt.err} },
		} {
			_, _, err := resolve(t, r.resolver(t, set))
			if tt.verdict == "" {
				if err != nil {
					t.Errorf("%s %s: %v", tt.name, step, err)
				}
			} else if f := failure(t, err); f.Step != step || f.Verdict != tt.verdict {
				t.Errorf("%s %s: got %v", tt.name, step, f)
			}
		}
	}
}

// A pinned signer needs no anchor, and no other signer does.
func TestPinnedSigner(t *testing.T) {
	r := newRig(t)
	other := leaf(r.smps, "SMP Other", x509.KeyUsageDigitalSignature)
	pin := func(c *discovery.Config) { c.Signers = discovery.Signers{Pinned: []*x509.Certificate{r.signer}} }
	for _, tt := range []struct {
		signer *x509.Certificate
		good   bool
	}{{r.signer, true}, {other, false}} {
		r.serve(path1, signed(t, r.meta().smp1(), xmlsec.InclusiveC14N, tt.signer))
		if _, _, err := resolve(t, r.resolver(t, pin)); (err == nil) != tt.good {
			t.Errorf("%s: %v", tt.signer.Subject.CommonName, err)
		}
	}
}

// Endpoints that are spelled as internal addresses are refused unless they are wanted.
func TestInternalEndpoints(t *testing.T) {
	r := newRig(t)
	for _, tt := range []struct {
		address string
		good    bool
	}{
		{"https://ap.example.test/as4", true}, {"https://8.8.8.8/as4", true},
		{"https://127.0.0.1/as4", false}, {"https://localhost/as4", false}, {"https://[::1]/as4", false}, {"https://10.0.0.1/as4", false},
		{"https://ap/as4", false}, {"https://db.internal/as4", false}, {"https://2130706433/as4", false}, {"https://127.1/as4", false}, {"https://0x7f.0.0.0x1/as4", false},
	} {
		m := r.meta()
		m.address = tt.address
		r.serve(path1, signed(t, m.smp1(), xmlsec.InclusiveC14N, r.signer))
		if _, _, err := resolve(t, r.resolver(t, nil)); err != nil {
			t.Errorf("%s with private addresses: %v", tt.address, err)
		}
		got := discovery.Internal(tt.address)
		if got == tt.good {
			t.Errorf("%s: internal %t", tt.address, got)
		}
	}
}

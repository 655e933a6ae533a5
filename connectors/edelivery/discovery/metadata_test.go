package discovery

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/assets"
)

func root(t testing.TB, b []byte) xmldoc.Element {
	t.Helper()
	doc, err := xmldoc.ParseBytes(b, xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return doc.Root()
}

// Documents of phoss-smp and Harmony are read as they mean it.
func TestReadSamples(t *testing.T) {
	invoice := Identifier{"busdox-docid-qns", "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2::Invoice##urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0::2.1"}
	billing := Identifier{"cenbii-procid-ubl", "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"}
	xxx := Identifier{"iso6523-actorid-upis", "9915:xxx"}
	for _, tt := range []struct {
		name string
		want *Metadata
	}{
		{"phoss-smp/smp/bdxr1-service-metadata.xml", &Metadata{Version: SMP1, Participant: xxx, Document: invoice, Processes: []Process{{IDs: []Identifier{billing}, Endpoints: []Endpoint{
			{Profile: "peppol-transport-as4-v2_0", Address: "http://test.smpserver/as4", Certificates: []Published{{Content: "YmxhY2VydA=="}}}}}}}},
		{"phoss-smp/smp/peppol-service-metadata.xml", &Metadata{Version: SMP1, Participant: xxx, Document: invoice, Processes: []Process{{IDs: []Identifier{billing}, Endpoints: []Endpoint{
			{Profile: "peppol-transport-as4-v2_0", Address: "http://test.smpserver/as4", Certificates: []Published{{Content: "blacert"}}}}}}}},
		{"phoss-smp/smp/Redirect-template.xml", &Metadata{Version: SMP1, Redirect: &Redirect{
			Address: "SMP_SERVER_URL_REDIRECT/ID_SCHEME%3A%3AID_REDIRECT/services/DOCUMENT_SCHEME%3A%3ADOCUMENT_ID_REDIRECT", UID: "CERTIFICATE_UID_REDIRECT"}}},
	} {
		got, err := ReadMetadata(root(t, assets.Read(t, "as4/"+tt.name)))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	for _, name := range []string{"harmony/smp/ServiceMetadataResponseOASIS.xml", "harmony/smp/SignedServiceMetadataResponseOASIS.xml"} {
		m, err := ReadMetadata(root(t, assets.Read(t, "as4/"+name)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		e := m.Processes[0].Endpoints[0]
		if m.Participant != (Identifier{"ehealth-actorid-qns", "urn:romania:ncpb"}) || m.Document != (Identifier{"ehealth-resid-qns", "urn::epsos##services:extended:epsos::107"}) || e.Profile != TransportAS4 {
			t.Errorf("%s: got %+v", name, m)
		}
		if !e.Activation.Equal(time.Date(2016, 6, 6, 9, 6, 2, 0, time.UTC)) || !e.Expiration.Equal(time.Date(2026, 6, 6, 9, 6, 2, 0, time.UTC)) {
			t.Errorf("%s: dates %v %v", name, e.Activation, e.Expiration)
		}
		der, err := e.Certificates[0].der()
		if err != nil {
			t.Fatal(err)
		}
		if c, err := x509.ParseCertificate(der); err != nil || c.Subject.CommonName != "qaepsos.min-saude.pt" {
			t.Errorf("%s: certificate: %v", name, err)
		}
	}
	for _, name := range []string{"phoss-smp/smp/bdxr1-service-group.xml", "phoss-smp/smp/peppol-service-group.xml", "phoss-smp/smp/ServiceGroup-template.xml"} {
		if g, err := ReadGroup(root(t, assets.Read(t, "as4/"+name))); err != nil || g.Participant.Value == "" || strings.Contains(name, "template") != (len(g.Documents) == 1) {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
	if _, err := ReadMetadata(root(t, assets.Read(t, "as4/phoss-smp/smp/peppol-business-card-v3.xml"))); !errors.Is(err, errDocument) {
		t.Errorf("business card: %v", err)
	}
}

// EXPECTED.md: the digest of Harmony's signed sample does not match. Its key of 1024
// bits is refused before; with the key out of the way the digest is what is wrong.
func TestHarmonySampleIsRefused(t *testing.T) {
	b := assets.Read(t, "as4/harmony/smp/SignedServiceMetadataResponseOASIS.xml")
	doc, err := xmldoc.ParseBytes(b, xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	sig, err := xmlsec.FindSignature(doc.Root())
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for e := range sig.Descendants() {
		if e.Is(ds("X509Certificate")) {
			text = e.Text()
		}
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	_, _, err = Signers{Pinned: []*x509.Certificate{c}}.verify(context.Background(), doc, at)
	if r, ok := errors.AsType[*xmlsec.Refusal](err); !ok || r.Reason != xmlsec.ReasonKeyUnfit {
		t.Errorf("got %v", err)
	}
	got, err := documentDigest(doc, sig)
	if err != nil {
		t.Fatal(err)
	}
	if got == "+H5cswRa/LmLc6+BNzjUrMiTJOTpr9Bf98Mhgw4U93o=" {
		t.Error("the digest matches")
	}
}

func TestDates(t *testing.T) {
	for _, tt := range []struct {
		text string
		end  bool
		want string
	}{
		{"2026-06-06T11:06:02+02:00", false, "2026-06-06T09:06:02Z"},
		{" 2026-06-06T11:06:02.5Z\n", false, "2026-06-06T11:06:02.5Z"},
		{"2026-06-06T11:06:02", true, "2026-06-06T11:06:02Z"},
		{"2026-06-06", false, "2026-06-06T00:00:00Z"},
		{"2026-06-06", true, "2026-06-07T00:00:00Z"},
		{"2026-06-06+02:00", true, "2026-06-06T22:00:00Z"},
		{"", false, "0001-01-01T00:00:00Z"},
		{"soon", false, ""},
		{"2026-13-01", false, ""},
	} {
		got, err := date(root(t, []byte("<a><d>"+tt.text+"</d></a>")), xmldoc.Name{Local: "d"}, tt.end)
		if (err == nil) != (tt.want != "") || err == nil && got.UTC().Format(time.RFC3339Nano) != tt.want {
			t.Errorf("%q: got %v, %v", tt.text, got, err)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`<ServiceMetadata xmlns="http://docs.oasis-open.org/bdxr/ns/SMP/2016/05"><ServiceInformation><ParticipantIdentifier scheme="s">p</ParticipantIdentifier><DocumentIdentifier scheme="s">d</DocumentIdentifier><ProcessList><Process><ProcessIdentifier scheme="s">x</ProcessIdentifier><ServiceEndpointList><Endpoint transportProfile="t"><EndpointURI>https://a.test</EndpointURI><ServiceActivationDate>2026-01-01T00:00:00Z</ServiceActivationDate><Certificate>AA==</Certificate></Endpoint></ServiceEndpointList></Process></ProcessList></ServiceInformation></ServiceMetadata>`))
	f.Add([]byte(`<SignedServiceMetadata xmlns="http://busdox.org/serviceMetadata/publishing/1.0/"><ServiceMetadata><Redirect href="https://a.test"><CertificateUID>x</CertificateUID></Redirect></ServiceMetadata></SignedServiceMetadata>`))
	f.Add([]byte(`<ServiceMetadata xmlns="http://docs.oasis-open.org/bdxr/ns/SMP/2/ServiceMetadata" xmlns:a="http://docs.oasis-open.org/bdxr/ns/SMP/2/AggregateComponents" xmlns:b="http://docs.oasis-open.org/bdxr/ns/SMP/2/BasicComponents"><b:SMPVersionID>2.0</b:SMPVersionID><b:ID>d</b:ID><b:ParticipantID>p</b:ParticipantID><a:ProcessMetadata><a:Endpoint><b:TransportProfileID>t</b:TransportProfileID><b:AddressURI>https://a.test</b:AddressURI><a:Certificate><b:ContentBinaryObject>AA==</b:ContentBinaryObject></a:Certificate></a:Endpoint></a:ProcessMetadata></ServiceMetadata>`))
	f.Add([]byte(`<ServiceGroup xmlns="http://docs.oasis-open.org/bdxr/ns/SMP/2016/05"><ParticipantIdentifier scheme="s">p</ParticipantIdentifier><ServiceMetadataReferenceCollection><ServiceMetadataReference href="x"/></ServiceMetadataReferenceCollection></ServiceGroup>`))
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := xmldoc.ParseBytes(b, documentLimits)
		if err != nil {
			return
		}
		if _, _, err := (Signers{Pinned: []*x509.Certificate{{}}}).verify(context.Background(), doc, at); err == nil {
			t.Fatal("nobody signed this")
		}
		_, _ = ReadGroup(doc.Root()) // must not fall
		m, err := ReadMetadata(doc.Root())
		if err != nil {
			return
		}
		if m.Redirect == nil && (m.Participant.Value == "" || m.Document.Value == "") {
			t.Errorf("read %+v", m)
		}
		for _, p := range m.Processes {
			for _, e := range p.Endpoints {
				for _, c := range e.Certificates {
					if der, err := c.der(); err == nil && len(der) > 2*maxCertificate {
						t.Errorf("certificate of %d bytes", len(der))
					}
				}
			}
		}
	})
}

func documentDigest(doc *xmldoc.Document, sig xmldoc.Element) (string, error) {
	h := sha256.New()
	err := doc.Canonical(h, xmldoc.C14N{Inclusive: true, Exclude: sig})
	return base64.StdEncoding.EncodeToString(h.Sum(nil)), err
}

package discovery_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"oncegate/connectors/edelivery/discovery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/pkitest"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/canon"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const (
	partyType   = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:test"
	docScheme   = "busdox-docid-qns"
	docValue    = "urn:example:evidence::Certificate##v1::1.0"
	procScheme  = "example-procid"
	procValue   = "urn:example:process:once"
	zone        = "sml.example.test"
	participant = "0088:test01"
)

// newAuthority issues certificates that are valid around now.
func newAuthority(name string) pkitest.Pair { return pkitest.Root(name, pkitest.Around(now)) }

// leaf certifies the one RSA key.
func leaf(by pkitest.Pair, cn string, use x509.KeyUsage, edits ...pkitest.Edit) *x509.Certificate {
	subject := func(c *x509.Certificate) {
		c.Subject.Organization, c.Subject.Country = []string{"Example"}, []string{"XX"}
	}
	return by.Issue(cn, pkitest.RSA(), append([]pkitest.Edit{subject, pkitest.Usage(use), pkitest.Around(now)}, edits...)...).Cert
}

// A rig is a zone, a publisher and two PKIs on loopback.
type rig struct {
	dns       *zoneServer
	smp       *httptest.Server
	domain    pkitest.Pair // of access points
	smps      pkitest.Pair // of publishers
	signer    *x509.Certificate
	endpoint  *x509.Certificate
	own       *pmode.Table
	mu        sync.Mutex
	documents map[string]func(http.ResponseWriter) // by escaped path
	hits      map[string]int
	clock     time.Time
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{documents: map[string]func(http.ResponseWriter){}, hits: map[string]int{}, clock: now}
	r.domain, r.smps = newAuthority("Domain CA"), newAuthority("SMP CA")
	r.signer = leaf(r.smps, "SMP Example", x509.KeyUsageDigitalSignature)
	r.endpoint = leaf(r.domain, "AP_XX_01", x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment)
	ours := leaf(r.domain, "AP_LV_01", x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment)
	var err error
	r.own, err = pmode.New(pmode.Own{
		Party: ebms.Party{ID: canon.Participant{Scheme: partyType, ID: "AP_LV_01"}}, Domain: "ap.example.test",
		Signing: []wssec.Identity{{Certificate: ours, Key: pkitest.RSA()}},
		Decrypt: []wssec.Decryption{{Certificate: ours, Key: pkitest.RSA()}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.smp = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		serve := r.documents[req.URL.EscapedPath()]
		r.hits[req.URL.EscapedPath()]++
		r.mu.Unlock()
		if serve == nil {
			http.NotFound(w, req)
			return
		}
		serve(w)
	}))
	r.smp.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	r.smp.StartTLS()
	t.Cleanup(r.smp.Close)
	r.dns = newZoneServer(t)
	r.dns.naptr(t, queryName(t, peppolID(participant)), 100, 10, "U", "Meta:SMP", "!^.*$!"+r.smp.URL+"/!")
	return r
}

func peppolID(value string) discovery.Identifier {
	return discovery.Identifier{Scheme: discovery.Peppol, Value: value}
}

func queryName(t testing.TB, id discovery.Identifier) string {
	t.Helper()
	name, err := discovery.QueryName(id, zone)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// config is a configuration that finds what is in the rig.
func (r *rig) config() discovery.Config {
	return discovery.Config{
		PModes: r.own, Zone: zone, Resolvers: []string{r.dns.address}, DNSTry: time.Second,
		Roots: pkitest.Pool(r.smp.Certificate()), PrivateAddresses: true,
		Signers: discovery.Signers{Anchors: []*x509.Certificate{r.smps.Cert}},
		Transports: []discovery.Transport{{Name: discovery.TransportAS4, Partner: pmode.Partner{
			Party: ebms.Party{ID: canon.Participant{Scheme: partyType}},
			Trust: wssec.Trust{Anchors: []*x509.Certificate{r.domain.Cert}},
		}}},
		Activities: []discovery.Activity{{Action: "Ask", Document: discovery.Identifier{Scheme: docScheme, Value: docValue}}},
		Now: func() time.Time {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.clock
		},
	}
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock = r.clock.Add(d)
}

func (r *rig) resolver(t testing.TB, change func(*discovery.Config)) *discovery.Resolver {
	t.Helper()
	c := r.config()
	if change != nil {
		change(&c)
	}
	res, err := discovery.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func (r *rig) serve(path, document string) {
	r.serveWith(path, func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/xml")
		_, _ = w.Write([]byte(document)) // the client says what it got
	})
}

func (r *rig) serveWith(path string, f func(http.ResponseWriter)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.documents[path] = f
}

func (r *rig) asked(path string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hits[path]
}

const (
	path1 = "/iso6523-actorid-upis%3A%3A0088%3Atest01/services/busdox-docid-qns%3A%3Aurn%3Aexample%3Aevidence%3A%3ACertificate%23%23v1%3A%3A1.0"
	path2 = "/bdxr-smp-2" + path1
)

var asked = canon.Participant{Scheme: "urn:cef.eu:names:identifier:EAS:0088", ID: "test01"}

// A meta is what a document of the publisher shall say.
type meta struct {
	participant, document string
	profile, address      string
	from, to              string
	certificate           string
	redirect, uid         string
}

func (r *rig) meta() meta {
	return meta{
		participant: participant, document: docValue, profile: discovery.TransportAS4, address: "https://ap.example.test/as4",
		from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z", certificate: base64.StdEncoding.EncodeToString(r.endpoint.Raw),
	}
}

// smp1 writes a document of SMP 1.0.
func (m meta) smp1() string {
	body := `<ServiceInformation><ParticipantIdentifier scheme="iso6523-actorid-upis">` + m.participant + `</ParticipantIdentifier>` +
		`<DocumentIdentifier scheme="` + docScheme + `">` + m.document + `</DocumentIdentifier><ProcessList><Process>` +
		`<ProcessIdentifier scheme="` + procScheme + `">` + procValue + `</ProcessIdentifier><ServiceEndpointList>` +
		`<Endpoint transportProfile="` + m.profile + `"><EndpointURI>` + m.address + `</EndpointURI><RequireBusinessLevelSignature>false</RequireBusinessLevelSignature>` +
		`<ServiceActivationDate>` + m.from + `</ServiceActivationDate><ServiceExpirationDate>` + m.to + `</ServiceExpirationDate>` +
		`<Certificate>` + m.certificate + `</Certificate><ServiceDescription>test</ServiceDescription><TechnicalContactUrl>https://example.test</TechnicalContactUrl>` +
		`</Endpoint></ServiceEndpointList></Process></ProcessList></ServiceInformation>`
	if m.redirect != "" {
		body = `<Redirect href="` + m.redirect + `"><CertificateUID>` + m.uid + `</CertificateUID></Redirect>`
	}
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n<!-- made by a test -->\n" +
		`<SignedServiceMetadata xmlns="http://docs.oasis-open.org/bdxr/ns/SMP/2016/05" xmlns:unused="urn:unused"><ServiceMetadata>` + body + `</ServiceMetadata></SignedServiceMetadata>`
}

// peppol writes a document of Peppol's SMP.
func (m meta) peppol() string {
	s := m.smp1()
	s = strings.ReplaceAll(s, `xmlns="http://docs.oasis-open.org/bdxr/ns/SMP/2016/05"`, `xmlns="http://busdox.org/serviceMetadata/publishing/1.0/" xmlns:id="http://busdox.org/transport/identifiers/1.0/" xmlns:wsa="http://www.w3.org/2005/08/addressing"`)
	for _, e := range []string{"ParticipantIdentifier", "DocumentIdentifier", "ProcessIdentifier"} {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "<"+e, "<id:"+e), "</"+e, "</id:"+e)
	}
	s = strings.ReplaceAll(s, "<EndpointURI>", "<wsa:EndpointReference><wsa:Address>")
	return strings.ReplaceAll(s, "</EndpointURI>", "</wsa:Address></wsa:EndpointReference>")
}

// smp2 writes a document of SMP 2.0.
func (m meta) smp2() string {
	to := `<sma:Endpoint><smb:TransportProfileID>` + m.profile + `</smb:TransportProfileID><smb:AddressURI>` + m.address + `</smb:AddressURI>` +
		`<smb:ActivationDate>` + m.from[:10] + `</smb:ActivationDate><smb:ExpirationDate>` + m.to[:10] + `</smb:ExpirationDate>` +
		`<sma:Certificate><smb:TypeCode>bdxr-as4-signing-encryption</smb:TypeCode><smb:ContentBinaryObject mimeCode="application/base64">` + m.certificate + `</smb:ContentBinaryObject></sma:Certificate></sma:Endpoint>`
	if m.redirect != "" {
		to = `<sma:Redirect><smb:PublisherURI>` + m.redirect + `</smb:PublisherURI><sma:Certificate><smb:ContentBinaryObject mimeCode="application/base64">` + m.uid + `</smb:ContentBinaryObject></sma:Certificate></sma:Redirect>`
	}
	return `<ServiceMetadata xmlns="http://docs.oasis-open.org/bdxr/ns/SMP/2/ServiceMetadata" xmlns:sma="http://docs.oasis-open.org/bdxr/ns/SMP/2/AggregateComponents" xmlns:smb="http://docs.oasis-open.org/bdxr/ns/SMP/2/BasicComponents">` +
		`<smb:SMPVersionID>2.0</smb:SMPVersionID><smb:ID schemeID="` + docScheme + `">` + m.document + `</smb:ID><smb:ParticipantID schemeID="iso6523-actorid-upis">` + m.participant + `</smb:ParticipantID>` +
		`<sma:ProcessMetadata><sma:Process><smb:ID schemeID="` + procScheme + `">` + procValue + `</smb:ID></sma:Process>` + to + `</sma:ProcessMetadata></ServiceMetadata>`
}

// signed puts an enveloped signature at the end of the root element.
func signed(t testing.TB, document string, form xmlsec.C14NAlgorithm, certs ...*x509.Certificate) string {
	t.Helper()
	x := xmldoc.C14N{Inclusive: form != xmlsec.ExclusiveC14N, V11: form == xmlsec.InclusiveC14N11}
	transform := ""
	if form != xmlsec.InclusiveC14N { // SMP 1.0 leaves the default form unsaid
		transform = `<Transform Algorithm="` + string(form) + `"/>`
	}
	data := ""
	for _, c := range certs {
		data += `<X509Certificate>` + base64.StdEncoding.EncodeToString(c.Raw) + `</X509Certificate>`
	}
	sig := `<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo><CanonicalizationMethod Algorithm="` + string(form) + `"/><SignatureMethod Algorithm="` + string(xmlsec.RSASHA256) + `"/>` +
		`<Reference URI=""><Transforms><Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>` + transform + `</Transforms><DigestMethod Algorithm="` + string(xmlsec.SHA256) + `"/><DigestValue>DIGEST</DigestValue></Reference></SignedInfo>` +
		`<SignatureValue>VALUE</SignatureValue><KeyInfo><X509Data><X509SubjectName>CN=ignored</X509SubjectName>` + data + `</X509Data></KeyInfo></Signature>`
	end := strings.LastIndex(document, "</")
	document = document[:end] + sig + document[end:]
	parse := func() (*xmldoc.Document, xmldoc.Element) {
		doc, err := xmldoc.ParseBytes([]byte(document), xmldoc.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		e, err := xmlsec.FindSignature(doc.Root())
		if err != nil {
			t.Fatal(err)
		}
		return doc, e
	}
	doc, e := parse()
	h := sha256.New()
	whole := x
	whole.Exclude = e
	if err := doc.Canonical(h, whole); err != nil {
		t.Fatal(err)
	}
	document = strings.Replace(document, "DIGEST", base64.StdEncoding.EncodeToString(h.Sum(nil)), 1)
	_, e = parse()
	info, err := e.Only(xmldoc.Name{Space: xmlsec.SpaceDS, Local: "SignedInfo"})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(info.AppendCanonical(nil, x))
	value, err := rsa.SignPKCS1v15(rand.Reader, pkitest.RSA(), crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(document, "VALUE", base64.StdEncoding.EncodeToString(value), 1)
}

func failure(t testing.TB, err error) *discovery.Failure {
	t.Helper()
	f, ok := errors.AsType[*discovery.Failure](err)
	if !ok {
		t.Fatalf("got %v, want a failure", err)
	}
	return f
}

func resolve(t testing.TB, r *discovery.Resolver) (*pmode.Partner, ebms.Service, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return r.Resolve(ctx, asked, "Ask")
}

func firstLine(b []byte) string {
	l, _, _ := bytes.Cut(bytes.TrimSpace(b), []byte("\n"))
	return string(l)
}

func mustRegexp(s string) *regexp.Regexp { return regexp.MustCompile(s) }

func pmodeService(s ebms.Service, actions ...string) pmode.Service {
	return pmode.Service{Service: s, Actions: actions}
}

func notFound(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }

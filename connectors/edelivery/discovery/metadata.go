package discovery

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"oncegate/connectors/xmldoc"
)

// A Version is a version of the SMP interface; Peppol's is that of 1.0 with other
// namespaces.
type Version string

// The versions.
const (
	SMP1 Version = "1.0"
	SMP2 Version = "2.0"
)

// Namespaces of the documents.
const (
	spaceSMP1     = "http://docs.oasis-open.org/bdxr/ns/SMP/2016/05"
	spacePeppol   = "http://busdox.org/serviceMetadata/publishing/1.0/"
	spacePeppolID = "http://busdox.org/transport/identifiers/1.0/"
	spaceWSA      = "http://www.w3.org/2005/08/addressing"
	spaceMeta2    = "http://docs.oasis-open.org/bdxr/ns/SMP/2/ServiceMetadata"
	spaceGroup2   = "http://docs.oasis-open.org/bdxr/ns/SMP/2/ServiceGroup"
	spaceSMA      = "http://docs.oasis-open.org/bdxr/ns/SMP/2/AggregateComponents"
	spaceSMB      = "http://docs.oasis-open.org/bdxr/ns/SMP/2/BasicComponents"
)

// Metadata is what a publisher says of one participant and one document.
type Metadata struct {
	Version     Version
	Participant Identifier // unset in a redirect of SMP 1.0
	Document    Identifier // unset in a redirect of SMP 1.0
	Processes   []Process
	Redirect    *Redirect // instead of processes, for SMP 1.0
}

// A Process is a group of processes with the endpoints that serve them.
type Process struct {
	IDs       []Identifier // none for any process (SMP 2.0)
	Endpoints []Endpoint
	Redirect  *Redirect // instead of endpoints (SMP 2.0)
}

// An Endpoint is an access point as a publisher describes it.
type Endpoint struct {
	Profile      string // transportProfile
	Address      string
	Activation   time.Time // zero for always
	Expiration   time.Time // zero for never
	Certificates []Published
}

// A Published is a certificate as a publisher gives it.
type Published struct {
	Use        string // what SMP 2.0 says of its use; empty otherwise
	Activation time.Time
	Expiration time.Time
	Content    string // base64 of DER, or PEM
}

// A Redirect leads to another publisher, whose signer it names.
type Redirect struct {
	Address      string
	UID          string      // CertificateUID of SMP 1.0
	Certificates []Published // of SMP 2.0
}

var errDocument = errors.New("not a document of SMP 1.0, SMP 2.0 or Peppol")

// ReadMetadata reads the root element of service metadata, signed or not. Whether a
// trusted publisher signed it is not asked here.
func ReadMetadata(root xmldoc.Element) (*Metadata, error) {
	switch root.Name() {
	case xmldoc.Name{Space: spaceMeta2, Local: "ServiceMetadata"}:
		return readMetadata2(root)
	case xmldoc.Name{Space: spaceSMP1, Local: "SignedServiceMetadata"}, xmldoc.Name{Space: spacePeppol, Local: "SignedServiceMetadata"}:
		e, err := root.Only(xmldoc.Name{Space: root.Name().Space, Local: "ServiceMetadata"})
		if err != nil {
			return nil, err
		}
		return readMetadata1(e)
	case xmldoc.Name{Space: spaceSMP1, Local: "ServiceMetadata"}, xmldoc.Name{Space: spacePeppol, Local: "ServiceMetadata"}:
		return readMetadata1(root)
	}
	return nil, errDocument
}

// A dialect1 has the names in which SMP 1.0 and Peppol differ.
type dialect1 struct {
	space, ids string
}

func (d dialect1) name(local string) xmldoc.Name { return xmldoc.Name{Space: d.space, Local: local} }

func dialectOf(e xmldoc.Element) dialect1 {
	if e.Name().Space == spacePeppol {
		return dialect1{spacePeppol, spacePeppolID}
	}
	return dialect1{spaceSMP1, spaceSMP1}
}

func readMetadata1(e xmldoc.Element) (*Metadata, error) {
	d := dialectOf(e)
	m := &Metadata{Version: SMP1}
	redirect, err := e.Maybe(d.name("Redirect"))
	if err != nil {
		return nil, err
	}
	info, err := e.Maybe(d.name("ServiceInformation"))
	switch {
	case err != nil:
		return nil, err
	case redirect.IsZero() == info.IsZero():
		return nil, errors.New("want either ServiceInformation or Redirect")
	case info.IsZero():
		href, err := redirect.NeedAttr(xmldoc.Name{Local: "href"})
		if err != nil {
			return nil, err
		}
		uid, err := optional(redirect, d.name("CertificateUID"))
		m.Redirect = &Redirect{Address: strings.TrimSpace(href), UID: uid}
		return m, err
	}
	if m.Participant, err = identifier(info, xmldoc.Name{Space: d.ids, Local: "ParticipantIdentifier"}, "scheme"); err != nil {
		return nil, err
	}
	if m.Document, err = identifier(info, xmldoc.Name{Space: d.ids, Local: "DocumentIdentifier"}, "scheme"); err != nil {
		return nil, err
	}
	list, err := info.Only(d.name("ProcessList"))
	if err != nil {
		return nil, err
	}
	for e := range list.All(d.name("Process")) {
		id, err := identifier(e, xmldoc.Name{Space: d.ids, Local: "ProcessIdentifier"}, "scheme")
		if err != nil {
			return nil, err
		}
		p := Process{IDs: []Identifier{id}}
		endpoints, err := e.Only(d.name("ServiceEndpointList"))
		if err != nil {
			return nil, err
		}
		for e := range endpoints.All(d.name("Endpoint")) {
			ep, err := d.endpoint(e)
			if err != nil {
				return nil, err
			}
			p.Endpoints = append(p.Endpoints, ep)
		}
		m.Processes = append(m.Processes, p)
	}
	return m, nil
}

func (d dialect1) endpoint(e xmldoc.Element) (Endpoint, error) {
	var ep Endpoint
	profile, err := e.NeedAttr(xmldoc.Name{Local: "transportProfile"})
	if err != nil {
		return ep, err
	}
	ep.Profile = strings.TrimSpace(profile)
	at, address := e, d.name("EndpointURI")
	if d.space == spacePeppol {
		if at, err = e.Only(xmldoc.Name{Space: spaceWSA, Local: "EndpointReference"}); err != nil {
			return ep, err
		}
		address = xmldoc.Name{Space: spaceWSA, Local: "Address"}
	}
	if ep.Address, err = required(at, address); err != nil {
		return ep, err
	}
	if ep.Activation, err = date(e, d.name("ServiceActivationDate"), false); err != nil {
		return ep, err
	}
	if ep.Expiration, err = date(e, d.name("ServiceExpirationDate"), true); err != nil {
		return ep, err
	}
	content, err := required(e, d.name("Certificate"))
	if err != nil {
		return ep, err
	}
	ep.Certificates = []Published{{Content: content}}
	return ep, nil
}

func sma(local string) xmldoc.Name { return xmldoc.Name{Space: spaceSMA, Local: local} }
func smb(local string) xmldoc.Name { return xmldoc.Name{Space: spaceSMB, Local: local} }

func readMetadata2(root xmldoc.Element) (*Metadata, error) {
	m := &Metadata{Version: SMP2}
	if v, err := required(root, smb("SMPVersionID")); err != nil {
		return nil, err
	} else if v != string(SMP2) {
		return nil, errors.New("SMPVersionID is not 2.0")
	}
	var err error
	if m.Document, err = identifier(root, smb("ID"), "schemeID"); err != nil {
		return nil, err
	}
	if m.Participant, err = identifier(root, smb("ParticipantID"), "schemeID"); err != nil {
		return nil, err
	}
	for e := range root.All(sma("ProcessMetadata")) {
		var p Process
		for pe := range e.All(sma("Process")) {
			id, err := identifier(pe, smb("ID"), "schemeID")
			if err != nil {
				return nil, err
			}
			p.IDs = append(p.IDs, id)
		}
		for ee := range e.All(sma("Endpoint")) {
			ep, err := endpoint2(ee)
			if err != nil {
				return nil, err
			}
			p.Endpoints = append(p.Endpoints, ep)
		}
		redirect, err := e.Maybe(sma("Redirect"))
		if err != nil {
			return nil, err
		}
		if redirect.IsZero() == (len(p.Endpoints) == 0) {
			return nil, errors.New("want either Endpoints or Redirect in ProcessMetadata")
		}
		if !redirect.IsZero() {
			p.Redirect = &Redirect{}
			if p.Redirect.Address, err = required(redirect, smb("PublisherURI")); err != nil {
				return nil, err
			}
			if p.Redirect.Certificates, err = published2(redirect); err != nil {
				return nil, err
			}
		}
		m.Processes = append(m.Processes, p)
	}
	return m, nil
}

func endpoint2(e xmldoc.Element) (Endpoint, error) {
	var ep Endpoint
	var err error
	if ep.Profile, err = required(e, smb("TransportProfileID")); err != nil {
		return ep, err
	}
	if ep.Address, err = optional(e, smb("AddressURI")); err != nil {
		return ep, err
	}
	if ep.Activation, err = date(e, smb("ActivationDate"), false); err != nil {
		return ep, err
	}
	if ep.Expiration, err = date(e, smb("ExpirationDate"), true); err != nil {
		return ep, err
	}
	ep.Certificates, err = published2(e)
	return ep, err
}

func published2(e xmldoc.Element) ([]Published, error) {
	var out []Published
	for c := range e.All(sma("Certificate")) {
		var p Published
		var err error
		if p.Use, err = optional(c, smb("TypeCode")); err != nil {
			return nil, err
		}
		if p.Activation, err = date(c, smb("ActivationDate"), false); err != nil {
			return nil, err
		}
		if p.Expiration, err = date(c, smb("ExpirationDate"), true); err != nil {
			return nil, err
		}
		if p.Content, err = required(c, smb("ContentBinaryObject")); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// A Group is what a publisher says of one participant: which documents there are. It
// is not signed: a hint for people (i.20).
type Group struct {
	Participant Identifier
	Documents   []string // identifiers in SMP 2.0, addresses of their metadata in 1.0
}

// ReadGroup reads the root element of a service group.
func ReadGroup(root xmldoc.Element) (*Group, error) {
	g := &Group{}
	var err error
	switch root.Name() {
	case xmldoc.Name{Space: spaceGroup2, Local: "ServiceGroup"}:
		if g.Participant, err = identifier(root, smb("ParticipantID"), "schemeID"); err != nil {
			return nil, err
		}
		for e := range root.All(sma("ServiceReference")) {
			id, err := identifier(e, smb("ID"), "schemeID")
			if err != nil {
				return nil, err
			}
			g.Documents = append(g.Documents, id.String())
		}
		return g, nil
	case xmldoc.Name{Space: spaceSMP1, Local: "ServiceGroup"}, xmldoc.Name{Space: spacePeppol, Local: "ServiceGroup"}:
		d := dialectOf(root)
		if g.Participant, err = identifier(root, xmldoc.Name{Space: d.ids, Local: "ParticipantIdentifier"}, "scheme"); err != nil {
			return nil, err
		}
		list, err := root.Only(d.name("ServiceMetadataReferenceCollection"))
		if err != nil {
			return nil, err
		}
		for e := range list.All(d.name("ServiceMetadataReference")) {
			href, err := e.NeedAttr(xmldoc.Name{Local: "href"})
			if err != nil {
				return nil, err
			}
			g.Documents = append(g.Documents, href)
		}
		return g, nil
	}
	return nil, errDocument
}

func identifier(parent xmldoc.Element, name xmldoc.Name, scheme string) (Identifier, error) {
	e, err := parent.Only(name)
	if err != nil {
		return Identifier{}, err
	}
	text, err := e.TextOnly()
	if err != nil {
		return Identifier{}, err
	}
	s, _ := e.Attr(xmldoc.Name{Local: scheme})
	id := Identifier{Scheme: strings.TrimSpace(s), Value: strings.TrimSpace(text)}
	if id.Value == "" || len(id.Value) > maxIdentifier || len(id.Scheme) > maxIdentifier {
		return id, fmt.Errorf("%s is empty or longer than %d", name.Local, maxIdentifier)
	}
	return id, nil
}

func optional(parent xmldoc.Element, name xmldoc.Name) (string, error) {
	e, err := parent.Maybe(name)
	if err != nil || e.IsZero() {
		return "", err
	}
	text, err := e.TextOnly()
	return strings.TrimSpace(text), err
}

func required(parent xmldoc.Element, name xmldoc.Name) (string, error) {
	text, err := parent.OnlyText(name)
	if err != nil {
		return "", err
	}
	if text = strings.TrimSpace(text); text == "" {
		return "", fmt.Errorf("%s is empty", name.Local)
	}
	return text, nil
}

// date reads an optional xs:dateTime or xs:date; without a zone it is UTC. A date
// ends something with its last moment.
func date(parent xmldoc.Element, name xmldoc.Name, end bool) (time.Time, error) {
	text, err := optional(parent, name)
	if err != nil || text == "" {
		return time.Time{}, err
	}
	for _, form := range []string{"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	for _, form := range []string{"2006-01-02Z07:00", "2006-01-02"} {
		if t, err := time.Parse(form, text); err == nil {
			if end {
				t = t.AddDate(0, 0, 1)
			}
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is not a date", name.Local)
}

// maxCertificate bounds a certificate; real ones have 1 to 3 KiB.
const maxCertificate = 16 << 10

// der returns the DER of a certificate: publishers give base64, broken into lines or
// not, and some the armour of PEM, whole or with its lines joined.
func (p Published) der() ([]byte, error) {
	s := p.Content
	if len(s) > 2*maxCertificate {
		return nil, errors.New("a certificate that is too long")
	}
	if block, _ := pem.Decode([]byte(s)); block != nil {
		return block.Bytes, nil
	}
	s = strings.TrimPrefix(s, "-----BEGIN CERTIFICATE-----")
	s = strings.TrimSuffix(s, "-----END CERTIFICATE-----")
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil || len(b) == 0 {
		return nil, errors.New("a certificate that is neither base64 nor PEM")
	}
	if block, _ := pem.Decode(b); block != nil { // PEM in base64, as Java writes the bytes of a file
		b = slices.Clone(block.Bytes)
	}
	return b, nil
}

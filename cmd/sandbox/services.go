package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"oncegate/connectors/directory/httpsig"
	"oncegate/connectors/directory/service"
	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
)

// commonServices are the evidence broker and the directory of data services of the
// landscape: the service that `oncegate directory serve` runs, over data of its own,
// with signed answers.
type commonServices struct {
	base   string // https URL
	dir    string // of its data
	cert   []byte // DER, of its signer
	signer *httpsig.Signer
	ln     net.Listener
}

// startServices takes a port and makes the signer; write opens the service once its
// data is there.
func (l *Landscape) startServices() error {
	ln, err := l.listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &commonServices{base: "https://" + ln.Addr().String(), dir: filepath.Join(l.dir, "directory"), ln: ln}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("generating the key of the common services: %w", err)
	}
	if s.cert, err = l.pki.issue(&x509.Certificate{
		Subject:  pkix.Name{CommonName: "OOTS-CS sandbox", Organization: []string{"oncegate sandbox"}},
		KeyUsage: x509.KeyUsageDigitalSignature,
	}, key.Public()); err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(s.cert)
	if err != nil {
		return fmt.Errorf("reading the certificate of the common services: %w", err)
	}
	if s.signer, err = httpsig.NewSigner(key, []*x509.Certificate{cert}, time.Now); err != nil {
		return fmt.Errorf("making the signer of the common services: %w", err)
	}
	l.services = s
	return nil
}

// settings is how a member asks the services.
func (s *commonServices) settings() obj {
	return obj{
		"environment": "testing", "trust": obj{"pinned": []string{"common-services.pem"}},
		"instances": []obj{{"country": "*", "eb": s.base + "/eb", "dsd": s.base + "/dsd"}},
		"ca":        []string{"ca.pem"}, "private_addresses": true,
		"poll": obj{"every": "1h", "countries": []string{"ES", "FI"}, "procedures": []string{"T2", "V1", "X1"}},
	}
}

// The requirement and the question that the built-in offers do not have.
const (
	needDegree  = "0b5d6f0e-5a40-4c52-9a39-40d1a5c0e004"
	studyPlace  = "9be524c1-6efe-417a-974c-088f54f0e031"
	optionSpare = "7d0c6f5e-2f4a-4b6e-8a53-0d9e3b1fe0"
)

// write writes the data of the three Member States and serves it.
func (s *commonServices) write(l *Landscape) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("creating %s: %w", s.dir, err)
	}
	if err := writePEM(filepath.Join(l.si.Dir, "common-services.pem"), &pem.Block{Type: "CERTIFICATE", Bytes: s.cert}); err != nil {
		return err
	}
	for name, data := range map[string]obj{"si": s.slovenia(l), "es": s.spain(l), "fi": s.finland(l)} {
		text, err := yaml.Marshal(data)
		if err != nil {
			return fmt.Errorf("encoding the directory: %w", err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, name+".yaml"), text, 0o600); err != nil {
			return fmt.Errorf("writing the directory: %w", err)
		}
	}
	source, err := service.Open(service.SourceConfig{
		Loader: service.Loader{Lists: codes.Default(), Base: s.base}, Path: s.dir, Logger: l.cfg.Logger,
	})
	if err != nil {
		return fmt.Errorf("opening the common services: %w", err)
	}
	h, err := service.New(service.Config{Source: source, Signer: s.signer, Logger: l.cfg.Logger})
	if err != nil {
		return fmt.Errorf("making the common services: %w", err)
	}
	l.serve("common services", s.ln, http.Handler(h))
	return nil
}

func names(texts []canon.Text) obj {
	out := obj{}
	for _, t := range texts {
		out[t.Lang] = t.Text
	}
	return out
}

func requirementURI(id string) string {
	return "https://sr.oots.tech.ec.europa.eu/requirements/" + id
}

// slovenia says what its procedures want proved.
func (s *commonServices) slovenia(l *Landscape) obj {
	var requirements, procedures []obj
	for i, o := range l.portal.offers {
		if o.Provider.Country != "ES" {
			continue
		}
		requirements = append(requirements, obj{"id": o.Requirement.ID, "names": names(o.Requirement.Names)})
		needs := []string{o.Requirement.ID}
		if o.Procedure == "T2" {
			needs = append(needs, requirementURI(needDegree))
		}
		procedures = append(procedures, obj{
			"id": fmt.Sprintf("4a1e0d6c-0c55-4a5e-9a52-61f7c6a3e0%02d", i+11), "codes": []string{o.Procedure},
			"titles": obj{"EN": o.Purpose}, "requirements": needs,
		})
	}
	requirements = append(requirements, obj{"id": requirementURI(needDegree), "names": obj{"EN": "Proof of a first degree", "SL": "Dokazilo o prvi stopnji"}})
	return obj{"country": "SI", "broker": obj{"requirements": requirements, "procedures": procedures}}
}

// spain gives each evidence of the built-in registers by one authority.
func (s *commonServices) spain(l *Landscape) obj {
	var types, proofs, providers, services []obj
	for i, o := range l.portal.offers {
		if o.Provider.Country != "ES" { // a Member State states its own data only
			continue
		}
		types = append(types, obj{"id": o.Type.Classification, "titles": names(o.Type.Titles)})
		proofs = append(proofs, obj{
			"id": fmt.Sprintf("%s%02d", optionSpare, i+1), "requirements": []string{o.Requirement.ID}, "names": names(o.Type.Titles),
			"all": []string{o.Type.Classification},
		})
		providers = append(providers, obj{"key": o.Register, "id": o.Provider.ID.String(), "names": names(o.Provider.Names), "access_point": "main"})
		services = append(services, obj{
			"id": o.Type.ID, "evidence_type": o.Type.Classification, "titles": names(o.Type.Titles), "assurance": "Substantial",
			"distributions": []obj{{"formats": []string{"application/xml"}, "languages": []string{"ES"}, "conforms_to": "https://sr.oots.tech.ec.europa.eu/datamodels/" + o.Register + "-1.0.0"}},
			"providers":     []string{o.Register},
		})
	}
	return obj{
		"country": "ES", "broker": obj{"evidence_types": types, "proofs": proofs},
		"directory": obj{"access_points": []obj{s.accessPoint(l.es)}, "providers": providers, "services": services},
	}
}

func (s *commonServices) accessPoint(m *member) obj {
	return obj{"key": "main", "id": m.AccessPoint, "names": obj{"EN": "Access point of " + m.Name + " (sandbox)"}, "conforms_to": []string{"oots-edm:v2.0", "oots-edm:v1.2"}}
}

// finland gives a degree certificate by two authorities, between which the place of
// study decides, or a transcript that it does not give by automated exchange; and it
// says that it has no proof of residence.
func (s *commonServices) finland(l *Landscape) obj {
	degree := l.finnish["diplomas"].EvidenceType
	transcript := "https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/FI/8c1f6b52-7d3e-4a90-b5c1-2e4d6f8a0032"
	provider := func(name string, places ...string) obj {
		d := l.finnish[name]
		return obj{
			"key": name, "id": d.Issuer.ID.String(), "names": names(d.Issuer.Names), "access_point": "main",
			"answers": []obj{{"concept": "place", "values": places}},
		}
	}
	var residence string
	for _, o := range l.portal.offers {
		if o.Register == "residence" {
			residence = o.Requirement.ID
		}
	}
	return obj{
		"country": "FI",
		"broker": obj{
			"evidence_types": []obj{
				{"id": degree.Classification, "titles": names(degree.Titles)},
				{"id": transcript, "titles": obj{"EN": "Transcript of records", "FI": "Opintosuoritusote"}},
			},
			"proofs": []obj{
				{"id": optionSpare + "31", "requirements": []string{requirementURI(needDegree)}, "names": obj{"EN": "Degree certificate"}, "all": []string{degree.Classification}},
				{"id": optionSpare + "32", "requirements": []string{requirementURI(needDegree)}, "names": obj{"EN": "Transcript of records"}, "all": []string{transcript}},
				{"id": optionSpare + "33", "requirements": []string{residence}, "no_match": obj{"EN": "Residence is not certified.", "FI": "Asuinpaikasta ei anneta todistusta."}},
			},
		},
		"directory": obj{
			"code_lists": []obj{{"name": "places", "version": "2026-01", "codes": []obj{
				{"code": "NORTH", "names": obj{"EN": "In the North", "FI": "Pohjoisessa"}}, {"code": "SOUTH", "names": obj{"EN": "In the South", "FI": "Etelässä"}},
			}}},
			"concepts": []obj{{
				"key": "place", "id": studyPlace, "scheme": "https://sr.oots.tech.ec.europa.eu/codelists/FI/places", "type": "codelist",
				"question": obj{"EN": "Where in Finland did you study?", "FI": "Missä opiskelit?"}, "code_list": "places",
			}},
			"access_points": []obj{s.accessPoint(l.fi)},
			"providers":     []obj{provider("diplomas", "NORTH", "SOUTH"), provider("archive", "NORTH")},
			"services": []obj{{
				"id": degree.ID, "evidence_type": degree.Classification, "titles": names(degree.Titles), "assurance": "Substantial", "questions": []string{"place"},
				"distributions": []obj{{"formats": []string{"application/xml"}, "languages": []string{"FI"}, "conforms_to": degree.Distributions[0].ConformsTo}},
				"providers":     []string{"diplomas", "archive"},
			}},
		},
	}
}

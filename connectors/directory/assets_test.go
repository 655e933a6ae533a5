package directory

import (
	"crypto/x509"
	"encoding/base64"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/directory/httpsig"
	"oncegate/connectors/rulecheck"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/assets"
	"oncegate/schemas/canon"
	"oncegate/schemas/rules"
)

// samples returns every answer of the common services among the assets.
func samples(t testing.TB) map[string][]byte {
	dir, out := assets.Path(t, "oots"), map[string][]byte{}
	for _, sub := range []string{"tdd-1.0-artefacts/xml/EB", "tdd-1.0-artefacts/xml/DSD", "oots-france-2.0.1", "own-examples"} {
		err := filepath.WalkDir(filepath.Join(dir, sub), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".xml" {
				return err
			}
			b, err := os.ReadFile(path)
			name := filepath.Base(path)
			if sub == "own-examples" && !strings.HasPrefix(name, "dsd-") || strings.HasPrefix(name, "signed-") || strings.HasPrefix(name, "trust-") {
				return err
			}
			out[sub+"/"+name] = b
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestInspectSamples: every sample and capture is read, and known for what it is.
func TestInspectSamples(t *testing.T) {
	all := samples(t)
	if len(all) < 24 {
		t.Errorf("%d samples", len(all))
	}
	for name, doc := range all {
		report := Inspect(doc, nil)
		for _, f := range report.Findings {
			if f.Layer == rulecheck.LayerXML || f.Layer == rulecheck.LayerStructure {
				t.Errorf("%s: %s at %s", name, f.Meaning, f.Path)
			} else if f.Severity == rules.Fatal {
				t.Logf("%s: %s at %s", name, f.Rule, f.Path)
			}
		}
		if report.Document == "" || report.Edition == "" {
			t.Errorf("%s is not known for what it is: %+v", name, report)
		}
	}
}

func TestInspect(t *testing.T) {
	for name, tt := range map[string]struct {
		doc   string
		layer rulecheck.Layer
	}{
		"not XML":     {"{}", rulecheck.LayerXML},
		"nothing":     {"", rulecheck.LayerXML},
		"cut":         {`<query:QueryResponse xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:4.0">`, rulecheck.LayerXML},
		"other":       {`<a/>`, rulecheck.LayerStructure},
		"no status":   {`<query:QueryResponse xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:4.0"/>`, rulecheck.LayerStructure},
		"two answers": {`<a/><a/>`, rulecheck.LayerXML},
	} {
		report := Inspect([]byte(tt.doc), nil)
		if f, ok := report.Fatal(); !ok || f.Layer != tt.layer || f.Meaning == "" {
			t.Errorf("%s: %+v", name, report)
		}
	}
}

// TestCaptures asks for what the acceptance environment answered in 2026: query, headers
// and body as they were, over TLS, with the pinned root of the Commission.
func TestCaptures(t *testing.T) {
	dir := filepath.Join(assets.Path(t, "oots"), "oots-france-2.0.1")
	attr := func(e xmldoc.Element, name string) string { v, _ := e.Attr(xmldoc.Name{Local: name}); return v }
	open := func(name string) xmldoc.Element {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := xmldoc.ParseBytes(b, xmldoc.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return doc.Root()
	}
	var anchor *x509.Certificate
	for e := range open("trust-anchors.xml").Children() {
		der, err := base64.StdEncoding.DecodeString(e.Text())
		if err != nil {
			t.Fatal(err)
		}
		if c, err := x509.ParseCertificate(der); err == nil && attr(e, "file") == "services_communs_acc.pem" {
			anchor = c
		}
	}
	headers := map[string]http.Header{}
	for e := range open("signed-headers.xml").Children() {
		h := http.Header{}
		for f := range e.Children() {
			h.Set(attr(f, "name"), f.Text())
		}
		headers[attr(e, "body")] = h
	}
	r := newRig(t)
	r.now = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	c := r.client(t, func(c *Config) { c.Trust = &httpsig.Trust{Anchors: []*x509.Certificate{anchor}} })
	serve := func(name string) bool {
		body, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Logf("%s is not among the assets", name)
			return false
		}
		r.set(func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range headers[name] {
				w.Header()[k] = v
			}
			_, _ = w.Write(body)
		})
		return true
	}
	const sr = "https://sr.acc.oots.tech.ec.europa.eu/"
	if serve("eb_requirements_fr.xml") {
		a, err := c.Requirements(bg, canon.RequirementsQuery{Country: "FR", Procedure: "00"})
		if err != nil || len(a.Requirements) != 1 || a.Requirements[0].Frameworks[0].Jurisdiction.Country != "FR" || !strings.Contains(a.Provenance.Signer, "EC-OOTS-CS-ACC") {
			t.Errorf("got %+v, %v", a, err)
		}
	}
	if serve("eb_evidence_types_fi.xml") {
		a, err := c.EvidenceTypes(bg, canon.EvidenceTypesQuery{Country: "FI", Requirement: sr + "requirements/00000000-0000-0000-0000-000000000000"})
		if err != nil || len(a.Requirements) != 1 || len(a.Requirements[0].Options) != 1 || len(a.Requirements[0].Options[0].EvidenceTypes) != 1 {
			t.Errorf("got %+v, %v", a, err)
		}
	}
	if serve("dsd_data_services_fi.xml") {
		q := canon.DataServicesQuery{Country: "FI", Classification: sr + "evidencetypeclassifications/FI/19f0783e-7cdc-4146-9ff9-e331514ffb74", Specification: "oots-edm:v2.0"}
		a, err := c.DataServices(bg, q)
		if err != nil || len(a.Services) != 1 || a.Services[0].AccessPoint.ID != "AP_FI_03" || a.Services[0].Provider.Country != "FI" || a.Services[0].Assurance != "Substantial" {
			t.Errorf("got %+v, %v", a, err)
		}
		q.Classification = sr + "evidencetypeclassifications/FI/00000000-7cdc-4146-9ff9-e331514ffb74"
		_, err = c.DataServices(bg, q)
		fault(t, err, canon.CodeDirectoryAnswer, "another evidence type")
	}
	if serve("eb_requirements_catalogue.xml") {
		if a, err := c.Requirements(bg, canon.RequirementsQuery{}); err != nil || len(a.Requirements) < 2 {
			t.Errorf("got %d, %v", len(a.Requirements), err)
		}
	}
	if serve("eb_requirements_vides.xml") {
		_, err := c.Requirements(bg, canon.RequirementsQuery{Country: "FR", Procedure: "W1"})
		fault(t, err, canon.CodeDirectoryEmpty, "EB:ERR:0001")
	}
	if serve("dsd_aucun_service_fr.xml") {
		_, err := c.DataServices(bg, canon.DataServicesQuery{Country: "FR", Classification: sr + "evidencetypeclassifications/FR/x"})
		fault(t, err, canon.CodeDirectoryEmpty, "DSD:ERR:0001")
	}
}

// answered returns what our own service answers to every query, in every edition.
func answered(t testing.TB) [][]byte {
	r := newRig(t)
	c := r.client(t)
	var out [][]byte
	for _, e := range answers.Editions() {
		for _, q := range []*query{
			requirementsQuery(canon.RequirementsQuery{Country: "SI", Procedure: "T2"}), requirementsQuery(canon.RequirementsQuery{Country: "SI", Procedure: "W1"}),
			evidenceTypesQuery(canon.EvidenceTypesQuery{Country: "SI", Requirement: birth}), evidenceTypesQuery(canon.EvidenceTypesQuery{Country: "FI", Requirement: residence}),
			dataServicesQuery(canon.DataServicesQuery{Country: "ES", Classification: birthES}), dataServicesQuery(canon.DataServicesQuery{Country: "ES", Classification: livesES}),
		} {
			_, body, err := c.fetch.get(bg, r.server.URL+"/rest/search?"+q.encode([]answers.Edition{e}, false), map[string]string{"Accept-Version": string(e)}, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, body)
		}
	}
	return out
}

// TestOurOwnAnswers: what our service answers passes our inspection whole.
func TestOurOwnAnswers(t *testing.T) {
	for i, doc := range answered(t) {
		report := Inspect(doc, nil)
		if f, broken := report.Fatal(); broken {
			t.Errorf("answer %d, %s of %s: %s %s at %s", i, report.Document, report.Edition, f.Rule, f.Meaning, f.Path)
		}
	}
}

// FuzzInspect: whatever an instance sends, there is a report and no panic, and the
// report repeats nothing of it that is not a name.
func FuzzInspect(f *testing.F) {
	f.Add([]byte(`<query:QueryResponse xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:4.0" status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"/>`))
	f.Add([]byte(`{}`))
	for _, doc := range answered(f) {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		report := Inspect(doc, nil)
		for _, x := range report.Findings {
			if x.Meaning == "" || x.Severity == 0 {
				t.Fatalf("an empty finding: %+v", x)
			}
		}
	})
}

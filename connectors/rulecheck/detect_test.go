package rulecheck

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/assets"
	"oncegate/schemas/rules"
)

// TestDetectBases tells every sample of ours by its content, not by its name.
func TestDetectBases(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(samplesDir, "base", "*.xml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no bases: %v", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		edition, rest, _ := strings.Cut(filepath.Base(f), "-")
		d, ok := Detect(parsed(t, string(text)))
		if !ok || !strings.HasPrefix(rest, string(d.Document)) {
			t.Errorf("%s is taken for %q", f, d.Document)
		}
		unnamed := d.Document == rules.EDMHeader || d.Document == rules.SubmissionAnswer
		if d.Edition != edition && (d.Named != "" || !unnamed) {
			t.Errorf("%s is taken for edition %s", f, d.Edition)
		}
	}
}

// TestDetectPublished knows the published samples and captures for what they are.
func TestDetectPublished(t *testing.T) {
	dir := assets.Path(t, "oots")
	for sub, want := range map[string]string{
		"own-examples/request-1.2-legal-person-representative.xml": "edm-request 1.2",
		"own-examples/request-2.0-step2-natural-person.xml":        "edm-request 2.0",
		"own-examples/response-1.2-flat.xml":                       "edm-response 1.2",
		"own-examples/response-2.0-deferred-unavailable.xml":       "edm-response 2.0",
		"own-examples/error-2.0-timeout.xml":                       "edm-error 2.0",
		"own-examples/dsd-err-0005-2.0.xml":                        "dsd-error 2.0",
		"own-examples/ebms-header-2.0-request.xml":                 "edm-ebms 2.0",
		"oots-france-2.0.1/dsd_data_services_fi.xml":               "dsd-services 2.0",
		"oots-france-2.0.1/eb_evidence_types_fi.xml":               "eb-evidence-types 2.0",
		"oots-france-2.0.1/eb_requirements_fr.xml":                 "eb-requirements 2.0",
	} {
		text, err := os.ReadFile(filepath.Join(dir, sub))
		if err != nil {
			t.Error(err)
			continue
		}
		d, _ := Detect(parsed(t, string(text)))
		if got := string(d.Document) + " " + d.Edition; got != want {
			t.Errorf("%s is taken for %s, want %s", sub, got, want)
		}
	}
	for sub, want := range map[string]rules.Document{
		"DSD/Complete_XML_examples_DSD_": "dsd-", "EB/Complete_XML_examples_EB_": "eb-",
		"LCM/Complete_XML_Examples/3.1.5_LCM_Interface_Specification_of_the_DSD": rules.DSDSubmission,
		"LCM/Complete_XML_Examples/3.2.5_LCM_Interface_Specification_of_the_EB":  rules.EBSubmission,
		"LCM/Complete_XML_Examples/3.6_-_Common_Services_API_Specification":      rules.SubmissionAnswer,
		"Exchange": "edm-",
	} {
		err := filepath.WalkDir(filepath.Join(dir, "tdd-1.0-artefacts/xml", sub), func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
			if err != nil {
				return nil // fragments and evidence
			}
			if d, ok := Detect(doc.Root()); ok && !strings.HasPrefix(string(d.Document), string(want)) {
				t.Errorf("%s is taken for %s", name, d.Document)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

package answers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/directory/schematest"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/assets"
	"oncegate/schemas/canon"
)

func en(s string) []canon.Text {
	return []canon.Text{{Lang: "EN", Text: s}, {Lang: "SL", Text: s + " <&> č"}}
}

func party(id string) canon.Participant {
	return canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:SI", ID: id}
}

const (
	sr   = "https://sr.oots.tech.ec.europa.eu/"
	uuid = "7d0c6f5e-2f4a-4b6e-8a53-0d9e3b1fe00"
)

// full holds everything that any edition can say.
func full() (requirement, service, question Answer) {
	at := Jurisdiction{Country: "SI", Level2: "SI04", Level3: "061", Classifications: []ListedCode{{sr + "codelists/SI/regions", "WEST"}}}
	ask := Concept{ID: uuid + "1", Scheme: sr + "codelists/SI/regions", Type: "codelist", ValueExpression: "https://directory.example/regions", Descriptions: en("Where?")}
	answered := ask
	answered.Supported = Values{StringValue, []string{"WEST", "EAST"}}
	yes := Concept{ID: uuid + "2", Type: "boolean", Descriptions: en("Yes?"), Supported: Values{BooleanValue, []string{"true"}}}
	svc := DataService{
		Object: "urn:uuid:" + uuid + "3", ID: uuid + "4", Classification: sr + "evidencetypeclassifications/SI/" + uuid + "5",
		Titles: en("Title"), Descriptions: en("Description"),
		Distributions: []Distribution{
			{Formats: []string{"application/pdf", "image/png"}, Languages: []string{"SL", "EN"}},
			{Formats: []string{"application/xml"}, ConformsTo: sr + "datamodels/x-1.0.0"},
			{Formats: []string{"application/xml"}, ConformsTo: sr + "datamodels/x-1.0.0", Transformation: sr + "datamodels/x-1.0.0/y"},
		},
		Access: []AccessService{{
			ID: party("AP_SI"), Names: en("Access point"), ConformsTo: []string{"oots-edm:v2.0", "oots-edm:v1.0"},
			Publisher: Provider{
				ID: party("register"), Names: en("Register"), Descriptions: en("Keeps"),
				Address:       canon.Address{Full: "Street 1", Locator: "1", PostCode: "1000", City: "Ljubljana", Street: "Street", Country: "SI", Region: "SI04"},
				Jurisdictions: []Jurisdiction{at, {Country: "SI"}}, Concepts: []Concept{answered, yes},
			},
		}, {ID: party("AP_SI_2"), ConformsTo: []string{"oots-edm:v2.0"}}},
		Assurance: "High", Notes: en("Note"),
		Determination: &Determination{ContextID: uuid + "6", Contexts: en("Place of birth"), Level: "LAU"},
		Concepts:      []Concept{ask},
	}
	typ := EvidenceType{Classification: svc.Classification, Titles: en("Type"), Descriptions: en("Of it"), Jurisdictions: []Jurisdiction{at}}
	requirement.Requirements = []Requirement{{
		Object: "urn:uuid:" + uuid + "7", ID: sr + "requirements/" + uuid + "8", Names: en("Need"), Descriptions: en("Needed"),
		Frameworks: []Framework{{ID: uuid + "9", Titles: en("Procedure"), Descriptions: en("Done"), Procedures: []string{"T2", "R1"}, Jurisdiction: at}},
		Lists: []EvidenceTypeList{
			{ID: uuid + "a", Names: en("List"), Types: []EvidenceType{typ, typ}, Jurisdictions: []Jurisdiction{at}},
			{ID: uuid + "b", NoMatch: true, MatchDescriptions: en("None"), Jurisdictions: []Jurisdiction{{Country: "SI"}}},
		},
	}}
	service.Services = []DataService{svc}
	svc.Object, svc.Access, svc.Concepts, svc.Determination = "", nil, nil, nil
	question.Exceptions = []Exception{{
		Type: NotFound, Code: "DSD:ERR:0005", Message: "more", Severity: SeverityAdditionalInput, Detail: "Concepts",
		Service: &svc, Concepts: []Concept{ask, {ID: uuid + "c", Type: "string", Descriptions: en("Name?")}},
		Determination: &Determination{ContextID: uuid + "6", Contexts: en("Place of birth"), Level: "NUTS3"},
	}}
	return requirement, service, question
}

func TestReadOfWriteIsTheIdentity(t *testing.T) {
	r, s, q := full()
	for _, edition := range Editions() {
		for _, a := range []Answer{r, s, q, {}} {
			a.Edition = edition
			doc, err := Write(a)
			if err != nil {
				t.Fatal(err)
			}
			d, err := xmldoc.ParseBytes(doc, xmldoc.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := Read(d.Root())
			if err != nil {
				t.Fatalf("%s: %v\n%s", edition, err, doc)
			}
			if diff := cmp.Diff(a.Shaped(), got); diff != "" {
				t.Errorf("%s: -want +got\n%s", edition, diff)
			}
			if diff := cmp.Diff(a.Shaped(), a.Shaped().Shaped()); diff != "" {
				t.Errorf("%s: shaping is not stable\n%s", edition, diff)
			}
			if !strings.Contains(string(doc), "MatchType") {
				schematest.Check(t, strings.TrimPrefix(string(edition), "oots-cs:v"), doc)
			}
		}
	}
}

// TestSamplesAreRead reads the official samples and the captured answers.
func TestSamplesAreRead(t *testing.T) {
	root := assets.Path(t, "oots")
	var files []string
	for _, dir := range []string{"tdd-1.0-artefacts/xml/EB/Complete*", "tdd-1.0-artefacts/xml/DSD/Complete*", "oots-france-2.0.1"} {
		found, err := filepath.Glob(filepath.Join(root, dir, "*.xml"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	n := 0
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), "QueryResponse") || strings.HasSuffix(name, "signed-headers.xml") {
			continue
		}
		d, err := xmldoc.ParseBytes(data, xmldoc.Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		a, err := Read(d.Root())
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(name), err)
			continue
		}
		n++
		if len(a.Requirements)+len(a.Services)+len(a.Exceptions) == 0 {
			t.Errorf("%s: nothing was read", name)
		}
		doc, err := Write(a)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := xmldoc.ParseBytes(doc, xmldoc.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := Read(again.Root())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(a.Shaped(), b); diff != "" {
			t.Errorf("%s: -first +second\n%s", filepath.Base(name), diff)
		}
	}
	if n < 20 {
		t.Errorf("read %d samples, want 20 at least", n)
	}
}

func FuzzRead(f *testing.F) {
	r, s, q := full()
	for _, edition := range Editions() {
		for _, a := range []Answer{r, s, q} {
			a.Edition = edition
			doc, err := Write(a)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(doc)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := xmldoc.ParseBytes(data, xmldoc.Limits{MaxBytes: 1 << 20})
		if err != nil {
			return
		}
		a, err := Read(d.Root())
		if err != nil {
			return
		}
		if a.Edition == Edition11 {
			a.Edition = Edition12
		}
		doc, err := Write(a)
		if err != nil {
			t.Fatalf("what was read is not written: %v", err)
		}
		if _, err = xmldoc.ParseBytes(doc, xmldoc.Limits{}); err != nil {
			t.Fatalf("what was written is not XML: %v", err)
		}
	})
}

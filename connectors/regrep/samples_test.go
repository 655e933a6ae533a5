package regrep

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/rulecheck"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/assets"
	"oncegate/schemas/canon"
	"oncegate/schemas/rules"
)

// A sample is one public message of the data model.
type sample struct {
	name string
	doc  []byte
}

// samplesOf walks the public assets for evidence messages that name a version.
func samplesOf(t testing.TB) []sample {
	t.Helper()
	dir := assets.Path(t, "oots")
	var out []sample
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".xml" || !isExchange(path) {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if doc, err := xmldoc.ParseBytes(b, xmldoc.Limits{}); err == nil && DocumentOf(doc.Root()) != "" {
			name, _ := filepath.Rel(dir, path)
			out = append(out, sample{name, b})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// isExchange leaves out what the common services say.
func isExchange(path string) bool {
	return !strings.Contains(path, "/DSD/") && !strings.Contains(path, "/EB/") && !strings.Contains(path, "/LCM/") &&
		!strings.Contains(path, "dsd") && !strings.Contains(path, "eb_") && !strings.Contains(path, "trust-anchors") && !strings.Contains(path, "signed-headers")
}

var (
	reference = regexp.MustCompile(`xlink:href="cid:([^"]+)"`)
	format    = regexp.MustCompile(`<sdg:Format>\s*([a-z/+]+)\s*</sdg:Format>`)
)

// arrival makes the message that carries a sample, with a part for each reference.
func arrival(t testing.TB, doc []byte) edelivery.Incoming {
	t.Helper()
	d, err := xmldoc.ParseBytes(doc, xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	kind := DocumentOf(d.Root())
	action := map[rules.Document]string{rules.EDMRequest: ActionRequest, rules.EDMResponse: ActionResponse, rules.EDMError: ActionException}[kind]
	in := incoming(action, doc)
	formats := format.FindAllSubmatch(doc, -1)
	for i, m := range reference.FindAllSubmatch(doc, -1) {
		media := "application/pdf"
		if i < len(formats) {
			media = string(formats[i][1])
		}
		in.Parts = append(in.Parts, attachment(string(m[1]), media, []byte("evidence")))
	}
	if kind == rules.EDMRequest { // the properties are those of the document
		if x, err := decode(editions[0], "", kind, d.Root()); err == nil {
			setParties(&in.Header, x.body.(*canon.EvidenceRequest))
		} else if x, err := decode(editions[1], "", kind, d.Root()); err == nil {
			setParties(&in.Header, x.body.(*canon.EvidenceRequest))
		}
	}
	return listed(in)
}

func setParties(h *ebms.UserMessage, q *canon.EvidenceRequest) {
	h.Properties[0].Type, h.Properties[0].Value = q.Requester.ID.Scheme, q.Requester.ID.ID
	h.Properties[1].Type, h.Properties[1].Value = q.Provider.ID.Scheme, q.Provider.ID.ID
}

const (
	errorTemplate   = "tdd-1.0-artefacts/xml/Exchange/Error/2.1_ebRIM_QueryResponseError_example.xml"
	requestTemplate = "tdd-1.0-artefacts/xml/Exchange/Request/ebRIM_QueryRequest_tempate.xml"
	chapter         = "tdd-1.0-artefacts/xml/Exchange/4.5.4_-_OOTS-EDM_XML_Examples_of_the_Evidence_Exchange/"
)

// sampleVerdicts are the samples that break a rule, and the first they break; all
// others decode. Two are templates without content, one lost the languages of its texts
// when it was altered (PROVENANCE.md). The published Schematron refuses the other two as
// well: one has a severity that ends in an invisible U+007F, one says GR for Greece.
var sampleVerdicts = map[string]string{
	"pyregrep-1.2/EDM_Ferst_Response.xml": "R-EDM-ERR-C020",
	errorTemplate:                         "R-EDM-ERR-S009",
	requestTemplate:                       "R-EDM-REQ-S005",
	chapter + "3_Example_for_requesting_Secondary_Education_Completion_Evidence/3.2_Step_2_Error_Response_-_Education_-_full_example.xml": "R-EDM-ERR-C014",
	chapter + "4_Example_for_requesting_an_Extract_of_a_Commercial_Register/4.1_Step_1_Evidence_Request_-_Tax_-_full_example.xml":         "R-EDM-REQ-C067",
}

// TestSamplesDecodeAndEncode: every public message decodes, and what is written of it
// is read as the same thing.
func TestSamplesDecodeAndEncode(t *testing.T) {
	c := newCodec(t)
	list := samplesOf(t)
	projectathon := 0
	for _, x := range list {
		if strings.Contains(x.name, "projectathon") {
			projectathon++
		}
		t.Run(x.name, func(t *testing.T) {
			s := new(store)
			in := arrival(t, x.doc)
			want, isBroken := sampleVerdicts[x.name]
			if got := verdict(t, c, in); isBroken || got != "" {
				if !named(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
				if x.name != errorTemplate && x.name != requestTemplate {
					readable(t, x.doc)
				}
				return
			}
			m := decodeOne(t, c, in, s)
			if err := publishable(m); err != nil {
				t.Fatal(err)
			}
			env := canon.EnvelopeOf(m.Body)
			env.Leg = canon.LegOut
			out, ok, err := c.Encode(t.Context(), m, s)
			if err != nil || !ok {
				t.Fatalf("Encode: ok %v, %v", ok, err)
			}
			again := decodeOne(t, c, carry(out, env), s)
			if d := cmp.Diff(like(m.Body), like(again.Body), equal); d != "" {
				t.Errorf("written and read again (-want +got):\n%s", d)
			}
			report, err := Inspect(x.doc, InspectOptions{})
			f, bad := report.Fatal()
			if altered := bytes.Contains(x.doc, []byte("xsi:lang")); err != nil || bad != altered {
				t.Errorf("Inspect: %v, %+v", err, f)
			}
		})
	}
	if projectathon != 30 || len(list) < 50 {
		t.Errorf("got %d samples, %d of the Projectathon", len(list), projectathon)
	}
}

// readable says that the structure of a document can be read although a rule is broken.
func readable(t *testing.T, doc []byte) {
	t.Helper()
	d, err := xmldoc.ParseBytes(doc, xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	ed, specification, err := choose(d.Root(), new(ebms.UserMessage))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decode(ed, specification, DocumentOf(d.Root()), d.Root()); err != nil {
		t.Errorf("structure: %v", err)
	}
}

// like makes two bodies comparable that travelled in two envelopes.
func like(b canon.Body) canon.Body {
	env := canon.EnvelopeOf(b)
	env.Leg, env.AS4, env.RefTo, env.From, env.To, env.Exchange, env.Session = "", "", "", canon.Participant{}, canon.Participant{}, "", ""
	return b
}

// TestAlteredSamplesAreFound: the official 1.2 samples went around with xsi:lang for
// xml:lang, which no schema allows (PROVENANCE.md). It is reported, and overlooked on
// arrival; put right, the samples have no fault.
func TestAlteredSamplesAreFound(t *testing.T) {
	for _, x := range samplesOf(t) {
		if !strings.Contains(x.name, "pyregrep") {
			continue
		}
		altered := bytes.Contains(x.doc, []byte("xsi:lang"))
		for doc, want := range map[string]bool{string(x.doc): altered, strings.ReplaceAll(string(x.doc), "xsi:lang", "xml:lang"): false} {
			report, err := Inspect([]byte(doc), InspectOptions{})
			if err != nil {
				t.Fatal(err)
			}
			found := slices.ContainsFunc(report.Findings, func(f rulecheck.Finding) bool { return f.Layer == rulecheck.LayerStructure })
			if found != want {
				t.Errorf("%s: structure findings %v, want %v: %+v", x.name, found, want, report.Findings)
			}
			if f, bad := report.Fatal(); bad && !want {
				t.Errorf("%s: put right, it breaks %s", x.name, f.Rule)
			}
		}
	}
}

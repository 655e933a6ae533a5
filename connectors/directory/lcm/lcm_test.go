package lcm

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/directory/schematest"
	"oncegate/connectors/directory/service"
	"oncegate/connectors/rulecheck"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/assets"
	"oncegate/schemas/codes"
	"oncegate/schemas/rules"
)

const requestID = "urn:uuid:3a7ab005-fcc5-4985-905d-2af912556432"

// network copies the sample network and opens it.
func network(t testing.TB) *service.Source {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "..", "deploy", "directory"))); err != nil {
		t.Fatal(err)
	}
	s, err := service.Open(service.SourceConfig{Loader: service.Loader{Lists: codes.Default(), Base: "https://directory.example"}, Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func server(t testing.TB, s *service.Source) *Server {
	t.Helper()
	srv, err := NewServer(ServerConfig{Source: s, Submitter: func(r *http.Request) (string, bool) {
		c, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer token-")
		return c, ok
	}})
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

func submission(t testing.TB, s *service.Source, country string, part service.Part) Submission {
	t.Helper()
	m, ok := s.Catalogue().Member(country)
	if !ok {
		t.Fatalf("no member %s", country)
	}
	return FromMember(m, part, requestID, s.Catalogue())
}

func written(t testing.TB, s Submission) []byte {
	t.Helper()
	doc, err := Write(s, answers.Edition20)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func readBack(t testing.TB, doc []byte) (Submission, []Fault) {
	t.Helper()
	d, err := xmldoc.ParseBytes(doc, xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return Read(d.Root())
}

// TestReadOfWrite submits the sample network to itself.
func TestReadOfWrite(t *testing.T) {
	src := network(t)
	srv := server(t, src)
	for _, country := range []string{"ES", "SI", "FI"} {
		for _, part := range []service.Part{service.PartBroker, service.PartDirectory} {
			s := submission(t, src, country, part)
			doc := written(t, s)
			got, faults := readBack(t, doc)
			if len(faults) > 0 {
				t.Fatalf("%s %s: %v", country, part, faults)
			}
			if diff := cmp.Diff(len(s.Objects), len(got.Objects)); diff != "" {
				t.Errorf("%s %s: %s", country, part, diff)
			}
			if again := written(t, got); !bytes.Equal(doc, again) {
				t.Errorf("%s %s: written again it differs\n%s", country, part, cmp.Diff(string(doc), string(again)))
			}
			if !bytes.Contains(doc, []byte("MatchType")) {
				schematest.Check(t, "2.0", doc)
			}
			if old, err := Write(s, answers.Edition12); err != nil {
				t.Error(err)
			} else if !bytes.Contains(old, []byte("MatchType")) {
				schematest.Check(t, "1.2", old)
			}
			if old, err := Write(s, answers.Edition10); err == nil && !bytes.Contains(old, []byte("MatchType")) {
				schematest.Check(t, "1.0", old)
			} else if err != nil && country == "ES" {
				t.Error(err)
			}
			before, _ := src.Catalogue().Member(country)
			r, err := srv.Accept(t.Context(), country, part, doc)
			if err != nil || !r.OK() {
				t.Fatalf("%s %s: %v %v", country, part, err, r.Faults)
			}
			after, _ := src.Catalogue().Member(country)
			// keys of providers and the order of questions follow from the submission
			ignore := cmp.Options{cmpopts.IgnoreFields(service.Provider{}, "Key"), cmpopts.IgnoreFields(service.Service{}, "Providers"), cmpopts.EquateEmpty(),
				cmpopts.SortSlices(func(a, b answers.Requirement) bool { return a.ID < b.ID })}
			if part == service.PartBroker {
				ignore = append(ignore, cmpopts.IgnoreFields(service.Broker{}, "Requirements"), cmpopts.IgnoreFields(service.Framework{}, "Requirements"))
			}
			if diff := cmp.Diff(before, after, ignore); diff != "" {
				t.Errorf("%s %s: submitted data differs\n%s", country, part, diff)
			}
		}
	}
}

// TestOwnDataOnly proves that a submission touches nobody else's data.
func TestOwnDataOnly(t *testing.T) {
	src := network(t)
	srv := server(t, src)
	doc := written(t, submission(t, src, "ES", service.PartDirectory))
	before := src.Catalogue()
	r, err := srv.Accept(t.Context(), "SI", service.PartDirectory, doc)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK() || r.Faults[0].Code != CodeDataset || src.Catalogue() != before {
		t.Errorf("the data of another Member State was taken: %v", r.Faults)
	}
}

// An authority of another Member State is not entered under our own by leaving its
// jurisdictions out.
func TestOwnAuthoritiesOnly(t *testing.T) {
	s := network(t)
	for name, change := range map[string]func(*answers.AccessService){
		"by its address": func(a *answers.AccessService) { a.Publisher.Address.Country = "ES" },
		"by its scheme": func(a *answers.AccessService) {
			a.Publisher.ID.Scheme = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:ES"
		},
	} {
		sub := submission(t, s, "SI", service.PartDirectory)
		for i := range sub.Objects {
			if p := sub.Objects[i].Provider; p != nil {
				v := *p
				v.Publisher.Jurisdictions = nil
				change(&v)
				sub.Objects[i].Provider = &v
			}
		}
		if _, faults := sub.member("SI"); len(faults) == 0 {
			t.Errorf("%s: an authority of another Member State was taken", name)
		}
	}
}

func TestWithdraw(t *testing.T) {
	src := network(t)
	srv := server(t, src)
	s := submission(t, src, "ES", service.PartDirectory)
	const residence = "2d9a7f44-5c1b-4e0d-8b32-7a6c9e1f4b02"
	less, missing := s.Without(residence)
	if len(missing) > 0 || len(less.Objects) != len(s.Objects)-1 {
		t.Fatalf("missing %v, %d of %d objects left", missing, len(less.Objects), len(s.Objects))
	}
	if _, missing := s.Without("nothing"); len(missing) != 1 {
		t.Error("an unknown object was withdrawn")
	}
	r, err := srv.Accept(t.Context(), "ES", service.PartDirectory, written(t, less))
	if err != nil || !r.OK() {
		t.Fatal(err, r.Faults)
	}
	es, _ := src.Catalogue().Member("ES")
	if len(es.Directory.Services) != 2 {
		t.Errorf("%d services are left, want 2", len(es.Directory.Services))
	}
	if len(es.Directory.Lists) != 1 {
		t.Error("code lists went with the submission, which says nothing of them")
	}
	// Nothing at all is everything withdrawn; who asks for it says which service.
	empty := written(t, Submission{ID: requestID})
	if r, err := srv.Accept(t.Context(), "ES", "", empty); err != nil || r.OK() {
		t.Errorf("an empty submission to no service: %v %v", err, r)
	}
	if r, err := srv.Accept(t.Context(), "ES", service.PartDirectory, empty); err != nil || !r.OK() {
		t.Fatal(err, r.Faults)
	}
	es, _ = src.Catalogue().Member("ES")
	if len(es.Directory.Services) != 0 || len(es.Broker.Types) == 0 {
		t.Error("the directory is not empty, or the broker is")
	}
}

// TestFaults breaks one thing after the other.
func TestFaults(t *testing.T) {
	src := network(t)
	srv := server(t, src)
	eb, dsd := string(written(t, submission(t, src, "SI", service.PartBroker))), string(written(t, submission(t, src, "ES", service.PartDirectory)))
	replace := func(doc, old, with string) string {
		if !strings.Contains(doc, old) {
			t.Fatalf("%q is not in the document", old)
		}
		return strings.Replace(doc, old, with, 1)
	}
	cut := func(doc, from, to string) string {
		a := strings.Index(doc, from)
		return doc[:a] + doc[a+strings.Index(doc[a:], to)+len(to):]
	}
	tests := []struct{ name, country, doc, code, rule string }{
		{"not XML", "SI", "<a", CodeDataset, "XML"},
		{"another document", "SI", "<a/>", CodeDataset, "XSD"},
		{"id of the request", "SI", replace(eb, `id="`+requestID, `id="x`), CodeDataset, "EB-SUB-S004"},
		{"no list", "SI", cut(eb, "<rim:RegistryObjectList>", "</rim:RegistryObjectList>"), CodeObject, "XSD"},
		{"no classification", "SI", cut(eb, "<rim:Classification", "/>"), CodeObject, "EB-SUB-S007"},
		{"another scheme", "SI", replace(eb, "urn:fdc:oots:classification:eb", "urn:fdc:oots:classification:dsd"), CodeObject, "EB-SUB-S012"},
		{"another node", "SI", replace(eb, `classificationNode="Requirement"`, `classificationNode="Need"`), CodeObject, "EB-SUB-S013"},
		{"slot of another node", "SI", replace(eb, `classificationNode="Requirement"`, `classificationNode="EvidenceType"`), CodeObject, "EB-SUB-S014"},
		{"noun without its name", "SI", cut(eb, "<sdg:Name", "</sdg:Name>"), CodeObject, "XSD"},
		{"noun without its id", "SI", cut(eb, "<sdg:Identifier>", "</sdg:Identifier>"), CodeObject, "XSD"},
		{"unknown association", "SI", replace(eb, "AssociationType:ContainsEvidence", "AssociationType:HoldsEvidence"), CodeAssociation, "R-EB-SUB-S037"},
		{"wrong association", "SI", replace(eb, "AssociationType:ContainsEvidence", "AssociationType:FulfillsRequirement"), CodeAssociation, "R-EB-SUB-S037"},
		{"association to nothing", "ES", replace(dsd, `targetObject="urn:uuid:`, `targetObject="urn:uuid:00000000-0000-0000-0000-000000000000" x="`), CodeAssociation, "R-DSD-SUB-S027"},
		{"another id twice", "ES", strings.ReplaceAll(dsd, serving(dsd, 2), serving(dsd, 1)), CodeDataset, "TDD 3.6 unique id"},
		{"unknown level of assurance", "ES", replace(dsd, "Substantial</sdg:Auth", "Enough</sdg:Auth"), CodeObject, "R-DSD-SUB-C037"},
		{"unknown procedure", "SI", replace(eb, "<sdg:Identifier>T2", "<sdg:Identifier>Z9"), CodeObject, "R-EB-SUB-C023"},
		{"unknown language", "ES", replace(dsd, "<sdg:Language>ES", "<sdg:Language>XX"), CodeDataset, "dataset"},
		{"evidence of another Member State", "SI", replace(eb, "evidencetypeclassifications/SI/", "evidencetypeclassifications/ES/"), CodeDataset, "TDD 3.6"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := srv.Accept(t.Context(), tt.country, "", []byte(tt.doc))
			if err != nil {
				t.Fatal(err)
			}
			if r.OK() || r.Faults[0].Code != tt.code || r.Faults[0].Rule != tt.rule {
				t.Errorf("got %v, want %s %s", r.Faults, tt.code, tt.rule)
			}
			doc, err := WriteResponse(r)
			if err != nil {
				t.Fatal(err)
			}
			schematest.Check(t, "1.0", doc)
			back, err := ParseResponse(doc)
			if err != nil || back.OK() || back.Faults[0].Code != tt.code || back.Faults[0].Detail() != r.Faults[0].Detail() {
				t.Errorf("read back: %v %v", back, err)
			}
		})
	}
}

// serving is the id of an association, counted from 1.
func serving(doc string, n int) string {
	_, rest, _ := strings.Cut(strings.SplitAfterN(doc, `xsi:type="rim:AssociationType"`, n+1)[n], `id="`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// TestSamples reads every published sample.
func TestSamples(t *testing.T) {
	root := filepath.Join(assets.Path(t, "oots"), "tdd-1.0-artefacts", "xml", "LCM")
	n := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := filepath.Base(path)
		doc, err := xmldoc.ParseBytes(data, xmldoc.Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return nil
		}
		n++
		if doc.Root().Name().Local == "RegistryResponse" {
			r, err := ReadResponse(doc.Root())
			if err != nil || r.OK() != strings.Contains(name, "Successful") {
				t.Errorf("%s: %v %v", name, r, err)
			}
			return nil
		}
		s, faults := Read(doc.Root())
		if strings.HasPrefix(name, "LCM_DSD") { // "cannot be validated", it says itself
			if len(faults) == 0 || faults[0].Code != CodeObject {
				t.Errorf("%s: %v", name, faults)
			}
			return nil
		}
		if len(s.Objects)+len(s.Associations) == 0 {
			t.Errorf("%s: nothing was read: %v", name, faults)
		}
		var left []string
		for _, f := range faults {
			left = append(left, f.Error())
		}
		if strings.Contains(path, "Complete_XML") && len(left) > 0 {
			t.Errorf("%s: %s", name, strings.Join(left, "\n"))
		}
		again := written(t, s)
		back, _ := readBack(t, again)
		if diff := cmp.Diff(written(t, back), again); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 18 {
		t.Errorf("%d samples, want 18 at least", n)
	}
}

func TestHTTP(t *testing.T) {
	src := network(t)
	srv := server(t, src)
	mux := http.NewServeMux()
	mux.Handle(PathBroker, srv.Handler(service.PartBroker))
	mux.Handle(PathDirectory, srv.Handler(service.PartDirectory))
	ts := httptest.NewServer(mux)
	defer ts.Close()
	doc := written(t, submission(t, src, "SI", service.PartDirectory))
	c := Client{URL: ts.URL + PathDirectory, Token: "token-SI", HTTP: &http.Client{Timeout: 10 * time.Second}}
	if r, err := c.Submit(t.Context(), doc); err != nil || !r.OK() || r.RequestID != requestID {
		t.Errorf("%v %v", r, err)
	}
	c.URL = ts.URL + PathBroker
	if r, err := c.Submit(t.Context(), doc); err != nil || r.OK() || r.Faults[0].Code != CodeDataset {
		t.Errorf("to the other service: %v %v", r, err)
	}
	c.Token = "nobody"
	if _, err := c.Submit(t.Context(), doc); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without a token: %v", err)
	}
	res, err := http.Post(ts.URL+PathBroker, "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("plain text of nobody: %s", res.Status)
	}
}

func FuzzRead(f *testing.F) {
	src := network(f)
	for _, c := range []string{"ES", "SI", "FI"} {
		for _, p := range []service.Part{service.PartBroker, service.PartDirectory} {
			f.Add(written(f, submission(f, src, c, p)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := xmldoc.ParseBytes(data, xmldoc.Limits{MaxBytes: 1 << 20})
		if err != nil {
			return
		}
		s, faults := Read(d.Root())
		if len(faults) == 0 {
			if _, faults := readBack(t, written(t, s)); len(faults) > 0 {
				t.Fatalf("what was read is not read again: %v", faults)
			}
		}
		r := Response{RequestID: s.ID, Faults: faults}
		if doc, err := WriteResponse(r); err == nil {
			if _, err := xmldoc.ParseBytes(doc, xmldoc.Limits{}); err != nil {
				t.Fatal(err)
			}
		}
		s.member("ES")
	})
}

// FuzzReadResponse: what a service answers is read whole or refused, and says yes or no.
func FuzzReadResponse(f *testing.F) {
	for _, r := range []Response{
		{RequestID: requestID},
		{RequestID: requestID, Faults: []Fault{{Code: CodeObject, Rule: "XSD", Text: "x"}, {Code: CodeAssociation, Rule: "R-EB-SUB-S036", Text: "y"}}},
	} {
		doc, err := WriteResponse(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := xmldoc.ParseBytes(data, xmldoc.Limits{MaxBytes: 1 << 20})
		if err != nil {
			return
		}
		r, err := ReadResponse(d.Root())
		if err != nil && (r.RequestID != "" || len(r.Faults) > 0) {
			t.Fatal("a response that cannot be read says something")
		}
		for _, x := range r.Faults {
			if x.Code == "" {
				t.Fatal("a fault without a code")
			}
		}
	})
}

// TestResponsesKeepTheRules runs the business rules over both kinds of response.
func TestResponsesKeepTheRules(t *testing.T) {
	set, err := rulecheck.Rules(rules.SubmissionAnswer, "1.0", codes.Default())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Response{
		{RequestID: requestID},
		{RequestID: requestID, Faults: []Fault{{Code: CodeObject, Rule: "XSD", Text: "x"}, {Code: CodeAssociation, Rule: "R-EB-SUB-S036", Text: "y"}}},
		{Faults: []Fault{{Code: CodeDataset, Rule: "XML", Text: "z"}}},
	} {
		doc, err := WriteResponse(r)
		if err != nil {
			t.Fatal(err)
		}
		d, err := xmldoc.ParseBytes(doc, xmldoc.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range set.Check(d.Root()) {
			if f.Severity == rules.Fatal {
				t.Errorf("%s %s\n%s", f.Rule, f.Path, doc)
			}
		}
	}
}

// TestLargeSubmission judges a directory of thousands of objects: what it costs grows
// with its size, and no more.
func TestLargeSubmission(t *testing.T) {
	src := network(t)
	s := submission(t, src, "ES", service.PartDirectory)
	var provider, kind Object
	for _, o := range s.Objects {
		switch {
		case o.Provider != nil:
			provider = o
		case o.Service != nil:
			kind = o
		}
	}
	id := func(parts ...string) string { return answers.ObjectID(parts...) }
	large := Submission{ID: requestID, Part: service.PartDirectory}
	for i := range 1500 {
		n := fmt.Sprint(i)
		p, k := provider, kind
		p.ID, p.Classification = id("provider", n), id("provider class", n)
		k.ID, k.Classification = id("kind", n), id("kind class", n)
		large.Objects = append(large.Objects, p, k)
		large.Associations = append(large.Associations, Association{ID: id("tie", n), Kind: serves, Source: p.ID, Target: k.ID})
	}
	doc, err := xmldoc.ParseBytes(written(t, large), xmldoc.Limits{MaxBytes: 64 << 20, MaxNodes: 1 << 24})
	if err != nil {
		t.Fatal(err)
	}
	j, err := newJudge(nil)
	if err != nil {
		t.Fatal(err)
	}
	if faults := j.faults(doc.Root()); len(faults) > 0 {
		t.Errorf("%d faults, the first %v", len(faults), faults[0])
	}
}

package directory

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/directory/answers"
	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
)

// TestDialogue goes the way of a portal: what a procedure wants proved, what proves it
// in another country, who gives that, and the question that comes first.
// Covers: B-007
func TestDialogue(t *testing.T) {
	r := newRig(t)
	c := r.client(t)
	needs, err := c.Requirements(bg, canon.RequirementsQuery{Procedure: "V1"})
	if err != nil {
		t.Fatal(err)
	}
	if len(needs.Requirements) != 1 || needs.Requirements[0].ID != residence || needs.Stale {
		t.Fatalf("got %+v", needs)
	}
	p := needs.Provenance
	if p.Edition != "oots-cs:v2.0" || p.Source != r.server.URL+"/eb" || p.Signer != "CN=CS-TEST" || len(p.Digest) != 71 || !p.At.Equal(r.clock()) ||
		!strings.Contains(p.Query, "procedure-id=V1&country-code=SI") {
		t.Errorf("provenance %+v", p)
	}
	kinds, err := c.EvidenceTypes(bg, canon.EvidenceTypesQuery{Country: "ES", Requirement: residence})
	if err != nil {
		t.Fatal(err)
	}
	options := kinds.Requirements[0].Options
	if len(options) == 0 || len(options[0].EvidenceTypes) == 0 || options[0].EvidenceTypes[0].Classification != livesES {
		t.Fatalf("got %+v", options)
	}
	none, err := c.EvidenceTypes(bg, canon.EvidenceTypesQuery{Country: "FI", Requirement: residence})
	if err != nil || !none.Requirements[0].Options[0].NoMatch || len(none.Requirements[0].Options[0].Reasons) == 0 {
		t.Errorf("a country that has none: %+v, %v", none, err)
	}
	q := canon.DataServicesQuery{Country: "ES", Classification: livesES, Specification: "oots-edm:v2.0"}
	first, err := c.DataServices(bg, q)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Services) != 0 || len(first.Questions) != 1 || first.EvidenceType.Classification != livesES {
		t.Fatalf("got %+v", first)
	}
	ask := first.Questions[0]
	want := []canon.Choosable{
		{Value: "NORTH", Names: []canon.Text{{Lang: "EN", Text: "Northern provinces"}, {Lang: "ES", Text: "Provincias del norte"}}},
		{Value: "SOUTH", Names: []canon.Text{{Lang: "EN", Text: "Southern provinces"}, {Lang: "ES", Text: "Provincias del sur"}}},
	}
	if d := cmp.Diff(want, ask.Choices); d != "" || ask.ID != region || ask.Type != canon.QuestionCodelist {
		t.Errorf("question %+v\n%s", ask, d)
	}
	q.EvidenceType = first.EvidenceType.ID
	if err := q.Answer(ask, "SOUTH"); err != nil {
		t.Fatal(err)
	}
	got, err := c.DataServices(bg, q)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Services) != 1 || got.Services[0].Provider.ID.ID != "test-population-register-south" || got.Services[0].AccessPoint.ID != "AP_ES_TEST" ||
		got.Services[0].EvidenceType.ID != q.EvidenceType || len(got.Services[0].EvidenceType.Distributions) == 0 {
		t.Errorf("got %+v", got.Services)
	}
	if strings.Contains(got.Provenance.Query, "SOUTH") || !strings.Contains(got.Provenance.Query, region+"=...") {
		t.Errorf("provenance %s", got.Provenance.Query)
	}
}

// TestAnswersOfAPerson stand in the query and nowhere else.
func TestAnswersOfAPerson(t *testing.T) {
	r := newRig(t)
	c := r.client(t)
	const secret = "Vila Secreta 42"
	q := canon.DataServicesQuery{Country: "ES", Classification: livesES, Concepts: []canon.ConceptAnswer{{ID: region, Values: []string{secret}}},
		Place: canon.PlaceAnswer{Context: region, Level: "LAU", Code: "99secret99"}}
	sent := false
	for name, hook := range map[string]http.HandlerFunc{
		"refused": nil,
		"down":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"moved": func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "https://other.example"+req.URL.String(), http.StatusFound)
		},
		"garbage": func(w http.ResponseWriter, req *http.Request) { _, _ = w.Write([]byte(req.URL.RawQuery)) },
		"broken":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		r.set(hook)
		_, err := c.DataServices(bg, q)
		if err == nil {
			t.Fatalf("%s: accepted", name)
		}
		for _, s := range []string{err.Error(), r.log.String(), strings.Join(r.words, " ")} {
			for _, part := range []string{"Secreta", "99secret99"} {
				if strings.Contains(s, part) {
					t.Errorf("%s: an answer is told: %s", name, s)
				}
			}
		}
	}
	for _, req := range r.requests() {
		v := req.URL.Query()
		sent = sent || v.Get(region) == secret && v.Get("jurisdiction-admin-l3") == "99secret99" && strings.Contains(req.URL.RawQuery, "Vila%20Secreta")
	}
	if !sent {
		t.Error("the answers were not sent")
	}
	if c.answers.Len() != 0 {
		t.Error("a query with a person's answers is remembered")
	}
}

// TestWire looks at what is sent, in both editions.
func TestWire(t *testing.T) {
	r := newRig(t)
	r.down()
	old := func(c *Config) { c.Versions = []answers.Edition{answers.Edition12, answers.Edition10} }
	for _, tt := range []struct {
		name   string
		edit   func(*Config)
		ask    func(*Client) error
		path   string
		accept string
		want   [][2]string
	}{
		{"EB-1", nil, func(c *Client) error {
			_, err := c.Requirements(bg, canon.RequirementsQuery{Country: "FR", Procedure: "T2", Incomplete: true, Region: "FR1", Place: "75056"})
			return err
		}, "/eb/rest/search", "oots-cs:v2.0,oots-cs:v1.2", [][2]string{{"queryId", queryRequirements}, {"procedure-id", "T2"}, {"country-code", "FR"}, {"return-incomplete", "true"}}},
		{"EB-1 of 1.x", old, func(c *Client) error {
			_, err := c.Requirements(bg, canon.RequirementsQuery{Country: "FR", Procedure: "T2", Region: "FR1", Place: "75056"})
			return err
		}, "/eb/rest/search", "oots-cs:v1.2,oots-cs:v1.0", [][2]string{{"queryId", queryRequirements}, {"procedure-id", "T2"}, {"country-code", "FR"}, {"jurisdiction-admin-l2", "FR1"}, {"jurisdiction-admin-l3", "75056"}}},
		{"EB-2", nil, func(c *Client) error {
			_, err := c.EvidenceTypes(bg, canon.EvidenceTypesQuery{Country: "FI", Requirement: birth})
			return err
		}, "/eb/rest/search", "oots-cs:v2.0,oots-cs:v1.2", [][2]string{{"queryId", queryEvidenceTypes}, {"requirement-id", birth}, {"country-code", "FI"}}},
		{"DSD", nil, func(c *Client) error {
			_, err := c.DataServices(bg, canon.DataServicesQuery{Country: "DE", Classification: birthES, Specification: "oots-edm:v1.2"})
			return err
		}, "/dsd/rest/search", "oots-cs:v2.0,oots-cs:v1.2", [][2]string{{"queryId", queryDataServices}, {"evidence-type-classification", birthES}, {"country-code", "DE"}, {"specification", "oots-edm:v1.2"}}},
		{"DSD answered, as in the sample of 1.x", old, func(c *Client) error {
			_, err := c.DataServices(bg, canon.DataServicesQuery{Country: "DE", Classification: birthES, EvidenceType: "2af27699-f131-4411-8fdb-9e8cd4e8bded",
				Place:    canon.PlaceAnswer{Context: "5ce148b9-5578-4049-aecf-af7bb55714b5", Level: "LAU", Code: "11000000"},
				Concepts: []canon.ConceptAnswer{{ID: "b07146b6-1468-41a7-a10f-ee2a61429dbc", Values: []string{"ApplicantHasBeenResidentInGermany"}}}})
			return err
		}, "/dsd/rest/search", "oots-cs:v1.2,oots-cs:v1.0", [][2]string{{"queryId", queryDataServices}, {"evidence-type-classification", birthES}, {"country-code", "DE"},
			{"evidence-type-id", "2af27699-f131-4411-8fdb-9e8cd4e8bded"}, {"jurisdiction-context-id", "5ce148b9-5578-4049-aecf-af7bb55714b5"}, {"jurisdiction-admin-l3", "11000000"},
			{"b07146b6-1468-41a7-a10f-ee2a61429dbc", "ApplicantHasBeenResidentInGermany"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var edits []func(*Config)
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			fault(t, tt.ask(r.client(t, edits...)), canon.CodeDirectoryDown, "status 503")
			all := r.requests()
			req := all[len(all)-1]
			if req.URL.Path != tt.path || req.Method != http.MethodGet || req.Header.Get("Accept") != "application/x-ebrs+xml" || req.Header.Get("Accept-Version") != tt.accept {
				t.Errorf("%s %s, Accept %q, Accept-Version %q", req.Method, req.URL.Path, req.Header.Get("Accept"), req.Header.Get("Accept-Version"))
			}
			var got [][2]string
			for part := range strings.SplitSeq(req.URL.RawQuery, "&") {
				k, v, _ := strings.Cut(part, "=")
				name, _ := url.QueryUnescape(k)
				value, _ := url.QueryUnescape(v)
				got = append(got, [2]string{name, value})
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if strings.ContainsAny(req.URL.RawQuery, "+:/ ") {
				t.Errorf("not percent-encoded: %s", req.URL.RawQuery)
			}
		})
	}
}

// TestRefusals: every code of the lists has its meaning.
func TestRefusals(t *testing.T) {
	r := newRig(t)
	kinds := map[canon.Code]canon.FaultKind{
		canon.CodeDirectoryEmpty: canon.NotFound, canon.CodeDirectoryUnknown: canon.NotFound, canon.CodeDirectoryQuery: canon.Invalid,
	}
	for _, list := range []string{"EBErrorCodes", "DSDErrorCodes"} {
		for _, code := range codes.Default().Codes(list) {
			if code == additionalInput {
				continue
			}
			want, ok := refusals[code]
			if !ok {
				t.Errorf("%s has no meaning", code)
				continue
			}
			r.say(t, r.write(t, answers.Answer{Edition: answers.Edition20, Exceptions: []answers.Exception{{Type: answers.NotFound, Code: code, Message: "m", Severity: "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error", Detail: "secret"}}}))
			_, err := r.client(t).DataServices(bg, canon.DataServicesQuery{Country: "ES", Classification: birthES})
			f := fault(t, err, want, code)
			if f.Kind != kinds[want] || strings.Contains(f.Error(), "secret") {
				t.Errorf("%s: %v", code, f)
			}
			if no, ok := errors.AsType[*Refusal](err); !ok || no.Code != code {
				t.Errorf("%s: no refusal behind %v", code, err)
			}
		}
	}
	r.say(t, r.write(t, answers.Answer{Edition: answers.Edition20, Exceptions: []answers.Exception{{Type: answers.InvalidRequest, Code: "X:<script>", Message: "m"}}}))
	_, err := r.client(t).DataServices(bg, canon.DataServicesQuery{Country: "ES", Classification: birthES})
	if f := fault(t, err, canon.CodeDirectoryQuery, "an exception of its own"); strings.Contains(f.Error(), "script") {
		t.Errorf("a code of nobody is repeated: %v", f)
	}
	r.say(t, r.write(t, answers.Answer{Edition: answers.Edition20, Exceptions: []answers.Exception{{Type: answers.NotFound, Code: additionalInput, Message: "m"}}}))
	_, err = r.client(t).DataServices(bg, canon.DataServicesQuery{Country: "ES", Classification: birthES})
	fault(t, err, canon.CodeDirectoryAnswer, "asks for more but not what")
}

// TestRules: an answer that breaks a rule serves with the rule named, or is refused
// where the deployment wants that.
func TestRules(t *testing.T) {
	r := newRig(t)
	r.say(t, r.write(t, answers.Answer{Edition: answers.Edition20, Requirements: []answers.Requirement{{
		Object: "no-urn", ID: "https://other.example/1", Names: []canon.Text{{Lang: "EN", Text: "n"}},
		Frameworks: []answers.Framework{{ID: region, Procedures: []string{"secret"}, Jurisdiction: answers.Jurisdiction{Country: "SI"}}},
	}}}))
	a, err := r.client(t).Requirements(bg, canon.RequirementsQuery{})
	if err != nil || len(a.Requirements) != 1 || len(a.Breaches) == 0 || !strings.HasPrefix(a.Breaches[0], "R-EB-REQ-") {
		t.Errorf("got %+v, %v", a, err)
	}
	if log := r.log.String(); !strings.Contains(log, a.Breaches[0]) || strings.Contains(log, "secret") {
		t.Errorf("log: %s", log)
	}
	_, err = r.client(t, func(c *Config) { c.RefuseRules = true }).Requirements(bg, canon.RequirementsQuery{})
	fault(t, err, canon.CodeDirectoryAnswer, "breaks R-EB-REQ-")
}

// TestHostile: what cannot be believed or read is refused, and why is said.
func TestHostile(t *testing.T) {
	r := newRig(t)
	other := newRig(t)
	forge := func(from *rig, body string, edit func(http.Header)) http.HandlerFunc {
		s := from.signer(t)
		return func(w http.ResponseWriter, _ *http.Request) {
			if err := s.Sign(w.Header(), []byte(body)); err != nil {
				t.Error(err)
			}
			if edit != nil {
				edit(w.Header())
			}
			_, _ = w.Write([]byte(body))
		}
	}
	empty := string(r.write(t, answers.Answer{Edition: answers.Edition20, Exceptions: []answers.Exception{{Type: answers.NotFound, Code: "EB:ERR:0001", Message: "m"}}}))
	for _, tt := range []struct {
		name string
		hook http.HandlerFunc
		edit func(*Config)
		code canon.Code
		part string
	}{
		{"unsigned", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(empty)) }, nil, canon.CodeDirectorySigner, "not signed"},
		{"signed by another", forge(other, empty, nil), nil, canon.CodeDirectorySigner, "certificate"},
		{"changed", forge(r, empty, func(h http.Header) { h.Set("Digest", "SHA-256=AAAA") }), nil, canon.CodeDirectorySigner, "digest"},
		{"unsigned where that is allowed", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(empty)) }, unsigned, canon.CodeDirectoryEmpty, "EB:ERR:0001"},
		{"signed by another where none is needed", forge(other, empty, nil), unsigned, canon.CodeDirectorySigner, "certificate"},
		{"too large", forge(r, strings.Repeat(" ", 2000), nil), func(c *Config) { c.MaxBytes = 1000 }, canon.CodeDirectoryAnswer, "more than 1000 bytes"},
		{"no XML", forge(r, "{}", nil), nil, canon.CodeDirectoryAnswer, "no XML"},
		{"a DOCTYPE", forge(r, `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>`, nil), nil, canon.CodeDirectoryAnswer, "doctype"},
		{"deep", forge(r, strings.Repeat("<a>", 100)+strings.Repeat("</a>", 100), nil), nil, canon.CodeDirectoryAnswer, "too-deep"},
		{"another document", forge(r, "<a/>", nil), nil, canon.CodeDirectoryAnswer, "QueryResponse"},
		{"status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, nil, canon.CodeDirectoryDown, "status 404"},
		{"redirect", func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, other.server.URL, http.StatusFound)
		}, nil, canon.CodeDirectoryDown, "status 302"},
		{"nothing", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, canon.CodeDirectoryDown, "EOF"},
		{"another TLS authority", nil, func(c *Config) { c.Roots = nil }, canon.CodeDirectoryDown, "certificate"},
		{"a private address", nil, func(c *Config) { c.Private = false }, canon.CodeDirectoryDown, "not a public one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.set(tt.hook)
			var edits []func(*Config)
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			_, err := r.client(t, edits...).EvidenceTypes(bg, canon.EvidenceTypesQuery{Country: "ES", Requirement: residence})
			fault(t, err, tt.code, tt.part)
		})
	}
	_, err := r.client(t).EvidenceTypes(bg, canon.EvidenceTypesQuery{Country: "e&s", Requirement: residence})
	fault(t, err, canon.CodeDirectoryQuery, "two capital letters")
}

func unsigned(c *Config) { c.Instances[0].Unsigned = true }

// TestOldTLS: nothing is asked over TLS 1.1 (TDD 3.7).
func TestOldTLS(t *testing.T) {
	r := newRig(t)
	old := httptest.NewUnstartedServer(r.server.Config.Handler)
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.Config.ErrorLog = r.server.Config.ErrorLog
	old.StartTLS()
	defer old.Close()
	_, err := r.client(t, func(c *Config) { c.Instances[0].EB = old.URL }).Requirements(bg, canon.RequirementsQuery{})
	fault(t, err, canon.CodeDirectoryDown, "protocol version")
	if n := len(r.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// TestFit: a genuine answer to another question is none.
func TestFit(t *testing.T) {
	r := newRig(t)
	need := func(id, procedure string, countries ...string) answers.Requirement {
		v := answers.Requirement{Object: "urn:uuid:1", ID: id, Names: []canon.Text{{Lang: "EN", Text: "n"}},
			Frameworks: []answers.Framework{{ID: region, Procedures: []string{procedure}, Jurisdiction: answers.Jurisdiction{Country: "SI"}}}}
		for _, c := range countries {
			v.Lists = append(v.Lists, answers.EvidenceTypeList{ID: region, Jurisdictions: []answers.Jurisdiction{{Country: c}}, NoMatch: true})
		}
		return v
	}
	svc := func(class string, speaks ...string) answers.DataService {
		id := canon.Participant{Scheme: "urn:cef.eu:names:identifier:EAS:0060", ID: "1"}
		return answers.DataService{Object: "urn:uuid:1", ID: region, Classification: class, Titles: []canon.Text{{Lang: "EN", Text: "t"}},
			Distributions: []answers.Distribution{{Formats: []string{"application/pdf"}}},
			Access: []answers.AccessService{{ID: id, ConformsTo: speaks, Publisher: answers.Provider{ID: id, Names: []canon.Text{{Lang: "EN", Text: "p"}}, Address: canon.Address{Country: "ES"}}},
				{ID: id, ConformsTo: []string{"oots-edm:v2.0"}}}}
	}
	eb1 := func(c *Client) (int, error) {
		a, err := c.Requirements(bg, canon.RequirementsQuery{Procedure: "T2"})
		return len(a.Requirements), err
	}
	eb2 := func(c *Client) (int, error) {
		a, err := c.EvidenceTypes(bg, canon.EvidenceTypesQuery{Country: "ES", Requirement: birth})
		if len(a.Requirements) == 0 {
			return 0, err
		}
		return len(a.Requirements[0].Options), err
	}
	dsd := func(c *Client) (int, error) {
		a, err := c.DataServices(bg, canon.DataServicesQuery{Country: "ES", Classification: birthES, Specification: "oots-edm:v2.0"})
		return len(a.Services), err
	}
	for _, tt := range []struct {
		name string
		a    answers.Answer
		ask  func(*Client) (int, error)
		n    int
		part string
	}{
		{"the procedure", answers.Answer{Requirements: []answers.Requirement{need(birth, "T2"), need(residence, "V1")}}, eb1, 1, ""},
		{"another procedure", answers.Answer{Requirements: []answers.Requirement{need(birth, "V1")}}, eb1, 0, "one of the procedure"},
		{"an answer of the directory", answers.Answer{Services: []answers.DataService{svc(birthES, "oots-edm:v2.0")}}, eb1, 0, "no requirements"},
		{"the requirement and country", answers.Answer{Requirements: []answers.Requirement{need(birth, "T2", "ES", "FI", "EU")}}, eb2, 2, ""},
		{"another requirement", answers.Answer{Requirements: []answers.Requirement{need(residence, "T2", "ES")}}, eb2, 0, "another one"},
		{"the evidence type and edition", answers.Answer{Services: []answers.DataService{svc(birthES, "oots-edm:v2.0"), svc(livesES, "oots-edm:v2.0")}}, dsd, 1, ""},
		{"another evidence type", answers.Answer{Services: []answers.DataService{svc(livesES, "oots-edm:v2.0")}}, dsd, 0, "another evidence type"},
		{"another edition", answers.Answer{Services: []answers.DataService{svc(birthES, "oots-edm:v1.2")}}, dsd, 0, "speaks the edition"},
		{"an answer of the broker", answers.Answer{Requirements: []answers.Requirement{need(birth, "T2")}}, dsd, 0, "no data service"},
		{"questions about another", answers.Answer{Exceptions: []answers.Exception{{Type: answers.NotFound, Code: additionalInput, Service: &answers.DataService{ID: region, Classification: livesES, Titles: []canon.Text{{Lang: "EN", Text: "t"}}},
			Concepts: []answers.Concept{{ID: region, Type: "string"}}}}}, dsd, 0, "about another evidence type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.a.Edition = answers.Edition20
			r.say(t, r.write(t, tt.a))
			n, err := tt.ask(r.client(t))
			if tt.part != "" {
				fault(t, err, canon.CodeDirectoryAnswer, tt.part)
			} else if err != nil {
				t.Fatal(err)
			}
			if n != tt.n {
				t.Errorf("got %d, want %d", n, tt.n)
			}
		})
	}
}

// TestMemory: an answer is fresh for a time, then asked for again; while there is none
// the old one serves and says so; a "no" is remembered for less.
func TestMemory(t *testing.T) {
	r := newRig(t)
	c := r.client(t, func(c *Config) { c.TTL, c.Stale, c.Negative = 2*time.Minute, time.Hour, time.Minute })
	ask := func(requirement string) (canon.RequirementsAnswer, error) {
		return c.EvidenceTypes(bg, canon.EvidenceTypesQuery{Country: "ES", Requirement: requirement})
	}
	step := func(name, requirement string, asked int, stale bool, code canon.Code) {
		t.Helper()
		a, err := ask(requirement)
		switch {
		case code == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case code != "":
			fault(t, err, code, "")
		case a.Stale != stale:
			t.Errorf("%s: stale %v", name, a.Stale)
		}
		if n := len(r.requests()); n != asked {
			t.Errorf("%s: %d requests, want %d", name, n, asked)
		}
	}
	unknown := birth[:len(birth)-1] + "9"
	step("first", residence, 1, false, "")
	step("known", residence, 1, false, "")
	step("unknown", unknown, 2, false, canon.CodeDirectoryUnknown)
	step("known as unknown", unknown, 2, false, canon.CodeDirectoryUnknown)
	r.pass(61 * time.Second)
	step("a no is short", unknown, 3, false, canon.CodeDirectoryUnknown)
	step("still fresh", residence, 3, false, "")
	r.down()
	r.pass(time.Minute)
	step("old", residence, 4, true, "")
	step("and asked for again", residence, 5, true, "")
	r.pass(time.Hour)
	step("too old", residence, 6, false, canon.CodeDirectoryDown)
	r.set(nil)
	step("up again", residence, 7, false, "")
	if !strings.Contains(r.log.String(), "an old answer serves") {
		t.Error("the log does not tell of old answers")
	}
	want := []string{"eb-evidence-types ES fresh", "eb-evidence-types ES cached", "eb-evidence-types ES OG-DIR-0002"}
	if d := cmp.Diff(want, r.words[:3]); d != "" {
		t.Error(d)
	}
	// A forged answer is no reason to serve an old one quietly.
	r.pass(3 * time.Minute)
	r.set(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<a/>")) })
	_, err := ask(residence)
	fault(t, err, canon.CodeDirectorySigner, "")
}

// TestMemoryIsBounded: strangers cannot fill it.
func TestMemoryIsBounded(t *testing.T) {
	r := newRig(t)
	c := r.client(t, func(c *Config) { c.Entries = 3 })
	for _, p := range []string{"R1", "S1", "T1", "T2", "V1", "W1"} {
		_, _ = c.Requirements(bg, canon.RequirementsQuery{Procedure: p}) // a "no" is remembered too
	}
	if n := c.answers.Len(); n > 3 {
		t.Errorf("%d answers are kept", n)
	}
}

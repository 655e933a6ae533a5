package service

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/directory/httpsig"
	"oncegate/connectors/pkitest"
)

var update = flag.Bool("update", false, "write golden files")

// TestFaults loads files with many faults and compares all of them.
//
// Covers: B-008
func TestFaults(t *testing.T) {
	dir := filepath.Join("testdata", "faults")
	files, err := ReadFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	cat, faults := loader().Check(files)
	if cat != nil {
		t.Error("a catalogue was made of data with faults")
	}
	var got strings.Builder
	for _, f := range faults {
		if f.Warning {
			got.WriteString("warning ")
		}
		got.WriteString(filepath.ToSlash(f.Error()) + "\n")
	}
	golden := filepath.Join("testdata", "faults.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// data is a directory with the sample network that may be changed.
func data(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "..", "deploy", "directory"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

func edit(t *testing.T, file, old, with string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(old)) {
		t.Fatalf("%s lacks %q", file, old)
	}
	if err := os.WriteFile(file, bytes.Replace(b, []byte(old), []byte(with), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReloadIsAllOrNothing breaks one of two files and mends it.
func TestReloadIsAllOrNothing(t *testing.T) {
	dir := data(t)
	s := open(t, dir)
	before := s.Catalogue()
	si, es := filepath.Join(dir, "si.yaml"), filepath.Join(dir, "es.yaml")
	edit(t, es, "Birth certificate, ES", "Certificate of birth, ES")
	edit(t, si, "codes: [V1]", "codes: [V999]")
	if err := s.Reload(); err == nil || s.Catalogue() != before || !s.Stale() {
		t.Fatalf("reload with a fault: %v, changed %t, stale %t", err, s.Catalogue() != before, s.Stale())
	}
	edit(t, si, "codes: [V999]", "codes: [V1]")
	if err := s.Reload(); err != nil || s.Catalogue() == before || s.Stale() {
		t.Fatalf("reload: %v", err)
	}
}

func TestWatch(t *testing.T) {
	dir := data(t)
	loaded := make(chan error, 8)
	s, err := Open(SourceConfig{Loader: loader(), Path: dir, Every: time.Millisecond, Loaded: func(err error) { loaded <- err }})
	if err != nil {
		t.Fatal(err)
	}
	<-loaded
	before := s.Catalogue()
	done := make(chan error, 1)
	go func() { done <- s.Watch(t.Context()) }()
	edit(t, filepath.Join(dir, "fi.yaml"), "Is it an association?", "Is the company an association?")
	if err := <-loaded; err != nil || s.Catalogue() == before {
		t.Errorf("a changed file: %v", err)
	}
}

// TestReplace proves that what was replaced is on disk and served, and that other
// files, and other parts, stay as they are.
func TestReplace(t *testing.T) {
	dir := data(t)
	s := open(t, dir)
	es, _ := s.Catalogue().Member("ES")
	for _, part := range []Part{PartBroker, PartDirectory} {
		if faults, err := s.Replace(es, part); err != nil || faults != nil {
			t.Fatal(err, faults)
		}
	}
	got, _ := s.Catalogue().Member("ES")
	want := es
	list := want.Directory.Lists
	want.Directory = &Directory{Lists: list, Providers: es.Directory.Providers, Services: es.Directory.Services}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("replaced by itself it differs\n%s", diff)
	}
	again, _ := open(t, dir).Catalogue().Member("ES")
	if diff := cmp.Diff(got, again); diff != "" {
		t.Errorf("another process reads something else\n%s", diff)
	}
	// Nothing of the refused is kept.
	bad := es
	bad.Directory = &Directory{Services: es.Directory.Services}
	cat := s.Catalogue()
	if faults, err := s.Replace(bad, PartDirectory); err != nil || len(faults) == 0 || s.Catalogue() != cat {
		t.Errorf("data with faults: %v %v", err, faults)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, submitted, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	// Requirements that others refer to stay.
	if faults, err := s.Replace(Member{Country: "ES"}, PartBroker); err != nil || faults != nil {
		t.Fatal(err, faults)
	}
	es2, _ := s.Catalogue().Member("ES")
	if _, ok := s.Catalogue().Requirement(residence); !ok || len(es2.Broker.Types)+len(es2.Broker.Proofs) != 0 || len(es2.Broker.Requirements) != 2 {
		t.Errorf("left of the broker: %+v", es2.Broker)
	}
	if _, err := open(t, filepath.Join(dir, "es.yaml")).Replace(es, PartBroker); err == nil {
		t.Error("data in one file was replaced")
	}
}

func TestAnswersAreSigned(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := pkitest.SelfSigned("EC-OOTS-CS-TEST", key, pkitest.Usage(x509.KeyUsageDigitalSignature)).Cert
	signer, err := httpsig.NewSigner(key, []*x509.Certificate{cert}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	h := handler(t, Config{Source: deployed(t), Signer: signer})
	trust := &httpsig.Trust{Pinned: []*x509.Certificate{cert}}
	for _, path := range []string{"/eb/rest/search?queryId=" + url.QueryEscape(QueryRequirements), "/dsd/rest/search", "/dsd/rest/codelists/ES/regions"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if _, err := trust.Verify(t.Context(), w.Result().Header, w.Body.Bytes(), time.Now()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestLogHoldsNoAnswers asks with what a person answered and looks for it.
func TestLogHoldsNoAnswers(t *testing.T) {
	var log bytes.Buffer
	var seen []Observation
	h := handler(t, Config{Source: deployed(t), Logger: slog.New(slog.NewJSONHandler(&log, nil)), Observe: func(o Observation) { seen = append(seen, o) }})
	for _, v := range []string{"SOUTH", "secret-of-a-person"} {
		_, body := ask(t, h, "/dsd/rest/search", "oots-cs:v2.0", url.Values{"queryId": {QueryDataServices}, "evidence-type-classification": {livesES}, "country-code": {"ES"}, region: {v}})
		if bytes.Contains(body, []byte("secret-of-a-person")) {
			t.Error("the answer repeats what was asked")
		}
	}
	if strings.Contains(log.String(), "SOUTH") || strings.Contains(log.String(), "secret") || strings.Contains(log.String(), region) {
		t.Errorf("the log has what was answered:\n%s", log.String())
	}
	if len(seen) != 2 || seen[0].Code != "" || seen[1].Code != codeDSDValue || seen[0].Query != "data-services" {
		t.Errorf("observed %+v", seen)
	}
}

func TestLimits(t *testing.T) {
	h := handler(t, Config{Source: deployed(t), Busy: 1})
	root, _ := ask(t, h, "/eb/rest/search", "oots-cs:v2.0", url.Values{"queryId": {QueryRequirements}, "x": {strings.Repeat("x", maxQuery)}})
	if got := outline(root); got != "EB:ERR:0003 query" {
		t.Errorf("a long query: %s", got)
	}
	h.busy <- struct{}{}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/eb/rest/search", nil))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("one query too many: %d", w.Code)
	}
	<-h.busy
	for _, path := range []string{"/healthz", "/readyz"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "ok") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/eb/rest/search", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestPlaceUpTo12(t *testing.T) {
	dir := data(t)
	es := filepath.Join(dir, "es.yaml")
	edit(t, es, "# place: {id", "place: {id")
	edit(t, es, "# jurisdictions: [{nuts: ES3}, {lau: \"28079\"}]", "jurisdictions: [{lau: \"28079\"}]")
	h := handler(t, Config{Source: open(t, dir)})
	query := func(accept string, more ...string) string {
		v := url.Values{"queryId": {QueryDataServices}, "evidence-type-classification": {birthES}, "country-code": {"ES"}}
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		root, _ := ask(t, h, "/dsd/rest/search", accept, v)
		return outline(root)
	}
	const context = "5ce148b9-5578-4049-aecf-af7bb5570001"
	for _, tt := range []struct {
		accept string
		more   []string
		want   string
	}{
		{string(answers.Edition12), nil, "DSD:ERR:0005 JurisdictionDetermination LAU"},
		{string(answers.Edition12), []string{"jurisdiction-context-id", context, "jurisdiction-admin-l3", "28079"}, "A:AP_ES_TEST P:test-civil-register LAU"},
		{string(answers.Edition12), []string{"jurisdiction-context-id", context, "jurisdiction-admin-l3", "08019"}, "DSD:ERR:0001 DS_NOT_FOUND"},
		{string(answers.Edition12), []string{"jurisdiction-context-id", region, "jurisdiction-admin-l3", "28079"}, "DSD:ERR:0006 jurisdiction-context-id"},
		{string(answers.Edition12), []string{"jurisdiction-admin-l3", "Madrid!"}, "DSD:ERR:0006 jurisdiction-admin-l3"},
		{string(answers.Edition20), nil, "A:AP_ES_TEST P:test-civil-register"},
		{string(answers.Edition20), []string{"jurisdiction-admin-l3", "28079"}, "DSD:ERR:0003 jurisdiction-admin-l3"},
	} {
		if got := query(tt.accept, tt.more...); got != tt.want {
			t.Errorf("%s %v: got %s, want %s", tt.accept, tt.more, got, tt.want)
		}
	}
}

func FuzzData(f *testing.F) {
	for _, name := range []string{"es", "si", "fi"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "directory", name+".yaml"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		cat, faults := loader().Check([]File{{Name: "f.yaml", Data: b}})
		if (cat == nil) != (Join(faults) != nil) {
			t.Fatal("a catalogue and faults, or neither")
		}
		if cat == nil {
			return
		}
		for _, country := range cat.countries {
			for _, part := range []Part{PartBroker, PartDirectory} {
				if _, err := encode(cat.members[country], part); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func FuzzQuery(f *testing.F) {
	src, err := Open(SourceConfig{Loader: loader(), Path: filepath.Join("..", "..", "..", "deploy", "directory")})
	if err != nil {
		f.Fatal(err)
	}
	h, err := New(Config{Source: src})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("queryId="+url.QueryEscape(QueryRequirements)+"&procedure-id=T2", "oots-cs:v2.0")
	f.Add("queryId="+url.QueryEscape(QueryDataServices)+"&country-code=ES&evidence-type-classification="+url.QueryEscape(livesES)+"&"+region+"=NORTH", "oots-cs:v1.2, x")
	f.Add("%zz", "")
	f.Fuzz(func(t *testing.T, query, accept string) {
		r := httptest.NewRequest(http.MethodGet, "/rest/search", nil)
		r.URL.RawQuery = query
		r.Header.Set("Accept-Version", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}

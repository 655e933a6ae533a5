package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"oncegate/cmd/node"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
	"oncegate/gateway/exchange"
	"oncegate/gateway/exchangelog"
	"oncegate/schemas/canon"
)

// A stage is a landscape whose routes a test has changed, with a tap on the wire.
type stage struct {
	*Landscape
	ctx context.Context

	mu      sync.Mutex
	headers []ebms.UserMessage // as they came in, in order
	links   []string           // previews that the browser opened
	wishes  func(map[string]any)
	method  string // that a provider wants for its preview, "" for what it says itself
}

// staged starts the Member States after routes was applied to what routes.yaml of each
// of them holds.
func staged(ctx context.Context, t *testing.T, cfg Config, routes func(l *Landscape, member string, have obj)) *stage {
	t.Helper()
	s := &stage{ctx: ctx}
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	cfg.Logger, cfg.Remote = logger(t), true
	inner := cfg.Options
	cfg.Options = func(member string) node.Options {
		var o node.Options
		if inner != nil {
			o = inner(member)
		}
		wrap := o.HTTP
		o.HTTP = func(name string, next http.Handler) http.Handler {
			if wrap != nil {
				next = wrap(name, next)
			}
			if name != node.RoleEDelivery {
				return next
			}
			return s.tap(next)
		}
		return o
	}
	s.Landscape = started(ctx, t, cfg)
	for _, m := range []*member{s.si, s.es, s.fi} {
		file := filepath.Join(m.Dir, "routes.yaml")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		have := obj{}
		if err := yaml.Unmarshal(data, &have); err != nil {
			t.Fatal(err)
		}
		routes(s.Landscape, m.Name, have)
		if err := m.writeYAML("routes.yaml", have); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range []string{Spain, Finland, Slovenia} {
		if err := s.StartNode(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	s.beforeTheAPI(t)
	return s
}

// tap reads the headers of AS4 messages, which are signed and not encrypted.
func (s *stage) tap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "unreadable", http.StatusBadRequest)
			return
		}
		if h, err := headerOf(r.Header.Get("Content-Type"), body); err == nil {
			s.mu.Lock()
			s.headers = append(s.headers, *h)
			s.mu.Unlock()
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func headerOf(contentType string, body []byte) (*ebms.UserMessage, error) {
	rd, err := swa.NewReader(contentType, bytes.NewReader(body), swa.Limits{})
	if err != nil {
		return nil, err
	}
	defer rd.Close() //nolint:errcheck // everything was copied
	text, err := rd.Envelope()
	if err != nil {
		return nil, err
	}
	doc, err := xmldoc.ParseBytes(bytes.Clone(text), xmldoc.Limits{})
	if err != nil {
		return nil, err
	}
	env, err := wssec.Locate(doc)
	if err != nil {
		return nil, err
	}
	m, err := ebms.Read(env.Messaging)
	if err != nil || m.User == nil {
		return nil, io.ErrUnexpectedEOF // a signal
	}
	return m.User, nil
}

// beforeTheAPI lets a test change what the portal asks the gateway for: other portals
// know more than the one of the sandbox.
func (s *stage) beforeTheAPI(t *testing.T) {
	t.Helper()
	target, err := url.Parse(s.si.API)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := s.listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = s.client.Transport
	proxy.ModifyResponse = s.otherMethod
	s.serve("api of "+Slovenia, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		change := s.wishes
		s.mu.Unlock()
		if r.Method == http.MethodPost && r.URL.Path == "/api/v1/evidence-requests" && change != nil {
			var wish map[string]any
			if err := json.NewDecoder(r.Body).Decode(&wish); err != nil {
				http.Error(w, "unreadable", http.StatusBadRequest)
				return
			}
			change(wish)
			data, err := json.Marshal(wish)
			if err != nil {
				http.Error(w, "unwritable", http.StatusInternalServerError)
				return
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
			r.Header.Del("Content-Length")
		}
		proxy.ServeHTTP(w, r)
	}))
	s.portal.api = "https://" + ln.Addr().String()
}

func (s *stage) wish(change func(map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wishes = change
}

// play plays and notes the links to previews; the header of what crossed the border is
// forgotten before.
func (s *stage) play(t *testing.T, script Script) *Result {
	t.Helper()
	s.mu.Lock()
	s.headers, s.links = nil, nil
	s.mu.Unlock()
	through := script.Through
	script.Through = func(next http.RoundTripper) http.RoundTripper {
		if through != nil {
			next = through(next)
		}
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && resp.StatusCode == http.StatusSeeOther && r.URL.Path == "/case/preview" {
				s.mu.Lock()
				s.links = append(s.links, resp.Header.Get("Location"))
				s.mu.Unlock()
			}
			return resp, err
		})
	}
	res, err := s.Play(s.ctx, script)
	if err != nil {
		t.Fatalf("%v\nsteps: %q", err, res.Steps)
	}
	return res
}

// wire returns the headers of the exchange so far.
func (s *stage) wire() []ebms.UserMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.headers)
}

func (s *stage) link(t *testing.T) *url.URL {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.links) != 1 {
		t.Fatalf("the browser was sent to %d previews, want one", len(s.links))
	}
	u, err := url.Parse(s.links[0])
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// documents returns the RegRep documents of an exchange as Slovenia recorded them.
func (s *stage) documents(t *testing.T, id canon.ConversationID) []string {
	t.Helper()
	key := logKey(t, s.Landscape, Slovenia)
	x, err := s.Node(Slovenia).ExportExchange(s.ctx, id, "os:tester", "test of the editions", func(m canon.Message) ([]byte, error) { return exchangelog.Open(m, key) })
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range x.Records {
		out = append(out, string(r.Document))
	}
	return out
}

// speaking makes Slovenia ask everybody in one edition: Spain for what the portal
// offers, and Finland for degrees.
func speaking(specification string) func(l *Landscape, member string, have obj) {
	return func(l *Landscape, member string, have obj) {
		if member != Slovenia {
			return
		}
		asks := have["ask"].([]any)
		for _, a := range asks {
			a.(obj)["specification"] = specification
		}
		for name, d := range l.finnish {
			asks = append(asks, obj{
				"name": name, "procedures": []string{"T2"}, "evidence_type": d.EvidenceType.Classification,
				"provider": d.Issuer.ID.String(), "country": "FI", "specification": specification,
			})
		}
		have["ask"] = asks
		// Before the person comes, the portal learns where degrees are kept.
		for _, name := range []string{"diplomas", "archive"} {
			d := l.finnish[name]
			o := offer{
				Register: name, Title: d.EvidenceType.Titles[0].Text, Procedure: "T2", Purpose: "Degree from " + name,
				Provider: d.Issuer, Requirement: need(needDegree, "Proof of a first degree"), Type: d.EvidenceType,
			}
			o.Provider.Country = "FI"
			l.portal.offers = append(l.portal.offers, o)
		}
	}
}

// nameless takes the identifier out of the wish: EDM 1.0 knows only those of nine
// letters and digits, and the people here have longer ones.
func nameless(wish map[string]any) {
	for _, p := range wish["subject"].(map[string]any) {
		delete(p.(map[string]any), "identifier")
	}
}

// An exchange in an older edition, from the portal to the evidence: what must not be
// there is not there, and what the edition has instead is.
// Covers: B-055
func TestOlderEditions(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, tt := range []struct {
		edition string
		wish    func(map[string]any)
	}{{"oots-edm:v1.2", nil}, {"oots-edm:v1.1", nil}, {"oots-edm:v1.0", nameless}} {
		t.Run(tt.edition, func(t *testing.T) {
			s := staged(ctx, t, Config{}, speaking(tt.edition))
			s.wish(tt.wish)
			res := s.play(t, Script{Register: "diplomas", Persona: "lucia"})
			if res.Outcome != "delivered" || len(res.Evidence) == 0 {
				t.Fatalf("outcome %q %q %q\nsteps: %q", res.Outcome, res.Code, res.EDM, res.Steps)
			}
			if !slices.Contains(res.Steps, "came back to the portal") {
				t.Errorf("the person did not come back; steps: %q", res.Steps)
			}
			var actions []string
			for _, h := range s.wire() {
				actions = append(actions, h.Action)
				var names []string
				for _, p := range h.Properties {
					names = append(names, p.Name)
				}
				if diff := cmp.Diff([]string{"originalSender", "finalRecipient"}, names); diff != "" {
					t.Errorf("%s: properties (-want +got):\n%s", h.Action, diff)
				}
				if h.ConversationID != s.wire()[0].ConversationID {
					t.Errorf("%s is of another session", h.Action)
				}
			}
			if diff := cmp.Diff([]string{"ExecuteQueryRequest", "ExceptionResponse", "ExecuteQueryRequest", "ExecuteQueryResponse"}, actions); diff != "" {
				t.Fatalf("messages (-want +got):\n%s", diff)
			}
			location := s.link(t)
			q := location.Query()
			if len(q) != 2 || q.Get("returnmethod") != "GET" || !strings.HasPrefix(q.Get("returnurl"), s.portal.base+"/return/") {
				t.Errorf("the link says %v", q)
			}
			location.RawQuery = ""
			docs := s.documents(t, res.Exchange)
			if len(docs) != 4 {
				t.Fatalf("%d documents, want 4", len(docs))
			}
			for i, d := range docs {
				for _, never := range []string{"ExchangeId", `"ReturnLocation"`, "RegistryPackageType", "AssociatedDocumentRequest", "AssociationType"} {
					if strings.Contains(d, never) {
						t.Errorf("document %d holds %s", i, never)
					}
				}
				if !strings.Contains(d, ">"+tt.edition+"<") {
					t.Errorf("document %d is not of %s", i, tt.edition)
				}
			}
			for i, want := range map[int][]string{
				0: {`xml:lang="`}, 1: {`"PreviewMethod"`, ">GET<", location.String()}, 2: {`"PreviewLocation"`, location.String()},
			} {
				for _, w := range want {
					if !strings.Contains(docs[i], w) {
						t.Errorf("document %d lacks %s:\n%s", i, w, docs[i])
					}
				}
			}
			if strings.Contains(docs[0], "PreviewLocation") {
				t.Error("the first request has a preview location")
			}
			// The certificate, its annex and its translation: side by side, each with metadata.
			if n := strings.Count(docs[3], `"rim:ExtrinsicObjectType"`); n != 3 || strings.Count(docs[3], "<sdg:Evidence>") != n {
				t.Errorf("%d objects, want 3 with metadata:\n%s", n, docs[3])
			}
			c, err := s.Node(Slovenia).Exchanges().Get(ctx, res.Exchange)
			if err != nil {
				t.Fatal(err)
			}
			if c.Specification != tt.edition || len(c.Documents) != 3 {
				t.Errorf("exchange of %s with %d documents", c.Specification, len(c.Documents))
			}
		})
	}
}

// What an edition cannot say stays at home: the person is told, and nothing leaves.
// Covers: B-055
func TestAnOlderEditionRefusesWhatItCannotSay(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := staged(ctx, t, Config{}, speaking("oots-edm:v1.0"))
	res := s.play(t, Script{Register: "births"}) // with an identifier that 1.0 does not know
	if res.Outcome != "failed" || res.Code != string(canon.CodeMessageInvalid) || len(s.wire()) != 0 {
		t.Errorf("outcome %q %q with %d messages\nsteps: %q", res.Outcome, res.Code, len(s.wire()), res.Steps)
	}
}

// Every other end of an exchange in EDM 1.2.
// Covers: B-055, B-029
func TestEndsInAnOlderEdition(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := staged(ctx, t, Config{}, speaking("oots-edm:v1.2"))
	for _, tt := range []struct {
		name         string
		script       Script
		outcome      string
		code         canon.Code
		edm          string
		last, status string
	}{
		{"declined", Script{Register: "residence", Decline: true}, "declined", "", "", "ExecuteQueryResponse", "ResponseStatusType:Success"},
		{"some declined", Script{Register: "diplomas", Persona: "lucia", Refuse: "ranslation"}, "delivered", "", "", "ExecuteQueryResponse", "ResponseStatusType:Success"},
		{"not found", Script{Register: "births", Persona: "ingrid"}, "refused", canon.CodeEvidenceNotFound, "EDM:ERR:0004", "ExceptionResponse", "Object not found"},
		{"deferred", Script{Register: "archive", Persona: "lucia"}, "deferred", canon.CodeDeferred, "", "ExecuteQueryResponse", "ResponseAvailableDateTime"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := s.play(t, tt.script)
			if res.Outcome != tt.outcome || res.Code != string(tt.code) || res.EDM != tt.edm {
				t.Errorf("outcome %q %q %q, want %q %q %q\nsteps: %q", res.Outcome, res.Code, res.EDM, tt.outcome, tt.code, tt.edm, res.Steps)
			}
			if !slices.Contains(res.Steps, "came back to the portal") {
				t.Errorf("the person did not come back; steps: %q", res.Steps)
			}
			h, docs := s.wire(), s.documents(t, res.Exchange)
			if len(h) != 4 || h[3].Action != tt.last || len(docs) != 4 || !strings.Contains(docs[3], tt.status) {
				t.Errorf("%d messages and %d documents, the last is not %s with %s: %s", len(h), len(docs), tt.last, tt.status, docs[len(docs)-1])
			}
			if tt.name == "some declined" {
				if n := strings.Count(docs[3], `"rim:ExtrinsicObjectType"`); n != 2 {
					t.Errorf("%d objects left, want 2", n)
				}
			}
		})
	}
	s.otherMethods(t)
}

// The person looks and does not decide: the provider says that the time has passed.
// Covers: B-055
func TestTimeoutInAnOlderEdition(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := staged(ctx, t, Config{Edit: func(member string) map[string]any {
		if member == Spain {
			return obj{"timeouts": obj{"provide_t3": "2s", "poll": "50ms"}}
		}
		return nil
	}}, speaking("oots-edm:v1.2"))
	wait := func(ctx context.Context) error {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			// The first error is the way to the preview.
			if h := s.wire(); len(h) > 3 && h[3].Action == "ExceptionResponse" {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
	}
	res, err := s.Play(ctx, Script{Register: "births", AtPreview: wait})
	if err == nil && res.Outcome != "expired" {
		t.Errorf("outcome %q\nsteps: %q", res.Outcome, res.Steps)
	}
	var c *exchange.Conversation
	until(ctx, t, "the end", func() (bool, error) {
		c, err = s.Node(Slovenia).Exchanges().Get(ctx, res.Exchange)
		return err == nil && c.Phase.Final(), err
	})
	if c.Phase != "expired" || c.ErrorCode != "EDM:ERR:0005" || c.Code != canon.CodeDeadlinePassed {
		t.Errorf("phase %s %s %s", c.Phase, c.Code, c.ErrorCode)
	}
}

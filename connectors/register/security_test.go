package register_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"oncegate/connectors/pkitest"
	"oncegate/connectors/register"
	"oncegate/connectors/register/soapsec"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/canon"
)

func wsseName(local string) xmldoc.Name { return xmldoc.Name{Space: xmlsec.SpaceWSSE, Local: local} }
func wsuName(local string) xmldoc.Name  { return xmldoc.Name{Space: xmlsec.SpaceWSU, Local: local} }

// strict is a register that wants a UsernameToken with a digest, signed with Body and
// Timestamp by one certificate, each nonce once.
type strict struct {
	t      *testing.T
	client *x509.Certificate
	mu     sync.Mutex
	nonces map[string]bool
}

func (s *strict) judge(text []byte) error {
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		return err
	}
	header, body := doc.Root().First(), doc.Root().First().Next()
	sec, err := header.Only(wsseName("Security"))
	if err != nil {
		return err
	}
	signature, err := xmlsec.FindSignature(sec)
	if err != nil {
		return err
	}
	v, err := xmlsec.Verify(xmlsec.Verification{Signature: signature, Key: xmlsec.WithKey(s.client.PublicKey),
		Policy: xmlsec.Policy{Signatures: []xmlsec.SignatureAlgorithm{xmlsec.ECDSASHA256}}})
	if err != nil {
		return err
	}
	token, err := sec.Only(wsseName("UsernameToken"))
	if err != nil {
		return err
	}
	stamp, err := sec.Only(wsuName("Timestamp"))
	if err != nil {
		return err
	}
	if !v.Covers(body) || !v.Covers(stamp) || !v.Covers(token) {
		return fmt.Errorf("something is not signed")
	}
	fields := map[string]string{}
	for e := range token.Children() {
		fields[e.Name().Local] = e.Text()
	}
	nonce, err := base64.StdEncoding.DecodeString(fields["Nonce"])
	if err != nil {
		return err
	}
	sum := sha1.Sum([]byte(string(nonce) + fields["Created"] + "s3cr&t"))
	if fields["Username"] != "gateway" || fields["Password"] != base64.StdEncoding.EncodeToString(sum[:]) {
		return fmt.Errorf("user or digest are wrong")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nonces[fields["Nonce"]] {
		return fmt.Errorf("a nonce again")
	}
	s.nonces[fields["Nonce"]] = true
	return nil
}

func TestWSSecurity(t *testing.T) {
	ca := pkitest.Root("authority of the register")
	us, them := pkitest.SelfSigned("gateway", pkitest.P256()), ca.Issue("register", pkitest.RSA())
	ours, theirs := us.TLS(), soapsec.Config{Key: them.Signer(), Certificate: them.Cert, Now: time.Now}
	sealer, err := soapsec.New(theirs)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(text []byte) []byte {
		out, err := sealer.Seal(text)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	fault := envelope11("", `<S:Fault><faultcode>S:Client</faultcode><faultstring>x</faultstring></S:Fault>`)
	named := strings.Replace(trial(`{kind: soap11}`, xmlQuery, xmlReply), "exists(/r:None)", "exists(/r:None) or exists(/s11:Fault)", 1)
	for _, tc := range []struct {
		rule, def, want string
		status          int
		answer          func() []byte
	}{
		{"a signed answer", named, "found", 200, func() []byte { return signed(envelope11("", found11)) }},
		{"no hit, signed", named, "not-found", 200, func() []byte { return signed(envelope11("", `<None xmlns="urn:example:trial"/>`)) }},
		{"an answer that is not signed", named, "failed", 200, func() []byte { return envelope11("", found11) }},
		{"an answer that was changed", named, "failed", 200, func() []byte { return bytes.Replace(signed(envelope11("", found11)), []byte("Ana"), []byte("Eva"), 1) }},
		{"no hit that is not signed is none", named, "failed", 200, func() []byte { return envelope11("", `<None xmlns="urn:example:trial"/>`) }},
		{"a fault that is not signed cannot say what it means", named, "unavailable", 500, func() []byte { return fault }},
		{"a signed fault can", named, "not-found", 500, func() []byte { return signed(fault) }},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			strict := &strict{t: t, client: us.Cert, nonces: map[string]bool{}}
			s, m := asks(t, tc.def, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				text, _ := io.ReadAll(r.Body)
				if err := strict.judge(text); err != nil {
					t.Errorf("the register refuses: %v\n%s", err, text)
				}
				reply(tc.status, "text/xml", tc.answer()).ServeHTTP(w, r)
			}), func(e *register.Endpoint) {
				e.WSS = &register.WSS{User: "gateway", Password: "s3cr&t", Sign: &ours, Trust: []*x509.Certificate{ca.Cert}}
			})
			for range 2 { // the same query again is sealed anew
				outcome, detail := outcomeOf(t, s, m)
				if outcome != tc.want {
					t.Errorf("got %s (%s), want %s; log %s", outcome, detail, tc.want, s.log)
				}
				if strings.Contains(detail, "xmlsec") {
					t.Errorf("the cause is told outside: %s", detail)
				}
			}
			if all := s.log.String(); strings.Contains(all, "s3cr") || strings.Contains(all, "Ana") {
				t.Errorf("the log tells: %s", all)
			}
		})
	}
	for rule, wss := range map[string]*register.WSS{
		"a password in the clear over http": {User: "gateway", Password: "s3cr&t", Text: true},
		"a user without a password":         {User: "gateway"},
		"nothing":                           {},
	} {
		if err := (register.Endpoint{URL: "http://127.0.0.1", WSS: wss}).Validate(); err == nil || strings.Contains(err.Error(), "s3cr") {
			t.Errorf("%s: got %v", rule, err)
		}
	}
}

// TestXRoad: a security server knows both sides, and what it says is checked.
func TestXRoad(t *testing.T) {
	const service = "EE/GOV/70008440/rr/RR434/v1"
	soapDef := trial(`{kind: soap11, xroad: {service: `+service+`, issue: procedure}}`, xmlQuery, xmlReply)
	restDef := trial(`{kind: rest, path: /persons, body: json, accept: json, xroad: {service: "EE/GOV/70008440/rr/per,sons"}}`, `query: {rules: [{to: born, from: subject/natural/birthDate}]}`, jsonReply)
	us := func(e *register.Endpoint) {
		e.XRoad = register.XRoad{Client: "ee-test/GOV/12345678/portal", User: "EE12345678", Instance: "ee-test"}
	}
	const fault = `<S:Fault><faultcode>%s</faultcode><faultstring>Ana</faultstring></S:Fault>`
	for _, tc := range []struct {
		rule, body, want, detail string
		edit                     func(string) string
		status                   int
	}{
		{rule: "the headers come back", body: found11, want: "found"},
		{rule: "none come back", body: found11, want: "failed", edit: func(string) string { return "" }},
		{rule: "those of another query", body: found11, want: "failed", edit: func(h string) string { return strings.Replace(h, "</x:id>", "0</x:id>", 1) }},
		{rule: "of another service", body: found11, want: "failed", edit: func(h string) string { return strings.Replace(h, "RR434", "RR435", 1) }},
		{rule: "of another client", body: found11, want: "failed", edit: func(h string) string { return strings.Replace(h, "portal", "other", 1) }},
		{rule: "with a hash of the query", body: found11, want: "found", edit: func(h string) string {
			return h + `<x:requestHash xmlns:x="http://x-road.eu/xsd/xroad.xsd" algorithmId="http://www.w3.org/2001/04/xmlenc#sha512">AA==</x:requestHash>`
		}},
		{rule: "the service is not reached", body: fmt.Sprintf(fault, "Server.ServerProxy.ServiceFailed.HttpError"), status: 500, want: "unavailable", detail: "Server.ServerProxy.ServiceFailed.HttpError", edit: func(string) string { return "" }},
		{rule: "the query is refused", body: fmt.Sprintf(fault, "Client.InvalidRequest"), status: 500, want: "failed", detail: "Client.InvalidRequest", edit: func(string) string { return "" }},
	} {
		t.Run("soap "+tc.rule, func(t *testing.T) {
			var s setup
			var m canon.Message
			s, m = asks(t, soapDef, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				doc, err := xmldoc.Parse(r.Body, xmldoc.Limits{})
				if err != nil {
					t.Error(err)
					return
				}
				var got, echo strings.Builder
				for e := range doc.Root().First().Children() {
					if e.Name().Space != "http://x-road.eu/xsd/xroad.xsd" {
						t.Errorf("a header %s", e.Name())
					}
					fmt.Fprintf(&got, "%s=%s;", e.Name().Local, strings.Join(texts(e), "/"))
					// Another stack, other prefixes.
					echo.WriteString(strings.NewReplacer("xrd:", "x:", "iden:", "i:").Replace(e.Raw()))
				}
				want := "client=ee-test/GOV/12345678/portal;service=ee-test/GOV/70008440/rr/RR434/v1;userId=EE12345678;id=" + string(m.ID) + ";issue=T3;protocolVersion=4.0;"
				if got.String() != want {
					t.Errorf("headers\n%s, want\n%s", got.String(), want)
				}
				header := echo.String()
				if tc.edit != nil {
					header = tc.edit(header)
				}
				text := strings.NewReplacer("xmlns:xrd=", "xmlns:x=", "xmlns:iden=", "xmlns:i=").Replace(string(envelope11(header, tc.body)))
				text = strings.Replace(text, "<S:Envelope ", `<S:Envelope xmlns:x="http://x-road.eu/xsd/xroad.xsd" xmlns:i="http://x-road.eu/xsd/identifiers" `, 1)
				reply(max(tc.status, 200), "text/xml", []byte(text)).ServeHTTP(w, r)
			}), us)
			outcome, detail := outcomeOf(t, s, m)
			if outcome != tc.want || !strings.Contains(detail, tc.detail) || strings.Contains(detail, "Ana") {
				t.Errorf("got %s (%s), want %s with %q", outcome, detail, tc.want, tc.detail)
			}
		})
	}
	for _, tc := range []struct {
		rule, want, detail string
		status             int
		change             func(h http.Header)
	}{
		{rule: "the headers come back", want: "found"},
		{rule: "no id comes back", want: "failed", change: func(h http.Header) { h.Del("X-Road-Id") }},
		{rule: "of another service", want: "failed", change: func(h http.Header) { h.Set("X-Road-Service", "EE/x") }},
		{rule: "no hit", status: 404, want: "not-found"},
		{rule: "an unknown service is no missing person", status: 404, want: "unavailable", detail: "Server.ServerProxy.UnknownService", change: func(h http.Header) { h.Set("X-Road-Error", "Server.ServerProxy.UnknownService") }},
		{rule: "the query is refused", status: 400, want: "failed", change: func(h http.Header) { h.Set("X-Road-Error", "Client.Ana Muestra") }},
	} {
		t.Run("rest "+tc.rule, func(t *testing.T) {
			var s setup
			var m canon.Message
			s, m = asks(t, restDef, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if want := "/base/r1/ee-test/GOV/70008440/rr/per%2Csons/persons"; r.RequestURI != want {
					t.Errorf("asked %s, want %s", r.RequestURI, want)
				}
				if r.Header.Get("X-Road-Client") != "ee-test/GOV/12345678/portal" || r.Header.Get("X-Road-Id") != string(m.ID) || r.Header.Get("X-Road-UserId") != "EE12345678" {
					t.Errorf("headers %v", r.Header)
				}
				h := w.Header()
				h.Set("X-Road-Id", r.Header.Get("X-Road-Id"))
				h.Set("X-Road-Service", "ee-test/GOV/70008440/rr/per%2Csons")
				h.Set("X-Road-Request-Hash", "AA==")
				if tc.change != nil {
					tc.change(h)
				}
				reply(max(tc.status, 200), "application/json", []byte(`{"people":[{"name":"Ana"}]}`)).ServeHTTP(w, r)
			}), us)
			outcome, detail := outcomeOf(t, s, m)
			if outcome != tc.want || !strings.Contains(detail, tc.detail) || strings.Contains(detail, "Muestra") {
				t.Errorf("got %s (%s), want %s with %q", outcome, detail, tc.want, tc.detail)
			}
		})
	}
	def, err := definition(t, soapDef)
	if err != nil {
		t.Fatal(err)
	}
	for rule, x := range map[string]register.XRoad{"nobody": {}, "half a client": {Client: "EE/GOV"}, "a user with a blank": {Client: "EE/GOV/1/a", User: "A B"}, "two instances": {Client: "EE/GOV/1/a", Instance: "a/b"}} {
		if _, err := register.New(def, register.Endpoint{URL: "http://127.0.0.1", XRoad: x}, register.Config{Payloads: &heap{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}); err == nil {
			t.Errorf("%s may call X-Road", rule)
		}
	}
	for rule, transport := range map[string]string{
		"a short service":         `{kind: soap11, xroad: {service: EE/GOV/1}}`,
		"a climbing service":      `{kind: soap11, xroad: {service: EE/GOV/../a/b}}`,
		"a version with REST":     `{kind: rest, path: /a, xroad: {service: EE/GOV/1/a/b/v1}}`,
		"the person as the issue": `{kind: soap11, xroad: {service: EE/GOV/1/a/b/v1, issue: subject/natural/familyName}}`,
	} {
		if _, err := definition(t, trial(transport, xmlQuery, xmlReply)); err == nil {
			t.Errorf("%s was taken", rule)
		}
	}
}

// texts are those of an element, or of each of its children.
func texts(e xmldoc.Element) []string {
	if e.First().IsZero() {
		return []string{e.Text()}
	}
	var out []string
	for c := range e.Children() {
		out = append(out, c.Text())
	}
	return out
}

// authorisation is an authorisation server of OAuth 2.
type authorisation struct {
	mu     sync.Mutex
	issued int
	status int
	body   string // in place of a token
	last   http.Header
	form   map[string][]string
}

func (a *authorisation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = r.ParseForm()
	a.issued++
	a.last, a.form = r.Header.Clone(), r.Form
	user, secret, _ := r.BasicAuth()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case a.status != 0:
		w.WriteHeader(a.status)
		io.WriteString(w, `{"error":"invalid_client","error_description":"t0p-secret is wrong"}`)
	case a.body != "":
		io.WriteString(w, a.body)
	case user != "gateway" || secret != "t0p-secret":
		w.WriteHeader(401)
	default:
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":120}`, a.issued)
	}
}

func TestOAuth(t *testing.T) {
	def := trial(`{kind: rest, path: /v1}`, xmlQuery, xmlReply)
	start := func(t *testing.T, good func(token string) bool) (*authorisation, func() string) {
		a := &authorisation{}
		server := httptest.NewServer(a)
		t.Cleanup(server.Close)
		s, m := asks(t, def, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); !ok || !good(token) {
				w.WriteHeader(401)
				return
			}
			reply(200, xmlType, []byte(found11)).ServeHTTP(w, r)
		}), func(e *register.Endpoint) {
			e.OAuth = &register.OAuth{TokenURL: server.URL + "/token", ClientID: "gateway", Secret: "t0p-secret", Scopes: []string{"births.read", "x"}, Audience: "births"}
		})
		return a, func() string {
			t.Helper()
			outcome, detail := outcomeOf(t, s, m)
			if strings.Contains(detail+s.log.String(), "t0p-secret") || strings.Contains(detail+s.log.String(), "token-") {
				t.Errorf("a secret is told: %s %s", detail, s.log)
			}
			return outcome
		}
	}
	all := func(string) bool { return true }
	t.Run("one token serves many queries", func(t *testing.T) {
		a, ask := start(t, all)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if got := ask(); got != "found" {
					t.Errorf("got %s", got)
				}
			})
		}
		wg.Wait()
		if a.issued != 1 {
			t.Errorf("%d tokens were asked for, want 1", a.issued)
		}
		if fmt.Sprint(a.form["scope"], a.form["audience"], a.form["grant_type"]) != "[births.read x] [births] [client_credentials]" {
			t.Errorf("asked with %v", a.form)
		}
	})
	t.Run("a token that ended early is renewed once", func(t *testing.T) {
		a, ask := start(t, func(token string) bool { return token != "token-1" })
		if got := ask(); got != "found" || a.issued != 2 {
			t.Errorf("got %s with %d tokens, want found with 2", got, a.issued)
		}
	})
	t.Run("a token that is about to end is not used", func(t *testing.T) {
		a, ask := start(t, all)
		a.body = `{"access_token":"token-x","token_type":"Bearer","expires_in":20}`
		if first, second := ask(), ask(); first != "found" || second != "found" || a.issued != 2 {
			t.Errorf("got %s and %s with %d tokens, want 2", first, second, a.issued)
		}
	})
	t.Run("a register that takes none is asked twice", func(t *testing.T) {
		a, ask := start(t, func(string) bool { return false })
		if got := ask(); got != "unavailable" || a.issued != 2 {
			t.Errorf("got %s with %d tokens, want unavailable with 2", got, a.issued)
		}
	})
	for rule, set := range map[string]func(a *authorisation){
		"the server refuses us": func(a *authorisation) { a.status = 401 },
		"the server is down":    func(a *authorisation) { a.status = 503 },
		"no token":              func(a *authorisation) { a.body = `{}` },
		"another kind of token": func(a *authorisation) { a.body = `{"access_token":"x","token_type":"mac"}` },
		"a token of two lines":  func(a *authorisation) { a.body = `{"access_token":"x\r\nHost: y","token_type":"bearer"}` },
	} {
		t.Run(rule, func(t *testing.T) {
			a, ask := start(t, all)
			set(a)
			if got := ask(); got != "unavailable" {
				t.Errorf("got %s, want unavailable", got)
			}
		})
	}
}

// TestSettings: a deployment's words become an endpoint; secrets come from files and
// are told nowhere.
func TestSettings(t *testing.T) {
	pair := pkitest.SelfSigned("gateway", pkitest.P256())
	files := map[string][]byte{
		"cert.pem": pkitest.CertificatePEM(pair.Cert), "cert.key": pkitest.KeyPEM(pair.Key),
		"one": []byte("secret-one\n"), "two": []byte("secret-two"), "three": []byte(" secret-three "), "four": []byte("secret-four"), "empty": []byte("\n"),
	}
	read := func(name string) ([]byte, error) {
		text, ok := files[name]
		if !ok {
			return nil, fmt.Errorf("there is no %s", name)
		}
		return text, nil
	}
	const text = `{url: "https://x.example", ca: cert.pem, client_cert: cert.pem, client_key: cert.key, user: u, password_file: one, header: X-Key, header_file: two, timeout: 3s,
  wsse: {user: w, password_file: four, password: text, sign_cert: cert.pem, sign_key: cert.key, verify_ca: cert.pem}, xroad: {client: EE/GOV/1/a}}`
	const tokens = `{url: "https://x.example", oauth2: {token_url: "https://y.example/t", client_id: c, client_secret_file: three, scopes: [a], audience: b}}`
	for _, text := range []string{text, tokens} {
		var s register.Settings
		if err := yaml.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		e, err := s.Endpoint(read)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Validate(); err != nil {
			t.Fatal(err)
		}
		var values []string
		walk(t, reflect.ValueOf(e), "Endpoint", &values)
		if len(values) == 0 {
			t.Error("no secret was read")
		}
		key, err := json.Marshal(pair.Key) // what a key would look like
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, string(key))
		for _, have := range []any{e, &e, e.Auth, e.OAuth, e.WSS, []any{e}} {
			told := fmt.Sprintf("%v %+v %#v %s %q", have, have, have, have, have)
			for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
				if out, err := marshal(have); err == nil {
					told += string(out)
				}
			}
			var log bytes.Buffer
			slog.New(slog.NewJSONHandler(&log, nil)).InfoContext(context.Background(), "x", "endpoint", have)
			slog.New(slog.NewTextHandler(&log, nil)).InfoContext(context.Background(), "x", "endpoint", have)
			for _, v := range append(values, "secret-") {
				if strings.Contains(told+log.String(), v) {
					t.Errorf("%T tells %s", have, v)
				}
			}
		}
	}
	for rule, text := range map[string]string{
		"a certificate without a key": `{url: "https://x.example", client_cert: cert.pem}`,
		"no such file":                `{url: "https://x.example", ca: nowhere}`,
		"no certificate":              `{url: "https://x.example", ca: one}`,
		"an empty secret":             `{url: "https://x.example", user: u, password_file: empty}`,
		"a user without a file":       `{url: "https://x.example", user: u}`,
		"a token from nowhere":        `{url: "https://x.example", oauth2: {client_id: c, client_secret_file: three}}`,
		"an odd password":             `{url: "https://x.example", wsse: {user: w, password_file: four, password: plain}}`,
		"a signer without a key":      `{url: "https://x.example", wsse: {sign_cert: cert.pem}}`,
		"X-Road without a name":       `{url: "https://x.example", xroad: {user: x}}`,
		"a password in the address":   `{url: "https://u:secret-zero@x.example"}`,
	} {
		var s register.Settings
		if err := yaml.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Endpoint(read); err == nil || strings.Contains(err.Error(), "secret-") {
			t.Errorf("%s: got %v", rule, err)
		}
	}
}

// walk finds every secret, and a text that should be one.
func walk(t *testing.T, v reflect.Value, path string, secrets *[]string) {
	switch v.Type() {
	case reflect.TypeFor[register.Secret]():
		if s := v.String(); s != "" {
			*secrets = append(*secrets, s)
		}
		return
	case reflect.TypeFor[tls.Certificate](), reflect.TypeFor[x509.CertPool](), reflect.TypeFor[x509.Certificate]():
		return // Endpoint prints nothing of them
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			walk(t, v.Elem(), path, secrets)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(t, v.Field(i), path+"."+v.Type().Field(i).Name, secrets)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(t, v.Index(i), path, secrets)
		}
	case reflect.String:
		if strings.Contains(v.String(), "secret-") {
			t.Errorf("%s holds a secret and is no Secret", path)
		}
	}
}

package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// checked holds every request and answer of every test against openapi.json.
type checked struct {
	t    testing.TB
	next http.RoundTripper
	base string
}

type document3 struct {
	Paths map[string]map[string]json.RawMessage `json:"paths"`
}

type operation struct {
	RequestBody *struct {
		Required bool                 `json:"required"`
		Content  map[string]mediaType `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Ref     string                     `json:"$ref"`
		Headers map[string]json.RawMessage `json:"headers"`
		Content map[string]mediaType       `json:"content"`
	} `json:"responses"`
}

type mediaType struct {
	Schema json.RawMessage `json:"schema"`
}

var described = sync.OnceValue(func() document3 {
	var d document3
	if err := json.Unmarshal(description, &d); err != nil {
		panic(err)
	}
	return d
})

var compiled = struct {
	sync.Mutex
	schemas map[string]*jsonschema.Schema
}{schemas: map[string]*jsonschema.Schema{}}

func schemaAt(pointer string) (*jsonschema.Schema, error) {
	compiled.Lock()
	defer compiled.Unlock()
	if s, ok := compiled.schemas[pointer]; ok {
		return s, nil
	}
	c, err := compiler()
	if err != nil {
		return nil, err
	}
	s, err := c.Compile(descriptionURL + "#" + pointer)
	compiled.schemas[pointer] = s
	return s, err
}

func (c *checked) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		sent, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(got))
	if err := conforms(r, sent, resp, got); err != nil {
		c.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	return resp, nil
}

func templateOf(path string) (string, bool) {
	parts := strings.Split(path, "/")
	for t := range described().Paths {
		want := strings.Split(t, "/")
		if len(want) == len(parts) {
			ok := true
			for i := range want {
				ok = ok && (want[i] == parts[i] || strings.HasPrefix(want[i], "{"))
			}
			if ok {
				return t, true
			}
		}
	}
	return "", false
}

func conforms(r *http.Request, sent []byte, resp *http.Response, got []byte) error {
	t, ok := templateOf(r.URL.Path)
	raw, described := described().Paths[t][strings.ToLower(r.Method)]
	if !ok || !described {
		if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusMethodNotAllowed {
			return fmt.Errorf("answered %d, but is not described", resp.StatusCode)
		}
		return validAt("/components/schemas/Problem", got)
	}
	var op operation
	if err := json.Unmarshal(raw, &op); err != nil {
		return err
	}
	at := "/paths/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(t) + "/" + strings.ToLower(r.Method)
	if resp.StatusCode < 400 && len(sent) > 0 {
		if op.RequestBody == nil {
			return fmt.Errorf("a body was taken that is not described")
		}
		if err := validAt(at+"/requestBody/content/application~1json/schema", sent); err != nil {
			return fmt.Errorf("request: %w", err)
		}
	}
	status := fmt.Sprint(resp.StatusCode)
	want, ok := op.Responses[status]
	if !ok {
		if want, ok = op.Responses["default"]; !ok || resp.StatusCode < 400 {
			return fmt.Errorf("answer %s is not described", status)
		}
		status = "default"
	}
	at += "/responses/" + status
	if want.Ref != "" {
		at = strings.TrimPrefix(want.Ref, "#")
		name := at[strings.LastIndex(at, "/")+1:]
		kind := map[string]string{"Problem": "application/problem+json", "Health": "application/json"}[name]
		want.Content = map[string]mediaType{kind: {Schema: json.RawMessage(`{}`)}}
	}
	for name, h := range want.Headers {
		if bytes.Contains(h, []byte(`"required": true`)) && resp.Header.Get(name) == "" {
			return fmt.Errorf("header %s is missing", name)
		}
	}
	if len(want.Content) == 0 {
		if len(got) > 0 {
			return fmt.Errorf("answer %s has a body that is not described", status)
		}
		return nil
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	content, ok := want.Content[kind]
	if !ok {
		if content, ok = want.Content["*/*"]; !ok {
			return fmt.Errorf("answer %s is %q, which is not described", status, kind)
		}
	}
	if content.Schema == nil || !strings.HasSuffix(kind, "json") {
		return nil
	}
	return validAt(at+"/content/"+strings.ReplaceAll(kind, "/", "~1")+"/schema", got)
}

func validAt(pointer string, data []byte) error {
	s, err := schemaAt(pointer)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("body is no JSON: %w", err)
	}
	return s.Validate(v)
}

func TestEveryRouteIsDescribedAndTheReverse(t *testing.T) {
	a := &API{}
	var routes, operations []string
	for _, rt := range a.routes() {
		routes = append(routes, rt.method+" "+rt.pattern)
	}
	for p, ops := range described().Paths {
		for m := range ops {
			if m != "parameters" {
				operations = append(operations, strings.ToUpper(m)+" "+p)
			}
		}
	}
	slices.Sort(routes)
	slices.Sort(operations)
	if d := cmp.Diff(operations, routes); d != "" {
		t.Errorf("openapi.json and the routes differ (-described +served):\n%s", d)
	}
}

func TestEverySchemaCompiles(t *testing.T) {
	var d struct {
		Components struct{ Schemas map[string]json.RawMessage }
	}
	if err := json.Unmarshal(description, &d); err != nil {
		t.Fatal(err)
	}
	for name := range d.Components.Schemas {
		if _, err := schemaAt("/components/schemas/" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	b, err := compileBodies()
	if err != nil {
		f.Fatal(err)
	}
	good, _ := json.Marshal(request(nil))
	f.Add(good)
	f.Add([]byte(`{"subject":{"natural":{}},"subject":{"legal":{}}}`))
	f.Add([]byte("{\"procedure\":\"\xff\"}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var body requestBody
		normal, err := decode(b.request, data, &body)
		if err != nil {
			return
		}
		// What was accepted has one meaning: reading its normal form gives the same.
		var again requestBody
		twice, err := decode(b.request, normal, &again)
		if err != nil || !bytes.Equal(normal, twice) {
			t.Fatalf("the normal form is not stable: %v", err)
		}
		if (body.Subject.Natural == nil) == (body.Subject.Legal == nil) {
			t.Fatal("a subject that is not exactly one person was accepted")
		}
	})
}

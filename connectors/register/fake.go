package register

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"oncegate/connectors/register/jsonxml"
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
)

// A Fake answers in a register's place, out of the samples of its folder: for tests,
// for training, for a portal that is being built. A query for the person of a sample
// gets that sample's reply; any other gets the sample of "not found". What differs
// from call to call, such as the id of a message, does not count, and the reply
// repeats the caller's. It is an http.Handler for registers over HTTP, and Rows
// answers for a database.
//
// It proves nothing about credentials: it reads none.
type Fake struct {
	def   *Definition
	cases []*fakeCase

	mu      sync.Mutex
	calls   int
	failing int
	delay   time.Duration
}

var _ http.Handler = (*Fake)(nil)

// fakeCase is one sample with a reply.
type fakeCase struct {
	name  string
	fault string   // what it stands for; empty: found
	query bool     // it has a query to compare with
	lines []string // of the query: what must be there
	vary  map[string]string
	path  string // empty: it varies, or there is none
	param map[string]string

	message string // id in the sample
	reply   *raw
}

// NewFake reads the samples. A folder without a reply for a known person cannot play
// a register.
func NewFake(d *Definition) (*Fake, error) {
	f := &Fake{def: d}
	names, err := fs.Glob(d.folder, samplesFolder+"/*")
	if err != nil {
		return nil, fmt.Errorf("reading samples: %w", err)
	}
	has := map[string]map[string]bool{}
	for _, file := range names {
		first, kind, ok := strings.Cut(strings.TrimPrefix(file, samplesFolder+"/"), ".")
		if !ok {
			continue
		}
		if has[first] == nil {
			has[first] = map[string]bool{}
		}
		has[first][kind] = true
	}
	known := 0
	for _, name := range slices.Sorted(maps.Keys(has)) {
		c, err := f.read(&sampleCase{d: d, name: name, has: has[name]})
		if err != nil {
			return nil, fmt.Errorf("register %s, sample %s: %w", d.Name, name, err)
		}
		if c == nil {
			continue
		}
		f.cases = append(f.cases, c)
		if c.query && c.fault == "" {
			known++
		}
	}
	// Where several samples have one query, the plain one answers.
	slices.SortStableFunc(f.cases, func(a, b *fakeCase) int { return a.rank() - b.rank() })
	if known == 0 {
		return nil, fmt.Errorf("register %s: no sample has both a query and a reply that is found", d.Name)
	}
	return f, nil
}

func (c *fakeCase) rank() int {
	switch {
	case c.name == "found":
		return 0
	case c.fault == "":
		return 1
	}
	return 2
}

// read makes a case of a sample; nil for one without a reply.
func (f *Fake) read(s *sampleCase) (*fakeCase, error) {
	if !s.has["reply.xml"] && !s.has["reply.json"] && !s.has["reply.mime"] {
		return nil, nil
	}
	c := &fakeCase{name: s.name}
	var err error
	if c.reply, err = s.wireReply(); err != nil {
		return nil, err
	}
	if s.has["fault"] {
		text, err := s.file("fault")
		if err != nil {
			return nil, err
		}
		c.fault = strings.TrimSpace(string(text))
	}
	if !s.has["query.json"] {
		return c, nil
	}
	text, err := s.file("query.json")
	if err != nil {
		return nil, err
	}
	in, err := mapping.DecodeJSON(text)
	if err != nil {
		return nil, fmt.Errorf("reading query.json: %w", err)
	}
	c.query = true
	if fields, ok := in.(map[string]any); ok {
		c.message, _ = fields["message"].(string)
	}
	return c, c.learn(f.def, in)
}

// learn makes the query twice, the second time from another authority in another
// exchange: what is then the same is what the person is recognised by.
func (c *fakeCase) learn(d *Definition, in any) error {
	one, err := d.rawRequest(in)
	if err != nil {
		return err
	}
	two, err := d.rawRequest(another(in))
	if err != nil {
		return fmt.Errorf("asking for another authority: %w", err)
	}
	was, err := queryLines(d, one)
	if err != nil {
		return err
	}
	is, err := queryLines(d, two)
	if err != nil {
		return err
	}
	c.vary = map[string]string{}
	for i, line := range was {
		if i < len(is) && is[i] == line {
			c.lines = append(c.lines, line)
			continue
		}
		path, value, _ := strings.Cut(line, " = ")
		c.vary[path] = value
	}
	if one.target == two.target {
		c.path, c.param = splitTarget(one.target)
	}
	return nil
}

// another is the same question in another exchange.
func another(in any) any {
	fields, ok := in.(map[string]any)
	if !ok {
		return in
	}
	out := maps.Clone(fields)
	for _, key := range []string{"message", "exchange"} {
		if _, ok := out[key].(string); ok {
			out[key] = "00000000-0000-5000-8000-00000000" + map[string]string{"message": "0001", "exchange": "0002"}[key]
		}
	}
	out["requester"] = map[string]any{
		"id": map[string]any{"scheme": "urn:another:scheme", "id": "another"}, "country": "XA",
		"names": []any{map[string]any{"lang": "EN", "text": "Another authority"}},
	}
	return out
}

// queryLines are what a query says, one fact a line.
func queryLines(d *Definition, r *request) ([]string, error) {
	var out []string
	for i, a := range r.args {
		out = append(out, fmt.Sprintf("arg %d = %v", i+1, a))
	}
	if len(r.body) == 0 {
		return out, nil
	}
	lines, err := bodyLines(d, r.body)
	return append(out, lines...), err
}

func bodyLines(d *Definition, body []byte) ([]string, error) {
	if t, ok := d.transport.(valueTransport); ok && t.sendsValue() {
		text, err := jsonxml.Document("json", body)
		if err != nil {
			return nil, fmt.Errorf("reading the query: %w", err)
		}
		body = text
	}
	if t, ok := d.transport.(*soap); ok { // the header is between machines
		doc, err := xmldoc.ParseBytes(body, xmldoc.Limits{})
		if err != nil {
			return nil, fmt.Errorf("reading the query: %w", err)
		}
		_, content, err := t.version.open(doc)
		if err != nil {
			return nil, fmt.Errorf("reading the query: %w", err)
		}
		return facts(content), nil
	}
	doc, err := xmldoc.ParseBytes(body, xmldoc.Limits{})
	if err != nil {
		return nil, fmt.Errorf("reading the query: %w", err)
	}
	return facts(doc.Root()), nil
}

// facts are the lines of an outline that hold a value.
func facts(e xmldoc.Element) []string {
	return slices.DeleteFunc(strings.Split(outlineOf(e), "\n"), func(l string) bool { return !strings.Contains(l, " = ") })
}

func splitTarget(target string) (string, map[string]string) {
	path, query, _ := strings.Cut(target, "?")
	param := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		if k, v, ok := strings.Cut(pair, "="); ok {
			param[k] = v
		}
	}
	return path, param
}

// Fail makes the next n calls answer with the sample of a register that is down.
func (f *Fake) Fail(n int) { f.mu.Lock(); f.failing = n; f.mu.Unlock() }

// Delay makes every answer wait.
func (f *Fake) Delay(d time.Duration) { f.mu.Lock(); f.delay = d; f.mu.Unlock() }

// Calls is how often it was asked.
func (f *Fake) Calls() int { f.mu.Lock(); defer f.mu.Unlock(); return f.calls }

func (f *Fake) named(fault string) *fakeCase {
	for _, c := range f.cases {
		if c.fault == fault {
			return c
		}
	}
	return nil
}

// choose finds the sample that answers, and waits as it should.
func (f *Fake) choose(lines []string, path string, param map[string]string) (*fakeCase, time.Duration) {
	f.mu.Lock()
	f.calls++
	failing := f.failing > 0
	if failing {
		f.failing--
	}
	delay := f.delay
	f.mu.Unlock()
	if failing {
		if c := f.named(outcomeUnavailable.String()); c != nil {
			return c, delay
		}
		return nil, delay
	}
	for _, c := range f.cases {
		if c.query && c.matches(lines, path, param) {
			return c, delay
		}
	}
	return f.named(outcomeNotFound.String()), delay
}

// matches reports whether all that the sample's query says is said.
func (c *fakeCase) matches(lines []string, path string, param map[string]string) bool {
	if c.path != "" && c.path != path {
		return false
	}
	for k, v := range c.param {
		if param[k] != v {
			return false
		}
	}
	left := slices.Clone(lines)
	for _, want := range c.lines {
		at := slices.Index(left, want)
		if at < 0 {
			return false
		}
		left = slices.Delete(left, at, at+1)
	}
	return true
}

// messageOf is the id of the caller's message, where its query holds it.
func (c *fakeCase) messageOf(lines []string) string {
	for path, value := range c.vary {
		if value != c.message || value == "" {
			continue
		}
		for _, line := range lines {
			if p, v, _ := strings.Cut(line, " = "); p == path {
				return v
			}
		}
	}
	return ""
}

const maxFakeQuery = 1 << 20

// ServeHTTP answers one query. The path is relative to the endpoint's URL: mount it
// with http.StripPrefix where that has a path of its own.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFakeQuery))
	if err != nil {
		http.Error(w, "the query cannot be read", http.StatusBadRequest)
		return
	}
	var lines []string
	if len(body) > 0 {
		if lines, err = bodyLines(f.def, body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	path := r.URL.EscapedPath()
	if t, ok := f.def.transport.(*rest); ok && t.xroad != nil {
		path = f.xroadPath(w, r, path)
	}
	_, param := splitTarget("?" + r.URL.RawQuery)
	c, delay := f.choose(lines, path, param)
	if delay > 0 {
		wait := time.NewTimer(delay)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-r.Context().Done():
			return
		}
	}
	if c == nil {
		http.Error(w, errFakeDown.Error(), http.StatusServiceUnavailable)
		return
	}
	out := c.reply.body
	if id := c.messageOf(lines); id != "" {
		out = bytes.ReplaceAll(out, []byte(c.message), []byte(id))
	}
	if t, ok := f.def.transport.(*soap); ok && t.xroad != nil {
		if out, err = t.repeatHeaders(body, out); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.Header().Set("Content-Type", c.reply.media)
	w.WriteHeader(c.reply.status)
	_, _ = w.Write(out) // the caller may be gone
}

// xroadPath is what a security server does between us and a REST service.
func (f *Fake) xroadPath(w http.ResponseWriter, r *http.Request, path string) string {
	parts := strings.SplitN(strings.TrimPrefix(path, "/r1/"), "/", 6)
	if len(parts) < 5 {
		return path
	}
	w.Header().Set("X-Road-Id", r.Header.Get("X-Road-Id"))
	w.Header().Set("X-Road-Client", r.Header.Get("X-Road-Client"))
	w.Header().Set("X-Road-Service", strings.Join(parts[:5], "/"))
	if len(parts) == 6 {
		return "/" + parts[5]
	}
	return ""
}

// repeatHeaders puts the X-Road headers of a query into a reply (Message Protocol
// 4.0, 2.2).
func (t *soap) repeatHeaders(query, reply []byte) ([]byte, error) {
	asked, err := xmldoc.ParseBytes(query, xmldoc.Limits{})
	if err != nil {
		return nil, fmt.Errorf("reading the query: %w", err)
	}
	header, _, err := t.version.open(asked)
	if err != nil {
		return nil, err
	}
	doc, err := xmldoc.ParseBytes(reply, xmldoc.Limits{})
	if err != nil {
		return nil, fmt.Errorf("reading the sample: %w", err)
	}
	own, _, err := t.version.open(doc)
	if err != nil {
		return nil, err
	}
	b := xmldoc.NewBuilder(t.version.of("Envelope"), xmldoc.NS{Prefix: "soap", URI: t.version.space})
	head := b.Root().Add(t.version.of("Header"))
	if !header.IsZero() {
		for block := range header.Children() {
			if block.Name().Space == xroadSpace {
				head.Copy(block)
			}
		}
	}
	if !own.IsZero() {
		for block := range own.Children() {
			if block.Name().Space != xroadSpace {
				head.Copy(block)
			}
		}
	}
	body, err := doc.Root().Only(t.version.of("Body"))
	if err != nil {
		return nil, err
	}
	b.Root().Copy(body)
	return b.Document()
}

// Answers are the rows that a database may answer with, as XML; of their columns a
// prepared statement has the union.
func (f *Fake) Answers() ([]xmldoc.Element, error) {
	var out []xmldoc.Element
	for _, c := range f.cases {
		doc, err := xmldoc.ParseBytes(c.reply.body, xmldoc.Limits{})
		if err != nil {
			return nil, fmt.Errorf("sample %s: %w", c.name, err)
		}
		out = append(out, doc.Root())
	}
	return out, nil
}

// errFakeDown is said where no sample answers.
var errFakeDown = errors.New("the register is down, or no sample is for this query")

// Rows answers a prepared statement with the rows of a sample, as XML. An argument
// that is nil is NULL.
func (f *Fake) Rows(args []*string) (xmldoc.Element, error) {
	lines := make([]string, len(args))
	for i, a := range args {
		lines[i] = fmt.Sprintf("arg %d = %v", i+1, nil)
		if a != nil {
			lines[i] = fmt.Sprintf("arg %d = %s", i+1, *a)
		}
	}
	c, delay := f.choose(lines, "", nil)
	time.Sleep(delay)
	if c == nil || c.fault == outcomeUnavailable.String() {
		return xmldoc.Element{}, errFakeDown
	}
	doc, err := xmldoc.ParseBytes(c.reply.body, xmldoc.Limits{})
	if err != nil {
		return xmldoc.Element{}, fmt.Errorf("sample %s: %w", c.name, err)
	}
	return doc.Root(), nil
}

// wireReply is the reply of a sample with the content type it has on the wire.
func (c *sampleCase) wireReply() (*raw, error) {
	out := &raw{status: http.StatusOK, media: "application/xml"}
	kind := "reply.xml"
	if t, ok := c.d.transport.(*soap); ok {
		out.media = t.version.media
	}
	switch {
	case c.has["reply.json"]:
		kind, out.media = "reply.json", "application/json"
	case c.has["reply.mime"]:
		kind = "reply.mime"
	}
	text, err := c.file(kind)
	if err != nil {
		return nil, err
	}
	out.body = text
	if kind == "reply.mime" {
		text := bufio.NewReader(bytes.NewReader(out.body))
		header, err := textproto.NewReader(text).ReadMIMEHeader()
		if err != nil {
			return nil, fmt.Errorf("reply.mime: the header cannot be read: %w", err)
		}
		out.media = header.Get("Content-Type")
		if out.body, err = io.ReadAll(text); err != nil {
			return nil, err
		}
	}
	if c.has["reply.status"] {
		status, err := c.file("reply.status")
		if err != nil {
			return nil, err
		}
		if out.status, err = strconv.Atoi(strings.TrimSpace(string(status))); err != nil {
			return nil, errors.New("reply.status: want an HTTP status")
		}
	}
	if kind == "reply.json" && !json.Valid(out.body) {
		return nil, errors.New("reply.json is not JSON")
	}
	return out, nil
}

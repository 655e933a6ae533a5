package register

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
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
// repeats the caller's. It is an http.Handler for registers over HTTP, and Database
// is a register in SQL.
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
	fault string // what it stands for; empty: found
	reply *raw

	// Of its query, where it has one:
	said   map[string][]string // what it says
	person map[string]bool     // paths that say who is meant
	ids    map[string]string   // paths that hold the id of the message
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
		if c.person != nil && c.fault == "" {
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
	return c, c.learn(f.def, in)
}

// learn finds out by what the person is recognised: it makes the query again without
// one thing after another that is known of the person, and sees what changes.
func (c *fakeCase) learn(d *Definition, in any) error {
	was, err := said(d, in)
	if err != nil {
		return err
	}
	fields, ok := in.(map[string]any)
	if !ok {
		return errors.New("query.json is no object")
	}
	c.person, c.ids = map[string]bool{}, map[string]string{}
	for _, other := range otherPeople(fields) {
		is, err := said(d, other)
		if err != nil {
			continue // the register wants it in another form
		}
		for path, values := range was {
			if !slices.Equal(values, is[path]) {
				c.person[path] = true
			}
		}
	}
	if len(c.person) == 0 {
		return errors.New("nothing in the query says who is meant")
	}
	c.said = was
	if id, ok := fields["message"].(string); ok {
		for path, values := range was {
			if len(values) == 1 && values[0] == id {
				c.ids[path] = id
			}
		}
	}
	return nil
}

// otherPeople are queries for somebody else, each differing in one thing.
func otherPeople(fields map[string]any) []any {
	var out []any
	subject, _ := fields["subject"].(map[string]any)
	for kind, v := range subject {
		known, _ := v.(map[string]any)
		for key := range known {
			without := maps.Clone(known)
			delete(without, key)
			for _, other := range []any{nil, "Somebody Else", "1901-02-03", "XX/XX/1"} {
				person := without
				if other != nil {
					person = maps.Clone(without)
					person[key] = other
				}
				q := maps.Clone(fields)
				q["subject"] = map[string]any{kind: person}
				out = append(out, any(q))
			}
		}
	}
	return out
}

// said is what a query says: the values at each path.
func said(d *Definition, in any) (map[string][]string, error) {
	r, err := d.rawRequest(in)
	if err != nil {
		return nil, err
	}
	out, err := bodySays(d, r.body)
	if err != nil {
		return nil, err
	}
	for i, a := range r.args {
		if a != nil {
			out[fmt.Sprintf("arg %d", i+1)] = []string{fmt.Sprint(a)}
		}
	}
	targetSays(out, r.target)
	return out, nil
}

func targetSays(out map[string][]string, target string) {
	path, query, _ := strings.Cut(target, "?")
	for i, step := range strings.Split(path, "/") {
		out[fmt.Sprintf("path %d", i)] = []string{step}
	}
	for pair := range strings.SplitSeq(query, "&") {
		if k, v, ok := strings.Cut(pair, "="); ok {
			out["param "+k] = append(out["param "+k], v)
		}
	}
}

func bodySays(d *Definition, body []byte) (map[string][]string, error) {
	if len(body) == 0 {
		return map[string][]string{}, nil
	}
	if t, ok := d.transport.(valueTransport); ok && t.sendsValue() {
		text, err := jsonxml.Document("json", body)
		if err != nil {
			return nil, fmt.Errorf("reading the query: %w", err)
		}
		body = text
	}
	doc, err := xmldoc.ParseBytes(body, xmldoc.Limits{})
	if err != nil {
		return nil, fmt.Errorf("reading the query: %w", err)
	}
	root := doc.Root()
	if t, ok := d.transport.(*soap); ok { // the header is between machines
		if _, root, err = t.version.open(doc); err != nil {
			return nil, fmt.Errorf("reading the query: %w", err)
		}
	}
	return byPath(outlineOf(root)), nil
}

// Prefer lets one sample answer wherever several are for the same query. It is to be
// called before the first answer.
func (f *Fake) Prefer(sample string) {
	slices.SortStableFunc(f.cases, func(a, b *fakeCase) int {
		switch {
		case a.name == sample && b.name != sample:
			return -1
		case b.name == sample && a.name != sample:
			return 1
		}
		return 0
	})
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

// choose finds the sample that answers, and waits as it was told. Nil: the register is
// down, or no sample fits. The error is that of ctx.
func (f *Fake) choose(ctx context.Context, says map[string][]string) (*fakeCase, error) {
	f.mu.Lock()
	f.calls++
	failing := f.failing > 0
	if failing {
		f.failing--
	}
	wait := time.NewTimer(f.delay)
	f.mu.Unlock()
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if failing {
		return f.named(outcomeUnavailable.String()), nil
	}
	for _, c := range f.cases {
		if c.person != nil && c.means(says) {
			return c, nil
		}
	}
	return f.named(outcomeNotFound.String()), nil
}

// means reports whether a query is about the sample's person: whatever of the person
// both queries say is the same, and there is something that both say.
func (c *fakeCase) means(says map[string][]string) bool {
	same := 0
	for path := range c.person {
		asked, ok := says[path]
		switch {
		case !ok || c.said[path] == nil:
		case !slices.Equal(asked, c.said[path]):
			return false
		default:
			same++
		}
	}
	return same > 0
}

// messageOf is the id of the caller's message and that of the sample, where the query
// holds them.
func (c *fakeCase) messageOf(says map[string][]string) (mine, theirs string) {
	for path, id := range c.ids {
		if values := says[path]; len(values) == 1 {
			return id, values[0]
		}
	}
	return "", ""
}

// OfXRoad says whether the register is a service of X-Road, where a deployment must
// say who it is.
func (d *Definition) OfXRoad() bool {
	switch t := d.transport.(type) {
	case *soap:
		return t.xroad != nil
	case *rest:
		return t.xroad != nil
	}
	return false
}

// errFakeDown is said where no sample answers.
var errFakeDown = errors.New("the register is down, or no sample is for this query")

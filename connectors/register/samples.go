package register

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
)

// The samples of a register stand in its folder under testdata. One case is a
// set of files with one first name:
//
//	found.query.json    the query as its rules see it
//	found.query.xml     what must go on the wire for it (as tree: white space
//	                    between elements and prefixes do not count)
//	found.query.target  method and address, where the address depends on the query
//	found.query.args    the values of the parameters of a statement, a JSON list
//	found.sent.json     the same where the query goes out as JSON
//	found.reply.xml     what the register answers, as on the wire
//	found.reply.json    the same where it answers in JSON
//	found.reply.mime    the same with its Content-Type header and an empty line before
//	                    it, for an answer of several parts (MTOM)
//	found.reply.status  its HTTP status; 200 when there is no such file
//	found.record.json   the record the rules must make
//	found.evidence.xml  the evidence the rules must make of the record
//	found.page.txt      what people read on the pages of a canonical record, in the
//	                    first language of its pages
//	notfound.fault      instead of record and evidence: not-found, ambiguous,
//	                    unavailable or invalid. Without a reply: of a query for which
//	                    nothing is sent
const samplesFolder = "testdata"

// A Sample is the outcome of one check of one case. Err is nil when it holds.
type Sample struct {
	Register string
	Case     string
	Check    string // query, reply, evidence
	Err      error
}

// Samples runs all cases of a definition's folder. A register without a found
// case is a fault: nothing would prove its rules.
func (d *Definition) Samples() []Sample {
	cases, err := d.sampleCases()
	if err != nil {
		return []Sample{{d.Name, "", "folder", err}}
	}
	var out []Sample
	found := false
	for _, c := range cases {
		found = found || c.has["record.json"]
		out = append(out, c.run()...)
	}
	if !found {
		out = append(out, Sample{d.Name, "", "folder", errors.New("testdata holds no case with a reply and a record.json")})
	}
	return out
}

// Proved runs the samples of a folder that has any, and returns the first that does
// not hold.
func (d *Definition) Proved() error {
	if _, err := fs.Stat(d.folder, samplesFolder); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, s := range d.Samples() {
		if s.Err != nil {
			return fmt.Errorf("sample %s %s: %w", s.Case, s.Check, s.Err)
		}
	}
	return nil
}

type sampleCase struct {
	d    *Definition
	name string
	has  map[string]bool
}

func (c *sampleCase) file(kind string) ([]byte, error) {
	text, err := fs.ReadFile(c.d.folder, samplesFolder+"/"+c.name+"."+kind)
	if err != nil {
		return nil, fmt.Errorf("reading %s.%s: %w", c.name, kind, err)
	}
	return text, nil
}

func (c *sampleCase) run() []Sample {
	known := []string{"query.json", "query.xml", "query.target", "query.args", "sent.json", "reply.xml", "reply.json", "reply.mime", "reply.status", "record.json", "evidence.xml", "page.txt", "fault"}
	var out []Sample
	add := func(check string, err error) { out = append(out, Sample{c.d.Name, c.name, check, err}) }
	for kind := range c.has {
		if !slices.Contains(known, kind) {
			add("folder", fmt.Errorf("%s.%s: want one of %s", c.name, kind, strings.Join(known, ", ")))
		}
	}
	if c.has["query.json"] && c.asks() {
		add("query", c.query())
	}
	if !c.has["reply.xml"] && !c.has["reply.json"] && !c.has["reply.mime"] {
		if c.has["query.json"] && c.has["fault"] {
			add("outcome", c.notAsked())
		}
		return out
	}
	reply, err := c.reply()
	if err != nil {
		add("reply", err)
		return out
	}
	var in any
	if c.has["query.json"] {
		text, err := c.file("query.json")
		if err == nil {
			in, err = mapping.DecodeJSON(text)
		}
		if err != nil {
			add("query", err)
			return out
		}
	}
	res := c.d.read(reply, in)
	switch {
	case c.has["fault"]:
		add("reply", c.fault(res))
	case res.outcome != outcomeFound:
		add("reply", outcomeError(res))
	default:
		if c.has["record.json"] {
			add("reply", c.record(res))
		}
		if c.has["evidence.xml"] {
			add("evidence", c.evidence(res))
		}
		if c.d.kind != nil {
			out = append(out, c.pages(res)...)
		}
	}
	return out
}

// outcomeError keeps the faults of the rules, so that they can be rendered.
func outcomeError(res result) error {
	var list mapping.Errors
	var one *mapping.Error
	switch {
	case errors.As(res.err, &list):
		return list
	case errors.As(res.err, &one):
		return one
	}
	return fmt.Errorf("the outcome is %s, want found: %s", res.outcome, res.detail)
}

// asks says whether something must go out for the query: a case that has a reply, or
// shows what is sent.
func (c *sampleCase) asks() bool {
	if !c.has["fault"] {
		return true
	}
	for kind := range c.has {
		if kind != "query.json" && kind != "fault" {
			return true
		}
	}
	return false
}

// notAsked checks the outcome of a query for which nothing is sent.
func (c *sampleCase) notAsked() error {
	text, err := c.file("query.json")
	if err != nil {
		return err
	}
	in, err := mapping.DecodeJSON(text)
	if err != nil {
		return fmt.Errorf("reading query.json: %w", err)
	}
	res, ok := c.d.answerUnasked(in)
	if !ok {
		return errors.New("the query is sent: no condition of query.outcomes holds, and there is no reply")
	}
	return c.fault(res)
}

func (c *sampleCase) query() error {
	text, err := c.file("query.json")
	if err != nil {
		return err
	}
	in, err := mapping.DecodeJSON(text)
	if err != nil {
		return fmt.Errorf("reading query.json: %w", err)
	}
	if res, ok := c.d.answerUnasked(in); ok {
		return fmt.Errorf("nothing is sent: %s", res.detail)
	}
	req, res := c.d.makeRequest(in, nil)
	if req == nil {
		return outcomeError(res)
	}
	if c.has["query.target"] {
		want, err := c.file("query.target")
		if err != nil {
			return err
		}
		if have := req.method + " " + req.target; have != strings.TrimSpace(string(want)) {
			return fmt.Errorf("the address differs from query.target\n%s", mapping.FirstDifference([]byte(have), want))
		}
	}
	if c.has["sent.json"] {
		want, err := c.file("sent.json")
		if err != nil {
			return err
		}
		if have, want := indentJSON(req.body), indentJSON(want); have != want || have == "" {
			return fmt.Errorf("the document differs from sent.json\n%s", mapping.FirstDifference([]byte(have), []byte(want)))
		}
	}
	if c.has["query.args"] {
		if err := c.args(req); err != nil {
			return err
		}
	}
	if c.has["query.xml"] {
		want, err := c.file("query.xml")
		if err != nil {
			return err
		}
		return sameXML("query.xml", req.body, want)
	}
	return nil
}

func (c *sampleCase) reply() (*raw, error) {
	kind := "reply.xml"
	for _, k := range []string{"reply.json", "reply.mime"} {
		if c.has[k] {
			kind = k
		}
	}
	text, err := c.file(kind)
	if err != nil {
		return nil, err
	}
	reply := &raw{status: http.StatusOK, body: text}
	if kind == "reply.mime" {
		if err := c.d.entity(reply); err != nil {
			return nil, fmt.Errorf("reading %s.%s: %w", c.name, kind, err)
		}
	}
	if c.has["reply.status"] {
		status, err := c.file("reply.status")
		if err != nil {
			return nil, err
		}
		if reply.status, err = strconv.Atoi(strings.TrimSpace(string(status))); err != nil {
			return nil, errors.New("reply.status: want an HTTP status")
		}
	}
	return reply, nil
}

func (c *sampleCase) fault(res result) error {
	text, err := c.file("fault")
	if err != nil {
		return err
	}
	if want := strings.TrimSpace(string(text)); res.outcome.String() != want {
		return fmt.Errorf("the outcome is %s (%s), want %s", res.outcome, res.detail, want)
	}
	return nil
}

func (c *sampleCase) record(res result) error {
	text, err := c.file("record.json")
	if err != nil {
		return err
	}
	have, want := indentJSON(res.record), indentJSON(text)
	if have == want && have != "" {
		return nil
	}
	return fmt.Errorf("the record differs from record.json\n%s", mapping.FirstDifference([]byte(have), []byte(want)))
}

func (c *sampleCase) evidence(res result) error {
	want, err := c.file("evidence.xml")
	if err != nil {
		return err
	}
	return sameXML("evidence.xml", res.evidence, want)
}

// sameXML compares two documents as trees.
func sameXML(what string, have, want []byte) error {
	h, err := outline(have)
	if err != nil {
		return fmt.Errorf("reading what was made for %s: %w", what, err)
	}
	w, err := outline(want)
	if err != nil {
		return fmt.Errorf("reading %s: %w", what, err)
	}
	if h == w {
		return nil
	}
	return fmt.Errorf("the document differs from %s\n%s", what, mapping.FirstDifference([]byte(h), []byte(w)))
}

// outline writes a document one node a line: expanded names, attributes in
// order of name, texts without white space at their ends.
func outline(text []byte) (string, error) {
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		return "", err
	}
	return outlineOf(doc.Root()), nil
}

func outlineOf(root xmldoc.Element) string {
	var b strings.Builder
	var walk func(e xmldoc.Element, path string)
	walk = func(e xmldoc.Element, path string) {
		path += "/" + e.Name().String()
		b.WriteString(path + "\n")
		var attrs []string
		for a := range e.Attrs() {
			attrs = append(attrs, path+"/@"+a.Name.String()+" = "+a.Value)
		}
		slices.Sort(attrs)
		for _, a := range attrs {
			b.WriteString(a + "\n")
		}
		for k := e.Node().FirstChild(); !k.IsZero(); k = k.NextSibling() {
			switch k.Kind() {
			case xmldoc.KindText:
				if t := strings.TrimSpace(k.Value()); t != "" {
					b.WriteString(path + " = " + t + "\n")
				}
			case xmldoc.KindElement:
				child, _ := k.Element()
				walk(child, path)
			}
		}
	}
	walk(root, "")
	return b.String()
}

// Check runs the samples of the named registers, or of all when none is named,
// and writes one line for each with what is wrong below it. It says how many
// failed. The error is for registers that cannot be read: their faults are
// written, each with its place and a caret, and the error only counts them.
func Check(w io.Writer, fsys fs.FS, names ...string) (failed int, err error) {
	defs, err := Load(fsys)
	if err != nil {
		writeError(w, err)
		var list mapping.Errors
		if errors.As(err, &list) {
			err = fmt.Errorf("%d faults in definitions of registers", len(list))
		}
		return 0, err
	}
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(defs))
	}
	for _, name := range names {
		d, ok := defs[name]
		if !ok {
			return failed, fmt.Errorf("there is no register %q; known: %s", name, strings.Join(slices.Sorted(maps.Keys(defs)), ", "))
		}
		for _, s := range d.Samples() {
			word := "ok  "
			if s.Err != nil {
				word = "FAIL"
				failed++
			}
			if _, err := fmt.Fprintf(w, "%s %s %s %s\n", word, s.Register, s.Case, s.Check); err != nil {
				return failed, fmt.Errorf("writing the report: %w", err)
			}
			if s.Err != nil {
				writeError(w, s.Err)
			}
		}
	}
	return failed, nil
}

func writeError(w io.Writer, err error) {
	var list mapping.Errors
	var one *mapping.Error
	switch {
	case errors.As(err, &list):
		fmt.Fprint(w, list.Render())
	case errors.As(err, &one):
		fmt.Fprint(w, one.Render())
	default:
		fmt.Fprintln(w, err)
	}
}

// indentJSON makes two equal JSON texts equal texts; empty when it is no JSON.
func indentJSON(text []byte) string {
	v, err := mapping.DecodeJSON(text)
	if err != nil {
		return ""
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return ""
	}
	return string(out)
}

// Try reads one reply as it came over the wire and returns the canonical record
// and the evidence document made of it. The error names the outcome, or holds
// the faults of the rules, when there is no record.
func (d *Definition) Try(status int, reply []byte) (record, evidence []byte, err error) {
	res := d.read(&raw{status: status, body: reply}, nil)
	if res.outcome != outcomeFound {
		return nil, nil, outcomeError(res)
	}
	return res.record, res.evidence, nil
}

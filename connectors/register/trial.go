package register

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"
	"unicode/utf8"

	"oncegate/connectors/evidence"
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
	"oncegate/schemas/records"
)

// Open reads one register out of its folder, which has the register's name. place is
// how faults name the folder.
func Open(folder fs.FS, name, place string) (*Definition, error) {
	text, err := fs.ReadFile(folder, DefinitionFile)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path.Join(place, DefinitionFile), err)
	}
	d, err := parseDefinition(path.Join(place, DefinitionFile), name, text)
	if err != nil {
		return nil, err
	}
	d.folder = folder
	if faults := d.compileSchemas(); len(faults) > 0 {
		return nil, faults.Err()
	}
	return d, nil
}

// Parse reads a register.yaml that stands in no folder, and so has neither samples nor
// schemas.
func Parse(file string, text []byte) (*Definition, error) {
	d, err := parseDefinition(file, "", text)
	if err != nil {
		return nil, err
	}
	d.folder = nothing{}
	if faults := d.compileSchemas(); len(faults) > 0 {
		return nil, faults.Err()
	}
	return d, nil
}

// nothing is a folder without files.
type nothing struct{}

func (nothing) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// A Reply is one reply as it came over the wire.
type Reply struct {
	Status int // of HTTP. Default 200
	Body   []byte
	MIME   bool // Body is a MIME entity with its header, for replies of several parts
	UTF8   bool // Body was shown as a text and came back: the encoding that it names, and that of the definition, do not count
}

func (d *Definition) rawReply(r Reply) (*raw, error) {
	out := &raw{status: r.Status, body: r.Body}
	if out.status == 0 {
		out.status = http.StatusOK
	}
	if r.MIME {
		if err := d.entity(out); err != nil {
			return nil, fmt.Errorf("reading the reply: %w", err)
		}
	}
	return out, nil
}

// A Trial is what a definition makes of one reply, with how it came about. It holds
// what the reply says of people, so it is for the eyes of who gave the reply.
type Trial struct {
	Outcome  string // word of register.yaml: found, not-found
	Detail   string // names places and rules, no value
	Err      error  // faults of rules, at their place
	Record   []byte // found: canonical JSON
	Evidence []byte // found: the evidence document
	IssuedOn string
	Report   mapping.Report         // with lineage
	Coverage mapping.CoverageReport // of this one reply
	Broken   []string               // how the reply breaks its schema, where that is only reported
}

// Trial reads one reply and shows which element fed which field. With the query the
// reply is held against it, as in service; nil for none.
func (d *Definition) Trial(r Reply, query any) (Trial, error) {
	reply, err := d.rawReply(r)
	if err != nil {
		return Trial{}, err
	}
	if r.UTF8 {
		as := *d
		as.reply.encoding = xmldoc.UTF8
		d = &as
	}
	cover := mapping.NewCoverage(d.reply.record)
	res := d.readWith(reply, query, cover.Read)
	out := Trial{
		Outcome: res.outcome.String(), Detail: res.detail, Record: res.record, Evidence: res.evidence,
		IssuedOn: res.issuedOn, Report: res.report, Coverage: cover.Report(), Broken: res.broken,
	}
	if res.outcome != outcomeFound {
		out.Err = outcomeError(res)
	}
	return out, nil
}

// Text is a reply as a text for people, whatever its encoding.
func (d *Definition) Text(r Reply) (string, error) {
	if utf8.Valid(r.Body) {
		return string(r.Body), nil
	}
	reply, err := d.rawReply(r)
	if err != nil {
		return "", err
	}
	reply.encoding = d.reply.encoding
	doc, err := reply.document()
	if err != nil {
		return "", err
	}
	return doc.Source(), nil
}

// A Sending is what goes out for one query.
type Sending struct {
	Outcome        string         // of a query for which nothing is sent: not-found; empty for others
	Method, Target string         // of transports over HTTP
	Body           []byte         // XML or JSON; empty where none is sent
	Args           []any          // of a prepared statement
	Report         mapping.Report // with lineage, of the rules that made the body
}

// Sending shows what goes out for a query, as its rules see it.
func (d *Definition) Sending(query any) (Sending, error) {
	if res, ok := d.answerUnasked(query); ok {
		return Sending{Outcome: res.outcome.String()}, res.err
	}
	req, err := d.rawRequest(query)
	if err != nil {
		return Sending{}, err
	}
	out := Sending{Method: req.method, Target: req.target, Body: req.body, Args: req.args}
	if d.query == nil {
		return out, nil
	}
	if d.query.Direction() == mapping.ValueToValue {
		_, out.Report, err = d.query.TraceConvert(query)
	} else {
		_, out.Report, err = d.query.TraceBuild(query)
	}
	return out, err
}

// ErrNoPages says that a register makes a record of its own, of which there are no
// canonical pages.
var ErrNoPages = errors.New("the register names no canonical record, so there are no pages of it")

// Page makes the pages of a record in one language, and says what people read there.
func (d *Definition) Page(record []byte, issued, language string, made time.Time) (pdf []byte, text string, err error) {
	if d.kind == nil {
		return nil, "", ErrNoPages
	}
	if issued == "" {
		issued = made.UTC().Format(time.DateOnly)
	}
	if pdf, err = d.kind.Page(record, d.facts("", issued, made), language); err != nil {
		return nil, "", err
	}
	text, err = d.kind.Text(record, language)
	return pdf, text, err
}

// PageLanguages are those in which pages of the register's records can be made; none
// for a record of its own.
func (d *Definition) PageLanguages() []string {
	if d.kind == nil {
		return nil
	}
	return evidence.Languages()
}

// Record is the type of the canonical record; empty for a record of its own.
func (d *Definition) Record() string {
	if d.kind == nil {
		return ""
	}
	return d.kind.Name
}

// Lint says what is doubtful in the definition's rules. Fields of a canonical record
// must be those of its schema.
func (d *Definition) Lint() []mapping.Finding {
	return d.reply.record.Scope().Lint(func(p *mapping.Program, path string) bool {
		return d.kind == nil || p != d.reply.record || records.Known(d.kind.Name, path)
	})
}

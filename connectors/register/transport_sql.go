package register

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"oncegate/connectors/register/care"
	"oncegate/connectors/register/pgread"
	"oncegate/mapping"
	"oncegate/mapping/yamldoc"
)

// sql is a database that is only read: one statement, whose parameters are filled
// from the query. A query gives values and never text of SQL.
type sql struct {
	statement string
	args      []sqlArg
	maxRows   int
}

// sqlArg is the value of one parameter.
type sqlArg struct {
	expr     *mapping.Lookup
	kind     string
	required bool
}

const (
	defaultMaxRows = 100
	mostRows       = 10_000
)

func readSQL(v yamldoc.Value, scope *mapping.Scope) transport {
	f := v.Fields("kind", "statement", "args", "max_rows")
	t := &sql{statement: f["statement"].RequiredText(v, "statement"), maxRows: defaultMaxRows}
	for _, item := range f["args"].Items() {
		a := item.Fields("from", "type", "required")
		if !a["from"].Exists() {
			item.Fault("missing key %q", "from")
		}
		t.args = append(t.args, sqlArg{
			expr: scope.Lookup(a["from"]), kind: a["type"].Word("text", "date", "integer", "number", "boolean"), required: a["required"].Bool(),
		})
	}
	if f["max_rows"].Exists() {
		t.maxRows = int(f["max_rows"].Int(1, mostRows))
	}
	if t.statement == "" {
		return t
	}
	n, err := pgread.Check(t.statement)
	switch {
	case err != nil:
		faultInText(f["statement"], err.Offset, err.Reason)
	case n != len(t.args):
		f["statement"].Fault("the statement has %d parameters, args has %d", n, len(t.args))
	}
	return t
}

// faultInText records a fault within a text of one or of several lines.
func faultInText(v yamldoc.Value, offset int, reason string) {
	before, after := v.Text()[:offset], v.Text()[offset:]
	start := strings.LastIndexByte(before, '\n') + 1
	rest, _, _ := strings.Cut(after, "\n")
	line, _ := v.Place()
	line += 1 + strings.Count(before, "\n") // of a block: its first line follows the key
	at := strings.Index(v.Doc().ErrorAt(line, 1, "").Text, before[start:]+rest)
	if !strings.Contains(strings.TrimSuffix(v.Text(), "\n"), "\n") && start == 0 && at < 0 || at < 0 {
		v.FaultAt(offset, "%s", reason)
		return
	}
	v.Doc().Fault(line, at+1+len([]rune(before[start:])), "%s", reason)
}

func (t *sql) needsDocument() bool { return false }

func (t *sql) request(in any, _ *mapping.Element) (*request, error) {
	r := &request{args: make([]any, len(t.args))}
	for i, a := range t.args {
		text, err := a.expr.Text(in)
		if err != nil {
			return nil, err
		}
		switch {
		case text == "" && a.required:
			return nil, fmt.Errorf("parameter $%d has no value in this query", i+1)
		case text == "":
			continue // NULL
		case !sqlValue(a.kind, text):
			return nil, fmt.Errorf("the value of parameter $%d is no %s", i+1, a.kind)
		}
		r.args[i] = text
	}
	return r, nil
}

// sqlValue says whether a text is a value of a type, in the form that PostgreSQL
// reads whatever its settings are.
func sqlValue(kind, text string) bool {
	switch kind {
	case "date":
		_, err := time.Parse(time.DateOnly, text)
		return err == nil
	case "integer":
		_, err := strconv.ParseInt(text, 10, 64)
		return err == nil
	case "number":
		digits := strings.TrimPrefix(text, "-")
		whole, fraction, point := strings.Cut(digits, ".")
		return len(digits) <= 100 && allDigits(whole) && (!point || allDigits(fraction))
	case "boolean":
		return text == "true" || text == "false"
	}
	return !strings.ContainsRune(text, 0)
}

func allDigits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

func (t *sql) read(r *raw) answer {
	doc, err := r.document()
	if err != nil {
		return unreadable(err)
	}
	return answer{root: doc.Root()}
}

func (t *sql) dial(e Endpoint, _ Config) (wire, error) {
	u, err := url.Parse(e.URL)
	database := ""
	if err == nil {
		database = strings.TrimPrefix(u.Path, "/")
	}
	switch {
	case err != nil || u.Scheme != "postgres" || u.Hostname() == "" || database == "" || strings.Contains(database, "/"):
		return nil, errors.New("url must be postgres://HOST:PORT/DATABASE")
	case e.Auth.User == "":
		return nil, errors.New("user and password_file are required: a user of the database that may only read")
	}
	port := uint64(5432)
	if u.Port() != "" {
		if port, err = strconv.ParseUint(u.Port(), 10, 16); err != nil || port == 0 {
			return nil, errors.New("url: the port cannot be read")
		}
	}
	conf := pgread.Config{
		Host: u.Hostname(), Port: uint16(port), Database: database, User: e.Auth.User, Password: string(e.Auth.Password),
		Statement: t.statement, MaxRows: t.maxRows, MaxBytes: e.MaxReply, Conns: e.MaxInFlight,
	}
	if !loopback(u.Hostname()) || e.RootCAs != nil || e.ClientCert != nil {
		conf.TLS = &tls.Config{RootCAs: e.RootCAs, MinVersion: tls.VersionTLS12}
		if e.ClientCert != nil {
			conf.TLS.Certificates = []tls.Certificate{*e.ClientCert}
		}
	}
	r, err := pgread.New(conf)
	if err != nil {
		return nil, err
	}
	return &sqlWire{r}, nil
}

// sqlWire is the way to one database.
type sqlWire struct{ reader *pgread.Reader }

func (w *sqlWire) Close() { w.reader.Close() }

func (w *sqlWire) exchange(ctx context.Context, r *request) (*raw, error) {
	args := make([]*string, len(r.args))
	for i, a := range r.args {
		if text, ok := a.(string); ok {
			args[i] = &text
		}
	}
	rows, err := w.reader.Rows(ctx, args)
	if err != nil {
		var f *pgread.Failure
		if !errors.As(err, &f) {
			return nil, &callError{outcome: outcomeUnavailable, detail: "the database does not answer", err: err}
		}
		e := &callError{outcome: outcomeInvalid, detail: f.Detail, err: f.Err}
		if f.Down {
			e.outcome = outcomeUnavailable
		}
		if f.Untouched {
			e.fate = care.Untouched
		}
		return nil, e
	}
	return &raw{media: "application/xml", body: rows}, nil
}

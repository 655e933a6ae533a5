package register

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xsd"
	"oncegate/mapping"
	"oncegate/mapping/yamldoc"
)

// schemaRule is the XML Schema that a document of the register keeps.
type schemaRule struct {
	at       yamldoc.Value
	file     string
	catalog  map[string]string
	report   bool // broken: say so and go on
	compiled *xsd.Schema
}

// readSchema reads the keys schema and catalog of reply or query:
//
//	schema: answer.xsd
//	schema: {file: answer.xsd, on_error: report}
//	catalog: {"http://example.org/types": types.xsd}
func readSchema(schema, catalog yamldoc.Value) *schemaRule {
	if !schema.Exists() {
		if catalog.Exists() {
			catalog.Fault("a catalog stands beside a schema")
		}
		return nil
	}
	r := &schemaRule{at: schema, catalog: map[string]string{}}
	if schema.IsMap() {
		f := schema.Fields("file", "on_error")
		r.file = f["file"].RequiredText(schema, "file")
		r.report = f["on_error"].Word("refuse", "report") == "report"
		r.at = f["file"]
	} else {
		r.file = schema.Text()
	}
	if r.file != "" && !fs.ValidPath(r.file) {
		r.at.Fault("want the path of a file in the folder of the register")
	}
	for _, e := range catalog.Entries() {
		file := e.Value.Text()
		if !fs.ValidPath(file) {
			e.Value.Fault("want the path of a file in the folder of the register")
		}
		r.catalog[e.Key] = file
	}
	return r
}

// compile reads the schema out of the register's folder. Faults name the file of the
// schema, below the folder.
func (r *schemaRule) compile(folder fs.FS, name string) mapping.Errors {
	if r == nil {
		return nil
	}
	if _, err := fs.Stat(folder, r.file); err != nil {
		return mapping.Errors{r.at.ErrorAt(0, "there is no file "+r.file+" in the folder of the register")}
	}
	var err error
	if r.compiled, err = xsd.Compile(xsd.Config{FS: folder, Root: r.file, Catalog: r.catalog}); err == nil {
		return nil
	}
	var list xsd.Errors
	if !errors.As(err, &list) {
		return mapping.Errors{r.at.ErrorAt(0, err.Error())}
	}
	var out mapping.Errors
	for _, e := range list {
		out = append(out, &mapping.Error{File: path.Join(name, e.File), Line: e.Line, Col: e.Col, Msg: e.Msg, Text: sourceLine(folder, e.File, e.Line)})
	}
	return out
}

// sourceLine finds a line of a schema, for the caret below it.
func sourceLine(folder fs.FS, file string, line int) string {
	text, err := fs.ReadFile(folder, file)
	if err != nil || line < 1 {
		return ""
	}
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.ReplaceAll(doc.Source(), "\r\n", "\n"), "\n")
	if line > len(lines) {
		return ""
	}
	return lines[line-1]
}

// querySchema reads the keys schema and catalog of query.
func querySchema(query yamldoc.Value, direction mapping.Direction) *schemaRule {
	var schema, catalog yamldoc.Value
	for _, e := range query.Entries() {
		switch e.Key {
		case "schema":
			schema = e.Value
		case "catalog":
			catalog = e.Value
		}
	}
	r := readSchema(schema, catalog)
	switch {
	case r == nil:
	case direction != mapping.ValueToXML:
		schema.Fault("this transport sends no XML that could keep a schema")
	case r.report:
		schema.Fault("a query that breaks its schema is never sent")
	}
	return r
}

// compileSchemas makes the schemas of a definition ready.
func (d *Definition) compileSchemas() mapping.Errors {
	return append(d.reply.schema.compile(d.folder, d.Name), d.asks.compile(d.folder, d.Name)...)
}

// keepsQuery holds the document of the query rules against query.schema: better than to
// be told by the register.
func (d *Definition) keepsQuery(query *mapping.Element) error {
	if d.asks == nil {
		return nil
	}
	text, err := document(query)
	if err != nil {
		return err
	}
	doc, err := xmldoc.ParseKept(text, xmldoc.Limits{})
	if err != nil {
		return err
	}
	if broken := d.asks.broken(doc.Root()); len(broken) > 0 {
		return errors.New("the query breaks " + d.asks.file + ": " + broken[0])
	}
	return nil
}

// broken says how an answer breaks the schema, in words that may be logged; empty when
// it keeps it.
func (r *schemaRule) broken(root xmldoc.Element) []string {
	if r == nil {
		return nil
	}
	var out []string
	for _, f := range r.compiled.Validate(root) {
		out = append(out, f.String())
	}
	return out
}

// keepsSchema holds an answer against reply.schema before any rule reads it. A fault of
// the protocol and the page of an error have no place in the schema, unless it declares
// them.
func (d *Definition) keepsSchema(reply *raw, a answer) (refused string, reported []string) {
	s := d.reply.schema
	if s == nil || a.outcome != outcomeUnset {
		return "", nil
	}
	if statusError(reply.status) != nil && !s.compiled.Declares(a.root.Name()) {
		return "", nil
	}
	broken := s.broken(a.root)
	switch {
	case len(broken) == 0:
		return "", nil
	case s.report:
		return "", broken
	}
	return "the reply breaks " + s.file + ": " + broken[0], nil
}

// reportBroken tells the operator what a register does to its own schema.
func (c *Connector) reportBroken(ctx context.Context, broken []string) {
	if len(broken) > 0 {
		c.with.Log.WarnContext(ctx, "answer breaks its schema", "register", c.def.Name, "count", len(broken), "first", broken[0])
	}
}

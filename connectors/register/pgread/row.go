package pgread

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"oncegate/connectors/register/jsonxml"
	"oncegate/connectors/xmldoc"
)

// The form of rows: <rows><row><COLUMN>text</COLUMN></row></rows>. NULL is no
// element. Dates and times are ISO 8601, times with a zone are UTC; numbers keep
// every digit; booleans are true and false; bytea is base64; json, jsonb and xml
// are a tree; an array is its element repeated, an array within one holds "item".

// A column is the name of its element and how its text is made.
type column struct {
	name  string
	write func(dst []byte, name, text string) ([]byte, error)
}

func (r *Reader) column(name string, oid uint32) column {
	c := column{name: jsonxml.Name(name)}
	if t, ok := r.types.TypeForOID(oid); ok {
		if a, ok := t.Codec.(*pgtype.ArrayCodec); ok {
			item := form(a.ElementType.OID)
			c.write = func(dst []byte, name, text string) ([]byte, error) { return appendArray(dst, name, text, item) }
			return c
		}
	}
	c.write = form(oid)
	return c
}

// form is how a value of a type is written.
func form(oid uint32) func(dst []byte, name, text string) ([]byte, error) {
	switch oid {
	case pgtype.JSONOID, pgtype.JSONBOID:
		return func(dst []byte, name, text string) ([]byte, error) { return jsonxml.Append(dst, name, []byte(text)) }
	case pgtype.XMLOID:
		return appendXML
	case pgtype.ByteaOID:
		return appendBytes
	case pgtype.BoolOID:
		return func(dst []byte, name, text string) ([]byte, error) {
			return appendText(dst, name, map[string]string{"t": "true", "f": "false"}[text])
		}
	case pgtype.TimestampOID, pgtype.TimestamptzOID:
		return func(dst []byte, name, text string) ([]byte, error) { return appendText(dst, name, isoTime(text)) }
	}
	return appendText
}

// isoTime writes "2024-03-05 12:00:00+00" with T and Z. infinity and years before
// Christ stay as they are, for the rules to refuse.
func isoTime(text string) string {
	if strings.Count(text, " ") != 1 {
		return text
	}
	text = strings.Replace(text, " ", "T", 1)
	if before, ok := strings.CutSuffix(text, "+00"); ok {
		return before + "Z"
	}
	return text
}

var errText = errors.New("holds a character that XML cannot carry")

func appendText(dst []byte, name, text string) ([]byte, error) {
	if !xmldoc.ValidText(text) {
		return nil, errText
	}
	dst = append(append(append(dst, '<'), name...), '>')
	dst = xmldoc.AppendText(dst, text)
	return append(append(append(dst, '<', '/'), name...), '>'), nil
}

func appendBytes(dst []byte, name, text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, `\x`)
	b, err := hex.DecodeString(digits)
	if !ok || err != nil {
		return nil, errors.New("is no bytea in hexadecimal")
	}
	return appendText(dst, name, base64.StdEncoding.EncodeToString(b))
}

// appendXML puts a document into the element of its column.
func appendXML(dst []byte, name, text string) ([]byte, error) {
	doc, err := xmldoc.ParseBytes([]byte(text), xmldoc.Limits{})
	if err != nil {
		return nil, errors.New("is no XML document")
	}
	dst = append(append(append(dst, '<'), name...), '>')
	dst = doc.Root().AppendCanonical(dst, xmldoc.C14N{})
	return append(append(append(dst, '<', '/'), name...), '>'), nil
}

// writer writes rows within the limits.
type writer struct {
	columns  []column
	out      []byte
	rows     int
	maxRows  int
	maxBytes int64
}

func (w *writer) row(values [][]byte) error {
	if len(values) != len(w.columns) {
		return wrongf("the database answered with a row of %d columns, not %d", len(values), len(w.columns))
	}
	if w.rows++; w.rows > w.maxRows {
		return wrongf("the database answered with more than %d rows", w.maxRows)
	}
	w.out = append(w.out, "<row>"...)
	for i, v := range values {
		if v == nil {
			continue
		}
		c := &w.columns[i]
		out, err := c.write(w.out, c.name, string(v))
		if err != nil {
			return &Failure{Detail: fmt.Sprintf("column %d of row %d %v", i+1, w.rows, err)}
		}
		if w.out = out; int64(len(out)) > w.maxBytes {
			return wrongf("the rows are larger than %d bytes", w.maxBytes)
		}
	}
	w.out = append(w.out, "</row>"...)
	return nil
}

func (w *writer) end() []byte { return append(w.out, "</rows>"...) }

// Package jsonxml writes JSON as XML, so that the rules of a register read both
// alike. It owns the form and its limits. It does not know what is read: before it
// stand the transports that meet JSON (REST, SQL columns), after it xmldoc.
//
// The form: a member of an object is an element of its name, without namespace; an
// array is its element repeated, an array within an array holds elements "item";
// null is nothing; numbers keep every digit. Characters that no XML name has are
// written _xHHHH_.
package jsonxml

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"oncegate/connectors/xmldoc"
)

// Limits of one JSON document. Its size is bounded by who read it, the size of
// the XML by maxGrowth: long names around short values must not make much of little.
const (
	maxDepth  = 60 // xmldoc takes 64
	maxGrowth = 16 // times the JSON, beyond the first 64 KiB
)

// item is the element of an array that stands directly in an array or at the root.
const item = "item"

// Errors name no content: it may be a person's.
var (
	errSyntax = errors.New("the JSON is not well-formed")
	errTwice  = errors.New("the JSON has an object with the same member twice")
	errDepth  = fmt.Errorf("the JSON is nested deeper than %d", maxDepth)
	errGrowth = errors.New("the JSON is too large as XML")
	errText   = errors.New("the JSON holds a character that XML cannot carry")
)

// Document writes a JSON document as the one element of the given name. The items
// of an array at the root are elements "item".
func Document(root string, doc []byte) ([]byte, error) {
	w, err := newWriter(doc)
	if err != nil {
		return nil, err
	}
	w.open(root)
	if t := bytes.TrimLeft(doc, " \t\r\n"); len(t) > 0 && (t[0] == '[' || t[0] == '{') {
		err = w.content(t[0])
	} else {
		err = w.scalar()
	}
	if err == nil {
		err = w.end()
	}
	if err != nil {
		return nil, err
	}
	w.close(root)
	return w.out, nil
}

// Append writes a JSON document as elements of the given name: none for null, one
// for each item of an array, otherwise one.
func Append(dst []byte, name string, doc []byte) ([]byte, error) {
	w, err := newWriter(doc)
	if err != nil {
		return nil, err
	}
	w.out, w.most = dst, w.most+len(dst)
	if err := w.value(name, false); err != nil {
		return nil, err
	}
	if err := w.end(); err != nil {
		return nil, err
	}
	return w.out, nil
}

type writer struct {
	d     *json.Decoder
	out   []byte
	most  int
	depth int
}

func newWriter(doc []byte) (*writer, error) {
	if !utf8.Valid(doc) || halved(doc) { // encoding/json would put U+FFFD there and say nothing
		return nil, errText
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	return &writer{d: d, most: 64<<10 + maxGrowth*len(doc)}, nil
}

// halved reports a \u escape of one half of a character without the other.
func halved(doc []byte) bool {
	unit := func(at int) (rune, bool) {
		if len(doc) < at+6 || doc[at] != '\\' || doc[at+1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(string(doc[at+2:at+6]), 16, 16)
		return rune(n), err == nil
	}
	for i := 0; i < len(doc); i++ {
		if doc[i] != '\\' {
			continue
		}
		if high, ok := unit(i); ok && utf16.IsSurrogate(high) {
			low, _ := unit(i + 6)
			if utf16.DecodeRune(high, low) == utf8.RuneError {
				return true
			}
			i += 10
		}
		i++ // what is escaped
	}
	return false
}

func (w *writer) open(name string)  { w.out = append(append(append(w.out, '<'), name...), '>') }
func (w *writer) close(name string) { w.out = append(append(append(w.out, '<', '/'), name...), '>') }

// end wants nothing after the document.
func (w *writer) end() error {
	if _, err := w.d.Token(); err != io.EOF {
		return errSyntax
	}
	return nil
}

func (w *writer) scalar() error {
	t, err := w.d.Token()
	if err != nil {
		return errSyntax
	}
	return w.text(t)
}

func (w *writer) text(t json.Token) error {
	switch t := t.(type) {
	case nil:
	case bool:
		w.out = strconv.AppendBool(w.out, t)
	case json.Number:
		w.out = append(w.out, t...)
	case string:
		if !xmldoc.ValidText(t) {
			return errText
		}
		w.out = xmldoc.AppendText(w.out, t)
	default:
		return errSyntax
	}
	if len(w.out) > w.most {
		return errGrowth
	}
	return nil
}

// content writes what is inside an object or array whose start comes next.
func (w *writer) content(start byte) error {
	if _, err := w.d.Token(); err != nil {
		return errSyntax
	}
	if w.depth++; w.depth > maxDepth {
		return errDepth
	}
	defer func() { w.depth-- }()
	if start == '[' {
		for w.d.More() {
			if err := w.value(item, true); err != nil {
				return err
			}
		}
	} else if err := w.members(); err != nil {
		return err
	}
	if _, err := w.d.Token(); err != nil {
		return errSyntax
	}
	return nil
}

func (w *writer) members() error {
	seen := map[string]bool{}
	for w.d.More() {
		key, err := w.d.Token()
		if err != nil {
			return errSyntax
		}
		name, ok := key.(string)
		switch {
		case !ok:
			return errSyntax
		case seen[name]: // which of the two counts is anybody's guess (RFC 8259 4)
			return errTwice
		}
		seen[name] = true
		if err := w.value(Name(name), false); err != nil {
			return err
		}
	}
	return nil
}

// value writes one value as elements of a name.
func (w *writer) value(name string, inArray bool) error {
	t, err := w.d.Token()
	if err != nil {
		return errSyntax
	}
	start, nested := t.(json.Delim)
	switch {
	case t == nil:
		return nil
	case !nested:
		w.open(name)
		if err := w.text(t); err != nil {
			return err
		}
		w.close(name)
		return nil
	}
	if w.depth++; w.depth > maxDepth {
		return errDepth
	}
	defer func() { w.depth-- }()
	wrap := start == '{' || inArray
	if wrap {
		w.open(name)
	}
	switch {
	case start == '{':
		err = w.members()
	case inArray:
		for err == nil && w.d.More() {
			err = w.value(item, true)
		}
	default:
		for err == nil && w.d.More() {
			err = w.value(name, true)
		}
	}
	if err != nil {
		return err
	}
	if _, err := w.d.Token(); err != nil {
		return errSyntax
	}
	if wrap {
		w.close(name)
	}
	if len(w.out) > w.most {
		return errGrowth
	}
	return nil
}

// Name makes an XML name of any text: what a name cannot hold becomes _xHHHH_, and
// so does an underscore before an x, so that Text finds back.
func Name(text string) string {
	if xmldoc.ValidNCName(text) && !strings.Contains(text, "_x") {
		return text
	}
	if text == "" {
		return "_x0000_"
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == '_' && strings.HasPrefix(text[i:], "_x"), !validAt(b.Len() == 0, r):
			fmt.Fprintf(&b, "_x%04X_", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// validAt asks xmldoc, whose names are those that a document may have.
func validAt(first bool, r rune) bool {
	if first {
		return xmldoc.ValidNCName(string(r))
	}
	return xmldoc.ValidNCName("a" + string(r))
}

// Text finds the text of which Name made a name.
func Text(name string) string {
	if name == "_x0000_" {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		if r, ok := escaped(name[i:]); ok {
			b.WriteRune(r)
			i += strings.IndexByte(name[i+1:], '_') + 2
			continue
		}
		r, size := utf8.DecodeRuneInString(name[i:])
		b.WriteRune(r)
		i += size
	}
	return b.String()
}

// escaped reads _xHHHH_ (4 to 6 digits) at the start of s.
func escaped(s string) (rune, bool) {
	rest, ok := strings.CutPrefix(s, "_x")
	if !ok {
		return 0, false
	}
	digits, _, ok := strings.Cut(rest[:min(len(rest), 7)], "_")
	if !ok || len(digits) < 4 || strings.ContainsFunc(digits, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'A' && r <= 'F')
	}) {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	return rune(n), err == nil && utf8.ValidRune(rune(n))
}

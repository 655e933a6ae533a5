package regrep

import (
	"strings"
	"time"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// A writer writes one document with fixed prefixes. Names are literals of this
// package; only text and attribute values come from outside and are escaped.
type writer struct {
	b     []byte
	depth int
	bad   string // the first element whose text XML cannot hold
}

const xmlDeclaration = `<?xml version="1.0" encoding="UTF-8"?>`

// root opens the document element. All prefixes are declared here, because
// xsi:type holds a QName in content.
func (w *writer) root(name string, attrs ...string) {
	w.b = append(w.b, xmlDeclaration...)
	w.open(name, append([]string{
		"xmlns:query", spaceQuery, "xmlns:rim", spaceRIM, "xmlns:rs", spaceRS,
		"xmlns:sdg", spaceSDG, "xmlns:xlink", spaceXLink, "xmlns:xsi", spaceXSI,
	}, attrs...)...)
}

func (w *writer) line() {
	w.b = append(w.b, '\n')
	for range w.depth {
		w.b = append(w.b, ' ', ' ')
	}
}

// tag writes a start tag up to its end; attributes without a value are left out.
func (w *writer) tag(name string, attrs []string) {
	w.b = append(append(w.b, '<'), name...)
	for i := 0; i+1 < len(attrs); i += 2 {
		if attrs[i+1] == "" {
			continue
		}
		w.check(name, attrs[i+1])
		w.b = append(append(append(w.b, ' '), attrs[i]...), '=', '"')
		w.b = append(xmldoc.AppendAttr(w.b, attrs[i+1]), '"')
	}
}

func (w *writer) check(name, s string) {
	if w.bad == "" && !xmldoc.ValidText(s) {
		w.bad = name
	}
}

func (w *writer) open(name string, attrs ...string) {
	w.line()
	w.tag(name, attrs)
	w.b = append(w.b, '>')
	w.depth++
}

func (w *writer) close(name string) {
	w.depth--
	w.line()
	w.b = append(append(append(w.b, '<', '/'), name...), '>')
}

func (w *writer) empty(name string, attrs ...string) {
	w.line()
	w.tag(name, attrs)
	w.b = append(w.b, '/', '>')
}

// leaf writes an element with text.
func (w *writer) leaf(name, text string, attrs ...string) {
	w.line()
	w.tag(name, attrs)
	w.b = append(w.b, '>')
	w.check(name, text)
	w.b = xmldoc.AppendText(w.b, text)
	w.b = append(append(append(w.b, '<', '/'), name...), '>')
}

// optional writes an element only if it has text.
func (w *writer) optional(name, text string, attrs ...string) {
	if text != "" {
		w.leaf(name, text, attrs...)
	}
}

// done returns the document.
func (w *writer) done() ([]byte, error) {
	if w.bad != "" {
		return nil, canon.NewFault(canon.CodeMessageInvalid, nil, "%s holds a character that XML does not allow", w.bad)
	}
	return append(w.b, '\n'), nil
}

// slot writes a slot with a value of the given type; f writes what is in it.
func (w *writer) slot(name, valueType string, f func()) {
	w.open("rim:Slot", "name", name)
	collection := ""
	if valueType == typeCollection {
		collection = collectionSet
	}
	w.open("rim:SlotValue", "xsi:type", "rim:"+valueType, "collectionType", collection)
	f()
	w.close("rim:SlotValue")
	w.close("rim:Slot")
}

func (w *writer) value(name, valueType, text string) {
	w.slot(name, valueType, func() { w.leaf("rim:Value", text) })
}

func (w *writer) string(name, text string) { w.value(name, typeString, text) }

func (w *writer) boolean(name string, v bool) {
	text := "false"
	if v {
		text = "true"
	}
	w.value(name, typeBoolean, text)
}

func (w *writer) dateTime(name string, t time.Time) { w.value(name, typeDateTime, formatDateTime(t)) }

func formatDateTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// element writes one element of a collection.
func (w *writer) element(f func()) {
	w.open("rim:Element", "xsi:type", "rim:"+typeAny)
	f()
	w.close("rim:Element")
}

func (w *writer) texts(name string, texts []canon.Text) {
	for _, t := range texts {
		w.leaf(name, t.Text, "lang", t.Lang)
	}
}

// agent writes an sdg:Agent (or one of its roles); without a class it has
// identifier and names only.
func (w *writer) agent(name string, a canon.Agent, class string) {
	w.open(name)
	w.leaf("sdg:Identifier", a.ID.ID, "schemeID", a.ID.Scheme)
	w.texts("sdg:Name", a.Names)
	if class != "" {
		if a.Country != "" {
			w.open("sdg:Address")
			w.leaf("sdg:AdminUnitLevel1", a.Country)
			w.close("sdg:Address")
		}
		w.leaf("sdg:Classification", class)
	}
	w.close(name)
}

// urn returns the id of a part of a document, derived from the document's own.
func urn(parts ...string) string { return uuidURN + canon.DeriveUUID(parts...) }

// contentName makes the Content-ID of a part from its UUID.
func contentName(id, domain string) string {
	return strings.ToLower(strings.TrimPrefix(id, uuidURN)) + "@" + domain
}

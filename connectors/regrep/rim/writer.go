package rim

import (
	"time"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// A Writer writes one document with fixed prefixes: query, rim, rs, sdg, xlink and
// xsi. Names are literals of the caller; only text and attribute values come from
// outside and are escaped. The zero Writer is ready.
type Writer struct {
	b     []byte
	depth int
	bad   string // the first element whose text XML cannot hold
}

const declaration = `<?xml version="1.0" encoding="UTF-8"?>`

// startSize is what most documents need.
const startSize = 8 << 10

// Root opens the document element. All prefixes are declared here, because
// xsi:type holds a QName in content.
func (w *Writer) Root(name string, attrs ...string) {
	if w.b == nil {
		w.b = make([]byte, 0, startSize)
	}
	w.b = append(w.b, declaration...)
	w.open(name, rootSpaces)
	w.b = w.b[:len(w.b)-1]
	w.attrs(name, attrs)
	w.b = append(w.b, '>')
}

var rootSpaces = []string{
	"xmlns:query", SpaceQuery, "xmlns:rim", SpaceRIM, "xmlns:rs", SpaceRS,
	"xmlns:sdg", SpaceSDG, "xmlns:xlink", SpaceXLink, "xmlns:xsi", SpaceXSI,
}

func (w *Writer) line() {
	w.b = append(w.b, '\n')
	for range w.depth {
		w.b = append(w.b, ' ', ' ')
	}
}

// tag writes a start tag up to its end.
func (w *Writer) tag(name string, attrs []string) {
	w.b = append(append(w.b, '<'), name...)
	w.attrs(name, attrs)
}

// attrs writes attributes; those without a value are left out.
func (w *Writer) attrs(name string, attrs []string) {
	for i := 0; i+1 < len(attrs); i += 2 {
		if attrs[i+1] == "" {
			continue
		}
		w.check(name, attrs[i+1])
		w.b = append(append(append(w.b, ' '), attrs[i]...), '=', '"')
		w.b = append(xmldoc.AppendAttr(w.b, attrs[i+1]), '"')
	}
}

func (w *Writer) check(name, s string) {
	if w.bad == "" && !xmldoc.ValidText(s) {
		w.bad = name
	}
}

func (w *Writer) open(name string, attrs []string) {
	w.line()
	w.tag(name, attrs)
	w.b = append(w.b, '>')
	w.depth++
}

// Open writes a start tag. attrs are names and values in turn; those without a
// value are left out.
func (w *Writer) Open(name string, attrs ...string) { w.open(name, attrs) }

// Close writes an end tag.
func (w *Writer) Close(name string) {
	w.depth--
	w.line()
	w.b = append(append(append(w.b, '<', '/'), name...), '>')
}

// Empty writes an element without content.
func (w *Writer) Empty(name string, attrs ...string) {
	w.line()
	w.tag(name, attrs)
	w.b = append(w.b, '/', '>')
}

// Leaf writes an element with text.
func (w *Writer) Leaf(name, text string, attrs ...string) {
	w.line()
	w.tag(name, attrs)
	w.b = append(w.b, '>')
	w.check(name, text)
	w.b = xmldoc.AppendText(w.b, text)
	w.b = append(append(append(w.b, '<', '/'), name...), '>')
}

// Optional writes an element only if it has text.
func (w *Writer) Optional(name, text string, attrs ...string) {
	if text != "" {
		w.Leaf(name, text, attrs...)
	}
}

// Done returns the document.
func (w *Writer) Done() ([]byte, error) {
	if w.bad != "" {
		return nil, canon.NewFault(canon.CodeMessageInvalid, nil, "%s holds a character that XML does not allow", w.bad)
	}
	return append(w.b, '\n'), nil
}

// Slot writes a slot with a value of the given type; f writes what is in it.
func (w *Writer) Slot(name, valueType string, f func()) {
	w.Open("rim:Slot", "name", name)
	collection := ""
	if valueType == TypeCollection {
		collection = CollectionSet
	}
	w.Open("rim:SlotValue", "xsi:type", "rim:"+valueType, "collectionType", collection)
	f()
	w.Close("rim:SlotValue")
	w.Close("rim:Slot")
}

func (w *Writer) valueSlot(name, valueType, text string) {
	w.Slot(name, valueType, func() { w.Leaf("rim:Value", text) })
}

// String writes a slot with a string.
func (w *Writer) String(name, text string) { w.valueSlot(name, TypeString, text) }

// Boolean writes a slot with a boolean.
func (w *Writer) Boolean(name string, v bool) {
	text := "false"
	if v {
		text = "true"
	}
	w.valueSlot(name, TypeBoolean, text)
}

// DateTime writes a slot with a time.
func (w *Writer) DateTime(name string, t time.Time) {
	w.valueSlot(name, TypeDateTime, FormatDateTime(t))
}

// FormatDateTime writes a time as OOTS documents have it: UTC, to the millisecond.
func FormatDateTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// International writes a slot with localised strings.
func (w *Writer) International(name string, texts []canon.Text) {
	w.Slot(name, TypeInternational, func() {
		w.Open("rim:Value")
		for _, t := range texts {
			w.Empty("rim:LocalizedString", "xml:lang", t.Lang, "value", t.Text)
		}
		w.Close("rim:Value")
	})
}

// Element writes one element of a collection.
func (w *Writer) Element(f func()) {
	w.Open("rim:Element", "xsi:type", "rim:"+TypeAny)
	f()
	w.Close("rim:Element")
}

// Texts writes elements with an attribute lang.
func (w *Writer) Texts(name string, texts []canon.Text) {
	for _, t := range texts {
		w.Leaf(name, t.Text, "lang", t.Lang)
	}
}

// Agent writes an sdg:Agent (or one of its roles); without a class it has
// identifier and names only.
func (w *Writer) Agent(name string, a canon.Agent, class string) {
	w.Open(name)
	w.Leaf("sdg:Identifier", a.ID.ID, "schemeID", a.ID.Scheme)
	w.Texts("sdg:Name", a.Names)
	if class != "" {
		if a.Country != "" {
			address := a.Address
			address.Country = a.Country
			w.Address("sdg:Address", address)
		}
		w.Leaf("sdg:Classification", class)
	}
	w.Close(name)
}

// Address writes an address; nothing where nothing is known.
func (w *Writer) Address(name string, a canon.Address) {
	if a.IsZero() {
		return
	}
	w.Open(name)
	w.Optional("sdg:FullAddress", a.Full)
	w.Optional("sdg:LocatorDesignator", a.Locator)
	w.Optional("sdg:PostCode", a.PostCode)
	w.Optional("sdg:PostCityName", a.City)
	w.Optional("sdg:Thoroughfare", a.Street)
	w.Leaf("sdg:AdminUnitLevel1", a.Country)
	w.Optional("sdg:AdminUnitLevel2", a.Region)
	w.Close(name)
}

// OpenException opens an rs:Exception; its slots follow.
func (w *Writer) OpenException(x Exception) {
	prefix := "rs:"
	if x.Type.Space == SpaceQuery {
		prefix = "query:"
	}
	w.Open("rs:Exception", "xsi:type", prefix+x.Type.Local, "code", x.Code, "message", x.Message,
		"severity", x.Severity, "detail", x.Detail)
}

// URN returns the id of a part of a document, derived from the document's own.
func URN(parts ...string) string { return UUIDPrefix + canon.DeriveUUID(parts...) }

package mapxml_test

import (
	"slices"
	"strings"
	"testing"

	"oncegate/connectors/mapxml"
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
)

// built writes with the builder of xmldoc, which checks names and namespaces by itself.
func built(e *mapping.Element) ([]byte, error) {
	name := func(n mapping.Name) xmldoc.Name { return xmldoc.Name{Space: n.Space, Local: n.Local} }
	var spaces []xmldoc.NS
	var gather func(e *mapping.Element)
	gather = func(e *mapping.Element) {
		names := []mapping.Name{e.Name}
		for _, a := range e.Attrs {
			names = append(names, a.Name)
		}
		for _, n := range names {
			if ns := (xmldoc.NS{Prefix: n.Prefix, URI: n.Space}); n.Space != "" && !slices.Contains(spaces, ns) {
				spaces = append(spaces, ns)
			}
		}
		for _, c := range e.Children {
			gather(c)
		}
	}
	gather(e)
	b := xmldoc.NewBuilder(name(e.Name), spaces...)
	var fill func(t *xmldoc.Tag, e *mapping.Element)
	fill = func(t *xmldoc.Tag, e *mapping.Element) {
		for _, a := range e.Attrs {
			t.Attr(name(a.Name), a.Value)
		}
		t.Text(e.Text)
		for _, c := range e.Children {
			fill(t.Add(name(c.Name)), c)
		}
	}
	fill(b.Root(), e)
	return b.Document()
}

func TestDocumentIsThatOfTheBuilder(t *testing.T) {
	plain := func(local, text string, children ...*mapping.Element) *mapping.Element {
		return &mapping.Element{Name: mapping.Name{Local: local}, Text: text, Children: children}
	}
	in := func(prefix, space string, e *mapping.Element) *mapping.Element {
		e.Name.Prefix, e.Name.Space = prefix, space
		return e
	}
	with := func(prefix, space, local, value string, e *mapping.Element) *mapping.Element {
		e.Attrs = append(e.Attrs, mapping.Attr{Name: mapping.Name{Prefix: prefix, Space: space, Local: local}, Value: value})
		return e
	}
	for _, tc := range []struct {
		rule string
		e    *mapping.Element
	}{
		{"nothing", plain("a", "")},
		{"text is escaped", plain("a", "<&>\"'\r\n\t ]]> é")},
		{"an attribute is escaped", with("", "", "x", "<&>\"'\r\n\t é", plain("a", ""))},
		{"text stands before elements", plain("a", "one", plain("b", "two"), plain("c", ""))},
		{"a default namespace", in("", "urn:a", plain("a", "", in("", "urn:a", plain("b", "x"))))},
		{"prefixes, in the order of use", in("q", "urn:q", plain("a", "", with("p", "urn:p&<", "x", "1", in("q", "urn:q", plain("b", "")))))},
		{"no namespace within a default one", in("", "urn:a", plain("a", "", plain("b", "")))},
		{"a prefix for two namespaces", in("p", "urn:a", plain("a", "", in("p", "urn:b", plain("b", ""))))},
		{"the prefix xmlns", in("xmlns", "urn:x", plain("a", ""))},
		{"a bad prefix", in("1p", "urn:x", plain("a", ""))},
		{"the namespace of xmlns", in("p", xmldoc.SpaceXMLNS, plain("a", ""))},
		{"a bad name", plain("a b", "")},
		{"a bad character", plain("a", "x\x01")},
		{"a bad character in an attribute", with("", "", "x", "\ufffe", plain("a", ""))},
		{"an attribute called xmlns", with("", "", "xmlns", "urn:x", plain("a", ""))},
		{"an attribute in a namespace without prefix", with("", "urn:x", "x", "1", plain("a", ""))},
	} {
		want, wantErr := built(tc.e)
		got, err := mapxml.Document(tc.e)
		if (err == nil) != (wantErr == nil) || string(got) != string(want) {
			t.Errorf("%s: got %s, %v\nwant %s, %v", tc.rule, got, err, want, wantErr)
		}
		if err != nil && strings.Contains(err.Error(), tc.e.Text) && tc.e.Text != "" {
			t.Errorf("%s: the error holds the text", tc.rule)
		}
	}
	got, err := mapxml.Document(with("xml", xmldoc.SpaceXML, "lang", "sl", plain("a", "x")))
	if want := `<a xml:lang="sl">x</a>`; err != nil || !strings.HasSuffix(string(got), want) {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if _, err := mapxml.Document(in("p", "", plain("a", ""))); err == nil {
		t.Error("a prefix without a namespace was written")
	}
}

package xmldoc_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/xmldoc"
)

func built(t *testing.T, b *xmldoc.Builder) string {
	t.Helper()
	out, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestBuilder(t *testing.T) {
	b := xmldoc.NewBuilder(p("root"), xmldoc.NS{Prefix: "p", URI: "urn:p"}, xmldoc.NS{Prefix: "q", URI: "urn:q"})
	b.Root().Attr(p("a"), "<&\"'\t\r\n").Attr(xmldoc.Name{Local: "b"}, "").Attr(xmldoc.Name{Space: xmldoc.SpaceXML, Local: "lang"}, "lv")
	b.Root().Leaf(p("text"), "a < b & c > \"d\" ']]>' \r\n\tā")
	child := b.Root().Add(d("child"), xmldoc.NS{URI: "urn:d"})
	child.Add(d("empty")).Attr(xmldoc.Name{Local: "type"}, child.QName(xmldoc.Name{Space: "urn:q", Local: "T"}))
	child.Add(xmldoc.Name{Local: "none"}, xmldoc.NS{}).Leaf(xmldoc.Name{Local: "below"}, "")
	const want = `<p:root xmlns:p="urn:p" xmlns:q="urn:q" p:a="&lt;&amp;&quot;'&#x9;&#xD;&#xA;" b="" xml:lang="lv">` +
		"<p:text>a &lt; b &amp; c &gt; \"d\" ']]&gt;' &#xD;\n\tā</p:text>" +
		`<child xmlns="urn:d"><empty type="q:T"/><none xmlns=""><below/></none></child></p:root>`
	if diff := cmp.Diff(want, built(t, b)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	doc, err := b.Document()
	if err != nil {
		t.Fatal(err)
	}
	root := mustParse(t, string(doc)).Root()
	if v, _ := root.Attr(p("a")); v != "<&\"'\t\r\n" {
		t.Errorf("attribute reads back as %q", v)
	}
	if v, err := root.OnlyText(p("text")); err != nil || v != "a < b & c > \"d\" ']]>' \r\n\tā" {
		t.Errorf("text reads back as %q, %v", v, err)
	}
}

// A copy has the same exclusive canonical form as what it was copied from.
func TestBuilderCopiesVerbatim(t *testing.T) {
	const src = `<s:src xmlns:s="urn:s" xmlns:p="urn:other" xmlns="urn:d" xmlns:k="urn:k"><in s:x="1&#10;2" p:y="k:T"><!--c--> t&#13;<?pi x?><none xmlns=""/><p:z/></in></s:src>`
	in := find(t, mustParse(t, src), "in")
	b := xmldoc.NewBuilder(p("root"), xmldoc.NS{Prefix: "p", URI: "urn:p"})
	b.Root().Copy(in, "k", "unknown")
	got := built(t, b)
	copied := find(t, mustParse(t, got), "in")
	form := xmldoc.C14N{Comments: true, Prefixes: []string{"k"}}
	if diff := cmp.Diff(string(in.AppendCanonical(nil, form)), string(copied.AppendCanonical(nil, form))); diff != "" {
		t.Errorf("-source +copy:\n%s\n%s", diff, got)
	}
	if name, ok := copied.ResolveQName("k:T"); !ok || name.Space != "urn:k" {
		t.Errorf("a kept prefix is lost: %s", got)
	}
	plain := xmldoc.NewBuilder(xmldoc.Name{Local: "r"})
	plain.Root().Copy(find(t, mustParse(t, `<x><y xmlns="urn:d"/><z/></x>`), "z"))
	if got := built(t, plain); got != `<r><z/></r>` {
		t.Errorf("got %s", got)
	}
}

func TestBuilderRefuses(t *testing.T) {
	for name, build := range map[string]func(b *xmldoc.Builder){
		"an undeclared namespace":         func(b *xmldoc.Builder) { b.Root().Add(xmldoc.Name{Space: "urn:none", Local: "a"}) },
		"an attribute by default only":    func(b *xmldoc.Builder) { b.Root().Add(d("a"), xmldoc.NS{URI: "urn:d"}).Attr(d("b"), "") },
		"no namespace under a default":    func(b *xmldoc.Builder) { b.Root().Add(d("a"), xmldoc.NS{URI: "urn:d"}).Add(xmldoc.Name{Local: "b"}) },
		"a shadowed prefix":               func(b *xmldoc.Builder) { b.Root().Add(d("a"), xmldoc.NS{Prefix: "p", URI: "urn:d"}).Add(p("b")) },
		"a name with a colon":             func(b *xmldoc.Builder) { b.Root().Add(xmldoc.Name{Local: "a:b"}) },
		"an empty name":                   func(b *xmldoc.Builder) { b.Root().Add(xmldoc.Name{}) },
		"markup in an attribute's name":   func(b *xmldoc.Builder) { b.Root().Attr(xmldoc.Name{Local: `a="`}, "") },
		"a declaration as attribute":      func(b *xmldoc.Builder) { b.Root().Attr(xmldoc.Name{Local: "xmlns"}, "urn:x") },
		"a control character in text":     func(b *xmldoc.Builder) { b.Root().Text("\x01") },
		"bytes that are not UTF-8":        func(b *xmldoc.Builder) { b.Root().Text("\xff") },
		"a non-character in an attribute": func(b *xmldoc.Builder) { b.Root().Attr(xmldoc.Name{Local: "a"}, "\uFFFF") },
		"a prefix bound to nothing":       func(b *xmldoc.Builder) { b.Root().Add(p("a"), xmldoc.NS{Prefix: "x"}) },
		"a prefix bound twice": func(b *xmldoc.Builder) {
			b.Root().Add(p("a"), xmldoc.NS{Prefix: "x", URI: "a"}, xmldoc.NS{Prefix: "x", URI: "b"})
		},
		"the prefix xml bound":             func(b *xmldoc.Builder) { b.Root().Add(p("a"), xmldoc.NS{Prefix: "xml", URI: "a"}) },
		"a value without a prefix for it":  func(b *xmldoc.Builder) { b.Root().QName(d("a")) },
		"a mistake followed by good calls": func(b *xmldoc.Builder) { b.Root().Text("\x00").Text("fine").Add(p("a")) },
	} {
		b := xmldoc.NewBuilder(p("root"), xmldoc.NS{Prefix: "p", URI: "urn:p"})
		build(b)
		if out, err := b.Bytes(); err == nil || !strings.HasPrefix(err.Error(), "building xml: ") {
			t.Errorf("%s: got %q, %v", name, out, err)
		}
	}
}

func TestEscapes(t *testing.T) {
	const raw = "<&>\"'\t\n\rā]]>"
	doc := mustParse(t, `<a b="`+string(xmldoc.AppendAttr(nil, raw))+`">`+string(xmldoc.AppendText(nil, raw))+`</a>`)
	if v, _ := doc.Root().Attr(xmldoc.Name{Local: "b"}); v != raw || doc.Root().Text() != raw {
		t.Errorf("reads back as %q and %q", v, doc.Root().Text())
	}
	for s, want := range map[string]bool{"": true, "a\tb\r\n": true, "\x00": false, "\x1f": false, "\uFFFE": false, "\uFFFD": true, "\xff": false, "\U0001F600": true} {
		if xmldoc.ValidText(s) != want {
			t.Errorf("ValidText(%q) is %v", s, !want)
		}
	}
	for s, want := range map[string]bool{"a": true, "_1.-·": true, "": false, "1": false, "a:b": false, "a b": false, "ā": true, "\xff": false, "·": false} {
		if xmldoc.ValidNCName(s) != want {
			t.Errorf("ValidNCName(%q) is %v", s, !want)
		}
	}
}

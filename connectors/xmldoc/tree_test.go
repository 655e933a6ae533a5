package xmldoc_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/xmldoc"
)

const tree = `<?xml version="1.0"?>
<!--before--><p:root xmlns:p="urn:p" xmlns="urn:d" a="1" p:a="2">
  <item n="1">one<!--c--> and<![CDATA[ more]]></item>
  <item n="2"><p:sub>two</p:sub>tail</item>
  <p:single xmlns:q="urn:q" type="q:T">  x </p:single><?pi data?>
</p:root>`

func d(local string) xmldoc.Name { return xmldoc.Name{Space: "urn:d", Local: local} }
func p(local string) xmldoc.Name { return xmldoc.Name{Space: "urn:p", Local: local} }

func TestElement(t *testing.T) {
	root := mustParse(t, tree).Root()
	if root.Name() != p("root") || root.Prefix() != "p" || !root.Parent().IsZero() {
		t.Errorf("root is %v, prefix %q", root.Name(), root.Prefix())
	}
	plain, _ := root.Attr(xmldoc.Name{Local: "a"})
	qualified, _ := root.Attr(p("a"))
	if _, inDefault := root.Attr(d("a")); plain != "1" || qualified != "2" || inDefault {
		t.Errorf("attributes are %q, %q; in the default namespace: %v", plain, qualified, inDefault)
	}
	want := []xmldoc.Attr{{Name: xmldoc.Name{Local: "a"}, Value: "1"}, {Name: p("a"), Prefix: "p", Value: "2"}}
	if diff := cmp.Diff(want, slices.Collect(root.Attrs())); diff != "" {
		t.Errorf("attributes -want +got:\n%s", diff)
	}
	items := slices.Collect(root.All(d("item")))
	if len(items) != 2 || items[0].Text() != "one and more" || items[1].Text() != "tail" || items[1].DeepText() != "twotail" {
		t.Errorf("items are %v", items)
	}
	if got := len(slices.Collect(root.Children())); got != 3 {
		t.Errorf("%d children, want 3", got)
	}
	if got := len(slices.Collect(root.Descendants())); got != 5 {
		t.Errorf("%d descendants, want 5", got)
	}
	single, err := root.Only(p("single"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := root.Maybe(p("single")); err != nil || again != single || single == items[0] {
		t.Errorf("identity: %v, %v", again == single, err)
	}
	if line, col := single.Position(); line != 5 || col != 3 {
		t.Errorf("position %d:%d, want 5:3", line, col)
	}
	if got := items[1].Path(); got != "/p:root/item[2]" {
		t.Errorf("path %s", got)
	}
	if got := single.Raw(); got != `<p:single xmlns:q="urn:q" type="q:T">  x </p:single>` {
		t.Errorf("raw %s", got)
	}
	if !root.Contains(single) || single.Contains(root) || !single.Contains(single) || root.Contains(xmldoc.Element{}) {
		t.Error("Contains is wrong")
	}
	kind, _ := single.Attr(xmldoc.Name{Local: "type"})
	if name, ok := single.ResolveQName(kind); !ok || name != (xmldoc.Name{Space: "urn:q", Local: "T"}) {
		t.Errorf("type is %v, %v", name, ok)
	}
	if name, ok := single.ResolveQName(" T\n"); !ok || name != d("T") {
		t.Errorf("unprefixed type is %v, %v", name, ok)
	}
	for _, bad := range []string{"", "q:", ":T", "none:T", "q:T:U", "q:1"} {
		if name, ok := single.ResolveQName(bad); ok {
			t.Errorf("%q resolves to %v", bad, name)
		}
	}
	if uri, ok := root.LookupPrefix("q"); ok {
		t.Errorf("q resolves to %s outside its scope", uri)
	}
	if uri, ok := root.LookupPrefix("xml"); !ok || uri != xmldoc.SpaceXML {
		t.Errorf("xml resolves to %s, %v", uri, ok)
	}
	if diff := cmp.Diff([]xmldoc.NS{{Prefix: "q", URI: "urn:q"}, {Prefix: "", URI: "urn:d"}, {Prefix: "p", URI: "urn:p"}}, single.Namespaces()); diff != "" {
		t.Errorf("namespaces -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]xmldoc.NS{{Prefix: "q", URI: "urn:q"}}, slices.Collect(single.Declared())); diff != "" {
		t.Errorf("declared -want +got:\n%s", diff)
	}
}

func TestShapeErrors(t *testing.T) {
	root := mustParse(t, tree).Root()
	_, missing := root.Only(d("none"))
	_, two := root.Only(d("item"))
	_, maybeTwo := root.Maybe(d("item"))
	none, noError := root.Maybe(d("none"))
	_, noAttr := root.NeedAttr(d("none"))
	_, notText := root.TextOnly()
	if !none.IsZero() || noError != nil {
		t.Errorf("Maybe of nothing: %v, %v", none, noError)
	}
	for _, c := range []struct {
		err  error
		want xmldoc.Problem
		text string
	}{
		{missing, xmldoc.ProblemMissing, "xml:2:14: /p:root: missing none"},
		{two, xmldoc.ProblemRepeated, "xml:4:3: /p:root/item[2]: more than one item"},
		{maybeTwo, xmldoc.ProblemRepeated, "xml:4:3: /p:root/item[2]: more than one item"},
		{noAttr, xmldoc.ProblemMissing, "xml:2:14: /p:root: missing none"},
		{notText, xmldoc.ProblemNotText, "xml:2:14: /p:root: has child elements"},
	} {
		var se *xmldoc.ShapeError
		if !errors.As(c.err, &se) || se.Problem != c.want || c.err.Error() != c.text {
			t.Errorf("got %v, want %s", c.err, c.text)
		}
	}
	if s, err := root.OnlyText(p("single")); err != nil || s != "  x " {
		t.Errorf("got %q, %v", s, err)
	}
}

// walk writes the tree through the Node primitives alone, in both directions.
func walk(b *strings.Builder, n xmldoc.Node) {
	names := map[xmldoc.Kind]string{xmldoc.KindDocument: "doc", xmldoc.KindElement: "elem", xmldoc.KindText: "text", xmldoc.KindComment: "comment", xmldoc.KindInstruction: "pi"}
	b.WriteString(names[n.Kind()])
	if l := n.Name().Local; l != "" {
		b.WriteString(" " + l)
	}
	for a := n.FirstAttr(); !a.IsZero(); a = a.NextAttr() {
		if a.Kind() != xmldoc.KindAttribute || a.Parent() != n || !a.FirstChild().IsZero() || !a.NextSibling().IsZero() {
			b.WriteString(" broken-attribute")
		}
		b.WriteString(" @" + a.Prefix() + ":" + a.Name().Local + "=" + a.Value())
	}
	if n.FirstChild().IsZero() {
		if v := strings.TrimSpace(n.Value()); v != "" {
			b.WriteString(" " + v)
		}
		return
	}
	b.WriteString("(")
	var prev xmldoc.Node
	for c := n.FirstChild(); !c.IsZero(); c = c.NextSibling() {
		if c.PrevSibling() != prev || c.Parent() != n || c.Compare(n) <= 0 || !prev.IsZero() && prev.Compare(c) >= 0 {
			b.WriteString(" broken-link")
		}
		if !prev.IsZero() {
			b.WriteString(", ")
		}
		walk(b, c)
		prev = c
	}
	b.WriteString(")")
}

func TestNodeWalk(t *testing.T) {
	doc := mustParse(t, tree)
	var b strings.Builder
	walk(&b, doc.Node())
	const want = `doc(comment before, elem root @:a=1 @p:a=2(text, elem item @:n=1(text one, comment c, text and more), text, ` +
		`elem item @:n=2(elem sub(text two), text tail), text, elem single @:type=q:T(text x), pi pi data, text))`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if e, ok := doc.Root().Node().Element(); !ok || e != doc.Root() {
		t.Error("a node does not lead back to its element")
	}
	if _, ok := doc.Node().Element(); ok {
		t.Error("the document is no element")
	}
}

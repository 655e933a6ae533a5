package mapping

import (
	"encoding/xml"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/antchfx/xpath"
)

// TestPathsAgreeWithAnXPathEngine runs the same expressions through an
// independent implementation of XPath 1.0 over the same document. That one gives
// nodes twice and in any order; ours must give each once, in document order.
func TestPathsAgreeWithAnXPathEngine(t *testing.T) {
	const text = `<r xmlns:p="urn:p"><a k="1"><b>one</b><b k="2">two<i>x</i></b></a><p:a k="3"><b>one</b><c><b>four</b></c></p:a><b>17</b></r>`
	root := input(t, text).(*xmlNode)
	doc := &xmlNode{kids: []xmlKid{{child: root}}}
	spaces := map[string]string{"p": "urn:p"}
	s := &Scope{names: newNames(), prefixes: spaces}
	for _, e := range []string{
		"r/a/b", "r/*/b", "//b", "//b[1]", "//b[last()]", "r/p:a//b", "//*[b]", "//*[@k]", "//@k", "r/a/@k",
		"//b[. = 'one']", "//b[@k = 2]", "//b[not(@k)]", "//b[position() > 1]", "//b[1][. = 'one']", "//b/..", "//b/../..",
		"//*[b = 'one' and c]", "//*[b = 'one' or @k = '9']", "//b[../@k = '1']", "r/b[. > 16]", "r/b[. >= 17][. < 18]",
		"//c//b", "//*//b", "//a//b/text()", "/r/a[1]/b[2]", "r/a[b[2]/@k = 2]/b[1]", "//b[contains(., 'o')]", "//*[count(b) = 2]",
		"//*[starts-with(@k, '1')]/@k", ".//i", "r/a/b[@k != '1']", "//*[string-length(@k) = 1]/b",
	} {
		x, err := xpath.CompileWithNS(e, spaces)
		if err != nil {
			t.Fatalf("%s: the other engine: %v", e, err)
		}
		found := map[int]string{}
		for it := x.Select(&walker{doc: doc, path: []*xmlNode{doc}, attr: -1, text: -1}); it.MoveNext(); {
			w := it.Current().(*walker)
			found[w.order()] = w.Value()
		}
		var want []string
		for _, at := range slices.Sorted(maps.Keys(found)) {
			want = append(want, found[at])
		}
		g := &grammar{names: s.names, prefixes: s.prefixes, xml: true}
		c, fault := g.parseExpr(e)
		if fault != nil {
			t.Errorf("%s: %s", e, fault.msg)
			continue
		}
		m := newMachine(s)
		if err := m.load.loadXML(root, false); err != nil {
			t.Fatal(err)
		}
		m.allow()
		v, err := c.eval(m, 0)
		if err != nil {
			t.Errorf("%s: %v", e, err)
			continue
		}
		var got []string
		for _, id := range v.nodes {
			got = append(got, m.tree.text(id))
		}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s: got %q, want %q", e, got, want)
		}
	}
}

// walker shows an xmlNode tree to the other engine.
type walker struct {
	doc  *xmlNode
	path []*xmlNode // from the document to the current element
	attr int        // attribute of the current element, or -1
	text int        // index of a text among the children of the current element, or -1
}

// order is the place of the current node in the document.
func (w *walker) order() int {
	at, here := 0, -1
	var walk func(n *xmlNode)
	walk = func(n *xmlNode) {
		if n == w.top() && w.text < 0 {
			here = at + w.attr + 1
		}
		at += 100 // room for attributes
		for i, k := range n.kids {
			if k.child != nil {
				walk(k.child)
				continue
			}
			if n == w.top() && i == w.text {
				here = at
			}
			at++
		}
	}
	walk(w.doc)
	return here
}

func (w *walker) top() *xmlNode { return w.path[len(w.path)-1] }

func (w *walker) attrs() []xml.Attr {
	var out []xml.Attr
	for _, a := range w.top().attrs {
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
			out = append(out, a)
		}
	}
	return out
}

func (w *walker) NodeType() xpath.NodeType {
	switch {
	case w.attr >= 0:
		return xpath.AttributeNode
	case w.text >= 0:
		return xpath.TextNode
	case len(w.path) == 1:
		return xpath.RootNode
	}
	return xpath.ElementNode
}

func (w *walker) LocalName() string {
	switch {
	case w.attr >= 0:
		return w.attrs()[w.attr].Name.Local
	case w.text >= 0:
		return ""
	}
	return w.top().local
}

func (w *walker) Prefix() string {
	if w.attr < 0 && w.text < 0 && w.top().space == "urn:p" {
		return "p"
	}
	return ""
}

func (w *walker) NamespaceURL() string {
	if w.attr >= 0 || w.text >= 0 {
		return ""
	}
	return w.top().space
}

func (w *walker) Value() string {
	switch {
	case w.attr >= 0:
		return w.attrs()[w.attr].Value
	case w.text >= 0:
		return w.top().kids[w.text].text
	}
	var b strings.Builder
	var walk func(n *xmlNode)
	walk = func(n *xmlNode) {
		for _, k := range n.kids {
			b.WriteString(k.text)
			if k.child != nil {
				walk(k.child)
			}
		}
	}
	walk(w.top())
	return b.String()
}

func (w *walker) Copy() xpath.NodeNavigator {
	c := *w
	c.path = append([]*xmlNode(nil), w.path...)
	return &c
}

func (w *walker) MoveToRoot() { w.path, w.attr, w.text = []*xmlNode{w.doc}, -1, -1 }

func (w *walker) MoveToParent() bool {
	switch {
	case w.attr >= 0 || w.text >= 0:
		w.attr, w.text = -1, -1
		return true
	case len(w.path) == 1:
		return false
	}
	w.path = w.path[:len(w.path)-1]
	return true
}

func (w *walker) MoveToNextAttribute() bool {
	if w.text >= 0 || w.attr+1 >= len(w.attrs()) {
		return false
	}
	w.attr++
	return true
}

func (w *walker) enter(parent *xmlNode, i int) bool {
	if i < 0 || i >= len(parent.kids) {
		return false
	}
	if k := parent.kids[i]; k.child != nil {
		w.path, w.text = append(w.path, k.child), -1
	} else {
		w.text = i
	}
	return true
}

func (w *walker) MoveToChild() bool {
	if w.attr >= 0 || w.text >= 0 {
		return false
	}
	return w.enter(w.top(), 0)
}

func (w *walker) MoveToFirst() bool {
	for w.MoveToPrevious() {
	}
	return true
}

func (w *walker) sibling(by int) bool {
	if w.attr >= 0 {
		return false
	}
	if w.text >= 0 {
		i, parent := w.text+by, w.top()
		if i < 0 || i >= len(parent.kids) {
			return false
		}
		w.text = -1
		return w.enter(parent, i)
	}
	if len(w.path) == 1 {
		return false
	}
	parent := w.path[len(w.path)-2]
	for i, k := range parent.kids {
		if k.child == w.top() {
			if i+by < 0 || i+by >= len(parent.kids) {
				return false
			}
			w.path = w.path[:len(w.path)-1]
			return w.enter(parent, i+by)
		}
	}
	return false
}

func (w *walker) MoveToNext() bool     { return w.sibling(1) }
func (w *walker) MoveToPrevious() bool { return w.sibling(-1) }

func (w *walker) MoveTo(other xpath.NodeNavigator) bool {
	o, ok := other.(*walker)
	if !ok || o.doc != w.doc {
		return false
	}
	w.path, w.attr, w.text = append([]*xmlNode(nil), o.path...), o.attr, o.text
	return true
}

package rulecheck

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
)

// An edit changes a document. One of the first five fields says how.
type edit struct {
	Set    string  `yaml:"set"`    // path; To is the new text
	Remove string  `yaml:"remove"` // path
	Add    string  `yaml:"add"`    // path of a parent; XML is what is added
	Rename string  `yaml:"rename"` // path; To is the new name
	Attr   string  `yaml:"attr"`   // path; Name is the attribute, To its value, no To removes it
	To     *string `yaml:"to"`
	XML    string  `yaml:"xml"`
	Before string  `yaml:"before"` // a child of the parent, by name or path
	After  string  `yaml:"after"`
	Name   string  `yaml:"name"`
}

// A mutable is an element or, without a name, text.
type mutable struct {
	name, text string // name with its prefix
	decl       []xmldoc.NS
	attrs      []xmldoc.Attr
	kids       []*mutable
	up         *mutable
}

func (e edit) apply(text []byte) ([]byte, error) {
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		return nil, err
	}
	var all []*mutable
	root := thaw(doc.Root().Node(), nil, &all)
	ways := 0
	for _, s := range []string{e.Set, e.Remove, e.Add, e.Rename, e.Attr} {
		if s != "" {
			ways++
		}
	}
	if ways != 1 {
		return nil, errors.New("want one of set, remove, add, rename and attr")
	}
	hits, r, err := selected(doc, e.Set+e.Remove+e.Add+e.Rename+e.Attr)
	if err != nil {
		return nil, err
	}
	for _, n := range hits {
		m := all[max(r.owner(n), 1)-1]
		if err := e.change(doc, r, m, n, all); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	root.write(&b)
	return b.Bytes(), nil
}

func (e edit) change(doc *xmldoc.Document, r *run, m *mutable, n ref, all []*mutable) error {
	if (e.Set != "" || e.Rename != "") && e.To == nil {
		return errors.New("to is missing")
	}
	at := -1
	if n.isAttr() {
		name := r.attrs[n.attr()].node.Name()
		at = slices.IndexFunc(m.attrs, func(a xmldoc.Attr) bool { return a.Name == name })
	}
	switch {
	case at >= 0 && e.Set != "":
		m.attrs[at].Value = *e.To
	case at >= 0 && e.Remove != "":
		m.attrs = slices.Delete(m.attrs, at, at+1)
	case at >= 0:
		return errors.New("an attribute can be set and removed")
	case e.Set != "":
		m.kids = []*mutable{{text: *e.To, up: m}}
	case e.Remove != "":
		if m.up == nil {
			return errors.New("the root element cannot be removed")
		}
		m.up.kids = slices.DeleteFunc(m.up.kids, func(k *mutable) bool { return k == m })
	case e.Rename != "":
		m.name = *e.To
		m.declare(*e.To)
	case e.Attr != "":
		if e.Name == "" {
			return errors.New("name is missing")
		}
		prefix, local, ok := strings.Cut(e.Name, ":")
		if !ok {
			prefix, local = "", prefix
		}
		name := xmldoc.Name{Space: prefixes[prefix], Local: local}
		m.attrs = slices.DeleteFunc(m.attrs, func(a xmldoc.Attr) bool { return a.Name == name })
		if e.To != nil {
			m.attrs = append(m.attrs, xmldoc.Attr{Name: name, Prefix: prefix, Value: *e.To})
			m.declare(e.Name)
		}
	default:
		return e.insert(doc, r, m, n, all)
	}
	return nil
}

func (e edit) insert(doc *xmldoc.Document, r *run, m *mutable, n ref, all []*mutable) error {
	var w strings.Builder
	w.WriteString("<w")
	for p, uri := range prefixes {
		if p != "xml" {
			fmt.Fprintf(&w, ` xmlns:%s="%s"`, p, uri)
		}
	}
	w.WriteString(">" + e.XML + "</w>")
	frag, err := xmldoc.ParseBytes([]byte(w.String()), xmldoc.Limits{})
	if err != nil {
		return fmt.Errorf("xml: %w", err)
	}
	var none []*mutable
	box := thaw(frag.Root().Node(), nil, &none)
	if len(box.kids) == 0 {
		return errors.New("xml is missing")
	}
	at := len(m.kids)
	if by := e.Before + e.After; by != "" {
		near, err := pathFrom1(r, n, by)
		if err != nil {
			return err
		}
		at = slices.Index(m.kids, all[near-1])
		if at < 0 {
			return fmt.Errorf("%s is no child of the parent", by)
		}
		if e.After != "" {
			at++
		}
	}
	for _, k := range box.kids {
		k.up = m
		if k.name != "" {
			k.decl = append(k.decl, box.decl...)
		}
	}
	m.kids = slices.Insert(m.kids, at, box.kids...)
	return nil
}

// declare makes the prefix of a name known where it stands.
func (m *mutable) declare(qname string) {
	prefix, _, ok := strings.Cut(qname, ":")
	if !ok || prefix == "xml" {
		return
	}
	m.decl = slices.DeleteFunc(m.decl, func(d xmldoc.NS) bool { return d.Prefix == prefix })
	m.decl = append(m.decl, xmldoc.NS{Prefix: prefix, URI: prefixes[prefix]})
}

func thaw(n xmldoc.Node, up *mutable, all *[]*mutable) *mutable {
	e, ok := n.Element()
	if !ok {
		return &mutable{text: n.Value(), up: up}
	}
	m := &mutable{name: qname(e.Prefix(), e.Name().Local), attrs: slices.Collect(e.Attrs()), decl: slices.Collect(e.Declared()), up: up}
	*all = append(*all, m)
	for c := n.FirstChild(); !c.IsZero(); c = c.NextSibling() {
		if c.Kind() == xmldoc.KindElement || c.Kind() == xmldoc.KindText {
			m.kids = append(m.kids, thaw(c, m, all))
		}
	}
	return m
}

func (m *mutable) write(b *bytes.Buffer) {
	if m.name == "" {
		b.Write(xmldoc.AppendText(nil, m.text))
		return
	}
	fmt.Fprintf(b, "<%s", m.name)
	for _, d := range m.decl {
		name := "xmlns"
		if d.Prefix != "" {
			name += ":" + d.Prefix
		}
		fmt.Fprintf(b, ` %s="%s"`, name, xmldoc.AppendAttr(nil, d.URI))
	}
	for _, a := range m.attrs {
		fmt.Fprintf(b, ` %s="%s"`, qname(a.Prefix, a.Name.Local), xmldoc.AppendAttr(nil, a.Value))
	}
	b.WriteString(">")
	for _, k := range m.kids {
		k.write(b)
	}
	fmt.Fprintf(b, "</%s>", m.name)
}

// selected evaluates a path from the root element of a document.
func selected(doc *xmldoc.Document, text string) ([]ref, *run, error) {
	e, f := parseExpr(text)
	var n names
	c := &compiler{names: &n, functions: functions(), patterns: make(map[string]*pattern)}
	var v value
	if f == nil {
		v, f = c.expr(e)
	}
	if f != nil {
		return nil, nil, fmt.Errorf("%s: at %d: %s", text, f.at, f.msg)
	}
	if v.kind != isNodes {
		return nil, nil, fmt.Errorf("%s: is no path", text)
	}
	r := &run{budget: 1 << 30}
	r.build(&n, doc.Root())
	v.path.push(r, 1)
	if len(r.nodes) == 0 {
		return nil, nil, fmt.Errorf("%s: selects nothing", text)
	}
	return r.nodes, r, nil
}

// pathFrom1 is the first element that a path selects from a node.
func pathFrom1(r *run, from ref, text string) (ref, error) {
	e, f := parseExpr(text)
	if f != nil {
		return 0, fmt.Errorf("%s: at %d: %s", text, f.at, f.msg)
	}
	var n names
	c := &compiler{names: &n, functions: functions(), patterns: make(map[string]*pattern)}
	v, f := c.expr(e)
	if f != nil || v.kind != isNodes {
		return 0, fmt.Errorf("%s: is no path", text)
	}
	root, _ := r.elems[1].node.Element()
	again := &run{budget: 1 << 30}
	again.build(&n, root)
	at, ok := v.path.one(again, from)
	if !ok || at.isAttr() {
		return 0, fmt.Errorf("%s: selects nothing", text)
	}
	return at, nil
}

func TestEdits(t *testing.T) {
	str := func(s string) *string { return &s }
	const doc = `<rim:a xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:4.0" i="1"><rim:b>x</rim:b><rim:c n="2">y<d></d></rim:c></rim:a>`
	for name, c := range map[string]struct {
		e    edit
		want string // replaces the difference; an error where it has no <
	}{
		"set text":            {edit{Set: "rim:b", To: str("&z")}, strings.Replace(doc, ">x<", ">&amp;z<", 1)},
		"set an attribute":    {edit{Set: "//@n", To: str("3")}, strings.Replace(doc, `"2"`, `"3"`, 1)},
		"set to nothing":      {edit{Set: "rim:b", To: str("")}, strings.Replace(doc, ">x<", "><", 1)},
		"remove":              {edit{Remove: "rim:c"}, strings.Replace(doc, `<rim:c n="2">y<d></d></rim:c>`, "", 1)},
		"remove an attribute": {edit{Remove: "@i"}, strings.Replace(doc, ` i="1"`, "", 1)},
		"rename":              {edit{Rename: "//d", To: str("e")}, strings.Replace(doc, "<d></d>", "<e></e>", 1)},
		"attr":                {edit{Attr: "rim:b", Name: "k", To: str("v")}, strings.Replace(doc, "<rim:b>", `<rim:b k="v">`, 1)},
		"attr away":           {edit{Attr: "rim:c", Name: "n"}, strings.Replace(doc, ` n="2"`, "", 1)},
		"two ways":            {edit{Set: "rim:b", Remove: "rim:b"}, "want one of"},
		"nothing there":       {edit{Remove: "rim:z"}, "selects nothing"},
		"the root":            {edit{Remove: "."}, "cannot be removed"},
		"set without to":      {edit{Set: "rim:b"}, "to is missing"},
		"bad xml":             {edit{Add: ".", XML: "<a"}, "xml:"},
	} {
		got, err := c.e.apply([]byte(doc))
		switch {
		case !strings.HasPrefix(c.want, "<"):
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, want %q", name, err, c.want)
			}
		case err != nil || string(got) != c.want:
			t.Errorf("%s: got %s, %v\nwant %s", name, got, err, c.want)
		}
	}
	for before, want := range map[string]string{"": "b c n", "rim:c": "b n c", "*[1]": "n b c"} {
		got, err := edit{Add: ".", XML: "<rim:n/>", Before: before}.apply([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for c := range parsed(t, string(got)).Children() {
			names = append(names, c.Name().Local)
		}
		if strings.Join(names, " ") != want {
			t.Errorf("before %q: got %v", before, names)
		}
	}
}

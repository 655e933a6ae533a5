package mapping

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
)

// xmlNode reads XML with encoding/xml: enough for trusted test input. The real
// implementation of Node stands in connectors/register.
type xmlNode struct {
	space, local string
	attrs        []xml.Attr
	kids         []xmlKid
}

type xmlKid struct {
	child *xmlNode
	text  string
}

func (n *xmlNode) Load(l *Loader) {
	l.Open(n.space, n.local)
	for _, a := range n.attrs {
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
			l.Attr(a.Name.Space, a.Name.Local, a.Value)
		}
	}
	for _, k := range n.kids {
		if k.child != nil {
			k.child.Load(l)
		} else {
			l.Text(k.text)
		}
	}
	l.Close()
}

func parseXML(text []byte) (Node, error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	root := &xmlNode{}
	open := []*xmlNode{root}
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		top := open[len(open)-1]
		switch t := tok.(type) {
		case xml.StartElement:
			n := &xmlNode{space: t.Name.Space, local: t.Name.Local, attrs: t.Copy().Attr}
			top.kids = append(top.kids, xmlKid{child: n})
			open = append(open, n)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			top.kids = append(top.kids, xmlKid{text: string(t)})
		}
	}
	for _, k := range root.kids {
		if k.child != nil {
			return k.child, nil
		}
	}
	return nil, fmt.Errorf("no root element")
}

// sameXML compares octets: the writer below writes one form only.
func sameXML(have *Element, want []byte) error {
	got, err := writeXML(have)
	if err != nil {
		return err
	}
	if !bytes.Equal(bytes.TrimSpace(got), bytes.TrimSpace(want)) {
		return fmt.Errorf("the output differs\n%s", FirstDifference(got, want))
	}
	return nil
}

// writeXML writes with the prefixes of the rules, declared where first used.
func writeXML(e *Element) ([]byte, error) {
	var b bytes.Buffer
	err := writeElement(&b, e, map[string]string{"": ""}, "")
	return b.Bytes(), err
}

func writeElement(b *bytes.Buffer, e *Element, scope map[string]string, indent string) error {
	inner := map[string]string{}
	for k, v := range scope {
		inner[k] = v
	}
	var decls string
	name := func(n Name, attr bool) string {
		if inner[n.Prefix] != n.Space && !(attr && n.Prefix == "") {
			inner[n.Prefix] = n.Space
			if n.Prefix == "" {
				decls += fmt.Sprintf(" xmlns=%q", n.Space)
			} else {
				decls += fmt.Sprintf(" xmlns:%s=%q", n.Prefix, n.Space)
			}
		}
		if n.Prefix == "" {
			return n.Local
		}
		return n.Prefix + ":" + n.Local
	}
	tag := name(e.Name, false)
	var attrs bytes.Buffer
	for _, a := range e.Attrs {
		fmt.Fprintf(&attrs, " %s=\"", name(a.Name, true))
		if err := xml.EscapeText(&attrs, []byte(a.Value)); err != nil {
			return err
		}
		attrs.WriteString("\"")
	}
	fmt.Fprintf(b, "%s<%s%s%s", indent, tag, decls, attrs.String())
	if e.Text == "" && len(e.Children) == 0 {
		b.WriteString("/>\n")
		return nil
	}
	b.WriteString(">")
	if err := xml.EscapeText(b, []byte(e.Text)); err != nil {
		return err
	}
	if len(e.Children) > 0 {
		b.WriteString("\n")
		for _, c := range e.Children {
			if err := writeElement(b, c, inner, indent+"  "); err != nil {
				return err
			}
		}
		b.WriteString(indent)
	}
	fmt.Fprintf(b, "</%s>\n", tag)
	return nil
}

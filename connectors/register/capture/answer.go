package capture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"oncegate/connectors/register/jsonxml"
	"oncegate/connectors/xmldoc"
)

const xsiSpace = "http://www.w3.org/2001/XMLSchema-instance"

// XML returns a document with every text replaced; swap holds texts that are
// replaced as a whole, such as the id of the query. Comments and processing
// instructions are left out: no rule could speak of them.
func (p *Pseudonyms) XML(root xmldoc.Element, rules *Rules, swap map[string]string) []byte {
	w := &xmlWriter{rules: rules, names: p, swap: swap}
	w.out.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
	w.element(root, map[string]string{"": "", "xml": "http://www.w3.org/XML/1998/namespace"})
	w.out.WriteByte('\n')
	return w.out.Bytes()
}

type xmlWriter struct {
	out   bytes.Buffer
	path  []Step
	rules *Rules
	names *Pseudonyms
	swap  map[string]string
}

func (w *xmlWriter) element(e xmldoc.Element, outer map[string]string) {
	name := e.Name()
	w.path = append(w.path, Step{Space: name.Space, Local: name.Local})
	scope := map[string]string{}
	for k, v := range outer {
		scope[k] = v
	}
	var declared []string
	need := func(prefix, space string) {
		if uri, ok := scope[prefix]; !ok || uri != space {
			scope[prefix] = space
			declared = append(declared, prefix)
		}
	}
	qname := func(prefix, local string) string {
		if prefix == "" {
			return local
		}
		return prefix + ":" + local
	}
	tag := qname(e.Node().Prefix(), w.name(name.Local))
	need(e.Node().Prefix(), name.Space)
	var attrs strings.Builder
	var there []Step
	for a := e.Node().FirstAttr(); !a.IsZero(); a = a.NextAttr() {
		n, value := a.Name(), a.Value()
		if n.Space == xsiSpace { // types and nil say nothing of a person, and the rules may ask for them
			if value = strings.TrimSpace(value); n.Local == "type" {
				q, ok := e.ResolveQName(value)
				if prefix, _, has := strings.Cut(value, ":"); ok && has {
					need(prefix, q.Space)
					value = qname(prefix, w.name(q.Local))
				} else if ok {
					value = w.name(q.Local)
				} else {
					continue
				}
			} else if n.Local != "nil" || !slices.Contains([]string{"true", "false", "1", "0"}, value) {
				continue // where a schema is, or what is none of the two
			}
		} else {
			w.path = append(w.path, Step{n.Space, n.Local, true})
			value = w.names.text(w.rules.of(w.path), value, w.swap)
			w.path = w.path[:len(w.path)-1]
		}
		written := Step{n.Space, w.name(n.Local), true}
		if slices.Contains(there, written) {
			continue // two that masking made one
		}
		there = append(there, written)
		if a.Prefix() != "" {
			need(a.Prefix(), n.Space)
		}
		fmt.Fprintf(&attrs, " %s=\"%s\"", qname(a.Prefix(), written.Local), escape(value, true))
	}
	w.out.WriteString("<" + tag)
	slices.Sort(declared)
	for _, prefix := range slices.Compact(declared) {
		if prefix == "" {
			fmt.Fprintf(&w.out, " xmlns=\"%s\"", escape(scope[prefix], true))
		} else {
			fmt.Fprintf(&w.out, " xmlns:%s=\"%s\"", prefix, escape(scope[prefix], true))
		}
	}
	w.out.WriteString(attrs.String() + ">")
	rule := w.rules.of(w.path)
	for k := e.Node().FirstChild(); !k.IsZero(); k = k.NextSibling() {
		switch k.Kind() {
		case xmldoc.KindElement:
			child, _ := k.Element()
			w.element(child, scope)
		case xmldoc.KindText:
			w.out.WriteString(escape(w.names.text(rule, k.Value(), w.swap), false))
		}
	}
	w.out.WriteString("</" + tag + ">")
	w.path = w.path[:len(w.path)-1]
}

func escape(s string, attr bool) string {
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#13;").Replace(s)
	if attr {
		s = strings.NewReplacer("\"", "&quot;", "\n", "&#10;", "\t", "&#9;").Replace(s)
	}
	return s
}

// JSON returns a JSON answer with every text and number replaced. Its names are
// those of the tree that rules read: /json/member/..., an item of a list has the
// name of the list.
func (p *Pseudonyms) JSON(text []byte, rules *Rules, swap map[string]string) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("reading a JSON answer: %w", err)
	}
	w := &jsonWalker{rules: rules, names: p, swap: swap, path: []Step{{Local: "json"}}}
	out, err := json.MarshalIndent(w.value(v), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing a JSON answer: %w", err)
	}
	return append(out, '\n'), nil
}

type jsonWalker struct {
	path  []Step
	rules *Rules
	names *Pseudonyms
	swap  map[string]string
}

func (w *jsonWalker) value(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, m := range v {
			w.path = append(w.path, Step{Local: jsonxml.Name(k)})
			out[member(k, out)] = w.value(m)
			w.path = w.path[:len(w.path)-1]
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = w.value(item)
		}
		return out
	case string:
		return w.names.text(w.rules.of(w.path), v, w.swap)
	case bool, nil:
		return v
	}
	if w.rules.of(w.path).as == Keep {
		return v
	}
	return json.Number("0") // a number may be an amount or an identifier: none of it stays
}

package xsd

import (
	"strings"

	"oncegate/connectors/xmldoc"
)

type constraintKind uint8

const (
	constraintUnique constraintKind = iota + 1
	constraintKey
	constraintRef
)

// constraint is xs:unique, xs:key or xs:keyref (3.11).
type constraint struct {
	name     Name
	kind     constraintKind
	selector []idPath
	fields   [][]idPath
	refer    Name
	key      *constraint // of a keyref
	at       place
}

// idPath is one alternative of the part of XPath that selectors and fields may use.
type idPath struct {
	deep  bool // begins with .//
	steps []idStep
	attr  *idStep
}

type idStep struct {
	any      bool // *
	anyLocal bool // prefix:*
	name     Name
}

func (s idStep) matches(n Name) bool {
	return s.any || n.Space == s.name.Space && (s.anyLocal || n.Local == s.name.Local)
}

func (b *builder) constraint(at place) *constraint {
	c := &constraint{at: at, kind: map[string]constraintKind{"unique": constraintUnique, "key": constraintKey, "keyref": constraintRef}[at.e.Name().Local]}
	local, _ := at.e.Attr(Name{Local: "name"})
	if local = collapse(local); !xmldoc.ValidNCName(local) {
		b.fault(at, "an identity constraint needs a name")
		return nil
	}
	c.name = Name{Space: at.file.target, Local: local}
	if c.kind == constraintRef {
		b.allow(at, "name", "refer", "id")
		name, ok := b.reference(at, "refer")
		if !ok {
			b.fault(at, "xs:keyref needs a refer")
			return nil
		}
		c.refer = name
		b.refers = append(b.refers, c)
	} else {
		b.allow(at, "name", "id")
	}
	if b.constrs[c.name] != nil && b.constrs[c.name].at != at {
		b.fault(at, "identity constraint %s is defined twice", local)
		return nil
	}
	b.constrs[c.name] = c
	for i, k := range b.children(at, "selector", "field") {
		b.allow(k, "xpath", "id")
		b.children(k)
		text, _ := k.e.Attr(Name{Local: "xpath"})
		if k.is("selector") != (i == 0) {
			b.fault(k, "one xs:selector, then xs:field")
			return nil
		}
		paths, ok := b.idPaths(k, text, i > 0)
		if !ok {
			return nil
		}
		if i == 0 {
			c.selector = paths
		} else {
			c.fields = append(c.fields, paths)
		}
	}
	if c.selector == nil || len(c.fields) == 0 {
		b.fault(at, "an identity constraint needs a selector and a field")
		return nil
	}
	return c
}

// idPaths reads a selector or field (3.11.6).
func (b *builder) idPaths(at place, text string, field bool) ([]idPath, bool) {
	bad := func() ([]idPath, bool) {
		b.fault(at, "%s is not of the part of XPath that stands here", shown(text))
		return nil, false
	}
	var out []idPath
	for _, alt := range strings.Split(text, "|") {
		var p idPath
		rest := strings.TrimSpace(alt)
		if after, ok := strings.CutPrefix(rest, "."); ok {
			if after, ok := strings.CutPrefix(strings.TrimSpace(after), "//"); ok {
				p.deep, rest = true, strings.TrimSpace(after)
			}
		}
		if rest == "" {
			return bad()
		}
		parts := strings.Split(rest, "/")
		for i, part := range parts {
			part = strings.TrimSpace(part)
			attr := false
			if after, ok := strings.CutPrefix(part, "@"); ok {
				attr, part = true, strings.TrimSpace(after)
			} else if axis, after, ok := strings.Cut(part, "::"); ok {
				switch strings.TrimSpace(axis) {
				case "attribute":
					attr = true
				case "child":
				default:
					return bad()
				}
				part = strings.TrimSpace(after)
			}
			if part == "." && !attr {
				continue
			}
			step, ok := b.idStep(at, part)
			if !ok || attr && (!field || i != len(parts)-1) {
				return bad()
			}
			if attr {
				p.attr = &step
			} else {
				p.steps = append(p.steps, step)
			}
		}
		out = append(out, p)
	}
	return out, true
}

func (b *builder) idStep(at place, part string) (idStep, bool) {
	if part == "*" {
		return idStep{any: true}, true
	}
	prefix, local, has := strings.Cut(part, ":")
	if !has {
		return idStep{name: Name{Local: part}}, xmldoc.ValidNCName(part) // no prefix: no namespace, as in XPath
	}
	space, ok := at.e.LookupPrefix(prefix)
	if !ok || prefix == "" {
		return idStep{}, false
	}
	if local == "*" {
		return idStep{anyLocal: true, name: Name{Space: space}}, true
	}
	return idStep{name: Name{Space: space, Local: local}}, xmldoc.ValidNCName(local)
}

// table holds the key sequences of one key or unique at one element.
type table struct {
	scope xmldoc.Element
	keys  map[string]xmldoc.Element
}

// constraints checks the identity constraints of an element after its content was
// validated.
func (v *run) constraints(e xmldoc.Element, list []*constraint) {
	for _, c := range list {
		if c.kind == constraintRef {
			continue
		}
		t := table{e, map[string]xmldoc.Element{}}
		v.selected(e, c, func(node xmldoc.Element) {
			key, whole := v.keySequence(node, c)
			switch {
			case !whole && c.kind == constraintKey:
				v.find(node, "cvc-identity-constraint.4.2.1", "a field of key %s is missing", c.name.Local)
			case !whole:
			case !t.keys[key].IsZero():
				v.find(node, "cvc-identity-constraint.4.2.2", "the fields of %s are those of an element before", c.name.Local)
			default:
				t.keys[key] = node
			}
		})
		v.tables[c] = append(v.tables[c], t)
	}
	for _, c := range list {
		if c.kind != constraintRef {
			continue
		}
		known := v.within(e, c.key)
		v.selected(e, c, func(node xmldoc.Element) {
			key, whole := v.keySequence(node, c)
			if !whole || known[key] {
				return
			}
			v.find(node, "cvc-identity-constraint.4.3", "the fields of %s are those of no %s", c.name.Local, c.key.name.Local)
		})
	}
}

// within gathers the key sequences of the elements that e contains. Their tables are
// the last ones, since content is validated before what holds it.
func (v *run) within(e xmldoc.Element, key *constraint) map[string]bool {
	out := map[string]bool{}
	list := v.tables[key]
	for i := len(list) - 1; i >= 0 && e.Contains(list[i].scope); i-- {
		for k := range list[i].keys {
			out[k] = true
		}
	}
	return out
}

// selected calls f for each element that the selector finds, once.
func (v *run) selected(e xmldoc.Element, c *constraint, f func(xmldoc.Element)) {
	seen := map[xmldoc.Element]bool{}
	for _, p := range c.selector {
		v.walk(e, p, func(n xmldoc.Element) {
			if len(c.selector) > 1 {
				if seen[n] {
					return
				}
				seen[n] = true
			}
			f(n)
		})
	}
}

// walk finds the elements of a path, that of an attribute not counted.
func (v *run) walk(e xmldoc.Element, p idPath, f func(xmldoc.Element)) {
	if !p.deep {
		v.steps(e, p.steps, f)
		return
	}
	if len(p.steps) == 0 {
		for d := range e.Descendants() {
			f(d)
		}
		return
	}
	// A node has one ancestor so many steps above: it is found once.
	for d := range e.Descendants() {
		v.steps(d, p.steps, f)
	}
}

func (v *run) steps(e xmldoc.Element, steps []idStep, f func(xmldoc.Element)) {
	if len(steps) == 0 {
		f(e)
		return
	}
	for c := e.First(); !c.IsZero(); c = c.Next() {
		if steps[0].matches(c.Name()) {
			v.steps(c, steps[1:], f)
		}
	}
}

// keySequence reads the fields of one element; whole is false where one is missing.
func (v *run) keySequence(node xmldoc.Element, c *constraint) (key string, whole bool) {
	var b strings.Builder
	whole = true
	for _, field := range c.fields {
		found := 0
		for _, p := range field {
			v.walk(node, p, func(n xmldoc.Element) {
				if p.attr == nil {
					k, simple := v.keys[n]
					if !simple && !v.skipped[n] {
						v.find(n, "cvc-identity-constraint.3", "a field of %s has no simple type", c.name.Local)
					}
					if simple && !v.nil[n] {
						if found++; found == 1 {
							writeKey(&b, k)
						}
					}
					return
				}
				for a := range n.Attrs() {
					if !p.attr.matches(a.Name) {
						continue
					}
					if found++; found == 1 {
						writeKey(&b, v.attributeKey(n, a))
					}
				}
				if found == 0 && !p.attr.any && !p.attr.anyLocal {
					if k, ok := v.defaulted(n, p.attr.name); ok {
						found++
						writeKey(&b, k)
					}
				}
			})
		}
		if found > 1 {
			v.find(node, "cvc-identity-constraint.3", "a field of %s finds more than one node", c.name.Local)
		}
		whole = whole && found > 0
	}
	return b.String(), whole
}

func writeKey(b *strings.Builder, k valueKey) {
	b.WriteByte(byte(k.prim) + 1)
	b.WriteString(k.text)
	b.WriteByte(0)
}

// attributeKey is the key of an attribute's value in its type.
func (v *run) attributeKey(e xmldoc.Element, a xmldoc.Attr) valueKey {
	if t := v.types[e]; t != nil && t.complex != nil {
		var s *simpleType
		if u := t.complex.byName[a.Name]; u != nil {
			s = u.decl.typ.simple
		} else if d := v.schema.attributes[a.Name]; d != nil {
			s = d.typ.simple
		}
		if s != nil {
			if val, rule := s.read(a.Value, context{e: e, schema: v.schema}); rule == nil {
				return val.key()
			}
		}
	}
	return valueKey{primString, a.Value}
}

// defaulted is the key of an attribute that is not there but has a default.
func (v *run) defaulted(e xmldoc.Element, name Name) (valueKey, bool) {
	if t := v.types[e]; t != nil && t.complex != nil {
		if u := t.complex.byName[name]; u != nil && u.value != nil {
			return u.value.key, true
		}
	}
	return valueKey{}, false
}

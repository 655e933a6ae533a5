package xmldoc

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// name reads a qualified name at src[at]. colon is the length of the prefix with its
// colon, 0 without a prefix.
func (p *parser) name(at int) (end, colon int, err error) {
	src, i, part := p.src, at, at
	for i < len(src) {
		b := src[i]
		if b < utf8.RuneSelf {
			want := uint8(nameRest)
			if i == part {
				want = nameStart
			}
			if class[b]&want != 0 {
				for i++; i < len(src) && class[src[i]]&nameRest != 0; i++ {
				}
				continue
			}
			if b == ':' && i > part && colon == 0 {
				i++
				colon, part = i-at, i
				continue
			}
			if b == ':' {
				return 0, 0, p.fail(at, ReasonBadName, "misplaced colon in a name")
			}
			break
		}
		r, n := utf8.DecodeRuneInString(src[i:])
		if i == part && !isNameStart(r) || !isNameRest(r) {
			break
		}
		i += n
	}
	switch {
	case i >= len(src):
		return 0, 0, p.ended("a name")
	case i == part:
		return 0, 0, p.fail(i, ReasonBadName, "a name is missing or does not start with a letter")
	case i-at > p.lim.MaxName:
		return 0, 0, p.fail(at, ReasonNameTooLong, "a name of more than "+strconv.Itoa(p.lim.MaxName)+" bytes")
	}
	return i, colon, nil
}

func (p *parser) skipSpace(i int) int {
	for i < len(p.src) && class[p.src[i]]&space != 0 {
		i++
	}
	return i
}

func (p *parser) startTag() error {
	start := p.pos
	if p.cur == 0 && p.d.root != 0 {
		return p.fail(start, ReasonSecondRoot, "a second root element")
	}
	if p.depth >= p.lim.MaxDepth {
		return p.fail(start, ReasonTooDeep, "more than "+strconv.Itoa(p.lim.MaxDepth)+" nested elements")
	}
	i, colon, err := p.name(start + 1)
	if err != nil {
		return err
	}
	outer, inUse := p.scope, p.inUse
	lo, size := len(p.d.attrs), i-start-1
	empty, declared := false, 0
	for {
		at := p.skipSpace(i)
		if at >= len(p.src) {
			return p.ended("a start tag")
		}
		if p.src[at] == '>' {
			i = at + 1
			break
		}
		if p.src[at] == '/' {
			if at+1 >= len(p.src) {
				return p.ended("a start tag")
			}
			if p.src[at+1] != '>' {
				return p.fail(at, ReasonSyntax, `"/" inside a start tag`)
			}
			empty, i = true, at+2
			break
		}
		if at == i {
			return p.fail(at, ReasonSyntax, "no white space before an attribute")
		}
		if declared+len(p.d.attrs)-lo >= p.lim.MaxAttributes {
			return p.fail(at, ReasonTooManyAttrs, "more than "+strconv.Itoa(p.lim.MaxAttributes)+" attributes")
		}
		if err := p.room(); err != nil {
			return err
		}
		a := attribute{start: uint32(at)}
		if i, err = p.attribute(&a); err != nil {
			return err
		}
		if name := p.src[a.start : a.start+uint32(a.name)]; a.prefix == 0 && name == "xmlns" {
			err = p.declare(&a, "", outer)
			declared++
		} else if a.prefix == uint16(len("xmlns:")) && strings.HasPrefix(name, "xmlns:") {
			err = p.declare(&a, name[len("xmlns:"):], outer)
			declared++
		} else {
			p.d.attrs = append(p.d.attrs, a)
		}
		if err != nil {
			return err
		}
	}
	uri, err := p.resolve(start+1, colon)
	if err != nil {
		return err
	}
	if err := p.settle(p.d.attrs[lo:]); err != nil {
		return err
	}
	n, err := p.add()
	if err != nil {
		return err
	}
	n.kind, n.prefix, n.name, n.uri = KindElement, uint16(colon), uint16(size), uri
	n.start, n.stop, n.lo, n.hi = uint32(start), uint32(i), uint32(lo), uint32(len(p.d.attrs))
	at := p.last
	if p.cur == 0 {
		p.d.root = at
	}
	p.pos = i
	if empty {
		p.scope, p.inUse = outer, inUse
		return nil
	}
	p.cur, p.last = at, 0
	p.depth++
	p.marks = append(p.marks, inUse)
	return nil
}

func (p *parser) endTag() error {
	start := p.pos + 2
	if p.cur == 0 {
		return p.fail(p.pos, ReasonMismatch, "end tag without a start tag")
	}
	open := p.openName()
	i := start + len(open)
	if !strings.HasPrefix(p.src[start:], open) || i < len(p.src) && p.src[i] != '>' && class[p.src[i]]&space == 0 {
		return p.fail(p.pos, ReasonMismatch, "end tag does not match "+shown(open))
	}
	if i = p.skipSpace(i); i >= len(p.src) {
		return p.ended("an end tag")
	}
	if p.src[i] != '>' {
		return p.fail(i, ReasonSyntax, "malformed end tag")
	}
	n := &p.d.nodes[p.cur]
	n.end, n.stop = int32(len(p.d.nodes)), uint32(i+1)
	p.last, p.cur = p.cur, n.parent
	p.depth--
	p.scope = p.d.nodes[p.cur].scope
	p.inUse = p.marks[len(p.marks)-1]
	p.marks = p.marks[:len(p.marks)-1]
	p.pos = i + 1
	return nil
}

// attribute reads one attribute whose name starts at a.start.
func (p *parser) attribute(a *attribute) (next int, err error) {
	src := p.src
	i, colon, err := p.name(int(a.start))
	if err != nil {
		return 0, err
	}
	a.prefix, a.name = uint16(colon), uint16(i-int(a.start))
	if i = p.skipSpace(i); i < len(src) && src[i] != '=' {
		return 0, p.fail(i, ReasonSyntax, "an attribute without a value")
	}
	if i = p.skipSpace(min(i+1, len(src))); i >= len(src) {
		return 0, p.ended("an attribute")
	}
	quote := src[i]
	if quote != '"' && quote != '\'' {
		return 0, p.fail(i, ReasonSyntax, "the value of an attribute must be quoted")
	}
	i++
	lo := i
	for ; i < len(src); i++ {
		c := class[src[i]]
		if c&(attrStop|badByte|maybeBad) == 0 {
			continue
		}
		switch {
		case src[i] == quote:
			a.lo, a.hi = uint32(lo), uint32(i)
			return i + 1, nil
		case c&badByte != 0 || c&maybeBad != 0 && nonCharAt(src, i):
			return 0, p.illegal(i)
		case c&attrStop == 0 || src[i] == '\'':
		case src[i] == '"':
			a.flags |= flagEscape
		case src[i] == '<':
			return 0, p.fail(i, ReasonSyntax, `"<" in the value of an attribute`)
		default:
			return p.mixedValue(a, quote, lo, i)
		}
	}
	return 0, p.ended("the value of an attribute")
}

// mixedValue goes on with a value that differs from its source from src[i] on:
// references are resolved, white space becomes spaces (XML 1.0 3.3.3).
func (p *parser) mixedValue(a *attribute, quote byte, lo, i int) (next int, err error) {
	src := p.src
	a.flags |= flagSide
	from := lo
	sideLo := len(p.side)
	for i < len(src) {
		c := class[src[i]]
		if c&(attrStop|badByte|maybeBad) == 0 {
			i++
			continue
		}
		switch {
		case src[i] == quote:
			p.side = append(p.side, src[from:i]...)
			a.lo, a.hi = uint32(sideLo), uint32(len(p.side))
			return i + 1, nil
		case c&badByte != 0 || c&maybeBad != 0 && nonCharAt(src, i):
			return 0, p.illegal(i)
		case src[i] == '<':
			return 0, p.fail(i, ReasonSyntax, `"<" in the value of an attribute`)
		case src[i] == '&':
			p.side = append(p.side, src[from:i]...)
			if i, err = p.reference(i); err != nil {
				return 0, err
			}
			a.flags |= flagEscape
			from = i
		case c&space != 0:
			p.side = append(append(p.side, src[from:i]...), ' ')
			if src[i] == '\r' && i+1 < len(src) && src[i+1] == '\n' {
				i++
			}
			i++
			from = i
		default:
			if src[i] == '"' {
				a.flags |= flagEscape
			}
			i++
		}
	}
	return 0, p.ended("the value of an attribute")
}

// declare puts a namespace declaration into scope (Namespaces in XML 1.0, 3).
func (p *parser) declare(a *attribute, prefix string, outer int32) error {
	uri := p.src[a.lo:a.hi]
	if a.flags&flagSide != 0 {
		uri = string(p.side[a.lo:a.hi])
	}
	at := int(a.start)
	switch {
	case prefix == "xmlns":
		return p.fail(at, ReasonReserved, "the prefix xmlns may not be declared")
	case prefix == "xml" && uri != SpaceXML, prefix != "xml" && uri == SpaceXML, uri == SpaceXMLNS:
		return p.fail(at, ReasonReserved, "the namespaces of xml and xmlns may not be bound otherwise")
	case prefix != "" && uri == "":
		return p.fail(at, ReasonReserved, "a prefix may not be undeclared")
	case len(uri) > p.lim.MaxName: // exclusive C14N repeats it wherever it is used
		return p.fail(at, ReasonNameTooLong, "a namespace name of more than "+strconv.Itoa(p.lim.MaxName)+" bytes")
	}
	for d := p.scope; d != outer; d = p.d.decls[d].outer {
		if p.d.decls[d].prefix == prefix {
			return p.fail(at, ReasonDuplicateAttr, "a prefix declared twice on one element")
		}
	}
	if p.inUse++; p.inUse > p.lim.MaxNamespaces {
		return p.fail(at, ReasonTooManySpaces, "more than "+strconv.Itoa(p.lim.MaxNamespaces)+" namespaces in scope")
	}
	p.d.decls = append(p.d.decls, declaration{prefix, p.intern(uri), p.scope})
	p.scope = int32(len(p.d.decls) - 1)
	return nil
}

// intern returns the number of a namespace name; equal names have equal numbers.
func (p *parser) intern(uri string) int32 {
	const few = 24 // beyond it a map is faster than looking along the list
	if p.byURI == nil {
		for i, have := range p.d.uris {
			if have == uri {
				return int32(i)
			}
		}
		if len(p.d.uris) >= few {
			p.byURI = make(map[string]int32, 2*few)
			for i, have := range p.d.uris {
				p.byURI[have] = int32(i)
			}
		}
	} else if i, ok := p.byURI[uri]; ok {
		return i
	}
	at := int32(len(p.d.uris))
	p.d.uris = append(p.d.uris, uri)
	if p.byURI != nil {
		p.byURI[uri] = at
	}
	return at
}

// resolve finds the namespace of a name at src[at] whose prefix with colon is colon bytes.
func (p *parser) resolve(at, colon int) (int32, error) {
	prefix := ""
	if colon > 0 {
		prefix = p.src[at : at+colon-1]
	}
	if prefix == "xmlns" {
		return 0, p.fail(at, ReasonReserved, "the prefix xmlns may not be used")
	}
	uri, ok := p.d.lookup(p.scope, prefix)
	if !ok {
		return 0, p.fail(at, ReasonUndeclared, "prefix "+shown(prefix)+" is not declared")
	}
	return uri, nil
}

// settle resolves the attributes of one element and refuses two of one expanded name.
func (p *parser) settle(attrs []attribute) error {
	const few = 16
	if len(attrs) > few {
		if p.names == nil {
			p.names = make(map[Name]struct{}, 4*few)
		}
		clear(p.names)
	}
	for i := range attrs {
		a := &attrs[i]
		if a.prefix > 0 {
			uri, err := p.resolve(int(a.start), int(a.prefix))
			if err != nil {
				return err
			}
			a.uri = uri
		}
		local := p.src[a.start+uint32(a.prefix) : a.start+uint32(a.name)]
		twice := false
		if len(attrs) > few {
			key := Name{p.d.uris[a.uri], local}
			_, twice = p.names[key]
			p.names[key] = struct{}{}
		} else {
			for j := range attrs[:i] {
				b := &attrs[j]
				if b.uri == a.uri && p.src[b.start+uint32(b.prefix):b.start+uint32(b.name)] == local {
					twice = true
				}
			}
		}
		if twice {
			return p.fail(int(a.start), ReasonDuplicateAttr, "attribute "+shown(local)+" stands twice on one element")
		}
	}
	return nil
}

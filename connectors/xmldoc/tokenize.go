package xmldoc

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A parser reads src from left to right, once. Every method that can refuse returns
// a *ParseError as error.
type parser struct {
	src   string
	pos   int
	lim   Limits
	d     *Document
	side  []byte
	cur   int32 // the open element, 0 at document level
	last  int32 // the last child of cur so far
	depth int
	scope int32 // innermost declaration in scope
	inUse int   // declarations in scope
	marks []int // inUse before each open element
	names map[Name]struct{}
	byURI map[string]int32
}

func parse(raw string, say Encoding, lim Limits) (*Document, error) {
	p := &parser{lim: lim, scope: -1}
	if err := p.decode(raw, say); err != nil {
		return nil, err
	}
	// The floor on bytes a node keeps a hostile document from reserving much.
	declared := min(strings.Count(p.src, "xmlns"), len(p.src)/16+4, lim.MaxNodes)
	p.d = &Document{
		src:   p.src,
		decls: make([]declaration, 0, declared),
		nodes: make([]node, 1, 1+min(countNodes(p.src), len(p.src)/8+8, lim.MaxNodes)),
		attrs: make([]attribute, 0, min(max(strings.Count(p.src, "=")-declared, 0), len(p.src)/16+4, lim.MaxNodes)),
		uris:  append(make([]string, 0, 16), "", SpaceXML, SpaceXMLNS),
	}
	p.d.nodes[0] = node{kind: KindDocument, scope: -1}
	if err := p.document(); err != nil {
		return nil, err
	}
	p.d.nodes[0].end = int32(len(p.d.nodes))
	p.d.nodes[0].stop = uint32(len(p.src))
	p.d.side = string(p.side)
	return p.d, nil
}

// countNodes tells how many nodes a document has, nearly: every "<" but that of an end
// tag begins one, and what stands before a "<" is a text unless it is a ">".
func countNodes(src string) int {
	n := 0
	for at := 0; ; {
		i := strings.IndexByte(src[at:], '<')
		if i < 0 {
			return n
		}
		at += i + 1
		if at < len(src) && src[at] != '/' {
			n++
		}
		if at > 1 && src[at-2] != '>' {
			n++
		}
	}
}

func (p *parser) fail(at int, reason Reason, msg string) error {
	line, col := position(p.src, at)
	return &ParseError{Line: line, Col: col, Reason: reason, Msg: msg}
}

func (p *parser) ended(what string) error {
	return p.fail(len(p.src), ReasonUnexpectedEnd, "the document ends inside "+what)
}

// shown quotes a name for an error, cut to a length that cannot flood a log.
func shown(name string) string {
	const most = 64
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "..."
	}
	return strconv.Quote(name)
}

func (p *parser) document() error {
	for p.pos < len(p.src) {
		if p.src[p.pos] != '<' {
			if p.cur != 0 {
				if err := p.text(); err != nil {
					return err
				}
				continue
			}
			if class[p.src[p.pos]]&space == 0 {
				return p.fail(p.pos, ReasonOutsideRoot, "text outside the root element")
			}
			p.pos++
			continue
		}
		if p.pos+1 >= len(p.src) {
			return p.ended("a tag")
		}
		var err error
		switch p.src[p.pos+1] {
		case '/':
			err = p.endTag()
		case '!':
			err = p.bang()
		case '?':
			err = p.instruction()
		default:
			err = p.startTag()
		}
		if err != nil {
			return err
		}
	}
	switch {
	case p.cur != 0:
		return p.ended("element " + shown(p.openName()))
	case p.d.root == 0:
		return p.fail(len(p.src), ReasonNoRoot, "no root element")
	}
	return nil
}

func (p *parser) openName() string {
	n := &p.d.nodes[p.cur]
	return p.src[n.start+1 : n.start+1+uint32(n.name)]
}

// add appends a node under the open element, to be filled in where it lies: made
// elsewhere and copied, it would cost twice the time.
func (p *parser) add() (*node, error) {
	if err := p.room(); err != nil {
		return nil, err
	}
	at := len(p.d.nodes)
	p.d.nodes = append(p.d.nodes, node{})
	n := &p.d.nodes[at]
	n.parent, n.prev, n.end, n.scope = p.cur, p.last, int32(at)+1, p.scope
	p.last = int32(at)
	return n, nil
}

func (p *parser) room() error {
	if len(p.d.nodes)+len(p.d.attrs)+len(p.d.decls) > p.lim.MaxNodes {
		return p.fail(p.pos, ReasonTooManyNodes, "more than "+strconv.Itoa(p.lim.MaxNodes)+" nodes")
	}
	return nil
}

func (p *parser) bang() error {
	rest := p.src[p.pos:]
	switch {
	case strings.HasPrefix(rest, "<!--"):
		return p.comment()
	case strings.HasPrefix(rest, "<![CDATA["):
		if p.cur == 0 {
			return p.fail(p.pos, ReasonOutsideRoot, "CDATA outside the root element")
		}
		return p.text()
	case strings.HasPrefix(rest, "<!DOCTYPE"):
		return p.fail(p.pos, ReasonDoctype, "DOCTYPE is not accepted")
	}
	return p.fail(p.pos, ReasonSyntax, "malformed markup after <!")
}

func (p *parser) comment() error {
	lo := p.pos + len("<!--")
	n := strings.Index(p.src[lo:], "--")
	if n < 0 {
		return p.ended("a comment")
	}
	hi := lo + n
	if hi+2 >= len(p.src) {
		return p.ended("a comment")
	}
	if p.src[hi+2] != '>' {
		return p.fail(hi, ReasonComment, `"--" inside a comment`)
	}
	return p.plain(KindComment, 0, lo, hi, hi+3)
}

func (p *parser) instruction() error {
	lo := p.pos + 2
	end, colon, err := p.name(lo)
	if err != nil {
		return err
	}
	target := p.src[lo:end]
	switch {
	case colon != 0:
		return p.fail(lo, ReasonInstruction, "colon in the target of a processing instruction")
	case strings.EqualFold(target, "xml"):
		return p.fail(p.pos, ReasonInstruction, "a processing instruction may not be called xml")
	}
	n := strings.Index(p.src[end:], "?>")
	if n < 0 {
		return p.ended("a processing instruction")
	}
	hi, data := end+n, end
	for data < hi && class[p.src[data]]&space != 0 {
		data++
	}
	if data == end && data != hi {
		return p.fail(end, ReasonInstruction, "no white space after the target of a processing instruction")
	}
	return p.plain(KindInstruction, end-lo, data, hi, hi+2)
}

// plain adds a comment or a processing instruction, whose content is not parsed.
func (p *parser) plain(kind Kind, name, lo, hi, stop int) error {
	cr, err := p.chars(lo, hi)
	if err != nil {
		return err
	}
	n, err := p.add()
	if err != nil {
		return err
	}
	n.kind, n.name = kind, uint16(name)
	n.start, n.stop, n.lo, n.hi = uint32(p.pos), uint32(stop), uint32(lo), uint32(hi)
	if cr {
		n.lo = uint32(len(p.side))
		p.side = appendLines(p.side, p.src[lo:hi])
		n.hi = uint32(len(p.side))
		n.flags |= flagSide
	}
	p.pos = stop
	return nil
}

// chars refuses illegal characters in src[lo:hi] and reports whether it has a CR.
func (p *parser) chars(lo, hi int) (cr bool, err error) {
	for i := lo; i < hi; i++ {
		switch c := class[p.src[i]]; {
		case c&badByte != 0 || c&maybeBad != 0 && nonCharAt(p.src, i):
			return false, p.illegal(i)
		case p.src[i] == '\r':
			cr = true
		}
	}
	return cr, nil
}

func (p *parser) illegal(at int) error {
	r, _ := utf8.DecodeRuneInString(p.src[at:])
	return p.fail(at, ReasonIllegalChar, "character U+"+strings.ToUpper(strconv.FormatInt(int64(r), 16))+" is not allowed")
}

// appendLines appends s with CR and CR LF turned into LF (XML 1.0 2.11).
func appendLines(dst []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, '\r')
		if i < 0 {
			return append(dst, s...)
		}
		dst = append(append(dst, s[:i]...), '\n')
		s = s[i+1:]
		if s != "" && s[0] == '\n' {
			s = s[1:]
		}
	}
}

// text reads character data and CDATA sections up to the next other markup: one
// text node, as in the XPath data model.
func (p *parser) text() error {
	src, start := p.src, p.pos
	var flags uint8
	i := start
scan:
	for ; i < len(src); i++ {
		c := class[src[i]]
		if c&(textStop|badByte|maybeBad) == 0 {
			continue
		}
		switch {
		case c&badByte != 0 || c&maybeBad != 0 && nonCharAt(src, i):
			return p.illegal(i)
		case src[i] == '<':
			break scan
		case src[i] == '>':
			if i-start >= 2 && src[i-1] == ']' && src[i-2] == ']' {
				return p.fail(i-2, ReasonCDataEnd, `"]]>" in character data`)
			}
			flags |= flagEscape
		case src[i] == '&' || src[i] == '\r':
			return p.mixedText(flags, i)
		}
	}
	if strings.HasPrefix(src[i:], "<![CDATA[") {
		return p.mixedText(flags, i)
	}
	return p.addText(flags, start, i, i)
}

// addText adds the text that stands in src from p.pos to stop.
func (p *parser) addText(flags uint8, lo, hi, stop int) error {
	n, err := p.add()
	if err != nil {
		return err
	}
	n.kind, n.flags = KindText, flags
	n.start, n.stop, n.lo, n.hi = uint32(p.pos), uint32(stop), uint32(lo), uint32(hi)
	p.pos = stop
	return nil
}

// mixedText goes on with text whose value differs from its source from src[i] on.
func (p *parser) mixedText(flags uint8, i int) error {
	src := p.src
	flags |= flagSide
	if p.side == nil { // to grow by doubling copies more than the text itself
		p.side = make([]byte, 0, (len(src)-p.pos)/4+64)
	}
	lo := len(p.side)
	p.side = append(p.side, src[p.pos:i]...)
	literal, from := p.pos, i // literal: where the run of plain text began
	var err error
loop:
	for i < len(src) {
		c := class[src[i]]
		if c&(textStop|badByte|maybeBad) == 0 {
			i++
			continue
		}
		switch {
		case c&badByte != 0 || c&maybeBad != 0 && nonCharAt(src, i):
			return p.illegal(i)
		case src[i] == '>':
			if i-literal >= 2 && src[i-1] == ']' && src[i-2] == ']' {
				return p.fail(i-2, ReasonCDataEnd, `"]]>" in character data`)
			}
			flags |= flagEscape
			i++
		case src[i] == '&':
			p.side = append(p.side, src[from:i]...)
			if i, err = p.reference(i); err != nil {
				return err
			}
			flags |= flagEscape
			literal, from = i, i
		case src[i] == '\r':
			p.side = append(append(p.side, src[from:i]...), '\n')
			if i++; i < len(src) && src[i] == '\n' {
				i++
			}
			literal, from = i, i
		case strings.HasPrefix(src[i:], "<![CDATA["):
			p.side = append(p.side, src[from:i]...)
			if i, err = p.cdata(i); err != nil {
				return err
			}
			flags |= flagEscape
			literal, from = i, i
		case src[i] == '<':
			break loop
		default:
			i++
		}
	}
	p.side = append(p.side, src[from:i]...)
	if lo == len(p.side) { // an empty CDATA section is no node
		p.pos = i
		return nil
	}
	return p.addText(flags, lo, len(p.side), i)
}

func (p *parser) cdata(at int) (next int, err error) {
	lo := at + len("<![CDATA[")
	n := strings.Index(p.src[lo:], "]]>")
	if n < 0 {
		return 0, p.ended("a CDATA section")
	}
	if _, err := p.chars(lo, lo+n); err != nil {
		return 0, err
	}
	p.side = appendLines(p.side, p.src[lo:lo+n])
	return lo + n + len("]]>"), nil
}

// reference appends the character that a reference at src[at] stands for.
func (p *parser) reference(at int) (next int, err error) {
	const longest = len("#x0010FFFF") + 6 // leading zeros are allowed, an endless row is not
	rest := p.src[at+1 : min(at+1+longest+1, len(p.src))]
	n := strings.IndexByte(rest, ';')
	if n < 0 {
		return 0, p.fail(at, ReasonEntity, `"&" does not start a reference`)
	}
	ref := rest[:n]
	next = at + 1 + n + 1
	switch ref {
	case "amp":
		p.side = append(p.side, '&')
		return next, nil
	case "lt":
		p.side = append(p.side, '<')
		return next, nil
	case "gt":
		p.side = append(p.side, '>')
		return next, nil
	case "quot":
		p.side = append(p.side, '"')
		return next, nil
	case "apos":
		p.side = append(p.side, '\'')
		return next, nil
	}
	if !strings.HasPrefix(ref, "#") {
		return 0, p.fail(at, ReasonEntity, "undefined entity")
	}
	digits, base := ref[1:], 10
	if strings.HasPrefix(digits, "x") {
		digits, base = digits[1:], 16
	}
	v, perr := strconv.ParseUint(digits, base, 32)
	if perr != nil || digits[0] == '+' {
		return 0, p.fail(at, ReasonEntity, "malformed character reference")
	}
	if v > utf8.MaxRune || !isChar(rune(v)) {
		return 0, p.fail(at, ReasonIllegalChar, "reference to a character that is not allowed")
	}
	p.side = utf8.AppendRune(p.side, rune(v))
	return next, nil
}

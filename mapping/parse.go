package mapping

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of one expression.
const (
	maxExprBytes = 4096
	maxExprDepth = 32
	maxSteps     = 64
)

// grammar is what names may mean in the expressions of one program.
type grammar struct {
	names    *names
	prefixes map[string]string
	used     map[string]bool // prefixes that were used; may be nil
	xml      bool            // the input is XML: prefixes and attributes exist
}

func (g *grammar) use(prefix string) {
	if g.used != nil {
		g.used[prefix] = true
	}
}

// parser reads one expression by recursive descent. The first fault is kept and
// moves the position to the end, where nothing more can be read.
type parser struct {
	g     *grammar
	text  string
	pos   int
	depth int
	fault *exprError
}

// parseExpr compiles one expression.
func (g *grammar) parseExpr(text string) (expr, *exprError) {
	if len(text) > maxExprBytes {
		return nil, &exprError{0, fmt.Sprintf("the expression is longer than %d bytes", maxExprBytes)}
	}
	p := &parser{g: g, text: text}
	e := p.or()
	p.space()
	if p.pos < len(text) {
		p.fail(p.pos, "cannot go on here: %s", p.here())
	}
	if p.fault != nil {
		return nil, p.fault
	}
	return e, nil
}

func (p *parser) fail(at int, format string, args ...any) {
	if p.fault == nil {
		p.fault = &exprError{at, fmt.Sprintf(format, args...)}
	}
	p.pos = len(p.text)
}

// here quotes what stands at the position, for messages.
func (p *parser) here() string {
	if p.pos >= len(p.text) {
		return "the expression ends"
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.pos:])
	return strconv.QuoteRune(r)
}

func (p *parser) space() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// take consumes token when it is next.
func (p *parser) take(token string) bool {
	p.space()
	if strings.HasPrefix(p.text[p.pos:], token) {
		p.pos += len(token)
		return true
	}
	return false
}

// takeWord consumes an operator spelled as a word.
func (p *parser) takeWord(word string) bool {
	p.space()
	rest := p.text[p.pos:]
	if !strings.HasPrefix(rest, word) {
		return false
	}
	if next, _ := utf8.DecodeRuneInString(rest[len(word):]); isNameRune(next, false) || next == ':' {
		return false
	}
	p.pos += len(word)
	return true
}

func (p *parser) enter() {
	if p.depth++; p.depth == maxExprDepth {
		p.fail(p.pos, "nested deeper than %d levels", maxExprDepth)
	}
}

func (p *parser) leave() { p.depth-- }

func (p *parser) or() expr {
	p.enter()
	defer p.leave()
	left := p.and()
	for p.takeWord("or") {
		left = &logic{and: false, left: left, right: p.and()}
	}
	return left
}

func (p *parser) and() expr {
	left := p.compare()
	for p.takeWord("and") {
		left = &logic{and: true, left: left, right: p.compare()}
	}
	return left
}

func (p *parser) compare() expr {
	left := p.primary()
	for _, op := range []string{"!=", "<=", ">=", "=", "<", ">"} {
		if p.take(op) {
			return &comparison{op: op, left: left, right: p.primary()}
		}
	}
	return left
}

func (p *parser) primary() expr {
	p.space()
	at := p.pos
	if at >= len(p.text) {
		p.fail(at, "an expression is missing here")
		return &literal{at: at}
	}
	c := p.text[at]
	switch {
	case c == '\'' || c == '"':
		end := strings.IndexByte(p.text[at+1:], c)
		if end < 0 {
			p.fail(at, "the quote is not closed")
			return &literal{at: at}
		}
		p.pos = at + 1 + end + 1
		return &literal{at, textValue(p.text[at+1 : at+1+end])}
	case c >= '0' && c <= '9', c == '-' && at+1 < len(p.text) && p.text[at+1] >= '0' && p.text[at+1] <= '9':
		end := at + 1
		for end < len(p.text) && (p.text[end] >= '0' && p.text[end] <= '9' || p.text[end] == '.') {
			end++
		}
		if !isDecimal(p.text[at:end]) {
			p.fail(at, "this is not a number")
			return &literal{at: at}
		}
		p.pos = end
		return &literal{at, value{kind: TypeNumber, num: parseNumber(p.text[at:end])}}
	case c == '(':
		p.pos++
		e := p.or()
		if !p.take(")") {
			p.fail(p.pos, "a closing parenthesis is missing: %s", p.here())
		}
		return e
	case c == '|' || c == '+' || c == '$':
		p.fail(at, "%q is not part of the language here", string(c))
		return &literal{at: at}
	}
	if name, end := p.peekName(at); name != "" {
		rest := strings.TrimLeft(p.text[end:], " \t\r\n")
		if strings.HasPrefix(rest, "(") && name != "text" {
			p.pos = len(p.text) - len(rest) + 1
			return p.call(name, at)
		}
	}
	return p.path()
}

// peekName reads a name without prefix at the position.
func (p *parser) peekName(at int) (string, int) {
	end := at
	for end < len(p.text) {
		r, size := utf8.DecodeRuneInString(p.text[end:])
		if !isNameRune(r, end == at) {
			break
		}
		end += size
	}
	return p.text[at:end], end
}

func isNameRune(r rune, first bool) bool {
	switch {
	case r == utf8.RuneError:
		return false
	case r == '_' || unicode.IsLetter(r):
		return true
	}
	return !first && (r == '-' || r == '.' || r == '·' || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r))
}

func (p *parser) call(name string, at int) expr {
	if name == secretFunction {
		p.fail(at, "secret('name') is the whole from of a rule of query, and stands nowhere else")
		return &literal{at: at}
	}
	fn, ok := lookupFunction(name)
	if !ok {
		p.fail(at, "there is no function %s()%s", name, nearestFunction(name))
		return &literal{at: at}
	}
	p.enter()
	defer p.leave()
	c := &call{at: at, fn: fn}
	if !p.take(")") {
		for {
			c.args = append(c.args, p.or())
			if p.take(")") {
				break
			}
			if !p.take(",") {
				p.fail(p.pos, "want a comma or a closing parenthesis: %s", p.here())
				return c
			}
		}
	}
	if fault := fn.checkCall(c); fault != nil {
		p.fail(fault.at, "%s", fault.msg)
	}
	return c
}

func (p *parser) path() expr {
	p.space()
	e := &path{at: p.pos}
	deep := false
	switch {
	case p.take("//"):
		e.absolute, deep = true, true
	case p.take("/"):
		e.absolute = true
		p.space()
		if p.pos == len(p.text) || strings.IndexByte(")]=!<>,", p.text[p.pos]) >= 0 {
			return e // the document itself
		}
	}
	many := false // more than one node may be the start of the next step
	for {
		s := p.step()
		s.deep = deep
		if (deep || s.axis == axisParent) && many || deep && (len(s.preds) > 0 || s.test == testText) {
			e.tangled = true // the last two go parent by parent, not in document order
		}
		many = many || deep || s.axis == axisChild
		if len(e.steps) > maxSteps {
			p.fail(e.at, "the path has more than %d steps", maxSteps)
		}
		if s.axis != axisSelf || s.deep || len(s.preds) > 0 {
			e.steps = append(e.steps, s)
		}
		switch {
		case p.take("//"):
			deep = true
		case p.take("/"):
			deep = false
		default:
			e.plain = e.isPlain()
			return e
		}
		if s.axis == axisAttribute || s.test == testText {
			p.fail(p.pos, "nothing stands below an attribute or a text")
		}
	}
}

func (p *parser) step() step {
	p.space()
	at := p.pos
	var s step
	switch {
	case p.take(".."):
		s = step{axis: axisParent, test: testNode}
	case p.take("."):
		s = step{axis: axisSelf, test: testNode}
	case p.take("@"):
		if !p.g.xml {
			p.fail(at, "values have no attributes; name the field without @")
		}
		s = p.nameTest(step{axis: axisAttribute})
	default:
		s = p.nameTest(step{axis: axisChild})
	}
	for p.take("[") {
		p.enter()
		s.preds = append(s.preds, p.or())
		p.leave()
		if !p.take("]") {
			p.fail(p.pos, "a closing bracket is missing: %s", p.here())
		}
	}
	return s
}

func (p *parser) nameTest(s step) step {
	p.space()
	at := p.pos
	if p.take("*") {
		s.test = testAny
		return s
	}
	name, end := p.peekName(at)
	if name == "" {
		p.fail(at, "want the name of an element: %s", p.here())
		return s
	}
	p.pos = end
	rest := p.text[end:]
	switch {
	case strings.HasPrefix(rest, "::"):
		p.fail(at, "axes are not part of the language; use /, //, .. and @")
		return s
	case name == "text" && strings.HasPrefix(rest, "()"):
		if s.axis == axisAttribute {
			p.fail(at, "an attribute has no text()")
		}
		p.pos += 2
		s.test = testText
		return s
	case strings.HasPrefix(rest, "("):
		p.fail(at, "a function cannot be a step of a path")
		return s
	case !strings.HasPrefix(rest, ":"):
		space := ""
		if s.axis == axisChild && p.g.xml {
			space = p.g.prefixes[""] // the default namespace never holds for attributes
			p.g.use("")
		}
		if !p.g.xml && strings.Contains(name, ".") {
			p.fail(at+strings.IndexByte(name, '.'), "put / between the names of fields")
		}
		s.name, s.space = p.g.names.name(space, name), p.g.names.space(space)
		return s
	}
	space, known := p.g.prefixes[name]
	p.g.use(name)
	switch {
	case !p.g.xml:
		p.fail(at, "values have no namespaces; name the field without a prefix")
		return s
	case !known:
		p.fail(at, "prefix %q is not declared under prefixes", name)
		return s
	}
	p.pos++
	s.space = p.g.names.space(space)
	if strings.HasPrefix(p.text[p.pos:], "*") {
		p.pos++
		s.test = testSpace
		return s
	}
	local, end := p.peekName(p.pos)
	if local == "" {
		p.fail(p.pos, "want a name after the prefix: %s", p.here())
		return s
	}
	p.pos = end
	s.name = p.g.names.name(space, local)
	return s
}

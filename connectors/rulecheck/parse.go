package rulecheck

import (
	"strconv"
	"strings"

	"oncegate/connectors/xmldoc"
)

// prefixes are fixed: what a rule means does not depend on what a document declares.
var prefixes = map[string]string{
	"query": "urn:oasis:names:tc:ebxml-regrep:xsd:query:4.0",
	"rim":   "urn:oasis:names:tc:ebxml-regrep:xsd:rim:4.0",
	"rs":    "urn:oasis:names:tc:ebxml-regrep:xsd:rs:4.0",
	"lcm":   "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:4.0",
	"sdg":   "http://data.europa.eu/p4s",
	"xlink": "http://www.w3.org/1999/xlink",
	"xsi":   "http://www.w3.org/2001/XMLSchema-instance",
	"xml":   xmldoc.SpaceXML,
	"eb":    "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/",
}

type opcode uint8

const (
	opString opcode = iota // text
	opNumber               // num
	opVar                  // text
	opOr
	opAnd
	opCompare // text is the operator
	opAdd     // text is + or -
	opUnion
	opIf       // condition, then, else
	opSome     // text is the variable; set, condition
	opEvery    // the same
	opCall     // text is the function
	opSequence // ('a', 'b')
	opPath     // steps; from args[0] when there is one, from the root when absolute
)

// A node of the syntax tree.
type expr struct {
	op       opcode
	at       int
	text     string
	num      float64
	args     []*expr
	absolute bool
	steps    []step
	preds    []*expr // of args[0] of a path, before its steps
}

type axis uint8

const (
	axisChild      axis = iota
	axisDescendant      // // before a name: descendants with the name
	axisAttribute
	axisParent
	axisSelf
	axisAncestor
	axisAncestorOrSelf
	axisDescendantOrSelf
	axisFollowingSibling
	axisPrecedingSibling
)

var axes = map[string]axis{
	"child": axisChild, "descendant": axisDescendant, "attribute": axisAttribute, "parent": axisParent, "self": axisSelf,
	"ancestor": axisAncestor, "ancestor-or-self": axisAncestorOrSelf, "descendant-or-self": axisDescendantOrSelf,
	"following-sibling": axisFollowingSibling, "preceding-sibling": axisPrecedingSibling,
}

// A nametest is an expanded name, in which * stands for any local name.
type nametest struct {
	name xmldoc.Name
	any  bool // *: any name in any namespace
	node bool // . and .. and //: any node
}

type step struct {
	axis     axis
	test     nametest
	preds    []*expr
	predText string // the predicates as written: what two contexts share is judged once
	at       int
}

type exprParser struct {
	text  string
	toks  []token
	pos   int
	depth int
	nodes int
}

// parseExpr reads one expression.
func parseExpr(s string) (e *expr, f *fault) {
	toks, f := lex(s)
	if f != nil {
		return nil, f
	}
	p := &exprParser{text: s, toks: toks}
	if e, f = p.expr(); f != nil {
		return nil, f
	}
	if t := p.peek(); t.kind != kEnd {
		return nil, p.unexpected("an operator or the end")
	}
	return e, nil
}

func (p *exprParser) peek() token { return p.toks[p.pos] }

func (p *exprParser) next() token {
	t := p.toks[p.pos]
	if t.kind != kEnd {
		p.pos++
	}
	return t
}

func (p *exprParser) is(text string) bool {
	t := p.peek()
	return (t.kind == kOp || t.kind == kName) && t.text == text
}

func (p *exprParser) accept(text string) bool {
	if p.is(text) {
		p.pos++
		return true
	}
	return false
}

func (p *exprParser) expect(text string) *fault {
	if !p.accept(text) {
		return p.unexpected(text)
	}
	return nil
}

func (p *exprParser) unexpected(want string) *fault {
	t := p.peek()
	if t.kind == kEnd {
		return &fault{t.at, "ends too early, want " + want}
	}
	return &fault{t.at, "want " + want}
}

func (p *exprParser) enter(at int) *fault {
	if p.depth++; p.depth > maxDepth {
		return &fault{at, "nested deeper than " + strconv.Itoa(maxDepth) + " levels"}
	}
	return nil
}

func (p *exprParser) node(e expr) (*expr, *fault) {
	if p.nodes++; p.nodes > maxNodes {
		return nil, &fault{e.at, "has more than " + strconv.Itoa(maxNodes) + " parts"}
	}
	return &e, nil
}

func (p *exprParser) expr() (*expr, *fault) {
	t := p.peek()
	if f := p.enter(t.at); f != nil {
		return nil, f
	}
	defer func() { p.depth-- }()
	if t.kind == kName && p.pos+1 < len(p.toks) {
		after := p.toks[p.pos+1]
		switch {
		case t.text == "if" && after.text == "(" && after.kind == kOp:
			return p.conditional(t)
		case (t.text == "some" || t.text == "every") && after.kind == kVar:
			p.pos++
			return p.quantified(t)
		}
	}
	return p.or()
}

func (p *exprParser) conditional(t token) (*expr, *fault) {
	p.pos += 2
	e := expr{op: opIf, at: t.at}
	for _, after := range []string{")", "", ""} {
		arg, f := p.expr()
		if f != nil {
			return nil, f
		}
		e.args = append(e.args, arg)
		if after != "" {
			if f := p.expect(after); f != nil {
				return nil, f
			}
		}
		switch len(e.args) {
		case 1:
			f = p.expect("then")
		case 2:
			f = p.expect("else")
		}
		if f != nil {
			return nil, f
		}
	}
	return p.node(e)
}

// quantified reads what follows some or every; several variables are nested ones.
func (p *exprParser) quantified(t token) (*expr, *fault) {
	if f := p.enter(t.at); f != nil {
		return nil, f
	}
	defer func() { p.depth-- }()
	v := p.next()
	if v.kind != kVar {
		return nil, &fault{v.at, "want a variable such as $x"}
	}
	if f := p.expect("in"); f != nil {
		return nil, f
	}
	set, f := p.expr()
	if f != nil {
		return nil, f
	}
	var body *expr
	if p.accept(",") {
		body, f = p.quantified(t)
	} else if f = p.expect("satisfies"); f == nil {
		body, f = p.expr()
	}
	if f != nil {
		return nil, f
	}
	op := opSome
	if t.text == "every" {
		op = opEvery
	}
	return p.node(expr{op: op, at: v.at, text: v.text, args: []*expr{set, body}})
}

// chain reads operands of one level joined by a word.
func (p *exprParser) chain(op opcode, operand func() (*expr, *fault), words ...string) (*expr, *fault) {
	first, f := operand()
	if f != nil {
		return nil, f
	}
	e := expr{op: op, at: first.at, args: []*expr{first}}
next:
	for {
		for _, w := range words {
			if p.accept(w) {
				more, f := operand()
				if f != nil {
					return nil, f
				}
				e.args = append(e.args, more)
				continue next
			}
		}
		break
	}
	if len(e.args) == 1 {
		return first, nil
	}
	return p.node(e)
}

func (p *exprParser) or() (*expr, *fault)  { return p.chain(opOr, p.and, "or") }
func (p *exprParser) and() (*expr, *fault) { return p.chain(opAnd, p.compare, "and") }

func (p *exprParser) compare() (*expr, *fault) {
	left, f := p.add()
	if f != nil {
		return nil, f
	}
	t := p.peek()
	if t.kind != kOp {
		return left, nil
	}
	switch t.text {
	case "=", "!=", "<", "<=", ">", ">=":
	default:
		return left, nil
	}
	p.pos++
	right, f := p.add()
	if f != nil {
		return nil, f
	}
	return p.node(expr{op: opCompare, at: t.at, text: t.text, args: []*expr{left, right}})
}

func (p *exprParser) add() (*expr, *fault) {
	left, f := p.union()
	for f == nil && (p.is("+") || p.is("-")) {
		t := p.next()
		var right *expr
		if right, f = p.union(); f != nil {
			break
		}
		left, f = p.node(expr{op: opAdd, at: t.at, text: t.text, args: []*expr{left, right}})
	}
	return left, f
}

func (p *exprParser) union() (*expr, *fault) { return p.chain(opUnion, p.path, "|", "union") }

// primary reads what is neither an operator nor a step; nil when a step begins here.
func (p *exprParser) primary() (*expr, *fault) {
	t := p.peek()
	switch {
	case t.kind == kString:
		p.pos++
		return p.node(expr{op: opString, at: t.at, text: t.text})
	case t.kind == kNumber:
		p.pos++
		num, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return nil, &fault{t.at, "is not a number"}
		}
		return p.node(expr{op: opNumber, at: t.at, num: num})
	case t.kind == kVar:
		p.pos++
		return p.node(expr{op: opVar, at: t.at, text: t.text})
	case t.kind == kOp && t.text == "(":
		p.pos++
		args, f := p.list(")")
		if f != nil {
			return nil, f
		}
		switch len(args) {
		case 0:
			return nil, &fault{t.at, "the parentheses are empty"}
		case 1:
			return args[0], nil
		}
		return p.node(expr{op: opSequence, at: t.at, args: args})
	case t.kind == kName && p.toks[p.pos+1].kind == kOp && p.toks[p.pos+1].text == "(" && !strings.Contains(t.text, ":") && t.text != "*":
		p.pos += 2
		args, f := p.list(")")
		if f != nil {
			return nil, f
		}
		return p.node(expr{op: opCall, at: t.at, text: t.text, args: args})
	}
	return nil, nil
}

func (p *exprParser) list(end string) ([]*expr, *fault) {
	if p.accept(end) {
		return nil, nil
	}
	var out []*expr
	for {
		e, f := p.expr()
		if f != nil {
			return nil, f
		}
		out = append(out, e)
		if p.accept(end) {
			return out, nil
		}
		if f := p.expect(","); f != nil {
			return nil, f
		}
	}
}

func (p *exprParser) path() (*expr, *fault) {
	t := p.peek()
	e := expr{op: opPath, at: t.at}
	switch {
	case p.is("/"):
		p.pos++
		e.absolute = true
		if !p.stepAhead() {
			return p.node(e)
		}
	case p.is("//"):
		e.absolute = true
	default:
		first, f := p.primary()
		if f != nil {
			return nil, f
		}
		if first != nil {
			preds, f := p.predicates()
			if f != nil {
				return nil, f
			}
			if len(preds) == 0 && !p.is("/") && !p.is("//") {
				return first, nil
			}
			e.args, e.preds = []*expr{first}, preds
			if !p.is("//") && !p.accept("/") {
				return p.node(e)
			}
		}
	}
	for {
		deep := p.accept("//")
		s, f := p.step(deep)
		if f != nil {
			return nil, f
		}
		e.steps = append(e.steps, s...)
		if p.nodes += len(s); p.nodes > maxNodes {
			return nil, &fault{t.at, "has more than " + strconv.Itoa(maxNodes) + " parts"}
		}
		if p.is("//") || p.accept("/") {
			continue
		}
		return p.node(e)
	}
}

func (p *exprParser) stepAhead() bool {
	t := p.peek()
	return t.kind == kName || t.kind == kOp && (t.text == "@" || t.text == "." || t.text == "..")
}

// step reads one step; deep says that // stands before it.
func (p *exprParser) step(deep bool) ([]step, *fault) {
	t := p.next()
	s := step{at: t.at}
	below := step{axis: axisDescendantOrSelf, test: nametest{node: true}, at: t.at}
	switch {
	case t.kind == kOp && t.text == ".":
		s.axis, s.test.node = axisSelf, true
	case t.kind == kOp && t.text == "..":
		s.axis, s.test.node = axisParent, true
	case t.kind == kOp && t.text == "@":
		s.axis = axisAttribute
		t = p.next()
		fallthrough
	case t.kind == kName:
		if p.is("::") && s.axis == axisChild {
			a, ok := axes[t.text]
			if !ok {
				return nil, &fault{t.at, "there is no axis " + t.text}
			}
			p.pos++
			s.axis = a
			t = p.next()
		}
		if t.kind != kName {
			p.pos--
			return nil, p.unexpected("a name")
		}
		var f *fault
		if s.test, f = nameTest(t); f != nil {
			return nil, f
		}
	default:
		if t.kind != kEnd {
			p.pos--
		}
		return nil, p.unexpected("a path, a literal or a function")
	}
	var f *fault
	from := p.peek().at
	if s.preds, f = p.predicates(); f != nil {
		return nil, f
	}
	s.predText = p.text[from:p.peek().at]
	switch {
	case !deep:
		return []step{s}, nil
	case s.axis == axisChild && len(s.preds) == 0:
		s.axis = axisDescendant
		return []step{s}, nil
	}
	return []step{below, s}, nil
}

func nameTest(t token) (nametest, *fault) {
	if t.text == "*" {
		return nametest{any: true}, nil
	}
	prefix, local, ok := strings.Cut(t.text, ":")
	if !ok {
		return nametest{name: xmldoc.Name{Local: t.text}}, nil
	}
	space, known := prefixes[prefix]
	if !known {
		return nametest{}, &fault{t.at, "there is no prefix " + prefix}
	}
	return nametest{name: xmldoc.Name{Space: space, Local: local}}, nil
}

func (p *exprParser) predicates() ([]*expr, *fault) {
	var out []*expr
	for p.accept("[") {
		e, f := p.expr()
		if f != nil {
			return nil, f
		}
		if f := p.expect("]"); f != nil {
			return nil, f
		}
		out = append(out, e)
	}
	return out, nil
}

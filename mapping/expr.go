package mapping

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Type is what an expression yields.
type Type int

// The types of expressions and of function parameters.
const (
	TypeNodes  Type = iota + 1 // elements, attributes or text of the input, in document order
	TypeText                   // a text; nodes give theirs, white space at the ends removed
	TypeNumber                 // a number; text is read as one
	TypeBool                   // true or false; nodes are true when there is one
	TypeWord                   // a text written in the rule itself, checked at compile time
)

// String names the type as the documentation does.
func (t Type) String() string {
	return [...]string{"unset", "nodes", "text", "number", "condition", "word"}[t]
}

// value is the outcome of an expression.
type value struct {
	kind  Type
	text  string
	num   float64
	truth bool
	nodes []nodeID
}

func textValue(s string) value { return value{kind: TypeText, text: s} }
func boolValue(b bool) value   { return value{kind: TypeBool, truth: b} }

// exprError is a fault while a rule runs, at a byte offset of its expression.
type exprError struct {
	at  int
	msg string
}

func (e *exprError) Error() string { return e.msg }

// errBudget ends a run whose rules do more work than the input can justify.
var errBudget = errors.New("the rules do too much work on this input")

// machine is the state of one run. It is reused, never shared.
type machine struct {
	tree   tree
	load   *Loader
	budget int
	made   int      // bytes, see maxMade
	stack  []nodeID // node sets being held
	cands  []nodeID // candidates of steps with predicates
	pos    int      // position() and last() of the predicate being tried
	size   int
	trace  bool
	fed    []nodeID // nodes whose text the current rule took
	texts  texts
	slots  []slot     // of the record being made
	frames []*callCtx // of the calls being evaluated, one within the other
	calls  int
	root   Node // of a trace: it may know places
	cover  *coverRun

	secrets Secrets
}

func (m *machine) charge(n int) error {
	if m.budget -= n; m.budget < 0 {
		return errBudget
	}
	return nil
}

// nodeText takes the text of a node. White space at the ends is layout.
func (m *machine) nodeText(id nodeID) (string, error) {
	text := m.tree.text(id)
	if m.trace {
		m.fed = append(m.fed, id)
		m.cover.read(m, id)
	}
	return trimSpace(text), m.charge(1 + len(text)/16)
}

// trimSpace removes XML white space, not what Unicode calls space: a name that
// begins with a no-break space is a fact about the register.
func trimSpace(s string) string {
	if s == "" || (s[0] > ' ' && s[len(s)-1] > ' ') {
		return s
	}
	return strings.Trim(s, " \t\r\n")
}

// textOf converts to text; several nodes are a fault, not a choice.
func (m *machine) textOf(v value, at int) (string, error) {
	switch v.kind {
	case TypeNodes:
		switch len(v.nodes) {
		case 0:
			return "", nil
		case 1:
			return m.nodeText(v.nodes[0])
		}
		return "", tooMany(len(v.nodes), at)
	case TypeNumber:
		return formatNumber(v.num), nil
	case TypeBool:
		return strconv.FormatBool(v.truth), nil
	}
	return v.text, nil
}

func tooMany(nodes, at int) error {
	return &exprError{at, fmt.Sprintf("%d nodes where one is wanted: choose with a condition such as [1], or use join()", nodes)}
}

func formatNumber(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return ""
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func (m *machine) truthOf(v value) bool {
	switch v.kind {
	case TypeNodes:
		return len(v.nodes) > 0
	case TypeNumber:
		return v.num != 0 && !math.IsNaN(v.num)
	case TypeBool:
		return v.truth
	}
	return v.text != ""
}

// numberOf converts to a number; NaN when it is none, as in XPath.
func (m *machine) numberOf(v value, at int) (float64, error) {
	switch v.kind {
	case TypeNumber:
		return v.num, nil
	case TypeBool:
		if v.truth {
			return 1, nil
		}
		return 0, nil
	}
	text, err := m.textOf(v, at)
	if err != nil {
		return 0, err
	}
	return parseNumber(text), nil
}

// parseNumber reads the lexical form of xs:decimal and nothing else.
func parseNumber(s string) float64 {
	if !isDecimal(s) {
		return math.NaN()
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

func isDecimal(s string) bool {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		s = s[1:]
	}
	digits, dots := 0, 0
	for i := range len(s) {
		switch {
		case s[i] >= '0' && s[i] <= '9':
			digits++
		case s[i] == '.':
			dots++
		default:
			return false
		}
	}
	return digits > 0 && dots <= 1 && len(s) <= 40
}

// expr is a compiled expression.
type expr interface {
	typ() Type
	offset() int // in the text of the rule
	eval(m *machine, ctx nodeID) (value, error)
}

type literal struct {
	at int
	v  value
}

func (e *literal) typ() Type                            { return e.v.kind }
func (e *literal) offset() int                          { return e.at }
func (e *literal) eval(*machine, nodeID) (value, error) { return e.v, nil }
func (e *logic) typ() Type                              { return TypeBool }
func (e *logic) offset() int                            { return e.left.offset() }
func (e *comparison) typ() Type                         { return TypeBool }
func (e *comparison) offset() int                       { return e.left.offset() }
func (e *call) typ() Type                               { return e.fn.Returns }
func (e *call) offset() int                             { return e.at }
func (e *path) typ() Type                               { return TypeNodes }
func (e *path) offset() int                             { return e.at }

func (e *path) eval(m *machine, n nodeID) (value, error) {
	v, err := m.selectNodes(e, n)
	m.cover.found(m, v.nodes)
	return v, err
}

// logic is "and" and "or".
type logic struct {
	and         bool
	left, right expr
}

func (e *logic) eval(m *machine, ctx nodeID) (value, error) {
	left, err := e.left.eval(m, ctx)
	if err != nil || m.truthOf(left) != e.and {
		return boolValue(m.truthOf(left)), err
	}
	right, err := e.right.eval(m, ctx)
	return boolValue(m.truthOf(right)), err
}

// comparison follows XPath 1.0 section 3.4: a node set compares as "some node of it".
type comparison struct {
	op          string
	left, right expr
}

func (e *comparison) eval(m *machine, ctx nodeID) (value, error) {
	if p, ok := e.left.(*path); ok && p.plain && !m.trace && (e.op == "=" || e.op == "!=") {
		if l, ok := e.right.(*literal); ok && l.v.kind == TypeText { // most are @kind = 'x'
			found, err := m.some(p, ctx, l.v.text, e.op == "=")
			return boolValue(found), err
		}
	}
	left, err := e.left.eval(m, ctx)
	if err != nil {
		return value{}, err
	}
	right, err := e.right.eval(m, ctx)
	if err != nil {
		return value{}, err
	}
	if left.kind == TypeBool || right.kind == TypeBool {
		l, r := value{kind: TypeNumber}, value{kind: TypeNumber}
		if m.truthOf(left) {
			l.num = 1
		}
		if m.truthOf(right) {
			r.num = 1
		}
		ok, err := e.compare(m, l, r)
		return boolValue(ok), err
	}
	for i := range items(left) {
		for j := range items(right) {
			l, err := m.item(left, i)
			if err != nil {
				return value{}, err
			}
			r, err := m.item(right, j)
			if err != nil {
				return value{}, err
			}
			if ok, err := e.compare(m, l, r); ok || err != nil {
				return boolValue(ok), err
			}
		}
	}
	return boolValue(false), nil
}

// items says how many things a value compares as: a node set as each of its
// nodes, anything else as itself.
func items(v value) int {
	if v.kind == TypeNodes {
		return len(v.nodes)
	}
	return 1
}

func (m *machine) item(v value, i int) (value, error) {
	if v.kind != TypeNodes {
		return v, nil
	}
	text, err := m.nodeText(v.nodes[i])
	return textValue(text), err
}

func (e *comparison) compare(m *machine, l, r value) (bool, error) {
	if err := m.charge(1); err != nil {
		return false, err
	}
	if (e.op == "=" || e.op == "!=") && l.kind == TypeText && r.kind == TypeText {
		return (l.text == r.text) == (e.op == "="), nil
	}
	a, err := m.numberOf(l, 0)
	if err != nil {
		return false, err
	}
	b, err := m.numberOf(r, 0)
	if err != nil {
		return false, err
	}
	switch e.op {
	case "=":
		return a == b, nil
	case "!=":
		return a != b, nil
	case "<":
		return a < b, nil
	case "<=":
		return a <= b, nil
	case ">":
		return a > b, nil
	}
	return a >= b, nil
}

// call is a function of the closed set with its arguments.
type call struct {
	at   int
	fn   *Function
	args []expr
	made any // by check, of words: what every evaluation would make anew
}

func (e *call) eval(m *machine, ctx nodeID) (value, error) {
	if err := m.charge(1); err != nil {
		return value{}, err
	}
	c := m.frame()
	c.node, c.call = ctx, e
	v, err := e.fn.eval(c)
	m.calls--
	if err != nil {
		if _, placed := err.(*exprError); placed || errors.Is(err, errBudget) {
			return value{}, err
		}
		return value{}, &exprError{e.at, e.fn.Name + "(): " + err.Error()}
	}
	return v, m.charge(len(v.text) / 16)
}

// frame is kept for the next call that is nested as deeply.
func (m *machine) frame() *callCtx {
	if m.calls == len(m.frames) {
		m.frames = append(m.frames, &callCtx{m: m})
	}
	m.calls++
	return m.frames[m.calls-1]
}

// callCtx hands a function its arguments, evaluated on demand and converted.
type callCtx struct {
	m    *machine
	node nodeID
	call *call
}

func (c *callCtx) n() int { return len(c.call.args) }

func (c *callCtx) arg(i int) (value, error) { return c.call.args[i].eval(c.m, c.node) }

func (c *callCtx) text(i int) (string, error) {
	return c.m.text(c.call.args[i], c.node)
}

// word is an argument written in the rule itself.
func (c *callCtx) word(i int) string { return c.call.args[i].(*literal).v.text }

func (c *callCtx) truth(i int) (bool, error) {
	v, err := c.arg(i)
	return c.m.truthOf(v), err
}

func (c *callCtx) number(i int) (float64, error) {
	v, err := c.arg(i)
	if err != nil {
		return 0, err
	}
	return c.m.numberOf(v, c.call.args[i].offset())
}

// int is a whole number; a fault of the rule when it is none.
func (c *callCtx) int(i int) (int, error) {
	f, err := c.number(i)
	if err != nil {
		return 0, err
	}
	if f != math.Trunc(f) || math.Abs(f) > 1e6 {
		return 0, &exprError{c.call.args[i].offset(), "want a whole number"}
	}
	return int(f), nil
}

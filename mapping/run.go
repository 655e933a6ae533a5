package mapping

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// Program is a compiled mapping. It is safe for concurrent use.
type Program struct {
	Name  string
	scope *Scope
	dir   Direction
	rules []*rule
	shape *shape // of the value that the rules make

	unread  []unreadRule
	secrets []string // names of the secrets that the rules write
}

const maxRunFaults = 50

func newMachine(s *Scope) *machine {
	m := &machine{}
	m.load = newLoader(&m.tree, s.names)
	return m
}

// Run reads XML into a JSON-able value: map[string]any, []any, string, bool and
// json.Number. The error is Errors, each at the place of its rule.
func (p *Program) Run(n Node) (any, Report, error) { return p.run(n, false) }

// Trace is Run with the lineage of every field in the report. It costs more.
func (p *Program) Trace(n Node) (any, Report, error) { return p.run(n, true) }

func (p *Program) run(n Node, trace bool) (any, Report, error) {
	r, err := p.read(n, trace)
	if err != nil {
		return nil, Report{}, err
	}
	defer r.Close()
	return r.Run(nil)
}

// Reading is one input, loaded once, of which questions can be asked before the
// rules run. It is used by one goroutine and must be closed.
type Reading struct {
	p *Program
	m *machine
}

// Read loads XML.
func (p *Program) Read(n Node) (*Reading, error) { return p.read(n, false) }

func (p *Program) read(n Node, trace bool) (*Reading, error) {
	if !p.dir.readsXML() {
		return nil, errors.New("this mapping does not read XML")
	}
	m := p.scope.take(trace)
	if err := m.load.loadXML(n, trace); err != nil {
		p.scope.give(m)
		return nil, fmt.Errorf("reading the input: %w", err)
	}
	if trace {
		m.root = n
	}
	m.allow()
	return &Reading{p, m}, nil
}

// take gives a machine; the memory of a run serves the next.
func (s *Scope) take(trace bool) *machine {
	m, ok := s.pool.Get().(*machine)
	if !ok {
		m = newMachine(s)
	}
	m.trace, m.pos, m.size, m.calls = trace, 0, 0, 0
	m.stack, m.cands, m.fed = m.stack[:0], m.cands[:0], m.fed[:0]
	return m
}

// give returns a machine. Its memory must hold nothing of the person it read
// about, and one huge input must not keep its room for ever.
func (s *Scope) give(m *machine) {
	m.cover.end(m)
	m.cover, m.root, m.secrets = nil, nil, nil
	if cap(m.tree.nodes)+cap(m.tree.attrs) > 1<<18 {
		return
	}
	m.load.forget()
	m.texts.forget()
	clear(m.slots)
	m.slots = m.slots[:0]
	s.pool.Put(m)
}

// allow sets the budget: generous, linear in the input, and bounded.
func (m *machine) allow() {
	m.made = 0
	m.budget = min(1_000_000+500*(len(m.tree.nodes)+len(m.tree.attrs)), 200_000_000)
}

// maxMade bounds, in bytes, what one run makes: rules may repeat for every item what
// stands once in the input, and what was made is held and written several times.
const maxMade = 32 << 20

// perMade is what a field costs beside its text.
const perMade = 32

var errMade = errors.New("the rules make too much of this input")

// makes counts one field.
func (m *machine) makes(text int) error {
	if m.made += perMade + text; m.made > maxMade {
		return errMade
	}
	return nil
}

// Close gives the memory of the reading back.
func (r *Reading) Close() {
	if r.m != nil {
		r.p.scope.give(r.m)
		r.m = nil
	}
}

// True evaluates a condition on the document; nil is false.
func (r *Reading) True(e *Expr) (bool, error) {
	v, err := r.eval(e)
	return e != nil && r.m.truthOf(v), err
}

// Count says how many nodes a path finds.
func (r *Reading) Count(e *Expr) (int, error) {
	v, err := r.eval(e)
	return len(v.nodes), err
}

// Text evaluates an expression to a text; nil is empty.
func (r *Reading) Text(e *Expr) (string, error) {
	v, err := r.eval(e)
	if err != nil || e == nil {
		return "", err
	}
	text, err := r.m.textOf(v, e.e.offset())
	return text, e.place(err)
}

func (r *Reading) eval(e *Expr) (value, error) {
	if e == nil {
		return value{kind: TypeText}, nil
	}
	r.m.stack, r.m.pos, r.m.size = r.m.stack[:0], 1, 1
	v, err := e.e.eval(r.m, 0)
	return v, e.place(err)
}

// place puts a fault of evaluation where the expression stands.
func (e *Expr) place(err error) error {
	if err == nil {
		return nil
	}
	var at *exprError
	if errors.As(err, &at) {
		return e.at.ErrorAt(at.at, at.msg)
	}
	return e.at.ErrorAt(0, err.Error())
}

// Run runs the rules at the one node that from finds; nil means the document.
func (r *Reading) Run(from *Expr) (any, Report, error) {
	rec, report, err := r.Record(from)
	if err != nil {
		return nil, report, err
	}
	return rec.Value(), report, nil
}

// Record is Run with the outcome as it was made.
func (r *Reading) Record(from *Expr) (*Record, Report, error) {
	ctx := nodeID(0)
	if from != nil {
		v, err := r.eval(from)
		if err != nil {
			return nil, Report{}, Errors{toError(err)}
		}
		if len(v.nodes) != 1 {
			return nil, Report{}, Errors{from.at.ErrorAt(0, fmt.Sprintf("%d nodes where one is wanted", len(v.nodes)))}
		}
		ctx = v.nodes[0]
	}
	out := newRecordOut(r.p.shape, r.m)
	run := &running{m: r.m, out: out}
	r.m.stack = r.m.stack[:0]
	run.all(r.p.rules, ctx)
	r.m.slots = out.slots
	report := run.report.finish()
	if err := run.faults.Err(); err != nil {
		return nil, report, err
	}
	return out.record(), report, nil
}

func toError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Msg: err.Error()}
}

// Build makes XML of a Record or of a JSON-able value. The error is Errors, each at the place
// of its rule.
func (p *Program) Build(v any) (*Element, Report, error) { return p.build(v, false, nil) }

// BuildWith is Build with the secrets that the rules name.
func (p *Program) BuildWith(v any, secrets Secrets) (*Element, Report, error) {
	return p.build(v, false, func(m *machine) { m.secrets = secrets })
}

// TraceBuild is Build with the lineage of every element in the report.
func (p *Program) TraceBuild(v any) (*Element, Report, error) { return p.build(v, true, nil) }

func (p *Program) build(v any, trace bool, follow func(*machine)) (*Element, Report, error) {
	if !p.dir.makesXML() {
		return nil, Report{}, errors.New("this mapping does not make XML")
	}
	m := p.scope.take(trace)
	defer p.scope.give(m)
	if err := m.load.loadValue(v, trace); err != nil {
		return nil, Report{}, fmt.Errorf("reading the input: %w", err)
	}
	m.allow()
	if follow != nil {
		follow(m)
	}
	out := newXMLOut()
	run := &running{m: m, out: out}
	run.all(p.rules, 0)
	report := run.report.finish()
	if err := run.faults.Err(); err != nil {
		return nil, report, err
	}
	switch made := out.top().Children; len(made) {
	case 1:
		return made[0], report, nil
	case 0:
		return nil, report, Errors{p.rules[0].at.ErrorAt(0, "the rules made no root element from this input")}
	}
	return nil, report, Errors{p.rules[0].at.ErrorAt(0, "the rules made several root elements from this input")}
}

// running is one run of one program's rules.
type running struct {
	m      *machine
	out    sink
	faults Errors
	report reportBuilder
	ended  bool

	told  bool // something was written to the record or element being filled that is no constant
	lacks bool // it lacks a field without which it must not be kept
}

// sink is where rules write: a record or an element.
type sink interface {
	// open begins a nested record or element, which is written to until close.
	open(r *rule)
	// close keeps or drops what open began; it says whether it was kept. lacks says
	// that a field is missing without which it must not be kept, told that something
	// of it came from the input.
	close(r *rule, told, lacks bool) bool
	// set writes one text.
	set(r *rule, text string) error
}

func (r *running) fault(at *Error) {
	if len(r.faults) < maxRunFaults {
		r.faults = append(r.faults, at)
	}
}

// failed records err at the expression and says whether there was one.
func (r *running) failed(e *Expr, err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, errBudget) {
		r.ended = true
	}
	r.fault(toError(e.place(err)))
	return true
}

func (r *running) all(rules []*rule, ctx nodeID) {
	for _, one := range rules {
		if r.ended {
			return
		}
		low := len(r.m.stack)
		r.one(one, ctx)
		r.m.stack = r.m.stack[:low]
	}
}

func (r *running) eval(e *Expr, ctx nodeID) (value, bool) {
	r.m.pos, r.m.size = 1, 1
	v, err := e.e.eval(r.m, ctx)
	return v, !r.failed(e, err)
}

func (r *running) one(one *rule, ctx nodeID) {
	if r.m.budget--; r.m.budget < 0 {
		r.ended = true
		r.fault(one.at.ErrorAt(0, errBudget.Error()))
		return
	}
	if one.when != nil {
		v, ok := r.eval(one.when, ctx)
		if ok {
			r.m.cover.condition(one, r.m.truthOf(v))
		}
		if !ok || !r.m.truthOf(v) {
			return
		}
	}
	if one.nested {
		r.nested(one, ctx)
		return
	}
	r.leaf(one, ctx)
}

// nested runs the rules of a rule at each place it holds for.
func (r *running) nested(one *rule, ctx nodeID) {
	where := []nodeID{ctx}
	if source := firstExpr(one.each, one.from); source != nil {
		v, ok := r.eval(source, ctx)
		if !ok {
			return
		}
		if one.each == nil && len(v.nodes) > 1 {
			r.fault(source.at.ErrorAt(0, fmt.Sprintf("%d nodes where one is wanted: choose with a condition such as [1], or use each", len(v.nodes))))
			return
		}
		where = v.nodes
	}
	kept, faults := 0, len(r.faults)
	for _, at := range where {
		if r.m.trace {
			r.report.enter(one)
		}
		told, lacks := r.told, r.lacks
		r.told, r.lacks = one.constants || one.when != nil, false
		r.out.open(one)
		r.all(one.rules, at)
		keep := r.out.close(one, r.told, r.lacks)
		r.told, r.lacks = told || keep && r.told && !one.constant, lacks
		if keep {
			kept++
		}
		if r.m.trace {
			r.report.leave(one, keep)
			r.m.cover.fired(one, keep)
		}
		if r.ended {
			return
		}
	}
	if kept == 0 && len(r.faults) == faults {
		r.missing(one)
	}
}

func firstExpr(es ...*Expr) *Expr {
	for _, e := range es {
		if e != nil {
			return e
		}
	}
	return nil
}

// leaf writes one text, or with each one text per node.
func (r *running) leaf(one *rule, ctx nodeID) {
	if one.each == nil {
		if !r.write(one, ctx) && !r.ended {
			r.missing(one)
		}
		return
	}
	v, ok := r.eval(one.each, ctx)
	if !ok {
		return
	}
	wrote := false
	for _, at := range v.nodes {
		low := len(r.m.stack)
		wrote = r.write(one, at) || wrote
		r.m.stack = r.m.stack[:low]
		if r.ended {
			return
		}
	}
	if !wrote {
		r.missing(one)
	}
}

// missing does what a rule says that found nothing.
func (r *running) missing(one *rule) {
	r.lacks = r.lacks || one.itemNeeds
	if one.required {
		r.fault(one.at.ErrorAt(0, "required, but the input has none"))
	}
}

// write makes the text of a leaf and writes it. It is false when there is none;
// a fault counts as written, one report is enough.
func (r *running) write(one *rule, ctx nodeID) bool {
	r.m.fed = r.m.fed[:0]
	text, told := one.literal, one.when != nil
	switch {
	case one.secret != "":
		text = r.m.secret(one.secret)
	case !one.hasLiteral:
		var ok bool
		if text, ok = r.source(one, ctx); !ok {
			return true
		}
		if text == "" && one.hasFallback { // it is what is written, no code to be looked up
			text = one.fallback
			break
		}
		told = true
		if text != "" && one.list != nil {
			if text, ok = r.translate(one, text); !ok {
				return true
			}
		}
	}
	if text == "" && !one.keepEmpty {
		return false
	}
	if err := cmp.Or(r.m.charge(4+len(text)/16), r.m.makes(len(text))); err != nil {
		r.ended = true
		r.fault(one.at.ErrorAt(0, err.Error()))
		return true
	}
	if err := r.out.set(one, text); err != nil {
		r.fault(one.at.ErrorAt(0, err.Error()))
		return true
	}
	r.told = r.told || told
	if r.m.trace {
		r.report.feed(one, r.m, text)
		r.m.cover.fired(one, true)
	}
	return true
}

// source evaluates from; a rule with each alone takes the node itself.
func (r *running) source(one *rule, ctx nodeID) (string, bool) {
	if one.from == nil {
		text, err := r.m.nodeText(ctx)
		return text, !r.failed(one.each, err)
	}
	r.m.pos, r.m.size = 1, 1
	text, err := r.m.text(one.from.e, ctx)
	return trimSpaceUnlessRaw(one.from.e, text), !r.failed(one.from, err)
}

// trimSpaceUnlessRaw trims what functions such as concat leave at the ends.
func trimSpaceUnlessRaw(e expr, text string) string {
	if c, ok := e.(*call); ok && c.fn.Name == "raw" {
		return text
	}
	return trimSpace(text)
}

// translate looks a code up. It is false when the rule ends in a fault.
func (r *running) translate(one *rule, code string) (string, bool) {
	if to, ok := one.list.find(code, one.reverse); ok {
		r.m.cover.entry(one, code)
		return to, true
	}
	if to, ok := one.list.forward[anyCode]; ok && !one.reverse {
		r.m.cover.entry(one, anyCode)
		r.report.unmapped(one, code)
		return to, true
	}
	r.report.unmapped(one, code)
	switch one.unmapped {
	case "keep":
		return code, true
	case "omit":
		return "", true
	}
	r.fault(one.at.ErrorAt(0, fmt.Sprintf("a code of the input is not in code list %q", one.list.name)))
	return "", false
}

// typed makes the JSON value that a rule wants.
func typed(text, as string) (slot, error) {
	switch as {
	case "integer":
		if !isDecimal(text) || strings.Contains(text, ".") {
			return slot{}, errors.New("not a whole number")
		}
		return slot{kind: slotNumber, text: canonicalNumber(text)}, nil
	case "number":
		if !isDecimal(text) {
			return slot{}, errors.New("not a number")
		}
		return slot{kind: slotNumber, text: canonicalNumber(text)}, nil
	case "boolean":
		switch text { // xs:boolean
		case "true", "1":
			return slot{kind: slotTrue}, nil
		case "false", "0":
			return slot{kind: slotFalse}, nil
		}
		return slot{}, errors.New("not one of true, false, 1, 0")
	}
	return slot{kind: slotText, text: text}, nil
}

// canonicalNumber keeps every digit of value and makes JSON of it: no plus, no
// leading zeros, no bare point.
func canonicalNumber(text string) string {
	sign := ""
	switch text[0] {
	case '-':
		sign, text = "-", text[1:]
	case '+':
		text = text[1:]
	}
	whole, fraction, has := strings.Cut(text, ".")
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if has && fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}

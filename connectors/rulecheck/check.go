package rulecheck

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/codes"
	"oncegate/schemas/rules"
)

// A Set is the rules of one document and one edition, ready to judge. It is safe for
// concurrent use.
type Set struct {
	prog  *program
	lists []codes.List
}

// A program is a compiled set without the codes.
type program struct {
	document rules.Document
	edition  string
	names    names
	rules    []compiled
	states   []state
	lists    []string
	runs     sync.Pool
}

type compiled struct {
	*rules.Rule
	test  boolFn
	fatal bool
}

type programKey struct {
	document rules.Document
	edition  string
}

// programs compiles each set at its first use.
var programs = func() map[programKey]func() (*program, error) {
	m := make(map[programKey]func() (*program, error))
	for _, d := range rules.Documents() {
		for _, e := range rules.Editions() {
			m[programKey{d, e}] = sync.OnceValues(func() (*program, error) {
				rows, err := rules.Of(d)
				if err != nil {
					return nil, err
				}
				return compile(d, e, rows)
			})
		}
	}
	return m
}()

// Rules returns the rules of a document in an edition, compiled once. Nil lists are the
// published ones. Edition 1.1 is judged by 1.2.
func Rules(doc rules.Document, edition string, lists *codes.Lists) (*Set, error) {
	if edition == "1.1" {
		edition = rules.Edition12
	}
	get, ok := programs[programKey{doc, edition}]
	if !ok {
		return nil, fmt.Errorf("compiling rules: there are none for %q of edition %q", string(doc), edition)
	}
	p, err := get()
	if err != nil {
		return nil, fmt.Errorf("compiling rules: %w", err)
	}
	return p.with(lists), nil
}

func (p *program) with(lists *codes.Lists) *Set {
	if lists == nil {
		lists = codes.Default()
	}
	lists = lists.In(p.edition)
	s := &Set{prog: p}
	for _, name := range p.lists {
		l, _ := lists.List(name) // an overlay takes none away
		s.lists = append(s.lists, l)
	}
	return s
}

// compile reports every row that cannot be compiled.
func compile(doc rules.Document, edition string, rows []rules.Rule) (*program, error) {
	p := &program{document: doc, edition: edition, states: make([]state, 1)}
	c := &compiler{names: &p.names, functions: functions(), patterns: make(map[string]*pattern)}
	var faults []error
	for i := range rows {
		row := &rows[i]
		if !row.In(edition) {
			continue
		}
		test, f := c.test(row.Test)
		if f != nil {
			faults = append(faults, row.TestFault(f.at, f.msg))
			continue
		}
		context, f := parseExpr(row.Context)
		if f == nil {
			f = c.insert(p, int32(len(p.rules)), context)
		}
		if f != nil {
			faults = append(faults, row.ContextFault(f.at, f.msg))
			continue
		}
		p.rules = append(p.rules, compiled{row, test, row.Severity == rules.Fatal})
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	p.lists = c.lists
	p.runs.New = func() any { return &run{last: make([]ref, len(p.rules))} }
	return p, nil
}

func (c *compiler) test(text string) (boolFn, *fault) {
	e, f := parseExpr(text)
	if f != nil {
		return nil, f
	}
	v, f := c.expr(e)
	if f != nil {
		return nil, f
	}
	if v.place {
		return nil, &fault{e.at, "position() and last() belong into predicates"}
	}
	return truth(v), nil
}

// Document is what the set judges.
func (s *Set) Document() rules.Document { return s.prog.document }

// Edition is the edition of the rules.
func (s *Set) Edition() string { return s.prog.edition }

// Len is the number of rules.
func (s *Set) Len() int { return len(s.prog.rules) }

// What judging may cost: a share for being there and one for every node of the
// document. Our samples take 3 to 11 per node.
const (
	budgetBase = 1 << 18
	budgetNode = 128
)

// Check evaluates all rules over the document below root, which is taken for a
// document of its own. The findings come in document order; nil means that all rules
// are kept.
func (s *Set) Check(root xmldoc.Element) []Finding {
	r := s.run(root)
	var out []Finding
	if len(r.broken) > 0 || r.budget < 0 {
		out = s.findings(r, root)
	}
	s.release(r)
	return out
}

// Fired says how often each rule was evaluated, for tests: a rule that is never
// evaluated proves nothing.
func (s *Set) Fired(root xmldoc.Element) map[string]int {
	r := s.prog.take()
	r.fired = make([]int, len(s.prog.rules))
	s.drive(r, root)
	out := make(map[string]int)
	for k, n := range r.fired {
		if n > 0 {
			out[s.prog.rules[k].ID] += n
		}
	}
	r.fired = nil
	s.release(r)
	return out
}

func (p *program) take() *run { return p.runs.Get().(*run) }

func (s *Set) run(root xmldoc.Element) *run {
	r := s.prog.take()
	s.drive(r, root)
	return r
}

func (s *Set) drive(r *run, root xmldoc.Element) {
	r.index.build(&s.prog.names, root)
	r.lists = s.lists
	r.budget = budgetBase + budgetNode*int(r.index.nodes)
	r.nodes, r.strs = r.nodes[:0], r.strs[:0]
	r.broken, r.fatal, r.missed = r.broken[:0], 0, 0
	clear(r.last)
	clear(r.held)
	r.walk(s.prog)
}

// release keeps the memory of a run for the next one, with nothing of the document. A
// large document's is given back.
func (s *Set) release(r *run) {
	const keep = 1 << 15
	if cap(r.elems) > keep || cap(r.attrs) > keep || cap(r.nodes) > keep || cap(r.strs) > keep {
		return
	}
	r.index.drop()
	clear(r.held)
	clear(r.strs[:cap(r.strs)])
	clear(r.vars[:])
	r.lists = nil
	s.prog.runs.Put(r)
}

func (s *Set) findings(r *run, root xmldoc.Element) []Finding {
	slices.SortFunc(r.broken, func(a, b broken) int {
		if c := r.compare(a.at, b.at); c != 0 {
			return c
		}
		return int(a.rule - b.rule)
	})
	r.broken = slices.Compact(r.broken)
	size := len(root.Document().Source())
	left := placeCost
	out := make([]Finding, 0, len(r.broken)+1)
	for _, b := range r.broken {
		rule := s.prog.rules[b.rule]
		f := Finding{Layer: LayerRule, Rule: rule.ID, Edition: s.prog.edition, Severity: rule.Severity, Meaning: rule.Meaning, Remedy: rule.Remedy, Path: rule.Context}
		// Lines are counted from the start of the document: the first findings of a
		// large one have their place, the others say where their rule looks.
		if left > 0 || len(out) == 0 {
			left -= size
			f.Path = r.path(b.at)
			f.Line, f.Column = r.position(b.at)
		}
		out = append(out, f)
	}
	if r.budget < 0 {
		out = append(out, Finding{Layer: LayerRule, Rule: LimitRule, Edition: s.prog.edition, Severity: rules.Fatal, Path: "/",
			Meaning: "The document costs more to judge than a document of its size may.", Remedy: "Send fewer elements of one kind, or split the document."})
	}
	if r.missed > 0 {
		out = append(out, Finding{Layer: LayerRule, Rule: LimitRule, Edition: s.prog.edition, Severity: rules.Info, Path: "/",
			Meaning: strconv.Itoa(r.missed) + " more findings are not listed."})
	}
	return out
}

func (r *run) position(n ref) (line, col int) {
	if n.isAttr() {
		return r.attrs[n.attr()].node.Position()
	}
	return r.elems[n].node.Position()
}

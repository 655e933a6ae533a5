package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Coverage gathers over many inputs what one program never used: elements of the
// input that no rule read, rules that never wrote, conditions that never turned,
// codes that never came. It is safe for concurrent use. It holds names of the
// input and codes of the rules, never a value of the input.
type Coverage struct {
	p       *Program
	mu      sync.Mutex
	inputs  int
	sources map[string]*sourceCount
	rules   map[*rule]*ruleCount
	choices map[*call]*choiceCount
	entries map[entryKey]int
}

type sourceCount struct{ seen, read int }

// maxSources bounds the distinct paths that are kept.
const maxSources = 20_000

// NewCoverage begins to gather for a program.
func NewCoverage(p *Program) *Coverage {
	return &Coverage{p: p, sources: map[string]*sourceCount{}, rules: map[*rule]*ruleCount{}, choices: map[*call]*choiceCount{}, entries: map[entryKey]int{}}
}

// Read is Program.Read; the reading counts when it is closed.
func (c *Coverage) Read(n Node) (*Reading, error) {
	r, err := c.p.read(n, true)
	if err != nil {
		return nil, err
	}
	c.follow(r.m)
	return r, nil
}

// Run is Program.Trace, and counts.
func (c *Coverage) Run(n Node) (any, Report, error) {
	r, err := c.Read(n)
	if err != nil {
		return nil, Report{}, err
	}
	defer r.Close()
	return r.Run(nil)
}

// Build is Program.TraceBuild, and counts.
func (c *Coverage) Build(v any) (*Element, Report, error) { return c.p.build(v, true, c.follow) }

// Convert is Program.TraceConvert, and counts.
func (c *Coverage) Convert(v any) (any, Report, error) { return c.p.convert(v, true, c.follow) }

func (c *Coverage) follow(m *machine) {
	m.cover = &coverRun{of: c, rules: map[*rule]*ruleCount{}, choices: map[*call]*choiceCount{}, entries: map[entryKey]int{}}
}

// end adds a run to what was gathered.
func (c *coverRun) end(m *machine) {
	if c == nil {
		return
	}
	c.fit(m)
	all := c.of
	all.mu.Lock()
	defer all.mu.Unlock()
	all.inputs++
	for r, n := range c.rules {
		sum := all.rules[r]
		if sum == nil {
			sum = &ruleCount{}
			all.rules[r] = sum
		}
		sum.fired, sum.held, sum.not = sum.fired+n.fired, sum.held+n.held, sum.not+n.not
	}
	for at, n := range c.choices {
		sum := all.choices[at]
		if sum == nil {
			sum = &choiceCount{}
			all.choices[at] = sum
		}
		sum.held, sum.not = sum.held+n.held, sum.not+n.not
	}
	for key, n := range c.entries {
		all.entries[key] += n
	}
	all.sourcesOf(m, c)
}

// sourcesOf counts what could have been read: attributes, and elements without
// elements in them.
func (c *Coverage) sourcesOf(m *machine, run *coverRun) {
	t := &m.tree
	paths := make([]string, len(t.nodes)) // of elements, without numbers
	for id := 1; id < len(t.nodes); id++ {
		n := &t.nodes[id]
		if n.name == nameText {
			c.source(paths[n.parent]+"/text()", run.nodes[id] || run.nodes[n.parent])
			continue
		}
		paths[id] = paths[n.parent] + "/" + t.locals[id]
		if n.first == none && (n.text != "" || n.nattrs == 0) {
			c.source(paths[id], run.nodes[id])
		}
		for a := n.attrs; a < n.attrs+n.nattrs; a++ {
			if local := t.attrLocals[a]; local != "schemaLocation" && local != "noNamespaceSchemaLocation" {
				c.source(paths[id]+"/@"+local, run.attrs[a])
			}
		}
	}
}

func (c *Coverage) source(path string, read bool) {
	n := c.sources[path]
	if n == nil {
		if len(c.sources) >= maxSources {
			return
		}
		n = &sourceCount{}
		c.sources[path] = n
	}
	n.seen++
	if read {
		n.read++
	}
}

// CoverageReport is what a Coverage gathered so far.
type CoverageReport struct {
	Program    string         `json:"program,omitempty"`
	Inputs     int            `json:"inputs"`
	Sources    CoverageShare  `json:"sources"`
	Rules      CoverageShare  `json:"rules"`
	Branches   CoverageShare  `json:"branches"`
	Codes      CoverageShare  `json:"codes"`
	Percent    float64        `json:"percent"` // of all of these together
	Unread     []UnreadSource `json:"unread"`
	Meant      []MeantSource  `json:"meant,omitempty"` // unread on purpose; not among the sources
	NeverFired []IdleRule     `json:"neverFired"`
	OneSided   []IdleBranch   `json:"oneSided"`
	Unused     []UnusedCode   `json:"unusedCodes"`
}

// CoverageShare is how many of all were used.
type CoverageShare struct {
	Used int `json:"used"`
	All  int `json:"all"`
}

// Percent is 100 when there was nothing to use.
func (s CoverageShare) Percent() float64 {
	if s.All == 0 {
		return 100
	}
	return 100 * float64(s.Used) / float64(s.All)
}

// UnreadSource is an element or attribute that was there and never read.
type UnreadSource struct {
	Path string `json:"path"`
	Seen int    `json:"seen"`
}

// IdleRule is a rule that never wrote anything.
type IdleRule struct {
	Target string `json:"target"`
	Line   int    `json:"line"`
	Col    int    `json:"col"`
}

// IdleBranch is a condition that was never true, or never false. One that was
// never asked is both.
type IdleBranch struct {
	Expr  string `json:"expr"`
	Never string `json:"never"` // true, false
	Line  int    `json:"line"`
	Col   int    `json:"col"`
}

// UnusedCode is a code of a list of the file that no input held.
type UnusedCode struct {
	List string `json:"list"`
	Code string `json:"code"`
	Line int    `json:"line"`
	Col  int    `json:"col"`
}

// Report sums up.
func (c *Coverage) Report() CoverageReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := CoverageReport{Program: c.p.Name, Inputs: c.inputs, Unread: []UnreadSource{}, NeverFired: []IdleRule{}, OneSided: []IdleBranch{}, Unused: []UnusedCode{}}
	for path, n := range c.sources {
		if r.Sources.count(n.read > 0) {
			r.Unread = append(r.Unread, UnreadSource{path, n.seen})
		}
	}
	r.meant(c.p.unread)
	lists := map[*codeList]bool{}
	c.p.visit(func(one *rule) {
		n := c.rules[one]
		if n == nil {
			n = &ruleCount{}
		}
		if r.Rules.count(n.fired > 0) {
			line, col := one.at.Place()
			r.NeverFired = append(r.NeverFired, IdleRule{one.name, line, col})
		}
		if one.when != nil {
			r.branch(one.when, 0, n.held, n.not)
		}
		for _, e := range []*Expr{one.from, one.each, one.when} {
			if e == nil {
				continue
			}
			walkExpr(e.e, func(x expr) {
				if at, ok := x.(*call); ok && at.fn.Name == "if" {
					n := c.choices[at]
					if n == nil {
						n = &choiceCount{}
					}
					r.branch(e, at.at, n.held, n.not)
				}
			})
		}
		if one.list != nil {
			lists[one.list] = true
		}
	})
	for l := range lists {
		for _, own := range l.own {
			line, col := own.at.Place()
			if r.Codes.count(c.entries[entryKey{l, l.key(own.code)}] > 0) {
				r.Unused = append(r.Unused, UnusedCode{l.name, own.code, line, col})
			}
		}
	}
	slices.SortFunc(r.Unread, func(a, b UnreadSource) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(r.Unused, func(a, b UnusedCode) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col)) })
	sum := CoverageShare{}
	for _, s := range []CoverageShare{r.Sources, r.Rules, r.Branches, r.Codes} {
		sum.Used, sum.All = sum.Used+s.Used, sum.All+s.All
	}
	r.Percent = sum.Percent()
	return r
}

// count counts one thing; it is true when it was not used.
func (s *CoverageShare) count(used bool) bool {
	s.All++
	if used {
		s.Used++
	}
	return !used
}

func (r *CoverageReport) branch(e *Expr, offset, held, not int) {
	at := e.at.ErrorAt(offset, "")
	if r.Branches.count(held > 0) {
		r.OneSided = append(r.OneSided, IdleBranch{e.at.Text()[offset:], "true", at.Line, at.Col})
	}
	if r.Branches.count(not > 0) {
		r.OneSided = append(r.OneSided, IdleBranch{e.at.Text()[offset:], "false", at.Line, at.Col})
	}
}

// Text is the report for a terminal.
func (r CoverageReport) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d inputs, %.1f%%: %d of %d sources read, %d of %d rules wrote, %d of %d branches taken, %d of %d codes met\n",
		r.Inputs, r.Percent, r.Sources.Used, r.Sources.All, r.Rules.Used, r.Rules.All, r.Branches.Used, r.Branches.All, r.Codes.Used, r.Codes.All)
	for _, u := range r.Unread {
		fmt.Fprintf(&b, "  never read: %s (%d times there)\n", u.Path, u.Seen)
	}
	for _, u := range r.Stale() {
		fmt.Fprintf(&b, "  %d:%d: unread names what is read, or not there: %s\n", u.Line, u.Col, u.Path)
	}
	for _, u := range r.NeverFired {
		fmt.Fprintf(&b, "  %d:%d: never wrote: %s\n", u.Line, u.Col, u.Target)
	}
	for _, u := range r.OneSided {
		fmt.Fprintf(&b, "  %d:%d: never %s: %s\n", u.Line, u.Col, u.Never, u.Expr)
	}
	for _, u := range r.Unused {
		fmt.Fprintf(&b, "  %d:%d: never met: %s of %s\n", u.Line, u.Col, u.Code, u.List)
	}
	return b.String()
}

// visit calls f for every rule, outer ones first.
func (p *Program) visit(f func(*rule)) {
	var walk func([]*rule)
	walk = func(rules []*rule) {
		for _, r := range rules {
			f(r)
			walk(r.rules)
		}
	}
	walk(p.rules)
}

// walkExpr calls f for an expression and all within it.
func walkExpr(e expr, f func(expr)) {
	f(e)
	switch e := e.(type) {
	case *path:
		for i := range e.steps {
			for _, p := range e.steps[i].preds {
				walkExpr(p, f)
			}
		}
	case *call:
		for _, a := range e.args {
			walkExpr(a, f)
		}
	case *logic:
		walkExpr(e.left, f)
		walkExpr(e.right, f)
	case *comparison:
		walkExpr(e.left, f)
		walkExpr(e.right, f)
	}
}

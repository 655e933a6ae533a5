package rulecheck

// A state is a place in the merged contexts: what the steps so far have selected.
type state struct {
	child, deep []edges // by one step, by // and one step
	attrs       []attrEdge
	rules       []int32 // that apply here
}

// edges are the steps with one nametest. A predicate [@a='x'] alone is looked up, not
// tried: a message names its slots so.
type edges struct {
	match    match
	plain    int32 // state of the step without predicates, 0 for none
	switches []attrSwitch
	tests    []testEdge
}

type attrSwitch struct {
	attr int32
	to   map[string]int32
}

type testEdge struct {
	text string
	test boolFn
	to   int32
}

type attrEdge struct {
	match match
	text  string
	test  boolFn // nil for none
	rules []int32
}

// startState is that of the document node.
const startState int32 = 0

// insert adds the context of a rule to the states.
func (c *compiler) insert(p *program, rule int32, e *expr) *fault {
	if e.op == opUnion {
		for _, a := range e.args {
			if f := c.insertPath(p, rule, a); f != nil {
				return f
			}
		}
		return nil
	}
	return c.insertPath(p, rule, e)
}

func (c *compiler) insertPath(p *program, rule int32, e *expr) *fault {
	if e.op != opPath || !e.absolute || len(e.steps) == 0 {
		return &fault{e.at, "a context is an absolute path"}
	}
	at := startState
	deep := false
	for i, s := range e.steps {
		test, literal, f := c.contextPredicates(s)
		if f != nil {
			return f
		}
		last := i == len(e.steps)-1
		switch {
		case s.axis == axisDescendantOrSelf && s.test.node && !last:
			deep = true
			continue
		case s.axis == axisChild || s.axis == axisDescendant:
			at = p.step(at, deep || s.axis == axisDescendant, c.match(s.test), s.predText, test, literal)
		case s.axis == axisAttribute && last:
			from := []int32{at}
			if deep {
				from = append(from, p.step(at, true, match{all: true}, "", nil, nil))
			}
			for _, from := range from {
				p.states[from].addAttr(c.match(s.test), s.predText, test, rule)
			}
			return nil
		default:
			return &fault{s.at, "a context goes down: names, // and at the end an attribute"}
		}
		deep = false
	}
	p.states[at].rules = append(p.states[at].rules, rule)
	return nil
}

// A literal is the predicate [@attr='text'].
type attrLiteral struct {
	attr int32
	text string
}

func (c *compiler) contextPredicates(s step) (boolFn, *attrLiteral, *fault) {
	if len(s.preds) == 0 {
		return nil, nil, nil
	}
	var tests []boolFn
	for _, q := range s.preds {
		pr, f := c.predicate(q)
		if f != nil {
			return nil, nil, f
		}
		if pr.places {
			return nil, nil, &fault{q.at, "places are not counted in contexts"}
		}
		tests = append(tests, pr.test)
	}
	test := func(r *run, n ref) bool {
		for _, t := range tests {
			if !t(r, n) {
				return false
			}
		}
		return true
	}
	if q := s.preds[0]; len(s.preds) == 1 && q.op == opCompare && q.text == "=" && q.args[0].op == opPath && q.args[1].op == opString {
		v, f := c.expr(q.args[0])
		if f != nil {
			return nil, nil, f
		}
		if id, ok := v.path.attributeOnly(); ok {
			return test, &attrLiteral{id, q.args[1].text}, nil
		}
	}
	return test, nil, nil
}

// step returns the state behind a step, making it if need be.
func (p *program) step(from int32, deep bool, m match, text string, test boolFn, literal *attrLiteral) int32 {
	list := &p.states[from].child
	if deep {
		list = &p.states[from].deep
	}
	var e *edges
	for i := range *list {
		if (*list)[i].match == m {
			e = &(*list)[i]
		}
	}
	if e == nil {
		*list = append(*list, edges{match: m})
		e = &(*list)[len(*list)-1]
	}
	to := int32(len(p.states))
	switch {
	case test == nil:
		if e.plain != 0 {
			return e.plain
		}
		e.plain = to
	case literal != nil:
		var sw *attrSwitch
		for i := range e.switches {
			if e.switches[i].attr == literal.attr {
				sw = &e.switches[i]
			}
		}
		if sw == nil {
			e.switches = append(e.switches, attrSwitch{literal.attr, make(map[string]int32)})
			sw = &e.switches[len(e.switches)-1]
		}
		if known, ok := sw.to[literal.text]; ok {
			return known
		}
		sw.to[literal.text] = to
	default:
		for _, t := range e.tests {
			if t.text == text {
				return t.to
			}
		}
		e.tests = append(e.tests, testEdge{text, test, to})
	}
	p.states = append(p.states, state{})
	return to
}

func (s *state) addAttr(m match, text string, test boolFn, rule int32) {
	for i := range s.attrs {
		if a := &s.attrs[i]; a.match == m && a.text == text {
			a.rules = append(a.rules, rule)
			return
		}
	}
	s.attrs = append(s.attrs, attrEdge{m, text, test, []int32{rule}})
}

// An active state of an element. Where only is deep, the state belongs to an ancestor
// and its // steps go on.
type active struct {
	state int32
	deep  bool
}

// A frame is the range of an element's states and the end of the element.
type frame struct {
	lo, hi int
	end    int32
}

// walk goes through the document once and evaluates what applies.
func (r *run) walk(p *program) {
	r.active = append(r.active[:0], active{state: startState})
	r.frames = append(r.frames[:0], frame{0, 1, int32(len(r.elems))})
	for i := int32(1); i < int32(len(r.elems)); {
		top := r.frames[len(r.frames)-1]
		for i >= top.end {
			r.frames = r.frames[:len(r.frames)-1]
			top = r.frames[len(r.frames)-1]
		}
		r.active = r.active[:top.hi]
		for k := top.lo; k < top.hi; k++ {
			a := r.active[k]
			s := &p.states[a.state]
			if !a.deep {
				r.follow(s.child, i, top.hi)
			}
			if len(s.deep) > 0 {
				r.follow(s.deep, i, top.hi)
				r.enter(active{a.state, true}, top.hi)
			}
		}
		if r.spend(1 + len(r.active) - top.hi) {
			return
		}
		for k := top.hi; k < len(r.active); k++ {
			if a := r.active[k]; !a.deep && !r.evaluate(p, &p.states[a.state], i) {
				return
			}
		}
		if len(r.active) == top.hi {
			i = r.elems[i].end // nothing applies below
			continue
		}
		r.frames = append(r.frames, frame{top.hi, len(r.active), r.elems[i].end})
		i++
	}
}

// follow enters the states that an element leads to.
func (r *run) follow(list []edges, i int32, lo int) {
	el := &r.elems[i]
	for k := range list {
		e := &list[k]
		if !e.match.is(el.name, el.space) {
			continue
		}
		if e.plain != 0 {
			r.enter(active{state: e.plain}, lo)
		}
		for j := range e.switches {
			sw := &e.switches[j]
			if a, ok := r.attribute(ref(i), sw.attr); ok {
				if to, ok := sw.to[r.value(a)]; ok {
					r.enter(active{state: to}, lo)
				}
			}
		}
		for j := range e.tests {
			r.ctx = ref(i)
			if e.tests[j].test(r, ref(i)) {
				r.enter(active{state: e.tests[j].to}, lo)
			}
		}
	}
}

// enter adds a state to the frame that begins at lo, once.
func (r *run) enter(a active, lo int) {
	for _, have := range r.active[lo:] {
		if have == a {
			return
		}
	}
	r.active = append(r.active, a)
}

// evaluate runs the rules of a state on an element and its attributes. It returns
// false when the budget is used up.
func (r *run) evaluate(p *program, s *state, i int32) bool {
	for _, k := range s.rules {
		if !r.judge(p, k, ref(i)) {
			return false
		}
	}
	for j := range s.attrs {
		edge := &s.attrs[j]
		for at := r.elems[i].attr; at < r.elems[i].last; at++ {
			n := ref(^at)
			r.ctx = n
			if a := &r.attrs[at]; !edge.match.is(a.name, a.space) || edge.test != nil && !edge.test(r, n) {
				continue
			}
			for _, k := range edge.rules {
				if !r.judge(p, k, n) {
					return false
				}
			}
		}
	}
	return true
}

// Bounds of one report.
const (
	maxFindings = 100 // and as many fatal ones
)

func (r *run) judge(p *program, k int32, n ref) bool {
	rule := &p.rules[k]
	if r.last[k] == n && n != docNode {
		return true // two of its contexts select the node
	}
	r.last[k] = n
	r.ctx = n
	held := rule.test(r, n)
	if r.budget < 0 {
		return false
	}
	if r.fired != nil {
		r.fired[k]++
	}
	if held {
		return true
	}
	switch fatal := rule.fatal; {
	case fatal && r.fatal < maxFindings:
		r.fatal++
		r.broken = append(r.broken, broken{k, n})
	case !fatal && len(r.broken)-r.fatal < maxFindings:
		r.broken = append(r.broken, broken{k, n})
	default:
		r.missed++
	}
	return true
}

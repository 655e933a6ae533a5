package rulecheck

// A boolFn is a compiled test of a node: of a context, of a candidate of a step, or of
// a node at the end of a path.
type boolFn func(r *run, n ref) bool

// A match is a compiled nametest.
type match struct {
	id    int32 // of a name, where all is false
	space int32 // of a namespace, where wild
	wild  bool  // any local name
	all   bool  // any name
	node  bool  // any node, the document as well
}

func (m *match) is(name, space int32) bool {
	switch {
	case m.node:
		return true
	case m.all:
		return name != nameRoot
	case m.wild:
		return space == m.space
	}
	return name == m.id
}

// A pred is a predicate: a test, or a place among the nodes of the step.
type pred struct {
	test  boolFn
	place func(r *run, n ref) float64 // nil for a test
}

type pathStep struct {
	axis   axis
	match  match
	preds  []pred
	places bool // a predicate asks for position or size
}

// A pathFrom is where a path begins.
type pathFrom uint8

const (
	fromContext pathFrom = iota
	fromRoot
	fromVar
	fromNodes
)

type path struct {
	from  pathFrom
	slot  int
	nodes func(r *run, n ref) // for fromNodes: pushes them
	preds []pred              // of them
	steps []pathStep
	// ordered: what the steps yield is in document order and without repetition
	ordered bool
}

// any reports whether a node at the end of the path passes the test.
func (p *path) any(r *run, n ref, test boolFn) bool {
	switch p.from {
	case fromRoot:
		n = docNode
	case fromVar:
		n = r.vars[p.slot].node
	case fromNodes:
		lo := len(r.nodes)
		p.start(r, n)
		found := false
		for i := lo; i < len(r.nodes) && !found; i++ {
			found = p.rest(r, r.nodes[i], 0, test)
		}
		r.nodes = r.nodes[:lo]
		return found
	}
	return p.rest(r, n, 0, test)
}

// start pushes the nodes that a path begins with.
func (p *path) start(r *run, n ref) {
	lo := len(r.nodes)
	p.nodes(r, n)
	for _, q := range p.preds {
		r.filter(lo, q)
	}
}

// rest follows the steps from number i on, depth first, until a node passes.
func (p *path) rest(r *run, n ref, i int, test boolFn) bool {
	if i == len(p.steps) {
		return test == nil || test(r, n)
	}
	s := &p.steps[i]
	if s.places {
		lo := len(r.nodes)
		s.gather(r, n)
		found := false
		for k := lo; k < len(r.nodes) && !found; k++ {
			found = p.rest(r, r.nodes[k], i+1, test)
		}
		r.nodes = r.nodes[:lo]
		return found
	}
	for c := s.first(r, n); c.ok; c.advance(r) {
		if r.budget--; r.budget < 0 {
			return false
		}
		if s.takes(r, c.at) && p.rest(r, c.at, i+1, test) {
			return true
		}
	}
	return false
}

// takes reports whether a node of the axis has the name and passes the predicates.
func (s *pathStep) takes(r *run, n ref) bool {
	if n.isAttr() {
		if a := &r.attrs[n.attr()]; !s.match.is(a.name, a.space) {
			return false
		}
	} else if e := &r.elems[n]; !s.match.is(e.name, e.space) {
		return false
	}
	for i := range s.preds {
		if !s.preds[i].test(r, n) {
			return false
		}
	}
	return true
}

// gather pushes the nodes of one step from one node, in document order.
func (s *pathStep) gather(r *run, n ref) {
	lo := len(r.nodes)
	taker := s
	if s.places {
		taker = &pathStep{axis: s.axis, match: s.match}
	}
	for c := s.first(r, n); c.ok; c.advance(r) {
		if r.budget--; r.budget < 0 {
			return
		}
		if taker.takes(r, c.at) {
			r.nodes = append(r.nodes, c.at)
		}
	}
	if s.places {
		for _, q := range s.preds {
			r.filter(lo, q)
		}
	}
}

// filter keeps the nodes from number lo on that pass a predicate.
func (r *run) filter(lo int, q pred) {
	pos, size := r.pos, r.size
	kept, hi := lo, len(r.nodes)
	for i := lo; i < hi; i++ {
		r.pos, r.size = i-lo+1, hi-lo
		n := r.nodes[i]
		if q.place != nil && q.place(r, n) == float64(r.pos) || q.place == nil && q.test(r, n) {
			r.nodes[kept] = n
			kept++
		}
	}
	r.nodes = r.nodes[:kept]
	r.pos, r.size = pos, size
}

// push pushes the nodes of the path, each once and in document order.
func (p *path) push(r *run, n ref) {
	lo := len(r.nodes)
	switch p.from {
	case fromContext:
		r.nodes = append(r.nodes, n)
	case fromRoot:
		r.nodes = append(r.nodes, docNode)
	case fromVar:
		r.nodes = append(r.nodes, r.vars[p.slot].node)
	case fromNodes:
		p.start(r, n)
	}
	for i := range p.steps {
		hi := len(r.nodes)
		for k := lo; k < hi && r.budget >= 0; k++ {
			p.steps[i].gather(r, r.nodes[k])
		}
		r.nodes = append(r.nodes[:lo], r.nodes[hi:]...)
		if !p.ordered {
			r.order(lo)
		}
	}
}

// count is the number of nodes of the path.
func (p *path) count(r *run, n ref) int {
	if p.from == fromContext && len(p.steps) == 1 && !p.steps[0].places {
		s, k := &p.steps[0], 0
		for c := s.first(r, n); c.ok; c.advance(r) {
			if r.budget--; r.budget < 0 {
				return k
			}
			if s.takes(r, c.at) {
				k++
			}
		}
		return k
	}
	lo := len(r.nodes)
	p.push(r, n)
	k := len(r.nodes) - lo
	r.nodes = r.nodes[:lo]
	return k
}

// one returns the first node of the path in document order.
func (p *path) one(r *run, n ref) (ref, bool) {
	if len(p.steps) == 0 {
		switch p.from {
		case fromContext:
			return n, true
		case fromVar:
			return r.vars[p.slot].node, true
		case fromRoot:
			return docNode, true
		}
	}
	if p.from == fromContext && len(p.steps) == 1 && !p.steps[0].places {
		s := &p.steps[0]
		for c := s.first(r, n); c.ok; c.advance(r) {
			if r.budget--; r.budget < 0 {
				return 0, false
			}
			if s.takes(r, c.at) {
				return c.at, true
			}
		}
		return 0, false
	}
	lo := len(r.nodes)
	p.push(r, n)
	var first ref
	ok := len(r.nodes) > lo
	if ok {
		first = r.nodes[lo]
	}
	r.nodes = r.nodes[:lo]
	return first, ok
}

// A cursor stands on one node of an axis after the other. Reverse axes are walked in
// the order that is cheap; whoever needs an order sorts.
type cursor struct {
	at   ref
	stop int32
	axis axis
	ok   bool
}

func (s *pathStep) first(r *run, n ref) cursor {
	c := cursor{axis: s.axis}
	if n.isAttr() {
		switch s.axis {
		case axisSelf, axisAncestorOrSelf, axisDescendantOrSelf:
			c.at, c.ok, c.stop = n, true, -1
		case axisParent, axisAncestor:
			c.at, c.ok = ref(r.attrs[n.attr()].owner), true
		}
		return c
	}
	e := &r.elems[n]
	switch s.axis {
	case axisChild, axisDescendant:
		c.at, c.stop = n+1, e.end
		c.ok = int32(c.at) < c.stop
	case axisDescendantOrSelf:
		c.at, c.stop, c.ok = n, e.end, true
	case axisAttribute:
		c.at, c.stop = ref(^e.attr), e.last
		c.ok = e.attr < e.last
	case axisSelf, axisAncestorOrSelf:
		c.at, c.ok, c.stop = n, true, -1
	case axisParent, axisAncestor:
		c.at, c.ok = ref(e.parent), n != docNode
	case axisFollowingSibling:
		if n != docNode {
			c.at, c.stop = ref(e.end), r.elems[e.parent].end
			c.ok = int32(c.at) < c.stop
		}
	case axisPrecedingSibling:
		if n != docNode {
			c.at, c.stop = ref(e.parent)+1, int32(n)
			c.ok = int32(c.at) < c.stop
		}
	}
	return c
}

func (c *cursor) advance(r *run) {
	switch c.axis {
	case axisChild, axisFollowingSibling, axisPrecedingSibling:
		c.at = ref(r.elems[c.at].end)
		c.ok = int32(c.at) < c.stop
	case axisDescendant, axisDescendantOrSelf:
		c.at++
		c.ok = c.at > 0 && int32(c.at) < c.stop
	case axisAttribute:
		c.at--
		c.ok = c.at.attr() < c.stop
	case axisAncestor, axisAncestorOrSelf:
		switch {
		case c.at.isAttr():
			c.at = ref(r.owner(c.at))
		case c.at == docNode:
			c.ok = false
		default:
			c.at = ref(r.elems[c.at].parent)
		}
	default:
		c.ok = false
	}
}

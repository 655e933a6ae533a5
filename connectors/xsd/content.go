package xsd

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// model is a content model as an automaton of positions (Glushkov): a state is the
// particle matched last, and an edge leads to each particle that may follow. A particle
// that repeats a number of times has a counter, so that maxOccurs="100000" costs as much
// as maxOccurs="2".
type model struct {
	leaves   []leaf
	symbols  map[Name][]symbolRef
	wild     []int32 // leaves that are wildcards
	next     [][]edge
	final    [][]exit // how the content may end in a state; empty: it may not
	counters []counter
	all      *allModel
}

type leaf struct {
	elem *element
	wild *wildcard
}

// symbolRef says that a leaf accepts a name, and by which declaration.
type symbolRef struct {
	leaf int32
	elem *element
}

type edge struct {
	to  int32
	ops []op
}

type exit struct{ ops []op }

type counter struct{ min, max int }

// op is what happens to a counter on an edge: one repetition more, or the end of them.
type op struct {
	counter int32
	again   bool
}

// allModel is a group xs:all: each element once, in any order.
type allModel struct {
	refs     map[Name]symbolRef
	required []bool
	names    []string
	optional bool
}

const (
	maxPositions = 20_000
	maxEdges     = 1_000_000
	maxConfigs   = 1024
	maxCounting  = 20_000_000 // steps of counting in one validation
)

func anyModel(w *wildcard) *model {
	m := &model{leaves: []leaf{{wild: w}}, wild: []int32{0}}
	m.next = [][]edge{{{to: 0}}, {{to: 0}}}
	m.final = [][]exit{{{}}, {{}}}
	return m
}

// glushkov builds a model.
type glushkov struct {
	b     *builder
	m     *model
	edges int
	at    place
}

// part is what is known of a particle: whether it may be empty, where it begins and
// where it ends, with what happens to the counters when it is left there.
type part struct {
	nullable bool
	first    []int32
	last     []tail
}

type tail struct {
	at  int32
	ops []op
}

// model compiles the content of a type.
func (b *builder) model(p *particle) *model {
	if p.kind == kindAll {
		return &model{all: b.allModel(p)}
	}
	g := &glushkov{b: b, m: &model{symbols: map[Name][]symbolRef{}, next: make([][]edge, 1), final: make([][]exit, 1)}, at: p.at}
	whole := g.particle(p)
	b.spend(g.edges+len(g.m.leaves), p.at)
	if g.edges > maxEdges || len(g.m.leaves) > maxPositions {
		b.fault(p.at, "the content model is too large")
		return nil
	}
	for _, f := range whole.first {
		g.m.next[0] = append(g.m.next[0], edge{to: f})
	}
	if whole.nullable {
		g.m.final[0] = []exit{{}}
	}
	for _, l := range whole.last {
		g.m.final[l.at+1] = append(g.m.final[l.at+1], exit{l.ops})
	}
	for _, edges := range g.m.next {
		slices.SortStableFunc(edges, func(a, b edge) int { return int(a.to - b.to) })
	}
	g.deterministic()
	return g.m
}

func (b *builder) allModel(p *particle) *allModel {
	a := &allModel{refs: map[Name]symbolRef{}, optional: p.min == 0}
	for i, k := range p.kids {
		a.required = append(a.required, k.min > 0)
		a.names = append(a.names, k.elem.name.Local)
		for _, e := range accepted(k.elem) {
			if _, twice := a.refs[e.name]; twice {
				b.fault(k.at, "element %s may stand for two particles", e.name.Local) // cos-nonambig
			}
			a.refs[e.name] = symbolRef{int32(i), e}
		}
	}
	return a
}

// accepted lists what may stand for an element: itself and the members of its
// substitution group that its block lets in (3.3.6).
func accepted(e *element) []*element {
	out := []*element{e}
	if !e.global || e.block&bySubstitution != 0 {
		return out
	}
	for _, m := range e.members {
		if derivedFrom(m.typ, e.typ, e.block|e.typ.block) {
			out = append(out, m)
		}
	}
	return out
}

func (g *glushkov) leaf(l leaf) part {
	at := int32(len(g.m.leaves))
	if at >= maxPositions {
		g.edges = maxEdges + 1
		return part{}
	}
	g.m.leaves = append(g.m.leaves, l)
	g.m.next = append(g.m.next, nil)
	g.m.final = append(g.m.final, nil)
	if l.wild != nil {
		g.m.wild = append(g.m.wild, at)
	} else {
		for _, e := range accepted(l.elem) {
			g.m.symbols[e.name] = append(g.m.symbols[e.name], symbolRef{at, e})
		}
	}
	return part{first: []int32{at}, last: []tail{{at: at}}}
}

func (g *glushkov) connect(last []tail, first []int32, more ...op) {
	if g.edges += len(last) * len(first); g.edges > maxEdges {
		return
	}
	for _, l := range last {
		ops := l.ops
		if len(more) > 0 {
			ops = append(slices.Clip(ops), more...)
		}
		for _, f := range first {
			// Where two loops lead the same way without counting, one is enough.
			if len(ops) == 0 && slices.ContainsFunc(g.m.next[l.at+1], func(e edge) bool { return e.to == f && len(e.ops) == 0 }) {
				continue
			}
			g.m.next[l.at+1] = append(g.m.next[l.at+1], edge{f, ops})
		}
	}
}

func (g *glushkov) particle(p *particle) part {
	if g.edges++; g.edges > maxEdges {
		return part{}
	}
	var body part
	switch p.kind {
	case kindElement:
		body = g.leaf(leaf{elem: p.elem})
	case kindAny:
		body = g.leaf(leaf{wild: p.wild})
	case kindChoice:
		for _, k := range p.kids {
			one := g.particle(k)
			body.nullable = body.nullable || one.nullable
			body.first = append(body.first, one.first...)
			body.last = append(body.last, one.last...)
		}
	default:
		body.nullable = true
		for _, k := range p.kids {
			one := g.particle(k)
			g.connect(body.last, one.first)
			if body.nullable {
				body.first = append(body.first, one.first...)
			}
			if one.nullable {
				body.last = append(slices.Clip(body.last), one.last...)
			} else {
				body.last = one.last
			}
			body.nullable = body.nullable && one.nullable
			if len(body.first)+len(body.last) > maxEdges {
				g.edges = maxEdges + 1
				return part{}
			}
		}
	}
	low, high := p.min, p.max
	if body.nullable {
		low = 0 // what is missing may be empty
	}
	body.nullable = low == 0
	switch {
	case high == 1:
	case high == unbounded && low <= 1:
		g.connect(body.last, body.first)
	default:
		c := int32(len(g.m.counters))
		g.m.counters = append(g.m.counters, counter{low, high})
		g.connect(body.last, body.first, op{c, true})
		last := make([]tail, len(body.last))
		for i, l := range body.last {
			last[i] = tail{l.at, append(slices.Clip(l.ops), op{c, false})}
		}
		body.last = last
	}
	return body
}

// deterministic is Unique Particle Attribution (3.8.6).
func (g *glushkov) deterministic() {
	for _, edges := range g.m.next {
		if len(edges) < 2 {
			continue
		}
		byName := map[Name][]edge{}
		for _, e := range edges {
			l := g.m.leaves[e.to]
			if l.wild != nil {
				continue
			}
			for _, a := range accepted(l.elem) {
				for _, have := range byName[a.name] {
					if have.to != e.to && !g.exclusive(have, e) {
						g.b.fault(g.at, "the content model is ambiguous: element %s may stand for two particles", a.name.Local)
						return
					}
				}
				if len(byName[a.name]) < 16 {
					byName[a.name] = append(byName[a.name], e)
				}
			}
		}
		for _, e := range edges {
			w := g.m.leaves[e.to].wild
			if w == nil {
				continue
			}
			for name, haves := range byName {
				if w.allows(name.Space) && !g.exclusive(haves[0], e) {
					g.b.fault(g.at, "the content model is ambiguous: element %s may stand for a wildcard too", name.Local)
					return
				}
			}
			for _, o := range edges {
				if other := g.m.leaves[o.to].wild; other != nil && o.to != e.to && w.meets(other) && !g.exclusive(o, e) {
					g.b.fault(g.at, "the content model is ambiguous: two wildcards meet")
					return
				}
			}
		}
	}
}

func (w *wildcard) meets(o *wildcard) bool {
	both, ok := w.intersect(o)
	return !ok || both.any || both.not || len(both.set) > 0
}

// exclusive says whether a counter lets only one of two edges be taken at a time.
func (g *glushkov) exclusive(a, b edge) bool {
	for _, x := range a.ops {
		for _, y := range b.ops {
			if c := g.m.counters[x.counter]; x.counter == y.counter && x.again != y.again && c.min == c.max {
				return true
			}
		}
	}
	return false
}

// matcher runs one content through a model.
type matcher struct {
	m       *model
	state   int32 // without counters
	configs []config
	seen    []bool // of xs:all
	any     bool   // xs:all: some element came
	crowded bool   // too many ways to count
	left    *int   // steps of counting that may still be made
}

// config is a state with the counts of the repetitions that are complete.
type config struct {
	state  int32
	counts []int
}

func (m *model) start(left *int) matcher {
	r := matcher{m: m, left: left}
	switch {
	case m.all != nil:
		r.seen = make([]bool, len(m.all.required))
	case len(m.counters) > 0:
		r.configs = []config{{counts: make([]int, len(m.counters))}}
	}
	return r
}

// edge finds the edges of a state to a leaf.
func (m *model) edges(state, to int32) []edge {
	all := m.next[state]
	lo := sort.Search(len(all), func(i int) bool { return all[i].to >= to })
	hi := lo
	for hi < len(all) && all[hi].to == to {
		hi++
	}
	return all[lo:hi]
}

// step takes one element. It returns its declaration, or the wildcard that let it in.
func (r *matcher) step(name Name) (*element, *wildcard) {
	m := r.m
	if m.all != nil {
		ref, ok := m.all.refs[name]
		if !ok || r.seen[ref.leaf] {
			return nil, nil
		}
		r.seen[ref.leaf], r.any = true, true
		return ref.elem, nil
	}
	for _, ref := range m.symbols[name] {
		if r.take(ref.leaf) {
			return ref.elem, nil
		}
	}
	for _, w := range m.wild {
		if m.leaves[w].wild.allows(name.Space) && r.take(w) {
			return nil, m.leaves[w].wild
		}
	}
	return nil, nil
}

// take goes to a leaf, if an edge leads there.
func (r *matcher) take(to int32) bool {
	if len(r.m.counters) == 0 {
		if len(r.m.edges(r.state, to)) == 0 {
			return false
		}
		r.state = to + 1
		return true
	}
	if len(r.configs) == 1 { // as a rule: one way to count
		c := &r.configs[0]
		if edges := r.m.edges(c.state, to); len(edges) == 0 || len(edges) == 1 {
			if len(edges) == 0 || !r.m.count(c.counts, edges[0].ops) {
				return false
			}
			c.state = to + 1
			return true
		}
	}
	var next []config
	seen := map[string]bool{}
	for _, c := range r.configs {
		for _, e := range r.m.edges(c.state, to) {
			*r.left--
			counts, ok := r.m.apply(c.counts, e.ops)
			if !ok {
				continue
			}
			if len(r.configs) > 1 || len(next) > 0 {
				if len(next) == 1 && len(seen) == 0 {
					seen[fmt.Sprint(next[0].counts)] = true
				}
				key := fmt.Sprint(counts)
				if seen[key] {
					continue
				}
				seen[key] = true
			}
			if len(next) >= maxConfigs || *r.left < 0 {
				r.crowded = true
				return false
			}
			next = append(next, config{to + 1, counts})
		}
	}
	if len(next) == 0 {
		return false
	}
	r.configs = next
	return true
}

// apply counts along an edge; ok is false where a counter forbids it.
func (m *model) apply(counts []int, ops []op) (out []int, ok bool) {
	if len(ops) == 0 {
		return counts, true
	}
	out = slices.Clone(counts)
	return out, m.count(out, ops)
}

// count changes counts along an edge; where it returns false, nothing is changed. No edge
// counts one counter twice.
func (m *model) count(counts []int, ops []op) bool {
	for _, o := range ops {
		c, n := m.counters[o.counter], counts[o.counter]+1
		if o.again && c.max != unbounded && n >= c.max || !o.again && n < c.min {
			return false
		}
	}
	for _, o := range ops {
		c, n := m.counters[o.counter], counts[o.counter]+1
		switch {
		case o.again && c.max == unbounded:
			counts[o.counter] = min(n, c.min) // beyond it nothing changes
		case o.again:
			counts[o.counter] = n
		default:
			counts[o.counter] = 0
		}
	}
	return true
}

// done says whether the content may end here.
func (r *matcher) done() bool {
	m := r.m
	switch {
	case m.all != nil:
		if m.all.optional && !r.any {
			return true
		}
		for i, required := range m.all.required {
			if required && !r.seen[i] {
				return false
			}
		}
		return true
	case len(m.counters) == 0:
		return len(m.final[r.state]) > 0
	}
	for _, c := range r.configs {
		for _, x := range m.final[c.state] {
			if _, ok := m.apply(c.counts, x.ops); ok {
				return true
			}
		}
	}
	return false
}

// expected names what might stand next, for a message.
func (r *matcher) expected() string {
	const most = 6
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	m := r.m
	if m.all != nil {
		for i, name := range m.all.names {
			if !r.seen[i] {
				add(name)
			}
		}
	}
	states := r.configs
	if m.all == nil && len(m.counters) == 0 {
		states = []config{{state: r.state}}
	}
	for _, c := range states {
		for _, e := range m.next[c.state] {
			if len(names) > most {
				break
			}
			if _, ok := m.apply(c.counts, e.ops); !ok {
				continue
			}
			if l := m.leaves[e.to]; l.elem != nil {
				add(l.elem.name.Local)
			} else {
				add("an element of a wildcard")
			}
		}
	}
	switch {
	case len(names) == 0:
		return "nothing"
	case len(names) > most:
		names = append(names[:most], "...")
	}
	return strings.Join(names, ", ")
}

package rulecheck

import (
	"slices"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/codes"
)

// A run is the working memory of one check. Everything in it is kept for the next.
type run struct {
	index
	lists []codes.List

	budget int // what is left to spend; below zero everything ends
	ctx    ref // current()
	pos    int // position() and last() of the innermost predicate
	size   int
	nodes  []ref    // results of paths, a stack
	strs   []string // sequences of strings, a stack
	vars   [maxVars]variable
	held   map[int32]map[string][]ref // elements by attribute and its value, where a rule asks

	active []active // states of the ancestors, a stack of frames
	frames []frame
	fired  []int // per rule: how often it was evaluated; nil but in tests
	last   []ref // per rule: where it was evaluated last
	broken []broken
	fatal  int // of them
	missed int // findings that were one too many
}

const maxVars = 8

type variable struct {
	node ref
	str  string
}

// A broken rule and where.
type broken struct {
	rule int32
	at   ref
}

// spend takes a part of the budget and reports whether it is used up.
func (r *run) spend(n int) bool {
	r.budget -= n
	return r.budget < 0
}

// value is the string value of a node. Its cost is what is below it.
func (r *run) value(n ref) string {
	if n.isAttr() {
		v := r.attrs[n.attr()].node.Value()
		r.budget -= 1 + len(v)>>5
		return v
	}
	e := &r.elems[n]
	if n == docNode {
		e = &r.elems[1]
	}
	if r.budget -= int(e.weight); r.budget < 0 {
		return ""
	}
	v := e.node.Value()
	r.budget -= len(v) >> 5
	return v
}

// expanded resolves the QName that a node holds with the namespaces in scope there.
func (r *run) expanded(n ref) (xmldoc.Name, bool) {
	owner := r.elems[max(r.owner(n), 1)].node
	e, _ := owner.Element()
	return e.ResolveQName(r.value(n))
}

// distinct reports whether no string from number lo on stands twice. It sorts them.
func (r *run) distinct(lo int) bool {
	list := r.strs[lo:]
	r.budget -= 8 * len(list)
	slices.Sort(list)
	for i := 1; i < len(list); i++ {
		if list[i] == list[i-1] {
			return false
		}
	}
	return true
}

// compact drops the strings from number lo on that stand twice. It sorts them.
func (r *run) compact(lo int) {
	list := r.strs[lo:]
	r.budget -= 8 * len(list)
	slices.Sort(list)
	r.strs = r.strs[:lo+len(slices.Compact(list))]
}

// order sorts the nodes from number lo on and drops those that stand twice.
func (r *run) order(lo int) {
	list := r.nodes[lo:]
	if len(list) < 2 {
		return
	}
	sorted := true
	for i := 1; i < len(list) && sorted; i++ {
		sorted = r.compare(list[i-1], list[i]) < 0
	}
	if sorted {
		return
	}
	r.budget -= 8 * len(list)
	slices.SortFunc(list, r.compare)
	r.nodes = r.nodes[:lo+len(slices.Compact(list))]
}

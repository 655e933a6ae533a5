package rulecheck

import (
	"fmt"
	"math"
	"strconv"
)

// The compiled forms of an expression, one per kind of value.
type (
	strFn  func(r *run, n ref) string
	numFn  func(r *run, n ref) float64
	strsFn func(r *run, n ref) // pushes onto run.strs
)

type valueKind uint8

const (
	isBool valueKind = iota + 1
	isNum
	isStr
	isNodes
	isStrs // a sequence of strings
)

func (k valueKind) String() string {
	return [...]string{isBool: "a truth value", isNum: "a number", isStr: "text", isNodes: "nodes", isStrs: "a sequence of texts"}[k]
}

// A value is a compiled expression: the field of its kind is set.
type value struct {
	kind     valueKind
	bool     boolFn
	num      numFn
	str      strFn
	path     *path
	strs     strsFn
	lit      *string // a literal text
	constant *float64
	place    bool // asks for position() or last()
}

// A compiler turns the expressions of one program into closures.
type compiler struct {
	names     *names
	functions map[string]function
	patterns  map[string]*pattern // by flags and text
	lists     []string            // lists that rules name
	vars      []scoped            // in scope, innermost last
}

type scoped struct {
	name string
	kind valueKind // isNodes for one node, isStr
}

func (c *compiler) expr(e *expr) (value, *fault) {
	switch e.op {
	case opString:
		s := e.text
		return value{kind: isStr, lit: &s, str: func(*run, ref) string { return s }}, nil
	case opNumber:
		v := e.num
		return value{kind: isNum, constant: &v, num: func(*run, ref) float64 { return v }}, nil
	case opVar:
		return c.variable(e)
	case opOr, opAnd:
		return c.logic(e)
	case opCompare:
		return c.compare(e)
	case opAdd:
		return c.add(e)
	case opUnion:
		return c.union(e)
	case opIf:
		return c.conditional(e)
	case opSome, opEvery:
		return c.quantified(e)
	case opSequence:
		return c.sequence(e)
	case opPath:
		return c.path(e)
	}
	return c.call(e)
}

func boolValue(f boolFn) value { return value{kind: isBool, bool: f} }
func numValue(f numFn) value   { return value{kind: isNum, num: f} }
func strValue(f strFn) value   { return value{kind: isStr, str: f} }

// slot returns where a variable is kept.
func (c *compiler) slot(e *expr) (int, valueKind, *fault) {
	for i := len(c.vars) - 1; i >= 0; i-- {
		if c.vars[i].name == e.text {
			return i, c.vars[i].kind, nil
		}
	}
	return 0, 0, &fault{e.at, "there is no variable $" + e.text + " here"}
}

func (c *compiler) variable(e *expr) (value, *fault) {
	i, kind, f := c.slot(e)
	if f != nil {
		return value{}, f
	}
	if kind == isStr {
		return strValue(func(r *run, _ ref) string { return r.vars[i].str }), nil
	}
	return value{kind: isNodes, path: &path{from: fromVar, slot: i, ordered: true}}, nil
}

func (c *compiler) logic(e *expr) (value, *fault) {
	tests := make([]boolFn, len(e.args))
	place := false
	for i, a := range e.args {
		v, f := c.expr(a)
		if f != nil {
			return value{}, f
		}
		tests[i], place = truth(v), place || v.place
	}
	or := e.op == opOr
	out := boolValue(func(r *run, n ref) bool {
		for _, t := range tests {
			if t(r, n) == or {
				return or
			}
		}
		return !or
	})
	if len(tests) == 2 {
		a, b := tests[0], tests[1]
		out.bool = func(r *run, n ref) bool { return a(r, n) && b(r, n) }
		if or {
			out.bool = func(r *run, n ref) bool { return a(r, n) || b(r, n) }
		}
	}
	out.place = place
	return out, nil
}

// truth is the effective boolean value.
func truth(v value) boolFn {
	switch v.kind {
	case isNum:
		return func(r *run, n ref) bool { x := v.num(r, n); return x != 0 && !math.IsNaN(x) }
	case isStr:
		return func(r *run, n ref) bool { return v.str(r, n) != "" }
	case isNodes:
		p := v.path
		if only, ok := p.oneStep(); ok {
			return only
		}
		return func(r *run, n ref) bool { return p.any(r, n, nil) }
	case isStrs:
		return func(r *run, n ref) bool {
			lo := len(r.strs)
			v.strs(r, n)
			some := len(r.strs) > lo
			r.strs = r.strs[:lo]
			return some
		}
	}
	return v.bool
}

// oneStep is the existence of a child or an attribute without further conditions.
func (p *path) oneStep() (boolFn, bool) {
	if p.from != fromContext || len(p.steps) != 1 || len(p.steps[0].preds) > 0 {
		return nil, false
	}
	s := &p.steps[0]
	if s.match.all || s.match.wild || s.match.node {
		return nil, false
	}
	id := s.match.id
	switch s.axis {
	case axisAttribute:
		return func(r *run, n ref) bool { _, ok := r.attribute(n, id); return ok }, true
	case axisChild:
		return func(r *run, n ref) bool {
			if n.isAttr() {
				return false
			}
			end := r.elems[n].end
			for i := int32(n) + 1; i < end; i = r.elems[i].end {
				r.budget--
				if r.elems[i].name == id {
					return true
				}
			}
			return false
		}, true
	}
	return nil, false
}

// attribute finds an attribute of an element by its name.
func (r *run) attribute(n ref, id int32) (ref, bool) {
	if n.isAttr() {
		return 0, false
	}
	e := &r.elems[n]
	r.budget -= int(e.last - e.attr)
	for i := e.attr; i < e.last; i++ {
		if r.attrs[i].name == id {
			return ref(^i), true
		}
	}
	return 0, false
}

// text is the value as one text; of nodes the first one's, empty where there is none.
func (c *compiler) text(v value, at int) (strFn, *fault) {
	switch v.kind {
	case isStr:
		return v.str, nil
	case isNodes:
		p := v.path
		if p.from == fromContext && len(p.steps) == 1 && len(p.steps[0].preds) == 0 {
			s := &p.steps[0]
			switch {
			case s.axis == axisSelf && s.match.node:
				return func(r *run, n ref) string { return r.value(n) }, nil
			case s.axis == axisAttribute && !s.match.all && !s.match.wild:
				id := s.match.id
				return func(r *run, n ref) string {
					if a, ok := r.attribute(n, id); ok {
						return r.value(a)
					}
					return ""
				}, nil
			}
		}
		return func(r *run, n ref) string {
			if first, ok := p.one(r, n); ok {
				return r.value(first)
			}
			return ""
		}, nil
	case isNum:
		return func(r *run, n ref) string { return strconv.FormatFloat(v.num(r, n), 'f', -1, 64) }, nil
	case isBool:
		return func(r *run, n ref) string { return strconv.FormatBool(v.bool(r, n)) }, nil
	}
	return nil, &fault{at, "want text, not " + v.kind.String()}
}

// number is the value as a number, NaN where it is none.
func (c *compiler) number(v value, at int) (numFn, *fault) {
	if v.kind == isNum {
		return v.num, nil
	}
	if v.kind == isBool {
		return func(r *run, n ref) float64 {
			if v.bool(r, n) {
				return 1
			}
			return 0
		}, nil
	}
	s, f := c.text(v, at)
	if f != nil {
		return nil, f
	}
	return func(r *run, n ref) float64 { return toNumber(s(r, n)) }, nil
}

// toNumber reads a decimal number; what Go reads beyond that is none.
func toNumber(s string) float64 {
	s = trim(s)
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && c != '.' && c != '-' && c != '+' {
			return math.NaN()
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

func (c *compiler) add(e *expr) (value, *fault) {
	var fn [2]numFn
	place := false
	for i, a := range e.args {
		v, f := c.expr(a)
		if f != nil {
			return value{}, f
		}
		if fn[i], f = c.number(v, a.at); f != nil {
			return value{}, f
		}
		place = place || v.place
	}
	a, b := fn[0], fn[1]
	out := numValue(func(r *run, n ref) float64 { return a(r, n) + b(r, n) })
	if e.text == "-" {
		out.num = func(r *run, n ref) float64 { return a(r, n) - b(r, n) }
	}
	out.place = place
	return out, nil
}

func (c *compiler) union(e *expr) (value, *fault) {
	paths := make([]*path, len(e.args))
	for i, a := range e.args {
		v, f := c.expr(a)
		if f != nil {
			return value{}, f
		}
		if v.kind != isNodes {
			return value{}, &fault{a.at, "want nodes on both sides of |, not " + v.kind.String()}
		}
		paths[i] = v.path
	}
	return value{kind: isNodes, path: &path{from: fromNodes, nodes: func(r *run, n ref) {
		lo := len(r.nodes)
		for _, p := range paths {
			p.push(r, n)
		}
		r.order(lo)
	}}}, nil
}

func (c *compiler) conditional(e *expr) (value, *fault) {
	var v [3]value
	for i, a := range e.args {
		var f *fault
		if v[i], f = c.expr(a); f != nil {
			return value{}, f
		}
	}
	test, a, b := truth(v[0]), truth(v[1]), truth(v[2])
	out := boolValue(func(r *run, n ref) bool {
		if test(r, n) {
			return a(r, n)
		}
		return b(r, n)
	})
	out.place = v[0].place || v[1].place || v[2].place
	return out, nil
}

func (c *compiler) sequence(e *expr) (value, *fault) {
	items := make([]strFn, len(e.args))
	for i, a := range e.args {
		v, f := c.expr(a)
		if f != nil {
			return value{}, f
		}
		if v.kind != isStr {
			return value{}, &fault{a.at, "want text in a sequence, not " + v.kind.String()}
		}
		items[i] = v.str
	}
	return value{kind: isStrs, strs: func(r *run, n ref) {
		for _, s := range items {
			r.strs = append(r.strs, s(r, n))
		}
	}}, nil
}

func (c *compiler) quantified(e *expr) (value, *fault) {
	set, f := c.expr(e.args[0])
	if f != nil {
		return value{}, f
	}
	kind := isStr
	switch set.kind {
	case isNodes:
		kind = isNodes
	case isStrs:
	default:
		return value{}, &fault{e.args[0].at, "want nodes or a sequence, not " + set.kind.String()}
	}
	slot := len(c.vars)
	if slot == maxVars {
		return value{}, &fault{e.at, fmt.Sprintf("more than %d variables", maxVars)}
	}
	c.vars = append(c.vars, scoped{e.text, kind})
	body, f := c.expr(e.args[1])
	c.vars = c.vars[:slot]
	if f != nil {
		return value{}, f
	}
	test, some := truth(body), e.op == opSome
	out := value{kind: isBool, place: set.place || body.place}
	if kind == isStr {
		out.bool = func(r *run, n ref) bool {
			lo := len(r.strs)
			set.strs(r, n)
			result := !some
			for i := lo; i < len(r.strs) && result != some && !r.spend(1); i++ {
				r.vars[slot].str = r.strs[i]
				if test(r, n) == some {
					result = some
				}
			}
			r.strs = r.strs[:lo]
			return result
		}
		return out, nil
	}
	out.bool = func(r *run, n ref) bool {
		lo := len(r.nodes)
		set.path.push(r, n)
		result := !some
		for i := lo; i < len(r.nodes) && result != some && !r.spend(1); i++ {
			r.vars[slot].node = r.nodes[i]
			if test(r, n) == some {
				result = some
			}
		}
		r.nodes = r.nodes[:lo]
		return result
	}
	return out, nil
}

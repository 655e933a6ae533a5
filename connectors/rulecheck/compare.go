package rulecheck

import (
	"slices"
	"strings"

	"oncegate/connectors/xmldoc"
)

// compare is existential over nodes and sequences: true where one pair is. Numbers and
// truth values make the other side one; otherwise texts are compared.
func (c *compiler) compare(e *expr) (value, *fault) {
	if out, ok, f := c.compareShape(e); ok || f != nil {
		return out, f
	}
	a, f := c.expr(e.args[0])
	if f != nil {
		return value{}, f
	}
	b, f := c.expr(e.args[1])
	if f != nil {
		return value{}, f
	}
	var out value
	switch {
	case a.kind == isBool || b.kind == isBool:
		out, f = c.compareTruth(e, a, b)
	case a.kind == isNum || b.kind == isNum:
		out, f = c.compareNumbers(e, a, b)
	default:
		out = c.compareTexts(e.text, a, b)
	}
	out.place = a.place || b.place
	return out, f
}

// compareShape knows the comparisons that are written most.
func (c *compiler) compareShape(e *expr) (value, bool, *fault) {
	call, lit := e.args[0], e.args[1]
	if call.op != opCall || len(call.args) != 1 || e.text != "=" && e.text != "!=" {
		return value{}, false, nil
	}
	equal := e.text == "="
	switch {
	case call.text == "normalize-space" && lit.op == opString && lit.text == "":
		v, f := c.expr(call.args[0])
		if f != nil {
			return value{}, true, f
		}
		s, f := c.text(v, call.args[0].at)
		if f != nil {
			return value{}, true, f
		}
		return boolValue(func(r *run, n ref) bool { return blank(s(r, n)) == equal }), true, nil
	case call.text == "expanded" && lit.op == opString:
		space, local, ok := strings.Cut(strings.TrimPrefix(lit.text, "{"), "}")
		if !ok {
			return value{}, true, &fault{lit.at, "an expanded name is written {namespace}local"}
		}
		want := xmldoc.Name{Space: space, Local: local}
		v, f := c.expr(call.args[0])
		if f != nil {
			return value{}, true, f
		}
		if v.kind != isNodes {
			return value{}, true, &fault{call.args[0].at, "want a node that holds a name, not " + v.kind.String()}
		}
		p := v.path
		return boolValue(func(r *run, n ref) bool {
			at, ok := p.one(r, n)
			if ok {
				var got xmldoc.Name
				got, ok = r.expanded(at)
				ok = ok && got == want
			}
			return ok == equal
		}), true, nil
	}
	return value{}, false, nil
}

// compareTruth compares truth values. A node is one where it says true, false, 1 or 0.
func (c *compiler) compareTruth(e *expr, a, b value) (value, *fault) {
	if e.text != "=" && e.text != "!=" {
		return value{}, &fault{e.at, "truth values are compared by = and != only"}
	}
	equal := e.text == "="
	if b.kind == isNodes {
		a, b = b, a
	}
	other := truth(b)
	if a.kind != isNodes {
		one := truth(a)
		return boolValue(func(r *run, n ref) bool { return (one(r, n) == other(r, n)) == equal }), nil
	}
	p := a.path
	says := func(want bool) boolFn {
		return func(r *run, n ref) bool {
			switch trim(r.value(n)) {
			case "true", "1":
				return want
			case "false", "0":
				return !want
			}
			return false
		}
	}
	yes, no := says(true), says(false)
	return boolValue(func(r *run, n ref) bool {
		if other(r, n) == equal {
			return p.any(r, n, yes)
		}
		return p.any(r, n, no)
	}), nil
}

func numberTest(op string) func(a, b float64) bool {
	switch op {
	case "=":
		return func(a, b float64) bool { return a == b }
	case "!=":
		return func(a, b float64) bool { return a != b }
	case "<":
		return func(a, b float64) bool { return a < b }
	case "<=":
		return func(a, b float64) bool { return a <= b }
	case ">":
		return func(a, b float64) bool { return a > b }
	}
	return func(a, b float64) bool { return a >= b }
}

// mirrored is the operator with its sides exchanged.
func mirrored(op string) string {
	switch op {
	case "<":
		return ">"
	case "<=":
		return ">="
	case ">":
		return "<"
	case ">=":
		return "<="
	}
	return op
}

func (c *compiler) compareNumbers(e *expr, a, b value) (value, *fault) {
	op := e.text
	if a.kind == isNum && (b.kind == isNodes || b.kind == isStrs) {
		a, b, op = b, a, mirrored(op)
	}
	test := numberTest(op)
	right, f := c.number(b, e.args[1].at)
	if f != nil {
		return value{}, f
	}
	switch a.kind {
	case isNodes, isStrs:
		push := pushTexts(a)
		return boolValue(func(r *run, n ref) bool {
			want := right(r, n)
			lo := len(r.strs)
			push(r, n)
			found := slices.ContainsFunc(r.strs[lo:], func(s string) bool { return test(toNumber(s), want) })
			r.strs = r.strs[:lo]
			return found
		}), nil
	}
	left, f := c.number(a, e.args[0].at)
	if f != nil {
		return value{}, f
	}
	if b.constant != nil {
		want := *b.constant
		return boolValue(func(r *run, n ref) bool { return test(left(r, n), want) }), nil
	}
	return boolValue(func(r *run, n ref) bool { return test(left(r, n), right(r, n)) }), nil
}

func textTest(op string) func(a, b string) bool {
	switch op {
	case "=":
		return func(a, b string) bool { return a == b }
	case "!=":
		return func(a, b string) bool { return a != b }
	case "<":
		return func(a, b string) bool { return a < b }
	case "<=":
		return func(a, b string) bool { return a <= b }
	case ">":
		return func(a, b string) bool { return a > b }
	}
	return func(a, b string) bool { return a >= b }
}

func (c *compiler) compareTexts(op string, a, b value) value {
	if a.lit != nil {
		a, b, op = b, a, mirrored(op)
	}
	test := textTest(op)
	switch {
	case a.kind == isNodes && b.lit != nil:
		want := *b.lit
		is := func(r *run, n ref) bool { return test(r.value(n), want) }
		p := a.path
		if id, ok := p.attributeOnly(); ok {
			return boolValue(func(r *run, n ref) bool {
				at, ok := r.attribute(n, id)
				return ok && is(r, at)
			})
		}
		return boolValue(func(r *run, n ref) bool { return p.any(r, n, is) })
	case a.kind == isStr && b.kind == isStr:
		left, right := a.str, b.str
		if b.lit != nil {
			want := *b.lit
			return boolValue(func(r *run, n ref) bool { return test(left(r, n), want) })
		}
		return boolValue(func(r *run, n ref) bool { return test(left(r, n), right(r, n)) })
	}
	left, right := pushTexts(a), pushTexts(b)
	equal := op == "="
	return boolValue(func(r *run, n ref) bool {
		lo := len(r.strs)
		right(r, n)
		mid := len(r.strs)
		left(r, n)
		found := r.pairs(r.strs[lo:mid], r.strs[mid:], test, equal)
		r.strs = r.strs[:lo]
		return found
	})
}

// attributeOnly is a path that is one attribute of the context node.
func (p *path) attributeOnly() (id int32, ok bool) {
	if p.from != fromContext || len(p.steps) != 1 || len(p.steps[0].preds) > 0 || p.steps[0].axis != axisAttribute {
		return 0, false
	}
	m := p.steps[0].match
	return m.id, !m.all && !m.wild
}

// pairs reports whether one pair passes. Many equalities are looked up, not tried.
func (r *run) pairs(right, left []string, test func(a, b string) bool, equal bool) bool {
	const many = 32
	if equal && len(right) > many && len(left) > many {
		if r.spend(8 * (len(right) + len(left))) {
			return false
		}
		slices.Sort(right)
		return slices.ContainsFunc(left, func(s string) bool {
			_, ok := slices.BinarySearch(right, s)
			return ok
		})
	}
	for _, a := range left {
		for _, b := range right {
			if r.spend(1) {
				return false
			}
			if test(a, b) {
				return true
			}
		}
	}
	return false
}

// pushTexts makes a value push its texts onto run.strs.
func pushTexts(v value) strsFn {
	switch v.kind {
	case isStrs:
		return v.strs
	case isStr:
		return func(r *run, n ref) { r.strs = append(r.strs, v.str(r, n)) }
	}
	p := v.path
	return func(r *run, n ref) {
		lo := len(r.nodes)
		p.push(r, n)
		for i := lo; i < len(r.nodes); i++ {
			r.strs = append(r.strs, r.value(r.nodes[i]))
		}
		r.nodes = r.nodes[:lo]
	}
}

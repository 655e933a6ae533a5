package rulecheck

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"oncegate/schemas/codes"
)

// A function says how many arguments it takes and how it is compiled.
type function struct {
	least, most int
	self        bool // without arguments it reads the context node
	compile     func(c *compiler, e *expr, args []value) (value, *fault)
}

const anyCount = 50

func functions() map[string]function {
	return map[string]function{
		"true":     {0, 0, false, constant(true)},
		"false":    {0, 0, false, constant(false)},
		"position": {0, 0, false, place(func(r *run, _ ref) float64 { return float64(r.pos) })},
		"last":     {0, 0, false, place(func(r *run, _ ref) float64 { return float64(r.size) })},
		"current":  {0, 0, false, current},

		"not":             {1, 1, false, truthOf(true)},
		"boolean":         {1, 1, false, truthOf(false)},
		"exists":          {1, 1, false, existence(false)},
		"empty":           {1, 1, false, existence(true)},
		"count":           {1, 1, false, count},
		"distinct":        {1, 1, false, distinct},
		"distinct-values": {1, 1, false, distinctValues},
		"tokens":          {2, 2, false, tokens},

		"number": {1, 1, true, func(c *compiler, e *expr, args []value) (value, *fault) {
			f, fail := c.number(args[0], e.at)
			return numValue(f), fail
		}},
		"string-length": {1, 1, true, func(c *compiler, e *expr, args []value) (value, *fault) {
			s, fail := c.text(args[0], e.at)
			return numValue(func(r *run, n ref) float64 { return float64(utf8.RuneCountInString(s(r, n))) }), fail
		}},
		"string":           {1, 1, true, textOf(func(s string) string { return s })},
		"normalize-space":  {1, 1, true, textOf(normalize)},
		"upper-case":       {1, 1, false, textOf(strings.ToUpper)},
		"lower-case":       {1, 1, false, textOf(strings.ToLower)},
		"type":             {1, 1, true, textOf(localPart)},
		"uuid":             {1, 1, true, testOf(func(s string) bool { return isUUID(trim(s)) })},
		"date":             {1, 1, true, testOf(isDate)},
		"date-time":        {1, 1, true, testOf(isDateTime)},
		"starts-with":      {2, 2, false, twoTexts(strings.HasPrefix)},
		"ends-with":        {2, 2, false, twoTexts(strings.HasSuffix)},
		"contains":         {2, 2, false, twoTexts(strings.Contains)},
		"substring-before": {2, 2, false, cut(func(before, _ string) string { return before })},
		"substring-after":  {2, 2, false, cut(func(_, after string) string { return after })},
		"concat":           {2, anyCount, false, concat},
		"local-name":       {1, 1, true, nameOf(func(local, _ string) string { return local })},
		"namespace-uri":    {1, 1, true, nameOf(func(_, space string) string { return space })},
		"expanded":         {1, 1, true, expanded},
		"matches":          {2, 3, false, matches},
		"in-list":          {2, 2, false, inList},
		"having":           {2, 2, false, having},
	}
}

func (c *compiler) call(e *expr) (value, *fault) {
	fn, ok := c.functions[e.text]
	if !ok {
		return value{}, &fault{e.at, "there is no function " + e.text}
	}
	args := make([]value, 0, len(e.args)+1)
	place := false
	for _, a := range e.args {
		v, f := c.expr(a)
		if f != nil {
			return value{}, f
		}
		args, place = append(args, v), place || v.place
	}
	if fn.self && len(args) == 0 {
		args = append(args, value{kind: isNodes, path: &path{ordered: true, steps: []pathStep{{axis: axisSelf, match: match{node: true}}}}})
	}
	if len(args) < fn.least || len(args) > fn.most {
		want := fmt.Sprintf("%d", fn.least)
		if fn.most > fn.least {
			want += " or more"
		}
		return value{}, &fault{e.at, fmt.Sprintf("%s takes %s arguments, not %d", e.text, want, len(args))}
	}
	out, f := fn.compile(c, e, args)
	out.place = out.place || place
	return out, f
}

type compileCall = func(c *compiler, e *expr, args []value) (value, *fault)

func constant(v bool) compileCall {
	return func(*compiler, *expr, []value) (value, *fault) {
		return boolValue(func(*run, ref) bool { return v }), nil
	}
}

func place(f numFn) compileCall {
	return func(*compiler, *expr, []value) (value, *fault) {
		return value{kind: isNum, num: f, place: true}, nil
	}
}

// current is the node that the rule is evaluated for, also within predicates.
func current(*compiler, *expr, []value) (value, *fault) {
	return value{kind: isNodes, path: &path{from: fromNodes, nodes: func(r *run, _ ref) { r.nodes = append(r.nodes, r.ctx) }}}, nil
}

func truthOf(negate bool) compileCall {
	return func(_ *compiler, _ *expr, args []value) (value, *fault) {
		t := truth(args[0])
		if negate {
			return boolValue(func(r *run, n ref) bool { return !t(r, n) }), nil
		}
		return boolValue(t), nil
	}
}

func existence(negate bool) compileCall {
	return func(c *compiler, e *expr, args []value) (value, *fault) {
		if args[0].kind != isNodes && args[0].kind != isStrs {
			return value{}, &fault{e.args[0].at, "want nodes or a sequence, not " + args[0].kind.String()}
		}
		return truthOf(negate)(c, e, args)
	}
}

func count(_ *compiler, e *expr, args []value) (value, *fault) {
	switch args[0].kind {
	case isNodes:
		p := args[0].path
		return numValue(func(r *run, n ref) float64 { return float64(p.count(r, n)) }), nil
	case isStrs:
		push := args[0].strs
		return numValue(func(r *run, n ref) float64 {
			lo := len(r.strs)
			push(r, n)
			k := len(r.strs) - lo
			r.strs = r.strs[:lo]
			return float64(k)
		}), nil
	}
	return value{}, &fault{e.args[0].at, "want nodes or a sequence to count, not " + args[0].kind.String()}
}

func distinct(_ *compiler, e *expr, args []value) (value, *fault) {
	if args[0].kind != isNodes && args[0].kind != isStrs {
		return value{}, &fault{e.args[0].at, "want nodes or a sequence, not " + args[0].kind.String()}
	}
	push := pushTexts(args[0])
	return boolValue(func(r *run, n ref) bool {
		lo := len(r.strs)
		push(r, n)
		ok := r.distinct(lo)
		r.strs = r.strs[:lo]
		return ok
	}), nil
}

func distinctValues(_ *compiler, e *expr, args []value) (value, *fault) {
	if args[0].kind != isNodes && args[0].kind != isStrs {
		return value{}, &fault{e.args[0].at, "want nodes or a sequence, not " + args[0].kind.String()}
	}
	push := pushTexts(args[0])
	return value{kind: isStrs, strs: func(r *run, n ref) {
		lo := len(r.strs)
		push(r, n)
		r.compact(lo)
	}}, nil
}

// tokens are the pieces between separators, without the space around them.
func tokens(c *compiler, e *expr, args []value) (value, *fault) {
	s, f := c.text(args[0], e.args[0].at)
	if f != nil {
		return value{}, f
	}
	if args[1].lit == nil || *args[1].lit == "" {
		return value{}, &fault{e.args[1].at, "want a literal separator"}
	}
	sep := *args[1].lit
	return value{kind: isStrs, strs: func(r *run, n ref) {
		rest := s(r, n)
		for more := true; more && !r.spend(1); {
			var piece string
			piece, rest, more = strings.Cut(rest, sep)
			r.strs = append(r.strs, trim(piece))
		}
	}}, nil
}

func textOf(f func(string) string) compileCall {
	return func(c *compiler, e *expr, args []value) (value, *fault) {
		s, fail := c.text(args[0], e.at)
		return strValue(func(r *run, n ref) string { return f(s(r, n)) }), fail
	}
}

func testOf(f func(string) bool) compileCall {
	return func(c *compiler, e *expr, args []value) (value, *fault) {
		s, fail := c.text(args[0], e.at)
		return boolValue(func(r *run, n ref) bool { return f(s(r, n)) }), fail
	}
}

// texts compiles the arguments as texts.
func (c *compiler) texts(e *expr, args []value) ([]strFn, *fault) {
	out := make([]strFn, len(args))
	for i, a := range args {
		var f *fault
		if out[i], f = c.text(a, e.args[i].at); f != nil {
			return nil, f
		}
	}
	return out, nil
}

func twoTexts(f func(a, b string) bool) compileCall {
	return func(c *compiler, e *expr, args []value) (value, *fault) {
		s, fail := c.texts(e, args)
		if fail != nil {
			return value{}, fail
		}
		a, b := s[0], s[1]
		return boolValue(func(r *run, n ref) bool { return f(a(r, n), b(r, n)) }), nil
	}
}

// cut takes a part of the first text, nothing where the second is not in it.
func cut(pick func(before, after string) string) compileCall {
	return func(c *compiler, e *expr, args []value) (value, *fault) {
		s, fail := c.texts(e, args)
		if fail != nil {
			return value{}, fail
		}
		a, b := s[0], s[1]
		return strValue(func(r *run, n ref) string {
			before, after, ok := strings.Cut(a(r, n), b(r, n))
			if !ok {
				return ""
			}
			return pick(before, after)
		}), nil
	}
}

func concat(c *compiler, e *expr, args []value) (value, *fault) {
	s, fail := c.texts(e, args)
	if fail != nil {
		return value{}, fail
	}
	return strValue(func(r *run, n ref) string {
		lo := len(r.strs)
		for _, f := range s {
			v := f(r, n) // may move the stack
			r.strs = append(r.strs, v)
		}
		all := strings.Join(r.strs[lo:], "")
		r.strs = r.strs[:lo]
		r.budget -= len(all) >> 5
		return all
	}), nil
}

func nameOf(pick func(local, space string) string) compileCall {
	return func(_ *compiler, e *expr, args []value) (value, *fault) {
		if args[0].kind != isNodes {
			return value{}, &fault{e.at, "want a node, not " + args[0].kind.String()}
		}
		p := args[0].path
		return strValue(func(r *run, n ref) string {
			at, ok := p.one(r, n)
			if !ok || at == docNode {
				return ""
			}
			if at.isAttr() {
				name := r.attrs[at.attr()].node.Name()
				return pick(name.Local, name.Space)
			}
			name := r.elems[at].node.Name()
			return pick(name.Local, name.Space)
		}), nil
	}
}

// expanded writes out a name; a comparison with a literal does not come here.
func expanded(_ *compiler, e *expr, args []value) (value, *fault) {
	if args[0].kind != isNodes {
		return value{}, &fault{e.at, "want a node that holds a name, not " + args[0].kind.String()}
	}
	p := args[0].path
	return strValue(func(r *run, n ref) string {
		if at, ok := p.one(r, n); ok {
			if name, ok := r.expanded(at); ok {
				return "{" + name.Space + "}" + name.Local
			}
		}
		return ""
	}), nil
}

func matches(c *compiler, e *expr, args []value) (value, *fault) {
	s, f := c.text(args[0], e.args[0].at)
	if f != nil {
		return value{}, f
	}
	if args[1].lit == nil {
		return value{}, &fault{e.args[1].at, "the pattern is a literal"}
	}
	fold := false
	if len(args) == 3 {
		if args[2].lit == nil || *args[2].lit != "i" {
			return value{}, &fault{e.args[2].at, "the only flag is 'i'"}
		}
		fold = true
	}
	p, err := c.pattern(*args[1].lit, fold)
	if err != nil {
		return value{}, &fault{e.args[1].at, "the pattern cannot be read: " + err.Error()}
	}
	return boolValue(func(r *run, n ref) bool { return p.match(s(r, n)) }), nil
}

func (c *compiler) pattern(text string, fold bool) (*pattern, error) {
	key := text
	if fold {
		key = "(?i)" + text
	}
	if p, ok := c.patterns[key]; ok {
		return p, nil
	}
	p, err := compilePattern(text, fold)
	if err == nil {
		c.patterns[key] = p
	}
	return p, err
}

func inList(c *compiler, e *expr, args []value) (value, *fault) {
	s, f := c.text(args[0], e.args[0].at)
	if f != nil {
		return value{}, f
	}
	if args[1].lit == nil || *args[1].lit == "" {
		return value{}, &fault{e.args[1].at, "the name of the list is a literal"}
	}
	i := slices.Index(c.lists, *args[1].lit)
	if i < 0 {
		if _, ok := codes.Default().List(*args[1].lit); !ok {
			return value{}, &fault{e.args[1].at, "there is no list of this name"}
		}
		i = len(c.lists)
		c.lists = append(c.lists, *args[1].lit)
	}
	return boolValue(func(r *run, n ref) bool { return r.lists[i].Has(s(r, n)) }), nil
}

package mapping

import (
	"oncegate/mapping/yamldoc"
)

// A Lookup is one expression over a value, outside any rule: part of an address,
// a header. It is safe for concurrent use.
type Lookup struct {
	e     *Expr
	scope *Scope
}

// Lookup compiles an expression over a value; nil when it is missing or faulty.
func (s *Scope) Lookup(v yamldoc.Value) *Lookup {
	e := s.expr(v, TypeText, ValueToXML)
	if e == nil {
		return nil
	}
	return &Lookup{e, s}
}

// LookupPart compiles an expression that stands at an offset within a text.
func (s *Scope) LookupPart(v yamldoc.Value, offset int, text string) *Lookup {
	g := &grammar{names: s.names, prefixes: s.prefixes}
	e, fault := g.parseExpr(text)
	if fault != nil {
		v.FaultAt(offset+fault.at, "%s", fault.msg)
		return nil
	}
	return &Lookup{&Expr{e, v}, s}
}

// Text evaluates the expression on a value.
func (l *Lookup) Text(in any) (string, error) {
	m := l.scope.take(false)
	defer l.scope.give(m)
	if err := m.load.loadValue(in, false); err != nil {
		return "", err
	}
	m.allow()
	text, err := m.text(l.e.e, 0)
	return trimSpace(text), l.e.place(err)
}

// True evaluates a condition on a value.
func (l *Lookup) True(in any) (bool, error) {
	m := l.scope.take(false)
	defer l.scope.give(m)
	if err := m.load.loadValue(in, false); err != nil {
		return false, err
	}
	m.allow()
	m.pos, m.size = 1, 1
	v, err := l.e.e.eval(m, 0)
	return m.truthOf(v), l.e.place(err)
}

// Texts evaluates the expression at each node that a path finds.
func (l *Lookup) Texts(in any, among *Lookup) ([]string, error) {
	m := l.scope.take(false)
	defer l.scope.give(m)
	if err := m.load.loadValue(in, false); err != nil {
		return nil, err
	}
	m.allow()
	m.pos, m.size = 1, 1
	found, err := among.e.e.eval(m, 0)
	if err != nil {
		return nil, among.e.place(err)
	}
	var out []string
	for _, at := range found.nodes {
		text, err := m.text(l.e.e, at)
		if err != nil {
			return nil, l.e.place(err)
		}
		out = append(out, trimSpace(text))
	}
	return out, nil
}

// LookupPath compiles a path over a value; nil when it is missing or faulty.
func (s *Scope) LookupPath(v yamldoc.Value) *Lookup {
	e := s.expr(v, TypeNodes, ValueToXML)
	if e == nil {
		return nil
	}
	return &Lookup{e, s}
}

// Mentions says whether the expression may read a top field for which is true.
// A path that could begin anywhere counts as reading all.
func (l *Lookup) Mentions(is func(field string) bool) bool {
	names := map[int32]string{}
	for local, entries := range l.scope.names.locals {
		for _, e := range entries {
			if e.space == "" {
				names[e.id] = local
			}
		}
	}
	return mentions(l.e.e, true, func(p *path) bool {
		if len(p.steps) == 0 {
			return true
		}
		first := p.steps[0]
		return first.deep || first.axis != axisChild || first.test != testName || is(names[first.name])
	})
}

// mentions walks the paths of an expression that begin at the top. Paths within
// a predicate begin below what was named already, unless they are absolute or
// climb; those are judged like the others.
func mentions(e expr, top bool, bad func(p *path) bool) bool {
	switch e := e.(type) {
	case *path:
		if (top || e.absolute || climbs(e)) && bad(e) {
			return true
		}
		for i := range e.steps {
			if i > 0 && e.steps[i].axis == axisParent {
				return true // may leave the field it began with
			}
			for _, p := range e.steps[i].preds {
				if mentions(p, false, bad) {
					return true
				}
			}
		}
	case *call:
		for _, a := range e.args {
			if mentions(a, top, bad) {
				return true
			}
		}
	case *logic:
		return mentions(e.left, top, bad) || mentions(e.right, top, bad)
	case *comparison:
		return mentions(e.left, top, bad) || mentions(e.right, top, bad)
	}
	return false
}

func climbs(p *path) bool { return len(p.steps) > 0 && p.steps[0].axis == axisParent }

package rulecheck

// path compiles steps. It finds out whether what they yield needs sorting.
func (c *compiler) path(e *expr) (value, *fault) {
	p := &path{from: fromContext}
	nested := false // may a node of the present step stand below another?
	switch {
	case e.absolute:
		p.from = fromRoot
	case len(e.args) == 1 && e.args[0].op == opVar && len(e.preds) == 0:
		i, kind, f := c.slot(e.args[0])
		if f != nil {
			return value{}, f
		}
		if kind != isNodes {
			return value{}, &fault{e.args[0].at, "$" + e.args[0].text + " is text and has no nodes below"}
		}
		p.from, p.slot = fromVar, i
	case len(e.args) == 1:
		v, f := c.expr(e.args[0])
		if f != nil {
			return value{}, f
		}
		if v.kind != isNodes {
			return value{}, &fault{e.args[0].at, "want nodes before a step or a predicate, not " + v.kind.String()}
		}
		p.from, p.nodes, nested = fromNodes, v.path.push, true
		for _, q := range e.preds {
			pr, f := c.predicate(q)
			if f != nil {
				return value{}, f
			}
			p.preds = append(p.preds, pr.pred)
		}
	}
	p.ordered = true
	single := !nested
	for _, s := range e.steps {
		ps, f := c.step(s)
		if f != nil {
			return value{}, f
		}
		switch s.axis {
		case axisSelf, axisAttribute:
		case axisChild:
			p.ordered = p.ordered && !nested
		case axisDescendant, axisDescendantOrSelf:
			p.ordered = p.ordered && !nested
			nested = true
		case axisParent, axisFollowingSibling, axisPrecedingSibling:
			p.ordered = p.ordered && single
		default:
			p.ordered, nested = false, true
		}
		single = single && (s.axis == axisSelf || s.axis == axisParent)
		p.steps = append(p.steps, ps)
	}
	return value{kind: isNodes, path: p}, nil
}

func (c *compiler) step(s step) (pathStep, *fault) {
	out := pathStep{axis: s.axis, match: c.match(s.test)}
	for _, q := range s.preds {
		pr, f := c.predicate(q)
		if f != nil {
			return out, f
		}
		if pr.places {
			if s.axis == axisPrecedingSibling {
				return out, &fault{q.at, "places are not counted among preceding siblings"}
			}
			out.places = true
		}
		out.preds = append(out.preds, pr.pred)
	}
	return out, nil
}

func (c *compiler) match(t nametest) match {
	switch {
	case t.node:
		return match{node: true}
	case t.any:
		return match{all: true}
	case t.name.Local == "*":
		return match{wild: true, space: c.names.space(t.name.Space)}
	}
	return match{id: c.names.id(t.name)}
}

type compiledPred struct {
	pred
	places bool
}

func (c *compiler) predicate(e *expr) (compiledPred, *fault) {
	v, f := c.expr(e)
	if f != nil {
		return compiledPred{}, f
	}
	if v.kind == isNum {
		return compiledPred{pred{place: v.num}, true}, nil
	}
	return compiledPred{pred{test: truth(v)}, v.place}, nil
}

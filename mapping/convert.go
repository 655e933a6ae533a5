package mapping

import (
	"errors"
	"fmt"
)

// Convert makes a value of a value, for a program of ValueToValue. The error is
// Errors, each at the place of its rule.
func (p *Program) Convert(v any) (any, Report, error) { return p.convert(v, false, nil) }

// ConvertWith is Convert with the secrets that the rules name.
func (p *Program) ConvertWith(v any, secrets Secrets) (any, Report, error) {
	return p.convert(v, false, func(m *machine) { m.secrets = secrets })
}

// TraceConvert is Convert with the lineage of every field in the report.
func (p *Program) TraceConvert(v any) (any, Report, error) { return p.convert(v, true, nil) }

func (p *Program) convert(v any, trace bool, follow func(*machine)) (any, Report, error) {
	if p.dir != ValueToValue {
		return nil, Report{}, errors.New("this mapping is about XML: it cannot make a value of a value")
	}
	m := p.scope.take(trace)
	if err := m.load.loadValue(v, trace); err != nil {
		p.scope.give(m)
		return nil, Report{}, fmt.Errorf("reading the input: %w", err)
	}
	m.allow()
	if follow != nil {
		follow(m)
	}
	r := &Reading{p, m}
	defer r.Close()
	return r.Run(nil)
}

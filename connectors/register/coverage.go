package register

import (
	"fmt"

	"oncegate/mapping"
)

// SampleCoverage says how much of a definition its samples prove.
type SampleCoverage struct {
	Query *mapping.CoverageReport // nil for a transport that sends no document
	Reply mapping.CoverageReport
}

// Coverage runs the samples and counts which rules they reach and which parts of
// their replies no rule reads. Whether the samples hold is asked of Samples.
func (d *Definition) Coverage() (SampleCoverage, error) {
	var out SampleCoverage
	samples, err := d.sampleCases()
	if err != nil {
		return out, err
	}
	reply := mapping.NewCoverage(d.reply.record)
	var query *mapping.Coverage
	if d.query != nil {
		query = mapping.NewCoverage(d.query)
	}
	for _, c := range samples {
		if err := c.follow(query, reply); err != nil {
			return out, fmt.Errorf("sample %s: %w", c.name, err)
		}
	}
	out.Reply = reply.Report()
	if query != nil {
		r := query.Report()
		out.Query = &r
	}
	return out, nil
}

// follow runs one case under the eyes of two coverages.
func (c *sampleCase) follow(query, reply *mapping.Coverage) error {
	var in any
	if c.has["query.json"] {
		text, err := c.file("query.json")
		if err != nil {
			return err
		}
		if in, err = mapping.DecodeJSON(text); err != nil {
			return fmt.Errorf("reading query.json: %w", err)
		}
		if _, unasked := c.d.answerUnasked(in); query != nil && !unasked {
			build := func(v any) error { _, _, err := query.Build(v); return err }
			if t, ok := c.d.transport.(valueTransport); ok && t.sendsValue() {
				build = func(v any) error { _, _, err := query.Convert(v); return err }
			}
			if err := build(in); err != nil {
				return err
			}
		}
	}
	if !c.has["reply.xml"] && !c.has["reply.json"] && !c.has["reply.mime"] {
		return nil
	}
	answer, err := c.reply()
	if err != nil {
		return err
	}
	c.d.readWith(answer, in, reply.Read)
	return nil
}

package register

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"oncegate/connectors/evidence"
	"oncegate/mapping"
	"oncegate/mapping/yamldoc"
	"oncegate/schemas/canon"
	"oncegate/schemas/records"
)

// canonical is the word for what evidence types make of a record.
const canonical = "canonical"

// recordSection reads which canonical record the reply rules make and how the
// evidence is made of it: by the evidence type, which is the default where a
// record is named, or by rules of its own.
func (d *Definition) recordSection(root, record, rules yamldoc.Value, scope *mapping.Scope) {
	if record.Exists() {
		name := record.Text()
		kind, ok := evidence.Type(name)
		if !ok {
			record.Fault("want one of %s", strings.Join(records.Types(), ", "))
			return
		}
		d.kind = kind
		d.Version += "+" + kind.Version // its files made the documents
	}
	switch {
	case rules.IsText():
		if rules.Text() != canonical {
			rules.Fault("want %s or rules", canonical)
		} else if !record.Exists() {
			rules.Fault("%s evidence is made of a canonical record: name its type under the key %q", canonical, "record")
		}
	case rules.Exists() || d.kind == nil:
		d.evidence = section(root, rules, "evidence", scope)
		return
	}
	if d.kind != nil {
		d.evidence = d.kind.Program()
	}
}

// knownTargets refuses rules that write to fields that the canonical record has not.
func (d *Definition) knownTargets() {
	if d.kind == nil || d.reply.record == nil {
		return
	}
	d.reply.record.EachTarget(func(path string, refuse func(string, ...any)) {
		if !records.Known(d.kind.Name, path) {
			refuse("the canonical record (%s) has no field %s%s", d.kind.Name, path, nearField(d.kind.Name, path))
		}
	})
}

// nearField names the field that may have been meant: one with nearly the same name
// beside it, the same name elsewhere, or what there is beside it.
func nearField(kind, path string) string {
	last := func(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
	parent := strings.TrimSuffix(path, last(path))
	var beside, elsewhere []string
	for _, f := range records.Fields(kind) {
		if rest, ok := strings.CutPrefix(f.Path, parent); ok && !strings.Contains(rest, ".") {
			beside = append(beside, rest)
		}
		if strings.TrimSuffix(last(f.Path), "[]") == strings.TrimSuffix(last(path), "[]") {
			elsewhere = append(elsewhere, f.Path)
		}
	}
	near := yamldoc.Suggest(last(path), beside)
	switch {
	case len(beside) > 0 && !strings.HasPrefix(near, "; known here"):
		return near
	case len(elsewhere) > 0:
		return "; there is " + strings.Join(elsewhere[:min(len(elsewhere), 5)], ", ")
	case len(beside) > 0:
		return near
	}
	return ""
}

// checkRecord holds the record against the schema of its type. The error names
// places and rules, no value.
func (d *Definition) checkRecord(record *mapping.Record) error {
	if d.kind == nil {
		return nil
	}
	err := records.ValidateValue(d.kind.Name, record.Value())
	var fault *canon.Fault
	if errors.As(err, &fault) {
		return errors.New(fault.Detail)
	}
	return err
}

// pages makes the supplements that are pages of the record. They show the id and
// the day of the evidence, which the reading of an answer does not know.
func (c *Connector) pages(m canon.Message, res result) result {
	if res.outcome != outcomeFound {
		return res
	}
	res.with = slices.Clone(res.with) // the cache gives the same result to others
	for i := range res.with {
		a := &res.with[i]
		if a.def.page == "" {
			continue
		}
		content, err := c.def.kind.Page(res.record, c.def.facts(evidenceID(m), issuedOn(m, res), m.At), a.def.page)
		if err != nil {
			return result{outcome: outcomeInvalid, code: canon.CodeMappingFailed, detail: "making pages of the record: " + err.Error(), err: err, report: res.report}
		}
		a.content = content
	}
	return res
}

// facts is what the pages say beside the record.
func (d *Definition) facts(id, issued string, made time.Time) evidence.Facts {
	return evidence.Facts{
		Evidence: id, Titles: d.EvidenceType.Titles, Issuer: d.Issuer.Names, IssuedOn: issued,
		Languages: d.EvidenceType.Distributions[0].Languages, Mapping: d.Version, Made: made,
	}
}

// evidenceID is the id of the main document that a query leads to.
func evidenceID(m canon.Message) string { return canon.DeriveUUID("document", string(m.ID)) }

// issuedOn is the day that the register names, or that of the query's own time,
// which is the same on every repetition.
func issuedOn(m canon.Message, res result) string {
	if res.issuedOn == "" && !res.asOf.IsZero() {
		return res.asOf.UTC().Format(time.DateOnly) // not younger than it is
	}
	if res.issuedOn != "" {
		return res.issuedOn
	}
	return m.At.UTC().Format(time.DateOnly)
}

// pages makes the pages of a sample, as they would be made in service, and
// compares what people read on those in the first language.
func (c *sampleCase) pages(res result) []Sample {
	var out []Sample
	first := ""
	for _, a := range res.with {
		if a.def.page == "" {
			continue
		}
		if first == "" {
			first = a.def.page
		}
		_, err := c.d.kind.Page(res.record, c.d.facts("", res.issuedOn, time.Time{}), a.def.page)
		out = append(out, Sample{c.d.Name, c.name, "page " + a.def.page, err})
	}
	if c.has["page.txt"] {
		out = append(out, Sample{c.d.Name, c.name, "page.txt", c.pageText(res, first)})
	}
	return out
}

func (c *sampleCase) pageText(res result, language string) error {
	if language == "" {
		return errors.New("the register has no supplement with page: canonical")
	}
	want, err := c.file("page.txt")
	if err != nil {
		return err
	}
	have, err := c.d.kind.Text(res.record, language)
	if err != nil {
		return err
	}
	if strings.TrimSpace(have) != strings.TrimSpace(string(want)) {
		return fmt.Errorf("the pages differ from page.txt\n%s", mapping.FirstDifference([]byte(have), want))
	}
	return nil
}

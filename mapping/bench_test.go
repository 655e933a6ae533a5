package mapping

import (
	"fmt"
	"testing"
)

const benchQuery = `apiVersion: oncegate/v1
kind: Mapping
name: bench
direction: value-to-xml
prefixes: {"": "urn:bench"}
rules:
  - to: Extract
    rules:
      - to: Person
        each: people
        rules:
          - {to: "@number", from: number}
          - {to: Name/Family, from: familyName}
          - {to: Name/Given, from: givenName}
          - {to: Born, from: "format-date(birth/date, 'DD.MM.YYYY')"}
`

const benchRules = `rules:
  - to: people[]
    each: r/p
    rules:
      - {to: number, from: "@n", required: true}
      - {to: familyName, from: "names/n[@k = 'f']"}
      - {to: givenName, from: "join(names/n[@k = 'g'], ' ')"}
      - {to: birth.date, from: "partial-date(born/@on, 'YYYYMMDD')"}
      - {to: birth.place, from: born/place}
      - {to: sex, from: sex, lookup: sex}
      - {to: line, from: "concat(street, ' ', house)"}
`

// BenchmarkStages is what mapping itself does, one stage at a time, for a thousand
// persons: the input loaded, the rules run, the record written as JSON, handed out
// as a Go value, and made into XML again.
func BenchmarkStages(b *testing.B) {
	const persons = 1000
	root := &Element{Name: Name{Local: "r"}}
	leaf := func(local, text string, attrs ...string) *Element {
		e := &Element{Name: Name{Local: local}, Text: text}
		for i := 0; i < len(attrs); i += 2 {
			e.Attrs = append(e.Attrs, Attr{Name{Local: attrs[i]}, attrs[i+1]})
		}
		return e
	}
	for i := range persons {
		names := leaf("names", "")
		names.Children = []*Element{leaf("n", "Prøveland", "k", "f"), leaf("n", "Ana", "k", "g"), leaf("n", "Lucía", "k", "g")}
		born := leaf("born", "", "on", "19940317")
		born.Children = []*Element{leaf("place", "Villaprueba")}
		p := leaf("p", "", "n", fmt.Sprintf("test-%06d", i))
		p.Children = []*Element{names, born, leaf("sex", "2"), leaf("street", "Calle Nueva"), leaf("house", "4"), leaf("note", "nobody reads this")}
		root.Children = append(root.Children, p)
	}
	p := compile(b, "code_lists: {sex: {\"1\": male, \"2\": female}}\n"+benchRules)
	back, err := Compile("query.yaml", []byte(benchQuery))
	if err != nil {
		b.Fatal(err)
	}
	reading, err := p.Read(root.AsNode())
	if err != nil {
		b.Fatal(err)
	}
	defer reading.Close()
	rec, _, err := reading.Record(nil)
	if err != nil {
		b.Fatal(err)
	}
	stage := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*persons)/b.Elapsed().Seconds(), "records/s")
		})
	}
	stage("load", func() error {
		r, err := p.Read(root.AsNode())
		if err == nil {
			r.Close()
		}
		return err
	})
	stage("load-and-rules", func() error {
		r, err := p.Read(root.AsNode())
		if err != nil {
			return err
		}
		defer r.Close()
		_, _, err = r.Record(nil)
		return err
	})
	stage("json", func() error { rec.AppendJSON(nil); return nil })
	stage("value", func() error { rec.Value(); return nil })
	stage("build", func() error { _, _, err := back.Build(rec); return err })
	stage("trace", func() error { _, _, err := p.Trace(root.AsNode()); return err })
}

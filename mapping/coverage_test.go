package mapping

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const covered = `code_lists: {sex: {M: male, F: female}}
rules:
  - {to: name, from: r/name}
  - {to: sex, from: r/sex, lookup: sex, unmapped: omit}
  - {to: nick, from: r/nick}
  - {to: old, value: "yes", when: "r/age > 60"}
  - {to: title, from: "if(r/title = 'D', 'Dr')"}
  - to: children[]
    each: r/child
    rules:
      - {to: name, from: .}
`

func TestCoverageNamesWhatWasNeverUsed(t *testing.T) {
	c := NewCoverage(compile(t, covered))
	for _, in := range []string{
		`<r xmlns:xsi="urn:xsi" xsi:schemaLocation="a b" id="7"><name>Ana</name><sex>F</sex><town>Z</town><age>3</age></r>`,
		`<r id="8"><name>Eva</name><sex>F</sex><age>61</age><town>Z</town><town>Y</town><empty/></r>`,
	} {
		if _, _, err := c.Run(input(t, in)); err != nil {
			t.Fatal(err)
		}
	}
	want := `2 inputs, 52.6%: 3 of 6 sources read, 3 of 7 rules wrote, 3 of 4 branches taken, 1 of 2 codes met
  never read: /r/@id (2 times there)
  never read: /r/empty (1 times there)
  never read: /r/town (3 times there)
  9:10: never wrote: nick
  11:10: never wrote: title
  12:9: never wrote: children[]
  15:14: never wrote: name
  11:24: never true: if(r/title = 'D', 'Dr')
  5:20: never met: M of sex
`
	r := c.Report()
	if diff := cmp.Diff(want, r.Text()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

func TestCoverageOfAReadingCountsItsQuestions(t *testing.T) {
	p := compile(t, "rules: [{to: a, from: x}]")
	c := NewCoverage(p)
	r, err := c.Read(input(t, `<r><x>1</x><y>2</y></r>`))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Run(nil); err != nil {
		t.Fatal(err)
	}
	if got := c.Report().Inputs; got != 0 {
		t.Errorf("an open reading counts: %d", got)
	}
	r.Close()
	got := c.Report()
	if got.Inputs != 1 || len(got.Unread) != 2 || len(got.NeverFired) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestCoverageCountsValuesAndXMLThatIsMade(t *testing.T) {
	p, err := Compile("t.yaml", sampleFile("direction: value-to-xml\nrules: [{to: r, rules: [{to: a, from: x}, {to: b, from: y}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	c := NewCoverage(p)
	if _, _, err := c.Build(map[string]any{"x": "1", "z": "2"}); err != nil {
		t.Fatal(err)
	}
	r := c.Report()
	if diff := cmp.Diff([]UnreadSource{{"/z", 1}}, r.Unread); diff != "" || len(r.NeverFired) != 1 {
		t.Errorf("%+v\n%s", r, diff)
	}
}

func TestLineageKnowsPlacesWhenTheInputDoes(t *testing.T) {
	p := compile(t, "rules: [{to: \"x[]\", each: r/a/b}, {to: y, from: r/a/@k}]")
	_, report, err := p.Trace(placed{input(t, `<r><a k="1"><c/>text<b>1</b><b>2</b></a></r>`)})
	if err != nil {
		t.Fatal(err)
	}
	want := []Source{{"/r/a/b[1]", 2, 1}, {"/r/a/b[2]", 2, 2}, {"/r/a/@k", 1, 0}}
	var got []Source
	for _, f := range report.Lineage {
		got = append(got, f.Sources...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// placed says depth and last number as line and column.
type placed struct{ Node }

func (placed) Place(path []int) (line, col int) {
	return len(path), path[len(path)-1]
}

func TestAValueBecomesAValue(t *testing.T) {
	p, err := Compile("t.yaml", sampleFile("direction: value-to-value\nrules:\n  - {to: \"names[]\", each: people/person, from: \"concat(given, ' ', family)\"}\n  - {to: n, from: count(people/person), as: integer}"))
	if err != nil {
		t.Fatal(err)
	}
	in, err := DecodeJSON([]byte(`{"people":{"person":[{"given":"Ana","family":"Vel"},{"given":"Eva","family":"Ved"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	got, report, err := p.TraceConvert(in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"names": []any{"Ana Vel", "Eva Ved"}, "n": json.Number("2")}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(report.Lineage) != 3 || report.Lineage[1].Target != "names[2]" {
		t.Errorf("lineage: %+v", report.Lineage)
	}
	if _, _, err := p.Run(input(t, "<a/>")); err == nil {
		t.Error("a value mapping read XML")
	}
}

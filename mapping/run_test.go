package mapping

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const head = "apiVersion: oncegate/v1\nkind: Mapping\nname: t\ndirection: xml-to-value\n"

func compile(t testing.TB, rules string) *Program {
	t.Helper()
	p, err := Compile("t.yaml", []byte(head+rules))
	if err != nil {
		t.Fatalf("compiling: %v", err)
	}
	return p
}

func input(t testing.TB, text string) Node {
	t.Helper()
	n, err := parseXML([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLineageNamesSourceTargetAndRule(t *testing.T) {
	p := compile(t, `rules:
  - {to: kind, value: x}
  - to: people[]
    each: r/p
    rules:
      - {to: name, from: "concat(n[@k = 'g'], ' ', n[@k = 'f'])"}
      - {to: id, from: "@id"}
`)
	_, report, err := p.Trace(input(t, `<r><p id="1"><n k="g">Ana</n><n k="f">Vel</n></p><p><n k="g">Eva</n></p></r>`))
	if err != nil {
		t.Fatal(err)
	}
	name := "concat(n[@k = 'g'], ' ', n[@k = 'f'])"
	want := []Feed{
		{Target: "kind", Value: "x", Line: 6, Col: 10},
		{Target: "people[1].name", Value: "Ana Vel", Expr: name, Sources: []Source{{Path: "/r/p[1]/n[1]"}, {Path: "/r/p[1]/n[2]"}}, Line: 10, Col: 14},
		{Target: "people[1].id", Value: "1", Expr: "@id", Sources: []Source{{Path: "/r/p[1]/@id"}}, Line: 11, Col: 14},
		{Target: "people[2].name", Value: "Eva", Expr: name, Sources: []Source{{Path: "/r/p[2]/n"}}, Line: 10, Col: 14},
	}
	if diff := cmp.Diff(want, report.Lineage); diff != "" {
		t.Errorf("lineage (-want +got):\n%s", diff)
	}
}

func TestWorkIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, "<a>%d</a>", i)
	}
	n := input(t, "<r>"+b.String()+"</r>")
	for _, tc := range []struct{ rule, rules string }{
		{"a search in every search", `[{to: x, from: "count(//*[//*[//a = ../a]])"}]`},
		{"all against all", `[{to: x, from: "if(r/a[. = ../a[. = ../a]] = 'none', 'y', 'n')"}]`},
		{"each in each in each", "\n  - to: x[]\n    each: //a\n    rules:\n      - to: y[]\n        each: //a\n        rules:\n          - {to: \"z[]\", each: //a}\n"},
	} {
		_, _, err := compile(t, "rules: "+tc.rules).Run(n)
		if err == nil || !strings.Contains(err.Error(), "too much work") {
			t.Errorf("%s: got %v, want the budget to end it", tc.rule, err)
		}
	}
}

func TestDepthIsBounded(t *testing.T) {
	p := compile(t, "rules: [{to: x, from: a}]")
	deep := strings.Repeat("<a>", maxTreeDepth+1) + strings.Repeat("</a>", maxTreeDepth+1)
	if _, _, err := p.Run(input(t, deep)); err == nil {
		t.Error("a document too deep was read")
	}
}

func TestTextInPiecesIsOneText(t *testing.T) {
	p := compile(t, "rules: [{to: x, from: a}, {to: y, from: \"a/text()[1]\"}]")
	v, _, err := p.Run(pieces{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"x": "one two three", "y": "one two three"}, v); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// pieces gives its text as CDATA sections and comments would cut it.
type pieces struct{}

func (pieces) Load(l *Loader) {
	l.Open("", "a")
	for _, s := range []string{"one", " ", "two", " three"} {
		l.Text(s)
	}
	l.Close()
}

func TestNumbersKeepTheirDigits(t *testing.T) {
	p := compile(t, "rules: [{to: n, from: a, as: number}]")
	for in, want := range map[string]string{
		"12.50": "12.50", "+007": "7", "-0.10": "-0.10", ".5": "0.5", "5.": "5", "123456789012345678901": "123456789012345678901",
	} {
		v, _, err := p.Run(input(t, "<a>"+in+"</a>"))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		out, err := json.Marshal(v)
		if err != nil || string(out) != `{"n":`+want+`}` {
			t.Errorf("%s: got %s, %v, want %s", in, out, err, want)
		}
	}
	for _, in := range []string{"1e3", "--1", "1.2.3", "0x10", "1 2", "."} {
		if _, _, err := p.Run(input(t, "<a>"+in+"</a>")); err == nil {
			t.Errorf("%q was taken for a number", in)
		}
	}
}

func TestProgramsRunAtTheSameTime(t *testing.T) {
	p := compile(t, "rules: [{to: \"n[]\", each: \"r/a[. != '3']\"}]")
	n := input(t, "<r><a>1</a><a>2</a><a>3</a></r>")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				v, _, err := p.Run(n)
				if diff := cmp.Diff(map[string]any{"n": []any{"1", "2"}}, v); diff != "" || err != nil {
					t.Errorf("err %v (-want +got):\n%s", err, diff)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestFaultsTellNoData(t *testing.T) {
	p := compile(t, `code_lists: {sex: {M: male}}
rules:
  - {to: a, from: r/name, as: integer}
  - {to: b, from: "date(r/name)"}
  - {to: c, from: r/name, lookup: sex}
`)
	_, report, err := p.Run(input(t, "<r><name>Lucía</name></r>"))
	if err == nil || strings.Contains(err.Error(), "Luc") || strings.Contains(fmt.Sprintf("%v %+v", report, report.Unmapped), "Luc") {
		t.Errorf("got %v and %v", err, report)
	}
	if len(report.Unmapped) != 1 || string(report.Unmapped[0].Code) != "Lucía" {
		t.Error("the report does not hold the code for those who ask for it")
	}
}

func TestLookupsSayWhatTheyRead(t *testing.T) {
	s := emptyScope()
	for _, tc := range []struct {
		expr string
		want bool
	}{
		{"procedure", false},
		{"requester/id/id", false},
		{"concat(procedure, '-', requester[country = 'SI']/id/id)", false},
		{"subject/natural/familyName", true},
		{"procedure[../subject]", true},
		{"procedure[/subject/natural]", true},
		{"procedure/../subject", true},
		{"*", true},
		{".", true},
		{"//familyName", true},
		{"if(subject, 'a', 'b')", true},
		{"'constant'", false},
	} {
		g := &grammar{names: s.names, prefixes: s.prefixes}
		e, fault := g.parseExpr(tc.expr)
		if fault != nil {
			t.Fatalf("%s: %s", tc.expr, fault.msg)
		}
		l := &Lookup{&Expr{e: e}, s}
		if got := l.Mentions(func(f string) bool { return f == "subject" }); got != tc.want {
			t.Errorf("%s reads the subject: got %v, want %v", tc.expr, got, tc.want)
		}
	}
}

// emptyScope is a scope without prefixes and lists.
func emptyScope() *Scope {
	return &Scope{names: newNames(), prefixes: map[string]string{}, lists: map[string]*codeList{}}
}

func TestARecordGoesThereAndBack(t *testing.T) {
	write, err := Compile("w.yaml", sampleFile(`direction: value-to-xml
prefixes: {b: 'urn:b'}
code_lists: {sex: {M: male, F: female}}
rules:
  - to: b:P
    rules:
      - {to: b:Sex, from: sex, reverse_lookup: sex}
      - {to: b:Born, from: "format-date(born, 'D.M.YYYY')"}
      - {to: b:Name, each: names}
      - {to: "@xml:lang", from: lang}
`))
	if err != nil {
		t.Fatal(err)
	}
	read := compile(t, `prefixes: {x: 'urn:b'}
code_lists: {sex: {M: male, F: female}}
rules:
  - {to: sex, from: x:P/x:Sex, lookup: sex}
  - {to: born, from: "date(x:P/x:Born, 'D.M.YYYY')"}
  - {to: "names[]", each: x:P/x:Name}
  - {to: lang, from: "x:P/@xml:lang"}
`)
	want := map[string]any{"sex": "female", "born": "1994-03-07", "names": []any{"Ana", "Lucía"}, "lang": "sl"}
	e, _, err := write.Build(want)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := read.Run(e.AsNode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

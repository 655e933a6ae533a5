package mapping

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPublishedListsAreWhole(t *testing.T) {
	code := regexp.MustCompile(`^([A-Z]{2,3}|[a-z]{2}|[a-z]+(-[a-z]+)?)$`)
	for _, l := range PublishedLists() {
		codes := l.codes()
		if len(codes) < 3 || l.Doc == "" {
			t.Errorf("%s: %d codes, %q", l.Name, len(codes), l.Doc)
		}
		key := l.Example[0]
		got, ok := "", false
		for from, to := range codes {
			if from == key || l.fold && foldCode(from) == foldCode(key) {
				got, ok = to, true
			}
			if from == "" || !code.MatchString(to) {
				t.Errorf("%s: %q means %q", l.Name, from, to)
			}
		}
		if !ok || got != l.Example[1] {
			t.Errorf("%s: %s means %q, want %q", l.Name, key, got, l.Example[1])
		}
	}
	folded := map[string]string{}
	for name, to := range countryNames() {
		if was, dup := folded[foldCode(name)]; dup && was != to {
			t.Errorf("%s means %s and %s", name, was, to)
		}
		folded[foldCode(name)] = to
	}
	if n := len(column(countryTable, 1)()); n != len(column(countryTable, 2)()) || n != 249 {
		t.Errorf("%d countries", n)
	}
}

func TestListsInTheLongForm(t *testing.T) {
	p := compile(t, `code_lists:
  country: {use: country-alpha3, codes: {XKX: XK, GRC: EL}}
  name: {use: country-name}
  status: {case: ignore, codes: {Ledig: single, use: married}}
  plain: {use2: a, codes: b}
rules:
  - {to: a, from: r/a, lookup: country}
  - {to: b, from: r/b, lookup: country}
  - {to: c, from: r/c, lookup: country}
  - {to: d, from: r/d, lookup: name, unmapped: omit}
  - {to: e, from: r/e, lookup: status}
  - {to: f, from: r/f, lookup: plain}
`)
	v, report, err := p.Run(input(t, `<r><a>SVN</a><b>XKX</b><c>GRC</c><d>Atlantis</d><e>LEDIG</e><f>codes</f></r>`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"a": "SI", "b": "XK", "c": "EL", "e": "single", "f": "b"}, v); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(report.Unmapped) != 1 || report.Unmapped[0].List != "name" {
		t.Errorf("unmapped: %+v", report.Unmapped)
	}
}

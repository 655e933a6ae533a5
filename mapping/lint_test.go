package mapping

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sampleFile completes the sample of a rule.
func sampleFile(sample string) []byte {
	text := "apiVersion: oncegate/v1\nkind: Mapping\nname: t\n"
	if !strings.Contains(sample, "direction:") {
		text += "direction: xml-to-value\n"
	}
	return []byte(text + sample + "\n")
}

func TestEveryLintRuleFindsItsSample(t *testing.T) {
	known := func(path string) bool { return path != "nowhere" }
	for _, r := range LintRules() {
		found, err := Lint("t.yaml", sampleFile(r.Sample), known)
		if err != nil {
			t.Errorf("%s: the sample is no mapping: %v", r.Name, err)
			continue
		}
		if len(found) != 1 || found[0].Rule != r.Name || found[0].Severity != r.Severity {
			t.Errorf("%s: found %+v", r.Name, found)
		}
		if r.Doc == "" || r.Remedy == "" {
			t.Errorf("%s has no sentence or no remedy", r.Name)
		}
	}
}

func TestAGoodMappingHasNoFindings(t *testing.T) {
	const good = `prefixes: {p: "urn:p"}
code_lists:
  sex: {M: male}
  country: {use: country-alpha3, codes: {XKX: XK}}
rules:
  - {to: sex, from: p:Sex, lookup: sex, unmapped: omit}
  - {to: country, from: "@country", lookup: country, unmapped: keep}
  - {to: a, from: p:A, when: "@k = '1'"}
  - {to: a, from: p:B, when: "@k = '2'"}
  - {to: kind, value: birth}
`
	found, err := Lint("t.yaml", sampleFile(good), nil)
	if err != nil || len(found) != 0 {
		t.Errorf("got %v, %+v", err, found)
	}
}

func TestAFindingShowsItsPlace(t *testing.T) {
	found, err := Lint("t.yaml", sampleFile("rules:\n  - {to: a, from: x//b}"), nil)
	if err != nil || len(found) != 1 {
		t.Fatalf("got %v, %+v", err, found)
	}
	want := `t.yaml:6:19: hint: this path searches all elements below (search)
    6 |   - {to: a, from: x//b}
      |                   ^
      = write the path
`
	if diff := cmp.Diff(want, found[0].Render()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

package mapping

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCoverageHonoursWhatIsUnreadOnPurpose(t *testing.T) {
	p, err := Compile("m.yaml", []byte(`apiVersion: oncegate/v1
kind: Mapping
name: m
direction: xml-to-value
prefixes: {p: "urn:p"}
rules:
  - {to: a, from: r/a}
unread:
  - {path: /r/head, why: between machines}
  - {path: //@unit, why: always metres}
  - {path: "/p:r/*/deep", why: not ours}
  - {path: /r/a, why: stale}
  - {path: /r/b/c, why: another depth}
`))
	if err != nil {
		t.Fatal(err)
	}
	c := NewCoverage(p)
	for _, text := range []string{`<r><head><id>1</id></head><a>x</a><m unit="m"/><b>y</b><k><deep>z</deep></k></r>`, `<r><a>x</a><n unit="m"/></r>`} {
		n, err := parseXML([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Run(n); err != nil {
			t.Fatal(err)
		}
	}
	r := c.Report()
	if diff := cmp.Diff([]UnreadSource{{"/r/b", 1}}, r.Unread); diff != "" {
		t.Errorf("unread (-want +got):\n%s", diff)
	}
	if r.Sources != (CoverageShare{Used: 1, All: 2}) {
		t.Errorf("sources %+v, want 1 of 2", r.Sources)
	}
	var sources []int
	for _, m := range r.Meant {
		sources = append(sources, m.Sources)
	}
	if diff := cmp.Diff([]int{1, 2, 1, 0, 0}, sources); diff != "" {
		t.Errorf("what each entry stood for (-want +got):\n%s", diff)
	}
	if stale := r.Stale(); len(stale) != 2 || stale[0].Path != "/r/a" || stale[0].Line != 12 {
		t.Errorf("stale: %+v", stale)
	}
}

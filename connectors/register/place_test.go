package register_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/register"
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
)

func TestLineageKnowsWhereTheReplySaysIt(t *testing.T) {
	doc, err := xmldoc.ParseBytes([]byte("<a:R xmlns:a='urn:a'>\n  <!-- x --><a:P>\n    <N k='1'>Ana</N>\n    <N>Eva</N></a:P>\n</a:R>"), xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := mapping.Compile("t.yaml", []byte("apiVersion: oncegate/v1\nkind: Mapping\nname: t\ndirection: xml-to-value\nprefixes: {b: 'urn:a'}\nrules:\n  - {to: 'n[]', each: b:R/b:P/N}\n  - {to: k, from: b:R/b:P/N/@k}\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, report, err := p.Trace(register.Node(doc.Root()))
	if err != nil {
		t.Fatal(err)
	}
	var got []mapping.Source
	for _, f := range report.Lineage {
		got = append(got, f.Sources...)
	}
	want := []mapping.Source{{Path: "/R/P/N[1]", Line: 3, Col: 5}, {Path: "/R/P/N[2]", Line: 4, Col: 5}, {Path: "/R/P/N[1]/@k", Line: 3, Col: 5}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

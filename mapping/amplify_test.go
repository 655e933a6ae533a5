package mapping

import (
	"strings"
	"testing"
)

// A small answer does not become a large record: what stands once in it may be
// repeated by the rules for every item, and items for every item.
func TestWhatRulesMakeIsBounded(t *testing.T) {
	big := "<r><note>" + strings.Repeat("n", 1<<20) + "</note>" + strings.Repeat("<a/>", 300) + strings.Repeat("<b/>", 300_000) + "</r>"
	many := "<r>" + strings.Repeat("<a/>", 200_000) + "</r>"
	for _, tc := range []struct{ rule, doc, rules string }{
		{"one text for every item", big, `[{to: "x[]", each: r/a, rules: [{to: v, from: /r/note}]}]`},
		{"a text made for every item", big, `[{to: "x[]", each: r/a, rules: [{to: v, from: "concat(/r/note, '')"}]}]`},
		{"one text for every place", big, `[{to: "x[]", each: r/a, from: /r/note}]`},
		{"items for every item", many, `[{to: "x[]", each: "r/a[position() < 2000]", rules: [{to: "y[]", each: "/r/a[position() < 2000]", rules: [{to: v, value: z}]}]}]`},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			r, err := compile(t, "rules: "+tc.rules).Read(input(t, tc.doc))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if _, _, err := r.Record(nil); err == nil || !strings.Contains(err.Error(), "too much") {
				t.Errorf("got %v, want a bound to end it", err)
			}
		})
	}
}

package xmldoc

import "testing"

// What is reserved for a document is what it needs.
func TestNodesAreCounted(t *testing.T) {
	for src, want := range map[string]int{
		"<a/>": 1, "<a></a>": 1, "<a>1</a>": 2, "<a>1<b/>2</a>": 4, " <a/> ": 2, "<a><b>1</b><b>2</b></a>": 5, "<!-- x --><a/>": 2, "": 0, "<": 0,
	} {
		if got := countNodes(src); got != want {
			t.Errorf("%q: %d nodes, want %d", src, got, want)
		}
	}
}

package xmldoc_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/xmldoc"
)

func TestRefused(t *testing.T) {
	f, err := os.Open("testdata/refused.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	seen := map[string]bool{}
	for n := 1; in.Scan(); n++ {
		line := in.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		reason, rest, _ := strings.Cut(line, " ")
		place, rest, _ := strings.Cut(rest, " ")
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			t.Fatalf("testdata/refused.txt:%d: %v", n, err)
		}
		doc, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("testdata/refused.txt:%d: %v", n, err)
		}
		var limits xmldoc.Limits
		if limit := strings.Fields(rest[len(quoted):]); len(limit) == 2 {
			v, err := strconv.Atoi(limit[1])
			into := map[string]*int{
				"BYTES": &limits.MaxBytes, "DEPTH": &limits.MaxDepth, "NODES": &limits.MaxNodes,
				"ATTRIBUTES": &limits.MaxAttributes, "NAMESPACES": &limits.MaxNamespaces, "NAME": &limits.MaxName,
			}[limit[0]]
			if err != nil || into == nil {
				t.Fatalf("testdata/refused.txt:%d: bad limit", n)
			}
			*into = v
		}
		seen[reason] = true
		_, err = xmldoc.Parse(strings.NewReader(doc), limits)
		var pe *xmldoc.ParseError
		if !errors.As(err, &pe) {
			t.Errorf("refused.txt:%d: %s: got %v, want %s", n, quoted, err, reason)
			continue
		}
		if got := fmt.Sprintf("%s %d:%d", pe.Reason, pe.Line, pe.Col); got != reason+" "+place {
			t.Errorf("refused.txt:%d: %s: got %s (%s), want %s %s", n, quoted, got, pe.Msg, reason, place)
		}
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	for r := xmldoc.ReasonUnset + 1; r < xmldoc.ReasonRead; r++ {
		if !seen[r.String()] {
			t.Errorf("no document is refused for %s", r)
		}
	}
}

func TestParseReportsTheReadersError(t *testing.T) {
	_, err := xmldoc.Parse(io.MultiReader(strings.NewReader("<a>"), iotest.ErrReader(io.ErrClosedPipe)), xmldoc.Limits{})
	var pe *xmldoc.ParseError
	if !errors.As(err, &pe) || pe.Reason != xmldoc.ReasonRead || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

// canonical is the exclusive form with comments: a compact way to say what was read.
func canonical(t testing.TB, doc *xmldoc.Document) string {
	t.Helper()
	var b strings.Builder
	if err := doc.Canonical(&b, xmldoc.C14N{Comments: true}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestParsed(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"byte order mark", "\uFEFF<a>ā</a>", "<a>ā</a>"},
		{"UTF-16 little-endian", "\xff\xfe<\x00a\x00>\x00\x01\x01=\xd8\x00\xde<\x00/\x00a\x00>\x00", "<a>ā😀</a>"},
		{"UTF-16 big-endian with declaration", utf16be(`<?xml version="1.0" encoding="utf-16"?><a>ā</a>`), "<a>ā</a>"},
		{"ISO-8859-1", "<?xml version='1.0' encoding='iso-8859-1' ?><a b='\xe4'>\xe4</a>", `<a b="ä">ä</a>`},
		{"US-ASCII", `<?xml version="1.0" encoding="us-ascii" standalone="no"?><a>&#xe4;</a>`, "<a>ä</a>"},
		{"line ends", "<a\r\n>x\r\ny\rz\n\r\r\n</a\r>", "<a>x\ny\nz\n\n\n</a>"},
		{"referenced line ends", "<a>&#13;&#10;&#9;</a>", "<a>&#xD;\n\t</a>"},
		{"white space in attributes", "<a b='x\r\ny\rz\nu\tv&#13;&#10;&#9;'/>", `<a b="x y z u v&#xD;&#xA;&#x9;"></a>`},
		{"quotes in attributes", `<a b='"' c="'"/>`, `<a b="&quot;" c="'"></a>`},
		{"escapes", "<a b='&lt;&gt;&amp;&quot;&apos;>'>&lt;&gt;&amp;&quot;&apos;></a>", `<a b="&lt;>&amp;&quot;'>">&lt;&gt;&amp;"'&gt;</a>`},
		{"CDATA joins text", "<a>x<![CDATA[<&]]>]]<![CDATA[\r\n]]>&gt;</a>", "<a>x&lt;&amp;]]\n&gt;</a>"},
		{"empty CDATA", "<a><![CDATA[]]></a>", "<a></a>"},
		{"comments and instructions", "<?p  x\r\ny ?><!--c\r--><a><?q?><!----></a>\n<!--e--><?r s?>", "<?p x\ny ?>\n<!--c\n-->\n<a><?q?><!----></a>\n<!--e-->\n<?r s?>"},
		{"brackets", "<a>]] > ]>]]&gt;</a>", "<a>]] &gt; ]&gt;]]&gt;</a>"},
		{"default namespace undone", `<a xmlns="urn:x"><b xmlns=""><c/></b></a>`, `<a xmlns="urn:x"><b xmlns=""><c></c></b></a>`},
		{"prefix bound again", `<p:a xmlns:p="urn:x"><p:b xmlns:p="urn:y"/><p:c/></p:a>`, `<p:a xmlns:p="urn:x"><p:b xmlns:p="urn:y"></p:b><p:c></p:c></p:a>`},
		{"unused namespaces go", `<a xmlns:p="urn:x" xmlns:q="urn:y"><q:b p:c=""/></a>`, `<a><q:b xmlns:p="urn:x" xmlns:q="urn:y" p:c=""></q:b></a>`},
		{"attributes in order", `<a xmlns:z="urn:a" xmlns:b="urn:z" b:x="1" z:y="2" d="3" c="4" xml:lang="5"/>`,
			`<a xmlns:b="urn:z" xmlns:z="urn:a" c="4" d="3" xml:lang="5" z:y="2" b:x="1"></a>`},
		{"xml declared as it is", `<a xmlns:xml="http://www.w3.org/XML/1998/namespace" xml:space="preserve"/>`, `<a xml:space="preserve"></a>`},
		{"names beyond ASCII", "<ā·1 é.-_=''/>", `<ā·1 é.-_=""></ā·1>`},
		{"leading zeros", "<a>&#x00000041;</a>", "<a>A</a>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc, err := xmldoc.ParseBytes([]byte(c.in), xmldoc.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, canonical(t, doc)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func utf16be(s string) string {
	out := []byte{0xFE, 0xFF}
	for _, r := range s {
		out = append(out, byte(r>>8), byte(r))
	}
	return string(out)
}

// A hostile document may not reserve much more than its size before it is refused.
func TestRefusalIsCheap(t *testing.T) {
	for _, c := range []struct{ name, doc string }{
		{"brackets", strings.Repeat("<", 1<<20)},
		{"equals", "<a b" + strings.Repeat(`="`, 1<<20)},
		{"deep", strings.Repeat("<a>", 1<<19)},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := xmldoc.ParseBytes([]byte(c.doc), xmldoc.Limits{})
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
		}
		got := after.TotalAlloc - before.TotalAlloc
		if limit := uint64(16 * len(c.doc)); got > limit {
			t.Errorf("%s: %d bytes for a document of %d", c.name, got, len(c.doc))
		}
	}
}

// A kept source is the caller's own memory, and the document is the same.
func TestParseKept(t *testing.T) {
	const src = `<a xmlns:b="urn:b" b:c="1">2<b:d/></a>`
	for _, in := range []string{src, "\xEF\xBB\xBF" + src} {
		d, err := xmldoc.ParseKept([]byte(in), xmldoc.Limits{})
		if err != nil || d.Source() != src {
			t.Errorf("%q, %v", d.Source(), err)
		}
	}
	if _, err := xmldoc.ParseKept([]byte(src), xmldoc.Limits{MaxBytes: 8}); err == nil {
		t.Error("longer than the limit")
	}
	if _, err := xmldoc.ParseKept(nil, xmldoc.Limits{}); err == nil {
		t.Error("nothing is a document")
	}
}

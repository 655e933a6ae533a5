package xmldoc_test

import (
	"bytes"
	"crypto/sha1" // the old vectors are digested with it
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/assets"
)

const spaceDS = "http://www.w3.org/2000/09/xmldsig#"

func mustParse(t testing.TB, s string) *xmldoc.Document {
	t.Helper()
	doc, err := xmldoc.ParseBytes([]byte(s), xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func find(t testing.TB, doc *xmldoc.Document, local string) xmldoc.Element {
	t.Helper()
	for e := range doc.Root().Descendants() {
		if e.Name().Local == local {
			return e
		}
	}
	t.Fatalf("no element %s", local)
	return xmldoc.Element{}
}

// The W3C interoperability vectors (merlin, Y1): four references and SignedInfo, whose
// canonical octets stand in c14n-N.txt and whose SHA-1 stands in the signature.
func TestExclusiveVectors(t *testing.T) {
	for _, dir := range []string{"exc-c14n-merlin", "exc-c14n-interop/Y1"} {
		folder := filepath.Join(assets.Path(t, "as4/santuario"), dir)
		names, err := filepath.Glob(filepath.Join(folder, "*ignature.xml"))
		if err != nil || len(names) != 1 {
			t.Skipf("no vector in %s", folder)
		}
		src, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		doc := mustParse(t, string(src))
		info := find(t, doc, "SignedInfo")
		var targets []xmldoc.Element
		var forms []xmldoc.C14N
		var digests []string
		for ref := range info.All(xmldoc.Name{Space: spaceDS, Local: "Reference"}) {
			uri, _ := ref.Attr(xmldoc.Name{Local: "URI"})
			id := strings.NewReplacer("#xpointer(id('", "", "'))", "", "#", "").Replace(uri)
			var form xmldoc.C14N
			for e := range ref.Descendants() {
				if alg, _ := e.Attr(xmldoc.Name{Local: "Algorithm"}); strings.HasSuffix(alg, "#WithComments") {
					form.Comments = true
				}
				if list, ok := e.Attr(xmldoc.Name{Local: "PrefixList"}); ok {
					form.Prefixes = strings.Fields(list)
				}
			}
			for e := range doc.Root().Descendants() {
				if v, _ := e.Attr(xmldoc.Name{Local: "Id"}); v == id {
					targets = append(targets, e)
				}
			}
			forms = append(forms, form)
			value, err := ref.OnlyText(xmldoc.Name{Space: spaceDS, Local: "DigestValue"})
			if err != nil {
				t.Fatal(err)
			}
			digests = append(digests, strings.TrimSpace(value))
		}
		if len(targets) != 4 || len(digests) != 4 {
			t.Fatalf("%s: %d targets, %d digests, want 4", dir, len(targets), len(digests))
		}
		for i, e := range append(targets, info) {
			form := xmldoc.C14N{}
			if i < len(forms) {
				form = forms[i]
			}
			want, err := os.ReadFile(filepath.Join(folder, "c14n-"+string(rune('0'+i))+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := e.Canonical(&got, form); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s: reference %d:\n got %q\nwant %q", dir, i, got.Bytes(), want)
			}
			if sum := sha1.Sum(got.Bytes()); i < len(digests) && base64.StdEncoding.EncodeToString(sum[:]) != digests[i] {
				t.Errorf("%s: digest of reference %d differs", dir, i)
			}
		}
	}
}

func TestCanonicalSubtree(t *testing.T) {
	const src = `<a:root xmlns:a="urn:a" xmlns:b="urn:b" xmlns="urn:d" xml:lang="lv" xml:space="default"><!--x--><mid xml:lang="en"><a:leaf b:x="1"><c xmlns="">t<?p q?></c><!--y--></a:leaf></mid></a:root>`
	for _, c := range []struct {
		name, apex string
		form       xmldoc.C14N
		exclude    string
		want       string
	}{
		{"exclusive", "leaf", xmldoc.C14N{}, "", `<a:leaf xmlns:a="urn:a" xmlns:b="urn:b" b:x="1"><c>t<?p q?></c></a:leaf>`},
		{"with comments", "leaf", xmldoc.C14N{Comments: true}, "", `<a:leaf xmlns:a="urn:a" xmlns:b="urn:b" b:x="1"><c>t<?p q?></c><!--y--></a:leaf>`},
		{"prefix list", "mid", xmldoc.C14N{Prefixes: []string{"b", "none"}}, "", `<mid xmlns="urn:d" xmlns:b="urn:b" xml:lang="en"><a:leaf xmlns:a="urn:a" b:x="1"><c xmlns="">t<?p q?></c></a:leaf></mid>`},
		{"default in the prefix list", "leaf", xmldoc.C14N{Prefixes: []string{"#default"}}, "", `<a:leaf xmlns="urn:d" xmlns:a="urn:a" xmlns:b="urn:b" b:x="1"><c xmlns="">t<?p q?></c></a:leaf>`},
		{"without a subtree", "root", xmldoc.C14N{}, "leaf", `<a:root xmlns:a="urn:a" xml:lang="lv" xml:space="default"><mid xmlns="urn:d" xml:lang="en"></mid></a:root>`},
		{"inclusive inherits", "leaf", xmldoc.C14N{Inclusive: true}, "", `<a:leaf xmlns="urn:d" xmlns:a="urn:a" xmlns:b="urn:b" xml:lang="en" xml:space="default" b:x="1"><c xmlns="">t<?p q?></c></a:leaf>`},
		{"inclusive leaves an empty default out", "c", xmldoc.C14N{Inclusive: true}, "", `<c xmlns:a="urn:a" xmlns:b="urn:b" xml:lang="en" xml:space="default">t<?p q?></c>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := mustParse(t, src)
			if c.exclude != "" {
				c.form.Exclude = find(t, doc, c.exclude)
			}
			got := string(find(t, doc, c.apex).AppendCanonical(nil, c.form))
			if got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// Streaming and appending write the same octets, whatever the size of the pieces.
func TestCanonicalStreams(t *testing.T) {
	big := strings.Repeat(`x&gt;y `, 9000)
	doc := mustParse(t, `<a b="`+strings.Repeat("&quot;", 5000)+`"><!--`+strings.Repeat("c", 20000)+`-->`+big+`<b>`+strings.Repeat("z", 30000)+`</b></a>`)
	for _, form := range []xmldoc.C14N{{}, {Comments: true}, {Inclusive: true}} {
		var pieces pieceWriter
		if err := doc.Root().Canonical(&pieces, form); err != nil {
			t.Fatal(err)
		}
		if want := doc.Root().AppendCanonical([]byte("before"), form); string(want) != "before"+string(pieces.all) {
			t.Error("the streamed form differs from the appended")
		}
		if pieces.longest > 9<<10 {
			t.Errorf("a piece of %d octets", pieces.longest)
		}
	}
	if err := doc.Root().Canonical(failingWriter{}, xmldoc.C14N{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

type pieceWriter struct {
	all     []byte
	longest int
}

func (w *pieceWriter) Write(p []byte) (int, error) {
	w.all = append(w.all, p...)
	w.longest = max(w.longest, len(p))
	return len(p), nil
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestManyAttributesAreSorted(t *testing.T) {
	var names []string
	var src strings.Builder
	src.WriteString("<a")
	for i := range 40 {
		name := "n" + string(rune('a'+i*7%26)) + string(rune('a'+i/2))
		names = append(names, name)
		src.WriteString(" " + name + `=""`)
	}
	src.WriteString("/>")
	slices.Sort(names)
	want := "<a " + strings.Join(names, `="" `) + `=""></a>`
	if got := canonical(t, mustParse(t, src.String())); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// Canonical XML 1.1 (2.4) inherits xml:lang and xml:space, not xml:id.
func TestInclusive11Inherits(t *testing.T) {
	doc := mustParse(t, `<a xmlns:p="urn:p" xml:id="one" xml:lang="lv" xml:base="http://example.test/"><b xml:space="preserve"><c xml:id="two"/></b></a>`)
	for _, tt := range []struct {
		form xmldoc.C14N
		want string
	}{
		{xmldoc.C14N{Inclusive: true}, `<c xmlns:p="urn:p" xml:base="http://example.test/" xml:id="two" xml:lang="lv" xml:space="preserve"></c>`},
		{xmldoc.C14N{Inclusive: true, V11: true}, `<c xmlns:p="urn:p" xml:id="two" xml:lang="lv" xml:space="preserve"></c>`},
	} {
		if got := string(find(t, doc, "c").AppendCanonical(nil, tt.form)); got != tt.want {
			t.Errorf("%+v: got %s, want %s", tt.form, got, tt.want)
		}
	}
}

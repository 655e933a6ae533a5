package xmldoc_test

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/xmldoc"
)

// seeds gives a fuzz target the refused documents, some good ones and small assets.
func seeds(f *testing.F) {
	for _, s := range []string{tree, "\uFEFF<a/>", `<a xmlns="urn:x" b='"'>&lt;<![CDATA[x]]>&#13;</a>`, "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe4</a>",
		"\xff\xfe<\x00a\x00/\x00>\x00", `<p:a xmlns:p="u" xmlns:q="v" q:b="1" p:b="2" b="3"><q:c xmlns:q="u"/></p:a>`} {
		f.Add([]byte(s))
	}
	if file, err := os.Open("testdata/refused.txt"); err == nil {
		defer file.Close()
		for in := bufio.NewScanner(file); in.Scan(); {
			if _, rest, ok := strings.Cut(in.Text(), `"`); ok {
				if quoted, err := strconv.QuotedPrefix(`"` + rest); err == nil {
					s, _ := strconv.Unquote(quoted)
					f.Add([]byte(s))
				}
			}
		}
	}
	small, _ := filepath.Glob(filepath.Join("..", "..", "..", "shared", "assets", "as4", "phase4", "soap12", "*.xml"))
	for _, name := range small {
		if b, err := os.ReadFile(name); err == nil {
			f.Add(b)
		}
	}
}

// FuzzParse: no input makes Parse panic, and the canonical form of what it accepts is
// accepted and is its own canonical form.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		doc, err := xmldoc.ParseBytes(in, xmldoc.Limits{MaxNodes: 10000})
		if err != nil {
			return
		}
		for _, form := range []xmldoc.C14N{{}, {Comments: true}, {Comments: true, Inclusive: true}, {Prefixes: []string{"#default", "p", "q"}}} {
			var once, twice bytes.Buffer
			if err := doc.Canonical(&once, form); err != nil {
				t.Fatal(err)
			}
			again, err := xmldoc.ParseBytes(once.Bytes(), xmldoc.Limits{})
			if err != nil {
				t.Fatalf("canonical form is refused: %v\n%q", err, once.Bytes())
			}
			if err := again.Canonical(&twice, form); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(once.Bytes(), twice.Bytes()) {
				t.Fatalf("not a fixed point:\n%q\n%q", once.Bytes(), twice.Bytes())
			}
			if !form.Comments {
				continue
			}
			if appended := again.Root().AppendCanonical(nil, form); !bytes.Contains(once.Bytes(), appended) {
				t.Fatalf("the root alone differs:\n%q\n%q", once.Bytes(), appended)
			}
		}
		for e := range doc.Root().Descendants() {
			if raw := e.Raw(); raw[0] != '<' || raw[len(raw)-1] != '>' {
				t.Fatalf("raw element %q", raw)
			}
			e.Node().PrevSibling()
		}
		b := xmldoc.NewBuilder(xmldoc.Name{Local: "copy"})
		b.Root().Copy(doc.Root())
		out, err := b.Bytes()
		if err != nil {
			t.Fatalf("copying: %v", err)
		}
		copied, err := xmldoc.ParseBytes(out, xmldoc.Limits{MaxDepth: 65})
		if err != nil {
			t.Fatalf("the copy is refused: %v\n%q", err, out)
		}
		form := xmldoc.C14N{Comments: true}
		for c := range copied.Root().Children() {
			if diff := cmp.Diff(string(doc.Root().AppendCanonical(nil, form)), string(c.AppendCanonical(nil, form))); diff != "" {
				t.Fatalf("-source +copy:\n%s", diff)
			}
		}
	})
}

// flat writes what was read as one line per event, for comparison with encoding/xml.
// Known differences are levelled: encoding/xml does not normalise white space in
// attribute values and keeps CR in comments and instructions.
type flat struct{ strings.Builder }

var blanks = strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ", "\t", " ")

func (f *flat) attr(space, local, value string) {
	f.WriteString(" " + strconv.Quote(blanks.Replace(space)) + " " + local + "=" + strconv.Quote(blanks.Replace(value)))
}

func (f *flat) ours(n xmldoc.Node) {
	switch n.Kind() {
	case xmldoc.KindElement:
		f.WriteString("< " + strconv.Quote(blanks.Replace(n.Name().Space)) + " " + n.Name().Local)
		for a := n.FirstAttr(); !a.IsZero(); a = a.NextAttr() {
			f.attr(a.Name().Space, a.Name().Local, a.Value())
		}
		f.WriteString("\n")
	case xmldoc.KindText:
		f.WriteString("t " + strconv.Quote(n.Value()) + "\n")
	case xmldoc.KindComment:
		f.WriteString("! " + strconv.Quote(blanks.Replace(n.Value())) + "\n")
	case xmldoc.KindInstruction:
		f.WriteString("? " + n.Name().Local + " " + strconv.Quote(blanks.Replace(n.Value())) + "\n")
	}
	for c := n.FirstChild(); !c.IsZero(); c = c.NextSibling() {
		f.ours(c)
	}
	if n.Kind() == xmldoc.KindElement {
		f.WriteString(">\n")
	}
}

func (f *flat) theirs(src string) error {
	d := xml.NewDecoder(strings.NewReader(src))
	text, depth := "", 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if t, ok := tok.(xml.CharData); ok {
			if depth > 0 {
				text += string(t)
			}
			continue
		}
		if text != "" {
			f.WriteString("t " + strconv.Quote(text) + "\n")
			text = ""
		}
		switch t := tok.(type) {
		case xml.StartElement:
			depth++
			f.WriteString("< " + strconv.Quote(blanks.Replace(t.Name.Space)) + " " + t.Name.Local)
			for _, a := range t.Attr {
				if a.Name.Space != "xmlns" && (a.Name.Space != "" || a.Name.Local != "xmlns") {
					f.attr(a.Name.Space, a.Name.Local, a.Value)
				}
			}
			f.WriteString("\n")
		case xml.EndElement:
			depth--
			f.WriteString(">\n")
		case xml.Comment:
			f.WriteString("! " + strconv.Quote(blanks.Replace(string(t))) + "\n")
		case xml.ProcInst:
			if t.Target != "xml" {
				f.WriteString("? " + t.Target + " " + strconv.Quote(blanks.Replace(string(t.Inst))) + "\n")
			}
		}
	}
}

// FuzzAgainstEncodingXML: what we accept, encoding/xml reads equally.
func FuzzAgainstEncodingXML(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		doc, err := xmldoc.ParseBytes(in, xmldoc.Limits{})
		if err != nil {
			return
		}
		src := doc.Source()
		if strings.HasPrefix(src, "<?xml") && strings.Contains(src[:strings.Index(src, ">")], "encoding") {
			return // encoding/xml knows UTF-8 only, and Source has been transcoded
		}
		var ours, theirs flat
		ours.ours(doc.Node())
		if err := theirs.theirs(src); err != nil {
			for i := range len(src) {
				if src[i] >= 0x80 {
					return // its tables of names are those of XML 1.0 second edition
				}
			}
			t.Fatalf("encoding/xml refuses: %v\n%q", err, src)
		}
		if diff := cmp.Diff(theirs.String(), ours.String()); diff != "" {
			t.Fatalf("-encoding/xml +xmldoc:\n%s\n%q", diff, src)
		}
	})
}
